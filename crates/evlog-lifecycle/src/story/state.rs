//! A run's state, and how each event changes it.
//!
//! The fold and a decision use the same functions. The fold has checked the event before. A decision works on a copy, to see
//! what follows from what it has decided so far. So a decision and its replay cannot differ.
//!
//! Invariants:
//! - Phase, conditions, times, counters and error change together, in one event.
//! - The tallies, and what each step waits for, are functions of the phases of the steps.

use super::conditions::{self, Conditions};
use super::definition::graph::{self, Graph};
use super::definition::{Definition, Group};
use super::derive::{Bucket, Dependency, Tally, bucket, meaning};
use super::duration;
use super::failure::RunError;
use super::payload::{CancelMode, CancelRequested, GateDecided, Mode, Moved, Redriven, StepCause, StepMoved};
use super::phases::Phase;
use super::reasons;
use super::retry::ExitClass;
use super::steps::{Gate, StepState, Steps};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// The content of a run's first event, for as long as the run lives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) story: Definition,
    /// The story as recorded.
    pub(crate) text: String,
    pub(crate) inputs_text: Option<String>,
    /// The inputs with the defaults of their schema.
    pub(crate) inputs: Value,
    pub(crate) mode: Mode,
    pub(crate) impulse: Option<String>,
    /// Which step waits for which, or why the graph is inconsistent.
    pub(crate) graph: Result<Graph, String>,
    /// Steps with a condition that may be answered later: waits, and those with an `if`.
    pub(crate) askable: Vec<u32>,
    pub(crate) time_ns: i128,
    pub(crate) actor: String,
}

/// A request to cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// How the run is cancelled.
    pub how: CancelMode,
    /// When it was asked for, Unix nanoseconds.
    pub at_ns: i128,
    /// When steps that still run are ended by force.
    pub deadline_ns: i128,
    /// The reason.
    pub message: Option<String>,
}

/// The run itself, without its steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Its phase; none at the beginning of a later epoch.
    pub phase: Option<Phase>,
    /// The reason of its conditions.
    pub reason: Cow<'static, str>,
    /// The message for people.
    pub message: Option<Arc<str>>,
    /// Its conditions.
    pub conditions: Option<Conditions>,
    /// Whether its output was too long to be kept.
    pub output_dropped: bool,
    /// The time when it was first `Running`.
    pub started_ns: Option<i128>,
    /// The time of its end.
    pub finished_ns: Option<i128>,
    /// The number of times that it became `Running`.
    pub attempts: u32,
    /// The number of the epoch, from 1.
    pub epoch: u32,
    /// The error.
    pub error: Option<Arc<RunError>>,
    /// The story's output, as text.
    pub output: Option<Arc<str>>,
    /// Tokens of other systems that count the run, in the order of arrival.
    pub tokens: Arc<Vec<&'static str>>,
    /// The request to cancel, if there was one.
    pub cancel: Option<Arc<Cancel>>,
    /// The token of the last redrive.
    pub redriven_by: Option<Arc<str>>,
}

/// How many events of each kind there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Phases of the run.
    pub moves: u64,
    /// Phases of steps.
    pub step_moves: u64,
    /// Requests that broke the contract.
    pub rejections: u64,
    /// Epochs begun again.
    pub redrives: u64,
}

/// The state of a run of contract `story`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub(crate) origin: Arc<Origin>,
    pub(super) run: Run,
    pub(super) steps: Steps,
    pub(super) tallies: [Tally; 3],
    /// Steps that have a phase and have not ended.
    pub(super) live: u32,
    /// Steps that count against the limit of concurrency.
    pub(super) under_way: u32,
    pub(super) queued: u32,
    /// Branches that have ended; the tallies count the steps that the groups list.
    pub(super) branches_done: u32,
    pub(super) counts: Counts,
}

impl State {
    pub(super) fn new(origin: Origin) -> State {
        let steps = fresh(&origin);
        State {
            origin: Arc::new(origin),
            run: Run { epoch: 1, ..Run::default() },
            steps,
            tallies: [Tally::default(); 3],
            live: 0,
            under_way: 0,
            queued: 0,
            branches_done: 0,
            counts: Counts::default(),
        }
    }

    /// The story, as pinned.
    pub fn story(&self) -> &Definition {
        &self.origin.story
    }

    /// The run itself.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Its phase.
    pub fn phase(&self) -> Option<Phase> {
        self.run.phase
    }

    /// Its steps.
    pub fn steps(&self) -> &Steps {
        &self.steps
    }

    /// The mode: who decides how the run goes on.
    pub fn mode(&self) -> Mode {
        self.origin.mode
    }

    /// How many events of each kind there were.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether it has ended, in its epoch.
    pub fn is_terminal(&self) -> bool {
        self.run.phase.is_some_and(Phase::is_terminal)
    }

    /// The next time at which a tick changes the run.
    pub fn due_ns(&self) -> Option<i128> {
        if self.is_terminal() || self.mode() == Mode::Observed {
            return None;
        }
        let limit = match &self.run.cancel {
            Some(cancel) => Some(cancel.deadline_ns),
            None => self.story_deadline_ns(),
        };
        limit.into_iter().chain(self.steps.due_ns()).min()
    }

    /// The time when the story's limit is reached.
    pub(super) fn story_deadline_ns(&self) -> Option<i128> {
        Some(duration::after(self.run.started_ns?, self.story().story_timeout_ns()?))
    }

    /// Takes a phase of the run into account.
    pub(super) fn apply_moved(&mut self, time_ns: i128, event: &Moved) {
        let run = &mut self.run;
        let entered = run.phase != Some(event.to);
        let mut statuses = event.to.conditions();
        statuses[2] |= event.output_dropped;
        run.conditions = Some(conditions::written(run.conditions, statuses, time_ns));
        run.phase = Some(event.to);
        run.reason = reasons::known(event.reason.clone());
        run.message = event.message.as_deref().map(Arc::from);
        run.output_dropped = event.output_dropped;
        if event.to == Phase::Running && (entered || run.attempts == 0) {
            run.attempts += 1;
            run.started_ns.get_or_insert(time_ns);
        }
        if event.to.is_terminal() {
            run.finished_ns.get_or_insert(time_ns);
        }
        if event.error.is_some() {
            run.error = event.error.clone().map(Arc::new);
        }
        if event.output.is_some() {
            run.output = event.output.as_deref().map(Arc::from);
        }
        self.add_tokens(event.to);
        self.counts.moves += 1;
    }

    fn add_tokens(&mut self, to: Phase) {
        let triggered = self.origin.impulse.is_some();
        let tokens: &[&'static str] = match to {
            Phase::Running if triggered => &["story", "impulse"],
            Phase::Running => &["story"],
            Phase::Succeeded if triggered => &["impulse-success"],
            Phase::Failed if triggered => &["impulse-failed"],
            _ => &[],
        };
        for token in tokens {
            if !self.run.tokens.contains(token) {
                Arc::make_mut(&mut self.run.tokens).push(token);
            }
        }
    }

    /// Takes a phase of a step into account.
    pub(super) fn apply_step_moved(&mut self, time_ns: i128, number: usize, event: &StepMoved) {
        let before = self.weight(number);
        let was = self.steps.get(number).phase;
        self.steps.update(number, |step| step.enter(time_ns, event));
        self.reweigh(number, before);
        self.count_branch(number, was, event.to);
        self.counts.step_moves += 1;
        if was != Some(event.to) {
            self.tell_dependents(number, was, event.to);
        }
    }

    /// How a step counts in the tallies and counters, before or after a change.
    fn weight(&self, number: usize) -> (Bucket, [bool; 4]) {
        let step = self.steps.get(number);
        let definition = &self.story().steps[number];
        let (counted, branch_done) = match definition.parent {
            Some(_) => (Bucket::Neither, step.is_terminal()),
            None => (bucket(step.phase, step.has_not_begun(), definition.allow_failure), false),
        };
        let under_way = step.is_under_way() && definition.kind.is_work();
        (counted, [step.is_live(), under_way, step.queued, branch_done])
    }

    fn reweigh(&mut self, number: usize, before: (Bucket, [bool; 4])) {
        let after = self.weight(number);
        let group = self.story().group_of(number);
        self.tallies[group as usize].change(before.0, after.0);
        let counters = [&mut self.live, &mut self.under_way, &mut self.queued, &mut self.branches_done];
        for ((counter, before), after) in counters.into_iter().zip(before.1).zip(after.1) {
            *counter = *counter + u32::from(after) - u32::from(before);
        }
    }

    /// Lets a parallel step know that a branch of it has ended.
    fn count_branch(&mut self, number: usize, was: Option<Phase>, is: Phase) {
        let ended = is.is_terminal() && !was.is_some_and(Phase::is_terminal);
        let Some(parent) = self.story().steps[number].parent.map(|parent| parent as usize) else { return };
        if ended && !self.steps.get(parent).is_terminal() {
            self.steps.update(parent, |step| step.open = step.open.saturating_sub(1));
        }
    }

    /// Tells the steps that wait for a step that it has another phase.
    fn tell_dependents(&mut self, number: usize, was: Option<Phase>, is: Phase) {
        let origin = Arc::clone(&self.origin);
        let Ok(graph) = &origin.graph else { return };
        for dependent in graph.dependents(number) {
            let dependent = *dependent as usize;
            let judge = |phase| meaning(&origin.story, dependent, number, phase);
            let (before, after) = (judge(was), judge(Some(is)));
            if before == after || self.steps.get(dependent).is_terminal() {
                continue;
            }
            self.steps.update(dependent, |step| {
                let met = |verdict| u32::from(verdict == Dependency::Met);
                step.unmet = step.unmet + met(before) - met(after);
                if after == Dependency::Failed {
                    let number = graph::id(number);
                    step.failed_need = Some(step.failed_need.map_or(number, |known| known.min(number)));
                }
            });
        }
    }

    /// Takes a request to cancel into account.
    pub(super) fn apply_cancel(&mut self, time_ns: i128, event: &CancelRequested) {
        let at_ns = self.run.cancel.as_ref().map_or(time_ns, |known| known.at_ns);
        let (how, deadline_ns, message) = (event.how, event.deadline_ns, event.message.clone());
        self.run.cancel = Some(Arc::new(Cancel { how, at_ns, deadline_ns, message }));
    }

    /// Takes the decision of a gate into account.
    pub(super) fn apply_gate(&mut self, time_ns: i128, number: usize, event: &GateDecided, by: &str) {
        let gate = Gate { state: event.state, message: event.message.clone(), at_ns: time_ns, by: by.to_owned() };
        self.steps.update(number, |step| step.gate = Some(Arc::new(gate)));
    }

    /// Begins another epoch: all of it, or a step and what follows from it.
    pub(super) fn apply_redriven(&mut self, event: &Redriven, cleared: &[usize]) {
        self.counts.redrives += 1;
        let ended = self.is_terminal();
        let run = std::mem::take(&mut self.run);
        let kept = Run {
            attempts: run.attempts,
            epoch: event.epoch,
            tokens: run.tokens,
            redriven_by: event.token.as_deref().map(Arc::from),
            ..Run::default()
        };
        if event.from_step.is_none() {
            self.run = kept;
            self.steps = fresh(&self.origin);
        } else {
            self.run = Run { started_ns: run.started_ns, ..kept };
            if !ended {
                let (phase, reason, conditions) = (run.phase, run.reason, run.conditions);
                self.run = Run { phase, reason, conditions, ..std::mem::take(&mut self.run) };
            }
            for number in cleared {
                self.steps.update(*number, |step| *step = StepState::default());
            }
            self.wait_anew(cleared);
        }
        self.tally_anew();
    }

    /// What the cleared steps wait for, computed from the phases.
    fn wait_anew(&mut self, cleared: &[usize]) {
        let origin = Arc::clone(&self.origin);
        let Ok(graph) = &origin.graph else { return };
        for number in cleared {
            let (mut unmet, mut failed_need) = (0, None);
            for need in graph.needs(*number) {
                let phase = self.steps.get(*need as usize).phase;
                match meaning(&origin.story, *number, *need as usize, phase) {
                    Dependency::Met => {}
                    Dependency::Unmet => unmet += 1,
                    Dependency::Failed => {
                        unmet += 1;
                        failed_need = failed_need.or(Some(*need));
                    }
                }
            }
            let branches = origin.story.branches(*number);
            let open = graph::id(branches.filter(|branch| !self.steps.get(*branch).is_terminal()).count());
            self.steps.update(*number, |step| (step.unmet, step.failed_need, step.open) = (unmet, failed_need, open));
        }
    }

    /// The tallies and counters, computed from the phases.
    fn tally_anew(&mut self) {
        self.tallies = [Tally::default(); 3];
        (self.live, self.under_way, self.queued, self.branches_done) = (0, 0, 0, 0);
        for number in 0..self.steps.len() {
            self.reweigh(number, (Bucket::Neither, [false; 4]));
        }
    }

    /// The progress of a group.
    pub fn tally(&self, group: Group) -> Tally {
        self.tallies[group as usize]
    }

    /// Whether a main step has failed that is not allowed to fail.
    pub(super) fn main_failed(&self) -> bool {
        self.tallies[Group::Main as usize].failed > 0
    }

    /// Whether nothing new begins because a main step has failed.
    pub(super) fn fails_fast(&self) -> bool {
        self.main_failed() && !self.story().policy.continue_on_step_failure
    }
}

/// Steps without a phase, each waiting for what the graph says.
fn fresh(origin: &Origin) -> Steps {
    let (story, known) = (&origin.story, origin.graph.as_ref());
    let mut branches = vec![0; story.steps.len()];
    for parent in story.steps.iter().filter_map(|step| step.parent) {
        branches[parent as usize] += 1;
    }
    let needs = |number| known.map_or(0, |known| graph::id(known.needs(number).len()));
    Steps::new(branches.len(), |number| (needs(number), branches[number]))
}

impl Origin {
    /// Which step of a story waits for which.
    pub(super) fn graph_of(story: &Definition) -> Result<Graph, String> {
        graph::of_run(story)
    }
}

impl StepState {
    /// Takes an event into account.
    fn enter(&mut self, time_ns: i128, event: &StepMoved) {
        if event.to == Phase::Running && self.attempt_ns.is_none() {
            self.attempt_ns = Some(time_ns);
            self.worker = None;
            (self.exit_code, self.exit_class, self.last_failure, self.error) = (None, None, None, None);
        }
        let share = |text: &Option<String>| text.as_deref().map(Arc::from);
        self.conditions = Some(conditions::after(self.conditions, event.to, time_ns));
        self.reason = reasons::known(event.reason.clone());
        self.message = share(&event.message);
        self.because = share(&event.because);
        self.started_ns.get_or_insert(time_ns);
        self.queued = event.cause == StepCause::Queued;
        self.held = event.cause == StepCause::Held;
        self.retries = event.retries;
        self.next_retry_ns = event.next_retry_ns;
        self.deadline_ns = event.deadline_ns;
        self.exit_code = event.exit_code.or(self.exit_code);
        self.exit_class = event.exit_class.or(self.exit_class);
        self.worker = share(&event.worker).or(self.worker.take());
        self.child = share(&event.child).or(self.child.take());
        if let Some(error) = &event.error {
            self.error = Some(Arc::new(error.clone()));
        }
        if event.exit_class.is_some_and(|class| class != ExitClass::Success) {
            self.last_failure = share(&event.message).or(self.last_failure.take());
        }
        if event.to == Phase::Succeeded {
            // What went wrong in an earlier attempt is in its events; the step has not failed.
            (self.error, self.exit_code, self.exit_class) = (None, event.exit_code, event.exit_class);
        }
        if event.output.as_deref().is_some_and(|output| output != "null") {
            self.output = share(&event.output);
            self.last_output_ns = Some(time_ns);
        }
        if event.to == Phase::Pending || event.to.is_terminal() {
            self.attempt_ns = None;
        }
        if event.to.is_terminal() {
            self.finished_ns.get_or_insert(time_ns);
        }
        self.phase = Some(event.to);
    }
}
