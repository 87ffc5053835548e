//! Runs of a lifecycle that a user defines in a contract file. Rules are numbered M-nn in `docs/lifecycle/machine.md`.
//! Bytes, kinds and JSON call this contract `machine`; commands may also call it `lifecycle`.
//!
//! Does: hold a definition; read one, and list everything that is wrong with it; decide commands by it, fold events, and
//! project `run.json`, `manifest.json` and `logs/health.json`.
//! Does not: know a lifecycle of its own.
//!
//! Invariants:
//! - The definition that a run is judged by is pinned in its first event. A file that was edited later changes nothing.
//! - The reaction to an undefined request is applied when a command is decided, never to history.

mod command;
mod decide;
mod definition;
mod fold;
mod payload;
mod project;
mod read;
mod rules;
mod soundness;
mod state;
#[cfg(test)]
mod tests;

pub use command::Command;
pub(crate) use command::commands;
pub use definition::{ANY_STATUS, DataType, Definition, OrderRule, StatusDefinition, StatusId, Undefined};
pub use payload::payload_json;
pub(crate) use read::read;
pub use read::{ORDER_RULES_MAX, REASON_CODES_MAX, REQUIRED_MAX, RESERVED, STATUSES_MAX};
pub use state::State;

use evlog_format::{Kind, kind};
use evlog_projection::{
    Asked, Contract, ContractError, Decision, Fact, File, FoldError, Malformed, Outcome, Projection, Request,
    RequestBuilder, RunHead,
};
use payload::Payload;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The contract `machine`, with the lifecycles by whose names runs can be created.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    known: BTreeMap<String, Arc<Definition>>,
}

impl Lifecycle {
    /// The command that begins a run of a lifecycle by its name.
    pub fn create(run: impl Into<String>, lifecycle: impl Into<String>) -> RequestBuilder {
        Request::json("machine", run, "create").member("machine", lifecycle.into())
    }

    /// The command that asks for a status. `reason_code` and `data` are given with [`RequestBuilder::member`].
    pub fn transition(run: impl Into<String>, to: impl Into<String>) -> RequestBuilder {
        Request::json("machine", run, "transition").member("to", to.into())
    }

    /// Adds a lifecycle. Existing runs are judged by the definition that they were created with.
    #[must_use]
    pub fn knowing(mut self, definition: Arc<Definition>) -> Lifecycle {
        self.known.insert(definition.name().to_owned(), definition);
        self
    }
}

impl Contract for Lifecycle {
    type State = State;
    type Command = Command;

    fn name(&self) -> &'static str {
        "machine"
    }

    fn alias(&self) -> Option<&'static str> {
        Some("lifecycle")
    }

    fn begins_with(&self, kind: Kind<'_>) -> bool {
        kind == kind::MACHINE_CREATED
    }

    fn owns(&self, kind: Kind<'_>) -> bool {
        crate::owns(self.name(), kind)
    }

    fn parse(&self, action: &str, members: Map<String, Value>) -> Result<Command, Malformed> {
        command::parse(action, members)
    }

    fn decide(&self, asked: &Asked<'_, State>, command: &Command) -> Decision {
        decide::decide(self, asked, command)
    }

    fn start(&self, fact: &Fact<'_>) -> Result<State, FoldError> {
        fold::start(fact)
    }

    fn evolve(&self, state: &mut State, fact: &Fact<'_>) -> Result<(), FoldError> {
        fold::evolve(state, fact)
    }

    fn answer(&self, fact: &Fact<'_>) -> Option<(Outcome, ContractError)> {
        let with = |outcome, code: &str, message| Some((outcome, ContractError { code: code.to_owned(), message }));
        let undefined = |from: &str, requested: &str| {
            let message = rules::undefined_message(from, requested);
            with(Outcome::Rejected, decide::UNDEFINED_TRANSITION, message)
        };
        match Payload::decode(&fact.event).ok()? {
            Payload::Rejected(event) => undefined(&event.from, &event.requested),
            Payload::Forced(event) => undefined(&event.from, &event.requested),
            Payload::Refused(event) => with(Outcome::Refused, &event.code, event.message),
            Payload::Created(_) | Payload::Transitioned(_) => None,
        }
    }

    fn status<'a>(&self, state: &'a State) -> &'a str {
        state.status()
    }

    fn definition<'a>(&self, state: &'a State) -> Option<&'a str> {
        Some(state.definition().name())
    }

    fn is_terminal(&self, state: &State) -> bool {
        state.is_terminal()
    }

    fn audit_line(&self, _: Option<&State>, fact: &Fact<'_>, _: &State) -> Result<Value, FoldError> {
        project::audit_line(fact)
    }

    fn projections(&self) -> &'static [Projection] {
        &project::PROJECTIONS
    }

    fn project(&self, state: &State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
        project::files(state, head)
    }

    fn project_earlier(&self, state: &State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
        project::earlier_files(state, head)
    }
}
