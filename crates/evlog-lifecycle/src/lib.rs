//! The run contracts, as tables and pure functions.
//!
//! Does: say what a run of contract `status` ([`status`]), `story` ([`story`]), `pipeline` ([`pipeline`]) or `custom`
//! ([`custom`]) may do,
//! which events an attempt leads to, and which files its events fold into.
//! Does not: touch files, ask the time, know how events are stored.
//!
//! Invariants:
//! - Every decision and every projection is a function of its arguments alone.
//! - What follows an undefined or invalid request is decided when the command comes in. Replay applies no such rule: it
//!   folds what was committed, or says why it cannot.
#![forbid(unsafe_code)]

pub mod custom;
pub mod explain;
pub mod form;
pub mod lifecycle;
pub mod pipeline;
pub mod status;
pub mod story;

pub mod fields;
pub mod located;
mod members;
mod payloads;
mod projected;
mod table;
mod words;

use evlog_format::Event;
use serde_json::Value;

/// The payload of an event of a built-in contract as JSON; `None` for other events, and for a payload that is protected, of a
/// later version, or not of its kind's table.
pub fn payload_json(event: &Event<'_>) -> Option<Value> {
    let of_contracts = [status::payload_json, story::payload_json, pipeline::payload_json, lifecycle::payload_json];
    of_contracts.iter().find_map(|of_contract| of_contract(event))
}

#[cfg(test)]
mod testing;
