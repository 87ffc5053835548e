//! Events made by hand, for tests: custom kinds, with a payload of JSON.

use crate::Reading;
use evlog_format::{CommitHead, Durability, Event, Kind, PLAIN, Seq};
use evlog_projection::Fact;
use serde_json::Value;

/// An event, as a test writes it.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// Its stream.
    pub stream: &'static str,
    /// Its number there.
    pub number: u64,
    /// The kind of the event.
    pub kind: Kind<'static>,
    /// The actor.
    pub actor: &'static str,
    /// When it was recorded, Unix nanoseconds.
    pub recorded_ns: i64,
    /// The cause.
    pub causation: Option<Seq>,
    /// JSON.
    pub payload: &'static str,
}

/// An event of this kind of users, of the run `RUN_1`.
pub fn made(kind: &'static str) -> Made {
    of_kind(Kind::Custom(kind))
}

/// Like [`made`], with an event of any kind.
pub fn of_kind(kind: Kind<'static>) -> Made {
    Made { stream: "RUN_1", number: 0, kind, actor: "ann", recorded_ns: 0, causation: None, payload: "{}" }
}

/// The payload, which tests write as JSON for every kind.
pub fn json(event: &Event<'_>) -> Value {
    serde_json::from_slice(event.payload).unwrap_or_else(|error| unreachable!("tests write JSON: {error}"))
}

/// Calls a function with the event, as the one of this seq.
pub fn with_fact<T>(made: &Made, seq: u64, with: impl FnOnce(&Fact<'_>) -> T) -> T {
    let head = CommitHead::new(Seq(seq), made.recorded_ns, Durability::Sync, made.actor);
    let Made { stream, number, kind, causation, payload, .. } = *made;
    let (kind_version, protection, payload) = (1, PLAIN, payload.as_bytes());
    with(&Fact {
        seq: Seq(seq),
        head,
        event: Event { stream, number, kind, kind_version, causation, protection, payload },
    })
}

/// Calls `with` with the event, as conditions read it.
pub fn read<T>(made: &Made, seq: u64, with: impl FnOnce(&Reading<'_>) -> T) -> T {
    with_fact(made, seq, |fact| with(&Reading::new(fact, json)))
}
