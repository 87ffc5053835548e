//! Claims about the policy of a log: what is refused by it, what the log says of it, and that a session finds it.

use super::toy::{ask, contracts, kinds, line, open, options, view};
use crate::clock::StepClock;
use crate::{Answer, LogError, Options};
use evlog_format::{Durability, Seq, kind};
use evlog_projection::Fact;
use serde_json::json;
use std::sync::Arc;

const ONCE: &str = "[[order]]\nname = \"once\"\ntemplate = \"absence\"\nkind = \"custom/added\"\nat_most = 2\n";

fn code(answer: &Answer) -> &str {
    answer.error.as_ref().map_or("", |error| &error.code)
}

#[test]
fn a_policy_is_an_event_with_its_text_and_the_same_text_is_not_recorded_again() {
    // L-01, L-03.
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    assert_eq!(log.policy().unwrap().set, None);
    let first = log.set_policy(ONCE, "alice").unwrap().unwrap();
    assert_eq!(log.set_policy(ONCE, "bob").unwrap(), None);
    let second = log.set_policy("durability = \"sync\"", "bob").unwrap().unwrap();
    let in_force = log.policy().unwrap();
    let set = in_force.set.unwrap();
    assert_eq!((set.seq, set.said.set_by.as_str(), in_force.replaced), (second, "bob", Some(first)));
    assert_eq!(set.said.blake3, *blake3::hash(b"durability = \"sync\"").as_bytes());
    assert!(matches!(log.set_policy("durability = 1", "bob"), Err(LogError::Policy(_))));
    log.close().unwrap();
    let set = format!("$log {}", kind::LOG_POLICY_SET);
    assert_eq!(kinds(dir.path()).iter().filter(|found| **found == set).count(), 2);
}

#[test]
fn a_later_session_judges_by_the_policy_in_force_however_long_ago_it_was_set() {
    // L-11.
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.set_policy("", "alice").unwrap();
    log.set_policy(ONCE, "alice").unwrap();
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    log.close().unwrap();
    for _ in 0..40 {
        let log = open(dir.path());
        drop(ask(&log, "b", "begin", json!({})));
        ask(&log, "b", "end", json!({})).into_accepted().unwrap();
        log.close().unwrap();
    }
    let log = open(dir.path());
    assert_eq!(code(&ask(&log, "a", "add", json!({}))), "");
    let refused = ask(&log, "a", "add", json!({}));
    assert_eq!((code(&refused), refused.status.as_deref()), ("POLICY_ORDER", Some("open")));
    let message = refused.error.unwrap().message;
    assert!(message.starts_with("policy rule `once`, in force since seq "), "{message}");
    assert!(
        message.ends_with(": expected: fewer than 3 events are custom/added; found: it is there 3 times"),
        "{message}"
    );
    log.close().unwrap();
}

#[test]
fn what_is_refused_by_the_policy_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.set_policy("actors = [\"user:*\"]", "alice").unwrap();
    log.close().unwrap();
    let before = kinds(dir.path());
    let log = open(dir.path());
    assert_eq!(code(&ask(&log, "a", "begin", json!({}))), "POLICY_ACTOR");
    log.close().unwrap();
    assert_eq!(kinds(dir.path()), before);
}

#[test]
fn a_session_of_too_weak_a_class_is_refused_though_it_was_open_before_the_policy() {
    let dir = tempfile::tempdir().unwrap();
    let log = Options { class: Durability::Os, ..options() }.open(dir.path(), contracts()).unwrap();
    assert_eq!(code(&ask(&log, "a", "begin", json!({}))), "");
    log.set_policy("durability = \"sync\"", "alice").unwrap();
    assert_eq!(code(&ask(&log, "a", "add", json!({}))), "POLICY_DURABILITY");
    log.close().unwrap();
}

#[test]
fn a_rule_counts_what_was_recorded_since_it_came_into_force_also_across_other_policies() {
    // L-09.
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    log.set_policy(ONCE, "alice").unwrap();
    ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    // The rule stays in force, and keeps its state.
    log.set_policy(&format!("durability = \"os\"\n{ONCE}"), "alice").unwrap();
    assert_eq!(code(&ask(&log, "a", "add", json!({}))), "");
    assert_eq!(code(&ask(&log, "a", "add", json!({}))), "POLICY_ORDER");
    // The rule was removed, and comes into force again with a new state.
    log.set_policy("", "alice").unwrap();
    assert_eq!(code(&ask(&log, "a", "add", json!({}))), "");
    log.set_policy(ONCE, "alice").unwrap();
    assert_eq!(code(&ask(&log, "a", "add", json!({}))), "");
    assert_eq!(code(&ask(&log, "a", "add", json!({}))), "");
    assert_eq!(code(&ask(&log, "a", "add", json!({}))), "POLICY_ORDER");
    log.close().unwrap();
    let threads = std::num::NonZeroUsize::MIN;
    let fs = Arc::new(evlog_store::fs::StdFs);
    assert!(crate::check::check(fs, dir.path(), &contracts(), threads, &mut |_, _| {}).unwrap().is_good());
}

#[test]
fn a_rule_on_the_first_event_is_silent_about_runs_that_began_before_it() {
    // L-09.
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "old", "begin", json!({})).into_accepted().unwrap();
    log.set_policy("[[order]]\nname = \"n\"\ntemplate = \"init\"\nkind = \"custom/other\"\n", "alice").unwrap();
    assert_eq!(code(&ask(&log, "old", "add", json!({}))), "");
    assert_eq!(code(&ask(&log, "new", "begin", json!({}))), "POLICY_ORDER");
    log.close().unwrap();
}

#[test]
fn no_run_begins_when_the_last_checkpoint_is_too_old_and_those_that_began_go_on() {
    // L-07.
    let dir = tempfile::tempdir().unwrap();
    // The clock moves one second each time it is read.
    let clock = Arc::new(StepClock::new(0, 1_000_000_000));
    let log = Options { clock, ..options() }.open(dir.path(), contracts()).unwrap();
    log.set_policy("checkpoint_within = \"5s\"", "alice").unwrap();
    let begun = |n: u32| code(&ask(&log, &format!("r{n}"), "begin", json!({}))).to_owned();
    let answers: Vec<String> = (0..8).map(begun).collect();
    assert!(answers[0].is_empty() && answers[7] == "POLICY_CHECKPOINT", "{answers:?}");
    assert!(log.is_checkpoint_due(0).unwrap());
    assert_eq!(code(&ask(&log, "r0", "add", json!({}))), "");
    let mut read = crate::checkpoint::ReadBack::begin(&log, None, &mut |_, _| {}).unwrap();
    let statement = read.statement(&mut |_, _| {}).unwrap();
    read.record(&statement, "tests", b"a note").unwrap();
    assert_eq!(begun(8), "");
    drop(read);
    log.close().unwrap();
    let mut signed = None;
    let visit = &mut |fact: &Fact<'_>| {
        if fact.event.kind == kind::LOG_CHECKPOINT_SIGNED {
            signed = Some(fact.head.recorded_ns);
        }
        Ok(std::ops::ControlFlow::Continue(()))
    };
    view(dir.path()).each::<LogError>(Seq(0), visit).unwrap();
    // A later session knows of it, long after the policy was set.
    for (after_s, run, expected) in [(2, "r9", ""), (100, "r10", "POLICY_CHECKPOINT")] {
        let clock = Arc::new(StepClock::new(signed.unwrap() + after_s * 1_000_000_000, 1));
        let log = Options { clock, ..options() }.open(dir.path(), contracts()).unwrap();
        assert_eq!(code(&ask(&log, run, "begin", json!({}))), expected);
        log.close().unwrap();
    }
}

#[test]
fn bounds_of_at_are_those_of_the_policy() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let at = |run: &str, at: &str| {
        let command = format!(r#"{{"contract":"toy","run":"{run}","do":"begin","at":"{at}"}}"#);
        code(&log.submit(&line(&command)).unwrap()).to_owned()
    };
    assert_eq!(at("a", "2100-01-01T00:00:00Z"), "AT_OUT_OF_RANGE");
    log.set_policy("[at]\nahead = \"unbounded\"", "alice").unwrap();
    assert_eq!(at("a", "9999-12-31T23:59:59.999999999Z"), "");
    log.close().unwrap();
}
