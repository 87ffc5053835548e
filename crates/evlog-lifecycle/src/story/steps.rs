//! The steps of a run, each with its state, in a sequence that is cheap to copy.
//!
//! A decision works on a copy of the run, and stories have thousands of steps. So the sequence is a tree. Copies share the
//! tree's nodes. A change of a step copies only the nodes above that step.
//!
//! Invariant: each node knows the earliest time at which one of its steps is due, and how many of its steps are queued.

use super::conditions::Conditions;
use super::failure::StepError;
use super::payload::GateState;
use super::phases::Phase;
use super::reasons;
use super::retry::ExitClass;
use std::borrow::Cow;
use std::sync::Arc;

/// The most steps, or nodes, of a node. Copying this many costs about as much as changing one step.
const FANOUT: usize = 32;

/// The decision about a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The decision.
    pub state: GateState,
    /// The reason.
    pub message: Option<String>,
    /// When, Unix nanoseconds.
    pub at_ns: i128,
    /// By whom.
    pub by: String,
}

/// The condition that a held step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Whether its `if` holds.
    Condition,
    /// Whether what it requires is there, and its arguments are as their schema asks.
    Arguments,
    /// Whether its `postExecution` holds.
    PostExecution,
}

/// The state of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepState {
    /// Its phase; `None` until it has one.
    pub phase: Option<Phase>,
    /// The reason of its conditions.
    pub reason: Cow<'static, str>,
    /// The message for people.
    pub message: Option<Arc<str>>,
    /// Its conditions.
    pub conditions: Option<Conditions>,
    /// The time when it first had a phase.
    pub started_ns: Option<i128>,
    /// The time of its end.
    pub finished_ns: Option<i128>,
    /// The time when its output was recorded.
    pub last_output_ns: Option<i128>,
    /// The time when the attempt that is under way began.
    pub attempt_ns: Option<i128>,
    /// The number of retries that were scheduled.
    pub retries: u32,
    /// The time when the next attempt is due.
    pub next_retry_ns: Option<i128>,
    /// When the attempt, the wait or the sleep is over.
    pub deadline_ns: Option<i128>,
    /// The exit code of the last attempt that ended.
    pub exit_code: Option<u32>,
    /// What its end means.
    pub exit_class: Option<ExitClass>,
    /// What the last failed attempt said.
    pub last_failure: Option<Arc<str>>,
    /// The output, as text.
    pub output: Option<Arc<str>>,
    /// The error.
    pub error: Option<Arc<StepError>>,
    /// The worker.
    pub worker: Option<Arc<str>>,
    /// The run of the story that it executes.
    pub child: Option<Arc<str>>,
    /// The step because of which it was skipped.
    pub because: Option<Arc<str>>,
    /// The decision about it, if it is a gate.
    pub gate: Option<Arc<Gate>>,
    /// Whether it is ready and waits for its turn.
    pub queued: bool,
    /// Whether it waits for an answer; [`asks`](StepState::asks) says for which.
    pub held: bool,
    /// How many of the steps that it waits for are not done.
    pub(super) unmet: u32,
    /// The first of these steps, by number, that has failed and must not fail.
    pub(super) failed_need: Option<u32>,
    /// How many of its branches have not ended.
    pub(super) open: u32,
}

impl StepState {
    /// Whether it has a phase and has not ended.
    pub fn is_live(&self) -> bool {
        self.phase.is_some_and(|phase| !phase.is_terminal())
    }

    /// Whether it has ended.
    pub fn is_terminal(&self) -> bool {
        self.phase.is_some_and(Phase::is_terminal)
    }

    /// Whether it is recorded and still waits for its turn or for an answer.
    pub fn has_not_begun(&self) -> bool {
        self.queued || self.held && self.asks() != Some(Asked::PostExecution)
    }

    /// The answer that it waits for.
    pub fn asks(&self) -> Option<Asked> {
        match &*self.reason {
            _ if !self.held => None,
            reasons::ARGUMENTS_AWAITED => Some(Asked::Arguments),
            reasons::POST_EXECUTION_AWAITED => Some(Asked::PostExecution),
            _ => Some(Asked::Condition),
        }
    }

    /// Whether a worker may have it, or it holds. Then it counts against the limit of steps under way.
    pub fn is_under_way(&self) -> bool {
        !self.has_not_begun() && matches!(self.phase, Some(Phase::Pending | Phase::Running | Phase::Paused))
    }

    /// The next time at which a tick changes it.
    pub fn due_ns(&self) -> Option<i128> {
        if self.is_live() { self.next_retry_ns.or(self.deadline_ns) } else { None }
    }
}

/// A part of the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    below: Below,
    due_ns: Option<i128>,
    queued: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Below {
    Steps(Vec<Arc<StepState>>),
    Nodes(Vec<Arc<Node>>),
}

/// All steps of a run, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    root: Arc<Node>,
    len: usize,
    /// How many steps are below each child of the root, except the last child.
    width: usize,
}

impl Steps {
    /// Steps without a phase, each with the number of steps that it waits for, and of its branches.
    pub(super) fn new(len: usize, waits: impl Fn(usize) -> (u32, u32)) -> Steps {
        let step = |number| {
            let (unmet, open) = waits(number);
            Arc::new(StepState { unmet, open, ..StepState::default() })
        };
        let leaf = |start: usize| Node::of(Below::Steps((start..(start + FANOUT).min(len)).map(step).collect()));
        let mut nodes: Vec<Arc<Node>> = (0..len.max(1)).step_by(FANOUT).map(leaf).collect();
        let mut width = 1;
        while nodes.len() > 1 {
            nodes = nodes.chunks(FANOUT).map(|nodes| Node::of(Below::Nodes(nodes.to_vec()))).collect();
            width *= FANOUT;
        }
        Steps { root: nodes.swap_remove(0), len, width }
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The state of a step.
    pub fn get(&self, number: usize) -> &StepState {
        let (mut node, mut at, mut width) = (&self.root, number, self.width);
        loop {
            match &node.below {
                Below::Steps(steps) => return &steps[at],
                Below::Nodes(nodes) => (node, at, width) = (&nodes[at / width], at % width, width / FANOUT),
            }
        }
    }

    /// All steps, in order.
    pub fn iter(&self) -> impl Iterator<Item = &StepState> {
        (0..self.len).map(|number| self.get(number))
    }

    /// Changes the state of a step.
    pub(super) fn update(&mut self, number: usize, change: impl FnOnce(&mut StepState)) {
        Node::update(&mut self.root, number, self.width, change);
    }

    /// The next time at which a tick changes a step.
    pub fn due_ns(&self) -> Option<i128> {
        self.root.due_ns
    }

    /// The numbers of those that are due, in order.
    pub(super) fn due(&self, now_ns: i128) -> Vec<usize> {
        let mut due = Vec::new();
        self.root.due(now_ns, 0, self.width, &mut due);
        due
    }

    /// The first that is queued.
    pub(super) fn first_queued(&self) -> Option<usize> {
        let (mut node, mut first, mut width) = (&self.root, 0, self.width);
        loop {
            match &node.below {
                Below::Steps(steps) => return steps.iter().position(|step| step.queued).map(|at| first + at),
                Below::Nodes(nodes) => {
                    let at = nodes.iter().position(|node| node.queued > 0)?;
                    (node, first, width) = (&nodes[at], first + at * width, width / FANOUT);
                }
            }
        }
    }
}

impl Node {
    /// A node without a step that is due or queued.
    fn of(below: Below) -> Arc<Node> {
        Arc::new(Node { below, due_ns: None, queued: 0 })
    }

    /// Changes a step below this node. Its place is counted from the node's first step; there are `width` steps below each
    /// child.
    fn update(node: &mut Arc<Node>, at: usize, width: usize, change: impl FnOnce(&mut StepState)) {
        let node = Arc::make_mut(node);
        let (due_before, due_after, queued_before, queued_after);
        match &mut node.below {
            Below::Steps(steps) => {
                let step = Arc::make_mut(&mut steps[at]);
                (due_before, queued_before) = (step.due_ns(), u32::from(step.queued));
                change(step);
                (due_after, queued_after) = (step.due_ns(), u32::from(step.queued));
            }
            Below::Nodes(nodes) => {
                let child = &mut nodes[at / width];
                (due_before, queued_before) = (child.due_ns, child.queued);
                Node::update(child, at % width, width / FANOUT, change);
                (due_after, queued_after) = (child.due_ns, child.queued);
            }
        }
        node.queued = node.queued + queued_after - queued_before;
        if due_before != due_after {
            node.due_ns = match &node.below {
                Below::Steps(steps) => steps.iter().filter_map(|step| step.due_ns()).min(),
                Below::Nodes(nodes) => nodes.iter().filter_map(|node| node.due_ns).min(),
            };
        }
    }

    /// Adds the numbers of the steps below this node that are due; its first one has the number `first`.
    fn due(&self, now_ns: i128, first: usize, width: usize, due: &mut Vec<usize>) {
        let is_late = |due: Option<i128>| due.is_some_and(|due| due <= now_ns);
        match &self.below {
            Below::Steps(steps) => {
                let late = steps.iter().enumerate().filter(|(_, step)| is_late(step.due_ns()));
                due.extend(late.map(|(at, _)| first + at));
            }
            Below::Nodes(nodes) => {
                for (at, node) in nodes.iter().enumerate().filter(|(_, node)| is_late(node.due_ns)) {
                    node.due(now_ns, first + at * width, width / FANOUT, due);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compared with a plain list, at lengths of every depth, and at those where a level is added.
    #[test]
    fn a_change_is_seen_at_its_place_and_nowhere_else_at_every_number_of_steps() {
        for len in [0, 1, 31, 32, 33, 1024, 1025, 2000, 32_769] {
            let waits = |number: usize| (u32::try_from(number).unwrap(), 0);
            let empty = Steps::new(len, waits);
            let (mut steps, mut due, mut queued) = (empty.clone(), Vec::new(), Vec::new());
            for number in (0..len).filter(|number| number % 7 == 3 || number + 1 == len) {
                let at_ns = i128::try_from(number % 50).unwrap();
                steps.update(number, |step| {
                    (step.phase, step.deadline_ns) = (Some(Phase::Running), Some(at_ns));
                    step.queued = number % 2 == 0;
                });
                due.push((at_ns, number));
                queued.extend((number % 2 == 0).then_some(number));
            }
            assert!(steps.iter().map(|step| step.unmet as usize).eq(0..len), "{len}");
            assert_eq!(steps.due_ns(), due.iter().map(|(at_ns, _)| *at_ns).min(), "{len}");
            assert_eq!(steps.first_queued(), queued.first().copied(), "{len}");
            let late: Vec<usize> = due.iter().filter(|(at_ns, _)| *at_ns <= 20).map(|(_, number)| *number).collect();
            assert_eq!(steps.due(20), late, "{len}");
            assert!(empty.iter().all(|step| step.phase.is_none()), "a copy is not changed: {len}");
            for (_, number) in due {
                steps.update(number, |step| (step.phase, step.deadline_ns, step.queued) = (None, None, false));
            }
            assert_eq!((&steps, steps.first_queued(), steps.due_ns()), (&empty, None, None), "{len}");
        }
    }
}
