//! An event, as `cat` and `tail` show it.

use super::{payload, time};
use evlog_projection::Fact;
use serde::Serialize;
use serde_json::Value;

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
    pub(crate) payload: Value,
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
            payload: payload::value_of(&event),
        }
    }
}
