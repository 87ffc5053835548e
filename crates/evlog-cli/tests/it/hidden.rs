//! Text of others is shown, never obeyed: no escape code, no line and no direction of a log, a bundle, a lock or an argument
//! reaches the screen. JSON keeps every character.

use crate::support::{Done, READING, Room};
use serde_json::{Value, json};
use std::fs;

/// Clears the screen, draws a verdict, turns the direction, hides itself.
const FORGED: &str = "\u{1b}[2J\u{1b}[H\u{9b}2J\nverdict     clean\r\nevidence  holds\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}\u{7f}\u{ad}";

fn is_hidden(c: char) -> bool {
    c.is_control() && c != '\n'
        || "\u{ad}\u{200b}\u{200e}\u{202a}\u{202e}\u{2066}\u{2069}\u{2028}\u{feff}\u{e0041}".contains(c)
}

#[track_caller]
fn shows_nothing_hidden(words: &[&str], done: &Done) {
    for said in [&done.out, &done.err] {
        let found: Vec<char> = said.chars().filter(|c| is_hidden(*c)).collect();
        assert!(found.is_empty(), "{words:?} prints {found:?}: {said:?}");
        let drawn: Vec<&str> = said.lines().filter(|line| line.starts_with("evidence  holds")).collect();
        assert!(drawn.is_empty(), "{words:?} prints a line of the forged text: {said}");
        let clean = said.lines().filter(|line| line.starts_with("verdict     clean")).count();
        assert!(clean == 0 || words.contains(&"verify") && clean == 1 && done.code == 0, "{words:?}: {said}");
    }
}

/// Runs whose members, names of members, kinds of failure and actors hold the forged text.
fn room() -> Room {
    let room = Room::new();
    let failure = json!({"error_code": "TOOL_TIMEOUT", "category": "tool", "message": FORGED, "likely_cause": FORGED,
        "suggested_fix": FORGED, "retryable": true, "severity": "error"});
    let lines = [
        json!({"contract": "custom", "run": "o", "do": "record", "kind": "custom/x", "actor": "a",
            "data": {FORGED: FORGED, "list": [FORGED, {FORGED: 1}]}}),
        json!({"contract": "status", "run": "s", "do": "create", "data": {"run_name": FORGED}}),
        json!({"contract": "status", "run": "s", "do": "transition", "to": "running"}),
        json!({"contract": "status", "run": "s", "do": "transition", "to": "failed", "diagnostic": failure}),
    ];
    let done = room.feed(&["submit"], &lines.map(|line| line.to_string() + "\n").concat());
    assert_eq!(done.code, 0, "{done:?}");
    room.ends(0, &["project", "--out", ".", "--no-record"]);
    room
}

#[test]
fn show_gives_what_run_json_holds() {
    let room = room();
    for run in ["o", "s"] {
        let file: Value =
            serde_json::from_slice(&fs::read(room.path(&format!("runs/{run}/run.json"))).unwrap()).unwrap();
        let shown = room.ends(0, &["show", run, "--json"]);
        assert_eq!((shown.json(), shown.out.lines().count()), (file, 1));
    }
}

#[test]
fn no_text_answer_obeys_what_was_recorded() {
    let room = room();
    let of_runs: [&[&str]; 5] = [
        &["show", "o"],
        &["show", "s"],
        &["explain", "s"],
        &["explain", "o"],
        &["explain", "s", "--format", "markdown"],
    ];
    for words in READING.into_iter().chain(of_runs) {
        shows_nothing_hidden(words, &room.run(words));
        let json = [words, &["--json"]].concat();
        if !words.contains(&"markdown") {
            shows_nothing_hidden(&json, &room.run(&json));
        }
    }
}

#[test]
fn json_keeps_every_character_that_was_recorded() {
    let room = room();
    let lines = room.ends(0, &["cat", "--run", "o", "--json"]).lines();
    assert_eq!(lines.last().unwrap()["payload"][FORGED], Value::from(FORGED));
}

#[test]
fn no_name_of_a_file_and_no_text_of_a_bundle_is_obeyed() {
    let room = room();
    let odd = FORGED.replace('/', "");
    room.write(&format!("runs/s/{odd}"), "x");
    fs::create_dir_all(room.path(&format!("runs/{odd}"))).unwrap();
    fs::create_dir_all(room.path("bundle")).unwrap();
    let manifest = json!({"run_id": FORGED, FORGED: FORGED, "status": FORGED, "pipeline": FORGED});
    room.write("bundle/manifest.json", &manifest.to_string());
    room.write(&format!("bundle/{odd}"), "x");
    room.write("contract.toml", &format!("name = {}\n", json!(FORGED)));
    room.write(&odd, "name = \"x\"\n");
    room.write("plan.toml", &format!("name = {}\n[[stage]]\nid = {0}\ncommand = [\"true\"]\n", json!(FORGED)));
    room.write("commands", &format!("{}\n", json!({FORGED: 1, "contract": FORGED, "run": FORGED})));
    for words in [
        &["project", "--check", "."] as &[&str],
        &["conform", "bundle"],
        &["conform", "bundle", "--format", "junit"],
        &["conform", "bundle", "--format", "sarif"],
        &["contract", "check", "contract.toml"],
        &["contract", "check", &odd],
        &["contract", "check", &odd, "--format", "junit"],
        &["project", "--check", ".", "--format", "junit"],
        &["project", "--check", ".", "--format", "sarif"],
        &["contract", "show", &odd],
        &["run", "plan.toml"],
        &["conform", &odd],
        &["submit", "commands"],
        &["check-proof", &odd, "--checkpoint", &odd, "--key", &odd],
        &["check-evidence", &odd, "--key", &odd],
        &["submit", "--contract", &odd, "commands"],
    ] {
        shows_nothing_hidden(words, &room.run(words));
    }
}

#[test]
fn no_argument_and_no_lock_is_obeyed() {
    let room = room();
    let value = format!("--format={FORGED}");
    for words in [
        &["show", FORGED] as &[&str],
        &["explain", FORGED],
        &["cat", "--run", FORGED],
        &[FORGED],
        &["cat", "--from", FORGED],
        &["explain", "s", &value],
        &["--log", FORGED, "cat"],
        &["verify", FORGED],
        &["runs", "--status", FORGED],
        &["run", FORGED],
        &["run", "--resume", FORGED],
        &["key", "new", FORGED, "--out", FORGED],
    ] {
        shows_nothing_hidden(words, &room.run(words));
    }
    let mut writer = room.spawn(&["submit"]);
    while !fs::read_to_string(room.path("evlog/LOCK")).is_ok_and(|lock| lock.contains("submit")) {
        std::thread::yield_now();
    }
    fs::write(room.path("evlog/LOCK"), format!("pid=1\nprogram={}\n", FORGED.replace('\n', ""))).unwrap();
    for words in [&["submit", "commands"] as &[&str], &["inspect"], &["checkpoint", "--key", "none"]] {
        shows_nothing_hidden(words, &room.run(words));
    }
    drop(writer.stdin.take());
    writer.wait().unwrap();
}

#[test]
fn a_name_of_a_member_looks_like_no_member_with_a_value() {
    let room = Room::new();
    let lines =
        [json!({"amount=5 currency": "EUR"}), json!({"amount": 5, "currency": "EUR"}), json!({"": 2})].map(|data| {
            json!({"contract": "custom", "run": "o", "do": "record", "kind": "custom/x", "data": data}).to_string()
                + "\n"
        });
    room.feed(&["submit"], &lines.concat());
    let shown = room.ends(0, &["cat", "--run", "o"]).out;
    assert!(shown.contains("  \"amount=5 currency\"=EUR\n"), "{shown}");
    assert!(shown.contains("  amount=5 currency=EUR\n"), "{shown}");
    assert!(shown.contains("  \"\"=2\n"), "{shown}");
}

#[test]
fn a_run_may_have_the_name_of_a_word_that_evlog_starts_itself_with() {
    let room = Room::new();
    let line = r#"{"contract":"custom","run":"supervisor-of-a-stage","do":"record","kind":"custom/x","data":{}}"#;
    room.feed(&["submit"], &format!("{line}\n"));
    assert!(room.ends(0, &["cat", "--run", "supervisor-of-a-stage"]).out.contains("custom/x"));
    assert!(room.ends(0, &["show", "supervisor-of-a-stage"]).out.contains("custom"));
}
