//! Makes proofs from a log's files: that an event is in the log, or that the log extends an older one.
//!
//! Does: find the commit, read what the proof needs, make the proof, and check it against the root before returning it. The
//! log keeps a tree at each segment, which replaces the bytes before the segment. So the amount that is read grows with the
//! logarithm of the log's size. Does not: write proof files, or know who signed the root; the caller does both.

use crate::error::LogError;
use crate::view::View;
use evlog_format::{Position, Root, Seq};
use evlog_store::fs::Fs;
use evlog_store::{OpenError, RawLog};
use evlog_verify::{Tree, proof};
use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::Arc;

/// The place of a commit, and its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPlace {
    /// The bytes of its frame.
    pub frame: Range<u64>,
    /// Seq of its first event.
    pub first_seq: Seq,
    /// The number of its events.
    pub events: u64,
}

/// Makes proofs about one log.
pub struct Prover {
    raw: RawLog,
}

impl Prover {
    /// Lists the files of the log in `dir`.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path) -> Result<Prover, LogError> {
        Ok(Prover { raw: RawLog::open(fs, dir).map_err(OpenError::Io)? })
    }

    /// Proves that the bytes of frames are among the first `size` bytes, whose root is given. Returns a slice for each frame.
    pub fn inclusion(
        &self,
        size: Position,
        root: &Root,
        frames: &[Range<u64>],
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<Vec<u8>>, LogError> {
        let mut read = |range: Range<u64>, visit: &mut dyn FnMut(&[u8])| self.read(&range, size, visit, progress);
        let slices = proof::slices(size.0, frames, &mut read, &mut trees(&self.raw))?;
        for (slice, frame) in slices.iter().zip(frames) {
            proof::check_slice(slice, size.0, root, frame)?;
        }
        Ok(slices)
    }

    /// Proves that the log of the first size and root is the beginning of the log of the second size and root.
    pub fn consistency(
        &self,
        old: (Position, &Root),
        new: (Position, &Root),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<u8>, LogError> {
        let ((old, old_root), (new, new_root)) = (old, new);
        let mut read = |range: Range<u64>, visit: &mut dyn FnMut(&[u8])| self.read(&range, new, visit, progress);
        let made = proof::consistency(old.0, new.0, &mut read, &mut trees(&self.raw))?;
        proof::check_consistency(&made, (old.0, old_root), (new.0, new_root))?;
        Ok(made)
    }

    fn read(
        &self,
        range: &Range<u64>,
        total: Position,
        visit: &mut dyn FnMut(&[u8]),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), LogError> {
        let mut at = range.start;
        let read = self.raw.read_range(range, &mut |chunk| {
            visit(chunk);
            at += chunk.len() as u64;
            progress(at, total.0);
        });
        Ok(read.map_err(OpenError::Io)?)
    }
}

/// Returns the trees at a log's segments, each tree only once. A tree that is missing is left out, and so is a tree whose root differs
/// from the root in the segment's header.
pub(crate) fn trees(raw: &RawLog) -> impl FnMut(RangeInclusive<u64>) -> Option<Tree> {
    let mut given = BTreeSet::new();
    move |range| {
        let segments = raw.segments();
        let up_to = segments.partition_point(|segment| segment.position.0 <= *range.end());
        let segment = segments[..up_to].last().filter(|segment| range.contains(&segment.position.0))?;
        if given.insert(segment.position) { raw.tree_before(segment) } else { None }
    }
}

impl View {
    /// The place of the commit that holds an event; `None` if there is no such event.
    pub fn place(&self, seq: Seq) -> Result<Option<CommitPlace>, LogError> {
        if seq >= self.next_seq() {
            return Ok(None);
        }
        let mut commits = self.reader().commits(self.reader().seek(seq)?)?;
        Ok(commits.next()?.map(|found| CommitPlace {
            frame: found.frame.position..found.frame.end(),
            first_seq: found.commit.head.first_seq,
            events: found.commit.left(),
        }))
    }
}
