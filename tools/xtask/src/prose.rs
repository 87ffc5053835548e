//! Rules that every text keeps: links lead to files that exist, nothing names the machine it was written on, and a term has
//! the meaning that the glossary gives it, in the phrases that this module knows.
//!
//! Does not: follow links out of the repository, nor check the heading that a link names within a file.

use crate::finding::Finding;
use crate::repository::{Repository, SourceFile, extension_of};

/// What only one machine, or one network, knows. Written in two halves, so that this table does not find itself.
const LOCAL: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a directory of one machine"),
    (concat!("/ro", "ot/"), "a directory of one machine"),
    (concat!("/ho", "me/"), "a directory of one machine"),
    (concat!("/Us", "ers/"), "a directory of one machine"),
    (concat!("/tm", "p/"), "a shared directory of one machine"),
    (concat!("/var/fol", "ders/"), "a directory of one machine"),
    (concat!("local", "host"), "a server of one machine"),
    (concat!("127.", "0.0.1"), "a server of one machine"),
    (concat!("sparse", "+http"), "the address of a package registry"),
    (concat!("replace", "-with"), "the address of a package registry"),
    (concat!("index.", "crates.io"), "the address of a package registry"),
    (concat!("static.", "crates.io"), "the address of a package registry"),
];

/// Phrases in which a term of the glossary has another meaning, and what to say. Written in two halves, as above.
const MISUSED: &[(&str, &str)] = &[
    (concat!("artifact", " contract"), "what an artifact must fulfil is its schema"),
    (concat!("artifact", "contract"), "what an artifact must fulfil is its schema"),
    (concat!("contract of", " an artifact"), "what an artifact must fulfil is its schema"),
    (concat!("contracts of", " artifacts"), "what an artifact must fulfil is its schema"),
    (concat!("registry of", " contracts"), "a registry binds files to schemas"),
    (concat!("registries of", " contracts"), "a registry binds files to schemas"),
    (concat!("state", " machine"), "what a contract file defines is a lifecycle"),
];

/// All findings in all texts.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    let dead = repository.with_extension("md").flat_map(|file| dead_links(file, &|path| repository.exists(path)));
    let written = repository.files().iter().filter(|file| extension_of(&file.path) != "lock");
    let local = written.clone().flat_map(local_names);
    dead.chain(local).chain(written.flat_map(misused_terms)).collect()
}

/// Names of one machine or network.
fn local_names(file: &SourceFile) -> Vec<Finding> {
    lines_with(file, LOCAL, |needle, what| {
        format!("`{needle}` is {what}; use a relative path, a temporary directory, or leave it out")
    })
}

/// Terms in a meaning that is not theirs.
fn misused_terms(file: &SourceFile) -> Vec<Finding> {
    let small = SourceFile { path: file.path.clone(), text: file.text.to_lowercase() };
    lines_with(&small, MISUSED, |phrase, what| format!("`{phrase}`: {what}; docs/glossary.md has the terms"))
}

/// The lines that contain something of a table.
fn lines_with(file: &SourceFile, table: &[(&str, &str)], message: impl Fn(&str, &str) -> String) -> Vec<Finding> {
    let in_line = |(number, line): (usize, &str)| {
        let found = table.iter().filter(|(needle, _)| line.contains(needle));
        found.map(|(needle, what)| Finding::new(&file.path, number + 1, message(needle, what))).collect::<Vec<_>>()
    };
    file.text.lines().enumerate().flat_map(in_line).collect()
}

/// Links of a Markdown file to files that do not exist.
fn dead_links(file: &SourceFile, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let dir = file.path.rsplit_once('/').map_or("", |(dir, _)| dir);
    let dead = |(line, target): (usize, String)| {
        let path = target.split('#').next().unwrap_or(&target);
        match resolve(dir, path) {
            Some(path) if exists(&path) => None,
            Some(path) => {
                Some((line, format!("the link leads to `{path}`, which does not exist; correct it, or write the file")))
            }
            None => Some((line, format!("the link `{target}` leaves the repository; say in words what it shows"))),
        }
    };
    links(&file.text)
        .into_iter()
        .filter_map(dead)
        .map(|(line, message)| Finding::new(&file.path, line, message))
        .collect()
}

/// Line and target of every link to a file, code excepted.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in text.lines().enumerate() {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        if in_code || is_fence {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        let inline = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned);
        let reference =
            prose.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target.to_owned());
        let targets = inline.chain(reference).filter(|target| is_file_link(target));
        found.extend(targets.map(|target| (number + 1, target)));
    }
    found
}

fn is_file_link(target: &str) -> bool {
    !target.contains("://") && !target.starts_with("mailto:") && !target.starts_with('#') && !target.is_empty()
}

/// A path seen from a directory, as seen from the root; `None` when it leaves the root.
fn resolve(dir: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[usize]) {
        let file = SourceFile { path: "docs/lifecycle/a.md".to_owned(), text: text.to_owned() };
        let exists = |path: &str| matches!(path, "docs/b.md" | "docs/lifecycle/c.md" | "docs/adr");
        let found = dead_links(&file, &exists);
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), expected, "{found:?}");
    }

    #[test]
    fn a_dead_link_is_found_with_its_line() {
        check("[b](../b.md)\n[c](c.md#part)\n[d](d.md)\n", &[3]);
        check("[x](https://example.org/d.md) [y](#part) [z](../adr/)\n", &[]);
        check("both [b](../b.md) and [d](d.md)\n", &[1]);
        check("[d]: d.md\n[c]: c.md\n", &[1]);
    }

    #[test]
    fn a_link_out_of_the_repository_is_found() {
        check("[x](../../../shared/x.md)\n", &[1]);
    }

    #[test]
    fn code_holds_no_links() {
        check("```text\n[d](d.md)\n```\nand `[d](d.md)` here\n", &[]);
    }

    #[test]
    fn the_name_of_a_machine_is_found() {
        for (needle, what) in LOCAL {
            let file = SourceFile { path: "a.rs".to_owned(), text: format!("a\nb {needle} c\n") };
            let found = local_names(&file);
            assert!(
                found.iter().any(|finding| finding.line == 2 && finding.message.contains(what)),
                "{needle}: {found:?}"
            );
        }
        let clean = SourceFile { path: "a.rs".to_owned(), text: "network/ homework/ roots/\n".to_owned() };
        assert_eq!(local_names(&clean), []);
    }

    #[test]
    fn a_term_in_another_meaning_is_found_in_any_capitals() {
        for (phrase, what) in MISUSED {
            let text = format!("a\nb {} c\n", phrase.to_uppercase());
            let found = misused_terms(&SourceFile { path: "a.md".to_owned(), text });
            assert!(
                found.iter().any(|finding| finding.line == 2 && finding.message.contains(what)),
                "{phrase}: {found:?}"
            );
        }
        let text = "The contract refuses the artifact. Its schema is of a registry.\n".to_owned();
        assert_eq!(misused_terms(&SourceFile { path: "a.md".to_owned(), text }), []);
    }
}
