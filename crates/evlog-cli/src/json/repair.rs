//! The answer of `repair`. Paths are within the log's directory.

use serde::Serialize;

/// `repair`, with and without `--dry-run`.
#[derive(Serialize)]
pub(crate) struct RepairObject<'a> {
    pub(crate) verdict: &'static str,
    pub(crate) dry_run: bool,
    /// Whether the steps were carried out.
    pub(crate) done: bool,
    pub(crate) steps: Vec<StepObject<'a>>,
    pub(crate) loss: Option<LossObject<'a>>,
    pub(crate) refused: Option<RefusedObject<'a>>,
}

/// One thing to do.
#[derive(Serialize)]
pub(crate) struct StepObject<'a> {
    pub(crate) act: &'static str,
    pub(crate) file: String,
    pub(crate) position: u64,
    pub(crate) bytes: u64,
    pub(crate) row: Option<&'static str>,
    pub(crate) reason: &'a str,
    pub(crate) kept_as: Option<&'a str>,
}

/// The loss that is accepted, or would be.
#[derive(Serialize)]
pub(crate) struct LossObject<'a> {
    pub(crate) position: u64,
    pub(crate) bytes: u64,
    pub(crate) missing: u64,
    pub(crate) floor: u64,
    pub(crate) first_seq: u64,
    pub(crate) next_seq: Option<u64>,
    pub(crate) events: Option<u64>,
    pub(crate) reason: &'a str,
    pub(crate) kept_as: Option<&'a str>,
}

/// Why the repair is refused.
#[derive(Serialize)]
pub(crate) struct RefusedObject<'a> {
    pub(crate) row: Option<&'static str>,
    pub(crate) file: String,
    pub(crate) position: u64,
    pub(crate) expected: &'a str,
    pub(crate) found: &'a str,
    pub(crate) acceptable: Option<LossObject<'a>>,
}
