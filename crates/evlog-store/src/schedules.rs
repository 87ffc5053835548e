//! Tests the writer under a scheduler that tries many orders of its threads. In whichever order the threads run, every waiting
//! caller is woken, what is acknowledged is on the disk, and the order of calls is the order in the log.
//!
//! `cargo test -p evlog-store --lib --features schedules` builds the writer on the locks of shuttle, see [`crate::sync`]. A
//! failure prints its schedule, and `shuttle::replay` runs it again. `EVLOG_SCHEDULES=n` tries n orders of each test.

use crate::fs::SimFs;
use crate::fs::sim::{Act, Keep, Unsynced};
use crate::sync::explored::Deaf;
use crate::{Ahead, Append, AppendError, AppendEvent, Causation, CreateOptions, Owner, Reader, Ticket, Writer};
use evlog_format::{Durability, Kind, LogId, Position};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How many orders of each test are tried in each way of choosing orders.
const ORDERS: usize = 400;
/// How often the scheduler that prefers some threads to others changes its preference.
const DEPTH: usize = 4;
/// Small, so that a few commits roll a segment.
const LIMIT: u64 = 1024;

fn dir() -> &'static Path {
    Path::new("/log")
}

fn orders() -> usize {
    std::env::var("EVLOG_SCHEDULES").map_or(ORDERS, |text| text.parse().unwrap())
}

fn run(scheduler: impl Scheduler + 'static, test: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    config.max_steps = MaxSteps::FailAfter(200_000);
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(test);
}

/// Tries the test in many orders, chosen evenly, and with threads that starve others.
fn explore(test: impl Fn() + Send + Sync + Clone + 'static) {
    run(RandomScheduler::new_from_seed(7, orders()), test.clone());
    run(PctScheduler::new_from_seed(7, DEPTH, orders()), test);
}

fn create(fs: &SimFs) -> Writer {
    let (options, owner) = (CreateOptions { log_id: LogId([7; 16]), segment_limit: LIMIT }, owner());
    Writer::create(Arc::new(fs.clone()), dir(), options, &owner).unwrap()
}

fn owner() -> Owner {
    Owner { program: "schedules".into() }
}

/// Hands a commit over.
type Hand = fn(&Writer, &Append<'_>) -> Result<Ticket, AppendError>;

fn hand(writer: &Writer, how: Hand, class: Durability, payload: &[u8]) -> Result<Ticket, AppendError> {
    let (kind, causation) = (Kind::Custom("custom/test"), Causation::None);
    let event = AppendEvent { stream: "run", kind, kind_version: 1, causation, payload };
    how(writer, &Append::new(7, class, "tester", &[event]))
}

/// The part of the log's byte string that its files hold.
fn string(fs: &SimFs) -> Vec<u8> {
    let mut string = Vec::new();
    for path in fs.files().iter().filter(|path| path.extension().is_some_and(|suffix| suffix == "seg")) {
        let position: usize = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        string.resize(position, 0);
        string.extend(fs.bytes(path).unwrap());
    }
    string
}

/// The bytes that a crash of the machine now would leave at least.
fn synced(fs: &SimFs) -> Vec<u8> {
    string(&fs.crash(&mut |change| if let Unsynced::Name { .. } = change { Keep::All } else { Keep::Nothing }))
}

/// Payloads by seq.
fn payloads(fs: &SimFs) -> Vec<Vec<u8>> {
    let reader = Reader::open(Arc::new(fs.clone()), dir()).unwrap();
    let (mut found, mut commits) = (Vec::new(), reader.commits(Position(0)).unwrap());
    while let Some(mut next) = commits.next().unwrap() {
        while let Some((seq, event)) = next.commit.next_event().unwrap() {
            assert_eq!(seq.0, found.len() as u64);
            found.push(event.payload.to_vec());
        }
    }
    found
}

/// A call of `append`, and the moments before and after it.
#[derive(Clone, Debug)]
struct Call {
    begun: u64,
    ended: u64,
    ticket: Ticket,
    payload: Vec<u8>,
    acknowledged: bool,
}

/// Calls of several threads, with a clock that only counts.
#[derive(Clone, Debug, Default)]
struct Calls {
    clock: Arc<AtomicU64>,
    /// Commits that failed, and may have got a seq that no caller learned.
    lost: Arc<AtomicU64>,
    made: Arc<Mutex<Vec<Call>>>,
}

impl Calls {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn append(&self, writer: &Writer, class: Durability, payload: &[u8]) -> Result<Ticket, AppendError> {
        self.hand(writer, Writer::append, class, payload)
    }

    fn hand(&self, writer: &Writer, how: Hand, class: Durability, payload: &[u8]) -> Result<Ticket, AppendError> {
        let begun = self.now();
        let handed = hand(writer, how, class, payload);
        self.lost.fetch_add(u64::from(handed.is_err()), Ordering::SeqCst);
        let ticket = handed?;
        let call = Call { begun, ended: self.now(), ticket, payload: payload.to_vec(), acknowledged: false };
        self.made.lock().unwrap().push(call);
        Ok(ticket)
    }

    fn acknowledged(&self, ticket: &Ticket) {
        let mut calls = self.made.lock().unwrap();
        calls.iter_mut().find(|call| call.ticket == *ticket).unwrap().acknowledged = true;
    }

    /// Compares the calls with what the log holds, from its first event on.
    fn check(&self, log: &[Vec<u8>]) {
        let mut calls = self.made.lock().unwrap().clone();
        calls.sort_by_key(|call| call.ticket.first_seq);
        let lost = self.lost.load(Ordering::SeqCst);
        for (nth, call) in calls.iter().enumerate() {
            let at = usize::try_from(call.ticket.first_seq.0).unwrap();
            assert!(at == nth || lost > 0, "seqs are dense");
            assert!(at < log.len() || !call.acknowledged, "{call:?} was acknowledged and is gone");
            assert!(log.get(at).is_none_or(|payload| *payload == call.payload), "{call:?} is another in the log");
            let later = calls.iter().take(nth).find(|before| before.begun > call.ended);
            assert!(later.is_none(), "{later:?} was called after {call:?} had returned, and precedes it in the log");
        }
        assert!(log.len() as u64 <= calls.len() as u64 + lost, "an event that nobody appended");
    }
}

/// The work of a caller: `rounds` commits, with the classes in turn. It waits for each commit, or for all together at the end.
/// If it waits for each one, it commits every second one itself, unless another thread is committing.
fn call(writer: &Writer, fs: &SimFs, calls: &Calls, name: u8, rounds: u8, together: bool) -> Result<(), AppendError> {
    let mut tickets = Vec::new();
    for round in 0..rounds {
        let class = if (name + round) % 3 == 2 { Durability::Os } else { Durability::Sync };
        let how = if together || round % 2 == 1 { Writer::append } else { Writer::commit };
        tickets.push(calls.hand(writer, how, class, &[name, round, 0, 0, 0, 0, 0, 0])?);
        if !together || round + 1 == rounds {
            for ticket in tickets.drain(..).rev() {
                writer.wait(&ticket)?;
                calls.acknowledged(&ticket);
                is_kept(writer, fs, &ticket);
            }
        }
    }
    Ok(())
}

/// Checks that an acknowledged commit is on the disk, or under class `os` in the file, with its final bytes.
fn is_kept(writer: &Writer, fs: &SimFs, ticket: &Ticket) {
    let end = usize::try_from(ticket.end.0).unwrap();
    let string = string(fs);
    assert!(string.len() >= end, "{ticket:?} was acknowledged before it was written");
    if ticket.class == Durability::Sync {
        let synced = synced(fs);
        assert!(synced.len() >= end && synced[..end] == string[..end], "{ticket:?} was acknowledged before its sync");
        assert!(writer.durable_end() >= ticket.end);
    }
}

/// Runs callers on one writer, and returns the result of each.
fn callers(writer: &Arc<Writer>, fs: &SimFs, calls: &Calls, count: u8, rounds: u8) -> Vec<Result<(), AppendError>> {
    let spawn = |name: u8| {
        let (writer, fs, calls) = (Arc::clone(writer), fs.clone(), calls.clone());
        shuttle::thread::spawn(move || call(&writer, &fs, &calls, name, rounds, name % 2 == 1))
    };
    let threads: Vec<_> = (0..count).map(spawn).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn close(writer: Arc<Writer>) -> Result<(), AppendError> {
    Arc::into_inner(writer).unwrap().close()
}

fn callers_commit(count: u8, rounds: u8, ahead: Ahead) {
    let (fs, calls) = (SimFs::new(), Calls::default());
    let writer = Arc::new(create(&fs).with_ahead(ahead));
    assert!(callers(&writer, &fs, &calls, count, rounds).iter().all(Result::is_ok));
    close(writer).unwrap();
    let log = payloads(&fs);
    assert_eq!(log.len(), usize::from(count) * usize::from(rounds));
    calls.check(&log);
}

#[test]
fn every_caller_is_woken_and_its_acknowledged_commits_are_on_the_disk() {
    for ahead in [Ahead::NEVER, Ahead { after: 1, len: 1 << 16 }] {
        explore(move || callers_commit(3, 3, ahead));
        explore(move || callers_commit(2, 6, ahead));
        explore(move || callers_commit(1, 5, ahead));
    }
}

#[test]
fn callers_that_wait_for_room_can_continue() {
    explore(|| {
        let (fs, calls) = (SimFs::new(), Calls::default());
        let writer = Arc::new(create(&fs));
        let spawn = |name: u8| {
            let (writer, calls) = (Arc::clone(&writer), calls.clone());
            shuttle::thread::spawn(move || {
                for round in 0..4 {
                    calls.append(&writer, Durability::Os, &[name, round].repeat(90)).unwrap();
                }
            })
        };
        let threads: Vec<_> = (0..3).map(spawn).collect();
        for thread in threads {
            thread.join().unwrap();
        }
        close(writer).unwrap();
        let log = payloads(&fs);
        assert_eq!(log.len(), 12);
        calls.check(&log);
        assert_eq!(synced(&fs), string(&fs), "closed, and not synced");
    });
}

#[test]
fn commits_that_no_caller_waited_for_are_committed_when_the_writer_ends() {
    for closes in [true, false] {
        explore(move || {
            let (fs, calls) = (SimFs::new(), Calls::default());
            let writer = create(&fs);
            for round in 0..3 {
                calls.append(&writer, [Durability::Os, Durability::Sync][round % 2], &[1]).unwrap();
            }
            if closes {
                writer.close().unwrap();
            } else {
                drop(writer);
            }
            assert_eq!(synced(&fs), string(&fs));
            calls.check(&payloads(&fs));
            assert_eq!(payloads(&fs).len(), 3);
        });
    }
}

#[test]
fn a_stream_is_read_beside_callers_and_never_in_part() {
    explore(|| {
        let (fs, calls) = (SimFs::new(), Calls::default());
        let writer = Arc::new(create(&fs));
        let (reading, disk) = (Arc::clone(&writer), fs.clone());
        let reader = shuttle::thread::spawn(move || {
            for _ in 0..3 {
                let (len, mut number) = (reading.stream_len("run").unwrap(), 0);
                let mut visit = |_: &evlog_format::CommitHead<'_>, _, event: &evlog_format::Event<'_>| {
                    assert_eq!(event.number, number);
                    number += 1;
                    Ok(ControlFlow::Continue(()))
                };
                reading.read_stream::<crate::ReadError>("run", 0, &mut visit).unwrap();
                assert!(number >= len, "{number} events of a stream that has {len}");
                let (position, _) = reading.root();
                assert!(synced(&disk).len() as u64 >= position.0, "the root covers what is not synced");
            }
        });
        assert!(callers(&writer, &fs, &calls, 2, 3).iter().all(Result::is_ok));
        reader.join().unwrap();
        close(writer).unwrap();
        calls.check(&payloads(&fs));
    });
}

#[test]
fn everything_is_synced_on_request_also_after_acknowledgements_of_class_os() {
    explore(|| {
        let (fs, calls) = (SimFs::new(), Calls::default());
        let writer = Arc::new(create(&fs));
        let (settling, disk) = (Arc::clone(&writer), fs.clone());
        let settler = shuttle::thread::spawn(move || {
            for _ in 0..2 {
                let ticket = hand(&settling, Writer::commit, Durability::Os, &[0; 8]).unwrap();
                settling.settled().unwrap();
                assert!(settling.durable_end() >= ticket.end, "settled, and not synced");
                assert!(synced(&disk).len() as u64 >= ticket.end.0);
            }
        });
        assert!(callers(&writer, &fs, &calls, 2, 2).iter().all(Result::is_ok));
        settler.join().unwrap();
        close(writer).unwrap();
        assert_eq!(synced(&fs), string(&fs));
    });
}

/// An act of the disk fails: no caller waits for ever, and the answer about each commit is true.
fn poisoned(act: Act, after: u64) {
    let (fs, calls) = (SimFs::new(), Calls::default());
    let writer = Arc::new(create(&fs));
    fs.fail(act, after, ErrorKind::Other);
    let outcomes = callers(&writer, &fs, &calls, 3, 3);
    let closed = close(writer);
    fs.heal();
    assert!(outcomes.iter().all(Result::is_ok) || closed.is_err(), "{outcomes:?}, and closed in order");
    let killed = fs.kill();
    let (writer, _) = Writer::open(Arc::new(killed.clone()), dir(), &owner()).unwrap();
    writer.close().unwrap();
    calls.check(&payloads(&killed));
}

#[test]
fn no_caller_waits_for_ever_after_a_failure() {
    for after in 0..4 {
        explore(move || poisoned(Act::SyncData, after));
        explore(move || poisoned(Act::Write, after));
    }
    explore(|| poisoned(Act::Create, 0));
}

/// The message with which the exploration reports a writer that is broken in this way.
fn panic_message(test: impl Fn() + Send + Sync + Clone + 'static) -> String {
    let panic = std::panic::catch_unwind(AssertUnwindSafe(|| explore(test))).expect_err("nothing was noticed");
    let owned = panic.downcast_ref::<String>().cloned();
    owned.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

#[test]
fn the_writer_takes_its_locks_from_the_module_that_this_exploration_replaces() {
    let sources = [
        include_str!("writer.rs"),
        include_str!("writer/append.rs"),
        include_str!("writer/committer.rs"),
        include_str!("writer/committing.rs"),
        include_str!("writer/pending.rs"),
        include_str!("writer/state.rs"),
    ];
    for line in sources.iter().flat_map(|source| source.lines()) {
        let of_std = line.contains("std::sync") || line.contains("std::thread::");
        let escapes = ["Mutex", "Condvar", "Atomic", "RwLock", "Once", "mpsc", "spawn", "yield", "park", "Builder"];
        assert!(!of_std || !escapes.iter().any(|word| line.contains(word)), "out of the exploration's sight: {line}");
    }
}

#[test]
fn lost_wake_ups_are_found_out() {
    for deaf in [Deaf::ToOne, Deaf::ToAll, Deaf::AllButOne] {
        let _broken = deaf.begin();
        let said = panic_message(|| callers_commit(3, 3, Ahead::NEVER));
        assert!(said.contains("deadlock"), "{deaf:?}: {said}");
    }
}

#[test]
fn an_acknowledgement_before_the_sync_is_found_out() {
    let said = panic_message(|| {
        let fs = SimFs::new();
        let writer = Arc::new(create(&fs));
        fs.lie();
        drop(callers(&writer, &fs, &Calls::default(), 2, 2));
    });
    assert!(said.contains("acknowledged before its sync"), "{said}");
}

#[test]
fn another_order_than_that_of_the_calls_is_found_out() {
    let said = panic_message(|| {
        let (fs, calls) = (SimFs::new(), Calls::default());
        let writer = create(&fs);
        for round in 0..2 {
            calls.append(&writer, Durability::Sync, &[round]).unwrap();
        }
        writer.close().unwrap();
        calls.check(&payloads(&fs));
        let mut calls_of = calls.made.lock().unwrap();
        (calls_of[0].begun, calls_of[0].ended) = (calls.now(), calls.now());
        drop(calls_of);
        calls.check(&payloads(&fs));
    });
    assert!(said.contains("precedes it in the log"), "{said}");
}
