//! Any commands, legal or not: nothing panics, a terminal phase stays, each command is one commit, replay agrees at every
//! prefix, and the projection is a function of the prefix.

use super::{RUN, Story, check, plain};
use crate::story::State;
use crate::testing::{Harness, bundle};
use evlog_projection::{Contract, Outcome};
use proptest::prelude::*;
use serde_json::{Value, json};

const PHASES: [&str; 14] = [
    "Pending",
    "Running",
    "Paused",
    "Blocked",
    "Scheduling",
    "Succeeded",
    "Failed",
    "Timeout",
    "Canceled",
    "Finished",
    "Aborted",
    "Skipped",
    "Compensated",
    "Done",
];
const NAMES: [&str; 13] = ["a", "b", "c", "e", "g", "w", "s", "p", "x", "y", "u", "f", "zz"];
/// The run of the story that step `e` executes.
const CHILD: &str = "c-1";

/// Stories of every kind of step; names of the last group that are not there are unknown.
fn any_story() -> impl Strategy<Value = Value> {
    let needs = proptest::sample::subsequence(vec!["a", "b", "g"], 0..=3);
    (needs, any::<[bool; 6]>(), 0..3_u32, proptest::option::of(1..3_u64)).prop_map(|(needs, flags, retries, limit)| {
        let [go_on, allow, compensate, hold, realtime, fan] = flags;
        let mut steps = vec![
            json!({"name": "a", "execution": {"retry": {"maxRetries": retries, "jitter": 30}}}),
            json!({"name": "b", "needs": ["a"], "allowFailure": allow}),
            json!({"name": "c", "needs": needs.iter().filter(|name| **name != "g" || hold).collect::<Vec<_>>()}),
            json!({"name": "s", "type": "sleep", "with": {"duration": "3s"}}),
        ];
        if fan {
            let branches = json!([{"name": "x", "allowFailure": !allow}, {"name": "y", "needs": ["x"]}]);
            let needs = if go_on { vec!["a"] } else { vec![] };
            steps.push(json!({"name": "p", "type": "parallel", "needs": needs, "with": {"steps": branches}}));
            steps.push(json!({"name": "e", "type": "executeStory", "with": {"waitForCompletion": compensate}}));
        }
        if hold {
            steps.push(json!({"name": "g", "type": "gate", "with": {"timeout": "9s", "onTimeout": "skip"}}));
            steps.push(
                json!({"name": "w", "type": "wait", "with": {"until": "{{ steps.a.output.x == 1 }}", "timeout": "20s"}}),
            );
        }
        let compensations = if compensate { plain(&["u"]) } else { json!([]) };
        let pattern = if realtime && !hold { "realtime" } else { "batch" };
        json!({
            "pattern": pattern, "steps": steps, "compensations": compensations, "finally": plain(&["f"]),
            "policy": {
                "concurrency": limit, "timeouts": {"story": "90s", "step": "7s", "gracefulShutdownTimeout": "4s"},
                "retries": {"continueOnStepFailure": go_on},
            },
        })
    })
}

fn any_command() -> impl Strategy<Value = Value> {
    let name = || proptest::sample::select(&NAMES[..]);
    let phase = || proptest::sample::select(&PHASES[..]);
    let code = proptest::sample::select(&[0_i64, 0, 0, 1, 124, 137, 429, -1][..]);
    let ends = (name(), code, any::<bool>()).prop_map(|(step, code, output)| {
        let output = if output { json!({"x": 1}) } else { Value::Null };
        json!({"do": "step", "step": step, "exit_code": code, "output": output})
    });
    let reports = (name(), phase(), any::<bool>()).prop_map(|(step, to, again)| {
        let reason = if again { Some("RetryScheduled") } else { None };
        json!({"do": "step", "step": step, "to": to, "reason": reason, "worker": if again { "w-1" } else { "w-2" }})
    });
    let begins = name().prop_map(|step| json!({"do": "step", "step": step, "to": "Running"}));
    let moves = phase().prop_map(|to| json!({"do": "transition", "to": to}));
    let gates = (name(), any::<bool>()).prop_map(
        |(step, yes)| json!({"do": "gate", "step": step, "state": if yes { "Approved" } else { "Rejected" }}),
    );
    let answers =
        (name(), any::<bool>()).prop_map(|(step, result)| json!({"do": "evaluate", "step": step, "result": result}));
    let cancels =
        proptest::sample::select(&["drain", "now", "kill"][..]).prop_map(|how| json!({"do": "cancel", "how": how}));
    let follows = name().prop_map(|step| json!({"do": "child", "step": step, "child": CHILD}));
    let ends_child = proptest::sample::select(&[0_i64, 1][..])
        .prop_map(|code| json!({"run": CHILD, "do": "step", "step": "k", "exit_code": code}));
    let redrives = proptest::option::of(name()).prop_map(|from| json!({"do": "redrive", "from": from}));
    let rare = proptest::sample::select(&["start", "stop", "terminate", "unknown"][..])
        .prop_map(|action| json!({"do": action}));
    prop_oneof![
        8 => ends, 4 => reports, 4 => begins, 1 => moves, 2 => gates, 1 => answers, 3 => Just(json!({"do": "tick"})),
        1 => cancels, 1 => redrives, 1 => rare,
        2 => follows, 2 => follows_e(), 1 => ends_child,
    ]
}

fn follows_e() -> impl Strategy<Value = Value> {
    Just(json!({"do": "child", "step": "e", "child": CHILD}))
}

/// What must hold after every command.
fn check_step(before: &Harness<Story>, after: &Harness<Story>) {
    assert!(after.log.starts_with(&before.log), "the log only grows");
    let commits: std::collections::BTreeSet<u64> =
        after.log[before.log.len()..].iter().map(|event| event.commit).collect();
    assert!(commits.len() <= 1, "a command is one commit");
    let (Some(was), Some(is)) = (before.states.get(RUN), after.states.get(RUN)) else { return };
    if was.run().epoch == is.run().epoch {
        if was.is_terminal() {
            assert_eq!(was.run(), is.run(), "terminal is final");
        }
        for (was, is) in was.steps().iter().zip(is.steps().iter()).filter(|(was, _)| was.is_terminal()) {
            assert_eq!(was, is, "what a step has ended as stays");
        }
    }
    if is.is_terminal() && is.mode() == crate::story::payload::Mode::Decided {
        assert!(is.steps().iter().all(crate::story::steps::StepState::is_terminal), "every step has ended");
    }
}

/// The counters of a state, computed from its steps.
fn check_counters(state: &State) {
    let under_way = state.steps().iter().zip(&state.story().steps);
    let under_way = under_way.filter(|(step, definition)| step.is_under_way() && definition.kind.is_work()).count();
    assert_eq!(state.under_way as usize, under_way);
    assert_eq!(state.live as usize, state.steps().iter().filter(|step| step.is_live()).count());
    assert_eq!(state.queued as usize, state.steps().iter().filter(|step| step.queued).count());
    let ended = |number: &usize| state.steps().get(*number).is_terminal();
    for number in (0..state.steps().len()).filter(|number| !ended(number)) {
        let open = state.story().branches(number).filter(|branch| !ended(branch)).count();
        assert_eq!(state.steps().get(number).open as usize, open);
    }
    let branches = (0..state.steps().len()).filter(|number| state.story().steps[*number].parent.is_some());
    assert_eq!(state.branches_done as usize, branches.filter(ended).count());
    assert_eq!(state.steps().due_ns(), state.steps().iter().filter_map(crate::story::steps::StepState::due_ns).min());
}

/// Replay from the events gives the live state, and the same bytes twice.
fn check_replay(harness: &Harness<Story>) {
    let Some(live) = harness.states.get(RUN) else { return };
    check_counters(live);
    assert_eq!(&super::replay::replayed(harness).expect("folds"), live);
}

/// The projection depends only on the events.
fn check_projection(harness: &Harness<Story>) {
    let events = harness.facts(RUN);
    let once = bundle(&harness.contract, &events).expect("projects");
    assert_eq!(once, bundle(&Story::default(), &events).expect("projects"), "replay asks no checker");
    assert_eq!(once.files.len(), 5);
}

fn play_all(mode: &str, story: &Value, commands: Vec<Value>) {
    let mut harness = Harness::new(Story::with_schemas(check));
    harness.accept(json!({"run": RUN, "do": "create", "mode": mode, "story": story}));
    if mode == "decided" {
        harness.accept(json!({"run": RUN, "do": "start"}));
    }
    harness.accept(json!({"run": CHILD, "do": "create", "story": {"steps": plain(&["k"])}}));
    harness.accept(json!({"run": CHILD, "do": "start"}));
    for mut command in commands {
        let run = command.as_object_mut().expect("an object").entry("run");
        run.or_insert(RUN.into());
        let before = harness.clone();
        match harness.play(command) {
            // A command that is malformed is an answer too; it must leave nothing behind.
            Err(_) => assert_eq!(before.log, harness.log),
            Ok(answered) if answered.outcome == Outcome::Rejected => {
                assert_eq!(super::status_bytes(&before), super::status_bytes(&harness), "a rejection changes nothing");
            }
            Ok(_) => {}
        }
        check_step(&before, &harness);
        check_replay(&harness);
    }
    check_projection(&harness);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_commands_keep_the_contract(story in any_story(), commands in proptest::collection::vec(any_command(), 1..40)) {
        // S-07, S-36, S-48, S-50.
        play_all("decided", &story, commands);
    }

    #[test]
    fn any_reports_keep_the_contract(story in any_story(), commands in proptest::collection::vec(any_command(), 1..40)) {
        // S-07, S-40, S-48, S-50.
        play_all("observed", &story, commands);
    }

    #[test]
    fn any_payload_is_read_or_refused(kind in 200_u16..208, payload in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut harness = super::started(json!({"steps": plain(&["a"])}));
        let mut event = harness.log.pop().expect("an event");
        event.kind = evlog_format::Kind::BuiltIn(kind).into();
        event.payload = payload;
        let mut state = harness.states[RUN].clone();
        let before = state.clone();
        if harness.contract.evolve(&mut state, &event.fact()).is_err() {
            prop_assert_eq!(state, before);
        }
        drop(harness.contract.start(&event.fact()));
        drop(harness.contract.answer(&event.fact()));
    }
}

#[test]
fn a_story_is_driven_to_its_end_by_a_number_of_events_that_is_linear() {
    // S-48: twice the steps and edges, twice the events; a chain, and a fan.
    let chain = |count: usize| {
        let step = |number: usize| json!({"name": format!("s{number}"), "needs": if number == 0 { vec![] } else { vec![format!("s{}", number - 1)] }});
        json!({"steps": (0..count).map(step).collect::<Vec<_>>()})
    };
    let fan = |count: usize| json!({"steps": (0..count).map(|number| json!({"name": format!("s{number}")})).collect::<Vec<_>>()});
    let events = |story: Value, count: usize| {
        let mut harness = super::started(story);
        for number in 0..count {
            super::exit(&mut harness, &format!("s{number}"), 0);
        }
        assert_eq!(harness.status(RUN).as_deref(), Some("Succeeded"));
        harness.log.len()
    };
    for count in [20, 40] {
        assert_eq!(events(chain(count), count), 3 * count + 3);
        assert_eq!(events(fan(count), count), 3 * count + 3);
    }
}
