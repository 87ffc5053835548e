//! What the events of contract `status` carry. There is one table per kind, version 1 each.
//!
//! The order of fields and the numbers of the closed sets are part of the format; a golden test pins both. JSON from callers is
//! carried as text in RFC 8785 form.

use super::diagnostic::Diagnostic;
use super::transitions::RunStatus;
use crate::members::cut;
use crate::payloads::payload_json;
use crate::table;
use crate::words::words;
use evlog_format::Kind;
use evlog_projection::{Cause, Fact, FoldError, NewEvent, Target, readable};
use serde::{Deserialize, Serialize};

/// Version of every table here.
pub const PAYLOAD_VERSION: u16 = 1;

/// How much of a requested status token is recorded, in bytes (H5).
pub const TOKEN_LEN_MAX: usize = 120;

/// The longest diagnostic that is recorded as offered, in bytes of RFC 8785 text. A valid one is always shorter.
pub const OFFERED_LEN_MAX: usize = 64 * 1024;

/// `status.created`: a run begins. This event itself gives it the status `created` (H12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// The run that this one belongs to, or repeats.
    pub parent_run_id: Option<String>,
    /// The first run of the tree; a run without parent is its own.
    pub root_run_id: String,
    /// Present when the run is a retry of its parent.
    pub retry: Option<Retry>,
    /// How many retries this run and those after it may have.
    pub max_retries: u32,
    /// Whether it may start only with pins (H16).
    pub pins_required: bool,
    /// The case it belongs to.
    pub case_id: Option<String>,
    /// Pinned contract version.
    pub contract_version: Option<String>,
    /// Pinned policy versions.
    pub policy_versions: Option<PolicyVersions>,
    /// Error codes that its diagnostics may carry besides the catalogue.
    pub error_codes: Vec<String>,
    /// The other members of its record: a JSON object, as text.
    #[serde(serialize_with = "readable::optional_text")]
    pub details: Option<String>,
}

/// What makes a run a retry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// 1 for the first retry, then one more each.
    pub count: u32,
    /// Why it was retried.
    pub reason: String,
    /// Who or what approved it, where approval was asked for.
    pub approval: Option<String>,
}

/// Versions of the policies that a run obeys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersions {
    /// Of the lane policy.
    pub lanes: String,
    /// Of the role policy.
    pub roles: String,
}

/// `status.transitioned`: one of the nine transitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transitioned {
    /// The status before.
    pub from: RunStatus,
    /// The status after.
    pub to: RunStatus,
    /// The cause of the transition.
    pub cause: TransitionCause,
    /// The caller's reason.
    pub reason: Option<String>,
    /// Mandatory when `to` is a failure status, allowed when it is `canceled`.
    pub diagnostic: Option<Diagnostic>,
}

/// `status.rejected`: an undefined transition was attempted. Its error code is always `INVALID_STATE_TRANSITION`.
/// `S` is text, kept or borrowed from the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "S: Serialize + AsRef<str>"))]
pub struct Rejected<S = String> {
    /// The status that the run had; none when there is no such run (H6).
    pub current: Option<RunStatus>,
    /// The token as given, its first 120 bytes.
    pub requested: S,
    /// Why it is undefined.
    pub reason: RejectionReason,
    /// The run that the command named, if it does not exist (H6).
    pub claimed_run_id: Option<S>,
    /// Which action asked.
    pub action: Action,
    /// The override's ticket, if it was one (H15).
    pub ticket: Option<S>,
    /// The caller's reason.
    pub note: Option<S>,
    /// The diagnostic that the caller offered, as JSON text. Never adopted (H4).
    #[serde(serialize_with = "readable::optional_text")]
    pub offered: Option<S>,
    /// BLAKE3 of the command.
    #[serde(serialize_with = "readable::digest")]
    pub request: [u8; 32],
}

/// `status.forced_failed`: the rejection before it failed the run. Caused by that rejection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForcedFailed {
    /// The status before.
    pub from: RunStatus,
    /// The engine's own; a function of the rejection.
    pub diagnostic: Diagnostic,
}

/// `status.refused`: input that the contract does not take; the run is untouched. `S` is text, kept or borrowed from the
/// payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "S: Serialize + AsRef<str>"))]
pub struct Refused<S = String> {
    /// The status that the run had; none when there is no such run.
    pub current: Option<RunStatus>,
    /// Which action asked.
    pub action: Action,
    /// Why it is refused.
    pub reason: RefusalReason,
    /// The message of the answer.
    pub message: S,
    /// The run that the command named, if it does not exist.
    pub claimed_run_id: Option<S>,
    /// The status token that was asked for, its first 120 bytes.
    pub requested: Option<S>,
    /// The caller's reason.
    pub note: Option<S>,
    /// The diagnostic that the caller offered, as JSON text.
    #[serde(serialize_with = "readable::optional_text")]
    pub offered: Option<S>,
    /// BLAKE3 of the command.
    #[serde(serialize_with = "readable::digest")]
    pub request: [u8; 32],
}

/// `status.overridden`: a break-glass override. The transition that it names is the next event of the commit (H15).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overridden {
    /// The status before.
    pub from: RunStatus,
    /// The status after.
    pub to: RunStatus,
    /// The ticket that permits it.
    pub ticket: String,
    /// Why.
    pub reason: String,
}

words! {
    /// The cause of a transition.
    TransitionCause: "cause" {
        /// A request for this very transition.
        Requested = 0, "requested";
        /// A break-glass override (H15).
        Override = 1, "override";
        /// The action `cancel` (H18).
        Cancel = 2, "cancel";
        /// The run was started without the pins that it requires (H16).
        PinsMissing = 3, "pins_missing";
    }
}

words! {
    /// Why an attempted transition is undefined.
    RejectionReason: "rejection reason" {
        /// Both are statuses; the pair is not listed.
        UndefinedTransition = 0, "undefined_transition";
        /// The token names no status (H5).
        UnknownStatusToken = 1, "unknown_status_token";
        /// There is no such run (H6).
        UnknownRunId = 2, "unknown_run_id";
    }
}

words! {
    /// Why input is refused.
    RefusalReason: "refusal reason" {
        /// The run exists already (H8).
        RunIdExists = 0, "run_id_exists";
        /// A failure status without diagnostic (H10).
        DiagnosticMissing = 1, "diagnostic_missing";
        /// An invalid diagnostic (H10).
        DiagnosticInvalid = 2, "diagnostic_invalid";
        /// A diagnostic for a status that takes none (H11).
        DiagnosticUnexpected = 3, "diagnostic_unexpected";
        /// The run's status is not the expected one (H14).
        StalePrecondition = 4, "stale_precondition";
        /// An override cannot start a run without its pins (H15, H16).
        PinsMissing = 5, "pins_missing";
        /// The run to retry, or the parent, does not exist.
        UnknownRunId = 6, "unknown_run_id";
        /// The run to retry is not `failed`, `denied` or `timeout`.
        NotAFailure = 7, "not_a_failure";
        /// The diagnostic of the run to retry says that a retry cannot help.
        NotRetryable = 8, "not_retryable";
        /// The run has no retry left.
        RetriesExhausted = 9, "retries_exhausted";
        /// `root_run_id` is not the parent's root, or not the run itself where there is no parent.
        RootMismatch = 10, "root_mismatch";
        /// `case_id` is not the parent's.
        CaseMismatch = 11, "case_mismatch";
        /// A pinned version is not the parent's.
        PinsMismatch = 12, "pins_mismatch";
    }
}

words! {
    /// What a command asks to do.
    Action: "action" {
        /// Begin a run.
        Create = 0, "create";
        /// Go to another status.
        Transition = 1, "transition";
        /// Begin a run that repeats another.
        Retry = 2, "retry";
        /// Go to another status by break-glass.
        Override = 3, "override";
        /// End the run on purpose, from any live status.
        Cancel = 4, "cancel";
    }
}

impl RefusalReason {
    /// The error code of the answer.
    pub const fn code(self) -> &'static str {
        match self {
            RefusalReason::RunIdExists => "RUN_ID_EXISTS",
            RefusalReason::DiagnosticMissing
            | RefusalReason::DiagnosticInvalid
            | RefusalReason::DiagnosticUnexpected => "DIAGNOSTIC_INVALID",
            RefusalReason::StalePrecondition => "STALE_PRECONDITION",
            RefusalReason::PinsMissing => "PINS_MISSING",
            RefusalReason::UnknownRunId => "RUN_NOT_FOUND",
            RefusalReason::NotAFailure | RefusalReason::NotRetryable | RefusalReason::RetriesExhausted => {
                "RETRY_NOT_ELIGIBLE"
            }
            RefusalReason::RootMismatch | RefusalReason::CaseMismatch | RefusalReason::PinsMismatch => {
                "LINEAGE_INVALID"
            }
        }
    }
}

impl RejectionReason {
    /// Why a transition of a known run to this token is undefined.
    pub(crate) fn of_token(token: &str) -> RejectionReason {
        match RunStatus::from_word(token) {
            Some(_) => RejectionReason::UndefinedTransition,
            None => RejectionReason::UnknownStatusToken,
        }
    }
}

/// The part of a status token that is recorded.
pub(crate) fn recorded_token(token: &str) -> String {
    cut(token, TOKEN_LEN_MAX).to_owned()
}

payload_json! {
    STATUS_CREATED: Created;
    STATUS_TRANSITIONED: Transitioned;
    STATUS_REJECTED: Rejected;
    STATUS_FORCED_FAILED: ForcedFailed;
    STATUS_REFUSED: Refused;
    STATUS_OVERRIDDEN: Overridden;
}

/// An event to commit.
pub(crate) fn event<T: Serialize>(target: Target, kind: Kind<'_>, cause: Cause, table: &T) -> NewEvent {
    NewEvent { target, kind: kind.into(), kind_version: PAYLOAD_VERSION, cause, payload: table::encoded(table) }
}

/// The table of a committed event.
pub(crate) fn read<'f, T: Serialize + Deserialize<'f>>(fact: &Fact<'f>) -> Result<T, FoldError> {
    table::read(fact, PAYLOAD_VERSION)
}
