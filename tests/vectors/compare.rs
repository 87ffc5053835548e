//! Comparing what a case expects with what was found.
//!
//! A member is compared by its name; names that end in `Set`, `Contains`, `Excludes`, `NonEmpty`, `Positive`, `Min`, `Max`,
//! `MaxBytes`, `Count` or `Present` check a property of the member that the rest of the name names. An object may have more
//! than the expected members.

use serde_json::{Map, Value};

type Ask = fn(&Value, &Value) -> bool;

/// Endings of names, and what they ask of the value (second) for the expected one (first).
const PREDICATES: [(&str, Ask); 10] = [
    ("MaxBytes", |want, found| found.as_str().is_some_and(|text| Some(text.len() as u64) <= want.as_u64())),
    ("NonEmpty", |want, found| want == &Value::Bool(!is_empty(found))),
    ("Contains", contains),
    ("Excludes", |want, found| !contains(want, found)),
    ("Positive", |want, found| want == &Value::Bool(found.as_i64().is_some_and(|number| number > 0))),
    ("Present", |want, found| want == &Value::Bool(!is_empty(found))),
    ("Count", |want, found| want.as_u64() == found.as_array().map(|items| items.len() as u64)),
    ("Set", |want, found| want == &Value::Bool(!is_empty(found))),
    ("Min", |want, found| found.as_i64() >= want.as_i64()),
    ("Max", |want, found| found.as_i64().is_some() && found.as_i64() <= want.as_i64()),
];

/// Every difference, as a sentence; none when the case holds.
pub(super) fn differences(expect: &Value, found: &Value) -> Vec<String> {
    let mut said = Vec::new();
    compare("", expect, found, &mut said);
    said
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn contains(want: &Value, found: &Value) -> bool {
    match (want, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.iter().all(|(name, want)| found.get(name).is_some_and(|found| contains(want, found)))
        }
        (want, Value::Array(items)) => items.contains(want),
        (Value::String(want), Value::String(text)) => text.contains(want),
        (Value::String(want), other) => other.to_string().contains(want),
        _ => false,
    }
}

fn compare(at: &str, expect: &Value, found: &Value, said: &mut Vec<String>) {
    match (expect, found) {
        (Value::Object(wanted), Value::Object(members)) => {
            for (name, want) in wanted {
                member(at, name, want, members, said);
            }
        }
        // A value is absent if it is null, empty, or not there.
        (want, found) if is_empty(want) && is_empty(found) => {}
        (want, found) if want == found => {}
        (want, found) => said.push(format!("{at}: expected {want}, found {found}")),
    }
}

/// Members that list names which must be absent, and the object that must not have them.
const ABSENT: [(&str, &str); 2] = [("absentKeys", "/error"), ("absentKeysInFailedStep", "/failedSteps/0")];

fn member(at: &str, name: &str, want: &Value, members: &Map<String, Value>, said: &mut Vec<String>) {
    let here = format!("{at}/{name}");
    if let Some((_, pointer)) = ABSENT.iter().find(|(known, _)| *known == name) {
        let whole = Value::Object(members.clone());
        let found = whole.pointer(pointer).unwrap_or(&Value::Null);
        let there =
            want.as_array().into_iter().flatten().filter_map(Value::as_str).find(|name| found.get(name).is_some());
        said.extend(there.map(|name| format!("{here}: expected no `{name}`, found one")));
        return;
    }
    if name == "excludedEverywhere" {
        let whole = Value::Object(members.clone()).to_string();
        let there = want.as_array().into_iter().flatten().filter_map(Value::as_str).find(|text| whole.contains(text));
        said.extend(there.map(|text| format!("{here}: expected `{text}` nowhere, found it")));
        return;
    }
    if let Some(found) = members.get(name) {
        return compare(&here, want, found, said);
    }
    let asked = PREDICATES.iter().find_map(|(ending, ask)| Some((members.get(name.strip_suffix(ending)?)?, ask)));
    match asked {
        Some((found, ask)) if ask(want, found) => {}
        Some((found, _)) => said.push(format!("{here}: expected {want}, found {found}")),
        None if at.is_empty() => {
            said.push(format!("{here}: expected {want}, and the operation gives nothing of that name"));
        }
        None if is_empty(want) || want == &Value::Bool(false) => {}
        None => said.push(format!("{here}: expected {want}, found none")),
    }
}
