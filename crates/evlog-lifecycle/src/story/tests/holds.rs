//! Steps that hold: gates, waits, sleeps; and conditions.

use super::{accept, exit, phase, plain, refuse, reject, run_phase, started, status, wait};
use serde_json::{Value, json};

#[test]
fn a_gate_holds_until_it_is_decided() {
    // S-28: the run goes on meanwhile.
    for (state, expected, run) in [("Approved", "Succeeded", "Succeeded"), ("Rejected", "Failed", "Failed")] {
        let mut harness = started(json!({"steps": [{"name": "g", "type": "gate"}]}));
        assert_eq!((phase(&harness, "g"), run_phase(&harness).0), (json!("Paused"), "Running".to_owned()));
        accept(&mut harness, "gate", json!({"step": "g", "state": "Pending", "message": "looking"}));
        assert_eq!(phase(&harness, "g"), "Paused");
        accept(&mut harness, "gate", json!({"step": "g", "state": state, "message": "because"}));
        let status = status(&harness);
        assert_eq!((&status["stepStates"]["g"]["phase"], &status["phase"]), (&json!(expected), &json!(run)));
        assert_eq!(status["stepStates"]["g"]["message"], "because", "the decision's words replace the usual ones");
        let gate = json!({"state": state, "message": "because", "updatedAt": "2026-02-23T18:00:03Z", "updatedBy": "agent:test"});
        assert_eq!(status["gates"]["g"], gate);
        accept(&mut harness, "gate", json!({"step": "g", "state": state, "message": "because"}));
        reject(&mut harness, "gate", json!({"step": "g", "state": "Approved", "message": "no"}), "ALREADY_TERMINAL");
    }
}

#[test]
fn a_gate_can_be_decided_before_its_turn() {
    // S-28.
    let mut harness = started(json!({"steps": [{"name": "a"}, {"name": "g", "type": "gate", "needs": ["a"]}]}));
    accept(&mut harness, "gate", json!({"step": "g", "state": "Approved"}));
    assert_eq!(phase(&harness, "g"), Value::Null);
    exit(&mut harness, "a", 0);
    assert_eq!(phase(&harness, "g"), "Succeeded");
    let mut harness = started(json!({"steps": plain(&["a"])}));
    refuse(&mut harness, "gate", json!({"step": "a", "state": "Approved"}), "STEP_NOT_A_GATE");
    refuse(&mut harness, "gate", json!({"step": "z", "state": "Approved"}), "STEP_NOT_FOUND");
}

#[test]
fn gates_and_waits_end_as_their_timeout_says() {
    // S-28, S-29: exactly at the limit; `fail` unless `onTimeout` says otherwise.
    for kind in ["gate", "wait"] {
        for (on_timeout, expected) in [
            (json!({}), "Timeout"),
            (json!({"onTimeout": "fail"}), "Timeout"),
            (json!({"onTimeout": "skip"}), "Skipped"),
        ] {
            let mut with = on_timeout.clone();
            (with["timeout"], with["until"]) = ("10s".into(), "inputs.ready".into());
            let mut harness = started(json!({"steps": [{"name": "h", "type": kind, "with": with}]}));
            wait(&mut harness, 8);
            accept(&mut harness, "tick", json!({}));
            assert_eq!(phase(&harness, "h"), "Paused");
            accept(&mut harness, "tick", json!({}));
            assert_eq!(phase(&harness, "h"), expected, "{kind} {on_timeout}");
            let message = status(&harness)["stepStates"]["h"]["message"].clone();
            assert!(message.as_str().expect("words").starts_with(&format!("{kind} step timed out")), "{message}");
        }
    }
}

#[test]
fn a_wait_ends_when_its_condition_is_true() {
    // S-29: by an output, by an answer; what cannot be evaluated is no failure.
    let steps = |until: &str| json!([{"name": "a"}, {"name": "w", "type": "wait", "with": {"until": until}}]);
    let mut harness = started(json!({"steps": steps("{{ steps.a.output.n == 3 }}")}));
    accept(&mut harness, "tick", json!({}));
    assert_eq!(phase(&harness, "w"), "Paused");
    accept(&mut harness, "step", json!({"step": "a", "exit_code": 0, "output": {"n": 3}}));
    accept(&mut harness, "tick", json!({}));
    assert_eq!(phase(&harness, "w"), "Succeeded");
    let mut harness = started(json!({"steps": steps("not ( a language")}));
    accept(&mut harness, "evaluate", json!({"step": "w", "result": false}));
    assert_eq!(phase(&harness, "w"), "Paused");
    accept(&mut harness, "evaluate", json!({"step": "w", "result": true, "message": "seen"}));
    assert_eq!(status(&harness)["stepStates"]["w"]["message"], "seen");
    reject(&mut harness, "evaluate", json!({"step": "w", "result": true}), "STEP_NOT_READY");
}

#[test]
fn a_sleep_lasts_as_long_as_it_says() {
    // S-30.
    let mut harness = started(json!({"steps": [{"name": "s", "type": "sleep", "with": {"duration": "10s"}}]}));
    wait(&mut harness, 8);
    accept(&mut harness, "tick", json!({}));
    assert_eq!(phase(&harness, "s"), "Paused");
    accept(&mut harness, "tick", json!({}));
    assert_eq!((phase(&harness, "s"), run_phase(&harness).0), (json!("Succeeded"), "Succeeded".to_owned()));
    let harness = started(json!({"steps": [
        {"name": "s", "type": "sleep"}, {"name": "t", "type": "sleep", "with": {"duration": "-1s"}},
    ]}));
    assert_eq!(run_phase(&harness).0, "Succeeded", "no duration, no sleep");
}

#[test]
fn an_if_skips_executes_or_asks() {
    // S-31.
    let step = |name: &str, condition: &str| json!({"name": name, "if": condition});
    let story = json!({"steps": [
        step("no", "false"), step("yes", "true"), {"name": "c", "type": "condition", "if": "{{ 1 == 1 }}"},
        {"name": "later", "type": "condition", "if": "{{ hasPrefix(x, y) }}"}, step("never", "hasPrefix(x, y)"),
    ]});
    let mut harness = started(story);
    assert_eq!(status(&harness)["stepStates"]["no"]["message"], "Skipped due to 'if' condition");
    assert_eq!(
        ["yes", "c", "later", "never"].map(|name| phase(&harness, name)),
        ["Pending", "Succeeded", "Pending", "Pending"].map(Value::from)
    );
    reject(&mut harness, "step", json!({"step": "never", "exit_code": 0}), "STEP_NOT_READY");
    accept(&mut harness, "tick", json!({}));
    accept(&mut harness, "evaluate", json!({"step": "later", "result": true}));
    accept(&mut harness, "evaluate", json!({"step": "never", "result": false}));
    exit(&mut harness, "yes", 0);
    assert_eq!(["later", "never"].map(|name| phase(&harness, name)), ["Succeeded", "Skipped"].map(Value::from));
    assert_eq!(run_phase(&harness).0, "Succeeded");
}

#[test]
fn a_step_that_is_held_for_its_if_has_not_begun() {
    // S-15, S-31.
    let mut harness = started(json!({"steps": [plain(&["a"])[0], {"name": "b", "if": "{{ hasPrefix(x, y) }}"}]}));
    exit(&mut harness, "a", 1);
    assert_eq!((phase(&harness, "b"), run_phase(&harness).0), (json!("Skipped"), "Failed".to_owned()));
}

#[test]
fn steps_that_evlog_executes_take_no_report() {
    // S-28.
    let mut harness = started(json!({"steps": [{"name": "g", "type": "gate"}]}));
    reject(&mut harness, "step", json!({"step": "g", "to": "Succeeded"}), "STEP_NOT_READY");
}

/// The relation has `Paused` to `Running`, so a second `start` was recorded as an undefined transition that is none, and
/// the run could not be folded any more.
#[test]
fn a_second_start_of_a_run_that_was_paused_is_rejected_and_can_be_folded() {
    let mut harness = started(json!({"steps": plain(&["a"])}));
    accept(&mut harness, "transition", json!({"to": "Paused"}));
    reject(&mut harness, "start", json!({}), "GUARD_UNMET");
    accept(&mut harness, "transition", json!({"to": "Running"}));
}

#[test]
fn a_gate_that_has_ended_is_not_decided_again_while_its_run_goes_on() {
    // S-07, S-28.
    let mut harness = started(json!({"steps": [{"name": "g", "type": "gate"}, {"name": "a"}]}));
    accept(&mut harness, "gate", json!({"step": "g", "state": "Approved"}));
    reject(&mut harness, "gate", json!({"step": "g", "state": "Rejected"}), "ALREADY_TERMINAL");
    assert_eq!(phase(&harness, "g"), "Succeeded");
}
