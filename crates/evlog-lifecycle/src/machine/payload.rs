//! Payloads of the contract's events, version 1 of each: the tables of `docs/lifecycle/machine.md`. The order of the fields
//! is the format.
//!
//! Does not: know what may follow what.
//!
//! Invariant: a payload is read whole and in its one encoding, or refused with a sentence.

use evlog_format::payload::{PayloadError, decode, encode};
use evlog_format::{Event, Kind, kind};
use serde::{Deserialize, Serialize};

/// The version of every payload here.
pub(super) const KIND_VERSION: u16 = 1;

/// `machine.created`: the definition that the run is judged by, pinned, and what it was created with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Created {
    /// The definition's name.
    pub machine: String,
    /// BLAKE3 of its canonical JSON text.
    pub definition: [u8; 32],
    /// That text.
    pub definition_text: String,
    /// Members that the initial status was entered with, canonical JSON text of an object.
    pub data: String,
}

/// `machine.transitioned`: a listed transition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Transitioned {
    /// The status before.
    pub from: String,
    /// The status after.
    pub to: String,
    /// Why.
    pub reason_code: Option<String>,
    /// Members that it was entered with, canonical JSON text of an object.
    pub data: String,
}

/// `machine.rejected`: a request for anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rejected {
    /// The status, before and after.
    pub from: String,
    /// The status that was asked for, cut at 120 bytes.
    pub requested: String,
}

/// `machine.forced`: the rejection before it forced the run to a status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Forced {
    /// The status before.
    pub from: String,
    /// The status after.
    pub to: String,
    /// The reason code that the lifecycle gives to it.
    pub reason_code: Option<String>,
    /// As in the rejection.
    pub requested: String,
}

/// `machine.refused`: input that is not taken; the run is untouched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused {
    /// The command's `do`.
    pub action: String,
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub message: String,
}

/// A payload with its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Created(Created),
    Transitioned(Transitioned),
    Rejected(Rejected),
    Forced(Forced),
    Refused(Refused),
}

impl Payload {
    /// The kind of the event that carries it.
    pub(super) fn kind(&self) -> Kind<'static> {
        match self {
            Payload::Created(_) => kind::MACHINE_CREATED,
            Payload::Transitioned(_) => kind::MACHINE_TRANSITIONED,
            Payload::Rejected(_) => kind::MACHINE_REJECTED,
            Payload::Forced(_) => kind::MACHINE_FORCED,
            Payload::Refused(_) => kind::MACHINE_REFUSED,
        }
    }

    /// Its bytes; an error when they pass the limit of a payload.
    pub(super) fn encode(&self) -> Result<Vec<u8>, PayloadError> {
        match self {
            Payload::Created(value) => encode(value),
            Payload::Transitioned(value) => encode(value),
            Payload::Rejected(value) => encode(value),
            Payload::Forced(value) => encode(value),
            Payload::Refused(value) => encode(value),
        }
    }

    /// Reads the payload of an event of one of the contract's kinds.
    pub(super) fn decode(event: &Event<'_>) -> Result<Payload, String> {
        if event.kind_version != KIND_VERSION {
            return Err(format!("expected version {KIND_VERSION} of `{}`, found {}", event.kind, event.kind_version));
        }
        let bytes = event.payload;
        let payload = match event.kind {
            kind::MACHINE_CREATED => decode(bytes).map(Payload::Created),
            kind::MACHINE_TRANSITIONED => decode(bytes).map(Payload::Transitioned),
            kind::MACHINE_REJECTED => decode(bytes).map(Payload::Rejected),
            kind::MACHINE_FORCED => decode(bytes).map(Payload::Forced),
            kind::MACHINE_REFUSED => decode(bytes).map(Payload::Refused),
            other => return Err(format!("expected an event of contract `machine`, found `{other}`")),
        };
        payload.map_err(|error| format!("`{}`: {error}", event.kind))
    }
}
