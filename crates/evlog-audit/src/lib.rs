//! Selects events, and checks their order.
//!
//! Does: decide whether an event is meant ([`select`], [`condition`], [`field`]), fold runs while events come by ([`states`]), judge
//! the order of events by built-in rules ([`order`]) and by rules that users write ([`rules`]), in one pass ([`auditor`]).
//! Does not: read a log, ask the time, print.
//!
//! Invariant: what is found depends on the events alone, in their order.
#![forbid(unsafe_code)]

pub mod auditor;
pub mod condition;
pub mod field;
pub mod finding;
pub mod order;
pub mod reading;
pub mod rules;
pub mod select;
pub mod states;

pub use auditor::{Auditor, Options, Report};
pub use condition::Condition;
pub use field::Field;
pub use finding::{Finding, Findings, Severity, Subject};
pub use order::OrderRule;
pub use reading::Reading;
pub use rules::Rule;
pub use select::{Kinds, Missing, Pattern, Selection, Unknown};
pub use states::{After, States};

#[cfg(test)]
mod testing;
