//! Checks a run and its steps against the relations and their guards: before a decision, and again on replay.

use super::definition::{Group, Kind, OnTimeout};
use super::payload::{Mode, RejectionReason, StepCause, StepMoved};
use super::phases::{Entity, Guard, Phase, Verdict, in_words};
use super::reasons;
use super::state::State;

/// Why something breaks the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Breach {
    /// The kind of reason.
    pub reason: RejectionReason,
    /// The sentence.
    pub message: String,
}

impl Breach {
    pub(super) fn new(reason: RejectionReason, message: impl Into<String>) -> Breach {
        Breach { reason, message: message.into() }
    }

    /// The code of the answer.
    pub(super) const fn code(&self) -> &'static str {
        code(self.reason)
    }
}

/// The code of a rejection.
pub(super) const fn code(reason: RejectionReason) -> &'static str {
    match reason {
        RejectionReason::UndefinedTransition | RejectionReason::UnknownPhase => "INVALID_STATE_TRANSITION",
        RejectionReason::GuardUnmet => "GUARD_UNMET",
        RejectionReason::Terminal => "ALREADY_TERMINAL",
        RejectionReason::NotStarted => "RUN_NOT_STARTED",
        RejectionReason::NotReady => "STEP_NOT_READY",
        RejectionReason::RetryNotDue => "RETRY_NOT_DUE",
        RejectionReason::StaleWorker => "STALE_WORKER",
        RejectionReason::Cancelled => "CANCEL_REQUESTED",
    }
}

/// Whether one phase may follow another, if the guard answers like this.
pub(super) fn judge(
    entity: Entity,
    subject: &dyn std::fmt::Display,
    from: Option<Phase>,
    to: Phase,
    holds: impl FnOnce(Guard) -> bool,
) -> Result<(), Breach> {
    match entity.verdict(from, to) {
        Verdict::Yes | Verdict::Same => Ok(()),
        Verdict::If(guard) if holds(guard) => Ok(()),
        Verdict::If(guard) => {
            let message = format!("{subject}: `{}` to `{to}` needs that {}", in_words(from), guard.in_words());
            Err(Breach::new(RejectionReason::GuardUnmet, message))
        }
        Verdict::No => {
            let reason = match from {
                Some(from) if from.is_terminal() => RejectionReason::Terminal,
                _ => RejectionReason::UndefinedTransition,
            };
            let message = format!("{subject}: `{}` to `{to}` is not a transition of the contract", in_words(from));
            Err(Breach::new(reason, message))
        }
    }
}

impl State {
    /// Whether the run may take a phase.
    pub(super) fn judge_run(&self, to: Phase) -> Result<(), Breach> {
        let holds = |guard| match guard {
            Guard::ClockStarted => self.run.started_ns.is_some(),
            Guard::NeverRan => self.run.attempts == 0,
            Guard::MainFailed => self.main_failed() && !self.story().group(Group::Compensations).is_empty(),
            Guard::Observed => self.mode() == Mode::Observed,
            _ => unreachable!("the relation of runs has no other guard"),
        };
        judge(Entity::Run, &"run", self.run.phase, to, holds)
    }

    /// Whether a step may change as an event says.
    pub(super) fn judge_step(&self, number: usize, event: &StepMoved) -> Result<(), Breach> {
        let step = &self.story().steps[number];
        let state = self.steps.get(number);
        let is_observed = self.mode() == Mode::Observed;
        let holds = |guard| match guard {
            Guard::Instantaneous => event.cause == StepCause::CacheHit || !step.kind.is_work() || is_observed,
            Guard::RetryLeft if is_observed => {
                // A controller has its own default, and one report may cover several retries.
                let max = self.story().stated_max_retries(number);
                event.reason == reasons::RETRY_SCHEDULED
                    && event.retries > state.retries
                    && max.is_none_or(|max| event.retries <= max)
            }
            Guard::RetryLeft => {
                event.reason == reasons::RETRY_SCHEDULED
                    && Some(event.retries) == state.retries.checked_add(1)
                    && event.retries <= self.story().retry(number).max_retries
            }
            Guard::Observed => is_observed,
            Guard::TimeoutSkips => matches!(step.kind, Kind::Gate | Kind::Wait) && step.on_timeout() == OnTimeout::Skip,
            Guard::MirrorsChild => step.kind == Kind::ExecuteStory,
            _ => unreachable!("the relation of steps has no other guard"),
        };
        judge(Entity::Step, &Named(&step.name), state.phase, event.to, holds)
    }
}

/// A step as messages name it. It is formatted only when a message is needed.
struct Named<'a>(&'a str);

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "step `{}`", self.0)
    }
}
