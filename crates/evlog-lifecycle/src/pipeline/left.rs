//! What a program that resumes a run must know of its state.
//!
//! Does: answer questions about the run's configuration, promotions and files. Does not: look at a bundle, or decide how the
//! run goes on; [`reconcile`](super::reconcile) does that.

use super::is_substage;
use super::outcome::FailMode;
use super::payload::Artifact;
use super::project::input;
use super::state::State;
use evlog_format::Seq;
use serde_json::{Map, Value};

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

    /// The number of times that a top-level stage has begun.
    pub fn attempts(&self, stage: &str) -> u64 {
        self.definition().index_of(stage).map_or(0, |index| self.progress[index].attempts)
    }

    /// Whether a top-level stage has begun, has no outcome, was not reused, and has no record of how its process ended.
    pub fn runs(&self, stage: &str) -> bool {
        let progress = self.definition().index_of(stage).map(|index| &self.progress[index]);
        let is_open = progress.is_some_and(|own| own.attempts > 0 && !own.has_ended && own.taken.is_none());
        is_open && self.outcome(stage).is_none()
    }

    /// The artifacts that the latest attempt of a stage intended to promote, or has promoted; `None` if no such intent is
    /// recorded.
    pub fn intended(&self, stage: &str) -> Option<&[Artifact]> {
        let index = self.definition().index_of(stage).filter(|_| !is_substage(stage))?;
        self.progress[index].intended.as_ref().map(|artifacts| artifacts.as_slice())
    }

    /// The run that this one retries, according to its manifest; `None` if it retries none.
    pub fn retry_of(&self) -> Option<&str> {
        self.pinned.manifest.get("extensions")?.get("orchestrator")?.get("retry")?.get("of")?.as_str()
    }

    /// The run from which the latest attempt of a stage was reused, and the seq of the stage's outcome in that run.
    pub fn taken_from(&self, stage: &str) -> Option<(&str, u64)> {
        let index = self.definition().index_of(stage).filter(|_| !is_substage(stage))?;
        self.progress[index].taken.as_ref().map(|taken| (taken.baseline.as_str(), taken.seq))
    }

    /// The seq of the outcome of a stage or substage.
    pub fn outcome_seq(&self, stage: &str) -> Option<Seq> {
        let key = self.definition().order_key(stage)?;
        self.outcomes.get(&key).map(|entry| entry.seq)
    }

    /// The inputs of the latest attempt of a stage, by path, as `run.json` shows them.
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
