//! The contenders of a work: evlog, the bare file system, and in `benches/compare` the stores that a user would
//! choose instead.

use crate::Done;
use crate::events::Events;
use std::ops::Range;
use std::path::Path;

/// A store that is open in its directory. Each call gives events by their numbers; all stores get the same bytes.
pub trait Store: Send + Sync {
    /// Appends events as one commit. If `synced`, these events and all before them are on disk when it returns.
    fn append(&self, events: &Events, numbers: Range<usize>, synced: bool) -> Done<()>;

    /// Appends one event, which is on disk when it returns. Called by several threads at once.
    fn durable(&self, events: &Events, number: usize) -> Done<()> {
        self.append(events, number..number + 1, true)
    }

    /// Offers events one by one, each a commit of its own; all are on disk when it returns.
    fn pipelined(&self, events: &Events, numbers: Range<usize>) -> Done<()> {
        let last = numbers.end;
        numbers.into_iter().try_for_each(|number| self.append(events, number..number + 1, number + 1 == last))
    }

    /// Reads all events back in order, with the store's own checks. Returns how many there were.
    fn replay(&self) -> Done<u64>;

    /// Closes the store in order.
    fn close(self: Box<Self>) -> Done<()> {
        Ok(())
    }
}

/// A kind of store.
#[derive(Clone, Copy)]
pub struct Contender {
    /// Its name in tables.
    pub name: &'static str,
    /// Opens the store in a directory, and creates it if there is none.
    pub open: fn(&Path) -> Done<Box<dyn Store>>,
    /// Whether reading back is a separate work. False if opening already does it, or if the store does not check what it reads.
    pub replays: bool,
}
