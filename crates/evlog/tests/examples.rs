//! The examples do what they promise.
#![cfg(test)]

use std::path::Path;
use std::process::Command;

/// What an example prints. The example must end with success.
fn prints(name: &str, dir: &Path) -> String {
    let run = ["run", "-q", "-p", "evlog-engine", "--example", name, "--"];
    let done = Command::new(env!("CARGO")).args(run).arg(dir).output().unwrap();
    assert!(done.status.success(), "{name}: {done:?}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn append_shows_answers_and_events_and_a_reader_verifies_them() {
    let room = tempfile::tempdir().unwrap();
    let log = room.path().join("log");
    let out = prints("append", &log);
    for line in [
        "created: 1 events, first answer again: false",
        "created: 1 events, first answer again: true",
        "not accepted: run `RUN_1`: refused: ",
        "  3  RUN_1   status.transitioned  operator",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let out = prints("verify_without_writer", &log);
    for line in ["verdict: Clean, ", "RUN_1: running (", "  run.json: "] {
        assert!(out.contains(line), "{line}: {out}");
    }
}

#[test]
fn a_contract_of_ones_own_decides_folds_and_projects() {
    let room = tempfile::tempdir().unwrap();
    let out = prints("own_contract", &room.path().join("log"));
    let expected =
        "withdraw 600: rejected\nbalance: Some(380) cents\n{\"account\":\"alice\",\"cents\":380,\"events\":4}\n";
    assert_eq!(out, expected);
}

#[test]
fn a_follower_sees_every_event_until_the_run_has_ended() {
    let room = tempfile::tempdir().unwrap();
    let out = prints("follow", &room.path().join("log"));
    let kinds: Vec<&str> = out.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    let of_run: Vec<&&str> = kinds.iter().filter(|kind| kind.starts_with("status.")).collect();
    assert_eq!(of_run, [&"status.created", &"status.transitioned", &"status.transitioned"], "{out}");
    assert!(out.ends_with("events\n"), "{out}");
}
