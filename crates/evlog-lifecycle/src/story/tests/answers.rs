//! Expressions that evlog cannot evaluate: the step holds, says what must be answered, and goes on with the answer. It never
//! fails.

use super::{accept, created, exit, phase, plain, refuse, reject, run_phase, started, status, wait};
use crate::testing::Harness;
use serde_json::{Value, json};

/// Expressions of other languages, and texts that belong to no language.
const FOREIGN: [&str; 10] = [
    "{{ eq (index .steps \"a\" \"output\" \"ok\") true }}",
    "{{ steps['a'].output.ok }}",
    "{{ steps.a.output.name | upper }}",
    "{{ index .steps \"a\" }}",
    "{{ now }}",
    "has(inputs.x)",
    "{{ .item.x }}",
    "{{ .steps.a.exitCode }}",
    "{{ len .run.id }} and more",
    "{{ steps.a.output.ok ",
];

fn message(harness: &Harness<super::Story>, step: &str) -> String {
    status(harness)["stepStates"][step]["message"].as_str().unwrap_or_default().to_owned()
}

/// The run goes, and the step is in this phase.
fn held(harness: &Harness<super::Story>, step: &str, expected: &str, words: &str) {
    assert_eq!((run_phase(harness).0.as_str(), phase(harness, step)), ("Running", json!(expected)));
    assert!(message(harness, step).starts_with(words), "{}", message(harness, step));
}

#[test]
fn a_post_execution_that_cannot_be_evaluated_holds_the_result_until_it_is_answered() {
    // S-43.
    for foreign in FOREIGN {
        let story = |failure: &str| {
            let post = json!({"condition": foreign, "failureMessage": failure});
            json!({"steps": [{"name": "a", "postExecution": post}, {"name": "b", "needs": ["a"]}]})
        };
        let reported = json!({"step": "a", "exit_code": 0, "output": {"ok": true}});
        let ready = |failure: &str| {
            let mut harness = started(story(failure));
            accept(&mut harness, "step", reported.clone());
            held(&harness, "a", "Running", "`postExecution` waits for an answer: ");
            assert_eq!(phase(&harness, "b"), Value::Null, "{foreign}");
            // The report may come again; another one may not, and time does not end what has ended.
            accept(&mut harness, "step", reported.clone());
            reject(&mut harness, "step", json!({"step": "a", "exit_code": 1}), "STEP_NOT_READY");
            wait(&mut harness, 86_400);
            accept(&mut harness, "tick", json!({}));
            held(&harness, "a", "Running", "`postExecution` waits");
            harness
        };
        let mut harness = ready("");
        refuse(&mut harness, "evaluate", json!({"step": "a", "result": {}}), "RESULT_UNFIT");
        accept(&mut harness, "evaluate", json!({"step": "a", "result": true}));
        assert_eq!(phase(&harness, "a"), "Succeeded");
        assert_eq!(status(&harness)["stepRuns"]["a"]["output"], json!({"ok": true}));
        assert_eq!(status(&harness)["stepRuns"]["a"]["exitCode"], 0);
        exit(&mut harness, "b", 0);
        assert_eq!(run_phase(&harness).0, "Succeeded");
        for (failure, words) in
            [("", "post-execution condition evaluated to false"), ("it never came", "it never came")]
        {
            let mut harness = ready(failure);
            accept(&mut harness, "evaluate", json!({"step": "a", "result": false}));
            assert_eq!((phase(&harness, "a"), message(&harness, "a").as_str()), (json!("Failed"), words));
            reject(&mut harness, "evaluate", json!({"step": "a", "result": true}), "STEP_NOT_READY");
        }
    }
}

#[test]
fn a_result_that_waits_for_an_answer_is_answered_while_the_run_drains_and_ends_with_it() {
    // S-32, S-36, S-43.
    let story = json!({"steps": [{"name": "a", "postExecution": {"condition": FOREIGN[0]}}]});
    let ready = || {
        let mut harness = started(story.clone());
        exit(&mut harness, "a", 0);
        accept(&mut harness, "cancel", json!({}));
        assert_eq!(run_phase(&harness).0, "Running");
        harness
    };
    let mut harness = ready();
    accept(&mut harness, "evaluate", json!({"step": "a", "result": true}));
    assert_eq!((phase(&harness, "a"), run_phase(&harness).0.as_str()), (json!("Succeeded"), "Finished"));
    let mut harness = ready();
    wait(&mut harness, 60);
    accept(&mut harness, "tick", json!({}));
    assert_eq!((phase(&harness, "a"), run_phase(&harness).0.as_str()), (json!("Aborted"), "Finished"));
}

#[test]
fn arguments_that_cannot_be_evaluated_hold_the_step_and_an_answer_lets_it_go_or_fails_it() {
    // S-41, S-42.
    let schema = json!({"properties": {"t": {"const": "X"}}});
    let templates = FOREIGN.iter().filter(|foreign| foreign.contains("{{"));
    let with = templates.map(|foreign| json!({"with": {"t": foreign}, "inputSchema": schema}));
    for mut step in with.chain([json!({"requires": ["steps.a.output[x]"]})]) {
        step["name"] = "b".into();
        step["needs"] = json!(["a"]);
        let ready = || {
            let mut harness = started(json!({"steps": [{"name": "a"}, step]}));
            accept(&mut harness, "step", json!({"step": "a", "exit_code": 0, "output": {"name": "x"}}));
            let member = if step["with"].is_null() { "`requires`" } else { "`with`" };
            held(&harness, "b", "Pending", &format!("{member} waits for an answer: "));
            accept(&mut harness, "tick", json!({}));
            reject(&mut harness, "step", json!({"step": "b", "to": "Running"}), "STEP_NOT_READY");
            harness
        };
        let mut harness = ready();
        accept(&mut harness, "evaluate", json!({"step": "b", "result": true}));
        exit(&mut harness, "b", 0);
        assert_eq!(run_phase(&harness).0, "Succeeded", "{step}");
        let mut harness = ready();
        accept(&mut harness, "evaluate", json!({"step": "b", "result": false, "message": "t is not X"}));
        assert_eq!((phase(&harness, "b"), message(&harness, "b").as_str()), (json!("Failed"), "t is not X"));
    }
}

#[test]
fn an_if_and_then_arguments_are_asked_one_after_the_other() {
    // S-31.
    let step = json!({"name": "a", "needs": ["z"], "if": "{{ f(x) }}", "requires": ["steps.z.output | x"]});
    let mut harness = started(json!({"steps": [{"name": "z"}, step]}));
    exit(&mut harness, "z", 0);
    held(&harness, "a", "Pending", "`if` waits for an answer: ");
    accept(&mut harness, "evaluate", json!({"step": "a", "result": true}));
    held(&harness, "a", "Pending", "`requires` waits for an answer: ");
    accept(&mut harness, "tick", json!({}));
    held(&harness, "a", "Pending", "`requires` waits for an answer: ");
    accept(&mut harness, "evaluate", json!({"step": "a", "result": true}));
    exit(&mut harness, "a", 0);
    assert_eq!(run_phase(&harness).0, "Succeeded");
}

#[test]
fn an_output_that_cannot_be_evaluated_holds_the_run_until_it_is_given() {
    // S-20.
    for foreign in FOREIGN.into_iter().filter(|foreign| foreign.contains("{{")) {
        let story = json!({"steps": plain(&["a"]), "output": {"t": foreign}, "outputsSchema": {"required": ["t"]}});
        let ready = || {
            let mut harness = started(story.clone());
            reject(&mut harness, "evaluate", json!({"step": "$output", "result": true}), "STEP_NOT_READY");
            exit(&mut harness, "a", 0);
            let found = status(&harness);
            assert_eq!(run_phase(&harness), ("Running".to_owned(), "OutputAwaited".to_owned()), "{foreign}");
            assert!(found["message"].as_str().unwrap().starts_with("`output` waits for an answer: "), "{found}");
            // Nothing more happens until it is answered.
            let events = harness.log.len();
            accept(&mut harness, "tick", json!({}));
            assert_eq!(harness.log.len(), events);
            harness
        };
        for (result, expected, output) in [
            (json!({"t": 1}), ("Succeeded", "Completed"), json!({"t": 1})),
            (json!(true), ("Succeeded", "Completed"), Value::Null),
            (json!({"x": 1}), ("Failed", "OutputSchemaFailed"), Value::Null),
            (json!(false), ("Failed", "OutputResolutionFailed"), Value::Null),
        ] {
            let mut harness = ready();
            accept(&mut harness, "evaluate", json!({"step": "$output", "result": result}));
            let (run, reason) = run_phase(&harness);
            assert_eq!((run.as_str(), reason.as_str()), expected, "{result}");
            assert_eq!(status(&harness)["output"], output);
        }
        let mut harness = ready();
        accept(&mut harness, "cancel", json!({}));
        assert_eq!(run_phase(&harness).0, "Finished");
    }
}

#[test]
fn what_can_be_evaluated_and_has_no_value_fails_as_before() {
    // S-42, S-43.
    let missing = "{{ .nonexistent.deep.path }}";
    let mut harness = started(json!({"steps": [{"name": "a", "postExecution": {"condition": missing}}]}));
    exit(&mut harness, "a", 0);
    assert!(message(&harness, "a").contains("post-execution condition evaluation error"), "{}", message(&harness, "a"));
    let mut harness = started(json!({"steps": plain(&["a"]), "output": {"x": missing}}));
    exit(&mut harness, "a", 0);
    assert_eq!(run_phase(&harness), ("Failed".to_owned(), "OutputResolutionFailed".to_owned()));
}

#[test]
fn every_spelling_of_a_reference_makes_a_dependency() {
    // S-12.
    for reference in [
        "{{ .steps.fetch_feed.output.ok }}",
        "{{ steps['fetch-feed'].output.ok }}",
        "{{ (index .steps \"fetch-feed\").output.ok }}",
        "{{ (index steps \"fetch-feed\").output.ok | toJson }}",
    ] {
        for step in [json!({"if": reference}), json!({"with": {"t": reference}})] {
            let mut step = step;
            step["name"] = "use".into();
            let mut harness = created(json!({"steps": [{"name": "fetch-feed"}, step]}));
            accept(&mut harness, "start", json!({}));
            assert_eq!(phase(&harness, "use"), Value::Null, "{step}");
        }
    }
    // What is quoted refers to nothing.
    let harness = started(json!({"steps": [{"name": "a", "with": {"t": "{{ eq inputs.x \"steps.gone\" }}"}}]}));
    assert_eq!((run_phase(&harness).0.as_str(), phase(&harness, "a")), ("Running", json!("Pending")));
}
