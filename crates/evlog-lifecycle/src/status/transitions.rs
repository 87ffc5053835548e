//! The eight statuses and the 64 cells of their table (status.md 1.1, 1.2).
//!
//! The table, the set of terminal statuses and the set of statuses that need a diagnostic are read once from the built-in
//! contract file `status.toml`. The file cannot hold the words and the numbers that the log uses; they are here.

use crate::form::built_in::status;
use crate::words::{ways_on, words};
use std::fmt;
use std::sync::LazyLock;

words! {
    /// A run's status. Every log holds these numbers.
    RunStatus: "status" {
        /// The record exists, work has not begun.
        Created = 0, "created";
        /// Work is under way.
        Running = 1, "running";
        /// Paused for an outside dependency or an asynchronous result.
        Waiting = 2, "waiting";
        /// Finished successfully.
        Success = 3, "success";
        /// Attempted, and hit a runtime failure or the rule for undefined transitions.
        Failed = 4, "failed";
        /// Stopped by policy.
        Denied = 5, "denied";
        /// Ran past its time allowance.
        Timeout = 6, "timeout";
        /// Stopped on purpose.
        Canceled = 7, "canceled";
    }
}

/// The number of statuses.
const COUNT: usize = RunStatus::ALL.len();

/// The reaction to a request to go from one status to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Listed: it is applied.
    Apply,
    /// Undefined, from a live run: it is rejected, and the run is forced to `failed` (H2 to H5, H7).
    Force,
    /// Undefined, from a terminal run: it is rejected, and the run stays as it is (H1, H9, H19).
    Reject,
}

impl RunStatus {
    /// Whether the run has ended for good.
    pub fn is_terminal(self) -> bool {
        TABLE.terminal[self as usize]
    }

    /// Whether entering the status requires a diagnostic (status.md 3.2).
    pub fn is_failure(self) -> bool {
        TABLE.failure[self as usize]
    }

    /// Whether the transition is one of the nine in the table.
    pub fn may_become(self, to: RunStatus) -> bool {
        TABLE.listed[self as usize][to as usize]
    }

    /// The statuses that may follow, as a clause.
    pub(crate) fn ways_on(self) -> String {
        let next: Vec<&str> =
            RunStatus::ALL.into_iter().filter(|to| self.may_become(*to)).map(RunStatus::word).collect();
        ways_on(self.word(), &next)
    }

    /// The reaction to a request to become `to`; `None` is a token that names no status.
    pub fn reaction(self, to: Option<RunStatus>) -> Reaction {
        match to {
            Some(to) if self.may_become(to) => Reaction::Apply,
            _ if self.is_terminal() => Reaction::Reject,
            _ => Reaction::Force,
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The built-in contract file, indexed by status.
struct Table {
    /// Row `from`, column `to`.
    listed: [[bool; COUNT]; COUNT],
    terminal: [bool; COUNT],
    /// The statuses that require a diagnostic.
    failure: [bool; COUNT],
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let definition = status();
    let id = |status: RunStatus| {
        let known = definition.find(status.word());
        known.unwrap_or_else(|| unreachable!("status.toml has the status `{status}`"))
    };
    let of = |status: RunStatus| definition.status(id(status));
    Table {
        listed: RunStatus::ALL.map(|from| RunStatus::ALL.map(|to| definition.may_become(id(from), id(to)))),
        terminal: RunStatus::ALL.map(|status| of(status).terminal),
        failure: RunStatus::ALL.map(|status| of(status).required.contains_key("diagnostic")),
    }
});
