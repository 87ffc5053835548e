//! What a fatal failure does to the rest of the run (rules P-30 to P-39).

use super::{Play, RUN};
use serde_json::{Value, json};

fn begin(play: &mut Play, code: &str, stage: &str) {
    play.refuse(code, "begin", json!({"stage": stage}));
}

#[test]
fn stages_begin_in_order() {
    // P-30, seed step 1.
    let mut play = Play::purple();
    begin(&mut play, "STAGE_ORDER", "runner");
    play.begin("lab_provider");
    begin(&mut play, "STAGE_ORDER", "runner");
    play.take("lab_provider S/fc/-");
    begin(&mut play, "STAGE_TERMINAL", "lab_provider");
    play.begin("runner");
    // After a crash a stage begins again.
    play.begin("runner");
    let run = play.harness.json(RUN, "run.json");
    assert_eq!((&run["stages"][1]["state"], &run["stages"][1]["attempts"]), (&json!("running"), &json!(2)));
}

#[test]
fn a_disabled_stage_is_not_waited_for() {
    let mut play = Play::only(&["runner", "scoring"]);
    play.begin("runner");
    play.take("runner F/ws/action_timeout");
    play.begin("scoring");
}

#[test]
fn a_fatal_failure_blocks_every_later_enabled_stage_in_the_same_commit() {
    // P-31, check 18, seed step 11.
    let mut play = Play::create(json!({"pipeline": "purple-axiom", "stages": {
        "detection": {"enabled": false}, "scoring": {"fail_mode": "warn_and_skip"}}}));
    play.take("lab_provider S/fc/-");
    let answered = play.take("runner F/fc/execute_failed");
    assert_eq!(answered.kinds, ["pipeline.outcome_recorded"; 6]);
    let expected = [
        "lab_provider S/fc/-",
        "runner F/fc/execute_failed",
        "telemetry K/fc/blocked_by_upstream_failure",
        "normalization K/fc/blocked_by_upstream_failure",
        "validation K/ws/blocked_by_upstream_failure",
        "scoring K/ws/blocked_by_upstream_failure",
        "reporting K/fc/blocked_by_upstream_failure",
    ];
    assert_eq!(play.outcomes(), expected);
    let events = play.harness.facts(RUN);
    let (cause, tail) = events[2..].split_first().expect("the failure and its tail");
    assert!(tail.iter().all(|event| event.commit == cause.seq && event.causation == Some(cause.seq)));
    begin(&mut play, "STAGE_TERMINAL", "telemetry");
}

#[test]
fn a_failure_that_is_not_fatal_and_a_benign_skip_block_nothing() {
    // P-31, P-37, seed step 10.
    let mut play = Play::purple();
    for text in ["lab_provider S/fc/-", "runner F/ws/action_timeout", "normalization K/ws/normalized_store_reused"] {
        assert_eq!(play.take(text).kinds.len(), 1, "{text}");
    }
    let run = play.harness.json(RUN, "run.json");
    let modes: Vec<&Value> =
        run["stages"].as_array().expect("stages").iter().map(|stage| &stage["fail_mode"]).collect();
    assert_eq!(
        modes[4..8],
        ["warn_and_skip", "fail_closed", "fail_closed", "fail_closed"],
        "configured ones are untouched"
    );
}

#[test]
fn the_last_stage_blocks_nobody() {
    let mut play = Play::only(&["reporting"]);
    assert_eq!(play.take("reporting F/fc/report_write_failed").kinds.len(), 1);
    assert_eq!(play.finalize().status.as_deref(), Some("failed"));
}

#[test]
fn a_blocked_stage_needs_a_cause() {
    // P-32, check 19.
    let mut play = Play::purple();
    play.reject("BLOCKED_WITHOUT_CAUSE", "detection K/fc/blocked_by_upstream_failure");
    play.take("runner F/ws/action_timeout");
    play.reject("BLOCKED_WITHOUT_CAUSE", "detection K/fc/blocked_by_upstream_failure");
    // A cause must be earlier in the order, not later.
    play.take("telemetry F/fc/egress_violation");
    play.reject("BLOCKED_WITHOUT_CAUSE", "lab_provider K/fc/blocked_by_upstream_failure");
    assert!(
        play.take("detection K/fc/blocked_by_upstream_failure").kinds.is_empty(),
        "written by the contract already"
    );
}

#[test]
fn nothing_later_has_run_when_a_stage_fails_fatally() {
    // P-33, check 18.
    for later in [
        "scoring S/fc/-",
        "scoring F/ws/join_partial",
        "scoring F/fc/join_incompleteness",
        "validation K/ws/normalized_store_reused",
    ] {
        let mut play = Play::purple();
        play.take(later);
        play.reject("LATER_STAGE_RAN", "runner F/fc/execute_failed");
        play.reject("LATER_STAGE_RAN", "runner.integration_credentials F/fc/integration_credentials_leaked");
        play.take("runner F/ws/execute_failed");
    }
}

#[test]
fn outcomes_may_be_told_late_as_long_as_they_fit() {
    let mut play = Play::purple();
    play.take("runner F/fc/execute_failed");
    play.reject("LATER_STAGE_RAN", "lab_provider F/fc/provider_api_error");
    play.take("lab_provider S/fc/-");
    assert_eq!(play.finalize().status.as_deref(), Some("failed"));
}

#[test]
fn a_fatal_substage_stops_what_has_not_begun_and_its_parent_can_only_fail_closed() {
    // P-34, A-10: a gate of a stage that runs.
    let mut play = Play::only(&["telemetry", "scoring"]);
    play.begin("telemetry");
    play.take("telemetry.windows_eventlog.raw_mode F/fc/winlog_raw_missing");
    begin(&mut play, "STAGE_ORDER", "scoring");
    play.reject("BLOCKED_UPSTREAM", "scoring S/fc/-");
    play.reject("BLOCKED_UPSTREAM", "scoring.x S/fc/-");
    play.reject("PARENT_COUPLING", "telemetry S/fc/-");
    play.reject("PARENT_COUPLING", "telemetry F/ws/checkpoint_loss");
    play.reject("STAGE_BEGUN", "telemetry K/fc/blocked_by_upstream_failure");
    // Other gates of the same stage are reported as well.
    play.take("telemetry.clock_sync F/fc/clock_offset_exceeded");
    play.take("telemetry F/fc/raw_xml_unavailable");
    let outcomes = play.outcomes();
    assert_eq!(outcomes.last().map(String::as_str), Some("scoring K/fc/blocked_by_upstream_failure"));
    assert_eq!(play.finalize().status.as_deref(), Some("failed"));
}

#[test]
fn a_stage_whose_own_gate_failed_before_it_began_is_blocked_with_all_after_it() {
    // P-34, A-10: environment_config, the runner never started.
    let mut play = Play::only(&["lab_provider", "runner", "scoring"]);
    play.take("lab_provider S/fc/-");
    play.take("runner.environment_config F/fc/version_pin_missing");
    begin(&mut play, "BLOCKED_UPSTREAM", "runner");
    play.reject("PARENT_COUPLING", "runner S/fc/-");
    let answered = play.take("runner K/fc/blocked_by_upstream_failure");
    assert_eq!(answered.kinds.len(), 2);
    play.reject("BLOCKED_UPSTREAM", "runner.preflight S/fc/-");
    let expected = [
        "lab_provider S/fc/-",
        "runner K/fc/blocked_by_upstream_failure",
        "runner.environment_config F/fc/version_pin_missing",
        "scoring K/fc/blocked_by_upstream_failure",
    ];
    assert_eq!(play.outcomes(), expected);
    assert_eq!(play.finalize().status.as_deref(), Some("failed"));
}

#[test]
fn a_gate_that_failed_before_its_stage_began_lets_it_be_blocked() {
    // P-34, P-35: the code does not belong to the parent, so the parent cannot fail with it.
    let mut play = Play::only(&["telemetry", "scoring"]);
    play.take("telemetry.windows_eventlog.raw_mode F/fc/winlog_canary_mismatch");
    assert_eq!(play.take("telemetry K/fc/blocked_by_upstream_failure").kinds.len(), 2);
    assert_eq!(play.finalize().status.as_deref(), Some("failed"));
}

#[test]
fn a_fatal_substage_after_its_parent_s_outcome_blocks_the_rest_at_once() {
    // P-34; 3.1: parent success and substage F/fc is a failed run.
    let mut play = Play::only(&["detection", "scoring", "reporting"]);
    play.take("detection S/fc/-");
    let answered = play.take("detection.performance_budgets F/fc/detection_budget_metrics_missing");
    assert_eq!(answered.kinds.len(), 3);
    let expected = [
        "detection S/fc/-",
        "detection.performance_budgets F/fc/detection_budget_metrics_missing",
        "scoring K/fc/blocked_by_upstream_failure",
        "reporting K/fc/blocked_by_upstream_failure",
    ];
    assert_eq!(play.outcomes(), expected);
    assert_eq!(play.finalize().status.as_deref(), Some("failed"));
}

#[test]
fn a_stage_that_runs_while_an_earlier_one_s_substage_fails_ends_on_its_own() {
    // P-34, P-39: a stage that has begun cannot be skipped.
    let mut play = Play::only(&["detection", "scoring", "reporting"]);
    play.take("detection S/fc/-");
    play.begin("scoring");
    play.take("detection.performance_budgets F/fc/detection_budget_metrics_missing");
    play.refuse("STAGES_MISSING", "finalize", json!({}));
    play.take("scoring F/fc/storage_io_error");
    assert_eq!(play.finalize().status.as_deref(), Some("failed"));
}

#[test]
fn a_warning_substage_stops_nothing() {
    let mut play = Play::only(&["lab_provider", "runner"]);
    play.begin("lab_provider");
    play.take("lab_provider.connectivity F/ws/partial_connectivity");
    play.take("lab_provider S/fc/-");
    play.begin("runner");
    play.take("runner S/fc/-");
    assert_eq!(play.finalize().status.as_deref(), Some("partial"));
}

/// Reports in both orders: the substage first, and the parent first.
fn couple(substage: &str, parent: &str, taken: bool) {
    for (first, second) in [(substage, parent), (parent, substage)] {
        let mut play = Play::purple();
        play.take(first);
        // A fatal parent leaves nothing to couple to in a blocked stage; the pair itself is what is asked.
        if taken { drop(play.take(second)) } else { play.reject("PARENT_COUPLING", second) }
    }
}

#[test]
fn named_substages_bind_their_parent() {
    // P-35, check 22, A-29.
    couple("runner.state_reconciliation F/fc/drift_detected", "runner S/fc/-", false);
    couple("runner.state_reconciliation F/fc/drift_detected", "runner F/fc/drift_detected", true);
    couple("runner.state_reconciliation S/fc/-", "runner S/fc/-", true);
    couple("runner.lifecycle_enforcement F/ws/unsafe_rerun_blocked", "runner S/fc/-", false);
    couple("runner.lifecycle_enforcement F/ws/unsafe_rerun_blocked", "runner F/fc/execute_failed", false);
    couple("runner.lifecycle_enforcement F/ws/unsafe_rerun_blocked", "runner F/fc/unsafe_rerun_blocked", true);
    couple("runner.lifecycle_enforcement F/ws/unsafe_rerun_blocked", "runner F/ws/unsafe_rerun_blocked", true);
    couple("telemetry.network.egress_policy F/fc/egress_violation", "telemetry S/fc/-", false);
    couple("telemetry.network.egress_policy F/fc/egress_violation", "telemetry F/ws/checkpoint_loss", false);
    couple("telemetry.network.egress_policy F/fc/egress_violation", "telemetry F/fc/egress_violation", true);
    couple("telemetry.resource_budgets F/fc/eps_target_not_met", "telemetry S/fc/-", false);
    couple("telemetry.resource_budgets F/ws/resource_budget_cpu_exceeded", "telemetry S/fc/-", true);
    couple("telemetry.unix.source_overlap F/ws/unix_source_overlap_active", "telemetry S/fc/-", true);
    couple("reporting.regression_compare F/ws/baseline_missing", "reporting S/fc/-", true);
    couple("validation.cleanup S/ws/-", "validation F/ws/criteria_query_failed", true);
}

#[test]
fn a_run_limit_stops_the_whole_run_wherever_it_was() {
    // P-36, A-11, A-13: stages before the limit's own are blocked too, and a warning counts as a cause too.
    for limit in ["validation.run_limits F/fc/run_timeout", "validation.run_limits F/ws/disk_limit_exceeded"] {
        let mut play = Play::only(&["lab_provider", "runner", "telemetry", "validation", "scoring"]);
        play.take("lab_provider S/fc/-");
        play.begin("runner");
        assert_eq!(play.take(limit).kinds.len(), 4, "{limit}");
        begin(&mut play, "STAGE_TERMINAL", "telemetry");
        play.refuse("STAGES_MISSING", "finalize", json!({}));
        play.take("runner S/fc/-");
        let expected = [
            "lab_provider S/fc/-",
            "runner S/fc/-",
            "telemetry K/fc/blocked_by_upstream_failure",
            "validation K/ws/blocked_by_upstream_failure",
            limit,
            "scoring K/fc/blocked_by_upstream_failure",
        ];
        assert_eq!(play.outcomes(), expected);
        let status = if limit.contains("fc") { "failed" } else { "partial" };
        assert_eq!(play.finalize().status.as_deref(), Some(status), "{limit}");
    }
}

#[test]
fn a_run_limit_binds_no_stage_that_has_begun_not_even_its_own() {
    // P-36.
    let mut play = Play::only(&["validation", "scoring"]);
    play.begin("validation");
    play.take("validation.run_limits F/fc/run_timeout");
    play.reject("STAGE_BEGUN", "validation K/ws/blocked_by_upstream_failure");
    play.take("validation S/ws/-");
    assert_eq!(play.finalize().status.as_deref(), Some("failed"));
}

#[test]
fn a_run_limit_that_did_not_trip_stops_nothing() {
    let mut play = Play::only(&["runner", "validation"]);
    assert_eq!(play.take("validation.run_limits S/fc/-").kinds.len(), 1);
    play.begin("runner");
}

#[test]
fn a_substage_that_only_warns_binds_its_parent_all_the_same() {
    // P-35: `not_success` and `fail_closed` constrain the parent's outcome whatever the substage's fail mode was.
    let warns = |coupling: &str| {
        Play::create(json!({"pipeline": {
            "name": "own",
            "stages": [{"id": "a", "fail_mode": "warn_and_skip"}, {"id": "b"}],
            "reason_codes": [
                {"stage": "a", "code": "broke", "severity": "FATAL"},
                {"stage": "a.check", "code": "odd", "severity": "NON-FATAL"},
            ],
            "substages": [{"stage": "a.check", "parent": coupling}],
        }}))
    };
    let cases = [
        ("not_success", ["a F/ws/broke", "a F/fc/broke"].as_slice(), ["a S/ws/-"].as_slice()),
        ("not_success_when_fatal", &["a S/ws/-", "a F/ws/broke", "a F/fc/broke"], &[]),
        ("fail_closed", &["a F/fc/broke"], &["a S/ws/-", "a F/ws/broke"]),
    ];
    for (coupling, taken, refused) in cases {
        for parent in taken {
            let mut play = warns(coupling);
            play.take("a.check F/ws/odd");
            play.take(parent);
        }
        for parent in refused {
            let mut play = warns(coupling);
            play.take("a.check F/ws/odd");
            play.reject("PARENT_COUPLING", parent);
        }
    }
}

#[test]
fn substages_of_blocked_stages_are_left_out() {
    // P-38.
    let mut play = Play::purple();
    play.take("lab_provider F/fc/provider_api_error");
    play.reject("BLOCKED_UPSTREAM", "runner.preflight S/fc/-");
    play.reject("BLOCKED_UPSTREAM", "runner.preflight F/fc/input_missing");
    play.reject("NOT_A_TOP_LEVEL_STAGE", "lab_provider.connected K/fc/blocked_by_upstream_failure");
    play.take("lab_provider.connectivity F/ws/connectivity_check_error");
}

#[test]
fn a_stage_that_has_begun_is_not_skipped() {
    // P-39, 5.6.2: a running stage cannot become skipped.
    let mut play = Play::only(&["normalization"]);
    play.begin("normalization");
    play.reject("STAGE_BEGUN", "normalization K/ws/normalized_store_reused");
    play.take("normalization F/fc/normalized_store_incompatible");
}
