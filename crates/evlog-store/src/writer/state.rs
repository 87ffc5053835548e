//! The state that callers and the committing thread share.
//!
//! Only the thread that holds the [`Committer`] commits. That is the committing thread, or a caller that would otherwise wait
//! for that thread. If the caller does the work itself, this saves two switches of threads. While no thread commits, the
//! committer is in [`State::committer`]. A thread that puts it back wakes the committing thread if commits came meanwhile.
//!
//! Invariants:
//! - `durable <= committed <= end`; each only grows. `committed` is the end of the commits that were acknowledged or may be.
//! - The bytes of `pending` are in the log's order. Segment headers are not among them, because each header has the root of
//!   all bytes before it, which only the committer knows. A `Roll` marks each place where a header belongs.
//! - At most two groups are not acknowledged: the one that the committer took, and the pending one, which it takes only after
//!   that. So two turns are enough to know which callers an acknowledgement concerns.
//! - Once a failure has set `stopped`, nothing is acknowledged any more.

use super::committer::Committer;
use super::pending::Pending;
use crate::error::{AppendError, Failure, Reason};
use crate::sealed::Sealed;
use crate::streams::Streams;
use crate::sync::{AtomicU64, Condvar, Mutex, MutexGuard};
use crate::writer::Ticket;
use evlog_format::{Durability, Position, Seq};
use evlog_verify::Tree;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The reason why the committer has ended.
#[derive(Clone, Debug)]
pub(crate) struct Poison {
    pub(crate) cause: Arc<Failure>,
    /// No byte from this position on was given to a file.
    pub(crate) attempted: Position,
}

/// The part that the lock protects.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) pending: Pending,
    pub(crate) streams: Streams,
    pub(crate) sealed: Sealed,
    /// Position of the segment that the next frame goes to, if it fits.
    pub(crate) segment: Position,
    pub(crate) end: Position,
    /// Position of the last commit, if there is one and this session met it.
    pub(crate) last_commit: Option<Position>,
    pub(crate) next_seq: Seq,
    pub(crate) durable: Position,
    /// The end of the commits that were acknowledged or may be.
    pub(crate) committed: Position,
    pub(crate) stopped: Option<Poison>,
    pub(crate) closing: bool,
    /// The committer while no thread commits. `None` while a thread commits, and after a failure.
    pub(crate) committer: Option<Box<Committer>>,
    /// Whether the committing thread sleeps and has not been woken yet.
    pub(crate) asleep: bool,
    /// Which of the two groups the committer has taken: 0 or 1. The other one is pending.
    pub(crate) turn: usize,
    /// Position after that group.
    pub(crate) taken: Position,
    /// How many callers sleep until their group is committed.
    pub(crate) waiting: [usize; 2],
    /// The expected size of the next group: the commits that waited at the last acknowledgement, and the callers that
    /// it woke, which are likely to come back with their next commits.
    pub(crate) returning: usize,
    /// How many callers sleep until no thread commits.
    pub(crate) settling: usize,
    /// How many callers sleep until there is room among the pending bytes.
    pub(crate) crowded: usize,
    /// Space for the numbers of one commit's events, kept between calls.
    pub(crate) scratch: Vec<Number>,
}

/// The number that an event gets in its stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    /// The stream's place in the list.
    pub(crate) stream: usize,
    pub(crate) number: u64,
}

/// The state that callers and the committing thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Notified when there is something to commit.
    pub(crate) work: Condvar,
    /// Notified when a group was committed, or when nothing more will be committed. There is one for each turn, so that only
    /// the callers of that group wake.
    done: [Condvar; 2],
    /// Notified when the pending bytes were taken.
    pub(crate) room: Condvar,
    /// Notified when the committer was put back.
    pub(super) freed: Condvar,
    durable: AtomicU64,
    committed: AtomicU64,
    tree: Mutex<Tree>,
}

/// Ignores poison: a panic in another thread leaves valid values behind, and the committing thread reports its own end.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) fn wait<'s>(condvar: &Condvar, guard: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
    condvar.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(state: State, tree: Tree) -> Shared {
        let durable = state.durable.0;
        Shared {
            state: Mutex::new(state),
            work: Condvar::new(),
            done: [Condvar::new(), Condvar::new()],
            room: Condvar::new(),
            freed: Condvar::new(),
            durable: AtomicU64::new(durable),
            committed: AtomicU64::new(durable),
            tree: Mutex::new(tree),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The tree over the durable bytes.
    pub(crate) fn durable_tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.tree)
    }

    /// Publishes the tree over the bytes that are durable now.
    pub(super) fn publish(&self, tree: &Tree) {
        self.durable_tree().clone_from(tree);
    }

    pub(crate) fn durable(&self) -> Position {
        Position(self.durable.load(Ordering::Acquire))
    }

    fn committed(&self) -> Position {
        Position(self.committed.load(Ordering::Acquire))
    }

    /// Whether the commit that ends here is acknowledged under its class.
    pub(super) fn is_committed(&self, end: Position, class: Durability) -> bool {
        match class {
            Durability::Sync => end <= self.durable(),
            Durability::Os => end <= self.committed(),
        }
    }

    /// Acknowledges all commits before a new end at once. If the committer is free, puts it back.
    pub(crate) fn acknowledge(&self, durable: Position, committed: Position, free: Option<Box<Committer>>) {
        let mut state = self.lock();
        (state.durable, state.committed) = (durable, committed);
        self.durable.store(durable.0, Ordering::Release);
        self.committed.store(committed.0, Ordering::Release);
        let turn = state.turn;
        let waiting = std::mem::take(&mut state.waiting[turn]);
        state.returning = waiting + 1 + state.pending.commits;
        state.committer = free;
        let (wake, settling) = (must_wake(&mut state), state.settling > 0 && state.committer.is_some());
        drop(state);
        if waiting > 0 {
            self.done[turn].notify_all();
        }
        self.tell_free(wake, settling);
    }

    /// Puts the committer back. A caller that waits for commits that came meanwhile may use it.
    pub(crate) fn put_back(&self, committer: Box<Committer>) {
        let mut state = self.lock();
        state.committer = Some(committer);
        let (wake, settling) = (must_wake(&mut state), state.settling > 0);
        drop(state);
        self.tell_free(wake, settling);
    }

    fn tell_free(&self, wake: bool, settling: bool) {
        if settling {
            self.freed.notify_all();
        }
        if wake {
            self.work.notify_one();
        }
    }

    /// Acknowledges what is in the log although the group that followed it failed.
    pub(crate) fn keep(&self, durable: Position) {
        let mut state = self.lock();
        (state.durable, state.committed) = (durable, durable.max(state.committed));
        self.durable.store(durable.0, Ordering::Release);
        self.committed.store(state.committed.0, Ordering::Release);
    }

    /// Records that nothing more will be committed.
    pub(crate) fn stop(&self, poison: Poison) {
        self.lock().stopped.get_or_insert(poison);
        self.done.iter().for_each(Condvar::notify_all);
        self.room.notify_all();
        self.freed.notify_all();
        self.work.notify_all();
    }

    /// Sleeps until everything up to `end` is committed under the class.
    pub(crate) fn wait_for(&self, end: Position, class: Durability) -> Result<(), Poison> {
        if self.is_committed(end, class) {
            return Ok(());
        }
        let mut state = self.lock();
        while let Some(waiting) = self.wait_turn(state, end, class)? {
            state = waiting;
        }
        Ok(())
    }

    /// Sleeps until the group that `end` belongs to was acknowledged, or until a spurious wake-up. Returns at once if
    /// it was acknowledged before.
    pub(super) fn wait_turn<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        end: Position,
        class: Durability,
    ) -> Result<Option<MutexGuard<'s, State>>, Poison> {
        if self.is_committed(end, class) {
            return Ok(None);
        }
        if let Some(poison) = &state.stopped {
            return Err(poison.clone());
        }
        let turn = if end <= state.taken { state.turn } else { 1 - state.turn };
        // The acknowledgement that wakes us sets this to 0.
        state.waiting[turn] += 1;
        Ok(Some(wait(&self.done[turn], state)))
    }
}

/// Whether the committing thread must be woken: it sleeps, no thread is committing, and commits are pending or committed bytes
/// are not synced. If the answer is true, the thread counts as woken, and the answer is false until it sleeps again.
pub(crate) fn must_wake(state: &mut State) -> bool {
    let is_due = !state.pending.bytes.is_empty() || state.durable < state.committed;
    is_due && state.committer.is_some() && std::mem::take(&mut state.asleep)
}

impl Poison {
    /// The error for a commit that was handed over before the failure and was not acknowledged.
    pub(crate) fn of(self, ticket: &Ticket) -> AppendError {
        if self.cause.is_overtaken() {
            AppendError::NotAppended { reason: Reason::Overtaken(self.cause) }
        } else if ticket.position >= self.attempted {
            AppendError::NotAppended { reason: Reason::NeverWritten(self.cause) }
        } else {
            AppendError::Unknown { position: ticket.position, cause: self.cause }
        }
    }
}
