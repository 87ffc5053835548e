//! `inspect` shows everything that can be read, and changes nothing.

use super::*;
use crate::inspect::{Inspection, Stretch, What};
use std::io::ErrorKind;

fn log() -> SimFs {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    for number in 0..14u8 {
        put(&writer, &format!("run-{}", number % 3), &[number; 99]);
    }
    writer.close().unwrap();
    assert_eq!(segment_files(&fs).len(), 3);
    fs
}

fn inspection(fs: &SimFs) -> Inspection {
    Inspection::open(Arc::new(fs.clone()), dir()).unwrap()
}

/// Where the stretches of a segment begin, and which of them are commits; they have to cover all bytes after the header.
fn stretches(inspection: &Inspection, at: usize) -> Vec<(u64, bool)> {
    let segment = &inspection.segments()[at];
    let (mut found, mut next) = (Vec::new(), segment.position.0 + 96);
    let visited = inspection.stretches(segment, &mut |stretch| {
        let (position, len, is_commit) = match stretch {
            Stretch::Frame(frame, commit) => (frame.position, frame.len() as u64, commit.is_ok()),
            Stretch::Other { position, len, .. } => (position.0, len, false),
        };
        assert_eq!(position, next, "the stretches follow each other");
        next = position + len;
        found.push((position, is_commit));
        ControlFlow::Continue(())
    });
    visited.unwrap();
    assert_eq!(next, (segment.position.0 + segment.len).max(segment.position.0 + 96), "they reach the end");
    found
}

#[test]
fn whatever_byte_is_changed_every_other_frame_is_shown_and_nothing_is_left_out() {
    let fs = log();
    let whole: Vec<Vec<(u64, bool)>> = (0..3).map(|at| stretches(&inspection(&fs), at)).collect();
    assert!(whole.iter().flatten().all(|(_, is_commit)| *is_commit));
    for (at, path) in segment_files(&fs).iter().enumerate() {
        let bytes = fs.bytes(path).unwrap();
        for offset in 0..bytes.len() {
            let harmed = fs.kill();
            let mut changed = bytes.clone();
            changed[offset] ^= 4;
            harmed.put(path, changed);
            let inspection = inspection(&harmed);
            let found = stretches(&inspection, at);
            if offset < 96 {
                assert_eq!(found, whole[at], "byte {offset}: frames are read without their header");
                assert!(!inspection.segments()[at].wrong.is_empty(), "byte {offset}");
                continue;
            }
            let lost: Vec<_> = whole[at].iter().filter(|frame| !found.contains(frame)).collect();
            let position = inspection.segments()[at].position.0 + offset as u64;
            assert_eq!(lost.len(), 1, "byte {offset}: {lost:?}");
            assert!(lost[0].0 <= position, "byte {offset}");
            let harmed_place = inspection.place(Position(lost[0].0)).unwrap().unwrap();
            assert!(matches!(harmed_place.what, What::Other(_)), "byte {offset}");
        }
    }
}

#[test]
fn a_place_says_what_stands_there_and_what_it_is_a_part_of() {
    let fs = log();
    let inspection = inspection(&fs);
    let first = inspection.place(Position(96)).unwrap().unwrap();
    assert_eq!((&first.what, first.within), (&What::Frame, None));
    let fields = first.fields.unwrap();
    assert_eq!((fields.len as usize + 16, fields.durable_before), (first.bytes.len(), 96));
    let within = inspection.place(Position(96 + 17)).unwrap().unwrap();
    assert!(matches!(within.what, What::Other(_)) && within.within == Some(Position(96)), "{within:?}");
    let header = inspection.place(Position(10)).unwrap().unwrap();
    assert_eq!((header.what, header.within, header.bytes.len()), (What::SegmentHeader, Some(Position(0)), 86));
    let end = inspection.segments().last().map(|last| last.position.0 + last.len).unwrap();
    assert!(inspection.place(Position(end)).unwrap().is_none());
}

#[test]
fn contradictions_are_reported_and_a_log_without_any_header_is_still_shown() {
    let fs = log();
    let paths = segment_files(&fs);
    let shorter = fs.kill();
    shorter.put(&paths[1], fs.bytes(&paths[1]).unwrap()[..200].to_vec());
    let wrong = inspection(&shorter).segments()[1].wrong.clone();
    assert!(wrong[0].starts_with("length up to the next segment: expected"), "{wrong:?}");
    let swapped = fs.kill();
    swapped.put(&paths[1], fs.bytes(&paths[2]).unwrap());
    let wrong = inspection(&swapped).segments()[1].wrong.clone();
    assert!(wrong.iter().any(|wrong| wrong.starts_with("position in the header")), "{wrong:?}");
    let blind = fs.kill();
    for path in &paths {
        blind.put(path, vec![7; 300]);
    }
    assert!(inspection(&blind).log_id().is_some(), "HEAD has the id");
    crate::Fs::remove(&blind, &dir().join("HEAD")).unwrap();
    let found = inspection(&blind);
    assert_eq!((found.log_id(), found.segments().len()), (None, 3));
    let mut reasons = Vec::new();
    let visited = found.stretches(&found.segments()[0], &mut |stretch| {
        if let Stretch::Other { reason, .. } = stretch {
            reasons.push(reason);
        }
        ControlFlow::Continue(())
    });
    visited.unwrap();
    assert_eq!(reasons, ["no header tells the log's id"]);
}

#[test]
fn lock_quarantine_and_strangers_are_listed_and_nothing_is_written() {
    let fs = log();
    let path = segment_files(&fs).last().unwrap().clone();
    fs.put(&path, [fs.bytes(&path).unwrap(), b"torn".to_vec()].concat());
    let (writer, recovery) = open(&fs);
    fs.put(&dir().join("segments/notes.txt"), Vec::new());
    let trail = fs.trail().len();
    let found = inspection(&fs);
    let lock = found.lock().unwrap();
    assert_eq!(lock.held, Some(true));
    assert_eq!(found.quarantine(), [(recovery.cut.unwrap().kept_as, Some(4))]);
    assert_eq!(found.strangers(), ["notes.txt"]);
    assert_eq!(fs.trail().len(), trail, "looking writes nothing");
    drop(writer);
    assert!(inspection(&fs).lock().is_none_or(|lock| lock.held == Some(false)));
}

#[test]
fn a_segment_that_cannot_be_read_is_reported_and_the_others_are_shown() {
    let fs = log();
    // The first two reads are of `HEAD`.
    fs.fail_once(crate::fs::sim::Act::Read, 2, ErrorKind::Other);
    let found = inspection(&fs);
    let wrong: Vec<bool> = found.segments().iter().map(|segment| !segment.wrong.is_empty()).collect();
    assert_eq!(wrong.iter().filter(|wrong| **wrong).count(), 1, "{:?}", found.segments());
}
