//! The engine: one door to a log for every caller.
//!
//! Does: hold contracts behind a guard ([`Log`]), read a log back as events, runs and bundles ([`View`]), keep the log's
//! own history in `$log` ([`history`]) and its [`policy`], judge a whole log ([`check`]), say what may be signed ([`checkpoint`]) and prove
//! what was ([`prove`]).
//! Does not: know any contract (callers hand them in), print, parse arguments, speak a network.
//!
//! Invariants:
//! - One order of things: guard, stamp, encode, write, acknowledge.
//! - The clock is asked once for each command, in [`clock`], and nowhere below.
//! - A command becomes one commit or none; a commit that its contract cannot fold is never offered to the store.
//! - Reading never writes.
#![forbid(unsafe_code)]

pub mod answer;
pub mod bundles;
pub mod check;
pub mod checkpoint;
pub mod clock;
pub mod covered;
mod deal;
pub mod error;
pub mod history;
mod in_force;
pub mod log;
mod moment;
mod net;
mod opening;
pub mod options;
pub mod own_notes;
pub mod policy;
pub mod prove;
pub mod publish;
pub mod repair;
pub mod replay;
pub mod request;
mod runs;
pub mod view;

pub use answer::{Answer, AnswerOutcome};
pub use error::LogError;
pub use log::{Log, Offered};
pub use moment::{APART_NS, Mark, Moment, Times};
pub use options::Options;
pub use request::Request;
pub use view::View;

#[cfg(test)]
mod tests;
