//! Paths of a bundle that cannot stand side by side, those that are the run's own, and those of datasets' schemas.

use evlog_lifecycle::pipeline::{Definition, PROJECTED, REPORTS, STAGING};
use std::collections::BTreeMap;
use std::ops::Bound;

/// The name of the file that says which columns a dataset has.
pub(crate) const DATASET_SCHEMA: &str = "_schema.json";

/// Whether two paths are the same, or one would be a file where the other needs a directory.
pub(crate) fn clash(a: &str, b: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(a, b) || within(b, a)
}

/// The path of a map that this one clashes with, if any, and what the map says of it.
pub(crate) fn clashing<'m>(taken: &BTreeMap<&'m str, &'m str>, path: &str) -> Option<(&'m str, &'m str)> {
    let mut above = path.match_indices('/').map(|(at, _)| &path[..at]).chain([path]);
    let first_below = format!("{path}/");
    let mut below = taken.range::<str, _>((Bound::Included(first_below.as_str()), Bound::Unbounded));
    let found = above.find_map(|other| taken.get_key_value(other));
    let found = found.or_else(|| below.next().filter(|(other, _)| clash(other, path)));
    found.map(|(other, owner)| (*other, *owner))
}

/// The run's own path that this one clashes with, if any: a projected file, the captured output of a stage, or
/// the temporary file that one of these is written to.
pub(crate) fn reserved(path: &str, definition: &Definition) -> Option<String> {
    let own = PROJECTED.into_iter().chain([REPORTS, STAGING]).map(str::to_owned);
    let temporary = |own: &str| match own.rsplit_once('/') {
        Some((directory, name)) => format!("{directory}/.{name}.tmp"),
        None => format!(".{own}.tmp"),
    };
    let captured = definition.stages().iter().map(|stage| captured(&stage.id));
    own.chain(captured).flat_map(|own| [temporary(&own), own]).find(|own| clash(path, own))
}

/// Where a stage's standard output and error stand in the bundle.
pub fn captured(stage: &str) -> String {
    format!("logs/{stage}.log")
}

/// Whether paths that are written so, as a path or a pattern, are in a directory and have the name of a dataset's
/// schema.
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
