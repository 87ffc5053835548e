//! Rules on the order of events, as data: the templates of DECLARE over kinds of events, with conditions on fields.
//!
//! Does:
//! - read rules, and everything else that people write in TOML, with the place of each mistake ([`located`], [`fields`]);
//! - decide whether a kind ([`kinds`]), a field ([`field`]) or a condition ([`condition`]) matches an event;
//! - judge the events of a case as they come ([`rules`]).
//!
//! Does not: know a contract or the state of a run, read a log, read the clock, print.
//!
//! Invariant: what a rule finds depends only on the events of a case, in their order.
#![forbid(unsafe_code)]

pub mod condition;
pub mod field;
pub mod fields;
pub mod kinds;
pub mod located;
#[cfg(any(test, feature = "made"))]
pub mod made;
pub mod reading;
pub mod rules;
pub mod severity;

pub use condition::Condition;
pub use field::Field;
pub use kinds::{Kinds, Pattern};
pub use reading::Reading;
pub use rules::{Case, Per, Rule, Step, Violation};
pub use severity::Severity;
