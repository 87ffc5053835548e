//! Each row of the recovery table, on a log that is made for it byte by byte, from the scan to what opening does.

use super::*;
use crate::head::Head;
use crate::recovery::{Case, Floor, Later, Place, Stop, TABLE, plan};
use crate::scan::{Numbers, scan};
use crate::segment::{Access, Files};
use crate::streams::Streams;
use crate::{Committed, OpenError, Verdict};
use evlog_format::{CommitHead, Event, FrameCodec, PLAIN, SEGMENT_HEADER_LEN, SegmentHeader, Seq, encode_commit};

/// A segment in the making.
struct Made {
    header: SegmentHeader,
    bytes: Vec<u8>,
    next_seq: u64,
}

impl Made {
    fn new(position: u64, next_seq: u64, root_before: Root) -> Made {
        let (position, first_seq) = (Position(position), Seq(next_seq));
        let header = SegmentHeader { log_id: LOG, segment_limit: LIMIT, position, first_seq, root_before };
        Made { header, bytes: header.encode().to_vec(), next_seq }
    }

    fn first() -> Made {
        Made::new(0, 0, Root::EMPTY)
    }

    fn end(&self) -> u64 {
        self.header.position.0 + self.bytes.len() as u64
    }

    /// Adds a frame with this durable-before, whose body the closure writes.
    fn frame(mut self, durable_before: u64, body: impl FnOnce(&mut Vec<u8>)) -> Made {
        let end = self.end();
        let encoded = FrameCodec::new(LOG).encode::<()>(end, durable_before, &mut self.bytes, |out| {
            body(out);
            Ok(())
        });
        assert!(matches!(encoded, Ok(Ok(_))));
        self
    }

    /// A commit of one event; `skipped` seqs are left out before it.
    fn commit_after(mut self, durable_before: u64, skipped: u64) -> Made {
        let seq = self.next_seq + skipped;
        self.next_seq = seq + 1;
        self.frame(durable_before, |out| {
            let head = CommitHead::new(Seq(seq), 0, Durability::Sync, "m");
            let (kind, kind_version, causation, protection) = (Kind::BuiltIn(1), 1, None, PLAIN);
            let (stream, number, payload) = ("run", seq, &[7; 40][..]);
            let event = Event { stream, number, kind, kind_version, causation, protection, payload };
            encode_commit(&head, &[event], out).unwrap();
        })
    }

    /// A commit whose event has another number than the next one of its stream.
    fn misnumbered(mut self, number: u64) -> Made {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.frame(FIRST, |out| {
            let head = CommitHead::new(Seq(seq), 0, Durability::Sync, "m");
            let (kind, kind_version, causation, protection) = (Kind::BuiltIn(1), 1, None, PLAIN);
            let (stream, payload) = ("run", &[7; 40][..]);
            let event = Event { stream, number, kind, kind_version, causation, protection, payload };
            encode_commit(&head, &[event], out).unwrap();
        })
    }

    fn commit(self, durable_before: u64) -> Made {
        self.commit_after(durable_before, 0)
    }

    fn raw(mut self, bytes: &[u8]) -> Made {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Changes the byte at this position.
    fn flip(mut self, position: u64) -> Made {
        self.bytes[usize::try_from(position - self.header.position.0).unwrap()] ^= 0x40;
        self
    }

    fn cut(mut self, bytes: usize) -> Made {
        self.bytes.truncate(self.bytes.len() - bytes);
        self
    }
}

const FIRST: u64 = SEGMENT_HEADER_LEN as u64;

/// Puts segments on a disk, and a `HEAD` that says how far they were synced.
fn disk(segments: Vec<Made>, durable: Option<u64>) -> SimFs {
    let fs = SimFs::new();
    let files = Files::new(Arc::new(fs.clone()), dir());
    crate::Fs::create_dir(&fs, files.layout.segments()).unwrap();
    if let Some(durable) = durable {
        put_head(&fs, durable);
    }
    for segment in segments {
        fs.put(&files.layout.segment(segment.header.position), segment.bytes);
    }
    fs
}

fn put_head(fs: &SimFs, durable: u64) {
    let (durable, next_seq) = (Position(durable), Seq(0));
    let head = Head { log_id: LOG, durable, committed: durable, next_seq, closed: false, sync_failed: false };
    fs.put(&dir().join("HEAD"), head.encode().to_vec());
}

/// The row that applies to the segment at `position` with this floor.
fn row(fs: &SimFs, position: u64, place: Place, floor: u64) -> &'static str {
    let files = Files::new(Arc::new(fs.clone()), dir());
    let open = files.open(Position(position), Access::Read).unwrap();
    let len = open.file.len().unwrap();
    let scan = scan(&open.file, &open.header, len, Numbers::Dense, &mut Streams::default(), None).unwrap();
    plan(scan.case(place, Position(floor))).id
}

/// What opening does with a log of one segment: how many events are left and whether something went to quarantine, or
/// the verdict.
fn outcome(fs: &SimFs) -> Result<(u64, bool), Verdict> {
    match Writer::open(Arc::new(fs.clone()), dir(), &owner()) {
        Ok((writer, recovery)) => Ok((writer.next_seq().0, recovery.cut.is_some())),
        Err(OpenError::Refused(refusal)) => Err(refusal.verdict),
        Err(error) => panic!("{error}"),
    }
}

fn check_last(id: &str, segment: Made, durable: Option<u64>, expected: Result<(u64, bool), Verdict>) {
    let fs = disk(vec![segment], durable);
    assert_eq!(row(&fs, 0, Place::Last, durable.unwrap_or(0)), id);
    assert_eq!(outcome(&fs), expected, "{id}");
}

#[test]
fn a_last_segment_that_is_whole_is_kept_and_zeros_behind_it_are_trimmed() {
    let whole = || Made::first().commit(FIRST).commit(FIRST);
    check_last("V-01", whole(), None, Ok((2, false)));
    check_last("V-01", Made::first(), Some(FIRST), Ok((0, false)));
    check_last("V-02", whole().raw(&[0; 700]), None, Ok((2, false)));
    check_last("V-02", whole().raw(&[0; 3]), Some(FIRST), Ok((2, false)));
}

#[test]
fn an_unfinished_commit_above_the_floor_is_cut_whatever_follows_it() {
    let one = || Made::first().commit(FIRST);
    let second = one().end();
    check_last("V-03", one().commit(FIRST).cut(5), None, Ok((1, true)));
    check_last("V-03", one().commit(FIRST).flip(second + 20), Some(second), Ok((1, true)));
    check_last("V-03", one().raw(&[0, 0, 0, 0, 1]), None, Ok((1, true)));
    check_last("V-03", one().raw(&[9]), None, Ok((1, true)));
    check_last("V-04", one().commit(FIRST).commit(FIRST).flip(second + 20), None, Ok((1, true)));
    check_last("V-04", one().commit(FIRST).commit(second).flip(second), Some(second), Ok((1, true)));
}

#[test]
fn a_failing_commit_below_the_floor_is_damage() {
    let one = || Made::first().commit(FIRST);
    let second = one().end();
    let third = one().commit(FIRST).end();
    let damaged = Err(Verdict::Damaged);
    check_last("V-05", one().commit(FIRST).flip(second + 20), Some(third), damaged);
    check_last("V-05", one().commit(FIRST).commit(third).flip(second + 20), None, damaged);
    check_last("V-06", one().raw(&[0; 100]), Some(second + 50), damaged);
    check_last("V-07", one().frame(FIRST, |out| out.extend_from_slice(b"rubbish")), None, damaged);
    check_last("V-07", one().frame(FIRST, |out| out.extend_from_slice(b"rubbish")), Some(second + 1), damaged);
}

#[test]
fn a_floor_beyond_the_end_of_the_file_is_truncation() {
    let one = || Made::first().commit(FIRST);
    let truncated = Err(Verdict::Truncated);
    check_last("V-08", one(), Some(5000), truncated);
    check_last("V-08", one().raw(&[0; 100]), Some(5000), truncated);
    check_last("V-08", one().commit(FIRST).cut(1), Some(5000), truncated);
    check_last("V-08", one().frame(FIRST, |out| out.extend_from_slice(b"rubbish")), Some(5000), truncated);
}

#[test]
fn a_commit_that_contradicts_those_before_it_is_tampering_wherever_it_is() {
    let skipping = || Made::first().commit(FIRST).commit_after(FIRST, 3);
    let tampered = Err(Verdict::Tampered);
    for durable in [None, Some(FIRST), Some(FIRST + 80), Some(5000)] {
        check_last("V-17", skipping(), durable, tampered);
    }
    assert_eq!(row(&disk(vec![skipping()], None), 0, Place::Sealed, FIRST), "V-17");
}

#[test]
fn a_wrong_number_in_a_stream_ends_the_log_for_readers_where_it_ends_for_an_audit() {
    // F-34, V-17. The events after it are where they were written; only a writer goes no further.
    let made = Made::first().commit(FIRST).misnumbered(0).commit(FIRST);
    let (second, end) = (Made::first().commit(FIRST).end(), Position(made.end()));
    let fs = disk(vec![made], None);
    let report = audit(&fs);
    assert_eq!((report.verdict(), report.end, report.next_seq), (Verdict::Tampered, end, Seq(3)));
    let reader = Reader::open_up_to_damage(Arc::new(fs.clone()), dir()).unwrap();
    let Committed { position, next_seq } = reader.committed();
    assert_eq!((position, next_seq), (report.end, report.next_seq));
    assert_eq!(all(&reader).len(), 3);
    check_refused(reader.check_whole(), Verdict::Tampered, second);
    assert!(Writer::open(Arc::new(fs), dir(), &owner()).is_err());
}

#[test]
fn a_wrong_number_is_tampering_for_readers_also_if_the_segment_behind_it_cannot_be_opened() {
    // V-17: an audit gives the same verdict, even if the log has other faults.
    let made = Made::first().commit(FIRST).misnumbered(0).commit(FIRST);
    let (second, end) = (Made::first().commit(FIRST).end(), made.end());
    let next = Made::new(end, 3, Root::EMPTY).commit(end).flip(end + 20);
    let fs = disk(vec![made, next], None);
    assert_eq!(audit(&fs).verdict(), Verdict::Tampered);
    let reader = Reader::open_up_to_damage(Arc::new(fs), dir()).unwrap();
    assert_eq!((reader.committed().position, all(&reader).len()), (Position(end), 3));
    check_refused(reader.check_whole(), Verdict::Tampered, second);
}

fn check_refused<T: std::fmt::Debug>(answer: Result<T, ReadError>, verdict: Verdict, position: u64) {
    let Err(ReadError::Refused(refusal)) = answer else { panic!("{answer:?}") };
    assert_eq!((refusal.verdict, refusal.position), (verdict, Position(position)));
}

#[test]
fn a_commit_that_contradicts_those_before_it_is_tampering_for_a_reader_that_meets_it_later() {
    let one = || Made::first().commit(FIRST);
    for made in [one().misnumbered(0).commit(FIRST), one().commit_after(FIRST, 3)] {
        let fs = disk(vec![one()], Some(one().end()));
        let mut reader = Reader::open(Arc::new(fs.clone()), dir()).unwrap();
        assert_eq!(reader.streams().unwrap().len(), 1);
        let end = made.end();
        fs.put(&segment_files(&fs)[0], made.bytes);
        put_head(&fs, end);
        assert!(reader.refresh().unwrap());
        for _ in 0..2 {
            check_refused(reader.streams(), Verdict::Tampered, one().end());
            let looked_up = reader.stream::<ReadError>("run", &mut |_, _, _| Ok(ControlFlow::Continue(())));
            check_refused(looked_up, Verdict::Tampered, one().end());
        }
    }
}

/// Changes the first of two segments after the second was made. Checks its row, the answer of a reader, and the answer of a
/// writer that must recreate its index.
fn check_sealed(id: Option<&str>, change: impl FnOnce(Made) -> Made, expected: Result<(u64, bool), Verdict>) {
    let whole = Made::first().commit(FIRST).commit(FIRST);
    let end = whole.end();
    let mut tree = Tree::new();
    tree.update(&whole.bytes);
    let next = Made::new(end, 2, tree.root()).commit(end);
    let fs = disk(vec![change(whole), next], None);
    if let Some(id) = id {
        assert_eq!(row(&fs, 0, Place::Sealed, end), id);
    }
    // The last segment's tree is valid, so the first segment is read only for its index.
    fs.put(&dir().join(format!("segments/{end:020}.tree")), tree.frontier().encode());
    assert_eq!(outcome(&fs), expected);
}

#[test]
fn a_sealed_segment_ends_where_the_next_begins_and_anything_else_is_refused() {
    check_sealed(Some("V-12"), |whole| whole, Ok((3, false)));
    check_sealed(Some("V-14"), |whole| whole.raw(b"more"), Err(Verdict::Damaged));
    check_sealed(Some("V-14"), |whole| whole.raw(&[0; 20]), Err(Verdict::Damaged));
    // Commits beyond the start of the next segment are detected by the length alone.
    check_sealed(None, |whole| whole.commit(FIRST), Err(Verdict::Damaged));
    check_sealed(Some("V-15"), |whole| whole.flip(FIRST + 30), Err(Verdict::Damaged));
    check_sealed(Some("V-15"), |whole| whole.cut(50).raw(&[0; 50]), Err(Verdict::Damaged));
    check_sealed(Some("V-16"), |whole| whole.cut(1), Err(Verdict::Truncated));
    check_sealed(Some("V-16"), |whole| whole.flip(FIRST + 30).cut(1), Err(Verdict::Truncated));
}

#[test]
fn impossible_cases_are_refused() {
    let cases = [
        ("V-09", Stop::End, Floor::Reached, Later::Valid, Place::Last),
        ("V-10", Stop::End, Floor::Missed, Later::None, Place::Last),
        ("V-11", Stop::Zeros, Floor::Reached, Later::Valid, Place::Last),
        ("V-13", Stop::End, Floor::Reached, Later::Valid, Place::Sealed),
    ];
    for (id, stop, floor, later, place) in cases {
        let row = plan(Case { stop, floor, later, place });
        assert_eq!(row.id, id);
        assert_eq!(row.action, crate::recovery::Action::Refuse(Verdict::Damaged), "{id}");
    }
    assert_eq!(TABLE.len(), 17, "a row more needs its test here");
}
