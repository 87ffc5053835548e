//! The places of a bundle that are the engine's own in every run: no stage may leave a file there (rule P-62). So is the captured
//! output of a stage, `logs/<stage>.log`.

/// Files that are projections.
pub const PROJECTED: [&str; 4] = ["run.json", "manifest.json", "audit_events.jsonl", "logs/health.json"];

/// The directory of the reports of publish gates.
pub const REPORTS: &str = "logs/contract_validation";

/// The directory that stages stage below. Nothing of it belongs to the bundle.
pub const STAGING: &str = ".staging";
