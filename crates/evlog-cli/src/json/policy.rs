//! `policy set` and `policy show`.

use serde::Serialize;

/// A policy, and the event that set it. What is not bounded is `null`; distances are
/// written as in the text of a policy.
#[derive(Serialize)]
pub(crate) struct PolicyObject<'a> {
    /// `null` if no policy was set: then the other members are the default policy.
    pub(crate) seq: Option<u64>,
    pub(crate) recorded: Option<String>,
    pub(crate) set_by: Option<&'a str>,
    pub(crate) principal: Option<String>,
    pub(crate) blake3: Option<String>,
    /// Seq of the policy that this one replaced.
    pub(crate) replaced: Option<u64>,
    pub(crate) at: PolicyAt,
    pub(crate) durability: &'a str,
    pub(crate) checkpoint_within: Option<String>,
    pub(crate) actors: &'a [String],
    pub(crate) order: Vec<PolicyRule<'a>>,
    pub(crate) text: Option<&'a str>,
    /// Whether this call set it.
    pub(crate) new: bool,
}

/// Bounds of `at`.
#[derive(Serialize)]
pub(crate) struct PolicyAt {
    pub(crate) ahead: Option<String>,
    pub(crate) behind: Option<String>,
    pub(crate) mark: String,
}

/// A rule on order.
#[derive(Serialize)]
pub(crate) struct PolicyRule<'a> {
    pub(crate) name: &'a str,
    pub(crate) rule: String,
    pub(crate) since: u64,
}
