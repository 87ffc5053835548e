//! No file is forgotten: every Rust file is a module of another, every crate directory is a member of the workspace.
//!
//! A file that nothing declares compiles never and fails never; its tests pass by not existing.

use crate::finding::Finding;
use crate::repository::{Repository, SourceFile, extension_of};
use crate::{manifest, module_files, syntax};
use std::collections::{BTreeMap, BTreeSet};

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

/// Rust files in a crate's `src`, or in a `tests/it`, that no other declares with `mod`, and modules that no file holds.
fn forgotten_files(files: &[SourceFile]) -> Vec<Finding> {
    let sources: BTreeMap<&str, &SourceFile> =
        files.iter().filter(|file| is_module(&file.path)).map(|file| (file.path.as_str(), file)).collect();
    let mut declared = BTreeSet::new();
    let mut findings = Vec::new();
    for file in sources.values() {
        for module in syntax::read(&file.text).file_modules {
            let candidates = module_files::of_module(&file.path, &module.below());
            if !candidates.iter().any(|path| sources.contains_key(path.as_str())) {
                let [expected, other] = &candidates;
                let message = format!("the module `{}` is in no file; write `{expected}` or `{other}`", module.name);
                findings.push(Finding::new(&file.path, module.line, message));
            }
            declared.extend(candidates);
        }
    }
    let message = "the file is compiled by nothing; declare it with `mod` in the module above it, or remove it";
    let forgotten = sources.keys().filter(|path| !is_root(path) && !declared.contains(**path));
    findings.extend(forgotten.map(|path| Finding::new(path, 1, message)));
    findings
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
        let files = [
            lib,
            file("crates/a/src/b.rs", ""),
            file("crates/a/src/c.rs", "mod d;"),
            file("crates/a/src/c/d.rs", ""),
            file("crates/a/src/c/f.rs", ""),
            file("crates/a/src/e.rs", ""),
        ];
        check(&files, &["crates/a/src/c/f.rs", "crates/a/src/e.rs"]);
    }

    #[test]
    fn a_module_that_no_file_holds_is_found_also_where_an_attribute_names_another_file() {
        let files = [
            file("crates/a/src/lib.rs", "mod b;\n#[path = \"x.rs\"]\nmod c;\nmod d { mod e; }\n"),
            file("crates/a/src/b.rs", "mod f;\n"),
            file("crates/a/src/d/e.rs", ""),
        ];
        let found: Vec<String> = forgotten_files(&files).iter().map(ToString::to_string).collect();
        let expected = |at: &str, name: &str, stem: &str| {
            format!(
                "crates/a/src/{at}: the module `{name}` is in no file; write `crates/a/src/{stem}.rs` or `crates/a/src/{stem}/mod.rs`"
            )
        };
        assert_eq!(found, [expected("b.rs:1", "f", "b/f"), expected("lib.rs:3", "c", "c")]);
    }

    #[test]
    fn a_forgotten_test_file_is_found() {
        let main = file("tests/it/main.rs", "mod golden;\nmod sim;\n");
        let sim = file("tests/it/sim/mod.rs", "mod crash;");
        let files =
            [main, sim, file("tests/it/golden.rs", ""), file("tests/it/sim/crash.rs", ""), file("tests/it/cli.rs", "")];
        check(&files, &["tests/it/cli.rs"]);
        let targets = [
            file("tests/targets/lib.rs", "pub mod seeds;"),
            file("tests/targets/seeds.rs", ""),
            file("tests/targets/log.rs", ""),
        ];
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
