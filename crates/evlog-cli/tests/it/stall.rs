//! A run whose messages have no reader, and the signals that end it or do not: no part of it waits for a reader.

use crate::support::{Done, Room, signal};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// A room with a plan of one stage.
fn room(script: &str, keys: &str) -> Room {
    let room = Room::new();
    let stage =
        format!("id = \"work\"\nreason_code = \"input_missing\"\n{keys}\ncommand = [\"sh\", \"-c\", '''{script}''']");
    room.write("plan.toml", &format!("name = \"p\"\n[[stage]]\n{stage}\n"));
    room
}

/// A stage that prints without end, and is asked to end after a moment.
fn talker() -> Room {
    room(
        "trap 'echo asked > asked; exit 1' TERM; while :; do echo a line of sixty characters or so, which nobody wants to see; done",
        "time_limit = \"300ms\"",
    )
}

/// Waits until the log says how the run ended. What is to come may wait for a reader; this does not.
fn status(room: &Room) -> String {
    loop {
        let done = room.run(&["show", "r", "--json"]);
        let status =
            if done.code == 0 { done.json()["status"].as_str().unwrap_or_default().to_owned() } else { String::new() };
        if ["success", "partial", "failed"].contains(&status.as_str()) {
            return status;
        }
        sleep(Duration::from_millis(20));
    }
}

fn is_there(room: &Room, path: &str) {
    while !fs::read_to_string(room.path(path)).is_ok_and(|text| text.ends_with('\n')) {
        sleep(Duration::from_millis(5));
    }
}

fn end(child: Child) -> Done {
    child.wait_with_output().unwrap().into()
}

#[test]
fn g28_a_reader_that_does_not_read_delays_neither_a_time_limit_nor_an_outcome() {
    for how in [&["--show-output"] as &[&str], &["--show-output", "--json"]] {
        let room = talker();
        let child = room.spawn(&[&["run", "plan.toml", "--run-id", "r"], how].concat());
        // Nothing of what the run says is read until the log has its end.
        assert_eq!(status(&room), "failed", "{how:?}");
        is_there(&room, "asked");
        let done = end(child);
        assert_eq!(done.code, 20, "{how:?}");
        let said = format!("{}{}", done.out, done.err);
        assert!(said.contains("which nobody wants to see") && said.contains("the `time_limit` of 300ms"), "{how:?}");
    }
}

#[test]
fn g28_unread_output_is_bounded_and_what_is_left_out_is_reported() {
    let room = room("yes 'one of very many lines' | head -n 400000", "");
    let child = room.spawn(&["run", "plan.toml", "--run-id", "r", "--show-output"]);
    assert_eq!(status(&room), "success");
    let done = end(child);
    assert_eq!(done.code, 0);
    assert!(done.err.contains("lines are left out here, because they were not read in time"), "{}", done.err.len());
    assert!(done.err.lines().count() < 100_000, "{}", done.err.lines().count());
}

#[test]
fn g28_a_signal_ends_a_run_that_only_waits_for_its_reader() {
    let room = talker();
    let mut child = room.spawn(&["run", "plan.toml", "--run-id", "r", "--show-output"]);
    assert_eq!(status(&room), "failed");
    // The run's lock is given back before the reader is waited for.
    while room.path("runs/.locks/r.lock").exists() {
        sleep(Duration::from_millis(5));
    }
    assert_eq!(until_it_ends(&mut child), Some(20), "the run's exit code, as for a reader who reads");
    assert_eq!(status(&room), "failed", "what is recorded stays");
}

/// Sends TERM until the process has ended; its exit code, or none where a signal ended it.
fn until_it_ends(child: &mut Child) -> Option<i32> {
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        signal(child, "TERM");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn g28_a_second_signal_without_a_reader_ends_evlog_with_the_code_of_the_first_and_the_run_is_resumed() {
    let room = room("echo $$ > pid; [ ! -e go ] || exit 0; while :; do echo a line that nobody wants to see; done", "");
    let mut child = room.spawn(&["run", "plan.toml", "--run-id", "r", "--show-output"]);
    is_there(&room, "pid");
    assert_eq!(until_it_ends(&mut child), Some(130));
    let pid = fs::read_to_string(room.path("pid")).unwrap();
    let stage = fs::read_to_string(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
    assert_eq!(stage, "", "no stage outlives evlog");
    assert!(!room.path("runs/.locks/r.lock").exists());
    room.write("go", "");
    room.ends(0, &["run", "--resume", "r"]);
}

#[test]
fn g28_a_signal_without_a_reader_ends_the_stage() {
    let room = room("echo $$ > pid; while :; do echo a line that nobody wants to see; done", "");
    let child = room.spawn(&["run", "plan.toml", "--run-id", "r", "--show-output"]);
    is_there(&room, "pid");
    signal(&child, "TERM");
    let pid = fs::read_to_string(room.path("pid")).unwrap();
    while !fs::read_to_string(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default().is_empty() {
        sleep(Duration::from_millis(5));
    }
    assert_eq!(end(child).code, 130);
}

/// Starts a run for which these signals are ignored, as `nohup` does it.
fn ignoring(room: &Room, signals: &str) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("trap '' {signals}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_evlog")]);
    command.args(["run", "plan.toml", "--run-id", "r"]).current_dir(room.path("")).env_remove("EVLOG_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

const WAITS: &str = "echo $$ > pid; while [ ! -e go ]; do sleep 0.02; done";

#[cfg(target_os = "linux")]
#[test]
fn g29_what_was_ignored_when_a_run_began_stays_ignored() {
    for name in ["HUP", "QUIT"] {
        let room = room(WAITS, "");
        let child = ignoring(&room, name);
        is_there(&room, "pid");
        signal(&child, name);
        room.write("go", "");
        let done = end(child);
        assert_eq!(done.code, 0, "{name}: {done:?}");
        assert!(!done.err.contains("interrupted"), "{done:?}");
    }
}

#[test]
fn g29_the_end_of_the_session_ends_the_stage_and_the_run_can_be_resumed() {
    for name in ["HUP", "QUIT", "TERM"] {
        let room = room(WAITS, "");
        let child = room.spawn(&["run", "plan.toml", "--run-id", "r"]);
        is_there(&room, "pid");
        signal(&child, name);
        let done = end(child);
        assert_eq!(done.code, 130, "{name}: {done:?}");
        room.write("go", "");
        room.ends(0, &["run", "--resume", "r"]);
    }
}

#[test]
fn a_signal_ends_a_submit_that_only_waits_for_its_reader_with_what_it_came_to() {
    for (last, code) in [("", 0), (r#"{"contract":"status","run":"none","do":"transition","to":"running"}"#, 1)] {
        let room = Room::new();
        let line =
            |n| format!(r#"{{"contract":"custom","run":"r","do":"record","kind":"custom/x","data":{n}}}"#) + "\n";
        room.write("in.jsonl", &((0..3000).map(line).collect::<String>() + last));
        let mut child = room.spawn(&["submit", "in.jsonl"]);
        while !room.run(&["cat", "--run", "$log"]).out.contains("log.closed") {
            sleep(Duration::from_millis(20));
        }
        // All is recorded and the log is closed: the answers alone wait.
        sleep(Duration::from_millis(300));
        assert_eq!(until_it_ends(&mut child), Some(code));
    }
}
