//! Reads a whole log, to find out what is wrong with it. Writes nothing.
//!
//! Invariants:
//! - The first flaw that cannot be repaired is kept. Its consequences are not reported as further flaws.
//! - If a writer is at work, only what it has committed is read.

use super::sidecars::{self, Sidecar};
use super::{Act, Step};
use crate::error::{Failure, OpenError, Refusal, Trouble};
use crate::fs::{Fs, Lock};
use crate::head::Head;
use crate::index::Of;
use crate::layout::SegmentEntry;
use crate::open::{Owner, take_lock};
use crate::recovery::{Action, Place, Stop, plan};
use crate::resync::Ground;
use crate::scan::{Numbers, Scan, scan};
use crate::segment::{Access, Files, OpenSegment, identity_flaw, positions, refusal};
use crate::streams::Streams;
use evlog_format::frame::Decoded;
use evlog_format::{
    CommitReader, FRAME_HEADER_LEN, FrameCodec, LogIdentity, Position, Root, SEGMENT_HEADER_LEN, SegmentHeader, Seq,
};
use evlog_verify::{Tree, Verdict};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The most times that a log is read while a writer changes it, and the pause between two times.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// Called with the progress of a survey: how many bytes were read, and how many there are.
type Progress<'p> = dyn FnMut(u64, u64) + 'p;

/// A log that was read completely.
#[derive(Debug)]
pub struct Survey {
    pub(super) files: Files,
    pub(super) entries: Vec<SegmentEntry>,
    pub(super) log: Option<LogIdentity>,
    pub(super) sidecars: Vec<Sidecar>,
    /// What cannot be repaired, and the row of the table that says so.
    pub(super) refusal: Option<(Refusal, Option<&'static str>)>,
    /// The last segment, unless it is what cannot be repaired.
    pub(super) last: Option<Last>,
    is_moving: bool,
}

/// The state of the log when a reading begins or ends. If both are equal, nobody wrote in between.
#[derive(Debug, PartialEq, Eq)]
struct Snapshot {
    head: Option<Head>,
    entries: Vec<SegmentEntry>,
    writes: bool,
}

impl Snapshot {
    fn of(files: &Files) -> Result<Snapshot, Failure> {
        Ok(Snapshot { head: files.any_head()?, entries: files.entries()?, writes: files.has_writer().unwrap_or(true) })
    }
}

/// A log that was read completely while we hold its lock, so that it cannot change before it is repaired.
#[derive(Debug)]
pub struct Held {
    pub(super) survey: Survey,
    pub(super) lock: Box<dyn Lock>,
}

impl Held {
    /// Takes the writer's lock, and reads the log in `dir`.
    pub fn take(fs: Arc<dyn Fs>, dir: &Path, owner: &Owner, progress: &mut Progress<'_>) -> Result<Held, OpenError> {
        crate::open::begun(&Files::new(Arc::clone(&fs), dir))?;
        let files = Files::held(fs, dir)?;
        let lock = take_lock(&files, owner)?;
        Ok(Held { survey: Survey::of(files, false, progress)?, lock })
    }

    /// The log's directory.
    pub fn dir(&self) -> &Path {
        self.survey.files.layout.dir()
    }

    /// The result of the survey.
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// What was found, so that the caller can add what it knows in addition.
    pub fn survey_mut(&mut self) -> &mut Survey {
        &mut self.survey
    }
}

/// The last segment.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) path: PathBuf,
    pub(super) header: SegmentHeader,
    /// If the header is not the file's own but was computed from the log before it, the reason.
    pub(super) mended: Option<String>,
    pub(super) scan: Scan,
    pub(super) head: Option<Head>,
    /// If one of the log's own checkpoints covers more than there is: how much it covers, and its path.
    pub(super) claimed: Option<(Position, PathBuf)>,
    /// Seq after the last event in the whole frames after the stop.
    pub(super) later_next_seq: Option<Seq>,
    /// The name for the copy of the bytes from the stop on.
    pub(super) keep_name: String,
}

impl Survey {
    /// Reads the log in `dir`, with or without a writer at work. If a writer changed it meanwhile, it is read again.
    pub fn look(fs: Arc<dyn Fs>, dir: &Path, progress: &mut Progress<'_>) -> Result<Survey, OpenError> {
        let files = Files::new(fs, dir);
        let mut left = LOOKS;
        loop {
            let before = Snapshot::of(&files)?;
            let mut survey = Survey::of(files.clone(), before.writes, progress)?;
            if !survey.doubts(&before) || Snapshot::of(&files)? == before {
                return Ok(survey);
            }
            left -= 1;
            if left == 0 {
                survey.is_moving = true;
                return Ok(survey);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Whether a writer changed the log during every reading. If so, the findings about the log's end may mix two moments.
    pub fn is_moving(&self) -> bool {
        self.is_moving
    }

    /// Whether a derived file seems wrong that a writer may be changing now: `HEAD`, or a sidecar of the last two segments.
    fn doubts(&self, before: &Snapshot) -> bool {
        let moving = positions(&before.entries).iter().rev().nth(1).copied().unwrap_or(Position(0));
        self.sidecars.iter().any(|sidecar| sidecar.step().is_some() && (sidecar.is_head() || sidecar.segment >= moving))
    }

    fn of(files: Files, writes: bool, progress: &mut Progress<'_>) -> Result<Survey, OpenError> {
        let entries = files.entries()?;
        let mut segments = positions(&entries);
        let log = segments.iter().find_map(|at| Some(files.open(*at, Access::Read).ok()?.header.identity()));
        let Some(&first) = segments.first() else {
            crate::open::begun(&files)?;
            return Err(OpenError::NoLog { path: files.layout.dir().to_path_buf() });
        };
        if first != Position(0) {
            crate::open::begun(&files)?;
        }
        let last = segments.last().copied().unwrap_or(first);
        let (head_file, head) = sidecars::head(&files, log.map(|log| log.log_id), last)?;
        let committed = head.filter(|_| writes).map(|head| head.committed);
        if let Some(end) = committed {
            segments.retain(|at| *at == first || at.0 + SEGMENT_HEADER_LEN as u64 <= end.0);
        }
        let mut pass = Pass::new(&files, &entries, log);
        let total = pass.total(&segments)?;
        for pair in segments.windows(2) {
            pass.sealed(pair[0], pair[1])?;
            progress(pair[1].0 - first.0, total);
        }
        let found = pass.last(segments.last().copied().unwrap_or(first), head, committed)?;
        progress(total, total);
        let (refusal, mut sidecars) = (pass.refusal, pass.sidecars);
        sidecars.push(head_file);
        let last = found.filter(|_| refusal.is_none());
        Ok(Survey { files, entries, log, sidecars, refusal, last, is_moving: false })
    }

    /// Adds the claim of one of the log's own checkpoints about how many bytes were synced.
    pub fn claim(&mut self, size: Position, note: PathBuf) {
        if let Some(last) = &mut self.last {
            last.claimed = Some((size, note));
        }
    }

    /// Every derived file, in order of the segments, then `HEAD`.
    pub fn sidecars(&self) -> &[Sidecar] {
        &self.sidecars
    }

    /// What an interrupted roll left.
    pub(super) fn leftovers(&self) -> impl Iterator<Item = Step> {
        let unfinished = |entry: &SegmentEntry| Step {
            act: Act::Remove,
            file: self.files.layout.entry(*entry),
            position: entry.position(),
            len: 0,
            row: None,
            reason: "a file that was being made and did not get its name".to_string(),
            kept_as: None,
        };
        self.entries.iter().filter(|entry| entry.is_unfinished()).map(unfinished)
    }
}

/// The progress of the survey.
struct Pass<'f> {
    files: &'f Files,
    entries: &'f [SegmentEntry],
    log: Option<LogIdentity>,
    /// The tree over all bytes before the next segment; `None` after damage.
    tree: Option<Tree>,
    next_seq: Option<Seq>,
    refusal: Option<(Refusal, Option<&'static str>)>,
    sidecars: Vec<Sidecar>,
}

impl<'f> Pass<'f> {
    fn new(files: &'f Files, entries: &'f [SegmentEntry], log: Option<LogIdentity>) -> Pass<'f> {
        let (tree, next_seq) = (Some(Tree::new()), Some(Seq(0)));
        Pass { files, entries, log, tree, next_seq, refusal: None, sidecars: Vec::new() }
    }

    fn total(&self, segments: &[Position]) -> Result<u64, OpenError> {
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else { return Ok(0) };
        let path = self.files.layout.segment(*last);
        let file = self.files.fs.open_read(&path).map_err(Failure::of("open", &path))?;
        Ok(last.0 - first.0 + file.len().map_err(Failure::of("read", &path))?)
    }

    /// Keeps a refusal, if it is the first. From here on, roots and seqs are taken from the headers.
    fn refuse(&mut self, refusal: Refusal, row: Option<&'static str>) {
        self.refusal.get_or_insert((refusal, row));
        (self.tree, self.next_seq) = (None, None);
    }

    fn wrong(&mut self, verdict: Verdict, at: Position, segment: Position, expected: String, found: String) {
        let path = self.files.layout.segment(segment);
        if let Trouble::Refused(refusal) = refusal(verdict, at, &path, expected, found) {
            self.refuse(*refusal, None);
        }
    }

    /// Reads a segment that another segment follows.
    fn sealed(&mut self, position: Position, next: Position) -> Result<(), OpenError> {
        let of_it = [SegmentEntry::Tree(position), SegmentEntry::Index(position)];
        let open = match self.files.open(position, Access::Read) {
            Ok(open) => open,
            Err(trouble) => {
                let of_it = of_it.into_iter().filter(|entry| self.entries.contains(entry));
                self.sidecars.extend(of_it.map(|entry| sidecars::unknown(self.files, entry)));
                return self.keep_refusal(trouble);
            }
        };
        self.enter(&open);
        if let Err(trouble) = self.files.check_sealed_len(open.file.as_ref(), position, next) {
            self.sidecars.push(sidecars::unknown(self.files, SegmentEntry::Index(position)));
            return self.keep_refusal(trouble);
        }
        let (len, mut streams, mut tree) = (next.0 - position.0, Streams::default(), self.tree.take());
        let path = self.files.layout.segment(position);
        let scanned = scan(&open.file, &open.header, len, Numbers::Dense, &mut streams, tree.as_mut());
        let scan = scanned.map_err(Failure::of("read", &path))?;
        let row = plan(scan.case(Place::Sealed, next));
        if let Action::Refuse(verdict) = row.action {
            self.sidecars.push(sidecars::unknown(self.files, SegmentEntry::Index(position)));
            let refusal = refusal(verdict, scan.end, &path, "a commit".to_string(), scan.reason);
            if let Trouble::Refused(refusal) = refusal {
                self.refuse(*refusal, Some(row.id));
            }
            return Ok(());
        }
        (self.tree, self.next_seq) = (tree, Some(scan.next_seq));
        let of = Of { log_id: open.header.log_id, position, len };
        self.sidecars.push(sidecars::index(self.files, of, &mut streams, self.entries));
        if self.entries.contains(&SegmentEntry::End(position)) {
            self.sidecars.push(sidecars::left_over(self.files, SegmentEntry::End(position), self.entries));
        }
        Ok(())
    }

    fn keep_refusal(&mut self, trouble: Trouble) -> Result<(), OpenError> {
        match trouble {
            Trouble::Refused(refusal) => {
                self.refuse(*refusal, None);
                Ok(())
            }
            other => Err(other.into()),
        }
    }

    /// Compares a segment's header with everything before it, and its tree with the header.
    fn enter(&mut self, open: &OpenSegment) {
        let header = &open.header;
        let (at, first) = (header.position, header.position == Position(0));
        if let Some((expected, found)) = self.log.and_then(|log| identity_flaw(log, header.identity())) {
            self.wrong(Verdict::Tampered, at, at, expected, found);
        }
        if let Some(size) = self.tree.as_ref().map(Tree::size).filter(|size| *size != at.0) {
            let expected = format!("a segment at position {size}");
            self.wrong(Verdict::Truncated, Position(size), at, expected, format!("one at {at}"));
        }
        if let Some(root) = self.tree.as_ref().map(Tree::root).filter(|root| *root != header.root_before) {
            let (expected, found) = (format!("root {root} before it"), format!("root {}", header.root_before));
            self.wrong(Verdict::Tampered, at, at, expected, found);
        }
        if let Some(seq) = self.next_seq.filter(|seq| *seq != header.first_seq) {
            let (expected, found) = (format!("first seq {seq}"), format!("first seq {}", header.first_seq));
            self.wrong(Verdict::Tampered, at, at, expected, found);
        }
        if !first {
            self.sidecars.push(sidecars::tree(self.files, header, self.entries));
        }
        if self.tree.is_none() {
            self.tree = self.files.frontier(header);
        }
        self.next_seq = Some(header.first_seq);
    }

    /// The header that the last segment must have, computed from everything before it.
    fn header_of(&self, position: Position) -> Option<SegmentHeader> {
        let (tree, first_seq) = (self.tree.as_ref()?, self.next_seq?);
        let LogIdentity { log_id, segment_limit } = self.log?;
        let root_before: Root = tree.root();
        let fits = tree.size() == position.0 && position.0 > 0;
        fits.then_some(SegmentHeader { log_id, segment_limit, position, first_seq, root_before })
    }

    /// Reads the last segment; if a writer is at work, up to `committed`.
    fn last(
        &mut self,
        position: Position,
        head: Option<Head>,
        committed: Option<Position>,
    ) -> Result<Option<Last>, OpenError> {
        let path = self.files.layout.segment(position);
        let mut mended = None;
        let open = match self.files.open(position, Access::Read) {
            Ok(open) => open,
            Err(Trouble::Refused(refusal)) => {
                let computed = self.header_of(position).filter(|_| refusal.verdict == Verdict::Damaged);
                let Some(header) = computed else {
                    self.refuse(*refusal, None);
                    return Ok(None);
                };
                mended = Some(refusal.found);
                let file = self.files.fs.open_read(&path).map_err(Failure::of("open", &path))?;
                OpenSegment { file, header }
            }
            Err(trouble) => return Err(trouble.into()),
        };
        self.enter(&open);
        let len = open.file.len().map_err(Failure::of("read", &path))?;
        let limit = committed.map_or(len, |end| len.min(end.0.saturating_sub(position.0)));
        let mut streams = Streams::default();
        let scanned = scan(&open.file, &open.header, limit, Numbers::Dense, &mut streams, None);
        let mut scan = scanned.map_err(Failure::of("read", &path))?;
        // A file that is shorter than its header ends before its first frame would begin.
        scan.file_end = scan.file_end.max(scan.end);
        self.closed(&open, len, head, &scan, &mut streams);
        let ground = Ground {
            file: Arc::clone(&open.file),
            codec: FrameCodec::new(open.header.log_id),
            base: position.0,
            limit,
        };
        let later = match scan.stop {
            Stop::End | Stop::Zeros | Stop::Disordered => None,
            _ => later_next_seq(&ground, scan.end.0 - position.0).map_err(Failure::of("read", &path))?,
        };
        let keep_from = if mended.is_some() { position } else { scan.end };
        let keep_name = crate::open::free_name(self.files, keep_from)?;
        let claimed = None;
        Ok(Some(Last { path, header: open.header, mended, scan, head, claimed, later_next_seq: later, keep_name }))
    }

    /// The sidecars that a clean close leaves.
    fn closed(&mut self, open: &OpenSegment, len: u64, head: Option<Head>, scan: &Scan, streams: &mut Streams) {
        let (files, position) = (self.files, open.header.position);
        // A writer that goes on after a close writes its first commit before `HEAD` says so.
        let is_end = scan.end == scan.file_end && scan.end.0 == position.0 + len;
        let closed = is_end && head.is_some_and(|head| head.closed && head.committed == scan.end);
        if closed && scan.last_commit.is_some() {
            let of = Of { log_id: open.header.log_id, position, len: scan.end.0 - position.0 };
            self.sidecars.push(sidecars::index(files, of, streams, self.entries));
            self.sidecars.push(sidecars::end(files, open, len, head, self.entries));
        } else {
            for entry in [SegmentEntry::Index(position), SegmentEntry::End(position)] {
                self.sidecars.push(sidecars::left_over(files, entry, self.entries));
            }
        }
    }
}

/// Seq after the last event of the whole frames after a stop.
fn later_next_seq(ground: &Ground, stop: u64) -> io::Result<Option<Seq>> {
    let (mut next, mut at) = (None, stop + 1);
    while let Some(offset) = ground.next_frame(at)? {
        let mut walk = ground.walk(offset);
        let head: &[u8] = walk.bytes(offset, FRAME_HEADER_LEN)?;
        let len = head.first_chunk().map_or(0, |len| u32::from_le_bytes(*len) as usize) + FRAME_HEADER_LEN;
        let position = ground.base + offset;
        if let Decoded::Frame(frame) = ground.codec.decode(position, walk.bytes(offset, len)?)
            && let Ok(commit) = CommitReader::new(frame.body, position + FRAME_HEADER_LEN as u64)
        {
            next = next.max(commit.head.first_seq.0.checked_add(commit.left()).map(Seq));
        }
        at = offset + len as u64;
    }
    Ok(next)
}

impl Last {
    /// The position up to which every byte was synced, according to `HEAD` and the log's own checkpoints.
    pub(super) fn durable(&self) -> Position {
        let claimed = self.claimed.as_ref().map_or(Position(0), |(size, _)| *size);
        self.head.map_or(Position(0), |head| head.durable).max(claimed)
    }
}
