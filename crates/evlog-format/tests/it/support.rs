//! Values to encode: a fixed one with every part, and any.

use evlog_format::{Commit, CommitHead, Durability, Event, Idempotency, Kind, LogId, Seq, encode_commit};
use proptest::prelude::*;
use std::fmt::Write as _;

pub(crate) const LOG_ID: LogId = LogId(*b"0123456789abcdef");

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

pub(crate) fn head() -> CommitHead<'static> {
    CommitHead { first_seq: Seq(300), time_ns: -2, class: Durability::Os, actor: "an" }
}

pub(crate) fn plain() -> Event<'static> {
    Event {
        stream: "s",
        number: 7,
        kind: Kind::BuiltIn(100),
        kind_version: 1,
        causation: None,
        idempotency: None,
        payload: b"",
    }
}

pub(crate) fn full() -> Event<'static> {
    Event {
        stream: "run-ü",
        number: 300,
        kind: Kind::Custom("custom/a"),
        kind_version: 251,
        causation: Some(Seq(299)),
        idempotency: Some(Idempotency { key: "k", content: [0xee; 32] }),
        payload: b"{}",
    }
}

/// The body of a commit of these events.
pub(crate) fn body(head: &CommitHead<'_>, events: &[Event<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_commit(head, events, &mut out).unwrap();
    out
}

/// A commit that owns its parts, for `proptest`.
#[derive(Clone, Debug)]
pub(crate) struct AnyCommit {
    pub(crate) first_seq: u64,
    pub(crate) time_ns: i64,
    pub(crate) class: Durability,
    pub(crate) actor: String,
    pub(crate) events: Vec<AnyEvent>,
}

/// An event that owns its parts.
#[derive(Clone, Debug)]
pub(crate) struct AnyEvent {
    stream: String,
    number: u64,
    kind: Result<u16, String>,
    kind_version: u16,
    causation: Option<u64>,
    idempotency: Option<(String, [u8; 32])>,
    payload: Vec<u8>,
}

impl AnyCommit {
    pub(crate) fn head(&self) -> CommitHead<'_> {
        let AnyCommit { first_seq, time_ns, class, .. } = *self;
        CommitHead { first_seq: Seq(first_seq), time_ns, class, actor: &self.actor }
    }

    pub(crate) fn events(&self) -> Vec<Event<'_>> {
        (self.first_seq..).zip(&self.events).map(|(seq, event)| event.at(seq)).collect()
    }

    pub(crate) fn commit(&self) -> Commit<'_> {
        Commit { head: self.head(), events: self.events() }
    }
}

impl AnyEvent {
    /// The event, bent to what may stand at this seq.
    fn at(&self, seq: u64) -> Event<'_> {
        Event {
            stream: &self.stream,
            number: self.number.min(seq),
            kind: match &self.kind {
                Ok(number) => Kind::BuiltIn(*number),
                Err(name) => Kind::Custom(name),
            },
            kind_version: self.kind_version,
            causation: self.causation.filter(|_| seq > 0).map(|cause| Seq(cause.min(seq - 1))),
            idempotency: self.idempotency.as_ref().map(|(key, content)| Idempotency { key, content: *content }),
            payload: &self.payload,
        }
    }
}

/// Numbers near the edges of the integer encoding, and any.
fn number() -> impl Strategy<Value = u64> {
    let top = evlog_format::limits::POSITION_MAX - 100;
    prop_oneof![0..=260u64, 65_530..=65_540u64, 4_294_967_290..=4_294_967_300u64, 0..=top]
}

fn event() -> impl Strategy<Value = AnyEvent> {
    let kind = prop_oneof![any::<u16>().prop_map(Ok), "custom/[a-z_.]{1,20}".prop_map(Err)];
    let idempotency = prop::option::of(("[ -~äß€🚢]{1,30}", any::<[u8; 32]>()));
    let payload = prop::collection::vec(any::<u8>(), 0..300);
    let parts = ("[!-~äß€]{1,20}", number(), kind, any::<u16>(), prop::option::of(number()), idempotency, payload);
    parts.prop_map(|(stream, number, kind, kind_version, causation, idempotency, payload)| AnyEvent {
        stream,
        number,
        kind,
        kind_version,
        causation,
        idempotency,
        payload,
    })
}

/// Any commit that can be written.
pub(crate) fn any_commit() -> impl Strategy<Value = AnyCommit> {
    let class = prop_oneof![Just(Durability::Sync), Just(Durability::Os)];
    let events = prop::collection::vec(event(), 1..6);
    (number(), any::<i64>(), class, "[ -~ü]{0,40}", events)
        .prop_map(|(first_seq, time_ns, class, actor, events)| AnyCommit { first_seq, time_ns, class, actor, events })
}
