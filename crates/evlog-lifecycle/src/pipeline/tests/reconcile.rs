//! Interrupted runs and forced locks (rules P-82 to P-90).

use super::{Play, RUN, spelled};
use crate::pipeline::Pipeline;
use crate::pipeline::payload::Payload;
use crate::testing::{Recorded, bundle};
use serde_json::{Value, json};

const OUTPUTS: [&str; 5] = ["none", "valid", "invalid", "partial", "corrupt"];

/// Three stages; `middle` only warns.
fn own() -> Play {
    Play::create(json!({"pipeline": {
        "name": "own",
        "stages": [{"id": "first"}, {"id": "middle", "fail_mode": "warn_and_skip"}, {"id": "last"}],
        "reason_codes": [
            {"stage": "middle", "code": "odd", "severity": "NON-FATAL"},
            {"stage": "middle", "code": "broke", "severity": "FATAL"},
            {"stage": "middle", "code": "reused", "severity": "SKIPPED"},
            {"stage": "middle.check", "code": "bad", "severity": "FATAL"},
        ],
    }}))
}

fn findings(first: &str, middle: &str, last: &str) -> Value {
    let one = |stage: &str, outputs: &str| json!({"stage": stage, "outputs": outputs});
    json!({"found": [one("first", first), one("middle", middle), one("last", last)]})
}

fn outcomes(play: &Play) -> Vec<String> {
    let manifest = play.harness.json(RUN, "manifest.json");
    manifest["stage_outcomes"].as_array().map(|list| list.iter().map(spelled).collect()).unwrap_or_default()
}

/// The outcome of `middle` afterwards, according to the page's table (5.4).
fn expected(recorded: &str, outputs: &str, staging: bool) -> String {
    let fatal = |code: &str| format!("middle F/fc/{code}");
    match (recorded, outputs) {
        _ if staging => fatal("storage_io_error"),
        ("", "none") => String::new(),
        ("", "valid") => "middle S/ws/-".to_owned(),
        ("", "invalid") => fatal("contract_validation_failed"),
        ("middle S/ws/-" | "middle F/ws/odd", "none" | "partial") => fatal("input_missing"),
        ("", _)
        | ("middle S/ws/-" | "middle F/ws/odd", "invalid" | "corrupt")
        | ("middle F/fc/broke", "valid" | "invalid" | "partial" | "corrupt") => fatal("storage_io_error"),
        (recorded, _) => recorded.to_owned(),
    }
}

#[test]
fn every_finding_beside_every_outcome_leads_to_what_the_table_says_and_again_to_nothing() {
    // P-82, P-83, P-84, P-85, P-86, P-87.
    let recorded = [
        "",
        "middle S/ws/-",
        "middle F/ws/odd",
        "middle F/fc/broke",
        "middle F/fc/storage_io_error",
        "middle K/ws/reused",
    ];
    for recorded in recorded {
        for outputs in OUTPUTS {
            for staging in [false, true] {
                let mut play = own();
                play.take("first S/fc/-");
                if !recorded.is_empty() {
                    play.take(recorded);
                }
                let fatal = recorded.contains("F/fc");
                let mut asked = findings("valid", outputs, "none");
                asked["found"][1]["staging"] = staging.into();
                let answered = play.accept("reconcile", asked.clone());
                let expected = expected(recorded, outputs, staging);
                let found =
                    outcomes(&play).into_iter().find(|outcome| outcome.starts_with("middle ")).unwrap_or_default();
                assert_eq!(found, expected, "{recorded} {outputs} {staging}");
                let changed = expected != recorded;
                assert_eq!(answered.kinds.first().map(String::as_str), changed.then_some("pipeline.reconciled"));
                let blocked = outcomes(&play).contains(&"last K/fc/blocked_by_upstream_failure".to_owned());
                assert_eq!(blocked, fatal || expected.contains("F/fc"), "{recorded} {outputs} {staging}");
                let before = play.files();
                assert!(play.accept("reconcile", asked).kinds.is_empty(), "{recorded} {outputs} {staging}");
                assert!(play.files() == before, "settled is settled");
            }
        }
    }
}

#[test]
fn a_stage_that_was_interrupted_can_begin_again_and_one_that_was_promoted_is_a_success() {
    // P-82, P-83, A-39: the files that were to be promoted belong to the stage.
    let mut play = own();
    play.begin("first");
    assert!(play.accept("reconcile", findings("none", "none", "none")).kinds.is_empty());
    play.begin("first");
    let artifacts = json!([{"path": "a.json", "bytes": 1, "blake3": "07".repeat(32)}]);
    play.accept("intend", json!({"stage": "first", "artifacts": artifacts}));
    play.accept("reconcile", findings("valid", "none", "none"));
    let run = play.harness.json(RUN, "run.json");
    assert_eq!((&run["artifacts"][0]["path"], &run["stages"][0]["reconciled"]), (&json!("a.json"), &json!(true)));
    play.take_all(&["middle S/ws/-", "last S/fc/-"]);
    play.accept("finalize", json!({}));
    play.refuse("RUN_FINALIZED", "reconcile", findings("valid", "valid", "valid"));
}

#[test]
fn a_stage_that_only_warned_does_not_become_a_success_by_a_crash() {
    // P-65, P-83: its artifacts are in the bundle, and its outcome was not recorded yet.
    let artifacts = json!([{"path": "a.json", "bytes": 1, "blake3": "07".repeat(32)}]);
    let begun = || {
        let mut play = own();
        play.take("first S/fc/-");
        play.begin("middle");
        play.accept("judge", json!({"stage": "middle", "status": "failed", "reason_code": "odd"}));
        play
    };
    let mut play = begun();
    play.accept("intend", json!({"stage": "middle", "artifacts": artifacts}));
    play.accept("reconcile", findings("valid", "valid", "none"));
    assert_eq!(outcomes(&play), ["first S/fc/-", "middle F/ws/odd"]);
    assert_eq!(play.harness.json(RUN, "run.json")["artifacts"][0]["path"], "a.json");
    let mut play = begun();
    assert!(play.accept("reconcile", findings("valid", "none", "none")).kinds.is_empty());
    play.begin("middle");
    play.accept("reconcile", findings("valid", "valid", "none"));
    assert_eq!(outcomes(&play), ["first S/fc/-", "middle S/ws/-"], "judged in an earlier attempt only");
}

#[test]
fn behind_a_stop_everything_is_blocked_or_fails() {
    // P-83, P-85: this also concerns a stage that had begun, and outputs where there should be none.
    let mut play = own();
    play.take("first S/fc/-");
    play.begin("middle");
    let answered = play.accept("reconcile", findings("partial", "none", "valid"));
    assert_eq!(answered.kinds.len(), 4);
    let expected =
        ["first F/fc/input_missing", "middle K/ws/blocked_by_upstream_failure", "last F/fc/storage_io_error"];
    assert_eq!(outcomes(&play), expected);
    play.accept("finalize", json!({}));
    assert_eq!(play.harness.json(RUN, "manifest.json")["status"], "failed");
    let mut play = own();
    play.take("first F/fc/storage_io_error");
    play.accept("reconcile", findings("partial", "valid", "none"));
    assert_eq!(outcomes(&play)[1], "middle F/fc/storage_io_error", "blocked, and yet there");
}

#[test]
fn outputs_do_not_hide_a_substage_that_failed() {
    // P-83, P-34.
    let mut play = own();
    play.take_all(&["first S/fc/-", "middle.check F/fc/bad"]);
    play.accept("reconcile", findings("valid", "valid", "none"));
    let expected = [
        "first S/fc/-",
        "middle F/fc/storage_io_error",
        "middle.check F/fc/bad",
        "last K/fc/blocked_by_upstream_failure",
    ];
    assert_eq!(outcomes(&play), expected);
}

#[test]
fn a_pending_stage_may_fail_before_what_was_found_behind_it() {
    // P-33, P-83: stages are settled one by one, and pending stages are executed. A failure of such a stage must have a place.
    for middle in ["valid", "invalid"] {
        let mut play = own();
        play.accept("reconcile", findings("none", middle, "none"));
        play.begin("first");
        play.take("first F/fc/storage_io_error");
        let found = if middle == "valid" { "middle S/ws/-" } else { "middle F/fc/contract_validation_failed" };
        let blocked = "last K/fc/blocked_by_upstream_failure";
        assert_eq!(outcomes(&play), ["first F/fc/storage_io_error", found, blocked]);
        play.accept("finalize", json!({}));
        assert_eq!(play.harness.json(RUN, "manifest.json")["status"], "failed");
    }
    // A stage that ran after the reconciliation counts as having run.
    let mut play = own();
    play.accept("reconcile", findings("none", "valid", "none"));
    play.take("last S/fc/-");
    play.reject("LATER_STAGE_RAN", "first F/fc/storage_io_error");
}

#[test]
fn an_exceeded_limit_stands_in_the_manifest() {
    // P-91, P-36.
    let exceeded = |limit: &str, behavior: &str| json!({"limit": limit, "configured": 10, "observed": 11, "behavior": behavior, "stage": "telemetry"});
    let mut play =
        Play::create(json!({"pipeline": "purple-axiom", "manifest": {"extensions": {"operability": {"site": "a"}}}}));
    play.take_all(&["lab_provider S/fc/-", "runner S/fc/-"]);
    play.begin("telemetry");
    play.accept("limit_exceeded", exceeded("max_disk_gb", "partial"));
    play.take("validation.run_limits F/ws/disk_limit_exceeded");
    play.take("telemetry F/ws/checkpoint_loss");
    let operability = || play.harness.json(RUN, "manifest.json")["extensions"]["operability"].clone();
    let cut =
        play.harness.audit(RUN).into_iter().find(|line| line["kind"] == "pipeline.limit_exceeded").expect("a line");
    let mut expected = exceeded("max_disk_gb", "partial");
    assert_eq!(cut["event"], expected);
    expected["truncated_at_utc"] = cut["timestamp_utc"].clone();
    assert_eq!(operability(), json!({"site": "a", "limits_exceeded": [expected]}));

    let mut play = Play::purple();
    play.accept("limit_exceeded", exceeded("max_run_minutes", "hard_fail"));
    let manifest = play.harness.json(RUN, "manifest.json");
    assert_eq!(
        manifest["extensions"]["operability"]["limits_exceeded"],
        json!([exceeded("max_run_minutes", "hard_fail")])
    );
    for limit in ["", "Max", "9", &"a".repeat(65)] {
        play.refuse("LIMIT_NAME_INVALID", "limit_exceeded", exceeded(limit, "partial"));
    }
    for (stage, code) in
        [("lost", "UNKNOWN_STAGE"), ("validation.run_limits", "NOT_A_TOP_LEVEL_STAGE"), ("signing", "STAGE_DISABLED")]
    {
        let mut exceeded = exceeded("max_disk_gb", "partial");
        exceeded["stage"] = stage.into();
        play.refuse(code, "limit_exceeded", exceeded);
    }
    play.take("validation.run_limits F/fc/run_timeout");
    play.finalize();
    play.refuse("RUN_FINALIZED", "limit_exceeded", exceeded("max_disk_gb", "partial"));
    let mut harness = crate::testing::Harness::new(Pipeline::default());
    for given in [json!({"limits_exceeded": []}), json!(1)] {
        let create = json!({"run": RUN, "do": "create", "pipeline": "purple-axiom", "manifest": {"extensions": {"operability": given}}});
        assert_eq!(harness.play(create).expect("well-formed").code(), "MANIFEST_RESERVED");
    }
}

#[test]
fn a_success_that_was_settled_is_looked_at_again() {
    // P-84, P-87.
    let mut play = own();
    play.accept("reconcile", findings("valid", "none", "none"));
    play.accept("reconcile", findings("corrupt", "none", "none"));
    assert_eq!(outcomes(&play)[0], "first F/fc/storage_io_error");
    let line = play.harness.audit(RUN).into_iter().find(|line| line["kind"] == "pipeline.reconciled").expect("a line");
    assert_eq!(line["event"]["found"][0], json!({"stage": "first", "outputs": "valid", "staging": false}));
}

#[test]
fn findings_are_of_every_enabled_stage() {
    // P-82.
    let mut play = own();
    play.refuse("FINDINGS_INCOMPLETE", "reconcile", json!({"found": []}));
    play.refuse("FINDINGS_INCOMPLETE", "reconcile", json!({"found": [
        {"stage": "first", "outputs": "none"}, {"stage": "middle", "outputs": "none"}, {"stage": "lost", "outputs": "none"},
    ]}));
    let mut twice = findings("none", "none", "none");
    twice["found"][1]["stage"] = "first".into();
    play.refuse("FINDINGS_INCOMPLETE", "reconcile", twice);
    // The order in which they are reported does not matter.
    let mut reported = findings("valid", "none", "none");
    reported["found"].as_array_mut().expect("a list").reverse();
    play.accept("reconcile", reported);
}

#[test]
fn a_history_that_does_not_follow_from_its_findings_is_refused() {
    // P-82.
    let mut play = own();
    play.accept("reconcile", findings("invalid", "none", "none"));
    let history = play.harness.facts(RUN);
    assert!(bundle(&Pipeline::default(), &history).is_ok());
    let check = |events: &[Recorded], says: &str| {
        let error = bundle(&Pipeline::default(), events).expect_err(says);
        assert!(error.message.contains(says), "{says:?}: {error}");
    };
    check(&history[..2], "expected `first failed/fail_closed/contract_validation_failed`, found the end");
    check(&history[..4], "expected `last skipped/fail_closed/blocked_by_upstream_failure`, found the end");
    let change = |index: usize, change: fn(&mut Payload)| {
        let mut events = history.clone();
        let mut payload = Payload::decode(&history[index].fact().event).expect("a payload");
        change(&mut payload);
        events[index].payload = payload.encode().expect("encodes");
        events
    };
    let other = change(2, |payload| {
        if let Payload::Outcome(outcome) = payload {
            outcome.reason_code = Some("input_missing".into());
        }
    });
    check(&other, "for so it was found");
    let nothing = change(1, |payload| {
        if let Payload::Reconciled(found) = payload {
            found.found[0].outputs = crate::pipeline::Outputs::None;
        }
    });
    check(&nothing, "expected findings that lead to an outcome");
    let mut elsewhere = history.clone();
    elsewhere[2].commit = 2;
    check(&elsewhere, "expected it in the commit that begins at 1");
    let mut uncaused = history.clone();
    uncaused[3].causation = None;
    check(&uncaused, "caused by none");
}

#[test]
fn a_forced_lock_stands_in_the_manifest() {
    // P-90, P-51.
    let mut play = own();
    let forced = |number: &str| json!({"stale_lock_filename": format!("{RUN}.lock.stale.{number}"), "stale_lock_sha256": "ab".repeat(32)});
    play.accept("lock_forced", forced("0001"));
    play.accept("lock_forced", forced("0002"));
    play.refuse("LOCK_NAME_TAKEN", "lock_forced", forced("0002"));
    for number in ["0000", "1", "00011", "000x", ""] {
        play.refuse("LOCK_NAME_INVALID", "lock_forced", forced(number));
    }
    play.refuse(
        "LOCK_NAME_INVALID",
        "lock_forced",
        json!({"stale_lock_filename": "other.lock.stale.0001", "stale_lock_sha256": "ab".repeat(32)}),
    );
    let orchestrator = play.harness.json(RUN, "manifest.json")["extensions"]["orchestrator"].clone();
    assert_eq!(orchestrator["v"], 1);
    let events = &orchestrator["run_lock"]["break_glass_events"];
    let expected = json!({"seq": 2, "stale_lock_filename": format!("{RUN}.lock.stale.0002"), "stale_lock_sha256": "ab".repeat(32), "policy": "manual_break_glass_v1"});
    assert_eq!((events.as_array().map(Vec::len), &events[1]), (Some(2), &expected));
    assert!(own().harness.json(RUN, "manifest.json")["extensions"].get("orchestrator").is_none());
    let mut harness = crate::testing::Harness::new(Pipeline::default());
    for given in [json!({"run_lock": {}}), json!(1)] {
        let create = json!({"run": RUN, "do": "create", "pipeline": "purple-axiom", "manifest": {"extensions": {"orchestrator": given}}});
        assert_eq!(harness.play(create).expect("well-formed").code(), "MANIFEST_RESERVED");
    }
    let mut play =
        Play::create(json!({"pipeline": "purple-axiom", "manifest": {"extensions": {"orchestrator": {"site": "a"}}}}));
    play.accept("lock_forced", forced("0001"));
    assert_eq!(play.harness.json(RUN, "manifest.json")["extensions"]["orchestrator"]["site"], "a");
}
