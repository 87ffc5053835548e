//! Diagnostics: what is accepted and what is refused (status.md 3.1 to 3.4, checks 22 to 25).

use super::{RUN, RunStatus, Status, at, diagnostic, play, request, with, without};
use crate::status::diagnostic::{CATALOGUE, Category, Diagnostic, Severity};
use crate::testing::Harness;
use evlog_projection::Outcome;
use serde_json::{Value, json};

fn failing_with(diagnostic: &Value) -> (Outcome, Harness<Status>) {
    let mut harness = at(RunStatus::Running);
    let command = with(request(RUN, "failed"), "diagnostic", diagnostic.clone());
    (play(&mut harness, command).outcome, harness)
}

fn check_taken(given: &Value) {
    let (outcome, harness) = failing_with(given);
    assert_eq!(outcome, Outcome::Accepted, "{given}");
    let run = harness.json(RUN, "run.json");
    assert_eq!(run["diagnostic"], *given);
    assert_eq!(run["error_code"], given["error_code"], "check 23");
    assert_eq!(run["retryable"], given["retryable"], "check 23");
    let manifest = harness.json(RUN, "manifest.json");
    let error = json!({
        "error_code": given["error_code"], "message": given["message"], "retryable": given["retryable"],
    });
    assert_eq!((&manifest["diagnostic"], &manifest["error"]), (given, &error));
}

fn check_refused(given: &Value, names: &str) {
    let (outcome, harness) = failing_with(given);
    assert_eq!(outcome, Outcome::Refused, "{given}");
    let line = harness.audit(RUN).pop().expect("a line");
    assert_eq!((&line["kind"], &line["event"]["offered"]), (&json!("status.refused"), given));
    let message = line["error"]["message"].as_str().expect("a message");
    assert!(message.contains(names), "{given}: `{message}` does not name {names}");
}

#[test]
fn every_code_category_and_severity_of_the_contract_is_taken() {
    let valid = diagnostic("TOOL_TIMEOUT", true);
    check_taken(&valid);
    let words = |name: &'static str, words: Vec<&'static str>| words.into_iter().map(move |word| (name, word));
    let codes = words("error_code", CATALOGUE.to_vec());
    let categories = words("category", Category::ALL.iter().map(|known| known.word()).collect());
    let severities = words("severity", Severity::ALL.iter().map(|known| known.word()).collect());
    for (name, word) in codes.chain(categories).chain(severities) {
        check_taken(&with(valid.clone(), name, json!(word)));
    }
    check_taken(&with(valid.clone(), "retryable", json!(false)));
    for name in ["message", "likely_cause", "suggested_fix"] {
        check_taken(&with(valid.clone(), name, json!("é".repeat(2000))));
        check_taken(&with(valid.clone(), name, json!("x")));
    }
}

#[test]
fn sets_have_the_words_of_the_contract() {
    let categories: Vec<_> = Category::ALL.iter().map(|known| (u8::from(*known), known.word())).collect();
    let expected = [
        (0, "policy"),
        (1, "validation"),
        (2, "workflow"),
        (3, "tool"),
        (4, "dependency"),
        (5, "timeout"),
        (6, "internal"),
        (7, "integrity"),
    ];
    assert_eq!(categories, expected);
    let severities: Vec<_> = Severity::ALL.iter().map(|known| (u8::from(*known), known.word())).collect();
    assert_eq!(severities, [(0, "info"), (1, "warn"), (2, "error"), (3, "critical")]);
}

#[test]
fn an_invalid_diagnostic_is_refused_with_the_name_of_the_wrong_member() {
    let valid = diagnostic("TOOL_TIMEOUT", true);
    for name in ["error_code", "category", "message", "likely_cause", "suggested_fix", "retryable", "severity"] {
        check_refused(&without(valid.clone(), name), name);
        check_refused(&with(valid.clone(), name, Value::Null), name);
        check_refused(&with(valid.clone(), name, json!(["x"])), name);
        check_refused(&with(valid.clone(), name, json!("")), name);
    }
    let wrong = [
        ("error_code", json!("tool_timeout")),
        ("error_code", json!("TOOL-TIMEOUT")),
        ("error_code", json!("1_TOOL")),
        ("error_code", json!("X".repeat(81))),
        ("error_code", json!("NOT_REGISTERED")),
        ("error_code", json!("POLICY_DENIED")),
        ("error_code", json!("INVALID_STATE_TRANSITION")),
        ("category", json!("Policy")),
        ("category", json!("network")),
        ("severity", json!("high")),
        ("retryable", json!("no")),
        ("retryable", json!(0)),
        ("message", json!("x".repeat(2001))),
        ("likely_cause", json!("é".repeat(2001))),
        ("suggested_fix", json!(7)),
    ];
    for (name, value) in wrong {
        check_refused(&with(valid.clone(), name, value), name);
    }
    check_refused(&with(valid, "stack", json!("at line 3")), "stack");
    for other in [json!("boom"), json!(["boom"]), json!(3), json!(false), json!({})] {
        check_refused(&other, "error_code");
    }
}

/// Check 19: the code stands for a rejection, so a caller's diagnostic may not carry it, registered or not.
#[test]
fn only_the_engine_may_use_its_own_code() {
    let code = "INVALID_STATE_TRANSITION";
    check_refused(&diagnostic(code, false), "is the engine's own");
    let error = Diagnostic::read(&diagnostic(code, false), &[code.to_owned()]).expect_err("the engine's own");
    assert!(error.contains("is the engine's own"), "{error}");
}

#[test]
fn a_registered_code_is_taken_by_its_run_and_by_no_other() {
    let mut harness = Harness::new(Status);
    harness.accept(json!({"run": RUN, "do": "create", "data": {"error_codes": ["DISK_FULL"]}}));
    harness.accept(json!({"run": "RUN_OTHER", "do": "create"}));
    for run in [RUN, "RUN_OTHER"] {
        harness.accept(request(run, "running"));
    }
    let full = |run| with(request(run, "failed"), "diagnostic", diagnostic("DISK_FULL", false));
    harness.accept(full(RUN));
    assert_eq!(play(&mut harness, full("RUN_OTHER")).code(), "DIAGNOSTIC_INVALID");
}

#[test]
fn a_diagnostic_that_is_too_long_to_keep_is_no_command() {
    let mut harness = at(RunStatus::Running);
    let long = with(request(RUN, "failed"), "diagnostic", json!("x".repeat(64 * 1024)));
    let malformed = harness.play(long).expect_err("too long");
    assert_eq!(malformed.pointer, "/diagnostic");
    // The longest valid diagnostic, with the longest escapes, still fits when it is only offered.
    let text = "\u{1}".repeat(2000);
    let mut valid = diagnostic("TOOL_TIMEOUT", true);
    for name in ["message", "likely_cause", "suggested_fix"] {
        valid[name] = json!(text);
    }
    let mut harness = at(RunStatus::Created);
    assert_eq!(
        play(&mut harness, with(request(RUN, "failed"), "diagnostic", valid.clone())).outcome,
        Outcome::Rejected
    );
    assert_eq!(harness.audit(RUN)[1]["event"]["offered"], valid);
}

#[test]
fn a_success_has_neither_error_nor_diagnostic() {
    let harness = at(RunStatus::Success);
    let (run, manifest) = (harness.json(RUN, "run.json"), harness.json(RUN, "manifest.json"));
    for name in ["error_code", "retryable", "diagnostic"] {
        assert_eq!(run[name], Value::Null, "check 24: {name}");
    }
    assert_eq!((&manifest["error"], &manifest["diagnostic"]), (&Value::Null, &Value::Null));
}

/// Check 25: the same failure gives the same bytes, whenever and wherever it happens.
#[test]
fn the_engines_own_diagnostics_depend_on_the_request_alone() {
    let diagnostic_of = |time_ns: i128, run: &str| {
        let mut harness = Harness::new(Status);
        harness.time_ns = time_ns;
        harness.accept(super::create(run));
        play(&mut harness, request(run, "completed"));
        harness.json(run, "run.json")["diagnostic"].clone()
    };
    let one = diagnostic_of(0, "RUN_A");
    assert_eq!(one, diagnostic_of(1_700_000_000_000_000_000, "RUN_B"));
    let expected = json!({
        "error_code": "INVALID_STATE_TRANSITION",
        "category": "workflow",
        "message": "`created` to `completed` is not one of the nine transitions: no such status",
        "likely_cause": "unknown_status_token",
        "suggested_fix": "Request only the nine listed transitions; start a new run.",
        "retryable": false,
        "severity": "error",
    });
    assert_eq!(one, expected);
}

#[test]
fn the_engines_own_diagnostics_are_valid_ones() {
    for from in RunStatus::ALL {
        for token in ["created", "success", "", &"x".repeat(120)] {
            Diagnostic::undefined_transition(from, token).check().expect("valid");
        }
    }
    Diagnostic::pins_missing().check().expect("valid");
}
