//! Checks 1, 2 and 35: the manifest, the run that it names, and when it may be missing.

use super::finding::{Finding, NotRun};
use super::subject::{OUTCOMES, Subject, impossible};
use super::words::{finding, quoted, text};
use super::{Answer, Needs};
use crate::bundle::{Content, MANIFEST};
use evlog_lifecycle::pipeline::RunStatus;
use evlog_lifecycle::pipeline::report::Finding as SchemaFinding;
use serde_json::Value;

/// Check 1. Checks 3 to 6 check single outcomes more exactly than the schema, so the schema's findings about them are left out.
pub(super) fn manifest_is_valid(subject: &Subject<'_>) -> Answer {
    let value = match &subject.manifest.content {
        Content::Json(_, value) => value,
        Content::Absent if subject.exit_code == Some(RunStatus::Failed.exit_code()) => {
            return Err(NotRun::Impossible("there is no manifest, and the exit code allows it (check 35)".to_owned()));
        }
        Content::Absent | Content::Unusable(_) => {
            let found = subject.manifest.instead().unwrap_or_default();
            return Ok(vec![finding(MANIFEST, "", "a JSON document", found)]);
        }
    };
    let mut findings: Vec<Finding> = Vec::new();
    let one_outcome = format!("/{OUTCOMES}/");
    for schema in &subject.yardstick.manifest {
        schema.each_error(value, &mut |error| {
            if !error.instance_path.starts_with(&one_outcome) {
                findings.push(of_schema(MANIFEST, value, &error));
            }
        });
    }
    Ok(findings)
}

/// A schema's finding: its message says what is expected, and the value is what was found. For two keywords (a required member
/// is missing, a member is unknown) the message says what was found, so what is expected is derived from it.
pub(super) fn of_schema(file: &str, document: &Value, error: &SchemaFinding) -> Finding {
    let message = error.message.rsplit_once(" (schema ").map_or(error.message.as_str(), |(message, _)| message);
    if let Some(member) = message.strip_prefix("required member ").and_then(|rest| rest.strip_suffix(" is missing")) {
        return finding(file, error.instance_path.as_str(), format!("the member {member}"), "no such member");
    }
    if let Some(members) = message.strip_prefix("unknown member ") {
        return finding(file, error.instance_path.as_str(), "no other members", format!("the member {members}"));
    }
    let found = match document.pointer(&error.instance_path) {
        Some(Value::Object(members)) => format!("an object of {} members", members.len()),
        Some(Value::Array(items)) => format!("a list of {} items", items.len()),
        Some(value) => quoted(value),
        None => "nothing".to_owned(),
    };
    if let Some(expected) = error.message.strip_prefix("expected ") {
        return finding(file, error.instance_path.as_str(), expected, found);
    }
    let place = if error.schema_path.is_empty() { String::new() } else { format!(" at {}", error.schema_path) };
    let expected = format!("what the schema asks{place}");
    finding(file, error.instance_path.as_str(), expected, format!("{found}: {message}"))
}

/// Check 2.
pub(super) fn directory_is_run_id(subject: &Subject<'_>) -> Answer {
    let run = subject.manifest()?.get("run_id").and_then(Value::as_str);
    let run = run.ok_or_else(|| impossible("`manifest.json` names no run (check 1)"))?;
    let name = subject.bundle.name();
    if name == run {
        return Ok(Vec::new());
    }
    Ok(vec![finding(MANIFEST, "/run_id", format!("the directory's name {}", text(&name)), text(run))])
}

/// Check 35.
pub(super) fn absence_is_allowed(subject: &Subject<'_>) -> Answer {
    if !matches!(subject.manifest.content, Content::Absent) {
        return Ok(Vec::new());
    }
    let (found, allowed) = (subject.exit_code.ok_or(NotRun::Missing(Needs::ExitCode))?, RunStatus::Failed.exit_code());
    if found == allowed {
        return Ok(Vec::new());
    }
    let expected = format!("a manifest, or the exit code {allowed}");
    Ok(vec![finding(MANIFEST, "", expected, format!("no manifest, and the exit code {found}"))])
}
