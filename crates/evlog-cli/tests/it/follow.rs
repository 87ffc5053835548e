//! What a follower says of the log and of its writer, how it goes on with another log, and where it goes on later.

use crate::crash::Lines;
use crate::outside::{PATIENCE, ended, line};
use crate::support::{Room, signal};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

/// Lines that a follower says, as they come.
struct Said {
    lines: Receiver<String>,
    all: Vec<String>,
}

impl Said {
    fn of(child: &mut Child) -> Said {
        let err = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || err.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        Said { lines, all: Vec::new() }
    }

    /// Waits until this was said.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        let begun = Instant::now();
        while !self.all.iter().any(|line| line.contains(text)) {
            let left = PATIENCE.checked_sub(begun.elapsed());
            match left.and_then(|left| self.lines.recv_timeout(left).ok()) {
                Some(line) => self.all.push(line),
                None => panic!("expected {text:?}, found {:?}", self.all),
            }
        }
        self.all.clear();
    }
}

fn stop(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn wait_for_line(lines: &Lines, text: &str) {
    let begun = Instant::now();
    while !lines.so_far().iter().any(|line| line.contains(text)) {
        assert!(begun.elapsed() < PATIENCE, "{text} did not come: {:?}", lines.so_far());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn a_follower_says_when_the_writer_comes_back_closes_the_log_and_is_gone() {
    let room = Room::with_batch();
    let mut follower = room.spawn(&["tail", "-f", "-n", "1"]);
    let (lines, mut said) = (Lines::of(&mut follower), Said::of(&mut follower));
    lines.wait_for(1, &mut follower);
    let mut writer = room.spawn(&["submit"]);
    let mut stdin = writer.stdin.take().unwrap();
    stdin.write_all(line("one", 0).as_bytes()).unwrap();
    said.wait_for("the log has a writer again: evlog submit");
    drop(stdin);
    writer.wait().unwrap();
    said.wait_for("the writer closed the log");
    let mut writer = room.spawn(&["submit"]);
    let mut stdin = writer.stdin.take().unwrap();
    stdin.write_all(line("two", 0).as_bytes()).unwrap();
    said.wait_for("the log has a writer again");
    signal(&writer, "KILL");
    writer.wait().unwrap();
    said.wait_for("the writer is gone and did not close the log");
    room.feed(&["submit"], &line("three", 0));
    said.wait_for("the writer closed the log");
    stop(follower);
}

#[test]
fn a_follower_that_retries_goes_on_with_the_log_that_appears_at_the_path() {
    let room = Room::with_batch();
    let mut follower = room.spawn(&["tail", "-f", "-n", "1", "--retry", "--format", "{seq} {run} {kind}"]);
    let (lines, mut said) = (Lines::of(&mut follower), Said::of(&mut follower));
    lines.wait_for(1, &mut follower);
    room.feed(&["submit"], &line("seen", 0));
    wait_for_line(&lines, "seen");
    // Moved away and back: it is the same log.
    fs::rename(room.path("evlog"), room.path("old")).unwrap();
    said.wait_for("removed or moved");
    fs::rename(room.path("old"), room.path("evlog")).unwrap();
    said.wait_for("is there again; it goes on at seq");
    room.feed(&["submit"], &line("later", 0));
    wait_for_line(&lines, "later");
    // An older copy of the log does not hold what was shown.
    fs::remove_dir_all(room.path("evlog")).unwrap();
    said.wait_for("removed or moved");
    room.feed(&["submit"], &line("new", 0));
    said.wait_for("another log is in `./evlog`; it follows from its beginning");
    wait_for_line(&lines, "new");
    let shown = lines.so_far();
    for run in ["seen", "later", "new"] {
        assert_eq!(shown.iter().filter(|line| line.contains(run)).count(), 1, "{run}: {shown:?}");
    }
    assert_eq!(shown.iter().filter(|line| line.starts_with("0 $log log.created")).count(), 1, "{shown:?}");
    stop(follower);
}

#[test]
fn a_follower_that_retries_shows_a_copy_from_its_beginning_if_it_lacks_what_was_shown() {
    let room = Room::with_batch();
    assert!(room.command_of("cp", &["-a", "evlog", "older"]).status().unwrap().success());
    room.feed(&["submit"], &line("seen", 0));
    let mut follower = room.spawn(&["tail", "-f", "-n", "1", "--retry", "--format", "{seq} {run} {kind}"]);
    let (lines, mut said) = (Lines::of(&mut follower), Said::of(&mut follower));
    lines.wait_for(1, &mut follower);
    fs::rename(room.path("evlog"), room.path("newer")).unwrap();
    fs::rename(room.path("older"), room.path("evlog")).unwrap();
    said.wait_for("does not hold what was shown; it follows from its beginning");
    wait_for_line(&lines, "0 $log log.created");
    stop(follower);
}

#[test]
fn a_follower_whose_log_is_cut_says_so_and_ends() {
    let room = Room::with_batch();
    let mut follower = room.spawn(&["tail", "-f", "-n", "1"]);
    let lines = Lines::of(&mut follower);
    lines.wait_for(1, &mut follower);
    let segment = room.segments().pop().unwrap();
    let len = fs::metadata(&segment).unwrap().len();
    fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(len - 8).unwrap();
    let done = ended(follower, &"cut");
    assert_eq!(done.code, 2, "{done:?}");
    done.says("cut below");
}

#[test]
fn a_follower_says_that_it_has_fallen_behind() {
    let room = Room::with_batch();
    let mut follower = room.spawn(&["tail", "-f", "-n", "1", "--json"]);
    let mut said = Said::of(&mut follower);
    let mut out = BufReader::new(follower.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    // Nobody reads its answer, so it waits for room before it has shown all of this.
    let many: String = (0..12_000).map(|number| line("many", number)).collect();
    room.feed(&["submit"], &many);
    room.feed(&["submit"], &many);
    let reader = std::thread::spawn(move || out.lines().count());
    said.wait_for("events behind");
    said.wait_for("caught up with the log, at seq");
    stop(follower);
    assert!(reader.join().unwrap() >= 24_000);
}

#[test]
fn a_cursor_goes_on_exactly_where_the_last_call_ended() {
    let room = Room::with_batch();
    let all = || room.ends(0, &["cat", "--json"]).out;
    let tail = |options: &[&str]| room.ends(0, &[&["tail", "--json", "--cursor", "seen"], options].concat()).out;
    let mut shown = tail(&["-n", "1000"]);
    assert_eq!(shown, all());
    assert_eq!(tail(&["-n", "1000"]), "");
    for number in 0..3 {
        room.feed(&["submit"], &line("more", number));
        shown += &tail(&[]);
        assert_eq!(shown, all());
    }
    // Events that are not selected count as looked at.
    room.feed(&["submit"], &line("more", 3));
    assert_eq!(tail(&["--run", "RUN_0001"]), "");
    assert_eq!(tail(&[]), "");
    // A follower notes it, too.
    let mut follower = room.spawn(&["tail", "-f", "--json", "--cursor", "seen"]);
    let lines = Lines::of(&mut follower);
    room.feed(&["submit"], &line("more", 4));
    wait_for_line(&lines, "log.closed");
    let noted = format!("\"next_seq\":{},", all().lines().count());
    while !fs::read_to_string(room.path("seen")).unwrap().contains(&noted) {
        assert_eq!(follower.try_wait().unwrap(), None, "the follower ended");
        std::thread::yield_now();
    }
    stop(follower);
    assert_eq!(tail(&[]), "");
    assert!(all().ends_with(&lines.so_far().concat()));
}

#[test]
fn a_cursor_of_another_log_or_of_events_that_are_gone_is_refused() {
    let room = Room::with_batch();
    assert!(room.command_of("cp", &["-a", "evlog", "older"]).status().unwrap().success());
    room.feed(&["submit"], &line("more", 0));
    room.ends(0, &["tail", "--cursor", "seen"]);
    let noted = fs::read(room.path("seen")).unwrap();
    room.feed(&["--log", "other", "submit"], &line("more", 0));
    room.ends(2, &["--log", "other", "tail", "--cursor", "seen"]).says("expected log").says("found log");
    room.ends(2, &["--log", "older", "tail", "--cursor", "seen"]).says("expected the event before seq");
    assert_eq!(fs::read(room.path("seen")).unwrap(), noted, "a refused file is left as it is");
    room.write("not", "{}");
    room.ends(2, &["tail", "--cursor", "not"]).says("expected a file that `--cursor` has written");
    room.ends(2, &["tail", "--cursor", "evlog/seen"]).says("expected a place outside the log");
    room.ends(2, &["tail", "--retry"]).says("--follow");
}
