//! Which status follows from outcomes, and the end of a run (rules P-40 to P-48).

use super::{Play, all_success_but, tuple};
use crate::pipeline::outcome::{RunStatus, derive_status};
use serde_json::json;

fn check(outcomes: &[&str], expected: RunStatus) {
    let read: Vec<_> = outcomes.iter().map(|text| tuple(text)).collect();
    assert_eq!(derive_status(&read), expected, "{outcomes:?}");
    assert_eq!(derive_status(read.iter().rev()), expected, "in another order: {outcomes:?}");
}

#[test]
fn one_fatal_failure_fails_the_run() {
    // P-40 (row 1).
    check(&["runner F/fc/execute_failed"], RunStatus::Failed);
    check(&["lab_provider S/fc/-", "runner F/ws/action_timeout", "telemetry F/fc/egress_violation"], RunStatus::Failed);
    check(&["runner F/fc/execute_failed", "scoring K/fc/blocked_by_upstream_failure"], RunStatus::Failed);
    check(&["lab_provider S/fc/-", "runner S/fc/-"], RunStatus::Success);
}

#[test]
fn a_failure_that_is_not_fatal_makes_the_run_partial() {
    // P-41 (row 2).
    check(&["runner F/ws/action_timeout"], RunStatus::Partial);
    check(&["runner S/fc/-", "validation F/ws/criteria_query_failed"], RunStatus::Partial);
    check(
        &["validation.run_limits F/ws/disk_limit_exceeded", "scoring K/fc/blocked_by_upstream_failure"],
        RunStatus::Partial,
    );
    check(&["runner S/ws/-"], RunStatus::Success);
}

#[test]
fn successes_alone_are_a_success() {
    // P-42 (row 3).
    check(&["runner S/fc/-"], RunStatus::Success);
    check(&["runner S/ws/-", "scoring S/fc/-"], RunStatus::Success);
    check(&["runner S/fc/-", "scoring F/ws/join_partial"], RunStatus::Partial);
}

#[test]
fn benign_skips_do_not_degrade() {
    // P-43 (row 4), A-02.
    check(&["normalization K/ws/normalized_store_reused", "detection S/fc/-"], RunStatus::Success);
    check(
        &["normalization K/ws/normalized_store_reused", "validation K/ws/normalized_store_reused"],
        RunStatus::Success,
    );
    check(&["normalization K/ws/normalized_store_reused", "detection F/ws/unmapped_field"], RunStatus::Partial);
}

#[test]
fn blocked_stages_without_a_failure_cannot_be_right() {
    // P-44 (row 5), A-02.
    check(&["runner S/fc/-", "scoring K/fc/blocked_by_upstream_failure"], RunStatus::Failed);
    check(
        &["normalization K/ws/normalized_store_reused", "scoring K/fc/blocked_by_upstream_failure"],
        RunStatus::Failed,
    );
    check(&["runner S/fc/-", "normalization K/ws/normalized_store_reused"], RunStatus::Success);
}

#[test]
fn no_outcome_at_all_is_a_failure() {
    // P-45 (row 6), A-02.
    check(&[], RunStatus::Failed);
    let mut play = Play::only(&[]);
    assert_eq!(play.finalize().status.as_deref(), Some("failed"));
}

#[test]
fn substages_count_like_stages() {
    // 3.1, edge cases 1.
    check(&["reporting S/fc/-", "reporting.regression_compare F/ws/baseline_missing"], RunStatus::Partial);
    check(
        &["detection S/fc/-", "detection.performance_budgets F/fc/detection_budget_metrics_missing"],
        RunStatus::Failed,
    );
}

#[test]
fn the_fail_mode_of_what_did_not_fail_is_ignored() {
    // 3.1, edge case 4.
    for mode in ["fc", "ws"] {
        check(
            &[&format!("runner S/{mode}/-"), &format!("normalization K/{mode}/normalized_store_reused")],
            RunStatus::Success,
        );
    }
}

/// Plays a whole run.
fn played(given: &[&str], status: &str, exit_code: u8) {
    let mut play = Play::purple();
    for text in all_success_but(given) {
        play.take(&text);
    }
    let answered = play.finalize();
    assert_eq!(answered.status.as_deref(), Some(status), "{given:?}");
    assert_eq!(play.harness.json(super::RUN, "manifest.json")["status"], status);
    assert_eq!(play.harness.json(super::RUN, "run.json")["exit_code"], exit_code);
}

#[test]
fn whole_runs_end_with_the_status_and_exit_code_of_their_outcomes() {
    // P-47, checks 13 and 17.
    played(&[], "success", 0);
    played(&["reporting.regression_compare F/ws/baseline_missing"], "partial", 10);
    played(&["validation F/ws/criteria_query_failed"], "partial", 10);
    played(&["normalization K/ws/normalized_store_reused", "validation K/ws/normalized_store_reused"], "success", 0);
    played(&["reporting F/fc/report_write_failed"], "failed", 20);
    let codes = [RunStatus::Success, RunStatus::Partial, RunStatus::Failed].map(RunStatus::exit_code);
    assert_eq!(codes, [0, 10, 20]);
}

#[test]
fn a_run_ends_when_every_enabled_stage_has_its_outcome() {
    // P-46, check 11; 3.1, edge case 2: disabled stages have no effect.
    let mut play = Play::only(&["lab_provider", "runner"]);
    play.refuse("STAGES_MISSING", "finalize", json!({}));
    play.take("runner S/fc/-");
    play.refuse("STAGES_MISSING", "finalize", json!({}));
    play.begin("lab_provider");
    play.refuse("STAGES_MISSING", "finalize", json!({}));
    // A substage's outcome is not the outcome of its parent.
    play.take("lab_provider.connectivity S/ws/-");
    play.refuse("STAGES_MISSING", "finalize", json!({}));
    play.take("lab_provider S/fc/-");
    assert_eq!(play.finalize().kinds, ["pipeline.finalized"]);
}

#[test]
fn a_finalized_run_takes_nothing_more() {
    // P-48, 5.6.1: after the end, only the command to finalize again is accepted, because it asks for what is already so.
    let mut play = Play::only(&["runner"]);
    play.take("runner S/fc/-");
    play.finalize();
    assert!(play.finalize().kinds.is_empty());
    let artifact = json!({"path": "x", "bytes": 0, "blake3": "00".repeat(32)});
    let mut captured = artifact.clone();
    captured["stage"] = "runner".into();
    for (action, members) in [
        ("begin", json!({"stage": "runner"})),
        ("intend", json!({"stage": "runner", "artifacts": [artifact]})),
        ("publish", json!({"stage": "runner", "artifacts": []})),
        ("captured", captured),
        ("report", json!({"stage": "runner", "report": {}})),
        ("report", json!({"stage": "orchestrator", "report": {}})),
        ("outcome", json!({"stage": "runner", "status": "success"})),
        ("outcome", json!({"stage": "runner.preflight", "status": "success"})),
    ] {
        play.refuse("RUN_FINALIZED", action, members);
    }
    play.refuse("RUN_EXISTS", "create", json!({"pipeline": "purple-axiom"}));
    assert!(play.finalize().kinds.is_empty());
}
