//! How the process of a stage ended (rule P-95).

use super::{Play, RUN};
use crate::explain::{Documents, Role, explain};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn exited(code: u64) -> Value {
    json!({"stage": "scoring", "how": "exited", "exit_code": code})
}

/// What `explain` says of the stage `scoring`.
fn explained(play: &Play) -> String {
    let (run, audit, manifest) = (play.harness.json(RUN, "run.json"), play.harness.audit(RUN), Value::Null);
    let (reports, earlier) = (BTreeMap::new(), BTreeMap::new());
    let of = Documents {
        run: &run,
        manifest: &manifest,
        audit: &audit,
        reports: &reports,
        earlier: &earlier,
        retries: &[],
        retried_by: &[],
    };
    explain(&of)
        .reasons
        .into_iter()
        .find(|reason| reason.subject == "scoring" && reason.role != Role::Refused)
        .expect("a stage")
        .text
}

#[test]
fn p95_the_end_of_a_process_is_recorded_once_in_each_attempt_and_before_the_stage_is_judged() {
    let mut play = Play::only(&["scoring", "reporting"]);
    play.refuse("STAGE_NOT_BEGUN", "process_ended", exited(0));
    play.begin("scoring");
    let mut judged = play.clone();
    judged.accept("judge", json!({"stage": "scoring", "status": "success"}));
    judged.refuse("PROCESS_ENDED", "process_ended", exited(0));
    assert_eq!(play.accept("process_ended", exited(3)).kinds, ["pipeline.process_ended"]);
    play.refuse("PROCESS_ENDED", "process_ended", exited(3));
    // The next attempt has a process of its own.
    play.begin("scoring");
    assert_eq!(explained(&play), "has begun, and has no outcome (attempt 2)");
    play.accept("process_ended", exited(0));
    play.take("scoring S/fc/-");
    play.refuse("STAGE_TERMINAL", "process_ended", exited(0));
    assert_eq!(explained(&play), "succeeded (attempt 2)");
}

#[test]
fn p95_what_a_process_ended_with_fits_how_it_ended() {
    let mut play = Play::only(&["scoring"]);
    play.begin("scoring");
    let ended = |more: &Value| {
        let mut members = json!({"stage": "scoring"});
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        members
    };
    for wrong in [
        json!({"how": "exited"}),
        json!({"how": "exited", "exit_code": 0, "signal": 9}),
        json!({"how": "signalled"}),
        json!({"how": "signalled", "signal": 0}),
        json!({"how": "exited", "exit_code": 0, "signal": 0}),
        json!({"how": "signalled", "exit_code": 9}),
        json!({"how": "timed_out"}),
        json!({"how": "interrupted", "exit_code": 0}),
        json!({"how": "unknown", "signal": 9}),
    ] {
        play.refuse("PROCESS_END_INVALID", "process_ended", ended(&wrong));
    }
    for (right, sentence) in [
        (json!({"how": "exited", "exit_code": 255}), "its process ended with exit code 255"),
        (json!({"how": "signalled", "signal": 9, "time_limit_ns": 1}), "its process was ended by signal 9"),
        (
            json!({"how": "timed_out", "time_limit_ns": 1_500_000_000_u64}),
            "its process was ended, because the time limit of 1.5s had passed",
        ),
        (json!({"how": "interrupted"}), "its process was ended, because the run was interrupted"),
        (json!({"how": "traced"}), "its process was ended, because it traced evlog"),
        (json!({"how": "unknown"}), "it is not known how its process ended"),
        (json!({"how": "not_started"}), "its process could not be started"),
    ] {
        let mut play = play.clone();
        play.accept("process_ended", ended(&right));
        assert_eq!(explained(&play), format!("has begun, and has no outcome: {sentence}"));
        let output = json!({"stage": "scoring", "path": "logs/scoring.log", "bytes": 1, "blake3": "00".repeat(32)});
        play.accept("captured", output);
        play.take("scoring F/fc/storage_io_error");
        let in_it = if right["how"] == "not_started" { "why" } else { "what it printed" };
        let expected = format!(
            "failed with `storage_io_error`, which stops the run: {sentence}; {in_it} is in `logs/scoring.log`"
        );
        assert_eq!(explained(&play), expected);
    }
}
