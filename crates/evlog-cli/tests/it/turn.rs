//! `--wait`: a command that writes waits for its turn.

use crate::support::Room;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin};

/// A process that writes to the log until its input ends.
fn holder(room: &Room) -> (Child, ChildStdin) {
    let mut child = room.spawn(&["submit"]);
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{{\"contract\":\"status\",\"run\":\"HELD\",\"do\":\"create\",\"id\":\"held\"}}").unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    answers.read_line(&mut String::new()).unwrap();
    (child, stdin)
}

/// Every command that writes to a log that exists, and the exit code that it ends with.
const WRITING: [(&[&str], i32); 8] = [
    (&["submit", "one.jsonl"], 0),
    (&["run", "plan.toml", "--run-id", "waited"], 0),
    (&["project", "--out", "."], 0),
    (&["verify", "--record"], 0),
    (&["audit", "--record"], 0),
    (&["repair"], 0),
    (&["policy", "set", "policy.toml"], 0),
    (&["checkpoint", "--key", "builds.key"], 0),
];

fn room() -> Room {
    let room = Room::new();
    room.write("one.jsonl", "{\"contract\":\"status\",\"run\":\"ONE\",\"do\":\"create\"}\n");
    room.write("policy.toml", "");
    room.write(
        "plan.toml",
        "name = \"p\"\n[[stage]]\nid = \"a\"\ncommand = [\"true\"]\nreason_code = \"input_missing\"\n",
    );
    room.ends(0, &["key", "new", "example.com/builds"]);
    room.ends(0, &["init"]);
    room
}

#[test]
fn without_the_option_a_command_does_not_wait_and_with_it_not_longer_than_it_says() {
    let room = room();
    let (mut holds, stdin) = holder(&room);
    for (command, _) in WRITING {
        let done = room.ends(2, command);
        assert!(done.err.contains("has a writer already") && !done.err.contains("waiting"), "{command:?}: {done:?}");
    }
    let done = room.ends(2, &["submit", "one.jsonl", "--wait", "1"]);
    done.says("waiting for at most 1 s: log `./evlog` has a writer already").says("error: waited 1 s: log `./evlog`");
    let done = room.ends(2, &["submit", "one.jsonl", "--wait", "1", "--quiet"]);
    assert!(!done.err.contains("waiting"), "{done:?}");
    drop(stdin);
    assert!(holds.wait().unwrap().success());
    assert!(!room.path("runs").exists(), "nothing of the run that could not begin is left");
}

#[test]
fn every_command_that_writes_waits_until_the_log_is_free() {
    let room = room();
    for (command, code) in WRITING {
        let (mut holds, stdin) = holder(&room);
        let mut waits = room.spawn(&[command, &["--wait", "600"]].concat());
        let mut messages = BufReader::new(waits.stderr.take().unwrap());
        let mut first = String::new();
        messages.read_line(&mut first).unwrap();
        assert!(first.contains("waiting for at most 600 s"), "{command:?}: {first}");
        drop(stdin);
        assert!(holds.wait().unwrap().success());
        let mut rest = String::new();
        messages.read_to_string(&mut rest).unwrap();
        assert_eq!(waits.wait().unwrap().code(), Some(code), "{command:?}: {rest}");
    }
    assert!(room.ends(0, &["runs"]).out.contains("waited"));
}
