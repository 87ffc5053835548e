//! `--json` shows an error as one JSON object on stderr, in every command.

use crate::guide::every_command;
use crate::support::{Done, Room};
use serde_json::{Value, json};
use std::fs::File;

/// For each command, arguments with which it ends with an error of its own in an empty room, and the exit code.
const FAILING: [(&str, i32); 38] = [
    ("init --log /dev/null/log", 2),
    ("run missing.toml", 2),
    ("submit --no-create", 2),
    ("tail", 2),
    ("cat", 2),
    ("runs", 2),
    ("show R", 2),
    ("explain R", 2),
    ("export --format csv --out events.csv", 2),
    ("import jsonl missing.jsonl", 2),
    ("diff 1 2", 2),
    ("project --check .", 2),
    ("replay", 2),
    ("verify", 2),
    ("audit", 2),
    ("conform missing", 2),
    ("conform-store nowhere://probes", 2),
    ("inspect", 2),
    ("repair --dry-run", 2),
    ("backup copy", 2),
    ("restore copy", 2),
    ("bench --dir missing", 2),
    ("contract show missing.toml", 2),
    ("contract check missing.toml", 2),
    ("policy set missing.toml", 2),
    ("policy show", 2),
    ("key new '' --out missing", 2),
    ("key show missing.pub", 2),
    ("checkpoint --key missing.key", 2),
    ("prove --seq 1", 2),
    ("check-proof missing --checkpoint missing.note --key missing.pub", 2),
    ("witness missing.note --state state --log-key missing.pub --key missing.key", 2),
    ("evidence R", 2),
    ("report --out report.html", 2),
    ("top", 2),
    ("check-evidence missing.html --key missing.pub", 2),
    ("man /dev/null/pages", 2),
    ("demo", 2),
];

/// Commands that cannot fail except by their arguments and by what becomes of their answer.
const CANNOT_FAIL: [&str; 3] = ["completions", "version", "contract list"];

/// The only line on stderr: an object with the members of errors, and no others.
#[track_caller]
fn object(done: &Done) -> Value {
    let lines: Vec<&str> = done.err.lines().collect();
    assert_eq!(lines.len(), 1, "{done:?}");
    let object: Value = serde_json::from_str(lines[0]).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    let members: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = vec!["error", "where", "expected", "found", "details", "hints", "exit_code"];
    expected.sort_unstable();
    assert_eq!(members, expected, "{done:?}");
    assert_eq!(object["exit_code"], done.code, "{done:?}");
    let message = object["error"].as_str().unwrap();
    assert!(!message.is_empty() && !message.starts_with("error:"), "{done:?}");
    for list in ["details", "hints"] {
        assert!(object[list].as_array().unwrap().iter().all(Value::is_string), "{done:?}");
    }
    object
}

#[test]
fn every_command_shows_wrong_usage_as_one_object() {
    let room = Room::new();
    for words in every_command(&room) {
        let mut typed: Vec<&str> = words.iter().map(String::as_str).collect();
        typed.extend(["--json", "--no-such-option"]);
        let done = room.ends(2, &typed);
        assert!(done.out.is_empty(), "{done:?}");
        assert_eq!(object(&done)["where"], "--no-such-option", "{done:?}");
    }
}

#[test]
fn every_command_shows_its_own_errors_as_one_object() {
    let room = Room::new();
    for (typed, code) in FAILING {
        let words: Vec<&str> = typed.split(' ').map(|word| word.trim_matches('\'')).collect();
        let mut command = room.command(&[words.as_slice(), &["--json"]].concat());
        // Where `demo` would make its log.
        command.env("TMPDIR", room.path("missing"));
        let done: Done = command.output().unwrap().into();
        assert_eq!(done.code, code, "{typed}: {done:?}");
        assert!(done.out.is_empty(), "{typed}: {done:?}");
        object(&done);
    }
    for words in every_command(&room) {
        let name = words.join(" ");
        let is_in = |known: &str| known == name || known.starts_with(&format!("{name} "));
        let is_tried = FAILING.iter().any(|(typed, _)| is_in(typed)) || CANNOT_FAIL.contains(&name.as_str());
        assert!(name.is_empty() || is_tried, "`{name}` has no error here");
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error_of_every_command() {
    let room = Room::new();
    for command in ["completions bash", "version", "contract list", "man"] {
        let typed: Vec<&str> = command.split(' ').chain(["--json"]).collect();
        let done: Done = room.command(&typed).stdout(File::create("/dev/full").unwrap()).output().unwrap().into();
        assert!(object(&done)["error"].as_str().unwrap().starts_with("could not write to stdout: "), "{done:?}");
    }
    // Two errors of one command are one object.
    let room = Room::with_batch();
    std::fs::write(room.path("evlog/HEAD"), "").unwrap();
    let full = File::create("/dev/full").unwrap();
    let done: Done = room.command(&["show", "NONE", "--json"]).stdout(full).output().unwrap().into();
    assert_eq!((done.code, object(&done)["exit_code"].as_i64()), (1, Some(1)));
}

#[test]
fn the_members_hold_what_is_known_apart() {
    let room = Room::with_batch();
    let value = object(&room.ends(2, &["runs", "--json", "--at", "99"]));
    assert_eq!(value["where"], "--at 99", "{value}");
    assert_eq!(value["expected"], "the seq of a committed event", "{value}");
    let value = object(&room.ends(2, &["runs", "--json", "--last", "three"]));
    assert_eq!((&value["where"], &value["found"]), (&json!("--last <N>"), &json!("three")), "{value}");
    assert_eq!(
        value["error"], "invalid value 'three' for '--last <N>': expected a whole number, such as 12",
        "{value}"
    );
    let value = object(&room.ends(2, &["completions", "--json", "bsh"]));
    let shells = json!("one of `bash`, `elvish`, `fish`, `powershell`, `zsh`");
    assert_eq!((&value["where"], &value["expected"], &value["found"]), (&json!("<SHELL>"), &shells, &json!("bsh")));
    assert_eq!(value["hints"][0], "a similar value exists: 'bash'", "{value}");
    let value = object(&room.ends(2, &["--json"]));
    assert_eq!((&value["where"], &value["found"]), (&json!("evlog"), &json!("none")), "{value}");
    assert!(value["expected"].as_str().unwrap().starts_with("one of `init`, `run`, "), "{value}");
    let value = object(&room.ends(1, &["show", "RUN_001", "--json"]));
    assert_eq!(
        (&value["error"], &value["hints"][0]),
        (&json!("no run `RUN_001` in log `./evlog`"), &json!("did you mean `RUN_0001`?"))
    );
    // Damage: the file and the position, what should be there and what is.
    let segment = room.segments().remove(0);
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let value = object(&room.ends(2, &["show", "RUN_0001", "--json"]));
    let place = value["where"].as_str().unwrap();
    assert!(place.contains(" in `./evlog/segments/") && place.starts_with("position "), "{value}");
    assert!(value["expected"].is_string() && value["found"].is_string(), "{value}");
}

#[test]
fn the_documented_error_is_what_a_command_says() {
    let shown = Room::new().ends(2, &["runs", "--json"]).err;
    let page = include_str!("../../../../docs/json.md");
    assert!(page.contains(&format!("```json\n{shown}```\n")), "docs/json.md does not show {shown}");
}

#[test]
fn a_format_of_json_means_errors_as_well_and_text_stays_text() {
    let room = Room::new();
    for typed in [&["verify", "--format", "json"][..], &["verify", "--format=json"], &["verify", "--json=1"]] {
        object(&room.ends(2, typed));
    }
    for typed in [&["verify"][..], &["verify", "--format", "junit"], &["verify", "--json", "--format", "sarif"]] {
        let done = room.ends(2, typed);
        assert_eq!(done.err.starts_with("error: "), !typed.contains(&"--json"), "{done:?}");
    }
    // What follows `--` is no option.
    room.ends(2, &["show", "--", "--json"]).says("error: no log");
}
