//! `cancel`, `stop` and `terminate`: ends that a caller asks for (story.md 3.7, 3.12; 7, items 12 to 15, 27, 33).

use super::turn::Turn;
use crate::story::command::{Cancelled, StopOutcome, Stopped};
use crate::story::definition::{Group, Pattern};
use crate::story::failure::{RunError, StepError};
use crate::story::payload::{CancelMode, CancelRequested, MoveCause, Moved, RejectionReason, StepCause, StepMoved};
use crate::story::phases::{Phase, in_words};
use crate::story::reasons;
use evlog_projection::Decision;
use std::borrow::Cow;

/// Ends the run before its work is done.
pub(super) fn cancel(mut turn: Turn<'_>, request: &Cancelled) -> Decision {
    let note = request.message.as_deref();
    if turn.state.is_terminal() {
        let message = format!("run: `{}` is not cancelled, it has ended", in_words(turn.state.phase()));
        return turn.question.reject_run(RejectionReason::Terminal, message, note);
    }
    let known = turn.state.run().cancel.as_ref().map(|cancel| cancel.how);
    if known.is_some_and(|known| request.how <= known) {
        return turn.done();
    }
    let drain_ns = if request.how == CancelMode::Drain { turn.state.story().drain_ns().max(0) } else { 0 };
    let deadline_ns = turn.after_now(drain_ns);
    turn.request_cancel(&CancelRequested { how: request.how, deadline_ns, message: request.message.clone() });
    if request.how == CancelMode::Drain && drain_ns > 0 {
        turn.cancel_unbegun();
        turn.settle();
    } else {
        turn.end_cancelled(request.how);
    }
    turn.done()
}

/// Ends the run with an outcome. What is left is not executed.
pub(super) fn stop(mut turn: Turn<'_>, request: &Stopped) -> Decision {
    if turn.state.phase() != Some(Phase::Running) {
        let found = in_words(turn.state.phase());
        let message = format!("run: expected `Running` to stop, found `{found}`");
        let reason = if turn.state.is_terminal() { RejectionReason::Terminal } else { RejectionReason::NotStarted };
        return turn.question.reject_run(reason, message, request.message.as_deref());
    }
    let message = request.message.clone().unwrap_or_else(|| "Story run stopped.".to_owned());
    turn.stop_run(request.outcome, message);
    turn.done()
}

/// The stream of a realtime story has ended. Main steps that still run have failed, and the later stages follow.
pub(super) fn terminate(mut turn: Turn<'_>, message: Option<&str>) -> Decision {
    if turn.state.story().pattern != Pattern::Realtime {
        let found = turn.state.story().pattern.word();
        let message = format!("expected a `realtime` story, whose stream can end, found a `{found}` one");
        return Decision::refused(Vec::new(), "STORY_NOT_REALTIME", message);
    }
    if turn.state.phase() != Some(Phase::Running) {
        let reason = if turn.state.is_terminal() { RejectionReason::Terminal } else { RejectionReason::NotStarted };
        let text = format!("run: expected `Running`, found `{}`", in_words(turn.state.phase()));
        return turn.question.reject_run(reason, text, message);
    }
    turn.end_stream(message.unwrap_or("realtime topology terminated"));
    turn.settle();
    turn.done()
}

impl Turn<'_> {
    /// Ends at once the live steps without an attempt, and the branches that a parallel step under way would wait for.
    fn cancel_unbegun(&mut self) {
        for number in 0..self.state.steps().len() {
            let step = self.step(number);
            let parent = self.definition(number).parent.and_then(|parent| self.step(parent as usize).phase);
            let awaited = step.phase.is_none() && parent == Some(Phase::Running);
            if awaited || (step.is_live() && step.attempt_ns.is_none()) {
                self.rule(number, Phase::Canceled, StepCause::RunEnded, "Canceled because the story run was cancelled");
            }
        }
    }

    /// Ends the run with an outcome.
    pub(super) fn stop_run(&mut self, outcome: StopOutcome, message: String) {
        self.close_steps(Phase::Skipped, "the story run was stopped");
        let to = match outcome {
            StopOutcome::Success => Phase::Succeeded,
            StopOutcome::Failure => Phase::Failed,
            StopOutcome::Cancel => Phase::Finished,
        };
        let error = (to == Phase::Failed).then(|| RunError {
            kind: to.default_reason().to_owned(),
            message: message.clone(),
            failed_steps: self.state.failed(Group::Main),
        });
        let moved = Moved { message: Some(message), error, ..self.run_to(to, MoveCause::Stop) };
        self.move_run(moved);
    }

    fn end_stream(&mut self, message: &str) {
        for number in self.state.story().group(Group::Main) {
            let step = self.step(number);
            if step.is_terminal() {
                continue;
            }
            let to = if step.phase.is_some() { Phase::Failed } else { Phase::Skipped };
            let usual = self.next(number, to, StepCause::TopologyTerminated);
            let reason = if to == Phase::Failed { reasons::TOPOLOGY_TERMINATED } else { to.default_reason() };
            let error = StepError::of_attempt(to, Some(message), None, None);
            let (reason, message) = (Cow::Borrowed(reason), Some(message.to_owned()));
            self.move_step(number, StepMoved { reason, message, error, ..usual });
        }
        self.swept = true;
    }
}
