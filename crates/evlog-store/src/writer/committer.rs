//! The committing thread: takes all that waits, writes it, syncs once, publishes the new end, acknowledges all.
//!
//! Invariants:
//! - Order within a group: write, hash, sync, `HEAD`, acknowledge. What `HEAD` says was true before it was said.
//! - After any failure the thread says so and ends. It does not try again: a sync that failed once may have dropped the
//!   bytes that the next one would find clean.

use super::state::{Pending, Poison, Roll, Shared, State};
use crate::closed::ClosedEnd;
use crate::error::Failure;
use crate::fs::File;
use crate::head::Head;
use crate::layout::SegmentEntry;
use crate::segment::{Files, distrust};
use crate::sync::MutexGuard;
use evlog_format::{LogId, Position, SEGMENT_HEADER_LEN, SegmentHeader, Seq};
use evlog_verify::Tree;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How long commits of class `os` may wait for a sync when nothing else comes.
const IDLE_SYNC: Duration = Duration::from_millis(50);

/// How long callers that were woken together are given to come back together: about what the quickest sync takes.
const GATHER: Duration = Duration::from_micros(50);

/// A buffer that grew beyond this for one burst is given back, in bytes.
const KEPT_CAPACITY: usize = 16 * 1024 * 1024;

/// The thread's own part of the writer.
#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) files: Files,
    pub(crate) log_id: LogId,
    pub(crate) segment_limit: u64,
    pub(crate) file: Arc<dyn File>,
    pub(crate) segment: Position,
    pub(crate) head: Arc<dyn File>,
    /// Over all written bytes.
    pub(crate) tree: Tree,
    pub(crate) written: Position,
    pub(crate) durable: Position,
    pub(crate) next_seq: Seq,
}

/// What there is to do.
enum Task {
    Commit,
    /// Nothing came for a while, and something is not synced.
    Sync,
    Close,
}

/// Reports a panic of the thread, so that nobody waits for ever.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let source = io::Error::other("the committing thread panicked");
            let cause = Arc::new(Failure { doing: "commit to", path: "the log".into(), source });
            self.0.stop(Poison { cause, attempted: Position(u64::MAX) });
        }
    }
}

impl Committer {
    /// Works until the writer closes or something fails. Gives back itself for the close in order.
    pub(crate) fn run(mut self) -> Option<Committer> {
        let _alarm = Alarm(Arc::clone(&self.shared));
        let mut batch = Pending::default();
        loop {
            let task = self.next_task(&mut batch);
            let outcome = match task {
                Task::Commit => self.commit(&batch),
                Task::Sync => self.sync().and_then(|()| self.publish()),
                // A session that appended nothing leaves `HEAD` as it was.
                Task::Close if self.durable == self.written => Ok(()),
                Task::Close => self.sync().and_then(|()| self.publish()),
            };
            if let Err(cause) = outcome {
                let attempted = self.attempted(&batch);
                self.shared.stop(Poison { cause: Arc::new(cause), attempted });
                return None;
            }
            if let Task::Close = task {
                return Some(self);
            }
            recycle(&mut batch);
        }
    }

    /// Sleeps until there is something to do; pending bytes are moved into `batch`.
    fn next_task(&self, batch: &mut Pending) -> Task {
        let mut state = self.shared.lock();
        while state.pending.bytes.is_empty() {
            if state.closing {
                return Task::Close;
            }
            state.awaits = 1;
            if self.durable == self.written {
                state = super::state::wait(&self.shared.work, state);
            } else {
                let waited = self.shared.work.wait_timeout(state, IDLE_SYNC);
                let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = guard;
                if timeout.timed_out() && state.pending.bytes.is_empty() {
                    state.awaits = 0;
                    return Task::Sync;
                }
            }
            state.awaits = 0;
        }
        state = self.gather(state);
        state.turn = 1 - state.turn;
        state.taken = state.pending.end;
        std::mem::swap(&mut state.pending, batch);
        let crowded = state.crowded > 0;
        drop(state);
        if crowded {
            self.shared.room.notify_all();
        }
        Task::Commit
    }

    /// Callers that were woken together come back one after the other. Whoever takes the first of them alone makes all
    /// others wait for two syncs, so the thread sleeps until as many commits wait as callers were woken, or a moment.
    fn gather<'s>(&'s self, mut state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        if state.closing || !state.pending.sync || state.pending.commits >= state.returning {
            return state;
        }
        state.awaits = state.returning;
        let waited = self.shared.work.wait_timeout(state, GATHER);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.awaits = 0;
        state
    }

    fn commit(&mut self, batch: &Pending) -> Result<(), Failure> {
        let mut from = 0;
        for roll in &batch.rolls {
            self.write(&batch.bytes[from..roll.at])?;
            self.roll(roll)?;
            from = roll.at;
        }
        self.write(&batch.bytes[from..])?;
        self.next_seq = batch.next_seq;
        if batch.sync {
            self.sync()?;
        }
        self.publish()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        let offset = self.written.0 - self.segment.0;
        let written = self.file.write_at(bytes, offset);
        written.map_err(|source| Failure::of("write", &self.files.layout.segment(self.segment))(source))?;
        self.tree.update(bytes);
        self.written.0 += bytes.len() as u64;
        Ok(())
    }

    /// Seals the segment and makes the next one.
    fn roll(&mut self, roll: &Roll) -> Result<(), Failure> {
        assert!(self.written == roll.position, "a segment begins where the one before it ends");
        self.sync()?;
        let header = SegmentHeader {
            log_id: self.log_id,
            segment_limit: self.segment_limit,
            position: roll.position,
            first_seq: roll.first_seq,
            root_before: self.tree.root(),
        };
        self.file = self.files.create(&header)?;
        // Sidecars that cannot be written are made again by the next open.
        self.files.keep_sidecar(SegmentEntry::Tree(roll.position), &self.tree.frontier().encode()).ok();
        roll.sealed.keep_sidecar(&self.files);
        self.segment = roll.position;
        self.tree.update(&header.encode());
        self.written.0 += SEGMENT_HEADER_LEN as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Failure> {
        if self.durable == self.written {
            return Ok(());
        }
        // COMMIT POINT: of all commits written so far, under class `sync`.
        if let Err(source) = self.file.sync_data() {
            distrust(self.head.as_ref());
            return Err(Failure::of("sync", &self.files.layout.segment(self.segment))(source));
        }
        self.durable = self.written;
        self.shared.durable_tree().clone_from(&self.tree);
        Ok(())
    }

    /// Tells other processes, then our own callers.
    fn publish(&self) -> Result<(), Failure> {
        self.write_head(false)?;
        self.shared.acknowledge(self.durable, self.written);
        Ok(())
    }

    fn write_head(&self, closed: bool) -> Result<(), Failure> {
        let (log_id, next_seq) = (self.log_id, self.next_seq);
        let head =
            Head { log_id, durable: self.durable, committed: self.written, next_seq, closed, sync_failed: false };
        let written = self.head.write_at(&head.encode(), 0);
        written.map_err(|source| Failure::of("write", &self.files.layout.head())(source))
    }

    /// After the last commit: cuts the file to its last frame and says in `HEAD` that the log was closed.
    pub(crate) fn close(&self) -> Result<(), Failure> {
        let path = self.files.layout.segment(self.segment);
        let len = self.written.0 - self.segment.0;
        if self.file.len().map_err(Failure::of("read", &path))? != len {
            self.file.set_len(len).map_err(Failure::of("cut", &path))?;
            self.file.sync_data().map_err(Failure::of("sync", &path))?;
        }
        self.keep_sidecars();
        self.write_head(true)?;
        self.head.sync_data().map_err(Failure::of("sync", &self.files.layout.head()))
    }

    /// So that the next open need not scan. What cannot be made here is made then.
    fn keep_sidecars(&self) {
        let mut state = self.shared.lock();
        let State { sealed, streams, last_commit, .. } = &mut *state;
        let Some(last_commit) = *last_commit else { return };
        if sealed.closed_end() != Some(self.written) {
            let closed = ClosedEnd { last_commit, next_seq: self.next_seq, tree: self.tree.clone() };
            sealed.close(&self.files, self.segment, &closed, streams).ok();
        }
    }

    /// Up to where bytes of the batch may have been given to a file.
    fn attempted(&self, batch: &Pending) -> Position {
        let next_roll = batch.rolls.iter().find(|roll| roll.position >= self.written);
        next_roll.map_or(batch.end.max(self.written), |roll| roll.position)
    }
}

fn recycle(batch: &mut Pending) {
    batch.bytes.clear();
    batch.bytes.shrink_to(KEPT_CAPACITY);
    batch.rolls.clear();
    (batch.commits, batch.sync) = (0, false);
}
