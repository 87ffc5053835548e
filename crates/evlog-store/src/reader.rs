//! Readers of a log: any number, in any process, at any time, beside a writer or without one.
//!
//! Does: show what is committed, in order or by stream, and see the log grow. Does not: ever write, or hold a lock.
//!
//! Invariants:
//! - An event that a reader showed is never lost later. If a writer is at work, a reader shows what `HEAD` calls committed.
//!   Without a writer, it shows what the next writer will keep. After a wrong number in a stream it shows what an audit
//!   counts (V-17).
//! - Memory is bounded by one chunk or one frame. A lookup of a stream takes two frames, copies of the stream's events in some
//!   more frames, and the indexes of the segments in which streams were looked up.

mod commits;
mod end;
mod follow;
mod seen;

use crate::error::{Failure, OpenError, ReadError, Trouble};
use crate::fetch::{Ending, Visit, failing, visit_parts};
use crate::fs::Fs;
use crate::head::Head;
use crate::index::{Found, Times};
use crate::last_readable::{misnumbered, worse};
use crate::recovery::Stop;
use crate::scan::{Numbers, Pass};
use crate::sealed::{Keep, Sealed};
use crate::segment::{Files, refusal};
use crate::streams::Streams;
use crate::walk::Walk;
pub use commits::Commits;
use evlog_format::{CommitReader, Frame, FrameCodec, LogId, LogIdentity, Position, Seq};
use evlog_verify::Verdict;
pub use follow::Follow;
use seen::{Dirs, Seen};
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The committed extent of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Position of the first byte that is not committed.
    pub position: Position,
    /// Seq of the first event that is not committed.
    pub next_seq: Seq,
}

/// The committed part of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Position of its first byte.
    pub position: Position,
    /// How many of its bytes are committed.
    pub len: u64,
    /// Whether it will not grow.
    pub sealed: bool,
    /// The file.
    pub path: PathBuf,
}

/// What a log has of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// The stream.
    pub name: String,
    /// The number of its events.
    pub events: u64,
    /// Seq of its first event.
    pub first_seq: Seq,
    /// Position of the commit that holds this event.
    pub first_position: Position,
}

/// A commit, borrowed from the reader's buffer.
#[derive(Clone, Debug)]
pub struct CommitRef<'a> {
    /// The frame. Its checksum was checked.
    pub frame: Frame<'a>,
    /// Its events.
    pub commit: CommitReader<'a>,
}

/// The part of a log that was committed when this reader last looked.
#[derive(Debug)]
pub struct Reader {
    /// The files, reached by the handle of the directory that was opened, because another log may take its name later.
    files: Files,
    /// The files, reached by the path, to check whether the log is still there.
    place: Files,
    log: LogIdentity,
    codec: FrameCodec,
    committed: Committed,
    segments: Vec<SegmentInfo>,
    sealed: Sealed,
    active: Mutex<Active>,
    /// `HEAD` as it was last read.
    head: Option<Head>,
    /// The reason why an existing `HEAD` could not be used when this reader was opened.
    head_flaw: Option<String>,
    /// The damage after the part that this reader shows.
    damage: Option<Trouble>,
    /// The last committed bytes when this reader last looked.
    seen: Seen,
    /// The directories that were opened. Their handles are kept, so that no other directory gets their inode numbers.
    dirs: Dirs,
}

/// The streams of the last segment that were looked up.
#[derive(Debug)]
struct Active {
    segment: Position,
    pass: Pass,
    streams: Streams,
}

impl Reader {
    /// Opens the log in `dir`. This reads `HEAD`, the first header, the end of the segment before the last (usually 16 KiB),
    /// and the last segment. If the log was closed cleanly, it reads only the end of the last segment; otherwise all of it.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path) -> Result<Reader, OpenError> {
        let mut reader = Reader::open_up_to_damage(fs, dir)?;
        reader.damage.take().map_or(Ok(reader), |trouble| Err(trouble.into()))
    }

    /// Opens a log even if its last segment is damaged or cannot be opened. The reader then shows the commits before the
    /// damage as if there were no more. [`check_whole`](Reader::check_whole) reports the damage, and also a sealed segment
    /// that does not end where the next one begins. In such a segment the commits end.
    pub fn open_up_to_damage(fs: Arc<dyn Fs>, dir: &Path) -> Result<Reader, OpenError> {
        let place = Files::new(fs, dir);
        let mut files = hold(&place)?;
        let end::End { log, positions, committed, active, closed, head, head_flaw, damage } = end::find(&files)?;
        let segments = infos(&files, &positions, committed.position);
        let (codec, mut sealed) = (FrameCodec::new(log.log_id), Sealed::new(log, Keep::Memory, &positions));
        if let Some(end) = closed {
            sealed.set_closed(active.segment, end);
        }
        files.list_sealed(sealed_of(&segments))?;
        let damage = match (files.check_sealed_lens(&positions), damage) {
            (Err(before), Some(behind)) => Some(worse(before, behind)),
            (before, behind) => before.err().or(behind),
        };
        let (dirs, seen, active) = (Dirs::of(&files)?, Seen::of(&files, &segments)?, Mutex::new(active));
        Ok(Reader {
            files,
            place,
            log,
            codec,
            committed,
            segments,
            sealed,
            active,
            head,
            head_flaw,
            damage,
            seen,
            dirs,
        })
    }

    /// The path that the log was opened by.
    pub fn dir(&self) -> &Path {
        self.place.layout.dir()
    }

    /// The log's identity.
    pub fn log_id(&self) -> LogId {
        self.log.log_id
    }

    /// Whether a writer has the log open. Asking takes no lock that could keep a writer out.
    /// Fails for a log that several machines share: their writers hold no lock that can be seen here.
    pub fn has_writer(&self) -> Result<bool, ReadError> {
        let has_writer = if self.files.fs.is_shared() {
            Err(io::Error::new(io::ErrorKind::Unsupported, "writers of a shared log hold no lock"))
        } else {
            self.files.has_writer()
        };
        Ok(has_writer.map_err(Failure::of("look at", &self.files.layout.lock()))?)
    }

    /// Checks that there is no damage after the part that this reader shows.
    pub fn check_whole(&self) -> Result<(), ReadError> {
        self.damage.as_ref().map_or(Ok(()), |trouble| Err(trouble.again().into()))
    }

    /// Why `HEAD` cannot be used, if it is there and cannot be used. The reader then relies on the segments alone.
    pub fn head_flaw(&self) -> Option<&str> {
        self.head_flaw.as_deref()
    }

    /// The extent that this reader sees.
    pub fn committed(&self) -> Committed {
        self.committed
    }

    /// What the writer of the log in `dir` noted in `HEAD`: a cheap hint, without a reader. `None` if there is no `HEAD`, or if it is
    /// not whole. It may be of another log, or claim commits that a crash took: [`refresh`](Reader::refresh) checks that.
    pub fn hint(fs: Arc<dyn Fs>, dir: &Path) -> Result<Option<Head>, ReadError> {
        Ok(Files::new(fs, dir).any_head()?)
    }

    /// Finds how far the log is committed now; returns true if it has grown. Reads `HEAD`, and lists segments only if the log
    /// has grown. Fails if what this reader showed is not in the log any more, or if the log is not where it was.
    pub fn refresh(&mut self) -> Result<bool, ReadError> {
        let shown = self.committed.position;
        if !self.is_in_place()? {
            self.check_place()?;
            self.seen = Seen::of(&self.files, &self.segments)?;
        } else if !self.seen.is_whole()? {
            return Err(ReadError::Gone { position: shown });
        }
        let head = self.files.any_head()?;
        // This `HEAD` belongs to another log: the files were changed without this reader.
        if head.is_some_and(|head| head.log_id != self.log.log_id) {
            self.seen.check(&self.files, self.log.log_id, shown)?;
            self.seen = Seen::of(&self.files, &self.segments)?;
        }
        // After a crash of the machine, `HEAD` may claim commits that were lost. It counts again once a writer has changed
        // it.
        let is_news = |head: &Head| head.log_id == self.log.log_id && Some(*head) != self.head;
        let Some(head) = head.filter(is_news) else { return Ok(false) };
        self.head = Some(head);
        self.seen.check(&self.files, self.log.log_id, shown)?;
        if head.committed <= self.committed.position {
            return Ok(false);
        }
        self.committed = Committed { position: head.committed, next_seq: head.next_seq };
        let mut positions = self.files.segments()?;
        positions.retain(|position| end::begins_before(*position, head.committed));
        self.segments = infos(&self.files, &positions, head.committed);
        self.sealed.extend(&positions);
        self.files.list_sealed(sealed_of(&self.segments))?;
        self.seen = Seen::of(&self.files, &self.segments)?;
        Ok(true)
    }

    /// Whether the path still leads to the directories that were opened and to the file that was shown.
    fn is_in_place(&self) -> Result<bool, ReadError> {
        Ok(self.seen.is_in_place(&self.place)? && self.dirs.are_in_place(&self.place)?)
    }

    /// Checks that the log is still at its path, and still holds the bytes that were shown last. Its last segment may have
    /// been written again, by a writer after a failed sync, or by a person from a copy.
    fn check_place(&self) -> Result<(), ReadError> {
        let checked = self.seen.check(&self.place, self.log.log_id, self.committed.position);
        match checked {
            // A previous check found that the files there belong to the same log.
            Ok(()) | Err(ReadError::Gone { .. }) if !self.dirs.are_in_place(&self.place)? => {
                Err(ReadError::Copied { path: self.place.layout.dir().to_path_buf() })
            }
            checked => checked,
        }
    }

    /// The log's files, as this reader reaches them.
    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// The reason of a failure to read. If the log is no longer at its path, that is the reason.
    fn blamed(&self, error: ReadError) -> ReadError {
        let place = match self.is_in_place() {
            Ok(true) => Ok(()),
            Ok(false) => self.check_place(),
            Err(error) => Err(error),
        };
        match place {
            Err(moved @ (ReadError::Moved { .. } | ReadError::Replaced { .. } | ReadError::Copied { .. })) => moved,
            _ => error,
        }
    }

    /// Begins to watch the log for growth. Call it before a [`refresh`](Reader::refresh), so that no change in between
    /// is missed.
    pub fn follow(&self) -> Follow {
        Follow::new(self.place.fs.as_ref(), self.place.layout.dir())
    }

    /// The commits from a position on that this reader sees. The position must be that of a commit or of a segment, or the
    /// end.
    pub fn commits(&self, from: Position) -> Result<Commits<'_>, ReadError> {
        Commits::new(self, from)
    }

    /// Position of the commit that holds `seq`; for the next seq, the end.
    pub fn seek(&self, seq: Seq) -> Result<Position, ReadError> {
        self.found(seq).map_err(|error| self.blamed(error))
    }

    fn found(&self, seq: Seq) -> Result<Position, ReadError> {
        let Committed { position: end, next_seq } = self.committed;
        if seq >= next_seq {
            return if seq == next_seq { Ok(end) } else { Err(ReadError::NoEvent { seq, next_seq }) };
        }
        let mut commits = self.commits(self.segments[self.holding(seq)].position)?;
        while let Some(CommitRef { frame, commit }) = commits.next()? {
            if seq.0 < commit.head.first_seq.0 + commit.left() {
                return Ok(Position(frame.position));
            }
        }
        Err(ReadError::NoEvent { seq, next_seq })
    }

    /// Which segment holds `seq`: the last segment whose first seq is not above it. A segment that cannot be opened, or whose
    /// header fails or does not continue the segments before it, is not judged here. The walk over the commits reports it
    /// after it has shown everything before it.
    fn holding(&self, seq: Seq) -> usize {
        let (mut low, mut low_seq, mut high) = (0, Seq(0), self.segments.len());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.files.open_of(self.log, self.segments[middle].position) {
                Ok(open) if low_seq < open.header.first_seq && open.header.first_seq <= seq => {
                    (low, low_seq) = (middle, open.header.first_seq);
                }
                _ => high = middle,
            }
        }
        low
    }

    /// All streams, in order of their first event.
    pub fn streams(&self) -> Result<Vec<StreamSummary>, ReadError> {
        self.all_streams().map_err(|error| self.blamed(error))
    }

    fn all_streams(&self) -> Result<Vec<StreamSummary>, ReadError> {
        let (mut streams, mut gap) = (BTreeMap::new(), None);
        let mut add = |segment: Position, name: &str, found: Found| {
            let at = found.frames.first().copied().unwrap_or(0);
            let (first_seq, first_position) = (found.first_seq, Position(segment.0 + u64::from(at)));
            let new = || StreamSummary { name: name.to_string(), events: 0, first_seq, first_position };
            let summary = streams.entry(name.to_string()).or_insert_with(new);
            if summary.events != found.first_number {
                gap.get_or_insert((segment, name.to_string(), summary.events, found.first_number));
            }
            summary.events = found.first_number + found.events;
        };
        self.sealed.each(&self.files, &mut add)?;
        let active = self.caught_up()?;
        for stream in active.streams.in_segment() {
            let (first_number, first_seq, events) = (stream.first_number, stream.first_seq, stream.events);
            let found = Found { first_number, first_seq, events, frames: stream.frames[..1].to_vec() };
            add(active.segment, &stream.name, found);
        }
        if let Some((segment, name, expected, found)) = gap {
            let expected = format!("event {expected} of stream `{name}` as its next");
            let path = self.files.layout.segment(segment);
            return Err(refusal(Verdict::Damaged, segment, &path, expected, format!("event {found}")).into());
        }
        self.check_place()?;
        let mut streams: Vec<StreamSummary> = streams.into_values().collect();
        streams.sort_by_key(|stream| (stream.first_seq, stream.first_position));
        Ok(streams)
    }

    /// Visits the committed events of a stream, in order; false if it has none.
    pub fn stream<E: From<ReadError>>(&self, name: &str, visit: &mut Visit<'_, E>) -> Result<bool, E> {
        self.stream_from(name, 0, visit)
    }

    /// Visits the stream's events from a number on; false if the stream has no events at all.
    pub fn stream_from<E: From<ReadError>>(
        &self,
        name: &str,
        from_number: u64,
        visit: &mut Visit<'_, E>,
    ) -> Result<bool, E> {
        let all = Position(u64::MAX);
        failing(visit, |visit| self.visit_stream(name, from_number, all, visit).map_err(|error| self.blamed(error)))
    }

    /// Visits the stream's events in commits before a position. Nothing after that position is read.
    pub fn stream_until<E: From<ReadError>>(
        &self,
        name: &str,
        until: Position,
        visit: &mut Visit<'_, E>,
    ) -> Result<bool, E> {
        failing(visit, |visit| self.visit_stream(name, 0, until, visit).map_err(|error| self.blamed(error)))
    }

    fn visit_stream(
        &self,
        name: &str,
        from_number: u64,
        until: Position,
        visit: &mut Ending<'_>,
    ) -> Result<bool, ReadError> {
        let active = self.caught_up()?;
        let mut parts: Vec<_> = active.streams.part(name, active.segment).into_iter().collect();
        parts.retain(|part| part.segment < until);
        drop(active);
        let flaw = self.sealed.parts(&self.files, name, from_number, until, &mut parts);
        let visited = visit_parts(&self.files, &self.codec, name, &parts, from_number, until, visit)?;
        if let (Some(flaw), ControlFlow::Continue(())) = (flaw, visited) {
            return Err(flaw.into());
        }
        self.check_place()?;
        Ok(!parts.is_empty())
    }

    /// The committed parts of the segments, in order.
    pub fn segments(&self) -> &[SegmentInfo] {
        &self.segments
    }

    /// The times of a segment's commits, as its index states them; `None` for the segment that still grows.
    pub fn times(&self, segment: &SegmentInfo) -> Result<Option<Times>, ReadError> {
        Ok(self.sealed.times(&self.files, segment.position)?)
    }

    /// The streams of the last segment, up to what this reader sees. A wrong number that was met after the log was opened is
    /// refused, because [`check_whole`](Self::check_whole) does not know it.
    fn caught_up(&self) -> Result<MutexGuard<'_, Active>, Trouble> {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = self.segments.last() else { unreachable!("a log has a segment") };
        let from = if active.segment == last.position { active.pass.end } else { 0 };
        if from != last.len {
            self.catch_up(&mut active, last, from)?;
        }
        match &active.pass.misnumbered {
            Some(wrong) => Err(misnumbered(&last.path, wrong)),
            None => Ok(active),
        }
    }

    fn catch_up(&self, active: &mut Active, last: &SegmentInfo, from: u64) -> Result<(), Trouble> {
        let segment = self.files.open_of(self.log, last.position)?;
        if from == 0 {
            let (pass, streams) = (Pass::new(&segment.header, Numbers::Any), Streams::default());
            *active = Active { segment: last.position, pass, streams };
        }
        let (base, from) = (last.position.0, active.pass.end);
        let mut walk = Walk::new(segment.file, self.codec.clone(), base, from, last.len);
        let Active { pass, streams, .. } = active;
        let (stop, reason) = pass.run(&mut walk, streams, None).map_err(Failure::of("read", &last.path))?;
        if stop != Stop::End || pass.end != last.len {
            let (at, expected) = (Position(base + pass.end), "a commit".to_string());
            return Err(refusal(verdict_of(stop), at, &last.path, expected, reason));
        }
        Ok(())
    }
}

/// Opens the directory that has this path now; an error says why there is no log.
fn hold(place: &Files) -> Result<Files, OpenError> {
    Files::held(Arc::clone(&place.fs), place.layout.dir()).or_else(|failure| {
        crate::open::begun(place)?;
        Err(failure.into())
    })
}

/// The verdict if a reader finds no commit where a commit should be.
fn verdict_of(stop: Stop) -> Verdict {
    match stop {
        Stop::End => Verdict::Truncated,
        Stop::Disordered => Verdict::Tampered,
        _ => Verdict::Damaged,
    }
}

fn sealed_of(segments: &[SegmentInfo]) -> impl Iterator<Item = Position> {
    segments.iter().filter(|segment| segment.sealed).map(|segment| segment.position)
}

/// The segments among `positions`, which all begin before `end`.
fn infos(files: &Files, positions: &[Position], end: Position) -> Vec<SegmentInfo> {
    let info = |(at, &position): (usize, &Position)| {
        let next = positions.get(at + 1);
        let len = next.unwrap_or(&end).0 - position.0;
        SegmentInfo { position, len, sealed: next.is_some(), path: files.layout.segment(position) }
    };
    positions.iter().enumerate().map(info).collect()
}
