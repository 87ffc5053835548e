//! The answer of `explain`.

use super::TimesMembers;
use serde::Serialize;

/// Why a run is in its state.
#[derive(Serialize)]
pub(crate) struct ExplainObject<'a> {
    pub(crate) run: &'a str,
    pub(crate) contract: &'a str,
    pub(crate) status: &'a str,
    pub(crate) summary: &'a str,
    pub(crate) reasons: Vec<ExplainReason<'a>>,
}

/// One reason; the cause comes first.
#[derive(Serialize)]
pub(crate) struct ExplainReason<'a> {
    pub(crate) role: &'static str,
    pub(crate) subject: &'a str,
    pub(crate) state: &'a str,
    pub(crate) text: &'a str,
    pub(crate) seqs: &'a [u64],
    /// One for each seq; null where the event is of another run.
    pub(crate) times: Vec<Option<TimesMembers>>,
}
