//! The only writer of a log. Callers hand commits over, and one thread at a time commits them in groups.
//!
//! Does: give each commit its seq, position and numbers, encode it, acknowledge it according to its class, and find a stream's
//! events again. Does not: judge what is appended beyond the format's limits, stamp times, draw the log's id.
//!
//! Invariants:
//! - The order of calls to [`Writer::append`] is the order in the log.
//! - Under class `sync`, a commit is acknowledged only when all commits before it are: the log is synced as a prefix.
//! - After a failed write or sync nothing is acknowledged. Commits in flight are *unknown*, and commits that never reached a
//!   file are *not appended*.
//! - If a sync of a shared log failed because another writer committed first, commits in flight are *not appended*.
//! - In a shared log every commit is acknowledged only when it is synced.
//!
//! The tests of the feature `schedules` explore that no caller waits for ever, and that these invariants hold in any order of
//! threads.

mod append;
mod committer;
mod committing;
mod observer;
mod pending;
mod state;

use crate::error::{AppendError, Failure, OpenError, ReadError};
use crate::fetch::{Ending, Fetch, Visit, failing, visit_parts};
use crate::fs::{FileId, Fs, Lock};
use crate::open::{self, CreateOptions, Opened, Owner, Recovery};
use crate::reader::Committed;
use crate::segment::Files;
use crate::streams::Part;
use crate::sync::{Builder, JoinHandle, Mutex};
use committer::Committer;
use evlog_format::{CommitHead, CommitReader, Durability, FrameCodec, Idempotency, Kind, LogId, Position, Root, Seq};
use pending::Pending;
use state::{Shared, State};
use std::path::Path;
use std::sync::{Arc, PoisonError};

pub use observer::{Group, Observer};

/// How many bytes of commits that no caller waits for are written before a sync is begun in parallel with the next commits.
const BEGIN_AFTER: u64 = 8 * 1024 * 1024;

/// A commit to append. The store assigns its seq.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// The clock's time, as Unix time in nanoseconds.
    pub recorded_ns: i64,
    /// When it happened according to the caller, as Unix time in nanoseconds.
    pub occurred_ns: Option<i128>,
    /// The time to acknowledge it.
    pub class: Durability,
    /// Who asked for it, as the caller says.
    pub actor: &'a str,
    /// The authenticated principal.
    pub principal: Option<&'a str>,
    /// An id that connects it with commits of other runs.
    pub correlation: Option<&'a str>,
    /// Names the command.
    pub idempotency: Option<Idempotency<'a>>,
    /// At least one.
    pub events: &'a [AppendEvent<'a>],
}

impl<'a> Append<'a> {
    /// A commit with only the members that every commit must have.
    pub fn new(recorded_ns: i64, class: Durability, actor: &'a str, events: &'a [AppendEvent<'a>]) -> Append<'a> {
        let (occurred_ns, principal, correlation, idempotency) = (None, None, None, None);
        Append { recorded_ns, occurred_ns, class, actor, principal, correlation, idempotency, events }
    }

    fn head(&self, first_seq: Seq) -> CommitHead<'a> {
        let Append { recorded_ns, occurred_ns, class, actor, principal, correlation, idempotency, .. } = *self;
        CommitHead { first_seq, recorded_ns, occurred_ns, class, actor, principal, correlation, idempotency }
    }
}

/// An event to append. The store assigns its seq and its number within the stream.
#[derive(Clone, Copy, Debug)]
pub struct AppendEvent<'a> {
    /// The run it belongs to, or `$log`.
    pub stream: &'a str,
    /// The kind of the event.
    pub kind: Kind<'a>,
    /// Version of the payload's table.
    pub kind_version: u16,
    /// The cause.
    pub causation: Causation,
    /// The details.
    pub payload: &'a [u8],
}

/// The earlier event that caused this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Causation {
    /// No cause is known.
    None,
    /// An event of the log.
    Seq(Seq),
    /// An event of the same commit, by its index.
    Earlier(usize),
}

/// A commit that was handed over. Pass it to [`Writer::wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Seq of its first event.
    pub first_seq: Seq,
    /// Position of its frame.
    pub position: Position,
    /// Position of the first byte after it.
    pub end: Position,
    /// The time when it is acknowledged.
    pub class: Durability,
}

/// The place where a log ends once everything in it is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Position after the last commit.
    pub end: Position,
    /// Seq after its last event.
    pub next_seq: Seq,
    /// Root of all bytes before `end`, as it was computed while they were written.
    pub root: Root,
}

/// How zeros are written ahead of the last commit. A sync after extending a file waits for the file system's journal. A sync
/// of blocks that were written before does not wait for it. The zeros are cut when the segment is sealed or the log is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// How many short groups of commits in a row there must be before zeros are written. So a session that appends little, or
    /// much at once, writes none. Each of these groups waits for the journal, which takes milliseconds while other processes
    /// write to the disk.
    pub after: u32,
    /// How many bytes of zeros are written at once; 0 means never. Thousands of short groups share this cost.
    pub len: u64,
}

impl Ahead {
    /// No zeros.
    pub const NEVER: Ahead = Ahead { after: u32::MAX, len: 0 };
}

impl Default for Ahead {
    fn default() -> Ahead {
        Ahead { after: 4, len: 1024 * 1024 }
    }
}

/// The only writer of a log. Dropping it without [`close`](Writer::close) still tries to commit what waits, but then the log
/// does not count as closed cleanly.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    files: Files,
    codec: FrameCodec,
    log_id: LogId,
    segment_limit: u64,
    /// The identity of the first segment's file.
    first: FileId,
    thread: Option<JoinHandle<Option<Box<Committer>>>>,
    /// Dropped last, so that we hold the lock as long as we use the files.
    lock: Mutex<Option<Box<dyn Lock>>>,
}

impl Writer {
    /// Makes a log in `dir`, which may exist if it holds no log.
    pub fn create(fs: Arc<dyn Fs>, dir: &Path, options: CreateOptions, owner: &Owner) -> Result<Writer, OpenError> {
        Writer::start(open::create(Files::new(fs, dir), options, owner)?)
    }

    /// Opens the log in `dir`, and recovers it if the previous session did not close it.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path, owner: &Owner) -> Result<(Writer, Recovery), OpenError> {
        let (opened, recovery) = open::open(fs, dir, owner)?;
        Ok((Writer::start(opened)?, recovery))
    }

    pub(crate) fn start(opened: Opened) -> Result<Writer, OpenError> {
        let Opened { files, lock, header, file, head, end, last_commit, next_seq, tree, streams, sealed } = opened;
        let (log_id, segment_limit) = (header.log_id, header.segment_limit);
        // A sync of a shared log decides who was first, so only a commit begins one, and zeros are no commit.
        let is_shared = files.fs.is_shared();
        let (ahead, begin_after) = if is_shared { (Ahead::NEVER, 0) } else { (Ahead::default(), BEGIN_AFTER) };
        let (segment_path, head_path) = (files.layout.segment(header.position), files.layout.head());
        let file_id = file.id().map_err(Failure::of("look at", &segment_path))?;
        let head_id = head.id().map_err(Failure::of("look at", &head_path))?;
        let first_path = files.layout.segment(Position(0));
        let first = match header.position {
            Position(0) => file_id,
            _ => files.fs.stamp(&first_path).map_err(Failure::of("look at", &first_path))?.id,
        };
        let committer = Box::new(Committer {
            files: files.clone(),
            log_id,
            segment_limit,
            file,
            segment: header.position,
            file_id,
            head,
            head_id,
            head_asked: 0,
            tree: tree.clone(),
            written: end,
            durable: end,
            next_seq,
            file_end: end,
            ahead,
            short_groups: 0,
            begin_after,
            begun: None,
            begun_at: end,
            batch: Pending { end, next_seq, ..Pending::default() },
            sealed: Vec::new(),
            observer: None,
        });
        let state = State {
            pending: Pending { end, next_seq, ..Pending::default() },
            streams,
            sealed,
            segment: header.position,
            end,
            last_commit,
            next_seq,
            durable: end,
            committed: end,
            stopped: None,
            closing: false,
            committer: Some(committer),
            asleep: false,
            turn: 0,
            taken: end,
            waiting: [0; 2],
            returning: 0,
            settling: 0,
            crowded: 0,
            scratch: Vec::new(),
        };
        let shared = Arc::new(Shared::new(state, tree));
        let at_work = Arc::clone(&shared);
        let spawned = Builder::new().name("evlog-commit".into()).spawn(move || committing::run(&at_work));
        let thread = Some(spawned.map_err(Failure::of("start a thread for", files.layout.dir()))?);
        let codec = FrameCodec::new(log_id);
        Ok(Writer { shared, files, codec, log_id, segment_limit, first, thread, lock: Mutex::new(Some(lock)) })
    }

    /// Sets the rule for zeros that are written ahead.
    #[must_use]
    pub fn with_ahead(self, ahead: Ahead) -> Writer {
        if let Some(committer) = &mut self.shared.lock().committer {
            committer.ahead = if committer.files.fs.is_shared() { Ahead::NEVER } else { ahead };
        }
        self
    }

    /// Sets how many bytes are written, without a commit that asks for a sync, before a sync begins in parallel; 0 means
    /// never.
    #[must_use]
    pub fn with_sync_begun_after(self, bytes: u64) -> Writer {
        if let Some(committer) = &mut self.shared.lock().committer {
            committer.begin_after = bytes;
        }
        self
    }

    /// The same writer, whose work this observer hears of from now on.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Writer {
        let mut state = self.shared.lock();
        let end = Committed { position: state.end, next_seq: state.next_seq };
        if let Some(committer) = &mut state.committer {
            observer.opened(end);
            committer.observer = Some(observer);
        }
        drop(state);
        self
    }

    /// The log's files, by the handles that this writer holds.
    pub fn fs(&self) -> Arc<dyn Fs> {
        Arc::clone(&self.files.fs)
    }

    /// Checks that the log is still at its path. A caller that waits for a commit need not check this.
    pub fn check_place(&self) -> Result<(), Failure> {
        self.files.check_ours(Position(0), self.first)
    }

    /// Returns when the commit is committed under its class.
    pub fn wait(&self, ticket: &Ticket) -> Result<(), AppendError> {
        self.shared.wait_for(ticket.end, ticket.class).map_err(|poison| poison.of(ticket))
    }

    /// If another writer of the shared log was first, releases the lock, so that this process can open the log again while
    /// other threads still ask this writer for their commits. Returns where its acknowledged commits end; `None` if this writer
    /// was not overtaken.
    pub fn retire(&self) -> Option<Position> {
        let state = self.shared.lock();
        state.stopped.as_ref().filter(|poison| poison.cause.is_overtaken())?;
        let durable = state.durable;
        drop(state);
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        Some(durable)
    }

    /// The log's identity.
    pub fn log_id(&self) -> LogId {
        self.log_id
    }

    /// The length at which segments end, in bytes.
    pub fn segment_limit(&self) -> u64 {
        self.segment_limit
    }

    /// The seq that the next event gets.
    pub fn next_seq(&self) -> Seq {
        self.shared.lock().next_seq
    }

    /// When the last commit of the last segment was recorded, Unix nanoseconds, for a session that has not appended yet;
    /// `None` if the segment has no commit.
    pub fn last_recorded_ns(&self) -> Result<Option<i64>, ReadError> {
        let (segment, last) = {
            let state = self.shared.lock();
            (state.segment, state.last_commit)
        };
        let Some(offset) = last.and_then(|last| u32::try_from(last.0 - segment.0).ok()) else {
            return Ok(None);
        };
        let part = Part { segment, first_number: 0, events: 0, frames: vec![offset], sealed_end: None };
        let mut fetch = Fetch::open(&self.files, &self.codec, &part)?;
        let frame = fetch.frame(offset)?;
        Ok(Some(CommitReader::new(frame.body, frame.position)?.head.recorded_ns))
    }

    /// The place where the log ends, including commits that wait.
    pub fn end(&self) -> Position {
        self.shared.lock().end
    }

    /// Every byte before this position is synced.
    pub fn durable_end(&self) -> Position {
        self.shared.durable()
    }

    /// The root of the log up to its durable end, with that position.
    pub fn root(&self) -> (Position, Root) {
        let tree = self.shared.durable_tree();
        (Position(tree.size()), tree.root())
    }

    /// Syncs everything that was appended, and returns where the log ends then; `None` if other callers have appended
    /// meanwhile.
    pub fn settled(&self) -> Result<Option<Settled>, AppendError> {
        let (end, next_seq) = {
            let state = self.shared.lock();
            (state.end, state.next_seq)
        };
        let poisoned = |poison: state::Poison| AppendError::Poisoned { cause: poison.cause };
        self.shared.sync_up_to(end).map_err(poisoned)?;
        let (position, root) = self.root();
        Ok((position == end).then_some(Settled { end, next_seq, root }))
    }

    /// How many events a stream has, including those of waiting commits.
    pub fn stream_len(&self, stream: &str) -> Result<u64, ReadError> {
        let mut state = self.shared.lock();
        if let Some(at) = state.streams.find(stream) {
            return Ok(state.streams.get(at).len);
        }
        let len = state.sealed.stream_len(&self.files, stream)?;
        if len > 0 {
            state.streams.insert(stream, len);
        }
        Ok(len)
    }

    /// Visits a stream's events from a number on, in order. First waits until all of them are written.
    pub fn read_stream<E: From<ReadError>>(
        &self,
        stream: &str,
        from_number: u64,
        visit: &mut Visit<'_, E>,
    ) -> Result<(), E> {
        failing(visit, |visit| self.visit_stream(stream, from_number, visit))
    }

    fn visit_stream(&self, stream: &str, from_number: u64, visit: &mut Ending<'_>) -> Result<(), ReadError> {
        let state = self.shared.lock();
        let (mut parts, end_of_all) = (Vec::from_iter(state.streams.part(stream, state.segment)), Position(u64::MAX));
        let end = state.streams.find(stream).map_or(0, |at| state.streams.get(at).end);
        if let Some(flaw) = state.sealed.parts(&self.files, stream, from_number, end_of_all, &mut parts) {
            return Err(flaw.into());
        }
        drop(state);
        self.shared.wait_for(Position(end), Durability::Os).map_err(|poison| ReadError::Poisoned(poison.cause))?;
        let _flow = visit_parts(&self.files, &self.codec, stream, &parts, from_number, end_of_all, visit)?;
        Ok(())
    }

    /// Returns when no thread commits and nothing waits.
    #[cfg(all(test, not(feature = "schedules")))]
    pub(crate) fn settle(&self) {
        let is_settled =
            |state: &State| state.stopped.is_some() || state.committer.is_some() && state.pending.bytes.is_empty();
        while !is_settled(&self.shared.lock()) {
            crate::sync::yield_now();
        }
    }

    /// Commits what waits, and closes the log in order.
    pub fn close(mut self) -> Result<(), AppendError> {
        let poisoned = |cause| AppendError::Poisoned { cause };
        match self.finish() {
            Some(committer) => {
                committing::close(committer, &self.shared).map_err(|failure| poisoned(Arc::new(failure)))
            }
            None => match &self.shared.lock().stopped {
                Some(poison) => Err(poisoned(Arc::clone(&poison.cause))),
                None => unreachable!("the thread ends without its committer only after it said why"),
            },
        }
    }

    /// Waits until the thread has committed what waits, and has ended.
    fn finish(&mut self) -> Option<Box<Committer>> {
        let thread = self.thread.take()?;
        self.shared.lock().closing = true;
        self.shared.work.notify_all();
        thread.join().unwrap_or(None)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.finish();
    }
}
