//! `evlog submit`: result lines, exit codes, what does not stop it, and `init`.

use crate::support::{BATCH, Done, Room};
use evlog_format::{Durability, Kind};
use evlog_store::{Append, AppendEvent, Causation, Owner, StdFs, Writer};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Command;
use std::sync::Arc;

#[test]
fn each_line_has_a_result_line_of_the_promised_shape() {
    let room = Room::new();
    let done = room.feed(&["submit"], BATCH);
    let lines: Vec<&str> = done.out.lines().collect();
    assert_eq!(lines.len(), 10, "{done:?}");
    // The log's own events come first: created, opened.
    assert_eq!(
        lines[0],
        r#"{"line":1,"result":"accepted","run":"RUN_0001","status":"created","events":[{"seq":2,"kind":"status.created"}]}"#
    );
    assert_eq!(
        lines[1],
        r#"{"line":2,"result":"accepted","run":"RUN_0001","status":"running","events":[{"seq":3,"kind":"status.transitioned"}]}"#
    );
    let results: Vec<Value> = done.lines();
    let words: Vec<&str> = results.iter().map(|line| line["result"].as_str().unwrap()).collect();
    let mut expected = vec!["accepted"; 8];
    expected.extend(["rejected", "duplicate"]);
    assert_eq!(words, expected, "{done:?}");
    assert_eq!(results[8]["status"], "failed");
    assert_eq!(results[8]["events"][0]["kind"], "status.rejected");
    assert_eq!(results[8]["events"][1]["kind"], "status.forced_failed");
    assert_eq!(results[8]["error"]["code"], "INVALID_STATE_TRANSITION");
    assert!(
        lines[8].starts_with(r#"{"line":9,"result":"rejected","run":"RUN_0002","status":"failed","events":[{"seq":"#)
    );
    let first = |key: &str| results[0][key].clone();
    assert_eq!(
        results[9],
        json!({"line": 10, "result": "duplicate", "run": "RUN_0001", "status": first("status"), "events": first("events")})
    );
    assert_eq!(done.code, 1);
    done.says("8 accepted, 1 duplicate, 1 rejected");
}

#[test]
fn the_exit_code_is_that_of_the_worst_line() {
    let create = r#"{"contract":"status","run":"A","do":"create"}"#;
    let undefined = r#"{"contract":"status","run":"A","do":"transition","to":"success"}"#;
    let again = create;
    let cases = [
        ("", 0),
        (create, 0),
        (&format!("{create}\n{undefined}"), 1),
        (&format!("{create}\n{again}"), 1),
        (&format!("{{\n{create}"), 2),
        (&format!("{create}\n{undefined}\n[]"), 2),
    ];
    for (input, code) in cases {
        let done = Room::new().feed(&["submit"], input);
        assert_eq!(done.code, code, "{input}: {done:?}");
    }
}

#[test]
fn a_malformed_line_does_not_stop_the_others() {
    let room = Room::new();
    let mut input = String::new();
    for line in 1..=1000 {
        let good =
            format!(r#"{{"contract":"custom","run":"r-{}","do":"record","kind":"custom/n","data":{line}}}"#, line % 10);
        input.push_str(if line == 7 { r#"{"contract":"custom","run":"r-7","do":}"# } else { &good });
        input.push('\n');
    }
    room.write("commands.jsonl", &input);
    let done = room.ends(2, &["submit", "commands.jsonl"]);
    let lines = done.lines();
    assert_eq!(lines.len(), 1000);
    for (number, line) in (1..).zip(&lines) {
        assert_eq!(line["line"], number);
        assert_eq!(line["result"], if number == 7 { "malformed" } else { "accepted" });
    }
    assert_eq!(lines[6]["error"]["code"], "MALFORMED");
    let keys: Vec<&String> = lines[6].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["error", "line", "result"], "nothing is claimed of a run that was not understood");
    assert_eq!(room.ends(0, &["runs", "--json"]).lines().len(), 10);
}

#[test]
fn what_is_wrong_in_a_line_is_named_by_its_place() {
    let cases = [
        (r#"{"contract":"status","run":"A","do":"create","colour":"red"}"#, "colour"),
        (r#"{"contract":"story-book","run":"A","do":"create"}"#, "expected one of"),
        (r#"{"contract":"status","run":"../A","do":"create"}"#, "run id"),
    ];
    for (line, message) in cases {
        let done = Room::new().feed(&["submit"], line);
        assert_eq!(done.code, 2, "{done:?}");
        let error = &done.lines()[0]["error"];
        assert!(error.to_string().contains(message), "{line}: {error}");
    }
    let done = Room::new().feed(&["submit"], r#"{"contract":"status","run":7,"do":"create"}"#);
    assert_eq!(done.lines()[0]["error"]["pointer"], "/run");
}

#[test]
fn malformed_input_alone_makes_no_log() {
    let room = Room::new();
    assert_eq!(room.feed(&["submit"], "no\n").code, 2);
    assert_eq!(room.feed(&["submit"], "").code, 0);
    assert!(!room.path("evlog").exists());
}

#[test]
fn a_result_comes_while_the_input_is_still_open() {
    let room = Room::new();
    let mut child = room.spawn(&["submit"]);
    let mut stdin = child.stdin.take().unwrap();
    let mut results = BufReader::new(child.stdout.take().unwrap()).lines();
    for to in 1..=3 {
        writeln!(stdin, r#"{{"contract":"custom","run":"r","do":"record","kind":"custom/n","data":{to}}}"#).unwrap();
        let line = results.next().unwrap().unwrap();
        assert!(line.starts_with(&format!(r#"{{"line":{to},"result":"accepted""#)), "{line}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_of_results_that_goes_away_stops_no_recording() {
    let room = Room::new();
    let mut child = room.spawn(&["submit"]);
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let line = r#"{"contract":"custom","run":"r","do":"record","kind":"custom/n"}"#;
    for _ in 0..2000 {
        writeln!(stdin, "{line}").unwrap();
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(room.ends(0, &["cat", "--run", "r"]).out.lines().count(), 2000);
    room.ends(0, &["verify"]);
}

#[test]
fn a_file_that_is_not_there_is_refused_before_a_log_is_made() {
    let room = Room::new();
    room.ends(2, &["submit", "nothing.jsonl"]).says("could not read `nothing.jsonl`");
    room.ends(2, &["submit", "."]).says("could not read `.`");
    assert!(!room.path("evlog").exists());
}

#[test]
fn no_create_makes_no_log() {
    let room = Room::new();
    let line = r#"{"contract":"status","run":"A","do":"create"}"#;
    assert_eq!(room.feed(&["submit", "--no-create"], line).says("`evlog init` makes one").code, 2);
    assert!(!room.path("evlog").exists());
    room.ends(0, &["init"]);
    assert_eq!(room.feed(&["submit", "--no-create"], line).code, 0);
}

#[test]
fn init_makes_a_log_once() {
    let room = Room::new();
    let made = room.ends(0, &["init", "--segment-limit", "4096", "--json"]).json();
    assert_eq!(made["segment_limit"], 4096);
    let events = room.ends(0, &["cat", "--json"]).lines();
    assert_eq!(events[0]["kind"], "log.created");
    assert_eq!(events[0]["payload"]["segment_limit"], 4096);
    assert_eq!(made["log_id"], room.ends(0, &["verify", "--json"]).json()["log_id"]);
    room.ends(2, &["init"]).says("there is a log in `./evlog` already; nothing was changed");
    room.ends(2, &["init", "--segment-limit", "1"]).says("a whole number from 1024 to 1073741824");
}

/// A file-size limit stands in for a full disk: the write that passes it fails.
#[test]
fn a_log_that_cannot_be_written_stops_submit_and_says_which_lines_are_in_doubt() {
    let room = Room::new();
    let line = r#"{"contract":"custom","run":"r","do":"record","kind":"custom/n"}"#;
    room.write("commands.jsonl", &vec![line; 5000].join("\n"));
    let script = format!(r#"trap "" XFSZ; ulimit -f 256; '{}' submit commands.jsonl"#, env!("CARGO_BIN_EXE_evlog"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(room.path("")).env_remove("EVLOG_LOG");
    let done = Done::from(shell.output().unwrap());
    assert_eq!(done.code, 2, "{done:?}");
    let answered = done.out.lines().count();
    assert!(answered < 5000);
    done.says(&format!("line {}", answered + 1)).says("may have been recorded").says("later lines were not");

    assert_eq!(room.feed(&["submit"], line).code, 0, "the next session goes on");
    room.ends(0, &["verify"]);
    let kept = room.ends(0, &["cat", "--run", "r"]).out.lines().count();
    assert!(kept > answered, "{kept} events kept, {answered} answered");
}

/// Somebody who may write the log appends an event that evlog would not.
pub(crate) fn append(room: &Room, stream: &str, kind: Kind<'_>, payload: &[u8]) {
    let owner = Owner { program: "somebody".to_owned() };
    let (writer, _) = Writer::open(Arc::new(StdFs), &room.path("evlog"), &owner).unwrap();
    let event = AppendEvent { stream, kind, kind_version: 1, causation: Causation::None, payload };
    writer.commit(&Append::new(0, Durability::Sync, "somebody", &[event])).unwrap();
}

#[test]
fn an_event_of_the_log_itself_that_cannot_be_read_is_found_whatever_contract_its_kind_is_of() {
    // F-39: `$log` has the log's own events, and the refusals and rejections that belong to no run.
    for kind in [1, 6, 100, 101, 102, 104, 203, 301, 307, 400, 402, 404] {
        let room = Room::with_batch();
        append(&room, "$log", Kind::BuiltIn(kind), b"\x00garbage");
        let found = room.ends(1, &["verify", "--json"]).json();
        assert_eq!(found["contract_findings"].as_array().unwrap().len(), 1, "{kind}: {found}");
    }
    // A kind of a later version may be anything.
    let room = Room::with_batch();
    append(&room, "$log", Kind::BuiltIn(60_000), b"\x00garbage");
    room.ends(0, &["verify"]);
}

#[test]
fn a_run_that_cannot_be_read_silences_no_command_behind_it() {
    let room = Room::with_batch();
    append(&room, "spoilt", Kind::Custom("custom/x"), b"{ }");
    let line =
        |run: &str| format!("{{\"contract\":\"custom\",\"run\":\"{run}\",\"do\":\"record\",\"kind\":\"custom/x\"}}\n");
    let done = room.feed(&["submit"], &[line("a"), line("spoilt"), line("b")].concat());
    let lines = done.lines();
    let results: Vec<&str> = lines.iter().map(|line| line["result"].as_str().unwrap()).collect();
    assert_eq!((done.code, results), (1, vec!["accepted", "refused", "accepted"]));
    assert_eq!(lines[1]["error"]["code"], "RUN_UNREADABLE");
}

#[test]
fn commands_to_runs_that_do_not_exist_may_share_a_key_and_the_same_one_twice_is_a_duplicate() {
    // F-36: they share a stream, and a key has one content there.
    let command = |contract: &str, run: &str, action: &str| {
        format!(
            "{{\"contract\":\"{contract}\",\"run\":\"{run}\",\"do\":\"{action}\",\"to\":\"running\",\"id\":\"k1\"}}\n"
        )
        .replace("\"do\":\"finalize\",\"to\":\"running\"", "\"do\":\"finalize\"")
    };
    let results = |done: &Done| -> Vec<String> {
        done.lines().iter().map(|line| line["result"].as_str().unwrap().to_owned()).collect()
    };
    for (contract, action) in
        [("status", "transition"), ("machine", "transition"), ("pipeline", "finalize"), ("story", "transition")]
    {
        let room = Room::new();
        let first = command(contract, "nosuch1", action);
        let input = [first.clone(), command(contract, "nosuch2", action), first.clone()].concat();
        let found = results(&room.feed(&["submit"], &input));
        room.ends(0, &["verify"]);
        // Also in another session, which reads the keys from the log.
        let again = results(&room.feed(&["submit"], &first));
        if contract == "story" {
            // The command is not recorded.
            assert_eq!((found, again), (vec!["refused".to_owned(); 3], vec!["refused".to_owned()]));
        } else {
            assert_eq!(found[0], found[1], "{contract}");
            assert_eq!((found[2].as_str(), again[0].as_str()), ("duplicate", "duplicate"), "{contract}");
        }
        room.ends(0, &["verify"]);
    }
}

#[test]
fn inspect_finds_wrong_what_no_writer_makes() {
    for (stream, payload, rule) in [("a", &b"{ }"[..], "F-39"), ("../x", b"{}", "F-33")] {
        let room = Room::with_batch();
        let end = room.ends(0, &["verify", "--json"]).json()["end"].to_string();
        append(&room, stream, Kind::Custom("custom/x"), payload);
        for way in [["--segment", "0"], ["--frame", &end]] {
            let lines = room.ends(1, &[&["inspect", "--json"], &way[..]].concat()).lines();
            let wrong: Vec<&str> = lines.iter().filter_map(|line| line["wrong"].as_str()).collect();
            assert!(wrong.len() == 1 && wrong[0].contains(rule), "{way:?}: {wrong:?}");
        }
    }
}

/// If a stream has events in several segments, one file is open at a time.
#[test]
fn twelve_descriptors_are_enough_for_a_log_of_many_segments() {
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    let line = |run: &str, n: usize| {
        format!(r#"{{"contract":"custom","run":"{run}","do":"record","kind":"custom/x","data":{n}}}"#) + "\n"
    };
    for session in 0..3 {
        room.feed(&["submit"], &(0..60).map(|n| line(&format!("r{}", n % 3), n + session)).collect::<String>());
    }
    let few = |arguments: &str, input: String| {
        fs::write(room.path("in.jsonl"), input).unwrap();
        // What the program that runs the tests left open does not count.
        let script =
            format!("for fd in {{3..11}}; do eval \"exec $fd>&-\"; done; ulimit -n 12; exec \"$0\" {arguments}");
        let mut shell = Command::new("bash");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_evlog")]).current_dir(room.path("."));
        let done = shell.output().unwrap();
        assert!(done.status.success(), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
    };
    few("submit in.jsonl", line("r1", 0));
    few("submit in.jsonl", line("new", 0));
    for reading in ["verify", "cat", "cat --run r1", "tail", "runs", "show r1", "replay", "inspect"] {
        few(reading, String::new());
    }
}

#[test]
fn lines_that_were_not_appended_are_not_said_to_be_perhaps_recorded() {
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    let line =
        "{\"contract\":\"custom\",\"run\":\"r\",\"do\":\"record\",\"kind\":\"custom/n\",\"data\":\"0123456789\"}\n";
    let mut child = room.spawn(&["submit"]);
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(line.as_bytes()).unwrap();
    answers.read_line(&mut String::new()).unwrap();
    // Every name that the next segment could have is taken.
    let taken: Vec<_> = (200..2048).map(|at| room.path("evlog/segments").join(format!("{at:020}.seg"))).collect();
    for path in &taken {
        fs::create_dir(path).unwrap();
    }
    stdin.write_all(line.repeat(40).as_bytes()).unwrap();
    drop(stdin);
    let mut out = String::new();
    answers.read_to_string(&mut out).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    for path in &taken {
        fs::remove_dir(path).unwrap();
    }
    let recorded = room.ends(0, &["cat", "--run", "r"]).out.lines().count();
    let answered = 1 + out.lines().filter(|line| line.contains("accepted")).count();
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(recorded >= answered && answered < 41, "{recorded} {answered} {said}");
    assert_eq!(said.contains("may have been recorded"), !said.contains("was not appended"), "{said}");
}

/// The block of JSON lines below a heading.
fn examples_below<'p>(page: &'p str, heading: &str) -> &'p str {
    let (_, rest) = page.split_once(heading).unwrap();
    rest.split_once("```json\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0
}

#[test]
fn the_examples_of_each_contract_on_the_page_about_commands_are_accepted_by_a_new_log() {
    let page = include_str!("../../../../docs/submit.md");
    let order = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples/contracts/order.toml");
    let headings: Vec<&str> = page.lines().filter(|line| line.starts_with("## Contract ")).collect();
    assert_eq!(headings.len(), 5);
    for heading in headings {
        let examples = examples_below(page, heading);
        let done = Room::new().feed(&["submit", "--contract", order], examples);
        assert_eq!(done.code, 0, "{heading}: {done:?}");
        assert_eq!(done.out.lines().count(), examples.lines().count());
        assert!(done.lines().iter().all(|line| line["result"] == "accepted"), "{heading}: {done:?}");
    }
}
