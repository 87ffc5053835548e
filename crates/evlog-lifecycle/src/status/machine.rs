//! The eight statuses and the 64 cells of their table (status.md 1.1, 1.2).
//!
//! `transitions.tsv` is the table; it is read when this crate is compiled, and a table that is not complete or not in
//! order does not compile. What an undefined transition leads to is not in the file: it follows from the terminal set.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A run's status. The numbers stand in every log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
pub enum RunStatus {
    /// The record exists, work has not begun.
    Created = 0,
    /// Work is under way.
    Running = 1,
    /// Paused for an outside dependency or an asynchronous result.
    Waiting = 2,
    /// Finished successfully.
    Success = 3,
    /// Attempted, and hit a runtime failure or the rule for undefined transitions.
    Failed = 4,
    /// Stopped by policy.
    Denied = 5,
    /// Ran past its time allowance.
    Timeout = 6,
    /// Stopped on purpose.
    Canceled = 7,
}

/// How many statuses there are.
const COUNT: usize = 8;

/// What a request from a status to another leads to.
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
    /// All eight, in the source's order.
    pub const ALL: [RunStatus; COUNT] = [
        RunStatus::Created,
        RunStatus::Running,
        RunStatus::Waiting,
        RunStatus::Success,
        RunStatus::Failed,
        RunStatus::Denied,
        RunStatus::Timeout,
        RunStatus::Canceled,
    ];

    /// The token, as the source spells it.
    pub const fn word(self) -> &'static str {
        match self {
            RunStatus::Created => "created",
            RunStatus::Running => "running",
            RunStatus::Waiting => "waiting",
            RunStatus::Success => "success",
            RunStatus::Failed => "failed",
            RunStatus::Denied => "denied",
            RunStatus::Timeout => "timeout",
            RunStatus::Canceled => "canceled",
        }
    }

    /// The status of exactly this token, byte for byte: no aliases, no case folding, no trimming (H5).
    pub fn from_word(word: &str) -> Option<RunStatus> {
        RunStatus::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Whether the run has ended for good.
    pub const fn is_terminal(self) -> bool {
        !matches!(self, RunStatus::Created | RunStatus::Running | RunStatus::Waiting)
    }

    /// Whether it may not be entered without a diagnostic (status.md 3.2).
    pub const fn is_failure(self) -> bool {
        matches!(self, RunStatus::Failed | RunStatus::Denied | RunStatus::Timeout)
    }

    /// Whether the transition is one of the nine.
    pub const fn may_become(self, to: RunStatus) -> bool {
        LISTED[self as usize][to as usize]
    }

    /// What a request to become `to` leads to; `None` is a token that names no status.
    pub const fn reaction(self, to: Option<RunStatus>) -> Reaction {
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

impl From<RunStatus> for u8 {
    fn from(status: RunStatus) -> u8 {
        status as u8
    }
}

impl TryFrom<u8> for RunStatus {
    type Error = String;

    fn try_from(number: u8) -> Result<RunStatus, String> {
        let known = RunStatus::ALL.get(usize::from(number));
        known.copied().ok_or_else(|| format!("expected a status number from 0 to 7, found {number}"))
    }
}

/// The file, as written.
pub(crate) const TABLE: &str = include_str!("transitions.tsv");

/// Whether each cell is listed: row `from`, column `to`.
const LISTED: [[bool; COUNT]; COUNT] = listed(TABLE.as_bytes());

const fn listed(table: &[u8]) -> [[bool; COUNT]; COUNT] {
    let mut cells = [[false; COUNT]; COUNT];
    let mut at = skip(table, 0, b"from\tto\tallowed\n");
    let mut cell = 0;
    while cell < COUNT * COUNT {
        let (from, to) = (RunStatus::ALL[cell / COUNT], RunStatus::ALL[cell % COUNT]);
        at = skip(table, at, from.word().as_bytes());
        at = skip(table, at, b"\t");
        at = skip(table, at, to.word().as_bytes());
        cells[cell / COUNT][cell % COUNT] = starts(table, at, b"\tyes\n");
        at = skip(table, at, if cells[cell / COUNT][cell % COUNT] { b"\tyes\n" } else { b"\tno\n" });
        cell += 1;
    }
    assert!(at == table.len(), "transitions.tsv: expected the end of the file after 64 cells");
    cells
}

const fn skip(table: &[u8], at: usize, expected: &[u8]) -> usize {
    assert!(starts(table, at, expected), "transitions.tsv: expected the next cell in the order of the statuses");
    at + expected.len()
}

const fn starts(table: &[u8], at: usize, expected: &[u8]) -> bool {
    let mut index = 0;
    while index < expected.len() {
        if at + index >= table.len() || table[at + index] != expected[index] {
            return false;
        }
        index += 1;
    }
    true
}
