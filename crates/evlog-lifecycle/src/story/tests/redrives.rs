//! Epochs: a run that has ended begins again, whole or from a step.

use super::{RUN, accept, created, exit, phase, plain, refuse, reject, run_phase, started, status, watched};
use serde_json::{Value, json};

#[test]
fn a_full_redrive_clears_everything_but_attempts_and_tokens() {
    // S-37.
    let story = json!({"steps": [plain(&["a"])[0], {"name": "g", "type": "gate"}], "output": "{{ steps.a.output }}"});
    let mut harness = started(story);
    accept(&mut harness, "gate", json!({"step": "g", "state": "Approved"}));
    exit(&mut harness, "a", 1);
    let kinds = accept(&mut harness, "redrive", json!({"token": "t-1"})).kinds;
    assert_eq!(kinds, ["story.redriven", "story.moved", "story.step_moved", "story.step_moved"], "one commit");
    let status = status(&harness);
    let found = ["phase", "attempts", "epoch", "error", "finishedAt", "gates", "duration", "stepsFailed"];
    let expected = json!(["Running", 2, 2, null, null, null, null, 0]);
    assert_eq!(found.map(|name| status[name].clone()).to_vec(), expected.as_array().expect("a list").clone());
    assert_eq!((&status["startedAt"], &status["triggerTokens"]), (&json!("2026-02-23T18:00:04Z"), &json!(["story"])));
    assert_eq!((phase(&harness, "a"), phase(&harness, "g")), (json!("Pending"), json!("Paused")));
    assert!(accept(&mut harness, "redrive", json!({"token": "t-1"})).kinds.is_empty(), "the same token again");
    exit(&mut harness, "a", 0);
    accept(&mut harness, "gate", json!({"step": "g", "state": "Approved"}));
    assert_eq!(run_phase(&harness).0, "Failed", "the output has nothing to say");
    let epochs: Vec<Value> = harness.audit(RUN).iter().map(|line| line["epoch"].clone()).collect();
    assert_eq!((&epochs[0], epochs.last()), (&json!(1), Some(&json!(2))), "history keeps both");
}

#[test]
fn a_redrive_of_a_live_run_ends_its_workers_first() {
    // S-37.
    let mut harness = started(json!({"steps": plain(&["a", "b"])}));
    accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
    let kinds = accept(&mut harness, "redrive", json!({})).kinds;
    assert_eq!(kinds[..3], ["story.step_moved", "story.redriven", "story.moved"]);
    assert_eq!((phase(&harness, "a"), phase(&harness, "b")), (json!("Pending"), json!("Pending")));
}

#[test]
fn a_redrive_from_a_step_does_what_follows_again() {
    // S-38: the step and its transitive dependents in the same group; other steps stay.
    let story = json!({
        "steps": [plain(&["a"])[0], {"name": "b", "needs": ["a"], "execution": {"retry": {"maxRetries": 0}}},
                  {"name": "c", "needs": ["b"]}, plain(&["d"])[0]],
        "finally": [{"name": "f", "needs": ["b"]}],
    });
    let mut harness = started(story);
    for (name, code) in [("a", 0), ("d", 0), ("b", 1), ("f", 0)] {
        exit(&mut harness, name, code);
    }
    assert_eq!(run_phase(&harness).0, "Failed");
    accept(&mut harness, "redrive", json!({"from": "b", "token": "t"}));
    let redriven = &harness.audit(RUN)[harness.log.len() - 3]["event"];
    assert_eq!((&redriven["from_step"], &redriven["cleared"]), (&json!("b"), &json!(["b", "c"])));
    let phases = ["a", "b", "c", "d", "f"].map(|name| phase(&harness, name));
    assert_eq!(phases, [json!("Succeeded"), json!("Pending"), Value::Null, json!("Succeeded"), json!("Succeeded")]);
    assert_eq!(status(&harness)["startedAt"], "2026-02-23T18:00:01Z", "the clock goes on");
    exit(&mut harness, "b", 0);
    exit(&mut harness, "c", 0);
    assert_eq!((run_phase(&harness).0, &status(&harness)["attempts"]), ("Succeeded".to_owned(), &json!(2)));
}

#[test]
fn what_cannot_be_redriven_is_left_alone() {
    // S-37, S-39.
    reject(&mut created(json!({"steps": plain(&["a"])})), "redrive", json!({}), "RUN_NOT_STARTED");
    let mut harness = started(json!({"steps": plain(&["a"])}));
    refuse(&mut harness, "redrive", json!({"from": "z"}), "STEP_NOT_FOUND");
    accept(&mut harness, "cancel", json!({}));
    reject(&mut harness, "redrive", json!({}), "CANCEL_REQUESTED");
}

#[test]
fn an_observed_run_is_redriven_to_no_phase() {
    // S-37, S-40.
    let mut harness = watched(json!({"steps": plain(&["a"])}));
    accept(&mut harness, "transition", json!({"to": "Running"}));
    accept(&mut harness, "transition", json!({"to": "Failed"}));
    accept(&mut harness, "redrive", json!({}));
    let status = status(&harness);
    assert_eq!(
        (&status["phase"], &status["observedGeneration"], &status["conditions"]),
        (&json!(""), &json!(0), &Value::Null)
    );
}

#[test]
fn what_counts_a_run_elsewhere_outlives_its_epoch() {
    // S-37, S-49.
    let mut harness = super::harness();
    let create = json!({"run": RUN, "do": "create", "impulse": "nightly", "story": {"steps": plain(&["a"])}});
    harness.accept(create);
    accept(&mut harness, "start", json!({}));
    exit(&mut harness, "a", 1);
    let failed = json!(["story", "impulse", "impulse-failed"]);
    assert_eq!(status(&harness)["triggerTokens"], failed);
    accept(&mut harness, "redrive", json!({}));
    assert_eq!(status(&harness)["triggerTokens"], failed);
}
