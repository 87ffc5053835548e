//! The hard cases H1 to H19 of status.md 1.4, by number.

use super::{
    Case, FORCED, RUN, RunStatus, Status, at, check, create, diagnostic, diagnostic_for, play, request, with, without,
};
use crate::testing::{FIRST_TIME_NS, Harness, LOG_STREAM};
use evlog_projection::Outcome::{Accepted, Refused, Rejected};
use serde_json::{Value, json};

const INVALID: &str = "INVALID_STATE_TRANSITION";
const LIVE: [RunStatus; 3] = [RunStatus::Created, RunStatus::Running, RunStatus::Waiting];
const TERMINAL: [RunStatus; 5] =
    [RunStatus::Success, RunStatus::Failed, RunStatus::Denied, RunStatus::Timeout, RunStatus::Canceled];

fn forced(from: RunStatus, command: Value) -> Harness<Status> {
    check(Case { from, command, outcome: Rejected, code: INVALID, kinds: FORCED, status: "failed" })
}

fn rejected_only(from: RunStatus, command: Value) -> Harness<Status> {
    let kinds = &["status.rejected"];
    check(Case { from, command, outcome: Rejected, code: INVALID, kinds, status: from.word() })
}

fn refused(from: RunStatus, command: Value, code: &str, reason: &str) -> Harness<Status> {
    let kinds = &["status.refused"];
    let harness = check(Case { from, command, outcome: Refused, code, kinds, status: from.word() });
    assert_eq!(last_line(&harness)["outcome_reason"], reason);
    harness
}

fn last_line(harness: &Harness<Status>) -> Value {
    harness.audit(RUN).pop().expect("a line")
}

#[test]
fn h1_a_terminal_run_takes_rejections_and_stays_as_it_is() {
    for from in TERMINAL {
        let before = at(from).json(RUN, "manifest.json");
        for to in ["created", "running", "failed", "success", "completed", ""] {
            let harness = rejected_only(from, request(RUN, to));
            assert_eq!(harness.json(RUN, "manifest.json"), before, "{from} -> {to}");
            assert_eq!(last_line(&harness)["error"]["error_code"], INVALID);
        }
    }
}

#[test]
fn h2_an_undefined_transition_of_a_created_run_fails_it_and_it_never_started() {
    for to in ["success", "waiting", "denied", "timeout", "canceled", "created"] {
        let harness = forced(RunStatus::Created, request(RUN, to));
        let run = harness.json(RUN, "run.json");
        assert_eq!((&run["started_at_utc"], &run["duration_ms"]), (&Value::Null, &Value::Null), "{to}");
        assert_eq!(run["completed_at_utc"], "2026-02-23T18:00:01.000Z", "{to}");
    }
}

#[test]
fn h3_an_undefined_transition_of_a_waiting_run_fails_it() {
    for to in ["success", "failed", "denied", "timeout", "waiting", "created"] {
        forced(RunStatus::Waiting, request(RUN, to));
    }
}

#[test]
fn h4_a_requested_failure_that_is_undefined_has_the_rules_code_and_not_the_callers() {
    for from in [RunStatus::Created, RunStatus::Waiting] {
        let harness = forced(from, request(RUN, "failed"));
        let manifest = harness.json(RUN, "manifest.json");
        assert_eq!(manifest["error"]["error_code"], INVALID);
        assert_eq!(manifest["diagnostic"]["error_code"], INVALID);
        let lines = harness.audit(RUN);
        let [.., rejection, failure] = &lines[..] else { panic!("two lines") };
        assert_eq!(rejection["event"]["offered"], diagnostic_for(RunStatus::Failed).expect("one"));
        assert_eq!(failure["caused_by"], rejection["sequence"]);
        assert_eq!(failure["commit"], rejection["commit"]);
    }
}

#[test]
fn h5_an_unknown_token_is_undefined_and_is_recorded_as_given() {
    for token in ["completed", "cancelled", "Runing", "", "timed_out", " running", "running\n", "\u{0}\"\\é"] {
        for from in LIVE {
            let harness = forced(from, request(RUN, token));
            let lines = harness.audit(RUN);
            let [.., rejection, failure] = &lines[..] else { panic!("two lines") };
            assert_eq!(rejection["event"]["requested"], token);
            assert_eq!(rejection["outcome_reason"], "unknown_status_token");
            assert_eq!(failure["event"]["diagnostic"]["likely_cause"], "unknown_status_token");
            let message = failure["error"]["message"].as_str().expect("a message");
            assert!(!message.contains(char::is_control), "a message is one line: {message}");
        }
        rejected_only(RunStatus::Success, request(RUN, token));
    }
}

#[test]
fn h5_a_status_with_wrong_capitalisation_is_malformed_and_forces_nothing() {
    for token in ["Running", "SUCCESS", "canceleD"] {
        for command in [
            json!({"do": "transition", "to": token}),
            json!({"do": "override", "to": token, "ticket": "T", "reason": "r"}),
        ] {
            let mut command = command;
            command["run"] = RUN.into();
            let mut harness = at(RunStatus::Running);
            let before = harness.audit(RUN).len();
            let malformed = harness.play(command).expect_err("malformed");
            assert_eq!(malformed.pointer, "/to");
            let known = token.to_ascii_lowercase();
            assert!(malformed.message.starts_with(&format!("expected `{known}`, found `{token}`")), "{malformed}");
            assert_eq!(harness.audit(RUN).len(), before, "nothing is recorded");
        }
    }
}

#[test]
fn h5_only_the_first_120_bytes_of_a_long_token_are_recorded() {
    let token = "é".repeat(100);
    let harness = forced(RunStatus::Running, request(RUN, &token));
    let lines = harness.audit(RUN);
    assert_eq!(lines[lines.len() - 2]["event"]["requested"], "é".repeat(60));
    // A token of 121 bytes that ends in the middle of a character is cut before that character.
    let harness = forced(RunStatus::Running, request(RUN, &format!("{}é", "x".repeat(119))));
    let lines = harness.audit(RUN);
    assert_eq!(lines[lines.len() - 2]["event"]["requested"], "x".repeat(119));
}

#[test]
fn h6_a_request_to_an_unknown_run_creates_no_run() {
    let with_ticket = json!({"run": RUN, "do": "override", "to": "running", "ticket": "T-1", "reason": "r"});
    for command in [request(RUN, "running"), request(RUN, "nonsense"), json!({"run": RUN, "do": "cancel"}), with_ticket]
    {
        let mut harness = Harness::new(Status);
        let answered = play(&mut harness, command);
        assert_eq!((answered.outcome, answered.code()), (Rejected, INVALID));
        assert_eq!(answered.kinds, ["$log:status.rejected"]);
        assert_eq!(answered.status, None);
        let event = &harness.log[0];
        assert_eq!(event.stream, LOG_STREAM);
        let table: crate::status::payload::Rejected = crate::status::payload::read(&event.fact()).expect("a table");
        assert_eq!((table.current, table.claimed_run_id.as_deref()), (None, Some(RUN)));
        assert_eq!(table.reason.word(), "unknown_run_id");
    }
}

#[test]
fn h7_asking_for_the_same_status_is_undefined() {
    for from in LIVE {
        forced(from, request(RUN, from.word()));
    }
    for from in TERMINAL {
        rejected_only(from, request(RUN, from.word()));
    }
}

#[test]
fn h7_a_second_delivery_of_the_same_command_is_answered_and_nothing_is_attempted() {
    let mut harness = at(RunStatus::Created);
    let command = with(request(RUN, "running"), "id", json!("start"));
    harness.accept(command.clone());
    let events = harness.log.len();
    let again = harness.accept(command.clone());
    assert!(again.duplicate);
    assert_eq!((harness.log.len(), again.status.as_deref()), (events, Some("running")));
    let other = play(&mut harness, with(command, "to", json!("waiting")));
    assert_eq!((other.outcome, harness.log.len()), (Refused, events));
}

/// The first answer comes from the log alone: every kind of answer, given a second time.
#[test]
fn a_second_delivery_gets_the_first_answer_whatever_it_was() {
    let pinned = json!({"run": RUN, "do": "create", "data": {"pins_required": true}});
    let commands: [(Value, Value); 6] = [
        (create(RUN), request(RUN, "success")),
        (create(RUN), request(RUN, "nonsense")),
        (create(RUN), create(RUN)),
        (create(RUN), json!({"run": RUN, "do": "transition", "to": "running", "expect_status": "waiting"})),
        (pinned, request(RUN, "running")),
        (create("RUN_OTHER"), request(RUN, "running")),
    ];
    for (first, second) in commands {
        let mut harness = Harness::new(Status);
        harness.accept(first);
        let command = with(second, "id", json!("k"));
        let (one, two) = (play(&mut harness, command.clone()), play(&mut harness, command.clone()));
        assert!(two.duplicate, "{command}");
        assert_eq!((one.outcome, one.error), (two.outcome, two.error), "{command}");
    }
}

#[test]
fn h8_a_second_creation_is_an_identity_collision() {
    for from in RunStatus::ALL {
        refused(from, create(RUN), "RUN_ID_EXISTS", "run_id_exists");
        let retry = json!({"run": RUN, "do": "retry", "of": "RUN_OTHER"});
        refused(from, retry, "RUN_ID_EXISTS", "run_id_exists");
    }
}

#[test]
fn h9_no_run_is_retried_in_place() {
    for from in TERMINAL {
        let harness = rejected_only(from, request(RUN, "running"));
        assert_eq!(harness.states.len(), 1, "no run is created in passing");
    }
}

#[test]
fn h10_a_failure_status_without_valid_diagnostic_is_refused_and_the_run_goes_on() {
    for to in ["failed", "denied", "timeout"] {
        let bare = json!({"run": RUN, "do": "transition", "to": to});
        refused(RunStatus::Running, bare.clone(), "DIAGNOSTIC_INVALID", "diagnostic_missing");
        let null = with(bare.clone(), "diagnostic", Value::Null);
        refused(RunStatus::Running, null, "DIAGNOSTIC_INVALID", "diagnostic_missing");
        for wrong in [json!("boom"), json!({}), without(diagnostic("TOOL_TIMEOUT", true), "retryable")] {
            let command = with(bare.clone(), "diagnostic", wrong.clone());
            let mut harness = refused(RunStatus::Running, command, "DIAGNOSTIC_INVALID", "diagnostic_invalid");
            assert_eq!(last_line(&harness)["event"]["offered"], wrong);
            harness.accept(request(RUN, "success"));
        }
    }
}

#[test]
fn h10_a_diagnostic_does_not_make_an_undefined_transition_legal() {
    let command = json!({"run": RUN, "do": "transition", "to": "failed", "diagnostic": "boom"});
    let harness = forced(RunStatus::Waiting, command);
    assert_eq!(harness.audit(RUN)[3]["event"]["offered"], "boom");
}

#[test]
fn h11_a_diagnostic_where_none_belongs_is_refused() {
    let given = diagnostic("TOOL_INTERNAL_ERROR", false);
    let cells = [
        (RunStatus::Created, "running"),
        (RunStatus::Running, "waiting"),
        (RunStatus::Running, "success"),
        (RunStatus::Waiting, "running"),
    ];
    for (from, to) in cells {
        let command = with(request(RUN, to), "diagnostic", given.clone());
        refused(from, command, "DIAGNOSTIC_INVALID", "diagnostic_unexpected");
    }
}

#[test]
fn h11_canceled_takes_a_diagnostic_and_does_without() {
    let given = diagnostic("TOOL_DEPENDENCY_DOWN", true);
    for from in [RunStatus::Running, RunStatus::Waiting] {
        let kinds = &["status.transitioned"];
        let command = with(request(RUN, "canceled"), "diagnostic", given.clone());
        let harness = check(Case { from, command, outcome: Accepted, code: "", kinds, status: "canceled" });
        let run = harness.json(RUN, "run.json");
        assert_eq!((&run["diagnostic"], &run["next_action"]), (&given, &json!("STOP")));
        let wrong = with(request(RUN, "canceled"), "diagnostic", json!(7));
        refused(from, wrong, "DIAGNOSTIC_INVALID", "diagnostic_invalid");
    }
}

#[test]
fn h12_every_run_begins_as_created() {
    let mut harness = Harness::new(Status);
    for command in [
        json!({"run": RUN, "do": "create", "status": "running"}),
        json!({"run": RUN, "do": "create", "data": {"status": "running"}}),
    ] {
        let malformed = harness.play(command).expect_err("no creation with a status");
        assert!(malformed.message.contains("unknown member `status`"), "{malformed}");
    }
    assert!(harness.log.is_empty());
}

#[test]
fn h13_the_second_of_two_racing_transitions_is_judged_by_what_the_first_left() {
    let mut harness = at(RunStatus::Running);
    harness.accept(request(RUN, "success"));
    let late = play(&mut harness, request(RUN, "timeout"));
    assert_eq!((late.outcome, late.kinds), (Rejected, vec!["status.rejected".to_owned()]));
    assert_eq!(harness.status(RUN).as_deref(), Some("success"));
}

#[test]
fn h14_a_stale_expectation_is_a_conflict_and_not_an_attempt() {
    let guarded = |to: &str, expected: &str| with(request(RUN, to), "expect_status", json!(expected));
    refused(RunStatus::Running, guarded("running", "waiting"), "STALE_PRECONDITION", "stale_precondition");
    refused(RunStatus::Success, guarded("failed", "running"), "STALE_PRECONDITION", "stale_precondition");
    refused(RunStatus::Running, guarded("nonsense", "waiting"), "STALE_PRECONDITION", "stale_precondition");
    let cancel = json!({"run": RUN, "do": "cancel", "expect_status": "running"});
    refused(RunStatus::Created, cancel, "STALE_PRECONDITION", "stale_precondition");
    at(RunStatus::Waiting).accept(guarded("running", "waiting"));
    // The expectation holds, so the attempt is judged: a blind resume of a running run kills it (H7).
    forced(RunStatus::Running, guarded("running", "running"));
    let unknown = at(RunStatus::Running).play(guarded("success", "started")).expect_err("not a status");
    assert_eq!(unknown.pointer, "/expect_status");
}

fn overriding(to: &str) -> Value {
    let mut command = request(RUN, to);
    command["do"] = json!("override");
    command["ticket"] = json!("INC-7");
    command["reason"] = json!("the clock of the cluster is wrong");
    command
}

#[test]
fn h15_the_builder_makes_the_command_override() {
    let built = Status::override_to(RUN, RunStatus::Running, "T-1", "r").build().unwrap();
    let line =
        json!({"contract": "status", "run": RUN, "do": "override", "to": "running", "ticket": "T-1", "reason": "r"});
    let read = evlog_projection::Request::parse_line(line.to_string().as_bytes()).unwrap();
    assert_eq!(built.content(), read.content());
}

#[test]
fn h15_an_override_is_recorded_and_permits_only_the_nine() {
    for from in RunStatus::ALL {
        for to in RunStatus::ALL {
            let command = overriding(to.word());
            if !from.may_become(to) {
                let harness = if from.is_terminal() { rejected_only(from, command) } else { forced(from, command) };
                let lines = harness.audit(RUN);
                let rejection = lines.iter().find(|line| line["kind"] == "status.rejected").expect("a rejection");
                assert_eq!(rejection["event"]["ticket"], "INC-7");
                assert_eq!(rejection["event"]["action"], "override");
                continue;
            }
            let kinds = &["status.overridden", "status.transitioned"];
            let harness = check(Case { from, command, outcome: Accepted, code: "", kinds, status: to.word() });
            let lines = harness.audit(RUN);
            let [.., overridden, transitioned] = &lines[..] else { panic!("two lines") };
            assert_eq!(overridden["event"], json!({"from": from.word(), "to": to.word(), "ticket": "INC-7"}));
            assert_eq!(overridden["outcome_reason"], "the clock of the cluster is wrong");
            assert_eq!(overridden["action_type"], "override");
            assert_eq!(transitioned["caused_by"], overridden["sequence"]);
            assert_eq!(transitioned["event"]["cause"], "override");
        }
    }
}

#[test]
fn h15_an_override_without_ticket_or_reason_is_not_a_command() {
    for missing in ["ticket", "reason", "to"] {
        let mut harness = at(RunStatus::Created);
        let malformed = harness.play(without(overriding("running"), missing)).expect_err("incomplete");
        assert!(malformed.message.contains(missing), "{malformed}");
    }
}

#[test]
fn h15_an_override_needs_a_diagnostic_as_any_other() {
    let bare = without(overriding("failed"), "diagnostic");
    refused(RunStatus::Running, bare, "DIAGNOSTIC_INVALID", "diagnostic_missing");
}

const PINS: [&str; 2] = ["contract_version", "policy_versions"];

fn pinned_data() -> Value {
    json!({
        "pins_required": true,
        "contract_version": "v1",
        "policy_versions": {"lanes": "0123456", "roles": "6543210"},
    })
}

#[test]
fn h16_a_start_without_the_required_pins_is_denied_before_any_work() {
    for missing in PINS {
        let mut harness = Harness::new(Status);
        harness.accept(json!({"run": RUN, "do": "create", "data": without(pinned_data(), missing)}));
        let answered = play(&mut harness, request(RUN, "running"));
        assert_eq!((answered.outcome, answered.code()), (Rejected, "TOOL_DENIED"), "{missing}");
        assert_eq!(answered.kinds, ["status.transitioned"; 2], "{missing}");
        let run = harness.json(RUN, "run.json");
        assert_eq!((&run["status"], &run["next_action"]), (&json!("denied"), &json!("HALT_POLICY")));
        assert_eq!(run["diagnostic"]["category"], "policy");
        assert_eq!((&run["started_at_utc"], &run["duration_ms"]), (&run["completed_at_utc"], &json!(0)));
        let lines = harness.audit(RUN);
        assert_eq!(lines[2]["commit"], lines[1]["sequence"], "one commit");
        assert_eq!(lines[1]["event"]["cause"], "pins_missing");
        assert_eq!(lines[2]["outcome"], "deny");
    }
}

#[test]
fn h16_a_start_with_its_pins_is_a_start_and_so_is_one_that_needs_none() {
    for data in [pinned_data(), json!({}), json!({"pins_required": false})] {
        let mut harness = Harness::new(Status);
        harness.accept(json!({"run": RUN, "do": "create", "data": data}));
        assert_eq!(harness.accept(request(RUN, "running")).status.as_deref(), Some("running"));
    }
}

#[test]
fn h16_an_override_does_not_start_a_run_without_its_pins_and_a_cancel_still_ends_it() {
    let mut harness = Harness::new(Status);
    harness.accept(json!({"run": RUN, "do": "create", "data": {"pins_required": true}}));
    let answered = play(&mut harness, overriding("running"));
    assert_eq!((answered.outcome, answered.code()), (Refused, "PINS_MISSING"));
    assert_eq!(answered.status.as_deref(), Some("created"));
    assert_eq!(harness.accept(json!({"run": RUN, "do": "cancel"})).status.as_deref(), Some("canceled"));
}

#[test]
fn h17_a_timer_that_fires_while_waiting_fails_the_run_and_resuming_first_does_not() {
    let harness = forced(RunStatus::Waiting, request(RUN, "timeout"));
    assert_eq!(harness.json(RUN, "run.json")["error_code"], INVALID);
    let mut harness = at(RunStatus::Waiting);
    harness.accept(request(RUN, "running"));
    harness.accept(request(RUN, "timeout"));
    let run = harness.json(RUN, "run.json");
    assert_eq!((&run["status"], &run["error_code"]), (&json!("timeout"), &json!("TOOL_TIMEOUT")));
}

#[test]
fn h18_cancel_ends_a_live_run_by_listed_transitions() {
    let cancel = json!({"run": RUN, "do": "cancel", "reason": "not needed"});
    let two: &[&str] = &["status.transitioned", "status.transitioned"];
    for (from, kinds) in [(RunStatus::Created, two), (RunStatus::Running, &two[..1]), (RunStatus::Waiting, &two[..1])] {
        let command = cancel.clone();
        let harness = check(Case { from, command, outcome: Accepted, code: "", kinds, status: "canceled" });
        let lines = harness.audit(RUN);
        let ours = &lines[lines.len() - kinds.len()..];
        assert!(ours.iter().all(|line| line["event"]["cause"] == "cancel" && line["outcome_reason"] == "not needed"));
        assert!(ours.iter().all(|line| line["commit"] == ours[0]["sequence"]), "one commit");
    }
}

#[test]
fn h18_cancel_of_a_finished_run_is_an_attempt_like_any_other() {
    for from in TERMINAL {
        rejected_only(from, json!({"run": RUN, "do": "cancel"}));
    }
}

#[test]
fn h18_a_cancel_with_a_wrong_diagnostic_is_refused_whole() {
    let command = json!({"run": RUN, "do": "cancel", "diagnostic": []});
    refused(RunStatus::Created, command, "DIAGNOSTIC_INVALID", "diagnostic_invalid");
}

#[test]
fn h19_a_late_result_changes_nothing() {
    let mut harness = at(RunStatus::Timeout);
    let before = harness.json(RUN, "manifest.json");
    harness.time_ns = FIRST_TIME_NS - 1;
    play(&mut harness, request(RUN, "success"));
    assert_eq!(harness.json(RUN, "manifest.json"), before);
    assert_eq!(harness.json(RUN, "run.json")["rejections"], 1);
}

/// Check 21: what was asked, by whom, of which status.
#[test]
fn every_rejection_names_actor_status_and_token() {
    let mut harness = at(RunStatus::Created);
    play(&mut harness, with(request(RUN, "success"), "actor", json!("human:ada")));
    let line = &harness.audit(RUN)[1];
    assert_eq!(line["actor"], json!({"actor_type": "human", "actor_id": "ada"}));
    assert_eq!((&line["event"]["from"], &line["event"]["requested"]), (&json!("created"), &json!("success")));
    assert_eq!(line["target"]["operation"], "created->success");
    assert_eq!(line["event"]["request_blake3"].as_str().expect("text").len(), 64);
}
