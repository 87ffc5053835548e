//! Retries and children: new runs that belong to others (status.md 2.1, 2.3, checks 26 to 29).

use super::{RUN, RunStatus, Status, at, create, diagnostic, path_to, play, request, with};
use crate::testing::Harness;
use evlog_projection::Outcome;
use serde_json::{Value, json};

fn retry(run: &str, of: &str) -> Value {
    json!({"run": run, "do": "retry", "of": of})
}

/// Fails a run that is `created`, with a diagnostic that says whether a retry helps.
fn fail(harness: &mut Harness<Status>, run: &str, to: &str, retryable: bool) {
    harness.accept(request(run, "running"));
    harness.accept(with(request(run, to), "diagnostic", diagnostic("TOOL_DEPENDENCY_DOWN", retryable)));
}

fn check_refused(harness: &mut Harness<Status>, command: Value, code: &str) {
    let (events, runs) = (harness.log.len(), harness.states.len());
    let shown = command.to_string();
    let answered = play(harness, command);
    assert_eq!((answered.outcome, answered.code()), (Outcome::Refused, code), "{shown}");
    assert_eq!(answered.kinds, ["$log:status.refused"], "{shown}");
    assert_eq!((harness.log.len(), harness.states.len()), (events + 1, runs), "{shown}");
}

fn rich_data() -> Value {
    json!({
        "case_id": "CASE-1",
        "contract_version": "v1",
        "policy_versions": {"lanes": "0123456", "roles": "6543210"},
        "pins_required": true,
        "max_retries": 2,
        "error_codes": ["DISK_FULL"],
        "run_kind": "agent",
        "tags": ["a", "b"],
        "notes": "first",
    })
}

#[test]
fn a_retry_is_a_new_run_with_the_same_root_case_and_pins_counted_one_further() {
    let mut harness = Harness::new(Status);
    harness.accept(json!({"run": "R1", "do": "create", "data": rich_data()}));
    fail(&mut harness, "R1", "timeout", true);
    let data = json!({"notes": "second"});
    harness.accept(json!({"run": "R2", "do": "retry", "of": "R1", "data": data, "approval": "CAB-9"}));
    fail(&mut harness, "R2", "failed", true);
    harness.accept(with(retry("R3", "R2"), "reason", json!("operator")));
    let manifests = ["R1", "R2", "R3"].map(|run| harness.json(run, "manifest.json"));
    for manifest in &manifests {
        let pins = (&manifest["contract_version"], &manifest["policy_versions"], &manifest["case_id"]);
        let first = &manifests[0];
        assert_eq!(pins, (&first["contract_version"], &first["policy_versions"], &first["case_id"]));
        assert_eq!(manifest["root_run_id"], "R1");
        assert_eq!((&manifest["run_kind"], &manifest["tags"]), (&json!("agent"), &json!(["a", "b"])));
        assert_eq!((&manifest["max_retries"], &manifest["error_codes"]), (&json!(2), &json!(["DISK_FULL"])));
    }
    let lineage = |manifest: &Value| {
        ["parent_run_id", "retry_of_run_id", "retry_count", "retry_reason", "retry_approval", "notes"]
            .map(|name| manifest[name].clone())
    };
    let null = Value::Null;
    assert_eq!(
        lineage(&manifests[0]),
        [null.clone(), null.clone(), json!(0), null.clone(), null.clone(), json!("first")]
    );
    let code = "TOOL_DEPENDENCY_DOWN";
    assert_eq!(
        lineage(&manifests[1]),
        [json!("R1"), json!("R1"), json!(1), json!(code), json!("CAB-9"), json!("second")]
    );
    assert_eq!(lineage(&manifests[2]), [json!("R2"), json!("R2"), json!(2), json!("operator"), null, json!("second")]);
}

#[test]
fn only_a_failure_that_is_retryable_is_retried() {
    for status in RunStatus::ALL {
        let mut harness = Harness::new(Status);
        harness.accept(create(RUN));
        for to in path_to(status) {
            let mut command = request(RUN, to);
            if command.get("diagnostic").is_some() {
                command["diagnostic"]["retryable"] = json!(true);
            }
            harness.accept(command);
        }
        if status.is_failure() {
            harness.accept(retry("RUN_NEW", RUN));
        } else {
            check_refused(&mut harness, retry("RUN_NEW", RUN), "RETRY_NOT_ELIGIBLE");
        }
    }
    for to in ["failed", "denied", "timeout"] {
        let mut harness = at(RunStatus::Created);
        fail(&mut harness, RUN, to, false);
        check_refused(&mut harness, retry("RUN_NEW", RUN), "RETRY_NOT_ELIGIBLE");
    }
}

#[test]
fn a_canceled_run_is_not_retried_even_if_its_diagnostic_says_so() {
    let mut harness = at(RunStatus::Running);
    harness.accept(with(request(RUN, "canceled"), "diagnostic", diagnostic("TOOL_TIMEOUT", true)));
    check_refused(&mut harness, retry("RUN_NEW", RUN), "RETRY_NOT_ELIGIBLE");
}

#[test]
fn a_run_failed_by_the_rule_is_a_defect_and_is_not_retried() {
    let mut harness = at(RunStatus::Created);
    play(&mut harness, request(RUN, "success"));
    check_refused(&mut harness, retry("RUN_NEW", RUN), "RETRY_NOT_ELIGIBLE");
}

#[test]
fn retries_end_where_the_creation_says() {
    for (data, allowed) in [(json!({}), 1), (json!({"max_retries": 0}), 0), (json!({"max_retries": 3}), 3)] {
        let mut harness = Harness::new(Status);
        harness.accept(json!({"run": "R0", "do": "create", "data": data}));
        fail(&mut harness, "R0", "failed", true);
        for count in 1..=allowed {
            let run = format!("R{count}");
            harness.accept(retry(&run, &format!("R{}", count - 1)));
            fail(&mut harness, &run, "failed", true);
        }
        check_refused(&mut harness, retry("R9", &format!("R{allowed}")), "RETRY_NOT_ELIGIBLE");
    }
}

#[test]
fn a_retry_of_nothing_or_of_itself_is_refused() {
    let mut harness = Harness::new(Status);
    check_refused(&mut harness, retry("R1", "R0"), "RUN_NOT_FOUND");
    check_refused(&mut harness, retry("R1", "R1"), "RUN_NOT_FOUND");
}

#[test]
fn a_retry_may_not_give_what_it_inherits() {
    let mut harness = at(RunStatus::Created);
    fail(&mut harness, RUN, "failed", true);
    for name in [
        "parent_run_id",
        "root_run_id",
        "case_id",
        "contract_version",
        "policy_versions",
        "max_retries",
        "pins_required",
        "error_codes",
        "taxonomy_versions",
    ] {
        let command = with(retry("RUN_NEW", RUN), "data", json!({name: "x"}));
        let malformed = harness.play(command).expect_err("inherited");
        assert_eq!(malformed.pointer, format!("/data/{name}"));
    }
}

fn child(run: &str, data: &Value) -> Value {
    json!({"run": run, "do": "create", "data": data})
}

#[test]
fn a_child_has_its_parents_root_case_and_pins() {
    let mut harness = Harness::new(Status);
    harness.accept(child("ROOT", &rich_data()));
    harness.accept(child("CHILD", &json!({"parent_run_id": "ROOT"})));
    let policies = json!({"lanes": "0123456", "roles": "6543210"});
    let given =
        json!({"parent_run_id": "CHILD", "root_run_id": "ROOT", "case_id": "CASE-1", "policy_versions": policies});
    harness.accept(child("GRANDCHILD", &given));
    for (run, parent) in [("CHILD", "ROOT"), ("GRANDCHILD", "CHILD")] {
        let manifest = harness.json(run, "manifest.json");
        assert_eq!((&manifest["parent_run_id"], &manifest["root_run_id"]), (&json!(parent), &json!("ROOT")));
        assert_eq!((&manifest["case_id"], &manifest["policy_versions"]), (&json!("CASE-1"), &policies));
        assert_eq!((&manifest["retry_of_run_id"], &manifest["retry_count"]), (&Value::Null, &json!(0)));
    }
}

#[test]
fn a_child_that_contradicts_its_parent_is_refused() {
    let mut harness = Harness::new(Status);
    harness.accept(child("ROOT", &rich_data()));
    harness.accept(child("OTHER", &json!({})));
    let wrong = [
        (json!({"parent_run_id": "NOBODY"}), "RUN_NOT_FOUND"),
        (json!({"parent_run_id": "NEW"}), "RUN_NOT_FOUND"),
        (json!({"parent_run_id": "ROOT", "root_run_id": "OTHER"}), "LINEAGE_INVALID"),
        (json!({"parent_run_id": "ROOT", "case_id": "CASE-2"}), "LINEAGE_INVALID"),
        (
            json!({"parent_run_id": "ROOT", "policy_versions": {"lanes": "aaaaaa", "roles": "bbbbbb"}}),
            "LINEAGE_INVALID",
        ),
        (json!({"root_run_id": "ROOT"}), "LINEAGE_INVALID"),
    ];
    for (data, code) in wrong {
        check_refused(&mut harness, child("NEW", &data), code);
    }
    harness.accept(child("NEW", &json!({"root_run_id": "NEW"})));
}
