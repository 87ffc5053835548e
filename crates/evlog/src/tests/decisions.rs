//! Claims about decisions that no contract may make: nothing of them is recorded, and the log can go on.

use super::toy::{ask, contracts, open, options};
use crate::{Contract, Contracts, LogError, Options, Request};
use evlog_format::{Kind, kind};
use evlog_projection::contract::{Cause, Target};
use evlog_projection::{Asked, ContractError, Decision, Fact, File, FoldError, Malformed, NewEvent, Outcome, RunHead};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};

/// Decides the given decision, and folds everything.
struct Odd(Arc<Mutex<Decision>>);

impl Contract for Odd {
    type State = ();
    type Command = ();

    fn name(&self) -> &'static str {
        "odd"
    }

    fn begins_with(&self, kind: Kind<'_>) -> bool {
        matches!(kind, Kind::Custom(_))
    }

    fn parse(&self, _: &str, _: Map<String, Value>) -> Result<(), Malformed> {
        Ok(())
    }

    fn decide(&self, _: &Asked<'_, ()>, (): &()) -> Decision {
        self.0.lock().unwrap().clone()
    }

    fn start(&self, _: &Fact<'_>) -> Result<(), FoldError> {
        Ok(())
    }

    fn evolve(&self, (): &mut (), _: &Fact<'_>) -> Result<(), FoldError> {
        Ok(())
    }

    fn answer(&self, _: &Fact<'_>) -> Option<(Outcome, ContractError)> {
        None
    }

    fn status<'a>(&self, (): &'a ()) -> &'a str {
        "open"
    }

    fn is_terminal(&self, (): &()) -> bool {
        false
    }

    fn audit_line(&self, _: Option<&()>, _: &Fact<'_>, (): &()) -> Result<Value, FoldError> {
        Ok(json!({}))
    }

    fn project(&self, (): &(), _: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
        let file = |path: &str| File { path: path.to_owned(), projection: "odd", version: 1, bytes: Vec::new() };
        Ok(self.0.lock().unwrap().events.iter().map(|new| file(str::from_utf8(&new.payload).unwrap())).collect())
    }
}

fn event(kind: Kind<'_>) -> NewEvent {
    NewEvent::new(kind, b"{}".to_vec())
}

fn of_log(new: NewEvent) -> NewEvent {
    NewEvent { target: Target::Log, ..new }
}

#[test]
fn a_decision_that_breaks_a_rule_of_decisions_is_not_recorded() {
    // F-36, F-49.
    let custom = || event(Kind::Custom("custom/x"));
    let caused = |cause| NewEvent { cause: Cause::Decided(cause), ..custom() };
    let error = || Some(ContractError { code: "NO".into(), message: "no".to_owned() });
    let accepted = Decision::accepted;
    let cases = [
        ("if and only if", Decision { error: error(), ..accepted(vec![custom()]) }),
        ("if and only if", Decision { outcome: Outcome::Refused, ..accepted(Vec::new()) }),
        ("if and only if", Decision { outcome: Outcome::Rejected, ..accepted(vec![custom()]) }),
        ("an earlier one", accepted(vec![caused(0)])),
        ("an earlier one", accepted(vec![custom(), caused(1)])),
        ("an earlier one", accepted(vec![custom(), caused(usize::MAX)])),
        ("found both", accepted(vec![custom(), of_log(custom())])),
        ("found `log.policy_set`", accepted(vec![of_log(event(kind::LOG_POLICY_SET))])),
        ("found `log.key_added`", accepted(vec![event(kind::LOG_KEY_ADDED)])),
        ("found `status.created`", accepted(vec![event(kind::STATUS_CREATED)])),
        ("found `status.refused`", accepted(vec![of_log(event(kind::STATUS_REFUSED))])),
        ("found accepted", Decision { outcome: Outcome::Rejected, error: error(), ..accepted(vec![custom()]) }),
        ("found accepted", Decision { outcome: Outcome::Refused, error: error(), ..accepted(vec![of_log(custom())]) }),
        ("expected kinds of contract `odd`", accepted(vec![custom(), event(Kind::BuiltIn(5000))])),
    ];
    let (dir, decision) = (tempfile::tempdir().unwrap(), Arc::new(Mutex::new(accepted(Vec::new()))));
    let log = options().open(dir.path(), Contracts::new().with(Odd(Arc::clone(&decision)))).unwrap();
    let submit = |run: &str| log.submit(&Request::json("odd", run, "go").id("k").build().unwrap());
    for (number, (expected, odd)) in cases.into_iter().enumerate() {
        let (next, shown) = (log.next_seq(), format!("{odd:?}"));
        *decision.lock().unwrap() = odd;
        let refused = submit(&format!("r{number}")).unwrap_err();
        assert!(matches!(refused, LogError::Undecidable { .. }), "{shown}: {refused}");
        assert!(refused.to_string().contains(expected), "{shown}: {refused}");
        assert_eq!(log.next_seq(), next);
    }
    *decision.lock().unwrap() = accepted(vec![custom(), caused(0)]);
    submit("r0").unwrap().into_accepted().unwrap();
    log.close().unwrap();
}

#[test]
fn a_run_that_would_be_of_another_contract_is_not_begun() {
    let begins = Decision::accepted(vec![event(Kind::Custom("custom/begun"))]);
    let odd = || Contracts::new().with(Odd(Arc::new(Mutex::new(begins.clone()))));
    let request = Request::json("odd", "r", "go").build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let log = options().open(dir.path(), contracts().and(odd())).unwrap();
    let refused = log.submit(&request).unwrap_err().to_string();
    assert!(refused.contains("is of contract `toy`, which was added before `odd`"), "{refused}");
    log.close().unwrap();
    let log = options().open(dir.path(), odd().and(contracts())).unwrap();
    log.submit(&request).unwrap().into_accepted().unwrap();
    log.close().unwrap();
}

#[test]
fn files_that_cannot_stand_in_one_bundle_are_refused() {
    let projects = |paths: &[&str]| {
        let events =
            paths.iter().map(|path| NewEvent::new(Kind::Custom("custom/x"), path.as_bytes().to_vec())).collect();
        let decision = Arc::new(Mutex::new(Decision::accepted(vec![event(Kind::Custom("custom/begun"))])));
        let dir = tempfile::tempdir().unwrap();
        let contracts = || Contracts::new().with(Odd(Arc::clone(&decision)));
        let log = options().open(dir.path(), contracts()).unwrap();
        log.submit(&Request::json("odd", "r", "go").build().unwrap()).unwrap().into_accepted().unwrap();
        log.close().unwrap();
        *decision.lock().unwrap() = Decision::accepted(events);
        let view = crate::View::open(dir.path(), contracts()).unwrap();
        view.bundle("r").map(|_| ()).map_err(|error| error.to_string())
    };
    for (paths, expected) in [
        (&["a", "b/c", "a"][..], "found `a` twice"),
        (&["audit_events.jsonl"], "found `audit_events.jsonl` twice"),
        (&["a/b", "a"], "found `a/b` below another file"),
        (&["a", "a.b", "a/b/c"], "found `a/b/c` below another file"),
        (&["../x"], "within the bundle"),
        (&[&"n".repeat(241)], "found one of 241 bytes"),
        (&[&format!("{}f", "d/".repeat(512))], "found one of 1025 bytes"),
    ] {
        let refused = projects(paths).unwrap_err();
        assert!(refused.contains(expected), "{paths:?}: {refused}");
    }
    projects(&["a", "a.b", "b/a", "b/b", &"n".repeat(240), &format!("{}fg", "d/".repeat(511))]).unwrap();
}

#[test]
fn a_command_is_waited_for_only_where_it_was_offered() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, other) = (open(one.path()), open(other.path()));
    let request = Request::json("toy", "a", "begin").build().unwrap();
    let offered = one.offer(&request).unwrap();
    assert!(matches!(other.wait(offered), Err(LogError::OfAnotherSession)));
    one.close().unwrap();
    other.close().unwrap();
}

#[test]
fn an_offered_command_has_the_answer_that_waiting_for_it_gives() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let offered = log.offer(&Request::json("toy", "a", "begin").build().unwrap()).unwrap();
    let answer = offered.answer().clone();
    assert_eq!(log.wait(offered).unwrap(), answer);
    let (seq, _) = answer.events[0];
    assert_eq!(seq.0 + 1, log.next_seq().0);
    log.close().unwrap();
}

#[test]
fn a_command_to_a_run_that_does_not_exist_is_recorded_once_however_often_its_key_was_used() {
    // F-36: the runs that do not exist share the stream `$log`.
    let dir = tempfile::tempdir().unwrap();
    let longest = "k".repeat(256);
    for (key, runs) in [("k", ["a", "b", "c"]), (longest.as_str(), ["d", "e", "f"])] {
        for amount in 1..4 {
            for run in runs {
                let log = open(dir.path());
                let request = Request::json("toy", run, "add").member("amount", amount).id(key).build().unwrap();
                let first = log.submit(&request).unwrap();
                let next = log.next_seq();
                let again = log.submit(&request).unwrap();
                assert_eq!(log.next_seq(), next, "{run} {amount}: recorded twice: {first:?} {again:?}");
                log.close().unwrap();
            }
        }
    }
    let log = open(dir.path());
    let refused = ask(&log, "f", "add", json!({"amount": 9, "id": longest}));
    assert_eq!(refused.error.unwrap().code, "IDEMPOTENCY_CONFLICT");
    log.close().unwrap();
}

#[test]
fn a_text_that_no_commit_can_hold_is_refused_when_the_log_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let longest = || "x".repeat(257);
    let cases = [
        ("program", Options { program: longest(), ..options() }),
        ("program", Options { program: "a\nb".to_owned(), ..options() }),
        ("actor", Options { actor: longest(), ..options() }),
        ("principal", Options { principal: Some(String::new()), ..options() }),
        ("correlation", Options { correlation: Some("\u{7f}".to_owned()), ..options() }),
    ];
    for (name, options) in cases {
        let refused = options.open(dir.path(), contracts()).map(|_| ()).unwrap_err().to_string();
        assert!(refused.starts_with(name), "{name}: {refused}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_name_of_a_users_kind_is_any_text_and_is_read_back_as_it_was() {
    // F-35, F-44: only contract `custom` requires names of a certain form.
    let name = "custom/größe \u{202e}";
    let (dir, decided) = (tempfile::tempdir().unwrap(), Decision::accepted(vec![event(Kind::Custom(name))]));
    let log = options().open(dir.path(), Contracts::new().with(Odd(Arc::new(Mutex::new(decided))))).unwrap();
    let answer = log.submit(&Request::json("odd", "r", "go").build().unwrap()).unwrap().into_accepted().unwrap();
    assert_eq!(answer.events[0].1, name);
    log.close().unwrap();
}
