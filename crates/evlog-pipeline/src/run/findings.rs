//! What lies in the bundle of a run that was left, stage by stage (pipeline.md 5.4).
//!
//! Does: hold the files of every enabled stage against what the log recorded of them: their digests, in the intent to
//! promote them. Does not: say what follows; that is the contract's command `reconcile`.
//!
//! Invariants:
//! - Only reads.
//! - A file counts as a stage's output when an intent of the stage names it, with the digest of it. A file in an output's
//!   place that no intent names was not put there by a run.

use super::Runner;
use crate::files::measure;
use crate::meter::Meter;
use crate::paths;
use crate::plan::Stage;
use crate::walk::walk;
use evlog_lifecycle::pipeline::{Artifact, Outputs, StageStatus, State};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

impl Runner<'_> {
    /// The members of the command `reconcile`: what is found of every enabled stage.
    pub(super) fn findings(&self, state: &State, meter: &Meter<'_>) -> Value {
        let one = |stage: &Stage| {
            let outputs = outputs(&self.bundle, state, stage, meter);
            let staging = fs::symlink_metadata(self.bundle.join(".staging").join(&stage.id)).is_ok();
            json!({"stage": stage.id, "outputs": outputs.word(), "staging": staging})
        };
        json!({"found": self.plan.enabled().map(one).collect::<Vec<Value>>()})
    }
}

fn outputs(bundle: &Path, known: &State, stage: &Stage, meter: &Meter<'_>) -> Outputs {
    let outcome = known.outcome(&stage.id);
    let published = outcome.is_some_and(|outcome| outcome.status != StageStatus::Skipped && !outcome.is_fatal());
    match known.intended(&stage.id) {
        Some(artifacts) if published || outcome.is_none() => look(bundle, artifacts, meter),
        // It published nothing, and it may be that nobody recorded what it published.
        None if published => look(bundle, &[], meter),
        Some(artifacts) => match look(bundle, artifacts, meter) {
            // Nothing was to be promoted: nothing is there.
            Outputs::Valid if artifacts.is_empty() => Outputs::None,
            found => found,
        },
        None if has_foreign(bundle, known, stage) => Outputs::Corrupt,
        None => Outputs::None,
    }
}

/// Whether a file stands where the stage would leave one, and no stage has published it.
fn has_foreign(bundle: &Path, known: &State, stage: &Stage) -> bool {
    if stage.outputs.keys().any(|path| is_there(&bundle.join(path))) {
        return true;
    }
    if stage.patterns.is_empty() {
        return false;
    }
    let published: BTreeSet<&str> = known.published().map(|(_, artifact)| artifact.path.as_str()).collect();
    let entries = walk(bundle).unwrap_or_default();
    let foreign = entries.iter().map(|entry| entry.path.as_str()).filter(|path| !published.contains(path));
    let mut foreign = foreign.filter(|path| paths::reserved(path, known.definition()).is_none());
    foreign.any(|path| stage.patterns.iter().any(|pattern| pattern.glob.matches(path)))
}

/// Whether files are what an intent says of them. None of none is all of them.
fn look(bundle: &Path, artifacts: &[Artifact], meter: &Meter<'_>) -> Outputs {
    let mut missing = 0;
    for artifact in artifacts {
        let path = bundle.join(&artifact.path);
        if !is_there(&path) {
            missing += 1;
        } else if !is(&path, artifact, meter) {
            return Outputs::Corrupt;
        }
    }
    match missing {
        0 => Outputs::Valid,
        _ if missing == artifacts.len() => Outputs::None,
        _ => Outputs::Partial,
    }
}

/// Whether anything stands there, be it a link that leads nowhere, or something that cannot be looked at.
fn is_there(path: &Path) -> bool {
    !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}

/// Whether a file has the bytes that an intent says.
pub(super) fn is(path: &Path, artifact: &Artifact, meter: &Meter<'_>) -> bool {
    measure(path, meter).is_ok_and(|(len, blake3)| (len, blake3) == (artifact.bytes, artifact.blake3))
}
