//! Check 43, and the part of check 41 about artifacts: whether they have the expected bytes.

use super::finding::{Finding, NotRun};
use super::measured::{Content, Recorded};
use super::subject::{Subject, impossible};
use super::words::finding;
use super::{Answer, Needs};
use std::collections::BTreeSet;

/// Check 43.
pub(super) fn as_recorded(subject: &Subject<'_>) -> Answer {
    let Some(recorded) = &subject.recorded else {
        return Err(impossible("there is no `run.json` that lists artifacts with their digests; none was compared"));
    };
    let differs = |artifact: &Recorded| {
        let expected = described(&artifact.expected);
        match &artifact.found {
            Ok(found) if *found == artifact.expected => None,
            Ok(found) => Some(finding(&*artifact.path, "", expected, described(found))),
            Err(other) => Some(finding(&*artifact.path, "", expected, *other)),
        }
    };
    Ok(recorded.iter().filter_map(differs).collect())
}

/// The findings of check 41 about artifacts. The expected values are those of the other execution.
pub(super) fn same(subject: &Subject<'_>) -> Result<Vec<Finding>, NotRun> {
    let (own, other) = subject.artifacts.as_ref().ok_or(NotRun::Missing(Needs::Against))?;
    let paths: BTreeSet<&String> = own.keys().chain(other.keys()).collect();
    let word = |content: Option<&Content>| content.map_or_else(|| "no such artifact".to_owned(), described);
    let unlike = paths.into_iter().filter(|path| own.get(*path) != other.get(*path));
    Ok(unlike.map(|path| finding(path.as_str(), "", word(other.get(path)), word(own.get(path)))).collect())
}

fn described((bytes, blake3): &Content) -> String {
    format!("{bytes} bytes with BLAKE3 {blake3}")
}
