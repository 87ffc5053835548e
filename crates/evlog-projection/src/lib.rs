//! Deterministic folds of events, and the files that are projected from them.
//!
//! Does:
//! - define what a contract is ([`contract`]);
//! - fold a run's events into the files of its bundle ([`bundle`]) or into their digests ([`digests`]);
//! - write, read and compare canonical JSON ([`mod@canonical`], [`strict`], [`difference`], [`patch`](mod@patch));
//! - decide which numbers are accepted ([`mod@number`]);
//! - read commands ([`request`], [`members`]), and describe what they take ([`described`]);
//! - keep the contracts that a log knows ([`contracts`]);
//! - find the known name that a mistyped one probably means ([`nearest`]).
//!
//! Does not: touch files, read the clock, or contain the rules of a contract.
//!
//! Invariants:
//! - A projection is a function of events alone: no clock, no randomness, no environment, no unordered map, no
//!   floating point.
//! - A committed event is folded or reported; it is never skipped, and never silently repaired.
#![forbid(unsafe_code)]

pub mod bundle;
pub mod canonical;
pub mod contract;
pub mod contracts;
pub mod described;
pub mod difference;
pub mod digests;
mod given;
pub mod members;
pub mod moment;
pub mod nearest;
pub mod number;
pub mod patch;
pub mod readable;
pub mod request;
pub mod strict;
pub mod time;

pub use bundle::{Bundle, File, Projection};
pub use canonical::canonical;
pub use contract::{
    Asked, Cause, Content, Contract, ContractError, Decision, Fact, FoldError, Malformed, NewEvent, Outcome, RunHead,
    Target,
};
pub use contracts::{Contracts, RunFold};
pub use given::Given;
pub use members::Members;
pub use request::{Request, RequestBuilder};
/// The crate that defines the values of commands, contracts and projections.
pub use serde_json;
pub use strict::{JsonError, parse};
