//! `evlog verify`: verdicts, findings, exit codes.

use crate::support::{BATCH, Room, files_below};
use serde_json::json;
use std::fs;
use std::path::Path;

/// Changes the segment, and gives the verdict.
fn verdict_after(change: impl FnOnce(&Path)) -> (String, i32) {
    let room = Room::with_batch();
    change(&room.segments()[0]);
    let done = room.run(&["verify", "--json"]);
    (done.json()["verdict"].as_str().unwrap().to_owned(), done.code)
}

#[test]
fn a_sound_log_is_clean_and_its_root_is_the_hash_of_its_files() {
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    room.feed(&["submit"], BATCH);
    let found = room.ends(0, &["verify", "--json"]).json();
    assert_eq!(found["verdict"], "clean");
    assert_eq!((&found["findings"], &found["contract_findings"]), (&json!([]), &json!([])));
    let files = room.segments();
    assert!(files.len() > 1, "a small limit makes more than one segment");
    assert_eq!(found["segments"], files.len());
    let bytes: Vec<u8> = files.iter().flat_map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(found["root"], blake3::hash(&bytes).to_hex().as_str());
    assert_eq!(found["bytes"], bytes.len());
    assert_eq!(found["events"], room.ends(0, &["cat"]).out.lines().count());
    assert_eq!(found["next_seq"], found["events"]);
    let people = room.ends(0, &["verify"]).out;
    assert!(people.starts_with("verdict") && people.contains("clean"), "{people}");
}

#[test]
fn verify_distinguishes_what_was_done_to_a_log() {
    let flip = |at: usize| {
        move |path: &Path| {
            let mut bytes = fs::read(path).unwrap();
            bytes[at] ^= 1;
            fs::write(path, bytes).unwrap();
        }
    };
    assert_eq!(verdict_after(flip(300)), ("damaged".to_owned(), 1));
    let cut = |path: &Path| {
        let len = fs::metadata(path).unwrap().len();
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len / 2).unwrap();
    };
    assert_eq!(verdict_after(cut), ("truncated".to_owned(), 1));
}

#[test]
fn a_torn_tail_is_named_and_the_next_writer_cuts_it_and_keeps_it() {
    let room = Room::with_batch();
    let before = room.ends(0, &["cat", "--json"]).out;
    let segment = &room.segments()[0];
    let mut bytes = fs::read(segment).unwrap();
    bytes.extend_from_slice(&[0x55; 37]);
    fs::write(segment, bytes).unwrap();
    let found = room.ends(1, &["verify", "--json"]).json();
    assert_eq!(found["verdict"], "torn_tail");
    assert!(!room.ends(1, &["verify"]).says("finding: torn_tail").out.is_empty());
    assert_eq!(room.ends(0, &["cat", "--json"]).out, before, "readers see what is committed");

    room.feed(&["submit"], r#"{"contract":"custom","run":"more","do":"record","kind":"custom/n"}"#);
    assert_eq!(room.ends(0, &["verify", "--json"]).json()["verdict"], "clean");
    let history = room.ends(0, &["cat", "--run", "$log", "--json"]).lines();
    let cut = history.iter().find(|event| event["kind"] == "log.tail_cut").unwrap();
    assert_eq!(cut["payload"]["len"], 37);
    let kept = room.path("evlog").join(cut["payload"]["kept_as"].as_str().unwrap());
    assert_eq!(fs::read(kept).unwrap(), [0x55; 37]);
}

#[test]
fn a_damaged_log_is_refused_to_writers_and_left_as_it_is() {
    let room = Room::with_batch();
    let segment = &room.segments()[0];
    let mut bytes = fs::read(segment).unwrap();
    bytes[300] ^= 1;
    fs::write(segment, &bytes).unwrap();
    let done = room.feed(&["submit"], BATCH);
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    done.says("damaged at position").says("expected").says("found").says("evlog verify");
    assert_eq!(fs::read(segment).unwrap(), bytes);
    room.ends(2, &["cat"]).says("evlog verify");
}

#[test]
fn the_golden_log_of_the_format_page_breaks_no_contract_and_no_policy() {
    let room = Room::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/v2/healthy");
    for file in files_below(&golden.join("segments")) {
        let copy = room.path("evlog/segments").join(file.file_name().unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&file, copy).unwrap();
    }
    let found = room.ends(1, &["verify", "--json"]).json();
    assert_eq!(found["verdict"], "clean");
    // One event is protected in a way that only a later program can show.
    let findings = found["contract_findings"].as_array().unwrap();
    assert!(findings.len() == 1 && findings[0]["message"].as_str().unwrap().contains("protected"), "{found}");
}

#[test]
fn a_bit_that_flips_in_the_first_frame_of_a_segment_is_damage_whatever_stands_behind_it() {
    // F-15 is asked of the first frame of a segment, and not of the first that can be read.
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    let line = |(run, len): (usize, &usize)| {
        let data = "x".repeat(*len);
        format!(r#"{{"contract":"custom","run":"r{run}","do":"record","kind":"custom/paid","data":{{"t":"{data}"}}}}"#)
            + "\n"
    };
    room.feed(&["submit"], &[300, 450, 60, 10, 10, 10].iter().enumerate().map(line).collect::<String>());
    let segments = room.segments();
    assert!(segments.len() > 2, "{segments:?}");
    for segment in &segments {
        let whole = fs::read(segment).unwrap();
        let mut flipped = whole.clone();
        flipped[evlog_format::SEGMENT_HEADER_LEN + 44] ^= 1;
        fs::write(segment, flipped).unwrap();
        assert_eq!(room.ends(1, &["verify", "--json"]).json()["verdict"], "damaged", "{}", segment.display());
        fs::write(segment, whole).unwrap();
    }
}
