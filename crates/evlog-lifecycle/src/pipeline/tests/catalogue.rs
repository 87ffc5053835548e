//! The catalogue of reason codes (rules P-22 to P-25, P-80).

use super::{Play, RUN, tuple};
use crate::pipeline::outcome::{BLOCKED, FailMode, Outcome, StageStatus};
use crate::pipeline::{Definition, Severity, is_substage, purple_axiom, root_of};
use serde_json::{Value, json};

const ROWS: &str = include_str!("given/reason_codes.tsv");
const CLOSED: [&str; 4] = [
    "runner.lifecycle_enforcement",
    "runner.state_reconciliation",
    "detection.performance_budgets",
    "reporting.regression_compare",
];

fn rows() -> Vec<[&'static str; 4]> {
    let cells = |line: &'static str| line.split('\t').collect::<Vec<_>>().try_into().expect("four cells");
    ROWS.lines().skip(1).map(cells).collect()
}

/// The rule as the page gives it, without the code under test.
fn is_legal(stage: &str, code: &str) -> bool {
    let closed = CLOSED.contains(&stage) || stage.starts_with("telemetry.");
    rows().iter().any(|row| row[1] == code && (row[0] == stage || (row[0] == "*" && !closed)))
}

fn all_enabled() -> Play {
    Play::create(json!({"pipeline": "purple-axiom", "stages": {"signing": {"enabled": true}}}))
}

fn outcome(stage: &str, [_, code, severity, mode]: [&str; 4]) -> Outcome {
    let status = if severity == "SKIPPED" { StageStatus::Skipped } else { StageStatus::Failed };
    let fail_mode = FailMode::from_word(mode).unwrap_or(FailMode::FailClosed);
    Outcome { stage: stage.into(), status, fail_mode, reason_code: Some(code.into()) }
}

#[test]
fn the_catalogue_has_all_151_rows() {
    assert_eq!(rows().len(), 151);
    let spelled: Vec<[String; 4]> = purple_axiom()
        .catalogue()
        .rows()
        .map(|(stage, code, row)| {
            let mode = row.fail_mode.map_or("configured", FailMode::word);
            [stage, code, row.severity.word(), mode].map(str::to_owned)
        })
        .collect();
    let mut expected: Vec<[String; 4]> = rows().into_iter().map(|row| row.map(str::to_owned)).collect();
    expected.sort();
    assert_eq!(spelled, expected);
}

#[test]
fn every_row_is_taken_at_its_stage_and_a_neighbour_s_code_is_refused() {
    // P-22 to P-24, check 7.
    for row in rows().into_iter().filter(|row| row[1] != BLOCKED) {
        let stages: Vec<String> = match row[0] {
            "*" => purple_axiom().stages().iter().map(|stage| stage.id.clone()).collect(),
            stage => vec![stage.to_owned()],
        };
        for stage in stages {
            let reported = outcome(&stage, row);
            let mut play = all_enabled();
            if stage == "runner.environment_config" {
                play.take("lab_provider S/fc/-");
            }
            let neighbour = rows().into_iter().find(|other| !is_legal(&stage, other[1])).expect("a neighbour");
            play.refuse("REASON_CODE_NOT_CATALOGUED", "outcome", outcome(&stage, neighbour).to_value());
            play.accept("outcome", reported.to_value());
            assert!(
                play.harness.json(RUN, "manifest.json")["stage_outcomes"]
                    .as_array()
                    .is_some_and(|list| list.contains(&reported.to_value()))
            );
        }
    }
}

#[test]
fn every_pair_of_stage_and_code_is_judged_as_the_page_says() {
    // P-22 to P-24, every cell.
    let definition = purple_axiom();
    let mut stages: Vec<&str> = rows().iter().map(|row| row[0]).filter(|stage| *stage != "*").collect();
    stages.extend(["runner.requirements", "telemetry.unheard_of", "validation.unheard_of.deeper", "scoring.x"]);
    for stage in stages {
        for row in rows() {
            assert_eq!(definition.allows(stage, row[1]), is_legal(stage, row[1]), "{stage} {}", row[1]);
        }
        assert!(!definition.allows(stage, "unheard_of"));
    }
    assert!(!definition.allows("deploy", "storage_io_error"), "an unknown stage has no codes");
}

#[test]
fn a_code_of_the_parent_is_none_of_the_substage_and_the_other_way_round() {
    // P-24, check 7: the page's own examples.
    let mut play = Play::purple();
    play.reject("REASON_CODE_NOT_CATALOGUED", "telemetry F/fc/winlog_raw_missing");
    play.reject("REASON_CODE_NOT_CATALOGUED", "runner F/fc/version_pin_missing");
    play.reject("REASON_CODE_NOT_CATALOGUED", "runner.preflight F/fc/execute_failed");
    play.reject("REASON_CODE_NOT_CATALOGUED", "runner F/fc/prereq_unsatisfied");
    play.reject("REASON_CODE_NOT_CATALOGUED", "scoring F/fc/unknown_code");
    play.take("telemetry.windows_eventlog.raw_mode F/fc/winlog_raw_missing");
    let mut play = Play::purple();
    play.take("scoring F/fc/storage_io_error");
}

#[test]
fn a_closed_substage_takes_only_its_own_rows() {
    // P-04, P-23, A-12.
    let mut play = Play::purple();
    for stage in CLOSED.into_iter().chain(["telemetry.clock_sync", "telemetry.unheard_of", "telemetry.a.b"]) {
        play.reject("REASON_CODE_NOT_CATALOGUED", &format!("{stage} F/fc/storage_io_error"));
    }
    play.take("telemetry.unheard_of S/fc/-");
    play.take("runner.unheard_of S/fc/-");
    play.take("runner.requirements F/fc/input_missing");
    let mut play = Play::purple();
    play.take_all(&["lab_provider S/fc/-", "runner.environment_config F/fc/storage_io_error"]);
}

#[test]
fn skips_have_codes_of_their_own() {
    // P-25.
    let mut play = Play::purple();
    play.reject("REASON_CODE_NOT_CATALOGUED", "normalization F/ws/normalized_store_reused");
    play.reject("REASON_CODE_NOT_CATALOGUED", "runner F/fc/blocked_by_upstream_failure");
    play.reject("REASON_CODE_NOT_CATALOGUED", "runner K/fc/execute_failed");
    play.reject("REASON_CODE_NOT_CATALOGUED", "runner K/fc/normalized_store_reused");
    play.take("normalization K/ws/normalized_store_reused");
}

#[test]
fn a_failure_is_taken_with_either_fail_mode() {
    // the configured mode wins over the printed severity, so the catalogue says (stage, code) only.
    for text in
        ["validation F/ws/criteria_pack_error", "validation F/fc/criteria_query_failed", "runner F/ws/execute_failed"]
    {
        Play::purple().take(text);
    }
}

/// The fail mode that the page requires for a failure, taken from its tables of substages and run limits (1.3, 2.5).
fn asked(stage: &str, code: &str, severity: &str) -> Option<&'static str> {
    let always_fatal = [
        "runner.integration_credentials",
        "telemetry.agent.liveness",
        "telemetry.baseline_profile",
        "telemetry.checkpointing.storage_integrity",
        "telemetry.disk.preflight",
        "telemetry.network.egress_policy",
        "telemetry.windows_eventlog.raw_mode",
    ];
    let as_printed = ["telemetry.resource_budgets", "detection.performance_budgets"];
    let never_fatal = ["lab_provider.connectivity", "reporting.regression_compare"];
    let printed = || if severity == "FATAL" { "fc" } else { "ws" };
    match (stage, code) {
        ("runner.state_reconciliation", _) => Some("configured"),
        ("validation.run_limits", "disk_limit_exceeded") => None,
        ("runner", "cleanup_verification_failed") | ("telemetry.unix.source_overlap", "unix_source_overlap_active") => {
            Some("ws")
        }
        ("*" | "validation.run_limits", _) => Some("fc"),
        (stage, _) if always_fatal.contains(&stage) => Some("fc"),
        (stage, _) if never_fatal.contains(&stage) => Some("ws"),
        (stage, _) if as_printed.contains(&stage) => Some(printed()),
        _ => None,
    }
}

#[test]
fn every_row_is_taken_with_the_fail_modes_that_the_page_allows_and_no_other() {
    // P-26: all 149 codes of failures, with either fail mode, at a stage configured with either.
    for row in rows().into_iter().filter(|row| row[2] != "SKIPPED") {
        let stage = if row[0] == "*" { "scoring" } else { row[0] };
        let top = root_of(stage);
        for (configured, word) in [("fc", "fail_closed"), ("ws", "warn_and_skip")] {
            for mode in ["fc", "ws"] {
                let mut play = Play::create(
                    json!({"pipeline": "purple-axiom", "stages": {top: {"enabled": true, "fail_mode": word}}}),
                );
                if stage == "runner.environment_config" {
                    play.take("lab_provider S/fc/-");
                }
                let asked =
                    asked(row[0], row[1], row[2]).map(|asked| if asked == "configured" { configured } else { asked });
                let reported = format!("{stage} F/{mode}/{}", row[1]);
                if asked.is_none_or(|asked| asked == mode) {
                    play.take(&reported);
                } else {
                    play.reject("FAIL_MODE_FIXED", &reported);
                    // If it is left out, it becomes the one that it must be (P-14).
                    play.accept("outcome", json!({"stage": stage, "status": "failed", "reason_code": row[1]}));
                }
            }
        }
    }
}

fn own() -> Value {
    json!({
        "name": "own",
        "stages": [{"id": "inventory"}, {"id": "policy", "fail_mode": "warn_and_skip"}, {"id": "report"}],
        "reason_codes": [
            {"stage": "policy", "code": "licence_denied", "severity": "NON-FATAL"},
            {"stage": "policy.licences", "code": "licence_denied", "severity": "NON-FATAL"},
            {"stage": "*", "code": "operator_asked", "severity": "SKIPPED"},
        ],
        "closed_substages": ["policy.licences", "report.*"],
    })
}

#[test]
fn a_brought_pipeline_has_its_own_rows_and_the_cross_cutting_ones() {
    // P-80.
    let mut play = Play::create(json!({"pipeline": own()}));
    play.reject("UNKNOWN_STAGE", "runner S/fc/-");
    play.reject("REASON_CODE_NOT_CATALOGUED", "inventory F/fc/licence_denied");
    play.reject("REASON_CODE_NOT_CATALOGUED", "policy.licences F/ws/storage_io_error");
    play.reject("REASON_CODE_NOT_CATALOGUED", "report.any.depth F/ws/storage_io_error");
    play.take("inventory S/fc/-");
    play.take("policy.licences F/ws/licence_denied");
    play.take("policy F/ws/licence_denied");
    play.take("report F/fc/contract_validation_failed");
    assert_eq!(play.finalize().status.as_deref(), Some("failed"));
    let mut play = Play::create(json!({"pipeline": own()}));
    play.take("policy K/ws/operator_asked");
}

#[test]
fn a_brought_definition_reads_again_as_itself() {
    let read = Definition::parse(&own()).expect("valid");
    let text: Value = serde_json::from_str(read.text()).expect("JSON");
    assert_eq!(Definition::parse(&text).expect("valid"), read);
    assert_eq!(read.catalogue().rows().count(), 14 + 3);
    assert_eq!(read.catalogue().own_row("policy", "licence_denied").map(|row| row.severity), Some(Severity::NonFatal));
}

#[test]
fn the_parent_of_a_stopping_substage_is_recorded_as_the_page_says() {
    // P-34, A-10: same code where catalogued; else blocked when it never began; else its nearest code.
    let check = |substage: &str, begun: bool, expected: Option<&str>| {
        let found = purple_axiom().parent_outcome(&tuple(substage), begun, FailMode::FailClosed);
        assert_eq!(found, expected.map(tuple), "{substage}");
    };
    check("telemetry.clock_sync F/fc/clock_offset_exceeded", true, Some("telemetry F/fc/clock_offset_exceeded"));
    check("runner.environment_config F/fc/version_pin_missing", false, Some("runner K/fc/blocked_by_upstream_failure"));
    check("runner.environment_config F/fc/invalid_posture_mode", false, Some("runner F/fc/invalid_posture_mode"));
    check(
        "telemetry.windows_eventlog.raw_mode F/fc/winlog_raw_missing",
        true,
        Some("telemetry F/fc/raw_xml_unavailable"),
    );
    check("telemetry.unix.source_overlap F/fc/unix_source_overlap_unacknowledged", true, None);
    check("telemetry.clock_sync S/fc/-", true, None);
}

#[test]
fn the_gate_s_code_names_a_schema_only_where_the_catalogue_does() {
    // P-77, A-22.
    let definition = purple_axiom();
    let check = |stage: &str, schema: Option<&str>, expected: &str| {
        assert_eq!(definition.gate_reason_code(stage, schema), expected, "{stage} {schema:?}");
        assert!(definition.allows(stage, expected));
    };
    check("detection", Some("bridge_mapping_pack"), "bridge_mapping_pack_invalid");
    check("scoring", Some("summary"), "contract_validation_failed");
    check("scoring", Some("bridge_mapping_pack"), "contract_validation_failed");
    // A cross-cutting `*_invalid` is not the stage's own code.
    check("runner", Some("threat_intel_pack"), "contract_validation_failed");
    check("runner", None, "contract_validation_failed");
}

#[test]
fn substage_tables_name_known_stages_and_codes() {
    let definition = purple_axiom();
    let text: Value = serde_json::from_str(definition.text()).expect("JSON");
    for substage in text["substages"].as_array().expect("a list") {
        let name = substage["stage"].as_str().expect("a name");
        assert!(is_substage(name) && definition.index_of(name).is_some(), "{name}");
        if let Some(code) = substage["parent_code"].as_str() {
            assert!(definition.allows(root_of(name), code), "{name} {code}");
        }
    }
}
