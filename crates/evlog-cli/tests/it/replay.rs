//! `replay --trail` and `--against`: trails of a replay, and what they find.

use crate::support::{Room, files_below};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A trail with a file changed by this, and a last line that fits.
fn changed(trail: &str, change: impl FnOnce(String) -> String) -> String {
    let end = trail.trim_end().rfind('\n').unwrap() + 1;
    let lines = change(trail[..end].to_owned());
    let steps = lines.lines().count() - 1;
    format!("{lines}end {steps} {}\n", blake3::hash(lines.as_bytes()))
}

#[test]
fn a_trail_is_the_same_with_any_number_of_jobs_in_any_time_zone_and_locale() {
    let room = Room::with_batch();
    let trails = [("1", "UTC", "C"), ("2", "Asia/Kathmandu", "de_DE.UTF-8"), ("7", "America/St_Johns", "C")];
    let trails = trails.map(|(jobs, zone, locale)| {
        let (file, mut command) = (format!("{jobs}.trail"), room.command(&["replay", "--jobs", jobs, "--trail"]));
        let output = command.arg(&file).env("TZ", zone).env("LC_ALL", locale).env("LANG", locale).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let answer = room.ends(0, &["replay", "--against", &file, "--jobs", jobs, "--json"]).json();
        assert_eq!((&answer["against"]["agrees"], &answer["verdict"]), (&Value::from(true), &Value::from("agrees")));
        fs::read(room.path(&file)).unwrap()
    });
    assert!(trails[0] == trails[1] && trails[1] == trails[2]);
    let lines = String::from_utf8(trails[0].clone()).unwrap();
    let runs = lines.lines().filter(|line| line.contains(" order-7 ")).count();
    assert_eq!(runs, 1, "{lines}");
    assert!(lines.starts_with(r#"{"trail":1,"log_id":""#), "{lines}");
}

#[test]
fn the_first_event_after_which_another_program_projected_something_else_is_named_with_what_this_one_projects() {
    let room = Room::with_batch();
    assert!(room.ends(0, &["replay", "--trail", "a"]).out.contains(" steps in `a`, "));
    let trail = fs::read_to_string(room.path("a")).unwrap();
    let line = trail.lines().filter(|line| line.contains(" RUN_0001 ")).nth(2).unwrap();
    let (rest, digest) = line.rsplit_once(' ').unwrap();
    let seq: u64 = rest.split(' ').next().unwrap().parse().unwrap();
    let other = changed(&trail, |text| text.replace(line, &format!("{rest} 0123456789abcdef")));
    room.write("b", &other);
    let found = room.ends(1, &["replay", "--against", "b", "--json"]).json();
    let first = &found["against"]["first"];
    assert_eq!((&found["verdict"], &found["agrees"]), (&Value::from("differs"), &Value::from(false)));
    assert_eq!((&first["run"], &first["seq"], &first["number"]), (&"RUN_0001".into(), &seq.into(), &2.into()));
    assert_eq!((&first["expected"], &first["found"]), (&"0123456789abcdef".into(), &digest.into()));
    let run: Value = first["files"].as_array().unwrap().iter().find(|file| file["path"] == "run.json").unwrap().clone();
    assert_eq!((&run["projection"], &run["version"]), (&"status.run".into(), &1.into()));
    let shown = room.ends(0, &["show", "RUN_0001", "--at", &seq.to_string(), "--json"]).json();
    let text: Value = serde_json::from_str(run["text"].as_str().unwrap()).unwrap();
    assert_eq!(text["status"], shown["status"], "{shown}");
    let printed = room.ends(1, &["replay", "--against", "b"]);
    printed
        .says(&format!("the trail differs first after event {seq}, `status.transitioned`, event 2 of run `RUN_0001`"));
    assert!(printed.out.contains("run.json, status.run version 1, here: {"), "{printed:?}");
    // A step that the other program could not make.
    room.write("c", &changed(&trail, |text| text.replace(&format!("{line}\n"), "")));
    let first = room.ends(1, &["replay", "--against", "c", "--json"]).json()["against"]["first"].clone();
    assert_eq!((&first["seq"], &first["expected"]), (&seq.into(), &Value::Null), "{first}");
    for format in ["junit", "sarif"] {
        let report = room.ends(1, &["replay", "--against", "b", "--format", format]).out;
        assert!(report.contains(&format!("the trail differs first after event {seq}")), "{report}");
    }
}

#[test]
fn a_trail_that_cannot_be_compared_ends_with_its_own_sentence_and_exit_code_2() {
    let room = Room::with_batch();
    room.ends(0, &["replay", "--trail", "a"]);
    let trail = fs::read_to_string(room.path("a")).unwrap();
    let refused = |text: &str, sentence: &str| {
        room.write("b", text);
        let done = room.ends(2, &["replay", "--against", "b"]);
        assert!(done.err.contains(sentence) && done.out.is_empty(), "{sentence}: {done:?}");
    };
    refused(&trail[..trail.len() / 2], "the trail is truncated");
    refused(&trail.replacen(" RUN_0001 ", " RUN_0002 ", 1), "the trail is damaged");
    refused("hello\n", "line 1 of the trail: expected the header of a trail");
    let other = changed(&trail, |text| text.replace("\"status.run\":1", "\"status.run\":9"));
    refused(&other, "`status.run` in version 9 there, in version 1 here");
    let other = Room::with_batch();
    other.ends(0, &["replay", "--trail", "a"]);
    refused(&fs::read_to_string(other.path("a")).unwrap(), "the trail is of another log");
    room.ends(2, &["replay", "--against", "absent"]);
}

#[test]
fn a_trail_does_not_replace_a_file_and_is_written_whole_or_not_at_all() {
    let room = Room::with_batch();
    room.write("taken", "mine");
    room.ends(2, &["replay", "--trail", "taken"]).says("--trail `taken` exists already");
    assert_eq!(fs::read_to_string(room.path("taken")).unwrap(), "mine");
    room.ends(2, &["replay", "--trail", "evlog/a"]).says("expected a place outside the log");
    room.ends(2, &["replay", "--trail", "no/such/a"]);
    room.ends(2, &["replay", "--trail", "-"]).says("--trail: expected a file, found `-`");
    room.ends(2, &["--log", "absent", "replay", "--trail", "a"]);
    assert!(!room.path("a").exists() && !room.path("evlog/a").exists());
    let names: Vec<_> = fs::read_dir(room.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no draft is left: {names:?}");
}

#[test]
fn a_sampled_trail_says_between_which_events_the_first_difference_is() {
    let room = Room::with_batch();
    room.ends(0, &["replay", "--trail", "a", "--every", "2"]);
    let trail = fs::read_to_string(room.path("a")).unwrap();
    let lines: Vec<&str> = trail.lines().filter(|line| line.contains(" RUN_0001 ")).collect();
    let (rest, _) = lines[0].rsplit_once(' ').unwrap();
    let other = changed(&trail, |text| text.replace(lines[0], &format!("{rest} 0123456789abcdef")));
    room.write("b", &other);
    let first = room.ends(1, &["replay", "--against", "b", "--json"]).json()["against"]["first"].clone();
    assert_eq!((&first["since"], &first["seq"], &first["number"]), (&2.into(), &3.into(), &1.into()), "{first}");
    let printed = room.ends(1, &["replay", "--against", "b"]);
    printed.says("; the trail has one of every 2 events, so the first that differs is from seq 2 to 3");
    room.ends(2, &["replay", "--every", "2"]);
}

/// Two events of one run, and two of another that are one commit: a rejection, and the failure that it forces.
const REJECTED: &str = r#"{"contract":"status","run":"a","do":"create","data":{}}
{"contract":"status","run":"b","do":"create","data":{}}
{"contract":"status","run":"b","do":"transition","to":"success"}
"#;

/// A room with a log of [`REJECTED`], its trail, and that trail with a change.
fn of_rejected(change: impl Fn(&str) -> String) -> (Room, Value) {
    let room = Room::new();
    room.feed(&["submit"], REJECTED);
    room.ends(0, &["replay", "--trail", "a"]);
    let trail = fs::read_to_string(room.path("a")).unwrap();
    room.write("b", &changed(&trail, |text| change(&text)));
    let found = room.ends(1, &["replay", "--against", "b", "--json"]).json();
    (room, found["against"]["first"].clone())
}

#[test]
fn a_step_that_the_log_does_not_have_is_reported_without_the_event_that_it_has_not() {
    let (room, first) = of_rejected(|text| text.replacen("\n2 a ", "\n2 c ", 1));
    assert_eq!((&first["run"], &first["seq"], &first["number"]), (&"a".into(), &2.into(), &0.into()), "{first}");
    drop(room);
    let (room, first) = of_rejected(|text| text.replacen("\n2 a ", "\n0 a ", 1));
    assert_eq!((&first["run"], &first["seq"], &first["number"]), (&"a".into(), &0.into(), &Value::Null), "{first}");
    let printed = room.ends(1, &["replay", "--against", "b"]);
    printed.says("the trail differs first at seq 0, an event of run `a` there, and not in this log");
    assert!(!printed.out.contains('?') && !printed.out.contains("event 0 of run"), "{printed:?}");
}

#[test]
fn a_difference_between_two_events_of_one_commit_is_not_reported_as_a_broken_contract() {
    let (room, first) = of_rejected(|text| {
        let line = text.lines().find(|line| line.starts_with("4 b ")).unwrap();
        text.replace(line, "4 b 0123456789abcdef")
    });
    let sentence = "the event is followed by others of its commit, and the run has no files before them";
    assert_eq!((&first["seq"], &first["message"]), (&4.into(), &sentence.into()), "{first}");
    assert!(first["found"].is_string() && first["files"].as_array().unwrap().is_empty(), "{first}");
    room.ends(1, &["replay", "--against", "b"]).says(&format!("no files here: {sentence}"));
}

#[test]
fn a_replay_that_compared_nothing_does_not_agree() {
    let room = Room::new();
    room.ends(0, &["init"]);
    fs::create_dir(room.path("runs")).unwrap();
    room.ends(0, &["replay", "--trail", "a"]);
    for more in [&["--against", "a"][..], &["--bundles", "."], &["--against", "a", "--bundles", "."]] {
        let found = room.ends(0, &[&["replay", "--json"], more].concat()).json();
        assert_eq!(found["verdict"], "nothing_compared", "{found}");
    }
}

#[test]
fn a_number_of_threads_or_of_events_that_no_replay_has_is_refused() {
    let room = Room::with_batch();
    for jobs in ["0", "1025", "1000000000", "18446744073709551615"] {
        room.ends(2, &["replay", "--jobs", jobs]).says("expected a whole number from 1 to 1024");
    }
    room.ends(2, &["replay", "--trail", "a", "--every", "0"]).says("expected a whole number from 1 to ");
    assert!(!room.path("a").exists());
}

#[test]
fn a_statement_is_refused_beside_what_it_says_nothing_of() {
    let room = Room::with_batch();
    room.ends(0, &["project", "--out", "."]);
    room.ends(0, &["replay", "--trail", "a"]);
    for more in [["--bundles", "."], ["--against", "a"]] {
        let arguments = [&["replay", "--format", "in-toto"], &more[..]].concat();
        room.ends(2, &arguments).says("--format in-toto: expected it without --bundles and --against");
    }
}

/// A room with the log and the bundles that projections of version 1 left, and another with a newer bundle.
fn of_version_1() -> Room {
    let room = Room::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/projections-1");
    for file in files_below(&golden) {
        let target = room.path(file.strip_prefix(&golden).unwrap().to_str().unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
    room
}

#[test]
fn digests_and_files_of_version_1_are_checked_after_version_2_exists() {
    let room = of_version_1();
    let found = room.ends(0, &["replay", "--json", "--bundles", "."]).json();
    assert_eq!((&found["verdict"], &found["compared"]), (&"agrees".into(), &25.into()), "{found}");
    assert_eq!(found["bundles"]["earlier_versions"], 2, "run.json and health.json of the order: {found}");
    let checked = room.ends(0, &["project", "--check", "."]);
    assert!(checked.out.contains("2 files as earlier versions of their projections make them"), "{checked:?}");
    // Each file that was compared is a test case, those of version 1 too.
    let report = room.ends(0, &["project", "--check", ".", "--format", "junit"]).out;
    for file in ["run.json", "logs/health.json", "audit_events.jsonl"] {
        let case = format!("classname=\"project.order-1\" name=\"{file}\"");
        assert!(report.contains(&case), "{case}: {report}");
    }
    // What is published from now on is of version 2, and both are compared.
    let line = room.ends(0, &["project", "--out", ".", "--run", "order-1", "--json"]).json();
    let versions: Vec<_> = line["files"].as_array().unwrap().iter().map(|file| file["version"].clone()).collect();
    assert_eq!(versions, [1, 2, 1, 2], "{line}");
    let found = room.ends(0, &["replay", "--json", "--bundles", "."]).json();
    assert_eq!((&found["compared"], &found["bundles"]["earlier_versions"]), (&29.into(), &0.into()), "{found}");
    let health = fs::read_to_string(room.path("runs/order-1/logs/health.json")).unwrap();
    assert_eq!(health, include_str!("../golden/projections-2/order-1/health.json").trim_end());
    let run = fs::read_to_string(room.path("runs/order-1/run.json")).unwrap();
    assert_eq!(run, include_str!("../golden/projections-2/order-1/run.json").trim_end());
}

#[test]
fn a_manifest_that_was_restored_from_an_older_backup_is_named_as_the_state_after_a_seq() {
    let room = Room::with_batch();
    room.ends(0, &["project", "--out", "old", "--at", "3"]);
    room.ends(0, &["project", "--out", "."]);
    for file in ["manifest.json", "run.json", "audit_events.jsonl"] {
        fs::copy(room.path(&format!("old/runs/RUN_0001/{file}")), room.path(&format!("runs/RUN_0001/{file}"))).unwrap();
    }
    let found = room.ends(1, &["replay", "--bundles", ".", "--json"]).json();
    let findings = found["bundles"]["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 3, "{found}");
    for finding in findings {
        assert_eq!(finding["state_after"], serde_json::json!({"seq": 3, "missing": 1, "version": 1}), "{finding}");
        assert_eq!(finding["set_by"], 4, "{finding}");
        assert!(finding["projection"]["name"].is_string(), "{finding}");
    }
    let printed = room.ends(1, &["replay", "--bundles", "."]).out;
    assert!(printed.contains("manifest.json (status.manifest version 1), at /"), "{printed}");
    assert!(printed.contains("; this file is the state after seq 3, and 1 event is missing from it"), "{printed}");
    for format in ["junit", "sarif"] {
        let report = room.ends(1, &["replay", "--bundles", ".", "--format", format]).out;
        assert!(report.contains("this file is the state after seq 3"), "{report}");
    }
    // A value that no event ever set: the event that set the expected one is named.
    room.ends(0, &["project", "--out", "."]);
    let manifest = fs::read_to_string(room.path("runs/RUN_0001/manifest.json")).unwrap();
    room.write("runs/RUN_0001/manifest.json", &manifest.replace("\"status\":\"failed\"", "\"status\":\"success\""));
    let finding = room.ends(1, &["project", "--check", ".", "--json"]).json()["findings"][0].clone();
    assert_eq!((&finding["pointer"], &finding["set_by"]), (&"/status".into(), &4.into()), "{finding}");
    assert!(finding["state_after"].is_null(), "{finding}");
}

#[test]
fn a_statement_names_the_log_by_its_root_and_a_key_signs_it_in_an_envelope() {
    let room = Room::with_batch();
    room.ends(0, &["project", "--out", "."]);
    let verified = room.ends(0, &["verify", "--json"]).json();
    let statement = room.ends(0, &["replay", "--format", "in-toto"]).json();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["subject"][0]["digest"], serde_json::json!({"blake3": verified["root"]}), "{verified}");
    let predicate = &statement["predicate"];
    assert_eq!((&predicate["verdict"], &predicate["differences"]), (&"agrees".into(), &0.into()), "{statement}");
    assert_eq!((&predicate["projections"]["machine.run"], &predicate["log"]["size"]), (&2.into(), &verified["bytes"]));
    room.ends(0, &["key", "new", "example.com/log", "--out", "log.key"]);
    let envelope = room.ends(0, &["replay", "--format", "in-toto", "--key", "log.key"]).json();
    assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
    room.write("payload", envelope["payload"].as_str().unwrap());
    let decoded = room.command_of("base64", &["-d", "payload"]).output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&decoded.stdout).unwrap(), statement);
    let public = fs::read_to_string(room.path("log.pub")).unwrap();
    let key_id = envelope["signatures"][0]["keyid"].as_str().unwrap();
    assert!(public.starts_with(&format!("{key_id}+")), "{public} {envelope}");
    room.ends(2, &["replay", "--key", "log.key"]).says("--key: expected it with --format in-toto");
    room.ends(2, &["replay", "--format", "in-toto", "--key", "absent"]);
}

#[test]
fn the_header_of_a_trail_names_the_version_of_every_projected_file() {
    let room = of_version_1();
    room.ends(0, &["replay", "--trail", "a"]);
    let trail = fs::read_to_string(room.path("a")).unwrap();
    let header: Value = serde_json::from_str(trail.lines().next().unwrap()).unwrap();
    let projected = room.ends(0, &["project", "--out", ".", "--json"]);
    let lines: Vec<Value> = projected.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files = lines.iter().flat_map(|line| line["files"].as_array().unwrap());
    let mut count = 0;
    for file in files {
        count += 1;
        assert_eq!(header["projections"][file["projection"].as_str().unwrap()], file["version"], "{file}");
    }
    assert_eq!(count, 21, "every contract has a run in this log");
}
