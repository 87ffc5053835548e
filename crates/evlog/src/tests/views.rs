//! Claims about reading back: runs, bundles, as of a seq, publishing and replay.

use super::toy::{Toy, ask, contracts, open, view};
use crate::check::check;
use crate::history::ProjectionPublished;
use crate::publish::Publisher;
use crate::replay::replay;
use crate::{Contracts, LogError, View};
use evlog_format::Seq;
use evlog_store::StdFs;
use evlog_verify::verdict::Verdict;
use serde_json::json;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;

#[test]
fn a_view_as_of_a_seq_shows_whole_commits_that_end_there_or_before() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    let answer = ask(&log, "a", "add", json!({"amount": 101}));
    log.close().unwrap();
    let (first, second) = (answer.events[0].0, answer.events[1].0);
    let seen = |at: Seq| {
        let view = view(dir.path()).as_of(Some(at)).unwrap();
        let mut count = 0;
        view.each::<LogError>(Seq(0), &mut |_| {
            count += 1;
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        (count, view.runs().unwrap().runs[0].events)
    };
    assert_eq!(seen(first), (first.0, 1), "half a commit is not shown");
    assert_eq!(seen(second), (second.0 + 1, 3));
    let view = view(dir.path());
    let commits = [first, second, view.next_seq()].map(|seq| view.commit_of(seq).unwrap());
    assert_eq!(commits, [Some((first, second)), Some((first, second)), None]);
    let earlier = view.as_of(Some(first)).unwrap();
    assert_eq!([first, second].map(|seq| earlier.commit_of(seq).unwrap()), [None, None], "none of it is shown");
}

#[test]
fn events_are_visited_from_any_seq_on_also_from_within_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for run in 0..50 {
        ask(&log, &format!("r{run}"), "begin", json!({})).into_accepted().unwrap();
        drop(ask(&log, &format!("r{run}"), "add", json!({"amount": 101})));
    }
    log.close().unwrap();
    let view = view(dir.path());
    let all = view.next_seq().0;
    for from in 0..=all + 1 {
        let mut seqs = Vec::new();
        let next = view.each::<LogError>(Seq(from), &mut |fact| {
            seqs.push(fact.seq.0);
            Ok(ControlFlow::Continue(()))
        });
        assert_eq!(next.unwrap().0, all.max(from));
        assert_eq!(seqs, (from..all).collect::<Vec<_>>());
    }
}

#[test]
fn runs_are_listed_in_the_order_of_their_first_events() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for run in ["b", "a", "c"] {
        ask(&log, run, "begin", json!({})).into_accepted().unwrap();
    }
    ask(&log, "a", "end", json!({})).into_accepted().unwrap();
    log.close().unwrap();
    let runs = view(dir.path()).runs().unwrap().runs;
    let found: Vec<_> = runs.iter().map(|run| (run.run.as_str(), run.status.as_str(), run.terminal)).collect();
    assert_eq!(found, [("b", "open", false), ("a", "ended", true), ("c", "open", false)]);
}

#[test]
fn what_was_published_is_recorded_once_and_proved_by_replay() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    for amount in [1, 2] {
        ask(&log, "a", "add", json!({"amount": amount})).into_accepted().unwrap();
        let bundle = view(dir.path()).bundle("a").unwrap().unwrap();
        let mut publisher = Publisher::new(&log).unwrap();
        assert!(publisher.publish(ProjectionPublished::of(&bundle)).unwrap());
        assert!(
            !publisher.publish(ProjectionPublished::of(&bundle)).unwrap(),
            "the same bundle again is not recorded again"
        );
        publisher.finish().unwrap();
    }
    log.close().unwrap();
    let report = replay(&view(dir.path()), NonZeroUsize::MIN, &mut |_| {}).unwrap();
    assert_eq!((report.runs, report.files, report.compared), (1, 2, 4));
    assert_eq!((report.differences.len(), report.errors.len()), (0, 0));
    assert_eq!(
        report.digest,
        replay(&view(dir.path()), NonZeroUsize::MIN, &mut |_| {}).unwrap().digest,
        "twice the same"
    );
}

#[test]
fn what_an_earlier_version_of_a_projection_made_is_compared_with_what_that_version_makes() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    let mut publisher = Publisher::new(&log).unwrap();
    publisher.publish(ProjectionPublished::of(&view(dir.path()).bundle("a").unwrap().unwrap())).unwrap();
    publisher.finish().unwrap();
    log.close().unwrap();
    let replayed = |toy: Toy| {
        let view = View::open(dir.path(), Contracts::new().with(toy)).unwrap();
        replay(&view, NonZeroUsize::MIN, &mut |_| {}).unwrap()
    };
    let renewed = replayed(Toy { is_renewed: true, ..Toy::default() });
    assert_eq!((renewed.compared, renewed.differences), (2, Vec::new()));
    // Replay detects a program that had changed version 1.
    let changed = replayed(Toy { is_renewed: true, mistaken_from: Some(0) });
    let found: Vec<_> = changed.differences.iter().map(|found| (found.projection.clone(), found.version)).collect();
    assert_eq!(found, [(Some(("toy.run".to_owned(), 1)), None)]);
}

#[test]
fn a_published_file_that_the_log_does_not_reproduce_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    let mut bundle = view(dir.path()).bundle("a").unwrap().unwrap();
    bundle.files.get_mut("run.json").unwrap().bytes[0] ^= 1;
    let mut publisher = Publisher::new(&log).unwrap();
    publisher.publish(ProjectionPublished::of(&bundle)).unwrap();
    bundle.run = "ghost".to_owned();
    publisher.publish(ProjectionPublished::of(&bundle)).unwrap();
    publisher.finish().unwrap();
    log.close().unwrap();
    let report = replay(&view(dir.path()), NonZeroUsize::MIN, &mut |_| {}).unwrap();
    let found: Vec<_> =
        report.differences.iter().map(|d| (d.run.as_str(), d.path.as_str(), d.found.is_some())).collect();
    assert_eq!(found, [("a", "run.json", true), ("ghost", "audit_events.jsonl", false), ("ghost", "run.json", false)]);
}

fn verdict(dir: &std::path::Path) -> (Verdict, usize) {
    let found = check(Arc::new(StdFs), dir, &contracts(), NonZeroUsize::MIN, &mut |_, _| {}).unwrap();
    (found.report.verdict(), found.contract_findings.len())
}

#[test]
fn a_log_is_clean_while_a_writer_is_at_work_after_it_was_dropped_and_after_it_was_closed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for run in 0..40 {
        ask(&log, &format!("r{run}"), "begin", json!({})).into_accepted().unwrap();
        drop(ask(&log, &format!("r{run}"), "add", json!({"amount": run * 5})));
    }
    assert_eq!(verdict(dir.path()), (Verdict::Clean, 0));
    drop(log);
    assert_eq!(verdict(dir.path()), (Verdict::Clean, 0));
    let log = open(dir.path());
    ask(&log, "r0", "add", json!({})).into_accepted().unwrap();
    let (size, root) = {
        let before = log.root();
        log.close().unwrap();
        before
    };
    let found = check(Arc::new(StdFs), dir.path(), &contracts(), NonZeroUsize::MIN, &mut |_, _| {}).unwrap();
    assert!(found.is_good() && found.runs == 40 && found.report.end > size, "{:?}", found.report);
    assert_ne!(found.report.root, root, "closing recorded one more event");
    let bytes = segments(dir.path()).iter().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>().concat();
    assert_eq!(found.report.root.0, *blake3::hash(&bytes).as_bytes(), "the root is the hash of the segments");
}

fn segments(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let all = std::fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = all.filter(|path| path.extension().is_some_and(|e| e == "seg")).collect();
    all.sort();
    all
}

#[test]
fn a_committed_event_that_its_contract_forbids_is_a_finding_and_the_rest_is_still_checked() {
    let dir = tempfile::tempdir().unwrap();
    let writer = evlog_store::Writer::create(
        Arc::new(StdFs),
        dir.path(),
        evlog_store::CreateOptions { log_id: evlog_format::LogId([1; 16]), segment_limit: 4096 },
        &evlog_store::Owner { program: "tests".to_owned() },
    )
    .unwrap();
    for (stream, kind) in
        [("a", "custom/begun"), ("b", "custom/added"), ("a", "custom/nonsense"), ("c", "custom/begun")]
    {
        let event = evlog_store::AppendEvent {
            stream,
            kind: evlog_format::Kind::Custom(kind),
            kind_version: 1,
            causation: evlog_store::Causation::None,
            payload: b"{}",
        };
        let class = evlog_format::Durability::Sync;
        let commit = evlog_store::Append::new(0, class, "tests", std::slice::from_ref(&event));
        writer.wait(&writer.append(&commit).unwrap()).unwrap();
    }
    writer.close().unwrap();
    let found = check(Arc::new(StdFs), dir.path(), &contracts(), NonZeroUsize::MIN, &mut |_, _| {}).unwrap();
    assert_eq!(found.report.verdict(), Verdict::Clean, "the bytes are well");
    let runs: Vec<_> = found.contract_findings.iter().map(|f| (f.seq.0, f.run.as_str())).collect();
    assert_eq!(runs, [(1, "b"), (2, "a")]);
    assert!(!found.is_good());
}

#[test]
fn a_flipped_bit_is_damage_and_a_cut_tail_is_a_torn_tail_or_truncation() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for run in 0..8 {
        ask(&log, &format!("r{run}"), "begin", json!({})).into_accepted().unwrap();
    }
    log.close().unwrap();
    let path = segments(dir.path()).remove(0);
    let good = std::fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[200] ^= 1;
    std::fs::write(&path, &bad).unwrap();
    assert_eq!(verdict(dir.path()).0, Verdict::Damaged);
    std::fs::write(&path, &good[..good.len() - 1]).unwrap();
    assert_eq!(verdict(dir.path()).0, Verdict::Truncated, "HEAD says that these bytes were durable");
    std::fs::remove_file(dir.path().join("HEAD")).unwrap();
    assert_eq!(
        verdict(dir.path()).0,
        Verdict::TornTail,
        "without HEAD it cannot be distinguished from a commit cut short"
    );
    assert_eq!(std::fs::read(&path).unwrap().len(), good.len() - 1, "reading never writes");
}
