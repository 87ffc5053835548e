//! The clock. Asked once for each command, by [`crate::Log`]; the answer is recorded in the commit and never asked again.

use std::sync::atomic::{AtomicI64, Ordering};

/// Says what time it is.
pub trait Clock: Send + Sync {
    /// Unix time in nanoseconds. May repeat or go backwards.
    fn now_ns(&self) -> i64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
    fn now_ns(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.ok().and_then(|age| i64::try_from(age.as_nanos()).ok()).unwrap_or(0)
    }
}

/// A clock that starts where it is told and moves one step each time it is asked: for tests and golden logs.
#[derive(Debug)]
pub struct StepClock {
    next_ns: AtomicI64,
    step_ns: i64,
}

impl StepClock {
    /// The first answer, and the distance between answers, in nanoseconds.
    pub fn new(start_ns: i64, step_ns: i64) -> StepClock {
        StepClock { next_ns: AtomicI64::new(start_ns), step_ns }
    }
}

impl Clock for StepClock {
    fn now_ns(&self) -> i64 {
        self.next_ns.fetch_add(self.step_ns, Ordering::Relaxed)
    }
}
