//! A decision that is being made: the run as it will be, and the events so far.

use super::Question;
use crate::members::cut;
use crate::story::definition::Step;
use crate::story::derive::Stage;
use crate::story::duration;
use crate::story::payload::{CancelRequested, GateDecided, MoveCause, Moved, Redriven, StepCause, StepMoved, event};
use crate::story::phases::Phase;
use crate::story::redact::redacted;
use crate::story::state::State;
use crate::story::steps::StepState;
use evlog_format::kind::{STORY_CANCEL_REQUESTED, STORY_GATE_DECIDED, STORY_MOVED, STORY_REDRIVEN, STORY_STEP_MOVED};
use evlog_projection::{Decision, NewEvent};
use std::collections::BTreeSet;

/// The longest message of a condition, in bytes.
const MESSAGE_LEN_MAX: usize = 2048;

/// A decision that is being made.
pub(crate) struct Turn<'a> {
    pub(crate) question: Question<'a>,
    /// The run, with everything that was decided so far.
    pub(crate) state: State,
    events: Vec<NewEvent>,
    /// Steps whose turn may have come.
    pub(super) candidates: BTreeSet<usize>,
    /// The stage whose steps were looked at; `None` means that all steps must be looked at.
    pub(super) opened: Option<Stage>,
    /// Whether main steps that have not begun were skipped already.
    pub(super) swept: bool,
}

impl<'a> Turn<'a> {
    pub(super) fn new(state: &State, question: Question<'a>) -> Turn<'a> {
        Turn {
            question,
            opened: Some(state.stage()),
            swept: state.fails_fast(),
            state: state.clone(),
            events: Vec::new(),
            candidates: BTreeSet::new(),
        }
    }

    pub(super) fn now_ns(&self) -> i128 {
        self.question.asked.time_ns
    }

    /// The time that is a duration after now.
    pub(super) fn after_now(&self, duration_ns: i64) -> i128 {
        duration::after(self.now_ns(), duration_ns)
    }

    pub(super) fn definition(&self, number: usize) -> &Step {
        &self.state.story().steps[number]
    }

    pub(super) fn step(&self, number: usize) -> &StepState {
        self.state.steps().get(number)
    }

    /// The next event of a step: another phase, or the same one, with the values that the step keeps.
    pub(super) fn next(&self, number: usize, to: Phase, cause: StepCause) -> StepMoved {
        let state = self.step(number);
        let kept = !to.is_terminal() && to != Phase::Pending;
        StepMoved {
            retries: state.retries,
            deadline_ns: state.deadline_ns.filter(|_| kept),
            ..StepMoved::new(&self.definition(number).name, state.phase, to, cause)
        }
    }

    /// Decides that a step changes. When the last branch ends, its parallel step ends too.
    pub(super) fn move_step(&mut self, number: usize, mut moved: StepMoved) {
        moved.message = moved.message.map(|message| shortened(&message));
        self.events.push(event(STORY_STEP_MOVED, &moved));
        self.state.apply_step_moved(self.question.asked.time_ns, number, &moved);
        let graph = std::sync::Arc::clone(&self.state.origin);
        let dependents = graph.graph.as_ref().map_or(&[][..], |graph| graph.dependents(number));
        self.candidates.extend(dependents.iter().map(|dependent| *dependent as usize).filter(|dependent| {
            let state = self.state.steps().get(*dependent);
            state.phase.is_none() && (state.unmet == 0 || state.failed_need.is_some())
        }));
        if let Some(parent) = self.definition(number).parent.filter(|_| moved.to.is_terminal()) {
            self.join(parent as usize);
        }
    }

    /// Decides that a step ends or holds by rule, with a sentence.
    pub(super) fn rule(&mut self, number: usize, to: Phase, cause: StepCause, message: impl Into<String>) {
        let moved = StepMoved { message: Some(message.into()), ..self.next(number, to, cause) };
        self.move_step(number, moved);
    }

    /// Decides that the run changes.
    pub(super) fn move_run(&mut self, mut moved: Moved) {
        moved.message = moved.message.map(|message| shortened(&message));
        self.events.push(event(STORY_MOVED, &moved));
        self.state.apply_moved(self.question.asked.time_ns, &moved);
    }

    /// A phase of the run, to be filled in.
    pub(super) fn run_to(&self, to: Phase, cause: MoveCause) -> Moved {
        Moved::new(self.state.phase(), to, cause)
    }

    pub(super) fn request_cancel(&mut self, request: &CancelRequested) {
        self.events.push(event(STORY_CANCEL_REQUESTED, request));
        self.state.apply_cancel(self.question.asked.time_ns, request);
    }

    pub(super) fn decide_gate(&mut self, number: usize, decided: &GateDecided) {
        self.events.push(event(STORY_GATE_DECIDED, decided));
        let asked = self.question.asked;
        self.state.apply_gate(asked.time_ns, number, decided, asked.actor);
    }

    pub(super) fn begin_epoch(&mut self, redriven: &Redriven, cleared: &[usize]) {
        self.events.push(event(STORY_REDRIVEN, redriven));
        self.state.apply_redriven(redriven, cleared);
        self.candidates.clear();
        (self.opened, self.swept) = (None, false);
    }

    /// The decision: accepted, with what was decided. If there are no events, nothing had to be done.
    pub(super) fn done(self) -> Decision {
        Decision::accepted(self.events)
    }
}

/// As much of a message as a condition takes, without credentials.
fn shortened(message: &str) -> String {
    cut(&redacted(message), MESSAGE_LEN_MAX).to_owned()
}
