//! Hears what a command's writer does: counts and times it, and says it to the log of events.

use super::Metrics;
use evlog::{Committed, Group, Observer};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

#[derive(Debug)]
pub(super) struct Watching {
    metrics: Metrics,
    /// When the sync began that has not ended.
    begun: Mutex<Option<Instant>>,
}

impl Watching {
    pub(super) fn new(metrics: Metrics) -> Watching {
        Watching { metrics, begun: Mutex::default() }
    }
}

impl Observer for Watching {
    fn opened(&self, end: Committed) {
        tracing::info!(target: "store", next_seq = end.next_seq.0, bytes = end.position.0, "the log is open for writing");
        self.metrics.count(|figures| figures.opened(end));
    }

    fn sync_begins(&self) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn sync_ended(&self) {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(took) = begun.map(|begun| begun.elapsed()) {
            tracing::trace!(target: "store", seconds = took.as_secs_f64(), "a sync has ended");
            self.metrics.count(|figures| figures.synced(took));
        }
    }

    fn sync_failed(&self, error: &io::Error) {
        tracing::error!(target: "store", %error, "a sync failed");
        self.metrics.count(super::Figures::sync_failed);
    }

    fn committed(&self, group: &Group) {
        let Group { commits, events, bytes, end } = *group;
        tracing::debug!(target: "store", commits, events, bytes, next_seq = end.next_seq.0, "committed");
        self.metrics.count(|figures| figures.committed(group));
    }
}
