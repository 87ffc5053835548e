//! The errors of opening, reading and writing a log.

use evlog_format::{Corruption, Position, Root, Seq};
use evlog_projection::{FoldError, Malformed};
use evlog_store::{AppendError, OpenError, ReadError};
use evlog_verify::proof::ProofError;
use std::fmt;

/// The reason why a text is not a policy, and where the mistake is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Line and column, both from 1, the column in characters; `None` if the mistake concerns the whole text.
    pub place: Option<(usize, usize)>,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "line {line}, column {column}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for PolicyError {}

/// An operation on a log that could not be done.
#[derive(Debug)]
#[non_exhaustive]
pub enum LogError {
    /// The log could not be opened; holds the reason.
    Open(OpenError),
    /// The log could not be read.
    Read(ReadError),
    /// The log could not be written. The error says whether the commit did not happen or may have happened.
    Append(AppendError),
    /// Committed bytes are wrong.
    Corrupt(Corruption),
    /// A command could not be read: nothing was recorded.
    Malformed(Malformed),
    /// The contract forbids an event that is committed.
    Fold(FoldError),
    /// The payload of an event of `$log` cannot be read or written.
    Payload {
        /// The event, if it is in the log.
        seq: Option<Seq>,
        /// The fault, in words.
        message: String,
    },
    /// Bytes that were read back are not those that were written or signed. Nothing was signed.
    ReadBack {
        /// The evidence that states the expected root.
        who: &'static str,
        /// The place where reading began.
        from: Position,
        /// The place where it should end, and the root there.
        expected: (Position, Root),
        /// The place where it ended, and the root there.
        found: (Position, Root),
    },
    /// Bytes of the log do not lead to the root of the checkpoint. Nothing was proven.
    Unproven(ProofError),
    /// A text is not a policy: nothing was recorded.
    Policy(PolicyError),
    /// The log has two ends as of a time, because its clock went back.
    TwoEnds {
        /// The first event that was recorded after the time.
        later: Seq,
        /// The last event after that one that was recorded at or before the time.
        earlier: Seq,
    },
    /// The place of a value is not a JSON pointer.
    Pointer {
        /// The given value.
        found: String,
    },
    /// Finding what made a value takes more work than is allowed.
    WhyLimit {
        /// The allowed maximum.
        limit: u64,
        /// The unit of the limit.
        unit: &'static str,
    },
    /// A command was offered to one session, and another session was asked to wait for it. Only the first session knows
    /// whether the command is recorded.
    OfAnotherSession,
    /// A contract decided events that it cannot fold itself, or that an audit would report. Nothing was recorded. The contract
    /// has a defect.
    Undecidable {
        /// The run.
        run: String,
        /// The error of the fold, or the rule that the event breaks: expected and found.
        message: String,
    },
}

impl LogError {
    /// Whether another writer of a shared log committed first, so that what was asked for is not in the log.
    pub(crate) fn is_overtaken(&self) -> bool {
        match self {
            LogError::Append(error) => error.is_overtaken(),
            LogError::Read(error) => error.is_overtaken(),
            _ => false,
        }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::Open(error) => error.fmt(f),
            LogError::Read(error) => error.fmt(f),
            LogError::Append(error) => error.fmt(f),
            LogError::Malformed(error) => error.fmt(f),
            LogError::Policy(error) => error.fmt(f),
            LogError::Corrupt(error) => write!(f, "the log is damaged {error}; run `evlog verify`"),
            LogError::Fold(error) => error.fmt(f),
            LogError::Payload { seq: Some(seq), message } => write!(f, "event {seq} of `$log`: {message}"),
            LogError::Payload { seq: None, message } => write!(f, "event for `$log`: {message}"),
            LogError::ReadBack { who, from, expected: (end, expected), found: (read, found) } => write!(
                f,
                "the bytes from position {from} on are not what {who} says, so nothing was signed: expected root {expected} at \
                 position {end}, found {found} at {read}; run `evlog verify`"
            ),
            LogError::Unproven(error) => {
                write!(f, "the log does not match the checkpoint: {error}; run `evlog verify`")
            }
            LogError::TwoEnds { later, earlier } => write!(
                f,
                "the clock went back: event {later} was recorded after this time, and event {earlier} at or before it"
            ),
            LogError::Pointer { found } => write!(f, "expected a JSON pointer such as /status, found `{found}`"),
            LogError::WhyLimit { limit, unit } => {
                write!(f, "what made the value is not looked for beyond {limit} {unit}")
            }
            LogError::OfAnotherSession => f.write_str(
                "expected a command that was offered to this session, found one of another: wait for it there",
            ),
            LogError::Undecidable { run, message } => {
                write!(
                    f,
                    "run `{run}`: the contract decided events that could not be replayed or audited, so nothing was recorded: \
                     {message}"
                )
            }
        }
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LogError::Open(error) => Some(error),
            LogError::Read(error) => Some(error),
            LogError::Append(error) => Some(error),
            LogError::Malformed(error) => Some(error),
            LogError::Corrupt(error) => Some(error),
            LogError::Fold(error) => Some(error),
            LogError::Unproven(error) => Some(error),
            LogError::Policy(error) => Some(error),
            LogError::Payload { .. }
            | LogError::ReadBack { .. }
            | LogError::TwoEnds { .. }
            | LogError::Pointer { .. }
            | LogError::WhyLimit { .. }
            | LogError::OfAnotherSession
            | LogError::Undecidable { .. } => None,
        }
    }
}

macro_rules! from {
    ($($source:ty => $variant:ident),*) => {
        $(impl From<$source> for LogError {
            fn from(error: $source) -> LogError {
                LogError::$variant(error)
            }
        })*
    };
}

from!(OpenError => Open, ReadError => Read, AppendError => Append, Malformed => Malformed, FoldError => Fold,
    Corruption => Corrupt, ProofError => Unproven);
