//! The answer to a command.

use evlog_format::Seq;
use evlog_projection::{ContractError, Outcome, RunFold};
use std::fmt;

/// How a command ended, from the caller's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// The command was accepted.
    Accepted,
    /// The contract's rule for invalid requests was applied, and recorded.
    Rejected,
    /// The contract refuses this input; the run is untouched.
    Refused,
    /// The command was answered before; this is the first answer again.
    Duplicate,
}

impl AnswerOutcome {
    /// The word that result lines use for it.
    pub fn word(self) -> &'static str {
        match self {
            AnswerOutcome::Accepted => "accepted",
            AnswerOutcome::Rejected => "rejected",
            AnswerOutcome::Refused => "refused",
            AnswerOutcome::Duplicate => "duplicate",
        }
    }
}

/// The answer to a command.
///
/// A command that is not accepted still has an answer; it is not an error of the log. [`into_accepted`](Answer::into_accepted)
/// makes it an error, for callers who expect that the command is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a command may be rejected or refused: look at the answer, or call `into_accepted`"]
pub struct Answer {
    /// The outcome of the command.
    pub outcome: AnswerOutcome,
    /// The run it was about.
    pub run: String,
    /// The run's status after the command; `None` if there is no such run.
    pub status: Option<String>,
    /// The events that record it: seq and kind.
    pub events: Vec<(Seq, String)>,
    /// The reason why it was not accepted.
    pub error: Option<ContractError>,
}

/// A command that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The run it was about.
    pub run: String,
    /// The run's status after the command.
    pub status: Option<String>,
    /// The events that record it: seq and kind. Empty if there was nothing to do.
    pub events: Vec<(Seq, String)>,
    /// Whether this is the first answer again, because the idempotency key was given before.
    pub is_duplicate: bool,
}

/// A command that was not accepted. The answer always has `error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The whole answer.
    pub answer: Box<Answer>,
    /// The reason.
    pub error: ContractError,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refused { answer, error } = self;
        write!(f, "run `{}`: {}: {error}", answer.run, answer.outcome.word())
    }
}

impl std::error::Error for Refused {}

impl Answer {
    /// What was accepted. If the command was not accepted, the answer becomes the error.
    pub fn into_accepted(self) -> Result<Accepted, Refused> {
        if let Some(error) = self.error.clone() {
            return Err(Refused { answer: Box::new(self), error });
        }
        let is_duplicate = self.outcome == AnswerOutcome::Duplicate;
        Ok(Accepted { run: self.run, status: self.status, events: self.events, is_duplicate })
    }

    pub(crate) fn empty(run: &str) -> Answer {
        Answer { outcome: AnswerOutcome::Accepted, run: run.to_owned(), status: None, events: Vec::new(), error: None }
    }

    /// The engine's own refusal, before it asks any contract: nothing is recorded.
    pub(crate) fn refused(run: &str, fold: Option<&RunFold>, code: &str, message: String) -> Answer {
        Answer {
            outcome: AnswerOutcome::Refused,
            status: fold.map(|fold| fold.status().to_owned()),
            error: Some(ContractError { code: code.to_owned(), message }),
            ..Answer::empty(run)
        }
    }
}

impl From<Outcome> for AnswerOutcome {
    fn from(outcome: Outcome) -> AnswerOutcome {
        match outcome {
            Outcome::Accepted => AnswerOutcome::Accepted,
            Outcome::Rejected => AnswerOutcome::Rejected,
            Outcome::Refused => AnswerOutcome::Refused,
        }
    }
}
