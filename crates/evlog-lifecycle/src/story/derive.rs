//! What follows from the phases of the steps: buckets, dependencies, stages, and how the run ends (story.md 3.10 to 4.3).

use super::definition::{Definition, Group, Pattern};
use super::phases::Phase;
use super::reasons;

/// What a step counts as, within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// Done: it succeeded, was skipped, or failed and is allowed to.
    Completed,
    /// Under way.
    Running,
    /// Failed, and is not allowed to.
    Failed,
    /// It waits for its turn, or for something that is missing.
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
    /// It is fulfilled: nothing waits for it.
    Met,
    /// It must be waited for.
    Unmet,
    /// It has failed: the step is skipped.
    Failed,
}

/// What a dependency means for a step of a group (story.md 3.10). `go_on` is the policy `continueOnStepFailure`.
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

/// What a step's phase means for a step that waits for it. A branch waits until its parallel step begins. The failure of a
/// branch stops no other step by itself, so a step that waits for the branch is skipped at once.
pub(super) fn meaning(story: &Definition, dependent: usize, need: usize, phase: Option<Phase>) -> Dependency {
    if story.is_branch(dependent, need) {
        let begun = matches!(phase, Some(Phase::Running | Phase::Paused));
        return if begun { Dependency::Met } else { Dependency::Unmet };
    }
    let of = &story.steps[need];
    let go_on = story.policy.continue_on_step_failure || of.parent.is_some();
    dependency(story.pattern, story.group_of(dependent), go_on, phase, of.allow_failure)
}

/// The progress of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Steps that are completed or failed.
    pub done: u32,
    /// Steps that failed and must not fail.
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

/// The progress of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A group's steps are executed.
    Of(Group),
    /// Everything that had to be done is done.
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
    /// The message for people.
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
    /// Its branches that failed and must not fail, in the order of their declaration.
    pub failed: Vec<usize>,
    /// Its branches that failed and may fail.
    pub allowed: Vec<usize>,
}
