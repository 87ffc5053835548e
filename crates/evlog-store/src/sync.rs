//! The locks, condition variables, atomic numbers and threads of the writer. Normally they are those of the standard library.
//! In the tests of the feature `schedules` they are those of shuttle, which decides which thread runs next and tries many
//! orders.
//!
//! The modules of the writer take them only from here, so that the exploration covers every wait.
//!
//! The exploration covers which thread runs next, at every lock, wait, wake-up, atomic access, thread start and yield, and
//! when a wait with a limit ends. It does not cover memory orders weaker than sequential consistency (each atomic number here
//! only grows, and the data that it announces is protected by the lock), or spurious wake-ups.

#[cfg(not(all(test, feature = "schedules")))]
pub(crate) use real::*;

#[cfg(all(test, feature = "schedules"))]
pub(crate) use explored::*;

/// Whether shuttle decides which thread runs next. Limits that its tests must reach are then small.
pub(crate) const EXPLORED: bool = cfg!(all(test, feature = "schedules"));

#[cfg(not(all(test, feature = "schedules")))]
mod real {
    pub(crate) use std::sync::atomic::AtomicU64;
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use std::thread::{Builder, JoinHandle, yield_now};
}

#[cfg(all(test, feature = "schedules"))]
pub(crate) mod explored {
    pub(crate) use shuttle::sync::atomic::AtomicU64;
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
    pub(crate) use shuttle::thread::{Builder, JoinHandle, yield_now};
    use std::cell::Cell;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{LockResult, PoisonError};
    use std::time::Duration;

    /// Like the standard library's, but the limit of a wait is ignored: the wait may time out at any moment, early or long
    /// after the limit.
    #[derive(Debug)]
    pub(crate) struct Condvar(shuttle::sync::Condvar);

    /// Whether a wait ended by its limit.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct WaitTimeoutResult(bool);

    impl WaitTimeoutResult {
        pub(crate) fn timed_out(self) -> bool {
            self.0
        }
    }

    impl Condvar {
        pub(crate) fn new() -> Condvar {
            Condvar(shuttle::sync::Condvar::new())
        }

        pub(crate) fn notify_one(&self) {
            if DEAF.get() != Some(Deaf::ToOne) {
                self.0.notify_one();
            }
        }

        pub(crate) fn notify_all(&self) {
            match DEAF.get() {
                Some(Deaf::ToAll) => {}
                Some(Deaf::AllButOne) => self.0.notify_one(),
                _ => self.0.notify_all(),
            }
        }

        pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
            self.0.wait(guard)
        }

        /// Another thread simulates the timeout. It notifies until the sleeper is awake, because its first notification may
        /// come before the sleep begins.
        pub(crate) fn wait_timeout<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            _limit: Duration,
        ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
            let (struck, awake) = (AtomicBool::new(false), AtomicBool::new(false));
            let strike = || {
                while !awake.load(Ordering::SeqCst) {
                    struck.store(true, Ordering::SeqCst);
                    self.0.notify_all();
                    yield_now();
                }
            };
            let woken = shuttle::thread::scope(|scope| {
                scope.spawn(strike);
                let guard = self.0.wait(guard);
                awake.store(true, Ordering::SeqCst);
                (guard, WaitTimeoutResult(struck.load(Ordering::SeqCst)))
            });
            match woken {
                (Ok(guard), result) => Ok((guard, result)),
                (Err(poisoned), result) => Err(PoisonError::new((poisoned.into_inner(), result))),
            }
        }
    }

    /// Broken on purpose: the wake-ups that get lost.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Deaf {
        ToOne,
        ToAll,
        /// Only one of the sleeping threads is woken.
        AllButOne,
    }

    thread_local! {
        static DEAF: Cell<Option<Deaf>> = const { Cell::new(None) };
    }

    impl Deaf {
        /// While the returned value exists, wake-ups by this thread get lost.
        pub(crate) fn begin(self) -> impl Drop {
            struct Ends;
            impl Drop for Ends {
                fn drop(&mut self) {
                    DEAF.set(None);
                }
            }
            DEAF.set(Some(self));
            Ends
        }
    }
}
