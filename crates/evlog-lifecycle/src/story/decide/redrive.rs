//! `redrive`: a run that has ended begins again, in another epoch of the same run (story.md 2.6; 7, items 44 and open 1, 2).

use super::turn::Turn;
use super::unknown_step;
use crate::story::command::Again;
use crate::story::payload::{Mode, MoveCause, Redriven, RejectionReason, StepCause};
use crate::story::phases::Phase;
use evlog_projection::Decision;
use std::collections::BTreeSet;

/// Begins another epoch. A decided run starts at once.
pub(super) fn redrive(mut turn: Turn<'_>, again: &Again) -> Decision {
    let run = turn.state.run();
    if again.token.is_some() && run.redriven_by.as_deref() == again.token.as_deref() {
        return turn.done();
    }
    let from = match again.from.as_deref().map(|name| turn.state.story().number(name).ok_or(name)) {
        None => None,
        Some(Ok(number)) => Some(number),
        Some(Err(name)) => return unknown_step(name),
    };
    if run.cancel.is_some() {
        let message = "run: a request to cancel cannot be taken back; expected a new run".to_owned();
        return turn.question.reject_run(RejectionReason::Cancelled, message, None);
    }
    if run.started_ns.is_none() && !turn.state.is_terminal() {
        let message = "run: it has not started; expected `start`".to_owned();
        return turn.question.reject_run(RejectionReason::NotStarted, message, None);
    }
    turn.renew(again, from);
    turn.done()
}

impl Turn<'_> {
    fn renew(&mut self, again: &Again, from: Option<usize>) {
        let cleared = self.cleared(from);
        if self.state.mode() == Mode::Decided && !self.state.is_terminal() {
            self.abort(&cleared);
        }
        let names = cleared.iter().map(|number| self.definition(*number).name.clone()).collect();
        let redriven = Redriven {
            epoch: self.state.run().epoch + 1,
            token: again.token.clone(),
            from_step: from.map(|number| self.definition(number).name.clone()),
            cleared: names,
        };
        self.begin_epoch(&redriven, &cleared);
        if self.state.mode() == Mode::Observed {
            return;
        }
        match self.state.phase() {
            None => self.go(MoveCause::Redrive),
            Some(_) => self.settle(),
        }
    }

    /// The steps that run again: all steps that have a phase; or one step, and the steps of its group that depend on it.
    fn cleared(&self, from: Option<usize>) -> Vec<usize> {
        let has_phase = |number: &usize| self.step(*number).phase.is_some();
        let Some(from) = from else {
            return (0..self.state.steps().len()).filter(has_phase).collect();
        };
        let story = self.state.story();
        let group = story.group_of(from);
        let graph = self.state.origin.graph.as_ref();
        let downstream = graph.map_or_else(|_| BTreeSet::from([from]), |graph| graph.downstream(story, from));
        downstream.into_iter().filter(|number| story.group_of(*number) == group).collect()
    }

    /// Ends by force what is under way before the epoch ends, so that no report about it reaches the next epoch.
    fn abort(&mut self, cleared: &[usize]) {
        for number in cleared {
            if self.step(*number).attempt_ns.is_some() {
                self.rule(*number, Phase::Aborted, StepCause::RunEnded, "Aborted because the step is done again");
            }
        }
        self.candidates.clear();
    }
}
