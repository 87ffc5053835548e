//! Reads a report that was submitted as JSON, and judges its form.
//!
//! Does not: look at the artifacts that the report is about.

use super::{ArtifactReport, CONTRACT_VERSION, Finding, Report, SCHEMA_VERSION};
use crate::members::Members;
use evlog_projection::{Malformed, canonical, difference};
use serde_json::Value;

const STAGE_ID_LEN_MAX: usize = 128;

pub(super) fn report(value: &Value) -> Result<Report, String> {
    let read = members(value).map_err(|malformed| malformed.to_string())?;
    let mut again = read.to_value();
    if let (None, Some(members)) = (value.get("diagnostics"), again.as_object_mut()) {
        members.remove("diagnostics");
    }
    let full = |artifact: &&ArtifactReport| u64::from(read.max_errors_per_artifact) == artifact.errors.len() as u64;
    if let Some(short) = read.artifacts.iter().filter(|artifact| artifact.truncated).find(|artifact| !full(artifact)) {
        let (max, found) = (read.max_errors_per_artifact, short.errors.len());
        return Err(format!("`{}` is cut: expected {max} errors, found {found}", short.path));
    }
    // Writing the report again checks order, caps, lengths and diagnostics.
    match difference::first_difference("", &canonical(&again), &canonical(value)) {
        None => Ok(read),
        Some(found) => {
            let place = if found.pointer.is_empty() { "report" } else { &found.pointer };
            Err(format!("{place}: expected {}, found {}", found.expected, found.found))
        }
    }
}

pub(super) fn members(value: &Value) -> Result<Report, Malformed> {
    let mut given = Members::of(value.clone(), "")?;
    given.word("contract_version", &[(CONTRACT_VERSION, ())])?;
    given.word("schema_version", &[(SCHEMA_VERSION, ())])?;
    let run_id = given.string("run_id")?;
    let stage_id = given.string("stage_id")?;
    let max = given.count("max_errors_per_artifact")?;
    let items = given.items("artifacts")?;
    given.optional_items("diagnostics")?;
    given.end("a report")?;
    let wrong = |at: &str, message: &str| Malformed { pointer: at.to_owned(), message: message.to_owned() };
    let max = u32::try_from(max).ok().filter(|max| *max >= 1);
    let max = max
        .ok_or_else(|| wrong("/max_errors_per_artifact", &format!("expected a whole number from 1 to {}", u32::MAX)))?;
    if stage_id.is_empty() || stage_id.chars().count() > STAGE_ID_LEN_MAX {
        return Err(wrong("/stage_id", "expected 1 to 128 characters"));
    }
    if items.is_empty() {
        return Err(wrong("/artifacts", "expected at least one, found none"));
    }
    let artifacts = items.into_iter().map(|(at, item)| artifact(&at, item)).collect::<Result<Vec<_>, _>>()?;
    Ok(Report::new(&run_id, &stage_id, max, artifacts))
}

fn artifact(at: &str, item: Value) -> Result<ArtifactReport, Malformed> {
    let mut given = Members::of(item, at)?;
    let path = given.string("artifact_path")?;
    let schema = given.string("contract_id")?;
    let version = given.string("contract_version")?;
    given.word("status", &[("valid", ()), ("invalid", ())])?;
    let truncated = given.optional_bool("errors_truncated")?;
    let items = given.items("errors")?;
    given.end("an artifact's report")?;
    let missing = || Malformed { pointer: at.to_owned(), message: "expected the member `errors_truncated`".into() };
    let truncated = truncated.ok_or_else(missing)?;
    if schema.is_empty() || version.is_empty() {
        return Err(Malformed { pointer: at.to_owned(), message: "expected the id and version of a schema".into() });
    }
    let errors = items.into_iter().map(|(at, item)| finding(&at, item)).collect::<Result<Vec<_>, _>>()?;
    let mut made = ArtifactReport::new(&path, &schema, &version, errors);
    made.truncated = truncated;
    Ok(made)
}

fn finding(at: &str, item: Value) -> Result<Finding, Malformed> {
    let mut given = Members::of(item, at)?;
    // It repeats the artifact's path, and is compared when the report is written again.
    given.string("artifact_path")?;
    given.string("contract_id")?;
    let made = Finding {
        instance_path: given.string("instance_path")?,
        schema_path: given.string("schema_path")?,
        message: given.string("message")?,
        error_code: given.optional_string("error_code")?,
        keyword: given.optional_string("keyword")?,
        line_number: given.optional_count("line_number")?,
    };
    given.end("a finding")?;
    let wrong = |name: &str, expected: &str| Malformed { pointer: format!("{at}/{name}"), message: expected.into() };
    if made.line_number == Some(0) {
        return Err(wrong("line_number", &format!("expected a whole number from 1 to {}", u64::MAX)));
    }
    if made.error_code.as_deref().is_some_and(|code| !is_error_code(code)) {
        return Err(wrong("error_code", "expected words of [a-z0-9] joined by `_`"));
    }
    Ok(made)
}

/// `^[a-z0-9]+(?:_[a-z0-9]+)*$`.
fn is_error_code(text: &str) -> bool {
    text.split('_').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}
