//! Readers of a log.

use crate::error::{OpenError, ReadError};
use crate::fs::Fs;
use crate::writer::Visit;
use evlog_format::{CommitReader, Frame, LogId, Position, Seq};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How far a log is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Position of the first byte that is not.
    pub position: Position,
    /// Seq of the first event that is not.
    pub next_seq: Seq,
}

/// A segment, as far as it is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Position of its first byte.
    pub position: Position,
    /// How many of its bytes are committed.
    pub len: u64,
    /// Whether it will not grow.
    pub sealed: bool,
    /// The file.
    pub path: PathBuf,
}

/// What a log holds of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// The stream.
    pub name: String,
    /// How many events it has.
    pub events: u64,
    /// Seq of its first event.
    pub first_seq: Seq,
    /// Position of the commit that holds it.
    pub first_position: Position,
}

/// A commit, borrowed from the reader's buffer.
#[derive(Clone, Debug)]
pub struct CommitRef<'a> {
    /// The frame, its checksum checked.
    pub frame: Frame<'a>,
    /// Its events.
    pub commit: CommitReader<'a>,
}

/// A reader.
#[derive(Debug)]
pub struct Reader {}

/// Walks commits in order.
#[derive(Debug)]
pub struct Commits<'r> {
    reader: &'r Reader,
}

impl Reader {
    /// Opens the log in `dir` for reading.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path) -> Result<Reader, OpenError> {
        unreachable!()
    }
    /// The log's identity.
    pub fn log_id(&self) -> LogId {
        unreachable!()
    }
    /// How far this reader sees.
    pub fn committed(&self) -> Committed {
        unreachable!()
    }
    /// Looks how far the log is committed now; true when it grew.
    pub fn refresh(&mut self) -> Result<bool, ReadError> {
        unreachable!()
    }
    /// The commits from a position on, as far as this reader sees: that of a commit, of a segment, or the end.
    pub fn commits(&self, from: Position) -> Result<Commits<'_>, ReadError> {
        unreachable!()
    }
    /// Position of the commit that holds `seq`; the end for the next seq.
    pub fn seek(&self, seq: Seq) -> Result<Position, ReadError> {
        unreachable!()
    }
    /// All streams, in order of their first event.
    pub fn streams(&self) -> Result<Vec<StreamSummary>, ReadError> {
        unreachable!()
    }
    /// Visits the committed events of a stream, in order; false when it has none.
    pub fn stream(&self, name: &str, visit: &mut Visit<'_>) -> Result<bool, ReadError> {
        unreachable!()
    }
    /// The segments, in order.
    pub fn segments(&self) -> &[SegmentInfo] {
        unreachable!()
    }
}

impl Commits<'_> {
    /// The next commit; `None` at the end.
    #[expect(clippy::should_implement_trait, reason = "it lends from its own buffer, which an Iterator cannot")]
    pub fn next(&mut self) -> Result<Option<CommitRef<'_>>, ReadError> {
        unreachable!()
    }
}
