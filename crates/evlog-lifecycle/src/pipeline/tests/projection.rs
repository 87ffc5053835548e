//! The files of the bundle, byte by byte (rules P-50 to P-56).

use super::{Play, RUN, all_success_but};
use crate::pipeline::purple_axiom;
use serde_json::{Value, json};

fn text(play: &Play, path: &str) -> String {
    let bundle = play.harness.bundle(RUN).expect("the run folds");
    String::from_utf8(bundle.files[path].bytes.clone()).expect("UTF-8")
}

fn digest() -> String {
    blake3::Hash::from_bytes(purple_axiom().digest()).to_hex().to_string()
}

#[test]
fn a_run_in_progress_has_no_status_and_no_outcomes_until_the_first() {
    // P-52, A-01, P-56: canonical, no newline.
    let mut play = Play::purple();
    let head = format!(
        r#"{{"contract_version":"0.1.0","extensions":{{"evlog":{{"definition_blake3":"{}","pipeline":"purple-axiom"}}}},"run_id":"{RUN}""#,
        digest()
    );
    let start = r#","started_at_utc":"2026-02-23T18:00:00.000Z""#;
    assert_eq!(text(&play, "manifest.json"), format!("{head}{start}}}"));
    assert_eq!(text(&play, "logs/health.json"), format!(r#"{{"run_id":"{RUN}","stages":[]}}"#));
    play.take("runner S/fc/-");
    let list = r#"[{"fail_mode":"fail_closed","stage":"runner","status":"success"}]"#;
    assert_eq!(text(&play, "manifest.json"), format!(r#"{head},"stage_outcomes":{list}{start}}}"#));
    assert_eq!(text(&play, "logs/health.json"), format!(r#"{{"run_id":"{RUN}","stages":{list}}}"#));
    assert_eq!(play.harness.json(RUN, "run.json")["status"], "in_progress");
}

#[test]
fn a_finalized_run_has_its_status_and_the_time_of_its_end() {
    // P-50, P-53.
    let mut play = Play::only(&["validation"]);
    play.take("validation F/ws/criteria_query_failed");
    play.finalize();
    let list = r#"[{"fail_mode":"warn_and_skip","reason_code":"criteria_query_failed","stage":"validation","status":"failed"}]"#;
    let manifest = format!(
        r#"{{"contract_version":"0.1.0","ended_at_utc":"2026-02-23T18:00:02.000Z","extensions":{{"evlog":{{"definition_blake3":"{}","pipeline":"purple-axiom"}}}},"run_id":"{RUN}","stage_outcomes":{list},"started_at_utc":"2026-02-23T18:00:00.000Z","status":"partial"}}"#,
        digest()
    );
    assert_eq!(text(&play, "manifest.json"), manifest);
    assert_eq!(text(&play, "logs/health.json"), format!(r#"{{"run_id":"{RUN}","stages":{list},"status":"partial"}}"#));
}

#[test]
fn health_mirrors_the_manifest_and_holds_outcomes_only() {
    // P-53, checks 9, 14, 15, 16.
    let mut play = Play::purple();
    let mut reported =
        all_success_but(&["reporting.regression_compare F/ws/baseline_missing", "telemetry.clock_sync S/fc/-"]);
    reported.reverse();
    for outcome in &reported {
        play.take(outcome);
    }
    play.finalize();
    let (manifest, health) = (play.harness.json(RUN, "manifest.json"), play.harness.json(RUN, "logs/health.json"));
    assert_eq!(health["stages"], manifest["stage_outcomes"]);
    assert_eq!((&health["run_id"], &health["status"]), (&manifest["run_id"], &manifest["status"]));
    let members: Vec<&String> = health.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["run_id", "stages", "status"]);
}

#[test]
fn health_is_left_out_where_the_run_says_so() {
    // P-55, check 14.
    let play = Play::create(json!({"pipeline": "purple-axiom", "emit_health": false}));
    let paths: Vec<String> = play.files().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["manifest.json", "run.json"]);
    let play = Play::purple();
    let paths: Vec<String> = play.files().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["logs/health.json", "manifest.json", "run.json"]);
}

#[test]
fn members_that_the_run_was_created_with_stand_beside_the_engine_s() {
    // P-50.
    let members = json!({
        "scenario": {"scenario_id": "s", "techniques": ["T1059.001"]},
        "versions": {"z": 1, "a": 56.0},
        "extensions": {"orchestrator": {"v": 1}},
    });
    let play = Play::create(json!({"pipeline": "purple-axiom", "manifest": members}));
    let manifest = play.harness.json(RUN, "manifest.json");
    assert_eq!(manifest["scenario"], members["scenario"]);
    assert_eq!(manifest["extensions"]["orchestrator"], json!({"v": 1}));
    assert_eq!(manifest["extensions"]["evlog"]["pipeline"], "purple-axiom");
    assert!(text(&play, "manifest.json").contains(r#""versions":{"a":56,"z":1}"#), "RFC 8785 numbers and order");
}

#[test]
fn members_that_are_the_engine_s_are_refused() {
    // P-51.
    let engine = ["contract_version", "run_id", "status", "started_at_utc", "ended_at_utc", "stage_outcomes"];
    for name in engine {
        refused_at_creation("MANIFEST_RESERVED", json!({"pipeline": "purple-axiom", "manifest": {name: null}}));
    }
    refused_at_creation(
        "MANIFEST_RESERVED",
        json!({"pipeline": "purple-axiom", "manifest": {"extensions": {"evlog": {}}}}),
    );
    Play::create(json!({"pipeline": "purple-axiom", "manifest": {"extensions": {"evlog2": {}}, "stage_outcome": []}}));
}

fn refused_at_creation(code: &str, mut members: Value) {
    let mut play = Play { harness: crate::testing::Harness::new(crate::pipeline::Pipeline::default()) };
    members["run"] = RUN.into();
    members["do"] = "create".into();
    let answered = play.harness.play(members.clone()).expect("well-formed");
    assert_eq!(answered.code(), code, "{members}");
    assert_eq!(answered.kinds, ["$log:pipeline.refused"], "there is no run to record it in");
    assert_eq!(answered.status, None);
}

#[test]
fn creation_is_refused_for_what_there_is_not() {
    refused_at_creation("UNKNOWN_PIPELINE", json!({"pipeline": "purple"}));
    refused_at_creation("UNKNOWN_STAGE", json!({"pipeline": "purple-axiom", "stages": {"deploy": {}}}));
    refused_at_creation("UNKNOWN_STAGE", json!({"pipeline": "purple-axiom", "stages": {"runner.preflight": {}}}));
}

#[test]
fn two_runs_of_the_same_story_differ_in_ids_and_times_only() {
    // Check 41.
    let story = |run: &str| {
        let mut harness = crate::testing::Harness::new(crate::pipeline::Pipeline::default());
        harness.accept(json!({"run": "other", "do": "create", "pipeline": "purple-axiom"}));
        harness.time_ns += i128::try_from(run.len()).expect("short") * crate::testing::STEP_NS;
        harness.accept(json!({"run": run, "do": "create", "pipeline": "purple-axiom"}));
        harness.accept(json!({"run": run, "do": "outcome", "stage": "lab_provider", "status": "failed", "reason_code": "provider_api_error"}));
        harness.accept(json!({"run": run, "do": "finalize"}));
        let mut manifest = harness.json(run, "manifest.json");
        for volatile in ["run_id", "started_at_utc", "ended_at_utc"] {
            manifest.as_object_mut().expect("an object").remove(volatile).expect(volatile);
        }
        manifest
    };
    assert_eq!(story("first"), story("the-second"));
}

#[test]
fn run_json_tells_every_stage() {
    let mut play = Play::create(json!({"pipeline": "purple-axiom", "stages": {"scoring": {"enabled": false}}}));
    play.begin("lab_provider");
    play.take("lab_provider.connectivity F/ws/partial_connectivity");
    play.take("lab_provider S/fc/-");
    play.begin("runner");
    let run = play.harness.json(RUN, "run.json");
    let expected = json!({
        "run_id": RUN,
        "contract": "pipeline",
        "pipeline": "purple-axiom",
        "status": "in_progress",
        "created_at_utc": "2026-02-23T18:00:00.000Z",
        "first_seq": 0,
        "stages": [
            {"stage": "lab_provider", "state": "success", "fail_mode": "fail_closed", "attempts": 1,
             "begun_at_utc": "2026-02-23T18:00:01.000Z", "ended_at_utc": "2026-02-23T18:00:03.000Z", "seq": 3},
            {"stage": "runner", "state": "running", "fail_mode": "fail_closed", "attempts": 1,
             "begun_at_utc": "2026-02-23T18:00:04.000Z"},
            {"stage": "telemetry", "state": "pending", "fail_mode": "fail_closed"},
            {"stage": "normalization", "state": "pending", "fail_mode": "fail_closed"},
            {"stage": "validation", "state": "pending", "fail_mode": "warn_and_skip"},
            {"stage": "detection", "state": "pending", "fail_mode": "fail_closed"},
            {"stage": "scoring", "state": "disabled", "fail_mode": "fail_closed"},
            {"stage": "reporting", "state": "pending", "fail_mode": "fail_closed"},
            {"stage": "signing", "state": "disabled", "fail_mode": "fail_closed"},
        ],
        "substages": [
            {"stage": "lab_provider.connectivity", "state": "failed", "fail_mode": "warn_and_skip",
             "reason_code": "partial_connectivity", "ended_at_utc": "2026-02-23T18:00:02.000Z", "seq": 2},
        ],
        "artifacts": [],
        "captured": [],
    });
    assert_eq!(run, expected);
}

#[test]
fn every_event_has_its_audit_line() {
    let mut play = Play::only(&["lab_provider", "runner"]);
    play.begin("lab_provider");
    play.take("lab_provider F/fc/provider_api_error");
    play.reject("STAGE_TERMINAL", "runner S/fc/-");
    play.finalize();
    let lines = play.harness.audit(RUN);
    let reported: Vec<(&str, &Value)> =
        lines.iter().map(|line| (line["kind"].as_str().expect("a kind"), &line["event"])).collect();
    let kinds: Vec<&str> = reported.iter().map(|(kind, _)| *kind).collect();
    let expected = [
        "pipeline.created",
        "pipeline.stage_begun",
        "pipeline.outcome_recorded",
        "pipeline.outcome_recorded",
        "pipeline.refused",
        "pipeline.finalized",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(
        reported[0].1["stages"][0],
        json!({"stage": "lab_provider", "enabled": true, "fail_mode": "fail_closed"})
    );
    assert_eq!(reported[1].1, &json!({"stage": "lab_provider", "from": "pending", "to": "running", "attempt": 1}));
    let blocked = json!({"stage": "runner", "from": "pending", "to": "skipped", "status": "skipped",
        "fail_mode": "fail_closed", "reason_code": "blocked_by_upstream_failure"});
    assert_eq!(reported[2].1["from"], "running");
    assert_eq!((reported[3].1, &lines[3]["caused_by"], &lines[3]["commit"]), (&blocked, &json!(2), &json!(2)));
    assert_eq!((&reported[4].1["do"], &reported[4].1["error"]["code"]), (&json!("outcome"), &json!("STAGE_TERMINAL")));
    assert_eq!(reported[5].1, &json!({"from": "in_progress", "to": "failed", "exit_code": 20}));
    let numbers: Vec<Value> = lines.iter().map(|line| line["number"].clone()).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5].map(Value::from));
}
