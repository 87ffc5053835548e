//! What is not done, and what is said about it: usage, no log, no such run, a second writer, a newer format.

use crate::support::{BATCH, Room};
use evlog_format::{CommitHead, Durability, Event, FrameCodec, Kind, LogId, PLAIN, SegmentHeader, Seq, encode_commit};
use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader, Write};

const READERS: [&[&str]; 10] = [
    &["cat"],
    &["tail"],
    &["runs"],
    &["show", "A"],
    &["verify"],
    &["replay"],
    &["project", "--out", "."],
    &["project", "--check", "."],
    &["inspect", "--sidecars"],
    &["repair", "--dry-run"],
];

#[test]
fn where_there_is_no_log_readers_say_so_and_make_none() {
    let room = Room::new();
    for arguments in READERS {
        room.ends(2, arguments).says("no log").says("`evlog init` makes one");
    }
    assert!(!room.path("evlog").exists());
    room.write("file", "");
    room.ends(2, &["--log", "file", "runs"]).says("hint: a log is a directory");
    fs::create_dir(room.path("elsewhere")).unwrap();
    room.ends(2, &["--log", "elsewhere", "runs"]).says("elsewhere");
    assert_eq!(fs::read_dir(room.path("elsewhere")).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_typed_is_refused_with_usage() {
    let room = Room::new();
    let cases: [&[&str]; 10] = [
        &[],
        &["nonsense"],
        &["cat", "--from", "x"],
        &["tail", "-n", "-1"],
        &["tail", "-f", "--at", "3"],
        &["tail", "--wait"],
        &["show"],
        &["project"],
        &["project", "--out", "a", "--check", "b"],
        &["runs", "--json=2"],
    ];
    for arguments in cases {
        room.ends(2, arguments).says("--help");
    }
    assert!(room.ends(0, &["--help"]).out.contains("Examples:"));
    assert!(room.ends(0, &["--version"]).out.starts_with("evlog "));
}

#[test]
fn a_run_that_is_not_there_is_a_no() {
    let room = Room::with_batch();
    let cases: [&[&str]; 5] = [
        &["show", "NOT"],
        &["cat", "--run", "NOT"],
        &["tail", "--run", "NOT"],
        &["project", "--out", "out", "--run", "NOT"],
        &["project", "--check", ".", "--run", "NOT"],
    ];
    for arguments in cases {
        let done = room.ends(1, arguments);
        done.says("no run `NOT` in log").says("hint: `evlog runs` lists the runs");
        assert_eq!(done.out, "");
    }
    assert!(!room.path("out").exists());
}

#[test]
fn an_earlier_seq_must_be_there() {
    let room = Room::with_batch();
    room.ends(2, &["runs", "--at", "9999"]).says("--at 9999: expected the seq of a committed event, found a later one");
    room.ends(2, &["runs", "--contract", "x"]).says(
        "expected one of `status`, `story`, `pipeline`, `machine`, `custom`, or the name in the contract file of a run, found `x`",
    );
}

#[test]
fn a_second_writer_reports_who_the_first_is_and_readers_do_not_wait() {
    let room = Room::new();
    let mut first = room.spawn(&["submit"]);
    let mut stdin = first.stdin.take().unwrap();
    writeln!(stdin, r#"{{"contract":"status","run":"A","do":"create"}}"#).unwrap();
    let mut results = BufReader::new(first.stdout.take().unwrap());
    results.read_line(&mut String::new()).unwrap();

    let second = room.feed(&["submit"], BATCH);
    assert_eq!(second.code, 2);
    second.says(&format!("process {} (evlog submit", first.id())).says("hint: ");
    assert_eq!(second.out, "", "nothing is answered, nothing is done");
    room.ends(2, &["project", "--out", "out"]).says("--no-record");
    assert!(!room.path("out").exists(), "nothing is half written");
    room.ends(0, &["project", "--out", "out", "--no-record"]);
    assert!(room.ends(0, &["runs"]).out.contains("created"));
    room.ends(0, &["replay"]);

    drop(stdin);
    assert!(first.wait().unwrap().success());
    assert_eq!(room.ends(0, &["runs", "--json"]).lines().len(), 1);
}

#[test]
fn a_log_of_another_format_is_refused_by_every_command() {
    // F-11.
    let room = Room::with_batch();
    let [segment] = &room.segments()[..] else { panic!("expected one segment") };
    let bytes = fs::read(segment).unwrap();
    let header: &[u8; evlog_format::SEGMENT_HEADER_LEN] = bytes.first_chunk().unwrap();
    for (version, words) in [(1, "was written by a pre-release of evlog"), (3, "is newer than this program reads")] {
        let other = with_version(header, version);
        fs::write(segment, [&other[..], &bytes[header.len()..]].concat()).unwrap();
        for arguments in READERS.into_iter().chain([&["submit"][..]]) {
            let done = room.feed(arguments, BATCH);
            assert_eq!(done.code, 2, "{arguments:?}: {done:?}");
            done.says(&format!("format version {version} {words}")).says("expected 2");
        }
    }
}

/// The header as a later version would write it: another number, and its checksum.
fn with_version(header: &[u8], version: u32) -> Vec<u8> {
    let old = evlog_format::FORMAT_VERSION.to_le_bytes();
    let at = header.windows(4).position(|window| window == old).unwrap();
    let mut newer = header.to_vec();
    newer[at..at + 4].copy_from_slice(&version.to_le_bytes());
    let end = newer.len() - 4;
    let sum = evlog_format::checksum::crc32(&newer[..end]);
    newer[end..].copy_from_slice(&sum.to_le_bytes());
    newer
}

/// Text whose bytes are a frame of the log at this position.
fn frame_as_text(codec: &FrameCodec, position: u64) -> String {
    let framed = |n: u32| {
        let payload = n.to_string();
        let kind = Kind::Custom("custom/paid");
        let event = Event {
            stream: "x",
            number: 0,
            kind,
            kind_version: 1,
            causation: None,
            protection: PLAIN,
            payload: payload.as_bytes(),
        };
        let head = CommitHead::new(Seq(9), 7, Durability::Sync, "mallory");
        let mut bytes = Vec::new();
        codec.encode(position, 0, &mut bytes, |out| encode_commit(&head, &[event], out)).unwrap().unwrap();
        bytes
    };
    // One checksum of sixteen has no byte beyond ASCII.
    (100..1000).map(framed).find(|bytes| bytes.is_ascii()).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap()
}

#[test]
fn a_command_whose_text_is_a_frame_of_the_log_is_refused_and_those_after_it_are_taken() {
    // F-51.
    let room = Room::new();
    room.feed(&["submit"], r#"{"contract":"status","run":"A","do":"create","data":{}}"#);
    let cancel = |reason: &str| json!({"contract": "status", "run": "A", "do": "cancel", "reason": reason}).to_string();
    // A copy of the log shows at which position the text of such a command is written.
    let copy = room.again();
    let len = frame_as_text(&FrameCodec::new(LogId([0; 16])), 0).len();
    let mark = "Z".repeat(len);
    copy.feed(&["submit"], &cancel(&mark));
    let segment = fs::read(&copy.segments()[0]).unwrap();
    let log_id = SegmentHeader::decode(&segment).unwrap().log_id;
    let position = segment.windows(len).position(|found| found == mark.as_bytes()).unwrap() as u64;
    let text = frame_as_text(&FrameCodec::new(log_id), position);
    let answers = room.feed(&["submit"], &format!("{}\n{}\n", cancel(&text), cancel("harmless")));
    let answers = answers.lines();
    assert_eq!((&answers[0]["result"], &answers[0]["error"]["code"]), (&json!("refused"), &json!("HOLDS_FRAME")));
    assert_eq!(answers[1]["result"], "accepted", "{answers:?}");
    assert!(!room.ends(0, &["cat"]).out.contains("custom/paid"));
    room.ends(0, &["verify"]);
}
