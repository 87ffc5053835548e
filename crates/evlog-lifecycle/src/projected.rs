//! What the projected files of several contracts share.
//!
//! Does: durations as both times are shown, mirrors of `run.json`, what every line of `audit_events.jsonl` says. Does not:
//! know a contract's members.

use crate::members::object;
use evlog_projection::time::to_rfc3339;
use evlog_projection::{Fact, File, Projection, canonical};
use serde_json::{Map, Value, json};

/// A file of one JSON value.
pub(crate) fn file(path: impl Into<String>, projection: Projection, value: &Value) -> File {
    projection.file(path, canonical(value))
}

/// Nanoseconds of a millisecond.
const MILLISECOND: i128 = 1_000_000;

/// Milliseconds from start to end as both are shown; 0 when the clock went backwards; null if the run never started or
/// has not ended.
pub(crate) fn duration_ms(started_ns: Option<i128>, ended_ns: Option<i128>) -> Value {
    match (started_ns, ended_ns) {
        (Some(start), Some(end)) => {
            // Times of a log are less than 2^48 milliseconds apart.
            let whole = end.div_euclid(MILLISECOND).saturating_sub(start.div_euclid(MILLISECOND)).max(0);
            i64::try_from(whole).unwrap_or(i64::MAX).into()
        }
        _ => Value::Null,
    }
}

/// These members of `run.json`, each with the same value: a health file is a mirror and says nothing of its own.
pub(crate) fn mirrored(run: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let members = names.iter().filter_map(|name| run.get_key_value(*name));
    members.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The line that an event adds to `audit_events.jsonl`: which one it is, when it happened and who asked for it, and the
/// contract's own members, which must be an object and win where both name one.
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
