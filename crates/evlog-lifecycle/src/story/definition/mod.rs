//! A story as pinned at the creation of its run: steps in three groups, policy, schemas, output.
//!
//! Does: hold what was read (`read`), say what admission refuses (`check`), and which step waits for which (`graph`). Does
//! not: evaluate anything, or read a story again later. So what changes elsewhere does not change the run.
//!
//! Steps are numbered in the order main, compensations, finally. Within a group they have the declared order, and branches
//! come after the step that they are branches of.

mod check;
pub mod graph;
mod read;

pub use check::check;
pub(crate) use check::unique;

use super::duration;
use super::retry::{Given, Policy, chosen};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::Range;

/// The most steps of a story, in all groups. With this many, a command that changes every step still fits one commit.
pub const STEPS_MAX: usize = 20_000;
/// The longest name of a step, in bytes.
pub const STEP_NAME_LEN_MAX: usize = 128;
/// The default time limit of an attempt, nanoseconds.
pub const STEP_TIMEOUT_NS: i64 = 30 * 60 * duration::SECOND;
/// The default time that a cancelled run drains, nanoseconds.
pub const DRAIN_NS: i64 = 30 * duration::SECOND;
/// The default limit of the inputs, in bytes of RFC 8785 text.
pub const INPUTS_LEN_MAX: u64 = 5 * 1024;

/// Which of the three lists a step is in, in the order in which the lists run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// `steps`.
    Main,
    /// `compensations`.
    Compensations,
    /// `finally`.
    Finally,
}

impl Group {
    /// All three.
    pub const ALL: [Group; 3] = [Group::Main, Group::Compensations, Group::Finally];

    /// The member of the story that lists its steps.
    pub const fn member(self) -> &'static str {
        match self {
            Group::Main => "steps",
            Group::Compensations => "compensations",
            Group::Finally => "finally",
        }
    }
}

/// How a story runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pattern {
    /// Steps follow one another.
    #[default]
    Batch,
    /// Steps run together, as one stream.
    Realtime,
}

impl Pattern {
    /// The word of the story's member `pattern`.
    pub const fn word(self) -> &'static str {
        match self {
            Pattern::Batch => "batch",
            Pattern::Realtime => "realtime",
        }
    }
}

/// The work of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Work that a worker does and reports.
    #[default]
    Engram,
    /// Another story, whose phase is reported.
    ExecuteStory,
    /// It does no work: it is skipped or succeeds by its `if`.
    Condition,
    /// It holds until it is decided.
    Gate,
    /// It holds until a condition is true.
    Wait,
    /// It holds for a while.
    Sleep,
    /// It ends the run.
    Stop,
    /// Its branches are executed together.
    Parallel,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 8] = [
        Kind::Engram,
        Kind::ExecuteStory,
        Kind::Condition,
        Kind::Gate,
        Kind::Wait,
        Kind::Sleep,
        Kind::Stop,
        Kind::Parallel,
    ];

    /// The word of a step's member `type`.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Engram => "engram",
            Kind::ExecuteStory => "executeStory",
            Kind::Condition => "condition",
            Kind::Gate => "gate",
            Kind::Wait => "wait",
            Kind::Sleep => "sleep",
            Kind::Stop => "stop",
            Kind::Parallel => "parallel",
        }
    }

    /// Whether a worker does it and reports on it.
    pub const fn is_work(self) -> bool {
        matches!(self, Kind::Engram | Kind::ExecuteStory)
    }
}

/// What happens to a gate or wait whose time is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTimeout {
    /// It ends as `Timeout`.
    #[default]
    Fail,
    /// It ends as `Skipped`.
    Skip,
}

/// A condition on the output of a step that has succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostExecution {
    /// The expression.
    pub condition: String,
    /// The message when the condition is false; empty for the usual sentence.
    pub failure_message: String,
}

impl PostExecution {
    /// The message of a step whose condition is false.
    pub fn said_no(&self) -> &str {
        match self.failure_message.as_str() {
            "" => "post-execution condition evaluated to false",
            message => message,
        }
    }
}

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Its name, unique in the story.
    pub name: String,
    /// Its work.
    pub kind: Kind,
    /// Steps that it waits for.
    pub needs: Vec<String>,
    /// Paths that must have a value before it starts.
    pub requires: Vec<String>,
    /// The expression that decides whether it is executed.
    pub condition: Option<String>,
    /// Its arguments.
    pub with: Map<String, Value>,
    /// Whether it may fail without failing the run.
    pub allow_failure: bool,
    /// Whether executing it twice does harm.
    pub side_effects: bool,
    /// Its own retry policy.
    pub retry: Option<Given>,
    /// Its own timeout, as written.
    pub timeout: Option<String>,
    /// What its output must satisfy.
    pub post_execution: Option<PostExecution>,
    /// JSON Schema of `with`, resolved.
    pub input_schema: Option<Value>,
    /// JSON Schema of its output.
    pub output_schema: Option<Value>,
    /// The parallel step that it is a branch of.
    pub parent: Option<u32>,
    /// The number after its last branch. Branches of branches count too.
    pub(super) beyond: u32,
}

/// What holds for all steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoryPolicy {
    /// How long the run may take, as written.
    pub story_timeout: Option<String>,
    /// How long an attempt may take, as written.
    pub step_timeout: Option<String>,
    /// How long a cancelled run drains, as written.
    pub drain_timeout: Option<String>,
    /// The retry policy of steps that have none.
    pub step_retry: Option<Given>,
    /// Whether independent steps go on after a failure.
    pub continue_on_step_failure: bool,
    /// The most steps that are under way at once.
    pub concurrency: Option<u64>,
    /// The longest inputs, in bytes.
    pub inputs_len_max: Option<u64>,
}

/// A story.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// How the story runs.
    pub pattern: Pattern,
    /// All steps, group after group.
    pub steps: Vec<Step>,
    /// What holds for all steps.
    pub policy: StoryPolicy,
    /// JSON Schema of the inputs.
    pub inputs_schema: Option<Value>,
    /// JSON Schema of the output.
    pub outputs_schema: Option<Value>,
    /// The output's template.
    pub output: Option<Value>,
    ends: [usize; 3],
    declared: [u32; 3],
    numbers: BTreeMap<String, u32>,
}

impl Definition {
    /// The numbers of a group's steps.
    pub fn group(&self, group: Group) -> Range<usize> {
        let start = match group {
            Group::Main => 0,
            Group::Compensations => self.ends[0],
            Group::Finally => self.ends[1],
        };
        start..self.ends[group as usize]
    }

    /// How many steps a group lists. Branches do not count: they belong to the step that lists them.
    pub fn declared(&self, group: Group) -> u32 {
        self.declared[group as usize]
    }

    /// The branches of a step, and the branches of these.
    pub fn within(&self, step: usize) -> Range<usize> {
        step + 1..(self.steps[step].beyond as usize).max(step + 1)
    }

    /// The branches of a step.
    pub fn branches(&self, step: usize) -> impl Iterator<Item = usize> {
        self.within(step).filter(move |branch| self.is_branch(*branch, step))
    }

    /// Whether a step is a branch of this one.
    pub(crate) fn is_branch(&self, step: usize, of: usize) -> bool {
        self.steps[step].parent.is_some_and(|parent| parent as usize == of)
    }

    /// The group of a step.
    pub fn group_of(&self, step: usize) -> Group {
        match step {
            step if step < self.ends[0] => Group::Main,
            step if step < self.ends[1] => Group::Compensations,
            _ => Group::Finally,
        }
    }

    /// The number of the step of this name.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).map(|number| *number as usize)
    }

    /// The number of the step that an expression means. Hyphens and underscores are equal in expressions.
    pub(crate) fn number_of_alias(&self, name: &str) -> Option<usize> {
        self.number(name).or_else(|| {
            let wanted = name.replace('_', "-");
            self.steps.iter().position(|step| step.name.replace('_', "-") == wanted)
        })
    }

    /// The retry policy of a step (story.md 3.1): its own, else the story's, else the defaults. A main step with side
    /// effects and no policy of its own is not tried again.
    pub fn retry(&self, step: usize) -> Policy {
        let own = self.steps[step].retry.as_ref();
        let given = chosen(own, self.policy.step_retry.as_ref()).cloned().unwrap_or_default();
        let policy = given.resolve(super::retry::DEFAULT);
        let harmful = self.steps[step].side_effects && own.is_none() && self.group_of(step) == Group::Main;
        Policy { max_retries: if harmful { 0 } else { policy.max_retries }, ..policy }
    }

    /// How many retries a step may have, if the step or the story says so.
    pub fn stated_max_retries(&self, step: usize) -> Option<u32> {
        chosen(self.steps[step].retry.as_ref(), self.policy.step_retry.as_ref())?.max_retries
    }

    /// How long an attempt of a step may take: the step's own limit, else the story's, else half an hour.
    pub fn timeout_ns(&self, step: usize) -> i64 {
        self.stated_timeout_ns(step).unwrap_or(STEP_TIMEOUT_NS)
    }

    /// How long an attempt of a step may take, if the step or the story says so.
    pub fn stated_timeout_ns(&self, step: usize) -> Option<i64> {
        let given = [&self.steps[step].timeout, &self.policy.step_timeout];
        given.into_iter().flatten().find_map(|text| duration::parse_positive(text))
    }

    /// How long the run may take; `None` without a limit. A blank text, or one that is not a duration, counts as no limit.
    pub fn story_timeout_ns(&self) -> Option<i64> {
        self.policy.story_timeout.as_deref().and_then(duration::parse_positive)
    }

    /// How long a cancelled run drains. It does not drain if this is zero or less.
    pub fn drain_ns(&self) -> i64 {
        self.policy.drain_timeout.as_deref().and_then(duration::parse).unwrap_or(DRAIN_NS)
    }

    /// The longest inputs, in bytes.
    pub fn inputs_len_max(&self) -> u64 {
        self.policy.inputs_len_max.unwrap_or(INPUTS_LEN_MAX)
    }
}

impl Step {
    /// The text of an argument.
    pub fn argument(&self, name: &str) -> Option<&str> {
        self.with.get(name).and_then(Value::as_str)
    }

    /// Whether a step that executes a story waits for the story's end, and not only for its beginning.
    pub fn waits_for_child(&self) -> bool {
        self.with.get("waitForCompletion") != Some(&Value::Bool(false))
    }

    /// What happens when its time is up.
    pub fn on_timeout(&self) -> OnTimeout {
        if self.argument("onTimeout") == Some("skip") { OnTimeout::Skip } else { OnTimeout::Fail }
    }
}
