//! The log's bytes as they lie, for those who judge them: nothing is refused here.

use crate::error::Failure;
use crate::fs::Fs;
use evlog_format::{LogId, Position};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A log's files, unjudged.
#[derive(Debug)]
pub struct RawLog {}

/// One segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawSegment {
    /// The position that its name states.
    pub position: Position,
    /// Its length in bytes, when the log was listed.
    pub len: u64,
    /// The file.
    pub path: PathBuf,
}

/// What `HEAD` says, when it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawHead {
    /// The log it belongs to.
    pub log_id: LogId,
    /// Every byte before it was synced.
    pub durable: Position,
    /// Every commit before it was acknowledged.
    pub committed: Position,
}

impl RawLog {
    /// Lists the files of the log in `dir`; a missing directory is a failure, an empty one is not.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path) -> Result<RawLog, Failure> {
        unreachable!()
    }
    /// The segment files in order of position.
    pub fn segments(&self) -> &[RawSegment] {
        unreachable!()
    }
    /// What `HEAD` says, if it is there and whole.
    pub fn head(&self) -> Option<RawHead> {
        unreachable!()
    }
    /// Gives a segment's bytes in chunks, in order; each chunk with the offset of its first byte in the file.
    pub fn read(&self, segment: &RawSegment, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), Failure> {
        unreachable!()
    }
}
