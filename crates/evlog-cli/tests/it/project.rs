//! `evlog project`: bundles written, recorded, and compared byte for byte.

use crate::support::{Room, files_below};
use evlog_format::{Durability, Kind};
use evlog_store::{Append, AppendEvent, Causation, Owner, StdFs, Writer};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::process::Child;
use std::sync::Arc;

fn findings(room: &Room, code: i32) -> Vec<Value> {
    let done = room.ends(code, &["project", "--check", ".", "--json"]);
    done.json()["findings"].as_array().unwrap().clone()
}

#[test]
fn what_was_written_is_the_same_and_is_not_written_twice() {
    let room = Room::with_batch();
    let first = room.ends(0, &["project", "--out", ".", "--json"]).lines();
    assert_eq!(first.len(), 4);
    assert!(first.iter().all(|run| run["recorded"] == true && run["files"][0]["written"] == true));
    let files = files_below(&room.path("runs"));
    let times: Vec<_> = files.iter().map(|path| fs::metadata(path).unwrap().modified().unwrap()).collect();
    assert_eq!(findings(&room, 0), [] as [Value; 0]);

    let events = room.ends(0, &["verify", "--json"]).json()["events"].clone();
    let second = room.ends(0, &["project", "--out", ".", "--json"]).lines();
    assert!(second.iter().all(|run| run["recorded"] == false && run["files"][0]["written"] == false));
    assert_eq!(files_below(&room.path("runs")), files, "and no temporary file is left");
    let later: Vec<_> = files.iter().map(|path| fs::metadata(path).unwrap().modified().unwrap()).collect();
    assert_eq!(later, times);
    assert_eq!(
        room.ends(0, &["verify", "--json"]).json()["events"],
        events,
        "a session that appends nothing leaves no trace"
    );
}

#[test]
fn one_changed_byte_in_any_projected_file_is_found() {
    let room = Room::with_batch();
    room.ends(0, &["project", "--out", "."]);
    for path in files_below(&room.path("runs")) {
        let good = fs::read(&path).unwrap();
        for at in [0, 1, good.len() / 3, good.len() / 2, good.len() - 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            let found = findings(&room, 1);
            assert_eq!(found.len(), 1, "{} at {at}: {found:?}", path.display());
            let place = format!("runs/{}/{}", found[0]["run"].as_str().unwrap(), found[0]["path"].as_str().unwrap());
            assert_eq!(room.path(&place), path);
            assert_eq!(found[0]["finding"], "different");
        }
        fs::write(&path, &good).unwrap();
    }
    assert_eq!(findings(&room, 0), [] as [Value; 0]);
}

#[test]
fn a_difference_names_file_line_pointer_expected_and_found() {
    let room = Room::with_batch();
    room.ends(0, &["project", "--out", "."]);
    let path = room.path("runs/RUN_0001/run.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(r#""status":"failed""#, r#""status":"success""#)).unwrap();
    let found = findings(&room, 1);
    let expected = json!([{
        "finding": "different", "run": "RUN_0001", "path": "run.json", "line": null, "pointer": "/status",
        "expected": "\"failed\"", "found": "\"success\"", "projection": {"name": "status.run", "version": 1},
        "state_after": null, "set_by": 4,
    }]);
    assert_eq!(Value::from(found), expected);
    let people = room.ends(1, &["project", "--check", "."]).out;
    let expected = "runs/RUN_0001/run.json (status.run version 1), at /status: expected \"failed\", found \"success\"; seq 4 set what was expected";
    assert!(people.contains(expected), "{people}");
    fs::write(&path, text).unwrap();

    let path = room.path("runs/RUN_0001/audit_events.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.remove(1);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let found = &findings(&room, 1)[0];
    assert_eq!((&found["path"], &found["line"]), (&json!("audit_events.jsonl"), &json!(2)));
}

#[test]
fn missing_unexpected_and_unknown_are_found() {
    let room = Room::with_batch();
    room.ends(0, &["project", "--out", "."]);
    let words = |found: Vec<Value>| -> Vec<(String, String, Value)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        found.iter().map(|one| (text(&one["finding"]), text(&one["run"]), one["path"].clone())).collect()
    };
    let case = |finding: &str, run: &str, path: Value| vec![(finding.to_owned(), run.to_owned(), path)];

    let path = room.path("runs/order-7/run.json");
    let good = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(words(findings(&room, 1)), case("missing", "order-7", json!("run.json")));
    // A link to the very same bytes is not the file.
    fs::write(room.path("elsewhere.json"), &good).unwrap();
    std::os::unix::fs::symlink(room.path("elsewhere.json"), &path).unwrap();
    assert_eq!(words(findings(&room, 1)), case("different", "order-7", json!("run.json")));
    fs::remove_file(&path).unwrap();
    fs::write(&path, &good).unwrap();

    fs::create_dir_all(room.path("runs/order-7/logs/deep")).unwrap();
    room.write("runs/order-7/logs/deep/x.json", "{}");
    assert_eq!(words(findings(&room, 1)), case("unexpected", "order-7", json!("logs/deep/x.json")));
    fs::remove_dir_all(room.path("runs/order-7/logs/deep")).unwrap();

    fs::create_dir(room.path("runs/stranger")).unwrap();
    assert_eq!(words(findings(&room, 1)), case("unknown_run", "stranger", Value::Null));
    room.ends(0, &["project", "--check", ".", "--run", "order-7"]);
    fs::remove_dir(room.path("runs/stranger")).unwrap();
    assert_eq!(findings(&room, 0), [] as [Value; 0]);
}

#[test]
fn a_check_never_writes_and_says_where_bundles_should_be() {
    let room = Room::with_batch();
    room.ends(2, &["project", "--check", "."]).says("no directory `./runs`").says("hint: ");
    fs::create_dir(room.path("runs")).unwrap();
    assert!(findings(&room, 1).iter().all(|one| one["finding"] == "missing"));
    assert_eq!(fs::read_dir(room.path("runs")).unwrap().count(), 0);
}

#[test]
fn bundles_can_be_written_as_of_an_earlier_event_and_replay_agrees_with_all_of_them() {
    let room = Room::with_batch();
    room.ends(0, &["project", "--out", "earlier", "--at", "3"]);
    let state: Value = serde_json::from_slice(&fs::read(room.path("earlier/runs/RUN_0001/run.json")).unwrap()).unwrap();
    assert_eq!(state["status"], "running");
    assert!(!room.path("earlier/runs/RUN_0002").exists());
    room.ends(0, &["project", "--check", "earlier", "--at", "3"]);
    room.ends(1, &["project", "--check", "earlier"]);
    room.ends(0, &["project", "--out", "now"]);
    assert_eq!(room.ends(0, &["replay", "--json"]).json()["agrees"], true);
}

#[test]
fn nothing_is_written_through_a_link() {
    let room = Room::with_batch();
    fs::create_dir_all(room.path("elsewhere")).unwrap();
    fs::create_dir_all(room.path("runs/order-7")).unwrap();
    std::os::unix::fs::symlink(room.path("elsewhere"), room.path("runs/order-7/logs")).unwrap();
    room.ends(2, &["project", "--out", "."]).says("`./runs/order-7/logs`: expected a directory, found a symbolic link");
    assert_eq!(fs::read_dir(room.path("elsewhere")).unwrap().count(), 0);
}

#[test]
fn what_is_in_the_way_of_a_run_is_reported_and_all_other_runs_are_written_and_recorded() {
    let room = Room::with_batch();
    // A file in the place of a run, and a directory in the place of a file.
    fs::create_dir_all(room.path("runs/order-7/run.json")).unwrap();
    room.write("runs/RUN_0001", "in the way");
    let in_the_way = [
        "run `RUN_0001`: could not make `./runs/RUN_0001`: expected a directory, found a file",
        "run `order-7`: could not replace `./runs/order-7/run.json`",
    ];
    let done = room.ends(2, &["project", "--out", ".", "--no-record"]);
    for text in in_the_way {
        done.says(&format!("finding: {text}"));
    }
    let done = room.ends(2, &["project", "--out", ".", "--json"]);
    done.says("could not write the files of 2 of 4 runs");
    let (blocked, written): (Vec<_>, Vec<_>) = done.lines().into_iter().partition(|line| line["error"].is_string());
    assert_eq!((blocked.len(), written.len()), (2, 2));
    assert_eq!((&blocked[0]["run"], &blocked[1]["run"]), (&json!("RUN_0001"), &json!("order-7")));
    for (line, text) in blocked.iter().zip(in_the_way) {
        assert!(line["error"].as_str().unwrap().starts_with(text), "{line}");
    }
    assert!(written.iter().all(|line| line["recorded"] == true));
    assert_eq!(fs::read(room.path("runs/RUN_0001")).unwrap(), b"in the way");
    assert_eq!(drafts(&room, "."), [] as [String; 0]);

    fs::remove_file(room.path("runs/RUN_0001")).unwrap();
    fs::remove_dir(room.path("runs/order-7/run.json")).unwrap();
    let recorded: Vec<_> = room.ends(0, &["project", "--out", ".", "--json"]).lines();
    let recorded: Vec<_> = recorded.iter().filter(|line| line["recorded"] == true).map(|line| &line["run"]).collect();
    assert_eq!(recorded, ["RUN_0001", "order-7"]);
    assert_eq!(findings(&room, 0), [] as [Value; 0]);
    room.ends(0, &["replay"]);
}

/// Somebody who may write the log gives a run the name of a path.
fn with_stream(room: &Room, stream: &str) {
    let owner = Owner { program: "somebody".to_owned() };
    let (writer, _) = Writer::open(Arc::new(StdFs), &room.path("evlog"), &owner).unwrap();
    let (kind, causation) = (Kind::Custom("custom/noted"), Causation::None);
    let event = AppendEvent { stream, kind, kind_version: 1, causation, payload: b"{}" };
    writer.commit(&Append::new(0, Durability::Sync, "somebody", &[event])).unwrap();
}

#[test]
fn a_run_whose_name_leads_out_of_the_directory_is_not_written_and_the_log_is_not_clean() {
    let room = Room::with_batch();
    fs::create_dir_all(room.path("a/b/out")).unwrap();
    let before = files_below(&room.path("."));
    with_stream(&room, "../../../../victim");
    let done = room.ends(1, &["project", "--out", "a/b/out", "--no-record"]);
    assert!(done.err.contains("expected a run id"), "{}", done.err);
    let new: Vec<_> = files_below(&room.path(".")).into_iter().filter(|path| !before.contains(path)).collect();
    assert!(!new.is_empty() && new.iter().all(|path| path.starts_with(room.path("./a/b/out/runs"))), "{new:?}");
    let verified = room.ends(1, &["verify", "--json"]).json();
    assert_eq!(verified["verdict"], "tampered");
    assert_eq!(verified["findings"][0]["rule"], "F-33");
    room.ends(2, &["show", "../../../../victim"]);
}

/// Several batches for each writer.
const MANY: usize = 2600;

fn with_many_runs() -> Room {
    let room = Room::new();
    let create = |n: usize| format!(r#"{{"contract":"status","run":"R{n:04}","do":"create"}}"#);
    let creates: Vec<String> = (0..MANY).map(create).collect();
    room.feed(&["submit"], &creates.join("\n"));
    room
}

/// Starts `project`, and signals it after it has written the first bundle and before it has written the last one.
fn signalled_midway(room: &Room, signal: Signal) -> (Child, String) {
    for attempt in 0..50 {
        let out = format!("out-{attempt}");
        let mut project = room.spawn(&["project", "--out", &out, "--no-record"]);
        // Nobody reads the answer, and a full pipe would stop the process.
        drop(project.stdout.take());
        let [first, last] = [0, MANY - 1].map(|n| room.path(&format!("{out}/runs/R{n:04}/run.json")));
        while !first.exists() {
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&project), signal).unwrap();
        if signal == Signal::KILL {
            project.wait().unwrap();
        }
        if !last.exists() {
            return (project, out);
        }
        // The machine was busy, and the process was faster.
        project.kill().unwrap();
        project.wait().unwrap();
    }
    panic!("every process had written everything before it was signalled");
}

#[test]
fn a_run_that_goes_on_while_bundles_are_written_beside_it_is_written_again() {
    let room = with_many_runs();
    let (mut project, out) = signalled_midway(&room, Signal::STOP);
    let moved = r#"{"contract":"status","run":"R0000","do":"transition","to":"running"}"#;
    room.feed(&["submit"], &format!("{moved}\n"));
    kill_process(Pid::from_child(&project), Signal::CONT).unwrap();
    assert!(project.wait().unwrap().success());
    room.ends(0, &["project", "--check", &out]);
}

fn drafts(room: &Room, out: &str) -> Vec<String> {
    let names = fs::read_dir(room.path(out).join("runs")).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).filter(|name| name.starts_with('.')).collect()
}

#[test]
fn what_a_killed_process_has_left_is_judged_by_a_check_and_completed_by_the_next_process() {
    let room = with_many_runs();
    let (_, out) = signalled_midway(&room, Signal::KILL);
    let left = drafts(&room, &out);
    // One for each writer.
    assert_eq!(left.len(), 4, "{left:?}");
    let found = room.ends(1, &["project", "--check", &out, "--json"]).json();
    assert!(found["findings"].as_array().unwrap().iter().all(|one| one["finding"] == "missing"), "{found}");

    // Drafts of a process that lives are left alone.
    let others = room.path(&format!("{out}/runs/.drafts.others"));
    fs::create_dir(&others).unwrap();
    let held = fs::File::open(&others).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    room.ends(0, &["project", "--out", &out]);
    assert_eq!(drafts(&room, &out), [".drafts.others"]);
    room.ends(0, &["project", "--check", &out]);
    drop(held);
    room.ends(0, &["project", "--out", &out]);
    assert_eq!(drafts(&room, &out), [] as [String; 0]);
}
