//! The answer of `conform`.

use serde::Serialize;

/// `conform`.
#[derive(Serialize)]
pub(crate) struct ConformObject<'a> {
    pub(crate) bundle: String,
    pub(crate) run: Option<&'a str>,
    /// How the run ended, as the manifest says.
    pub(crate) status: Option<&'a str>,
    pub(crate) pipeline: &'a str,
    /// `option`, `plan`, `built_in`, `log` or `default`.
    pub(crate) pipeline_from: &'static str,
    pub(crate) conforms: bool,
    /// How many findings there are; the first 1000 of each check are listed.
    pub(crate) findings_count: usize,
    pub(crate) findings: Vec<ConformFinding<'a>>,
    pub(crate) checks: Vec<ConformCheck>,
}

/// A finding of [`ConformObject`].
#[derive(Serialize)]
pub(crate) struct ConformFinding<'a> {
    pub(crate) check: u8,
    pub(crate) code: &'static str,
    pub(crate) file: &'a str,
    pub(crate) pointer: &'a str,
    pub(crate) expected: &'a str,
    pub(crate) found: &'a str,
}

/// The answer of one check.
#[derive(Serialize)]
pub(crate) struct ConformCheck {
    pub(crate) check: u8,
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    /// `passed`, `failed` or `not_run`.
    pub(crate) result: &'static str,
    pub(crate) findings: usize,
    /// Why it was not run.
    pub(crate) reason: Option<String>,
}
