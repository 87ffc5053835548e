//! An event, as `cat` and `tail` show it.

use super::{payload, time};
use evlog::Times;
use evlog_format::json::check_canonical;
use evlog_format::{CommitHead, Event, Kind, PLAIN};
use evlog_projection::Fact;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// One event. All members are always there; what the event does not have is `null`.
#[derive(Serialize)]
pub(crate) struct EventLine<'a> {
    seq: u64,
    commit: u64,
    stream: &'a str,
    number: u64,
    kind: String,
    kind_version: u16,
    causation: Option<u64>,
    #[serde(flatten)]
    head: HeadMembers<'a>,
    protection: u8,
    pub(crate) payload: Payload,
}

/// The times of a commit, and the mark if they differ too much. All `null` if there is no commit.
#[derive(Default, Serialize)]
pub(crate) struct TimesMembers {
    recorded: Option<String>,
    occurred: Option<String>,
    mark: Option<&'static str>,
}

impl TimesMembers {
    pub(crate) fn new(times: Times, apart_ns: u128) -> TimesMembers {
        TimesMembers {
            recorded: Some(time(times.recorded_ns)),
            occurred: times.occurred_ns.map(time),
            mark: times.mark(apart_ns).map(|mark| mark.word),
        }
    }
}

/// What the events of a commit share. All `null` if there is no commit.
#[derive(Default, Serialize)]
pub(crate) struct HeadMembers<'a> {
    #[serde(flatten)]
    times: TimesMembers,
    actor: Option<&'a str>,
    principal: Option<&'a str>,
    correlation: Option<&'a str>,
    id: Option<&'a str>,
}

impl<'a> HeadMembers<'a> {
    pub(crate) fn new(head: &CommitHead<'a>, apart_ns: u128) -> HeadMembers<'a> {
        HeadMembers {
            times: TimesMembers::new(Times::of(head), apart_ns),
            actor: Some(head.actor),
            principal: head.principal,
            correlation: head.correlation,
            id: head.idempotency.map(|given| given.key),
        }
    }
}

/// A payload: its decoded members, or its own text if it is JSON.
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
            Kind::Custom(_) if event.protection == PLAIN && check_canonical(event.payload).is_ok() => {
                String::from_utf8(event.payload.to_vec()).ok().and_then(|text| RawValue::from_string(text).ok())
            }
            _ => None,
        };
        Payload { value: payload::value_of(event), text }
    }
}

impl<'a> EventLine<'a> {
    pub(crate) fn new(fact: &Fact<'a>, apart_ns: u128) -> EventLine<'a> {
        let event = fact.event;
        EventLine {
            seq: fact.seq.0,
            commit: fact.head.first_seq.0,
            stream: event.stream,
            number: event.number,
            kind: event.kind.to_string(),
            kind_version: event.kind_version,
            causation: event.causation.map(|seq| seq.0),
            head: HeadMembers::new(&fact.head, apart_ns),
            protection: event.protection,
            payload: Payload::of(&event),
        }
    }
}
