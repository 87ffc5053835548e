//! The lock files of workspaces beside ours, which no other check builds: they must lock what our manifests ask for.
//! Otherwise the next build there fails.
//!
//! Does not: look at versions. Only cargo, with a registry, can tell which versions fit.

use crate::finding::Finding;
use crate::manifest::{self, Dependencies};
use crate::repository::Repository;

/// Crates of ours whose dependencies a lock file beside ours does not know, or has not forgotten.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    let excluded = manifest::excluded(repository.text("Cargo.toml").unwrap_or_default());
    let locks = excluded.iter().filter_map(|dir| {
        let path = format!("{dir}/Cargo.lock");
        Some((repository.text(&path)?, path))
    });
    let manifest_of = |name: &str| {
        let path =
            if name == "evlog-tests" { "tests/Cargo.toml".to_owned() } else { format!("crates/{name}/Cargo.toml") };
        repository.text(&path).map(manifest::dependencies)
    };
    locks.flat_map(|(text, path)| compare(&path, text, &manifest_of)).collect()
}

fn compare(path: &str, lock: &str, manifest_of: &dyn Fn(&str) -> Option<Dependencies>) -> Vec<Finding> {
    let dir = path.trim_end_matches("/Cargo.lock");
    let stale = |(name, locked): (String, std::collections::BTreeSet<String>)| {
        let asked = manifest_of(&name)?.normal;
        let quoted = |names: Vec<&String>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let missing: Vec<&String> = asked.difference(&locked).collect();
        let left: Vec<&String> = locked.difference(&asked).collect();
        let what = match (missing.is_empty(), left.is_empty()) {
            (true, true) => return None,
            (false, true) => format!("does not lock {}", quoted(missing)),
            (true, false) => format!("still locks {}", quoted(left)),
            (false, false) => format!("does not lock {}, and still locks {}", quoted(missing), quoted(left)),
        };
        let advice = format!("for `{name}` it {what}; run `cargo update --workspace` in `{dir}`");
        Some(Finding::new(path, 1, advice))
    };
    manifest::needs_of_our_own(lock).into_iter().filter_map(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\ndependencies = [\n \"serde 1.0.0\",\n \"old\",\n]\n\
                        [[package]]\nname = \"serde\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\ndependencies = [\n \"serde_core\",\n]\n";

    fn found(manifest: &str) -> Vec<String> {
        let of = |name: &str| (name == "ours").then(|| manifest::dependencies(manifest));
        compare("beside/Cargo.lock", LOCK, &of).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn a_lock_that_is_behind_the_manifests_is_found_and_one_that_is_not_is_not() {
        assert_eq!(
            found("[dependencies]\nserde.workspace = true\nold = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n"),
            [""; 0]
        );
        let advice = "run `cargo update --workspace` in `beside`";
        let cases = [
            ("[dependencies]\nserde = \"1\"\nold = \"1\"\nnew = \"1\"\n", "does not lock `new`"),
            ("[dependencies]\nserde = \"1\"\n", "still locks `old`"),
            ("[dependencies]\nnew = \"1\"\nserde = \"1\"\n", "does not lock `new`, and still locks `old`"),
        ];
        for (manifest, what) in cases {
            assert_eq!(found(manifest), [format!("beside/Cargo.lock:1: for `ours` it {what}; {advice}")]);
        }
    }
}
