//! For each stage of `purple-axiom`: which schemas its files have, and for which schemas there must be files (pipeline.md,
//! Appendix B).
//!
//! Does: answer for the built-in pipeline. Does not: know other pipelines, whose plans say this themselves, or a run's
//! configuration.
//!
//! Invariant: files that depend on configuration are not required here. A plan that configures them requires them.

use super::{Definition, NAMES};

/// A row: stage, schema, and whether there must be an artifact. `None` if the matrix of the contract's second version does not
/// say whether.
type Row = (&'static str, &'static str, Option<bool>);

const REQUIRED: Option<bool> = Some(true);
const OPTIONAL: Option<bool> = Some(false);

const PURPLE_AXIOM: [Row; 30] = [
    ("lab_provider", "lab_inventory_snapshot", REQUIRED),
    ("runner", "ground_truth", REQUIRED),
    ("runner", "requirements_evaluation", REQUIRED),
    ("runner", "resolved_inputs_redacted", REQUIRED),
    ("runner", "side_effect_ledger", REQUIRED),
    ("runner", "principal_context", REQUIRED),
    ("runner", "runner_executor_evidence", OPTIONAL),
    ("runner", "cleanup_verification", OPTIONAL),
    ("runner", "state_reconciliation_report", OPTIONAL),
    ("telemetry", "telemetry_validation", REQUIRED),
    ("telemetry", "pcap_manifest", OPTIONAL),
    ("telemetry", "netflow_manifest", OPTIONAL),
    ("normalization", "parquet_schema_snapshot", REQUIRED),
    // This is its place in the matrix of the first version.
    ("normalization", "ocsf_event_envelope", None),
    ("normalization", "mapping_coverage", REQUIRED),
    ("normalization", "mapping_profile_snapshot", REQUIRED),
    ("validation", "criteria_pack_manifest", REQUIRED),
    ("validation", "criteria_entry", REQUIRED),
    ("validation", "criteria_result", REQUIRED),
    ("detection", "bridge_coverage", REQUIRED),
    ("detection", "bridge_compiled_plan", REQUIRED),
    ("detection", "bridge_mapping_pack", REQUIRED),
    ("detection", "bridge_router_table", REQUIRED),
    ("detection", "detection_instance", REQUIRED),
    ("scoring", "summary", REQUIRED),
    ("reporting", "thresholds.schema", REQUIRED),
    ("reporting", "report.schema", OPTIONAL),
    ("reporting", "run_timeline.schema", OPTIONAL),
    ("reporting", "baseline_run_ref", OPTIONAL),
    ("reporting", "manifest", OPTIONAL),
];

/// The built-in schemas of the files that the stages of a pipeline publish: stage and schema.
pub fn published_schemas(definition: &Definition) -> impl Iterator<Item = (&'static str, &'static str)> {
    rows(definition).iter().map(|(stage, schema, _)| (*stage, *schema))
}

/// Whether a stage must leave artifacts of a schema; `None` if that is not built in.
pub fn is_required(definition: &Definition, stage: &str, schema: &str) -> Option<bool> {
    rows(definition).iter().find(|row| (row.0, row.1) == (stage, schema)).and_then(|row| row.2)
}

fn rows(definition: &Definition) -> &'static [Row] {
    // No other definition can have the name.
    if definition.name() == NAMES[0] { &PURPLE_AXIOM } else { &[] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::purple_axiom;
    use serde_json::json;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_is_of_a_stage_and_stands_once() {
        let definition = purple_axiom();
        let rows: BTreeSet<(&str, &str)> = published_schemas(&definition).collect();
        assert_eq!(rows.len(), PURPLE_AXIOM.len());
        for (stage, schema) in rows {
            assert!(definition.stages().iter().any(|known| known.id == stage), "{stage} {schema}");
        }
    }

    #[test]
    fn other_pipelines_have_no_matrix() {
        let definition =
            json!({"name": "own", "stages": [{"id": "scoring", "fail_mode": "fail_closed"}], "reason_codes": []});
        let other = Definition::parse(&definition).unwrap();
        assert_eq!(is_required(&other, "scoring", "summary"), None);
        assert_eq!(is_required(&purple_axiom(), "scoring", "summary"), Some(true));
        assert_eq!(is_required(&purple_axiom(), "runner", "summary"), None);
    }
}
