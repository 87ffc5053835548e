//! The run record: what `data` may say, and what `manifest.json` makes of it (status.md 5).

use super::{RUN, Status};
use crate::testing::Harness;
use serde_json::{Value, json};

fn full_data() -> Value {
    let hash = "ab".repeat(32);
    json!({
        "run_kind": "orchestrator", "run_name": "nightly", "case_id": "CASE-1", "client_session_id": "sess-1",
        "matter_id": "matter-1", "correlation_id": "c", "lane_id": "lane", "role_id": "role", "workflow_state": "STALE",
        "contract_version": "v1", "policy_versions": {"lanes": "0123456", "roles": "6543210"},
        "taxonomy_versions": {"coa": "123456", "tags": "234567"}, "tool_versions": {"ocr": "5.1"},
        "inputs": {
            "artifact_refs": [
                {"artifact_id": "A-1", "artifact_kind": "pdf", "hash_sha256": hash, "storage_locator": "s3://b/k"},
            ],
            "parameters_hash_sha256": hash,
        },
        "nondeterminism": {"is_nondeterministic": true, "reasons": ["model"], "replay_strategy": "record_and_replay"},
        "data_classification": {"contains_pii": true, "contains_phi": false, "notes": "names"},
        "tags": ["x"], "notes": "n", "max_retries": 4, "pins_required": true, "error_codes": ["DISK_FULL"],
    })
}

fn created(data: &Value) -> Result<Value, String> {
    let mut harness = Harness::new(Status);
    let answered = harness.play(json!({"run": RUN, "do": "create", "data": data}));
    match answered {
        Ok(_) => Ok(harness.json(RUN, "manifest.json")),
        Err(malformed) => {
            assert!(harness.log.is_empty(), "nothing is recorded");
            Err(malformed.to_string())
        }
    }
}

#[test]
fn every_member_of_the_record_is_in_the_manifest_as_given() {
    let manifest = created(&full_data()).expect("valid");
    for (name, value) in full_data().as_object().expect("an object") {
        assert_eq!(manifest[name], *value, "{name}");
    }
}

#[test]
fn a_record_without_data_has_the_engines_members_only() {
    let manifest = created(&json!({})).expect("valid");
    let names: Vec<_> = manifest.as_object().expect("an object").keys().map(String::as_str).collect();
    let expected = [
        "actor",
        "case_id",
        "completed_at_utc",
        "contract_version",
        "created_at_utc",
        "diagnostic",
        "duration_ms",
        "error",
        "error_codes",
        "max_retries",
        "outcome",
        "parent_run_id",
        "pins_required",
        "policy_versions",
        "retry_approval",
        "retry_count",
        "retry_of_run_id",
        "retry_reason",
        "root_run_id",
        "run_id",
        "started_at_utc",
        "status",
    ];
    assert_eq!(names, expected);
    assert_eq!(manifest["root_run_id"], RUN, "the root of a root is itself (9.16)");
    assert_eq!(manifest["actor"], json!({"actor_type": "agent", "actor_id": "test"}));
}

#[test]
fn a_null_member_counts_as_absent_and_digests_become_lower_case() {
    assert_eq!(created(&json!({"notes": null, "case_id": null})), created(&json!({})));
    let upper = json!({"inputs": {"parameters_hash_sha256": "AB".repeat(32)}});
    assert_eq!(created(&upper).expect("valid")["inputs"]["parameters_hash_sha256"], "ab".repeat(32));
}

#[test]
fn what_the_record_does_not_take_is_refused_with_a_pointer() {
    let long = |chars: usize| json!("x".repeat(chars));
    let cases = [
        (json!({"status": "running"}), "/data/status"),
        (json!({"a/b~c": 1}), "/data/a~1b~0c"),
        (json!({"run_kind": "robot"}), "/data/run_kind"),
        (json!({"run_name": ""}), "/data/run_name"),
        (json!({"run_name": long(201)}), "/data/run_name"),
        (json!({"case_id": "abc"}), "/data/case_id"),
        (json!({"parent_run_id": "../x"}), "/data/parent_run_id"),
        (json!({"contract_version": "v2"}), "/data/contract_version"),
        (json!({"policy_versions": {"lanes": "0123456"}}), "/data/policy_versions"),
        (json!({"policy_versions": {"lanes": "v1", "roles": "6543210"}}), "/data/policy_versions/lanes"),
        (json!({"policy_versions": {"lanes": "0123456", "roles": "6543210", "x": 1}}), "/data/policy_versions/x"),
        (json!({"taxonomy_versions": {"coa": 7}}), "/data/taxonomy_versions/coa"),
        (json!({"tool_versions": {"ocr": 5}}), "/data/tool_versions/ocr"),
        (json!({"inputs": {"artifact_refs": [{"artifact_id": "A-1"}]}}), "/data/inputs/artifact_refs/0"),
        (json!({"inputs": {"parameters_hash_sha256": "abc"}}), "/data/inputs/parameters_hash_sha256"),
        (json!({"nondeterminism": {}}), "/data/nondeterminism"),
        (json!({"nondeterminism": {"is_nondeterministic": "yes"}}), "/data/nondeterminism/is_nondeterministic"),
        (json!({"data_classification": []}), "/data/data_classification"),
        (json!({"tags": "x"}), "/data/tags"),
        (json!({"tags": ["ok", long(61)]}), "/data/tags/1"),
        (json!({"tags": vec!["x"; 101]}), "/data/tags"),
        (json!({"notes": long(1001)}), "/data/notes"),
        (json!({"max_retries": -1}), "/data/max_retries"),
        (json!({"max_retries": 1.5}), "/data/max_retries"),
        (json!({"max_retries": 1001}), "/data/max_retries"),
        (json!({"pins_required": 1}), "/data/pins_required"),
        (json!({"error_codes": ["lower"]}), "/data/error_codes/0"),
        (json!({"error_codes": ["DISK_FULL", "INVALID_STATE_TRANSITION"]}), "/data/error_codes/1"),
    ];
    for (data, pointer) in cases {
        let error = created(&data).expect_err("refused");
        assert!(error.starts_with(&format!("{pointer}: ")), "{data}: {error}");
    }
}

#[test]
fn malformed_commands_are_named_and_nothing_is_recorded() {
    let cases = [
        (json!({"do": "create", "data": []}), "/data"),
        (json!({"do": "create", "extra": 1}), "/extra"),
        (json!({"do": "transition"}), ""),
        (json!({"do": "transition", "to": 7}), "/to"),
        (json!({"do": "transition", "to": null}), ""),
        (json!({"do": "transition", "to": "x".repeat(4097)}), "/to"),
        (json!({"do": "transition", "to": "running", "reason": ""}), "/reason"),
        (json!({"do": "transition", "to": "running", "reason": "x".repeat(201)}), "/reason"),
        (json!({"do": "transition", "to": "running", "ticket": "T"}), "/ticket"),
        (json!({"do": "retry"}), ""),
        (json!({"do": "retry", "of": "a b"}), "/of"),
        (json!({"do": "cancel", "to": "canceled"}), "/to"),
        (json!({"do": "start"}), "/do"),
    ];
    for (mut command, pointer) in cases {
        command["run"] = json!(RUN);
        let mut harness = Harness::new(Status);
        let malformed = harness.play(command.clone()).expect_err("malformed");
        assert_eq!(malformed.pointer, pointer, "{command}: {malformed}");
        assert!(harness.log.is_empty(), "{command}");
    }
}

#[test]
fn times_are_the_commits_and_a_clock_that_goes_back_gives_no_negative_duration() {
    let mut harness = Harness::new(Status);
    harness.accept(super::create(RUN));
    harness.accept(super::request(RUN, "running"));
    harness.time_ns += 1_234_567;
    harness.accept(super::request(RUN, "waiting"));
    harness.accept(super::request(RUN, "running"));
    harness.accept(super::request(RUN, "success"));
    let run = harness.json(RUN, "run.json");
    assert_eq!(run["created_at_utc"], "2026-02-23T18:00:00.000Z");
    assert_eq!(run["started_at_utc"], "2026-02-23T18:00:01.000Z", "the first start counts");
    assert_eq!(run["completed_at_utc"], "2026-02-23T18:00:04.001Z");
    assert_eq!(run["duration_ms"], 3001);
    let mut harness = super::at(super::RunStatus::Running);
    harness.time_ns = 0;
    harness.accept(super::request(RUN, "success"));
    assert_eq!(harness.json(RUN, "run.json")["duration_ms"], 0);
}
