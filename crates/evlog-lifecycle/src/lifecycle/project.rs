//! The files of a run's bundle and its audit lines, as functions of state and event.
//!
//! All of them are RFC 8785 text. The health file is a mirror: each of its members is in `run.json` too, with the same value.

use super::definition::StatusId;
use super::payload::{Created, Forced, Payload, Refused, Rejected, Transitioned};
use super::state::{Entered, State};
use crate::members::object;
use crate::projected::{self, file, mirrored};
use evlog_format::ids::hex;
use evlog_projection::time::to_rfc3339;
use evlog_projection::{Fact, File, FoldError, Projection, RunHead, parse};
use serde_json::{Map, Value, json};

const RUN: Projection = Projection::new("machine.run", 2);
const MANIFEST: Projection = Projection::new("machine.manifest", 1);
const HEALTH: Projection = Projection::new("machine.health", 2);
const RUN_1: Projection = Projection::new("machine.run", 1);
const HEALTH_1: Projection = Projection::new("machine.health", 1);

/// The members of `logs/health.json` of version 1, and those that version 2 added.
const HEALTH_MEMBERS: [&str; 10] = [
    "contract",
    "machine",
    "run_id",
    "status",
    "terminal",
    "reason_code",
    "updated_at_utc",
    "last_seq",
    "next_statuses",
    "status_since_utc",
];

/// All projections that are made now.
pub(super) const PROJECTIONS: [Projection; 3] = [RUN, MANIFEST, HEALTH];

/// The bundle's files, except the audit. A history that still owes an event has no files.
pub(super) fn files(state: &State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
    owes_nothing(state, head)?;
    let mut run = run_1(state, head);
    run.extend(outlook(state));
    let health = mirrored(&run, &HEALTH_MEMBERS);
    Ok(vec![
        file("run.json", RUN, &Value::Object(run)),
        file("manifest.json", MANIFEST, &Value::Object(manifest(state, head))),
        file("logs/health.json", HEALTH, &Value::Object(health)),
    ])
}

/// The files of version 1 of their projections. They did not have the time since which the status holds, or the statuses that
/// can follow it.
pub(super) fn earlier_files(state: &State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
    owes_nothing(state, head)?;
    let run = run_1(state, head);
    let health = mirrored(&run, &HEALTH_MEMBERS);
    Ok(vec![file("run.json", RUN_1, &Value::Object(run)), file("logs/health.json", HEALTH_1, &Value::Object(health))])
}

fn owes_nothing(state: &State, head: &RunHead<'_>) -> Result<(), FoldError> {
    let Some(owed) = &state.owed else { return Ok(()) };
    let message = format!("expected the run to be forced to `{}`, found the end of its events", owed.event.to);
    Err(FoldError::of_run(head, message))
}

/// The time since which the status holds, and the statuses that can follow it.
fn outlook(state: &State) -> Map<String, Value> {
    let (definition, now) = (state.definition(), last(state, state.status));
    let next = definition.status(state.status).to.iter().map(|id| definition.status(*id).name.as_str());
    object(json!({
        "status_since_utc": to_rfc3339(now.time_ns),
        "next_statuses": next.collect::<Vec<&str>>(),
    }))
}

fn last(state: &State, id: StatusId) -> &Entered {
    let entered = state.entered[id.0].as_deref();
    entered.unwrap_or_else(|| unreachable!("a run has entered its status"))
}

/// `run.json`: the state of the run, as version 1 of `machine.run` shows it.
fn run_1(state: &State, head: &RunHead<'_>) -> Map<String, Value> {
    let definition = state.definition();
    let now = last(state, state.status);
    let counts = state.counts;
    let entered = |(status, entered): (&super::StatusDefinition, &Option<std::sync::Arc<Entered>>)| {
        entered.as_ref().map(|entered| {
            json!({
                "status": status.name,
                "times": entered.times,
                "seq": entered.seq.0,
                "at_utc": to_rfc3339(entered.time_ns),
                "reason_code": entered.reason_code,
                "data": entered.data,
            })
        })
    };
    object(json!({
        "contract": "machine",
        "machine": definition.name(),
        "definition_blake3": hex(&definition.digest()),
        "run_id": head.run,
        "status": state.status(),
        "terminal": state.is_terminal(),
        "reason_code": now.reason_code,
        "data": now.data,
        "entered": definition.statuses().iter().zip(&state.entered).filter_map(entered).collect::<Vec<Value>>(),
        "created_at_utc": to_rfc3339(state.pinned.time_ns),
        "ended_at_utc": state.ended_ns.map(to_rfc3339),
        "updated_at_utc": to_rfc3339(head.last_time_ns),
        "events": head.events,
        "first_seq": head.first_seq.0,
        "last_seq": head.last_seq.0,
        "transitions": counts.transitions,
        "rejections": counts.rejections,
        "forced": counts.forced,
        "refusals": counts.refusals,
    }))
}

/// `manifest.json`: the definition and the outcome.
fn manifest(state: &State, head: &RunHead<'_>) -> Map<String, Value> {
    let definition = state.definition();
    let text = parse(definition.text().as_bytes()).unwrap_or_else(|error| unreachable!("it was read before: {error}"));
    let outcome = state.is_terminal().then(|| state.status());
    object(json!({
        "contract": "machine",
        "machine": definition.name(),
        "definition": text,
        "definition_blake3": hex(&definition.digest()),
        "run_id": head.run,
        "outcome": outcome,
        "reason_code": outcome.and(last(state, state.status).reason_code.as_deref()),
        "data": last(state, definition.initial()).data,
        "created_at_utc": to_rfc3339(state.pinned.time_ns),
        "ended_at_utc": state.ended_ns.map(to_rfc3339),
    }))
}

/// The line that an event adds to `audit_events.jsonl`.
pub(super) fn audit_line(fact: &Fact<'_>) -> Result<Value, FoldError> {
    let payload = Payload::decode(&fact.event).map_err(|message| FoldError::new(fact, message))?;
    Ok(projected::audit_line(fact, json!({"event": details(&payload)})))
}

fn details(payload: &Payload) -> Value {
    let data = |text: &str| parse(text.as_bytes()).unwrap_or(Value::Null);
    match payload {
        Payload::Created(Created { machine, definition, data: text, .. }) => {
            json!({"machine": machine, "definition_blake3": hex(definition), "data": data(text)})
        }
        Payload::Transitioned(Transitioned { from, to, reason_code, data: text }) => {
            json!({"from": from, "to": to, "reason_code": reason_code, "data": data(text)})
        }
        Payload::Rejected(Rejected { from, requested }) => json!({"from": from, "requested": requested}),
        Payload::Forced(Forced { from, to, reason_code, requested }) => {
            json!({"from": from, "to": to, "reason_code": reason_code, "requested": requested})
        }
        Payload::Refused(Refused { action, code, message }) => {
            json!({"do": action, "error": {"code": code, "message": message}})
        }
    }
}
