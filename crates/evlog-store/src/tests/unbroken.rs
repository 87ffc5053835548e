//! Readers of a log with a flaw behind its start show everything before the flaw, nothing behind it, and give the
//! auditor's verdict (rule F-05).

use super::*;
use crate::inspect::Inspection;
use crate::repair::{Accept, Survey};
use crate::{OpenError, backup};
use evlog_format::checksum::crc32;
use evlog_format::{SEGMENT_HEADER_LEN, SegmentHeader, Seq};
use evlog_verify::Verdict;

/// A log of many segments, and what it holds.
fn log() -> (SimFs, Vec<Seen>) {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    for number in 0..30u8 {
        put(&writer, "run", &[number; 90]);
    }
    writer.close().unwrap();
    let truth = all(&reader(&fs));
    assert!(segment_files(&fs).len() > 4);
    (fs, truth)
}

/// Writes a header's field, and makes the checksum right again.
fn set(fs: &SimFs, path: &Path, at: usize, field: &[u8]) {
    let mut bytes = fs.bytes(path).unwrap();
    bytes[at..at + field.len()].copy_from_slice(field);
    let checksum = crc32(&bytes[..SEGMENT_HEADER_LEN - 4]).to_le_bytes();
    bytes[SEGMENT_HEADER_LEN - 4..SEGMENT_HEADER_LEN].copy_from_slice(&checksum);
    fs.put(path, bytes);
}

/// How many events stand before a segment.
fn before(fs: &SimFs, path: &Path) -> usize {
    let bytes = fs.bytes(path).unwrap();
    let header = SegmentHeader::decode(&bytes).unwrap();
    usize::try_from(header.first_seq.0).unwrap()
}

/// The events that a reader shows from the start on, and the verdict with which it stops.
fn shown(fs: &SimFs) -> (Vec<Seen>, Option<Verdict>) {
    let mut seen = Vec::new();
    let reader = reader(fs);
    let read = reader.seek(Seq(0)).and_then(|start| more(&reader, start, &mut seen));
    (seen, read.err().map(|error| verdict(&error)))
}

fn verdict(error: &ReadError) -> Verdict {
    let ReadError::Refused(refusal) = error else { panic!("{error}") };
    refusal.verdict
}

/// The verdict of a reader of one stream, and how many of its events it showed.
fn streamed(fs: &SimFs) -> (usize, Option<Verdict>) {
    let mut count = 0;
    let read = reader(fs).stream::<ReadError>("run", &mut |_, _, _| {
        count += 1;
        Ok(ControlFlow::Continue(()))
    });
    (count, read.err().map(|error| verdict(&error)))
}

fn planned(fs: &SimFs) -> Verdict {
    let survey = Survey::look(Arc::new(fs.clone()), dir(), &mut |_, _| ()).unwrap();
    survey.plan(Accept::Nothing).refused.unwrap().refusal.verdict
}

#[test]
fn another_version_in_a_later_header_is_damage_there_and_silences_nothing_before_it() {
    // F-11
    let (whole, truth) = log();
    let paths = segment_files(&whole);
    for (nth, path) in paths.iter().enumerate().skip(1) {
        let (fs, kept) = (whole.kill(), before(&whole, path));
        set(&fs, path, 8, &3u32.to_le_bytes());
        assert!(audit(&fs).findings.kept().iter().any(|finding| finding.rule == "F-11"));
        assert_eq!(planned(&fs), Verdict::Damaged, "segment {nth}");
        let looked = Inspection::open(Arc::new(fs.clone()), dir()).unwrap();
        assert_eq!(looked.segments()[nth].wrong, ["one of format version 3, in a log of version 2"]);
        if nth + 1 < paths.len() {
            assert_eq!(shown(&fs), (truth[..kept].to_vec(), Some(Verdict::Damaged)), "segment {nth}");
        } else {
            let error = Writer::open(Arc::new(fs.clone()), dir(), &owner()).unwrap_err();
            assert!(matches!(&error, OpenError::Refused(refusal) if refusal.verdict == Verdict::Damaged), "{error}");
        }
    }
}

#[test]
fn bytes_behind_the_last_frame_of_a_sealed_segment_are_damage_and_nothing_behind_them_is_shown() {
    // F-25, V-14
    let (whole, truth) = log();
    let paths = segment_files(&whole);
    for stray in [&b"stray"[..], &[0; 64]] {
        for nth in 0..paths.len() - 1 {
            let (fs, kept) = (whole.kill(), before(&whole, &paths[nth + 1]));
            fs.put(&paths[nth], [&fs.bytes(&paths[nth]).unwrap(), stray].concat());
            assert_eq!(audit(&fs).verdict(), Verdict::Damaged);
            assert_eq!(shown(&fs), (truth[..kept].to_vec(), Some(Verdict::Damaged)), "segment {nth}");
            assert_eq!(streamed(&fs), (kept, Some(Verdict::Damaged)), "segment {nth}");
            let any: Arc<dyn crate::Fs> = Arc::new(fs.clone());
            let copied = backup::copy(&any, dir(), Path::new("/copy"), &mut |_, _| ()).unwrap_err();
            assert!(matches!(&copied, OpenError::Refused(refusal) if refusal.verdict == Verdict::Damaged), "{copied}");
        }
    }
}

#[test]
fn a_later_header_that_states_another_first_seq_hides_no_event_before_it() {
    // F-16
    let (whole, truth) = log();
    for path in &segment_files(&whole)[1..] {
        for first_seq in [0, 1, u64::from(u32::MAX)] {
            let (fs, kept) = (whole.kill(), before(&whole, path));
            set(&fs, path, 48, &first_seq.to_le_bytes());
            assert_eq!(audit(&fs).verdict(), Verdict::Tampered);
            if *path != *segment_files(&whole).last().unwrap() {
                assert_eq!(shown(&fs), (truth[..kept].to_vec(), Some(Verdict::Tampered)), "first seq {first_seq}");
                continue;
            }
            let reader = Reader::open_up_to_damage(Arc::new(fs.clone()), dir()).unwrap();
            assert_eq!(all(&reader), truth[..kept], "first seq {first_seq}");
            assert_eq!(verdict(&reader.check_whole().unwrap_err()), Verdict::Tampered);
            let refused = Writer::open(Arc::new(fs.clone()), dir(), &owner()).unwrap_err();
            assert!(refused.to_string().contains("F-16"), "{refused}");
        }
    }
}
