//! Measures the artifacts of a bundle: length and digest of each, so that they can be compared.

use crate::bundle::{Bundle, HEALTH, MANIFEST, REPORTS};
use evlog_pipeline::FileError;
use serde_json::Value;
use std::collections::BTreeMap;

/// The file in which a run made by evlog lists its artifacts, with length and digest.
const RECORD: &str = "run.json";
/// Files that evlog itself writes, so they are not artifacts. Manifest, health file and reports are not in this list: they are
/// compared member by member elsewhere.
const OWN: [&str; 2] = [RECORD, "audit_events.jsonl"];

/// Length and BLAKE3.
pub(super) type Content = (u64, String);

/// An artifact that the run's record names, and what was found in its place.
pub(crate) struct Recorded {
    pub(super) path: String,
    pub(super) expected: Content,
    pub(super) found: Result<Content, &'static str>,
}

/// The artifacts of a bundle, by path.
pub(crate) type Artifacts = BTreeMap<String, Content>;

/// Measures the artifacts that the run's record names; `None` if there is no such record.
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

/// Measures every artifact. The other files of a bundle are compared elsewhere, or differ in every execution.
pub(super) fn all(bundle: &Bundle) -> Result<Artifacts, FileError> {
    let is_own = |path: &&str| {
        [MANIFEST, HEALTH].contains(path) || OWN.contains(path) || path.starts_with(REPORTS) || is_output(path)
    };
    let artifacts = bundle.paths().filter(|path| !is_own(path) && bundle.unlike_file(path).is_none());
    artifacts.map(|path| Ok((path.to_owned(), bundle.measure(path)?))).collect()
}

/// Whether a file is a stage's captured output or a scratch file. These are not compared.
fn is_output(path: &str) -> bool {
    let name = path.strip_prefix("logs/");
    let is_log = |name: &str| name.strip_suffix(".log").is_some_and(|stage| !stage.contains('/'));
    name.is_some_and(|name| name.starts_with("scratch/") || is_log(name))
}
