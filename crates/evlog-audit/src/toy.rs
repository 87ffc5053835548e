//! A contract for tests.

use evlog_format::Kind;
use evlog_projection::{Asked, Contract, ContractError, Decision, Fact, File, FoldError, Malformed, Outcome, RunHead};
use serde_json::{Map, Value};

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
