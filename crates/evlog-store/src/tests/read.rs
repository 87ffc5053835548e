//! Readers beside a writer, and without one.

use super::*;
use crate::fs::LockAttempt;
use crate::fs::sim::{Act, Keep, Unsynced};
use crate::{Fs, RawLog, ReadError, StdFs};
use evlog_format::Seq;
use std::sync::atomic::{AtomicBool, Ordering};

/// Appends `commits` commits of one event each.
fn fill(writer: &Writer, commits: u8) {
    for number in 0..commits {
        put(writer, "run", &[number; 90]);
    }
}

#[test]
fn a_reader_sees_only_what_is_committed_and_sees_it_grow() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    let mut reader = reader(&fs);
    assert_eq!((all(&reader).len(), reader.committed().next_seq), (0, Seq(0)));
    assert!(!reader.refresh().unwrap());
    for number in 0..60u8 {
        let ticket = put(&writer, "run", &[number; 40]);
        assert!(reader.refresh().unwrap());
        assert_eq!(reader.committed().position, ticket.end);
        assert_eq!(all(&reader).len(), usize::from(number) + 1);
        assert_eq!(stream(&reader, "run").len(), usize::from(number) + 1);
    }
    assert!(reader.segments().len() > 3);
    assert!(!reader.refresh().unwrap());
}

#[test]
fn bytes_that_are_written_and_not_committed_are_not_shown_beside_a_writer_and_are_without_one() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    put(&writer, "run", b"committed");
    fs.fail(Act::SyncData, 0, std::io::ErrorKind::Other);
    let ticket = offer(&writer, Durability::Sync, "run", b"written").unwrap();
    writer.wait(&ticket).unwrap_err();
    assert_eq!(all(&reader(&fs)).len(), 1);
    // The writer was killed: the next one will keep the whole commit, so it may be shown.
    assert_eq!(all(&reader(&fs.kill())).len(), 2);
}

#[test]
fn without_head_a_reader_beside_a_writer_takes_the_careful_view() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    let first = put(&writer, "run", b"1");
    put(&writer, "run", b"2");
    fs.put(&dir().join("HEAD"), Vec::new());
    // The second commit's durable-before says that the first was synced. Nothing says that the second was.
    assert_eq!(reader(&fs).committed().position, first.end);
    drop(writer);
    fs.put(&dir().join("HEAD"), Vec::new());
    assert_eq!(all(&reader(&fs)).len(), 2);
}

#[test]
fn a_head_that_claims_commits_that_a_crash_took_misleads_no_reader() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    let synced = put(&writer, "run", b"1");
    let head = dir().join("HEAD");
    fs.fail(Act::SyncData, 0, std::io::ErrorKind::Other);
    let written = offer(&writer, Durability::Os, "run", b"2").unwrap();
    writer.wait(&written).unwrap();
    // The crash kept `HEAD` and took the commit of class `os`.
    let crashed = fs.crash(&mut |change| match change {
        Unsynced::Write { path, .. } if *path == head => Keep::All,
        _ => Keep::Nothing,
    });
    let mut alone = reader(&crashed);
    assert_eq!(alone.committed().position, synced.end);
    assert!(!alone.refresh().unwrap());
    // A writer that holds the lock and has not recovered yet.
    let LockAttempt::Taken(lock) = crashed.lock(&dir().join("LOCK"), "").unwrap() else { panic!("it is free") };
    let mut beside = reader(&crashed);
    assert_eq!((beside.committed().position, all(&beside).len()), (synced.end, 1));
    assert!(!beside.refresh().unwrap());
    drop(lock);
    let (writer, recovery) = open(&crashed);
    assert_eq!((recovery.cut, writer.end()), (None, synced.end));
    put(&writer, "run", b"3");
    for reader in [&mut alone, &mut beside] {
        assert!(reader.refresh().unwrap());
        assert_eq!(all(reader).last().unwrap().payload, b"3");
    }
}

#[test]
fn a_head_that_lags_behind_after_a_crash_hides_no_commit() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    let stale = fs.bytes(&dir().join("HEAD")).unwrap();
    fill(&writer, 20);
    let crashed = fs.kill();
    crashed.put(&dir().join("HEAD"), stale);
    assert_eq!(all(&reader(&crashed)).len(), 20);
    let (writer, recovery) = open(&crashed);
    assert_eq!((writer.next_seq(), recovery.cut), (Seq(20), None));
}

#[test]
fn a_position_where_no_commit_begins_is_refused() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    let tickets: Vec<Ticket> = (0..20u8).map(|n| put(&writer, "run", &[n; 90])).collect();
    let reader = reader(&fs);
    for (at, ticket) in tickets.iter().enumerate() {
        assert_eq!(reader.seek(Seq(at as u64)).unwrap(), ticket.position);
        let mut commits = reader.commits(ticket.position).unwrap();
        assert_eq!(commits.next().unwrap().unwrap().frame.position, ticket.position.0);
        let refused = reader.commits(Position(ticket.position.0 + 1)).and_then(|mut commits| {
            commits.next()?;
            Ok(())
        });
        assert!(matches!(refused, Err(ReadError::NoCommit { .. })), "{refused:?}");
    }
    let end = reader.committed().position;
    assert_eq!(reader.seek(Seq(20)).unwrap(), end);
    assert!(reader.commits(end).unwrap().next().unwrap().is_none());
    assert!(matches!(reader.seek(Seq(21)), Err(ReadError::NoEvent { .. })));
    assert!(matches!(reader.commits(Position(end.0 + 1)), Err(ReadError::NoCommit { .. })));
    assert!(matches!(reader.commits(Position(5)), Err(ReadError::NoCommit { .. })));
}

#[test]
fn streams_are_listed_in_the_order_of_their_first_event() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    let mut firsts = Vec::new();
    for number in 0..30u8 {
        let name = format!("{}", 100 - number / 2);
        let ticket = put(&writer, &name, &[number; 100]);
        if number % 2 == 0 {
            firsts.push((name, 2, ticket.first_seq, ticket.position));
        }
    }
    let listed = reader(&fs).streams().unwrap();
    let listed: Vec<_> = listed.into_iter().map(|s| (s.name, s.events, s.first_seq, s.first_position)).collect();
    assert_eq!(listed, firsts);
    assert!(!reader(&fs).stream::<crate::ReadError>("absent", &mut |_, _, _| Ok(ControlFlow::Continue(()))).unwrap());
}

#[test]
fn a_visit_begins_at_a_number_and_stops_when_the_visitor_ends_it() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    fill(&writer, 30);
    for from in [0, 1, 7, 29, 30, 99] {
        let mut numbers = Vec::new();
        let mut visit = |_: &evlog_format::CommitHead<'_>, _: Seq, event: &evlog_format::Event<'_>| {
            numbers.push(event.number);
            if numbers.len() == 5 { Ok(ControlFlow::Break(())) } else { Ok(ControlFlow::Continue(())) }
        };
        writer.read_stream::<crate::ReadError>("run", from, &mut visit).unwrap();
        assert_eq!(numbers, (from..30).take(5).collect::<Vec<_>>());
    }
}

#[test]
fn a_writer_reads_its_streams_back_while_commits_wait() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    for number in 0..200u32 {
        let name = ["a", "b", "c"][number as usize % 3];
        offer(&writer, Durability::Os, name, &number.to_le_bytes()).unwrap();
        let mut last = None;
        let mut visit = |_: &evlog_format::CommitHead<'_>, _: Seq, event: &evlog_format::Event<'_>| {
            last = Some((event.number, event.payload.to_vec()));
            Ok(ControlFlow::Continue(()))
        };
        writer.read_stream::<crate::ReadError>(name, 0, &mut visit).unwrap();
        assert_eq!(last, Some((u64::from(number / 3), number.to_le_bytes().to_vec())));
    }
}

#[test]
fn readers_in_parallel_with_a_writer_on_the_real_file_system_see_a_growing_prefix() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("log");
    let fs: Arc<dyn Fs> = Arc::new(StdFs);
    let options = CreateOptions { log_id: LOG, segment_limit: 4096 };
    let writer = Writer::create(Arc::clone(&fs), &path, options, &owner()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut reader = Reader::open(Arc::clone(&fs), &path).unwrap();
                let mut seen = 0;
                while seen < 600 {
                    let from = reader.seek(Seq(seen)).unwrap();
                    let (mut commits, next) = (reader.commits(from).unwrap(), reader.committed().next_seq);
                    while let Some(mut next) = commits.next().unwrap() {
                        let (seq, event) = next.commit.next_event().unwrap().unwrap();
                        assert_eq!((seq.0, event.payload), (seen, &seen.to_le_bytes()[..]));
                        seen += 1;
                    }
                    assert_eq!(seen, next.0);
                    let fresh = Reader::open(Arc::clone(&fs), &path).unwrap();
                    assert!(fresh.committed().next_seq.0 >= seen, "what one reader saw, the next one sees");
                    while seen < 600 && !reader.refresh().unwrap() {
                        if done.load(Ordering::Acquire) {
                            assert!(reader.refresh().unwrap(), "all is committed, and {seen} events were seen");
                            break;
                        }
                        std::thread::yield_now();
                    }
                }
            });
        }
        for number in 0..600u64 {
            offer(&writer, Durability::Sync, "run", &number.to_le_bytes()).map(|t| writer.wait(&t).unwrap()).unwrap();
        }
        done.store(true, Ordering::Release);
    });
    writer.close().unwrap();
    assert_eq!(Reader::open(fs, &path).unwrap().committed().next_seq, Seq(600));
}

/// Reads again, and checks that everything seen before is there.
fn look(reader: &Reader, seen: &mut Vec<Seen>) {
    let now = all(reader);
    assert!(now.starts_with(seen), "{} events were seen, and of {} now not all of them", seen.len(), now.len());
    *seen = now;
}

#[test]
fn a_log_that_loses_what_was_seen_is_found_out() {
    let (fs, mut seen) = (SimFs::new(), Vec::new());
    let writer = create(&fs, 1 << 20);
    fill(&writer, 3);
    look(&reader(&fs), &mut seen);
    drop(writer);
    // A recovery without `HEAD`, after a crash that lost an acknowledged commit.
    let segment = segment_files(&fs).remove(0);
    let bytes = fs.bytes(&segment).unwrap();
    fs.put(&segment, bytes[..bytes.len() - 1].to_vec());
    fs.put(&dir().join("HEAD"), Vec::new());
    drop(open(&fs));
    let panic = std::panic::catch_unwind(move || look(&reader(&fs), &mut seen)).expect_err("nothing was noticed");
    assert!(panic.downcast_ref::<String>().unwrap().contains("3 events were seen"));
}

/// Runs a reader that opens the log again each time, or one that refreshes, until `stop` is set. It never fails, and
/// what it saw before stays there unchanged.
fn follow(path: &Path, stop: &AtomicBool, opens_anew: bool) -> Vec<Seen> {
    let open = || Reader::open(Arc::new(StdFs), path).unwrap();
    let (mut reader, mut seen) = (open(), Vec::new());
    loop {
        let last = stop.load(Ordering::Acquire);
        look(&reader, &mut seen);
        if last {
            return seen;
        }
        if opens_anew {
            reader = open();
        } else {
            reader.refresh().unwrap();
        }
    }
}

#[test]
fn readers_beside_writers_that_cut_the_tail_and_roll_segments_lose_nothing_that_they_saw() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("log");
    let fs: Arc<dyn Fs> = Arc::new(StdFs);
    let options = CreateOptions { log_id: LOG, segment_limit: 4096 };
    Writer::create(Arc::clone(&fs), &path, options, &owner()).unwrap().close().unwrap();
    let (stop, mut cuts) = (AtomicBool::new(false), 0);
    std::thread::scope(|scope| {
        let followers = [false, true].map(|anew| {
            scope.spawn({
                let (path, stop) = (&path, &stop);
                move || follow(path, stop, anew)
            })
        });
        for round in 0..30u8 {
            let (writer, recovery) = Writer::open(Arc::clone(&fs), &path, &owner()).unwrap();
            cuts += u32::from(recovery.cut.is_some());
            for number in 0..round % 7 {
                put(&writer, "run", &[round, number].repeat(70));
            }
            drop(writer);
            // The file as a killed writer leaves it during a write: with the beginning of a commit at its end.
            let last = Reader::open(Arc::clone(&fs), &path).unwrap().segments().last().unwrap().path.clone();
            let file = fs.open_write(&last).unwrap();
            file.write_at(&[90, 0, 0, 0, 1, 2, 3, 4, 5], file.len().unwrap()).unwrap();
        }
        Writer::open(Arc::clone(&fs), &path, &owner()).unwrap().0.close().unwrap();
        stop.store(true, Ordering::Release);
        for follower in followers {
            // The one that refreshes may not have done so since then, but the other has.
            assert!(!follower.join().unwrap().is_empty());
        }
    });
    assert!(cuts >= 29, "{cuts} tails were cut");
    let reader = Reader::open(fs, &path).unwrap();
    assert_eq!(all(&reader).len(), (0..30).map(|round| round % 7).sum::<usize>());
    assert!(reader.segments().len() > 3, "segments rolled");
}

#[test]
fn the_raw_log_hands_out_the_bytes_whatever_they_are() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    fill(&writer, 20);
    let raw = RawLog::open(Arc::new(fs.clone()), dir()).unwrap();
    assert_eq!((raw.has_writer(), raw.head().unwrap().unwrap().committed), (Some(true), writer.end()));
    let mut bytes = Vec::new();
    for segment in raw.segments() {
        raw.read(segment, &mut |chunk| bytes.extend_from_slice(chunk)).unwrap();
    }
    let cat: Vec<u8> = segment_files(&fs).iter().flat_map(|path| fs.bytes(path).unwrap()).collect();
    assert!(bytes == cat);
    writer.close().unwrap();
    fs.put(&segment_files(&fs)[1], b"rubbish".to_vec());
    let raw = RawLog::open(Arc::new(fs.clone()), dir()).unwrap();
    assert_eq!((raw.segments()[1].len, raw.has_writer()), (7, Some(false)));
    assert!(RawLog::open(Arc::new(SimFs::new()), dir()).unwrap().segments().is_empty());
}
