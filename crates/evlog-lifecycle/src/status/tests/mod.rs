//! Tests of contract `status`, by what they prove.

mod cells;

use super::{RunStatus, Status};
use crate::testing::{Answered, Harness};
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
