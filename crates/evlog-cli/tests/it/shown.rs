//! What readers show of a log whose checksums match and whose order does not: the reader in Python and `cat` stop at the same place.

use crate::forge::{head_field, reframe};
use crate::harmed::long_room;
use crate::support::Room;
use crate::verdicts::{ONE, changes, python};
use evlog_format::{CommitHead, CommitReader, Frame};
use std::fs;
use std::path::Path;

/// Changes a segment and makes its checksums right again.
type Forgery = (&'static str, fn(&Path));

/// The body of a commit that begins with another seq.
fn with_seq(frame: &Frame<'_>, change: fn(u64) -> u64) -> Vec<u8> {
    let mut commit = CommitReader::new(frame.body, 0).unwrap();
    let head = CommitHead { first_seq: evlog_format::Seq(change(commit.head.first_seq.0)), ..commit.head };
    let mut events = Vec::new();
    while let Some((_, event)) = commit.next_event().unwrap() {
        events.push(event);
    }
    let mut body = Vec::new();
    evlog_format::encode_commit(&head, &events, &mut body).unwrap();
    body
}

const FORGED: [Forgery; 10] = [
    ("log id", |it| head_field(it, 16, &[7; 16])),
    ("first seq, one more", |it| head_field(it, 48, &(first_seq(it) + 1).to_le_bytes())),
    ("first seq, one less", |it| head_field(it, 48, &first_seq(it).saturating_sub(1).to_le_bytes())),
    ("position", |it| head_field(it, 40, &7777u64.to_le_bytes())),
    ("root", |it| head_field(it, 56, &[7; 32])),
    ("commit that begins later", |it| reframe(it, 3, |frame| (frame.durable_before, with_seq(frame, |seq| seq + 1)))),
    ("commit that begins earlier", |it| reframe(it, 3, |frame| (frame.durable_before, with_seq(frame, |seq| seq - 1)))),
    ("first commit that begins later", |it| {
        reframe(it, 0, |frame| (frame.durable_before, with_seq(frame, |seq| seq + 1)));
    }),
    ("durable-before that falls", |it| reframe(it, 2, |frame| (0, frame.body.to_vec()))),
    ("durable-before that falls at the start", |it| reframe(it, 0, |frame| (0, frame.body.to_vec()))),
];

/// What contradicts nothing at the start of the log.
const FREE_AT_THE_START: [&str; 3] = ["log id", "first seq, one less", "durable-before that falls at the start"];

fn first_seq(segment: &Path) -> u64 {
    u64::from_le_bytes(*fs::read(segment).unwrap()[48..].first_chunk().unwrap())
}

/// The seqs that both readers show.
fn shown(room: &Room) -> [Vec<u64>; 2] {
    let cat = room.run(&["cat", "--json"]).lines().iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    let lines = python(room).1;
    let seq = |line: &str| line.split_once('\t').and_then(|(seq, _)| seq.parse().ok());
    [cat, lines.lines().filter_map(seq).collect()]
}

#[test]
fn the_reader_in_python_and_cat_stop_at_the_same_place_of_a_log_that_was_forged() {
    // Rules F-02, F-05, F-12, F-16, F-24, F-31.
    let whole = long_room();
    let all = shown(&whole)[0].len();
    let mut differ = Vec::new();
    for nth in 0..whole.segments().len() {
        for (word, forge) in FORGED {
            let room = whole.again();
            forge(&room.segments()[nth]);
            let [cat, python] = shown(&room);
            if cat != python || cat.len() == all && word != "root" && (nth > 0 || !FREE_AT_THE_START.contains(&word)) {
                differ.push(format!("segment {nth}, another {word}: cat {cat:?}, Python {python:?}"));
            }
        }
    }
    assert!(differ.is_empty(), "{} of them: {differ:#?}", differ.len());
}

#[test]
fn the_reader_in_python_and_cat_stop_at_the_same_place_of_a_log_that_was_harmed() {
    let whole = long_room();
    let mut differ = Vec::new();
    for (word, change) in changes(&whole, &ONE) {
        let room = whole.again();
        fs::remove_file(room.path("evlog/HEAD")).unwrap();
        change(&room);
        let [cat, python] = shown(&room);
        // No command shows events of a log whose first segment is missing.
        if cat != python && room.path("evlog/segments/00000000000000000000.seg").exists() {
            differ.push(format!("{word}: cat {cat:?}, Python {python:?}"));
        }
    }
    assert!(differ.is_empty(), "{} of them: {differ:#?}", differ.len());
}
