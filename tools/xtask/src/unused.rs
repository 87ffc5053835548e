//! No dependency is unused: each that a manifest names is named in the sources of its package, in tests only if it is there
//! for tests, and each that the workspace names is named by a manifest.
//!
//! Does not: know whether a feature of a dependency is used.

use crate::finding::Finding;
use crate::repository::{Repository, SourceFile, extension_of};
use crate::syntax::{self, Definition, Syntax};
use crate::{manifest, module_files};
use std::collections::BTreeSet;

/// All dependencies that nothing uses.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    check(repository.files())
}

fn check(files: &[SourceFile]) -> Vec<Finding> {
    let manifests = || files.iter().filter(|file| file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml"));
    let dirs: Vec<&str> = manifests().filter_map(|file| file.path.strip_suffix("/Cargo.toml")).collect();
    let sources = |dir: &str| {
        let is_here =
            |file: &&SourceFile| extension_of(&file.path) == "rs" && package_of(&file.path, &dirs) == Some(dir);
        files.iter().filter(is_here).collect::<Vec<_>>()
    };
    let mut findings: Vec<Finding> =
        manifests().flat_map(|file| of_package(file, &sources(dir_of(&file.path)))).collect();
    let root = manifests().find(|file| file.path == "Cargo.toml");
    findings.extend(root.into_iter().flat_map(|root| {
        let excluded = manifest::excluded(&root.text);
        let members = manifests().filter(|file| !excluded.iter().any(|dir| is_below(dir_of(&file.path), dir)));
        let named: BTreeSet<String> = members.flat_map(|file| manifest::dependencies(&file.text).all()).collect();
        let unused = manifest::of_workspace(&root.text).into_iter().filter(|name| !named.contains(name));
        unused.map(|name| unused_one(root, &name, "no member of the workspace depends on it")).collect::<Vec<_>>()
    }));
    findings
}

/// Whether a directory is another one, or below it.
fn is_below(dir: &str, top: &str) -> bool {
    dir.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn dir_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// The package that a file belongs to: that of the nearest manifest above it.
fn package_of<'a>(path: &str, dirs: &[&'a str]) -> Option<&'a str> {
    let is_above = |dir: &&&str| path.strip_prefix(**dir).is_some_and(|rest| rest.starts_with('/'));
    dirs.iter().filter(is_above).max_by_key(|dir| dir.len()).copied()
}

fn of_package(file: &SourceFile, sources: &[&SourceFile]) -> Vec<Finding> {
    let dependencies = manifest::dependencies(&file.text);
    let named = Named::read(dir_of(&file.path), &manifest::test_targets(&file.text), sources);
    let normal = dependencies.normal.iter().filter_map(|name| {
        let is_in_tests = named.in_tests.contains(&ident(name));
        let what = if is_in_tests { "only tests name it; it belongs to `[dev-dependencies]`" } else { NOWHERE };
        (!named.elsewhere.contains(&ident(name))).then(|| unused_one(file, name, what))
    });
    let tests = dependencies.tests.iter().filter(|name| !named.in_tests.contains(&ident(name)));
    normal.chain(tests.map(|name| unused_one(file, name, NOWHERE))).collect()
}

const NOWHERE: &str = "no source of the package names it";

fn unused_one(file: &SourceFile, name: &str, what: &str) -> Finding {
    let is_line = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
    let line = file.text.lines().position(is_line).map_or(1, |at| at + 1);
    Finding::new(&file.path, line, format!("the dependency `{name}` is unused: {what}; remove it, or move it"))
}

/// How Rust writes the name of a package.
fn ident(name: &str) -> String {
    name.replace('-', "_")
}

/// The first names of all paths in the sources of a package.
#[derive(Debug, Default)]
struct Named {
    elsewhere: BTreeSet<String>,
    in_tests: BTreeSet<String>,
}

impl Named {
    fn read(dir: &str, targets: &[String], sources: &[&SourceFile]) -> Named {
        let read: Vec<(&SourceFile, Syntax)> = sources.iter().map(|file| (*file, syntax::read(&file.text))).collect();
        let test_modules: Vec<String> =
            read.iter().flat_map(|(file, syntax)| test_modules(&file.path, syntax)).collect();
        let is_test_file = |path: &str| {
            let is_below = |module: &String| path.strip_prefix(module).is_some_and(|rest| rest.starts_with(['.', '/']));
            let path_here = path.strip_prefix(dir).map_or(path, |rest| rest.trim_start_matches('/'));
            let is_of_target = |target: &String| path_here.starts_with(target.trim_end_matches("main.rs"));
            targets.iter().any(is_of_target) || test_modules.iter().any(is_below)
        };
        let mut named = Named::default();
        for (file, syntax) in &read {
            let is_test_file = is_test_file(&file.path);
            for path in &syntax.paths {
                let set = if is_test_file || path.is_test { &mut named.in_tests } else { &mut named.elsewhere };
                set.extend(path.segments.first().cloned());
            }
            named.in_tests.extend(of_examples(&file.text));
        }
        named
    }
}

/// The paths, without ending, of the files of modules that are declared for tests.
fn test_modules(path: &str, syntax: &Syntax) -> Vec<String> {
    let tests = syntax.file_modules.iter().filter(|module| module.is_test);
    let stem = |module: &Definition| {
        let [file, _] = module_files::of_module(path, &module.below());
        file.trim_end_matches(".rs").to_owned()
    };
    tests.map(stem).collect()
}

/// The first names of paths in the examples of documentation, which are tests: what stands between fences of Rust.
fn of_examples(text: &str) -> BTreeSet<String> {
    let is_rust = |fence: &str| {
        let words = ["", "rust", "no_run", "should_panic", "ignore", "compile_fail"];
        fence.split(',').all(|word| words.contains(&word.trim()))
    };
    let (mut is_fenced, mut is_example) = (false, false);
    let mut code = String::new();
    for line in text.lines().map(str::trim_start) {
        let line = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(str::trim_start);
        match line {
            Some(line) if line.starts_with("```") => {
                is_fenced = !is_fenced;
                is_example = is_fenced && is_rust(line.trim_start_matches('`'));
            }
            Some(line) if is_example => code.extend([line.strip_prefix("# ").unwrap_or(line), "\n"]),
            Some(_) => {}
            None => (is_fenced, is_example) = (false, false),
        }
    }
    syntax::read(&code).paths.into_iter().filter_map(|path| path.segments.first().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(manifest: &str, sources: &[(&str, &str)]) -> Vec<String> {
        let file = |(path, text): &(&str, &str)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() };
        let manifest = file(&("a/Cargo.toml", manifest));
        let files: Vec<SourceFile> = std::iter::once(manifest).chain(sources.iter().map(file)).collect();
        check(&files).iter().map(ToString::to_string).collect()
    }

    const MANIFEST: &str = "[dependencies]\nb-c.workspace = true\nd = \"1\"\n[dev-dependencies]\ne = \"1\"\n";

    #[test]
    fn a_dependency_that_is_named_is_no_finding() {
        let lib = ("a/src/lib.rs", "use b_c::X;\nmod y;\n#[cfg(test)]\nmod z;\n");
        let y = ("a/src/y.rs", "fn f() { g!(d::h()) }\n");
        assert_eq!(found(MANIFEST, &[lib, y, ("a/src/z/i.rs", "use e::J;\n")]), [""; 0]);
        assert_eq!(found(MANIFEST, &[lib, y, ("a/tests/it/main.rs", "use e::J;\n")]), [""; 0]);
        let bench = format!("{MANIFEST}[[bench]]\nname = \"k\"\npath = \"k.rs\"\n");
        assert_eq!(found(&bench, &[lib, y, ("a/k.rs", "use e::J;\n")]), [""; 0]);
        assert_eq!(found(MANIFEST, &[lib, y, ("a/src/k.rs", "//! ```\n//! let x = e::J;\n//! ```\n")]), [""; 0]);
    }

    #[test]
    fn a_dependency_that_no_source_names_is_found_with_its_line() {
        let text = "// use d::X;\nuse b_c::d::X;\n#[cfg(test)]\nmod tests { use e::Y; }\n";
        let beside = ("a/inner/src/lib.rs", "use d::X;\n");
        let expected =
            ["a/Cargo.toml:3: the dependency `d` is unused: no source of the package names it; remove it, or move it"];
        assert_eq!(found(MANIFEST, &[("a/src/lib.rs", text), ("a/inner/Cargo.toml", ""), beside]), expected);
    }

    #[test]
    fn prose_of_the_documentation_names_no_dependency() {
        let manifest = "[dev-dependencies]\ne = \"1\"\n";
        let example = |text: &str| found(manifest, &[("a/src/lib.rs", text)]).len();
        assert_eq!(example("//! As [`e::J`] does.\n//! ```text\n//! e::L\n//! ```\n//! And e::K.\n"), 1);
        assert_eq!(example("//! ```\n//! # use e::J;\n//! ```\n"), 0);
    }

    #[test]
    fn a_dependency_that_only_tests_name_is_found_where_it_is_not_there_for_tests() {
        let lib = ("a/src/lib.rs", "use b_c::X;\nuse e::Z;\n#[cfg(test)]\nmod t;\n");
        let expected = [
            "a/Cargo.toml:3: the dependency `d` is unused: only tests name it; it belongs to `[dev-dependencies]`; remove it, or move it",
            "a/Cargo.toml:5: the dependency `e` is unused: no source of the package names it; remove it, or move it",
        ];
        assert_eq!(found(MANIFEST, &[lib, ("a/src/t.rs", "use d::Y;\n")]), expected);
    }

    #[test]
    fn a_dependency_of_the_workspace_that_no_member_names_is_found() {
        let root = ("Cargo.toml", "[workspace]\nmembers = [\"a\"]\n[workspace.dependencies]\nd = \"1\"\nf = \"1\"\n");
        let source = ("a/src/lib.rs", "use d::X;\n");
        let expected = [
            "Cargo.toml:5: the dependency `f` is unused: no member of the workspace depends on it; remove it, or move it",
        ];
        assert_eq!(found("[dependencies]\nd.workspace = true\n", &[root, source]), expected);
        let excluding = root.1.replace("members", "exclude = [\"x\"]\nmembers");
        let expected = expected.map(|finding| finding.replace("Cargo.toml:5", "Cargo.toml:6"));
        for outside in [["x/Cargo.toml", "x/src/lib.rs"], ["x/y/Cargo.toml", "x/y/src/lib.rs"]] {
            let [manifest, lib] = outside;
            let outside = [(manifest, "[dependencies]\nf = \"1\"\n"), (lib, "use f::X;\n")];
            let files = [("Cargo.toml", excluding.as_str()), source, outside[0], outside[1]];
            assert_eq!(
                found("[dependencies]\nd.workspace = true\n", &files),
                expected,
                "a workspace beside it: {manifest}"
            );
        }
    }
}
