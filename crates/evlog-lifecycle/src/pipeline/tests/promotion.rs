//! What a stage publishes: artifacts, captured output, the gate's report (rules P-60 to P-64, P-78).

use super::{Play, RUN, tuple};
use crate::pipeline::report::{ArtifactReport, ERRORS_MAX_DEFAULT, Finding, Report};
use serde_json::{Value, json};

fn file(path: &str) -> Value {
    json!({"path": path, "bytes": path.len(), "blake3": blake3::hash(path.as_bytes()).to_hex().as_str()})
}

fn artifacts(stage: &str, paths: &[&str]) -> Value {
    json!({"stage": stage, "artifacts": paths.iter().map(|path| file(path)).collect::<Vec<Value>>()})
}

fn running(stages: &[&str]) -> Play {
    let mut play = Play::only(stages);
    play.begin(stages[0]);
    play
}

#[test]
fn artifacts_are_intended_then_published_and_listed_by_path() {
    // P-60, seed step 4.
    let mut play = running(&["scoring", "reporting"]);
    let mut both = artifacts("scoring", &["scoring/summary.json", "a.txt"]);
    both["artifacts"][0]["contract"] = "summary".into();
    play.accept("intend", both.clone());
    assert_eq!(play.harness.json(RUN, "run.json")["artifacts"], json!([]), "nothing stands in the bundle yet");
    play.accept("publish", both);
    play.take("scoring S/fc/-");
    let mut first = file("a.txt");
    first["stage"] = "scoring".into();
    let mut second = file("scoring/summary.json");
    second["stage"] = "scoring".into();
    second["contract"] = "summary".into();
    assert_eq!(play.harness.json(RUN, "run.json")["artifacts"], json!([first, second]));
}

#[test]
fn only_what_was_intended_is_published() {
    // P-60.
    let mut play = Play::only(&["scoring"]);
    play.refuse("STAGE_NOT_BEGUN", "intend", artifacts("scoring", &[]));
    play.refuse("STAGE_NOT_BEGUN", "publish", artifacts("scoring", &[]));
    play.begin("scoring");
    play.refuse("PROMOTION_NOT_INTENDED", "publish", artifacts("scoring", &["a"]));
    play.accept("intend", artifacts("scoring", &["a", "b"]));
    play.refuse("PROMOTION_NOT_INTENDED", "publish", artifacts("scoring", &["a"]));
    let mut other = artifacts("scoring", &["a", "b"]);
    other["artifacts"][0]["bytes"] = 7.into();
    play.refuse("PROMOTION_NOT_INTENDED", "publish", other);
    play.accept("publish", artifacts("scoring", &["b", "a"]));
    play.take("scoring S/fc/-");
    play.refuse("STAGE_TERMINAL", "intend", artifacts("scoring", &[]));
    play.refuse("STAGE_TERMINAL", "publish", artifacts("scoring", &["a", "b"]));
}

#[test]
fn a_stage_with_an_open_promotion_can_only_fail_closed() {
    // P-63, 2.6: if the outcome is failed and warn-and-skip, the outputs are published.
    let mut play = running(&["scoring"]);
    play.accept("intend", artifacts("scoring", &["a"]));
    play.reject("PROMOTION_OPEN", "scoring S/fc/-");
    play.reject("PROMOTION_OPEN", "scoring F/ws/join_partial");
    let mut failed = play.clone();
    failed.take("scoring F/fc/storage_io_error");
    play.accept("publish", artifacts("scoring", &["a"]));
    // A second intend opens the promotion again.
    play.accept("intend", artifacts("scoring", &["a", "b"]));
    play.reject("PROMOTION_OPEN", "scoring S/fc/-");
    play.accept("publish", artifacts("scoring", &["a", "b"]));
    play.take("scoring F/ws/join_partial");
}

#[test]
fn a_stage_that_begins_again_intends_again() {
    let mut play = running(&["scoring"]);
    play.accept("intend", artifacts("scoring", &["a"]));
    play.begin("scoring");
    play.refuse("PROMOTION_NOT_INTENDED", "publish", artifacts("scoring", &["a"]));
    play.accept("intend", artifacts("scoring", &["a", "c"]));
    play.accept("publish", artifacts("scoring", &["a", "c"]));
    play.begin("scoring");
    play.accept("intend", artifacts("scoring", &["a", "c"]));
    play.accept("publish", artifacts("scoring", &["a", "c"]));
    play.take("scoring S/fc/-");
}

#[test]
fn paths_are_relative_and_not_the_engine_s_own() {
    // P-61, P-62.
    let mut play = running(&["scoring"]);
    for path in ["../x", "/etc/passwd", "a//b", "a/./b", "", "a\\b", "C:x", "a/"] {
        play.refuse("PATH_INVALID", "intend", artifacts("scoring", &[path]));
    }
    let reserved = [
        "run.json",
        "run.json/x",
        "manifest.json",
        "audit_events.jsonl",
        "logs",
        "logs/health.json",
        "logs/contract_validation/scoring.json",
        "logs/contract_validation",
        ".staging/scoring/x",
        ".staging",
        "logs/scoring.log",
        "logs/runner.log",
    ];
    for path in reserved {
        play.refuse("PATH_RESERVED", "intend", artifacts("scoring", &[path]));
    }
    play.refuse("PATH_TWICE", "intend", artifacts("scoring", &["a", "a"]));
    let fine = [
        "logs/lab_inventory_snapshot.json",
        "logs/other.log",
        "manifest.json.txt",
        ".hidden",
        "logs/contract_validations",
    ];
    play.accept("intend", artifacts("scoring", &fine));
}

#[test]
fn a_path_belongs_to_one_stage() {
    // P-62.
    let mut play = running(&["scoring", "reporting"]);
    play.accept("intend", artifacts("scoring", &["a"]));
    play.accept("publish", artifacts("scoring", &["a"]));
    play.take("scoring S/fc/-");
    play.begin("reporting");
    play.refuse("PATH_TAKEN", "intend", artifacts("reporting", &["a"]));
    play.accept("captured", captured("reporting", "logs/reporting.log"));
    play.refuse("PATH_TAKEN", "captured", captured("reporting", "a"));
    play.refuse("PATH_TAKEN", "captured", captured("scoring", "logs/reporting.log"));
    play.accept("intend", artifacts("reporting", &["b"]));
}

fn captured(stage: &str, path: &str) -> Value {
    let mut members = file(path);
    members["stage"] = stage.into();
    members
}

#[test]
fn captured_output_is_listed_with_its_digest_and_may_be_told_again() {
    // P-64.
    let mut play = running(&["scoring"]);
    play.refuse("PATH_RESERVED", "captured", captured("scoring", "logs/health.json"));
    play.refuse("PATH_INVALID", "captured", captured("scoring", "../scoring.log"));
    play.refuse("STAGE_DISABLED", "captured", captured("runner", "logs/runner.log"));
    play.take("scoring S/fc/-");
    play.accept("captured", captured("scoring", "logs/scoring.log"));
    let mut longer = captured("scoring", "logs/scoring.log");
    longer["bytes"] = 4096.into();
    play.accept("captured", longer.clone());
    assert_eq!(play.harness.json(RUN, "run.json")["captured"], json!([longer]));
}

fn report(stage: &str) -> Value {
    let finding = Finding::coded("required_artifact_missing", "required artifact is missing");
    let artifact = ArtifactReport::new("scoring/summary.json", "summary", "0.1.0", vec![finding]);
    Report::new(RUN, stage, ERRORS_MAX_DEFAULT, vec![artifact]).to_value()
}

#[test]
fn a_validation_report_is_projected_with_the_time_of_its_commit() {
    // P-78, seed step 5.
    let mut play = running(&["scoring"]);
    play.accept("report", json!({"stage": "scoring", "report": report("scoring")}));
    play.take("scoring F/fc/contract_validation_failed");
    let mut expected = report("scoring");
    expected["generated_at_utc"] = "2026-02-23T18:00:02.000Z".into();
    assert_eq!(play.harness.json(RUN, "logs/contract_validation/scoring.json"), expected);
    let lines = play.harness.audit(RUN);
    assert_eq!(lines[2]["event"], json!({"stage": "scoring", "invalid": ["scoring/summary.json"]}));
    play.refuse("STAGE_TERMINAL", "report", json!({"stage": "scoring", "report": report("scoring")}));
    play.accept("report", json!({"stage": "orchestrator", "report": report("orchestrator")}));
    assert!(play.files().iter().any(|(path, _)| path == "logs/contract_validation/orchestrator.json"));
}

#[test]
fn a_report_that_is_not_one_is_refused() {
    // P-70 to P-73, P-78, checks 26 to 28.
    let mut play = running(&["scoring"]);
    let mut check = |change: &dyn Fn(&mut Value)| {
        let mut changed = report("scoring");
        change(&mut changed);
        play.refuse("REPORT_INVALID", "report", json!({"stage": "scoring", "report": changed}));
    };
    check(&|report| report["run_id"] = "22222222-2222-4222-8222-222222222222".into());
    check(&|report| report["stage_id"] = "runner".into());
    check(&|report| report["max_errors_per_artifact"] = 0.into());
    check(&|report| report["artifacts"] = json!([]));
    check(&|report| report["extra"] = 1.into());
    check(&|report| drop(report["artifacts"][0].as_object_mut().map(|artifact| artifact.remove("errors_truncated"))));
    check(&|report| report["artifacts"][0]["status"] = "valid".into());
    check(&|report| report["diagnostics"][0]["fingerprint"] = "00".repeat(32).into());
    check(&|report| report["diagnostics"] = json!([]));
    play.refuse("UNKNOWN_STAGE", "report", json!({"stage": "deploy", "report": report("deploy")}));
    play.refuse("STAGE_DISABLED", "report", json!({"stage": "runner", "report": report("runner")}));
    let mut without = report("scoring");
    without.as_object_mut().expect("an object").remove("diagnostics");
    play.accept("report", json!({"stage": "scoring", "report": without}));
}

#[test]
fn a_judgement_holds_until_the_stage_begins_again() {
    // P-65.
    let warned = || tuple("scoring F/ws/join_partial").to_value();
    let mut play = Play::only(&["scoring", "reporting"]);
    play.refuse("STAGE_NOT_BEGUN", "judge", warned());
    play.begin("scoring");
    for fatal in ["scoring F/fc/join_incompleteness", "scoring K/fc/blocked_by_upstream_failure"] {
        play.refuse("NOTHING_TO_PROMOTE", "judge", tuple(fatal).to_value());
    }
    play.refuse("REASON_CODE_NOT_CATALOGUED", "judge", tuple("scoring F/ws/unheard_of").to_value());
    play.accept("judge", warned());
    assert!(play.accept("judge", warned()).kinds.is_empty(), "the same again changes nothing");
    play.refuse("JUDGED_OTHERWISE", "judge", tuple("scoring S/fc/-").to_value());
    let mut failed = play.clone();
    failed.take("scoring F/fc/storage_io_error");
    play.accept("intend", artifacts("scoring", &["a"]));
    play.accept("publish", artifacts("scoring", &["a"]));
    play.reject("JUDGED_OTHERWISE", "scoring S/fc/-");
    let mut again = play.clone();
    again.begin("scoring");
    again.take("scoring S/fc/-");
    play.take("scoring F/ws/join_partial");
    let line =
        play.harness.audit(RUN).into_iter().find(|line| line["kind"] == "pipeline.stage_judged").expect("a line");
    assert_eq!(line["event"], warned());
    play.begin("reporting");
    play.accept("intend", artifacts("reporting", &[]));
    play.refuse("PROMOTION_OPEN", "judge", tuple("reporting S/fc/-").to_value());
}
