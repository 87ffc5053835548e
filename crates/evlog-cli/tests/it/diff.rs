//! `evlog diff`: what changed in runs between two points, and between two logs or a log and bundles.

use crate::submit::append;
use crate::support::Room;
use evlog_format::Kind;
use serde_json::{Value, json};
use std::fs;

fn places(line: &Value) -> Vec<(&str, &str)> {
    let files = line["files"].as_array().unwrap().iter();
    files.map(|file| (file["path"].as_str().unwrap(), file["change"].as_str().unwrap())).collect()
}

fn file<'l>(line: &'l Value, path: &str) -> &'l Value {
    line["files"].as_array().unwrap().iter().find(|file| file["path"] == path).unwrap()
}

#[test]
fn between_two_points_each_run_that_changed_is_shown_with_a_patch_of_each_file() {
    let room = Room::with_batch();
    let lines = room.ends(1, &["diff", "3", "4", "--json"]).lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["run"], &lines[0]["change"]), (&json!("RUN_0001"), &json!("changed")));
    let run = file(&lines[0], "run.json");
    let status = json!({"op": "replace", "path": "/status", "value": "failed"});
    assert!(run["patch"].as_array().unwrap().contains(&status), "{run}");
    assert!(run["differences"].as_array().unwrap().contains(&json!("~ /status: \"running\" → \"failed\"")), "{run}");
    // One more line in the audit, and nothing else there.
    let audit = file(&lines[0], "audit_events.jsonl")["patch"].as_array().unwrap().clone();
    assert_eq!((audit.len(), &audit[0]["op"], &audit[0]["path"]), (1, &json!("add"), &json!("/2")));
    // Back again is the other patch.
    let back = room.ends(1, &["diff", "4", "3", "RUN_0001", "--json"]).lines();
    let audit = &file(&back[0], "audit_events.jsonl")["patch"];
    assert_eq!(*audit, json!([{"op": "remove", "path": "/2"}]));
    let text = room.ends(1, &["diff", "3", "4"]).out;
    assert!(text.starts_with("RUN_0001  changed\n"), "{text}");
    assert!(
        text.contains("\n  run.json  changed\n") && text.contains("    ~ /status: \"running\" → \"failed\"\n"),
        "{text}"
    );
}

#[test]
fn a_run_that_begins_in_between_is_added_with_all_of_its_files() {
    let room = Room::with_batch();
    let lines = room.ends(1, &["diff", "1", "now", "RUN_0001", "--json"]).lines();
    assert_eq!(lines[0]["change"], "added");
    assert!(places(&lines[0]).iter().all(|(_, change)| *change == "added"), "{lines:?}");
    let shown = room.ends(0, &["show", "RUN_0001", "--json"]).json();
    assert_eq!(file(&lines[0], "run.json")["patch"], json!([{"op": "add", "path": "", "value": shown}]));
    let lines = room.ends(1, &["diff", "now", "1", "RUN_0001", "--json"]).lines();
    assert_eq!((&lines[0]["change"], &file(&lines[0], "run.json")["patch"]), (&json!("removed"), &Value::Null));
    assert_eq!(room.ends(1, &["diff", "0", "now", "--json"]).lines().len(), 4);
}

#[test]
fn without_a_difference_the_exit_code_is_0_and_what_cannot_be_compared_is_2() {
    let room = Room::with_batch();
    assert_eq!(room.ends(0, &["diff", "4", "4"]).out, "");
    assert_eq!(room.ends(0, &["diff", "4", "4", "RUN_0001", "--json"]).out, "");
    room.ends(2, &["diff", "3", "4", "nobody"]).says("no run `nobody`");
    room.ends(2, &["diff", "3", "4000"]).says("B 4000: expected the seq of a committed event, found a later one");
    room.ends(2, &["diff", "tomorrow", "4"]).says("A: expected a time such as");
    for usage in [&["diff"][..], &["diff", "3"], &["diff", "3", "4", "--at", "2"], &["diff", "a", "b", "--other", "x"]]
    {
        room.ends(2, usage).says("diff");
    }
    room.ends(2, &["diff", "--other", "nowhere"]).says("--other nowhere: expected a log, or a directory");
}

#[test]
fn another_log_and_bundles_are_compared_with_the_log_at_the_same_point() {
    let room = Room::with_batch();
    room.ends(0, &["backup", "copy"]);
    room.ends(0, &["project", "--out", "then", "--no-record", "--at", "4"]);
    room.ends(0, &["diff", "--other", "copy"]);
    room.ends(0, &["diff", "--other", "then", "--at", "4"]);
    // The bundles are of an earlier state.
    let runs: Vec<Value> = room.ends(1, &["diff", "--other", "then", "--json"]).lines();
    assert!(runs.iter().any(|line| line["run"] == "order-7" && line["change"] == "removed"), "{runs:?}");
    // One file was changed by hand, one was removed.
    let path = room.path("then/runs/RUN_0001/run.json");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("failed", "success")).unwrap();
    fs::remove_file(room.path("then/runs/RUN_0001/manifest.json")).unwrap();
    let lines = room.ends(1, &["diff", "--other", "then", "--at", "4", "--json"]).lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(places(&lines[0]), [("manifest.json", "removed"), ("run.json", "changed")]);
    let status = json!([{"op": "replace", "path": "/status", "value": "success"}]);
    assert_eq!(file(&lines[0], "run.json")["patch"], status);
    fs::write(&path, "no json").unwrap();
    let lines = room.ends(1, &["diff", "--other", "then", "RUN_0001", "--at", "4", "--json"]).lines();
    let run = file(&lines[0], "run.json");
    assert_eq!(run["patch"], Value::Null);
    assert!(run["differences"][0].as_str().unwrap().contains("not JSON"), "{run}");
    // The copy gets one more event: only its run differs.
    let line = r#"{"contract":"custom","run":"order-7","do":"record","kind":"custom/paid"}"#;
    assert_eq!(room.feed(&["submit", "--log", "copy"], line).code, 0);
    let lines = room.ends(1, &["diff", "--other", "copy", "--json"]).lines();
    assert_eq!((lines.len(), &lines[0]["run"]), (1, &json!("order-7")));
}

#[test]
fn a_run_that_cannot_be_folded_is_named_and_the_others_are_compared() {
    let room = Room::with_batch();
    append(&room, "RUN_0001", Kind::Custom("custom/x"), b"{}");
    let done = room.ends(2, &["diff", "1", "now", "--json"]);
    let runs: Vec<Value> = done.lines().iter().map(|line| line["run"].clone()).collect();
    assert_eq!(runs, ["11111111-1111-4111-8111-111111111111", "RUN_0002", "order-7"], "{done:?}");
    done.says("of run `RUN_0001`").says("3 runs differ");
}

#[test]
fn what_is_no_file_in_the_place_of_one_differs_and_the_others_are_compared() {
    let room = Room::with_batch();
    room.ends(0, &["project", "--out", "then", "--no-record"]);
    let (run, manifest) = (room.path("then/runs/RUN_0001/run.json"), room.path("then/runs/RUN_0001/manifest.json"));
    fs::remove_file(&run).unwrap();
    std::os::unix::fs::symlink("manifest.json", &run).unwrap();
    fs::remove_file(&manifest).unwrap();
    fs::create_dir(&manifest).unwrap();
    fs::remove_file(room.path("then/runs/RUN_0002/run.json")).unwrap();
    let lines = room.ends(1, &["diff", "--other", "then", "--json"]).lines();
    assert_eq!(places(&lines[0]), [("manifest.json", "changed"), ("run.json", "changed")]);
    assert_eq!(places(&lines[1]), [("run.json", "removed")]);
    let said = |path: &str| (&file(&lines[0], path)["patch"], &file(&lines[0], path)["differences"]);
    assert_eq!(said("run.json"), (&Value::Null, &json!(["~ expected a file, found a symbolic link"])));
    assert_eq!(said("manifest.json"), (&Value::Null, &json!(["~ expected a file, found a directory"])));
}
