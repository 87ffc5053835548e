//! A run as it was left: what whoever takes it up must know, read from its events.
//!
//! Does: fold a run's events one by one, and answer about its configuration, its promotions and its files. Does not: look at
//! a bundle, or decide what becomes of the run; that is [`reconcile`](super::reconcile), and whoever holds the lock.

use super::outcome::FailMode;
use super::payload::Artifact;
use super::project::input;
use super::state::State;
use super::{Pipeline, is_substage};
use evlog_format::Seq;
use evlog_projection::{Contract, Fact, FoldError};
use serde_json::{Map, Value};

/// A run's events so far, folded.
#[derive(Clone, Debug, Default)]
pub struct Left {
    contract: Pipeline,
    state: Option<State>,
}

impl Left {
    /// One more event of the run. Its first one must create a run of this contract.
    pub fn push(&mut self, fact: &Fact<'_>) -> Result<(), FoldError> {
        if let Some(state) = &mut self.state {
            return self.contract.evolve(state, fact);
        }
        self.state = Some(self.contract.start(fact)?);
        Ok(())
    }

    /// The run's state; none before its first event.
    pub fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }
}

impl State {
    /// The run's id.
    pub fn run(&self) -> &str {
        &self.pinned.run
    }

    /// The stages in canonical order: id, whether it is enabled, configured fail mode.
    pub fn configured(&self) -> impl Iterator<Item = (&str, bool, FailMode)> {
        let stages = self.definition().stages().iter().zip(&self.pinned.stages);
        stages.map(|(stage, setting)| (stage.id.as_str(), setting.enabled, setting.fail_mode))
    }

    /// Whether `logs/health.json` is projected.
    pub fn emits_health(&self) -> bool {
        self.pinned.emit_health
    }

    /// The members of `manifest.json` that the run was created with.
    pub fn manifest_members(&self) -> &Map<String, Value> {
        &self.pinned.manifest
    }

    /// Whether any stage has begun.
    pub fn has_any_begun(&self) -> bool {
        self.progress.iter().any(|progress| progress.attempts > 0)
    }

    /// How often a top-level stage has begun.
    pub fn attempts(&self, stage: &str) -> u64 {
        self.definition().index_of(stage).map_or(0, |index| self.progress[index].attempts)
    }

    /// What a stage was to promote, or has promoted, since it began last; none when no such intent is recorded.
    pub fn intended(&self, stage: &str) -> Option<&[Artifact]> {
        let index = self.definition().index_of(stage).filter(|_| !is_substage(stage))?;
        self.progress[index].intended.as_ref().map(|artifacts| artifacts.as_slice())
    }

    /// The run that this one retries, as its manifest says; none when it is no retry.
    pub fn retry_of(&self) -> Option<&str> {
        self.pinned.manifest.get("extensions")?.get("orchestrator")?.get("retry")?.get("of")?.as_str()
    }

    /// The run that a stage was taken over from, since it began last, and the seq of its outcome there.
    pub fn taken_from(&self, stage: &str) -> Option<(&str, u64)> {
        let index = self.definition().index_of(stage).filter(|_| !is_substage(stage))?;
        self.progress[index].taken.as_ref().map(|taken| (taken.baseline.as_str(), taken.seq))
    }

    /// The seq of the outcome of a stage or substage.
    pub fn outcome_seq(&self, stage: &str) -> Option<Seq> {
        let key = self.definition().order_key(stage)?;
        self.outcomes.get(&key).map(|entry| entry.seq)
    }

    /// What a stage was to read when it began last, by path: as `run.json` shows it.
    pub fn inputs(&self, stage: &str) -> Vec<Value> {
        let index = self.definition().index_of(stage).filter(|_| !is_substage(stage));
        let recorded = index.and_then(|index| self.progress[index].inputs.as_ref());
        recorded.map_or_else(Vec::new, |inputs| inputs.iter().map(input).collect())
    }

    /// The published artifacts, by path, each with its stage.
    pub fn published(&self) -> impl Iterator<Item = (&str, &Artifact)> {
        self.artifacts.values().map(|held| (held.stage.as_str(), &held.artifact))
    }

    /// What was recorded of a captured output.
    pub fn captured(&self, path: &str) -> Option<&Artifact> {
        self.captured.get(path).map(|held| &held.artifact)
    }

    /// The names of locks that were set aside, as recorded.
    pub fn stale_locks(&self) -> impl Iterator<Item = &str> {
        self.forced_locks.iter().map(|forced| forced.stale_lock_filename.as_str())
    }
}
