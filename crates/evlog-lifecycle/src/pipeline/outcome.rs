//! Outcomes: how a stage or substage ended, and which run status follows from a run's outcomes (pipeline.md 1.4, 1.5, 3.1,
//! 3.2).
//!
//! Does not: depend on a pipeline's stages, catalogue or configuration.
//!
//! Invariants: the order of the variants here is part of the payloads' format. A run's status depends on its outcomes and on
//! nothing else.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The code of stages that never ran because of an earlier fatal failure (rule P-31).
pub const BLOCKED: &str = "blocked_by_upstream_failure";
/// The code of a failure of storage, even in the middle of a promotion. What was promoted by then stays.
pub const STORAGE: &str = "storage_io_error";
/// The code of a required input, or a published artifact, that is missing.
pub const MISSING: &str = "input_missing";
/// The code of a publish gate that failed, if no schema has a code of its own (rule P-77).
pub const INVALID: &str = "contract_validation_failed";

/// How a stage or substage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageStatus {
    /// Its outputs are published.
    Success,
    /// It failed; the fail mode says how far that goes.
    Failed,
    /// It was not executed.
    Skipped,
}

/// What a failure does to the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailMode {
    /// The run fails, and later stages are blocked.
    FailClosed,
    /// The run goes on, and ends as partial.
    WarnAndSkip,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Every gate passed.
    Success,
    /// Some stage failed, and none fatally.
    Partial,
    /// Some stage failed fatally, or the outcomes cannot be right.
    Failed,
}

/// The outcome tuple (rule P-10). Nothing else is persisted of an outcome.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outcome {
    /// Stage, or dotted substage.
    pub stage: String,
    /// The status of the stage or substage.
    pub status: StageStatus,
    /// Written on every outcome, even on success (rule P-10).
    pub fail_mode: FailMode,
    /// Present unless `status` is success (rules P-11 and P-12).
    pub reason_code: Option<String>,
}

impl StageStatus {
    /// All statuses.
    pub const ALL: [StageStatus; 3] = [StageStatus::Success, StageStatus::Failed, StageStatus::Skipped];

    /// The word that manifests and commands use for it.
    pub fn word(self) -> &'static str {
        match self {
            StageStatus::Success => "success",
            StageStatus::Failed => "failed",
            StageStatus::Skipped => "skipped",
        }
    }
}

impl FailMode {
    /// Both fail modes.
    pub const ALL: [FailMode; 2] = [FailMode::FailClosed, FailMode::WarnAndSkip];

    /// The word that manifests and commands use for it.
    pub fn word(self) -> &'static str {
        match self {
            FailMode::FailClosed => "fail_closed",
            FailMode::WarnAndSkip => "warn_and_skip",
        }
    }

    /// The mode of this word.
    pub fn from_word(word: &str) -> Option<FailMode> {
        FailMode::ALL.into_iter().find(|mode| mode.word() == word)
    }
}

impl RunStatus {
    /// The word that manifests and result lines use for it.
    pub fn word(self) -> &'static str {
        match self {
            RunStatus::Success => "success",
            RunStatus::Partial => "partial",
            RunStatus::Failed => "failed",
        }
    }

    /// The exit code of the process that ran the run (rule P-47).
    pub fn exit_code(self) -> u8 {
        match self {
            RunStatus::Success => 0,
            RunStatus::Partial => 10,
            RunStatus::Failed => 20,
        }
    }
}

impl Outcome {
    /// A success.
    pub fn success(stage: impl Into<String>, fail_mode: FailMode) -> Outcome {
        Outcome { stage: stage.into(), status: StageStatus::Success, fail_mode, reason_code: None }
    }

    /// A failure.
    pub fn failed(stage: impl Into<String>, fail_mode: FailMode, code: impl Into<String>) -> Outcome {
        Outcome { stage: stage.into(), status: StageStatus::Failed, fail_mode, reason_code: Some(code.into()) }
    }

    /// A skip.
    pub fn skipped(stage: impl Into<String>, fail_mode: FailMode, code: impl Into<String>) -> Outcome {
        Outcome { stage: stage.into(), status: StageStatus::Skipped, fail_mode, reason_code: Some(code.into()) }
    }

    /// Whether it fails the run, because it is failed and fail-closed.
    pub fn is_fatal(&self) -> bool {
        self.status == StageStatus::Failed && self.fail_mode == FailMode::FailClosed
    }

    /// Whether it says that the stage never ran because of an earlier fatal failure.
    pub fn is_blocked(&self) -> bool {
        self.status == StageStatus::Skipped && self.reason_code.as_deref() == Some(BLOCKED)
    }

    /// The tuple as `manifest.json` and `logs/health.json` hold it.
    pub fn to_value(&self) -> Value {
        let mut members = Map::new();
        members.insert("stage".into(), self.stage.as_str().into());
        members.insert("status".into(), self.status.word().into());
        members.insert("fail_mode".into(), self.fail_mode.word().into());
        if let Some(code) = &self.reason_code {
            members.insert("reason_code".into(), code.as_str().into());
        }
        Value::Object(members)
    }
}

/// The tuple in the short spelling of messages, such as `runner failed/fail_closed/execute_failed`.
impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.reason_code.as_deref().unwrap_or("-");
        write!(f, "{} {}/{}/{code}", self.stage, self.status.word(), self.fail_mode.word())
    }
}

/// The run status that follows from a run's outcomes, of stages and substages alike (rules P-40 to P-45). The exit code
/// follows from the status.
pub fn derive_status<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> RunStatus {
    let (mut any, mut failed, mut blocked) = (false, false, false);
    for outcome in outcomes {
        if outcome.is_fatal() {
            return RunStatus::Failed;
        }
        any = true;
        failed |= outcome.status == StageStatus::Failed;
        blocked |= outcome.is_blocked();
    }
    match (any, failed, blocked) {
        (_, true, _) => RunStatus::Partial,
        // There is no outcome at all, or stages are blocked without a cause. Such outcomes cannot be trusted.
        (false, ..) | (_, _, true) => RunStatus::Failed,
        (true, false, false) => RunStatus::Success,
    }
}
