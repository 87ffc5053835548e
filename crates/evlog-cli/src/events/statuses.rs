//! The status of a run after each of its events, while events are shown.
//!
//! Invariants:
//! - Events of a run may be missing among those that are read: then the run is folded again from its first event.
//! - The memory holds the runs that were shown and have not ended.

use evlog::View;
use evlog::history::LOG_STREAM;
use evlog_format::Seq;
use evlog_projection::{Contracts, Fact, FoldError, RunFold};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// What is shown where there is no status, and where it is not known.
pub(super) const NONE: &str = "-";
const UNKNOWN: &str = "?";

/// Runs that are followed.
pub(super) struct Statuses {
    contracts: Contracts,
    runs: BTreeMap<Box<str>, Known>,
}

struct Known {
    /// The number of the run's next event.
    next: u64,
    fold: Result<RunFold, FoldError>,
}

impl Known {
    fn word(&self) -> String {
        self.fold.as_ref().map_or(UNKNOWN, RunFold::status).to_owned()
    }

    fn take(&mut self, fact: &Fact<'_>) {
        self.next = fact.event.number + 1;
        if let Ok(fold) = &mut self.fold
            && let Err(error) = fold.evolve(fact)
        {
            self.fold = Err(error);
        }
    }
}

impl Statuses {
    pub(super) fn new(view: &View) -> Statuses {
        Statuses { contracts: view.contracts().clone(), runs: BTreeMap::new() }
    }

    /// Takes an event that is not shown: a run that was shown need not be read again.
    pub(super) fn pass(&mut self, fact: &Fact<'_>) {
        if let Some(known) = self.runs.get_mut(fact.event.stream).filter(|known| known.next == fact.event.number) {
            known.take(fact);
        }
    }

    /// The status of an event's run after the event.
    pub(super) fn after(&mut self, view: &View, fact: &Fact<'_>) -> String {
        let name = fact.event.stream;
        if name == LOG_STREAM {
            return NONE.to_owned();
        }
        let known = match self.runs.remove(name) {
            Some(mut known) if known.next == fact.event.number => {
                known.take(fact);
                Some(known)
            }
            _ if fact.event.number == 0 => Some(Known { next: 1, fold: self.contracts.start(fact) }),
            _ => self.folded(view, name, fact.seq),
        };
        let Some(known) = known else { return UNKNOWN.to_owned() };
        let word = known.word();
        // An event after the end of a run is rare: then the run is read again.
        if !known.fold.as_ref().is_ok_and(RunFold::is_terminal) {
            self.runs.insert(name.into(), known);
        }
        word
    }

    /// A run as of an event. What cannot be read is not known here; the command's own reading reports why.
    fn folded(&self, view: &View, name: &str, until: Seq) -> Option<Known> {
        let mut known: Option<Known> = None;
        let read = view.stream::<evlog::LogError>(name, &mut |fact| {
            match &mut known {
                Some(known) => known.take(fact),
                none => *none = Some(Known { next: fact.event.number + 1, fold: self.contracts.start(fact) }),
            }
            Ok(if fact.seq < until { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        });
        known.filter(|_| read.is_ok())
    }
}
