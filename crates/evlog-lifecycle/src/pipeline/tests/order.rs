//! Stages, substages, and the one order of outcomes (rules P-01 to P-05, P-20, P-21).

use super::{Play, RUN};
use crate::pipeline::{Definition, purple_axiom};
use serde_json::json;

#[test]
fn the_built_in_stages_stand_in_canonical_order_with_their_defaults() {
    // P-01.
    let spelled: Vec<String> = purple_axiom()
        .stages()
        .iter()
        .map(|stage| format!("{} {} {}", stage.id, stage.fail_mode.word(), stage.enabled))
        .collect();
    let expected = [
        "lab_provider fail_closed true",
        "runner fail_closed true",
        "telemetry fail_closed true",
        "normalization fail_closed true",
        "validation warn_and_skip true",
        "detection fail_closed true",
        "scoring fail_closed true",
        "reporting fail_closed true",
        "signing fail_closed false",
    ];
    assert_eq!(spelled, expected);
}

#[test]
fn outcomes_are_listed_in_pipeline_order_whatever_the_order_of_events() {
    // P-20, check 8: outcomes are reported backwards, and listed forwards.
    let mut play = Play::purple();
    play.take_all(&["telemetry S/fc/-", "runner.preflight S/fc/-", "runner S/fc/-", "lab_provider S/fc/-"]);
    let expected = ["lab_provider S/fc/-", "runner S/fc/-", "runner.preflight S/fc/-", "telemetry S/fc/-"];
    assert_eq!(play.outcomes(), expected);
}

#[test]
fn substages_of_one_parent_stand_in_byte_order_of_the_whole_string() {
    // P-20.
    let mut play = Play::purple();
    play.take_all(&[
        "telemetry.windows_eventlog.raw_mode S/fc/-",
        "telemetry.unix.source_overlap S/fc/-",
        "telemetry.resource_budgets S/fc/-",
        "telemetry.network.egress_policy S/fc/-",
        "telemetry.a1 S/fc/-",
        "telemetry.a S/fc/-",
        "telemetry.a.b S/fc/-",
        "telemetry.a_b S/fc/-",
        "telemetry S/fc/-",
    ]);
    let expected = [
        "telemetry S/fc/-",
        "telemetry.a S/fc/-",
        "telemetry.a.b S/fc/-",
        "telemetry.a1 S/fc/-",
        "telemetry.a_b S/fc/-",
        "telemetry.network.egress_policy S/fc/-",
        "telemetry.resource_budgets S/fc/-",
        "telemetry.unix.source_overlap S/fc/-",
        "telemetry.windows_eventlog.raw_mode S/fc/-",
    ];
    assert_eq!(play.outcomes(), expected);
}

#[test]
fn a_substage_has_its_place_before_its_parent_has_an_outcome() {
    // P-21.
    let mut play = Play::purple();
    play.take_all(&["lab_provider S/fc/-", "detection S/fc/-", "validation.cleanup S/ws/-", "runner.preflight S/fc/-"]);
    let expected = ["lab_provider S/fc/-", "runner.preflight S/fc/-", "validation.cleanup S/ws/-", "detection S/fc/-"];
    assert_eq!(play.outcomes(), expected);
}

#[test]
fn what_has_no_place_in_the_order_is_refused() {
    // P-02, P-05, check 6.
    let mut play = Play::purple();
    play.take("telemetry.clock_sync S/fc/-");
    let without = [
        "deploy",
        "orchestrator",
        "orchestrator.lock",
        "Telemetry",
        "telemetry.",
        "telemetry..clock_sync",
        ".telemetry",
        "telemetry.Clock",
        "telemetry.1",
        "telemetry-x",
        "",
    ];
    for stage in without {
        play.refuse("UNKNOWN_STAGE", "outcome", json!({"stage": stage, "status": "success"}));
        assert_eq!(purple_axiom().order_key(stage), None, "{stage}");
    }
    for (action, members) in
        [("begin", json!({"stage": "deploy"})), ("intend", json!({"stage": "deploy", "artifacts": []}))]
    {
        play.refuse("UNKNOWN_STAGE", action, members);
    }
}

#[test]
fn only_top_level_stages_begin_and_publish() {
    let mut play = Play::only(&["runner"]);
    play.refuse("NOT_A_TOP_LEVEL_STAGE", "begin", json!({"stage": "runner.preflight"}));
    play.begin("runner");
    play.refuse("NOT_A_TOP_LEVEL_STAGE", "intend", json!({"stage": "runner.preflight", "artifacts": []}));
}

#[test]
fn nothing_is_recorded_of_a_disabled_stage() {
    // P-03, check 12.
    let mut play = Play::create(json!({"pipeline": "purple-axiom", "stages": {"validation": {"enabled": false}}}));
    play.reject("STAGE_DISABLED", "validation K/ws/normalized_store_reused");
    play.reject("STAGE_DISABLED", "validation.cleanup S/ws/-");
    play.reject("STAGE_DISABLED", "signing S/fc/-");
    play.refuse("STAGE_DISABLED", "begin", json!({"stage": "signing"}));
    // An outcome that concerns the run and not the stage still has a place (P-36).
    play.take("validation.run_limits F/ws/disk_limit_exceeded");
    let run = play.harness.json(RUN, "run.json");
    assert_eq!(run["stages"][4]["state"], "disabled");
}

#[test]
fn order_keys_compare_stage_first_and_then_bytes() {
    // P-20, on a definition whose order is not alphabetical.
    let definition = Definition::parse(&json!({"name": "own", "stages": [{"id": "z"}, {"id": "a"}]})).expect("valid");
    let mut stages = ["a.b", "z.y", "a", "z", "z.x"];
    stages.sort_by_key(|stage| definition.order_key(stage));
    assert_eq!(stages, ["z", "z.x", "z.y", "a", "a.b"]);
    assert!(definition.order_key("b").is_none());
}

#[test]
fn by_an_order_rule_one_outcome_waits_for_another_and_none_comes_behind() {
    // P-27: of the built-in pipeline, the environment is configured after the lab is there and before the runner ends.
    let mut play = Play::purple();
    play.reject("OUTCOME_ORDER", "runner.environment_config S/fc/-");
    play.take_all(&["lab_provider S/fc/-", "runner.environment_config S/fc/-", "runner S/fc/-"]);
    play.reject("OUTCOME_ORDER", "runner.integration_credentials F/fc/integration_credentials_missing");
    play.take("runner.preflight S/fc/-");
    // Nothing waits for a substage that is never reported, or for a stage that is disabled.
    Play::purple().take_all(&["lab_provider S/fc/-", "runner S/fc/-"]);
    Play::only(&["runner"]).take_all(&["runner.environment_config S/fc/-", "runner S/fc/-"]);
    // The same tuple again changes nothing, also later (P-13).
    play.take("runner.environment_config S/fc/-");
}

#[test]
fn what_is_blocked_neither_waits_nor_comes_first() {
    // P-27, P-31: `publish` waits for `review`, whichever is first in canonical order. A blocked tail waits for nothing.
    let own = || {
        Play::create(json!({"pipeline": {
            "name": "own",
            "stages": [{"id": "fetch"}, {"id": "publish"}, {"id": "review"}],
            "reason_codes": [{"stage": "fetch", "code": "gone", "severity": "FATAL"}],
            "order": [{"before": "review", "after": "publish"}],
        }}))
    };
    let mut play = own();
    play.take("fetch S/fc/-");
    play.reject("OUTCOME_ORDER", "publish S/fc/-");
    play.take_all(&["review S/fc/-", "publish S/fc/-"]);
    let mut play = own();
    play.take("fetch F/fc/gone");
    let outcomes = play.harness.json(RUN, "manifest.json")["stage_outcomes"].clone();
    assert_eq!(outcomes.as_array().map(Vec::len), Some(3), "{outcomes}");
}
