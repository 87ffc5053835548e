//! Events for tests: custom kinds, with a payload of JSON.

use crate::reading::Reading;
use evlog_format::{CommitHead, Durability, Event, Kind, PLAIN, Seq};
use evlog_projection::{Asked, Contract, ContractError, Decision, Fact, File, FoldError, Malformed, Outcome, RunHead};
use serde_json::{Map, Value};

/// An event, as a test writes it.
pub(crate) struct Made {
    pub(crate) stream: &'static str,
    pub(crate) number: u64,
    pub(crate) kind: Kind<'static>,
    pub(crate) actor: &'static str,
    pub(crate) recorded_ns: i64,
    pub(crate) causation: Option<Seq>,
    pub(crate) payload: &'static str,
}

/// An event of this kind of users, of the run `RUN_1`.
pub(crate) fn made(kind: &'static str) -> Made {
    of_kind(Kind::Custom(kind))
}

/// The same of any kind.
pub(crate) fn of_kind(kind: Kind<'static>) -> Made {
    Made { stream: "RUN_1", number: 0, kind, actor: "ann", recorded_ns: 0, causation: None, payload: "{}" }
}

/// The payload, which tests write as JSON for every kind.
pub(crate) fn json(event: &Event<'_>) -> Value {
    serde_json::from_slice(event.payload).expect("JSON")
}

/// Calls a function with the event, as the one of this seq.
pub(crate) fn with_fact<T>(made: &Made, seq: u64, with: impl FnOnce(&Fact<'_>) -> T) -> T {
    let head = CommitHead::new(Seq(seq), made.recorded_ns, Durability::Sync, made.actor);
    let Made { stream, number, kind, causation, payload, .. } = *made;
    let (kind_version, protection, payload) = (1, PLAIN, payload.as_bytes());
    with(&Fact {
        seq: Seq(seq),
        head,
        event: Event { stream, number, kind, kind_version, causation, protection, payload },
    })
}

/// The same, as conditions read it.
pub(crate) fn read<T>(made: &Made, seq: u64, with: impl FnOnce(&Reading<'_>) -> T) -> T {
    with_fact(made, seq, |fact| with(&Reading::new(fact, json)))
}

/// A contract whose runs end with `custom/ended`, begin again with `custom/again`, and allow every event at any time.
pub(crate) struct Toy;

impl Contract for Toy {
    type State = bool;
    type Command = ();

    fn name(&self) -> &'static str {
        "toy"
    }

    fn begins_with(&self, kind: Kind<'_>) -> bool {
        matches!(kind, Kind::Custom(_))
    }

    fn parse(&self, _: &str, _: Map<String, Value>) -> Result<(), Malformed> {
        Ok(())
    }

    fn decide(&self, _: &Asked<'_, bool>, (): &()) -> Decision {
        Decision::accepted(Vec::new())
    }

    fn start(&self, fact: &Fact<'_>) -> Result<bool, FoldError> {
        Ok(fact.event.kind == Kind::Custom("custom/ended"))
    }

    fn evolve(&self, state: &mut bool, fact: &Fact<'_>) -> Result<(), FoldError> {
        match fact.event.kind {
            Kind::Custom("custom/ended") => *state = true,
            Kind::Custom("custom/again") => *state = false,
            _ => {}
        }
        Ok(())
    }

    fn answer(&self, _: &Fact<'_>) -> Option<(Outcome, ContractError)> {
        None
    }

    fn status<'a>(&self, state: &'a bool) -> &'a str {
        if *state { "ended" } else { "open" }
    }

    fn is_terminal(&self, state: &bool) -> bool {
        *state
    }

    fn audit_line(&self, _: Option<&bool>, _: &Fact<'_>, _: &bool) -> Result<Value, FoldError> {
        Ok(Value::Null)
    }

    fn project(&self, _: &bool, _: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
        Ok(Vec::new())
    }
}
