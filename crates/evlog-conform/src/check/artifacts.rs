//! Check 43, and what check 41 says of artifacts: whether they hold the bytes that they should.

use super::subject::{HEALTH, MANIFEST, REPORTS, Subject, impossible};
use super::words::finding;
use super::{Answer, Needs};
use crate::bundle::Bundle;
use crate::finding::{Finding, NotRun};
use evlog_pipeline::FileError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a run's own record says of its artifacts.
pub(super) const RECORD: &str = "run.json";
/// What evlog itself writes beside the documents that are compared member by member.
const OWN: [&str; 2] = [RECORD, "audit_events.jsonl"];

/// Length and BLAKE3.
type Content = (u64, String);

/// An artifact that the run's record names, and what was found in its place.
pub(crate) struct Recorded {
    path: String,
    expected: Content,
    found: Result<Content, &'static str>,
}

/// By path: the artifacts of a bundle.
pub(crate) type Artifacts = BTreeMap<String, Content>;

/// Reads what the run's record names; none where there is no such record.
pub(super) fn recorded(bundle: &Bundle) -> Result<Option<Vec<Recorded>>, FileError> {
    let record = bundle.document(RECORD)?;
    let Some(list) = record.value().and_then(|record| record.get("artifacts")).and_then(Value::as_array) else {
        return Ok(None);
    };
    let mut recorded = Vec::new();
    for artifact in list {
        let (path, digest) = (artifact["path"].as_str(), artifact["blake3"].as_str());
        let (Some(path), Some(digest), Some(bytes)) = (path, digest, artifact["bytes"].as_u64()) else { continue };
        let found = match bundle.unlike_file(path) {
            Some(other) => Err(other),
            None => Ok(bundle.measure(path)?),
        };
        recorded.push(Recorded { path: path.to_owned(), expected: (bytes, digest.to_owned()), found });
    }
    Ok(Some(recorded))
}

/// Reads every artifact. What else stands in a bundle is compared elsewhere, or differs in every execution.
pub(super) fn all(bundle: &Bundle) -> Result<Artifacts, FileError> {
    let is_own = |path: &&str| {
        [MANIFEST, HEALTH].contains(path) || OWN.contains(path) || path.starts_with(REPORTS) || is_output(path)
    };
    let artifacts = bundle.paths().filter(|path| !is_own(path) && bundle.unlike_file(path).is_none());
    artifacts.map(|path| Ok((path.to_owned(), bundle.measure(path)?))).collect()
}

/// What stages print, and scratch that nobody compares.
fn is_output(path: &str) -> bool {
    let name = path.strip_prefix("logs/");
    let is_log = |name: &str| name.strip_suffix(".log").is_some_and(|stage| !stage.contains('/'));
    name.is_some_and(|name| name.starts_with("scratch/") || is_log(name))
}

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

/// What check 41 finds of artifacts. The other execution is what is expected.
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
