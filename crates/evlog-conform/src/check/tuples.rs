//! Checks 3 to 7: each outcome by itself.
//!
//! They check the manifest; the health file must have the same outcomes (check 15).

use super::Answer;
use super::finding::Finding;
use super::subject::{Entry, Subject};
use super::words::{finding, one_of, quoted, text};
use crate::bundle::MANIFEST;
use evlog_lifecycle::pipeline::{FailMode, Severity, StageStatus, is_word};
use evlog_projection::members::pointer;
use serde_json::Value;

pub(super) const MEMBERS: [&str; 4] = ["stage", "status", "fail_mode", "reason_code"];

fn at(entry: &Entry<'_>, member: &str, expected: impl Into<String>, found: impl Into<String>) -> Finding {
    finding(MANIFEST, pointer(&entry.pointer, member), expected, found)
}

fn nothing_or(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), quoted)
}

/// Check 3. Check 4 decides whether the reason code should be there.
pub(super) fn shape(subject: &Subject<'_>) -> Answer {
    let mut findings = Vec::new();
    for entry in subject.outcomes()? {
        let Some(members) = entry.value.as_object() else {
            findings.push(finding(MANIFEST, entry.pointer, "an object", quoted(entry.value)));
            continue;
        };
        for name in members.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
            let expected = format!("only the members {}", MEMBERS.join(", "));
            findings.push(at(&entry, name, expected, format!("the member {}", text(name))));
        }
        if entry.stage.is_none() {
            findings.push(at(&entry, "stage", "the name of a stage", nothing_or(members.get("stage"))));
        }
        let statuses = StageStatus::ALL.map(StageStatus::word);
        let modes = FailMode::ALL.map(FailMode::word);
        for (name, words) in [("status", &statuses[..]), ("fail_mode", &modes[..])] {
            let found = members.get(name);
            if !found.and_then(Value::as_str).is_some_and(|word| words.contains(&word)) {
                findings.push(at(&entry, name, one_of(words.iter().copied()), nothing_or(found)));
            }
        }
        if let Some(code) = members.get("reason_code").filter(|code| !code.is_string() && !code.is_null()) {
            findings.push(at(&entry, "reason_code", "text", quoted(code)));
        }
    }
    Ok(findings)
}

/// Check 4.
pub(super) fn reason_code_presence(subject: &Subject<'_>) -> Answer {
    let mut findings = Vec::new();
    for entry in subject.outcomes()? {
        let status = entry.value.get("status").and_then(Value::as_str);
        let code = entry.value.get("reason_code");
        let wrong = match (status, code) {
            (_, Some(Value::Null)) => Some("text, or no such member".to_owned()),
            (Some("success"), Some(_)) => Some("no reason code, because the outcome is a success".to_owned()),
            (Some(word @ ("failed" | "skipped")), None) => {
                Some(format!("a reason code, because the outcome is {word}"))
            }
            _ => None,
        };
        if let Some(expected) = wrong {
            findings.push(at(&entry, "reason_code", expected, nothing_or(code)));
        }
    }
    Ok(findings)
}

/// Check 5.
pub(super) fn reason_code_form(subject: &Subject<'_>) -> Answer {
    let mut findings = Vec::new();
    for entry in subject.outcomes()? {
        let code = entry.value.get("reason_code").and_then(Value::as_str);
        if let Some(code) = code.filter(|code| !is_word(code)) {
            findings.push(at(&entry, "reason_code", "a code of the form [a-z][a-z0-9_]*", text(code)));
        }
    }
    Ok(findings)
}

/// Check 6.
pub(super) fn known_stage(subject: &Subject<'_>) -> Answer {
    let definition = subject.definition();
    let mut findings = Vec::new();
    for entry in subject.outcomes()? {
        if let Some(stage) = entry.stage.filter(|stage| definition.index_of(stage).is_none()) {
            let stages = one_of(definition.stages().iter().map(|stage| stage.id.as_str()));
            let expected = format!("a stage of `{}` ({stages}), or a substage of one", definition.name());
            findings.push(at(&entry, "stage", expected, text(stage)));
        }
    }
    Ok(findings)
}

/// Check 7. It does not repeat the findings of checks 4 to 6.
pub(super) fn catalogued(subject: &Subject<'_>) -> Answer {
    let definition = subject.definition();
    let mut findings = Vec::new();
    for entry in subject.outcomes()? {
        let Some(outcome) = &entry.outcome else { continue };
        let Some(code) = outcome.reason_code.as_deref().filter(|code| is_word(code)) else { continue };
        if outcome.status == StageStatus::Success || definition.index_of(&outcome.stage).is_none() {
            continue;
        }
        let stage = &outcome.stage;
        match definition.code(stage, code) {
            None => {
                let expected = format!("a reason code of `{stage}` in the catalogue of `{}`", definition.name());
                findings.push(at(&entry, "reason_code", expected, text(code)));
            }
            Some(row) if (row.severity == Severity::Skipped) != (outcome.status == StageStatus::Skipped) => {
                let expected = format!("a reason code of what is {}", outcome.status.word());
                findings.push(at(
                    &entry,
                    "reason_code",
                    expected,
                    format!("{}, which is {}", text(code), row.severity.word()),
                ));
            }
            Some(_) => {}
        }
    }
    Ok(findings)
}
