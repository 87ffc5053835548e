//! Checks 13, 17, 18, 19 and 22: the status that follows from the outcomes, and which outcomes may occur together.

use super::Answer;
use super::subject::{OUTCOMES, Subject, all_tuples, top_level};
use super::words::{self, finding, text};
use crate::bundle::MANIFEST;
use evlog_lifecycle::pipeline::{BLOCKED, Definition, Outcome, derive_status, is_substage, root_of};
use std::collections::{BTreeMap, BTreeSet};

/// Check 13.
pub(super) fn derived(subject: &Subject<'_>) -> Answer {
    let found = subject.status()?;
    let outcomes = all_tuples(&subject.outcomes()?)?;
    let expected = derive_status(&outcomes);
    if found == expected {
        return Ok(Vec::new());
    }
    let why = match outcomes.iter().find(|outcome| outcome.is_fatal()) {
        Some(fatal) => format!(", because of {}", words::outcome(fatal)),
        None if outcomes.is_empty() => ", because there is no outcome".to_owned(),
        None => String::new(),
    };
    Ok(vec![finding(MANIFEST, "/status", format!("{}{why}", text(expected.word())), text(found.word()))])
}

/// Check 17.
pub(super) fn exit_code(subject: &Subject<'_>) -> Answer {
    let found = subject.exit_code()?;
    let status = subject.status()?;
    let expected = status.exit_code();
    if found == expected {
        return Ok(Vec::new());
    }
    let expected = format!("the exit code {expected}, because the status is {}", text(status.word()));
    Ok(vec![finding(MANIFEST, "/status", expected, format!("the exit code {found}"))])
}

fn stops_run(definition: &Definition, outcomes: &[Outcome]) -> bool {
    outcomes.iter().any(|outcome| definition.stops_run(outcome))
}

/// Check 18. A fatal substage whose parent went on is not a cause here, because its outcome may have been recorded
/// after later stages had run. If it stopped its parent, the parent is the cause.
pub(super) fn blocked_tail(subject: &Subject<'_>) -> Answer {
    let definition = subject.definition();
    let entries = subject.outcomes()?;
    let all: Vec<Outcome> = entries.iter().filter_map(|entry| entry.outcome.clone()).collect();
    // A tripped limit blocks stages that had not begun, and these may be between stages that had.
    let limited = stops_run(definition, &all);
    let top = top_level(definition, &entries);
    let stops = |outcome: &Outcome| outcome.is_fatal() || (outcome.is_blocked() && !limited);
    let Some((from, _, cause)) = top.iter().find(|(_, _, outcome)| stops(outcome)) else { return Ok(Vec::new()) };
    let mut findings = Vec::new();
    for (_, entry, later) in top.iter().filter(|(index, _, later)| index > from && !later.is_blocked()) {
        let expected =
            format!("`{} skipped/{BLOCKED}`, because {} comes before it", later.stage, words::outcome(cause));
        findings.push(finding(MANIFEST, &*entry.pointer, expected, words::outcome(later)));
    }
    let Some(plan) = subject.plan else { return Ok(findings) };
    for (index, stage) in definition.stages().iter().enumerate().skip(from + 1) {
        if Subject::is_enabled(plan, &stage.id) && !top.iter().any(|(found, ..)| *found == index) {
            let expected =
                format!("`{} skipped/{BLOCKED}`, because {} comes before it", stage.id, words::outcome(cause));
            findings.push(finding(MANIFEST, format!("/{OUTCOMES}"), expected, "no outcome of it"));
        }
    }
    Ok(findings)
}

/// Check 19. A run limit that was tripped is a cause for every stage.
pub(super) fn blocked_cause(subject: &Subject<'_>) -> Answer {
    let definition = subject.definition();
    let entries = subject.outcomes()?;
    let all: Vec<Outcome> = entries.iter().filter_map(|entry| entry.outcome.clone()).collect();
    if stops_run(definition, &all) {
        return Ok(Vec::new());
    }
    // Looked up once: a bundle may list any number of outcomes.
    let placed = || all.iter().filter_map(|outcome| Some((definition.index_of(&outcome.stage)?, outcome)));
    let first_fatal = placed().filter(|(_, outcome)| outcome.is_fatal()).map(|(index, _)| index).min();
    let stops = |outcome: &Outcome| is_substage(&outcome.stage) && definition.stops_parent(outcome);
    let stopped: BTreeSet<usize> = placed().filter(|(_, outcome)| stops(outcome)).map(|(index, _)| index).collect();
    let mut findings = Vec::new();
    for entry in &entries {
        let Some(blocked) = entry.outcome.as_ref().filter(|outcome| outcome.is_blocked()) else { continue };
        let Some(index) = definition.index_of(&blocked.stage) else { continue };
        if first_fatal.is_none_or(|fatal| fatal >= index) && !stopped.contains(&index) {
            let expected = "a fatal failure before it, or of a substage of its own".to_owned();
            findings.push(finding(
                MANIFEST,
                &*entry.pointer,
                expected,
                format!("{} and no such failure", words::outcome(blocked)),
            ));
        }
    }
    Ok(findings)
}

/// Check 22.
pub(super) fn coupled(subject: &Subject<'_>) -> Answer {
    let definition = subject.definition();
    let entries = subject.outcomes()?;
    let top = top_level(definition, &entries);
    let parents: BTreeMap<&str, usize> =
        top.iter().enumerate().rev().map(|(at, (_, _, outcome))| (outcome.stage.as_str(), at)).collect();
    let mut findings = Vec::new();
    for substage in
        entries.iter().filter_map(|entry| entry.outcome.as_ref()).filter(|outcome| is_substage(&outcome.stage))
    {
        let parent = parents.get(root_of(&substage.stage)).map(|at| &top[*at]);
        if let Some((_, entry, parent)) = parent.filter(|(_, _, parent)| !definition.couples(substage, parent)) {
            let expected = format!("an outcome that can stand beside {}", words::outcome(substage));
            findings.push(finding(MANIFEST, &*entry.pointer, expected, words::outcome(parent)));
        }
    }
    Ok(findings)
}
