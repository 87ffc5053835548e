//! Rules that every text keeps: links lead to files that exist, and nothing names the machine it was written on.
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

/// All findings in all texts.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    let dead = repository.with_extension("md").flat_map(|file| dead_links(file, &|path| repository.exists(path)));
    let local = repository.files().iter().filter(|file| extension_of(&file.path) != "lock").flat_map(local_names);
    dead.chain(local).collect()
}

/// Names of one machine or network.
fn local_names(file: &SourceFile) -> Vec<Finding> {
    let in_line = |(number, line): (usize, &str)| {
        let named = LOCAL.iter().filter(|(needle, _)| line.contains(needle));
        let finding = |(needle, what): &(&str, &str)| {
            let message = format!("`{needle}` is {what}; use a relative path, a temporary directory, or leave it out");
            Finding::new(&file.path, number + 1, message)
        };
        named.map(finding).collect::<Vec<_>>()
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
}
