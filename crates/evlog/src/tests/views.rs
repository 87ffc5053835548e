//! Claims about reading back: runs, bundles, as of a seq, publishing and replay.

use super::toy::{ask, open, view};
use crate::publish::Publisher;
use crate::replay::replay;
use evlog_format::Seq;
use serde_json::json;
use std::ops::ControlFlow;

#[test]
fn a_view_as_of_a_seq_shows_whole_commits_that_end_there_or_before() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({}));
    let answer = ask(&log, "a", "add", json!({"amount": 101}));
    log.close().unwrap();
    let (first, second) = (answer.events[0].0, answer.events[1].0);
    let seen = |at: Seq| {
        let view = view(dir.path()).as_of(Some(at)).unwrap();
        let mut count = 0;
        view.each(Seq(0), &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
        (count, view.runs().unwrap().runs[0].events)
    };
    assert_eq!(seen(first), (first.0, 1), "half a commit is not shown");
    assert_eq!(seen(second), (second.0 + 1, 3));
}

#[test]
fn events_are_visited_from_any_seq_on_also_from_within_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for run in 0..50 {
        ask(&log, &format!("r{run}"), "begin", json!({}));
        ask(&log, &format!("r{run}"), "add", json!({"amount": 101}));
    }
    log.close().unwrap();
    let view = view(dir.path());
    let all = view.next_seq().0;
    for from in 0..=all + 1 {
        let mut seqs = Vec::new();
        let next = view.each(Seq(from), &mut |fact| {
            seqs.push(fact.seq.0);
            ControlFlow::Continue(())
        });
        assert_eq!(next.unwrap().0, all.max(from));
        assert_eq!(seqs, (from..all).collect::<Vec<_>>());
    }
}

#[test]
fn runs_are_told_in_the_order_of_their_first_events() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for run in ["b", "a", "c"] {
        ask(&log, run, "begin", json!({}));
    }
    ask(&log, "a", "end", json!({}));
    log.close().unwrap();
    let runs = view(dir.path()).runs().unwrap().runs;
    let told: Vec<_> = runs.iter().map(|run| (run.run.as_str(), run.status.as_str(), run.terminal)).collect();
    assert_eq!(told, [("b", "open", false), ("a", "ended", true), ("c", "open", false)]);
}

#[test]
fn what_was_published_is_recorded_once_and_proved_by_replay() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({}));
    for amount in [1, 2] {
        ask(&log, "a", "add", json!({"amount": amount}));
        let bundle = view(dir.path()).bundle("a").unwrap().unwrap();
        let mut publisher = Publisher::new(&log).unwrap();
        assert!(publisher.publish(&bundle).unwrap());
        assert!(!publisher.publish(&bundle).unwrap(), "the same bundle again is not recorded again");
        publisher.finish().unwrap();
    }
    log.close().unwrap();
    let report = replay(&view(dir.path()), &mut |_| {}).unwrap();
    assert_eq!((report.runs, report.files, report.compared), (1, 2, 4));
    assert_eq!((report.differences.len(), report.errors.len()), (0, 0));
    assert_eq!(report.digest, replay(&view(dir.path()), &mut |_| {}).unwrap().digest, "twice the same");
}

#[test]
fn a_published_file_that_the_log_does_not_reproduce_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({}));
    let mut bundle = view(dir.path()).bundle("a").unwrap().unwrap();
    bundle.files.get_mut("run.json").unwrap().bytes[0] ^= 1;
    let mut publisher = Publisher::new(&log).unwrap();
    publisher.publish(&bundle).unwrap();
    bundle.run = "ghost".to_owned();
    publisher.publish(&bundle).unwrap();
    publisher.finish().unwrap();
    log.close().unwrap();
    let report = replay(&view(dir.path()), &mut |_| {}).unwrap();
    let told: Vec<_> =
        report.differences.iter().map(|d| (d.run.as_str(), d.path.as_str(), d.found.is_some())).collect();
    assert_eq!(told, [("a", "run.json", true), ("ghost", "audit_events.jsonl", false), ("ghost", "run.json", false)]);
}
