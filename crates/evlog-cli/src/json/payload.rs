//! The payload of an event as JSON, in the forms and with the names that its own table declares.
//!
//! Invariant: bytes that cannot be decoded are shown in hexadecimal. Only `verify` reports them as findings.

use super::hex;
use evlog::history;
use evlog_format::{Event, Kind, PLAIN};
use evlog_projection::parse;
use serde_json::{Value, json};

/// The only version of any built-in table so far.
const TABLE_VERSION: u16 = 1;

/// An event's payload.
pub(super) fn value_of(event: &Event<'_>) -> Value {
    let read = match event.kind {
        _ if event.protection != PLAIN => None,
        Kind::Custom(_) => parse(event.payload).ok(),
        Kind::BuiltIn(_) if event.kind_version != TABLE_VERSION => None,
        Kind::BuiltIn(_) => history::payload_json(event).or_else(|| evlog_lifecycle::payload_json(event)),
    };
    read.unwrap_or_else(|| json!({ "hex": hex(event.payload) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evlog_format::kind::BUILT_IN;

    /// Whether a payload of the kind is read by a table. Nothing but zeros is a payload of each, in one length: empty texts and
    /// lists, first words.
    fn has_table(number: u16) -> bool {
        let zeros = [0; 512];
        (0..zeros.len()).any(|len| {
            let (kind, payload) = (Kind::BuiltIn(number), &zeros[..len]);
            let event =
                Event { stream: "s", number: 0, kind, kind_version: 1, causation: None, protection: PLAIN, payload };
            value_of(&event).get("hex").is_none()
        })
    }

    #[test]
    fn every_built_in_kind_has_a_table_and_one_of_a_later_version_has_none() {
        let without: Vec<&str> =
            BUILT_IN.iter().filter(|(number, _)| !has_table(*number)).map(|(_, name)| *name).collect();
        assert_eq!(without, [""; 0]);
        assert!(!has_table(9999));
    }
}
