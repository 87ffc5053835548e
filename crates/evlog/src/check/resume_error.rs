//! The reasons why a verification cannot go on.

use crate::error::LogError;
use evlog_format::{LogId, Position};
use std::fmt;

/// The reason why a verification cannot go on from what was kept.
#[derive(Debug)]
#[non_exhaustive]
pub enum ResumeError {
    /// The log cannot be read.
    Log(LogError),
    /// The bytes are not a saved verification.
    Foreign,
    /// The bytes have changed since they were kept.
    Spoilt,
    /// Another version of the program kept them.
    Program {
        /// The version of this program.
        expected: &'static str,
        /// The version that kept them.
        found: String,
    },
    /// The bytes belong to another log.
    OtherLog {
        /// The log whose verification was begun.
        expected: LogId,
        /// The log that was given; `None` if its id cannot be read.
        found: Option<LogId>,
    },
    /// The log has fewer bytes than were read before.
    Shorter {
        /// How many were read.
        expected: Position,
        /// The number that was found.
        found: u64,
    },
    /// The log no longer has the bytes that were read.
    Changed {
        /// The place where they differ.
        position: Position,
        /// What was read, in words.
        expected: String,
        /// The found value.
        found: String,
    },
}

impl ResumeError {
    /// Whether this is a finding about the log: bytes that were read are no longer there.
    pub fn is_finding(&self) -> bool {
        matches!(self, ResumeError::Shorter { .. } | ResumeError::Changed { .. })
    }
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResumeError::Log(error) => error.fmt(f),
            ResumeError::Foreign => write!(f, "not a file that `evlog verify --resume` of this version keeps"),
            ResumeError::Spoilt => write!(f, "the file is damaged: its digest is not that of its bytes"),
            ResumeError::Program { expected, found } => {
                write!(f, "it was kept by another version: expected {expected}, found {found}")
            }
            ResumeError::OtherLog { expected, found } => {
                let found = found.map_or("none that can be read".to_owned(), |id| id.to_string());
                write!(f, "it is about another log: expected log id {expected}, found {found}")
            }
            ResumeError::Shorter { expected, found } => write!(
                f,
                "the log is shorter than what was read of it: expected at least {expected} bytes, found {found}"
            ),
            ResumeError::Changed { position, expected, found } => write!(
                f,
                "the log changed since it was read: at position {position}: expected {expected}, found {found}"
            ),
        }
    }
}

impl std::error::Error for ResumeError {}

impl From<LogError> for ResumeError {
    fn from(error: LogError) -> ResumeError {
        ResumeError::Log(error)
    }
}
