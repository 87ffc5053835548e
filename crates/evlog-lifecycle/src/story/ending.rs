//! What follows from a run's state: its stage, what failed, and how it ends (story.md 3.11 to 4.3).

use super::definition::Group;
use super::derive::{Bucket, Ending, Joined, Stage, bucket, ending, stage};
use super::failure::{FailedStep, RunError};
use super::phases::Phase;
use super::state::State;

/// The most failed steps that a run's error names.
const FAILED_STEPS_MAX: usize = 100;

impl State {
    /// How a parallel step ends when all its branches have ended (story.md 3.11). While a cancelled run drains, a cancelled
    /// branch does not count as a failure.
    pub fn joined(&self, number: usize) -> Joined {
        let story = self.story();
        let phase = |branch: usize| self.steps().get(branch).phase;
        let failed = story.branches(number).filter(|branch| phase(*branch).is_some_and(Phase::is_failure));
        let (allowed, failed): (Vec<usize>, Vec<usize>) = failed.partition(|branch| story.steps[*branch].allow_failure);
        let cancelled =
            self.run().cancel.is_some() && failed.iter().all(|branch| phase(*branch) == Some(Phase::Canceled));
        let phase = match (failed.is_empty(), cancelled) {
            (true, _) => Phase::Succeeded,
            (false, true) => Phase::Canceled,
            (false, false) => Phase::Failed,
        };
        Joined { phase, failed, allowed }
    }

    /// The progress of the run.
    pub fn stage(&self) -> Stage {
        stage(self.story(), &self.tallies)
    }

    /// The names of a group's steps that failed and must not fail, in the order of their declaration; the first hundred.
    pub fn failed(&self, group: Group) -> Vec<FailedStep> {
        let story = self.story();
        let numbers = story.group(group).filter(|number| story.steps[*number].parent.is_none()).filter(|number| {
            let step = self.steps().get(*number);
            bucket(step.phase, step.has_not_begun(), story.steps[*number].allow_failure) == Bucket::Failed
        });
        let failed = |number: usize| {
            let step = self.steps().get(number);
            let message = step.message.as_deref().map(|message| crate::members::cut(message, 2048).to_owned());
            FailedStep { name: story.steps[number].name.clone(), phase: step.phase, message }
        };
        numbers.take(FAILED_STEPS_MAX).map(failed).collect()
    }

    /// Steps that failed and may fail, sorted by name.
    pub fn allowed_failures(&self) -> Vec<&str> {
        let steps = self.story().steps.iter().zip(self.steps().iter());
        let allowed = steps.filter(|(step, state)| step.allow_failure && state.phase.is_some_and(Phase::is_failure));
        let mut names: Vec<&str> = allowed.map(|(step, _)| step.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// How the run ends, now that all is done.
    pub(super) fn ending(&self) -> (Ending, Option<RunError>) {
        let first = |group| self.failed(group).first().map_or_else(String::new, |step| step.name.clone());
        let mut ending = ending(self.story(), &self.tallies, &first);
        let error = ending.failures_of.map(|group| RunError {
            kind: ending.reason.to_owned(),
            message: ending.message.clone(),
            failed_steps: self.failed(group),
        });
        if error.is_none() {
            let allowed = self.allowed_failures();
            if !allowed.is_empty() {
                ending.message = format!("Story completed; allowed failures: {}.", allowed.join(", "));
            }
        }
        (ending, error)
    }

    /// Whether every step of every stage that is to be executed has ended.
    pub(super) fn is_all_done(&self) -> bool {
        self.stage() == Stage::Done
    }
}
