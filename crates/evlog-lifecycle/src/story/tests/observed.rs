//! Observed runs: a controller reports, and evlog records what the contract allows and rejects everything else.

use super::{accept, exit, phase, plain, play, refuse, reject, run_phase, status, watched};
use evlog_projection::Outcome;
use serde_json::{Value, json};

#[test]
fn reports_are_taken_as_they_come() {
    // S-40: nothing is decided beside them.
    let mut harness = watched(json!({"steps": [{"name": "a"}, {"name": "b", "needs": ["a"]}]}));
    accept(&mut harness, "step", json!({"step": "b", "to": "Running"}));
    accept(&mut harness, "transition", json!({"to": "Running", "reason": "StartingExecution", "message": "go"}));
    assert_eq!(exit(&mut harness, "b", 137).kinds, ["story.step_moved"]);
    assert_eq!((phase(&harness, "b"), phase(&harness, "a")), (json!("Failed"), Value::Null));
    accept(&mut harness, "transition", json!({"to": "Failed", "reason": "DependencyFailed"}));
    accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
    assert_eq!(phase(&harness, "a"), "Running", "a step may be reported after its run");
    let error = &status(&harness)["error"];
    assert_eq!((&error["type"], &error["failedSteps"][0]["name"]), (&json!("DependencyFailed"), &json!("b")));
}

#[test]
fn another_worker_is_fenced_off_here_too() {
    // S-47.
    let mut harness = watched(json!({"steps": [{"name": "a"}]}));
    accept(&mut harness, "step", json!({"step": "a", "to": "Running", "worker": "w-1"}));
    reject(&mut harness, "step", json!({"step": "a", "to": "Failed", "worker": "w-2"}), "STALE_WORKER");
    accept(&mut harness, "step", json!({"step": "a", "to": "Failed", "worker": "w-1"}));
}

#[test]
fn only_reports_are_taken() {
    // S-40.
    let mut harness = watched(json!({"steps": [{"name": "a"}]}));
    for action in ["start", "cancel", "stop", "terminate"] {
        refuse(&mut harness, action, json!({}), "RUN_OBSERVED");
    }
    refuse(&mut harness, "gate", json!({"step": "a", "state": "Approved"}), "RUN_OBSERVED");
    assert!(accept(&mut harness, "tick", json!({})).kinds.is_empty(), "its controller has its own clock");
    assert_eq!(harness.json(super::RUN, "run.json")["next_due_utc"], Value::Null);
}

#[test]
fn a_failed_step_stays_failed_in_the_strict_profile() {
    // S-07: the worker library of the source leaves `Failed`; the seed says that it is an end, and the seed wins.
    for to in ["Running", "Succeeded"] {
        let mut harness = watched(json!({"steps": [{"name": "a"}]}));
        accept(&mut harness, "step", json!({"step": "a", "to": "Failed"}));
        reject(&mut harness, "step", json!({"step": "a", "to": to}), "ALREADY_TERMINAL");
    }
}

#[test]
fn a_controller_may_end_steps_with_their_run() {
    // S-40, S-63: unasked, no step is closed, and one may be reported after its run.
    let story = json!({"steps": plain(&["a", "b", "c"])});
    let report = |harness: &mut _, step: &str, to: &str| accept(harness, "step", json!({"step": step, "to": to}));
    for (to, unbegun) in
        [("Timeout", "Skipped"), ("Failed", "Skipped"), ("Finished", "Canceled"), ("Aborted", "Canceled")]
    {
        let mut harness = watched(story.clone());
        accept(&mut harness, "transition", json!({"to": "Running"}));
        report(&mut harness, "a", "Running");
        report(&mut harness, "b", "Succeeded");
        let mut open = harness.clone();
        accept(&mut harness, "transition", json!({"to": "Paused", "close_steps": true}));
        assert_eq!(phase(&harness, "a"), "Running", "a pause ends nothing");
        let answered = accept(&mut harness, "transition", json!({"to": to, "close_steps": true}));
        assert_eq!(answered.kinds, ["story.step_moved", "story.step_moved", "story.moved"]);
        assert_eq!(["a", "b", "c"].map(|step| phase(&harness, step)), ["Aborted", "Succeeded", unbegun], "{to}");
        reject(&mut harness, "step", json!({"step": "a", "to": "Succeeded"}), "ALREADY_TERMINAL");
        assert!(accept(&mut harness, "transition", json!({"to": to, "close_steps": true})).kinds.is_empty(), "again");
        accept(&mut open, "transition", json!({"to": to}));
        report(&mut open, "a", "Succeeded");
        assert_eq!(phase(&open, "a"), "Succeeded");
    }
}

#[test]
fn a_story_that_admission_would_refuse_can_be_observed() {
    // S-40: the controller has taken it, and history is not judged.
    let mut harness = watched(json!({"steps": [{"name": "a", "needs": ["a"]}]}));
    accept(&mut harness, "transition", json!({"to": "Failed", "reason": "InvalidConfiguration"}));
    assert_eq!(run_phase(&harness).1, "InvalidConfiguration");
    let twice =
        json!({"run": "s-2", "do": "create", "mode": "observed", "story": {"steps": [{"name": "a"}, {"name": "a"}]}});
    let answered = harness.play(twice).expect("a command");
    assert_eq!((answered.outcome, answered.code()), (Outcome::Refused, "STORY_INVALID"));
}

#[test]
fn a_run_whose_story_its_controller_did_not_find_is_observed_without_one() {
    // S-10: what is not known of it is not made up.
    let mut harness = super::harness();
    accept(&mut harness, "create", json!({"mode": "observed"}));
    accept(&mut harness, "transition", json!({"to": "Pending", "reason": "StoryNotFound"}));
    assert_eq!(run_phase(&harness).1, "StoryNotFound");
    assert_eq!(harness.json("s-1", "manifest.json")["story"], Value::Null);
    refuse(&mut harness, "step", json!({"step": "a", "to": "Running"}), "STEP_NOT_FOUND");
    accept(&mut harness, "transition", json!({"to": "Failed", "reason": "StoryNotFound"}));
    for members in [json!({}), json!({"mode": "decided"}), json!({"mode": "decided", "story": null})] {
        assert!(super::harness().play(crate::testing::addressed("s-1", "create", members)).is_err());
    }
}

#[test]
fn commands_to_no_run_and_to_one_that_exists_are_refused() {
    // S-10.
    let mut harness = super::harness();
    for action in ["start", "tick", "cancel"] {
        let answered = play(&mut harness, action, json!({}));
        assert_eq!((answered.outcome, answered.code()), (Outcome::Refused, "RUN_NOT_FOUND"));
    }
    let mut harness = super::created(json!({"steps": []}));
    refuse(&mut harness, "create", json!({"story": {}}), "RUN_ID_EXISTS");
}

#[test]
fn phases_that_a_controller_did_not_report_are_no_breach() {
    // S-40, guards d and h: a controller is read now and then, and some phases are over by then. A decided run has seen all.
    for (to, before) in
        [("Succeeded", None), ("Timeout", None), ("Succeeded", Some("Blocked")), ("Succeeded", Some("Paused"))]
    {
        let mut harness = watched(json!({"steps": plain(&["a"])}));
        let paused = before.filter(|before| *before == "Paused").map(|_| "Running");
        for to in paused.into_iter().chain(before).chain([to]) {
            accept(&mut harness, "transition", json!({"to": to}));
        }
        assert_eq!(run_phase(&harness).0, to);
    }
    for before in ["Pending", "Blocked", "Scheduling"] {
        let mut harness = watched(json!({"steps": plain(&["a"])}));
        accept(&mut harness, "step", json!({"step": "a", "to": before}));
        accept(&mut harness, "step", json!({"step": "a", "to": "Succeeded"}));
        assert_eq!(phase(&harness, "a"), "Succeeded", "{before}");
    }
    let mut harness = super::started(json!({"steps": plain(&["a"])}));
    reject(&mut harness, "step", json!({"step": "a", "to": "Succeeded"}), "GUARD_UNMET");
    accept(&mut harness, "transition", json!({"to": "Blocked"}));
    reject(&mut harness, "transition", json!({"to": "Succeeded"}), "GUARD_UNMET");
}

#[test]
fn our_default_of_retries_does_not_bind_a_controller_and_what_its_story_says_does() {
    // S-40, guard e.
    let again = |retries: u32| json!({"step": "a", "to": "Pending", "reason": "RetryScheduled", "retries": retries});
    let retried = |story: Value, most: u32| {
        let mut harness = watched(story);
        for retries in 1..=most {
            accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
            accept(&mut harness, "step", again(retries));
        }
        accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
        assert_eq!(status(&harness)["stepRuns"]["a"]["retries"], most);
        harness
    };
    let mut harness = retried(json!({"steps": [{"name": "a"}]}), 12);
    accept(&mut harness, "step", again(15));
    let policy = json!({"retries": {"stepRetryPolicy": {"maxRetries": 5}}});
    let mut harness = retried(json!({"steps": [{"name": "a"}], "policy": policy}), 5);
    reject(&mut harness, "step", again(6), "GUARD_UNMET");
}

#[test]
fn a_controller_reports_the_output_of_its_run() {
    // S-40.
    let mut harness = watched(json!({"steps": plain(&["a"])}));
    accept(&mut harness, "transition", json!({"to": "Running"}));
    let ended = json!({"to": "Succeeded", "output": {"x": 1}});
    accept(&mut harness, "transition", ended.clone());
    assert_eq!(status(&harness)["output"], json!({"x": 1}));
    assert!(accept(&mut harness, "transition", ended).kinds.is_empty(), "again");
    reject(&mut harness, "transition", json!({"to": "Succeeded", "output": {"x": 2}}), "ALREADY_TERMINAL");
    let mut harness = super::started(json!({"steps": plain(&["a"])}));
    refuse(&mut harness, "transition", json!({"to": "Paused", "output": {}}), "RUN_DECIDED");
}

#[test]
fn an_error_does_not_stay_on_a_step_that_succeeded() {
    // S-44.
    let mut harness = watched(json!({"steps": [{"name": "a"}]}));
    accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
    accept(
        &mut harness,
        "step",
        json!({"step": "a", "to": "Pending", "reason": "RetryScheduled", "exit_code": 137, "message": "evicted"}),
    );
    accept(
        &mut harness,
        "step",
        json!({"step": "a", "to": "Pending", "error": {"version": "v1", "type": "execution_error", "message": "m"}}),
    );
    let run = |harness: &_| status(harness)["stepRuns"]["a"].clone();
    assert_eq!((&run(&harness)["error"]["message"], &run(&harness)["exitCode"]), (&json!("m"), &json!(137)));
    accept(&mut harness, "step", json!({"step": "a", "to": "Succeeded", "cached": true}));
    assert_eq!(
        (&run(&harness)["error"], &run(&harness)["exitCode"], &run(&harness)["exitClass"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}
