//! The files of a run's bundle, except the audit (pipeline.md 3.3 to 3.6).
//!
//! Does not: decide anything; every value comes from the state or from an event.
//!
//! Invariants:
//! - Outcomes are listed in their total order, never in the order of events (rule P-20).
//! - No status is written before the run is finalized (rule P-52). A refusal changes no file but the audit.

use super::outcome::Outcome;
use super::own::REPORTS;
use super::payload::{Artifact, Behavior, Input, LimitExceeded};
use super::state::{Entry, Held, Progress, State};
use crate::projected::file;
use evlog_format::ids::hex;
use evlog_projection::time::to_rfc3339;
use evlog_projection::{File, FoldError, Projection, RunHead};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// `contract_version` of `manifest.json` (rule P-50).
const MANIFEST_VERSION: &str = "0.1.0";
/// The state of a run that has not ended, as `run.json` and result lines show it.
pub(super) const IN_PROGRESS: &str = "in_progress";

const RUN: Projection = Projection::new("pipeline.run", 1);
const MANIFEST: Projection = Projection::new("pipeline.manifest", 1);
const HEALTH: Projection = Projection::new("pipeline.health", 1);
const VALIDATION_REPORT: Projection = Projection::new("pipeline.validation_report", 1);
/// All projections.
pub(super) const PROJECTIONS: [Projection; 4] = [RUN, MANIFEST, HEALTH, VALIDATION_REPORT];

/// All files except the audit. A history that still owes an event has no files, because it is not complete.
pub(super) fn files(state: &State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
    if let Some(next) = state.owed.as_ref().and_then(|owed| owed.outcomes.first()) {
        let message = format!("expected `{next}`, found the end of the run's events");
        return Err(FoldError::of_run(head, message));
    }
    let mut files = vec![file("run.json", RUN, &run(state)), file("manifest.json", MANIFEST, &manifest(state))];
    if state.pinned.emit_health {
        files.push(file("logs/health.json", HEALTH, &health(state)));
    }
    for (stage, reported) in state.reports.iter() {
        let mut report = reported.report.clone();
        report["generated_at_utc"] = to_rfc3339(reported.time_ns).into();
        files.push(file(format!("{REPORTS}/{stage}.json"), VALIDATION_REPORT, &report));
    }
    Ok(files)
}

/// The outcome tuples, in their total order.
fn tuples(state: &State) -> Vec<Value> {
    state.outcomes().map(Outcome::to_value).collect()
}

/// `manifest.json`: the members that the run was created with, and the engine's own members.
pub(super) fn manifest(state: &State) -> Value {
    let pinned = &state.pinned;
    let mut manifest = pinned.manifest.clone();
    let mut put = |name: &str, value: Value| manifest.insert(name.to_owned(), value);
    put("contract_version", MANIFEST_VERSION.into());
    put("run_id", pinned.run.as_str().into());
    put("started_at_utc", to_rfc3339(pinned.time_ns).into());
    if let Some(end) = state.end {
        put("status", end.status.word().into());
        put("ended_at_utc", to_rfc3339(end.time_ns).into());
    }
    if !state.outcomes.is_empty() {
        put("stage_outcomes", tuples(state).into());
    }
    let extensions = manifest.entry("extensions").or_insert_with(|| Value::Object(Map::new()));
    extensions["evlog"] = json!({
        "pipeline": pinned.definition.name(),
        "definition_blake3": hex(&pinned.definition.digest()),
    });
    if !state.forced_locks.is_empty() {
        let events = state.forced_locks.iter().enumerate().map(|(index, forced)| {
            json!({
                "seq": index + 1,
                "stale_lock_filename": forced.stale_lock_filename,
                "stale_lock_sha256": hex(&forced.stale_lock_sha256),
                "policy": "manual_break_glass_v1",
            })
        });
        extensions["orchestrator"]["v"] = 1.into();
        extensions["orchestrator"]["run_lock"] = json!({"break_glass_events": events.collect::<Vec<Value>>()});
    }
    if !state.limits_exceeded.is_empty() {
        extensions["operability"]["limits_exceeded"] = state.limits_exceeded.iter().map(limit).collect();
    }
    Value::Object(manifest)
}

/// An exceeded limit (rule P-91). If a run stops because of a limit and keeps what it has, the value also says when it was cut.
fn limit((exceeded, time_ns): &(LimitExceeded, i128)) -> Value {
    let LimitExceeded { limit, configured, observed, behavior, stage } = exceeded;
    let word = behavior.word();
    let mut value =
        json!({"limit": limit, "configured": configured, "observed": observed, "behavior": word, "stage": stage});
    if *behavior == Behavior::Partial {
        value["truncated_at_utc"] = to_rfc3339(*time_ns).into();
    }
    value
}

/// `logs/health.json`: the same outcomes, and nothing else (rule P-53).
fn health(state: &State) -> Value {
    let mut health = json!({"run_id": state.pinned.run, "stages": tuples(state)});
    if let Some(end) = state.end {
        health["status"] = end.status.word().into();
    }
    health
}

/// `run.json`: the state of the run.
fn run(state: &State) -> Value {
    let pinned = &state.pinned;
    let mut run = json!({
        "run_id": pinned.run,
        "contract": "pipeline",
        "pipeline": pinned.definition.name(),
        "status": state.end.map_or(IN_PROGRESS, |end| end.status.word()),
        "created_at_utc": to_rfc3339(pinned.time_ns),
        "first_seq": pinned.seq.0,
        "stages": (0..pinned.stages.len()).map(|index| stage(state, index)).collect::<Vec<Value>>(),
        "substages": substages(state),
        "artifacts": held(&state.artifacts),
        "captured": held(&state.captured),
    });
    // A run without inputs has the same file as before inputs existed.
    if state.progress.iter().any(|progress| progress.inputs.is_some()) {
        run["inputs"] = inputs(state).into();
    }
    if let Some(end) = state.end {
        run["exit_code"] = end.status.exit_code().into();
        run["ended_at_utc"] = to_rfc3339(end.time_ns).into();
    }
    run
}

/// A top-level stage's state in one word (pipeline.md 5.6.2), or `disabled`.
pub(super) fn stage_state(state: &State, index: usize) -> &'static str {
    match state.top(index) {
        Some(outcome) => outcome.status.word(),
        None if !state.pinned.stages[index].enabled => "disabled",
        None if state.has_begun(index) => "running",
        None => "pending",
    }
}

fn stage(state: &State, index: usize) -> Value {
    let (setting, progress) = (state.pinned.stages[index], &state.progress[index]);
    let key = state.definition().order_key(state.stage_id(index));
    let entry = key.and_then(|key| state.outcomes.get(&key));
    let mut value = json!({"stage": state.stage_id(index), "state": stage_state(state, index), "fail_mode": setting.fail_mode.word()});
    if let Some(begun) = progress.begun_ns {
        value["attempts"] = progress.attempts.into();
        value["begun_at_utc"] = to_rfc3339(begun).into();
    }
    if let Some(taken) = &progress.taken {
        value["taken_from"] = json!({"run": taken.baseline, "seq": taken.seq});
    }
    if let Some(entry) = entry {
        outcome_members(&mut value, entry);
    }
    value
}

fn substages(state: &State) -> Vec<Value> {
    let entry = |entry: &Entry| {
        let outcome = &entry.outcome;
        let mut value = json!({"stage": outcome.stage, "state": outcome.status.word()});
        outcome_members(&mut value, entry);
        value
    };
    let of_substages = state.outcomes.iter().filter(|(key, _)| super::definition::is_substage(key.stage()));
    of_substages.map(|(_, recorded)| entry(recorded)).collect()
}

/// Adds the members of an outcome. Its fail mode replaces the configured one.
fn outcome_members(value: &mut Value, entry: &Entry) {
    value["fail_mode"] = entry.outcome.fail_mode.word().into();
    if let Some(code) = &entry.outcome.reason_code {
        value["reason_code"] = code.as_str().into();
    }
    value["ended_at_utc"] = to_rfc3339(entry.time_ns).into();
    if entry.reconciled {
        value["reconciled"] = true.into();
    }
    value["seq"] = entry.seq.0.into();
}

/// The inputs of each stage, in canonical order of the stages.
fn inputs(state: &State) -> Vec<Value> {
    let of = |(index, progress): (usize, &Progress)| {
        let recorded = progress.inputs.iter().flat_map(|inputs| inputs.iter());
        let one = |recorded: &Input| {
            let mut value = input(recorded);
            value["stage"] = state.stage_id(index).into();
            value
        };
        recorded.map(one).collect::<Vec<Value>>()
    };
    state.progress.iter().enumerate().flat_map(of).collect()
}

pub(super) fn input(input: &Input) -> Value {
    let mut value = json!({"path": input.path, "from": input.from.word(), "required": input.required});
    if let Some(content) = &input.content {
        value["bytes"] = content.bytes.into();
        value["blake3"] = hex(&content.blake3).into();
    }
    value
}

fn held(files: &BTreeMap<String, Held>) -> Vec<Value> {
    let one = |held: &Held| {
        let mut value = artifact(&held.artifact);
        value["stage"] = held.stage.as_str().into();
        value
    };
    files.values().map(one).collect()
}

pub(super) fn artifact(artifact: &Artifact) -> Value {
    let mut value = json!({"path": artifact.path, "bytes": artifact.bytes, "blake3": hex(&artifact.blake3)});
    if let Some(contract) = &artifact.contract {
        value["contract"] = contract.as_str().into();
    }
    value
}
