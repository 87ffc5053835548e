//! What people are told when something is not as they meant it: the file that they named, what was looked for, and the next step.

use crate::support::Room;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A room with a log that is signed by `builds.key`.
fn signed() -> Room {
    let room = Room::with_batch();
    room.ends(0, &["key", "new", "example.com/builds"]);
    room.ends(0, &["checkpoint", "--key", "builds.key"]);
    room
}

#[test]
fn an_error_about_an_output_names_the_file_that_the_person_named_and_no_other() {
    let room = signed();
    for arguments in [
        &["report", "--out", "nowhere/x.html"][..],
        &["evidence", "RUN_0001", "--out", "nowhere/x.html"],
        &["prove", "--seq", "3", "--out", "nowhere/x.proof"],
        &["checkpoint", "--key", "builds.key", "--out", "nowhere/x.note"],
        &["backup", "nowhere/copy"],
        &["key", "new", "a", "--out", "nowhere/a.key"],
    ] {
        let done = room.ends(2, arguments);
        done.says("nowhere/");
        assert!(!done.err.contains(".evlog-") && !done.err.contains("os error"), "{arguments:?}: {done:?}");
    }
}

#[test]
fn an_input_that_is_missing_is_named_with_its_role() {
    let room = signed();
    for (arguments, role) in [
        (&["submit", "none.jsonl"][..], "submit: could not read `none.jsonl`"),
        (&["import", "jsonl", "none.jsonl", "--log", "new"], "import: could not read `none.jsonl`"),
        (&["check-evidence", "none.html", "--key", "builds.pub"], "evidence: could not read `none.html`"),
        (&["conform", "none"], "no bundle at `none`"),
    ] {
        room.ends(2, arguments).says(role);
    }
}

#[test]
fn the_object_of_an_error_has_the_place_and_what_was_expected_and_found() {
    let room = signed();
    for arguments in [
        &["report", "--out", "nowhere/x.html", "--json"][..],
        &["report", "--out", "x.txt", "--json"],
        &["check-evidence", "none.html", "--key", "builds.pub", "--json"],
        &["check-evidence", "builds.pub", "--key", "builds.pub", "--json"],
        &["check-evidence", "builds.pub", "--key", "none.pub", "--json"],
        &["runs", "--at", "soon", "--json"],
    ] {
        let done = room.ends(2, arguments);
        let error: Value = serde_json::from_str(&done.err).unwrap();
        assert!(["where", "expected", "found"].iter().all(|part| error[part].is_string()), "{arguments:?}: {error}");
    }
}

#[test]
fn a_key_of_another_name_is_refused_before_anything_is_recorded_and_once() {
    let room = signed();
    room.ends(0, &["key", "new", "example.com/other"]);
    let before = room.ends(0, &["cat", "--json"]).lines().len();
    let line = r#"{"contract":"custom","run":"c","do":"record","kind":"custom/a"}"#;
    let done = room.feed(&["submit", "--key", "other.key"], line);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done:?}");
    assert_eq!(done.err.matches("the log signs as example.com/builds").count(), 1, "{done:?}");
    let kinds = |room: &Room| room.ends(0, &["cat", "--json"]).lines();
    assert!(kinds(&room)[before..].iter().all(|event| event["stream"] == "$log"), "{:?}", kinds(&room));
}

#[test]
fn every_command_with_a_selection_takes_a_status_in_any_case_and_names_one_that_no_run_has() {
    let room = Room::with_batch();
    for command in ["runs", "cat", "tail", "audit"] {
        room.ends(0, &[command, "--status", "faild"]).says("no run has the status `faild`; did you mean `failed`?");
        let [lower, upper] = ["failed", "FAILED"].map(|status| room.ends(0, &[command, "--status", status, "--json"]));
        assert_eq!(lower.out, upper.out, "{command}");
        assert_eq!(lower.err, upper.err, "{command}");
    }
    assert!(!room.ends(0, &["cat", "--status", "FAILED"]).out.is_empty());
}

#[test]
fn runs_of_a_damaged_log_are_said_to_be_those_before_the_damage() {
    let room = Room::with_batch();
    let segment = room.segments().remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[120] ^= 1;
    fs::write(&segment, bytes).unwrap();
    fs::remove_file(segment.with_extension("end")).ok();
    let done = room.ends(2, &["runs"]);
    done.says("no runs before the damage");
    room.ends(1, &["verify"]);
}

#[test]
fn a_directory_that_is_no_bundle_is_said_to_be_none() {
    let room = Room::new();
    fs::create_dir(room.path("empty")).unwrap();
    room.ends(1, &["conform", "empty"])
        .says("there is no file `empty/manifest.json`: a bundle is the directory of one run, such as `runs/RUN`");
}

#[test]
fn a_command_that_writes_a_file_answers_with_an_object_if_json_is_wanted() {
    let room = signed();
    let proved = room.ends(0, &["prove", "--seq", "3", "--out", "3.proof", "--json"]).json();
    assert_eq!((&proved["proof"], &proved["out"]), (&json!("inclusion"), &json!("3.proof")));
    assert_eq!(proved["bytes"], fs::metadata(room.path("3.proof")).unwrap().len());
    let evidence = room.ends(0, &["evidence", "RUN_0001", "--out", "page.html", "--json"]).json();
    assert_eq!((&evidence["run"], &evidence["out"]), (&json!("RUN_0001"), &json!("page.html")));
}

#[test]
fn the_kind_of_a_report_follows_from_its_extension_in_any_case_and_an_unknown_one_is_refused() {
    let room = Room::with_batch();
    room.ends(0, &["report", "--out", "X.HTML"]);
    assert!(room.path("X.HTML").is_file());
    for out in ["page.txt", "Y.html/", "/dev/null"] {
        room.ends(2, &["report", "--out", out]).says("expected");
    }
    assert!(!room.path("page.txt").exists() && !room.path("Y.html").exists());
}

#[test]
fn a_run_whose_process_was_killed_is_explained_with_the_command_that_continues_it() {
    let room = Room::new();
    room.ends(0, &["run", "--init", "first"]);
    let plan = fs::read_to_string(room.path("first/plan.toml")).unwrap();
    room.write("first/slow.toml", &plan.replace("echo \"weighing", "sleep 60; echo \"weighing"));
    let mut child = room.spawn(&["run", "first/slow.toml", "--run-id", "slow"]);
    let is_weighing = |room: &Room| room.run(&["cat", "--run", "slow"]).out.matches("stage_begun").count() == 2;
    while !is_weighing(&room) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let says = "`evlog run --resume slow --force-run-lock` sets the lock aside, and continues it";
    room.ends(0, &["explain", "slow"]).says(says);
}

#[test]
fn a_directory_that_cannot_be_listed_is_named() {
    let room = Room::with_batch();
    let segments = room.path("evlog/segments");
    fs::set_permissions(&segments, fs::Permissions::from_mode(0o000)).unwrap();
    // For root nothing is forbidden.
    if fs::read_dir(&segments).is_err() {
        room.ends(2, &["runs"]).says("evlog/segments");
    }
    fs::set_permissions(&segments, fs::Permissions::from_mode(0o700)).unwrap();
}
