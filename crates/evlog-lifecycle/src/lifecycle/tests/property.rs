//! Any lifecycle and any commands, legal and not: nothing panics, a terminal status stays, each command is one commit, and
//! replay agrees at every prefix with what was decided live.

use super::{Play, RUN};
use crate::lifecycle::{Definition, Lifecycle};
use crate::testing::{Harness, bundle};
use evlog_projection::Contract;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

const NAMES: [&str; 5] = ["s0", "s1", "s2", "s3", "s4"];

/// Lifecycles of up to five statuses with any transitions. [`sound`] leaves out those with flaws.
fn any_definition() -> impl Strategy<Value = Value> {
    let rows = proptest::collection::vec(proptest::collection::vec(any::<bool>(), 5), 5);
    (2..=5_usize, rows, 0..5_usize, 0..7_usize, 0..5_usize, 0..5_usize).prop_map(
        |(count, rows, ends, force, before, after)| {
            let names = &NAMES[..count];
            let terminal: Vec<&str> = names.iter().copied().skip(1).skip(ends % count).collect();
            let ways = |from: usize| -> Vec<&str> {
                names.iter().enumerate().filter(|(to, _)| rows[from][*to]).map(|(_, name)| *name).collect()
            };
            let transitions: serde_json::Map<String, Value> = names
                .iter()
                .enumerate()
                .filter(|(_, name)| !terminal.contains(*name))
                .map(|(from, name)| ((*name).to_owned(), ways(from).into()))
                .collect();
            let mut value = json!({"name": "any", "statuses": names, "terminal": terminal, "transitions": transitions});
            if force < count {
                value["undefined"] = json!({"force": names[force]});
            }
            if before < count && after < count {
                value["order"] = json!([{"before": names[before], "after": names[after]}]);
            }
            value["required"] = json!({names[count - 1]: {"why": "text"}});
            value
        },
    )
}

fn sound(value: &Value) -> Option<Arc<Definition>> {
    let flaws = crate::fields::Flaws::default();
    crate::lifecycle::read(value.clone(), "", crate::fields::Origin::Brought, &flaws).map(Arc::new)
}

fn any_command() -> impl Strategy<Value = Value> {
    let to = prop_oneof![6 => proptest::sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => any::<String>()];
    (to, any::<bool>(), 0..8_u8).prop_map(|(to, why, form)| {
        let mut command = json!({"run": RUN, "do": "transition", "to": to});
        if why {
            command["data"] = json!({"why": "so"});
        }
        match form {
            0 => command["reason_code"] = json!("any"),
            1 => command["id"] = json!(format!("k{}", to.len())),
            2 => command = json!({"run": RUN, "do": "create", "machine": "any", "data": {"why": "again"}}),
            _ => {}
        }
        command
    })
}

fn replayed(harness: &Harness<Lifecycle>) {
    let events = harness.facts(RUN);
    let mut state = Lifecycle::default().start(&events[0].fact()).expect("begins");
    for event in &events[1..] {
        Lifecycle::default().evolve(&mut state, &event.fact()).expect("folds");
    }
    assert_eq!(state, harness.states[RUN]);
    let twice = [(); 2].map(|()| bundle(&Lifecycle::default(), &events).expect("projects"));
    assert_eq!(twice[0], twice[1]);
    assert_eq!(twice[0].files.len(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_commands_keep_any_lifecycle(
        value in any_definition().prop_filter("sound", |value| sound(value).is_some()),
        commands in proptest::collection::vec(any_command(), 1..24),
    ) {
        let definition = sound(&value).expect("sound");
        let mut harness = Harness::new(Lifecycle::default().knowing(Arc::clone(&definition)));
        harness.accept(json!({"run": RUN, "do": "create", "machine": "any", "data": {"why": "so"}}));
        for command in commands {
            let before = harness.clone();
            if harness.play(command).is_err() {
                prop_assert_eq!(&before.log, &harness.log);
            }
            prop_assert!(harness.log.starts_with(&before.log), "the log only grows");
            let grown = &harness.log[before.log.len()..];
            prop_assert!(grown.len() <= 2 && grown.iter().all(|event| event.commit == before.log.len() as u64));
            let (was, now) = (&before.states[RUN], &harness.states[RUN]);
            if was.is_terminal() {
                prop_assert_eq!((now.status, &now.entered, now.ended_ns), (was.status, &was.entered, was.ended_ns));
            }
            prop_assert!(now.owed.is_none());
            for rule in definition.order() {
                prop_assert!(!now.has_been(rule.after) || now.has_been(rule.before), "the order is kept");
            }
            replayed(&harness);
        }
    }

    #[test]
    fn any_definition_is_taken_or_has_findings(value in any_definition(), extra in any::<String>()) {
        let mut value = value;
        value["initial"] = extra.into();
        if let Some(definition) = sound(&value) {
            prop_assert!(definition.find(definition.status(definition.initial()).name.as_str()).is_some());
        }
    }

    #[test]
    fn any_payload_is_read_or_refused(kind in 400_u16..406, payload in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut play = Play::of(super::DEPLOYMENT);
        play.go("approved");
        let mut event = play.harness.log.pop().expect("an event");
        event.seq += 1;
        event.commit += 1;
        event.number += 1;
        event.kind = evlog_format::Kind::BuiltIn(kind).into();
        event.payload = payload;
        let mut state = play.harness.states[RUN].clone();
        let before = state.clone();
        if Lifecycle::default().evolve(&mut state, &event.fact()).is_err() {
            prop_assert_eq!(state, before);
        }
        drop(Lifecycle::default().start(&event.fact()));
        drop(Lifecycle::default().answer(&event.fact()));
    }
}
