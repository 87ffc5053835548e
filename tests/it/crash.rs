//! The machine crashes at any sync, and any part of the unsynced bytes is left: every acknowledged commit is there, the
//! log opens and is clean, and every projection agrees.

use crate::workload::{checked, commands, open, replayed, submit, view};
use evlog::{Answer, AnswerOutcome, LogError};
use evlog_format::Seq;
use evlog_store::fs::sim::{Act, Keep, SimFs};
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

/// Segments roll several times within the workload.
const SEGMENT_LIMIT: u64 = 1024;
/// No segment rolls.
const WHOLE: u64 = 1 << 20;
const ROUNDS: u32 = 2;
/// How many ways of dying are tried at each sync.
const WAYS: u64 = 6;

/// The next of a sequence of pseudo-random numbers, the same in every run.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

/// What is left of each unsynced change: way 0 loses all, way 1 keeps all, the others mix.
fn crashed(fs: &SimFs, way: u64, seed: &mut u64) -> SimFs {
    fs.crash(&mut |_| match (way, next(seed) % 3) {
        (0, _) | (2.., 0) => Keep::Nothing,
        (1, _) | (2.., 1) => Keep::All,
        _ => Keep::First(usize::try_from(next(seed) % 200).unwrap_or_default()),
    })
}

fn events(fs: &SimFs) -> BTreeMap<Seq, (String, String)> {
    let mut events = BTreeMap::new();
    view(fs)
        .each::<LogError>(Seq(0), &mut |fact| {
            events.insert(fact.seq, (fact.event.stream.to_owned(), fact.event.kind.to_string()));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    events
}

fn assert_kept(fs: &SimFs, answers: &[Answer]) {
    let kept = events(fs);
    for answer in answers.iter().filter(|answer| answer.outcome != AnswerOutcome::Duplicate) {
        for (seq, kind) in &answer.events {
            assert_eq!(kept.get(seq), Some(&(answer.run.clone(), kind.clone())), "{answer:?} is lost");
        }
    }
}

#[test]
fn a_crash_at_any_sync_loses_nothing_that_was_acknowledged() {
    let commands = commands(ROUNDS);
    let syncs = {
        let fs = SimFs::new();
        let log = open(&fs, SEGMENT_LIMIT).unwrap();
        submit(&log, &commands);
        log.close().unwrap();
        fs.count(Act::SyncData)
    };
    assert!(syncs > 20, "the workload syncs too seldom to show anything: {syncs}");
    let mut seed = 42;
    for after in 0..=syncs {
        let fs = SimFs::new();
        fs.fail(Act::SyncData, after, io::ErrorKind::StorageFull);
        let Ok(log) = open(&fs, SEGMENT_LIMIT) else { continue };
        let answers = submit(&log, &commands);
        for way in 0..WAYS {
            let left = crashed(&fs, way, &mut seed);
            left.heal();
            recover(&left, &answers, &commands);
        }
        drop(log);
    }
}

/// Opens the log after a crash, continues where the answers stopped, and checks the claim.
fn recover(fs: &SimFs, answers: &[Answer], commands: &[evlog::Request]) {
    let log = open(fs, SEGMENT_LIMIT).unwrap();
    assert_kept(fs, answers);
    // The command that was under way may have been recorded; given again, it must not break anything.
    let rest = commands.get(answers.len()..).unwrap_or_default();
    assert_eq!(submit(&log, rest).len(), rest.len());
    log.close().unwrap();
    let found = checked(fs);
    assert!(found.is_good(), "{found:?}");
    let found = replayed(fs);
    assert!(found.differences.is_empty() && found.errors.is_empty(), "{found:?}");
    assert_kept(fs, answers);
}

/// The check can fail: a disk whose syncs do nothing loses acknowledged events, and the same check reports it.
#[test]
#[should_panic(expected = "is lost")]
fn a_disk_that_lies_is_found_out() {
    let fs = SimFs::new();
    let log = open(&fs, WHOLE).unwrap();
    let commands = commands(1);
    let answers = submit(&log, &commands[..3]);
    fs.lie();
    let more = submit(&log, &commands[3..]);
    let left = crashed(&fs, 0, &mut 1);
    let _log = open(&left, WHOLE).unwrap();
    assert_kept(&left, &[answers, more].concat());
}
