//! The answer of `explain`.

use super::TimesMembers;
use serde::Serialize;
use serde_json::Value;

/// Why a run is in its state.
#[derive(Serialize)]
pub(crate) struct ExplainObject<'a> {
    pub(crate) run: &'a str,
    pub(crate) contract: &'a str,
    pub(crate) status: &'a str,
    pub(crate) summary: &'a str,
    pub(crate) reasons: Vec<ExplainReason<'a>>,
    /// Empty if the run has ended.
    pub(crate) waiting: Vec<ExplainWaiting<'a>>,
}

/// What a run waits for.
#[derive(Serialize)]
pub(crate) struct ExplainWaiting<'a> {
    pub(crate) subject: &'a str,
    pub(crate) text: &'a str,
    pub(crate) since: u64,
    pub(crate) times: Option<TimesMembers>,
    pub(crate) due: Option<&'a str>,
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

/// `explain --why`: what made one value.
#[derive(Serialize)]
pub(crate) struct WhyObject<'a> {
    pub(crate) run: &'a str,
    pub(crate) file: &'a str,
    pub(crate) pointer: &'a str,
    pub(crate) value: Option<&'a Value>,
    /// How many events the run has.
    pub(crate) of: u64,
    pub(crate) events: Vec<WhyEvent>,
}

/// An event of [`WhyObject`].
#[derive(Serialize)]
pub(crate) struct WhyEvent {
    /// The value after it, if only the events shown are folded.
    pub(crate) value: Option<Value>,
    /// As in `cat`.
    pub(crate) event: Value,
}
