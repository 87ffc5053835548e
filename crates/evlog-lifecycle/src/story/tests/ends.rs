//! Ends that are asked for: cancel, stop, the end of a stream.

use super::{Story, accept, created, exit, phase, plain, refuse, reject, run_phase, started, status, wait};
use crate::testing::Harness;
use serde_json::{Value, json};

fn ends(harness: &Harness<Story>, phase: &str, reason: &str) {
    assert_eq!(run_phase(harness), (phase.to_owned(), reason.to_owned()));
}

#[test]
fn a_cancelled_run_without_anything_under_way_is_finished_at_once() {
    // S-32: also before it has started.
    let mut harness = created(json!({"steps": plain(&["a"])}));
    accept(&mut harness, "cancel", json!({"message": "not needed"}));
    ends(&harness, "Finished", "Canceled");
    assert_eq!(phase(&harness, "a"), "Canceled");
    let status = status(&harness);
    assert_eq!(
        (&status["message"], &status["cancelRequested"], &status["attempts"]),
        (&json!("not needed"), &json!(true), &json!(0))
    );
}

#[test]
fn a_cancelled_run_drains_what_is_under_way() {
    // S-32, S-36: no compensations, nothing cleaned up, every step has ended.
    let story = json!({
        "steps": [{"name": "a"}, {"name": "b"}, {"name": "c", "needs": ["a"]}, {"name": "g", "type": "gate"}],
        "compensations": plain(&["u"]), "finally": plain(&["f"]),
    });
    let mut harness = started(story);
    accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
    accept(&mut harness, "cancel", json!({}));
    assert_eq!(run_phase(&harness).0, "Running");
    assert_eq!(["a", "b", "g"].map(|name| phase(&harness, name)), ["Running", "Canceled", "Canceled"].map(Value::from));
    assert_eq!(status(&harness)["cancelDeadline"], "2026-02-23T18:00:33Z");
    assert!(accept(&mut harness, "cancel", json!({})).kinds.is_empty(), "the same request again");
    exit(&mut harness, "a", 137);
    assert_eq!(phase(&harness, "a"), "Failed", "while draining, no attempt follows another");
    ends(&harness, "Finished", "Canceled");
    assert_eq!(["c", "u", "f"].map(|name| phase(&harness, name)), ["Canceled"; 3].map(Value::from));
    reject(&mut harness, "step", json!({"step": "b", "to": "Running"}), "ALREADY_TERMINAL");
    reject(&mut harness, "redrive", json!({}), "CANCEL_REQUESTED");
}

#[test]
fn what_does_not_drain_in_time_is_ended_by_force() {
    // S-32: the story's own time to drain, and the clock exactly at its end.
    let policy = json!({"timeouts": {"gracefulShutdownTimeout": "5s", "story": "2s"}});
    let mut harness = started(json!({"steps": plain(&["a"]), "policy": policy}));
    accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
    accept(&mut harness, "cancel", json!({}));
    wait(&mut harness, 3);
    accept(&mut harness, "tick", json!({}));
    assert_eq!(run_phase(&harness).0, "Running", "a cancelled run does not time out");
    accept(&mut harness, "tick", json!({}));
    ends(&harness, "Finished", "Canceled");
    assert_eq!(phase(&harness, "a"), "Aborted");
}

#[test]
fn cancelling_now_and_by_force_do_not_drain() {
    // S-33.
    for (how, expected) in [("now", "Canceled"), ("kill", "Aborted")] {
        let mut harness = started(json!({"steps": plain(&["a", "b"])}));
        accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
        accept(&mut harness, "cancel", json!({}));
        accept(&mut harness, "cancel", json!({"how": how}));
        ends(&harness, expected, "Canceled");
        assert_eq!(["a", "b"].map(|name| phase(&harness, name)), ["Aborted", "Canceled"].map(Value::from));
        assert_eq!(status(&harness)["error"].is_null(), how == "now");
    }
}

#[test]
fn a_stopped_run_has_the_outcome_that_was_asked_for() {
    // S-34.
    let outcomes = [
        ("success", "Succeeded", "Completed"),
        ("failure", "Failed", "ExecutionFailed"),
        ("cancel", "Finished", "Canceled"),
    ];
    for (outcome, expected, reason) in outcomes {
        let story = json!({"steps": [{"name": "a"}, {"name": "b", "needs": ["a"]}], "finally": plain(&["f"])});
        let mut harness = started(story.clone());
        accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
        accept(&mut harness, "stop", json!({"outcome": outcome}));
        ends(&harness, expected, reason);
        assert_eq!(
            ["a", "b", "f"].map(|name| phase(&harness, name)),
            ["Aborted", "Skipped", "Skipped"].map(Value::from)
        );
        let by_step =
            json!({"name": "end", "type": "stop", "needs": ["a"], "with": {"outcome": outcome, "message": "enough"}});
        let mut harness = started(json!({"steps": [{"name": "a"}, by_step, {"name": "z", "needs": ["end"]}]}));
        exit(&mut harness, "a", 0);
        ends(&harness, expected, reason);
        assert_eq!(["end", "z"].map(|name| phase(&harness, name)), ["Succeeded", "Skipped"].map(Value::from));
        assert_eq!(status(&harness)["message"], "enough");
    }
    reject(&mut created(json!({"steps": []})), "stop", json!({}), "RUN_NOT_STARTED");
}

#[test]
fn a_stream_runs_together_and_its_end_fails_what_goes_on() {
    // S-35.
    let story = json!({
        "pattern": "realtime", "steps": [{"name": "a"}, {"name": "b", "needs": ["a"]}, {"name": "c", "needs": ["b"]}],
        "compensations": plain(&["u"]), "finally": plain(&["f"]),
    });
    let mut harness = started(story);
    assert_eq!(["a", "b", "c"].map(|name| phase(&harness, name)), ["Pending"; 3].map(Value::from), "they run together");
    accept(&mut harness, "step", json!({"step": "a", "to": "Paused", "reason": "AwaitingTransport"}));
    accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
    accept(&mut harness, "step", json!({"step": "c", "to": "Succeeded", "cached": true}));
    accept(&mut harness, "terminate", json!({}));
    assert_eq!(["a", "b", "c"].map(|name| phase(&harness, name)), ["Failed", "Failed", "Succeeded"].map(Value::from));
    assert_eq!(status(&harness)["stepStates"]["a"]["message"], "realtime topology terminated");
    exit(&mut harness, "u", 0);
    exit(&mut harness, "f", 0);
    ends(&harness, "Compensated", "Compensated");
    refuse(&mut started(json!({"steps": plain(&["a"])})), "terminate", json!({}), "STORY_NOT_REALTIME");
    let mut ended = started(json!({"pattern": "realtime", "steps": []}));
    reject(&mut ended, "terminate", json!({}), "ALREADY_TERMINAL");
}

#[test]
fn a_step_that_is_ended_with_its_run_says_how() {
    // S-36: what ran was aborted, and was not skipped.
    let story = json!({"steps": plain(&["a", "b"]), "policy": {"concurrency": 1, "timeouts": {"story": "1m"}}});
    let words = |harness: &_| ["a", "b"].map(|step| status(harness)["stepStates"][step]["message"].clone());
    let running = || {
        let mut harness = started(story.clone());
        accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
        harness
    };
    let mut harness = running();
    wait(&mut harness, 60);
    accept(&mut harness, "tick", json!({}));
    let expected = ["Aborted because the story run timed out", "Skipped because the story run timed out"];
    assert_eq!(words(&harness), expected.map(Value::from));
    let mut harness = running();
    accept(&mut harness, "cancel", json!({"how": "kill"}));
    let expected = ["Aborted because the story run was cancelled", "Canceled because the story run was cancelled"];
    assert_eq!(words(&harness), expected.map(Value::from));
}
