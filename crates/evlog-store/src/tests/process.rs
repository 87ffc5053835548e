//! Two processes on the real file system: the lock, and a writer that is killed.

use super::*;
use crate::{Fs, OpenError, StdFs};
use evlog_format::Seq;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Names the log to the child.
const LOG_DIR: &str = "EVLOG_STORE_TEST_LOG";

fn real() -> Arc<dyn Fs> {
    Arc::new(StdFs)
}

/// Not a claim, but the code of the child. It appends until it is killed, and prints what was acknowledged.
#[test]
fn the_child_appends_until_it_is_killed() {
    let Some(path) = std::env::var_os(LOG_DIR) else { return };
    let (writer, _) = Writer::open(real(), Path::new(&path), &Owner { program: "child".into() }).unwrap();
    loop {
        let number = writer.next_seq().0;
        let tickets: Vec<Ticket> =
            (0..3).map(|n| offer(&writer, Durability::Sync, "run", &(number + n).to_le_bytes()).unwrap()).collect();
        for ticket in tickets {
            writer.wait(&ticket).unwrap();
            println!("acknowledged {}", ticket.first_seq);
        }
    }
}

fn child(path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tests::process::the_child_appends_until_it_is_killed", "--nocapture"]);
    command.env(LOG_DIR, path).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_writer_that_is_killed_loses_nothing_acknowledged_and_leaves_the_lock_free() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("log");
    let options = CreateOptions { log_id: LOG, segment_limit: 2048 };
    Writer::create(real(), &path, options, &owner()).unwrap().close().unwrap();
    for round in 0..8 {
        let mut child = child(&path);
        let pid = child.id();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = || {
            let number = |line: String| line.strip_prefix("acknowledged ").and_then(|seq| seq.parse::<u64>().ok());
            lines.find_map(|line| number(line.unwrap()))
        };
        let mut last = acknowledged().unwrap();
        let refused = Writer::open(real(), &path, &owner()).unwrap_err();
        assert!(
            matches!(&refused, OpenError::Locked { pid: Some(other), program: Some(name), .. } if *other == pid && name == "child"),
            "{refused}"
        );
        for _ in 0..round * 7 {
            last = acknowledged().unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        while let Some(seq) = acknowledged() {
            last = seq;
        }
        let shown = Reader::open(real(), &path).unwrap().committed().next_seq;
        let (writer, recovery) = Writer::open(real(), &path, &owner()).unwrap();
        assert!(!recovery.clean_close);
        assert!(writer.next_seq() > Seq(last), "{last} was acknowledged, the log ends before {}", writer.next_seq());
        assert_eq!(shown, writer.next_seq(), "a reader shows what the next writer keeps");
        let mut expected = 0u64;
        let mut visit = |_: &evlog_format::CommitHead<'_>, seq: Seq, event: &evlog_format::Event<'_>| {
            assert_eq!((seq.0, event.payload), (expected, &expected.to_le_bytes()[..]));
            expected += 1;
            Ok(ControlFlow::Continue(()))
        };
        writer.read_stream::<ReadError>("run", 0, &mut visit).unwrap();
        assert_eq!(expected, writer.next_seq().0);
        drop(writer);
    }
}
