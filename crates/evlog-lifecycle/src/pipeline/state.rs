//! The state of a run: what was recorded of it. [`fold`](super::fold) changes it.

use super::definition::{Definition, OrderKey, is_substage};
use super::outcome::{FailMode, Outcome, RunStatus};
use super::payload::{Artifact, Input, LimitExceeded, LockForced, TakenOver};
use evlog_format::Seq;
use evlog_projection::Fact;
use evlog_rules::rules::Enforced;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run's state.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) pinned: Arc<Pinned>,
    /// How far each stage has come, by the stage's index.
    pub(super) progress: Vec<Progress>,
    pub(super) outcomes: BTreeMap<OrderKey, Entry>,
    pub(super) artifacts: Arc<BTreeMap<String, Held>>,
    pub(super) captured: Arc<BTreeMap<String, Held>>,
    pub(super) reports: Arc<BTreeMap<String, Reported>>,
    pub(super) forced_locks: Arc<Vec<LockForced>>,
    /// The exceeded limits, each with its time in Unix nanoseconds.
    pub(super) limits_exceeded: Arc<Vec<(LimitExceeded, i128)>>,
    pub(super) owed: Option<Owed>,
    pub(super) end: Option<End>,
    /// The state of the enforced rules of the definition.
    pub(super) enforced: Enforced,
}

/// What the run's first event fixed.
#[derive(Clone, Debug)]
pub(super) struct Pinned {
    pub run: String,
    pub definition: Arc<Definition>,
    /// The stages' settings, by the stage's index.
    pub stages: Vec<Setting>,
    pub manifest: Map<String, Value>,
    pub emit_health: bool,
    pub seq: Seq,
    pub time_ns: i128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub enabled: bool,
    pub fail_mode: FailMode,
}

/// The progress of a stage that has no outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The number of attempts.
    pub attempts: u64,
    /// The start of the latest attempt.
    pub begun_ns: Option<i128>,
    /// The inputs that were recorded for the latest attempt, or for the attempt that is about to begin.
    pub inputs: Option<Arc<Vec<Input>>>,
    /// The files of the latest attempt that the gate has passed.
    pub intended: Option<Arc<Vec<Artifact>>>,
    /// Whether all of these files were promoted.
    pub published: bool,
    /// The judged outcome of the process of the latest attempt.
    pub judged: Option<Outcome>,
    /// The run from which the latest attempt reused the stage.
    pub taken: Option<TakenOver>,
    /// Whether the end of the latest attempt's process is recorded.
    pub has_ended: bool,
}

/// A recorded outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub outcome: Outcome,
    pub seq: Seq,
    pub time_ns: i128,
    /// Whether the outcome was derived when an interrupted run was resumed.
    pub reconciled: bool,
}

/// A file of the bundle, and the stage that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub stage: String,
    pub artifact: Artifact,
}

/// A recorded validation report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reported {
    pub report: Value,
    pub time_ns: i128,
}

/// Outcomes that must come right after the events so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    /// The outcome that caused it.
    pub cause: Seq,
    /// First seq of the commit that it must be in.
    pub commit: Seq,
    /// The outcomes that must still come; never empty.
    pub outcomes: Vec<Outcome>,
    /// Whether they follow from findings; if not, they follow from a fatal outcome.
    pub reconciled: bool,
}

impl Owed {
    /// Why they must come, for messages.
    pub(super) fn why(&self) -> &'static str {
        if self.reconciled { "for so it was found" } else { "for the stage is blocked" }
    }
}

/// How the run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub status: RunStatus,
    pub time_ns: i128,
}

impl State {
    /// The pipeline's definition.
    pub fn definition(&self) -> &Definition {
        &self.pinned.definition
    }

    /// The recorded outcomes, in their total order.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.values().map(|entry| &entry.outcome)
    }

    /// How the run ended; `None` if it has not ended.
    pub fn ended_as(&self) -> Option<RunStatus> {
        self.end.map(|end| end.status)
    }

    /// The outcome of a stage or substage.
    pub fn outcome(&self, stage: &str) -> Option<&Outcome> {
        let key = self.definition().order_key(stage)?;
        self.outcomes.get(&key).map(|entry| &entry.outcome)
    }

    pub(super) fn stage_id(&self, index: usize) -> &str {
        &self.pinned.definition.stages()[index].id
    }

    /// The outcome of the top-level stage at an index.
    pub(super) fn top(&self, index: usize) -> Option<&Outcome> {
        self.outcome(self.stage_id(index))
    }

    /// Whether the outcome of the stage at an index follows from what was found of an interrupted run.
    pub(super) fn was_reconciled(&self, index: usize) -> bool {
        let key = self.definition().order_key(self.stage_id(index));
        key.and_then(|key| self.outcomes.get(&key)).is_some_and(|entry| entry.reconciled)
    }

    /// Indexes of the enabled stages, in canonical order.
    pub(super) fn enabled(&self) -> impl Iterator<Item = usize> {
        self.pinned.stages.iter().enumerate().filter(|(_, setting)| setting.enabled).map(|(index, _)| index)
    }

    pub(super) fn has_begun(&self, index: usize) -> bool {
        self.progress[index].attempts > 0
    }

    /// Whether a stage is enabled, has no outcome and has not begun.
    pub(super) fn is_pending(&self, index: usize) -> bool {
        self.pinned.stages[index].enabled && self.top(index).is_none() && !self.has_begun(index)
    }

    /// The substage outcomes of the stage at an index.
    pub(super) fn substages(&self, index: usize) -> impl Iterator<Item = &Outcome> {
        self.outcomes
            .iter()
            .filter(move |(key, _)| key.index() == index && is_substage(key.stage()))
            .map(|(_, entry)| &entry.outcome)
    }

    /// The outcome that a stage of the blocked tail is recorded with (rules P-31 and P-14).
    pub(super) fn blocked(&self, index: usize) -> Outcome {
        Outcome::skipped(self.stage_id(index), self.pinned.stages[index].fail_mode, super::outcome::BLOCKED)
    }
}

impl State {
    /// Publishes the files that were to be promoted when the run was interrupted, because all of them were found.
    pub(super) fn publish_intended(&mut self, stage: &str) {
        let Some(index) = self.definition().index_of(stage) else { return };
        let Some(intended) = self.progress[index].intended.clone() else { return };
        self.progress[index].published = true;
        let held = intended.iter().map(|a| (a.path.clone(), Held { stage: stage.to_owned(), artifact: a.clone() }));
        Arc::make_mut(&mut self.artifacts).extend(held);
    }

    /// Notes a recorded outcome.
    pub(super) fn put(&mut self, outcome: Outcome, fact: &Fact<'_>, reconciled: bool) -> Result<(), String> {
        let place = self.definition().order_key(&outcome.stage);
        let key = place.ok_or_else(|| format!("`{}` has no place in the order", outcome.stage))?;
        self.outcomes.insert(key, Entry { outcome, seq: fact.seq, time_ns: fact.head.time_ns(), reconciled });
        Ok(())
    }
}
