//! Why a trail cannot be compared.

use crate::error::LogError;
use std::{fmt, io};

/// The reason why a trail cannot be compared with a replay of a log.
#[derive(Debug)]
#[non_exhaustive]
pub enum TrailError {
    /// The trail could not be read.
    Io(io::Error),
    /// The log could not be read.
    Log(Box<LogError>),
    /// The file does not have the form of a trail.
    Form {
        /// The line, from 1.
        line: u64,
        /// What was expected there.
        expected: &'static str,
    },
    /// Its last line is missing.
    Truncated {
        /// The number of lines.
        lines: u64,
    },
    /// Its bytes are not the bytes that were written.
    Damaged,
    /// It belongs to another log.
    OtherLog {
        /// The log that the trail belongs to.
        trail: String,
        /// The log that was opened.
        ours: String,
    },
    /// The log has fewer events than were replayed for the trail.
    Shorter {
        /// Seq after the last event of the trail.
        trail: u64,
        /// Seq after the last event of the log.
        ours: u64,
    },
    /// The log's bytes are not those that were replayed for the trail.
    OtherHistory {
        /// The number of bytes that were replayed.
        size: u64,
        /// The root over them.
        trail: String,
        /// The root over as many bytes of the log, or how many bytes it has, if these are fewer.
        ours: String,
    },
    /// Its last event is not the last one of a commit.
    WithinCommit {
        /// Seq after the last event of the trail.
        next_seq: u64,
        /// The first event of the commit inside which it would end.
        first: u64,
    },
    /// Its bytes do not end where its events end.
    OtherSize {
        /// Seq after the last event of the trail.
        next_seq: u64,
        /// How many bytes it says were replayed.
        size: u64,
        /// How many bytes of the log hold the events before this seq.
        ours: u64,
    },
    /// A projection of another version made it.
    Projection {
        /// The projection.
        name: String,
        /// The version that made the trail; `None` if its program did not have the projection.
        trail: Option<u16>,
        /// The version of this program; `None` if it does not have the projection.
        ours: Option<u16>,
    },
}

impl fmt::Display for TrailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = |version: &Option<u16>| version.map_or("none".to_owned(), |version| format!("version {version}"));
        match self {
            TrailError::Io(error) => write!(f, "the trail could not be read: {error}"),
            TrailError::Log(error) => write!(f, "{error}"),
            TrailError::Form { line, expected } => write!(f, "line {line} of the trail: expected {expected}"),
            TrailError::Truncated { lines } => {
                write!(
                    f,
                    "the trail is truncated: expected a last line that begins with `end`, found the end after line {lines}"
                )
            }
            TrailError::Damaged => {
                write!(f, "the trail is damaged: the digest in its last line is not that of the lines before it")
            }
            TrailError::OtherLog { trail, ours } => {
                write!(f, "the trail is of another log: expected log {ours}, found {trail}")
            }
            TrailError::Shorter { trail, ours } => {
                write!(
                    f,
                    "the trail goes on to seq {trail}, and the log ends before seq {ours}: events are missing from the log"
                )
            }
            TrailError::OtherHistory { size, trail, ours } => write!(
                f,
                "the trail is of another history of this log: expected root {trail} over the first {size} bytes, found {ours}"
            ),
            TrailError::WithinCommit { next_seq, first } => write!(
                f,
                "the trail contradicts itself: seq {next_seq}, which it ends before, is within a commit, which begins with seq {first}"
            ),
            TrailError::OtherSize { next_seq, size, ours } => write!(
                f,
                "the trail contradicts itself: expected size {ours} before seq {next_seq}, as in this log, found {size}"
            ),
            TrailError::Projection { name, trail, ours } => write!(
                f,
                "the trail was made by other projections: `{name}` in {} there, in {} here",
                version(trail),
                version(ours)
            ),
        }
    }
}

impl std::error::Error for TrailError {}

impl From<io::Error> for TrailError {
    fn from(error: io::Error) -> TrailError {
        TrailError::Io(error)
    }
}

impl From<LogError> for TrailError {
    fn from(error: LogError) -> TrailError {
        TrailError::Log(Box::new(error))
    }
}
