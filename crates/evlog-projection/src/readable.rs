//! Payloads as JSON: the fields of a table, as people and scripts read them.
//!
//! Does: write a digest in hexadecimal, a time with nine fractional digits, and JSON text in a payload as JSON instead of as
//! a string. The functions are for `#[serde(serialize_with = "…")]`. In the binary form, the same functions write the
//! fields as they are, so one declaration of a table serves both forms. Does not: know any table.
//!
//! Invariant: the names of the fields, and these forms, are a stable interface (`docs/json.md`).

use crate::time::to_rfc3339;
use evlog_format::ids::hex;
use evlog_format::{Event, PLAIN, payload};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// The only version of any table so far.
const TABLE_VERSION: u16 = 1;

/// Returns the payload of an event as JSON, as `--json` shows it. A payload that cannot be read becomes an object with `hex`.
pub type PayloadJson = fn(&Event<'_>) -> Value;

/// The payload of an event as JSON, by its table. `None` if it is protected, has a later version, or does not match this
/// table.
pub fn payload_json<T: Serialize + DeserializeOwned>(event: &Event<'_>) -> Option<Value> {
    if event.protection != PLAIN || event.kind_version != TABLE_VERSION {
        return None;
    }
    serde_json::to_value(payload::decode::<T>(event.payload).ok()?).ok()
}

/// A digest in hexadecimal.
pub fn digest<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() { hex(digest).serialize(serializer) } else { digest.serialize(serializer) }
}

/// JSON text, written as JSON. Text that is not JSON becomes a string.
pub fn text<T: AsRef<str>, S: Serializer>(text: &T, serializer: S) -> Result<S::Ok, S::Error> {
    match serializer.is_human_readable().then(|| json(text.as_ref())).flatten() {
        Some(value) => value.serialize(serializer),
        None => text.as_ref().serialize(serializer),
    }
}

/// Like [`text()`], for a string that may be absent.
pub fn optional_text<T: AsRef<str>, S: Serializer>(text: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = text.as_ref().map(AsRef::as_ref);
    if serializer.is_human_readable() {
        text.map(|text| json(text).unwrap_or_else(|| text.into())).serialize(serializer)
    } else {
        text.serialize(serializer)
    }
}

fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// Unix nanoseconds as a time, because the number can be greater than 2^53.
pub fn time<N: Serialize + Into<i128> + Copy, S: Serializer>(time_ns: &N, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        nanoseconds_shown((*time_ns).into()).serialize(serializer)
    } else {
        time_ns.serialize(serializer)
    }
}

/// Like [`time()`], for a time that may be absent.
pub fn optional_time<N: Serialize + Into<i128> + Copy, S: Serializer>(
    time_ns: &Option<N>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        time_ns.map(|time_ns| nanoseconds_shown(time_ns.into())).serialize(serializer)
    } else {
        time_ns.serialize(serializer)
    }
}

/// An RFC 3339 time with nine fractional digits.
pub fn nanoseconds_shown(time_ns: i128) -> String {
    let rest = time_ns.rem_euclid(1_000_000);
    format!("{}{rest:06}Z", to_rfc3339(time_ns).trim_end_matches('Z'))
}
