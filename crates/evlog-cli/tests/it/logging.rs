//! `EVLOG_LOG_LEVEL`: lines about what evlog does. Off by default, and never in the way.

use crate::outside::line;
use crate::support::{BATCH, Done, Room};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;

fn logged(room: &Room, level: &str, arguments: &[&str], input: &str) -> Done {
    let mut command = room.command(arguments);
    command.env("EVLOG_LOG_LEVEL", level).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that ends early does not read all of it.
    let _gone = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap().into()
}

/// The objects on stderr that are lines of the log.
fn objects(done: &Done) -> Vec<Value> {
    let objects = done.err.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    objects.filter(|object| object.get("log").is_some()).collect()
}

#[test]
fn without_the_variable_and_with_off_nothing_is_logged() {
    let room = Room::new();
    let plain = room.feed(&["submit"], BATCH);
    for level in ["", "off", "OFF"] {
        let room = Room::new();
        let done = logged(&room, level, &["submit"], BATCH);
        assert_eq!((done.code, done.err.as_str()), (plain.code, plain.err.as_str()), "{level}");
    }
}

#[test]
fn a_level_that_is_not_known_is_an_error_that_names_those_that_are_and_nothing_is_done() {
    let room = Room::new();
    let done = logged(&room, "loud", &["submit"], BATCH);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done:?}");
    done.says("EVLOG_LOG_LEVEL").says("`off`, `error`, `warn`, `info`, `debug`, `trace`").says("`loud`");
    assert!(!room.path("evlog").exists());
    logged(&room, "debgu", &["submit"], BATCH).says("debug");
}

#[test]
fn each_level_includes_those_before_it_and_the_answers_are_the_same() {
    let mut before = BTreeSet::new();
    for level in ["error", "warn", "info", "debug", "trace"] {
        let room = Room::new();
        let done = logged(&room, level, &["submit", "--json"], BATCH);
        assert_eq!((done.code, done.lines().len()), (1, 10), "{done:?}");
        let found = objects(&done);
        // How many lines there are depends on how the writer groups the commits.
        let texts: BTreeSet<String> = found.iter().map(|object| object["log"].to_string()).collect();
        assert!(texts.is_superset(&before), "{level}: {before:?}, {found:?}");
        before = texts;
        let known = ["error", "warn", "info", "debug", "trace"];
        let rank = |word: &str| known.iter().position(|known| *known == word).unwrap();
        for object in &found {
            assert!(rank(object["level"].as_str().unwrap()) <= rank(level), "{object}");
            assert!(object["time"].is_string() && object["target"].is_string() && object["fields"].is_object());
        }
        let has = |text: &str| found.iter().any(|object| object["log"] == text);
        assert_eq!(has("the log is open for writing"), rank(level) >= rank("info"), "{level}");
        assert_eq!(has("committed"), rank(level) >= rank("debug"), "{level}");
        assert_eq!(has("a sync has ended"), rank(level) >= rank("trace"), "{level}");
    }
}

#[test]
fn the_lines_of_a_command_that_fails_come_before_its_error() {
    let room = Room::new();
    let done = logged(&room, "trace", &["verify", "--json"], "");
    assert_eq!(done.code, 2, "{done:?}");
    let last: Value = serde_json::from_str(done.err.lines().last().unwrap()).unwrap();
    assert!(last.get("error").is_some(), "{done:?}");
    assert!(objects(&done).iter().any(|object| object["log"] == "the command has failed"), "{done:?}");
}

#[test]
fn with_quiet_only_errors_are_logged() {
    let room = Room::new();
    assert_eq!(logged(&room, "trace", &["submit", "-q"], BATCH).err, "");
    logged(&room, "trace", &["verify", "-q", "--log", "missing"], "").says("the command has failed");
}

#[test]
fn a_logged_line_has_no_control_characters_and_no_content_of_commands_or_keys() {
    let room = Room::new();
    room.ends(0, &["key", "new", "example.com/builds"]);
    let key = std::fs::read_to_string(room.path("builds.key")).unwrap();
    let input = line("a", 1).replace("\"data\":1", "\"data\":{\"password\":\"hunter2\"}");
    let mut done = logged(&room, "trace", &["submit", "--key", "builds.key", "--log", "a\u{1b}[31m\nb"], &input);
    assert_eq!(done.code, 0, "{done:?}");
    done.says("committed").says("a checkpoint is signed");
    assert!(!done.err.contains("hunter2") && !done.err.contains(key.trim()), "{done:?}");
    assert!(!done.err.contains('\u{1b}'), "{done:?}");
    assert!(done.err.lines().any(|line| line.contains("the command begins") && line.contains("\\nb")), "{done:?}");
    room.ends(0, &["run", "--init", "first"]);
    let plan = std::fs::read_to_string(room.path("first/plan.toml")).unwrap();
    room.write("first/secret.toml", &plan.replacen("[[stage]]", "[[stage]]\nenv = { TOKEN = \"hunter3\" }", 1));
    done = logged(&room, "trace", &["run", "first/secret.toml"], "");
    assert_eq!(done.code, 0, "{done:?}");
    done.says("a stage begins").says("the run has ended");
    assert!(!done.err.contains("hunter3"), "{done:?}");
}
