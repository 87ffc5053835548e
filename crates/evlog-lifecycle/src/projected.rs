//! What the projected files of several contracts share.
//!
//! Does: durations as both times are shown, and mirrors of `run.json`. Does not: know a contract's members.

use serde_json::{Map, Value};

/// Nanoseconds of a millisecond.
const MILLISECOND: i64 = 1_000_000;

/// Milliseconds from start to end as both are shown; 0 when the clock went backwards; null if the run never started or
/// has not ended.
pub(crate) fn duration_ms(started_ns: Option<i64>, ended_ns: Option<i64>) -> Value {
    match (started_ns, ended_ns) {
        (Some(start), Some(end)) => (end.div_euclid(MILLISECOND) - start.div_euclid(MILLISECOND)).max(0).into(),
        _ => Value::Null,
    }
}

/// These members of `run.json`, each with the same value: a health file is a mirror and says nothing of its own.
pub(crate) fn mirrored(run: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let members = names.iter().filter_map(|name| run.get_key_value(*name));
    members.map(|(name, value)| (name.clone(), value.clone())).collect()
}
