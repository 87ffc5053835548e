//! The line that each event adds to `audit_events.jsonl`: who did what when, and the details of the kind.

use super::failure::{RunError, StepError};
use super::payload::{CancelRequested, Created, GateDecided, Moved, Redriven, Rejected, StepMoved, read};
use super::phases::Phase;
use super::state::State;
use super::status::carried;
use crate::projected::audit_line;
use evlog_format::kind::{
    STORY_CANCEL_REQUESTED, STORY_CREATED, STORY_GATE_DECIDED, STORY_MOVED, STORY_REDRIVEN, STORY_REJECTED,
    STORY_STEP_MOVED,
};
use evlog_projection::time::to_rfc3339;
use evlog_projection::{Fact, FoldError};
use serde_json::{Value, json};

/// The line of an event, given the state after it.
pub(super) fn line(fact: &Fact<'_>, after: &State) -> Result<Value, FoldError> {
    Ok(audit_line(fact, json!({"epoch": after.run().epoch, "event": details(fact)?})))
}

fn details(fact: &Fact<'_>) -> Result<Value, FoldError> {
    match fact.event.kind {
        STORY_CREATED => Ok(created(&read(fact)?)),
        STORY_MOVED => Ok(moved(&read(fact)?)),
        STORY_STEP_MOVED => Ok(step_moved(&read(fact)?)),
        STORY_REJECTED => Ok(rejected(&read(fact)?)),
        STORY_CANCEL_REQUESTED => {
            let event: CancelRequested = read(fact)?;
            let deadline = to_rfc3339(event.deadline_ns);
            Ok(json!({"how": event.how.word(), "deadline_utc": deadline, "message": event.message}))
        }
        STORY_GATE_DECIDED => {
            let event: GateDecided = read(fact)?;
            Ok(json!({"step": event.step, "state": event.state.word(), "message": event.message}))
        }
        STORY_REDRIVEN => {
            let event: Redriven = read(fact)?;
            let (epoch, token, from, cleared) = (event.epoch, event.token, event.from_step, event.cleared);
            Ok(json!({"epoch": epoch, "token": token, "from_step": from, "cleared": cleared}))
        }
        found => Err(FoldError::new(fact, format!("expected an event of contract `story`, found `{found}`"))),
    }
}

/// The story itself is in the manifest. The line holds its digest.
fn created(event: &Created) -> Value {
    json!({
        "to": Phase::Pending.word(),
        "mode": event.mode.word(),
        "impulse": event.impulse,
        "inputs": carried(event.inputs.as_deref()),
        "story_blake3": blake3::hash(event.story.as_bytes()).to_hex().to_string(),
    })
}

fn moved(event: &Moved) -> Value {
    json!({
        "from": event.from.map(Phase::word),
        "to": event.to.word(),
        "cause": event.cause.word(),
        "reason": event.reason,
        "message": event.message,
        "error": event.error.as_ref().map(RunError::to_json),
        "output": carried(event.output.as_deref()),
        "output_dropped": event.output_dropped,
    })
}

fn step_moved(event: &StepMoved) -> Value {
    json!({
        "step": event.step,
        "from": event.from.map(Phase::word),
        "to": event.to.word(),
        "cause": event.cause.word(),
        "reason": event.reason,
        "message": event.message,
        "because": event.because,
        "exit_code": event.exit_code,
        "exit_class": event.exit_class.map(super::retry::ExitClass::word),
        "retries": event.retries,
        "next_retry_utc": event.next_retry_ns.map(to_rfc3339),
        "deadline_utc": event.deadline_ns.map(to_rfc3339),
        "output": carried(event.output.as_deref()),
        "error": event.error.as_ref().map(StepError::to_json),
        "worker": event.worker,
        "child": event.child,
    })
}

fn rejected(event: &Rejected) -> Value {
    json!({
        "step": event.step,
        "from": event.from.map(Phase::word),
        "requested": event.requested,
        "reason": event.reason.word(),
        "code": super::rules::code(event.reason),
        "message": event.message,
        "action": event.action.word(),
        "note": event.note,
        "request_blake3": blake3::Hash::from_bytes(event.request).to_hex().to_string(),
    })
}
