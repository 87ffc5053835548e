//! Purity: code that computes uses nothing of the outside world. `docs/architecture.md` has a table of classes, and says which crates are
//! in each; here stands what the two lowest classes do without.
//!
//! Tests are left out: they read golden files.
//! Does not: find what a foreign crate does behind another name. Clippy denies printing, and maps without an order.

use crate::finding::Finding;
use crate::module_tree;
use crate::repository::Repository;
use crate::syntax::{Path, Role};
use std::collections::BTreeSet;

const DOCUMENT: &str = "docs/architecture.md";
const CLASSES: [&str; 4] = ["pure", "disk", "glue", "edge"];

/// What no crate below the engine names, and what it stands for.
const DENIED: [(&str, &str); 11] = [
    ("std::env", "the environment"),
    ("std::process", "processes"),
    ("std::net", "the network"),
    ("std::time::Instant", "the clock"),
    ("std::time::SystemTime", "the clock"),
    ("std::time::UNIX_EPOCH", "the clock"),
    ("std::hash::RandomState", "randomness"),
    ("std::collections::hash_map", "randomness"),
    ("std::io::stdin", "the terminal"),
    ("std::io::stdout", "the terminal"),
    ("std::io::stderr", "the terminal"),
];

/// What pure crates do without besides. In the store, files stand behind its trait `Fs`.
const DENIED_TO_PURE: [(&str, &str); 3] =
    [("std::fs", "files"), ("std::os", "the operating system"), ("std::thread", "threads")];
const DENIED_TO_DISK: [(&str, &str); 2] = [("std::fs", "files"), ("rustix::fs", "files")];
const FILE_SYSTEM: &str = "crates/evlog-store/src/fs/";

/// What is taken all the same: the file, the path, and why.
const EXCEPTIONS: [(&str, &str, &str); 1] =
    [("crates/evlog-store/src/open.rs", "std::process::id", "LOCK says which process holds it")];

/// A name that a crate does without, and names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Breach {
    file: String,
    line: usize,
    path: String,
    what: &'static str,
}

/// All breaches, and exceptions that nothing needs.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    let table = repository.text(DOCUMENT).unwrap_or_default();
    let roots = |class| crates(table, class).into_iter().map(|name| format!("{}/src/lib.rs", directory(name)));
    let paths = |root: String| module_tree::paths(&root, &|path| repository.text(path));
    let pure = roots("pure").flat_map(paths).filter_map(|(file, path)| breach(&file, &path, &DENIED_TO_PURE));
    let disk = roots("disk").flat_map(paths).filter_map(|(file, path)| {
        let is_file_system = file.starts_with(FILE_SYSTEM);
        breach(&file, &path, if is_file_system { &[] } else { &DENIED_TO_DISK })
    });
    let mut findings = findings(&pure.chain(disk).collect::<Vec<_>>(), &EXCEPTIONS);
    findings.extend(unclassed(table, repository));
    findings
}

/// Classes that have no crates, crates of the table that have no root file, and directories that are in no row or in two.
fn unclassed(table: &str, repository: &Repository) -> Vec<Finding> {
    let named: Vec<String> = CLASSES.into_iter().flat_map(|class| crates(table, class)).map(directory).collect();
    let empty = CLASSES.into_iter().filter(|class| crates(table, class).is_empty());
    let empty = empty.map(|class| format!("the table of classes has no row `{class}`; add it"));
    let has_root = |dir: &str| ["lib", "main"].iter().any(|root| repository.exists(&format!("{dir}/src/{root}.rs")));
    let gone = named.iter().filter(|dir| !has_root(dir));
    let gone = gone.map(|dir| format!("the table of classes names `{dir}`, which has no root file; correct the row"));
    let of_crate = |path: &str| path.strip_prefix("crates/")?.split_once('/').map(|(name, _)| format!("crates/{name}"));
    let dirs: BTreeSet<String> = repository.files().iter().filter_map(|file| of_crate(&file.path)).collect();
    let left_out = dirs.into_iter().filter(|dir| !named.contains(dir));
    let left_out = left_out.map(|dir| format!("`{dir}` is in no row of the table of classes; give it a class"));
    let twice = named.iter().enumerate().filter(|(at, dir)| named[..*at].contains(dir));
    let twice = twice.map(|(_, dir)| format!("`{dir}` is twice in the table of classes; it has one class"));
    empty.chain(gone).chain(left_out).chain(twice).map(|message| Finding::new(DOCUMENT, 1, message)).collect()
}

/// The directory of a crate by its name in the table.
fn directory(name: &str) -> String {
    if name == "evlog" { "crates/evlog".to_owned() } else { format!("crates/evlog-{name}") }
}

/// The crates of a class: the second cell of the row that begins with its name.
fn crates<'a>(document: &'a str, class: &str) -> Vec<&'a str> {
    let cells = |line: &'a str| line.split('|').map(str::trim).collect::<Vec<_>>();
    let row = document.lines().map(cells).find(|cells| cells.len() == 6 && cells[1] == class);
    row.map(|cells| cells[2].split(", ").collect()).unwrap_or_default()
}

/// What a path names that the crate does without. The path is whole: its first name is not that of an import.
fn breach(file: &str, path: &Path, denied: &[(&str, &'static str)]) -> Option<Breach> {
    let text = path.segments.join("::");
    let names = |(name, _): &&(&str, &'static str)| {
        let all_of = path.role == Role::Glob && name.starts_with(&format!("{text}::"));
        text == *name || text.starts_with(&format!("{name}::")) || all_of
    };
    let uses_clock = text.ends_with("::now").then_some("the clock");
    let what = DENIED.iter().chain(denied).find(names).map(|(_, what)| *what).or(uses_clock)?;
    Some(Breach { file: file.to_owned(), line: path.line, path: text, what })
}

fn findings(breaches: &[Breach], exceptions: &[(&str, &str, &str)]) -> Vec<Finding> {
    let is_taken = |breach: &Breach, (file, path, _): &(&str, &str, &str)| breach.file == *file && breach.path == *path;
    let new = breaches.iter().filter(|breach| !exceptions.iter().any(|exception| is_taken(breach, exception)));
    let new = new.map(|breach| {
        let Breach { file, line, path, what } = breach;
        let advice = format!("let the caller hand in what it is for, or use it in a crate above ({DOCUMENT})");
        Finding::new(file, *line, format!("`{path}` uses {what}, which this crate does without; {advice}"))
    });
    let stale = exceptions.iter().filter(|exception| !breaches.iter().any(|breach| is_taken(breach, exception)));
    let stale = stale.map(|(file, path, _)| {
        Finding::new(file, 1, format!("the exception for `{path}` is not needed any more; remove it from `purity.rs`"))
    });
    new.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::SourceFile;

    fn found(text: &str, denied: &[(&str, &'static str)]) -> Vec<String> {
        let files = [("src/lib.rs", text), ("src/a.rs", ""), ("src/b.rs", "use std::fs;")];
        let text = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| *text);
        let paths = module_tree::paths("src/lib.rs", &text);
        let breaches: Vec<Breach> = paths.iter().filter_map(|(file, path)| breach(file, path, denied)).collect();
        findings(&breaches, &[]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_computes_is_no_finding_and_tests_may_read_files() {
        let text = "use std::{collections::BTreeMap, io, time::Duration};\nfn f(e: io::Error) -> Vec<u8> { now() }\n\
                    #[cfg(test)]\nmod b;\n#[cfg(test)]\nmod c { use std::env; }\n";
        assert_eq!(found(text, &DENIED_TO_PURE), [""; 0]);
    }

    #[test]
    fn files_the_clock_the_environment_processes_the_network_threads_and_the_terminal_are_found() {
        let cases = [
            ("fn f() { std::fs::read(p) }", "`std::fs::read` uses files"),
            ("use std::{fs as files, vec};", "`std::fs` uses files"),
            ("fn f() { std::env::var(n) }", "`std::env::var` uses the environment"),
            ("use std::process::Command;", "`std::process::Command` uses processes"),
            ("fn f() { ::std::fs::read(p) }", "`std::fs::read` uses files"),
            ("extern crate std as s;\nmod w { fn f() { s::fs::read(p) } }", "`std::fs::read` uses files"),
            ("use std::io;\nuse io::stdout;", "`std::io::stdout` uses the terminal"),
            ("use std::io;\nmod w { use super::io;\nfn f() { io::stdout() } }", "`std::io::stdout` uses the terminal"),
            ("mod w { pub use std::io as i; }\nfn f() { w::i::stdout() }", "`std::io::stdout` uses the terminal"),
            ("use std::time::UNIX_EPOCH;", "`std::time::UNIX_EPOCH` uses the clock"),
            ("fn f() { std::hash::RandomState::new() }", "`std::hash::RandomState::new` uses randomness"),
            (
                "use std::collections::hash_map::RandomState;",
                "`std::collections::hash_map::RandomState` uses randomness",
            ),
            ("use std::net::*;", "`std::net` uses the network"),
            ("use std::thread;", "`std::thread` uses threads"),
            ("use std::os::unix::fs::FileExt;", "`std::os::unix::fs::FileExt` uses the operating system"),
            ("use std::time::{Duration, Instant};", "`std::time::Instant` uses the clock"),
            ("use std::time::*;", "`std::time` uses the clock"),
            ("use std::time;\nfn f() -> u8 { time::SystemTime }", "`std::time::SystemTime` uses the clock"),
            ("use std::io;\nfn f() { io::stdout() }", "`std::io::stdout` uses the terminal"),
            ("use jiff::Timestamp;\nfn f() { Timestamp::now() }", "`jiff::Timestamp::now` uses the clock"),
        ];
        for (text, expected) in cases {
            let found = found(text, &DENIED_TO_PURE);
            assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}");
        }
    }

    #[test]
    fn an_exception_takes_its_own_path_in_its_own_file_and_goes_when_it_is_not_needed() {
        let breach =
            Breach { file: "a.rs".to_owned(), line: 3, path: "std::process::id".to_owned(), what: "processes" };
        let taken = ("a.rs", "std::process::id", "a reason");
        assert_eq!(findings(std::slice::from_ref(&breach), &[taken]), []);
        assert_eq!(findings(&[breach], &[("b.rs", "std::process::id", "a reason")]).len(), 2);
        assert!(EXCEPTIONS.iter().all(|(_, _, reason)| reason.len() > 10));
    }

    #[test]
    fn the_crates_of_a_class_are_read_from_the_table() {
        let table = "| class | crates | may | may not |\n| --- | --- | --- | --- |\n| pure | a, b | x | y |\n";
        assert_eq!(crates(table, "pure"), ["a", "b"]);
        assert_eq!(crates(table, "disk"), [""; 0]);
    }

    #[test]
    fn a_crate_of_the_table_that_is_not_there_and_a_directory_that_is_in_no_row_are_found() {
        let row = |class: &str, crates: &str| format!("| {class} | {crates} | x | y |\n");
        let table = [row("pure", "a, gone"), row("disk", "b"), row("glue", "evlog"), row("edge", "cli")].concat();
        let paths = [
            "evlog-a/src/lib.rs",
            "evlog-b/src/lib.rs",
            "evlog/src/lib.rs",
            "evlog-cli/src/main.rs",
            "evlog-new/src/lib.rs",
        ];
        let file = |path: &str| SourceFile { path: format!("crates/{path}"), text: String::new() };
        let repository = Repository::of(paths.map(file).into());
        let found = |table: &str| unclassed(table, &repository).into_iter().map(|it| it.message).collect::<Vec<_>>();
        let new = "`crates/evlog-new` is in no row of the table of classes; give it a class";
        let gone = "the table of classes names `crates/evlog-gone`, which has no root file; correct the row";
        assert_eq!(found(&table), [gone, new]);
        assert_eq!(found(&table.replace(&row("glue", "evlog"), "")).len(), 4, "no row, and `evlog` in none");
        let twice = "`crates/evlog-a` is twice in the table of classes; it has one class";
        assert_eq!(found(&table.replace("| b |", "| b, a |")), [gone, new, twice]);
    }
}
