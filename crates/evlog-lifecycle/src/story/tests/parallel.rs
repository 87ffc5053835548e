//! Steps of type `parallel`: their branches, and how both begin and end.

use super::{accept, created, exit, harness, phase, plain, refuse, reject, run_phase, started, status, wait, watched};
use crate::story::State;
use crate::testing::Harness;
use serde_json::{Value, json};

/// A story of `fan`, with these branches, and of `then`, which needs it.
fn fan(branches: Value) -> Value {
    let mut story = json!({"steps": [
        {"name": "fan", "type": "parallel"},
        {"name": "then", "needs": ["fan"], "execution": {"retry": {"maxRetries": 0}}},
    ]});
    story["steps"][0]["with"]["steps"] = branches;
    story
}

fn two() -> Value {
    plain(&["a", "b"])
}

fn phases<const N: usize>(harness: &Harness<super::Story>, names: [&str; N]) -> [String; N] {
    names.map(|name| phase(harness, name).as_str().unwrap_or("-").to_owned())
}

#[test]
fn branches_begin_together_with_their_step_and_end_it_together() {
    // S-51, S-52.
    let mut harness = started(fan(two()));
    assert_eq!(phases(&harness, ["fan", "a", "b", "then"]), ["Running", "Pending", "Pending", "-"]);
    assert_eq!(status(&harness)["primitiveChildren"], json!({"fan": ["a", "b"]}));
    exit(&mut harness, "b", 0);
    assert_eq!(phases(&harness, ["fan", "a", "b", "then"]), ["Running", "Pending", "Succeeded", "-"]);
    let answered = exit(&mut harness, "a", 0);
    assert_eq!(phases(&harness, ["fan", "a", "b", "then"]), ["Succeeded", "Succeeded", "Succeeded", "Pending"]);
    assert_eq!(answered.kinds, ["story.step_moved"; 4], "began, ended, joined, next: one commit");
    exit(&mut harness, "then", 0);
    assert_eq!(run_phase(&harness).0, "Succeeded");
    let run = harness.json(super::RUN, "run.json");
    assert_eq!((&run["steps_total"], &run["steps_done"]), (&json!(4), &json!(4)), "S-45: branches are steps");
    let branches = harness.json(super::RUN, "manifest.json")["steps"].clone();
    let of: Vec<&Value> = branches.as_array().unwrap().iter().map(|step| &step["branch_of"]).collect();
    assert_eq!(of, [&Value::Null, &json!("fan"), &json!("fan"), &Value::Null]);
}

#[test]
fn a_branch_that_fails_and_may_not_fails_its_step_once_all_have_ended() {
    // S-52: the run goes on as long as one branch does; nothing is skipped before.
    let mut harness = started(fan(two()));
    exit(&mut harness, "a", 1);
    assert_eq!(phases(&harness, ["fan", "a", "b", "then"]), ["Running", "Failed", "Pending", "-"]);
    exit(&mut harness, "b", 0);
    assert_eq!(phases(&harness, ["fan", "a", "b", "then"]), ["Failed", "Failed", "Succeeded", "Skipped"]);
    assert_eq!(run_phase(&harness), ("Failed".into(), "DependencyFailed".into()));
    let status = status(&harness);
    assert_eq!(status["error"]["failedSteps"].as_array().unwrap().len(), 1, "the step, and not its branches too");
    assert_eq!(status["error"]["failedSteps"][0]["name"], "fan");
    assert_eq!(status["stepStates"]["fan"]["message"], "Branches that did not succeed: a");
    assert_eq!(status["stepStates"]["fan"]["because"], "a");
}

#[test]
fn a_branch_that_may_fail_does_not_fail_its_step() {
    // S-17, S-52.
    let branches = json!([
        {"name": "a", "allowFailure": true, "execution": {"retry": {"maxRetries": 0}}},
        {"name": "b", "if": "false"},
    ]);
    let mut harness = started(fan(branches));
    exit(&mut harness, "a", 1);
    assert_eq!(phases(&harness, ["fan", "a", "b", "then"]), ["Succeeded", "Failed", "Skipped", "Pending"]);
    let status = status(&harness);
    assert_eq!(status["allowedFailures"], json!(["a"]));
    assert_eq!(status["stepStates"]["fan"]["message"], "All branches have ended; allowed failures: a");
}

#[test]
fn a_parallel_step_that_may_fail_fails_alone() {
    // S-17: what waits for it is let go, and what waits for the failed branch is skipped.
    let mut story =
        fan(json!([{"name": "a", "execution": {"retry": {"maxRetries": 0}}}, {"name": "b", "needs": ["a"]}]));
    story["steps"][0]["allowFailure"] = true.into();
    story["steps"].as_array_mut().unwrap().push(json!({"name": "aside", "needs": ["a"]}));
    let mut harness = started(story);
    assert_eq!(phases(&harness, ["a", "b"]), ["Pending", "-"]);
    exit(&mut harness, "a", 1);
    // S-53: in either policy, for the failure of a branch stops nothing by itself.
    let found = phases(&harness, ["fan", "a", "b", "then", "aside"]);
    assert_eq!(found, ["Failed", "Failed", "Skipped", "Pending", "Skipped"]);
    assert_eq!(status(&harness)["stepStates"]["b"]["because"], "a");
    exit(&mut harness, "then", 0);
    assert_eq!(run_phase(&harness).0, "Succeeded");
    assert_eq!(status(&harness)["allowedFailures"], json!(["fan"]));
}

#[test]
fn a_parallel_step_that_is_skipped_takes_its_branches_with_it() {
    // S-54: by its `if`, by a failed dependency, by fail-fast, and unused.
    let nested = json!([{"name": "a"}, {"name": "q", "type": "parallel", "with": {"steps": [{"name": "x"}]}}]);
    let mut story = fan(nested);
    story["steps"][0]["if"] = "false".into();
    let harness = started(story.clone());
    assert_eq!(
        phases(&harness, ["fan", "a", "q", "x", "then"]),
        ["Skipped", "Skipped", "Skipped", "Skipped", "Pending"]
    );
    assert_eq!(status(&harness)["stepStates"]["x"]["message"], "Skipped because step `fan` was skipped");

    for go_on in [true, false] {
        let mut story = story.clone();
        story["steps"][0].as_object_mut().unwrap().remove("if");
        story["steps"][0]["needs"] = json!(["first"]);
        story["steps"].as_array_mut().unwrap().extend(plain(&["first"]).as_array().unwrap().clone());
        story["compensations"] = json!([{"name": "undo", "type": "parallel", "with": {"steps": [{"name": "u"}]}}]);
        story["policy"] = json!({"retries": {"continueOnStepFailure": go_on}});
        let mut harness = started(story.clone());
        exit(&mut harness, "first", 1);
        assert_eq!(phases(&harness, ["fan", "a", "q", "x"]), ["Skipped"; 4], "{go_on}");
        if go_on {
            // S-14: one hop.
            exit(&mut harness, "then", 0);
        }
        assert_eq!(phases(&harness, ["undo", "u"]), ["Running", "Pending"], "{go_on}");
        exit(&mut harness, "u", 0);
        assert_eq!(run_phase(&harness).0, "Compensated");

        let mut harness = started(story);
        exit(&mut harness, "first", 0);
        for name in ["a", "x", "then"] {
            exit(&mut harness, name, 0);
        }
        assert_eq!(phases(&harness, ["undo", "u"]), ["Skipped", "Skipped"], "{go_on}");
        assert_eq!(run_phase(&harness).0, "Succeeded");
    }
}

#[test]
fn another_failure_lets_branches_end_that_have_begun() {
    // S-15, over branches: what has begun ends, what has not is skipped.
    let mut story = fan(json!([{"name": "a"}, {"name": "b", "needs": ["a"]}]));
    story["steps"].as_array_mut().unwrap().extend(plain(&["other"]).as_array().unwrap().clone());
    let mut harness = started(story);
    exit(&mut harness, "other", 1);
    assert_eq!(phases(&harness, ["fan", "a", "b", "then"]), ["Running", "Pending", "Skipped", "Skipped"]);
    exit(&mut harness, "a", 0);
    assert_eq!(phases(&harness, ["fan"]), ["Succeeded"]);
    assert_eq!(run_phase(&harness).0, "Failed");
}

#[test]
fn branches_are_parallel_steps_too_and_hold_and_count_like_others() {
    // S-46, S-51: nested, with a gate, within the limit of concurrency.
    let mut story = fan(json!([
        {"name": "q", "type": "parallel", "with": {"steps": plain(&["x", "y"])}},
        {"name": "g", "type": "gate"},
        {"name": "z"},
    ]));
    story["policy"] = json!({"concurrency": 2});
    let mut harness = started(story);
    let reason = |harness: &_, name: &str| status(harness)["stepRuns"][name]["conditions"][0]["reason"].clone();
    assert_eq!(
        phases(&harness, ["fan", "q", "x", "y", "g", "z"]),
        ["Running", "Running", "Pending", "Pending", "Paused", "Pending"]
    );
    assert_eq!(reason(&harness, "z"), "Queued");
    exit(&mut harness, "x", 0);
    assert_eq!(reason(&harness, "z"), "Pending");
    exit(&mut harness, "y", 0);
    exit(&mut harness, "z", 0);
    assert_eq!(phases(&harness, ["q", "fan"]), ["Succeeded", "Running"]);
    accept(&mut harness, "gate", json!({"step": "g", "state": "Approved"}));
    assert_eq!(phases(&harness, ["fan", "then"]), ["Succeeded", "Pending"]);
}

#[test]
fn a_cancelled_run_drains_its_branches_and_does_not_wait_for_those_that_never_begin() {
    // S-32, S-36, S-55.
    let mut harness = started(fan(json!([{"name": "a"}, {"name": "b", "needs": ["a"]}])));
    accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
    accept(&mut harness, "cancel", json!({}));
    assert_eq!(phases(&harness, ["fan", "a", "b", "then"]), ["Running", "Running", "Canceled", "-"]);
    exit(&mut harness, "a", 0);
    assert_eq!(phases(&harness, ["fan", "a", "b", "then"]), ["Canceled", "Succeeded", "Canceled", "Canceled"]);
    assert_eq!(run_phase(&harness).0, "Finished");

    let ends = [("cancel", json!({"how": "kill"}), "Canceled"), ("stop", json!({}), "Skipped")];
    for (action, members, unbegun) in ends {
        let mut harness = started(fan(json!([{"name": "a"}, {"name": "b", "needs": ["a"]}])));
        accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
        accept(&mut harness, action, members);
        assert_eq!(phases(&harness, ["fan", "a", "b", "then"]), ["Aborted", "Aborted", unbegun, unbegun], "{action}");
    }
    let mut story = fan(two());
    story["policy"] = json!({"timeouts": {"story": "10s"}});
    let mut harness = started(story);
    wait(&mut harness, 20);
    accept(&mut harness, "tick", json!({}));
    assert_eq!(phases(&harness, ["fan", "a", "b", "then"]), ["Aborted", "Skipped", "Skipped", "Skipped"]);
}

#[test]
fn redriving_a_branch_does_its_step_again_without_the_branches_beside_it() {
    // S-38, S-56.
    let mut harness = started(fan(
        json!([{"name": "a", "execution": {"retry": {"maxRetries": 0}}}, {"name": "b"}, {"name": "c", "needs": ["b"]}]),
    ));
    for (name, code) in [("b", 0), ("c", 0), ("a", 1)] {
        exit(&mut harness, name, code);
    }
    assert_eq!(run_phase(&harness).0, "Failed");
    let mut whole = harness.clone();
    accept(&mut harness, "redrive", json!({"from": "a"}));
    assert_eq!(phases(&harness, ["fan", "a", "b", "c", "then"]), ["Running", "Pending", "Succeeded", "Succeeded", "-"]);
    exit(&mut harness, "a", 0);
    exit(&mut harness, "then", 0);
    assert_eq!(run_phase(&harness).0, "Succeeded");

    accept(&mut whole, "redrive", json!({"from": "fan"}));
    assert_eq!(phases(&whole, ["fan", "a", "b", "c", "then"]), ["Running", "Pending", "Pending", "-", "-"]);
}

#[test]
fn a_parallel_step_is_reported_by_its_branches_only() {
    // S-51.
    let mut harness = started(fan(two()));
    for report in [json!({"step": "fan", "to": "Succeeded"}), json!({"step": "fan", "exit_code": 0})] {
        reject(&mut harness, "step", report, "STEP_NOT_READY");
    }
    // S-40: an observed run takes what its controller reports, and derives nothing.
    let mut harness = watched(fan(two()));
    accept(&mut harness, "transition", json!({"to": "Running"}));
    for step in ["fan", "a", "b"] {
        accept(&mut harness, "step", json!({"step": step, "to": "Running"}));
    }
    for step in ["a", "b"] {
        accept(&mut harness, "step", json!({"step": step, "to": "Succeeded"}));
    }
    assert_eq!(phases(&harness, ["fan"]), ["Running"]);
    accept(&mut harness, "step", json!({"step": "fan", "to": "Failed"}));
    assert_eq!(phases(&harness, ["fan"]), ["Failed"]);
}

#[test]
fn stories_whose_branches_do_not_hold_together_are_refused() {
    // S-51, S-57.
    let step = |member: &str, value: Value| {
        let mut story = fan(two());
        story["steps"][0][member] = value;
        story
    };
    let cases = [
        (fan(json!([])), "at least one branch"),
        (fan(plain(&["a", "a"])), "duplicate step name `a`"),
        (fan(plain(&["then"])), "duplicate step name `then`"),
        (fan(json!([{"name": "a", "needs": ["fan"]}])), "cannot depend on `fan`, which it is a branch of"),
        (fan(json!([{"name": "a", "needs": ["then"]}])), "dependency cycle detected among `a`, `then`"),
        (step("needs", json!(["a"])), "dependency cycle detected among `fan`"),
        (step("execution", json!({"timeout": "5s"})), "`execution` means nothing for a parallel step"),
        (step("postExecution", json!({"condition": "true"})), "`postExecution` means nothing"),
        (step("inputSchema", json!({})), "`inputSchema` means nothing"),
        (step("outputSchema", json!({})), "`outputSchema` means nothing"),
        (step("requires", json!(["steps.a.output"])), "`requires` means nothing"),
        (step("sideEffects", json!(true)), "`sideEffects` means nothing"),
    ];
    for (story, message) in cases {
        let mut create = json!({"run": super::RUN, "do": "create"});
        create["story"] = story;
        let answered = harness().play(create).unwrap();
        assert_eq!(answered.code(), "STORY_INVALID", "{message}");
        let found = answered.error.unwrap().message;
        assert!(found.contains(message), "expected {message:?}, found {found:?}");
    }
    let malformed = [
        (json!({"name": "fan", "type": "parallel"}), "/story/steps/0/with: expected `steps`"),
        (
            json!({"name": "fan", "type": "parallel", "with": {"steps": {}}}),
            "/story/steps/0/with/steps: expected an array",
        ),
        (json!({"name": "fan", "type": "parallel", "with": {"steps": [], "x": 1}}), "/story/steps/0/with/x"),
        (
            json!({"name": "fan", "type": "parallel", "with": {"steps": [{"name": "a", "colour": 1}]}}),
            "/story/steps/0/with/steps/0/colour",
        ),
    ];
    for (step, message) in malformed {
        let error = harness().play(json!({"run": super::RUN, "do": "create", "story": {"steps": [step]}})).unwrap_err();
        assert!(error.to_string().contains(message), "expected {message:?}, found {error}");
    }
}

#[test]
fn what_a_branch_requires_has_ended_before_it() {
    // S-42, S-57: a parallel step is upstream of what needs it, with its branches, and not of its own branches.
    let with = |requires: &str, at: usize| {
        let mut story = fan(json!([{"name": "a"}, {"name": "b", "needs": ["a"]}]));
        if at == 0 {
            story["steps"][0]["with"]["steps"][1]["requires"] = json!([requires]);
        } else {
            story["steps"][1]["requires"] = json!([requires]);
        }
        story
    };
    for (path, at) in [("steps.a.output.x", 0), ("steps.a.output.x", 1), ("steps.b.output.x", 1)] {
        created(with(path, at));
    }
    for (path, at) in [("steps.fan.output.x", 0), ("steps.then.output.x", 0)] {
        let mut create = json!({"run": super::RUN, "do": "create"});
        create["story"] = with(path, at);
        assert_eq!(harness().play(create).unwrap().code(), "STORY_INVALID", "{path}");
    }
}

#[test]
fn history_in_which_a_parallel_step_ends_otherwise_than_its_branches_is_refused() {
    // S-50, S-52.
    use crate::story::Phase;
    use crate::story::payload::{StepCause, StepMoved, event};
    use evlog_format::kind::STORY_STEP_MOVED;
    use evlog_projection::Contract;
    let mut harness = started(fan(two()));
    exit(&mut harness, "a", 0);
    let state: State = harness.states[super::RUN].clone();
    let judge = |moved: &StepMoved| {
        let mut forged = harness.log.last().unwrap().clone();
        let new = event(STORY_STEP_MOVED, moved);
        (forged.kind, forged.payload, forged.number) = (new.kind, new.payload, forged.number + 1);
        harness.contract.evolve(&mut state.clone(), &forged.fact()).map_err(|error| error.message)
    };
    let early = StepMoved::new("fan", Some(Phase::Running), Phase::Succeeded, StepCause::Parallel);
    assert!(judge(&early).unwrap_err().contains("once 1 more branches have ended"), "{:?}", judge(&early));
    let child = StepMoved::new("b", Some(Phase::Pending), Phase::Running, StepCause::Child);
    assert!(judge(&child).unwrap_err().contains("expected no child of a `engram`"));
    refuse(&mut harness, "child", json!({"step": "b", "child": "other"}), "STEP_NOT_A_STORY");
}
