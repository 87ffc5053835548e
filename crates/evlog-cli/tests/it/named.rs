//! A run that `--run` names and the log does not have is probably misspelt: every command that takes `--run` says so.

use crate::support::Room;

/// Commands that take `--run`, which comes after these words.
const TAKING: [&[&str]; 12] = [
    &["cat"],
    &["cat", "--json"],
    &["cat", "--since", "2000-01-01"],
    &["tail"],
    &["runs"],
    &["runs", "--json"],
    &["runs", "--status", "failed"],
    &["audit"],
    &["export", "--format", "csv", "--out", "-"],
    &["export", "--format", "xes", "--out", "-"],
    &["project", "--check", "."],
    &["project", "--no-record", "--out", "."],
];

#[test]
fn a_named_run_that_is_not_there_is_a_no_in_every_command() {
    let room = Room::with_batch();
    room.ends(0, &["project", "--no-record", "--out", "."]);
    for words in TAKING {
        room.ends(1, &[words, &["--run", "nope"]].concat()).says("no run `nope` in log `./evlog`");
        if words[0] != "project" {
            // Also if another run is there, and at an earlier time.
            room.ends(1, &[words, &["--run", "RUN_0001", "--run", "nope"]].concat())
                .says("no run `nope` in log `./evlog`");
            room.ends(1, &[words, &["--run", "RUN_*", "--run", "nope"]].concat())
                .says("no run `nope` in log `./evlog`");
        }
        room.ends(1, &[words, &["--run", "RUN_0002", "--at", "2"]].concat())
            .says("no run `RUN_0002` in log `./evlog` up to seq");
    }
}

#[test]
fn a_pattern_that_matches_no_run_and_a_named_run_without_events_that_are_meant_are_no_error() {
    let room = Room::with_batch();
    for words in TAKING.iter().filter(|words| words[0] != "project") {
        room.ends(0, &[words, &["--run", "nope*"] as &[&str]].concat());
        if words[0] != "audit" {
            room.ends(0, &[words, &["--run", "order-7", "--until", "2000-01-02"] as &[&str]].concat());
        }
    }
    assert_eq!(room.ends(0, &["runs", "--run", "order-7", "--status", "failed", "--json"]).out, "");
}
