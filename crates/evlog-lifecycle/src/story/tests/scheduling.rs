//! Which step begins when: dependencies, skip rules, fail-fast, going on, concurrency.

use super::{accept, exit, phase, plain, reject, run_phase, started, status, wait};
use crate::story::Phase;
use crate::story::definition::{Group, Pattern};
use crate::story::derive::{Dependency, dependency};
use serde_json::{Value, json};

fn step(name: &str, needs: &[&str]) -> Value {
    json!({"name": name, "needs": needs, "execution": {"retry": {"maxRetries": 0}}})
}

fn going_on() -> Value {
    json!({"retries": {"continueOnStepFailure": true}})
}

#[test]
fn dependencies_are_judged_by_this_table() {
    // S-13: story.md 3.10, every phase, every column.
    use Dependency::{Failed, Met, Unmet};
    for phase in [None].into_iter().chain(Phase::ALL.iter().copied().map(Some)) {
        let row = match phase {
            Some(Phase::Succeeded | Phase::Skipped) => [Met; 4],
            None => [Unmet; 4],
            Some(phase) if !phase.is_terminal() => [Unmet; 4],
            Some(_) => [Unmet, Failed, Met, Met],
        };
        let judge = |group, go_on, allowed| dependency(Pattern::Batch, group, go_on, phase, allowed);
        let found = [
            judge(Group::Main, false, false),
            judge(Group::Main, true, false),
            judge(Group::Compensations, false, false),
            judge(Group::Finally, true, false),
        ];
        assert_eq!(found, row, "{phase:?}");
        let ended = phase.is_some_and(Phase::is_terminal);
        assert_eq!(judge(Group::Main, false, true), if ended { Met } else { Unmet }, "{phase:?} may fail");
        let streams = dependency(Pattern::Realtime, Group::Main, false, phase, false);
        let flows = matches!(phase, Some(Phase::Pending | Phase::Running | Phase::Paused));
        assert_eq!(streams, if flows { Met } else { row[0] }, "{phase:?} in a stream");
    }
}

#[test]
fn steps_follow_one_another_by_what_they_need() {
    // S-12.
    let story = json!({"steps": [
        step("a", &[]), step("b", &["a"]),
        {"name": "c", "with": {"from": "{{ steps.a.output.x }}"}},
        {"name": "d", "if": "{{ steps.b.output.ok == true }}"},
    ]});
    let mut harness = started(story);
    assert_eq!(
        ["a", "b", "c", "d"].map(|name| phase(&harness, name)),
        [json!("Pending"), Value::Null, Value::Null, Value::Null]
    );
    reject(&mut harness, "step", json!({"step": "b", "to": "Running"}), "STEP_NOT_READY");
    reject(&mut harness, "step", json!({"step": "c", "exit_code": 0}), "STEP_NOT_READY");
    exit(&mut harness, "a", 0);
    assert_eq!(["b", "c", "d"].map(|name| phase(&harness, name)), [json!("Pending"), json!("Pending"), Value::Null]);
    accept(&mut harness, "step", json!({"step": "b", "exit_code": 0, "output": {"ok": true}}));
    assert_eq!(phase(&harness, "d"), "Pending");
}

#[test]
fn failing_fast_skips_what_has_not_begun_and_waits_for_the_rest() {
    // S-15, and 4.3: one main step running, another failed.
    let story = json!({"steps": [step("a", &[]), step("b", &[]), step("c", &["b"]), step("d", &["a"])]});
    let mut harness = started(story);
    accept(&mut harness, "step", json!({"step": "b", "to": "Running"}));
    exit(&mut harness, "a", 1);
    assert_eq!(run_phase(&harness).0, "Running");
    for skipped in ["c", "d"] {
        let state = &status(&harness)["stepStates"][skipped];
        assert_eq!(state["message"], "Skipped due to fail-fast policy", "{skipped}");
    }
    exit(&mut harness, "b", 0);
    assert_eq!(run_phase(&harness), ("Failed".to_owned(), "DependencyFailed".to_owned()));
}

#[test]
fn a_step_that_is_blocked_when_nothing_new_begins_is_skipped() {
    // S-15.
    let mut harness = started(json!({"steps": [step("a", &[]), step("b", &[]), step("c", &[])]}));
    accept(&mut harness, "step", json!({"step": "b", "to": "Blocked"}));
    exit(&mut harness, "a", 1);
    assert_eq!(phase(&harness, "b"), "Skipped");
    accept(&mut harness, "step", json!({"step": "c", "to": "Blocked"}));
    assert_eq!(phase(&harness, "c"), "Skipped");
    assert_eq!(run_phase(&harness).0, "Failed");
}

#[test]
fn going_on_skips_one_hop_with_its_cause_and_no_further() {
    // S-14, S-16: A fails, B is skipped, C runs, and D never knew.
    let steps = json!([step("a", &[]), step("b", &["a"]), step("c", &["b"]), step("d", &[])]);
    let mut harness = started(json!({"steps": steps, "policy": going_on()}));
    exit(&mut harness, "a", 1);
    let skipped = &status(&harness)["stepStates"]["b"];
    assert_eq!((&skipped["phase"], &skipped["because"]), (&json!("Skipped"), &json!("a")));
    assert_eq!(skipped["message"], "Skipped due to failed dependency: a");
    assert_eq!(phase(&harness, "c"), "Pending");
    exit(&mut harness, "c", 0);
    exit(&mut harness, "d", 0);
    assert_eq!(run_phase(&harness), ("Failed".to_owned(), "DependencyFailed".to_owned()));
}

#[test]
fn the_first_declared_of_several_failed_dependencies_is_named() {
    // S-14.
    let steps = json!([step("a", &[]), step("b", &[]), step("c", &["a", "b"]), step("e", &["b"])]);
    let mut harness = started(json!({"steps": steps, "policy": going_on()}));
    exit(&mut harness, "b", 1);
    assert_eq!(status(&harness)["stepStates"]["c"]["because"], "b");
    exit(&mut harness, "a", 1);
    let failed: Vec<Value> = status(&harness)["error"]["failedSteps"].as_array().expect("steps").clone();
    let names: Vec<&Value> = failed.iter().map(|step| &step["name"]).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(status(&harness)["message"].as_str().expect("a message").ends_with("failed step: a."));
}

#[test]
fn dependents_of_a_failure_run_in_the_later_stages() {
    // S-13, S-18.
    let story = json!({
        "steps": plain(&["m"]), "compensations": [step("c", &["m"]), step("d", &["c"])],
        "finally": [step("f", &["m", "c"])],
    });
    let mut harness = started(story);
    for (name, code) in [("m", 1), ("c", 1), ("d", 0), ("f", 0)] {
        assert_eq!(phase(&harness, name), "Pending", "{name}");
        exit(&mut harness, name, code);
    }
    assert_eq!(run_phase(&harness).1, "CompensationFailed");
}

#[test]
fn the_limit_of_steps_under_way_is_kept() {
    // S-46.
    let story = json!({"steps": plain(&["a", "b", "c"]), "policy": {"concurrency": 1}});
    let mut harness = started(story);
    let queued = &status(&harness)["stepStates"]["b"];
    assert_eq!(
        (&queued["phase"], status(&harness)["stepRuns"]["b"]["conditions"][0]["reason"].as_str()),
        (&json!("Pending"), Some("Queued"))
    );
    reject(&mut harness, "step", json!({"step": "b", "to": "Running"}), "STEP_NOT_READY");
    exit(&mut harness, "a", 0);
    accept(&mut harness, "step", json!({"step": "b", "to": "Running"}));
    reject(&mut harness, "step", json!({"step": "c", "exit_code": 0}), "STEP_NOT_READY");
    exit(&mut harness, "b", 1);
    assert_eq!(phase(&harness, "c"), "Skipped", "what is queued has not begun");
}

#[test]
fn reports_before_the_start_are_rejected() {
    // S-06.
    let mut harness = super::created(json!({"steps": plain(&["a"])}));
    reject(&mut harness, "step", json!({"step": "a", "to": "Running"}), "RUN_NOT_STARTED");
    super::refuse(&mut harness, "step", json!({"step": "z", "to": "Running"}), "STEP_NOT_FOUND");
}

#[test]
fn a_report_by_another_worker_is_fenced_off() {
    // S-47.
    let mut harness = started(json!({"steps": plain(&["a"])}));
    accept(&mut harness, "step", json!({"step": "a", "to": "Running", "worker": "w-1"}));
    reject(&mut harness, "step", json!({"step": "a", "exit_code": 0, "worker": "w-2"}), "STALE_WORKER");
    accept(&mut harness, "step", json!({"step": "a", "exit_code": 0, "worker": "w-1"}));
}

#[test]
fn a_paused_run_begins_nothing_and_takes_what_ends() {
    // S-08.
    let mut harness = started(json!({"steps": [step("a", &[]), step("b", &["a"])]}));
    accept(&mut harness, "transition", json!({"to": "Paused"}));
    exit(&mut harness, "a", 0);
    assert_eq!(phase(&harness, "b"), Value::Null);
    wait(&mut harness, 5);
    accept(&mut harness, "transition", json!({"to": "Running"}));
    assert_eq!((phase(&harness, "b"), &status(&harness)["attempts"]), (json!("Pending"), &json!(2)));
    super::refuse(&mut harness, "transition", json!({"to": "Failed"}), "RUN_DECIDED");
    reject(&mut harness, "transition", json!({"to": "Pending"}), "INVALID_STATE_TRANSITION");
}
