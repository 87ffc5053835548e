//! What is claimed: the group is ended, nothing is left, the output is whole and in order.

use super::*;
use std::fs::{self, OpenOptions};
use std::path::PathBuf;

struct Room {
    directory: tempfile::TempDir,
    interrupts: Interrupts,
}

impl Room {
    fn new() -> Room {
        Room { directory: tempfile::tempdir().unwrap(), interrupts: Interrupts::default() }
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn run(&self, script: &str, time_limit: Option<Duration>) -> io::Result<Ended> {
        self.start(&["sh", "-c", script], time_limit)
    }

    fn start(&self, command: &[&str], time_limit: Option<Duration>) -> io::Result<Ended> {
        let output = OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
        run(&Start {
            command: &command,
            directory: self.directory.path(),
            environment: &[("GREETING".to_owned(), "good day".into())],
            output: &output,
            time_limit,
            interrupts: &self.interrupts,
        })
    }

    fn output(&self) -> String {
        fs::read_to_string(self.log()).unwrap()
    }

    fn pid_in(&self, file: &str) -> Pid {
        let text = fs::read_to_string(self.directory.path().join(file)).unwrap();
        Pid::from_raw(text.trim().parse().unwrap()).unwrap()
    }
}

fn soon(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..200 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("{what}");
}

fn is_gone(pid: Pid) -> bool {
    // A process whose parent has ended is reaped by the system; until then it is a zombie, which runs no code.
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.is_empty() || stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

#[test]
fn the_exit_status_and_a_foreign_signal_are_told_apart() {
    let room = Room::new();
    assert_eq!(room.run("exit 0", None).unwrap(), Ended::Exited(0));
    assert_eq!(room.run("exit 3", Some(Duration::from_secs(30))).unwrap(), Ended::Exited(3));
    assert_eq!(room.run("kill -9 $$", None).unwrap(), Ended::Signalled(9));
}

#[test]
fn standard_output_and_error_go_to_one_file_in_the_order_written() {
    let room = Room::new();
    room.run("echo one; echo two >&2; echo three; echo \"$GREETING\" >&2; pwd; cat", None).unwrap();
    let here = room.directory.path().canonicalize().unwrap();
    assert_eq!(room.output(), format!("one\ntwo\nthree\ngood day\n{}\n", here.display()));
}

#[test]
fn a_program_that_does_not_exist_is_an_error_and_not_an_end() {
    let error = Room::new().start(&["./no-such-program"], None).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(Room::new().start(&[], None).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn past_the_limit_the_whole_group_is_ended_grandchildren_too() {
    let room = Room::new();
    let began = Instant::now();
    let script = "sh -c 'sleep 100 & echo $! > grandchild; wait' & echo $! > child; sleep 100 & wait";
    assert_eq!(room.run(script, Some(Duration::from_millis(300))).unwrap(), Ended::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(20), "took {:?}", began.elapsed());
    for file in ["child", "grandchild"] {
        let pid = room.pid_in(file);
        soon(&format!("the {file} still runs"), || is_gone(pid));
    }
}

#[test]
fn a_process_that_ignores_the_request_to_end_is_killed_after_the_grace() {
    let room = Room::new();
    let script = "trap '' TERM; echo $$ > leader; sleep 100; sleep 100";
    let began = Instant::now();
    assert_eq!(room.run(script, Some(Duration::from_millis(100))).unwrap(), Ended::TimedOut);
    assert!(began.elapsed() >= GRACE, "the grace was cut short: {:?}", began.elapsed());
    assert!(is_gone(room.pid_in("leader")));
}

#[test]
fn a_process_that_takes_the_request_to_end_can_clean_up() {
    let room = Room::new();
    let script = "trap 'echo cleaned; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    assert_eq!(room.run(script, Some(Duration::from_millis(400))).unwrap(), Ended::TimedOut);
    // Some shells tell here of their own child that the signal ended.
    let output = room.output();
    assert!(output.starts_with("ready\n") && output.ends_with("cleaned\n"), "{output:?}");
}

#[test]
fn what_a_stage_leaves_in_the_background_is_ended_with_it() {
    let room = Room::new();
    assert_eq!(room.run("sleep 100 & echo $! > left; exit 0", None).unwrap(), Ended::Exited(0));
    let pid = room.pid_in("left");
    soon("the background process still runs", || is_gone(pid));
}

#[test]
fn an_urgent_request_ends_the_group_and_a_first_one_does_not() {
    let room = Room::new();
    room.interrupts.raise();
    assert_eq!(room.run("exit 5", None).unwrap(), Ended::Exited(5), "asked once, it ends by itself");
    room.interrupts.raise();
    let script = "sleep 100 & echo $! > child; sleep 100";
    assert_eq!(room.run(script, None).unwrap(), Ended::Interrupted);
}
