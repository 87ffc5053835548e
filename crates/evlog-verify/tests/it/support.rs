//! A log in memory, written with the format and the tree alone, so that readers are tested without the store.

use evlog_format::{
    CommitHead, Durability, Event, FrameCodec, Idempotency, Kind, LogId, PLAIN, Position, SegmentHeader, Seq,
    encode_commit,
};
use evlog_verify::{Audit, Report, Tree, Verdict};
use std::collections::BTreeMap;

/// The smallest limit that the format allows, so that a few commits make several segments.
pub(crate) const LIMIT: u64 = 1024;
pub(crate) const LOG_ID: LogId = LogId(*b"evlog-golden-log");
/// 2026-02-23T18:00:00Z.
pub(crate) const NOON: i64 = 1_771_869_600_000_000_000;

/// One segment file: the position in its name, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) position: u64,
    pub(crate) bytes: Vec<u8>,
}

/// An event to append; the builder numbers it.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) stream: &'static str,
    pub(crate) kind: Kind<'static>,
    pub(crate) causation: Option<u64>,
    pub(crate) protection: u8,
    pub(crate) payload: Vec<u8>,
}

impl Draft {
    pub(crate) fn new(stream: &'static str, kind: Kind<'static>, payload: &[u8]) -> Draft {
        Draft { stream, kind, causation: None, protection: PLAIN, payload: payload.to_vec() }
    }

    pub(crate) fn custom(stream: &'static str, json: &str) -> Draft {
        Draft::new(stream, Kind::Custom("custom/noted"), json.as_bytes())
    }

    pub(crate) fn caused_by(self, seq: u64) -> Draft {
        Draft { causation: Some(seq), ..self }
    }
}

/// The head of a commit. The builder sets its first seq and its recorded time.
pub(crate) fn head() -> CommitHead<'static> {
    CommitHead::new(Seq(0), NOON, Durability::Sync, "agent:test")
}

/// A command's key.
pub(crate) fn key(key: &str) -> Idempotency<'_> {
    Idempotency { key, content: *blake3::hash(key.as_bytes()).as_bytes() }
}

/// Writes a log as a writer does that syncs after every commit.
pub(crate) struct Builder {
    pub(crate) files: Vec<File>,
    pub(crate) next_seq: u64,
    pub(crate) durable: u64,
    pub(crate) numbers: BTreeMap<String, u64>,
    pub(crate) limit: u64,
    /// What the clock says at seq 0; it gains a millisecond with each event.
    pub(crate) clock_ns: i64,
    tree: Tree,
    codec: FrameCodec,
}

impl Builder {
    pub(crate) fn new() -> Builder {
        let mut builder = Builder {
            files: Vec::new(),
            next_seq: 0,
            durable: 0,
            numbers: BTreeMap::new(),
            limit: LIMIT,
            clock_ns: NOON,
            tree: Tree::new(),
            codec: FrameCodec::new(LOG_ID),
        };
        builder.begin_segment();
        builder
    }

    pub(crate) fn end(&self) -> u64 {
        self.tree.size()
    }

    /// What the clock says now.
    pub(crate) fn recorded_ns(&self) -> i64 {
        self.clock_ns + 1_000_000 * i64::try_from(self.next_seq).unwrap()
    }

    /// The header that the next segment would have.
    pub(crate) fn header(&self) -> SegmentHeader {
        SegmentHeader {
            log_id: LOG_ID,
            segment_limit: self.limit,
            position: Position(self.end()),
            first_seq: Seq(self.next_seq),
            root_before: self.tree.root(),
        }
    }

    pub(crate) fn begin_segment(&mut self) {
        let header = self.header();
        self.begin_segment_with(&header);
    }

    pub(crate) fn begin_segment_with(&mut self, header: &SegmentHeader) {
        self.files.push(File { position: self.end(), bytes: Vec::new() });
        self.put(&header.encode());
    }

    /// Appends these bytes to the last segment, unchanged.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.files.last_mut().unwrap().bytes.extend_from_slice(bytes);
        self.tree.update(bytes);
    }

    /// The frame of a commit at this position.
    pub(crate) fn frame_at(
        &self,
        position: u64,
        first_seq: u64,
        events: &[Event<'_>],
        head: &CommitHead<'_>,
    ) -> Vec<u8> {
        let head = CommitHead { first_seq: Seq(first_seq), ..*head };
        let mut out = Vec::new();
        self.codec
            .encode(position, self.durable, &mut out, |body| encode_commit(&head, events, body))
            .unwrap()
            .unwrap();
        out
    }

    pub(crate) fn commit(&mut self, drafts: &[Draft]) {
        self.commit_as(&head(), drafts);
    }

    pub(crate) fn commit_as(&mut self, head: &CommitHead<'_>, drafts: &[Draft]) {
        let numbers = drafts.iter().map(|draft| {
            let next = self.numbers.entry(draft.stream.into()).or_default();
            *next += 1;
            *next - 1
        });
        let events: Vec<Event<'_>> = drafts.iter().zip(numbers).map(|(draft, number)| event(draft, number)).collect();
        let head = CommitHead { recorded_ns: self.recorded_ns(), ..*head };
        let mut frame = self.frame_at(self.end(), self.next_seq, &events, &head);
        if !SegmentHeader::takes(self.limit, self.files.last().unwrap().bytes.len() as u64, frame.len() as u64) {
            self.durable = self.end();
            self.begin_segment();
            frame = self.frame_at(self.end(), self.next_seq, &events, &head);
        }
        self.put(&frame);
        self.durable = self.end();
        self.next_seq += events.len() as u64;
    }
}

pub(crate) fn event(draft: &Draft, number: u64) -> Event<'_> {
    Event {
        stream: draft.stream,
        number,
        kind: draft.kind,
        kind_version: 1,
        causation: draft.causation.map(Seq),
        protection: draft.protection,
        payload: &draft.payload,
    }
}

/// Positions of the frames of a segment, and of its end.
pub(crate) fn frames_of(file: &File) -> Vec<usize> {
    let mut places = vec![evlog_format::SEGMENT_HEADER_LEN];
    while let Some(at) = places.last().copied().filter(|at| *at < file.bytes.len()) {
        let len = u32::from_le_bytes(file.bytes[at..at + 4].try_into().unwrap());
        places.push(at + evlog_format::FRAME_HEADER_LEN + len as usize);
    }
    places
}

/// An audit of the files, in pieces of this many bytes, and the first seq of each commit that was handed out.
pub(crate) fn audit_in(files: &[File], piece: usize, durable_claim: Option<u64>) -> (Report, Vec<u64>) {
    let mut seqs = Vec::new();
    let mut audit = Audit::new(durable_claim.map(Position));
    for (n, file) in files.iter().enumerate() {
        audit.begin_segment(Position(file.position), n + 1 == files.len());
        for chunk in file.bytes.chunks(piece) {
            audit.bytes(chunk, &mut |_, commit| seqs.push(commit.head.first_seq.0)).unwrap();
        }
        audit.end_segment().unwrap();
    }
    let report = audit.finish();
    hold_joined(files, piece, durable_claim, &report);
    if piece == 1000 {
        assert_eq!(audit_interrupted(files, piece, durable_claim), report, "interrupted after each segment");
    }
    (report, seqs)
}

/// An audit that is saved and restored after each segment, as long as there are no findings.
fn audit_interrupted(files: &[File], piece: usize, durable_claim: Option<u64>) -> Report {
    let claim = durable_claim.map(Position);
    let mut audit = Audit::new(claim);
    for (n, file) in files.iter().enumerate() {
        audit.begin_segment(Position(file.position), n + 1 == files.len());
        file.bytes.chunks(piece).for_each(|chunk| audit.bytes(chunk, &mut |_, _| ()).unwrap());
        audit.end_segment().unwrap();
        if let Some(saved) = audit.save().filter(|_| n + 1 < files.len()) {
            audit = Audit::restore(&saved, claim).unwrap();
            assert_eq!(audit.save(), Some(saved), "one saved audit has one form");
        }
    }
    audit.finish()
}

/// An audit of parts: each sealed segment is audited apart and joined. `None` if one is not whole or does not follow.
fn audit_joined(files: &[File], piece: usize, durable_claim: Option<u64>) -> Option<Report> {
    let mut audit = Audit::new(durable_claim.map(Position));
    let Some((last, sealed)) = files.split_last() else { return Some(audit.finish()) };
    let mut previous_len = None;
    for file in sealed {
        let mut part = Audit::part(Position(file.position), previous_len);
        file.bytes.chunks(piece).try_for_each(|chunk| part.bytes(chunk, &mut |_, _| ())).ok()?;
        if !audit.join(part.end_part().ok()??) {
            return None;
        }
        previous_len = Some(file.bytes.len() as u64);
    }
    audit.begin_segment(Position(last.position), true);
    last.bytes.chunks(piece).try_for_each(|chunk| audit.bytes(chunk, &mut |_, _| ())).ok()?;
    audit.end_segment().ok()?;
    Some(audit.finish())
}

/// Checks that joined parts give the same report as reading in order, and that the parts of a sound log join.
fn hold_joined(files: &[File], piece: usize, durable_claim: Option<u64>, report: &Report) {
    match audit_joined(files, piece, durable_claim) {
        Some(joined) => assert_eq!(joined, *report),
        None => assert_ne!(report.verdict(), Verdict::Clean, "a clean log that does not join"),
    }
}

/// An audit of the files, which must not depend on the size of the pieces.
pub(crate) fn audit(files: &[File]) -> Report {
    let (report, seqs) = audit_in(files, 1 << 20, None);
    for piece in [1, 3, 17, 100, 1000] {
        assert_eq!(audit_in(files, piece, None), (report.clone(), seqs.clone()), "in pieces of {piece}");
    }
    report
}

/// Verdict, position and rule of each finding.
pub(crate) fn found(report: &Report) -> Vec<(&'static str, u64, &'static str)> {
    report.findings.kept().iter().map(|f| (f.verdict.word(), f.position.0, f.rule)).collect()
}
