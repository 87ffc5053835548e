//! Checks 25 to 29: the reports of publish gates that failed (pipeline.md 4.8 to 4.11).

use super::Answer;
use super::finding::{Finding, NotRun};
use super::run::of_schema;
use super::subject::{Entry, Subject, top_level};
use super::words::{finding, quoted, text};
use crate::bundle::{Document, MANIFEST, REPORTS};
use evlog_lifecycle::pipeline::report::Report;
use evlog_lifecycle::pipeline::{INVALID, ORCHESTRATOR, Outcome, StageStatus};
use evlog_projection::canonical;
use evlog_projection::difference::first_difference;
use serde_json::Value;

/// The member that says when a report was written. It is not compared.
const GENERATED: &str = "generated_at_utc";

/// The stages that failed their publish gates: the outcome, and the schema that its code names, if any.
fn gate_failures<'e>(
    subject: &Subject<'_>,
    entries: &'e [Entry<'_>],
) -> Vec<(&'e Entry<'e>, &'e Outcome, Option<&'e str>)> {
    let failed = |(_, entry, outcome): (usize, &'e Entry<'e>, &'e Outcome)| {
        let code = outcome.reason_code.as_deref().filter(|_| outcome.status == StageStatus::Failed)?;
        let schema = subject.yardstick.schema_of(&outcome.stage, code);
        (code == INVALID || schema.is_some()).then_some((entry, outcome, schema))
    };
    top_level(subject.definition(), entries).into_iter().filter_map(failed).collect()
}

fn path_of(stage: &str) -> String {
    format!("{REPORTS}{stage}.json")
}

/// Check 25.
pub(super) fn present(subject: &Subject<'_>) -> Answer {
    let entries = subject.outcomes()?;
    let mut findings = Vec::new();
    for (_, outcome, _) in gate_failures(subject, &entries) {
        let path = path_of(&outcome.stage);
        if let Some(found) = subject.bundle.unlike_file(&path) {
            let code = outcome.reason_code.as_deref().unwrap_or_default();
            findings.push(finding(
                path,
                "",
                format!("the report of a publish gate, because the outcome has `{code}`"),
                found,
            ));
        }
    }
    Ok(findings)
}

/// Check 26.
#[expect(clippy::unnecessary_wraps, reason = "every check answers in the same form")]
pub(super) fn valid(subject: &Subject<'_>) -> Answer {
    let mut findings = Vec::new();
    for document in &subject.reports {
        match document.value() {
            None => {
                findings.push(finding(&*document.path, "", "a JSON document", document.instead().unwrap_or_default()));
            }
            Some(value) => findings.extend(wrong(subject, document, value)),
        }
    }
    Ok(findings)
}

/// The mistakes in a report's form.
fn wrong(subject: &Subject<'_>, document: &Document, value: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    subject.yardstick.report.each_error(value, &mut |error| findings.push(of_schema(&document.path, value, &error)));
    let mut must = |pointer: &str, expected: Option<&str>, of: &str| {
        let found = value.pointer(pointer).and_then(Value::as_str);
        if let (Some(expected), Some(found)) = (expected, found)
            && expected != found
        {
            findings.push(finding(&*document.path, pointer, format!("{}, {of}", text(expected)), text(found)));
        }
    };
    let run = subject.manifest.value().and_then(|manifest| manifest.get("run_id")).and_then(Value::as_str);
    let stage = document.path.strip_prefix(REPORTS).and_then(|name| name.strip_suffix(".json")).unwrap_or_default();
    must("/run_id", run, "the run of the manifest");
    must("/stage_id", Some(stage), "the stage of the file's name");
    for (index, artifact) in value["artifacts"].as_array().into_iter().flatten().enumerate() {
        for (at, _) in artifact["errors"].as_array().into_iter().flatten().enumerate() {
            for name in ["artifact_path", "contract_id"] {
                let pointer = format!("/artifacts/{index}/errors/{at}/{name}");
                must(&pointer, artifact[name].as_str(), "as of the artifact");
            }
        }
    }
    let definition = subject.definition();
    if stage != ORCHESTRATOR && !definition.stages().iter().any(|known| known.id == stage) {
        let expected = format!("the report of a stage of `{}`, or of `{ORCHESTRATOR}`", definition.name());
        findings.push(finding(&*document.path, "", expected, format!("one of {}", text(stage))));
    }
    findings
}

/// The reports with a valid form, without the time at which they were written.
fn well_formed<'s>(subject: &'s Subject<'_>) -> Result<Vec<(&'s Document, Value)>, NotRun> {
    let mut formed = Vec::new();
    for document in &subject.reports {
        let usable = document.value().filter(|value| wrong(subject, document, value).is_empty());
        let Some(mut value) = usable.cloned() else {
            return Err(NotRun::Impossible(format!("`{}` is not a report (check 26)", document.path)));
        };
        if let Some(members) = value.as_object_mut() {
            members.remove(GENERATED);
        }
        formed.push((document, value));
    }
    Ok(formed)
}

/// The report as it should have been written.
fn in_order(document: &Document, value: &Value) -> Result<(Report, Value), NotRun> {
    let report = Report::from_members(value)
        .map_err(|malformed| NotRun::Impossible(format!("`{}`: {malformed} (check 26)", document.path)))?;
    let written = report.to_value();
    Ok((report, written))
}

/// Check 27.
pub(super) fn ordered(subject: &Subject<'_>) -> Answer {
    let mut findings = Vec::new();
    for (document, value) in well_formed(subject)? {
        let (_, written) = in_order(document, &value)?;
        if let Some(difference) = unlike(&written["artifacts"], &value["artifacts"]) {
            let pointer = format!("/artifacts{}", difference.0);
            findings.push(finding(&*document.path, pointer, difference.1, difference.2));
        }
        let cap = value["max_errors_per_artifact"].as_u64().unwrap_or(u64::MAX);
        for (index, artifact) in value["artifacts"].as_array().into_iter().flatten().enumerate() {
            let kept = artifact["errors"].as_array().map_or(0, Vec::len) as u64;
            if artifact["errors_truncated"] == Value::Bool(true) && kept < cap {
                let pointer = format!("/artifacts/{index}/errors_truncated");
                findings.push(finding(
                    &*document.path,
                    pointer,
                    format!("`false`, because {kept} errors are fewer than {cap}"),
                    "true",
                ));
            }
        }
    }
    Ok(findings)
}

/// Check 28. A report may leave its diagnostics out.
pub(super) fn diagnostics(subject: &Subject<'_>) -> Answer {
    let mut findings = Vec::new();
    for (document, value) in well_formed(subject)? {
        let Some(found) = value.get("diagnostics") else { continue };
        let (_, written) = in_order(document, &value)?;
        if let Some(difference) = unlike(written.get("diagnostics").unwrap_or(&Value::Null), found) {
            let pointer = format!("/diagnostics{}", difference.0);
            findings.push(finding(&*document.path, pointer, difference.1, difference.2));
        }
    }
    Ok(findings)
}

/// The place where two values differ first: pointer, expected, found.
fn unlike(expected: &Value, found: &Value) -> Option<(String, String, String)> {
    let difference = first_difference("", &canonical(expected), &canonical(found))?;
    Some((difference.pointer, difference.expected, difference.found))
}

/// Check 29. Check 25 reports a missing report.
pub(super) fn traceable(subject: &Subject<'_>) -> Answer {
    let entries = subject.outcomes()?;
    let mut findings = Vec::new();
    for (entry, outcome, schema) in gate_failures(subject, &entries) {
        let Some(schema) = schema else { continue };
        let path = path_of(&outcome.stage);
        let Some(report) = subject.reports.iter().find(|document| document.path == path) else { continue };
        let blamed = |artifact: &Value| {
            artifact["contract_id"] == schema && artifact["errors"].as_array().is_some_and(|errors| !errors.is_empty())
        };
        let artifacts = report.value().and_then(|value| value["artifacts"].as_array());
        if !artifacts.is_some_and(|artifacts| artifacts.iter().any(blamed)) {
            let code = outcome.reason_code.as_deref().unwrap_or_default();
            let found = format!("{}, and no such error in `{path}`", quoted(&code.into()));
            let expected = format!("the code of an error of the schema `{schema}`");
            findings.push(finding(MANIFEST, format!("{}/reason_code", entry.pointer), expected, found));
        }
    }
    Ok(findings)
}
