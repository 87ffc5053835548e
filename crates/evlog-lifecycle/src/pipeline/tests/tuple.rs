//! The outcome tuple (rules P-10 to P-14).

use super::{Play, RUN, all_success_but};
use evlog_projection::Contract;
use serde_json::{Value, json};

#[test]
fn an_outcome_has_four_members_and_no_others() {
    // P-10, check 3.
    let mut play = Play::purple();
    play.take("runner S/fc/-");
    let manifest = play.harness.json(RUN, "manifest.json");
    assert_eq!(
        manifest["stage_outcomes"],
        json!([{"fail_mode": "fail_closed", "stage": "runner", "status": "success"}])
    );
    for (name, value) in [("details", json!({})), ("reason_domain", "manifest".into()), ("reason", "x".into())] {
        let mut members = json!({"stage": "runner", "status": "success", "fail_mode": "fail_closed"});
        members[name] = value;
        let Value::Object(members) = members else { unreachable!("an object") };
        let malformed = crate::pipeline::Pipeline::default().parse("outcome", members).expect_err(name);
        assert_eq!(malformed.pointer, format!("/{name}"));
    }
}

#[test]
fn a_reason_code_stands_on_what_failed_or_was_skipped_and_on_nothing_else() {
    // P-11, P-12, check 4.
    let mut play = Play::purple();
    play.reject("REASON_CODE_REQUIRED", "runner F/fc/-");
    play.reject("REASON_CODE_REQUIRED", "normalization K/fc/-");
    play.reject("REASON_CODE_FORBIDDEN", "runner S/fc/execute_failed");
    let null = |status: &str| json!({"stage": "runner", "status": status, "reason_code": null});
    play.refuse("REASON_CODE_REQUIRED", "outcome", null("failed"));
    play.accept("outcome", null("success"));
    assert_eq!(play.outcomes(), ["runner S/fc/-"]);
    play.take("telemetry F/ws/checkpoint_loss");
}

#[test]
fn a_code_is_spelled_as_the_catalogue_spells_it() {
    // Check 5.
    let mut play = Play::purple();
    for code in ["RunTimeout", "run-timeout", "run_timeout ", ""] {
        let members = json!({"stage": "validation.run_limits", "status": "failed", "reason_code": code});
        play.refuse("REASON_CODE_NOT_CATALOGUED", "outcome", members);
    }
    play.take("validation.run_limits F/fc/run_timeout");
}

#[test]
fn the_same_outcome_again_changes_nothing_and_another_is_refused() {
    // P-13, A-40, check 10.
    let mut play = Play::purple();
    play.take("runner F/fc/execute_failed");
    let events = play.harness.log.len();
    let again = play.take("runner F/fc/execute_failed");
    assert_eq!((again.kinds.len(), play.harness.log.len()), (0, events));
    for other in ["runner F/fc/prepare_failed", "runner F/ws/execute_failed", "runner S/fc/-"] {
        play.reject("STAGE_TERMINAL", other);
    }
    // A stage of the blocked tail has an outcome like any other stage.
    assert!(play.take("scoring K/fc/blocked_by_upstream_failure").kinds.is_empty());
    play.reject("STAGE_TERMINAL", "scoring S/fc/-");
    play.reject("STAGE_TERMINAL", "scoring F/fc/storage_io_error");
}

#[test]
fn a_substage_too_has_one_outcome() {
    // P-13.
    let mut play = Play::purple();
    play.take("lab_provider.connectivity F/ws/partial_connectivity");
    assert!(play.take("lab_provider.connectivity F/ws/partial_connectivity").kinds.is_empty());
    play.reject("STAGE_TERMINAL", "lab_provider.connectivity F/ws/connectivity_check_error");
    play.reject("STAGE_TERMINAL", "lab_provider.connectivity S/ws/-");
}

#[test]
fn a_skip_carries_the_configured_fail_mode() {
    // P-14, check 20. The row of `normalized_store_reused` names a mode of its own, which is accepted too.
    let mut play = Play::purple();
    play.reject("FAIL_MODE_NOT_CONFIGURED", "validation K/fc/normalized_store_reused");
    play.take("validation K/ws/normalized_store_reused");
    play.take("normalization K/ws/normalized_store_reused");
    let mut play = Play::purple();
    play.take("normalization K/fc/normalized_store_reused");
    // In the tail that the contract writes, each stage has its own fail mode (check 20).
    let mut play = Play::purple();
    play.take("lab_provider F/fc/provider_api_error");
    assert!(play.outcomes().contains(&"validation K/ws/blocked_by_upstream_failure".to_owned()));
}

#[test]
fn an_absent_fail_mode_is_the_usual_one() {
    // P-14.
    let check = |members: Value, expected: &str| {
        let mut play =
            Play::create(json!({"pipeline": "purple-axiom", "stages": {"detection": {"fail_mode": "warn_and_skip"}}}));
        play.accept("outcome", members);
        assert!(play.outcomes().contains(&expected.to_owned()), "{expected}: {:?}", play.outcomes());
    };
    let success = |stage: &str| json!({"stage": stage, "status": "success"});
    let failed = |stage: &str, code: &str| json!({"stage": stage, "status": "failed", "reason_code": code});
    check(success("runner"), "runner S/fc/-");
    check(success("validation"), "validation S/ws/-");
    check(success("lab_provider.connectivity"), "lab_provider.connectivity S/ws/-");
    check(success("telemetry.unix.source_overlap"), "telemetry.unix.source_overlap S/fc/-");
    check(success("detection.other"), "detection.other S/ws/-");
    // The configured mode wins for a stage's own codes, the catalogue's for cross-cutting ones.
    check(failed("validation", "criteria_pack_error"), "validation F/ws/criteria_pack_error");
    check(failed("detection", "backend_driver_failed"), "detection F/ws/backend_driver_failed");
    check(failed("detection", "storage_io_error"), "detection F/fc/storage_io_error");
    check(failed("runner", "action_timeout"), "runner F/fc/action_timeout");
    check(
        failed("telemetry.resource_budgets", "resource_budget_cpu_exceeded"),
        "telemetry.resource_budgets F/ws/resource_budget_cpu_exceeded",
    );
    check(failed("validation.run_limits", "oom_killed"), "validation.run_limits F/fc/oom_killed");
    let skipped = json!({"stage": "validation", "status": "skipped", "reason_code": "normalized_store_reused"});
    check(skipped, "validation K/ws/normalized_store_reused");
}

#[test]
fn the_fail_mode_of_a_success_is_written_and_means_nothing() {
    // 3.1, edge case: the fail mode of a success is ignored.
    let mut play = Play::purple();
    for text in all_success_but(&["runner S/ws/-", "validation S/fc/-"]) {
        play.take(&text);
    }
    assert_eq!(play.finalize().status.as_deref(), Some("success"));
}
