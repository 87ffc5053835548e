//! One verdict, however it is asked for: logs that were changed in many ways, and what every judge says of each.

use crate::harmed::long_room;
use crate::notes::signed_room;
use crate::support::Room;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A change to the segments of a log, in words.
pub(crate) type Change = (String, Box<dyn Fn(&Room)>);

/// Renames a segment to what begins at another position.
fn rename(room: &Room, from: &Path, position: u64) {
    fs::rename(from, room.path(&format!("evlog/segments/{position:020}.seg"))).unwrap();
}

fn position(segment: &Path) -> u64 {
    segment.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

fn set_len(segment: &Path, len: u64) {
    fs::OpenOptions::new().write(true).open(segment).unwrap().set_len(len).unwrap();
}

/// Changes one segment, with the end of the log at hand.
pub(crate) type Harm = fn(&Room, &Path, u64);

/// What is done to one segment.
pub(crate) const ONE: [(&str, Harm); 22] = [
    ("missing", |_, it, _| fs::remove_file(it).unwrap()),
    ("renamed by one", |room, it, _| rename(room, it, position(it) + 1)),
    ("renamed to the end", |room, it, end| rename(room, it, end)),
    ("renamed far away", |room, it, _| rename(room, it, 1 << 40)),
    ("renamed to before the second", |room, it, _| rename(room, it, 50)),
    ("once more at the end", |room, it, end| {
        fs::copy(it, room.path(&format!("evlog/segments/{end:020}.seg"))).unwrap();
    }),
    ("once more between two", |room, it, _| {
        let other = room.path(&format!("evlog/segments/{:020}.seg", position(it) + 500));
        fs::copy(it, other).unwrap();
    }),
    ("emptied", |_, it, _| set_len(it, 0)),
    ("half a header", |_, it, _| set_len(it, 50)),
    ("a header alone", |_, it, _| set_len(it, 96)),
    ("cut within a frame", |_, it, _| set_len(it, 300)),
    ("cut by a byte", |_, it, _| set_len(it, fs::metadata(it).unwrap().len() - 1)),
    ("zeros after it", |_, it, _| set_len(it, fs::metadata(it).unwrap().len() + 64)),
    ("other bytes after it", |_, it, _| {
        let bytes = [fs::read(it).unwrap(), b"other bytes after it".to_vec()].concat();
        fs::write(it, bytes).unwrap();
    }),
    ("another magic", |_, it, _| flip(it, 0)),
    ("another version", |_, it, _| flip(it, 8)),
    ("another log id", |_, it, _| flip(it, 20)),
    ("another position", |_, it, _| flip(it, 41)),
    ("another first seq", |_, it, _| flip(it, 48)),
    ("another root", |_, it, _| flip(it, 60)),
    ("another frame", |_, it, _| flip(it, 300)),
    ("zeros from its first frame on", |_, it, _| {
        let mut bytes = fs::read(it).unwrap();
        bytes[96..].fill(0);
        fs::write(it, bytes).unwrap();
    }),
];

fn flip(segment: &Path, at: usize) {
    let mut bytes = fs::read(segment).unwrap();
    bytes[at] ^= 1;
    fs::write(segment, bytes).unwrap();
}

/// Every change to one segment, every swap of two, and every one in the place of another.
pub(crate) fn changes(whole: &Room, of_one: &'static [(&'static str, Harm)]) -> Vec<Change> {
    let segments = whole.segments();
    let (count, last) = (segments.len(), segments.last().unwrap());
    let end = position(last) + fs::metadata(last).unwrap().len();
    let mut all: Vec<Change> = vec![("nothing".to_owned(), Box::new(|_| ()))];
    for nth in 0..count {
        for &(word, harm) in of_one {
            all.push((format!("segment {nth}: {word}"), Box::new(move |room| harm(room, &room.segments()[nth], end))));
        }
        for other in 0..count {
            if nth < other {
                let swap = move |room: &Room| {
                    let (one, two) = (&room.segments()[nth], &room.segments()[other]);
                    let between = room.path("between");
                    fs::rename(one, &between).unwrap();
                    fs::rename(two, one).unwrap();
                    fs::rename(between, two).unwrap();
                };
                all.push((format!("segments {nth} and {other} swapped"), Box::new(swap)));
            }
            if nth != other {
                let copy = move |room: &Room| {
                    fs::copy(&room.segments()[nth], &room.segments()[other]).unwrap();
                };
                all.push((format!("segment {nth} in the place of {other}"), Box::new(copy)));
            }
        }
    }
    all
}

/// How a command ended, and the verdict in its answer.
fn verdict(room: &Room, arguments: &[&str]) -> (bool, String) {
    let done = room.run(&[arguments, &["--json"]].concat());
    assert!((0..=2).contains(&done.code), "{arguments:?}: {done:?}");
    let answer: Value = serde_json::from_str(&done.out).unwrap_or_default();
    (done.code == 2, answer["verdict"].as_str().unwrap_or_default().to_owned())
}

/// What the reader in Python prints, which looks at the segments alone.
pub(crate) fn python(room: &Room) -> (Option<i32>, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/evlog_reader.py");
    let output = Command::new("python3").arg(script).arg(room.path("evlog")).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn in_python(room: &Room) -> (bool, String) {
    let (code, out) = python(room);
    let word = out.lines().find_map(|line| line.strip_prefix("verdict "));
    (code == Some(2), word.unwrap_or_default().to_owned())
}

/// Says where judges differ.
fn differences(whole: &Room, is_bare: bool, differ: &mut Vec<String>) {
    for (word, change) in changes(whole, &ONE) {
        let room = whole.again();
        if is_bare {
            fs::remove_file(room.path("evlog/HEAD")).unwrap();
            fs::remove_dir_all(room.path("evlog/checkpoints")).ok();
        }
        change(&room);
        let expected = verdict(&room, &["verify"]);
        let mut said = |judge: &str, found: (bool, String)| {
            if found != expected {
                differ.push(format!("{word}, without HEAD: {is_bare}: verify {expected:?}, {judge} {found:?}"));
            }
        };
        said("repair", verdict(&room, &["repair", "--dry-run"]));
        said("verify with one thread", verdict(&room, &["verify", "--max-rate", "1G"]));
        said("a sample of all", verdict(&room, &["verify", "--sample", "100%"]));
        if is_bare {
            said("the reader in Python", in_python(&room));
        }
    }
}

#[test]
fn every_judge_has_one_verdict_on_a_log_whose_segments_were_changed() {
    let mut differ = Vec::new();
    for is_bare in [false, true] {
        differences(&long_room(), is_bare, &mut differ);
    }
    assert!(differ.is_empty(), "{} of them: {differ:#?}", differ.len());
}

#[test]
fn every_judge_has_one_verdict_on_a_log_with_notes_whose_segment_was_changed() {
    let mut differ = Vec::new();
    differences(&signed_room(), false, &mut differ);
    assert!(differ.is_empty(), "{} of them: {differ:#?}", differ.len());
}

/// What may have the name of a segment after the last one, and what every command says of such a log.
type Junk = (&'static str, fn(&Path), &'static str);

const JUNK: [Junk; 8] = [
    ("nothing", |path| fs::write(path, "").unwrap(), "damaged"),
    ("some bytes", |path| fs::write(path, "other bytes").unwrap(), "damaged"),
    ("many bytes", |path| fs::write(path, "other bytes".repeat(100)).unwrap(), "damaged"),
    ("zeros", |path| fs::write(path, [0; 200]).unwrap(), "damaged"),
    ("a copy of the first segment", |path| assert!(fs::copy(first(path), path).unwrap() > 0), "tampered"),
    ("a directory", |path| fs::create_dir(path).unwrap(), "expected a regular file, found a directory"),
    ("a link", |path| symlink(first(path), path).unwrap(), "expected a regular file, found a symbolic link"),
    (
        "a pipe",
        |path| mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap(),
        "expected a regular file, found a pipe",
    ),
];

fn first(of_log: &Path) -> PathBuf {
    of_log.with_file_name(format!("{:020}.seg", 0))
}

/// Commands that judge the log, read it or write to it.
const COMMANDS: [&[&str]; 15] = [
    &["verify"],
    &["verify", "--max-rate", "1G"],
    &["verify", "--sample", "100%"],
    &["repair", "--dry-run"],
    &["backup", "copy"],
    &["cat"],
    &["tail"],
    &["runs"],
    &["show", "odd"],
    &["explain", "odd"],
    &["replay"],
    &["audit"],
    &["export", "--format", "csv", "--out", "events.csv"],
    &["project", "--out", "projected"],
    &["submit"],
];

#[test]
fn every_command_has_one_verdict_on_a_log_with_a_file_that_is_no_segment_behind_its_end() {
    let (whole, mut differ) = (long_room(), Vec::new());
    let last = whole.segments().pop().unwrap();
    let end = position(&last) + fs::metadata(&last).unwrap().len();
    // After the end, after a gap, within the last segment, and in its place.
    for at in [end, end + 500, end - 50, position(&last)] {
        for (kind, put, of_kind) in JUNK {
            for is_bare in [false, true] {
                let room = whole.again();
                if is_bare {
                    fs::remove_file(room.path("evlog/HEAD")).unwrap();
                }
                let place = room.path(&format!("evlog/segments/{at:020}.seg"));
                fs::remove_file(&place).ok();
                put(&place);
                let word = verdict(&room, &["verify"]).1;
                let expected = if word.is_empty() { of_kind } else { &word };
                if at != position(&last) && expected != of_kind {
                    differ.push(format!("{kind} at {at} of {end}: verify says {expected}, not {of_kind}"));
                }
                for arguments in COMMANDS {
                    let done = room.feed(arguments, "");
                    if done.code == 0 || !format!("{}{}", done.out, done.err).contains(expected) {
                        differ.push(format!("{kind} at {at} of {end}: {arguments:?}, not {expected}: {done:?}"));
                    }
                }
            }
        }
    }
    assert!(differ.is_empty(), "{} of them: {differ:#?}", differ.len());
}
