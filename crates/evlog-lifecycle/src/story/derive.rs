//! What follows from the phases of the steps: buckets, dependencies, stages, and how the run ends (story.md 3.10 to 4.3).

use super::definition::{Definition, Group, Pattern};
use super::failure::{FailedStep, RunError};
use super::machine::Phase;
use super::reasons;
use super::state::State;

/// The most failed steps that a run's error names.
pub const FAILED_STEPS_MAX: usize = 100;

/// What a step counts as, within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// Done: it succeeded or was skipped, or failed and may.
    Completed,
    /// Under way.
    Running,
    /// Failed, and may not.
    Failed,
    /// None of these: it waits for its turn, or for something that is missing.
    Neither,
}

/// The bucket of a step (story.md 4.1).
pub const fn bucket(phase: Option<Phase>, has_not_begun: bool, allow_failure: bool) -> Bucket {
    match phase {
        Some(Phase::Succeeded | Phase::Skipped) => Bucket::Completed,
        Some(Phase::Pending) if has_not_begun => Bucket::Neither,
        Some(Phase::Pending | Phase::Running | Phase::Paused) => Bucket::Running,
        None | Some(Phase::Blocked | Phase::Scheduling) => Bucket::Neither,
        Some(_) if allow_failure => Bucket::Completed,
        Some(_) => Bucket::Failed,
    }
}

/// What a dependency means for the step that waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// It need not be waited for.
    Met,
    /// It must be waited for.
    Unmet,
    /// It has failed: the step is skipped.
    Failed,
}

/// The dependency's part in a step of a group (story.md 3.10); `go_on` is the policy `continueOnStepFailure`.
pub fn dependency(
    pattern: Pattern,
    group: Group,
    go_on: bool,
    phase: Option<Phase>,
    allow_failure: bool,
) -> Dependency {
    let Some(phase) = phase else { return Dependency::Unmet };
    let streams = pattern == Pattern::Realtime && group == Group::Main;
    if streams && matches!(phase, Phase::Pending | Phase::Running | Phase::Paused) {
        return Dependency::Met;
    }
    if !phase.is_terminal() {
        return Dependency::Unmet;
    }
    if !phase.is_failure() || allow_failure || group != Group::Main {
        return Dependency::Met;
    }
    if go_on { Dependency::Failed } else { Dependency::Unmet }
}

/// How far a group has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Steps that are completed or failed.
    pub done: u32,
    /// Steps that failed and may not.
    pub failed: u32,
}

impl Tally {
    /// Takes a step's change of bucket into account.
    pub(super) fn change(&mut self, before: Bucket, after: Bucket) {
        let done = |bucket| u32::from(matches!(bucket, Bucket::Completed | Bucket::Failed));
        self.done = self.done + done(after) - done(before);
        self.failed = self.failed + u32::from(after == Bucket::Failed) - u32::from(before == Bucket::Failed);
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A group's steps are executed.
    Of(Group),
    /// All that was to be done is done.
    Done,
}

impl Stage {
    /// The stage's word.
    pub const fn word(self) -> &'static str {
        match self {
            Stage::Of(Group::Main) => "main",
            Stage::Of(Group::Compensations) => "compensation",
            Stage::Of(Group::Finally) => "finally",
            Stage::Done => "finalize",
        }
    }
}

/// The stage that the tallies of the three groups lead to (story.md 3.12).
pub fn stage(story: &Definition, tallies: &[Tally; 3]) -> Stage {
    let undone = |group: Group| tallies[group as usize].done < story.declared(group);
    if undone(Group::Main) {
        return Stage::Of(Group::Main);
    }
    if tallies[Group::Main as usize].failed > 0 && undone(Group::Compensations) {
        return Stage::Of(Group::Compensations);
    }
    if undone(Group::Finally) { Stage::Of(Group::Finally) } else { Stage::Done }
}

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Its phase.
    pub phase: Phase,
    /// The reason of its conditions.
    pub reason: &'static str,
    /// What to tell people.
    pub message: String,
    /// The group whose failures are the reason.
    pub failures_of: Option<Group>,
}

/// The ending that the tallies lead to once all is done (story.md 4.2, rows 7 to 10 and 13).
pub fn ending(story: &Definition, tallies: &[Tally; 3], named: &dyn Fn(Group) -> String) -> Ending {
    let failed = |group: Group| tallies[group as usize].failed > 0;
    let of = |phase, reason, group: Group, message: String| Ending { phase, reason, message, failures_of: Some(group) };
    if failed(Group::Finally) {
        let message = format!("Cleanup step {} failed.", named(Group::Finally));
        return of(Phase::Failed, reasons::CLEANUP_FAILED, Group::Finally, message);
    }
    if failed(Group::Compensations) {
        let message = format!("Compensation step {} failed.", named(Group::Compensations));
        return of(Phase::Failed, reasons::COMPENSATION_FAILED, Group::Compensations, message);
    }
    if failed(Group::Main) && !story.group(Group::Compensations).is_empty() {
        let message = format!("Story compensated after failed step: {}.", named(Group::Main));
        return of(Phase::Compensated, Phase::Compensated.default_reason(), Group::Main, message);
    }
    if failed(Group::Main) {
        let message = format!("Story completed with failed step: {}.", named(Group::Main));
        return of(Phase::Failed, reasons::DEPENDENCY_FAILED, Group::Main, message);
    }
    let reason = Phase::Succeeded.default_reason();
    Ending { phase: Phase::Succeeded, reason, message: "Story completed.".to_owned(), failures_of: None }
}

/// How a parallel step ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its phase.
    pub phase: Phase,
    /// Its branches that failed and may not, in the order of their declaration.
    pub failed: Vec<usize>,
    /// Those that failed and may.
    pub allowed: Vec<usize>,
}

impl State {
    /// How a parallel step ends whose branches have ended (story.md 3.11). While a run that was cancelled drains, what was
    /// cancelled is no failure.
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

    /// What a step's phase means for one that waits for it. A branch waits for its parallel step to begin. The failure of a
    /// branch stops nothing by itself, so who waits for it is skipped at once.
    pub(super) fn means(story: &Definition, dependent: usize, need: usize, phase: Option<Phase>) -> Dependency {
        if story.is_branch(dependent, need) {
            let begun = matches!(phase, Some(Phase::Running | Phase::Paused));
            return if begun { Dependency::Met } else { Dependency::Unmet };
        }
        let of = &story.steps[need];
        let go_on = story.policy.continue_on_step_failure || of.parent.is_some();
        dependency(story.pattern, story.group_of(dependent), go_on, phase, of.allow_failure)
    }

    /// Where the run stands.
    pub fn stage(&self) -> Stage {
        stage(self.story(), &self.tallies)
    }

    /// The names of a group's steps that failed and may not, in the order of their declaration; the first hundred.
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

    /// Steps that failed and may, sorted by name.
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
}
