//! What a command is answered.

use evlog_format::Seq;
use evlog_projection::{ContractError, Outcome, RunFold};

/// How a command ended, from the caller's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// It was taken.
    Accepted,
    /// The contract's rule for invalid requests was applied, and recorded.
    Rejected,
    /// The contract does not take this input; the run is untouched.
    Refused,
    /// It was already answered; this is the first answer again.
    Duplicate,
}

impl AnswerOutcome {
    /// The word of result lines.
    pub fn word(self) -> &'static str {
        match self {
            AnswerOutcome::Accepted => "accepted",
            AnswerOutcome::Rejected => "rejected",
            AnswerOutcome::Refused => "refused",
            AnswerOutcome::Duplicate => "duplicate",
        }
    }
}

/// What a command is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it ended.
    pub outcome: AnswerOutcome,
    /// The run it was about.
    pub run: String,
    /// The run's status after it; none when there is no such run.
    pub status: Option<String>,
    /// The events that record it: seq and kind.
    pub events: Vec<(Seq, String)>,
    /// Why it was not accepted.
    pub error: Option<ContractError>,
}

impl Answer {
    pub(crate) fn empty(run: &str) -> Answer {
        Answer { outcome: AnswerOutcome::Accepted, run: run.to_owned(), status: None, events: Vec::new(), error: None }
    }

    /// The engine's own refusal, before any contract is asked: nothing is recorded.
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
