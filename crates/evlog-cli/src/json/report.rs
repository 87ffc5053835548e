//! The answer of `report`.

use serde::Serialize;

/// What was written.
#[derive(Serialize)]
pub(crate) struct ReportObject<'a> {
    pub(crate) good: bool,
    pub(crate) verdict: &'static str,
    pub(crate) out: &'a str,
    pub(crate) runs: u64,
    pub(crate) attention: u64,
    pub(crate) pages: u64,
}
