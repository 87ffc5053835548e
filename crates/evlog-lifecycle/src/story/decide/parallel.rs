//! Steps of type `parallel`, whose branches are executed together (story.md 3.11). Such a step runs as long as one of its
//! branches does, and its end follows from the ends of its branches.

use super::turn::Turn;
use crate::story::derive::Joined;
use crate::story::failure::StepError;
use crate::story::payload::{Mode, StepCause, StepMoved};
use crate::story::phases::Phase;

/// The most branches that a sentence names.
const NAMED_MAX: usize = 10;

impl Turn<'_> {
    /// Starts a parallel step whose turn has come; then its branches may start.
    pub(super) fn open_branches(&mut self, number: usize) {
        let moved = self.next(number, Phase::Running, StepCause::Ready);
        self.move_step(number, moved);
    }

    /// Skips the branches of a step that was skipped.
    pub(super) fn skip_branches(&mut self, number: usize) {
        let name = self.definition(number).name.clone();
        for branch in self.state.story().within(number) {
            if self.step(branch).is_terminal() {
                // The branch ended before its parallel step was done again.
                continue;
            }
            let mut moved = self.next(branch, Phase::Skipped, StepCause::Parallel);
            moved.message = Some(format!("Skipped because step `{name}` was skipped"));
            moved.because = Some(name.clone());
            self.move_step(branch, moved);
        }
    }

    /// The last branch of a parallel step has ended, and so does that step.
    pub(super) fn join(&mut self, number: usize) {
        let step = self.step(number);
        if step.phase != Some(Phase::Running) || step.open > 0 || self.state.mode() == Mode::Observed {
            return;
        }
        let Joined { phase, failed, allowed } = self.state.joined(number);
        let message = match (failed.is_empty(), allowed.is_empty()) {
            (true, true) => "All branches have ended".to_owned(),
            (true, false) => format!("All branches have ended; allowed failures: {}", self.named(&allowed)),
            (false, _) => format!("Branches that did not succeed: {}", self.named(&failed)),
        };
        let moved = StepMoved {
            error: StepError::of_attempt(phase, Some(&message), None, None),
            because: failed.first().map(|branch| self.definition(*branch).name.clone()),
            message: Some(message),
            ..self.next(number, phase, StepCause::Parallel)
        };
        self.move_step(number, moved);
    }

    /// Steps by name, the first few of them.
    fn named(&self, steps: &[usize]) -> String {
        let names: Vec<&str> = steps.iter().take(NAMED_MAX).map(|step| self.definition(*step).name.as_str()).collect();
        let more = steps.len() - names.len();
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        names.join(", ") + &rest
    }
}
