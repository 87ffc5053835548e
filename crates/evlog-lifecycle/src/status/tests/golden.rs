//! Projected files, byte for byte. A difference means that logs would replay to other bytes: raise the projection's
//! version, then write the files anew with `EVLOG_BLESS=1`.

use super::{RUN, Status, diagnostic, play, request, with};
use crate::testing::Harness;
use serde_json::json;
use std::path::{Path, PathBuf};

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
    play(&mut harness, with(request(RUN, "Success"), "actor", json!("cron")));
    harness
}

fn check(path: &Path, found: &[u8]) {
    if std::env::var_os("EVLOG_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("the directory");
        std::fs::write(path, found).expect("the file");
    }
    let expected = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let shown = String::from_utf8_lossy;
    assert_eq!(shown(found), shown(&expected), "{}", path.display());
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
            check(&at, &file.bytes);
        }
    }
}
