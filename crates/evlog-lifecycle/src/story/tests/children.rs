//! `child`: steps that execute a story follow its run.

use super::{
    RUN, accept, command, harness, phase, plain, play, refuse, reject, run_phase, started, status, wait, watched,
};
use crate::testing::{Answered, Harness};
use serde_json::{Value, json};

const CHILD: &str = "c-1";

/// A parent whose step `call` executes a story, and a child that goes; `call` says more of the step.
fn family(call: Value) -> Harness<super::Story> {
    let mut step = json!({"name": "call", "type": "executeStory", "with": {"storyRef": {"name": "other"}}});
    if let (Some(step), Value::Object(more)) = (step.as_object_mut(), call) {
        step.extend(more);
    }
    let mut harness = started(json!({"steps": [step, {"name": "then", "needs": ["call"]}]}));
    let story = json!({"steps": plain(&["work"]), "compensations": [{"name": "undo", "if": "{{ inputs.undo }}"}],
        "output": {"x": "{{ steps.work.output.x }}"}});
    harness.accept(json!({"run": CHILD, "do": "create", "story": story, "inputs": {"undo": false}}));
    harness.accept(json!({"run": CHILD, "do": "start"}));
    harness
}

fn follow(harness: &mut Harness<super::Story>) -> Answered {
    accept(harness, "child", json!({"step": "call", "child": CHILD}))
}

fn child(harness: &mut Harness<super::Story>, action: &str, members: Value) {
    let mut command = command(action, members);
    command["run"] = CHILD.into();
    harness.accept(command);
}

#[test]
fn a_step_goes_while_its_child_does_and_succeeds_with_its_output() {
    // S-58, S-59.
    let mut harness = family(json!({}));
    assert_eq!(phase(&harness, "call"), "Pending");
    assert_eq!(follow(&mut harness).kinds, ["story.step_moved"]);
    let state = status(&harness)["stepStates"]["call"].clone();
    assert_eq!((&state["phase"], &state["subStoryRunName"]), (&json!("Running"), &json!(CHILD)));
    assert_eq!(follow(&mut harness).kinds, Vec::<String>::new(), "nothing new, nothing recorded");
    child(&mut harness, "step", json!({"step": "work", "exit_code": 0, "output": {"x": 7}}));
    follow(&mut harness);
    assert_eq!((phase(&harness, "call"), phase(&harness, "then")), (json!("Succeeded"), json!("Pending")));
    let run = status(&harness)["stepRuns"]["call"].clone();
    assert_eq!(run["output"], json!({"x": 7}));
    assert_eq!(status(&harness)["stepStates"]["call"]["message"], "Story completed.");
    assert_eq!(follow(&mut harness).kinds, Vec::<String>::new(), "its end is known");
    let last = harness.audit(RUN).into_iter().rfind(|line| line["event"]["cause"] == "child").unwrap();
    assert_eq!((&last["event"]["to"], &last["event"]["child"]), (&json!("Succeeded"), &json!(CHILD)));
}

#[test]
fn a_step_ends_as_its_child_has_and_is_not_tried_again() {
    // S-58, S-60: every end that a run can have.
    type Act = fn(&mut Harness<super::Story>);
    let cases: [(&str, Act); 5] = [
        ("Compensated", |harness| child(harness, "step", json!({"step": "work", "exit_code": 1}))),
        ("Finished", |harness| child(harness, "stop", json!({"outcome": "cancel"}))),
        ("Canceled", |harness| child(harness, "cancel", json!({"how": "now"}))),
        ("Aborted", |harness| child(harness, "cancel", json!({"how": "kill"}))),
        ("Failed", |harness| child(harness, "stop", json!({"outcome": "failure", "message": "no"}))),
    ];
    for (expected, end) in cases {
        for early in [true, false] {
            let mut harness = family(json!({"execution": {"retry": {"maxRetries": 3}}}));
            if early {
                follow(&mut harness);
            }
            end(&mut harness);
            follow(&mut harness);
            assert_eq!(phase(&harness, "call"), expected, "{early}");
            assert_eq!(status(&harness)["stepRuns"]["call"]["retries"], 0);
            assert_eq!(run_phase(&harness), ("Failed".into(), "DependencyFailed".into()));
            assert!(status(&harness)["stepRuns"]["call"]["error"].is_object(), "{expected}");
        }
    }
}

#[test]
fn a_child_that_was_never_executed_cancels_its_step() {
    // S-58: only a controller elsewhere skips a run.
    let mut harness = family(json!({}));
    harness.accept(json!({"run": "c-2", "do": "create", "mode": "observed", "story": {"steps": []}}));
    harness.accept(json!({"run": "c-2", "do": "transition", "to": "Skipped"}));
    accept(&mut harness, "child", json!({"step": "call", "child": "c-2"}));
    assert_eq!(phase(&harness, "call"), "Canceled");
}

#[test]
fn a_step_that_does_not_wait_succeeds_when_its_child_is_there() {
    // S-61.
    let mut harness = family(json!({"with": {"storyRef": {"name": "other"}, "waitForCompletion": false}}));
    follow(&mut harness);
    assert_eq!((phase(&harness, "call"), phase(&harness, "then")), (json!("Succeeded"), json!("Pending")));
    let state = status(&harness)["stepStates"]["call"].clone();
    assert_eq!(state["message"], "Story run `c-1` was begun, and is not waited for");
    assert_eq!(follow(&mut harness).kinds, Vec::<String>::new());
    let mut create = json!({"run": "s-2", "do": "create"});
    create["story"] = json!({"steps": [{"name": "c", "type": "executeStory", "with": {"waitForCompletion": "no"}}]});
    assert_eq!(harness.play(create).unwrap().code(), "STORY_INVALID");
}

#[test]
fn output_schemas_and_post_executions_judge_what_a_child_gives() {
    // S-41, S-43, S-59.
    let cases = [
        (json!({"outputSchema": {"required": ["y"]}}), "OutputSchemaFailed"),
        (json!({"postExecution": {"condition": "{{ output.x == 8 }}"}}), "ExpressionFailed"),
    ];
    for (call, reason) in cases {
        let mut harness = family(call);
        child(&mut harness, "step", json!({"step": "work", "exit_code": 0, "output": {"x": 7}}));
        follow(&mut harness);
        let run = status(&harness)["stepRuns"]["call"].clone();
        assert_eq!((&run["phase"], &run["conditions"][0]["reason"]), (&json!("Failed"), &json!(reason)));
    }
}

#[test]
fn only_the_run_that_a_step_executes_is_followed() {
    // S-47, S-62.
    let mut harness = family(json!({}));
    for (step, child, code) in [
        ("nowhere", CHILD, "STEP_NOT_FOUND"),
        ("then", CHILD, "STEP_NOT_A_STORY"),
        ("call", "c-9", "CHILD_NOT_FOUND"),
        ("call", RUN, "CHILD_NOT_FOUND"),
    ] {
        refuse(&mut harness, "child", json!({"step": step, "child": child}), code);
    }
    harness.accept(json!({"run": "c-2", "do": "create", "story": {"steps": []}}));
    follow(&mut harness);
    reject(&mut harness, "child", json!({"step": "call", "child": "c-2"}), "STALE_WORKER");
    child(&mut harness, "step", json!({"step": "work", "exit_code": 0, "output": {"x": 7}}));
    follow(&mut harness);
    reject(&mut harness, "child", json!({"step": "call", "child": "c-2"}), "ALREADY_TERMINAL");
    assert!(play_malformed(&mut harness, json!({"step": "call"})).contains("`child`"));

    let mut early = super::created(json!({"steps": [{"name": "call", "type": "executeStory"}]}));
    early.accept(json!({"run": CHILD, "do": "create", "story": {"steps": []}}));
    reject(&mut early, "child", json!({"step": "call", "child": CHILD}), "RUN_NOT_STARTED");
    let mut observed = watched(json!({"steps": [{"name": "call", "type": "executeStory"}]}));
    observed.accept(json!({"run": CHILD, "do": "create", "story": {"steps": []}}));
    refuse(&mut observed, "child", json!({"step": "call", "child": CHILD}), "RUN_OBSERVED");
    assert_eq!(harness_without_runs(), "RUN_NOT_FOUND");
}

fn play_malformed(harness: &mut Harness<super::Story>, members: Value) -> String {
    harness.play(command("child", members)).unwrap_err().to_string()
}

fn harness_without_runs() -> String {
    play(&mut harness(), "child", json!({"step": "call", "child": CHILD})).code().to_owned()
}

#[test]
fn a_child_has_the_time_that_it_needs_unless_the_parent_says_otherwise() {
    // S-26, S-60.
    let mut harness = family(json!({}));
    follow(&mut harness);
    wait(&mut harness, 7200);
    accept(&mut harness, "tick", json!({}));
    assert_eq!(phase(&harness, "call"), "Running");
    let mut harness = family(json!({"execution": {"timeout": "1h", "retry": {"maxRetries": 0}}}));
    follow(&mut harness);
    wait(&mut harness, 7200);
    accept(&mut harness, "tick", json!({}));
    assert_eq!(phase(&harness, "call"), "Timeout");
}
