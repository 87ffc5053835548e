//! The three conditions of a run and of a step (story.md 1.3). Their statuses follow from the phase. For each condition the
//! time of its last change is kept. It changes only when the condition's status does.

use super::phases::Phase;

/// The types, in the order of the record.
pub const TYPES: [&str; 3] = ["Ready", "Progressing", "Degraded"];

/// One condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Whether it is true.
    pub status: bool,
    /// Since when, Unix nanoseconds.
    pub since_ns: i128,
}

/// All three, in the order of [`TYPES`].
pub type Conditions = [Condition; 3];

/// The conditions after a phase was written.
pub fn after(before: Option<Conditions>, phase: Phase, time_ns: i128) -> Conditions {
    written(before, phase.conditions(), time_ns)
}

/// The conditions after their statuses were written.
pub(super) fn written(before: Option<Conditions>, statuses: [bool; 3], time_ns: i128) -> Conditions {
    let at = |index: usize| {
        let kept = before.map(|before| before[index]).filter(|known| known.status == statuses[index]);
        kept.unwrap_or(Condition { status: statuses[index], since_ns: time_ns })
    };
    [at(0), at(1), at(2)]
}
