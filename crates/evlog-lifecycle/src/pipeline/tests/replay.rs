//! Histories that the contract forbids. Each is made by changing a valid history, and is reported with what was expected and
//! found.

use super::{Play, RUN, tuple};
use crate::pipeline::Pipeline;
use crate::pipeline::outcome::{Outcome, RunStatus};
use crate::pipeline::payload::{Created, Finalized, Payload, StageBegun};
use crate::testing::{Recorded, bundle};
use evlog_format::KindBuf;
use serde_json::json;

/// Lab provider, then a fatal runner with a tail of two, then a refusal, then the end.
fn history() -> Vec<Recorded> {
    let mut play = Play::only(&["lab_provider", "runner", "telemetry", "scoring"]);
    play.begin("lab_provider");
    play.take_all(&["lab_provider S/fc/-", "runner F/fc/execute_failed"]);
    play.reject("STAGE_TERMINAL", "scoring S/fc/-");
    play.finalize();
    play.harness.facts(RUN)
}

fn renumber(events: &mut [Recorded]) {
    for (number, event) in events.iter_mut().enumerate() {
        event.number = number as u64;
    }
}

fn write(event: &mut Recorded, payload: &Payload) {
    event.kind = payload.kind().into();
    event.payload = payload.encode().expect("small");
}

fn outcome(event: &mut Recorded, text: &str) {
    write(event, &Payload::Outcome(tuple(text).into()));
}

/// Changes the history. Replay must stop at this event with a message that says this.
fn check(at: u64, says: &[&str], change: impl FnOnce(&mut Vec<Recorded>)) {
    let mut events = history();
    change(&mut events);
    renumber(&mut events);
    let error = bundle(&Pipeline::default(), &events).expect_err("a forbidden history");
    assert_eq!(error.seq.0, at, "{error}");
    assert_eq!(error.run, RUN);
    for part in says {
        assert!(error.message.contains(part), "{part}: {error}");
    }
}

#[test]
fn the_true_history_folds() {
    let kinds: Vec<String> = history().iter().map(|event| event.kind.as_kind().to_string()).collect();
    let expected = [
        "pipeline.created",
        "pipeline.stage_begun",
        "pipeline.outcome_recorded",
        "pipeline.outcome_recorded",
        "pipeline.outcome_recorded",
        "pipeline.outcome_recorded",
        "pipeline.refused",
        "pipeline.finalized",
    ];
    assert_eq!(kinds, expected);
    assert!(bundle(&Pipeline::default(), &history()).is_ok());
}

#[test]
fn a_blocked_tail_stands_whole_in_its_order_and_in_its_commit() {
    // P-31.
    let telemetry = "telemetry skipped/fail_closed/blocked_by_upstream_failure";
    check(5, &["expected", telemetry, "found", "scoring"], |events| events.swap(4, 5));
    check(5, &[telemetry], |events| drop(events.remove(4)));
    check(6, &["expected `scoring", "found `pipeline.refused`"], |events| drop(events.remove(5)));
    check(4, &["expected", "found the end"], |events| events.truncate(5));
    check(5, &["commit that begins at 3", "found the commit that begins at 5"], |events| events[5].commit = 5);
    check(4, &["caused by 3", "caused by none"], |events| events[4].causation = None);
    check(5, &["caused by 3", "caused by 4"], |events| events[5].causation = Some(4));
    check(4, &[telemetry, "found `telemetry success"], |events| outcome(&mut events[4], "telemetry S/fc/-"));
    check(4, &[telemetry, "warn_and_skip"], |events| {
        outcome(&mut events[4], "telemetry K/ws/blocked_by_upstream_failure");
    });
}

#[test]
fn outcomes_in_history_are_judged_as_those_of_commands() {
    // P-02, P-03, P-11 to P-14, P-22 to P-25, P-32.
    let at = |text: &'static str, says: &[&str]| check(2, says, move |events| outcome(&mut events[2], text));
    at("deploy S/fc/-", &["expected one of lab_provider", "found `deploy`"]);
    at("detection S/fc/-", &["disabled"]);
    at("runner S/fc/execute_failed", &["no reason code", "execute_failed"]);
    at("runner F/fc/-", &["expected a reason code", "found none"]);
    at("runner F/fc/provider_api_error", &["not a reason code of `runner`"]);
    at("runner F/fc/blocked_by_upstream_failure", &["SKIPPED"]);
    at("telemetry K/fc/blocked_by_upstream_failure", &["expected a fatal failure", "found none"]);
}

#[test]
fn an_outcome_stands_once_in_history() {
    // P-13: for a command this has no effect, in history it is a flaw.
    check(3, &["expected one outcome of `lab_provider`"], |events| outcome(&mut events[3], "lab_provider S/fc/-"));
    check(3, &["recorded already"], |events| outcome(&mut events[3], "lab_provider F/ws/provider_api_error"));
}

#[test]
fn nothing_but_refusals_follows_the_end() {
    // P-48.
    let last = |events: &mut Vec<Recorded>, payload: &Payload| {
        let mut more = events[7].clone();
        (more.seq, more.commit) = (8, 8);
        write(&mut more, payload);
        events.push(more);
    };
    let end = || Payload::Finalized(Finalized { status: RunStatus::Failed, exit_code: 20 });
    check(8, &["expected one `pipeline.finalized`"], |events| last(events, &end()));
    check(8, &["finalized as `failed`"], |events| last(events, &Payload::Begun(StageBegun { stage: "runner".into() })));
    check(8, &["finalized"], |events| last(events, &Payload::Outcome(tuple("runner.preflight S/fc/-").into())));
    let mut events = history();
    let mut refusal = events[6].clone();
    (refusal.seq, refusal.commit, refusal.number) = (8, 8, 8);
    events.push(refusal);
    assert!(bundle(&Pipeline::default(), &events).is_ok());
}

#[test]
fn an_end_says_what_the_outcomes_come_to() {
    // P-40, P-46, P-47.
    let end = |status, exit_code| Payload::Finalized(Finalized { status, exit_code });
    check(7, &["expected failed with exit code 20", "found partial with 10"], |events| {
        write(&mut events[7], &end(RunStatus::Partial, 10));
    });
    check(7, &["expected failed with exit code 20", "found failed with 0"], |events| {
        write(&mut events[7], &end(RunStatus::Failed, 0));
    });
    check(1, &["expected an outcome of every enabled stage", "lab_provider, runner, telemetry, scoring"], |events| {
        write(&mut events[1], &end(RunStatus::Failed, 20));
    });
}

#[test]
fn a_run_begins_with_what_pins_it_and_only_once() {
    // P-80.
    let created = |event: &Recorded| match Payload::decode(&event.fact().event) {
        Ok(Payload::Created(created)) => created,
        other => panic!("{other:?}"),
    };
    let change = |says: &[&str], change: fn(&mut Created)| {
        check(0, says, |events| {
            let mut payload = created(&events[0]);
            change(&mut payload);
            write(&mut events[0], &Payload::Created(payload));
        });
    };
    change(&["expected the definition with BLAKE3 00", "found"], |created| created.definition = [0; 32]);
    change(&["expected the name of a built-in pipeline, found `other`"], |created| created.pipeline = "other".into());
    change(&["expected the stages", "found"], |created| drop(created.stages.pop()));
    change(&["expected the stages"], |created| created.stages.swap(0, 1));
    change(&["manifest members: expected an object"], |created| created.manifest = "[]".into());
    change(&["manifest members"], |created| created.manifest = "{".into());
    change(&["`status` is the engine's"], |created| created.manifest = r#"{"status":"success"}"#.into());
    change(&["definition: "], |created| created.definition_text = Some("{".into()));
    change(&["definition: ", "stages"], |created| created.definition_text = Some("{\"name\":\"x\"}".into()));
    change(&["expected the canonical text of `purple-axiom`"], |created| {
        created.definition_text = Some(r#"{"name":"own","stages":[{"id":"a"}]}"#.into());
    });
    check(1, &["a run that exists", "pipeline.created"], |events| {
        let first = (events[0].kind.clone(), events[0].payload.clone());
        (events[1].kind, events[1].payload) = first;
    });
}

#[test]
fn events_that_are_not_the_contract_s_or_cannot_be_read_are_told() {
    check(1, &["expected an event of contract `pipeline`, found `status.created`"], |events| {
        events[1].kind = evlog_format::kind::STATUS_CREATED.into();
    });
    check(1, &["found `custom/x`"], |events| events[1].kind = KindBuf::Custom("custom/x".into()));
    check(2, &["pipeline.outcome_recorded", "payload"], |events| events[2].payload.push(0));
    check(2, &["expected version 1", "found 9"], |events| events[2].kind_version = 9);
    check(6, &["payload"], |events| events[6].payload.truncate(1));
}

#[test]
fn stages_begin_and_publish_in_history_as_in_commands() {
    // P-30, P-60.
    check(1, &["lab_provider` comes before"], |events| {
        write(&mut events[1], &Payload::Begun(StageBegun { stage: "runner".into() }));
    });
    let mut play = Play::only(&["scoring"]);
    let artifact = json!({"path": "a", "bytes": 1, "blake3": "00".repeat(32)});
    play.begin("scoring");
    play.accept("intend", json!({"stage": "scoring", "artifacts": [artifact]}));
    play.accept("publish", json!({"stage": "scoring", "artifacts": [artifact]}));
    let mut events = play.harness.facts(RUN);
    events.remove(2);
    renumber(&mut events);
    let error = bundle(&Pipeline::default(), &events).expect_err("published without an intend");
    assert!(error.message.contains("expected an `intend`"), "{error}");
}

#[test]
fn a_definition_that_was_brought_is_found_in_the_log_again() {
    // P-80.
    let definition = json!({"name": "own", "stages": [{"id": "z"}, {"id": "a"}]});
    let mut play = Play::create(json!({"pipeline": definition}));
    play.take_all(&["a S/fc/-", "z S/fc/-"]);
    play.finalize();
    assert_eq!(play.outcomes(), ["z S/fc/-", "a S/fc/-"]);
    let found: Vec<Outcome> = play.harness.states[RUN].outcomes().cloned().collect();
    assert_eq!(found, [tuple("z S/fc/-"), tuple("a S/fc/-")]);
}
