//! The exit code is the verdict, however standard output ends: a pipe without a reader, a full disk.

use crate::forge::{other_number, rewrite};
use crate::support::Room;
use std::fs;
use std::io::Read;
use std::process::Stdio;

/// A log, a copy of it with one changed bit and one with damaged sidecars, and input that leads to exit code 1.
fn room() -> Room {
    let room = Room::with_batch();
    room.ends(0, &["key", "new", "example.com/b", "--out", "log.key"]);
    room.ends(0, &["checkpoint", "--key", "log.key", "--out", "c.note"]);
    room.ends(0, &["evidence", "order-7", "--out", "page.html"]);
    room.ends(0, &["prove", "--seq", "2", "--out", "proof"]);
    room.ends(0, &["project", "--out", "o", "--no-record"]);
    let run = room.path("o/runs/order-7/run.json");
    fs::write(&run, [fs::read(&run).unwrap(), b" ".to_vec()].concat()).unwrap();
    let change = |from: &str, to: &str, old: &str, new: &str| {
        room.write(to, &fs::read_to_string(room.path(from)).unwrap().replacen(old, new, 1));
    };
    change("proof", "bad.proof", "first-seq ", "first-seq 7");
    change("page.html", "bad.html", "Events", "Event5");
    room.write("bad.toml", "name=\"x\"\n");
    room.write("rejected", "{\"contract\":\"status\",\"run\":\"RUN_0001\",\"do\":\"transition\",\"to\":\"zzz\"}\n");
    room.write("malformed", "{\n");
    fs::create_dir(room.path("bundle")).unwrap();
    copy(&room, "damaged");
    rewrite(&room.path("damaged/segments/00000000000000000000.seg"), 1, other_number);
    copy(&room, "spoilt");
    room.write("spoilt/HEAD", "spoilt");
    room
}

fn copy(room: &Room, to: &str) {
    fs::create_dir_all(room.path(to).join("segments")).unwrap();
    for file in ["HEAD", "segments/00000000000000000000.seg", "segments/00000000000000000000.end"] {
        let from = room.path("evlog").join(file);
        if from.exists() {
            fs::copy(from, room.path(to).join(file)).unwrap();
        }
    }
}

const CHECKPOINT: [&str; 4] = ["--checkpoint", "c.note", "--key", "log.pub"];

fn cases() -> Vec<Vec<&'static str>> {
    let damaged = |words: &[&'static str]| [&["--log", "damaged"], words].concat();
    let checked = |words: &[&'static str]| [words, &CHECKPOINT].concat();
    vec![
        damaged(&["replay"]),
        damaged(&["replay", "--json"]),
        checked(&damaged(&["verify"])),
        checked(&damaged(&["verify", "--json"])),
        checked(&damaged(&["verify", "--sample", "100%"])),
        vec!["--log", "spoilt", "inspect", "--sidecars"],
        vec!["project", "--check", "o"],
        checked(&["check-proof", "bad.proof"]),
        checked(&["check-proof", "bad.proof", "--json"]),
        vec!["check-evidence", "bad.html", "--key", "log.pub"],
        vec!["check-evidence", "bad.html", "--key", "log.pub", "--json"],
        vec!["conform", "bundle"],
        vec!["conform", "bundle", "--format", "sarif"],
        vec!["conform", "bundle", "--format", "junit"],
        damaged(&["replay", "--format", "junit"]),
        checked(&damaged(&["verify", "--format", "sarif"])),
        vec!["project", "--check", "o", "--format", "junit"],
        vec!["contract", "check", "bad.toml", "--format", "sarif"],
        vec!["contract", "check", "bad.toml"],
        vec!["submit", "rejected"],
        vec!["submit", "malformed"],
        vec!["show", "nobody"],
        vec!["explain", "nobody"],
        vec!["cat", "--run", "nobody"],
    ]
}

#[test]
fn a_no_stays_a_no_without_a_reader_or_on_a_full_disk() {
    let room = room();
    for words in cases() {
        let code = room.run(&words).code;
        assert!([1, 2].contains(&code), "{words:?} ends with {code}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = room.command(&words).stdout(writer).stderr(Stdio::null()).status().unwrap();
        assert_eq!(closed.code(), Some(code), "{words:?} into a closed pipe");
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let full = room.command(&words).stdout(full).stderr(Stdio::null()).status().unwrap();
        assert_eq!(full.code(), Some(code), "{words:?} onto a full disk");
    }
}

#[test]
fn a_yes_that_could_not_be_written_is_none_and_a_reader_that_has_gone_is_no_failure() {
    let room = Room::with_batch();
    for words in [
        &["verify"] as &[&str],
        &["runs"],
        &["cat"],
        &["tail"],
        &["show", "RUN_0001", "--json"],
        &["verify", "--format", "junit"],
        &["inspect", "--format", "sarif"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let full = room.command(words).stdout(full).output().unwrap();
        assert_eq!(full.status.code(), Some(2), "{words:?}");
        let said = String::from_utf8(full.stderr).unwrap();
        assert!(said.contains("could not write to stdout"), "{words:?}: {said}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = room.command(words).stdout(writer).stderr(Stdio::null()).status().unwrap();
        assert_eq!(closed.code(), Some(0), "{words:?}");
    }
}

#[test]
fn a_full_disk_changes_no_code_but_that_of_a_yes() {
    let room = Room::new();
    let plan = |id: &str, warns: &str| {
        let code = format!("[[reason_code]]\nstage = \"a\"\ncode = \"boom\"\nseverity = \"{warns}\"\n");
        let mode = if warns == "FATAL" { "" } else { "fail_mode = \"warn_and_skip\"\n" };
        let stage = "[[stage]]\nid = \"a\"\ncommand = [\"false\"]\nreason_code = \"boom\"\n";
        room.write(&format!("{id}.toml"), &format!("name = \"p\"\n{code}{stage}{mode}"));
    };
    plan("partial", "NON-FATAL");
    plan("failed", "FATAL");
    for (words, code) in [
        (&["run", "partial.toml"][..], 10),
        (&["run", "failed.toml"], 20),
        (&["cat", "--no-such-option"], 2),
        (&["--help"], 2),
        (&["--version"], 2),
        (&["cat", "--help"], 2),
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = room.command(words).stdout(full).stderr(Stdio::null()).status().unwrap();
        assert_eq!(ended.code(), Some(code), "{words:?}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = room.command(words).stdout(writer).stderr(Stdio::null()).status().unwrap();
        let is_yes = words.iter().any(|word| matches!(*word, "--help" | "--version"));
        let code = if is_yes { 0 } else { code };
        assert_eq!(closed.code(), Some(code), "{words:?} into a closed pipe");
    }
}

#[test]
fn every_command_is_recorded_though_the_reader_of_the_answers_went_away() {
    let room = Room::new();
    let line = "{\"contract\":\"custom\",\"run\":\"a\",\"do\":\"record\",\"kind\":\"custom/x\"}\n";
    room.write("commands", &line.repeat(20_000));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let done = room.command(&["submit", "commands"]).stdout(writer).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let recorded = room.ends(0, &["cat", "--run", "a", "--json"]).lines().len();
    assert_eq!(recorded, 20_000);
}

#[test]
fn every_command_is_recorded_though_the_reader_of_the_answers_does_not_read() {
    let room = Room::new();
    let line = "{\"contract\":\"custom\",\"run\":\"a\",\"do\":\"record\",\"kind\":\"custom/x\"}\n";
    room.write("commands", &line.repeat(20_000));
    let mut child = room.command(&["submit", "commands"]).stdout(Stdio::piped()).spawn().unwrap();
    let recorded = || room.run(&["cat", "--run", "a", "--json"]).out.lines().count();
    while recorded() < 20_000 {
        assert!(child.try_wait().unwrap().is_none(), "it waits for its reader");
        std::thread::yield_now();
    }
    let mut answers = String::new();
    child.stdout.take().unwrap().read_to_string(&mut answers).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(answers.lines().filter(|answer| answer.contains("\"accepted\"")).count(), 20_000);
}
