//! Any commands, legal or not: nothing panics, a terminal status stays, and replay agrees with what was decided live.

use super::{Status, diagnostic};
use crate::testing::{Harness, bundle};
use evlog_projection::Contract;
use proptest::prelude::*;
use serde_json::{Value, json};

const RUNS: [&str; 3] = ["R1", "R2", "R3"];
const TOKENS: [&str; 11] =
    ["created", "running", "waiting", "success", "failed", "denied", "timeout", "canceled", "completed", "", "Runing"];

fn any_diagnostic() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        3 => Just(None),
        3 => any::<bool>().prop_map(|retryable| Some(diagnostic("TOOL_TIMEOUT", retryable))),
        1 => Just(Some(json!("boom"))),
        1 => Just(Some(diagnostic("NOT_KNOWN", true))),
    ]
}

fn any_run() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&RUNS[..])
}

fn any_token() -> impl Strategy<Value = String> {
    // Mostly the way to the end, so that the histories get long.
    prop_oneof![
        4 => Just("running".to_owned()),
        2 => Just("waiting".to_owned()),
        4 => proptest::sample::select(&TOKENS[..]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn any_command() -> impl Strategy<Value = Value> {
    let request = (any_run(), any_token(), any_diagnostic(), 0..12_u8).prop_map(|(run, to, diagnostic, form)| {
        let mut command = json!({"run": run, "do": "transition", "to": to});
        if let Some(diagnostic) = diagnostic {
            command["diagnostic"] = diagnostic;
        }
        match form {
            0 => command["expect_status"] = json!("running"),
            1 => command["id"] = json!(format!("key-{}", to.len())),
            2 => {
                command["do"] = json!("override");
                command["ticket"] = json!("T-1");
                command["reason"] = json!("why");
            }
            _ => {}
        }
        command
    });
    let create = (any_run(), any::<bool>())
        .prop_map(|(run, pins)| json!({"run": run, "do": "create", "data": {"pins_required": pins, "max_retries": 2}}));
    let retry = (any_run(), any_run()).prop_map(|(run, of)| json!({"run": run, "do": "retry", "of": of}));
    let cancel = any_run().prop_map(|run| json!({"run": run, "do": "cancel"}));
    prop_oneof![8 => request, 4 => create, 1 => retry, 1 => cancel]
}

/// What must hold after every command.
fn check_step(before: &Harness<Status>, after: &Harness<Status>) {
    assert!(after.log.starts_with(&before.log), "the log only grows");
    let len = before.log.len();
    assert!(after.log[len..].iter().all(|event| event.commit == len as u64), "a command is one commit");
    for (run, state) in &before.states {
        let now = &after.states[run];
        if state.status().is_terminal() {
            assert_eq!(now.status(), state.status(), "terminal is final");
            assert_eq!(now.diagnostic(), state.diagnostic());
            assert_eq!(now.ended_ns(), state.ended_ns());
        }
        let grown = after.facts(run).len() - before.facts(run).len();
        assert!(grown <= 2, "a command adds at most two events to a run");
    }
}

/// Replay from the events gives the live state, and the same bytes twice.
fn check_replay(harness: &Harness<Status>) {
    for (run, live) in &harness.states {
        let events = harness.facts(run);
        let mut replayed = Status.start(&events[0].fact()).expect("begins");
        for event in &events[1..] {
            Status.evolve(&mut replayed, &event.fact()).expect("folds");
        }
        assert_eq!(&replayed, live);
        assert_eq!(live.owed(), None);
        let once = bundle(&Status, &events).expect("projects");
        assert_eq!(once, bundle(&Status, &events).expect("projects"));
        assert_eq!(once.files.len(), 4);
        let counts = live.counts();
        let lines = 1 + counts.transitions + counts.rejections + counts.refusals + counts.overrides;
        assert_eq!(lines, events.len() as u64, "one event each, and one status change per transition (check 17)");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_commands_keep_the_contract(commands in proptest::collection::vec(any_command(), 1..40)) {
        let mut harness = Harness::new(Status);
        for command in commands {
            let before = harness.clone();
            // A command that is malformed is an answer too; it must leave nothing behind.
            if harness.play(command).is_err() {
                prop_assert_eq!(&before.log, &harness.log);
            }
            check_step(&before, &harness);
            check_replay(&harness);
        }
    }

    #[test]
    fn any_payload_is_read_or_refused(kind in 100_u16..107, payload in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut harness = super::at(super::RunStatus::Running);
        let mut event = harness.log.pop().expect("an event");
        event.seq += 1;
        event.commit += 1;
        event.number += 1;
        event.kind = evlog_format::Kind::BuiltIn(kind).into();
        event.payload = payload;
        let mut state = harness.states[super::RUN].clone();
        let before = state.clone();
        if Status.evolve(&mut state, &event.fact()).is_err() {
            prop_assert_eq!(state, before);
        }
        drop(Status.start(&event.fact()));
        drop(Status.answer(&event.fact()));
    }
}
