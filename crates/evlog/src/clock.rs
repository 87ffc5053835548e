//! The clock. [`crate::Log`] reads it once for each command. The reading is recorded in the commit, and the clock is never
//! asked again.

use std::sync::atomic::{AtomicI64, Ordering};

/// If the clock differs from the time that passed by this much, in nanoseconds, it counts as stepped.
const STEP_MIN_NS: i64 = 1_000_000_000;

/// What the clocks show at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Unix time in nanoseconds, as people and programs set it. May repeat or go backwards.
    pub wall_ns: i64,
    /// Time since a fixed moment, in nanoseconds, from a clock that is never set; `None` if the readings do not share such a
    /// moment.
    pub passed_ns: Option<i64>,
}

/// Gives the time.
pub trait Clock: Send + Sync {
    /// Reads the clocks.
    fn read(&self) -> Reading;

    /// Unix time in nanoseconds. May repeat or go backwards.
    fn now_ns(&self) -> i64 {
        self.read().wall_ns
    }
}

impl Reading {
    /// The recorded time of another session's commit.
    pub(crate) fn of_another_session(wall_ns: i64) -> Reading {
        Reading { wall_ns, passed_ns: None }
    }

    /// The expected time and the found time, if the clock was stepped since an earlier reading. Between two sessions only a
    /// step back can be detected, because nobody knows how much time passed.
    pub(crate) fn step_since(&self, earlier: Option<&Reading>) -> Option<(i64, i64)> {
        let earlier = earlier?;
        let Some((passed, before)) = self.passed_ns.zip(earlier.passed_ns) else {
            return (self.wall_ns < earlier.wall_ns).then_some((earlier.wall_ns, self.wall_ns));
        };
        let expected = earlier.wall_ns.saturating_add(passed.saturating_sub(before));
        (self.wall_ns.abs_diff(expected) > STEP_MIN_NS.unsigned_abs()).then_some((expected, self.wall_ns))
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
    fn read(&self) -> Reading {
        let wall_ns = match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |age| -age),
        };
        // This clock goes on while the machine sleeps, as the wall clock does.
        let passed = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Reading { wall_ns, passed_ns: Some(passed.tv_sec * 1_000_000_000 + passed.tv_nsec) }
    }
}

/// A clock that starts at a given time and moves one step each time it is read: for tests and golden logs.
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
    fn read(&self) -> Reading {
        let now = self.next_ns.fetch_add(self.step_ns, Ordering::Relaxed);
        Reading { wall_ns: now, passed_ns: Some(now) }
    }
}
