//! Signals that end `evlog submit`: what was read is recorded and answered, the last checkpoint is signed, and the log is
//! closed cleanly.

use crate::crash::Lines;
use crate::outside::{ended, line};
use crate::support::{Done, Room, signal};
use std::io::Write;
use std::process::{Child, ChildStdin, Stdio};

fn assert_closed(room: &Room) {
    let head = room.ends(0, &["inspect", "--json"]).lines().into_iter().find(|line| line["what"] == "head").unwrap();
    assert_eq!(head["closed"], true, "{head}");
    let last = room.ends(0, &["cat", "--run", "$log", "--json"]).lines().pop().unwrap();
    assert_eq!(last["kind"], "log.closed");
    room.ends(0, &["verify"]);
}

fn give(input: &mut ChildStdin, numbers: std::ops::Range<usize>) {
    for number in numbers {
        input.write_all(line("a", number).as_bytes()).unwrap();
    }
}

#[test]
fn a_signal_ends_submit_in_order_with_the_last_checkpoint() {
    for name in ["TERM", "HUP", "INT"] {
        let room = Room::new();
        room.ends(0, &["key", "new", "example.com/x", "--out", "x.key"]);
        let mut child = room.spawn(&["submit", "--key", "x.key", "--checkpoint-every", "1h"]);
        let mut input = child.stdin.take().unwrap();
        let answers = Lines::of(&mut child);
        give(&mut input, 0..3);
        answers.wait_for(3, &mut child);
        signal(&child, name);
        let done = ended(child, &name);
        assert_eq!(done.code, 2, "{name}: {done:?}");
        done.says(&format!("stopped by SIG{name}: lines up to 3 are processed and answered"));
        assert_eq!(answers.all().len(), 3, "{name}");
        let notes = std::fs::read_dir(room.path("evlog/checkpoints")).unwrap();
        assert_eq!(notes.filter(|note| note.as_ref().unwrap().path().extension().unwrap() == "note").count(), 1);
        assert_closed(&room);
        drop(input);
    }
}

#[test]
fn a_second_signal_close_behind_the_first_does_not_keep_the_log_from_being_closed() {
    for pair in ["-TERM -HUP", "-HUP -HUP", "-INT -TERM"] {
        let room = Room::new();
        room.ends(0, &["key", "new", "example.com/x", "--out", "x.key"]);
        let mut child = room.spawn(&["submit", "--key", "x.key"]);
        let mut input = child.stdin.take().unwrap();
        let answers = Lines::of(&mut child);
        give(&mut input, 0..50);
        answers.wait_for(50, &mut child);
        let (pid, [first, second]) = (child.id(), [0, 1].map(|nth| pair.split(' ').nth(nth).unwrap()));
        // The second signal arrives while the session signs and closes the log, or after it has ended.
        let kill = format!("kill {first} {pid}; kill {second} {pid} || true");
        assert!(room.command_of("sh", &["-c", &kill]).status().unwrap().success());
        let done = ended(child, &pair);
        assert_eq!(done.code, 2, "{pair}: {done:?}");
        assert_closed(&room);
        let notes = std::fs::read_dir(room.path("evlog/checkpoints")).unwrap();
        assert_eq!(notes.filter(|note| note.as_ref().unwrap().path().extension().unwrap() == "note").count(), 1);
        drop(input);
    }
}

#[test]
fn a_signal_ends_submit_even_if_its_answers_have_no_reader() {
    let room = Room::new();
    let lines: String = (0..3000).map(|number| line("a", number)).collect();
    let mut child = room.spawn(&["submit"]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    // Recording does not wait for the reader: all lines are in the log while the pipe is full.
    while !room.run(&["cat", "--run", "a"]).out.lines().count().eq(&3000) {
        assert_eq!(child.try_wait().unwrap(), None, "submit ended by itself");
    }
    signal(&child, "TERM");
    let begun = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < crate::outside::PATIENCE, "submit waits for its reader");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(child.wait().unwrap().code(), Some(2));
    drop(input);
    assert_closed(&room);
}

#[test]
fn a_signal_ends_submit_that_waits_for_its_reader_for_want_of_room() {
    let room = Room::new();
    // Answers of thirty megabytes: more than is kept in memory, and nowhere to keep them but there.
    room.write("lines", &(line("a", 0) + &"x\n".repeat(250_000)));
    let mut command = room.command(&["submit", "lines"]);
    command.env("TMPDIR", room.path("nowhere")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let ticks = |child: &Child| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let fields: Vec<i64> =
            stat.rsplit(')').next().unwrap().split(' ').filter_map(|field| field.parse().ok()).collect();
        fields[10] + fields[11]
    };
    // The process only waits.
    let mut last = ticks(&child);
    loop {
        std::thread::sleep(std::time::Duration::from_millis(500));
        let now = ticks(&child);
        if now <= last + 1 && now > 5 {
            break;
        }
        last = now;
    }
    signal(&child, "TERM");
    let begun = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < crate::outside::PATIENCE, "submit waits for its reader");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let done: Done = child.wait_with_output().unwrap().into();
    assert_eq!(done.code, 2, "{}", done.err);
    done.says("the reader does not read the end of the answer");
    assert_closed(&room);
}

#[test]
fn under_nohup_a_closed_session_does_not_end_submit() {
    let room = Room::new();
    let mut command = room.command_of("sh", &["-c", "trap '' HUP; exec \"$0\" submit", env!("CARGO_BIN_EXE_evlog")]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let answers = Lines::of(&mut child);
    give(&mut input, 0..1);
    answers.wait_for(1, &mut child);
    signal(&child, "HUP");
    give(&mut input, 1..2);
    answers.wait_for(2, &mut child);
    drop(input);
    assert_eq!(ended(child, &"submit").code, 0);
}

#[test]
fn a_log_that_cannot_be_closed_after_a_signal_is_reported_with_the_signal_and_no_hint_says_it_was_closed() {
    let room = Room::new();
    let mut child = room.spawn(&["submit"]);
    let mut input = child.stdin.take().unwrap();
    let answers = Lines::of(&mut child);
    give(&mut input, 0..1);
    answers.wait_for(1, &mut child);
    std::fs::rename(room.path("evlog"), room.path("elsewhere")).unwrap();
    signal(&child, "TERM");
    let done = ended(child, &"submit");
    assert_eq!(done.code, 2, "{done:?}");
    done.says("stopped by SIGTERM").says("in addition: ").says("hint: the rest of the input can be submitted again");
    assert!(!done.err.contains("the log was closed"), "{done:?}");
    drop(input);
}
