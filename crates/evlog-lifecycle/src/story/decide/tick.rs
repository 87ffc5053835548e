//! `tick`: what follows from the time alone (story.md 3.6). A time that equals a limit has reached it.

use super::report::End;
use super::turn::Turn;
use crate::story::definition::{Kind, OnTimeout};
use crate::story::duration::elapsed;
use crate::story::expression::holds;
use crate::story::failure::{RunError, StepError};
use crate::story::payload::{CancelMode, MoveCause, Moved, StepCause, StepMoved};
use crate::story::phases::Phase;
use crate::story::retry::{ExitClass, TIMEOUT_CODE};
use crate::story::steps::Asked;

/// Takes the time into account, and lets everything follow.
pub(super) fn tick(turn: &mut Turn<'_>) {
    if turn.state.is_terminal() || turn.state.run().started_ns.is_none() {
        return;
    }
    let now_ns = turn.now_ns();
    if let Some(cancel) = turn.state.run().cancel.clone() {
        if cancel.deadline_ns <= now_ns {
            return turn.end_cancelled(CancelMode::Drain);
        }
    } else if turn.state.story_deadline_ns().is_some_and(|deadline| deadline <= now_ns) {
        return turn.time_out();
    }
    for number in turn.state.steps().due(now_ns) {
        turn.step_is_due(number);
    }
    if turn.state.run().cancel.is_none() {
        turn.ask_again();
    }
    turn.settle();
}

impl Turn<'_> {
    /// The story's time is up. What is under way is ended by force. Nothing is undone and nothing is cleaned up.
    fn time_out(&mut self) {
        self.close_steps(Phase::Skipped, "the story run timed out");
        let limit = self.state.story().story_timeout_ns().unwrap_or_default();
        let message = format!("StoryRun exceeded timeout of {}.", elapsed(0, i128::from(limit)));
        let error = RunError {
            kind: Phase::Timeout.default_reason().to_owned(),
            message: message.clone(),
            failed_steps: Vec::new(),
        };
        let moved = self.run_to(Phase::Timeout, MoveCause::Clock);
        self.move_run(Moved { message: Some(message), error: Some(error), ..moved });
    }

    /// Handles a step whose attempt, wait or sleep is over, or whose pause before the next attempt is.
    fn step_is_due(&mut self, number: usize) {
        let (step, kind) = (self.step(number), self.definition(number).kind);
        match (step.phase, kind) {
            (Some(Phase::Pending), _) => {
                let moved = self.next(number, Phase::Pending, StepCause::Clock);
                self.move_step(number, moved);
            }
            (Some(Phase::Paused), Kind::Sleep) => {
                self.rule(number, Phase::Succeeded, StepCause::Clock, "The sleep is over");
            }
            (Some(Phase::Paused), Kind::Wait) if self.wait_is_over(number) => {
                self.rule(number, Phase::Succeeded, StepCause::Evaluated, "Wait condition is true");
            }
            (Some(Phase::Paused), Kind::Wait | Kind::Gate) => self.hold_timed_out(number, kind),
            _ => {
                let message = Some("The attempt exceeded its timeout");
                let (code, class) = (Some(TIMEOUT_CODE), ExitClass::Retry);
                let end =
                    End { code, class, timed_out: true, reason: None, message, error: None, cause: StepCause::Clock };
                self.end_attempt(number, &end);
            }
        }
    }

    fn hold_timed_out(&mut self, number: usize, kind: Kind) {
        let kind = kind.word();
        if self.definition(number).on_timeout() == OnTimeout::Skip {
            let message = format!("{kind} step timed out and was skipped.");
            return self.rule(number, Phase::Skipped, StepCause::Clock, message);
        }
        let message = format!("{kind} step timed out.");
        let error = StepError::of_attempt(Phase::Timeout, Some(&message), None, None);
        let moved = self.next(number, Phase::Timeout, StepCause::Clock);
        self.move_step(number, StepMoved { message: Some(message), error, ..moved });
    }

    /// Evaluates again the conditions that have no value or are false: of waits that hold, and of steps held for their `if`.
    fn ask_again(&mut self) {
        if self.state.live == 0 {
            return;
        }
        let origin = std::sync::Arc::clone(&self.state.origin);
        for number in origin.askable.iter().map(|number| *number as usize) {
            let (step, definition) = (self.step(number), self.definition(number));
            if step.asks() == Some(Asked::Condition) {
                let condition = definition.condition.clone().unwrap_or_default();
                match holds(&condition, &self.state.scope(None)) {
                    Ok(true) => self.enter(number),
                    Ok(false) => self.skip_by_condition(number),
                    Err(_) => {}
                }
            } else if definition.kind == Kind::Wait && step.phase == Some(Phase::Paused) && self.wait_is_over(number) {
                self.rule(number, Phase::Succeeded, StepCause::Evaluated, "Wait condition is true");
            }
        }
    }
}
