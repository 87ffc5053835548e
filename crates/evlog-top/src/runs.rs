//! The runs that are kept: those with the newest events.

use crate::model::Run;
use std::collections::{BTreeMap, BTreeSet};

/// How many runs are kept.
pub const RUNS_MAX: usize = 10_000;

/// The order in which runs are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// The run with the newest event first.
    #[default]
    Activity,
    /// By name.
    Name,
    /// By status, then by name.
    Status,
    /// The run with the most events first.
    Events,
    /// The run that began first comes first.
    Age,
}

impl Sort {
    /// The order that follows.
    pub(crate) fn next(self) -> Sort {
        match self {
            Sort::Activity => Sort::Name,
            Sort::Name => Sort::Status,
            Sort::Status => Sort::Events,
            Sort::Events => Sort::Age,
            Sort::Age => Sort::Activity,
        }
    }

    /// What it sorts by, in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Sort::Activity => "newest event first",
            Sort::Name => "by run",
            Sort::Status => "by status",
            Sort::Events => "most events first",
            Sort::Age => "oldest first",
        }
    }

    /// Sorts runs that come in the order of their names.
    pub(crate) fn sort(self, runs: &mut [&Run]) {
        match self {
            Sort::Activity => runs.sort_by_key(|run| std::cmp::Reverse(run.last_seq)),
            Sort::Name => {}
            Sort::Status => runs.sort_by(|left, right| left.status.text.cmp(&right.status.text)),
            Sort::Events => runs.sort_by_key(|run| std::cmp::Reverse(run.events)),
            Sort::Age => runs.sort_by_key(|run| run.first_ns),
        }
    }
}

/// The runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    by_name: BTreeMap<String, Run>,
    /// Their names, by the seq of their last event.
    by_activity: BTreeMap<u64, String>,
}

impl Runs {
    /// Stores the state of a run as of its newest event. If there are too many runs, forgets one and returns its name.
    pub(crate) fn take(&mut self, run: Run) -> Option<String> {
        self.by_activity.insert(run.last_seq, run.name.clone());
        if let Some(before) = self.by_name.insert(run.name.clone(), run) {
            self.by_activity.remove(&before.last_seq);
        }
        if self.by_name.len() <= RUNS_MAX {
            return None;
        }
        let (_, oldest) = self.by_activity.pop_first()?;
        self.by_name.remove(&oldest);
        Some(oldest)
    }

    /// By name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Run> {
        self.by_name.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The statuses that they have, in order.
    pub(crate) fn statuses(&self) -> BTreeSet<&str> {
        self.iter().map(|run| run.status.text.as_str()).collect()
    }
}
