//! Checks 8, 9 and 10: the order of outcomes (pipeline.md 1.6), and that no stage has two outcomes.

use super::Answer;
use super::finding::Finding;
use super::subject::{Entry, Subject};
use super::words::{finding, text};
use crate::bundle::{HEALTH, MANIFEST};
use evlog_lifecycle::pipeline::{Definition, OrderKey};
use std::collections::BTreeMap;

/// Check 8.
pub(super) fn manifest(subject: &Subject<'_>) -> Answer {
    Ok(first_out_of_order(subject.definition(), MANIFEST, &subject.outcomes()?).into_iter().collect())
}

/// Check 9.
pub(super) fn health(subject: &Subject<'_>) -> Answer {
    Ok(first_out_of_order(subject.definition(), HEALTH, &subject.health_stages()?).into_iter().collect())
}

/// The first entry at which the list differs from the same list in the pipeline's order. Stages that have no place in that
/// order are left out here; check 6 reports them.
fn first_out_of_order(definition: &Definition, file: &str, entries: &[Entry<'_>]) -> Option<Finding> {
    let key = |entry: &Entry<'_>| entry.stage.and_then(|stage| definition.order_key(stage));
    let placed: Vec<(&Entry<'_>, OrderKey)> = entries.iter().filter_map(|entry| Some((entry, key(entry)?))).collect();
    let mut ordered: Vec<&OrderKey> = placed.iter().map(|(_, key)| key).collect();
    ordered.sort_unstable();
    let (entry, found, expected) = placed
        .iter()
        .zip(ordered)
        .find_map(|((entry, found), expected)| (found != expected).then_some((entry, found, expected)))?;
    Some(finding(file, format!("{}/stage", entry.pointer), text(expected.stage()), text(found.stage())))
}

/// Check 10.
pub(super) fn duplicates(subject: &Subject<'_>) -> Answer {
    let outcomes = subject.outcomes()?;
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for entry in &outcomes {
        let Some(stage) = entry.stage else { continue };
        if let Some(earlier) = first.get(stage) {
            let found = format!("another; the first is at {earlier}");
            findings.push(finding(
                MANIFEST,
                format!("{}/stage", entry.pointer),
                format!("one outcome of {}", text(stage)),
                found,
            ));
        } else {
            first.insert(stage, &entry.pointer);
        }
    }
    Ok(findings)
}
