//! The audit: reads a whole log once, derives again everything that the log states about itself, and collects the
//! differences.
//!
//! Does:
//! - check segment headers, frames, commits, order, idempotency and roots by the rules of `docs/format.md`;
//! - find how the log ends (rule F-26);
//! - pass each commit of the unbroken prefix to the caller, which folds contracts in the same pass.
//!
//! Does not: open files, repair, know payloads or contracts, stop at the first finding.
//!
//! Invariants:
//! - Memory is bounded by one frame, one chunk, and an index of streams and idempotency keys; never by the log's length.
//! - The report depends on the bytes alone, not on how they were cut into chunks.
//! - Commits reach the caller in order and without a gap. After the first break, the caller gets no more commits, but the
//!   bytes after it are still checked.
//! - If there are no findings, the verdict is clean, and the reverse.
//!
//! The caller does the I/O: for each file in the order of the names it calls `begin_segment`, `bytes` as often as needed, and
//! `end_segment`; at the end it calls `finish`.

mod alone;
mod contents;
mod event;
mod left;
mod order;
mod part;
mod saved;
mod scan;
mod wording;

use crate::tree::Tree;
use crate::verdict::{Finding, Findings, Verdict};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
pub use alone::Alone;
use contents::{Table, name_of};
use core::fmt;
pub use event::{EventFlaw, Judge};
use evlog_format::{
    Commit, Corruption, FORMAT_VERSION, Frame, FrameCodec, HeaderError, LogId, LogIdentity, Position, Root,
    SEGMENT_HEADER_LEN, SegmentHeader, Seq,
};
use order::Order;
use part::Apart;
pub use part::Part;
pub use saved::NotSaved;

/// Receives each commit of the unbroken prefix, in order.
pub type Visit<'v> = dyn FnMut(&Frame<'_>, &Commit<'_>) + 'v;

/// The result of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The log's identity; `None` if no segment header could be read.
    pub log_id: Option<LogId>,
    /// The number of segment files that were read.
    pub segments: u64,
    /// How many bytes they had, including zeros and a torn tail.
    pub size: u64,
    /// How many commits were read and checked, including those after a break.
    pub commits: u64,
    /// How many events were read and checked, including those after a break.
    pub events: u64,
    /// How many streams these events belong to.
    pub streams: u64,
    /// How many events have a kind that this version does not know. This is not a finding, because a newer program may have
    /// written them.
    pub unknown_kinds: u64,
    /// Where the unbroken prefix ends: the position after its last frame.
    pub end: Position,
    /// The seq that follows its last event.
    pub next_seq: Seq,
    /// The root of the unbroken prefix.
    pub root: Root,
    /// The evidence, in the order in which it was found: see [`Findings::kept`].
    pub findings: Findings,
}

impl Report {
    /// The worst verdict of the findings.
    pub fn verdict(&self) -> Verdict {
        self.findings.verdict()
    }
}

/// How many events each stream has. A second pass over the log needs it to know which event is a stream's last.
#[derive(Clone, Debug, Default)]
pub struct StreamLens(Table<u64>);

impl StreamLens {
    /// Counts one more event of a stream.
    pub fn count(&mut self, stream: &str) {
        *self.0.get_or_insert(name_of(stream), 0).0 += 1;
    }

    /// The number of events of one stream, if there is such a stream.
    pub fn of(&self, stream: &str) -> Option<u64> {
        self.0.get(&name_of(stream))
    }
}

/// The log is of another format version, so it cannot be judged (rule F-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherVersion {
    /// The version found.
    pub found: u32,
}

impl fmt::Display for OtherVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HeaderError::Version { found: self.found }.fmt(f)
    }
}

impl core::error::Error for OtherVersion {}

/// The reason why the bytes at a position are not a frame.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Corrupt(Corruption),
    Incomplete { need: u64, found: u64 },
    AfterZeros,
}

/// What the audit is doing with the bytes of the current segment.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Waiting for the header.
    Header,
    /// Reading frames.
    Frames,
    /// A length of 0 was read here. All that follows should be zero (rule F-25).
    Zeros { from: u64 },
    /// The bytes here are not a frame, and the audit looks for a frame after them. `passed` is how many whole frames after
    /// them were passed that change nothing.
    Search { from: u64, stop: Stop, passed: u64 },
    /// No header has been readable yet, so no frame can be checked.
    Unreadable,
}

/// The end of the unbroken prefix.
#[derive(Clone, Copy, Debug)]
struct Prefix {
    end: u64,
    next_seq: u64,
    root: Root,
}

/// What the first readable header fixes for all others (rule F-12).
#[derive(Clone, Debug)]
struct Identity {
    log: LogIdentity,
    codec: FrameCodec,
}

impl Identity {
    fn new(log: LogIdentity) -> Identity {
        Identity { log, codec: FrameCodec::new(log.log_id) }
    }
}

/// Audits a log. Its caller says where files begin and end.
#[derive(Clone, Debug)]
pub struct Audit {
    identity: Option<Identity>,
    durable_claim: Option<Position>,
    tree: Tree,
    /// For a segment that is read apart: its bytes, which are then not added to `tree`.
    apart: Option<Apart>,
    /// Whether the tree covers the bytes that the next header's root covers.
    roots_known: bool,
    order: Order,
    findings: Findings,
    prefix: Option<Prefix>,
    segments: u64,
    size: u64,
    /// Position of the first byte that is not processed yet.
    position: u64,
    /// Bytes from `position` on that wait for more.
    rest: Vec<u8>,
    state: State,
    segment: Segment,
    /// Length of the previous segment, if it was read without a break.
    previous_len: Option<u64>,
}

/// The segment that is being read.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Position that the file's name states.
    name: u64,
    /// Position of its header.
    base: u64,
    frames: u64,
    /// Whether there was no break in it so far.
    whole: bool,
    /// Whether no segment file follows it.
    last: bool,
    /// Whether no more bytes come.
    ending: bool,
    search_budget: u64,
}

impl Segment {
    fn new(name: u64, base: u64, last: bool) -> Segment {
        Segment { name, base, frames: 0, whole: true, last, ending: false, search_budget: scan::SEARCH_BUDGET }
    }
}

impl Audit {
    /// Begins an audit. `durable_claim` is a durable position that is stated outside of the segments, for example by
    /// `HEAD`.
    pub fn new(durable_claim: Option<Position>) -> Audit {
        Audit {
            identity: None,
            durable_claim,
            tree: Tree::new(),
            apart: None,
            roots_known: true,
            order: Order::default(),
            findings: Findings::new(),
            prefix: None,
            segments: 0,
            size: 0,
            position: 0,
            rest: Vec::new(),
            state: State::Header,
            segment: Segment::new(0, 0, true),
            previous_len: None,
        }
    }

    /// Begins a segment file, whose name states this position. `last` is whether no segment file follows it.
    pub fn begin_segment(&mut self, name: Position, last: bool) {
        self.segments += 1;
        self.segment = Segment::new(name.0, self.position, last);
        self.state = State::Header;
    }

    /// Takes the next bytes of the segment file.
    pub fn bytes(&mut self, chunk: &[u8], visit: &mut Visit<'_>) -> Result<(), OtherVersion> {
        self.size += chunk.len() as u64;
        let mut waiting = core::mem::take(&mut self.rest);
        if waiting.is_empty() {
            self.rest = self.work(chunk, visit)?.to_vec();
        } else {
            waiting.extend_from_slice(chunk);
            let left = self.work(&waiting, visit)?.len();
            waiting.drain(..waiting.len() - left);
            self.rest = waiting;
        }
        Ok(())
    }

    /// What was found so far.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Whether the bytes so far end where a frame ends.
    pub fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Frames) && self.rest.is_empty()
    }

    /// Ends the segment file.
    pub fn end_segment(&mut self) -> Result<(), OtherVersion> {
        self.segment.ending = true;
        let waiting = core::mem::take(&mut self.rest);
        // The waiting bytes are not a whole frame, and after a break no commit is visited. So this visitor is never called.
        let left = self.work(&waiting, &mut |_, _| ())?;
        if let State::Header = self.state {
            self.short_header(left.len());
        }
        self.pass(left);
        if !self.segment.last {
            self.seal();
        }
        let whole = matches!(self.state, State::Frames) && self.segment.whole;
        self.previous_len = whole.then(|| self.position - self.segment.base);
        Ok(())
    }

    /// Checks a segment that another one follows.
    fn seal(&mut self) {
        match self.state {
            State::Zeros { from } => {
                let expected = "frames up to the end of the file";
                self.tell(Verdict::Damaged, from, "F-25", "sealed segment", expected, "zeros");
                self.order.gap();
            }
            State::Search { from, stop, .. } => {
                self.broken(Verdict::Damaged, from, stop, 0);
                self.order.gap();
            }
            State::Frames | State::Header | State::Unreadable => {}
        }
    }

    /// Ends the audit after all segments, judges how the log ends, and returns the report.
    pub fn finish(self) -> Report {
        self.finish_counted().0
    }

    /// Ends the audit, and also returns how many events each stream has. These numbers are right if there are no
    /// findings.
    pub fn finish_counted(mut self) -> (Report, StreamLens) {
        self.judge_end();
        let prefix = self.prefix.unwrap_or_else(|| self.here());
        let report = Report {
            log_id: self.identity.map(|identity| identity.log.log_id),
            segments: self.segments,
            size: self.size,
            commits: self.order.commits,
            events: self.order.events,
            streams: self.order.streams(),
            unknown_kinds: self.order.unknown_kinds,
            end: Position(prefix.end),
            next_seq: Seq(prefix.next_seq),
            root: prefix.root,
            findings: self.findings,
        };
        (report, StreamLens(self.order.into_lens()))
    }

    /// Judges the end of the last segment by rule F-26.
    fn judge_end(&mut self) {
        let claim = self.durable_claim.map_or(0, |position| position.0);
        if claim > self.position {
            let (expected, found) = (format!("at least {claim} bytes"), format!("{}", self.position));
            let at = self.position;
            self.tell(Verdict::Truncated, at, "F-26", "bytes that HEAD calls durable are missing", &expected, &found);
        }
        match self.state {
            State::Zeros { from } if self.segment.last && claim > from => {
                let expected = format!("frames up to position {claim}, which HEAD calls durable");
                self.tell(Verdict::Damaged, from, "F-26", "end of the log", &expected, "zeros");
            }
            State::Search { from, stop, passed } if self.segment.last => {
                let verdict = if claim > from { Verdict::Damaged } else { Verdict::TornTail };
                self.broken(verdict, from, stop, passed);
            }
            _ => {}
        }
    }

    /// Processes as many of the bytes as it can; returns those that wait for more.
    fn work<'b>(&mut self, mut bytes: &'b [u8], visit: &mut Visit<'_>) -> Result<&'b [u8], OtherVersion> {
        while let Some(len) = self.step(bytes, visit)? {
            let (done, later) = bytes.split_at(len);
            self.pass(done);
            bytes = later;
        }
        Ok(bytes)
    }

    fn pass(&mut self, done: &[u8]) {
        match &mut self.apart {
            Some(apart) => apart.span.update(done),
            None => self.tree.update(done),
        }
        self.position += done.len() as u64;
    }

    /// Does one step. Returns how many bytes it processed, or `None` if it needs more bytes. A step that processes no bytes
    /// changes the state.
    fn step(&mut self, bytes: &[u8], visit: &mut Visit<'_>) -> Result<Option<usize>, OtherVersion> {
        match self.state {
            State::Header => self.header(bytes),
            State::Frames => Ok(self.frames(bytes, visit)),
            State::Zeros { from } => Ok(self.zeros(bytes, from)),
            State::Search { from, stop, passed } => Ok(self.search(bytes, from, stop, passed)),
            State::Unreadable => Ok((!bytes.is_empty()).then_some(bytes.len())),
        }
    }

    fn header(&mut self, bytes: &[u8]) -> Result<Option<usize>, OtherVersion> {
        if bytes.len() < SEGMENT_HEADER_LEN {
            return Ok(None);
        }
        match SegmentHeader::decode(bytes) {
            Ok(header) => self.good_header(&header),
            Err(HeaderError::Version { found }) if self.is_at_the_start() && !only_version_is_wrong(bytes) => {
                return Err(OtherVersion { found });
            }
            Err(error) => self.bad_header(&error),
        }
        self.state = if self.identity.is_some() { State::Frames } else { State::Unreadable };
        Ok(Some(SEGMENT_HEADER_LEN))
    }

    /// Rule F-11: the header at the log's start states the version of the log, however the log is read. A later header with
    /// another version is damage, and does not end the audit.
    fn is_at_the_start(&self) -> bool {
        self.segments == 1 && self.segment.name == 0
    }

    fn bad_header(&mut self, error: &HeaderError) {
        let (rule, expected, found) = wording::header_error(error);
        self.tell(Verdict::Damaged, self.position, rule, "segment header", &expected, &found);
        self.end_prefix();
        if self.segment.name != self.position {
            self.move_to(self.segment.name);
        }
    }

    fn short_header(&mut self, found: usize) {
        let (expected, found) = (format!("{SEGMENT_HEADER_LEN} bytes"), format!("{found}"));
        self.tell(Verdict::Damaged, self.segment.base, "F-10", "segment header", &expected, &found);
        self.end_prefix();
    }

    fn good_header(&mut self, header: &SegmentHeader) {
        if self.is_misplaced(header) {
            self.end_shown();
        }
        self.check_identity(header);
        if let Some(apart) = &mut self.apart {
            self.order = Order::of_part(header.first_seq);
            apart.header = Some(*header);
        }
        let (stated, running) = (header.position.0, self.position);
        if stated != self.segment.name {
            let (expected, found) = (format!("{stated:020}"), format!("{:020}", self.segment.name));
            self.tell(Verdict::Tampered, stated, "F-02", "name of the segment file", &expected, &found);
        }
        if stated != running {
            let lost = if stated > running { Verdict::Truncated } else { self.changed() };
            self.tell_numbers(lost, running, "F-16", "position in the segment header", running, stated);
            self.end_prefix();
            self.move_to(stated);
        }
        if self.previous_len == Some(SEGMENT_HEADER_LEN as u64) {
            let (expected, found) = ("at least one frame before the next segment", "none");
            self.tell(Verdict::Tampered, running - SEGMENT_HEADER_LEN as u64, "F-15", "segment", expected, found);
        }
        if !self.order.expects(header.first_seq) {
            let next = self.order.next_seq;
            let verdict = self.changed();
            self.tell_numbers(verdict, stated, "F-16", "first seq in the segment header", next, header.first_seq.0);
        }
        self.order.resume_at(header.first_seq);
        if self.roots_known && self.tree.root() != header.root_before {
            let (expected, found) = (format!("{}", self.tree.root()), format!("{}", header.root_before));
            let message = "root of the bytes before this segment";
            let verdict = self.changed();
            self.tell(verdict, stated, "F-14", message, &expected, &found);
            // Every later root covers the same bytes and would differ for the same reason.
            self.roots_known = false;
        }
    }

    /// Whether a segment is in the wrong place, so that no reader shows its commits: F-02, F-12, F-16.
    fn is_misplaced(&self, header: &SegmentHeader) -> bool {
        let is_of_another = self.identity.as_ref().is_some_and(|identity| identity.log != header.identity());
        let is_read_apart = self.apart.is_some();
        is_of_another
            || header.position.0 != self.segment.name
            || !is_read_apart && !self.order.expects(header.first_seq)
    }

    fn check_identity(&mut self, header: &SegmentHeader) {
        let Some(Identity { log: LogIdentity { log_id, segment_limit }, .. }) = self.identity else {
            self.identity = Some(Identity::new(header.identity()));
            return;
        };
        if log_id != header.log_id {
            let (expected, found) = (format!("{log_id}"), format!("{}", header.log_id));
            self.tell(Verdict::Tampered, header.position.0, "F-12", "log id in the segment header", &expected, &found);
        }
        let message = "segment size limit in the segment header";
        if segment_limit != header.segment_limit {
            let position = header.position.0;
            self.tell_numbers(Verdict::Tampered, position, "F-12", message, segment_limit, header.segment_limit);
        }
    }

    /// The verdict for a contradiction. After damage, the contradiction is a consequence of the damage. Otherwise somebody
    /// made the checksums match.
    fn changed(&self) -> Verdict {
        let damaged = matches!(self.findings.verdict(), Verdict::Damaged | Verdict::Truncated);
        if damaged { Verdict::Damaged } else { Verdict::Tampered }
    }

    /// Continues at another position than the one that follows from the bytes so far.
    fn move_to(&mut self, position: u64) {
        self.position = position;
        self.segment.base = position;
        self.roots_known = false;
        self.previous_len = None;
        self.order.gap();
    }

    fn here(&self) -> Prefix {
        Prefix { end: self.position, next_seq: self.order.next_seq, root: self.tree.root() }
    }

    /// Ends the unbroken prefix here, if it has not ended before. Readers show only that prefix.
    fn end_shown(&mut self) {
        if self.prefix.is_none() {
            self.prefix = Some(self.here());
        }
    }

    /// Ends the unbroken prefix, because the bytes are not whole.
    fn end_prefix(&mut self) {
        self.end_shown();
        self.segment.whole = false;
    }

    fn broken(&mut self, verdict: Verdict, from: u64, stop: Stop, passed: u64) {
        let (rule, message, expected, found) = wording::stop(&stop);
        let found = if passed > 0 { format!("{found}, and {} after it", wording::whole_frames(passed)) } else { found };
        self.tell(verdict, from, rule, message, &expected, &found);
    }

    fn tell(
        &mut self,
        verdict: Verdict,
        position: u64,
        rule: &'static str,
        message: &str,
        expected: &str,
        found: &str,
    ) {
        let (message, expected, found) = (message.to_string(), expected.to_string(), found.to_string());
        let position = Position(position);
        self.findings.add(Finding { verdict, position, seq: None, stream: None, rule, expected, found, message });
    }

    fn tell_numbers(
        &mut self,
        verdict: Verdict,
        at: u64,
        rule: &'static str,
        message: &str,
        expected: u64,
        found: u64,
    ) {
        let sides: [String; 2] = [expected, found].map(|number| number.to_string());
        self.tell(verdict, at, rule, message, &sides[0], &sides[1]);
    }
}

/// Whether the header would be valid for this version if the bytes of the version field were not damaged.
pub fn only_version_is_wrong(bytes: &[u8]) -> bool {
    let Some(header) = bytes.get(..SEGMENT_HEADER_LEN) else { return false };
    let mut repaired = header.to_vec();
    repaired[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    SegmentHeader::decode(&repaired).is_ok()
}
