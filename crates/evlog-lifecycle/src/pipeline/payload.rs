//! Payloads of the contract's events, version 1 of each: the tables of `docs/lifecycle/pipeline.md`. The order of the
//! fields, and of the variants of the enums in them, is the format.
//!
//! Does not: know which event may follow which.
//!
//! Invariant: a payload is read completely and in its only encoding, or refused with a sentence.

use crate::payloads::payloads;
use crate::pipeline::outcome::{FailMode, Outcome, RunStatus, StageStatus};
use crate::words::words;
use evlog_projection::readable;
use serde::{Deserialize, Serialize};

/// The version of every payload here.
pub(super) const KIND_VERSION: u16 = 1;

/// `pipeline.created`: everything that the run is judged by, pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Created {
    /// Name of the pipeline.
    pub pipeline: String,
    /// BLAKE3 of the definition's canonical JSON text.
    #[serde(serialize_with = "readable::digest")]
    pub definition: [u8; 32],
    /// The text of the definition, if the plan defines it; none for a built-in definition.
    #[serde(serialize_with = "readable::optional_text")]
    pub definition_text: Option<String>,
    /// Every stage, in canonical order.
    pub stages: Vec<StageSetting>,
    /// Members for `manifest.json`, as canonical JSON text of an object.
    #[serde(serialize_with = "readable::text")]
    pub manifest: String,
    /// Whether `logs/health.json` is projected.
    pub emit_health: bool,
}

/// A stage's configuration for one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StageSetting {
    pub id: String,
    pub enabled: bool,
    pub fail_mode: FailMode,
}

/// `pipeline.stage_begun`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StageBegun {
    pub stage: String,
}

/// `pipeline.inputs_recorded`: what a stage is about to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InputsRecorded {
    pub stage: String,
    /// By path, as bytes, and then by where it is.
    pub inputs: Vec<Input>,
}

/// A file that a stage reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Input {
    /// Path, or what was looked for when nothing was found.
    pub path: String,
    pub from: Origin,
    /// Whether the stage cannot begin without it.
    pub required: bool,
    /// None when it is not there.
    pub content: Option<InputContent>,
}

/// Where an input is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Origin {
    /// Beside the plan.
    Plan,
    /// In the run's bundle.
    Run,
}

/// Length and digest of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InputContent {
    /// Length in bytes.
    pub bytes: u64,
    /// BLAKE3 of its bytes.
    #[serde(serialize_with = "readable::digest")]
    pub blake3: [u8; 32],
}

impl Origin {
    /// The words of commands and files.
    pub(super) const WORDS: [(&str, Origin); 2] = [("plan", Origin::Plan), ("run", Origin::Run)];

    pub(super) fn word(self) -> &'static str {
        match self {
            Origin::Plan => "plan",
            Origin::Run => "run",
        }
    }
}

/// `pipeline.promotion_intended` and `pipeline.artifacts_published`: the same files, before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Artifacts {
    pub stage: String,
    /// By path, as bytes.
    pub artifacts: Vec<Artifact>,
}

/// A file of the bundle that a stage made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Path in the bundle.
    pub path: String,
    /// Length in bytes.
    pub bytes: u64,
    /// BLAKE3 of its bytes.
    #[serde(serialize_with = "readable::digest")]
    pub blake3: [u8; 32],
    /// Id of the schema that it was validated against.
    pub contract: Option<String>,
}

/// `pipeline.validation_reported`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ValidationReported {
    /// The stage, or `orchestrator`.
    pub stage: String,
    /// The report without `generated_at_utc`, as canonical JSON text.
    #[serde(serialize_with = "readable::text")]
    pub report: String,
}

/// `pipeline.output_captured`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OutputCaptured {
    pub stage: String,
    /// Path in the bundle.
    pub path: String,
    /// Length in bytes.
    pub bytes: u64,
    /// BLAKE3 of its bytes.
    #[serde(serialize_with = "readable::digest")]
    pub blake3: [u8; 32],
}

/// `pipeline.outcome_recorded`, and `pipeline.stage_judged`: what is to be recorded unless something goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OutcomeRecorded {
    pub stage: String,
    pub status: StageStatus,
    pub fail_mode: FailMode,
    pub reason_code: Option<String>,
}

/// `pipeline.finalized`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finalized {
    pub status: RunStatus,
    pub exit_code: u8,
}

/// `pipeline.refused`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused {
    /// The command's `do`.
    pub action: String,
    /// The stage that it named, if any.
    pub stage: Option<String>,
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub message: String,
}

/// What was found of a stage's outputs in the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outputs {
    /// No outputs were found.
    None,
    /// All that are required, and valid.
    Valid,
    /// All that are required, and some do not fulfil their schema.
    Invalid,
    /// Some that are required, and some not.
    Partial,
    /// Some that cannot be read.
    Corrupt,
}

/// What was found of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    /// The stage.
    pub stage: String,
    /// Its outputs.
    pub outputs: Outputs,
    /// Whether its staging directory could not be cleared.
    pub staging: bool,
}

impl Outputs {
    /// All values, with the words of commands.
    pub const WORDS: [(&'static str, Outputs); 5] = [
        ("none", Outputs::None),
        ("valid", Outputs::Valid),
        ("invalid", Outputs::Invalid),
        ("partial", Outputs::Partial),
        ("corrupt", Outputs::Corrupt),
    ];

    /// The word of commands.
    pub fn word(self) -> &'static str {
        let known = Outputs::WORDS.iter().find(|(_, outputs)| *outputs == self);
        known.map_or_else(|| unreachable!("every finding has a word"), |(word, _)| word)
    }
}

/// `pipeline.reconciled`: what was found of an interrupted run. The outcomes that follow from it are the next events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reconciled {
    /// Every enabled stage, in canonical order.
    pub found: Vec<Found>,
}

/// `pipeline.lock_forced`: somebody took the run's lock by force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LockForced {
    /// What the lock that stood in the way was renamed to.
    pub stale_lock_filename: String,
    /// SHA-256 of its bytes.
    #[serde(serialize_with = "readable::digest")]
    pub stale_lock_sha256: [u8; 32],
}

/// What it means for a run to go beyond a limit (pipeline.md 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Behavior {
    /// It fails.
    HardFail,
    /// It stops, and keeps what it has.
    Partial,
}

/// `pipeline.limit_exceeded`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LimitExceeded {
    /// The limit's name.
    pub limit: String,
    /// What was allowed, in the limit's own unit.
    pub configured: u64,
    /// What was found.
    pub observed: u64,
    /// What it means for the run.
    pub behavior: Behavior,
    /// The stage that ran.
    pub stage: String,
}

/// `pipeline.taken_over`: the stage does not run, because it succeeded in the run that this run retries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TakenOver {
    pub stage: String,
    /// The run that it is taken over from.
    pub baseline: String,
    /// Seq of the stage's outcome there.
    pub seq: u64,
}

words! {
    /// How the process of a stage ended.
    How: "process end" {
        /// By itself, with an exit code.
        Exited = 0, "exited";
        /// By a signal that its runner did not send.
        Signalled = 1, "signalled";
        /// Its runner ended it because its time limit had passed.
        TimedOut = 2, "timed_out";
        /// Its runner ended it because the run was interrupted.
        Interrupted = 3, "interrupted";
        /// Its runner ended it because it traced its runner.
        Traced = 4, "traced";
        /// It has ended, and it is not known how.
        Unknown = 5, "unknown";
        /// It could not be started.
        NotStarted = 6, "not_started";
    }
}

/// `pipeline.process_ended`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessEnded {
    pub stage: String,
    pub how: How,
    /// Its exit code, if it exited.
    pub exit_code: Option<u8>,
    /// The number of the signal that ended it, if one did.
    pub signal: Option<u8>,
    /// How long it was allowed to run, in nanoseconds; none without a limit.
    pub time_limit_ns: Option<u64>,
}

payloads! {
    "pipeline":
    Created(Created) = PIPELINE_CREATED;
    Inputs(InputsRecorded) = PIPELINE_INPUTS_RECORDED;
    Begun(StageBegun) = PIPELINE_STAGE_BEGUN;
    Intended(Artifacts) = PIPELINE_PROMOTION_INTENDED;
    Published(Artifacts) = PIPELINE_ARTIFACTS_PUBLISHED;
    Reported(ValidationReported) = PIPELINE_VALIDATION_REPORTED;
    Captured(OutputCaptured) = PIPELINE_OUTPUT_CAPTURED;
    Judged(OutcomeRecorded) = PIPELINE_STAGE_JUDGED;
    Outcome(OutcomeRecorded) = PIPELINE_OUTCOME_RECORDED;
    Finalized(Finalized) = PIPELINE_FINALIZED;
    Refused(Refused) = PIPELINE_REFUSED;
    Reconciled(Reconciled) = PIPELINE_RECONCILED;
    LockForced(LockForced) = PIPELINE_LOCK_FORCED;
    LimitExceeded(LimitExceeded) = PIPELINE_LIMIT_EXCEEDED;
    TakenOver(TakenOver) = PIPELINE_TAKEN_OVER;
    ProcessEnded(ProcessEnded) = PIPELINE_PROCESS_ENDED;
}

impl Behavior {
    /// Both, with the words of commands.
    pub(super) const WORDS: [(&'static str, Behavior); 2] =
        [("hard_fail", Behavior::HardFail), ("partial", Behavior::Partial)];

    /// The word of commands.
    pub(super) fn word(self) -> &'static str {
        match self {
            Behavior::HardFail => "hard_fail",
            Behavior::Partial => "partial",
        }
    }
}

impl From<OutcomeRecorded> for Outcome {
    fn from(record: OutcomeRecorded) -> Outcome {
        let OutcomeRecorded { stage, status, fail_mode, reason_code } = record;
        Outcome { stage, status, fail_mode, reason_code }
    }
}

impl From<Outcome> for OutcomeRecorded {
    fn from(outcome: Outcome) -> OutcomeRecorded {
        let Outcome { stage, status, fail_mode, reason_code } = outcome;
        OutcomeRecorded { stage, status, fail_mode, reason_code }
    }
}
