//! The run contracts, as tables and pure functions.
//!
//! Does: say what a run of contract `status` ([`status`]), `story` ([`story`]), `pipeline` ([`pipeline`]) or `custom`
//! ([`custom`]) may do, to which events an attempt leads, and into which files the run's events fold.
//! It also describes what their commands take ([`commands`]).
//! Does not: touch files, read the clock, know how events are stored.
//!
//! Invariants:
//! - Every decision and every projection is a function of its arguments alone.
//! - The reaction to an undefined or invalid request is decided when the command arrives. Replay applies no such rule: it
//!   folds what was committed, or says why it cannot.
#![forbid(unsafe_code)]

pub mod commands;
pub mod custom;
pub mod explain;
pub mod form;
pub mod lifecycle;
pub mod pipeline;
pub mod status;
pub mod story;

mod members;
mod payloads;
mod projected;
mod table;
mod words;

pub use evlog_rules::{fields, located};

use evlog_format::{Event, Kind};
use evlog_projection::{Fact, FoldError, RunFold};
use evlog_rules::Rule;
use evlog_rules::rules::{Breach, Enforced};
use serde_json::Value;

/// The payload of an event of a built-in contract as JSON. `None` for other events, and for a payload that is protected, that
/// has a later version, or that does not match the table of its kind.
pub fn payload_json(event: &Event<'_>) -> Option<Value> {
    let of_contracts = [status::payload_json, story::payload_json, pipeline::payload_json, lifecycle::payload_json];
    of_contracts.iter().find_map(|of_contract| of_contract(event))
}

/// The rules on order in the definition that a run was created with.
pub fn rules_of(run: &RunFold) -> &[Rule] {
    let of_lifecycle = run.state::<lifecycle::Lifecycle>().map(|state| state.definition().rules());
    of_lifecycle
        .or_else(|| run.state::<pipeline::Pipeline>().map(|state| state.definition().rules()))
        .unwrap_or_default()
}

/// The state of the enforced rules of a run's definition after its next event, unless the event breaks one of them.
fn enforce(enforced: &Enforced, rules: &[Rule], fact: &Fact<'_>) -> Result<Enforced, FoldError> {
    let readable = |event: &Event<'_>| payload_json(event).unwrap_or_default();
    enforced.after(rules, fact, readable).map_err(|Breach { rule, expected, found }| {
        FoldError::of_rule(fact, format!("rule `{rule}` of the run's contract: expected: {expected}; found: {found}"))
    })
}

/// Whether a kind belongs to the contract with this name: in the table of kinds, the contract's name is before the first
/// dot.
fn owns(contract: &str, kind: Kind<'_>) -> bool {
    let name = kind.name().filter(|_| matches!(kind, Kind::BuiltIn(_)));
    name.and_then(|name| name.split_once('.')).is_some_and(|(of, _)| of == contract)
}

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    use super::*;
    use evlog_format::kind::BUILT_IN;
    use evlog_projection::Contract;

    #[test]
    fn every_built_in_kind_that_is_not_the_logs_own_is_of_exactly_one_contract() {
        let (story, pipeline, lifecycle) = <(story::Story, pipeline::Pipeline, lifecycle::Lifecycle)>::default();
        let owners = |kind| {
            let owns = [status::Status.owns(kind), story.owns(kind), pipeline.owns(kind), lifecycle.owns(kind)];
            owns.into_iter().filter(|owns| *owns).count()
        };
        for (number, name) in BUILT_IN {
            let kind = Kind::BuiltIn(*number);
            assert_eq!(owners(kind), usize::from(!kind.is_of_log()), "{name}");
        }
        for kind in [Kind::BuiltIn(399), Kind::Custom("custom/noted"), Kind::Custom("status.created")] {
            assert_eq!(owners(kind), 0, "{kind}");
        }
    }
}
