//! What readers show of a log with an unreadable file: everything before it, and then why no more is shown.

use crate::notes::{blank, cut, signed_room};
use crate::support::{Done, Room};
use evlog_format::{Position, Root, SegmentHeader, Seq};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What may be in the place of a file, in words, and the function that puts it there.
type Harm = (&'static str, fn(&Path));

const SPECIAL: [Harm; 4] = [
    ("a symbolic link", |path| {
        fs::rename(path, path.with_extension("moved")).unwrap();
        symlink(path.with_extension("moved"), path).unwrap();
    }),
    ("a pipe", |path| {
        fs::remove_file(path).unwrap();
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    }),
    ("a directory", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    }),
    ("a socket", |path| {
        fs::remove_file(path).unwrap();
        drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    }),
];

/// Commands that read events or runs.
const READING: [&[&str]; 7] =
    [&["cat"], &["cat", "--run", "odd"], &["tail"], &["runs"], &["show", "odd"], &["explain", "odd"], &["replay"]];

/// A log of several segments, whose runs are published in `out`.
pub(crate) fn long_room() -> Room {
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    let line = |number: usize| {
        let run = if number.is_multiple_of(2) { "even" } else { "odd" };
        format!(
            "{{\"contract\":\"custom\",\"run\":\"{run}\",\"do\":\"record\",\"kind\":\"custom/n\",\"data\":{number}}}\n"
        )
    };
    assert_eq!(room.feed(&["submit"], &(0..40).map(line).collect::<String>()).code, 0);
    assert!(room.segments().len() > 3);
    room
}

/// The number of events before a segment, from its header.
fn before(whole: &Room, segment: usize) -> usize {
    let bytes = fs::read(&whole.segments()[segment]).unwrap();
    usize::try_from(SegmentHeader::decode(&bytes).unwrap().first_seq.0).unwrap()
}

/// What a command shows before it ends with 2 and says this.
#[track_caller]
fn stops(room: &Room, arguments: &[&str], sentence: &str) -> Done {
    let done = room.ends(2, arguments);
    done.says(sentence);
    done
}

#[test]
fn events_before_a_segment_that_is_not_a_regular_file_are_shown() {
    let whole = long_room();
    let count = whole.segments().len();
    for (word, put) in SPECIAL {
        for nth in 1..count {
            let room = whole.again();
            let sentence = format!("expected a regular file, found {word}");
            put(&room.segments()[nth]);
            let shown = before(&whole, nth);
            let ways = [
                &["cat"][..],
                &["tail", "-n", "1000"],
                &["cat", "--since", "1971-01-01T00:00:00Z"],
                &["tail", "-n", "1000", "--since", "1971-01-01T00:00:00Z"],
            ];
            for way in ways {
                let done = stops(&room, &[way, &["--json"]].concat(), &sentence);
                assert_eq!(done.lines().len(), shown, "{way:?}, segment {nth} is {word}");
            }
            for run in ["odd", "even"] {
                let done = stops(&room, &["cat", "--run", run, "--json"], &sentence);
                assert!(!done.lines().is_empty(), "{run}, segment {nth} is {word}");
            }
        }
    }
}

#[test]
fn every_command_says_of_a_segment_that_is_no_regular_file_what_it_is() {
    let whole = long_room();
    for (word, put) in SPECIAL {
        for nth in [1, whole.segments().len() - 1] {
            let room = whole.again();
            put(&room.segments()[nth]);
            let sentence = format!("expected a regular file, found {word}");
            for way in [
                &["submit"][..],
                &["show", "odd"],
                &["audit"],
                &["policy", "show"],
                &["project", "--out", "files"],
                &["export", "--format", "jsonl", "--out", "events.jsonl"],
                &["replay"],
                &["verify"],
                &["backup", "copy"],
                &["repair", "--dry-run"],
            ] {
                stops(&room, way, &sentence);
            }
        }
    }
}

#[test]
fn events_before_it_are_shown_without_the_indexes_too() {
    // They can be deleted at any time.
    let whole = long_room();
    for nth in 1..whole.segments().len() {
        let room = whole.again();
        let shown = |run: &str| room.run(&["cat", "--run", run, "--json"]).lines().len();
        let segment = room.segments().remove(nth);
        SPECIAL[1].1(&segment);
        let with = ["odd", "even"].map(shown);
        for index in room.segments() {
            let _none = fs::remove_file(index.with_extension("idx"));
        }
        let without = ["odd", "even"].map(shown);
        assert_eq!(with, without, "segment {nth}");
        stops(&room, &["cat", "--run", "odd"], "expected a regular file, found a pipe");
    }
}

#[test]
fn everything_answers_as_of_the_last_event_before_a_segment_that_cannot_be_read() {
    let whole = long_room();
    let ways = READING.iter().copied().chain([&["cat", "--since", "1971-01-01T00:00:00Z"][..]]);
    for nth in 1..whole.segments().len() {
        let last = (before(&whole, nth) - 1).to_string();
        for has_index in [true, false] {
            let room = whole.again();
            let segment = room.segments().remove(nth);
            SPECIAL[1].1(&segment);
            if !has_index {
                let _none = fs::remove_file(segment.with_extension("idx"));
            }
            for way in ways.clone() {
                let way = [way, &["--at", &last]].concat();
                assert_eq!(room.ends(0, &way).out, whole.ends(0, &way).out, "{way:?}");
            }
        }
    }
}

#[test]
fn runs_and_show_answer_as_of_the_events_before_a_last_segment_that_is_no_regular_file() {
    for (word, put) in SPECIAL {
        let room = long_room();
        put(room.segments().last().unwrap());
        let sentence = format!("expected a regular file, found {word}");
        for way in [&["runs", "--json"][..], &["show", "odd", "--json"]] {
            assert!(!stops(&room, way, &sentence).lines().is_empty(), "{way:?}, {word}");
        }
        stops(&room, &["tail", "-f"], &sentence);
        for way in [&["runs"][..], &["show", "odd"], &["replay"], &["explain", "odd"]] {
            room.ends(0, &[way, &["--at", "5"]].concat());
        }
        for way in [&["verify"][..], &["repair", "--dry-run"], &["backup", "copy"], &["submit"]] {
            stops(&room, way, &sentence);
        }
    }
}

#[test]
fn several_segments_at_the_end_that_cannot_be_read_hide_nothing_before_them() {
    let whole = long_room();
    let count = whole.segments().len();
    let harms: [fn(&Path); 3] = [SPECIAL[0].1, SPECIAL[2].1, |path| fs::write(path, "").unwrap()];
    for first in harms {
        for second in harms {
            let room = whole.again();
            let segments = room.segments();
            first(&segments[count - 2]);
            second(&segments[count - 1]);
            let done = room.ends(2, &["cat", "--json"]);
            assert_eq!(done.lines().len(), before(&whole, count - 2));
            done.says(segments[count - 2].file_name().unwrap().to_str().unwrap());
        }
    }
}

#[test]
fn a_head_that_cannot_be_read_stops_no_reader_and_is_said() {
    let whole = long_room();
    whole.ends(0, &["project", "--out", "out"]);
    let reading = READING.iter().copied().chain([&["project", "--check", "out"][..]]);
    let garbage: Harm = ("other bytes", |path| fs::write(path, "garbage").unwrap());
    for (word, put) in SPECIAL.into_iter().chain([garbage]) {
        let room = whole.again();
        put(&room.path("evlog/HEAD"));
        for way in reading.clone() {
            let done = room.ends(0, way);
            assert_eq!(done.out, whole.ends(0, way).out, "{way:?}: {word}");
            done.says("`HEAD` says nothing of how much of the log was synced").says(word);
        }
        room.ends(0, &["project", "--out", "other", "--no-record"]);
    }
}

#[test]
fn a_head_of_another_log_and_a_directory_of_notes_that_is_none_are_said_and_stop_no_reader() {
    let (room, other) = (long_room(), long_room());
    let whole = room.ends(0, &["cat"]).out;
    fs::copy(other.path("evlog/HEAD"), room.path("evlog/HEAD")).unwrap();
    let done = room.ends(0, &["cat"]);
    assert_eq!(done.out, whole);
    done.says("is of another log");
    let room = long_room();
    let whole = room.ends(0, &["cat"]).out;
    fs::write(room.path("evlog/checkpoints"), "").unwrap();
    let done = room.ends(0, &["cat"]);
    assert_eq!(done.out, whole);
    done.says("the log's own notes say nothing of how long it was");
}

#[test]
fn a_head_that_cannot_be_read_stops_every_writer_and_every_judge() {
    for (word, put) in SPECIAL {
        let room = long_room();
        put(&room.path("evlog/HEAD"));
        for way in [&["submit"][..], &["repair"], &["repair", "--dry-run"], &["verify"], &["backup", "copy"]] {
            stops(&room, way, "HEAD").says(&format!("expected a regular file, found {word}"));
        }
        assert!(!room.path("copy").exists());
    }
}

#[test]
fn a_follower_that_cannot_read_head_ends_since_nothing_would_ever_come() {
    let room = long_room();
    SPECIAL[2].1(&room.path("evlog/HEAD"));
    let done = stops(&room, &["tail", "-f", "-n", "1000", "--json"], "expected a regular file, found a directory");
    assert!(done.lines().len() > 40);
}

#[test]
fn every_reader_says_that_a_log_is_shorter_than_a_note_of_its_own() {
    // Rule C-51, without HEAD and without a later segment.
    for shorten in [cut, blank] {
        every_reader_says_that_the_log_is_shorter(shorten);
    }
}

fn every_reader_says_that_the_log_is_shorter(shorten: fn(&Room) -> PathBuf) {
    let room = signed_room();
    room.ends(0, &["project", "--out", "out"]);
    let whole = room.ends(0, &["cat", "--json"]).lines().len();
    shorten(&room);
    for way in [&["cat"][..], &["tail", "-n", "1000"], &["runs"], &["show", "RUN_0001"], &["cat", "--run", "RUN_0001"]]
    {
        let done = stops(&room, &[way, &["--json"]].concat(), "log is truncated at position");
        assert!(!done.lines().is_empty(), "{way:?}");
        done.says(".note");
    }
    assert!(room.run(&["cat", "--json"]).lines().len() < whole);
    let refusing = [
        &["replay"][..],
        &["explain", "RUN_0001"],
        &["project", "--check", "out"],
        &["project", "--out", "other"],
        &["tail", "-f"],
        &["policy", "show"],
    ];
    for way in refusing {
        stops(&room, way, "log is truncated at position");
    }
    assert!(!room.path("other").exists());
    for way in [&["cat"][..], &["runs"], &["show", "RUN_0001"], &["replay"]] {
        room.ends(0, &[way, &["--at", "3"]].concat());
    }
    // What the log records as given up is not reported as missing.
    room.ends(0, &["repair", "--accept-loss", "--yes", "--actor", "ops@example.org"]);
    for way in [&["cat"][..], &["tail"], &["runs"], &["show", "RUN_0001"]] {
        room.ends(0, way);
    }
}

/// Appends a segment that has a header alone, in which everything is right but what `forge` changes.
fn append_header(room: &Room, forge: impl Fn(&mut SegmentHeader)) {
    let segments = room.segments();
    let bytes: Vec<u8> = segments.iter().flat_map(|path| fs::read(path).unwrap()).collect();
    let (position, root_before) = (Position(bytes.len() as u64), Root(*blake3::hash(&bytes).as_bytes()));
    let next: u64 = room.ends(0, &["verify", "--json"]).json()["next_seq"].as_u64().unwrap();
    let first = SegmentHeader::decode(&bytes).unwrap();
    let mut header = SegmentHeader { position, first_seq: Seq(next), root_before, ..first };
    forge(&mut header);
    fs::write(segments[0].with_file_name(format!("{position:020}.seg")), header.encode()).unwrap();
}

/// A name, a rule, and what is wrong in a header.
type Forged = (&'static str, &'static str, fn(&mut SegmentHeader));

#[test]
fn a_last_segment_whose_header_does_not_continue_the_log_hides_nothing_and_takes_nothing() {
    // F-12, F-16.
    let line = "{\"contract\":\"custom\",\"run\":\"r\",\"do\":\"record\",\"kind\":\"custom/n\"}\n";
    let forged: [Forged; 5] = [
        ("first seq 0", "F-16", |header| header.first_seq = Seq(0)),
        ("first seq 1", "F-16", |header| header.first_seq = Seq(1)),
        ("first seq 1000", "F-16", |header| header.first_seq = Seq(1000)),
        ("segment size limit", "F-12", |header| header.segment_limit *= 2),
        ("log id", "F-12", |header| header.log_id.0[0] ^= 1),
    ];
    for (name, rule, forge) in forged {
        let room = Room::new();
        room.ends(0, &["init", "--segment-limit", "1024"]);
        room.feed(&["submit"], &line.repeat(20));
        let whole = room.ends(0, &["cat"]).out;
        append_header(&room, forge);
        for reading in [&["cat"][..], &["tail", "-n", "1000"]] {
            let done = room.ends(2, reading);
            assert_eq!(done.out, whole, "{name} {reading:?}");
            done.says("tampered").says(rule);
        }
        for reading in [&["runs"][..], &["replay"], &["show", "r"]] {
            room.ends(2, reading).says("tampered");
        }
        assert_eq!(room.ends(1, &["verify", "--json"]).json()["verdict"], "tampered");
        let inspected = room.ends(1, &["inspect", "--json"]).out;
        assert!(inspected.contains("in the header: expected"), "{name}: {inspected}");
        let refused = room.feed(&["submit"], line);
        assert!(refused.code == 2 && refused.err.contains("tampered"), "{name}: {refused:?}");
        room.ends(0, &["key", "new", "example.com/builds"]);
        let signed = room.run(&["checkpoint", "--key", "builds.key"]);
        assert!(signed.code == 2 && signed.err.contains("tampered"), "{name}: {signed:?}");
    }
}
