//! Runs of custom events: what is taken, what is refused, what is projected.

use super::Custom;
use crate::testing::{Harness, bundle};
use evlog_format::KindBuf;
use evlog_format::kind::STATUS_CREATED;
use evlog_projection::Contract;
use proptest::prelude::*;
use serde_json::{Value, json};

const RUN: &str = "order-7";

fn record(kind: &str, data: &Value) -> Value {
    json!({"run": RUN, "do": "record", "kind": kind, "data": data})
}

fn two() -> Harness<Custom> {
    let mut harness = Harness::new(Custom);
    harness.accept(record("custom/ordered", &json!({"b": 1, "a": [1, "x"]})));
    harness.accept(record("custom/shipped", &json!({"by": "sea"})));
    harness
}

#[test]
fn any_custom_kind_begins_a_run_and_every_event_is_counted() {
    let harness = two();
    let run = harness.json(RUN, "run.json");
    let expected = json!({
        "contract": "custom",
        "run_id": RUN,
        "status": "open",
        "terminal": false,
        "events": 2,
        "first_kind": "custom/ordered",
        "last_kind": "custom/shipped",
        "first_seq": 0,
        "last_seq": 1,
        "created_at_utc": "2026-02-23T18:00:00.000Z",
        "updated_at_utc": "2026-02-23T18:00:01.000Z",
    });
    assert_eq!(run, expected);
    for (name, value) in harness.json(RUN, "logs/health.json").as_object().expect("an object") {
        assert_eq!(run[name], *value, "{name}");
    }
    assert_eq!(harness.json(RUN, "manifest.json")["status"], "open");
}

#[test]
fn a_payload_is_the_data_in_its_one_form() {
    let harness = two();
    assert_eq!(harness.log[0].payload, br#"{"a":[1,"x"],"b":1}"#);
    let lines = harness.audit(RUN);
    assert_eq!(lines[1]["data"], json!({"by": "sea"}));
    assert_eq!((&lines[0]["kind"], &lines[0]["actor"]), (&json!("custom/ordered"), &json!("agent:test")));
}

#[test]
fn data_may_be_any_json_or_left_out() {
    for data in [json!(null), json!(7), json!("text"), json!([]), json!({})] {
        let mut harness = Harness::new(Custom);
        harness.accept(record("custom/x", &data));
        assert_eq!(harness.audit(RUN)[0]["data"], data);
    }
    let mut harness = Harness::new(Custom);
    harness.accept(json!({"run": RUN, "do": "record", "kind": "custom/x"}));
    assert_eq!(harness.log[0].payload, b"null");
}

#[test]
fn what_is_not_a_custom_kind_is_refused() {
    let long = format!("custom/{}", "x".repeat(114));
    for kind in ["status.created", "custom", "custom/", "Custom/x", "custom/a b", "custom/é", "custom/\n", &long] {
        let mut harness = Harness::new(Custom);
        let malformed = harness.play(record(kind, &json!({}))).expect_err("no custom kind");
        assert_eq!(malformed.pointer, "/kind", "{kind}");
        assert!(harness.log.is_empty());
    }
    Harness::new(Custom).accept(record(&long[..120], &json!({})));
}

#[test]
fn malformed_commands_are_named() {
    let cases = [
        (json!({"run": RUN, "do": "create"}), "/do"),
        (json!({"run": RUN, "do": "record"}), ""),
        (json!({"run": RUN, "do": "record", "kind": 7}), "/kind"),
        (json!({"run": RUN, "do": "record", "kind": "custom/x", "to": 1}), "/to"),
    ];
    for (command, pointer) in cases {
        let malformed = Harness::new(Custom).play(command.clone()).expect_err("malformed");
        assert_eq!(malformed.pointer, pointer, "{command}");
    }
}

#[test]
fn a_committed_event_that_is_not_one_of_these_is_found() {
    let good = two().facts(RUN);
    let mut foreign = good.clone();
    foreign[1].kind = STATUS_CREATED.into();
    let mut named = good.clone();
    named[1].kind = KindBuf::Custom("custom/a b".into());
    let mut later = good.clone();
    later[1].kind_version = 2;
    let mut spaced = good.clone();
    spaced[1].payload = br#"{"by": "sea"}"#.to_vec();
    let mut broken = good;
    broken[1].payload = b"{".to_vec();
    // This is checked before the state is shown, so a run whose state is shown can be projected too.
    assert!(Custom.evolve(&mut Custom.start(&spaced[0].fact()).unwrap(), &spaced[1].fact()).is_err());
    for events in [foreign, named, later, spaced, broken] {
        let error = bundle(&Custom, &events).expect_err("not of this contract");
        assert_eq!(error.seq.0, 1, "{error}");
        assert!(error.message.contains("expected"), "{error}");
    }
}

/// Numbers in any spelling, alone and inside other values.
fn any_numbers() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        "-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?",
        any::<u64>().prop_map(|whole| whole.to_string()),
        any::<f64>().prop_filter("finite", |double| double.is_finite()).prop_map(|double| format!("{double:e}")),
    ];
    (token.clone(), token).prop_map(|(one, other)| format!("{{\"n\":[{one},{{\"m\":{other}}}]}}"))
}

proptest! {
    #[test]
    fn every_value_that_is_taken_is_folded_from_its_own_bytes_and_is_the_same(data in any_numbers()) {
        let Ok(value) = evlog_projection::parse(data.as_bytes()) else { return Ok(()) };
        let mut harness = Harness::new(Custom);
        harness.accept(record("custom/x", &value));
        let facts = harness.facts(RUN);
        prop_assert_eq!(evlog_projection::parse(&facts[0].payload), Ok(value.clone()));
        bundle(&Custom, &facts).unwrap();
        let line = harness.bundle(RUN).unwrap().files["audit_events.jsonl"].bytes.clone();
        let line = evlog_projection::parse(line.trim_ascii()).unwrap();
        prop_assert_eq!(&line["data"], &value);
    }
}

fn any_command() -> impl Strategy<Value = Value> {
    let kind = prop_oneof![4 => "custom/[a-z]{1,3}", 1 => any::<String>()];
    let data = prop_oneof![any::<i32>().prop_map(Value::from), any::<String>().prop_map(|text| json!({"text": text}))];
    let run = proptest::sample::select(&["a", "b"][..]);
    (run, kind, data, any::<bool>()).prop_map(|(run, kind, data, twice)| {
        let mut command = json!({"run": run, "do": "record", "kind": kind, "data": data});
        if twice {
            command["id"] = "again".into();
        }
        command
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_commands_are_recorded_in_order_and_end_nothing(commands in proptest::collection::vec(any_command(), 1..24)) {
        let mut harness = Harness::new(Custom);
        for command in commands {
            let before = harness.log.clone();
            let Ok(answered) = harness.play(command) else {
                prop_assert_eq!(&before, &harness.log, "what is malformed leaves nothing behind");
                continue;
            };
            prop_assert!(harness.log.starts_with(&before), "the log only grows");
            prop_assert_eq!(harness.log.len() - before.len(), answered.kinds.len());
            prop_assert!(answered.kinds.len() <= 1, "a command is one event, and so one commit");
            for (run, live) in &harness.states {
                let events = harness.facts(run);
                let mut replayed = Custom.start(&events[0].fact()).expect("begins");
                for event in &events[1..] {
                    Custom.evolve(&mut replayed, &event.fact()).expect("folds");
                }
                prop_assert_eq!(&replayed, live);
                prop_assert!(!Custom.is_terminal(live));
                let twice = [(); 2].map(|()| bundle(&Custom, &events).expect("projects"));
                prop_assert_eq!(&twice[0], &twice[1]);
                prop_assert_eq!(harness.json(run, "run.json")["events"].as_u64(), Some(events.len() as u64));
            }
        }
    }

    #[test]
    fn any_payload_is_read_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
        let harness = two();
        let mut event = harness.log[1].clone();
        (event.seq, event.commit, event.number, event.payload) = (2, 2, 2, payload);
        let mut state = harness.states[RUN].clone();
        let before = state.clone();
        if Custom.evolve(&mut state, &event.fact()).is_err() {
            prop_assert_eq!(state, before);
        }
        drop(Custom.start(&event.fact()));
    }
}
