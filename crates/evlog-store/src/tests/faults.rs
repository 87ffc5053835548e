//! Every act of a scenario fails in turn, and the machine continues. The answer about each commit is true, and the log can
//! be opened and continued, on the same machine or after a crash.

use super::scenario::{Dice, Fate, Played, Scenario, check, tell};
use super::*;
use crate::fs::sim::{Act, Keep};
use crate::{OpenError, ReadError};
use std::io::ErrorKind;

const SEEDS: [u64; 2] = [1, 3];

/// The number of times that a scenario does this act.
fn times(scenario: &Scenario, act: Act) -> u64 {
    let fs = SimFs::new();
    assert!(tell(scenario, &fs).finished);
    fs.count(act)
}

/// Opens the log after a failure, on the same machine, without a crash in between. The disk works again.
fn reopen(fs: &SimFs, played: &Played, name: &str) {
    if segment_files(fs).is_empty() {
        return check(fs, played, 0, &name);
    }
    let writer = match Writer::open(Arc::new(fs.clone()), dir(), &owner()) {
        Ok((writer, _)) => writer,
        Err(error) => panic!("{name}: {error}"),
    };
    let seen = all(&reader(fs));
    let kept = played.matched(&seen, &name);
    let (least, most) = (played.acknowledged(), played.possible());
    assert!((least..=most).contains(&kept), "{name}: {kept} commits are there, {least} to {most} were to be expected");
    put(&writer, "run-0", b"after");
    drop(writer);
    // From now on everything is durable: the writer has opened the log, and has acknowledged what came after.
    let crashed = fs.crash(&mut |_| Keep::Nothing);
    let left = all(&reader(&crashed));
    assert!(left[..left.len() - 1] == seen[..], "{name}: a crash took what a writer had opened");
    assert_eq!(left[seen.len()].payload, b"after", "{name}");
    assert_eq!(audit(&crashed).findings.kept(), &[], "{name}");
    put(&open(&crashed).0, "run-0", b"again");
}

/// Fails each act of this kind in turn, once or from then on.
fn fail_each(act: Act, kind: ErrorKind, once: bool) {
    for seed in SEEDS {
        let scenario = Scenario::of(seed);
        for after in 0..times(&scenario, act) {
            let name = format!("seed {seed}, {act:?} {after} fails, {kind}");
            let fs = SimFs::new();
            let fail = if once { SimFs::fail_once } else { SimFs::fail };
            fail(&fs, act, after, kind);
            let played = tell(&scenario, &fs);
            let mut dice = Dice::new(seed << 32 ^ after);
            check(&fs.crash(&mut |_| dice.keep()), &played, played.durable(), &format!("{name}, then a crash"));
            fs.heal();
            reopen(&fs, &played, &name);
        }
    }
}

#[test]
fn a_disk_that_is_full_at_any_write_and_gets_space_again() {
    for act in [Act::Write, Act::Create, Act::SetLen] {
        fail_each(act, ErrorKind::StorageFull, false);
    }
}

#[test]
fn a_sync_that_fails_once_anywhere_and_drops_what_it_was_to_keep() {
    fail_each(Act::SyncData, ErrorKind::Other, true);
}

#[test]
fn a_directory_whose_names_cannot_be_synced() {
    fail_each(Act::SyncDir, ErrorKind::Other, true);
    fail_each(Act::Rename, ErrorKind::Other, true);
}

/// The events that a reader shows beside a writer.
fn beside_a_writer(fs: &SimFs) -> Vec<Seen> {
    let lock = crate::Fs::lock(fs, &dir().join("LOCK"), "a writer").unwrap();
    assert!(matches!(lock, crate::fs::LockAttempt::Taken(_)));
    Reader::open(Arc::new(fs.clone()), dir()).map_or_else(|_| Vec::new(), |reader| all(&reader))
}

#[test]
fn a_process_killed_at_any_act_and_a_crash_after_the_next_one_opened_the_log() {
    let mut most = 0;
    for seed in SEEDS {
        let (scenario, whole) = (Scenario::of(seed), SimFs::new());
        assert!(tell(&scenario, &whole).finished);
        for cut in 0..=whole.trail().len() as u64 {
            let (fs, name) = (SimFs::new(), format!("seed {seed}, killed at act {cut}"));
            fs.cut_power(cut);
            let played = tell(&scenario, &fs);
            let killed = fs.kill();
            let shown = beside_a_writer(&killed);
            most = most.max(shown.len());
            reopen(&killed, &played, &name);
            // Events that a reader has shown are still there later.
            assert!(shown.is_empty() || all(&reader(&killed)).starts_with(&shown), "{name}");
        }
    }
    assert!(most > 20, "a reader is shown {most} events at most");
}

#[test]
fn a_commit_that_was_never_given_to_the_file_is_said_not_to_be_appended() {
    let scenario = Scenario::of(1);
    let fates = |act: Act| {
        let all = (0..times(&scenario, act)).flat_map(|after| {
            let fs = SimFs::new();
            fs.fail(act, after, ErrorKind::StorageFull);
            tell(&scenario, &fs).commits.into_iter().map(|(_, fate)| fate).collect::<Vec<_>>()
        });
        all.collect::<Vec<_>>()
    };
    let (created, written) = (fates(Act::Create), fates(Act::Write));
    assert!(created.contains(&Fate::NotAppended) && written.contains(&Fate::Unknown));
}

/// A log of several segments that was closed cleanly, or not.
fn made(closed: bool, sidecars: bool) -> (SimFs, Played) {
    let fs = SimFs::new();
    let played = tell(&Scenario::of(1), &fs);
    if closed {
        open(&fs).0.close().unwrap();
    }
    let fs = fs.kill();
    for path in fs.files() {
        if !sidecars && path.extension().is_some_and(|suffix| ["tree", "idx", "end"].iter().any(|of| suffix == *of)) {
            crate::Fs::remove(&fs, &path).unwrap();
        }
    }
    (fs, played)
}

/// Whether an error says that a read failed.
fn is_reported(error: &ReadError) -> bool {
    matches!(error, ReadError::Io(failure) if failure.source.to_string() == "simulated")
}

#[test]
fn a_read_that_fails_anywhere_is_reported_or_makes_no_difference() {
    for (closed, sidecars) in [(true, true), (true, false), (false, true), (false, false)] {
        let (whole, played) = made(closed, sidecars);
        for after in 0.. {
            let (fs, name) = (whole.kill(), format!("closed {closed}, sidecars {sidecars}, read {after} fails"));
            fs.fail_once(Act::Read, after, ErrorKind::Other);
            match Writer::open(Arc::new(fs.clone()), dir(), &owner()) {
                Ok((writer, _)) => match writer.stream_len("run-0") {
                    Ok(len) => assert_eq!(len, stream(&reader(&whole), "run-0").len() as u64, "{name}"),
                    Err(error) => assert!(is_reported(&error), "{name}: {error}"),
                },
                Err(OpenError::Io(_)) => {}
                Err(error) => panic!("{name}: {error}"),
            }
            let reached = fs.count(Act::Read) > after;
            fs.heal();
            check(&fs, &played, played.commits.len(), &name);
            if !reached {
                break;
            }
        }
    }
}

#[test]
fn a_reader_whose_disk_fails_at_any_read_shows_the_truth_or_says_so() {
    for (closed, sidecars) in [(true, true), (false, false)] {
        let (whole, played) = made(closed, sidecars);
        for after in 0.. {
            let (fs, name) = (whole.kill(), format!("closed {closed}, sidecars {sidecars}, read {after} fails"));
            fs.fail_once(Act::Read, after, ErrorKind::Other);
            let mut seen = Vec::new();
            let mut read = || -> Result<(), ReadError> {
                let reader = match Reader::open(Arc::new(fs.clone()), dir()) {
                    Ok(reader) => reader,
                    Err(OpenError::Io(failure)) => return Err(ReadError::Io(failure)),
                    Err(error) => panic!("{name}: {error}"),
                };
                more(&reader, Position(0), &mut seen)?;
                reader.stream::<crate::ReadError>("run-1", &mut |_, _, _| Ok(ControlFlow::Continue(()))).map(|_| ())
            };
            let outcome = read();
            played.matched(&seen, &name);
            match outcome {
                Ok(()) => assert_eq!(seen, all(&reader(&whole)), "{name}"),
                Err(error) => assert!(is_reported(&error), "{name}: {error}"),
            }
            if fs.count(Act::Read) <= after {
                break;
            }
        }
    }
}
