//! Decides what a command leads to. Each function returns the events of one commit and the answer.
//!
//! A decision works on a copy of the run ([`turn`]): it writes an event, takes it into account as the fold will, and decides
//! what follows, until nothing more follows ([`settle`]). Nothing here reads a clock or draws at random.

mod begin;
mod child;
mod end;
mod hold;
mod launch;
mod parallel;
mod redrive;
mod report;
mod settle;
mod tick;
pub(crate) mod turn;

use super::command::Command;
use super::payload::{Action, Mode, Rejected, RejectionReason, TOKEN_LEN_MAX, event};
use super::phases::Phase;
use super::rules::Breach;
use super::schema::Check;
use super::state::State;
use crate::members::cut;
use evlog_format::kind::STORY_REJECTED;
use evlog_projection::{Asked, Decision};
use turn::Turn;

/// What a decision may know besides the command.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) asked: &'a Asked<'a, State>,
    pub(crate) check: Check,
    pub(crate) action: Action,
}

/// The events and the answer for a command.
pub(crate) fn decide(asked: &Asked<'_, State>, check: Check, command: &Command) -> Decision {
    let question = Question { asked, check, action: command.action() };
    if let Command::Create(create) = command {
        return begin::create(&question, create);
    }
    let Some(state) = asked.state else {
        let message = format!("expected a run of contract `story`, found no run `{}`", asked.run);
        return Decision::refused(Vec::new(), "RUN_NOT_FOUND", message);
    };
    let mut turn = Turn::new(state, question);
    match command {
        Command::Create(_) => unreachable!("answered above"),
        Command::Step(report) => report::step(turn, report),
        Command::Transition(request) => begin::transition(turn, request),
        Command::Redrive(again) => redrive::redrive(turn, again),
        Command::Tick if state.mode() == Mode::Observed => turn.done(),
        _ if state.mode() == Mode::Observed => observed(&turn),
        Command::Start => begin::start(turn),
        Command::Tick => {
            tick::tick(&mut turn);
            turn.done()
        }
        Command::Child(followed) => child::child(turn, followed),
        Command::Gate(decided) => hold::gate(turn, decided),
        Command::Evaluate(answered) => hold::evaluate(turn, answered),
        Command::Cancel(request) => end::cancel(turn, request),
        Command::Stop(request) => end::stop(turn, request),
        Command::Terminate(message) => end::terminate(turn, message.as_deref()),
    }
}

/// Refuses a command that an observed run does not accept. The run's controller decides, so the run accepts `step`,
/// `transition` and `redrive`, and a `tick` changes nothing. These commands are answered before this function is called.
fn observed(turn: &Turn<'_>) -> Decision {
    let action = turn.question.action.word();
    let message = format!(
        "run `{}` is observed: its controller decides; expected `transition`, `step` or `redrive`, found `{action}`",
        turn.question.asked.run
    );
    Decision::refused(Vec::new(), "RUN_OBSERVED", message)
}

fn unknown_step(name: &str) -> Decision {
    let found = crate::members::quoted(name);
    Decision::refused(Vec::new(), "STEP_NOT_FOUND", format!("expected a step of the story, found `{found}`"))
}

/// What is recorded of a request that breaks the contract, and what to answer.
pub(crate) struct Broken<'a> {
    pub(crate) step: Option<(&'a str, Option<Phase>)>,
    pub(crate) requested: &'a str,
    pub(crate) note: Option<&'a str>,
    pub(crate) breach: Breach,
}

impl Question<'_> {
    /// Records the rejection; the run stays as it is.
    pub(crate) fn reject(&self, broken: Broken<'_>) -> Decision {
        let Broken { step, requested, note, breach } = broken;
        let from = match step {
            Some((_, phase)) => phase,
            None => self.asked.state.and_then(State::phase),
        };
        let code = breach.code();
        let rejected = Rejected {
            step: step.map(|(name, _)| name.to_owned()),
            from,
            requested: cut(requested, TOKEN_LEN_MAX).to_owned(),
            reason: breach.reason,
            message: breach.message.clone(),
            action: self.action,
            note: note.map(|note| cut(note, 2048).to_owned()),
            request: self.asked.content.digest(),
        };
        Decision::rejected(vec![event(STORY_REJECTED, &rejected)], code, breach.message)
    }

    /// Rejects a request that concerns the run and names no phase.
    pub(crate) fn reject_run(&self, reason: RejectionReason, message: String, note: Option<&str>) -> Decision {
        self.reject(Broken { step: None, requested: "", note, breach: Breach::new(reason, message) })
    }
}
