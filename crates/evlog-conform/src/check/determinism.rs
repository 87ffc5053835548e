//! Check 41: two executions of the same plan leave the same bytes, except for ids and times.
//!
//! Members are compared as text, in the order in which they were written, because only this shows an order that comes
//! from an unordered map.

use super::finding::{Finding, NotRun};
use super::subject::Subject;
use super::words::{cut, finding, text};
use super::{Answer, Needs, artifacts};
use crate::bundle::{Content, Document};
use evlog_projection::difference::first_difference;
use evlog_projection::members::pointer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Members that may differ between two executions of the same plan.
const VOLATILE: [&str; 4] = ["run_id", "started_at_utc", "ended_at_utc", "generated_at_utc"];

/// Check 41. The expected values are those of the other execution.
pub(super) fn same(subject: &Subject<'_>) -> Answer {
    let other = subject.against.as_ref().ok_or(NotRun::Missing(Needs::Against))?;
    let expected: BTreeMap<&str, &Document> = other.iter().map(|document| (document.path.as_str(), document)).collect();
    let own = [&subject.manifest, &subject.health].into_iter().chain(&subject.reports);
    let own: BTreeMap<&str, &Document> = own.map(|document| (document.path.as_str(), document)).collect();
    let paths: BTreeSet<&str> = expected.keys().chain(own.keys()).copied().collect();
    let mut findings = Vec::new();
    for path in paths {
        findings.extend(compare(path, expected.get(path).copied(), own.get(path).copied()));
    }
    findings.extend(artifacts::same(subject)?);
    Ok(findings)
}

fn compare(path: &str, expected: Option<&Document>, found: Option<&Document>) -> Option<Finding> {
    let json = |document: Option<&Document>| match document.map(|document| &document.content) {
        Some(Content::Json(bytes, _)) => Members::read(bytes),
        _ => None,
    };
    let instead = |document: Option<&Document>| {
        document.map_or("nothing", |document| document.instead().unwrap_or("a document that is no object")).to_owned()
    };
    match (json(expected), json(found)) {
        (Some(expected), Some(found)) => expected.first_unlike(path, &found),
        (None, None) if instead(expected) == instead(found) => None,
        (None, None) => Some(finding(path, "", instead(expected), instead(found))),
        (Some(_), None) => Some(finding(path, "", "a document, as of the other execution", instead(found))),
        (None, Some(_)) => {
            Some(finding(path, "", format!("{}, as of the other execution", instead(expected)), "a document"))
        }
    }
}

/// An object's members as they were written, without volatile ones.
struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    fn read(bytes: &[u8]) -> Option<Members> {
        let mut members: Members = serde_json::from_slice(bytes).ok()?;
        members.0.retain(|(name, _)| !VOLATILE.contains(&name.as_str()));
        Some(members)
    }

    fn first_unlike(&self, path: &str, found: &Members) -> Option<Finding> {
        for index in 0..self.0.len().max(found.0.len()) {
            let (expected, found) = match (self.0.get(index), found.0.get(index)) {
                (Some(expected), Some(found)) => (expected, found),
                (expected, found) => {
                    let name = |member: Option<&(String, Box<RawValue>)>| {
                        member.map_or_else(
                            || "no further member".to_owned(),
                            |(name, _)| format!("the member {}", text(name)),
                        )
                    };
                    return Some(finding(path, "", name(expected), name(found)));
                }
            };
            if expected.0 != found.0 {
                let place = format!("{} as member {}", text(&expected.0), index + 1);
                return Some(finding(path, "", place, text(&found.0)));
            }
            if expected.1.get() != found.1.get() {
                let inner = first_difference("", expected.1.get().as_bytes(), found.1.get().as_bytes())?;
                let place = pointer("", &expected.0) + &inner.pointer;
                return Some(finding(path, place, cut(inner.expected), cut(inner.found)));
            }
        }
        None
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
