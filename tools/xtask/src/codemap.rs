//! Checks the codemap: every file that it names is in the crate under which it is named.
//!
//! In `docs/architecture.md`, the paragraphs about a crate begin with **`crates/…`** in bold.

use crate::finding::Finding;
use crate::repository::Repository;

const DOCUMENT: &str = "docs/architecture.md";

/// All files that are named and are not there.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    let document = repository.text(DOCUMENT).unwrap_or_default();
    check(document, &|path| repository.exists(path))
}

fn check(document: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut room: Option<&str> = None;
    for (number, line) in document.lines().enumerate() {
        room = if line.starts_with("## ") { None } else { subject(line).or(room) };
        let Some(room) = room else { continue };
        let missing = file_names(line).filter(|name| !candidates(room, name).iter().any(|path| exists(path)));
        findings.extend(missing.map(|name| {
            let message = format!("the map names `{name}` in {room}, which has no such file; correct the map");
            Finding::new(DOCUMENT, number + 1, message)
        }));
    }
    findings
}

/// The crate that a line begins to describe.
fn subject(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("**`")?.split_once('`')?;
    Some(name)
}

/// The texts between backticks that end like a Rust file.
fn file_names(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).filter(|name| crate::repository::extension_of(name) == "rs")
}

/// A module is a file, or a directory with `mod.rs`.
fn candidates(room: &str, name: &str) -> [String; 2] {
    let stem = name.strip_suffix(".rs").unwrap_or(name);
    [format!("{room}/src/{name}"), format!("{room}/src/{stem}/mod.rs")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_found_with_its_line() {
        let exists = |path: &str| ["crates/a/src/b.rs", "crates/a/src/d/mod.rs", "crates/e/src/c.rs"].contains(&path);
        let document =
            "# A\n**`crates/a`**: `b.rs`,\n`c.rs`, `d.rs`, `f.md`.\n\n**`crates/e`**: `c.rs`.\n## Else\n`x.rs`\n";
        let found = check(document, &exists);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].to_string().starts_with("docs/architecture.md:3: the map names `c.rs` in crates/a"),
            "{found:?}"
        );
    }
}
