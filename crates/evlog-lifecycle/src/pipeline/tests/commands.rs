//! What a command may look like, and what its answer is.

use super::{Play, RUN};
use crate::pipeline::{Definition, Pipeline};
use crate::testing::Harness;
use evlog_projection::{Contract, Outcome, parse};
use serde_json::{Value, json};

fn malformed(action: &str, members: Value, pointer: &str) {
    let shown = format!("{action} {members}");
    let Value::Object(members) = members else { unreachable!("an object") };
    let error = Pipeline::default().parse(action, members).expect_err(&shown);
    assert_eq!(error.pointer, pointer, "{shown}: {error}");
}

#[test]
fn the_lines_of_the_design_work_as_they_stand() {
    let lines = r#"
{"contract":"pipeline","run":"11111111-1111-4111-8111-111111111111","do":"create","pipeline":"purple-axiom","manifest":{},"stages":{"signing":{"enabled":false},"validation":{"fail_mode":"warn_and_skip"}}}
{"contract":"pipeline","run":"11111111-1111-4111-8111-111111111111","do":"outcome","stage":"runner","status":"failed","fail_mode":"fail_closed","reason_code":"execute_failed"}
{"contract":"pipeline","run":"11111111-1111-4111-8111-111111111111","do":"finalize"}"#;
    let mut harness = Harness::new(Pipeline::default());
    let mut play = |line: &str| harness.play(parse(line.as_bytes()).expect("JSON")).expect("well-formed");
    let lines: Vec<&str> = lines.trim().lines().collect();
    assert_eq!(play(lines[0]).status.as_deref(), Some("in_progress"));
    assert_eq!(play(lines[1]).kinds.len(), 7);
    // `lab_provider` is enabled and has no outcome: the guard of the end holds.
    assert_eq!(play(lines[2]).code(), "STAGES_MISSING");
    play(r#"{"run":"11111111-1111-4111-8111-111111111111","do":"outcome","stage":"lab_provider","status":"success"}"#);
    assert_eq!(play(lines[2]).status.as_deref(), Some("failed"));
}

#[test]
fn unknown_members_and_wrong_types_are_named() {
    malformed("create", json!({}), "");
    malformed("create", json!({"pipeline": 7}), "/pipeline");
    malformed("create", json!({"pipeline": "purple-axiom", "stage": {}}), "/stage");
    malformed(
        "create",
        json!({"pipeline": "purple-axiom", "stages": {"runner": {"enable": true}}}),
        "/stages/runner/enable",
    );
    malformed(
        "create",
        json!({"pipeline": "purple-axiom", "stages": {"runner": {"enabled": "yes"}}}),
        "/stages/runner/enabled",
    );
    malformed(
        "create",
        json!({"pipeline": "purple-axiom", "stages": {"runner": {"fail_mode": "open"}}}),
        "/stages/runner/fail_mode",
    );
    malformed("create", json!({"pipeline": "purple-axiom", "stages": []}), "/stages");
    malformed("create", json!({"pipeline": "purple-axiom", "manifest": []}), "/manifest");
    malformed("create", json!({"pipeline": "purple-axiom", "manifest": {"extensions": 1}}), "/manifest/extensions");
    malformed("create", json!({"pipeline": "purple-axiom", "emit_health": "no"}), "/emit_health");
    malformed("begin", json!({}), "");
    malformed("begin", json!({"stage": ["runner"]}), "/stage");
    malformed("begin", json!({"stage": "runner", "attempt": 2}), "/attempt");
    malformed("outcome", json!({"stage": "runner", "status": "completed"}), "/status");
    malformed("outcome", json!({"stage": "runner", "status": "success", "fail_mode": "open"}), "/fail_mode");
    malformed("outcome", json!({"stage": "runner", "status": "failed", "reason_code": 3}), "/reason_code");
    malformed("outcome", json!({"stage": "runner", "status": "failed", "details": {}}), "/details");
    malformed("finalize", json!({"status": "success"}), "/status");
    malformed("cancel", json!({}), "/do");
    malformed("report", json!({"stage": "runner"}), "");
    malformed("report", json!({"stage": "runner", "report": []}), "/report");
    malformed("report", json!({"stage": "runner", "report": {"generated_at_utc": "x"}}), "/report/generated_at_utc");
}

#[test]
fn digests_and_sizes_of_artifacts_are_read_strictly() {
    let digest = "ab".repeat(32);
    let check = |artifact: Value, pointer: &str| {
        malformed("intend", json!({"stage": "runner", "artifacts": [artifact]}), &format!("/artifacts/0{pointer}"));
    };
    check(json!({"path": "a", "bytes": 1}), "");
    check(json!({"path": "a", "bytes": -1, "blake3": digest}), "/bytes");
    check(json!({"path": "a", "bytes": 1.5, "blake3": digest}), "/bytes");
    check(json!({"path": "a", "bytes": 1, "blake3": digest.to_uppercase()}), "/blake3");
    check(json!({"path": "a", "bytes": 1, "blake3": "ab"}), "/blake3");
    check(json!({"path": "a", "bytes": 1, "blake3": digest, "mode": 1}), "/mode");
    malformed("publish", json!({"stage": "runner"}), "");
    malformed("captured", json!({"stage": "runner", "path": "a", "bytes": 1, "blake3": "zz".repeat(32)}), "/blake3");
}

#[test]
fn a_brought_definition_is_read_strictly() {
    let check = |change: Value, pointer: &str| {
        let mut definition = json!({"name": "own", "stages": [{"id": "a"}, {"id": "b"}]});
        definition.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        let error = Definition::parse(&definition).expect_err(pointer);
        assert_eq!(error.pointer, pointer, "{definition}: {error}");
        malformed("create", json!({"pipeline": definition}), &format!("/pipeline{pointer}"));
    };
    check(json!({"name": "Own"}), "/name");
    check(json!({"name": "purple-axiom"}), "/name");
    check(json!({"stages": []}), "/stages");
    check(json!({"stages": [{"id": "a"}, {"id": "a"}]}), "/stages/1/id");
    check(json!({"stages": [{"id": "a.b"}]}), "/stages/0/id");
    check(json!({"stages": [{"id": "orchestrator"}]}), "/stages/0/id");
    check(json!({"stages": [{"id": "a", "command": []}]}), "/stages/0/command");
    check(json!({"stages": [{"id": "a", "fail_mode": "open"}]}), "/stages/0/fail_mode");
    let code = |stage: &str, code: &str, severity: &str| json!({"stage": stage, "code": code, "severity": severity});
    check(json!({"reason_codes": [code("c", "x", "FATAL")]}), "/reason_codes/0/stage");
    check(json!({"reason_codes": [code("a", "X", "FATAL")]}), "/reason_codes/0/code");
    check(json!({"reason_codes": [code("a", "x", "WARN")]}), "/reason_codes/0/severity");
    check(json!({"reason_codes": [code("a", "x", "FATAL"), code("a", "x", "FATAL")]}), "/reason_codes/1");
    check(json!({"reason_codes": [code("*", "input_missing", "SKIPPED")]}), "/reason_codes/0");
    check(json!({"closed_substages": ["a"]}), "/closed_substages/0");
    check(json!({"closed_substages": ["c.*"]}), "/closed_substages/0");
    check(json!({"closed_substages": ["a.b", "a.b"]}), "/closed_substages/1");
    check(json!({"closed_substages": [1]}), "/closed_substages/0");
    check(json!({"substages": [{"stage": "a"}]}), "/substages/0/stage");
    check(json!({"substages": [{"stage": "a.b", "parent": "never"}]}), "/substages/0/parent");
    check(json!({"substages": [{"stage": "a.b", "parent_code": "x"}]}), "/substages/0/parent_code");
    check(json!({"substages": [{"stage": "a.b"}, {"stage": "a.b"}]}), "/substages/1");
    check(json!({"orders": []}), "/orders");
    check(json!({"about": ""}), "/about");
    let rule = |before: &str, after: &str| json!({"before": before, "after": after});
    check(json!({"order": [rule("a", "c")]}), "/order/0/after");
    check(json!({"order": [rule("c.x", "a")]}), "/order/0/before");
    check(json!({"order": [rule("a.x", "a.x")]}), "/order/0/after");
    check(json!({"order": [rule("a", "b"), rule("a", "b")]}), "/order/1");
    check(json!({"order": [rule("a", "b"), rule("b", "b.x"), rule("b.x", "a")]}), "/order/2");
    check(json!({"order": [{"before": "a"}]}), "/order/0");
    let must = |severity: &str, must: &str| json!({"stage": "a", "code": "x", "severity": severity, "must": must});
    check(json!({"reason_codes": [must("FATAL", "open")]}), "/reason_codes/0/must");
    check(json!({"reason_codes": [must("SKIPPED", "fail_closed")]}), "/reason_codes/0/must");
}

#[test]
fn a_run_that_is_not_there_takes_nothing_and_the_log_says_so() {
    let mut harness = Harness::new(Pipeline::default());
    for command in [
        json!({"run": "ghost", "do": "begin", "stage": "runner"}),
        json!({"run": "ghost", "do": "outcome", "stage": "runner", "status": "success"}),
        json!({"run": "ghost", "do": "finalize"}),
    ] {
        let answered = harness.play(command).expect("well-formed");
        assert_eq!((answered.outcome, answered.code()), (Outcome::Refused, "UNKNOWN_RUN"));
        assert_eq!(answered.kinds, ["$log:pipeline.refused"]);
    }
    assert!(harness.states.is_empty());
}

#[test]
fn a_second_delivery_is_answered_as_the_first() {
    let mut play = Play::purple();
    let reported = json!({"stage": "runner", "status": "failed", "reason_code": "nonsense", "id": "o-1"});
    let first = play.command("outcome", reported.clone());
    let again = play.command("outcome", reported);
    assert!(again.duplicate && !first.duplicate);
    assert_eq!((again.outcome, again.error), (first.outcome, first.error));
}

#[test]
fn a_refusal_of_endless_text_is_short() {
    let mut play = Play::purple();
    let stage = "x".repeat(9_000_000);
    let answered = play.command("begin", json!({"stage": stage}));
    assert_eq!(answered.code(), "UNKNOWN_STAGE");
    let event = play.harness.facts(RUN).pop().expect("a refusal");
    assert!(event.payload.len() < 4096, "{}", event.payload.len());
    let last = play.harness.audit(RUN).pop().expect("a line");
    assert_eq!(last["event"]["error"]["message"], answered.error.expect("an error").message);
}

#[test]
fn what_passes_the_limit_of_a_payload_is_refused() {
    let mut harness = Harness::new(Pipeline::default());
    let manifest = json!({"notes": "x".repeat(9_000_000)});
    let answered = harness.play(json!({"run": RUN, "do": "create", "pipeline": "purple-axiom", "manifest": manifest}));
    let answered = answered.expect("well-formed");
    assert_eq!(answered.code(), "TOO_LARGE");
    assert_eq!(answered.kinds, ["$log:pipeline.refused"]);
}
