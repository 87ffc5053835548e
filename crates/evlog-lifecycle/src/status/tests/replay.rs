//! Findings of the fold in histories that this contract would never have written (status.md 7, checks 6 and 13 to 23).

use super::{RUN, RunStatus, at, diagnostic, play, request, with};
use crate::status::payload::{
    Created, ForcedFailed, Overridden, Rejected, RejectionReason, Retry, TransitionCause, Transitioned,
};
use crate::status::{Diagnostic, Status};
use crate::testing::{Recorded, bundle};
use evlog_format::kind::{
    STATUS_CREATED, STATUS_FORCED_FAILED, STATUS_OVERRIDDEN, STATUS_REJECTED, STATUS_TRANSITIONED,
};
use evlog_format::{Kind, KindBuf, payload};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

/// A forged change of a table, and what the finding says.
type Forgery<'a, T> = (fn(&mut T), &'a str);

/// The history of a run at this status, then these requests.
fn history(from: RunStatus, requests: &[&str]) -> Vec<Recorded> {
    let mut harness = at(from);
    for to in requests {
        play(&mut harness, request(RUN, to));
    }
    harness.facts(RUN)
}

fn change<T: Serialize + DeserializeOwned>(event: &mut Recorded, edit: impl FnOnce(&mut T)) {
    let mut table: T = payload::decode(&event.payload).expect("a table");
    edit(&mut table);
    event.payload = payload::encode(&table).expect("a table");
}

/// Adds an event in a commit of its own.
fn push<T: Serialize>(events: &mut Vec<Recorded>, kind: Kind<'_>, table: &T) {
    let mut event = events.last().expect("a run").clone();
    event.seq += 1;
    event.commit = event.seq;
    event.number += 1;
    event.kind = kind.into();
    event.causation = None;
    event.payload = payload::encode(table).expect("a table");
    events.push(event);
}

fn requested(from: RunStatus, to: RunStatus) -> Transitioned {
    let diagnostic = to.is_failure().then(|| Diagnostic::read(&diagnostic("TOOL_TIMEOUT", true), &[]).expect("valid"));
    Transitioned { from, to, cause: TransitionCause::Requested, reason: None, diagnostic }
}

fn check_found(events: &[Recorded], seq: u64, says: &str) {
    let error = bundle(&Status, events).expect_err("the history breaks the contract");
    assert_eq!(error.seq.0, seq, "{error}");
    assert!(error.message.contains(says), "`{}` does not say `{says}`", error.message);
    assert!(error.message.contains("expected"), "{error}");
}

/// H15, H16: break-glass starts no run without the pins that it requires.
#[test]
fn an_override_that_starts_a_run_without_its_pins_is_found() {
    let mut harness = crate::testing::Harness::new(Status);
    harness.accept(json!({"run": RUN, "do": "create", "data": {"pins_required": true}}));
    let mut events = harness.facts(RUN);
    let (from, to) = (RunStatus::Created, RunStatus::Running);
    push(&mut events, STATUS_OVERRIDDEN, &Overridden { from, to, ticket: "T".into(), reason: "r".into() });
    check_found(&events, 1, "expected the pins that the run requires");
}

/// Check 13.
#[test]
fn a_run_that_does_not_begin_with_its_creation_is_found() {
    let mut events = history(RunStatus::Running, &[]);
    events.remove(0);
    events[0].number = 0;
    let error = bundle(&Status, &events).expect_err("no creation");
    assert!(error.message.contains("status.transitioned"), "{error}");
    let error = crate::status::fold::start(&events[0].fact()).expect_err("no creation");
    assert!(error.message.contains("expected the run to begin with `status.created`"), "{error}");
}

#[test]
fn a_second_creation_is_found() {
    let mut events = history(RunStatus::Running, &[]);
    let table: Created = payload::decode(&events[0].payload).expect("a table");
    push(&mut events, STATUS_CREATED, &table);
    check_found(&events, 2, "status.created");
}

/// Check 14: every transition, changed to come from every other status.
#[test]
fn a_transition_from_a_status_that_the_run_does_not_have_is_found() {
    for (at, from, to) in [
        (RunStatus::Waiting, RunStatus::Running, RunStatus::Success),
        (RunStatus::Running, RunStatus::Created, RunStatus::Running),
        (RunStatus::Created, RunStatus::Waiting, RunStatus::Running),
    ] {
        let mut events = history(at, &[]);
        let seq = events.len() as u64;
        push(&mut events, STATUS_TRANSITIONED, &requested(from, to));
        check_found(&events, seq, &format!("expected status `{at}`"));
    }
}

/// Checks 15 and 16: all 55 cells that are not listed, as committed transitions.
#[test]
fn a_committed_transition_that_is_not_listed_is_found() {
    for from in RunStatus::ALL {
        for to in RunStatus::ALL.into_iter().filter(|to| !from.may_become(*to)) {
            let mut events = history(from, &[]);
            let seq = events.len() as u64;
            push(&mut events, STATUS_TRANSITIONED, &requested(from, to));
            check_found(&events, seq, "expected one of the nine transitions");
        }
    }
}

/// Checks 6 and 15: a forced failure without rejection, and a rejection without forced failure.
#[test]
fn a_forced_failure_and_its_rejection_are_found_when_apart() {
    let mut alone = history(RunStatus::Running, &[]);
    let diagnostic = Diagnostic::undefined_transition(RunStatus::Running, "running");
    push(&mut alone, STATUS_FORCED_FAILED, &ForcedFailed { from: RunStatus::Running, diagnostic });
    check_found(&alone, 2, "expected a rejection right before");

    let forced = history(RunStatus::Running, &["running"]);
    check_found(&forced[..3], 2, "found the end of the run's events");
    let mut late = forced.clone();
    late[3].commit = 3;
    check_found(&late, 3, "in commit 2, found `status.forced_failed` in commit 3");
    let mut between = forced[..3].to_vec();
    push(&mut between, STATUS_TRANSITIONED, &requested(RunStatus::Running, RunStatus::Waiting));
    check_found(&between, 3, "expected the forced failure that must follow the rejection 2");
    let mut uncaused = forced.clone();
    uncaused[3].causation = None;
    check_found(&uncaused, 3, "found causation none");
    let mut elsewhere = forced;
    elsewhere[3].causation = Some(1);
    check_found(&elsewhere, 3, "found causation 1");
}

#[test]
fn a_forced_failure_that_does_not_follow_from_its_rejection_is_found() {
    let good = history(RunStatus::Waiting, &["completed"]);
    let last = good.len() - 1;
    let seq = last as u64;
    let edits: [fn(&mut ForcedFailed); 4] = [
        |event| event.from = RunStatus::Running,
        |event| event.diagnostic.retryable = true,
        |event| event.diagnostic.message.push('.'),
        |event| event.diagnostic.error_code = "TOOL_TIMEOUT".into(),
    ];
    for edit in edits {
        let mut events = good.clone();
        change(&mut events[last], edit);
        check_found(&events, seq, "expected");
    }
}

/// Check 16.
#[test]
fn after_a_terminal_event_only_rejections_and_refusals_fold() {
    for from in RunStatus::ALL.into_iter().filter(|status| status.is_terminal()) {
        let mut events = history(from, &["failed", "running", "nonsense"]);
        bundle(&Status, &events).expect("rejections fold");
        let seq = events.len() as u64;
        let mut overridden = events.clone();
        let table = Overridden { from, to: RunStatus::Running, ticket: "T".into(), reason: "r".into() };
        push(&mut overridden, STATUS_OVERRIDDEN, &table);
        check_found(&overridden, seq, "expected one of the nine transitions");
        let diagnostic = Diagnostic::undefined_transition(from, "failed");
        push(&mut events, STATUS_FORCED_FAILED, &ForcedFailed { from, diagnostic });
        check_found(&events, seq, "expected a rejection right before");
    }
}

/// Check 18: a status number that no status has.
#[test]
fn an_unknown_status_in_a_committed_transition_is_found() {
    let mut events = history(RunStatus::Running, &["success"]);
    events[2].payload[1] = 8;
    check_found(&events, 2, "expected a status number that has a meaning, found 8");
}

/// Checks 19, 20, 22 and 24.
#[test]
fn a_diagnostic_that_does_not_go_with_its_status_is_found() {
    let failed = history(RunStatus::Failed, &[]);
    let edits: [Forgery<'_, Transitioned>; 4] = [
        (|event| event.diagnostic = None, "expected a diagnostic with `failed`"),
        (
            |event| event.diagnostic.as_mut().expect("one").error_code = "INVALID_STATE_TRANSITION".into(),
            "only on a forced failure",
        ),
        (|event| event.diagnostic.as_mut().expect("one").message = String::new(), "`message`"),
        (|event| event.diagnostic.as_mut().expect("one").error_code = "lower".into(), "`error_code`"),
    ];
    for (edit, says) in edits {
        let mut events = failed.clone();
        change(&mut events[2], edit);
        check_found(&events, 2, says);
    }
    let mut events = history(RunStatus::Success, &[]);
    change(&mut events[2], |event: &mut Transitioned| {
        event.diagnostic = requested(RunStatus::Running, RunStatus::Failed).diagnostic;
    });
    check_found(&events, 2, "expected no diagnostic with `success`");
}

/// On replay any code of the right syntax is taken: the catalogue may have been another when it was written (3.4).
#[test]
fn a_code_that_the_catalogue_does_not_know_is_taken_on_replay() {
    let mut events = history(RunStatus::Failed, &[]);
    change(&mut events[2], |event: &mut Transitioned| {
        event.diagnostic.as_mut().expect("one").error_code = "FROM_A_LATER_VERSION".into();
    });
    bundle(&Status, &events).expect("folds");
}

/// Check 21.
#[test]
fn a_rejection_that_does_not_fit_the_run_is_found() {
    let good = history(RunStatus::Success, &["running"]);
    let edits: [fn(&mut Rejected); 7] = [
        |event| event.current = Some(RunStatus::Failed),
        |event| event.current = None,
        |event| event.claimed_run_id = Some("R".into()),
        |event| event.reason = RejectionReason::UnknownStatusToken,
        |event| event.reason = RejectionReason::UnknownRunId,
        |event| event.requested = "started".into(),
        |event| event.requested = "x".repeat(121),
    ];
    for edit in edits {
        let mut events = good.clone();
        change(&mut events[3], edit);
        check_found(&events, 3, "expected");
    }
}

#[test]
fn the_rejection_of_a_listed_transition_is_found() {
    let mut events = history(RunStatus::Created, &["success"]);
    change(&mut events[1], |event: &mut Rejected| event.requested = "running".into());
    check_found(&events, 1, "expected an undefined transition");
}

/// H15, H16, H18: what the first event of such a commit announces must follow in it.
#[test]
fn an_announced_transition_that_does_not_follow_is_found() {
    let mut harness = at(RunStatus::Running);
    harness.accept(json!({"run": RUN, "do": "override", "to": "waiting", "ticket": "T", "reason": "r"}));
    let overridden = harness.facts(RUN);
    check_found(&overridden[..3], 2, "found the end");
    let mut other = overridden;
    change(&mut other[3], |event: &mut Transitioned| event.to = RunStatus::Success);
    check_found(&other, 3, "expected the transition to `waiting` (override)");

    let mut harness = at(RunStatus::Created);
    harness.accept(json!({"run": RUN, "do": "cancel"}));
    let canceled = harness.facts(RUN);
    check_found(&canceled[..2], 1, "found the end");
    let mut requested = canceled;
    change(&mut requested[2], |event: &mut Transitioned| event.cause = TransitionCause::Requested);
    check_found(&requested, 2, "expected the transition to `canceled` (cancel)");
}

#[test]
fn a_start_without_required_pins_that_was_not_denied_is_found() {
    let mut harness = crate::testing::Harness::new(Status);
    harness.accept(json!({"run": RUN, "do": "create", "data": {"pins_required": true}}));
    play(&mut harness, request(RUN, "running"));
    let denied = harness.facts(RUN);
    check_found(&denied[..2], 1, "found the end");
    let mut started = denied[..2].to_vec();
    change(&mut started[1], |event: &mut Transitioned| event.cause = TransitionCause::Requested);
    check_found(&started, 1, "expected a cause that explains");
    let mut other = denied;
    change(&mut other[2], |event: &mut Transitioned| event.diagnostic.as_mut().expect("one").retryable = true);
    check_found(&other, 2, "expected the diagnostic of missing pins");
}

#[test]
fn a_cause_that_does_not_explain_its_transition_is_found() {
    let causes = [TransitionCause::Override, TransitionCause::Cancel, TransitionCause::PinsMissing];
    for cause in causes {
        let mut events = history(RunStatus::Success, &[]);
        change(&mut events[2], |event: &mut Transitioned| event.cause = cause);
        check_found(&events, 2, "expected a cause that explains");
    }
}

/// Checks 26 and 27, as far as a creation shows them by itself.
#[test]
fn a_creation_that_contradicts_itself_is_found() {
    let retry = |count| Some(Retry { count, reason: "r".into(), approval: None });
    let edits: [Forgery<'_, Created>; 6] = [
        (|event| event.root_run_id = "OTHER".into(), "root_run_id"),
        (|event| event.parent_run_id = Some("OTHER".into()), "root_run_id"),
        (|event| event.parent_run_id = Some(RUN.into()), "parent_run_id"),
        (|event| event.root_run_id = "../x".into(), "root_run_id"),
        (|event| event.details = Some("{\"notes\": \"x\"}".into()), "canonical"),
        (|event| event.details = Some("{\"unknown\":1}".into()), "unknown"),
    ];
    for (edit, says) in edits {
        let mut events = history(RunStatus::Created, &[]);
        change(&mut events[0], edit);
        check_found(&events, 0, says);
    }
    for count in [0, 2] {
        let mut events = history(RunStatus::Created, &[]);
        change(&mut events[0], |event: &mut Created| {
            event.parent_run_id = Some("OTHER".into());
            event.root_run_id = "OTHER".into();
            event.retry = retry(count);
        });
        check_found(&events, 0, "count");
    }
    let mut events = history(RunStatus::Created, &[]);
    change(&mut events[0], |event: &mut Created| event.retry = retry(1));
    check_found(&events, 0, "parent");
}

#[test]
fn events_of_other_contracts_and_later_versions_are_found() {
    let mut foreign = history(RunStatus::Running, &["success"]);
    foreign[2].kind = KindBuf::Custom("custom/x".into());
    check_found(&foreign, 2, "custom/x");
    let mut later = history(RunStatus::Running, &["success"]);
    later[2].kind_version = 2;
    check_found(&later, 2, "expected version 1, found 2");
    let mut cut = history(RunStatus::Running, &["success"]);
    cut[2].payload.pop();
    let error = bundle(&Status, &cut).expect_err("cut");
    assert_eq!(error.seq.0, 2);
}

/// An error leaves the state as it was, so that a reader can say what it had.
#[test]
fn an_event_that_does_not_fold_changes_nothing() {
    let mut events = history(RunStatus::Running, &[]);
    let mut state = crate::status::fold::start(&events[0].fact()).expect("starts");
    crate::status::fold::evolve(&mut state, &events[1].fact()).expect("folds");
    let before = state.clone();
    push(&mut events, STATUS_TRANSITIONED, &requested(RunStatus::Running, RunStatus::Created));
    crate::status::fold::evolve(&mut state, &events[2].fact()).expect_err("not listed");
    assert_eq!(state, before);
}

#[test]
fn a_rejection_of_an_unknown_run_does_not_fold_into_one_that_came_later() {
    let mut harness = crate::testing::Harness::new(Status);
    play(&mut harness, request(RUN, "running"));
    let unbound: Rejected = payload::decode(&harness.log[0].payload).expect("a table");
    let mut events = history(RunStatus::Created, &[]);
    push(&mut events, STATUS_REJECTED, &unbound);
    check_found(&events, 1, "expected status `created`, found none");
    let with_note = with(request(RUN, "running"), "reason", json!("again"));
    play(&mut harness, with_note);
    assert!(harness.states.is_empty());
}
