//! No file is forgotten: every Rust file is a module of another, every crate directory is a member of the workspace.
//!
//! A file that nothing declares compiles never and fails never; its tests pass by not existing.

use crate::finding::Finding;
use crate::lexer::code_only;
use crate::manifest;
use crate::repository::{Repository, SourceFile, extension_of};
use std::collections::BTreeSet;

/// Names of files that cargo finds by itself.
const ROOTS: &[&str] = &["lib.rs", "main.rs", "build.rs"];

/// All forgotten files and members.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    let members = manifest::members(repository.text("Cargo.toml").unwrap_or_default());
    let excluded = manifest::excluded(repository.text("Cargo.toml").unwrap_or_default());
    let known: Vec<String> = members.iter().chain(&excluded).cloned().collect();
    let mut findings = forgotten_crates(repository.files(), &known);
    findings.extend(forgotten_files(repository.files()));
    findings.extend(unruly_members(repository, &members));
    findings
}

/// Directories under `crates/` that are not crates, and manifests that the workspace neither takes in nor leaves out.
fn forgotten_crates(files: &[SourceFile], known: &[String]) -> Vec<Finding> {
    let manifests: BTreeSet<&str> = files.iter().filter_map(|file| file.path.strip_suffix("/Cargo.toml")).collect();
    let covered = |dir: &str| known.iter().any(|pattern| covers(pattern, dir));
    let outside = manifests.iter().filter(|dir| !covered(dir)).map(|dir| {
        let message = "the crate is no member of the workspace; add its directory to `members` in the root manifest, or \
                       to `exclude` if it is a workspace of its own";
        Finding::new(&format!("{dir}/Cargo.toml"), 1, message)
    });
    let rooms: BTreeSet<String> = files.iter().filter_map(|file| crate_dir(&file.path)).collect();
    let empty = rooms.iter().filter(|dir| !manifests.contains(dir.as_str())).map(|dir| {
        Finding::new(dir, 1, "a directory under crates/ has no Cargo.toml; add one, or remove the directory")
    });
    outside.chain(empty).collect()
}

fn crate_dir(path: &str) -> Option<String> {
    let (name, _) = path.strip_prefix("crates/")?.split_once('/')?;
    Some(format!("crates/{name}"))
}

/// Member patterns are a path, or a directory and `/*`.
fn covers(pattern: &str, dir: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(parent) => {
            dir.strip_prefix(parent).and_then(|rest| rest.strip_prefix('/')).is_some_and(|rest| !rest.contains('/'))
        }
        None => pattern == dir,
    }
}

/// Members that do not take part in the workspace's lints.
fn unruly_members(repository: &Repository, members: &[String]) -> Vec<Finding> {
    let is_member =
        |path: &str| path.strip_suffix("/Cargo.toml").is_some_and(|dir| members.iter().any(|m| covers(m, dir)));
    let unruly =
        repository.files().iter().filter(|file| is_member(&file.path) && !manifest::inherits_lints(&file.text));
    let message = "the crate does not take the workspace's lints; add `[lints]` with `workspace = true`";
    unruly.map(|file| Finding::new(&file.path, 1, message)).collect()
}

/// Rust files in a crate's `src`, or in a `tests/it`, that no file beside or above them declares with `mod`.
fn forgotten_files(files: &[SourceFile]) -> Vec<Finding> {
    let sources: Vec<&SourceFile> = files.iter().filter(|file| is_module(&file.path)).collect();
    let declared = |file: &SourceFile| {
        let (dir, module) = place(&file.path);
        let parents = parents_of(dir);
        sources.iter().filter(|source| parents.contains(&source.path)).any(|parent| declares(&parent.text, module))
    };
    let forgotten = sources.iter().filter(|file| !is_root(&file.path) && !declared(file));
    let finding = |file: &&SourceFile| {
        let (dir, module) = place(&file.path);
        let expected = parents_of(dir).join("` or `");
        let message = format!("the file is compiled by nothing; declare `mod {module};` in `{expected}`, or remove it");
        Finding::new(&file.path, 1, message)
    };
    forgotten.map(finding).collect()
}

fn is_module(path: &str) -> bool {
    extension_of(path) == "rs" && path.match_indices('/').any(|(at, _)| is_top(&path[..at]))
}

/// Where a crate, a program or a test binary begins: one test binary for each package, `it`, and what the workspace's tests
/// share.
fn is_top(dir: &str) -> bool {
    let of_tests = matches!(dir, "tests/it" | "tests/targets" | "tests/vectors");
    dir.ends_with("/src") || dir.ends_with("/tests/it") || of_tests
}

fn is_root(path: &str) -> bool {
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    is_top(dir) && ROOTS.contains(&name) || dir.ends_with("/src/bin")
}

/// The directory whose module declares this file, and under which name.
fn place(path: &str) -> (&str, &str) {
    let path = path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs")).unwrap_or(path);
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The files that can declare the modules of a directory.
fn parents_of(dir: &str) -> Vec<String> {
    if is_top(dir) {
        return ["lib.rs", "main.rs"].iter().map(|name| format!("{dir}/{name}")).collect();
    }
    vec![format!("{dir}.rs"), format!("{dir}/mod.rs")]
}

fn declares(text: &str, module: &str) -> bool {
    let declaration = format!("mod {module};");
    code_only(text).lines().any(|line| {
        let line = line.trim();
        line == declaration || line.ends_with(&format!(" {declaration}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn check(files: &[SourceFile], expected: &[&str]) {
        let found = forgotten_files(files);
        assert_eq!(found.iter().map(|finding| finding.path.as_str()).collect::<Vec<_>>(), expected, "{found:?}");
    }

    #[test]
    fn a_file_that_nothing_declares_is_found() {
        let lib = file("crates/a/src/lib.rs", "pub mod b;\npub(crate) mod c;\n// mod e;\n");
        let files =
            [lib, file("crates/a/src/b.rs", ""), file("crates/a/src/c.rs", "mod d;"), file("crates/a/src/e.rs", "")];
        check(&files, &["crates/a/src/e.rs"]);
        let nested =
            [files[0].clone(), files[2].clone(), file("crates/a/src/c/d.rs", ""), file("crates/a/src/c/f.rs", "")];
        check(&nested, &["crates/a/src/c/f.rs"]);
    }

    #[test]
    fn a_forgotten_test_file_is_found() {
        let main = file("tests/it/main.rs", "mod golden;\nmod sim;\n");
        let sim = file("tests/it/sim/mod.rs", "mod crash;");
        let files =
            [main, sim, file("tests/it/golden.rs", ""), file("tests/it/sim/crash.rs", ""), file("tests/it/cli.rs", "")];
        check(&files, &["tests/it/cli.rs"]);
        let targets = [file("tests/targets/lib.rs", "pub mod seeds;"), file("tests/targets/log.rs", "")];
        check(&targets, &["tests/targets/log.rs"]);
    }

    #[test]
    fn a_crate_outside_of_the_workspace_is_found() {
        let files = [file("crates/a/Cargo.toml", ""), file("crates/b/src/lib.rs", ""), file("tools/c/Cargo.toml", "")];
        let members = ["crates/*".to_owned(), "tests".to_owned()];
        let found = forgotten_crates(&files, &members);
        assert_eq!(
            found.iter().map(|finding| finding.path.as_str()).collect::<Vec<_>>(),
            ["tools/c/Cargo.toml", "crates/b"]
        );
    }
}
