//! The line that each event adds to `audit_events.jsonl`: the audit event as the source document defines it (status.md 4.1,
//! 4.4), and under `event` the members for which that definition has no place.

use super::diagnostic::{Diagnostic, INVALID_STATE_TRANSITION, undefined_message};
use super::fold::State;
use super::payload::{Created, ForcedFailed, Overridden, PolicyVersions, Refused, Rejected, Transitioned, read};
use super::project::actor;
use super::transitions::RunStatus;
use crate::projected::audit_line;
use evlog_format::ids::hex;
use evlog_format::kind::{
    STATUS_CREATED, STATUS_FORCED_FAILED, STATUS_OVERRIDDEN, STATUS_REFUSED, STATUS_REJECTED, STATUS_TRANSITIONED,
};
use evlog_projection::{Fact, FoldError, parse};
use serde_json::{Value, json};

/// The members that are particular to one kind of event.
struct Entry {
    outcome: &'static str,
    reason: Option<String>,
    severity: &'static str,
    operation: String,
    error: Value,
    details: Value,
}

/// The line of an event, given the state after it.
pub(crate) fn line(fact: &Fact<'_>, after: &State) -> Result<Value, FoldError> {
    let entry = entry(fact)?;
    let created = after.created();
    let own = json!({
        "event_id": format!("EVT-{:020}", fact.seq.0),
        "action_type": if fact.event.kind == STATUS_OVERRIDDEN { "override" } else { "system" },
        "actor": actor(fact.head.actor),
        "contract_version": created.contract_version,
        "policy_versions": created.policy_versions.as_ref().map(PolicyVersions::to_json),
        "case_id": created.case_id,
        "parent_run_id": created.parent_run_id,
        "root_run_id": created.root_run_id,
        "outcome": entry.outcome,
        "outcome_reason": entry.reason,
        "severity": entry.severity,
        "target": {"target_type": "system", "name": "run_state_change", "operation": entry.operation},
        "error": entry.error,
        "event": entry.details,
    });
    Ok(audit_line(fact, own))
}

fn entry(fact: &Fact<'_>) -> Result<Entry, FoldError> {
    match fact.event.kind {
        STATUS_CREATED => Ok(created(&read(fact)?)),
        STATUS_TRANSITIONED => Ok(transitioned(&read(fact)?)),
        STATUS_REJECTED => Ok(rejected(&read(fact)?)),
        STATUS_FORCED_FAILED => Ok(forced_failed(&read(fact)?)),
        STATUS_REFUSED => Ok(refused(&read(fact)?)),
        STATUS_OVERRIDDEN => Ok(overridden(&read(fact)?)),
        found => Err(FoldError::new(fact, format!("expected an event of contract `status`, found `{found}`"))),
    }
}

fn created(event: &Created) -> Entry {
    Entry {
        outcome: "success",
        reason: event.retry.as_ref().map(|retry| retry.reason.clone()),
        severity: "info",
        operation: "->created".to_owned(),
        error: Value::Null,
        details: json!({
            "from": null,
            "to": "created",
            "retry_count": event.retry.as_ref().map_or(0, |retry| retry.count),
            "retry_approval": event.retry.as_ref().and_then(|retry| retry.approval.as_deref()),
        }),
    }
}

/// The outcome and severity of entering a status (status.md 4.4).
fn judged(to: RunStatus) -> (&'static str, &'static str) {
    match to {
        RunStatus::Failed | RunStatus::Timeout => ("failure", "error"),
        RunStatus::Denied => ("deny", "error"),
        _ => ("success", "info"),
    }
}

fn error_of(diagnostic: Option<&Diagnostic>) -> Value {
    diagnostic.map_or(Value::Null, |diagnostic| {
        json!({
            "error_code": diagnostic.error_code,
            "message": diagnostic.message,
            "retryable": diagnostic.retryable,
        })
    })
}

fn transitioned(event: &Transitioned) -> Entry {
    let (outcome, severity) = judged(event.to);
    let diagnostic = event.diagnostic.as_ref();
    Entry {
        outcome,
        reason: event.reason.clone(),
        severity,
        operation: format!("{}->{}", event.from, event.to),
        error: error_of(diagnostic),
        details: json!({
            "from": event.from.word(),
            "to": event.to.word(),
            "cause": event.cause.word(),
            "diagnostic": diagnostic.map(Diagnostic::to_json),
        }),
    }
}

fn rejected(event: &Rejected) -> Entry {
    let message = undefined_message(event.current, &event.requested);
    let current = event.current.map(RunStatus::word);
    Entry {
        outcome: "failure",
        reason: Some(event.reason.word().to_owned()),
        severity: "error",
        operation: format!("{}->{}", current.unwrap_or_default(), event.requested),
        error: json!({"error_code": INVALID_STATE_TRANSITION, "message": message, "retryable": false}),
        details: json!({
            "from": current,
            "requested": event.requested,
            "action": event.action.word(),
            "ticket": event.ticket,
            "note": event.note,
            "offered": json_text(event.offered.as_deref()),
            "request_blake3": hex(&event.request),
        }),
    }
}

fn forced_failed(event: &ForcedFailed) -> Entry {
    Entry {
        outcome: "failure",
        reason: Some("invalid_state_rule".to_owned()),
        severity: "error",
        operation: format!("{}->failed", event.from),
        error: error_of(Some(&event.diagnostic)),
        details: json!({
            "from": event.from.word(),
            "to": "failed",
            "cause": "invalid_state_rule",
            "diagnostic": event.diagnostic.to_json(),
        }),
    }
}

fn refused(event: &Refused) -> Entry {
    let current = event.current.map(RunStatus::word);
    Entry {
        outcome: "failure",
        reason: Some(event.reason.word().to_owned()),
        severity: "warn",
        operation: event.action.word().to_owned(),
        error: json!({"error_code": event.reason.code(), "message": event.message, "retryable": false}),
        details: json!({
            "from": current,
            "requested": event.requested,
            "action": event.action.word(),
            "note": event.note,
            "offered": json_text(event.offered.as_deref()),
            "request_blake3": hex(&event.request),
        }),
    }
}

fn overridden(event: &Overridden) -> Entry {
    Entry {
        outcome: "allow",
        reason: Some(event.reason.clone()),
        severity: "warn",
        operation: format!("{}->{}", event.from, event.to),
        error: Value::Null,
        details: json!({"from": event.from.word(), "to": event.to.word(), "ticket": event.ticket}),
    }
}

/// What a caller offered, as JSON. Text that is not JSON is shown as text, because it is evidence either way.
fn json_text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| parse(text.as_bytes()).unwrap_or_else(|_| text.into()))
}
