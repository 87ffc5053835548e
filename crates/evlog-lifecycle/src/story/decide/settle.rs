//! Decides what follows a change: steps begin, hold or are skipped, stages follow one another, the run ends.
//!
//! Each step is looked at when what it waits for has changed, and when its stage begins. So the work is linear in the number of
//! steps and edges.

use super::turn::Turn;
use crate::story::command::OUTPUT_LEN_MAX;
use crate::story::definition::Group;
use crate::story::derive::Stage;
use crate::story::expression::{Trouble, resolve};
use crate::story::failure::RunError;
use crate::story::payload::{CancelMode, MoveCause, Moved, StepCause};
use crate::story::phases::Phase;
use crate::story::reasons;
use crate::story::schema::Checked;
use evlog_projection::canonical;
use serde_json::Value;
use std::borrow::Cow;

/// Turns the success of a run into a failure, because of its output.
fn fail(moved: &mut Moved, reason: &'static str, message: String) {
    let error = RunError { kind: reason.to_owned(), message: message.clone(), failed_steps: Vec::new() };
    (moved.to, moved.reason) = (Phase::Failed, Cow::Borrowed(reason));
    (moved.message, moved.error) = (Some(message), Some(error));
}

impl Turn<'_> {
    /// Decides everything that follows, until nothing more follows.
    pub(super) fn settle(&mut self) {
        if self.state.is_terminal() {
            return;
        }
        if let Some(cancel) = &self.state.run().cancel {
            let how = cancel.how;
            return self.finish_cancel(how);
        }
        while self.state.phase() == Some(Phase::Running) {
            self.sweep();
            self.skip_unused();
            let stage = self.state.stage();
            if self.opened != Some(stage) {
                self.open(stage);
            }
            match (self.candidates.pop_first(), stage) {
                (Some(number), _) => self.consider(number),
                (None, Stage::Done) => return self.finish(),
                (None, Stage::Of(_)) if self.let_queued_go() => {}
                (None, Stage::Of(_)) => return,
            }
        }
    }

    /// Looks at the steps of a stage that has begun.
    fn open(&mut self, stage: Stage) {
        self.opened = Some(stage);
        if let Stage::Of(group) = stage {
            let steps = self.state.story().group(group);
            self.candidates.extend(steps.filter(|number| {
                let step = self.state.steps().get(*number);
                step.phase.is_none() && (step.unmet == 0 || step.failed_need.is_some())
            }));
        }
    }

    /// Skips what has not begun, after a main step failed that must not fail, if nothing new may begin.
    fn sweep(&mut self) {
        if self.swept || !self.state.fails_fast() {
            return;
        }
        self.swept = true;
        for number in self.state.story().group(Group::Main) {
            if self.has_not_begun(number) {
                self.rule(number, Phase::Skipped, StepCause::FailFast, "Skipped due to fail-fast policy");
            }
        }
    }

    /// Whether a step has no phase, or a phase in which no worker has it.
    fn has_not_begun(&self, number: usize) -> bool {
        let step = self.step(number);
        step.has_not_begun() || matches!(step.phase, None | Some(Phase::Blocked | Phase::Scheduling))
    }

    /// Skips compensations if there is nothing to undo.
    fn skip_unused(&mut self) {
        let story = self.state.story();
        let done = self.state.tally(Group::Main);
        let compensations = story.group(Group::Compensations);
        let undone = self.state.tally(Group::Compensations).done < story.declared(Group::Compensations);
        if done.done < story.declared(Group::Main) || done.failed > 0 || !undone {
            return;
        }
        for number in compensations {
            if !self.step(number).is_terminal() {
                self.rule(number, Phase::Skipped, StepCause::Unused, "Skipped because story succeeded");
            }
        }
    }

    /// Begins a step of the current stage when everything that it needs is done. Skips it when something that it needs has
    /// failed.
    fn consider(&mut self, number: usize) {
        let in_turn = match self.state.stage() {
            Stage::Of(group) => self.state.story().group_of(number) == group,
            Stage::Done => false,
        };
        let step = self.step(number);
        if !in_turn || step.phase.is_some() {
            return;
        }
        if let Some(failed) = step.failed_need {
            let name = self.definition(failed as usize).name.clone();
            let message = format!("Skipped due to failed dependency: {name}");
            let mut moved = self.next(number, Phase::Skipped, StepCause::FailedDependency);
            (moved.message, moved.because) = (Some(message), Some(name));
            self.move_step(number, moved);
            return self.skip_branches(number);
        }
        if step.unmet == 0 {
            self.begin_step(number);
        }
    }

    /// Lets the first queued step go, if there is room.
    fn let_queued_go(&mut self) -> bool {
        let room = self.has_room();
        let first = if room && self.state.queued > 0 { self.state.steps().first_queued() } else { None };
        let Some(number) = first else { return false };
        let moved = self.next(number, Phase::Pending, StepCause::Ready);
        self.move_step(number, moved);
        true
    }

    /// Whether one more step may be under way.
    pub(super) fn has_room(&self) -> bool {
        let limit = self.state.story().policy.concurrency;
        limit.is_none_or(|limit| u64::from(self.state.under_way) < limit)
    }

    /// Ends the run as its steps say, because all is done (story.md 4.2, rows 7 to 13).
    fn finish(&mut self) {
        let (ending, error) = self.state.ending();
        let mut moved = Moved {
            reason: Cow::Borrowed(ending.reason),
            message: Some(ending.message),
            error,
            ..self.run_to(ending.phase, MoveCause::Derived)
        };
        let template = self.state.story().output.as_ref().filter(|_| ending.phase == Phase::Succeeded);
        match template.map(|template| resolve(template, &self.state.scope(None))) {
            None => {}
            Some(Ok(output)) => self.give_output(&mut moved, &output),
            Some(Err(trouble @ Trouble::Unknown(_))) => return self.hold_output(&trouble),
            Some(Err(trouble)) => {
                let message = format!("The story's output cannot be put together: {}.", trouble.message());
                fail(&mut moved, reasons::OUTPUT_RESOLUTION_FAILED, message);
            }
        }
        self.move_run(moved);
    }

    /// All steps are done, but the output cannot be evaluated here: the run stays open until it is answered.
    fn hold_output(&mut self, trouble: &Trouble) {
        if self.state.run().reason == reasons::OUTPUT_AWAITED {
            return;
        }
        let message = Some(format!("`output` waits for an answer: {}", trouble.message()));
        let moved = self.run_to(Phase::Running, MoveCause::Held);
        self.move_run(Moved { reason: Cow::Borrowed(reasons::OUTPUT_AWAITED), message, ..moved });
    }

    /// Records the answer to the output of a run in which all is done: the output itself, true for an output that is not given,
    /// false for no output.
    pub(super) fn answer_output(&mut self, result: &Value, message: Option<String>) {
        let (ending, error) = self.state.ending();
        let usual = self.run_to(ending.phase, MoveCause::Derived);
        let said = message.clone().unwrap_or(ending.message);
        let mut moved = Moved { reason: Cow::Borrowed(ending.reason), message: Some(said), error, ..usual };
        match result {
            Value::Bool(true) => {}
            Value::Bool(false) => {
                let message = message.unwrap_or_else(|| "The story's output cannot be put together.".to_owned());
                fail(&mut moved, reasons::OUTPUT_RESOLUTION_FAILED, message);
            }
            output => self.give_output(&mut moved, output),
        }
        self.move_run(moved);
    }

    /// Adds the output to a story that succeeded, or the failure that the output causes.
    fn give_output(&self, moved: &mut Moved, output: &Value) {
        let story = self.state.story();
        if let Some(schema) = &story.outputs_schema
            && let Checked::Invalid(why) | Checked::Unusable(why) = (self.question.check)(schema, output)
        {
            let message = format!("The story's output is invalid against its schema: {why}.");
            return fail(moved, reasons::OUTPUT_SCHEMA_FAILED, message);
        }
        let text = canonical(output);
        if text.len() > OUTPUT_LEN_MAX {
            moved.output_dropped = true;
            moved.message =
                Some(format!("Story completed; its output of {} bytes is too long to be kept.", text.len()));
            return;
        }
        moved.output = String::from_utf8(text).ok();
    }

    /// Ends the steps that have not ended, because the run ends: what is under way by force, what has not begun as `unbegun`.
    pub(super) fn close_steps(&mut self, unbegun: Phase, why: &str) {
        for number in 0..self.state.steps().len() {
            let step = self.step(number);
            if step.is_terminal() {
                continue;
            }
            let to = if step.attempt_ns.is_some() { Phase::Aborted } else { unbegun };
            self.rule(number, to, StepCause::RunEnded, format!("{to} because {why}"));
        }
        self.candidates.clear();
    }

    /// A run that was cancelled ends as soon as nothing is under way.
    pub(super) fn finish_cancel(&mut self, how: CancelMode) {
        let drained = self.state.live == 0;
        if how == CancelMode::Drain && !drained {
            return;
        }
        self.end_cancelled(how);
    }

    /// Ends a cancelled run, and ends by force what is still under way.
    pub(super) fn end_cancelled(&mut self, how: CancelMode) {
        self.close_steps(Phase::Canceled, "the story run was cancelled");
        let to = match how {
            CancelMode::Drain => Phase::Finished,
            CancelMode::Now => Phase::Canceled,
            CancelMode::Kill => Phase::Aborted,
        };
        let asked = self.state.run().cancel.as_ref().and_then(|cancel| cancel.message.clone());
        let message = asked.unwrap_or_else(|| "Story run cancelled.".to_owned());
        let error = (to == Phase::Aborted).then(|| RunError {
            kind: to.default_reason().to_owned(),
            message: message.clone(),
            failed_steps: Vec::new(),
        });
        let moved = Moved { message: Some(message), error, ..self.run_to(to, MoveCause::Cancel) };
        self.move_run(moved);
    }
}
