//! What commands may contain, and what is recorded of them.

use super::{DEPLOYMENT, ORDER, Play, RUN, all_data, definition};
use crate::lifecycle::Lifecycle;
use crate::testing::Harness;
use evlog_projection::{Contract, Contracts, Outcome};
use serde_json::{Value, json};

fn malformed(action: &str, members: Value, pointer: &str) {
    let Value::Object(members) = members else { panic!("an object") };
    let error = Lifecycle::default().parse(action, members).expect_err(pointer);
    assert_eq!(error.pointer, pointer, "{error}");
}

#[test]
fn what_cannot_be_read_is_malformed() {
    malformed("record", json!({}), "/do");
    malformed("create", json!({}), "");
    malformed("create", json!({"machine": 1}), "/machine");
    malformed("create", json!({"machine": {"name": "a", "statuses": ["b", "b"]}}), "/machine/statuses/1");
    malformed("create", json!({"machine": {"name": "status", "statuses": ["b"]}}), "/machine/name");
    malformed("create", json!({"lifecycle": {"name": "a", "statuses": ["b", "b"]}}), "/lifecycle/statuses/1");
    malformed("create", json!({"machine": "a", "lifecycle": "a"}), "/machine");
    malformed("create", json!({"machine": "a", "to": "b"}), "/to");
    malformed("create", json!({"machine": "a", "data": []}), "/data");
    malformed("transition", json!({"data": {}}), "");
    malformed("transition", json!({"to": 1}), "/to");
    malformed("transition", json!({"to": "a", "reason_code": ""}), "/reason_code");
}

#[test]
fn a_run_is_created_by_a_name_that_was_brought_or_by_a_definition() {
    // M-01, M-09.
    let order = definition(ORDER);
    let mut harness = Harness::new(Lifecycle::default().knowing(order.clone()));
    let create =
        |run: &str, machine: Value| json!({"run": run, "do": "create", "machine": machine, "data": all_data()});
    let answered = harness.play(create("a", json!("parcel"))).expect("well-formed");
    assert_eq!((answered.outcome, answered.code()), (Outcome::Refused, "UNKNOWN_MACHINE"));
    assert_eq!(answered.kinds, ["$log:machine.refused"]);
    assert!(answered.error.is_some_and(|error| error.message.contains("known: order")));
    harness.accept(create("a", json!("order")));
    let text: Value = serde_json::from_str(order.text()).expect("JSON");
    harness.accept(create("b", text));
    let manifests = ["a", "b"].map(|run| harness.json(run, "manifest.json"));
    assert_eq!(manifests[0]["definition"], manifests[1]["definition"]);
    assert_eq!(manifests[0]["definition_blake3"], manifests[1]["definition_blake3"]);
    let answered = harness.play(create("a", json!("order"))).expect("well-formed");
    assert_eq!((answered.outcome, answered.code()), (Outcome::Refused, "RUN_EXISTS"));
    assert_eq!(answered.kinds, ["machine.refused"]);
    let answered = harness.play(json!({"run": "ghost", "do": "transition", "to": "paid"})).expect("well-formed");
    assert_eq!((answered.outcome, answered.code()), (Outcome::Refused, "UNKNOWN_RUN"));
    assert_eq!(answered.kinds, ["$log:machine.refused"]);
}

#[test]
fn the_member_lifecycle_means_what_machine_means_and_leaves_the_same_events() {
    let created = |member: &str| {
        let mut harness = Harness::new(Lifecycle::default().knowing(definition(ORDER)));
        harness.accept(json!({"run": "a", "do": "create", member: "order", "data": all_data()}));
        harness.facts("a").into_iter().map(|fact| (fact.kind, fact.payload)).collect::<Vec<_>>()
    };
    assert_eq!(created("lifecycle"), created("machine"));
    let contracts = Contracts::new().with(Lifecycle::default());
    let names = ["machine", "lifecycle"].map(|name| contracts.named(name).map(|known| known.name()));
    assert_eq!(names, [Some("machine"), Some("machine")]);
}

#[test]
fn a_status_in_other_capitals_is_refused_and_forces_nothing() {
    // M-02, M-12.
    let mut play = Play::of(DEPLOYMENT);
    let state = &play.harness.states[RUN];
    let known = state.definition().statuses().last().expect("one").name.clone();
    let before = state.status().to_owned();
    let answered = play.command("transition", json!({"to": known.to_ascii_uppercase()}));
    assert_eq!((answered.outcome, answered.code()), (Outcome::Refused, "STATUS_MISSPELT"));
    assert!(answered.error.is_some_and(|error| error.message.contains(&format!("expected `{known}`"))));
    assert_eq!(play.harness.states[RUN].status(), before);
}

#[test]
fn a_run_keeps_the_definition_that_it_was_created_with() {
    // M-01: a file of the same name that lists more changes nothing for existing runs.
    let mut play = Play::of(ORDER);
    let other = ORDER
        .replace("placed = [\"paid\"", "placed = [\"delivered\", \"paid\"")
        .replace("after = \"delivered\"", "after = \"shipped\"");
    play.harness.contract = Lifecycle::default().knowing(definition(&other));
    assert_eq!(play.go("delivered").outcome, Outcome::Rejected);
    play.went("shipped");
    play.harness.contract = Lifecycle::default();
    play.went("paid");
    assert!(play.harness.bundle(RUN).is_ok(), "replay needs no file");
}

#[test]
fn a_status_is_entered_with_the_data_that_it_requires() {
    // M-07.
    let cases = [
        (json!({}), false),
        (json!({"amount_cents": null}), false),
        (json!({"amount_cents": "4200"}), false),
        (json!({"amount_cents": 42.5}), false),
        (json!({"amount_cents": 4200}), true),
        (json!({"amount_cents": -1, "note": "more than asked"}), true),
    ];
    for (data, taken) in cases {
        let mut play = Play::of(ORDER);
        let members = json!({"to": "paid", "data": data});
        if taken {
            play.accept("transition", members);
            assert_eq!(play.harness.json(RUN, "run.json")["data"], data);
        } else {
            play.refuse("DATA_REQUIRED", "transition", members);
        }
    }
    let mut harness = Harness::new(Lifecycle::default().knowing(definition(ORDER)));
    let answered = harness.play(json!({"run": "a", "do": "create", "machine": "order"})).expect("well-formed");
    assert_eq!((answered.outcome, answered.code()), (Outcome::Refused, "DATA_REQUIRED"));
}

#[test]
fn every_type_of_data_takes_its_own_values_only() {
    // M-07.
    let values = [json!("x"), json!(""), json!(3), json!(1.5), json!(true), json!({}), json!([]), json!(null)];
    let expected = [
        ("text", [true, false, false, false, false, false, false, false]),
        ("integer", [false, false, true, false, false, false, false, false]),
        ("number", [false, false, true, true, false, false, false, false]),
        ("boolean", [false, false, false, false, true, false, false, false]),
        ("object", [false, false, false, false, false, true, false, false]),
        ("list", [false, false, false, false, false, false, true, false]),
        ("any", [true, true, true, true, true, true, true, false]),
    ];
    for (kind, taken) in expected {
        let text = format!(
            "name = \"a\"\nstatuses = [\"on\", \"off\"]\nterminal = [\"off\"]\ntransitions.on = [\"off\"]\nrequired.off.x = \"{kind}\"\n"
        );
        for (value, taken) in values.iter().zip(taken) {
            let mut play = Play::of(&text);
            let answered = play.command("transition", json!({"to": "off", "data": {"x": value}}));
            assert_eq!(answered.outcome == Outcome::Accepted, taken, "{kind} {value}: {:?}", answered.error);
        }
    }
}

#[test]
fn a_status_with_reason_codes_is_entered_with_one_of_them() {
    // M-08.
    let mut play = Play::of(ORDER);
    let to = |to: &str, code: Value| json!({"to": to, "reason_code": code, "data": all_data()});
    play.refuse("REASON_CODE_REQUIRED", "transition", to("canceled", Value::Null));
    play.refuse("REASON_CODE_NOT_CATALOGUED", "transition", to("canceled", json!("damaged")));
    play.refuse("REASON_CODE_NOT_CATALOGUED", "transition", to("paid", json!("by_customer")));
    play.accept("transition", to("canceled", json!("by_customer")));
    let manifest = play.harness.json(RUN, "manifest.json");
    assert_eq!((&manifest["outcome"], &manifest["reason_code"]), (&json!("canceled"), &json!("by_customer")));
    // A code of `*` can be given with any status, even with a status that has codes of its own.
    let mut play = Play::of(DEPLOYMENT);
    play.accept("transition", to("approved", json!("by_operator")));
    play.accept("transition", to("canary", Value::Null));
    play.accept("transition", to("held", json!("by_operator")));
}

#[test]
fn a_second_delivery_is_given_the_first_answer() {
    let mut play = Play::of(DEPLOYMENT);
    let ask = json!({"to": "live", "id": "k1"});
    let first = play.command("transition", ask.clone());
    let again = play.command("transition", ask);
    assert_eq!((first.outcome, first.error), (again.outcome, again.error));
    assert!(again.duplicate && again.kinds.is_empty());
    let refused = json!({"to": "canary", "id": "k2", "reason_code": "x"});
    let mut play = Play::of(DEPLOYMENT);
    play.went("approved");
    let first = play.command("transition", refused.clone());
    assert_eq!((first.outcome, first.code()), (Outcome::Refused, "DATA_REQUIRED"));
    assert_eq!(play.command("transition", refused).error, first.error);
}

#[test]
fn the_files_show_the_state_and_mirror_each_other() {
    // M-11.
    let mut play = Play::of(ORDER);
    play.went("shipped");
    play.went("paid");
    play.refuse("DATA_REQUIRED", "transition", json!({"to": "shipped"}));
    play.went("shipped");
    assert_eq!(play.go("placed").outcome, Outcome::Rejected);
    let (run, health) = (play.harness.json(RUN, "run.json"), play.harness.json(RUN, "logs/health.json"));
    for (member, value) in health.as_object().expect("an object") {
        assert_eq!(&run[member], value, "{member}");
    }
    let counts = ["events", "transitions", "rejections", "forced", "refusals"].map(|name| run[name].as_u64());
    assert_eq!(counts, [Some(6), Some(3), Some(1), Some(0), Some(1)]);
    let entered: Vec<(&str, u64)> = run["entered"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entered| (entered["status"].as_str().expect("a name"), entered["times"].as_u64().expect("a number")))
        .collect();
    assert_eq!(entered, [("placed", 1), ("paid", 1), ("shipped", 2)]);
    assert_eq!(
        (&run["status"], &run["terminal"], &run["ended_at_utc"]),
        (&json!("shipped"), &json!(false), &Value::Null)
    );
    let manifest = play.harness.json(RUN, "manifest.json");
    assert_eq!((&manifest["outcome"], &manifest["data"]["customer"]), (&Value::Null, &json!("c-12")));
    play.went("delivered");
    let run = play.harness.json(RUN, "run.json");
    assert_eq!((&run["terminal"], run["ended_at_utc"].is_string()), (&json!(true), true));
    assert_eq!(play.harness.json(RUN, "manifest.json")["outcome"], "delivered");
    let kinds: Vec<String> =
        play.harness.audit(RUN).iter().map(|line| line["kind"].as_str().expect("a kind").to_owned()).collect();
    assert_eq!(kinds.len(), 7);
    assert_eq!(play.harness.audit(RUN)[5]["event"], json!({"from": "shipped", "requested": "placed"}));
}

#[test]
fn a_requested_status_is_cut_and_shown_without_control_characters() {
    // M-04.
    let mut play = Play::of(ORDER);
    let answered = play.go(&format!("\u{1b}[31m{}", "x".repeat(300)));
    assert!(answered.error.as_ref().is_some_and(|error| !error.message.contains('\u{1b}')), "{answered:?}");
    let requested = play.harness.audit(RUN)[1]["event"]["requested"].clone();
    assert_eq!(requested.as_str().map(str::len), Some(120));
}
