//! The one writer of a log.

use crate::error::{AppendError, OpenError, ReadError};
use crate::fs::Fs;
use evlog_format::{CommitHead, Durability, Event, Idempotency, Kind, LogId, Position, Root, Seq};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// How a log is made.
#[derive(Clone, Copy, Debug)]
pub struct CreateOptions {
    /// The log's identity: 16 random bytes, drawn by the caller.
    pub log_id: LogId,
    /// Where segments are cut, in bytes (`limits::SEGMENT_LIMIT_MIN` to `SEGMENT_LIMIT_MAX`).
    pub segment_limit: u64,
}

/// Who holds the lock, for the message that another writer gets.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The program, with its version.
    pub program: String,
}

/// A commit to append. The store gives it its seq.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// Unix time in nanoseconds.
    pub time_ns: i64,
    /// When to acknowledge it.
    pub class: Durability,
    /// Who asked for it.
    pub actor: &'a str,
    /// At least one.
    pub events: &'a [AppendEvent<'a>],
}

/// An event to append. The store gives it its seq and its number within the stream.
#[derive(Clone, Copy, Debug)]
pub struct AppendEvent<'a> {
    /// The run it belongs to, or `$log`.
    pub stream: &'a str,
    /// What happened.
    pub kind: Kind<'a>,
    /// Version of the payload's table.
    pub kind_version: u16,
    /// What caused it.
    pub causation: Causation,
    /// Names the command.
    pub idempotency: Option<Idempotency<'a>>,
    /// The details.
    pub payload: &'a [u8],
}

/// The earlier event that caused this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Causation {
    /// None is known.
    None,
    /// One of the log.
    Seq(Seq),
    /// One of the same commit, by its index.
    Earlier(usize),
}

/// A commit that was handed over: what to [`Writer::wait`] for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Seq of its first event.
    pub first_seq: Seq,
    /// Position of its frame.
    pub position: Position,
    /// Position of the first byte after it.
    pub end: Position,
    /// When it is acknowledged.
    pub class: Durability,
}

/// What opening a log found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Whether the session before closed the log in order.
    pub clean_close: bool,
    /// Where the log ends now.
    pub end: Position,
    /// What was cut from its end, if anything.
    pub cut: Option<Cut>,
}

/// Bytes cut from the end of the log: an unfinished commit that was never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Position of the first byte that was cut.
    pub position: Position,
    /// How many bytes.
    pub len: u64,
    /// Where they are kept, as a path within the log's directory.
    pub kept_as: String,
    /// Why reading stopped there.
    pub reason: String,
}

/// What is called for each event of a stream, in order.
pub type Visit<'v> = dyn FnMut(&CommitHead<'_>, Seq, &Event<'_>) -> ControlFlow<()> + 'v;

/// The one writer of a log.
#[derive(Debug)]
pub struct Writer {}

impl Writer {
    /// Makes a log in `dir`, which may exist if it holds no log.
    pub fn create(fs: Arc<dyn Fs>, dir: &Path, options: CreateOptions, owner: &Owner) -> Result<Writer, OpenError> {
        unreachable!()
    }
    /// Opens the log in `dir`, recovering it where the session before did not close it.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path, owner: &Owner) -> Result<(Writer, Recovery), OpenError> {
        unreachable!()
    }
    /// Hands over a commit and returns at once. The order of calls is the order in the log.
    pub fn append(&self, commit: &Append<'_>) -> Result<Ticket, AppendError> {
        unreachable!()
    }
    /// Returns when the commit is committed under its class.
    pub fn wait(&self, ticket: &Ticket) -> Result<(), AppendError> {
        unreachable!()
    }
    /// The log's identity.
    pub fn log_id(&self) -> LogId {
        unreachable!()
    }
    /// The seq that the next event gets.
    pub fn next_seq(&self) -> Seq {
        unreachable!()
    }
    /// Where the log ends, commits that wait included.
    pub fn end(&self) -> Position {
        unreachable!()
    }
    /// Every byte before this position is synced.
    pub fn durable_end(&self) -> Position {
        unreachable!()
    }
    /// The root of the log up to its durable end, and that position.
    pub fn root(&self) -> (Position, Root) {
        unreachable!()
    }
    /// How many events a stream has, those of waiting commits included.
    pub fn stream_len(&self, stream: &str) -> Result<u64, ReadError> {
        unreachable!()
    }
    /// Visits a stream's events from a number on, in order; waits first until all of them are written.
    pub fn read_stream(&self, stream: &str, from_number: u64, visit: &mut Visit<'_>) -> Result<(), ReadError> {
        unreachable!()
    }
    /// Commits what waits, and closes the log in order.
    pub fn close(self) -> Result<(), AppendError> {
        unreachable!()
    }
}
