//! Commits: takes everything that waits, has it written and synced, publishes the new end, and acknowledges it.
//!
//! The committing thread does this. If no thread is committing, a caller of [`Writer::commit`](super::Writer::commit) does it.
//!
//! Invariants:
//! - A commit is acknowledged only after it was written and, under class `sync`, synced.
//! - After any failure, the committer reports it and ends. It does not try again: the sync that failed may have dropped
//!   bytes, and a second sync would succeed without them.

use super::committer::{Committer, Task};
use super::state::{Poison, Shared, State, wait};
use crate::closed::ClosedEnd;
use crate::error::Failure;
use crate::sync::{MutexGuard, yield_now};
use evlog_format::{Durability, Position};
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How long commits of class `os` may wait for a sync when no other commit comes.
const IDLE_SYNC: Duration = Duration::from_millis(50);

/// How often a committer yields, so that callers that were woken together can add their next commits to one group. After that
/// it does not wait for the others.
const GATHER: usize = 16;

/// Reports a panic of the committing thread, so that no other thread waits for ever.
struct Alarm<'s>(&'s Shared);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let source = io::Error::other("the committing thread panicked");
            let cause = Arc::new(Failure { doing: "commit to", path: "the log".into(), source });
            self.0.stop(Poison { cause, attempted: Position(u64::MAX) });
        }
    }
}

/// The committing thread. It works until the writer closes or something fails, and returns the committer, so that
/// the writer can close the log properly.
pub(super) fn run(shared: &Shared) -> Option<Box<Committer>> {
    let mut state = shared.lock();
    while state.stopped.is_none() {
        let nothing_waits = state.pending.bytes.is_empty();
        match state.committer.take() {
            Some(committer) if !nothing_waits => commit(shared, state, committer, Task::Commit),
            Some(committer) if state.closing && state.durable == state.committed => return Some(committer),
            Some(committer) if state.closing => commit(shared, state, committer, Task::Sync),
            committer => {
                state.committer = committer;
                sleep(shared, state);
            }
        }
        state = shared.lock();
    }
    None
}

/// Sleeps until there is something to do. If no commit comes for a while, unsynced bytes are synced.
fn sleep(shared: &Shared, mut state: MutexGuard<'_, State>) {
    state.asleep = true;
    if state.durable == state.committed {
        wait(&shared.work, state).asleep = false;
        return;
    }
    let waited = shared.work.wait_timeout(state, IDLE_SYNC);
    let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
    state.asleep = false;
    if timeout.timed_out()
        && state.pending.bytes.is_empty()
        && let Some(committer) = state.committer.take()
    {
        commit(shared, state, committer, Task::Sync);
    }
}

/// Commits what waits, acknowledges it, and puts the committer back, unless something failed.
pub(super) fn commit(shared: &Shared, state: MutexGuard<'_, State>, mut committer: Box<Committer>, task: Task) {
    let _alarm = Alarm(shared);
    let mut state = gather(shared, state);
    take(&mut committer, &mut state);
    let crowded = state.crowded > 0;
    drop(state);
    if crowded {
        shared.room.notify_all();
    }
    if let Err(cause) = committer.commit_batch(&|tree| shared.publish(tree), task) {
        if cause.is_overtaken() {
            // A segment ended within this group. Bytes that were synced at that point are in the log; the rest are not.
            shared.keep(committer.durable);
        }
        shared.stop(Poison { cause: Arc::new(cause), attempted: committer.attempted() });
    } else if committer.lacks_zeros() {
        shared.acknowledge(committer.durable, committer.written, None);
        committer.write_ahead();
        shared.put_back(committer);
    } else {
        shared.acknowledge(committer.durable, committer.written, Some(committer));
    }
}

/// Callers that were woken together come back one after the other. If only the first of them was committed, or only those that
/// came during the last sync, all others would wait for two syncs. So the committer lets them run first.
fn gather<'s>(shared: &'s Shared, mut state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
    let mut turns = 0;
    while turns < GATHER && state.pending.sync && state.pending.commits < state.returning && !state.closing {
        drop(state);
        yield_now();
        turns += 1;
        state = shared.lock();
    }
    state
}

/// Takes everything that waits.
fn take(committer: &mut Committer, state: &mut State) {
    committer.batch.recycle();
    (committer.batch.end, committer.batch.next_seq) = (state.pending.end, state.pending.next_seq);
    state.turn = 1 - state.turn;
    state.taken = state.pending.end;
    std::mem::swap(&mut state.pending, &mut committer.batch);
}

/// After the last commit: cuts the file right after its last frame, and records in `HEAD` that the log was closed.
pub(super) fn close(mut committer: Box<Committer>, shared: &Shared) -> Result<(), Failure> {
    committer.check_place()?;
    if committer.files.fs.is_shared() {
        // Others may go on writing, so nobody can say that the log is closed.
        return Ok(());
    }
    committer.cut_zeros()?;
    keep_sidecars(&committer, shared);
    committer.keep_head()?;
    committer.write_head(true)?;
    let path = committer.files.layout.head();
    committer.head.sync_data().map_err(Failure::of("sync", &path))
}

/// Writes the sidecars, so that the next open need not scan. If one cannot be written, the next open makes it.
fn keep_sidecars(committer: &Committer, shared: &Shared) {
    let mut state = shared.lock();
    let State { sealed, streams, last_commit, .. } = &mut *state;
    let Some(last_commit) = *last_commit else { return };
    if sealed.closed_end() != Some(committer.written) {
        let closed = ClosedEnd { last_commit, next_seq: committer.next_seq, tree: committer.tree.clone() };
        sealed.close(&committer.files, committer.segment, &closed, streams).ok();
    }
}

impl Shared {
    /// Waits until everything up to `end` is committed. If no thread is committing, this thread does it.
    pub(crate) fn commit_up_to<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        end: Position,
        class: Durability,
    ) -> Result<(), Poison> {
        while !self.is_committed(end, class) {
            state = match state.committer.take() {
                Some(committer) => {
                    commit(self, state, committer, Task::Commit);
                    self.lock()
                }
                None => match self.wait_turn(state, end, class)? {
                    Some(woken) => woken,
                    None => return Ok(()),
                },
            };
        }
        Ok(())
    }

    /// Syncs everything up to `end`, under any class: commits of class `os` may have been acknowledged long ago, and no
    /// other caller may have a reason to sync.
    pub(crate) fn sync_up_to(&self, end: Position) -> Result<(), Poison> {
        let mut state = self.lock();
        while state.durable < end {
            if let Some(poison) = &state.stopped {
                return Err(poison.clone());
            }
            state = if let Some(committer) = state.committer.take() {
                commit(self, state, committer, Task::Sync);
                self.lock()
            } else {
                // Another thread commits, perhaps other commits: check again when it is done.
                state.settling += 1;
                let mut state = wait(&self.freed, state);
                state.settling -= 1;
                state
            };
        }
        Ok(())
    }
}
