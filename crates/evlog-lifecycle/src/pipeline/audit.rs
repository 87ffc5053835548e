//! The line that each event adds to `audit_events.jsonl`: the members that all contracts have for an event and, under `event`,
//! the members that are particular to its kind.
//!
//! Does not: judge. Refusals get a line like everything else.
//!
//! Invariant: a line is a function of its event and of the states before and after it.

use super::definition::is_substage;
use super::outcome::{Outcome, RunStatus};
use super::payload::{Artifact, Created, OutcomeRecorded, Payload, Refused, ValidationReported, payload_json};
use super::project::{IN_PROGRESS, artifact, input, stage_state};
use super::state::State;
use crate::projected::audit_line;
use evlog_format::ids::hex;
use evlog_projection::{Fact, FoldError};
use serde_json::{Value, json};

/// The line of an event.
pub(super) fn line(before: Option<&State>, fact: &Fact<'_>, after: &State) -> Result<Value, FoldError> {
    let payload = Payload::decode(&fact.event).map_err(|message| FoldError::new(fact, message))?;
    Ok(audit_line(fact, json!({"event": details(&payload, fact, before, after)})))
}

fn details(payload: &Payload, fact: &Fact<'_>, before: Option<&State>, after: &State) -> Value {
    let list = |artifacts: &[Artifact]| Value::Array(artifacts.iter().map(artifact).collect());
    match payload {
        Payload::Created(created) => self::created(created),
        Payload::Inputs(of) => {
            json!({"stage": of.stage, "inputs": of.inputs.iter().map(input).collect::<Vec<Value>>()})
        }
        Payload::Begun(begun) => {
            let index = after.definition().index_of(&begun.stage);
            let attempt = index.map(|index| after.progress[index].attempts);
            json!({"stage": begun.stage, "from": stage_before(before, &begun.stage), "to": "running", "attempt": attempt})
        }
        Payload::Intended(of) | Payload::Published(of) => json!({"stage": of.stage, "artifacts": list(&of.artifacts)}),
        Payload::Reported(reported) => self::reported(reported, after),
        Payload::Judged(record) => Outcome::from(record.clone()).to_value(),
        Payload::Outcome(record) => outcome(record, before),
        Payload::Finalized(end) => {
            json!({"from": IN_PROGRESS, "to": RunStatus::word(end.status), "exit_code": end.exit_code})
        }
        Payload::Refused(Refused { action, stage, code, message }) => {
            json!({"do": action, "stage": stage, "error": {"code": code, "message": message}})
        }
        // Nothing must be added from the states, and every member has the same name as in the payload.
        _ => payload_json(&fact.event).unwrap_or_else(|| unreachable!("the payload was decoded before")),
    }
}

fn created(created: &Created) -> Value {
    let stage = |setting: &super::payload::StageSetting| json!({"stage": setting.id, "enabled": setting.enabled, "fail_mode": setting.fail_mode.word()});
    json!({
        "to": IN_PROGRESS,
        "pipeline": created.pipeline,
        "definition_blake3": hex(&created.definition),
        "stages": created.stages.iter().map(stage).collect::<Vec<Value>>(),
    })
}

/// A stage's state before the event; null for substages, which only ever have an outcome.
fn stage_before(before: Option<&State>, name: &str) -> Value {
    let known = before.filter(|_| !is_substage(name));
    let index = known.and_then(|state| state.definition().index_of(name).map(|index| stage_state(state, index)));
    index.map_or(Value::Null, Value::from)
}

fn outcome(record: &OutcomeRecorded, before: Option<&State>) -> Value {
    let mut value = Outcome::from(record.clone()).to_value();
    value["from"] = stage_before(before, &record.stage);
    value["to"] = record.status.word().into();
    value
}

fn reported(reported: &ValidationReported, after: &State) -> Value {
    let report = after.reports.get(&reported.stage).map_or(&Value::Null, |reported| &reported.report);
    let artifacts = report["artifacts"].as_array().map_or(&[][..], Vec::as_slice);
    let invalid = artifacts.iter().filter(|artifact| artifact["status"] == "invalid");
    let paths: Vec<&Value> = invalid.map(|artifact| &artifact["artifact_path"]).collect();
    json!({"stage": reported.stage, "invalid": paths})
}
