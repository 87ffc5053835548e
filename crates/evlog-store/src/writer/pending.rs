//! The bytes that wait to be committed.

use crate::sealed::SealedSegment;
use evlog_format::{Position, Seq};
use std::sync::Arc;

/// The most bytes of capacity that a buffer keeps after the commit. A larger buffer is shrunk to this.
const KEPT_CAPACITY: usize = 16 * 1024 * 1024;

/// Bytes that wait for the committing thread.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) bytes: Vec<u8>,
    pub(crate) rolls: Vec<Roll>,
    /// The number of commits in `bytes`.
    pub(crate) commits: usize,
    /// Whether a commit among them asks for a sync.
    pub(crate) sync: bool,
    /// Position after them.
    pub(crate) end: Position,
    /// Seq after them.
    pub(crate) next_seq: Seq,
}

/// A place among the pending bytes where a segment begins.
#[derive(Debug)]
pub(crate) struct Roll {
    /// Index of the first byte of the new segment's first frame.
    pub(crate) at: usize,
    /// Position of the new segment.
    pub(crate) position: Position,
    /// Seq of its first event.
    pub(crate) first_seq: Seq,
    /// The segment before it.
    pub(crate) sealed: Arc<SealedSegment>,
}

impl Pending {
    /// Clears it after the commit, and keeps the buffer for the next group.
    pub(super) fn recycle(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_CAPACITY);
        self.rolls.clear();
        (self.commits, self.sync) = (0, false);
    }
}
