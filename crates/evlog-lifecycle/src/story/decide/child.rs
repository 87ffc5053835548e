//! `child`: a step follows the run that it executes (story.md 3.11). The engine passes that run's state as of this
//! decision. The state is recorded, so that replay reads no other run.

use super::turn::Turn;
use super::{Broken, unknown_step};
use crate::story::command::{Followed, Report};
use crate::story::definition::Kind;
use crate::story::payload::{RejectionReason, StepCause, StepMoved};
use crate::story::phases::Phase;
use crate::story::rules::Breach;
use crate::story::state::State;
use evlog_projection::{Decision, parse};
use serde_json::Value;

/// A step runs while its child runs, and ends as its child ends.
pub(super) fn child(mut turn: Turn<'_>, followed: &Followed) -> Decision {
    let Some(number) = turn.state.story().number(&followed.step) else {
        return unknown_step(&followed.step);
    };
    let step = turn.definition(number);
    if step.kind != Kind::ExecuteStory {
        let (name, found) = (&step.name, step.kind.word());
        let message = format!("step `{name}`: expected one that executes a story (`executeStory`), found a `{found}`");
        return Decision::refused(Vec::new(), "STEP_NOT_A_STORY", message);
    }
    let asked = turn.question.asked;
    let Some(child) = asked.related.filter(|_| followed.child != asked.run) else {
        let message = format!("expected another run of contract `story`, found `{}`", followed.child);
        return Decision::refused(Vec::new(), "CHILD_NOT_FOUND", message);
    };
    if let Err(breach) = turn.follow(number, &followed.child, child) {
        let step = Some((followed.step.as_str(), turn.step(number).phase));
        let requested = child.phase().map_or("", Phase::word);
        return turn.question.reject(Broken { step, requested, note: None, breach });
    }
    turn.done()
}

impl Turn<'_> {
    fn follow(&mut self, number: usize, run: &str, child: &State) -> Result<(), Breach> {
        let name = self.definition(number).name.clone();
        let step = self.step(number);
        let bound = step.child.as_deref() == Some(run);
        if bound && step.is_terminal() {
            return Ok(());
        }
        if let Some(known) = step.child.as_deref().filter(|_| step.attempt_ns.is_some() && !bound) {
            let message = format!("step `{name}` executes run `{known}`, found `{run}`");
            return Err(Breach::new(RejectionReason::StaleWorker, message));
        }
        let ended = child.phase().filter(|phase| phase.is_terminal());
        let report = Report { step: name, child: Some(run.to_owned()), mirrors: true, ..ended_as(child, ended) };
        if !self.admits(number, Some(ended.unwrap_or(Phase::Running)), &report)? {
            return Ok(());
        }
        self.bind(number, run, bound);
        if !self.definition(number).waits_for_child() {
            let message = Some(format!("Story run `{run}` was begun, and is not waited for"));
            let moved = self.next(number, Phase::Succeeded, StepCause::Child);
            self.move_step(number, StepMoved { message, child: Some(run.to_owned()), ..moved });
        } else if let Some(phase) = ended {
            self.mirror(number, phase, &report)?;
        }
        self.settle();
        Ok(())
    }

    /// Begins the step's attempt, unless it has begun.
    fn bind(&mut self, number: usize, run: &str, bound: bool) {
        if bound && self.step(number).phase == Some(Phase::Running) {
            return;
        }
        // The child has its own time limit. The step has one only if this story sets it.
        let deadline_ns = self.state.story().stated_timeout_ns(number).map(|timeout| self.after_now(timeout));
        let moved = self.next(number, Phase::Running, StepCause::Child);
        let deadline_ns = moved.deadline_ns.or(deadline_ns);
        self.move_step(number, StepMoved { deadline_ns, child: Some(run.to_owned()), ..moved });
    }

    /// Ends the step as its child has ended. The step is not tried again: a child has retries of its own, and can be redriven.
    fn mirror(&mut self, number: usize, phase: Phase, report: &Report) -> Result<(), Breach> {
        if phase == Phase::Succeeded {
            self.succeed(number, report);
            return Ok(());
        }
        // A skipped child did not do the step's work, and a running step cannot become skipped.
        let to = if phase == Phase::Skipped { Phase::Canceled } else { phase };
        let moved = self.described(number, to, report);
        self.state.judge_step(number, &moved)?;
        self.move_step(number, moved);
        Ok(())
    }
}

/// The report about a child that has ended, with what the step takes from it.
fn ended_as(child: &State, ended: Option<Phase>) -> Report {
    let Some(phase) = ended else { return Report::default() };
    let run = child.run();
    let output = run.output.as_deref().map(|text| (text.to_owned(), parse(text.as_bytes()).unwrap_or(Value::Null)));
    Report {
        to: Some(phase.word().to_owned()),
        message: run.message.as_deref().map(str::to_owned),
        output,
        ..Report::default()
    }
}
