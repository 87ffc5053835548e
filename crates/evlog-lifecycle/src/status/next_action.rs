//! What an orchestrator does next. It is a function of status, error code and retryable, and of nothing else (status.md 3.5,
//! check 42).
//!
//! It does not depend on whether a retry is left: two runs with the same three values get the same answer. The limit of retries
//! is enforced when a retry is requested.

use super::diagnostic::INVALID_STATE_TRANSITION;
use super::transitions::RunStatus;

/// The next action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAction {
    /// Request `created` to `running`.
    Start,
    /// Watch the run.
    Observe,
    /// Wait for the external dependency, then resume or cancel.
    AwaitDependency,
    /// Go on with the work that follows.
    Proceed,
    /// Retry as a new run, if retries are left.
    RetryAsNewRun,
    /// Retry as a new run, once that is approved.
    RetryAsNewRunAfterApproval,
    /// Stop the work that follows; an explicit restart is needed.
    Halt,
    /// Halt: the implementation, not the work, is at fault.
    HaltDefect,
    /// Halt: an approval or another policy is needed, then a new run.
    HaltPolicy,
    /// Stop; only a governed rerun may follow.
    Stop,
    /// The contract forbids this state.
    IntegrityError,
}

impl NextAction {
    /// The word of projections.
    pub const fn word(self) -> &'static str {
        match self {
            NextAction::Start => "START",
            NextAction::Observe => "OBSERVE",
            NextAction::AwaitDependency => "AWAIT_DEPENDENCY",
            NextAction::Proceed => "PROCEED",
            NextAction::RetryAsNewRun => "RETRY_AS_NEW_RUN",
            NextAction::RetryAsNewRunAfterApproval => "RETRY_AS_NEW_RUN_AFTER_APPROVAL",
            NextAction::Halt => "HALT",
            NextAction::HaltDefect => "HALT_DEFECT",
            NextAction::HaltPolicy => "HALT_POLICY",
            NextAction::Stop => "STOP",
            NextAction::IntegrityError => "INTEGRITY_ERROR",
        }
    }
}

/// The next action for a run. An unknown `retryable` counts as false.
pub fn next_action(status: RunStatus, error_code: Option<&str>, retryable: Option<bool>) -> NextAction {
    let defect = error_code == Some(INVALID_STATE_TRANSITION);
    let retryable = retryable.unwrap_or(false);
    match status {
        RunStatus::Canceled if !defect => NextAction::Stop,
        RunStatus::Failed if defect => NextAction::HaltDefect,
        _ if defect || status.is_failure() != error_code.is_some() => NextAction::IntegrityError,
        RunStatus::Created => NextAction::Start,
        RunStatus::Running => NextAction::Observe,
        RunStatus::Waiting => NextAction::AwaitDependency,
        RunStatus::Success => NextAction::Proceed,
        RunStatus::Denied if retryable => NextAction::RetryAsNewRunAfterApproval,
        RunStatus::Denied => NextAction::HaltPolicy,
        RunStatus::Failed | RunStatus::Timeout if retryable => NextAction::RetryAsNewRun,
        RunStatus::Failed | RunStatus::Timeout => NextAction::Halt,
        RunStatus::Canceled => NextAction::Stop,
    }
}
