//! Stages that are reused from the run that this one retries (rules P-92 to P-94).

use super::{Play, RUN, tuple};
use crate::pipeline::payload::{Payload, TakenOver};
use crate::pipeline::{Pipeline, purple_axiom};
use crate::testing::{Harness, addressed, bundle};
use serde_json::{Value, json};

const BEFORE: &str = "before";

/// The stages that take part.
fn create(manifest: &Value) -> Value {
    let takes_part = |id: &str| ["scoring", "reporting"].contains(&id);
    let each = |id: &str| (id.to_owned(), json!({"enabled": takes_part(id)}));
    let given: serde_json::Map<String, Value> = purple_axiom().stages().iter().map(|stage| each(&stage.id)).collect();
    json!({"pipeline": "purple-axiom", "stages": given, "manifest": manifest})
}

/// A run that retries one in which `scoring` succeeded, at seq 1.
fn retrying() -> Play {
    let mut play = Play { harness: Harness::new(Pipeline::default()) };
    let mut before = |action: &str, members: Value| drop(play.harness.accept(addressed(BEFORE, action, members)));
    before("create", create(&json!({})));
    before("outcome", tuple("scoring S/fc/-").to_value());
    before("outcome", tuple("reporting F/fc/storage_io_error").to_value());
    before("finalize", json!({}));
    play.accept("create", create(&json!({"extensions": {"orchestrator": {"retry": {"of": BEFORE}}}})));
    play
}

fn taken(stage: &str, baseline: &str, seq: u64) -> Value {
    json!({"stage": stage, "baseline": baseline, "seq": seq})
}

fn artifacts(path: &str) -> Value {
    let artifact = json!({"path": path, "bytes": 1, "blake3": "00".repeat(32)});
    json!({"stage": "scoring", "artifacts": [artifact]})
}

fn scoring(play: &Play) -> Value {
    let run = play.harness.json(RUN, "run.json");
    run["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == "scoring").unwrap().clone()
}

#[test]
fn p92_a_stage_that_has_begun_is_taken_over_from_the_run_that_is_retried_and_from_no_other() {
    let mut play = retrying();
    play.refuse("STAGE_NOT_BEGUN", "take_over", taken("scoring", BEFORE, 1));
    play.begin("scoring");
    // Another run, this run, a later seq, another event, an outcome that is not a success.
    let others = [("another", 1), (RUN, 1), (BEFORE, 4), (BEFORE, 5), (BEFORE, 0), (BEFORE, 2)];
    for (baseline, seq) in others {
        play.refuse("NOT_THE_BASELINE", "take_over", taken("scoring", baseline, seq));
    }
    let mut later = play.clone();
    later.take("scoring S/fc/-");
    later.begin("reporting");
    later.refuse("NOT_THE_BASELINE", "take_over", taken("reporting", BEFORE, 2));
    play.refuse("NOT_A_TOP_LEVEL_STAGE", "take_over", taken("scoring.x", BEFORE, 1));
    play.refuse("STAGE_DISABLED", "take_over", taken("runner", BEFORE, 1));
    assert_eq!(scoring(&play).get("taken_from"), None);
    let answered = play.accept("take_over", taken("scoring", BEFORE, 1));
    assert_eq!(answered.kinds, ["pipeline.taken_over"]);
    assert_eq!(scoring(&play)["taken_from"], json!({"run": BEFORE, "seq": 1}));
    let line = play.harness.audit(RUN).into_iter().find(|line| line["kind"] == "pipeline.taken_over").unwrap();
    assert_eq!(line["event"], taken("scoring", BEFORE, 1));

    // A run that retries none; a run that retries one that has not ended; a run that retries one that does not exist.
    let mut alone = Play::only(&["scoring"]);
    alone.begin("scoring");
    alone.refuse("NOT_THE_BASELINE", "take_over", taken("scoring", BEFORE, 1));
    for goes_on in [true, false] {
        let mut play = Play { harness: Harness::new(Pipeline::default()) };
        if goes_on {
            play.harness.accept(addressed(BEFORE, "create", create(&json!({}))));
            play.harness.accept(addressed(BEFORE, "outcome", tuple("scoring S/fc/-").to_value()));
        }
        play.accept("create", create(&json!({"extensions": {"orchestrator": {"retry": {"of": BEFORE}}}})));
        play.begin("scoring");
        let seq = u64::from(goes_on);
        play.refuse("NOT_THE_BASELINE", "take_over", taken("scoring", BEFORE, seq));
    }
}

#[test]
fn p92_history_holds_nothing_that_was_taken_over_from_another_run_or_from_later() {
    let mut play = retrying();
    play.begin("scoring");
    play.accept("take_over", taken("scoring", BEFORE, 1));
    let events = play.harness.facts(RUN);
    for (baseline, seq) in [("another", 1), (RUN, 1), (BEFORE, 4), (BEFORE, 9)] {
        let mut changed = events.clone();
        let payload = TakenOver { stage: "scoring".to_owned(), baseline: baseline.to_owned(), seq };
        changed.last_mut().unwrap().payload = Payload::TakenOver(payload).encode().unwrap();
        let error = bundle(&Pipeline::default(), &changed).unwrap_err();
        assert!(error.message.contains("found"), "{error}");
    }
}

#[test]
fn p92_a_run_retries_another_run_or_none() {
    for retry in [json!({}), json!({"of": ""}), json!({"of": RUN}), json!({"of": 1}), json!("before"), Value::Null] {
        let manifest = json!({"extensions": {"orchestrator": {"retry": retry}}});
        let mut harness = Harness::new(Pipeline::default());
        let create = json!({"pipeline": "purple-axiom", "manifest": manifest});
        let answered = harness.play(addressed(RUN, "create", create)).expect("well-formed");
        assert_eq!(answered.code(), "MANIFEST_RESERVED", "{manifest}");
    }
    let mut harness = Harness::new(Pipeline::default());
    let manifest = json!({"extensions": {"orchestrator": {"retry": {"of": "before", "from": "scoring"}}}});
    harness.accept(addressed(RUN, "create", json!({"pipeline": "purple-axiom", "manifest": manifest})));
    let shown = &harness.json(RUN, "manifest.json")["extensions"]["orchestrator"]["retry"];
    assert_eq!(shown, &json!({"of": "before", "from": "scoring"}));
}

#[test]
fn p93_a_stage_is_taken_over_once_an_attempt_and_before_anything_is_to_be_promoted() {
    let mut play = retrying();
    play.begin("scoring");
    let mut intended = play.clone();
    intended.accept("intend", artifacts("a"));
    intended.refuse("PROMOTION_OPEN", "take_over", taken("scoring", BEFORE, 1));
    let mut judged = play.clone();
    judged.accept("judge", json!({"stage": "scoring", "status": "success"}));
    judged.refuse("JUDGED_OTHERWISE", "take_over", taken("scoring", BEFORE, 1));

    let mut ran = play.clone();
    let ended = json!({"stage": "scoring", "how": "exited", "exit_code": 0});
    ran.accept("process_ended", ended.clone());
    ran.refuse("PROCESS_ENDED", "take_over", taken("scoring", BEFORE, 1));
    let mut not_started = play.clone();
    not_started.accept("process_ended", json!({"stage": "scoring", "how": "not_started"}));
    let refused = not_started.command("take_over", taken("scoring", BEFORE, 1)).error.unwrap();
    assert!(!refused.message.contains("has run"), "{refused:?}");

    play.accept("take_over", taken("scoring", BEFORE, 1));
    play.refuse("STAGE_TAKEN_OVER", "process_ended", ended);
    play.refuse("STAGE_TAKEN_OVER", "take_over", taken("scoring", BEFORE, 1));
    // In the next attempt the stage is reused again, or runs.
    play.begin("scoring");
    assert_eq!(scoring(&play).get("taken_from"), None);
    play.accept("take_over", taken("scoring", BEFORE, 1));
    play.accept("intend", artifacts("a"));
    play.accept("publish", artifacts("a"));
    play.take("scoring S/fc/-");
    play.refuse("STAGE_TERMINAL", "take_over", taken("scoring", BEFORE, 1));
    assert_eq!((&scoring(&play)["state"], &scoring(&play)["attempts"]), (&json!("success"), &json!(2)));
    play.take("reporting S/fc/-");
    play.finalize();
    play.refuse("RUN_FINALIZED", "take_over", taken("reporting", BEFORE, 1));
    assert_eq!(scoring(&play)["taken_from"], json!({"run": BEFORE, "seq": 1}));
}

#[test]
fn p94_what_is_taken_over_is_a_success_or_fails_closed() {
    let mut play = retrying();
    play.begin("scoring");
    play.accept("take_over", taken("scoring", BEFORE, 1));
    let warned =
        json!({"stage": "scoring", "status": "failed", "fail_mode": "warn_and_skip", "reason_code": "join_partial"});
    play.refuse("STAGE_TAKEN_OVER", "judge", warned);
    play.reject("STAGE_TAKEN_OVER", "scoring F/ws/join_partial");
    let mut failed = play.clone();
    failed.take("scoring F/fc/storage_io_error");
    assert_eq!(failed.outcomes(), ["scoring F/fc/storage_io_error", "reporting K/fc/blocked_by_upstream_failure"]);
    assert_eq!(scoring(&failed)["taken_from"]["run"], BEFORE);
    // A reused stage that was left is settled like any other (P-83).
    play.accept("intend", artifacts("a"));
    let found = [json!({"stage": "scoring", "outputs": "valid"}), json!({"stage": "reporting", "outputs": "none"})];
    play.accept("reconcile", json!({"found": found}));
    assert_eq!(play.outcomes(), ["scoring S/fc/-"]);
}
