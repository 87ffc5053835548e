//! Inputs, outputs and arguments: schemas, requirements, conditions after execution, templates.

use super::{RUN, Story, accept, created, exit, harness, phase, play, run_phase, started, status};
use crate::story::schema::with_defaults;
use crate::testing::Harness;
use evlog_projection::Outcome;
use serde_json::{Value, json};

fn needs_foo() -> Value {
    json!({"type": "object", "properties": {"foo": {"type": "string"}}, "required": ["foo"]})
}

fn begun(story: Value, inputs: Value) -> Harness<Story> {
    let mut harness = harness();
    let mut create = json!({"run": RUN, "do": "create"});
    (create["story"], create["inputs"]) = (story, inputs);
    harness.accept(create);
    accept(&mut harness, "start", json!({}));
    harness
}

#[test]
fn a_run_whose_guards_fail_never_runs() {
    // S-11, S-36, S-41: rows 1, 3 and 4 of story.md 4.2, in that order.
    let long = "x".repeat(6000);
    let cyclic = json!([{"name": "a", "if": "{{ steps.b.output.x }}"}, {"name": "b", "if": "{{ steps.a.output.x }}"}]);
    let table = [
        (json!({"steps": cyclic, "inputsSchema": needs_foo()}), json!({"foo": long}), "InputTooLarge", "5120"),
        (json!({"steps": cyclic, "inputsSchema": needs_foo()}), json!({"foo": 1}), "InputSchemaFailed", "schema"),
        (
            json!({"steps": cyclic, "inputsSchema": needs_foo()}),
            json!({"foo": "x"}),
            "InvalidConfiguration",
            "dependency cycle detected",
        ),
        (
            json!({"steps": [{"name": "a", "if": "{{ steps.z.output }}"}]}),
            json!({}),
            "InvalidConfiguration",
            "unknown step dependencies",
        ),
    ];
    for (story, inputs, reason, words) in table {
        let harness = begun(story, inputs);
        assert_eq!(run_phase(&harness), ("Failed".to_owned(), reason.to_owned()));
        let status = status(&harness);
        assert!(status["message"].as_str().expect("words").contains(words), "{status}");
        assert_eq!((&status["attempts"], &status["error"]["type"]), (&json!(0), &json!(reason)));
        assert_eq!(phase(&harness, "a"), "Skipped");
    }
    let policy = json!({"steps": [], "policy": {"maxInlineInputsBytes": 7000}});
    assert_eq!(run_phase(&begun(policy, json!({"foo": "x".repeat(6000)}))).0, "Succeeded");
}

#[test]
fn outputs_of_steps_are_checked_before_they_count() {
    // S-41, S-43: never tried again.
    let step = |more: Value| {
        let mut step = json!({"name": "a", "execution": {"retry": {"maxRetries": 3}}});
        step.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({"steps": [step]})
    };
    let post =
        |message: &str| json!({"postExecution": {"condition": "{{ output.ok == true }}", "failureMessage": message}});
    let table = [
        (json!({"outputSchema": needs_foo()}), json!({"foo": 123}), Some(("OutputSchemaFailed", "schema"))),
        (json!({"outputSchema": needs_foo()}), json!(null), Some(("OutputSchemaFailed", "schema"))),
        (json!({"outputSchema": needs_foo()}), json!({"foo": "x"}), None),
        (post(""), json!({"ok": true}), None),
        (post(""), json!({"ok": false}), Some(("ExpressionFailed", "post-execution condition evaluated to false"))),
        (post("not delivered"), json!({"ok": false}), Some(("ExpressionFailed", "not delivered"))),
        (post(""), json!({}), Some(("ExpressionFailed", "post-execution condition evaluation error"))),
    ];
    for (more, output, failure) in table {
        let mut harness = started(step(more.clone()));
        accept(&mut harness, "step", json!({"step": "a", "exit_code": 0, "output": output}));
        let run = &status(&harness)["stepRuns"]["a"];
        let (reason, words) = failure.unwrap_or(("Completed", ""));
        assert_eq!(run["conditions"][0]["reason"], reason, "{more} {output}");
        if failure.is_some() {
            let message = run["lastFailureMsg"].as_str().expect("words");
            assert!(message.contains(words), "{message}");
            assert_eq!((&run["phase"], &run["exitClass"]), (&json!("Failed"), &json!("terminal")));
        }
    }
}

#[test]
fn a_step_without_what_it_requires_fails() {
    // S-42.
    let story = json!({"steps": [{"name": "fetch"}, {"name": "use", "needs": ["fetch"], "requires": ["steps.fetch.output.body"]}]});
    for (output, expected) in
        [(json!({"body": "x"}), "Pending"), (json!({}), "Failed"), (json!({"body": null}), "Failed")]
    {
        let mut harness = started(story.clone());
        accept(&mut harness, "step", json!({"step": "fetch", "exit_code": 0, "output": output}));
        assert_eq!(phase(&harness, "use"), expected, "{output}");
        if expected == "Failed" {
            let run = &status(&harness)["stepRuns"]["use"];
            assert_eq!(
                (&run["conditions"][0]["reason"], &run["exitClass"]),
                (&json!("DependencyFailed"), &json!("terminal"))
            );
            assert!(
                run["lastFailureMsg"].as_str().expect("words").contains("required context `steps.fetch.output.body`")
            );
        }
    }
}

#[test]
fn arguments_are_checked_where_a_schema_says_so() {
    // S-41.
    let story = |with: Value| json!({"steps": [{"name": "a", "with": with, "inputSchema": needs_foo()}]});
    for (with, expected) in [
        (json!({"foo": "{{ inputs.foo }}"}), "Pending"),
        (json!({"foo": "{{ inputs.bar }}"}), "ExpressionFailed"),
        (json!({"foo": 3}), "InputSchemaFailed"),
    ] {
        let harness = begun(story(with.clone()), json!({"foo": "x"}));
        assert_eq!(status(&harness)["stepRuns"]["a"]["conditions"][0]["reason"], expected, "{with}");
    }
}

#[test]
fn the_output_of_a_story_is_put_together_and_checked_at_the_end() {
    // S-20, S-41.
    let story = |output: Value| json!({"steps": [{"name": "a"}], "output": output, "outputsSchema": needs_foo()});
    let table = [
        (json!({"foo": "{{ steps.a.output.x }}", "n": "got {{ steps.a.output.n }}"}), "Succeeded", "Completed"),
        (json!({"foo": "{{ steps.a.output.n }}"}), "Failed", "OutputSchemaFailed"),
        (json!({"foo": "{{ steps.a.output.none }}"}), "Failed", "OutputResolutionFailed"),
    ];
    for (output, expected, reason) in table {
        let mut harness = started(story(output.clone()));
        accept(&mut harness, "step", json!({"step": "a", "exit_code": 0, "output": {"x": "y", "n": 3}}));
        assert_eq!(run_phase(&harness), (expected.to_owned(), reason.to_owned()), "{output}");
        let status = status(&harness);
        assert_eq!(
            status["output"],
            if expected == "Succeeded" { json!({"foo": "y", "n": "got 3"}) } else { Value::Null }
        );
        assert_eq!(status["error"].is_null(), expected == "Succeeded");
    }
}

#[test]
fn an_output_that_is_too_long_is_dropped_and_degrades() {
    // S-20.
    let mut harness =
        started(json!({"steps": [{"name": "a"}], "output": ["{{ steps.a.output }}", "{{ steps.a.output }}"]}));
    accept(&mut harness, "step", json!({"step": "a", "exit_code": 0, "output": "x".repeat(600_000)}));
    let status = status(&harness);
    let degraded = &status["conditions"][2];
    assert_eq!((&status["phase"], &status["output"]), (&json!("Succeeded"), &Value::Null));
    assert_eq!((&degraded["status"], &degraded["reason"]), (&json!("True"), &json!("OutputResolutionFailed")));
    assert_eq!(status["conditions"][0]["status"], "True");
}

#[test]
fn schemas_that_cannot_be_used_are_refused_at_once() {
    // S-10, S-41.
    let refused = |contract: Story, story: Value| {
        let answered =
            Harness::new(contract).play(json!({"run": RUN, "do": "create", "story": story})).expect("a command");
        assert_eq!((answered.outcome, answered.code()), (Outcome::Refused, "STORY_INVALID"), "{story}");
    };
    let checked = Story::with_schemas(super::check);
    refused(checked, json!({"inputsSchema": "unusable"}));
    refused(checked, json!({"steps": [{"name": "a", "outputSchema": "unusable"}]}));
    refused(Story::default(), json!({"outputsSchema": {}}));
    let mut harness = harness();
    let list = json!({"run": RUN, "do": "create", "story": {}, "inputs": []});
    let malformed = harness.play(list).expect_err("malformed");
    assert_eq!((malformed.pointer.as_str(), malformed.message.contains("must be a JSON object")), ("/inputs", true));
}

#[test]
fn inputs_get_the_defaults_of_their_schema() {
    // S-11.
    let schema = json!({"properties": {
        "region": {"default": "us-east-1"}, "nested": {"properties": {"enabled": {"default": true}}}, "plain": {},
    }});
    let table = [
        (json!({}), json!({"region": "us-east-1", "nested": {"enabled": true}})),
        (json!({"region": "eu", "nested": {"x": 1}}), json!({"region": "eu", "nested": {"x": 1, "enabled": true}})),
    ];
    for (given, expected) in table {
        assert_eq!(with_defaults(Some(&schema), given), expected);
    }
    let story = json!({"inputsSchema": schema, "steps": [{"name": "a", "if": "{{ inputs.region == \"us-east-1\" }}"}]});
    assert_eq!(phase(&begun(story, json!({})), "a"), "Pending");
}

#[test]
fn a_kept_result_ends_a_step_without_an_attempt() {
    // S-05, guard d.
    let mut harness = created(json!({"steps": [{"name": "a"}, {"name": "b"}]}));
    accept(&mut harness, "start", json!({}));
    super::reject(&mut harness, "step", json!({"step": "a", "to": "Succeeded"}), "GUARD_UNMET");
    accept(&mut harness, "step", json!({"step": "a", "to": "Succeeded", "cached": true, "output": {"x": 1}}));
    accept(&mut harness, "step", json!({"step": "b", "exit_code": 0, "cached": true, "output": null}));
    let runs = &status(&harness)["stepRuns"];
    assert_eq!((&runs["a"]["phase"], &runs["a"]["exitCode"]), (&json!("Succeeded"), &Value::Null));
    assert_eq!((runs["a"]["lastOutputAt"].is_null(), runs["b"]["lastOutputAt"].is_null()), (false, true));
    assert_eq!(play(&mut harness, "tick", json!({})).outcome, Outcome::Accepted);
    let mut harness = started(json!({"steps": [{"name": "a"}]}));
    exit(&mut harness, "a", 0);
    assert_eq!(status(&harness)["stepRuns"]["a"]["exitCode"], 0);
}
