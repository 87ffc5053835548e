//! Payloads of the contract's events, version 1 of each: the tables of `docs/lifecycle/machine.md`. The order of the fields
//! is the format.
//!
//! Does not: know which event may follow which.
//!
//! Invariant: a payload is read completely and in its only encoding, or refused with a sentence.

use crate::payloads::payloads;
use evlog_projection::readable;
use serde::{Deserialize, Serialize};

/// The version of every payload here.
pub(super) const KIND_VERSION: u16 = 1;

/// `machine.created`: the definition that the run is judged by, pinned, and what it was created with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Created {
    /// The definition's name.
    pub machine: String,
    /// BLAKE3 of its canonical JSON text.
    #[serde(serialize_with = "readable::digest")]
    pub definition: [u8; 32],
    /// That text.
    #[serde(serialize_with = "readable::text")]
    pub definition_text: String,
    /// Members that the initial status was entered with, canonical JSON text of an object.
    #[serde(serialize_with = "readable::text")]
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
    #[serde(serialize_with = "readable::text")]
    pub data: String,
}

/// `machine.rejected`: a request for a transition that is not listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rejected {
    /// The status, before and after.
    pub from: String,
    /// The status that was asked for, cut at 120 bytes.
    pub requested: String,
}

/// `machine.forced`: the run was forced to a status by the rejection that is the event before this one.
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

payloads! {
    "machine":
    Created(Created) = MACHINE_CREATED;
    Transitioned(Transitioned) = MACHINE_TRANSITIONED;
    Rejected(Rejected) = MACHINE_REJECTED;
    Forced(Forced) = MACHINE_FORCED;
    Refused(Refused) = MACHINE_REFUSED;
}
