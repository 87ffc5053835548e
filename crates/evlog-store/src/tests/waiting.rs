//! Every waiting caller is woken: by the acknowledgement of its group, or by a failure.

use super::*;
use crate::fs::sim::Act;
use std::io::ErrorKind;
use std::sync::mpsc;
use std::time::Duration;

const THREADS: u64 = 8;

/// Long enough for any machine; a lost wake-up would wait for ever.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs work in another thread, and panics if it does not end in time.
fn in_time(work: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        work();
        done.send(()).unwrap();
    });
    match ended.recv_timeout(PATIENCE) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("somebody waits for ever"),
        _ => thread.join().unwrap(),
    }
}

/// The work of thread `thread`: it appends commits of both classes, and waits for them one by one, or for some
/// together, the newest first.
fn append_and_wait(writer: &Writer, thread: u64, rounds: u64) -> Result<(), AppendError> {
    let name = format!("run-{thread}");
    for round in 0..rounds {
        let class = if (thread + round).is_multiple_of(3) { Durability::Os } else { Durability::Sync };
        let count = if round % 5 == thread % 5 { 4 } else { 1 };
        let mut tickets = Vec::new();
        for _ in 0..count {
            tickets.push(offer(writer, class, &name, &[1; 40])?);
        }
        for ticket in tickets.iter().rev() {
            writer.wait(ticket)?;
            let durable = writer.durable_end();
            assert!(class == Durability::Os || durable >= ticket.end, "acknowledged and not durable");
        }
        if round % 16 == 0 {
            writer.read_stream::<ReadError>(&name, 0, &mut |_, _, _| Ok(ControlFlow::Continue(()))).unwrap();
        }
    }
    Ok(())
}

fn in_threads(writer: &Writer, rounds: u64) -> Vec<Result<(), AppendError>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || append_and_wait(writer, thread, rounds))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn every_one_of_many_threads_that_wait_for_commits_of_both_classes_is_woken() {
    in_time(|| {
        let fs = SimFs::new();
        let writer = create(&fs, 16 * 1024);
        assert!(in_threads(&writer, 200).iter().all(Result::is_ok));
        let expected = writer.next_seq();
        writer.close().unwrap();
        let events = all(&reader(&fs));
        assert_eq!(events.len() as u64, expected.0);
        assert_eq!(audit(&fs).findings.kept(), &[]);
    });
}

#[test]
fn every_thread_that_waits_is_woken_when_a_sync_fails() {
    for after in [0, 1, 2, 7, 20] {
        in_time(move || {
            let fs = SimFs::new();
            let writer = create(&fs, 64 * 1024);
            fs.fail(Act::SyncData, after, ErrorKind::Other);
            let outcomes = in_threads(&writer, u64::MAX);
            assert!(outcomes.iter().all(Result::is_err), "nobody goes on after {after} syncs");
        });
    }
}

#[test]
fn a_caller_that_does_not_come_back_delays_no_other() {
    in_time(|| {
        let fs = SimFs::new();
        let writer = create(&fs, 64 * 1024);
        assert!(in_threads(&writer, 20).iter().all(Result::is_ok));
        // The last acknowledgement may have woken eight callers, of which only this thread is left.
        for _ in 0..100 {
            put(&writer, "alone", b"1");
        }
        writer.close().unwrap();
    });
}
