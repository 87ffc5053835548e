//! The decision table of status.md 3.5.

use super::{RUN, RunStatus, at};
use crate::status::next_action;
use evlog_projection::canonical;

type Row<'a> = (&'a str, Option<&'a str>, Option<bool>, &'a str);

const TOOL: Option<&str> = Some("TOOL_TIMEOUT");
const DEFECT: Option<&str> = Some("INVALID_STATE_TRANSITION");

const TABLE: &[Row<'_>] = &[
    ("created", None, None, "START"),
    ("running", None, None, "OBSERVE"),
    ("waiting", None, None, "AWAIT_DEPENDENCY"),
    ("success", None, None, "PROCEED"),
    ("failed", TOOL, Some(true), "RETRY_AS_NEW_RUN"),
    ("timeout", TOOL, Some(true), "RETRY_AS_NEW_RUN"),
    ("failed", TOOL, Some(false), "HALT"),
    ("timeout", TOOL, Some(false), "HALT"),
    ("failed", TOOL, None, "HALT"),
    ("failed", DEFECT, Some(false), "HALT_DEFECT"),
    ("failed", DEFECT, Some(true), "HALT_DEFECT"),
    ("denied", TOOL, Some(false), "HALT_POLICY"),
    ("denied", TOOL, None, "HALT_POLICY"),
    ("denied", TOOL, Some(true), "RETRY_AS_NEW_RUN_AFTER_APPROVAL"),
    ("canceled", None, None, "STOP"),
    ("canceled", TOOL, Some(true), "STOP"),
    ("failed", None, None, "INTEGRITY_ERROR"),
    ("denied", None, Some(true), "INTEGRITY_ERROR"),
    ("timeout", None, Some(false), "INTEGRITY_ERROR"),
    ("created", TOOL, None, "INTEGRITY_ERROR"),
    ("running", TOOL, Some(true), "INTEGRITY_ERROR"),
    ("waiting", DEFECT, Some(false), "INTEGRITY_ERROR"),
    ("success", TOOL, Some(false), "INTEGRITY_ERROR"),
    // Check 20: only a `failed` run may carry the rule's code.
    ("timeout", DEFECT, Some(false), "INTEGRITY_ERROR"),
    ("denied", DEFECT, Some(false), "INTEGRITY_ERROR"),
    ("canceled", DEFECT, None, "INTEGRITY_ERROR"),
];

#[test]
fn the_next_action_follows_from_status_code_and_retryable() {
    for (status, code, retryable, expected) in TABLE.iter().copied() {
        let status = RunStatus::from_word(status).expect("a status");
        assert_eq!(next_action(status, code, retryable).word(), expected, "{status} {code:?} {retryable:?}");
    }
}

#[test]
fn no_run_that_the_guard_accepts_is_an_integrity_error() {
    for status in RunStatus::ALL {
        let run = at(status).json(RUN, "run.json");
        assert_ne!(run["next_action"], "INTEGRITY_ERROR", "{status}");
        let code = run["error_code"].as_str();
        assert_eq!(run["next_action"], next_action(status, code, run["retryable"].as_bool()).word());
    }
}

/// Check 43: the health file is a mirror.
#[test]
fn the_health_file_says_what_the_run_file_says() {
    for status in RunStatus::ALL {
        let harness = at(status);
        let (run, health) = (harness.json(RUN, "run.json"), harness.json(RUN, "logs/health.json"));
        let members = health.as_object().expect("an object");
        assert_eq!(members.len(), 9);
        for (name, value) in members {
            assert_eq!(run[name], *value, "{status}: {name}");
        }
        assert_eq!(harness.json(RUN, "manifest.json")["status"], status.word());
        for (path, file) in harness.bundle(RUN).expect("the run folds").files {
            if path != "audit_events.jsonl" {
                let value = serde_json::from_slice(&file.bytes).expect("JSON");
                assert_eq!(canonical(&value), file.bytes, "{path} is in RFC 8785 form");
            }
        }
    }
}
