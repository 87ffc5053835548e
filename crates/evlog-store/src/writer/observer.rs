//! What a writer does, for a caller that counts or times it.
//!
//! The store reads no clock. So an observer hears when a sync begins and when it has ended, and measures the time itself.
//!
//! Invariant: an observer hears of a commit after the commit's condition holds, and before the commit is acknowledged.

use crate::reader::Committed;
use std::fmt::Debug;
use std::io;

/// Hears what a writer does. One thread at a time calls it: the thread that commits. A slow observer delays that thread.
pub trait Observer: Debug + Send + Sync {
    /// The writer is open, and the log ends here.
    fn opened(&self, end: Committed);
    /// The writer begins to sync the segment that it writes to, and the commits of a group wait for this.
    fn sync_begins(&self);
    /// That sync has ended, and the bytes are on the disk.
    fn sync_ended(&self);
    /// A sync failed. The writer commits nothing more.
    fn sync_failed(&self, error: &io::Error);
    /// Commits were committed together.
    fn committed(&self, group: &Group);
}

/// Commits that were committed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// How many commits.
    pub commits: u64,
    /// How many events they have.
    pub events: u64,
    /// How many bytes the log has grown by: the commits, and the headers of segments that begin among them.
    pub bytes: u64,
    /// Where the log ends now.
    pub end: Committed,
}
