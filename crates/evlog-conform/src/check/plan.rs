//! Checks 11, 12, 20, 21 and 23: the bundle compared with the plan that the run followed.

use super::Answer;
use super::finding::Finding;
use super::subject::{Entry, OUTCOMES, Subject, top_level};
use super::words::{self, finding, text};
use crate::bundle::MANIFEST;
use evlog_lifecycle::pipeline::{Coupling, FailMode, INVALID, Outcome, STORAGE, StageStatus, is_substage, root_of};
use evlog_pipeline::plan::{Pattern, Stage};
use std::collections::BTreeSet;

/// The code of a skip whose outputs are those of an earlier run.
const REUSED: &str = "normalized_store_reused";

/// Check 11.
pub(super) fn complete(subject: &Subject<'_>) -> Answer {
    let plan = subject.plan()?;
    let entries = subject.outcomes()?;
    let missing = plan.enabled().filter(|stage| !entries.iter().any(|entry| entry.stage == Some(&stage.id)));
    let one = |stage: &Stage| {
        let expected = format!("an outcome of `{}`, which the plan enables", stage.id);
        finding(MANIFEST, format!("/{OUTCOMES}"), expected, "none")
    };
    Ok(missing.map(one).collect())
}

/// Check 12. An outcome that concerns the run is recorded under a stage's name, whether the stage is enabled or not.
pub(super) fn nothing_of_disabled(subject: &Subject<'_>) -> Answer {
    let plan = subject.plan()?;
    let definition = subject.definition();
    let mut findings = Vec::new();
    for entry in subject.outcomes()? {
        let Some(stage) = entry.stage.filter(|stage| definition.index_of(stage).is_some()) else { continue };
        let about_the_run = definition.coupling(stage) == Some(Coupling::StopsRun);
        if !about_the_run && !Subject::is_enabled(plan, root_of(stage)) {
            let expected = format!("no outcome of `{}`, because the plan does not enable it", root_of(stage));
            findings.push(finding(MANIFEST, &*entry.pointer, expected, text(stage)));
        }
    }
    Ok(findings)
}

/// Check 20. A catalogue row may name the fail mode of its skips.
pub(super) fn skips_as_configured(subject: &Subject<'_>) -> Answer {
    let plan = subject.plan()?;
    let mut findings = Vec::new();
    for entry in subject.outcomes()? {
        let skipped = entry.outcome.as_ref().filter(|outcome| outcome.status == StageStatus::Skipped);
        let Some(outcome) = skipped else { continue };
        let Some(configured) = subject.configured(plan, root_of(&outcome.stage)) else { continue };
        let code = outcome.reason_code.as_deref().and_then(|code| subject.definition().code(&outcome.stage, code));
        let own = code.and_then(|row| row.fail_mode);
        if outcome.fail_mode != configured && own != Some(outcome.fail_mode) {
            findings.push(fail_mode(&entry, configured, "as configured", outcome));
        }
    }
    Ok(findings)
}

fn fail_mode(entry: &Entry<'_>, expected: FailMode, why: &str, found: &Outcome) -> Finding {
    let pointer = format!("{}/fail_mode", entry.pointer);
    finding(MANIFEST, pointer, format!("`{}`, {why}", expected.word()), words::outcome(found))
}

/// Check 21. For a stage's own codes, the configured fail mode applies; cross-cutting codes have their own. A publish
/// gate that failed is fail-closed under any configuration, and so is a stage that its substage stopped.
pub(super) fn failures_as_configured(subject: &Subject<'_>) -> Answer {
    let plan = subject.plan()?;
    let definition = subject.definition();
    let entries = subject.outcomes()?;
    let substages = entries.iter().filter_map(|entry| entry.outcome.as_ref());
    let stops = substages.filter(|other| is_substage(&other.stage) && definition.stops_parent(other));
    let stopped_ones: BTreeSet<&str> = stops.map(|other| root_of(&other.stage)).collect();
    let mut findings = Vec::new();
    for (_, entry, outcome) in top_level(definition, &entries) {
        let failed = outcome.status == StageStatus::Failed;
        let Some(code) = outcome.reason_code.as_deref().filter(|_| failed) else { continue };
        let Some(configured) = subject.configured(plan, &outcome.stage) else { continue };
        let gate = code == INVALID || subject.yardstick.schema_of(&outcome.stage, code).is_some();
        let usual = definition.usual_fail_mode(&outcome.stage, StageStatus::Failed, Some(code), configured);
        let (expected, why) = if gate {
            (FailMode::FailClosed, "because its publish gate failed")
        } else if definition.catalogue().own_row(&outcome.stage, code).is_some() {
            (usual, "as configured")
        } else {
            (usual, "the fail mode that the catalogue gives this code")
        };
        let stopped = outcome.is_fatal() && stopped_ones.contains(outcome.stage.as_str());
        if outcome.fail_mode != expected && !stopped && definition.code(&outcome.stage, code).is_some() {
            findings.push(fail_mode(entry, expected, why, outcome));
        }
    }
    Ok(findings)
}

/// Check 23.
pub(super) fn outputs(subject: &Subject<'_>) -> Answer {
    let plan = subject.plan()?;
    let entries = subject.outcomes()?;
    let mut findings = Vec::new();
    for (_, _, outcome) in top_level(subject.definition(), &entries) {
        let Some(stage) = plan.stage(&outcome.stage) else { continue };
        let code = outcome.reason_code.as_deref();
        match outcome.status {
            StageStatus::Success | StageStatus::Failed if !outcome.is_fatal() => {
                findings.extend(absent(subject, stage, outcome));
            }
            StageStatus::Failed if code == Some(STORAGE) => {}
            StageStatus::Skipped if code == Some(REUSED) => {}
            _ => findings.extend(present(subject, stage, outcome)),
        }
    }
    Ok(findings)
}

/// The required outputs that are missing although their stage has published.
fn absent(subject: &Subject<'_>, stage: &Stage, outcome: &Outcome) -> Vec<Finding> {
    let required = stage.outputs.iter().filter(|(_, output)| output.required);
    let one = |path: &String| {
        let found = subject.bundle.unlike_file(path)?;
        Some(finding(path.as_str(), "", format!("a file, because {} published it", words::outcome(outcome)), found))
    };
    let patterns = stage.patterns.iter().filter(|pattern| pattern.output.required);
    // A glob matches regular files only (pipeline.md 4.3).
    let is_file = |path: &&str| subject.bundle.unlike_file(path).is_none();
    let unmatched =
        patterns.filter(|pattern| !subject.bundle.paths().filter(is_file).any(|path| pattern.glob.matches(path)));
    let none = |pattern: &Pattern| {
        let expected = format!("a file that matches the pattern, because {} publishes one", words::outcome(outcome));
        finding(pattern.glob.as_str(), "", expected, "nothing")
    };
    required.filter_map(|(path, _)| one(path)).chain(unmatched.map(none)).collect()
}

/// The outputs that are there although their stage has published nothing.
fn present(subject: &Subject<'_>, stage: &Stage, outcome: &Outcome) -> Vec<Finding> {
    let there = |path: &&String| subject.bundle.unlike_file(path) != Some("nothing");
    let one = |path: &String| {
        let found = subject.bundle.unlike_file(path).unwrap_or("a file");
        finding(path.as_str(), "", format!("nothing, because {} published nothing", words::outcome(outcome)), found)
    };
    let matching = subject.bundle.paths().filter(|path| stage.patterns.iter().any(|p| p.glob.matches(path)));
    stage.outputs.keys().filter(there).cloned().chain(matching.map(str::to_owned)).map(|path| one(&path)).collect()
}
