//! The contract `status`: eight statuses, nine transitions, and the rule for everything else.
//!
//! Does:
//! - decide what an attempt leads to ([`RunStatus::reaction`], H1 to H19);
//! - fold committed events into a state, and say where they break the contract;
//! - project the run's files and audit lines;
//! - answer what to do next ([`next_action()`]).
//!
//! Does not: apply the rule for undefined transitions to history; look at other runs, except the parent that a command names.
//!
//! Invariants:
//! - A status changes only by an event that names the status before and after it.
//! - A terminal status never changes; attempts to change it are recorded.
//! - A run is `failed`, `denied` or `timeout` exactly when it has a valid diagnostic that says why. The exception is
//!   `canceled`, for which a diagnostic may be given.
//!
//! `docs/lifecycle/status.md` has the tables; read [`transitions`], then [`payload`], then `decide` and `fold`.

mod audit;
mod command;
mod decide;
pub mod diagnostic;
mod fold;
pub mod next_action;
pub mod payload;
mod project;
pub(crate) mod record;
pub mod transitions;

pub use command::Command;
pub(crate) use command::commands;
pub use diagnostic::{Diagnostic, INVALID_STATE_TRANSITION};
pub use fold::{Counts, State};
pub use next_action::{NextAction, next_action};
pub use payload::payload_json;
pub use transitions::{Reaction, RunStatus};

use evlog_format::Kind;
use evlog_format::kind::{STATUS_CREATED, STATUS_FORCED_FAILED, STATUS_REFUSED, STATUS_REJECTED, STATUS_TRANSITIONED};
use evlog_projection::{
    Asked, Contract, ContractError, Decision, Fact, File, FoldError, Malformed, Outcome, Projection, Request,
    RequestBuilder, RunHead,
};
use payload::{ForcedFailed, Refused, Rejected, TransitionCause, Transitioned, read};
use serde_json::{Map, Value};

/// The contract `status`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status;

/// Commands. Further members that an action takes are given with [`RequestBuilder::member`].
impl Status {
    /// Begins a run. `data` is what its record holds.
    pub fn create(run: impl Into<String>, data: Map<String, Value>) -> RequestBuilder {
        Request::json("status", run, "create").member("data", data)
    }

    /// Asks for a status. A status that cannot follow forces the run to `failed`. `failed`, `denied` and `timeout` need a
    /// `diagnostic`.
    pub fn transition(run: impl Into<String>, to: RunStatus) -> RequestBuilder {
        Request::json("status", run, "transition").member("to", to.word())
    }

    /// Ends a run on purpose, from any live status.
    pub fn cancel(run: impl Into<String>) -> RequestBuilder {
        Request::json("status", run, "cancel")
    }

    /// Begins a run that repeats another one.
    pub fn retry(run: impl Into<String>, of: impl Into<String>) -> RequestBuilder {
        Request::json("status", run, "retry").member("of", of.into())
    }

    /// Overrides the status of a run (break-glass). Ticket and reason are recorded.
    pub fn override_to(
        run: impl Into<String>,
        to: RunStatus,
        ticket: impl Into<String>,
        reason: impl Into<String>,
    ) -> RequestBuilder {
        let members = [("to", to.word().into()), ("ticket", ticket.into()), ("reason", reason.into())];
        let members = members.map(|(name, value): (&str, String)| (name.to_owned(), value.into()));
        Request::json("status", run, "override").members(members)
    }
}

impl Contract for Status {
    type State = State;
    type Command = Command;

    fn name(&self) -> &'static str {
        "status"
    }

    fn begins_with(&self, kind: Kind<'_>) -> bool {
        kind == STATUS_CREATED
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
        decide::decide(asked, command)
    }

    fn start(&self, fact: &Fact<'_>) -> Result<State, FoldError> {
        fold::start(fact)
    }

    fn evolve(&self, state: &mut State, fact: &Fact<'_>) -> Result<(), FoldError> {
        fold::evolve(state, fact)
    }

    fn answer(&self, fact: &Fact<'_>) -> Option<(Outcome, ContractError)> {
        answer(fact)
    }

    fn status<'a>(&self, state: &'a State) -> &'a str {
        state.status().word()
    }

    fn is_terminal(&self, state: &State) -> bool {
        state.status().is_terminal()
    }

    fn audit_line(&self, _: Option<&State>, fact: &Fact<'_>, after: &State) -> Result<Value, FoldError> {
        audit::line(fact, after)
    }

    fn projections(&self) -> &'static [Projection] {
        &project::PROJECTIONS
    }

    fn project(&self, state: &State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
        project::project(state, head)
    }
}

/// The answer to the first delivery of a command, from any event of its commit. Returns `None` for commits of accepted
/// commands, and for events that cannot be read.
fn answer(fact: &Fact<'_>) -> Option<(Outcome, ContractError)> {
    let with = |outcome, code: &str, message| Some((outcome, ContractError { code: code.to_owned(), message }));
    match fact.event.kind {
        STATUS_REJECTED => {
            let event: Rejected = read(fact).ok()?;
            let message = diagnostic::undefined_answer(event.current, &event.requested);
            with(Outcome::Rejected, INVALID_STATE_TRANSITION, message)
        }
        STATUS_FORCED_FAILED => {
            let event: ForcedFailed = read(fact).ok()?;
            with(Outcome::Rejected, INVALID_STATE_TRANSITION, event.diagnostic.message)
        }
        STATUS_REFUSED => {
            let event: Refused = read(fact).ok()?;
            with(Outcome::Refused, event.reason.code(), event.message)
        }
        STATUS_TRANSITIONED => {
            let event: Transitioned = read(fact).ok()?;
            if event.cause != TransitionCause::PinsMissing {
                return None;
            }
            let Diagnostic { error_code, message, .. } = Diagnostic::pins_missing();
            with(Outcome::Rejected, &error_code, message)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
