//! Tests of contract `status`, by what they prove.

mod cells;
mod diagnostics;
mod documentation;
mod golden;
mod hard_cases;
mod next_actions;
mod payloads;
mod property;
mod records;
mod replay;
mod retries;
mod scenarios;

use super::{RunStatus, Status};
use crate::testing::{Answered, Harness};
use evlog_projection::Outcome;
use serde_json::{Value, json};

/// The run that most tests play with.
const RUN: &str = "RUN_0001";

/// A valid diagnostic with this code.
fn diagnostic(code: &str, retryable: bool) -> Value {
    json!({
        "error_code": code,
        "category": "tool",
        "message": "the tool said no",
        "likely_cause": "exit code 3",
        "suggested_fix": "look at its output",
        "retryable": retryable,
        "severity": "error",
    })
}

/// The diagnostic that tests offer with a status that needs one.
fn diagnostic_for(to: RunStatus) -> Option<Value> {
    match to {
        RunStatus::Failed => Some(diagnostic("TOOL_INTERNAL_ERROR", false)),
        RunStatus::Denied => Some(diagnostic("TOOL_DENIED", false)),
        RunStatus::Timeout => Some(diagnostic("TOOL_TIMEOUT", true)),
        _ => None,
    }
}

fn create(run: &str) -> Value {
    json!({"run": run, "do": "create"})
}

/// A request with everything that its status needs.
fn request(run: &str, to: &str) -> Value {
    let mut command = json!({"run": run, "do": "transition", "to": to});
    if let Some(diagnostic) = RunStatus::from_word(to).and_then(diagnostic_for) {
        command["diagnostic"] = diagnostic;
    }
    command
}

/// The listed transitions that lead a new run to a status.
fn path_to(status: RunStatus) -> &'static [&'static str] {
    match status {
        RunStatus::Created => &[],
        RunStatus::Running => &["running"],
        RunStatus::Waiting => &["running", "waiting"],
        RunStatus::Success => &["running", "success"],
        RunStatus::Failed => &["running", "failed"],
        RunStatus::Denied => &["running", "denied"],
        RunStatus::Timeout => &["running", "timeout"],
        RunStatus::Canceled => &["running", "canceled"],
    }
}

/// A log in which `RUN` has the status.
fn at(status: RunStatus) -> Harness<Status> {
    let mut harness = Harness::new(Status);
    harness.accept(create(RUN));
    for to in path_to(status) {
        harness.accept(request(RUN, to));
    }
    assert_eq!(harness.status(RUN).as_deref(), Some(status.word()));
    harness
}

fn play(harness: &mut Harness<Status>, command: Value) -> Answered {
    let shown = command.to_string();
    harness.play(command).unwrap_or_else(|malformed| panic!("{shown}: {malformed}"))
}

/// One command on a run at this status, and what must come of it.
struct Case<'a> {
    from: RunStatus,
    command: Value,
    outcome: Outcome,
    code: &'a str,
    kinds: &'a [&'a str],
    /// The status afterwards.
    status: &'a str,
}

/// Plays the case; the log afterwards, for what is particular to it.
fn check(case: Case<'_>) -> Harness<Status> {
    let mut harness = at(case.from);
    let shown = format!("{}: {}", case.from, case.command);
    let answered = play(&mut harness, case.command);
    assert_eq!(answered.outcome, case.outcome, "{shown}");
    assert_eq!(answered.code(), case.code, "{shown}");
    assert_eq!(answered.kinds, case.kinds, "{shown}");
    assert_eq!(harness.status(RUN).as_deref(), Some(case.status), "{shown}");
    harness
}

/// What happens to an undefined transition from a live run.
const FORCED: &[&str] = &["status.rejected", "status.forced_failed"];

/// A value without one of its members.
fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().expect("an object").remove(name).expect("the member");
    value
}

/// A value with one member replaced or added.
fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}
