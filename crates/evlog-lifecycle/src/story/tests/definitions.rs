//! Stories: their shape, and what admission refuses.

use crate::story::definition::{Definition, STEPS_MAX, check};
use serde_json::{Value, json};

fn admitted(story: &Value) -> Result<(), String> {
    check(&Definition::read(story, "/story").map_err(|error| error.to_string())?)
}

#[test]
fn admission_refuses_with_a_reason() {
    // S-10.
    let step = |more: Value| {
        let mut step = json!({"name": "x"});
        step.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({"steps": [step]})
    };
    let requires = |path: &str, needs: &[&str]| json!({"steps": [{"name": "fetch"}, {"name": "p", "needs": needs, "requires": [path]}]});
    let table = [
        (json!({"steps": [{"name": "a"}], "finally": [{"name": "a"}]}), "duplicate step name"),
        (json!({"steps": [{"name": "a", "needs": ["a"]}]}), "cannot depend on itself"),
        (json!({"steps": [{"name": "a", "needs": ["b"]}, {"name": "b", "needs": ["a"]}]}), "dependency cycle"),
        (json!({"steps": [{"name": "a", "needs": ["z"]}]}), "unknown step"),
        (json!({"steps": [{"name": "a", "needs": ["u"]}], "compensations": [{"name": "u"}]}), "unknown step"),
        (requires("steps.nonexistent.output.body", &[]), "unknown step"),
        (requires("steps.fetch.output.body", &[]), "not upstream"),
        (requires("invalid-path", &[]), "must start with 'steps.'"),
        (requires("steps.fetch", &["fetch"]), "at least 3 segments"),
        (step(json!({"type": "wait", "with": {}})), "with.until"),
        (step(json!({"type": "wait", "with": {"until": "x", "timeout": "-1s"}})), "invalid wait timeout"),
        (step(json!({"type": "gate", "with": {"onTimeout": "hold"}})), "invalid gate onTimeout"),
        (step(json!({"type": "gate", "with": {"timeout": 3}})), "invalid gate timeout"),
        (step(json!({"type": "sleep", "with": {"duration": "long"}})), "invalid sleep duration"),
        (step(json!({"type": "stop", "with": {"outcome": "maybe"}})), "invalid stop outcome"),
        (step(json!({"execution": {"timeout": "1 hour"}})), "step `x`: invalid `execution.timeout`"),
        (step(json!({"execution": {"timeout": "0s"}})), "step `x`: invalid `execution.timeout`"),
        (step(json!({"execution": {"timeout": "99999999h"}})), "step `x`: invalid `execution.timeout`"),
        (json!({"policy": {"timeouts": {"step": "soon"}}}), "invalid `policy.timeouts.step`"),
        (json!({"policy": {"timeouts": {"step": "-1s"}}}), "invalid `policy.timeouts.step`"),
        (
            json!({"policy": {"timeouts": {"gracefulShutdownTimeout": "30"}}}),
            "invalid `policy.timeouts.gracefulShutdownTimeout`",
        ),
        (json!({"pattern": "realtime", "steps": [{"name": "g", "type": "gate"}]}), "only supported for batch"),
        (
            json!({"pattern": "realtime", "steps": [{"name": "w", "type": "wait", "with": {"until": "x"}}]}),
            "only supported for batch",
        ),
    ];
    for (story, words) in table {
        let message = admitted(&story).expect_err("refused");
        assert!(message.contains(words), "{story}: {message}");
    }
    let accepted = [
        json!({}),
        requires("steps.fetch.output.body", &["fetch"]),
        json!({"steps": [{"name": "a"}, {"name": "b", "needs": ["a"]}, {"name": "c", "needs": ["b"], "requires": ["steps.a.output.body"]}]}),
        json!({"steps": [{"name": "a"}], "finally": [{"name": "f", "requires": ["steps.a.output.x"]}]}),
        json!({"pattern": "realtime", "steps": [{"name": "p"}], "compensations": [{"name": "r"}], "finally": [{"name": "n"}]}),
        json!({"steps": [{"name": "fetch-feed"}, {"name": "b", "needs": ["fetch_feed"]}]}),
        step(json!({"execution": {"timeout": ""}})),
        // The source ignores these: S-27 and S-22.
        json!({"policy": {"timeouts": {"story": "soon", "step": " ", "gracefulShutdownTimeout": "0s"}}}),
        step(json!({"execution": {"retry": {"delay": "soon", "maxDelay": "never"}}})),
    ];
    for story in accepted {
        assert_eq!(admitted(&story), Ok(()), "{story}");
    }
}

#[test]
fn a_story_of_another_shape_is_malformed_with_a_pointer() {
    // S-10.
    let table = [
        (json!([]), "/story"),
        (json!({"step": []}), "/story/step"),
        (json!({"steps": {}}), "/story/steps"),
        (json!({"steps": [{"name": "a"}, {"need": []}]}), "/story/steps/1"),
        (json!({"steps": [{"name": "a", "need": []}]}), "/story/steps/0/need"),
        (json!({"steps": [{"name": "a.b"}]}), "/story/steps/0/name"),
        (json!({"steps": [{"name": "a", "needs": [1]}]}), "/story/steps/0/needs/0"),
        (json!({"steps": [{"name": "a", "type": "fork"}]}), "/story/steps/0/type"),
        (json!({"steps": [{"name": "a", "allowFailure": "yes"}]}), "/story/steps/0/allowFailure"),
        (json!({"steps": [{"name": "a", "if": 3}]}), "/story/steps/0/if"),
        (json!({"steps": [{"name": "a", "execution": {"retries": 1}}]}), "/story/steps/0/execution/retries"),
        (
            json!({"steps": [{"name": "a", "execution": {"retry": {"maxRetries": 11}}}]}),
            "/story/steps/0/execution/retry/maxRetries",
        ),
        (json!({"policy": {"timeouts": {"total": "1h"}}}), "/story/policy/timeouts/total"),
        (
            json!({"policy": {"retries": {"stepRetryPolicy": {"delays": "1h"}}}}),
            "/story/policy/retries/stepRetryPolicy/delays",
        ),
        (json!({"policy": {"concurrency": -1}}), "/story/policy/concurrency"),
        (json!({"pattern": "stream"}), "/story/pattern"),
        (json!({"steps": vec![json!({"name": "a"}); STEPS_MAX + 1]}), "/story/steps"),
    ];
    for (story, pointer) in table {
        let error = Definition::read(&story, "/story").expect_err("malformed");
        assert_eq!(error.pointer, pointer, "{}", error.message);
    }
}
