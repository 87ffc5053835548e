//! Errors of steps and runs, and commands that cannot be read.

use super::{RUN, harness};
use crate::story::Phase;
use crate::story::failure::{ErrorType, FailedStep, MESSAGE_LEN_MAX, RunError, StepError, classify};
use crate::story::redact::redacted;
use crate::story::retry::ExitClass;
use serde_json::{Value, json};

#[test]
fn structured_errors_are_read_or_refused() {
    // S-44: story.md 5.5.
    let good = json!({
        "version": "v1", "type": "timeout", "message": "boom", "retryable": true, "exitCode": 124, "exitClass": "unknown",
        "code": "E1", "details": {"a": [1]},
    });
    assert_eq!(StepError::read(&good).expect("good").to_json(), good);
    let changes = [
        ("version", json!("v2"), "status.error.version"),
        ("version", Value::Null, "status.error.version"),
        ("type", json!("odd"), "status.error.type"),
        ("message", json!(""), "status.error.message"),
        ("retryable", json!("yes"), "status.error.retryable"),
        ("exitCode", json!(-1), "status.error.exitCode"),
        ("exitClass", json!("bogus"), "status.error.exitClass"),
        ("code", json!(1), "status.error.code"),
        ("details", json!([]), "status.error.details"),
        ("more", json!(1), "unknown member `more`"),
    ];
    for (name, member, words) in changes {
        let mut bad = good.clone();
        bad[name] = member;
        let message = StepError::read(&bad).expect_err("refused");
        assert!(message.contains(words) && message.contains("status.error"), "{message}");
    }
    assert!(StepError::read(&json!("boom")).is_err());
    let long = json!({"version": "v1", "type": "unknown", "message": "\u{e9}".repeat(MESSAGE_LEN_MAX)});
    assert_eq!(StepError::read(&long).expect("cut").message.len(), MESSAGE_LEN_MAX);
}

#[test]
fn causes_are_classified_by_their_first_match() {
    // S-44.
    let table = [
        (None, ErrorType::Unknown),
        (Some("storage backend timeout"), ErrorType::Storage),
        (Some("failed to dehydrate output"), ErrorType::Storage),
        (Some("failed to unmarshal schema"), ErrorType::Serialization),
        (Some("input schema validation failed"), ErrorType::Validation),
        (Some("Init container"), ErrorType::Initialization),
        (Some("engram process returned non-zero"), ErrorType::Execution),
    ];
    for (cause, expected) in table {
        assert_eq!(classify(cause), expected, "{cause:?}");
    }
    let built =
        |phase, code| StepError::of_attempt(phase, Some("x"), Some(code), Some(ExitClass::Unknown)).expect("an error");
    assert_eq!(
        (built(Phase::Timeout, 1).kind, built(Phase::Failed, 124).kind),
        (ErrorType::Timeout, ErrorType::Timeout)
    );
    assert_eq!((built(Phase::Failed, -1).exit_code, built(Phase::Failed, 1).retryable), (None, Some(false)));
    assert_eq!(StepError::of_attempt(Phase::Succeeded, Some("x"), None, None), None);
    assert_eq!(StepError::of_attempt(Phase::Failed, None, None, None), None);
}

#[test]
fn credentials_are_taken_out_before_anything_is_recorded() {
    // S-44.
    let table = [
        ("no secret here", "no secret here"),
        ("password=\"s3cr3t\" was wrong", "password=[REDACTED] was wrong"),
        (
            "Authorization: Bearer top-secret password=\\\"super-secret\\\"",
            "Authorization: Bearer [REDACTED] password=[REDACTED]",
        ),
        ("url?token=abc&x=1, api_key: 'k'; done", "url?token=[REDACTED]&x=1, api_key: [REDACTED]; done"),
        ("{\"client_secret\":\"x y\"}", "{\"client_secret\":[REDACTED]}"),
        ("used basic dXNlcg== twice", "used basic [REDACTED] twice"),
        ("the token ring, and passwords", "the token ring, and passwords"),
        ("password=", "password="),
    ];
    for (text, expected) in table {
        assert_eq!(redacted(text), expected);
        assert_eq!(redacted(expected), expected, "and stays");
    }
    let mut harness = super::started(json!({"steps": super::plain(&["a"])}));
    super::accept(&mut harness, "step", json!({"step": "a", "exit_code": 1, "message": "password=hunter2"}));
    let bundle = harness.bundle(RUN).expect("the run folds");
    assert!(bundle.files.values().all(|file| !String::from_utf8_lossy(&file.bytes).contains("hunter2")));
}

#[test]
fn the_error_of_a_run_leaves_out_what_has_no_value() {
    // S-44.
    let step = |name: &str, phase, message: Option<&str>| FailedStep {
        name: name.into(),
        phase,
        message: message.map(str::to_owned),
    };
    let error = RunError {
        kind: "DependencyFailed".into(),
        message: "m".into(),
        failed_steps: vec![
            step("a", Some(Phase::Timeout), Some("late")),
            step("b", Some(Phase::Failed), Some("")),
            step("c", None, None),
        ],
    };
    let expected = json!({"type": "DependencyFailed", "message": "m", "failedSteps": [
        {"name": "a", "phase": "Timeout", "message": "late"}, {"name": "b", "phase": "Failed"}, {"name": "c"},
    ]});
    assert_eq!(error.to_json(), expected);
    let none = RunError { failed_steps: Vec::new(), ..error };
    assert_eq!(none.to_json().get("failedSteps"), None);
}

#[test]
fn commands_that_cannot_be_read_say_where() {
    let table = [
        (json!({"do": "begin"}), "/do"),
        (json!({"do": "create"}), ""),
        (json!({"do": "create", "story": 3}), "/story"),
        (json!({"do": "create", "story": {}, "mode": "odd"}), "/mode"),
        (json!({"do": "start", "now": true}), "/now"),
        (json!({"do": "step", "step": "a"}), ""),
        (json!({"do": "step", "to": "Running"}), ""),
        (json!({"do": "step", "step": "a", "exit_code": "1"}), "/exit_code"),
        (json!({"do": "step", "step": "a", "exit_class": "odd"}), "/exit_class"),
        (json!({"do": "step", "step": "a", "to": "Failed", "reason": "two words"}), "/reason"),
        (json!({"do": "step", "step": "a", "to": "Failed", "error": {"message": "m"}}), "/error"),
        (json!({"do": "step", "step": "a", "to": "Failed", "output": "x".repeat(1_100_000)}), "/output"),
        (json!({"do": "step", "step": "a", "to": "Pending", "next_retry_at": "soon"}), "/next_retry_at"),
        (json!({"do": "gate", "step": "g"}), ""),
        (json!({"do": "gate", "step": "g", "state": "Open"}), "/state"),
        (json!({"do": "evaluate", "step": "g"}), ""),
        (json!({"do": "cancel", "how": "softly"}), "/how"),
        (json!({"do": "stop", "outcome": "odd"}), "/outcome"),
        (json!({"do": "transition"}), ""),
    ];
    for (mut command, pointer) in table {
        command["run"] = RUN.into();
        let malformed = harness().play(command.clone()).expect_err("malformed");
        assert_eq!(malformed.pointer, pointer, "{command}: {}", malformed.message);
    }
}
