//! Payloads of contract `story`.

use super::{Digest, Text, Time, Word, table, tables, words};
use evlog_format::{Event, kind};
use serde_json::Value;

words! {
    Phase = "Pending" "Running" "Paused" "Blocked" "Scheduling" "Succeeded" "Failed" "Timeout" "Canceled" "Finished"
        "Aborted" "Skipped" "Compensated";
    Mode = "decided" "observed";
    MoveCause = "requested" "derived" "clock" "cancel" "stop" "guard" "redrive" "held";
    StepCause = "ready" "queued" "reported" "evaluated" "decided" "clock" "failed_dependency" "fail_fast" "unused"
        "run_ended" "topology_terminated" "cache_hit" "held" "parallel" "child";
    RejectionReason = "undefined_transition" "unknown_phase" "guard_unmet" "terminal" "not_started" "not_ready"
        "retry_not_due" "stale_worker" "cancelled";
    Action = "create" "start" "step" "transition" "tick" "gate" "evaluate" "cancel" "stop" "terminate" "redrive"
        "child";
    CancelMode = "drain" "now" "kill";
    GateState = "Pending" "Approved" "Rejected";
    ExitClass = "success" "retry" "terminal" "rateLimited" "unknown";
    ErrorType = "timeout" "storage_error" "serialization_error" "validation_error" "initialization_error"
        "execution_error" "unknown";
}

tables! {
    Created { story: Text, inputs: Option<Text>, mode: Word<Mode>, impulse: Option<String> }
    Moved {
        from: Option<Word<Phase>>,
        to: Word<Phase>,
        cause: Word<MoveCause>,
        reason: String,
        message: Option<String>,
        error: Option<RunError>,
        output: Option<Text>,
        output_dropped: bool,
    }
    RunError { kind: String, message: String, failed_steps: Vec<FailedStep> }
    FailedStep { name: String, phase: Option<Word<Phase>>, message: Option<String> }
    StepMoved {
        step: String,
        from: Option<Word<Phase>>,
        to: Word<Phase>,
        cause: Word<StepCause>,
        reason: String,
        message: Option<String>,
        because: Option<String>,
        exit_code: Option<u32>,
        exit_class: Option<Word<ExitClass>>,
        retries: u32,
        next_retry_at: Option<Time<i128>>,
        deadline_at: Option<Time<i128>>,
        output: Option<Text>,
        error: Option<StepError>,
        worker: Option<String>,
        child: Option<String>,
    }
    StepError {
        kind: Word<ErrorType>,
        message: String,
        retryable: Option<bool>,
        exit_code: Option<u32>,
        exit_class: Option<Word<ExitClass>>,
        code: Option<String>,
        details: Option<Text>,
    }
    Rejected {
        step: Option<String>,
        from: Option<Word<Phase>>,
        requested: String,
        reason: Word<RejectionReason>,
        message: String,
        action: Word<Action>,
        note: Option<String>,
        request: Digest,
    }
    CancelRequested { how: Word<CancelMode>, deadline_at: Time<i128>, message: Option<String> }
    GateDecided { step: String, state: Word<GateState>, message: Option<String> }
    Redriven { epoch: u32, token: Option<String>, from_step: Option<String>, cleared: Vec<String> }
}

pub(super) fn read(event: &Event<'_>) -> Option<Value> {
    match event.kind {
        kind::STORY_CREATED => table::<Created>(event),
        kind::STORY_MOVED => table::<Moved>(event),
        kind::STORY_STEP_MOVED => table::<StepMoved>(event),
        kind::STORY_REJECTED => table::<Rejected>(event),
        kind::STORY_CANCEL_REQUESTED => table::<CancelRequested>(event),
        kind::STORY_GATE_DECIDED => table::<GateDecided>(event),
        kind::STORY_REDRIVEN => table::<Redriven>(event),
        _ => None,
    }
}
