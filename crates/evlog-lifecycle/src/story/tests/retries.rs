//! Attempts: how they end, whether another follows, and when.

use super::{RUN, accept, created, exit, phase, reject, run_phase, started, status, wait};
use crate::story::duration;
use crate::story::retry::{Backoff, DEFAULT, ExitClass, Given, Policy, chosen, classify, draw};
use evlog_format::limits::TIME_MAX_NS;
use serde_json::{Value, json};

fn policy(given: &Value) -> Policy {
    Given::read(given, "").expect("a policy").resolve(DEFAULT)
}

const MS: i64 = 1_000_000;

#[test]
fn waits_grow_as_the_policy_says() {
    // S-23: the tested and derived rows of story.md 3.2.
    let table: [(Value, &[i64]); 9] = [
        (json!({"delay": "1s", "backoff": "exponential"}), &[1000, 2000, 4000]),
        (json!({"delay": "1s", "backoff": "linear"}), &[1000, 2000, 3000]),
        (json!({"delay": "1s", "backoff": "constant"}), &[1000, 1000, 1000]),
        (json!({"delay": "1s", "maxDelay": "1500ms"}), &[1000, 1500, 1500]),
        (json!({"delay": "1s", "maxDelay": "5s"}), &[1000, 2000, 4000, 5000, 5000]),
        (json!({"delay": "1ms"}), &[10, 10, 10, 10, 16]),
        (json!({"delay": "nonsense", "maxDelay": "-1s", "backoff": "linear"}), &[1000, 2000]),
        (json!({"delay": "1s", "maxDelay": "1ms"}), &[10, 10]),
        (json!({}), &[1000, 2000]),
    ];
    for (given, expected) in table {
        let policy = policy(&given);
        for (number, milliseconds) in (1..).zip(expected) {
            assert_eq!(policy.delay_ns(number, u64::MAX), milliseconds * MS, "{given} retry {number}");
        }
        assert_eq!(policy.delay_ns(0, 0), policy.delay_ns(1, 0), "numbers begin with one");
    }
    let huge = policy(&json!({"delay": "100000h", "jitter": 100}));
    assert_eq!(huge.delay_ns(u32::MAX, u64::MAX), i64::MAX, "it saturates");
}

#[test]
fn jitter_only_lengthens_and_stays_below_its_bound() {
    // S-23.
    let half = policy(&json!({"delay": "2s", "jitter": 50, "backoff": "constant"}));
    assert_eq!(half.delay_ns(1, 0), 2000 * MS);
    assert_eq!(half.delay_ns(1, 1 << 63), 2500 * MS);
    assert!((2999 * MS..3000 * MS).contains(&half.delay_ns(1, u64::MAX)));
    let capped = policy(&json!({"delay": "2s", "jitter": 400, "maxDelay": "2100ms", "backoff": "constant"}));
    assert_eq!((capped.jitter, capped.delay_ns(1, u64::MAX)), (100, 2100 * MS));
    assert_eq!(draw("r", "s", 1, 7), draw("r", "s", 1, 7));
    let draws =
        [draw("r", "s", 1, 7), draw("r", "s", 2, 7), draw("r", "t", 1, 7), draw("rs", "", 1, 7), draw("r", "s", 1, 8)];
    assert!(draws.iter().enumerate().all(|(n, draw)| !draws[..n].contains(draw)), "no two are alike");
}

#[test]
fn the_policy_of_a_step_is_its_own_as_a_whole() {
    // S-22.
    let own = Given { max_retries: Some(2), ..Given::default() };
    let story = Given { max_retries: Some(7), delay: Some("9s".to_owned()), ..Given::default() };
    assert_eq!(chosen(Some(&own), Some(&story)), Some(&own));
    assert_eq!(chosen(None, Some(&story)), Some(&story));
    assert_eq!(chosen(None, None), None);
    let resolved = own.resolve(DEFAULT);
    assert_eq!((resolved.max_retries, resolved.delay_ns, resolved.backoff), (2, 1000 * MS, Backoff::Exponential));
    let story = json!({
        "steps": [
            {"name": "own", "execution": {"retry": {"maxRetries": 2}}}, {"name": "inherits"},
            {"name": "harms", "sideEffects": true},
            {"name": "harms-knowingly", "sideEffects": true, "execution": {"retry": {"maxRetries": 1}}},
        ],
        "finally": [{"name": "cleans", "sideEffects": true}],
        "policy": {"retries": {"stepRetryPolicy": {"maxRetries": 5}}},
    });
    let story = crate::story::definition::Definition::read(&story, "").expect("a story");
    let found: Vec<u32> = (0..5).map(|step| story.retry(step).max_retries).collect();
    assert_eq!(found, [2, 5, 0, 1, 5]);
    for refused in [json!({"maxRetries": 11}), json!({"backoff": "wild"}), json!({"delays": "1s"}), json!(3)] {
        assert!(Given::read(&refused, "/retry").is_err(), "{refused}");
    }
}

#[test]
fn exit_codes_have_classes() {
    // S-21: story.md 3.3.
    let table = [
        (-2, "terminal"),
        (-1, "unknown"),
        (0, "success"),
        (1, "terminal"),
        (2, "terminal"),
        (123, "terminal"),
        (124, "retry"),
        (125, "terminal"),
        (126, "terminal"),
        (127, "terminal"),
        (128, "retry"),
        (137, "retry"),
        (143, "retry"),
        (255, "retry"),
        (256, "terminal"),
        (428, "terminal"),
        (429, "rateLimited"),
        (430, "terminal"),
    ];
    for (code, class) in table {
        assert_eq!(classify(code).word(), class, "{code}");
    }
    let retryable = ExitClass::ALL.iter().filter(|class| class.is_retryable()).map(|class| class.word());
    assert_eq!(retryable.collect::<Vec<_>>(), ["retry", "rateLimited", "unknown"]);
}

fn one(retry: Value) -> Value {
    let mut story = json!({"steps": [{"name": "a", "execution": {}}]});
    story["steps"][0]["execution"]["retry"] = retry;
    story
}

#[test]
fn a_failed_attempt_is_followed_by_another_while_one_is_left() {
    // S-21, S-24, S-25: total executions are one more than the retries.
    let mut harness = started(one(json!({"maxRetries": 1, "delay": "10s", "backoff": "constant"})));
    accept(&mut harness, "step", json!({"step": "a", "to": "Running", "worker": "w-1"}));
    accept(&mut harness, "step", json!({"step": "a", "exit_code": -1, "message": "node lost"}));
    let waiting = status(&harness)["stepRuns"]["a"].clone();
    assert_eq!((&waiting["phase"], &waiting["conditions"][0]["reason"]), (&json!("Pending"), &json!("RetryScheduled")));
    assert_eq!((&waiting["retries"], &waiting["nextRetryAt"]), (&json!(1), &json!("2026-02-23T18:00:13Z")));
    assert_eq!((&waiting["exitClass"], &waiting["lastFailureMsg"]), (&json!("unknown"), &json!("node lost")));
    assert_eq!((&waiting["finishedAt"], &waiting["exitCode"]), (&Value::Null, &Value::Null));
    assert_eq!(harness.json(RUN, "run.json")["next_due_utc"], "2026-02-23T18:00:13.000Z");
    accept(&mut harness, "tick", json!({}));
    reject(&mut harness, "step", json!({"step": "a", "to": "Running"}), "RETRY_NOT_DUE");
    wait(&mut harness, 10);
    accept(&mut harness, "tick", json!({}));
    assert_eq!(status(&harness)["stepRuns"]["a"]["nextRetryAt"], Value::Null);
    accept(&mut harness, "step", json!({"step": "a", "to": "Running", "worker": "w-2"}));
    let running = status(&harness)["stepRuns"]["a"].clone();
    assert_eq!((&running["podName"], &running["exitClass"]), (&json!("w-2"), &Value::Null));
    assert_eq!((&running["lastFailureMsg"], &running["error"]), (&Value::Null, &Value::Null));
    exit(&mut harness, "a", 137);
    assert_eq!((phase(&harness, "a"), run_phase(&harness).1), (json!("Failed"), "DependencyFailed".to_owned()));
    assert_eq!(status(&harness)["stepRuns"]["a"]["error"]["exitCode"], 137);
}

#[test]
fn the_drawn_wait_is_recorded_and_never_drawn_again() {
    // S-23.
    let mut harness = started(one(json!({"maxRetries": 3, "delay": "100s", "jitter": 100})));
    exit(&mut harness, "a", 137);
    let recorded = harness.states[RUN].steps().get(0).next_retry_ns.expect("a time");
    let mut event: crate::story::payload::StepMoved = {
        let last = harness.log.last().expect("an event").clone();
        crate::story::payload::read(&last.fact()).expect("a table")
    };
    assert_eq!(event.next_retry_ns, Some(recorded));
    event.next_retry_ns = Some(recorded + 1);
    let last = harness.log.last_mut().expect("an event");
    last.payload = evlog_format::payload::encode(&event).expect("encodes");
    let replayed = super::replay::replayed(&harness).expect("another time folds as well: nothing is computed");
    assert_eq!(replayed.steps().get(0).next_retry_ns, Some(recorded + 1));
}

#[test]
fn the_end_of_an_attempt_is_judged_by_this_table() {
    // S-21: story.md 3.4. Report, retries that are left; phase, reason, class.
    let table = [
        (json!({"exit_code": 0}), 1, "Succeeded", "Completed", "success"),
        (json!({"exit_code": 1}), 1, "Failed", "ExecutionFailed", "terminal"),
        (json!({"exit_code": 137}), 1, "Pending", "RetryScheduled", "retry"),
        (json!({"exit_code": 137}), 0, "Failed", "ExecutionFailed", "retry"),
        (json!({"exit_code": 124}), 1, "Pending", "RetryScheduled", "retry"),
        (json!({"exit_code": 124}), 0, "Timeout", "TimedOut", "retry"),
        (json!({"exit_code": 429}), 1, "Pending", "RetryScheduled", "rateLimited"),
        (json!({"exit_code": 1, "exit_class": "retry"}), 1, "Pending", "RetryScheduled", "retry"),
        (json!({"exit_code": 137, "exit_class": "terminal"}), 1, "Failed", "ExecutionFailed", "terminal"),
        (json!({"exit_class": "success"}), 1, "Succeeded", "Completed", "success"),
        (json!({"to": "Failed"}), 1, "Failed", "ExecutionFailed", "terminal"),
        (json!({"to": "Failed", "exit_class": "retry"}), 1, "Pending", "RetryScheduled", "retry"),
        (json!({"to": "Timeout"}), 1, "Pending", "RetryScheduled", "retry"),
        (json!({"to": "Timeout"}), 0, "Timeout", "TimedOut", "retry"),
        (
            json!({"to": "Failed", "reason": "InputSchemaFailed", "exit_code": 137}),
            1,
            "Failed",
            "InputSchemaFailed",
            "terminal",
        ),
        (json!({"to": "Pending", "reason": "RetryScheduled"}), 1, "Pending", "RetryScheduled", "retry"),
    ];
    for (report, left, expected, reason, class) in table {
        let mut harness = started(one(json!({"maxRetries": left})));
        accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
        let mut members = report.clone();
        members["step"] = "a".into();
        accept(&mut harness, "step", members);
        let run = &status(&harness)["stepRuns"]["a"];
        let found = [&run["phase"], &run["conditions"][0]["reason"], &run["exitClass"]];
        assert_eq!(found, [&json!(expected), &json!(reason), &json!(class)], "{report} with {left}");
    }
    let error = |flag: bool| json!({"version": "v1", "type": "execution_error", "message": "m", "retryable": flag});
    for (flag, expected) in [(true, "Pending"), (false, "Failed")] {
        let mut harness = started(one(json!({"maxRetries": 1})));
        accept(&mut harness, "step", json!({"step": "a", "to": "Failed", "error": error(flag)}));
        assert_eq!(phase(&harness, "a"), expected, "retryable {flag}");
    }
}

#[test]
fn an_attempt_that_takes_too_long_times_out_by_the_clock() {
    // S-26: the step's own, else the story's, else half an hour; each attempt separately.
    let table = [
        (json!({"timeout": "20s", "retry": {"maxRetries": 1, "delay": "1s"}}), json!({"timeouts": {"step": "5s"}}), 20),
        (json!({"timeout": "", "retry": {"maxRetries": 1, "delay": "1s"}}), json!({"timeouts": {"step": "5s"}}), 5),
        (json!({"retry": {"maxRetries": 1, "delay": "1s"}}), json!({"timeouts": {"step": ""}}), 1800),
    ];
    for (execution, policy, limit) in table {
        let mut harness = started(json!({"steps": [{"name": "a", "execution": execution}], "policy": policy}));
        for expected in ["Pending", "Timeout"] {
            wait(&mut harness, 30);
            accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
            wait(&mut harness, limit - 2);
            accept(&mut harness, "tick", json!({}));
            assert_eq!(phase(&harness, "a"), "Running", "a second before {limit}");
            accept(&mut harness, "tick", json!({}));
            assert_eq!(phase(&harness, "a"), expected, "exactly at {limit}");
        }
        let run = &status(&harness)["stepRuns"]["a"];
        assert_eq!((&run["exitCode"], &run["error"]["type"]), (&json!(124), &json!("timeout")));
    }
}

#[test]
fn durations_are_read_and_written_as_the_source_does() {
    // S-09, S-26.
    let table = [
        ("1s", Some(1000 * MS)),
        ("1500ms", Some(1500 * MS)),
        ("1h30m", Some(5400 * 1000 * MS)),
        ("1.5s", Some(1500 * MS)),
        ("-1s", Some(-1000 * MS)),
        ("0", Some(0)),
        (".5m", Some(30_000 * MS)),
        ("10us", Some(10_000)),
        ("1", None),
        ("", None),
        ("s", None),
        ("1 s", None),
        ("1x", None),
        ("-", None),
        ("9999999h", None),
        ("1m-1s", None),
    ];
    for (text, expected) in table {
        assert_eq!(duration::parse(text), expected, "{text}");
        assert_eq!(duration::parse_positive(text), expected.filter(|found| *found > 0), "{text}");
    }
    for (ms, expected) in
        [(0, "0s"), (499, "0s"), (500, "1s"), (45_000, "45s"), (95_000, "1m35s"), (7_200_000, "2h0m0s"), (-5, "0s")]
    {
        assert_eq!(duration::elapsed(0, i128::from(ms * MS)), expected, "{ms}");
    }
}

#[test]
fn a_run_of_the_last_second_of_9999_has_deadlines_that_are_no_later() {
    // F-50.
    const LAST: &str = "9999-12-31T23:59:59.999Z";
    assert_eq!(duration::after(TIME_MAX_NS, i64::MAX), TIME_MAX_NS);
    assert_eq!(duration::after(-9, -9), 0);
    let mut harness = created(json!({"steps": [{"name": "a"}]}));
    harness.time_ns = TIME_MAX_NS - 3_000_000_000;
    accept(&mut harness, "start", json!({}));
    accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
    let run = harness.json(RUN, "run.json");
    assert_eq!(run["started_at_utc"], "9999-12-31T23:59:56.999Z");
    assert_eq!(run["next_due_utc"], LAST, "{run}");
    harness.time_ns = TIME_MAX_NS;
    exit(&mut harness, "a", 0);
    assert_eq!(harness.json(RUN, "run.json")["completed_at_utc"], LAST);
}

#[test]
fn an_end_without_a_message_gets_one_and_the_same_report_again_changes_nothing() {
    // S-07, S-44.
    let story = json!({"steps": super::plain(&["a", "b", "c", "d"]), "policy": {"timeouts": {"step": "5s"},
        "retries": {"continueOnStepFailure": true}}});
    let mut harness = started(story);
    let reports = [
        (json!({"step": "a", "exit_code": 3}), "The attempt ended with exit code 3 (class terminal)"),
        (json!({"step": "b", "to": "Timeout"}), "The attempt ran out of time"),
        (json!({"step": "c", "exit_class": "terminal"}), "The attempt failed (class terminal)"),
    ];
    accept(&mut harness, "step", json!({"step": "b", "to": "Running"}));
    for (report, message) in reports {
        accept(&mut harness, "step", report.clone());
        let name = report["step"].as_str().unwrap_or_default();
        assert_eq!(status(&harness)["stepStates"][name]["message"], message);
        assert!(accept(&mut harness, "step", report.clone()).kinds.is_empty(), "{name}: again");
    }
    assert!(accept(&mut harness, "step", json!({"step": "a", "to": "Failed"})).kinds.is_empty());
    reject(&mut harness, "step", json!({"step": "a", "exit_code": 4}), "ALREADY_TERMINAL");
}
