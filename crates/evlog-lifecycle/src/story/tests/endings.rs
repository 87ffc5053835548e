//! How runs end: the worked outcomes of story.md 4.3, and the precedence behind them.

use super::{Phase, Story, accept, exit, phase, plain, run_phase, started, status, wait};
use crate::story::definition::{Definition, Group, Pattern};
use crate::story::derive::{Bucket, Stage, Tally, bucket, ending, stage};
use crate::testing::Harness;
use serde_json::{Value, json};

/// A group of steps by letters: S succeeds, F fails, A fails and may, K is skipped by its `if`, T times out, X is aborted.
fn group(prefix: &str, letters: &str) -> Value {
    let step = |(number, letter): (usize, char)| {
        let mut step = json!({"name": format!("{prefix}{number}"), "execution": {"retry": {"maxRetries": 0}}});
        match letter {
            'A' => step["allowFailure"] = true.into(),
            'K' => step["if"] = "false".into(),
            _ => {}
        }
        step
    };
    letters.chars().enumerate().map(step).collect()
}

/// Reports on every step that waits for a report, as the letters say, until none does.
fn drive(harness: &mut Harness<Story>, groups: [(&str, &str); 3]) {
    loop {
        let status = status(harness);
        let waiting = |name: &str| status["stepStates"][name]["phase"] == "Pending";
        let named = groups.iter().flat_map(|(prefix, letters)| {
            letters.chars().enumerate().map(move |(number, letter)| (format!("{prefix}{number}"), letter))
        });
        let Some((name, letter)) = named.into_iter().find(|(name, _)| waiting(name)) else { return };
        let report = match letter {
            'T' => json!({"step": name, "exit_code": 124}),
            'X' => json!({"step": name, "to": "Aborted"}),
            'S' => json!({"step": name, "exit_code": 0}),
            _ => json!({"step": name, "exit_code": 1, "message": format!("{name} broke")}),
        };
        accept(harness, "step", report);
    }
}

/// Main, compensations, finally; phase, reason, allowed failures.
type Outcome<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, &'a [&'a str]);

#[test]
fn the_worked_outcomes_come_out() {
    // S-17, S-18, S-19.
    let table: [Outcome<'_>; 19] = [
        ("S", "", "", "Succeeded", "Completed", &[]),
        ("SA", "", "", "Succeeded", "Completed", &["m1"]),
        ("A", "S", "", "Succeeded", "Completed", &["m0"]),
        ("KK", "", "", "Succeeded", "Completed", &[]),
        ("FK", "", "", "Failed", "DependencyFailed", &[]),
        ("FA", "", "", "Failed", "DependencyFailed", &["m1"]),
        ("F", "S", "", "Compensated", "Compensated", &[]),
        ("F", "K", "", "Compensated", "Compensated", &[]),
        ("F", "A", "", "Compensated", "Compensated", &["c0"]),
        ("F", "F", "", "Failed", "CompensationFailed", &[]),
        ("F", "S", "F", "Failed", "CleanupFailed", &[]),
        ("F", "F", "F", "Failed", "CleanupFailed", &[]),
        ("S", "S", "F", "Failed", "CleanupFailed", &[]),
        ("S", "", "A", "Succeeded", "Completed", &["f0"]),
        ("F", "", "S", "Failed", "DependencyFailed", &[]),
        ("T", "", "", "Failed", "DependencyFailed", &[]),
        ("X", "", "", "Failed", "DependencyFailed", &[]),
        ("FS", "", "", "Failed", "DependencyFailed", &[]),
        ("", "", "", "Succeeded", "Completed", &[]),
    ];
    for (main, compensations, finally, expected, reason, allowed) in table {
        let shown = format!("{main}|{compensations}|{finally}");
        let story = json!({
            "steps": group("m", main), "compensations": group("c", compensations), "finally": group("f", finally),
        });
        let mut harness = started(story);
        drive(&mut harness, [("m", main), ("c", compensations), ("f", finally)]);
        assert_eq!(run_phase(&harness), (expected.to_owned(), reason.to_owned()), "{shown}");
        let status = status(&harness);
        let found = status["allowedFailures"].as_array().cloned().unwrap_or_default();
        assert_eq!(found, allowed.iter().map(|name| json!(name)).collect::<Vec<_>>(), "{shown}");
        let ended = status["stepStates"].as_object().cloned().unwrap_or_default();
        let total = main.len() + compensations.len() + finally.len();
        assert_eq!(ended.len(), total, "{shown}: every step has ended");
        // S-44: an error says what failed, and only in a run that did.
        let failed = status["error"]["failedSteps"].as_array().cloned().unwrap_or_default();
        assert_eq!(status["error"].is_null(), expected == "Succeeded", "{shown}");
        assert_eq!(failed.is_empty(), expected == "Succeeded", "{shown}");
        assert_eq!(status["error"]["type"].as_str().unwrap_or(reason), reason, "{shown}");
    }
}

#[test]
fn compensations_are_skipped_when_there_is_nothing_to_undo() {
    // S-18.
    let mut harness = started(json!({"steps": group("m", "S"), "compensations": group("c", "SS")}));
    exit(&mut harness, "m0", 0);
    assert_eq!(status(&harness)["stepStates"]["c1"]["message"], "Skipped because story succeeded");
    assert_eq!(status(&harness)["stepsSkipped"], 2);
}

#[test]
fn the_story_clock_beats_what_ends_in_the_same_moment() {
    // S-27 and the last row of 4.3.
    let story = json!({
        "steps": [{"name": "m0", "execution": {"timeout": "59s", "retry": {"maxRetries": 0}}}],
        "compensations": group("c", "S"), "finally": group("f", "S"), "policy": {"timeouts": {"story": "60s"}},
    });
    let mut harness = started(story);
    accept(&mut harness, "step", json!({"step": "m0", "to": "Running"}));
    wait(&mut harness, 57);
    accept(&mut harness, "tick", json!({}));
    assert_eq!(run_phase(&harness).0, "Running", "a second before the limit");
    accept(&mut harness, "tick", json!({}));
    assert_eq!(run_phase(&harness), ("Timeout".to_owned(), "TimedOut".to_owned()));
    let phases = ["m0", "c0", "f0"].map(|name| phase(&harness, name));
    assert_eq!(phases, ["Aborted", "Skipped", "Skipped"].map(Value::from));
    let error = json!({"type": "TimedOut", "message": "StoryRun exceeded timeout of 1m0s."});
    assert_eq!(status(&harness)["error"], error);
}

#[test]
fn buckets_are_these() {
    // S-17.
    for phase in Phase::ALL {
        let expected = match phase {
            Phase::Succeeded | Phase::Skipped => [Bucket::Completed; 2],
            Phase::Pending | Phase::Running | Phase::Paused => [Bucket::Running; 2],
            Phase::Blocked | Phase::Scheduling => [Bucket::Neither; 2],
            _ => [Bucket::Failed, Bucket::Completed],
        };
        let found = [false, true].map(|allowed| bucket(Some(phase), false, allowed));
        assert_eq!(found, expected, "{phase}");
    }
    assert_eq!(bucket(None, false, true), Bucket::Neither);
    assert_eq!(bucket(Some(Phase::Pending), true, false), Bucket::Neither, "it waits for its turn");
}

#[test]
fn stages_follow_from_the_tallies() {
    // S-18: the rows of story.md 3.12.
    let story = |compensations: usize, finally: usize| {
        let names = |prefix: &str, count: usize| -> Value {
            (0..count).map(|number| json!({"name": format!("{prefix}{number}")})).collect()
        };
        let story = json!({
            "steps": names("m", 1), "compensations": names("c", compensations), "finally": names("f", finally),
        });
        Definition::read(&story, "").expect("a story")
    };
    let tally = |done: u32, failed: u32| Tally { done, failed };
    let none = Tally::default();
    let table = [
        (1, 1, [none, none, none], Stage::Of(Group::Main)),
        (1, 1, [tally(1, 1), none, none], Stage::Of(Group::Compensations)),
        (1, 1, [tally(1, 0), none, none], Stage::Of(Group::Finally)),
        (1, 1, [tally(1, 1), tally(1, 0), none], Stage::Of(Group::Finally)),
        (1, 1, [tally(1, 1), tally(1, 0), tally(1, 0)], Stage::Done),
        (1, 0, [tally(1, 1), tally(1, 1), none], Stage::Done),
        (0, 0, [tally(1, 1), none, none], Stage::Done),
    ];
    for (compensations, finally, tallies, expected) in table {
        assert_eq!(stage(&story(compensations, finally), &tallies), expected, "{tallies:?}");
    }
    let none_named = |_: Group| String::new();
    let masked = ending(&story(1, 1), &[tally(1, 1), tally(1, 1), tally(1, 1)], &none_named);
    assert_eq!((masked.reason, masked.failures_of), ("CleanupFailed", Some(Group::Finally)));
    assert_eq!(story(0, 0).pattern, Pattern::Batch);
}

#[test]
fn counters_count_the_declared_steps() {
    // S-45.
    let story = json!({"steps": [
        {"name": "a"}, {"name": "b", "allowFailure": true}, {"name": "c", "allowFailure": true},
        {"name": "d", "if": "false"}, {"name": "e", "type": "gate"},
    ]});
    let mut harness = started(story);
    exit(&mut harness, "a", 0);
    exit(&mut harness, "b", 1);
    accept(&mut harness, "step", json!({"step": "c", "to": "Aborted"}));
    let status = status(&harness);
    let counters = ["stepsTotal", "stepsComplete", "stepsFailed", "stepsSkipped"].map(|name| status[name].clone());
    assert_eq!(counters, [5, 1, 2, 1].map(Value::from));
    assert_eq!((&status["active"], &status["completed"]), (&json!(["e"]), &json!(["a"])));
    assert_eq!(status["allowedFailures"], json!(["b", "c"]));
}

#[test]
fn what_a_run_is_counted_by_elsewhere_stands_in_order() {
    // S-49.
    let mut harness = super::harness();
    let create = json!({"run": super::RUN, "do": "create", "impulse": "nightly", "story": {"steps": group("m", "S")}});
    harness.accept(create);
    accept(&mut harness, "start", json!({}));
    assert_eq!(status(&harness)["triggerTokens"], json!(["story", "impulse"]));
    exit(&mut harness, "m0", 0);
    assert_eq!(status(&harness)["triggerTokens"], json!(["story", "impulse", "impulse-success"]));
}

#[test]
fn an_output_of_the_maximum_length_is_kept() {
    // S-20: longer ones are dropped, and only they.
    let story = json!({"steps": plain(&["a"]), "output": "{{ steps.a.output }}"});
    let mut harness = started(story);
    let longest = "x".repeat(1024 * 1024 - 2);
    accept(&mut harness, "step", json!({"step": "a", "exit_code": 0, "output": longest}));
    let status = status(&harness);
    assert_eq!(status["output"].as_str().map(str::len), Some(longest.len()));
    assert_eq!(status["conditions"][2]["status"], "False");
}
