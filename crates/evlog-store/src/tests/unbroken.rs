//! Readers of a log with a flaw after its start show everything before the flaw and nothing after it, and give the auditor's
//! verdict (rule F-05).

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

/// Writes a header's field, and corrects the checksum.
fn set(fs: &SimFs, path: &Path, at: usize, field: &[u8]) {
    let mut bytes = fs.bytes(path).unwrap();
    bytes[at..at + field.len()].copy_from_slice(field);
    let checksum = crc32(&bytes[..SEGMENT_HEADER_LEN - 4]).to_le_bytes();
    bytes[SEGMENT_HEADER_LEN - 4..SEGMENT_HEADER_LEN].copy_from_slice(&checksum);
    fs.put(path, bytes);
}

/// The number of events before a segment.
fn before(fs: &SimFs, path: &Path) -> usize {
    let bytes = fs.bytes(path).unwrap();
    let header = SegmentHeader::decode(&bytes).unwrap();
    usize::try_from(header.first_seq.0).unwrap()
}

/// The events that a reader shows from the start on, and the verdict with which it stops.
fn shown(fs: &SimFs) -> (Vec<Seen>, Option<Verdict>) {
    let mut seen = Vec::new();
    let reader = reader_up_to_damage(fs);
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
    let read = reader_up_to_damage(fs).stream::<ReadError>("run", &mut |_, _, _| {
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
            let reader = reader_up_to_damage(&fs);
            assert_eq!(all(&reader), truth[..kept], "first seq {first_seq}");
            assert_eq!(verdict(&reader.check_whole().unwrap_err()), Verdict::Tampered);
            let refused = Writer::open(Arc::new(fs.clone()), dir(), &owner()).unwrap_err();
            assert!(refused.to_string().contains("F-16"), "{refused}");
        }
    }
}

/// What a reader and a writer say of the log, and where.
fn refusals(fs: &SimFs) -> [(Verdict, Position); 2] {
    let reader = reader_up_to_damage(fs);
    let ReadError::Refused(read) = reader.check_whole().unwrap_err() else { panic!("no refusal") };
    let OpenError::Refused(opened) = Writer::open(Arc::new(fs.clone()), dir(), &owner()).unwrap_err() else {
        panic!("no refusal")
    };
    [(read.verdict, read.position), (opened.verdict, opened.position)]
}

#[test]
fn of_two_last_files_that_cannot_be_opened_the_worse_flaw_is_the_verdict_of_all() {
    // F-12, F-13, F-16: readers, writers and audits.
    let (whole, truth) = log();
    let paths = segment_files(&whole);
    let [.., first, second] = &paths[..] else { panic!("two segments") };
    let kept = before(&whole, first);
    let at = |path: &Path| SegmentHeader::decode(&whole.bytes(path).unwrap()).unwrap().position;
    let damage = |fs: &SimFs, path: &Path| {
        let mut bytes = fs.bytes(path).unwrap();
        bytes[SEGMENT_HEADER_LEN - 1] ^= 1;
        fs.put(path, bytes);
    };
    for (damaged, foreign) in [(first, second), (second, first)] {
        let fs = whole.kill();
        damage(&fs, damaged);
        set(&fs, foreign, 16, &[7; 16]);
        assert_eq!(audit(&fs).verdict(), Verdict::Tampered);
        assert_eq!(refusals(&fs), [(Verdict::Tampered, at(foreign)); 2]);
        let reader = reader_up_to_damage(&fs);
        assert_eq!(all(&reader), truth[..kept]);
    }
    let fs = whole.kill();
    damage(&fs, first);
    damage(&fs, second);
    assert_eq!(refusals(&fs), [(Verdict::Damaged, at(first)); 2], "of two alike, the first");
}

#[test]
fn a_sealed_segment_that_is_too_short_or_too_long_is_refused_by_writers_and_reported_by_readers() {
    // V-14, V-16: the index of the segment, which does not have the change, is still there, and the log was closed cleanly.
    let (whole, truth) = log();
    let paths = segment_files(&whole);
    for (nth, path) in paths.iter().enumerate().take(paths.len() - 1) {
        let len = whole.bytes(path).unwrap().len();
        for found in [0, 50, SEGMENT_HEADER_LEN, len - 1, len + 1] {
            let fs = whole.kill();
            let mut bytes = fs.bytes(path).unwrap();
            bytes.resize(found, 1);
            fs.put(path, bytes);
            let expected = if found < len { Verdict::Truncated } else { Verdict::Damaged };
            let refused = Writer::open(Arc::new(fs.clone()), dir(), &owner()).unwrap_err();
            let OpenError::Refused(refusal) = &refused else { panic!("{refused}") };
            assert_eq!((refusal.verdict, &refusal.file), (expected, path), "{refused}");
            let words = [format!("{len} bytes, up to the next segment"), format!("{found} bytes")];
            assert_eq!([refusal.expected.clone(), refusal.found.clone()], words);
            if nth > 0 {
                assert!([Verdict::Truncated, Verdict::Damaged].contains(&audit(&fs).verdict()));
                let reader = reader_up_to_damage(&fs);
                assert_eq!(verdict(&reader.check_whole().unwrap_err()), expected);
                let mut seen = Vec::new();
                more(&reader, Position(0), &mut seen).unwrap_err();
                assert!(truth.starts_with(&seen) && seen.len() >= before(&whole, path));
            }
        }
    }
}
