//! The steps of a run: each with its state, in a sequence that is cheap to copy.
//!
//! A decision works on a copy of the run, and a fold of its own keeps the next one; stories have thousands of steps. So
//! the sequence is cut into chunks that copies share until one of them writes.
//!
//! Invariant: each chunk knows the earliest time at which one of its steps is due, and how many of them are queued.

use super::conditions::Conditions;
use super::failure::StepError;
use super::machine::Phase;
use super::payload::GateState;
use super::retry::ExitClass;
use std::borrow::Cow;
use std::sync::Arc;

/// How many steps share a chunk: copying one costs about as much as copying the list of a thousand steps' chunks.
const CHUNK_LEN: usize = 32;

/// What became of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// What was decided.
    pub state: GateState,
    /// Why.
    pub message: Option<String>,
    /// When, Unix nanoseconds.
    pub at_ns: i64,
    /// By whom.
    pub by: String,
}

/// The state of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepState {
    /// Its phase; none before it has one.
    pub phase: Option<Phase>,
    /// The reason of its conditions.
    pub reason: Cow<'static, str>,
    /// What to tell people.
    pub message: Option<Arc<str>>,
    /// Its conditions.
    pub conditions: Option<Conditions>,
    /// When it first had a phase.
    pub started_ns: Option<i64>,
    /// When it ended.
    pub finished_ns: Option<i64>,
    /// When its output was recorded.
    pub last_output_ns: Option<i64>,
    /// When the attempt that is under way began.
    pub attempt_ns: Option<i64>,
    /// How many retries were scheduled.
    pub retries: u32,
    /// When the next attempt is due.
    pub next_retry_ns: Option<i64>,
    /// When the attempt, the wait or the sleep is over.
    pub deadline_ns: Option<i64>,
    /// The exit code of the last attempt that ended.
    pub exit_code: Option<u32>,
    /// What its end means.
    pub exit_class: Option<ExitClass>,
    /// What the last failed attempt said.
    pub last_failure: Option<Arc<str>>,
    /// The output, as text.
    pub output: Option<Arc<str>>,
    /// What went wrong.
    pub error: Option<Arc<StepError>>,
    /// Who works on it.
    pub worker: Option<Arc<str>>,
    /// The run of the story that it executes.
    pub child: Option<Arc<str>>,
    /// The step that is the reason that it was skipped.
    pub because: Option<Arc<str>>,
    /// What was decided of it, if it is a gate.
    pub gate: Option<Arc<Gate>>,
    /// Whether it is ready and waits for its turn.
    pub queued: bool,
    /// Whether it waits for an answer to its `if`.
    pub held: bool,
    /// How many of the steps that it waits for are not done.
    pub(super) unmet: u32,
    /// The first of them, by number, that has failed and may not.
    pub(super) failed_need: Option<u32>,
    /// How many of its branches have not ended.
    pub(super) open: u32,
}

impl StepState {
    /// Whether it has a phase, and that is not its last.
    pub fn is_live(&self) -> bool {
        self.phase.is_some_and(|phase| !phase.is_terminal())
    }

    /// Whether it has ended.
    pub fn is_terminal(&self) -> bool {
        self.phase.is_some_and(Phase::is_terminal)
    }

    /// Whether it is on record and still waits for its turn or for an answer.
    pub fn has_not_begun(&self) -> bool {
        self.queued || self.held
    }

    /// Whether somebody may work on it, or it holds: what counts against the limit of concurrency.
    pub fn is_under_way(&self) -> bool {
        !self.has_not_begun() && matches!(self.phase, Some(Phase::Pending | Phase::Running | Phase::Paused))
    }

    /// When time next has something to say to it.
    pub fn due_ns(&self) -> Option<i64> {
        if self.is_live() { self.next_retry_ns.or(self.deadline_ns) } else { None }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chunk {
    steps: Vec<Arc<StepState>>,
    due_ns: Option<i64>,
    queued: u32,
}

/// All steps of a run, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    chunks: Arc<Vec<Arc<Chunk>>>,
    len: usize,
}

impl Steps {
    /// Steps without a phase, each with the number of steps that it waits for, and of its branches.
    pub(super) fn new(len: usize, waits: impl Fn(usize) -> (u32, u32)) -> Steps {
        let chunk = |start: usize| {
            let numbers = start..(start + CHUNK_LEN).min(len);
            let step = |number| {
                let (unmet, open) = waits(number);
                Arc::new(StepState { unmet, open, ..StepState::default() })
            };
            Arc::new(Chunk { steps: numbers.map(step).collect(), ..Chunk::default() })
        };
        Steps { chunks: Arc::new((0..len).step_by(CHUNK_LEN).map(chunk).collect()), len }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One of them.
    pub fn get(&self, number: usize) -> &StepState {
        &self.chunks[number / CHUNK_LEN].steps[number % CHUNK_LEN]
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &StepState> {
        self.chunks.iter().flat_map(|chunk| chunk.steps.iter().map(Arc::as_ref))
    }

    /// Changes one of them.
    pub(super) fn update(&mut self, number: usize, change: impl FnOnce(&mut StepState)) {
        let chunk = Arc::make_mut(&mut Arc::make_mut(&mut self.chunks)[number / CHUNK_LEN]);
        let step = Arc::make_mut(&mut chunk.steps[number % CHUNK_LEN]);
        let (due_before, queued_before) = (step.due_ns(), step.queued);
        change(step);
        let (due_after, queued_after) = (step.due_ns(), step.queued);
        chunk.queued = chunk.queued + u32::from(queued_after) - u32::from(queued_before);
        if due_before != due_after {
            chunk.due_ns = chunk.steps.iter().filter_map(|step| step.due_ns()).min();
        }
    }

    /// When time next has something to say to one of them.
    pub fn due_ns(&self) -> Option<i64> {
        self.chunks.iter().filter_map(|chunk| chunk.due_ns).min()
    }

    /// The numbers of those that are due, in order.
    pub(super) fn due(&self, now_ns: i64) -> Vec<usize> {
        let chunks = self.chunks.iter().enumerate();
        let late = chunks.filter(|(_, chunk)| chunk.due_ns.is_some_and(|due| due <= now_ns));
        let in_chunk = |(index, chunk): (usize, &Arc<Chunk>)| {
            let steps = chunk.steps.iter().enumerate();
            let late = steps.filter(|(_, step)| step.due_ns().is_some_and(|due| due <= now_ns));
            late.map(move |(at, _)| index * CHUNK_LEN + at).collect::<Vec<_>>()
        };
        late.flat_map(in_chunk).collect()
    }

    /// The first that is queued.
    pub(super) fn first_queued(&self) -> Option<usize> {
        let (index, chunk) = self.chunks.iter().enumerate().find(|(_, chunk)| chunk.queued > 0)?;
        chunk.steps.iter().position(|step| step.queued).map(|at| index * CHUNK_LEN + at)
    }
}
