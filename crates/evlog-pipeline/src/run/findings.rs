//! What the bundle of an interrupted run holds, stage by stage (pipeline.md 5.4).
//!
//! Does: compare the files of every enabled stage with the digests that the log recorded in the intent to promote them.
//! Does not: decide what follows; the contract's command `reconcile` does.
//!
//! Invariants:
//! - Only reads.
//! - A file counts as a stage's output if an intent of the stage names it with the file's digest. A file in an output's place
//!   that no intent names was not put there by a run.

use super::{RunError, Runner};
use crate::files::measure_below;
use crate::meter::Meter;
use crate::paths;
use crate::plan::Stage;
use crate::tree::Tree;
use crate::walk::walk_tree;
use evlog_lifecycle::pipeline::{Artifact, Outputs, STAGING, StageStatus, State};
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Runner<'_> {
    /// The members of the command `reconcile`: what is found for every enabled stage.
    pub(super) fn findings(&self, state: &State, meter: &Meter<'_>) -> Result<Value, RunError> {
        let home = self.home()?;
        let one = |stage: &Stage| {
            let outputs = outputs(home, state, stage, meter);
            let staging = home.stat(&format!("{STAGING}/{}", stage.id)).is_ok();
            json!({"stage": stage.id, "outputs": outputs.word(), "staging": staging})
        };
        Ok(json!({"found": self.plan.enabled().map(one).collect::<Vec<Value>>()}))
    }
}

fn outputs(bundle: &Tree, known: &State, stage: &Stage, meter: &Meter<'_>) -> Outputs {
    let outcome = known.outcome(&stage.id);
    let published = outcome.is_some_and(|outcome| outcome.status != StageStatus::Skipped && !outcome.is_fatal());
    match known.intended(&stage.id) {
        Some(artifacts) if published || outcome.is_none() => look(bundle, artifacts, meter),
        // The stage succeeded or only warned, and no artifact of it is recorded. Either it published none, or the program that
        // ran it did not record them.
        None if published => look(bundle, &[], meter),
        Some(artifacts) => match look(bundle, artifacts, meter) {
            // There was nothing to promote, so nothing is there.
            Outputs::Valid if artifacts.is_empty() => Outputs::None,
            found => found,
        },
        None if has_foreign(bundle, known, stage) => Outputs::Corrupt,
        None => Outputs::None,
    }
}

/// Whether there is a file, which no stage has published, at a path of the stage.
fn has_foreign(bundle: &Tree, known: &State, stage: &Stage) -> bool {
    if stage.outputs.keys().any(|path| bundle.has(path)) {
        return true;
    }
    if stage.patterns.is_empty() {
        return false;
    }
    let published: BTreeSet<&str> = known.published().map(|(_, artifact)| artifact.path.as_str()).collect();
    let entries = walk_tree(bundle).unwrap_or_default();
    let foreign = entries.iter().map(|entry| entry.path.as_str()).filter(|path| !published.contains(path));
    let mut foreign = foreign.filter(|path| paths::reserved(path, known.definition()).is_none());
    foreign.any(|path| stage.patterns.iter().any(|pattern| pattern.glob.matches(path)))
}

/// Whether files have the length and digest of an intent. An intent without files is fulfilled.
fn look(bundle: &Tree, artifacts: &[Artifact], meter: &Meter<'_>) -> Outputs {
    let mut missing = 0;
    for artifact in artifacts {
        if !bundle.has(&artifact.path) {
            missing += 1;
        } else if !is(bundle, artifact, meter) {
            return Outputs::Corrupt;
        }
    }
    match missing {
        0 => Outputs::Valid,
        _ if missing == artifacts.len() => Outputs::None,
        _ => Outputs::Partial,
    }
}

/// Whether a file has the bytes that an intent says.
pub(super) fn is(bundle: &Tree, artifact: &Artifact, meter: &Meter<'_>) -> bool {
    measure_below(bundle, &artifact.path, meter)
        .is_ok_and(|(len, blake3)| (len, blake3) == (artifact.bytes, artifact.blake3))
}
