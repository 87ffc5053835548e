//! What the projected files of several contracts have in common.
//!
//! Does: compute durations from the times that are shown, mirror members of `run.json`, and write the members that every line
//! of `audit_events.jsonl` has. Does not: know a contract's own members.

use crate::members::object;
use evlog_projection::time::to_rfc3339;
use evlog_projection::{Fact, File, Projection, canonical};
use serde_json::{Map, Value, json};

/// A file of one JSON value.
pub(crate) fn file(path: impl Into<String>, projection: Projection, value: &Value) -> File {
    projection.file(path, canonical(value))
}

/// How many nanoseconds are a millisecond.
const MILLISECOND: i128 = 1_000_000;

/// Milliseconds from start to end, computed from both times as they are shown. 0 if the clock went backwards; null if the run
/// never started or has not ended.
pub(crate) fn duration_ms(started_ns: Option<i128>, ended_ns: Option<i128>) -> Value {
    match (started_ns, ended_ns) {
        (Some(start), Some(end)) => {
            // Times in a log are less than 2^48 milliseconds apart.
            let whole = end.div_euclid(MILLISECOND).saturating_sub(start.div_euclid(MILLISECOND)).max(0);
            i64::try_from(whole).unwrap_or(i64::MAX).into()
        }
        _ => Value::Null,
    }
}

/// These members of `run.json`, with the same values. A health file is a mirror and adds nothing of its own.
pub(crate) fn mirrored(run: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let members = names.iter().filter_map(|name| run.get_key_value(*name));
    members.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The line that an event adds to `audit_events.jsonl`. It says which event it is, when it happened and who asked for it. The
/// contract's own members are added. They must be an object, and they win if both name the same member.
pub(crate) fn audit_line(fact: &Fact<'_>, own: Value) -> Value {
    let mut line = object(json!({
        "sequence": fact.seq.0,
        "commit": fact.head.first_seq.0,
        "number": fact.event.number,
        "kind": fact.event.kind.to_string(),
        "caused_by": fact.event.causation.map(|seq| seq.0),
        "timestamp_utc": to_rfc3339(fact.head.time_ns()),
        "actor": fact.head.actor,
        "run_id": fact.event.stream,
    }));
    line.extend(object(own));
    Value::Object(line)
}
