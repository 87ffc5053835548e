//! Projected files, byte for byte. A difference means that logs would replay to other bytes. Raise the projection's version,
//! then write the files again with `EVLOG_BLESS=1`.

use super::{RUN, Story, accept, harness, play, wait};
use crate::testing::Harness;
use crate::testing::written::check_golden;
use serde_json::json;
use std::path::PathBuf;

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/story");

/// One run with an event of every kind: a retry, a rejection, a gate, compensations, a second epoch, a cancel.
fn history() -> Harness<Story> {
    let mut harness = harness();
    let story = json!({
        "name": "ship", "version": "v3",
        "steps": [
            {"name": "fetch", "execution": {"retry": {"maxRetries": 1, "delay": "5s"}, "timeout": "1m"}},
            {"name": "lint", "allowFailure": true, "execution": {"retry": {"maxRetries": 0}}},
            {"name": "approve", "type": "gate", "needs": ["fetch"], "with": {"timeout": "1h"}},
            {"name": "ship", "needs": ["approve"], "if": "{{ inputs.ship == true }}", "execution": {"retry": {"maxRetries": 0}}},
        ],
        "compensations": [{"name": "undo"}], "finally": [{"name": "tell"}],
        "policy": {"timeouts": {"story": "2h"}},
    });
    harness.accept(json!({
        "run": RUN, "do": "create", "actor": "human:ada", "story": story, "inputs": {"ship": true, "caf\u{e9}": 1}, "impulse": "nightly",
    }));
    accept(&mut harness, "start", json!({}));
    accept(&mut harness, "step", json!({"step": "fetch", "to": "Running", "worker": "w-1"}));
    accept(&mut harness, "step", json!({"step": "fetch", "exit_code": 137, "message": "evicted"}));
    accept(&mut harness, "step", json!({"step": "lint", "exit_code": 2, "message": "too long a line"}));
    play(&mut harness, "step", json!({"step": "ship", "to": "Running"}));
    wait(&mut harness, 10);
    accept(&mut harness, "tick", json!({}));
    accept(&mut harness, "step", json!({"step": "fetch", "exit_code": 0, "output": {"sha": "abc"}}));
    accept(&mut harness, "gate", json!({"step": "approve", "state": "Approved", "message": "go"}));
    accept(&mut harness, "step", json!({"step": "ship", "exit_code": 1, "message": "no dock"}));
    accept(&mut harness, "step", json!({"step": "undo", "exit_code": 0}));
    accept(&mut harness, "step", json!({"step": "tell", "exit_code": 0}));
    accept(&mut harness, "redrive", json!({"from": "ship", "token": "again"}));
    accept(&mut harness, "step", json!({"step": "ship", "to": "Running"}));
    accept(&mut harness, "cancel", json!({"message": "too late"}));
    accept(&mut harness, "step", json!({"step": "ship", "exit_code": 0}));
    play(&mut harness, "step", json!({"step": "ship", "exit_code": 1, "actor": "cron"}));
    harness
}

#[test]
fn bundles_are_these_bytes() {
    let harness = history();
    let kinds: std::collections::BTreeSet<String> =
        harness.log.iter().map(|event| event.kind.as_kind().to_string()).collect();
    assert_eq!(kinds.len(), 7, "every kind: {kinds:?}");
    let bundle = harness.bundle(RUN).expect("the run folds");
    assert_eq!(bundle.files.len(), 5);
    for (path, file) in &bundle.files {
        assert_eq!(file.version, 1, "{path}");
        let at: PathBuf = [DIR, RUN, path].iter().collect();
        check_golden(&at, &file.bytes);
    }
    let run = harness.json(RUN, "run.json");
    let health = harness.json(RUN, "logs/health.json");
    let mirrored = health.as_object().expect("an object").iter().all(|(name, value)| run[name] == *value);
    assert!(mirrored, "the health file is a mirror");
}
