//! What the events of contract `story` carry. There is one table per kind, version 1 each.
//!
//! The order of fields and the numbers of the closed sets are part of the format; a golden test pins both. JSON from
//! callers is carried as text in RFC 8785 form.

use super::failure::{RunError, StepError};
use super::phases::Phase;
use super::retry::ExitClass;
use crate::payloads::payload_json;
use crate::table;
use crate::words::words;
use evlog_format::Kind;
use evlog_projection::{Fact, FoldError, NewEvent, readable};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::borrow::Cow;

/// Version of every table here.
pub const PAYLOAD_VERSION: u16 = 1;

/// How much of a requested phase is recorded, in bytes.
pub const TOKEN_LEN_MAX: usize = 64;

words! {
    /// Who decides how a run goes on.
    Mode: "mode" {
        /// evlog, from results and the time.
        Decided = 0, "decided";
        /// A controller elsewhere, which reports phases.
        Observed = 1, "observed";
    }
}

words! {
    /// The cause of a run's phase.
    MoveCause: "cause of a run's phase" {
        /// It was asked for.
        Requested = 0, "requested";
        /// It follows from the phases of the steps.
        Derived = 1, "derived";
        /// The story's time ran out.
        Clock = 2, "clock";
        /// The run was cancelled.
        Cancel = 3, "cancel";
        /// The run was stopped, by a request or by a step.
        Stop = 4, "stop";
        /// A precondition of the run does not hold.
        Guard = 5, "guard";
        /// The run begins again, in another epoch.
        Redrive = 6, "redrive";
        /// It waits for an answer to its output.
        Held = 7, "held";
    }
}

words! {
    /// The cause of a step's phase.
    StepCause: "cause of a step's phase" {
        /// All that it waits for is there.
        Ready = 0, "ready";
        /// It is ready, but the limit of steps that are under way at once is reached.
        Queued = 1, "queued";
        /// It was reported.
        Reported = 2, "reported";
        /// A condition was answered.
        Evaluated = 3, "evaluated";
        /// A gate was decided.
        Decided = 4, "decided";
        /// Time passed.
        Clock = 5, "clock";
        /// A step that it waits for has failed.
        FailedDependency = 6, "failed_dependency";
        /// Another step has failed, and nothing new begins.
        FailFast = 7, "fail_fast";
        /// There is nothing to undo.
        Unused = 8, "unused";
        /// The run has ended.
        RunEnded = 9, "run_ended";
        /// The stream has ended.
        TopologyTerminated = 10, "topology_terminated";
        /// The result was kept from before.
        CacheHit = 11, "cache_hit";
        /// It waits for an answer: to its `if`, its arguments, or its `postExecution`.
        Held = 12, "held";
        /// A parallel step and its branches begin and end together.
        Parallel = 13, "parallel";
        /// The run of the story that it executes has come so far.
        Child = 14, "child";
    }
}

words! {
    /// Why a request breaks the contract.
    RejectionReason: "rejection reason" {
        /// The relation does not have the pair.
        UndefinedTransition = 0, "undefined_transition";
        /// The token names no phase.
        UnknownPhase = 1, "unknown_phase";
        /// The relation has the pair under a condition that does not hold.
        GuardUnmet = 2, "guard_unmet";
        /// What has ended stays as it is.
        Terminal = 3, "terminal";
        /// The run has not started.
        NotStarted = 4, "not_started";
        /// The step's turn has not come.
        NotReady = 5, "not_ready";
        /// The step's next attempt is not due yet.
        RetryNotDue = 6, "retry_not_due";
        /// Another worker has the step.
        StaleWorker = 7, "stale_worker";
        /// The run was cancelled.
        Cancelled = 8, "cancelled";
    }
}

words! {
    /// What a command asks to do.
    Action: "action" {
        /// Begin a run.
        Create = 0, "create";
        /// Start the run.
        Start = 1, "start";
        /// Report the result of a step.
        Step = 2, "step";
        /// Record a phase of the run, or pause and resume it.
        Transition = 3, "transition";
        /// Give the time, so that timers and deadlines take effect.
        Tick = 4, "tick";
        /// Decide a gate.
        Gate = 5, "gate";
        /// Answer a condition.
        Evaluate = 6, "evaluate";
        /// End the run before its work is done.
        Cancel = 7, "cancel";
        /// End the run with an outcome.
        Stop = 8, "stop";
        /// Say that the stream has ended.
        Terminate = 9, "terminate";
        /// Run steps again, in a new epoch.
        Redrive = 10, "redrive";
        /// Copy the state of the run that a step executes.
        Child = 11, "child";
    }
}

words! {
    /// How a run is cancelled.
    CancelMode: "way to cancel" {
        /// What is under way may end first.
        Drain = 0, "drain";
        /// At once.
        Now = 1, "now";
        /// At once, and by force.
        Kill = 2, "kill";
    }
}

words! {
    /// What was decided of a gate.
    GateState: "state of a gate" {
        /// Nothing yet.
        Pending = 0, "Pending";
        /// It opens.
        Approved = 1, "Approved";
        /// It fails.
        Rejected = 2, "Rejected";
    }
}

/// `story.created`: a run begins, in phase `Pending`. The story holds for as long as the run lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// The story, as RFC 8785 text; `null` in an observed run without one.
    #[serde(serialize_with = "readable::text")]
    pub story: String,
    /// The inputs, as RFC 8785 text of an object.
    #[serde(serialize_with = "readable::optional_text")]
    pub inputs: Option<String>,
    /// Who decides.
    pub mode: Mode,
    /// The impulse that triggered the run.
    pub impulse: Option<String>,
}

/// `story.moved`: the run has another phase, or the same with another reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The phase before; none at the beginning of an epoch.
    pub from: Option<Phase>,
    /// The phase after.
    pub to: Phase,
    /// The cause of the new phase.
    pub cause: MoveCause,
    /// The reason of its conditions.
    pub reason: Cow<'static, str>,
    /// The message for people.
    pub message: Option<String>,
    /// What went wrong.
    pub error: Option<RunError>,
    /// The story's output, as RFC 8785 text.
    #[serde(serialize_with = "readable::optional_text")]
    pub output: Option<String>,
    /// Whether an output was too long to be kept.
    pub output_dropped: bool,
}

/// `story.step_moved`: a step has another phase, or the same with another reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepMoved {
    /// The step.
    pub step: String,
    /// The phase before; none when it had none.
    pub from: Option<Phase>,
    /// The phase after.
    pub to: Phase,
    /// The cause of the new phase.
    pub cause: StepCause,
    /// The reason of its conditions.
    pub reason: Cow<'static, str>,
    /// The message for people.
    pub message: Option<String>,
    /// The step that it is about: the dependency that failed.
    pub because: Option<String>,
    /// The exit code of the attempt that ended; none when it could not be determined.
    pub exit_code: Option<u32>,
    /// What the end of the attempt means.
    pub exit_class: Option<ExitClass>,
    /// How many retries were scheduled so far.
    pub retries: u32,
    /// When the next attempt is due, Unix nanoseconds.
    #[serde(rename = "next_retry_at", serialize_with = "readable::optional_time")]
    pub next_retry_ns: Option<i128>,
    /// When the attempt, the wait or the sleep is over, Unix nanoseconds.
    #[serde(rename = "deadline_at", serialize_with = "readable::optional_time")]
    pub deadline_ns: Option<i128>,
    /// The output, as RFC 8785 text.
    #[serde(serialize_with = "readable::optional_text")]
    pub output: Option<String>,
    /// What went wrong.
    pub error: Option<StepError>,
    /// Who works on it.
    pub worker: Option<String>,
    /// The run of the story that it executes.
    pub child: Option<String>,
}

/// `story.rejected`: a request breaks the contract. Nothing else changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The step; none for the run.
    pub step: Option<String>,
    /// The phase that it has.
    pub from: Option<Phase>,
    /// The phase that was asked for, its first 64 bytes; empty when the action names none.
    pub requested: String,
    /// Why not.
    pub reason: RejectionReason,
    /// The message of the answer.
    pub message: String,
    /// Which action asked.
    pub action: Action,
    /// The caller's message.
    pub note: Option<String>,
    /// BLAKE3 of the command.
    #[serde(serialize_with = "readable::digest")]
    pub request: [u8; 32],
}

/// `story.cancel_requested`: nothing new begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequested {
    /// How.
    pub how: CancelMode,
    /// When steps that still run are ended by force, Unix nanoseconds.
    #[serde(rename = "deadline_at", serialize_with = "readable::time")]
    pub deadline_ns: i128,
    /// Why.
    pub message: Option<String>,
}

/// `story.gate_decided`: the actor of the commit decided a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateDecided {
    /// The gate.
    pub step: String,
    /// What was decided.
    pub state: GateState,
    /// Why.
    pub message: Option<String>,
}

/// `story.redriven`: an epoch ends and the next begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redriven {
    /// The number of the epoch that begins.
    pub epoch: u32,
    /// The caller's token for this request: the same token again records nothing.
    pub token: Option<String>,
    /// The step that runs again, with those that depend on it; none: all steps.
    pub from_step: Option<String>,
    /// The steps whose state is cleared, in the order of their declaration.
    pub cleared: Vec<String>,
}

payload_json! {
    STORY_CREATED: Created;
    STORY_MOVED: Moved;
    STORY_STEP_MOVED: StepMoved;
    STORY_REJECTED: Rejected;
    STORY_CANCEL_REQUESTED: CancelRequested;
    STORY_GATE_DECIDED: GateDecided;
    STORY_REDRIVEN: Redriven;
}

/// An event to commit.
pub(crate) fn event<T: Serialize>(kind: Kind<'_>, table: &T) -> NewEvent {
    NewEvent::new(kind, table::encoded(table))
}

/// The table of a committed event.
pub(crate) fn read<T: Serialize + DeserializeOwned>(fact: &Fact<'_>) -> Result<T, FoldError> {
    table::read(fact, PAYLOAD_VERSION)
}

impl Moved {
    /// A phase with its usual reason and nothing else.
    pub fn new(from: Option<Phase>, to: Phase, cause: MoveCause) -> Moved {
        Moved {
            from,
            to,
            cause,
            reason: Cow::Borrowed(to.default_reason()),
            message: None,
            error: None,
            output: None,
            output_dropped: false,
        }
    }
}

impl StepMoved {
    /// A phase with its usual reason and nothing else.
    pub fn new(step: &str, from: Option<Phase>, to: Phase, cause: StepCause) -> StepMoved {
        StepMoved {
            step: step.to_owned(),
            from,
            to,
            cause,
            reason: Cow::Borrowed(to.default_reason()),
            message: None,
            because: None,
            exit_code: None,
            exit_class: None,
            retries: 0,
            next_retry_ns: None,
            deadline_ns: None,
            output: None,
            error: None,
            worker: None,
            child: None,
        }
    }
}
