//! What can go wrong. There is one enum for each kind of operation: opening, appending, reading.
//!
//! The error of an append says whether the commit was not appended or may have been appended. Messages have the path, the
//! position, what was expected and what was found; `hint` says what to do.

use crate::fs::Overtaken;
use evlog_format::commit::EncodeRefusal;
use evlog_format::{Corruption, HeaderError, LogId, Position, Seq};
use evlog_verify::Verdict;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An operating system call that failed.
#[derive(Debug)]
pub struct Failure {
    /// What was being done, as in "cannot `doing` `path`".
    pub doing: &'static str,
    /// The file or directory that it was done to.
    pub path: PathBuf,
    /// The system's error message.
    pub source: std::io::Error,
}

impl Failure {
    /// Whether the system answered, and the file is not what it should be: it is a link, a pipe, or too long.
    #[must_use]
    pub fn is_unlike(&self) -> bool {
        matches!(self.source.kind(), std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData)
    }

    /// Whether another writer of a shared log committed first, so that nothing was written.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        self.source.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Overtaken>)
    }
}

/// The reason why an existing log is not opened, or a part of it is not read: the bytes are not what they must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The verdict that follows from the evidence.
    pub verdict: Verdict,
    /// Position of the first byte that is wrong or missing.
    pub position: Position,
    /// The file that holds this byte, or should hold it.
    pub file: PathBuf,
    /// The expected value.
    pub expected: String,
    /// The found value.
    pub found: String,
    /// The remedy.
    pub hint: String,
}

/// The reason why a log cannot be created or opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no log at this path.
    NoLog {
        /// The log directory asked for.
        path: PathBuf,
    },
    /// There is a log at this path already.
    Exists {
        /// The log directory asked for.
        path: PathBuf,
    },
    /// Another writer holds the log.
    Locked {
        /// The log directory.
        path: PathBuf,
        /// The other writer's process id, if it could be read.
        pid: Option<u32>,
        /// The other writer's program, if it could be read.
        program: Option<String>,
    },
    /// The log is of another version of the format.
    Version {
        /// The segment file that says so.
        path: PathBuf,
        /// Its format version.
        found: u32,
    },
    /// The segment size limit asked for is outside its range, in bytes.
    SegmentLimit {
        /// The limit asked for.
        found: u64,
    },
    /// The log is not what it must be; it is left as it is.
    Refused(Box<Refusal>),
    /// The operating system failed.
    Io(Failure),
}

/// The reason why a commit was not acknowledged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AppendError {
    /// The commit is not in the log and will not be.
    NotAppended {
        /// The reason.
        reason: Reason,
    },
    /// An earlier write or sync failed: this writer acknowledges nothing any more. Reopen the log.
    Poisoned {
        /// That earlier failure.
        cause: Arc<Failure>,
    },
    /// The commit may be in the log or not; reopening the log shows which.
    Unknown {
        /// The place where it would be.
        position: Position,
        /// The failure.
        cause: Arc<Failure>,
    },
}

/// The reason why a commit was not appended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The format cannot hold it.
    Refused(EncodeRefusal),
    /// Its frame would be longer than the limit, in bytes.
    TooLong {
        /// The frame's body.
        found: u64,
    },
    /// An event names a later event of its own commit as its cause, or itself.
    Causation {
        /// Index of the event in the commit.
        event: usize,
        /// Index of the cause.
        cause: usize,
    },
    /// Some of its bytes could be read as a separate frame (rule F-51).
    HoldsFrame {
        /// Offset of the first of them within its body.
        offset: usize,
    },
    /// It was encoded for another place than the log's end.
    Misplaced {
        /// What is misplaced: the position, a seq or a number.
        of: &'static str,
        /// The next place in the log.
        expected: u64,
        /// The place that it was encoded for.
        found: u64,
    },
    /// The log has reached the largest position or seq.
    Full,
    /// A failure came before any byte of the commit was given to the file.
    NeverWritten(Arc<Failure>),
    /// Another writer of a shared log committed first. Open the log again and decide again.
    Overtaken(Arc<Failure>),
    /// The stream's length could not be found.
    Index(Arc<ReadError>),
}

/// Why something could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The log is not what it must be.
    Refused(Box<Refusal>),
    /// No commit begins at this position.
    NoCommit {
        /// The position asked for.
        position: Position,
        /// The place where the committed part ends.
        end: Position,
    },
    /// The log has no such event yet.
    NoEvent {
        /// The seq asked for.
        seq: Seq,
        /// The seq that the next event will get.
        next_seq: Seq,
    },
    /// What this reader has shown is not in the log any more. A repair gave it up, and the log may go on with other events
    /// under the same seqs.
    Gone {
        /// The position up to which the reader had seen the log.
        position: Position,
    },
    /// The log was removed or moved while it was read.
    Moved {
        /// The log directory.
        path: PathBuf,
    },
    /// Another log took the place of the one that was read.
    Replaced {
        /// The log directory.
        path: PathBuf,
        /// The log that was read.
        expected: LogId,
        /// The log that is there now.
        found: LogId,
    },
    /// Another directory of the same log took the place of the directory that was read: a copy, which does not grow with the
    /// log.
    Copied {
        /// The log directory.
        path: PathBuf,
    },
    /// A commit does not decode, though its checksum matches.
    Corrupt(Corruption),
    /// A segment is of another version of the format.
    Version {
        /// The segment file that says so.
        path: PathBuf,
        /// Its format version.
        found: u32,
    },
    /// A commit of the stream could not be written, so it cannot be read.
    Poisoned(Arc<Failure>),
    /// The operating system failed.
    Io(Failure),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} `{}`: {}", self.doing, self.path.display(), self.source)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "log is {} at position {} in `{}`: expected {}, found {}",
            self.verdict,
            self.position,
            self.file.display(),
            self.expected,
            self.found
        )
    }
}

impl std::error::Error for Refusal {}

fn other_version(path: &Path, found: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "`{}`: {}", path.display(), HeaderError::Version { found })
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::NoLog { path } => {
                write!(f, "no log at `{}`: expected segments in it, found none", path.display())
            }
            OpenError::Exists { path } => {
                write!(f, "there is a log at `{}` already: expected no segments in it", path.display())
            }
            OpenError::Locked { path, pid, program } => {
                write!(f, "log `{}` has a writer already: ", path.display())?;
                match (pid, program) {
                    (Some(pid), Some(program)) => write!(f, "process {pid} ({program}) holds its lock"),
                    (Some(pid), None) => write!(f, "process {pid} holds its lock"),
                    _ => write!(f, "another process holds its lock"),
                }
            }
            OpenError::Version { path, found } => other_version(path, *found, f),
            OpenError::SegmentLimit { found } => write!(
                f,
                "segment size limit: expected {} to {} bytes, found {found}",
                evlog_format::limits::SEGMENT_LIMIT_MIN,
                evlog_format::limits::SEGMENT_LIMIT_MAX
            ),
            OpenError::Refused(refusal) => refusal.fmt(f),
            OpenError::Io(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Io(failure) => failure.source(),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Refused(refusal) => refusal.fmt(f),
            Reason::TooLong { found } => write!(
                f,
                "commit is too large: expected at most {} bytes, found {found}",
                evlog_format::limits::FRAME_BODY_LEN_MAX
            ),
            Reason::Causation { event, cause } => {
                write!(f, "causation of event {event} of the commit: expected an event before it, found event {cause}")
            }
            Reason::HoldsFrame { offset } => {
                write!(
                    f,
                    "expected a command whose bytes cannot be read as a frame of the log, found what looks like one, or like too many to try, at byte {offset} of its commit"
                )
            }
            Reason::Misplaced { of, expected, found } => {
                write!(f, "{of} of a commit that was encoded before: expected {expected}, found {found}")
            }
            Reason::Full => write!(f, "log is full: its next position or seq would exceed the format's largest"),
            Reason::NeverWritten(cause) => write!(f, "an earlier failure came first: {cause}"),
            Reason::Overtaken(cause) => cause.fmt(f),
            Reason::Index(error) => write!(f, "length of the stream is not known: {error}"),
        }
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::NotAppended { reason } => write!(f, "commit was not appended: {reason}"),
            AppendError::Poisoned { cause } => {
                write!(f, "writer stopped after a failure and takes no commits; reopen the log: {cause}")
            }
            AppendError::Unknown { position, cause } => {
                write!(f, "commit at position {position} may or may not be in the log; reopen it to see: {cause}")
            }
        }
    }
}

impl std::error::Error for AppendError {}

impl AppendError {
    /// Whether another writer of a shared log committed first. Then this commit is not in the log and will not be.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        match self {
            AppendError::NotAppended { reason: Reason::Overtaken(_) } => true,
            AppendError::NotAppended { reason: Reason::Index(error) } => error.is_overtaken(),
            AppendError::Poisoned { cause } => cause.is_overtaken(),
            AppendError::NotAppended { .. } | AppendError::Unknown { .. } => false,
        }
    }
}

impl ReadError {
    /// Whether a commit of the stream is not in the log because another writer of a shared log committed first.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        match self {
            ReadError::Poisoned(cause) => cause.is_overtaken(),
            ReadError::Io(failure) => failure.is_overtaken(),
            _ => false,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Refused(refusal) => refusal.fmt(f),
            ReadError::NoCommit { position, end } => {
                write!(f, "no commit begins at position {position}; the committed log ends at {end}")
            }
            ReadError::NoEvent { seq, next_seq } => write!(f, "no event {seq} yet: the next one will be {next_seq}"),
            ReadError::Gone { position } => write!(
                f,
                "the log does not hold what this reader has shown, up to position {position}: it was \
                 cut below, or other bytes took their place"
            ),
            ReadError::Moved { path } => {
                write!(f, "the log `{}` was removed or moved while it was read: its segments are gone", path.display())
            }
            ReadError::Replaced { path, expected, found } => write!(
                f,
                "another log took the place of `{}` while it was read: expected log {expected}, found {found}",
                path.display()
            ),
            ReadError::Copied { path } => write!(
                f,
                "a copy of the log took the place of `{}` while it was read: expected the directory that was opened, \
                 found another one",
                path.display()
            ),
            ReadError::Corrupt(corruption) => write!(f, "log is damaged {corruption}"),
            ReadError::Version { path, found } => other_version(path, *found, f),
            ReadError::Poisoned(cause) => write!(f, "a commit of the stream could not be written: {cause}"),
            ReadError::Io(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::Io(failure) => failure.source(),
            _ => None,
        }
    }
}

/// What can go wrong while the log's files are read, for any purpose.
#[derive(Debug)]
pub(crate) enum Trouble {
    Version { path: PathBuf, found: u32 },
    Refused(Box<Refusal>),
    Io(Failure),
}

impl Failure {
    /// A copy of the error, for another caller.
    pub(crate) fn again(&self) -> Failure {
        let again = || std::io::Error::new(self.source.kind(), self.source.to_string());
        let source = if self.is_overtaken() { std::io::Error::other(Overtaken) } else { again() };
        Failure { doing: self.doing, path: self.path.clone(), source }
    }

    /// For `map_err`: names what was being done, and to what.
    pub(crate) fn of(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
        move |source| Failure { doing, path: path.to_path_buf(), source }
    }
}

impl Trouble {
    /// A copy of the error, for another caller.
    pub(crate) fn again(&self) -> Trouble {
        match self {
            Trouble::Version { path, found } => Trouble::Version { path: path.clone(), found: *found },
            Trouble::Refused(refusal) => Trouble::Refused(refusal.clone()),
            Trouble::Io(failure) => Trouble::Io(failure.again()),
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Io(failure)
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> OpenError {
        OpenError::Io(failure)
    }
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> ReadError {
        ReadError::Io(failure)
    }
}

impl From<Corruption> for ReadError {
    fn from(corruption: Corruption) -> ReadError {
        ReadError::Corrupt(corruption)
    }
}

impl From<Trouble> for OpenError {
    fn from(trouble: Trouble) -> OpenError {
        match trouble {
            Trouble::Version { path, found } => OpenError::Version { path, found },
            Trouble::Refused(refusal) => OpenError::Refused(refusal),
            Trouble::Io(failure) => OpenError::Io(failure),
        }
    }
}

impl From<Trouble> for ReadError {
    fn from(trouble: Trouble) -> ReadError {
        match trouble {
            Trouble::Version { path, found } => ReadError::Version { path, found },
            Trouble::Refused(refusal) => ReadError::Refused(refusal),
            Trouble::Io(failure) => ReadError::Io(failure),
        }
    }
}
