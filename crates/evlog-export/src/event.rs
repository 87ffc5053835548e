//! An event in the form in which `evlog cat --json` shows it. Every format reads this form.
//!
//! Invariant: within a version of `--json` no member is renamed, removed, or given another type. New members may be added.

use crate::json;
use evlog_format::json::check_canonical;
use evlog_format::{CommitHead, Event, Kind, PLAIN};
use evlog_projection::moment::Times;
use evlog_projection::readable::{PayloadJson, nanoseconds_shown};
use evlog_projection::{Fact, parse};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One event. All members are always there. A member without a value is `null`.
#[derive(Serialize)]
pub struct EventLine<'a> {
    /// Its number in the log.
    pub seq: u64,
    /// Seq of the first event of its commit.
    pub commit: u64,
    /// The run, or `$log`.
    pub stream: &'a str,
    /// Its number in the stream.
    pub number: u64,
    /// The kind of the event.
    pub kind: Cow<'a, str>,
    /// Version of the payload's table.
    pub kind_version: u16,
    /// Seq of the event that caused it.
    pub causation: Option<u64>,
    /// The times of its commit, as numbers.
    #[serde(skip)]
    pub times: Times,
    /// The members that it shares with the other events of its commit.
    #[serde(flatten)]
    pub head: HeadMembers<'a>,
    /// How the payload is kept.
    pub protection: u8,
    /// The details.
    pub payload: Payload<'a>,
}

/// The times of a commit, and the mark if they differ too much. All `null` if there is no commit.
#[derive(Default, Serialize)]
pub struct TimesMembers {
    /// When it was recorded, RFC 3339.
    pub recorded: Option<String>,
    /// When it occurred, as the caller says.
    pub occurred: Option<String>,
    /// `backdated` or `ahead`.
    pub mark: Option<&'static str>,
}

impl TimesMembers {
    /// The members for these times. They get a mark if they are further apart than `apart_ns`.
    pub fn new(times: Times, apart_ns: u128) -> TimesMembers {
        TimesMembers {
            recorded: Some(nanoseconds_shown(times.recorded_ns.into())),
            occurred: times.occurred_ns.map(nanoseconds_shown),
            mark: times.mark(apart_ns).map(|mark| mark.word),
        }
    }

    /// When it happened according to the caller, or else when it was recorded.
    pub(crate) fn happened(&self) -> Option<&str> {
        self.occurred.as_deref().or(self.recorded.as_deref())
    }
}

/// The members that the events of a commit share. All are `null` if there is no commit.
#[derive(Default, Serialize)]
pub struct HeadMembers<'a> {
    /// Its times.
    #[serde(flatten)]
    pub times: TimesMembers,
    /// The actor, as the caller states.
    pub actor: Option<&'a str>,
    /// The authenticated principal.
    pub principal: Option<&'a str>,
    /// What ties it to commits of other runs.
    pub correlation: Option<&'a str>,
    /// The idempotency key of the command.
    pub id: Option<&'a str>,
}

impl<'a> HeadMembers<'a> {
    /// The members for the head of a commit.
    pub fn new(head: &CommitHead<'a>, apart_ns: u128) -> HeadMembers<'a> {
        HeadMembers {
            times: TimesMembers::new(Times::of(head), apart_ns),
            actor: Some(head.actor),
            principal: head.principal,
            correlation: head.correlation,
            id: head.idempotency.map(|given| given.key),
        }
    }
}

/// A payload: its own text if it is JSON, or its decoded members.
pub enum Payload<'a> {
    /// The text as it was recorded, with every digit of its numbers. A text in the form of RFC 8785 is one line.
    Text(&'a RawValue),
    /// What was decoded.
    Members(Value),
}

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Payload::Text(text) => text.serialize(serializer),
            Payload::Members(members) => members.serialize(serializer),
        }
    }
}

impl<'a> Payload<'a> {
    fn of(event: &Event<'a>, payload_json: PayloadJson) -> Payload<'a> {
        let text = match event.kind {
            Kind::Custom(_) if event.protection == PLAIN && check_canonical(event.payload).is_ok() => {
                serde_json::from_slice(event.payload).ok()
            }
            _ => None,
        };
        text.map_or_else(|| Payload::Members(payload_json(event)), Payload::Text)
    }

    /// The payload as a value.
    pub fn value(&self) -> Value {
        match self {
            Payload::Text(text) => parse(text.get().as_bytes()).unwrap_or_default(),
            Payload::Members(members) => members.clone(),
        }
    }

    /// The payload as one line of JSON.
    pub fn text(&self) -> String {
        json::text(self)
    }
}

/// The value of a member, for formats without types of their own.
pub(crate) enum Cell<'e> {
    Text(&'e str),
    Time(&'e str),
    Number(u64),
}

impl<'a> EventLine<'a> {
    /// The event, with a mark if its times are further apart than `apart_ns`.
    pub fn new(fact: &Fact<'a>, apart_ns: u128, payload_json: PayloadJson) -> EventLine<'a> {
        let event = fact.event;
        EventLine {
            seq: fact.seq.0,
            commit: fact.head.first_seq.0,
            stream: event.stream,
            number: event.number,
            kind: match event.kind {
                Kind::Custom(name) => name.into(),
                built_in @ Kind::BuiltIn(_) => built_in.to_string().into(),
            },
            kind_version: event.kind_version,
            causation: event.causation.map(|seq| seq.0),
            times: Times::of(&fact.head),
            head: HeadMembers::new(&fact.head, apart_ns),
            protection: event.protection,
            payload: Payload::of(&event, payload_json),
        }
    }

    /// All members except the payload, in the order of columns; `None` if the event does not have the member.
    pub(crate) fn members(&self) -> [(&'static str, Option<Cell<'_>>); 15] {
        let (head, times) = (&self.head, &self.head.times);
        let number = |number: u64| Some(Cell::Number(number));
        [
            ("seq", number(self.seq)),
            ("commit", number(self.commit)),
            ("recorded", times.recorded.as_deref().map(Cell::Time)),
            ("occurred", times.occurred.as_deref().map(Cell::Time)),
            ("mark", times.mark.map(Cell::Text)),
            ("stream", Some(Cell::Text(self.stream))),
            ("number", number(self.number)),
            ("kind", Some(Cell::Text(&self.kind))),
            ("kind_version", number(self.kind_version.into())),
            ("actor", head.actor.map(Cell::Text)),
            ("principal", head.principal.map(Cell::Text)),
            ("correlation", head.correlation.map(Cell::Text)),
            ("causation", self.causation.map(Cell::Number)),
            ("id", head.id.map(Cell::Text)),
            ("protection", number(self.protection.into())),
        ]
    }
}
