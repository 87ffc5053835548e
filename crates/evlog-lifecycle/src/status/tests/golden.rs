//! Projected files, byte for byte. A difference means that logs would replay to other bytes. Raise the projection's version,
//! then write the files again with `EVLOG_BLESS=1`.

use super::{RUN, Status, diagnostic, play, request, with};
use crate::testing::Harness;
use crate::testing::written::check_golden;
use serde_json::json;
use std::path::PathBuf;

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/status");

/// One run with an event of every kind that fails by the rule, and its predecessor that timed out.
fn history() -> Harness<Status> {
    let mut harness = Harness::new(Status);
    let policies = json!({"lanes": "0123456789abcdef", "roles": "fedcba9876543210"});
    let data = json!({
        "run_kind": "agent", "case_id": "CASE-0001", "contract_version": "v1", "policy_versions": policies,
        "tags": ["nightly", "été"], "tool_versions": {"ocr": "5.1"}, "max_retries": 2,
    });
    harness.accept(json!({"run": "RUN_0000", "do": "create", "actor": "human:ada", "data": data}));
    harness.accept(request("RUN_0000", "running"));
    harness.accept(with(request("RUN_0000", "timeout"), "diagnostic", diagnostic("TOOL_TIMEOUT", true)));
    harness.accept(json!({"run": RUN, "do": "retry", "of": "RUN_0000", "data": {"notes": "again"}}));
    let start = json!({"run": RUN, "do": "override", "to": "running", "ticket": "INC-7", "reason": "early start"});
    harness.accept(start);
    harness.accept(with(request(RUN, "waiting"), "reason", json!("model call")));
    play(&mut harness, with(request(RUN, "running"), "expect_status", json!("running")));
    play(&mut harness, request(RUN, "timeout"));
    play(&mut harness, with(request(RUN, "Succeeded"), "actor", json!("cron")));
    harness
}

#[test]
fn bundles_are_these_bytes() {
    let harness = history();
    for run in ["RUN_0000", RUN] {
        let bundle = harness.bundle(run).expect("the run folds");
        assert_eq!(bundle.files.len(), 4);
        for (path, file) in &bundle.files {
            assert_eq!(file.version, 1, "{path}");
            let at: PathBuf = [DIR, run, path].iter().collect();
            check_golden(&at, &file.bytes);
        }
    }
}
