//! Payloads of contract `status`.

use super::{Digest, Text, Word, table, tables, words};
use evlog_format::{Event, kind};
use serde_json::Value;

words! {
    Status = "created" "running" "waiting" "success" "failed" "denied" "timeout" "canceled";
    TransitionCause = "requested" "override" "cancel" "pins_missing";
    RejectionReason = "undefined_transition" "unknown_status_token" "unknown_run_id";
    RefusalReason = "run_id_exists" "diagnostic_missing" "diagnostic_invalid" "diagnostic_unexpected" "stale_precondition"
        "pins_missing" "unknown_run_id" "not_a_failure" "not_retryable" "retries_exhausted" "root_mismatch" "case_mismatch"
        "pins_mismatch";
    Action = "create" "transition" "retry" "override" "cancel";
    Category = "policy" "validation" "workflow" "tool" "dependency" "timeout" "internal" "integrity";
    Severity = "info" "warn" "error" "critical";
}

tables! {
    Created {
        parent_run_id: Option<String>,
        root_run_id: String,
        retry: Option<Retry>,
        max_retries: u32,
        pins_required: bool,
        case_id: Option<String>,
        contract_version: Option<String>,
        policy_versions: Option<PolicyVersions>,
        error_codes: Vec<String>,
        details: Option<Text>,
    }
    Retry { count: u32, reason: String, approval: Option<String> }
    PolicyVersions { lanes: String, roles: String }
    Transitioned {
        from: Word<Status>,
        to: Word<Status>,
        cause: Word<TransitionCause>,
        reason: Option<String>,
        diagnostic: Option<Diagnostic>,
    }
    Diagnostic {
        error_code: String,
        category: Word<Category>,
        message: String,
        likely_cause: String,
        suggested_fix: String,
        retryable: bool,
        severity: Word<Severity>,
    }
    Rejected {
        current: Option<Word<Status>>,
        requested: String,
        reason: Word<RejectionReason>,
        claimed_run_id: Option<String>,
        action: Word<Action>,
        ticket: Option<String>,
        note: Option<String>,
        offered: Option<Text>,
        request: Digest,
    }
    ForcedFailed { from: Word<Status>, diagnostic: Diagnostic }
    Refused {
        current: Option<Word<Status>>,
        action: Word<Action>,
        reason: Word<RefusalReason>,
        message: String,
        claimed_run_id: Option<String>,
        requested: Option<String>,
        note: Option<String>,
        offered: Option<Text>,
        request: Digest,
    }
    Overridden { from: Word<Status>, to: Word<Status>, ticket: String, reason: String }
}

pub(super) fn read(event: &Event<'_>) -> Option<Value> {
    match event.kind {
        kind::STATUS_CREATED => table::<Created>(event),
        kind::STATUS_TRANSITIONED => table::<Transitioned>(event),
        kind::STATUS_REJECTED => table::<Rejected>(event),
        kind::STATUS_FORCED_FAILED => table::<ForcedFailed>(event),
        kind::STATUS_REFUSED => table::<Refused>(event),
        kind::STATUS_OVERRIDDEN => table::<Overridden>(event),
        _ => None,
    }
}
