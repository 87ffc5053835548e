//! The log's files: the only crate that opens, writes, syncs, renames or locks them.
//!
//! Does:
//! - append commits ([`Writer`]);
//! - read them back ([`Reader`]);
//! - return the bytes as they are ([`RawLog`]);
//! - recover after a crash, by a table ([`recovery`]);
//! - show files as they are ([`inspect`]);
//! - repair on purpose ([`repair`]).
//!
//! Does not: know what an event means, read the clock, draw random numbers, print.
//!
//! Invariants:
//! - There is one writer, which holds a lock. Readers hold no lock and never write.
//! - A commit is acknowledged only if the condition of its durability class holds. No commit is acknowledged after a failed
//!   write or sync.
//! - Acknowledged bytes are not cut, unless a person accepts the loss ([`repair`]). What is cut is kept in `quarantine/`
//!   first.
//! - Sidecars (`.tree`, `.idx`, `.end`, `HEAD`) are derived: each may be deleted at any time, and none is used without a
//!   check.
//!
//! Read [`layout`], [`fs`], [`recovery`], then [`writer`] and [`reader`].
#![deny(unsafe_code)]

pub mod backup;
pub mod checkpoints;
mod closed;
mod copy;
pub mod error;
mod fetch;
pub mod fs;
#[cfg(any(test, feature = "sim"))]
pub mod fuzz;
mod head;
mod index;
pub mod inspect;
mod last_commit;
mod last_readable;
pub mod layout;
mod open;
pub mod raw;
pub mod reader;
pub mod recovery;
pub mod repair;
mod resync;
mod scan;
mod sealed;
mod segment;
mod streams;
mod sync;
mod walk;
pub mod writer;

pub use checkpoints::Checkpoints;
pub use error::{AppendError, Failure, OpenError, ReadError, Reason, Refusal};
pub use evlog_verify::Verdict;
pub use fetch::Visit;
pub use fs::{Fs, StdFs};
pub use head::Head;
pub use index::Times;
pub use open::{CreateOptions, Cut, Owner, Recovery, find_log};
pub use raw::{RawLog, RawSegment};
pub use reader::{CommitRef, Commits, Committed, Follow, Reader, SegmentInfo, StreamSummary};
pub use writer::{Ahead, Append, AppendEvent, Causation, Group, Observer, Settled, Ticket, Writer};

#[cfg(test)]
#[cfg(feature = "schedules")]
mod schedules;
#[cfg(test)]
#[cfg(not(feature = "schedules"))]
mod tests;
