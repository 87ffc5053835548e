//! The answer of `audit`.

use serde::Serialize;

/// `audit`.
#[derive(Serialize)]
pub(crate) struct AuditObject<'a> {
    pub(crate) good: bool,
    pub(crate) log_id: String,
    pub(crate) next_seq: u64,
    pub(crate) events: u64,
    pub(crate) runs: u64,
    pub(crate) rules: Vec<AuditRule<'a>>,
    pub(crate) findings: Vec<AuditFinding<'a>>,
}

/// A rule of [`AuditObject`].
#[derive(Serialize)]
pub(crate) struct AuditRule<'a> {
    pub(crate) rule: &'a str,
    /// `null` for a built-in rule.
    pub(crate) template: Option<&'static str>,
    pub(crate) severity: &'static str,
    pub(crate) expected: String,
    pub(crate) findings: usize,
    pub(crate) open: usize,
    pub(crate) not_judged: u64,
}

/// A finding of [`AuditObject`].
#[derive(Serialize)]
pub(crate) struct AuditFinding<'a> {
    pub(crate) rule: &'a str,
    pub(crate) severity: &'static str,
    pub(crate) case: Option<&'a str>,
    pub(crate) seqs: Vec<u64>,
    pub(crate) expected: &'a str,
    pub(crate) found: &'a str,
}
