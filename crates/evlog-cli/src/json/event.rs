//! An event, as `cat` and `tail` show it.

use super::{payload, time};
use evlog_format::json::check_canonical;
use evlog_format::{Event, Kind};
use evlog_projection::Fact;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// One event. All members are always there; what the event does not have is `null`.
#[derive(Serialize)]
pub(crate) struct EventLine<'a> {
    seq: u64,
    commit: u64,
    time: String,
    stream: &'a str,
    number: u64,
    kind: String,
    kind_version: u16,
    actor: &'a str,
    causation: Option<u64>,
    id: Option<&'a str>,
    pub(crate) payload: Payload,
}

/// A payload: what it says, and its own text where it is JSON.
pub(crate) struct Payload {
    pub(crate) value: Value,
    text: Option<Box<RawValue>>,
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.text {
            Some(text) => text.serialize(serializer),
            None => self.value.serialize(serializer),
        }
    }
}

impl Payload {
    fn of(event: &Event<'_>) -> Payload {
        // In the form of RFC 8785 it is one line, and its numbers are the recorded ones, digit by digit.
        let text = match event.kind {
            Kind::Custom(_) if check_canonical(event.payload).is_ok() => {
                String::from_utf8(event.payload.to_vec()).ok().and_then(|text| RawValue::from_string(text).ok())
            }
            _ => None,
        };
        Payload { value: payload::value_of(event), text }
    }
}

impl<'a> EventLine<'a> {
    pub(crate) fn new(fact: &Fact<'a>) -> EventLine<'a> {
        let event = fact.event;
        EventLine {
            seq: fact.seq.0,
            commit: fact.commit.0,
            time: time(fact.time_ns),
            stream: event.stream,
            number: event.number,
            kind: event.kind.to_string(),
            kind_version: event.kind_version,
            actor: fact.actor,
            causation: event.causation.map(|seq| seq.0),
            id: event.idempotency.map(|given| given.key),
            payload: Payload::of(&event),
        }
    }
}
