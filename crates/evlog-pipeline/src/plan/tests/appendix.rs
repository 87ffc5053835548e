//! The bindings that the contract's source has for `purple-axiom` (pipeline.md, Appendix A), in a registry of our own.

use super::*;
use serde_json::json;

/// Owner, schema, mode, and paths.
const BINDINGS: &str = "
orchestrator manifest json_document manifest.json
orchestrator run_results json_document run_results.json
orchestrator audit_event jsonl_lines control/audit.jsonl
orchestrator control_cancel_request json_document control/cancel.json
orchestrator control_resume_request json_document control/resume_request.json
orchestrator control_resume_decision json_document control/resume_decision.json
orchestrator control_retry_request json_document control/retry_request.json
orchestrator control_retry_decision json_document control/retry_decision.json
orchestrator environment_noise_profile json_document inputs/environment_noise_profile.json
orchestrator telemetry_baseline_profile json_document inputs/telemetry_baseline_profile.json
orchestrator plan_draft yaml_document inputs/plan_draft.yaml
orchestrator range_config yaml_document inputs/range.yaml
orchestrator threat_intel_manifest json_document inputs/threat_intel/manifest.json
orchestrator threat_intel_indicator jsonl_lines inputs/threat_intel/indicators.jsonl
orchestrator cache_provenance json_document logs/cache_provenance.json
orchestrator counters json_document logs/counters.json
orchestrator pass_manifest json_document logs/pass_manifest.json
orchestrator contract_validation_report json_document logs/contract_validation/*.json
lab_provider lab_inventory_snapshot json_document logs/lab_inventory_snapshot.json
runner ground_truth jsonl_lines ground_truth.jsonl
runner principal_context json_document runner/principal_context.json
runner cleanup_verification json_document runner/actions/*/cleanup_verification.json
runner runner_executor_evidence json_document runner/actions/*/executor.json
runner requirements_evaluation json_document runner/actions/*/requirements_evaluation.json
runner resolved_inputs_redacted json_document runner/actions/*/resolved_inputs_redacted.json
runner side_effect_ledger json_document runner/actions/*/side_effect_ledger.json
runner state_reconciliation_report json_document runner/actions/*/state_reconciliation_report.json
telemetry telemetry_validation json_document logs/telemetry_validation.json
telemetry netflow_manifest json_document raw/netflow/manifest.json
telemetry pcap_manifest json_document raw/pcap/manifest.json
normalization mapping_coverage json_document normalized/mapping_coverage.json
normalization mapping_profile_snapshot json_document normalized/mapping_profile_snapshot.json
normalization parquet_schema_snapshot json_document normalized/ocsf_events/_schema.json
validation criteria_entry jsonl_lines criteria/criteria.jsonl
validation criteria_pack_manifest json_document criteria/manifest.json
validation criteria_result jsonl_lines criteria/results.jsonl
detection bridge_compiled_plan json_document bridge/compiled_plans/*.plan.json
detection bridge_coverage json_document bridge/coverage.json
detection bridge_mapping_pack json_document bridge/mapping_pack_snapshot.json
detection bridge_router_table json_document bridge/router_table.json
detection detection_instance jsonl_lines detections/detections.jsonl
scoring summary json_document scoring/summary.json
reporting report.schema json_document report/report.json
reporting thresholds.schema json_document report/thresholds.json
reporting run_timeline.schema text_document_v1 report/run_timeline.md
reporting baseline_run_ref json_document inputs/baseline_run_ref.json
reporting manifest json_document inputs/baseline/manifest.json
";

#[test]
fn k13_the_bindings_of_the_source_are_a_registry_and_its_matrix_says_what_must_be_there() {
    let rows: Vec<Vec<&str>> = BINDINGS.trim().lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(rows.len(), 47);
    let binding = |row: &Vec<&str>| {
        json!({"stage_owner": row[0], "contract_id": row[1], "validation_mode": row[2], "artifact_glob": row[3],
               "pass_id": format!("{}.all", row[0])})
    };
    let ids: BTreeSet<&str> = rows.iter().map(|row| row[1]).collect();
    let schema = |id: &&str| json!({"contract_id": id, "contract_version": "0.1.0", "schema_path": "any.json"});
    let registry = json!({
        "registry_version": "0.2.1",
        "contracts": ids.iter().map(schema).collect::<Vec<Value>>(),
        "bindings": rows.iter().map(binding).collect::<Vec<Value>>(),
    });
    let room = Room::new();
    room.file("registry.json", &registry.to_string());
    room.file("any.json", "{\"properties\":{\"contract_version\":{\"const\":\"0.1.0\"}}}");
    let definition = evlog_lifecycle::pipeline::purple_axiom();
    let stage =
        |id: &str| format!("[[stage]]\nid = \"{id}\"\ncommand = [\"true\"]\nreason_code = \"storage_io_error\"\n");
    let stages: String = definition.stages().iter().map(|known| stage(&known.id)).collect();
    let text = format!("name = \"p\"\npipeline = \"purple-axiom\"\nregistry = \"registry.json\"\n{stages}");
    let plan = room.load(&text).unwrap_or_else(|error| panic!("{error}"));
    let required = |stage: &Stage| {
        let outputs = stage.outputs.iter().filter(|(_, output)| output.required);
        outputs.map(|(path, _)| path.clone()).collect::<Vec<String>>()
    };
    let found: Vec<String> = plan.stages.iter().flat_map(required).collect();
    let expected = [
        "logs/lab_inventory_snapshot.json",
        "ground_truth.jsonl",
        "runner/principal_context.json",
        "logs/telemetry_validation.json",
        "normalized/mapping_coverage.json",
        "normalized/mapping_profile_snapshot.json",
        "normalized/ocsf_events/_schema.json",
        "criteria/criteria.jsonl",
        "criteria/manifest.json",
        "criteria/results.jsonl",
        "bridge/coverage.json",
        "bridge/mapping_pack_snapshot.json",
        "bridge/router_table.json",
        "detections/detections.jsonl",
        "scoring/summary.json",
        "report/thresholds.json",
    ];
    assert_eq!(found, expected);
    assert_eq!(plan.elsewhere.len(), 18, "the orchestrator's");
    assert_eq!(plan.stages.iter().map(|stage| stage.patterns.len()).sum::<usize>(), 7);
    assert!(plan.stage("signing").unwrap().outputs.is_empty());
}
