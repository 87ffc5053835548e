//! The thirteen phases, the conditions of each, and which phase may follow which (story.md 1.1, 1.3, 2.4, 2.5).
//!
//! `run_transitions.tsv` and `step_transitions.tsv` are the relations. They have a row for each pair, and one for each phase
//! that an entity without a phase may take. They are read when this crate is compiled: a table that is incomplete or out of
//! order does not compile. A letter is a condition that does not depend on the pair alone: see [`Guard`].

use crate::members::quoted;
use crate::words::words;
use evlog_projection::nearest::meant;
use std::fmt;

words! {
    /// The phase of a story run or of a step.
    Phase: "phase" {
        /// It exists and waits to be taken up.
        Pending = 0, "Pending";
        /// It is being worked on.
        Running = 1, "Running";
        /// It holds still: an open gate, a wait, a sleep, or a pause from outside.
        Paused = 2, "Paused";
        /// Something that it refers to is missing.
        Blocked = 3, "Blocked";
        /// It is being scheduled.
        Scheduling = 4, "Scheduling";
        /// Ended with success.
        Succeeded = 5, "Succeeded";
        /// Ended with failure.
        Failed = 6, "Failed";
        /// Its time ran out.
        Timeout = 7, "Timeout";
        /// Stopped without being drained, or before it began.
        Canceled = 8, "Canceled";
        /// Stopped after what was running had ended.
        Finished = 9, "Finished";
        /// Stopped by force.
        Aborted = 10, "Aborted";
        /// Not executed, by rule.
        Skipped = 11, "Skipped";
        /// Failed, and what it had done was undone.
        Compensated = 12, "Compensated";
    }
}

/// The number of phases.
pub(crate) const COUNT: usize = 13;
const _: () = assert!(Phase::ALL.len() == COUNT);

impl Phase {
    /// Whether nothing follows within an epoch.
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Phase::Pending | Phase::Running | Phase::Paused | Phase::Blocked | Phase::Scheduling)
    }

    /// Whether a step of this phase has failed: true for every terminal phase except `Succeeded` and `Skipped`.
    pub const fn is_failure(self) -> bool {
        self.is_terminal() && !matches!(self, Phase::Succeeded | Phase::Skipped)
    }

    /// The default reason of its conditions.
    pub const fn default_reason(self) -> &'static str {
        match self {
            Phase::Pending => "Pending",
            Phase::Running => "Running",
            Phase::Paused => "Paused",
            Phase::Blocked => "Blocked",
            Phase::Scheduling => "Scheduled",
            Phase::Succeeded => "Completed",
            Phase::Failed => "ExecutionFailed",
            Phase::Timeout => "TimedOut",
            Phase::Canceled | Phase::Finished | Phase::Aborted => "Canceled",
            Phase::Skipped => "Skipped",
            Phase::Compensated => "Compensated",
        }
    }

    /// `Ready`, `Progressing` and `Degraded` for this phase.
    pub const fn conditions(self) -> [bool; 3] {
        let degraded = matches!(self, Phase::Failed | Phase::Timeout | Phase::Aborted);
        [matches!(self, Phase::Succeeded), !self.is_terminal(), degraded]
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The sentence about text that names no phase.
pub(crate) fn unknown_phase(text: &str) -> String {
    let known = Phase::ALL.map(Phase::word);
    let question = meant(text, known).map(|question| format!("; {question}")).unwrap_or_default();
    format!("expected one of the phases {}, found `{}`{question}", known.join(", "), quoted(text))
}

/// A phase that may be missing, in words.
pub(crate) fn in_words(phase: Option<Phase>) -> &'static str {
    phase.map_or("no phase", Phase::word)
}

/// What has a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    /// A story run.
    Run,
    /// A step of it.
    Step,
}

/// A condition on a pair of phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The run's clock has started.
    ClockStarted,
    /// The run has never been `Running`.
    NeverRan,
    /// The story declares a compensation, and a main step has failed that must not fail.
    MainFailed,
    /// A result that was kept, a step that takes no time, or an observed run.
    Instantaneous,
    /// The reason is `RetryScheduled`, the count of retries grows by one, and one was left.
    RetryLeft,
    /// A gate or wait whose timeout says `skip`.
    TimeoutSkips,
    /// A step that executes another story takes over its phase.
    MirrorsChild,
    /// The run is observed, and phases between these two were not reported.
    Observed,
}

impl Guard {
    /// All guards, by letter.
    pub const ALL: [Guard; 8] = [
        Guard::ClockStarted,
        Guard::NeverRan,
        Guard::MainFailed,
        Guard::Instantaneous,
        Guard::RetryLeft,
        Guard::TimeoutSkips,
        Guard::MirrorsChild,
        Guard::Observed,
    ];

    /// Its letter in the tables.
    pub const fn letter(self) -> char {
        (b'a' + self as u8) as char
    }

    /// What the guard requires, as a clause.
    pub const fn in_words(self) -> &'static str {
        match self {
            Guard::ClockStarted => "the run has started",
            Guard::NeverRan => "the run has never been `Running`",
            Guard::MainFailed => "a compensation is declared and a main step has failed that may not",
            Guard::Instantaneous => "the result was kept, the step takes no time, or the run is observed",
            Guard::RetryLeft => "the reason is `RetryScheduled` and a retry is left",
            Guard::TimeoutSkips => "the step is a gate or wait whose timeout says `skip`",
            Guard::MirrorsChild => "the step executes a story and takes over its phase",
            Guard::Observed => "the run is observed",
        }
    }
}

/// Whether one phase may follow another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Allowed.
    Yes,
    /// Not allowed.
    No,
    /// The phase does not change.
    Same,
    /// Allowed if the guard holds.
    If(Guard),
}

impl Entity {
    /// What the relation says about a pair; `None` is an entity without a phase.
    pub const fn verdict(self, from: Option<Phase>, to: Phase) -> Verdict {
        let row = match from {
            None => 0,
            Some(from) => from as usize + 1,
        };
        match self {
            Entity::Run => RUN[row][to as usize],
            Entity::Step => STEP[row][to as usize],
        }
    }

    /// The file, as written.
    pub const fn table(self) -> &'static str {
        match self {
            Entity::Run => include_str!("run_transitions.tsv"),
            Entity::Step => include_str!("step_transitions.tsv"),
        }
    }
}

type Relation = [[Verdict; COUNT]; COUNT + 1];

const RUN: Relation = relation(Entity::Run.table().as_bytes());
const STEP: Relation = relation(Entity::Step.table().as_bytes());

const fn relation(table: &[u8]) -> Relation {
    let mut cells = [[Verdict::No; COUNT]; COUNT + 1];
    let mut at = skip(table, 0, b"from\tto\tverdict\n");
    let mut cell = 0;
    while cell < COUNT * (COUNT + 1) {
        let (row, column) = (cell / COUNT, cell % COUNT);
        let from = if row == 0 { "-" } else { Phase::ALL[row - 1].word() };
        at = skip(table, at, from.as_bytes());
        at = skip(table, at, b"\t");
        at = skip(table, at, Phase::ALL[column].word().as_bytes());
        at = skip(table, at, b"\t");
        (cells[row][column], at) = word(table, at);
        at = skip(table, at, b"\n");
        cell += 1;
    }
    assert!(at == table.len(), "transitions: expected the end of the file after 182 cells");
    cells
}

const fn word(table: &[u8], at: usize) -> (Verdict, usize) {
    if starts(table, at, b"yes") {
        return (Verdict::Yes, at + 3);
    }
    if starts(table, at, b"no") {
        return (Verdict::No, at + 2);
    }
    if starts(table, at, b"same") {
        return (Verdict::Same, at + 4);
    }
    let mut guard = 0;
    while guard < Guard::ALL.len() {
        if starts(table, at, &[Guard::ALL[guard].letter() as u8]) {
            return (Verdict::If(Guard::ALL[guard]), at + 1);
        }
        guard += 1;
    }
    panic!("transitions: expected `yes`, `no`, `same` or the letter of a guard")
}

const fn skip(table: &[u8], at: usize, expected: &[u8]) -> usize {
    assert!(starts(table, at, expected), "transitions: expected the next cell in the order of the phases");
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
