//! The contract `pipeline`: staged runs, their outcomes, and what is derived from them. Rules are numbered P-nn in
//! `docs/lifecycle/pipeline.md`.
//!
//! Does: decide commands, fold events, and project `run.json`, `manifest.json`, `logs/health.json` and the validation reports.
//! It also holds, as plain values, what a publish gate needs of the contract: [`relpath`], [`report`], [`Definition`]. Does
//! not: run stages, touch a bundle, validate artifacts. The program that does these things reports them here, command by
//! command.
//!
//! Invariants:
//! - A run's status and exit code follow from its recorded outcomes and from nothing else.
//! - The definition that a run is judged by is pinned in its first event.
//! - A refused command changes no projected file but the audit.

mod audit;
mod command;
mod decide;
mod definition;
mod fold;
mod left;
mod matrix;
mod outcome;
mod own;
mod payload;
mod project;
mod reconcile;
pub mod relpath;
pub mod report;
mod rules;
mod state;
#[cfg(test)]
mod tests;

pub use command::Command;
pub(crate) use command::commands;
pub use definition::{
    ANY_STAGE, Catalogue, Coupling, Definition, Must, NAMES, ORCHESTRATOR, ORDER_RULES_MAX, OrderKey, OrderRule,
    REASON_CODES_MAX, ReasonCode, STAGES_MAX, SUBSTAGES_MAX, Severity, StageDefinition, SubstageDefinition, built_in,
    is_stage_name, is_substage, is_word, purple_axiom, root_of,
};
pub(crate) use definition::{PURPLE_AXIOM_FILE, read_definition};
pub use matrix::{is_required, published_schemas};
pub use outcome::{BLOCKED, FailMode, INVALID, MISSING, Outcome, RunStatus, STORAGE, StageStatus, derive_status};
pub use own::{PROJECTED, REPORTS, STAGING};
pub use payload::{Artifact, Outputs, payload_json};
pub use rules::{Refusal, run_exists};
pub use state::State;

use evlog_format::{Kind, kind};
use evlog_projection::{
    Asked, Contract, ContractError, Decision, Fact, File, FoldError, Malformed, Outcome as Answered, Projection,
    Request, RequestBuilder, RunHead,
};
use payload::Payload;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The contract `pipeline`, with the built-in pipelines and others by whose names runs can be created.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    known: BTreeMap<String, Arc<Definition>>,
}

impl Pipeline {
    /// The command that begins a run of a pipeline by its name.
    pub fn create(run: impl Into<String>, pipeline: impl Into<String>) -> RequestBuilder {
        Request::json("pipeline", run, "create").member("pipeline", pipeline.into())
    }

    /// The command that begins a stage.
    pub fn begin(run: impl Into<String>, stage: impl Into<String>) -> RequestBuilder {
        Request::json("pipeline", run, "begin").member("stage", stage.into())
    }

    /// The command that reports how a stage ended. A failed one needs a `reason_code`.
    pub fn outcome(run: impl Into<String>, stage: impl Into<String>, status: StageStatus) -> RequestBuilder {
        Request::json("pipeline", run, "outcome").member("stage", stage.into()).member("status", status.word())
    }

    /// The command that ends a run.
    pub fn finalize(run: impl Into<String>) -> RequestBuilder {
        Request::json("pipeline", run, "finalize")
    }

    /// Adds a pipeline that new runs can be created with. It replaces a pipeline of the same name. Existing runs are judged by
    /// the definition that they were created with.
    #[must_use]
    pub fn knowing(mut self, definition: Arc<Definition>) -> Pipeline {
        self.known.insert(definition.name().to_owned(), definition);
        self
    }
}

impl Contract for Pipeline {
    type State = State;
    type Command = Command;

    fn name(&self) -> &'static str {
        "pipeline"
    }

    fn begins_with(&self, kind: Kind<'_>) -> bool {
        kind == kind::PIPELINE_CREATED
    }

    fn owns(&self, kind: Kind<'_>) -> bool {
        crate::owns(self.name(), kind)
    }

    fn parse(&self, action: &str, members: Map<String, Value>) -> Result<Command, Malformed> {
        command::parse(action, members)
    }

    fn reads<'a>(&self, command: &'a Command) -> Option<&'a str> {
        command.reads()
    }

    fn decide(&self, asked: &Asked<'_, State>, command: &Command) -> Decision {
        decide::decide(&self.known, asked, command)
    }

    fn start(&self, fact: &Fact<'_>) -> Result<State, FoldError> {
        fold::start(fact)
    }

    fn evolve(&self, state: &mut State, fact: &Fact<'_>) -> Result<(), FoldError> {
        fold::evolve(state, fact)
    }

    fn answer(&self, fact: &Fact<'_>) -> Option<(Answered, ContractError)> {
        match Payload::decode(&fact.event) {
            Ok(Payload::Refused(refused)) => {
                Some((Answered::Refused, ContractError { code: refused.code, message: refused.message }))
            }
            _ => None,
        }
    }

    fn status<'a>(&self, state: &'a State) -> &'a str {
        state.ended_as().map_or(project::IN_PROGRESS, RunStatus::word)
    }

    fn definition<'a>(&self, state: &'a State) -> Option<&'a str> {
        Some(state.definition().name())
    }

    fn is_terminal(&self, state: &State) -> bool {
        state.ended_as().is_some()
    }

    fn audit_line(&self, before: Option<&State>, fact: &Fact<'_>, after: &State) -> Result<Value, FoldError> {
        audit::line(before, fact, after)
    }

    fn projections(&self) -> &'static [Projection] {
        &project::PROJECTIONS
    }

    fn project(&self, state: &State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
        project::files(state, head)
    }
}
