//! The allowed licences stand twice: for cargo-deny, and for the supply-chain example, which needs cargo only. Here the two
//! are compared.

use crate::finding::Finding;
use crate::repository::Repository;
use std::collections::BTreeSet;

const DENY: &str = ".deny.toml";
const ALLOWED: &str = "docs/examples/supply-chain/allowed-licences.txt";

/// Licences that only one of the two files allows.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    compare(repository.text(DENY).unwrap_or_default(), repository.text(ALLOWED).unwrap_or_default())
}

fn compare(deny: &str, allowed: &str) -> Vec<Finding> {
    let (deny, allowed) = (of_deny(deny), of_list(allowed));
    let missing = |path: &'static str, from: &'static str| {
        move |licence: &&str| {
            Finding::new(path, 1, format!("`{licence}` is allowed in {from} only; make the two lists equal"))
        }
    };
    let not_in_list = deny.difference(&allowed).map(missing(ALLOWED, DENY));
    let not_in_deny = allowed.difference(&deny).map(missing(DENY, ALLOWED));
    not_in_list.chain(not_in_deny).collect()
}

/// What stands in quotes between `allow = [` and `]`.
fn of_deny(text: &str) -> BTreeSet<&str> {
    let list = text.split_once("\nallow = [").and_then(|(_, rest)| rest.split_once(']')).map_or("", |(list, _)| list);
    list.split('"').skip(1).step_by(2).collect()
}

/// One a line, after `#` a comment.
fn of_list(text: &str) -> BTreeSet<&str> {
    text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_that_only_one_file_allows_is_found() {
        let deny = "[licenses]\nallow = [\n  \"MIT\",\n  \"Zlib\",\n]\n";
        assert_eq!(compare(deny, "# Comment\nMIT\nZlib # too\n"), []);
        let found = compare(deny, "MIT\nISC\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].message.contains("`Zlib`") && found[0].path == ALLOWED, "{found:?}");
        assert!(found[1].message.contains("`ISC`") && found[1].path == DENY, "{found:?}");
    }
}
