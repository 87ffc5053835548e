//! Conditions: their statuses follow from the phase, and their times change when a status changes, and only then.

use super::{Phase, accept, exit, plain, reject, run_phase, started, status, wait, watched};
use crate::story::Story;
use crate::story::conditions::TYPES;
use crate::testing::Harness;
use serde_json::{Value, json};

/// Status and time of each condition of the run.
fn conditions(harness: &Harness<Story>) -> Vec<(bool, String)> {
    let status = status(harness);
    let list = status["conditions"].as_array().expect("conditions").clone();
    let read = |condition: &Value| {
        let time = condition["lastTransitionTime"].as_str().expect("a time").to_owned();
        (condition["status"] == "True", time)
    };
    let types: Vec<&Value> = list.iter().map(|condition| &condition["type"]).collect();
    assert_eq!(types, TYPES);
    let reasons: Vec<&Value> = list.iter().map(|condition| &condition["reason"]).collect();
    assert!(reasons.iter().all(|reason| *reason == reasons[0]), "one reason for all: {reasons:?}");
    assert!(list.iter().all(|condition| condition["message"] == status["message"]));
    list.iter().map(read).collect()
}

#[test]
fn each_phase_has_these_three_conditions() {
    // S-02.
    let expected = |phase: Phase| match phase {
        Phase::Succeeded => [true, false, false],
        Phase::Failed | Phase::Timeout | Phase::Aborted => [false, false, true],
        Phase::Canceled | Phase::Finished | Phase::Skipped | Phase::Compensated => [false, false, false],
        _ => [false, true, false],
    };
    for phase in Phase::ALL {
        assert_eq!(phase.conditions(), expected(phase), "{phase}");
        let mut harness = watched(json!({"steps": [{"name": "x", "type": "executeStory"}]}));
        accept(&mut harness, "step", json!({"step": "x", "to": phase.word()}));
        let own = &status(&harness)["stepRuns"]["x"]["conditions"];
        let found: Vec<bool> = (0..3).map(|index| own[index]["status"] == "True").collect();
        assert_eq!(found, expected(phase), "{phase}");
        assert_eq!(own[0]["reason"], phase.default_reason(), "{phase}");
    }
}

#[test]
fn the_time_of_a_condition_changes_only_when_its_status_does() {
    // S-03: the examples of story.md 1.3.
    let mut harness = watched(json!({"steps": []}));
    let at_creation = conditions(&harness);
    assert_eq!(
        at_creation,
        [
            (false, "2026-02-23T18:00:00Z".to_owned()),
            (true, "2026-02-23T18:00:00Z".to_owned()),
            (false, "2026-02-23T18:00:00Z".to_owned()),
        ]
    );
    accept(&mut harness, "transition", json!({"to": "Running"}));
    accept(&mut harness, "transition", json!({"to": "Paused", "reason": "AwaitingTransport", "message": "m"}));
    assert_eq!(conditions(&harness), at_creation, "Running to Paused moves no time");
    assert_eq!(run_phase(&harness), ("Paused".to_owned(), "AwaitingTransport".to_owned()));
    accept(&mut harness, "transition", json!({"to": "Paused", "reason": "Paused", "message": "other"}));
    assert_eq!(conditions(&harness), at_creation, "another reason moves no time");
    let moved = |to: &str| {
        let mut harness = harness.clone();
        wait(&mut harness, 60);
        accept(&mut harness, "transition", json!({"to": "Running"}));
        accept(&mut harness, "transition", json!({"to": to}));
        let now = conditions(&harness);
        [0, 1, 2].map(|index| now[index].1 != at_creation[index].1)
    };
    assert_eq!(moved("Succeeded"), [true, true, false]);
    assert_eq!(moved("Failed"), [false, true, true]);
    assert_eq!(moved("Canceled"), [false, true, false]);
}

#[test]
fn attempts_count_entries_to_running_and_no_retries() {
    // S-08.
    let mut harness = watched(json!({"steps": []}));
    for (to, attempts) in [("Running", 1), ("Paused", 1), ("Running", 2), ("Blocked", 2), ("Running", 3), ("Failed", 3)]
    {
        accept(&mut harness, "transition", json!({"to": to}));
        assert_eq!(status(&harness)["attempts"], attempts, "{to}");
    }
    let mut harness = started(json!({"steps": [{"name": "a"}]}));
    exit(&mut harness, "a", 137);
    wait(&mut harness, 60);
    exit(&mut harness, "a", 0);
    assert_eq!(status(&harness)["attempts"], 1);
    assert_eq!(status(&harness)["stepRuns"]["a"]["retries"], 1);
}

#[test]
fn an_end_is_set_once_and_a_duration_is_whole_seconds() {
    // S-07, S-09.
    let mut harness = started(json!({"steps": plain(&["a"])}));
    assert_eq!(status(&harness)["duration"], Value::Null);
    wait(&mut harness, 93);
    exit(&mut harness, "a", 0);
    let ended = status(&harness);
    assert_eq!(
        (&ended["startedAt"], &ended["finishedAt"]),
        (&json!("2026-02-23T18:00:01Z"), &json!("2026-02-23T18:01:35Z"))
    );
    assert_eq!(ended["duration"], "1m34s");
    accept(&mut harness, "step", json!({"step": "a", "exit_code": 0}));
    reject(&mut harness, "step", json!({"step": "a", "exit_code": 1}), "ALREADY_TERMINAL");
    reject(&mut harness, "step", json!({"step": "a", "to": "Succeeded", "message": "late"}), "ALREADY_TERMINAL");
    reject(&mut harness, "cancel", json!({}), "ALREADY_TERMINAL");
    reject(&mut harness, "start", json!({}), "ALREADY_TERMINAL");
    reject(&mut harness, "stop", json!({}), "ALREADY_TERMINAL");
    assert_eq!(status(&harness), ended);
}
