//! Selects events, and checks their order.
//!
//! Does:
//! - decide whether an event is selected ([`select`]);
//! - fold runs while events are read ([`states`]);
//! - judge the order of events by built-in rules ([`order`]) and by rules that users write, in one pass ([`auditor`]).
//!
//! Does not: read a log, read the clock, print, or know how a rule judges (`evlog-rules` does).
//!
//! Invariant: the findings depend only on the events, in their order.
#![forbid(unsafe_code)]

pub mod auditor;
pub mod finding;
pub mod order;
pub mod select;
pub mod states;

pub use auditor::{Auditor, Options, Report};
pub use evlog_rules::{Condition, Field, Kinds, Pattern, Reading, Rule, Severity, field, located};
pub use finding::{Finding, Findings, Subject};
pub use order::OrderRule;
pub use select::{Missing, Selection, Unknown, UnknownStatuses};
pub use states::{After, States};

use evlog_rules::rules;

/// The longest file of rules, in bytes.
pub use rules::FILE_LEN_MAX;

/// Reads a file of rules. No rule may have the name of a built-in rule.
pub fn read(text: &str) -> Result<Vec<Rule>, Vec<located::Finding>> {
    let built_in: Vec<&str> = order::BUILT_IN.iter().map(|rule| rule.name).collect();
    rules::read(text, &built_in)
}

#[cfg(test)]
mod toy;
