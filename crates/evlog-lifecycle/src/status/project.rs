//! The files of a run's bundle, as functions of its state: `run.json`, `manifest.json`, `logs/health.json`.
//!
//! All three are RFC 8785 text without a newline at the end. The health file is a mirror: each of its members is in
//! `run.json` too, with the same value (check 43).

use super::fold::State;
use super::next_action::next_action;
use super::record::from_details;
use crate::members::object;
use crate::projected::{duration_ms, file, mirrored};
use evlog_projection::time::to_rfc3339;
use evlog_projection::{File, FoldError, Projection, RunHead};
use serde_json::{Map, Value, json};

const RUN: Projection = Projection::new("status.run", 1);
const MANIFEST: Projection = Projection::new("status.manifest", 1);
const HEALTH: Projection = Projection::new("status.health", 1);
/// All projections.
pub(super) const PROJECTIONS: [Projection; 3] = [RUN, MANIFEST, HEALTH];

/// The bundle's files. A history that still owes an event has no files (check 6).
pub(crate) fn project(state: &State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
    let error = |message: String| FoldError::of_run(head, message);
    if let Some(owed) = state.owed() {
        return Err(error(format!("expected {owed}, found the end of the run's events")));
    }
    let run = run(state, head);
    let health = health(&run);
    let manifest = manifest(state, head).map_err(error)?;
    Ok(vec![
        file("run.json", RUN, &Value::Object(run)),
        file("manifest.json", MANIFEST, &Value::Object(manifest)),
        file("logs/health.json", HEALTH, &Value::Object(health)),
    ])
}

fn time(time_ns: Option<i128>) -> Value {
    time_ns.map_or(Value::Null, |time| to_rfc3339(time).into())
}

/// The members that follow from the status, its error code and its next action.
fn verdict(state: &State) -> Map<String, Value> {
    let error_code = state.diagnostic().map(|diagnostic| diagnostic.error_code.as_str());
    let retryable = state.diagnostic().map(|diagnostic| diagnostic.retryable);
    object(json!({
        "status": state.status().word(),
        "terminal": state.status().is_terminal(),
        "error_code": error_code,
        "retryable": retryable,
        "next_action": next_action(state.status(), error_code, retryable).word(),
    }))
}

/// `run.json`, projection `status.run` version 1.
fn run(state: &State, head: &RunHead<'_>) -> Map<String, Value> {
    let created = state.created();
    let counts = state.counts();
    let mut run = object(json!({
        "contract": "status",
        "run_id": head.run,
        "case_id": created.case_id,
        "parent_run_id": created.parent_run_id,
        "root_run_id": created.root_run_id,
        "max_retries": created.max_retries,
        "created_at_utc": to_rfc3339(state.created_ns()),
        "started_at_utc": time(state.started_ns()),
        "completed_at_utc": time(state.ended_ns()),
        "updated_at_utc": to_rfc3339(head.last_time_ns),
        "duration_ms": duration_ms(state.started_ns(), state.ended_ns()),
        "diagnostic": state.diagnostic().map(super::Diagnostic::to_json),
        "events": head.events,
        "first_seq": head.first_seq.0,
        "last_seq": head.last_seq.0,
        "transitions": counts.transitions,
        "rejections": counts.rejections,
        "refusals": counts.refusals,
        "overrides": counts.overrides,
    }));
    run.extend(retry(state));
    run.extend(verdict(state));
    run
}

/// `logs/health.json`, projection `status.health` version 1.
fn health(run: &Map<String, Value>) -> Map<String, Value> {
    const MIRRORED: [&str; 9] = [
        "contract",
        "run_id",
        "status",
        "terminal",
        "error_code",
        "retryable",
        "next_action",
        "updated_at_utc",
        "last_seq",
    ];
    mirrored(run, &MIRRORED)
}

/// The members that are null in a child and filled in a retry (status.md 2.1, 9.15).
fn retry(state: &State) -> Map<String, Value> {
    let created = state.created();
    let retry = created.retry.as_ref();
    object(json!({
        "retry_of_run_id": retry.and(created.parent_run_id.as_deref()),
        "retry_count": state.retry_count(),
        "retry_reason": retry.map(|retry| retry.reason.as_str()),
        "retry_approval": retry.and_then(|retry| retry.approval.as_deref()),
    }))
}

/// `manifest.json`, projection `status.manifest` version 1: the run record of status.md 5, with the diagnostic and the retry
/// members that the record lacks.
fn manifest(state: &State, head: &RunHead<'_>) -> Result<Map<String, Value>, String> {
    let created = state.created();
    let mut record = from_details(created.details.as_deref())?;
    let error = state.diagnostic().map(|diagnostic| {
        json!({
            "error_code": diagnostic.error_code,
            "message": diagnostic.message,
            "retryable": diagnostic.retryable,
        })
    });
    record.extend(object(json!({
        "run_id": head.run,
        "status": state.status().word(),
        "outcome": state.status().is_terminal().then(|| state.status().word()),
        "contract_version": created.contract_version,
        "policy_versions": created.policy_versions.as_ref().map(super::payload::PolicyVersions::to_json),
        "pins_required": created.pins_required,
        "case_id": created.case_id,
        "parent_run_id": created.parent_run_id,
        "root_run_id": created.root_run_id,
        "max_retries": created.max_retries,
        "error_codes": created.error_codes,
        "actor": actor(state.created_by()),
        "created_at_utc": to_rfc3339(state.created_ns()),
        "started_at_utc": time(state.started_ns()),
        "completed_at_utc": time(state.ended_ns()),
        "duration_ms": duration_ms(state.started_ns(), state.ended_ns()),
        "error": error,
        "diagnostic": state.diagnostic().map(super::Diagnostic::to_json),
    })));
    record.extend(retry(state));
    Ok(record)
}

/// An actor such as `agent:intake`, as an object of the source document. If the type is not one of the document's three, it
/// stays part of the id, and the object's type is null, because it is not known.
pub(crate) fn actor(text: &str) -> Value {
    match text.split_once(':') {
        Some((kind @ ("agent" | "human" | "system"), id)) => json!({"actor_type": kind, "actor_id": id}),
        _ => json!({"actor_type": null, "actor_id": text}),
    }
}
