//! `evlog inspect`: what the files of a log contain, in any state.

use crate::forge;
use crate::support::{BATCH, Room, files_below};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

fn room() -> Room {
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "2000"]);
    room.feed(&["submit"], BATCH);
    room
}

fn only<'l>(lines: &'l [Value], what: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["what"] == what).collect()
}

#[test]
fn the_overview_says_what_each_file_is() {
    let room = room();
    let lines = room.ends(0, &["inspect", "--json"]).lines();
    let segments = only(&lines, "segment");
    assert_eq!(segments.len(), room.segments().len());
    let verified = room.ends(0, &["verify", "--json"]).json();
    assert_eq!(lines[0]["log_id"], verified["log_id"]);
    assert_eq!(lines[0]["bytes"], verified["bytes"]);
    let mut position = 0;
    for segment in &segments {
        assert_eq!((&segment["position"], &segment["header_position"]), (&json!(position), &json!(position)));
        assert_eq!((&segment["segment_limit"], &segment["wrong"]), (&json!(2000), &json!([])));
        assert!(room.path("evlog").join(segment["path"].as_str().unwrap()).is_file());
        position += segment["bytes"].as_u64().unwrap();
    }
    let head = only(&lines, "head")[0];
    assert_eq!((&head["durable"], &head["closed"]), (&json!(position), &json!(true)));
    assert_eq!(head["next_seq"], verified["next_seq"]);
    assert_eq!(only(&lines, "lock")[0]["held"], false);
    let people = room.ends(0, &["inspect"]).out;
    for word in ["log id", "HEAD", "closed cleanly", "LOCK", "sealed", "ROOT BEFORE"] {
        assert!(people.contains(word), "{word}: {people}");
    }
}

#[test]
fn the_frames_of_all_segments_are_the_commits_of_the_log() {
    let room = room();
    let events = room.ends(0, &["cat", "--json"]).lines();
    let mut next = 0usize;
    for segment in only(&room.ends(0, &["inspect", "--json"]).lines(), "segment") {
        let within = segment["position"].as_u64().unwrap() + 5;
        for frame in room.ends(0, &["inspect", "--segment", &within.to_string(), "--json"]).lines() {
            assert_eq!((&frame["what"], &frame["first_seq"]), (&json!("frame"), &json!(next)));
            let first = &events[next];
            assert_eq!((&frame["recorded"], &frame["actor"]), (&first["recorded"], &first["actor"]));
            let place = room.ends(0, &["inspect", "--frame", &frame["position"].to_string(), "--json"]).json();
            let count = usize::try_from(frame["events"].as_u64().unwrap()).unwrap();
            assert_eq!(place["contents"].as_array().unwrap().as_slice(), &events[next..next + count]);
            assert_eq!(place["hex"].as_str().unwrap().len() as u64, 2 * frame["bytes"].as_u64().unwrap());
            next += count;
        }
    }
    assert_eq!(next, events.len());
    let people = room.ends(0, &["inspect", "--frame", "96"]).out;
    for word in ["checksum", "matches", "durable before", "log.created", "  96  "] {
        assert!(people.contains(word), "{word}: {people}");
    }
    room.ends(2, &["inspect", "--frame", "99999999"]).says("no byte at position 99999999");
    room.ends(2, &["inspect", "--frame", "96", "--segment", "0"]).says("--help");
}

#[test]
fn on_a_damaged_log_it_says_what_is_wrong_where_and_goes_on() {
    let room = room();
    let path = room.segments()[0].clone();
    let whole = fs::read(&path).unwrap();
    let frames = room.ends(0, &["inspect", "--segment", "0", "--json"]).lines();
    let harmed = frames[1]["position"].as_u64().unwrap();
    let mut bytes = whole.clone();
    bytes[usize::try_from(harmed).unwrap() + 20] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let found = room.ends(1, &["inspect", "--segment", "0", "--json"]).lines();
    assert_eq!(found.len(), frames.len());
    for (found, frame) in found.iter().zip(&frames) {
        if frame["position"] == harmed {
            assert_eq!((&found["what"], &found["bytes"]), (&json!("bytes"), &frame["bytes"]));
            assert!(found["wrong"].as_str().unwrap().contains("a checksum of "), "{found}");
        } else {
            assert_eq!(found, frame);
        }
    }
    let place = room.ends(1, &["inspect", "--frame", &harmed.to_string(), "--json"]).json();
    assert_eq!(
        (&place["what"], &place["body_len"]),
        (&json!("bytes"), &json!(frames[1]["bytes"].as_u64().unwrap() - 16))
    );
    let within = room.ends(1, &["inspect", "--frame", "100", "--json"]).json();
    assert_eq!(within["within"], 96);
    room.ends(1, &["inspect", "--segment", "0"]).says("finding: 1 stretch");

    bytes[3] ^= 1;
    fs::write(&path, &bytes).unwrap();
    room.ends(1, &["inspect"]).says("not an evlog segment");
    room.ends(1, &["inspect", "--segment", "0"]).says("not an evlog segment");
    room.ends(1, &["inspect", "--frame", "0", "--json"]);
    room.ends(1, &["inspect", "--sidecars"]);
    fs::remove_file(room.path("evlog/HEAD")).unwrap();
    room.ends(1, &["inspect"]).says("not an evlog segment");
}

#[test]
fn it_works_beside_a_writer_and_writes_nothing() {
    let room = room();
    let mut writer = room.spawn(&["submit"]);
    let mut stdin = writer.stdin.take().unwrap();
    let line = r#"{"contract":"custom","run":"more","do":"record","kind":"custom/n"}"#;
    std::io::Write::write_all(&mut stdin, format!("{line}\n").as_bytes()).unwrap();
    let mut out = std::io::BufReader::new(writer.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut String::new()).unwrap();
    let names = files_below(&room.path("evlog"));
    let bytes: Vec<Vec<u8>> = names.iter().map(|path| fs::read(path).unwrap()).collect();
    let lock = room.ends(0, &["inspect", "--json"]).lines();
    let lock = only(&lock, "lock")[0];
    assert_eq!((&lock["held"], &lock["pid"]), (&json!(true), &json!(writer.id())));
    let position = room.ends(0, &["inspect", "--json"]).lines();
    let position = only(&position, "segment").last().unwrap()["position"].to_string();
    room.ends(0, &["inspect", "--segment", &position]);
    room.ends(0, &["inspect", "--sidecars"]);
    assert_eq!(files_below(&room.path("evlog")), names);
    assert!(names.iter().zip(&bytes).all(|(path, bytes)| fs::read(path).unwrap() == *bytes));
    drop(stdin);
    assert!(writer.wait().unwrap().success());
}

#[test]
fn a_log_shorter_than_its_head_is_no_good_in_any_view_that_reaches_its_end() {
    let room = room();
    let last = room.segments().pop().unwrap();
    let whole = fs::read(&last).unwrap();
    let lines = room.ends(0, &["inspect", "--json"]).lines();
    let position = only(&lines, "segment").last().unwrap()["position"].to_string();
    let frames = room.ends(0, &["inspect", "--segment", &position, "--json"]).lines();
    let kept = frames.last().unwrap()["position"].as_u64().unwrap() - position.parse::<u64>().unwrap();
    fs::write(&last, &whole[..usize::try_from(kept).unwrap()]).unwrap();
    for view in [&["inspect"][..], &["inspect", "--segment", &position], &["inspect", "--sidecars"]] {
        room.ends(1, view).says("HEAD says");
        room.ends(1, &[view, &["--json"]].concat());
    }
    room.ends(0, &["inspect", "--segment", "0"]);
}

#[test]
fn files_whose_names_are_no_text_are_listed_too() {
    let room = room();
    fs::create_dir_all(room.path("evlog/quarantine")).unwrap();
    for dir in ["segments", "quarantine"] {
        fs::write(room.path("evlog").join(dir).join(OsStr::from_bytes(b"a\xff\xc3\xa9\xed\xa0")), "x").unwrap();
    }
    let lines = room.ends(0, &["inspect", "--json"]).lines();
    for (what, dir) in [("stranger", "segments"), ("quarantine", "quarantine")] {
        let paths: Vec<&Value> = only(&lines, what).iter().map(|line| &line["path"]).collect();
        assert_eq!(paths, [&json!(format!("{dir}/a\\xff\u{e9}\\xed\\xa0"))]);
    }
    let people = room.ends(0, &["inspect"]);
    assert!(
        people.out.contains("segments/a\\xff\u{e9}\\xed\\xa0") && people.out.contains("quarantine/a\\xff"),
        "{people:?}"
    );
}

#[test]
fn a_frame_that_is_no_commit_has_all_keys_of_one_that_is() {
    let room = room();
    let segment = room.segments().remove(0);
    let keys = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<Vec<String>>();
    let good = room.ends(0, &["inspect", "--segment", "0", "--json"]).lines().remove(0);
    forge::rewrite(&segment, 0, |body| body.fill(0xff));
    let bad = room.ends(1, &["inspect", "--segment", "0", "--json"]).lines().remove(0);
    assert_eq!((&bad["what"], keys(&bad)), (&json!("frame"), keys(&good)));
    for key in ["first_seq", "events", "class", "recorded", "occurred", "mark", "actor", "principal", "id"] {
        assert_eq!(bad[key], Value::Null, "{key}");
    }
    assert!(bad["wrong"].is_string());
}
