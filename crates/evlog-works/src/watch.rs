//! The watcher of the measured workloads (see [`works`](crate::works)): it gets their progress, and may end them.

use crate::Done;
use std::fmt;

/// Gets the progress of the works, and decides whether they go on.
pub trait Watch {
    /// Called when a step of a work begins.
    fn step(&mut self, work: &'static str);

    /// Whether to stop here.
    fn stops(&mut self) -> bool;
}

/// The watcher ended the works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped before the works were done")
    }
}

impl std::error::Error for Stopped {}

/// Begins the next step of a work, unless the watcher stops it.
pub(crate) fn step(watch: &mut dyn Watch, work: &'static str) -> Done<()> {
    if watch.stops() {
        return Err(Stopped.into());
    }
    watch.step(work);
    Ok(())
}

/// A watcher that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn step(&mut self, _: &'static str) {}

    fn stops(&mut self) -> bool {
        false
    }
}
