//! The gate: a test holds other threads back, so that the acts of two threads have a fixed order.

use super::Disk;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

/// How long a test waits for a thread to come to the gate. A longer wait means that the test is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// The disk, and the gate before it.
#[derive(Debug, Default)]
pub(super) struct Shared {
    disk: Mutex<Disk>,
    gate: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    held_by: Option<ThreadId>,
    /// How many threads wait before the gate.
    waiting: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(disk: Disk) -> Shared {
        Shared { disk: Mutex::new(disk), ..Shared::default() }
    }

    /// Locks the disk for a caller that only reads it.
    pub(super) fn disk(&self) -> MutexGuard<'_, Disk> {
        lock(&self.disk)
    }

    /// Locks the disk for a caller that changes it, after waiting at the gate.
    pub(super) fn enter(&self) -> MutexGuard<'_, Disk> {
        let mut gate = lock(&self.gate);
        gate.waiting += 1;
        self.moved.notify_all();
        while gate.held_by.is_some_and(|holder| holder != std::thread::current().id()) {
            gate = self.moved.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        gate.waiting -= 1;
        drop(gate);
        self.disk()
    }
}

/// A gate that is shut. Dropping it opens the gate.
#[derive(Debug)]
pub struct Gate(Arc<Shared>);

impl Gate {
    pub(super) fn hold(shared: &Arc<Shared>) -> Gate {
        lock(&shared.gate).held_by = Some(std::thread::current().id());
        Gate(Arc::clone(shared))
    }

    /// Returns when another thread waits before the gate; false if no thread arrived in time.
    pub fn wait(&self) -> bool {
        let gate = lock(&self.0.gate);
        let waited = self.0.moved.wait_timeout_while(gate, PATIENCE, |gate| gate.waiting == 0);
        let (gate, _) = waited.unwrap_or_else(PoisonError::into_inner);
        gate.waiting > 0
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        lock(&self.0.gate).held_by = None;
        self.0.moved.notify_all();
    }
}
