//! Values to encode: a fixed one with every part, and any.

use evlog_format::limits::TIME_MAX_NS;
use evlog_format::{Commit, CommitHead, Durability, Event, Idempotency, Kind, LogId, PLAIN, Seq, encode_commit};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;

pub(crate) const LOG_ID: LogId = LogId(*b"0123456789abcdef");

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

pub(crate) fn head() -> CommitHead<'static> {
    CommitHead::new(Seq(300), -2, Durability::Os, "an")
}

/// The same with every part.
pub(crate) fn full_head() -> CommitHead<'static> {
    CommitHead {
        occurred_ns: Some(300),
        principal: Some("os:a"),
        correlation: Some("t-ü"),
        idempotency: Some(Idempotency { key: "k", content: [0xee; 32] }),
        ..head()
    }
}

pub(crate) fn plain() -> Event<'static> {
    Event {
        stream: "s",
        number: 7,
        kind: Kind::BuiltIn(100),
        kind_version: 1,
        causation: None,
        protection: PLAIN,
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
        protection: 9,
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
    pub(crate) recorded_ns: i64,
    pub(crate) occurred_ns: Option<i128>,
    pub(crate) class: Durability,
    pub(crate) actor: String,
    pub(crate) principal: Option<String>,
    pub(crate) correlation: Option<String>,
    pub(crate) idempotency: Option<(String, [u8; 32])>,
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
    protection: u8,
    payload: Vec<u8>,
}

impl AnyCommit {
    pub(crate) fn head(&self) -> CommitHead<'_> {
        let AnyCommit { first_seq, recorded_ns, occurred_ns, class, .. } = *self;
        CommitHead {
            occurred_ns,
            principal: self.principal.as_deref(),
            correlation: self.correlation.as_deref(),
            idempotency: self.idempotency.as_ref().map(|(key, content)| Idempotency { key, content: *content }),
            ..CommitHead::new(Seq(first_seq), recorded_ns, class, &self.actor)
        }
    }

    pub(crate) fn events(&self) -> Vec<Event<'_>> {
        // Dense in each stream, from the number that its first event has.
        let mut nexts: BTreeMap<&str, u64> = BTreeMap::new();
        let place = |(seq, event): (u64, &'_ AnyEvent)| (seq, event.number.min(self.first_seq));
        let firsts = (self.first_seq..).zip(&self.events).map(place);
        let mut events = Vec::new();
        for ((seq, first), event) in firsts.zip(&self.events) {
            let next = nexts.entry(&event.stream).or_insert(first);
            events.push(event.at(seq, *next));
            *next += 1;
        }
        events
    }

    pub(crate) fn commit(&self) -> Commit<'_> {
        Commit { head: self.head(), events: self.events() }
    }
}

impl AnyEvent {
    /// The event, changed so that it is valid at this seq.
    fn at(&self, seq: u64, number: u64) -> Event<'_> {
        Event {
            stream: &self.stream,
            number,
            kind: match &self.kind {
                Ok(number) => Kind::BuiltIn(*number),
                Err(name) => Kind::Custom(name),
            },
            kind_version: self.kind_version,
            causation: self.causation.filter(|_| seq > 0).map(|cause| Seq(cause.min(seq - 1))),
            protection: self.protection,
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
    let payload = prop::collection::vec(any::<u8>(), 0..300);
    let parts = ("[a-c]|[!-~äß€]{1,20}", number(), kind, any::<u16>(), prop::option::of(number()), 0..3u8, payload);
    parts.prop_map(|(stream, number, kind, kind_version, causation, protection, payload)| AnyEvent {
        stream,
        number,
        kind,
        kind_version,
        causation,
        protection,
        payload,
    })
}

/// Any commit that can be written.
pub(crate) fn any_commit() -> impl Strategy<Value = AnyCommit> {
    let class = prop_oneof![Just(Durability::Sync), Just(Durability::Os)];
    let events = prop::collection::vec(event(), 1..6);
    let text = || prop::option::of("[ -~äß€🚢]{1,30}");
    let idempotency = prop::option::of(("[ -~äß€🚢]{1,30}", any::<[u8; 32]>()));
    let beyond_64_bits = i128::from(i64::MAX) - 9..=i128::from(i64::MAX) + 9;
    let occurred = prop_oneof![0..=i128::from(i64::MAX), beyond_64_bits, 0..=TIME_MAX_NS];
    let times = (any::<i64>(), prop::option::of(occurred));
    (number(), times, class, "[ -~ü]{0,40}", text(), text(), idempotency, events).prop_map(
        |(first_seq, (recorded_ns, occurred_ns), class, actor, principal, correlation, idempotency, events)| {
            AnyCommit { first_seq, recorded_ns, occurred_ns, class, actor, principal, correlation, idempotency, events }
        },
    )
}
