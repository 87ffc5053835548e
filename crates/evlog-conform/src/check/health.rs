//! Checks 14, 15 and 16: the health file, a mirror of the manifest's outcomes.

use super::Answer;
use super::finding::Finding;
use super::subject::{Entry, Subject, impossible};
use super::tuples::MEMBERS;
use super::words::{finding, one_of, quoted, text};
use crate::bundle::{Content, HEALTH};
use evlog_projection::members::pointer;
use serde_json::{Map, Value};

const HEALTH_MEMBERS: [&str; 3] = ["run_id", "status", "stages"];

/// Check 14. Without a plan the health file is expected, as it is by default.
pub(super) fn shape(subject: &Subject<'_>) -> Answer {
    let wanted = subject.plan.is_none_or(|plan| plan.emit_health);
    let members = match &subject.health.content {
        Content::Absent if !wanted => return Ok(Vec::new()),
        Content::Absent if subject.manifest.value().is_none() => {
            return Err(impossible("there is no run to be mirrored (check 1)"));
        }
        Content::Json(_, Value::Object(members)) => members,
        Content::Json(_, other) => return Ok(vec![finding(HEALTH, "", "an object", quoted(other))]),
        Content::Absent | Content::Unusable(_) => {
            let found = subject.health.instead().unwrap_or_default();
            return Ok(vec![finding(HEALTH, "", "a JSON document", found)]);
        }
    };
    let mut findings = Vec::new();
    let mut must = |name: &str, holds: bool, expected: String| {
        if !holds {
            let found = members.get(name).map_or_else(|| "nothing".to_owned(), quoted);
            findings.push(finding(HEALTH, format!("/{name}"), expected, found));
        }
    };
    let word = |name: &str| members.get(name).and_then(Value::as_str);
    let statuses = ["success", "partial", "failed"];
    must("run_id", word("run_id").is_some(), "the run's id".to_owned());
    must("status", word("status").is_some_and(|word| statuses.contains(&word)), one_of(statuses));
    must("stages", members.get("stages").is_some_and(Value::is_array), "a list of outcomes".to_owned());
    Ok(findings)
}

/// Check 15. Check 16 reports members that an outcome should not have.
pub(super) fn mirrors(subject: &Subject<'_>) -> Answer {
    let (manifest, health) = (subject.manifest()?, subject.health()?);
    let mut findings = Vec::new();
    for name in ["run_id", "status"] {
        // Check 1 or 14 reports a member that is missing or of another type.
        let (expected, found) = (manifest.get(name).and_then(Value::as_str), health.get(name).and_then(Value::as_str));
        if let (Some(expected), Some(found)) = (expected, found)
            && expected != found
        {
            findings.push(finding(
                HEALTH,
                format!("/{name}"),
                format!("{}, as in the manifest", text(expected)),
                text(found),
            ));
        }
    }
    findings.extend(first_unlike(&subject.outcomes()?, &subject.health_stages()?));
    Ok(findings)
}

/// The first place where the lists of the health file and of the manifest differ.
fn first_unlike(manifest: &[Entry<'_>], health: &[Entry<'_>]) -> Option<Finding> {
    for index in 0..manifest.len().max(health.len()) {
        let pointer = format!("/stages/{index}");
        match (manifest.get(index), health.get(index)) {
            (Some(expected), None) => {
                return Some(finding(
                    HEALTH,
                    pointer,
                    format!("{}, as in the manifest", quoted(expected.value)),
                    "nothing",
                ));
            }
            (None, Some(found)) => {
                return Some(finding(HEALTH, pointer, "nothing, as in the manifest", quoted(found.value)));
            }
            (Some(expected), Some(found)) => {
                let unlike = |name: &&&str| expected.value.get(**name) != found.value.get(**name);
                if let Some(name) = MEMBERS.iter().find(unlike) {
                    let say = |entry: &Entry<'_>| entry.value.get(*name).map_or_else(|| "nothing".to_owned(), quoted);
                    let expected = format!("{}, as in the manifest", say(expected));
                    return Some(finding(HEALTH, format!("{pointer}/{name}"), expected, say(found)));
                }
            }
            (None, None) => return None,
        }
    }
    None
}

/// Check 16.
pub(super) fn outcomes_only(subject: &Subject<'_>) -> Answer {
    let mut findings = extra(subject.health()?, "", &HEALTH_MEMBERS);
    for entry in subject.health_stages()? {
        match entry.value {
            Value::Object(members) => findings.extend(extra(members, &entry.pointer, &MEMBERS)),
            other => findings.push(finding(HEALTH, &*entry.pointer, "an outcome", quoted(other))),
        }
    }
    Ok(findings)
}

fn extra(members: &Map<String, Value>, at: &str, known: &[&str]) -> Vec<Finding> {
    let unknown = members.keys().filter(|name| !known.contains(&name.as_str()));
    let one = |name: &String| {
        finding(
            HEALTH,
            pointer(at, name),
            format!("only the members {}", known.join(", ")),
            format!("the member {}", text(name)),
        )
    };
    unknown.map(one).collect()
}
