//! The places of a bundle that belong to the engine in every run. No stage may leave a file there (rule P-62). The captured
//! output of a stage, `logs/<stage>.log`, also belongs to the engine.

/// Files that are projections.
pub const PROJECTED: [&str; 4] = ["run.json", "manifest.json", "audit_events.jsonl", "logs/health.json"];

/// The directory of the reports of publish gates.
pub const REPORTS: &str = "logs/contract_validation";

/// The directory that holds the stages' staging directories. Nothing in it belongs to the bundle.
pub const STAGING: &str = ".staging";
