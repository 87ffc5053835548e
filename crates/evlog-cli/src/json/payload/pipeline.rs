//! Payloads of contract `pipeline`.

use super::{Digest, Text, Word, table, tables, words};
use evlog_format::{Event, kind};
use serde_json::Value;

words! {
    StageStatus = "success" "failed" "skipped";
    FailMode = "fail_closed" "warn_and_skip";
    Outputs = "none" "valid" "invalid" "partial" "corrupt";
    Origin = "plan" "run";
    RunStatus = "success" "partial" "failed";
    Behavior = "hard_fail" "partial";
}

tables! {
    Created {
        pipeline: String,
        definition: Digest,
        definition_text: Option<Text>,
        stages: Vec<StageSetting>,
        manifest: Text,
        emit_health: bool,
    }
    StageSetting { id: String, enabled: bool, fail_mode: Word<FailMode> }
    InputsRecorded { stage: String, inputs: Vec<Input> }
    Input { path: String, from: Word<Origin>, required: bool, content: Option<InputContent> }
    InputContent { bytes: u64, blake3: Digest }
    StageBegun { stage: String }
    Artifacts { stage: String, artifacts: Vec<Artifact> }
    Artifact { path: String, bytes: u64, blake3: Digest, contract: Option<String> }
    ValidationReported { stage: String, report: Text }
    OutputCaptured { stage: String, path: String, bytes: u64, blake3: Digest }
    OutcomeRecorded {
        stage: String,
        status: Word<StageStatus>,
        fail_mode: Word<FailMode>,
        reason_code: Option<String>,
    }
    Finalized { status: Word<RunStatus>, exit_code: u8 }
    Reconciled { found: Vec<Found> }
    Found { stage: String, outputs: Word<Outputs>, staging: bool }
    LockForced { stale_lock_filename: String, stale_lock_sha256: Digest }
    LimitExceeded { limit: String, configured: u64, observed: u64, behavior: Word<Behavior>, stage: String }
    TakenOver { stage: String, baseline: String, seq: u64 }
    Refused { action: String, stage: Option<String>, code: String, message: String }
}

pub(super) fn read(event: &Event<'_>) -> Option<Value> {
    match event.kind {
        kind::PIPELINE_CREATED => table::<Created>(event),
        kind::PIPELINE_INPUTS_RECORDED => table::<InputsRecorded>(event),
        kind::PIPELINE_STAGE_BEGUN => table::<StageBegun>(event),
        kind::PIPELINE_PROMOTION_INTENDED | kind::PIPELINE_ARTIFACTS_PUBLISHED => table::<Artifacts>(event),
        kind::PIPELINE_VALIDATION_REPORTED => table::<ValidationReported>(event),
        kind::PIPELINE_OUTCOME_RECORDED | kind::PIPELINE_STAGE_JUDGED => table::<OutcomeRecorded>(event),
        kind::PIPELINE_FINALIZED => table::<Finalized>(event),
        kind::PIPELINE_REFUSED => table::<Refused>(event),
        kind::PIPELINE_OUTPUT_CAPTURED => table::<OutputCaptured>(event),
        kind::PIPELINE_RECONCILED => table::<Reconciled>(event),
        kind::PIPELINE_LOCK_FORCED => table::<LockForced>(event),
        kind::PIPELINE_LIMIT_EXCEEDED => table::<LimitExceeded>(event),
        kind::PIPELINE_TAKEN_OVER => table::<TakenOver>(event),
        _ => None,
    }
}
