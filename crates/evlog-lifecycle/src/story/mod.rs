//! The contract `story`: runs of a graph of steps, with phases, conditions, retries, compensations and epochs.
//!
//! Does: decide what a command leads to, from results and the time (mode *decided*), or record reported phases if the contract
//! allows them (mode *observed*); fold committed events; project `status.json` and the files of every run. Does not: execute
//! anything, read a definition a second time, or evaluate on replay. If a step executes another run, it looks at that run, and
//! records what it saw.
//!
//! How it is built, from the ground up:
//!
//! - [`phases`]: the 13 phases and the two relations, which are tables; `rules` looks pairs up in them, and checks their
//!   guards.
//! - [`definition`]: a story as pinned at creation, what admission refuses, the graph of its steps.
//! - [`derive`](mod@derive): buckets, dependencies, stages and endings, as functions of phases alone. [`retry`]: policies, waits,
//!   exit classes. [`conditions`], [`failure`], [`redact`], [`expression`], [`duration`], [`schema`]: values with rules of
//!   their own.
//! - `state` and `steps`: a run, and how each event changes it. `fold` checks history before it changes anything.
//! - `decide`: runs a command on a copy of the run. Each event that it writes is taken into account as the fold will do it.
//!   Then it decides what follows, until nothing follows. All of this is one commit.
//! - `project`, `status`, `audit`: files.
//!
//! Invariants:
//! - A phase changes only by an event that names the phase before and after. Conditions, times and errors change with it.
//! - A terminal phase does not change within an epoch. A request to change it is recorded as a rejection.
//! - When a decided run ends, each of its steps has ended, in the same commit.
//! - The result of every draw, evaluation and lookup is recorded in an event. Replay repeats none of them.
//! - The cost of a decision is proportional to what it changes: a story is driven to its end in time linear in steps and edges.

mod audit;
mod command;
pub mod conditions;
mod decide;
pub mod definition;
pub mod derive;
pub mod duration;
mod ending;
pub mod expression;
pub mod failure;
mod fold;
pub(crate) mod ignored;
pub mod payload;
pub mod phases;
mod project;
pub mod reasons;
pub mod redact;
pub mod retry;
mod rules;
pub mod schema;
mod state;
mod status;
pub mod steps;

pub use command::Command;
pub(crate) use command::commands;
pub use payload::payload_json;
pub use phases::Phase;
pub use state::{Cancel, Counts, Run, State};

use evlog_format::Kind;
use evlog_format::kind::{STORY_CREATED, STORY_REJECTED};
use evlog_projection::{
    Asked, Contract, ContractError, Decision, Fact, File, FoldError, Given, Malformed, Outcome, Projection, Request,
    RequestBuilder, RunHead,
};
use payload::{Rejected, read};
use schema::Check;
use serde_json::{Map, Value};

/// The contract `story`.
#[derive(Clone, Copy, Debug)]
pub struct Story {
    check: Check,
}

impl Default for Story {
    fn default() -> Story {
        Story { check: schema::none }
    }
}

/// Commands. Further members that an action takes are given with [`RequestBuilder::member`].
impl Story {
    /// Begins a run of a story. The story's definition is pinned.
    pub fn create(run: impl Into<String>, story: impl Into<Given>) -> RequestBuilder {
        Request::json("story", run, "create").member("story", story)
    }

    /// Lets a run start.
    pub fn start(run: impl Into<String>) -> RequestBuilder {
        Request::json("story", run, "start")
    }

    /// Reports the phase of a step.
    pub fn step(run: impl Into<String>, step: impl Into<String>, to: Phase) -> RequestBuilder {
        Request::json("story", run, "step").member("step", step.into()).member("to", to.word())
    }

    /// Says what time it is, so that timers and deadlines take effect.
    pub fn tick(run: impl Into<String>) -> RequestBuilder {
        Request::json("story", run, "tick")
    }

    /// Ends a run before its work is done.
    pub fn cancel(run: impl Into<String>) -> RequestBuilder {
        Request::json("story", run, "cancel")
    }
}

impl Story {
    /// The contract with a checker of JSON Schemas. Without one ([`Story::default`]), stories with schemas are refused.
    pub fn with_schemas(check: Check) -> Story {
        Story { check }
    }
}

impl Contract for Story {
    type State = State;
    type Command = Command;

    fn name(&self) -> &'static str {
        "story"
    }

    fn begins_with(&self, kind: Kind<'_>) -> bool {
        kind == STORY_CREATED
    }

    fn owns(&self, kind: Kind<'_>) -> bool {
        crate::owns(self.name(), kind)
    }

    fn parse(&self, action: &str, members: Map<String, Value>) -> Result<Command, Malformed> {
        Command::parse(action, members)
    }

    fn reads<'a>(&self, command: &'a Command) -> Option<&'a str> {
        command.reads()
    }

    fn decide(&self, asked: &Asked<'_, State>, command: &Command) -> Decision {
        decide::decide(asked, self.check, command)
    }

    fn start(&self, fact: &Fact<'_>) -> Result<State, FoldError> {
        fold::start(fact)
    }

    fn evolve(&self, state: &mut State, fact: &Fact<'_>) -> Result<(), FoldError> {
        fold::evolve(state, fact)
    }

    fn answer(&self, fact: &Fact<'_>) -> Option<(Outcome, ContractError)> {
        if fact.event.kind != STORY_REJECTED {
            return None;
        }
        let event: Rejected = read(fact).ok()?;
        let code = rules::code(event.reason).to_owned();
        Some((Outcome::Rejected, ContractError { code, message: event.message }))
    }

    fn status<'a>(&self, state: &'a State) -> &'a str {
        state.phase().unwrap_or(Phase::Pending).word()
    }

    fn is_terminal(&self, state: &State) -> bool {
        state.is_terminal()
    }

    fn audit_line(&self, _: Option<&State>, fact: &Fact<'_>, after: &State) -> Result<Value, FoldError> {
        audit::line(fact, after)
    }

    fn projections(&self) -> &'static [Projection] {
        &project::PROJECTIONS
    }

    fn project(&self, state: &State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
        Ok(project::project(state, head))
    }
}

#[cfg(test)]
mod tests;
