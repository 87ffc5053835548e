//! Paths of a bundle that clash with each other, paths that are the run's own, and paths of datasets' schemas.

use evlog_lifecycle::pipeline::{Definition, PROJECTED, REPORTS, STAGING};
use std::collections::BTreeMap;
use std::ops::Bound;

/// The name of the file that says which columns a dataset has.
pub(crate) const DATASET_SCHEMA: &str = "_schema.json";

/// Whether two paths are equal, or one would be a file where the other needs a directory.
pub(crate) fn clash(a: &str, b: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(a, b) || within(b, a)
}

/// The path of a map that this path clashes with, if any, and the map's value for it.
pub(crate) fn clashing<'m>(taken: &BTreeMap<&'m str, &'m str>, path: &str) -> Option<(&'m str, &'m str)> {
    let mut above = path.match_indices('/').map(|(at, _)| &path[..at]).chain([path]);
    let first_below = format!("{path}/");
    let mut below = taken.range::<str, _>((Bound::Included(first_below.as_str()), Bound::Unbounded));
    let found = above.find_map(|other| taken.get_key_value(other));
    let found = found.or_else(|| below.next().filter(|(other, _)| clash(other, path)));
    found.map(|(other, owner)| (*other, *owner))
}

/// The run's own path that this path clashes with, if any: a projected file, the captured output of a stage, or the temporary
/// file for one of these.
pub(crate) fn reserved(path: &str, definition: &Definition) -> Option<String> {
    let own = PROJECTED.into_iter().chain([REPORTS, STAGING]).map(str::to_owned);
    let temporary = |own: &str| match own.rsplit_once('/') {
        Some((directory, name)) => format!("{directory}/.{name}.tmp"),
        None => format!(".{own}.tmp"),
    };
    let captured = definition.stages().iter().map(|stage| captured(&stage.id));
    own.chain(captured).flat_map(|own| [temporary(&own), own]).find(|own| clash(path, own))
}

/// The path in the bundle of a stage's standard output and error.
pub fn captured(stage: &str) -> String {
    format!("logs/{stage}.log")
}

/// Whether `text`, a path or a pattern, names files in a directory that have the name of a dataset's schema.
pub(crate) fn is_dataset_schema(text: &str) -> bool {
    text.strip_suffix(DATASET_SCHEMA).is_some_and(|directory| directory.len() > 1 && directory.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_clash_when_they_are_equal_or_one_lies_in_the_other() {
        let cases = [
            ("a", "a", true),
            ("a", "a/b", true),
            ("a", "a/b/c", true),
            ("a/b/c", "a", true),
            ("a/b", "a", true),
            ("a", "ab", false),
            ("a/b", "a/c", false),
            ("logs", "logs/health.json", true),
        ];
        for (a, b, expected) in cases {
            assert_eq!(clash(a, b), expected, "{a} {b}");
            let taken = BTreeMap::from([("0", "x"), (b, "owner"), ("z", "x")]);
            assert_eq!(clashing(&taken, a), expected.then_some((b, "owner")), "{a} {b}");
        }
    }

    #[test]
    fn the_runs_own_records_are_reserved_and_nothing_else() {
        let definition = evlog_lifecycle::pipeline::purple_axiom();
        let taken = [
            "run.json",
            "manifest.json",
            "manifest.json/x",
            ".manifest.json.tmp",
            "logs",
            "logs/health.json",
            "logs/.health.json.tmp",
            "logs/contract_validation/runner.json",
            "logs/runner.log",
            "audit_events.jsonl",
            ".staging/x",
        ];
        for path in taken {
            assert!(reserved(path, &definition).is_some(), "{path}");
        }
        for path in ["report/run.json", "logs/other.log", "logs/run.log", "a", "manifest.jsonl", "logs/scratch/x"] {
            assert_eq!(reserved(path, &definition), None, "{path}");
        }
    }

    #[test]
    fn the_schema_of_a_dataset_stands_in_a_directory() {
        for (text, is) in [
            ("a/_schema.json", true),
            ("*/b/_schema.json", true),
            ("_schema.json", false),
            ("/_schema.json", false),
            ("a/x_schema.json", false),
            ("a/_schema.jsonl", false),
            ("a/b", false),
        ] {
            assert_eq!(is_dataset_schema(text), is, "{text}");
        }
    }
}
