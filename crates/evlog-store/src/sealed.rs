//! The indexes of the sealed segments. Each is opened when it is first needed, and made again if its sidecar fails a check.
//!
//! If an earlier session closed the last segment in order, there is an index of what that segment held then. It counts as one
//! more sealed segment, which ends there, until this session seals the segment or finds it sealed.

use crate::closed::ClosedEnd;
use crate::error::{Failure, Trouble};
use crate::fetch::check_last;
use crate::index::{Found, Of, SealedIndex, Spoilt, Times};
use crate::layout::SegmentEntry;
use crate::recovery::{Action, Place, plan};
use crate::scan::{Numbers, scan};
use crate::segment::{Files, refusal};
use crate::streams::{Before, Part, Streams};
use evlog_format::{FrameCodec, LogId, LogIdentity, Position};
use std::sync::{Arc, OnceLock};

/// The place where an index that had to be made again is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// It is written beside its segment.
    Sidecar,
    /// It stays in memory: readers never write.
    Memory,
}

/// The sealed segments of a log, in order.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    log: LogIdentity,
    keep: Keep,
    segments: Vec<Arc<SealedSegment>>,
    /// The part of the last segment that an earlier session wrote and closed cleanly.
    closed: Option<Arc<SealedSegment>>,
}

/// A sealed segment.
#[derive(Debug)]
pub(crate) struct SealedSegment {
    position: Position,
    end: Position,
    /// The sidecar, once it was opened; `None` if it is not there or does not belong to this segment.
    sidecar: OnceLock<Option<SealedIndex>>,
    /// The index that this session made, because it sealed the segment or the sidecar failed a check.
    made: OnceLock<SealedIndex>,
}

impl SealedSegment {
    fn with(position: Position, end: Position, index: SealedIndex) -> SealedSegment {
        SealedSegment { made: OnceLock::from(index), ..SealedSegment::new(position, end) }
    }

    fn of(&self, log_id: LogId) -> Of {
        Of { log_id, position: self.position, len: self.end.0 - self.position.0 }
    }

    fn new(position: Position, end: Position) -> SealedSegment {
        SealedSegment { position, end, sidecar: OnceLock::new(), made: OnceLock::new() }
    }

    /// Writes the sidecar. If it cannot be written, it is made again when it is next needed.
    pub(crate) fn keep_sidecar(&self, files: &Files) {
        if let Some(bytes) = self.made.get().and_then(SealedIndex::bytes) {
            files.keep_sidecar(SegmentEntry::Index(self.position), bytes).ok();
        }
    }
}

impl Sealed {
    /// All segments but the last of `segments`.
    pub(crate) fn new(log: LogIdentity, keep: Keep, segments: &[Position]) -> Sealed {
        let mut sealed = Sealed { log, keep, segments: Vec::new(), closed: None };
        sealed.extend(segments);
        sealed
    }

    /// Adds the segments that are sealed now. `segments` are the positions of all segments.
    pub(crate) fn extend(&mut self, segments: &[Position]) {
        for pair in segments.windows(2).skip(self.segments.len()) {
            self.segments.push(Arc::new(SealedSegment::new(pair[0], pair[1])));
            self.closed = None;
        }
    }

    /// Records that the last segment was closed cleanly at `end`.
    pub(crate) fn set_closed(&mut self, position: Position, end: Position) {
        self.closed = Some(Arc::new(SealedSegment::new(position, end)));
    }

    /// Where the last segment was closed cleanly, if this session still builds on that.
    pub(crate) fn closed_end(&self) -> Option<Position> {
        self.closed.as_ref().map(|segment| segment.end)
    }

    /// The streams that an earlier session left in the last segment. They must be joined with those that this session adds.
    pub(crate) fn closed_streams(&self, files: &Files) -> Result<Before, Trouble> {
        let all = |index: &SealedIndex| index.all().map(|streams| Before { streams, times: index.times() });
        self.closed.as_ref().map_or(Ok(Before::NOTHING), |segment| self.ask(files, segment, all))
    }

    /// Leaves the sidecars of a clean close: the index of the last segment, and where the log ends.
    pub(crate) fn close(
        &mut self,
        files: &Files,
        segment: Position,
        closed: &ClosedEnd,
        streams: &mut Streams,
    ) -> Result<(), Trouble> {
        let end = closed.end();
        let of = Of { log_id: self.log.log_id, position: segment, len: end.0 - segment.0 };
        let sealed = SealedSegment::with(segment, end, streams.seal(of, &self.closed_streams(files)?));
        sealed.keep_sidecar(files);
        closed.keep(files, self.log.log_id, segment);
        self.closed = Some(Arc::new(sealed));
        Ok(())
    }

    /// All sealed segments, in order.
    fn all(&self) -> impl DoubleEndedIterator<Item = &Arc<SealedSegment>> {
        self.segments.iter().chain(&self.closed)
    }

    /// Adds a segment with its index.
    pub(crate) fn push(&mut self, position: Position, end: Position, index: SealedIndex) -> Arc<SealedSegment> {
        let segment = Arc::new(SealedSegment::with(position, end, index));
        self.segments.push(Arc::clone(&segment));
        self.closed = None;
        segment
    }

    /// Makes the sidecars that are missing.
    pub(crate) fn complete(&self, files: &Files, entries: &[SegmentEntry]) -> Result<(), Trouble> {
        for segment in self.all() {
            if entries.binary_search(&SegmentEntry::Index(segment.position)).is_err() {
                self.made(files, segment)?;
            }
        }
        Ok(())
    }

    /// Looks something up in the index of a segment. If the sidecar fails a check, the index is made again.
    fn ask<T>(
        &self,
        files: &Files,
        segment: &SealedSegment,
        question: impl Fn(&SealedIndex) -> Result<T, Spoilt>,
    ) -> Result<T, Trouble> {
        let sidecar = || {
            let path = files.layout.entry(SegmentEntry::Index(segment.position));
            SealedIndex::open(&files.fs, path, segment.of(self.log.log_id))
        };
        if segment.made.get().is_none()
            && let Some(answer) = segment.sidecar.get_or_init(sidecar).as_ref().and_then(|index| question(index).ok())
        {
            return Ok(answer);
        }
        match question(self.made(files, segment)?) {
            Ok(answer) => Ok(answer),
            Err(Spoilt) => unreachable!("an index that was made in memory holds"),
        }
    }

    fn made<'s>(&self, files: &Files, segment: &'s SealedSegment) -> Result<&'s SealedIndex, Trouble> {
        if let Some(index) = segment.made.get() {
            return Ok(index);
        }
        let index = self.rebuild(files, segment)?;
        Ok(segment.made.get_or_init(|| index))
    }

    fn rebuild(&self, files: &Files, segment: &SealedSegment) -> Result<SealedIndex, Trouble> {
        let SealedSegment { position, end, .. } = *segment;
        let (path, open) = (files.layout.segment(position), files.open_of(self.log, position)?);
        if self.closed_end() != Some(end) {
            files.check_sealed_len(open.file.as_ref(), position, end)?;
        }
        let (len, mut streams) = (end.0 - position.0, Streams::default());
        let scan = scan(&open.file, &open.header, len, Numbers::Dense, &mut streams, None)
            .map_err(Failure::of("read", &path))?;
        if let Action::Refuse(verdict) = plan(scan.case(Place::Sealed, end)).action {
            return Err(refusal(verdict, scan.end, &path, "a commit".to_string(), scan.reason));
        }
        let index = streams.seal(segment.of(self.log.log_id), &Before::NOTHING);
        if let (Keep::Sidecar, Some(bytes)) = (self.keep, index.bytes()) {
            files.keep_sidecar(SegmentEntry::Index(position), bytes).ok();
        }
        Ok(index)
    }

    /// How many events a stream has in the sealed segments. New events are numbered by this count, so it is checked against
    /// the frame that the index names as the stream's last.
    pub(crate) fn stream_len(&self, files: &Files, name: &str) -> Result<u64, Trouble> {
        for segment in self.all().rev() {
            if let Some(found) = self.ask(files, segment, |index| index.find(name))? {
                let part = Part::new(segment.position, found, None);
                check_last(files, &FrameCodec::new(self.log.log_id), name, &part)?;
                return Ok(part.end_number());
            }
        }
        Ok(0)
    }

    /// A stream's parts from the newest before `until` back to the one that holds `from_number`. They are put before `parts`,
    /// in order. If the index of a segment cannot be read or made, only the later parts are returned, with the reason.
    pub(crate) fn parts(
        &self,
        files: &Files,
        name: &str,
        from_number: u64,
        until: Position,
        parts: &mut Vec<Part>,
    ) -> Option<Trouble> {
        let (mut earlier, mut flaw) = (Vec::new(), None);
        let mut first = parts.first().map(|part| part.first_number);
        // A writer counts a segment as sealed before it has cut the zeros that it wrote ahead.
        let is_cut = |end: &Position| self.keep == Keep::Memory && self.closed_end() != Some(*end);
        for segment in self.all().rev().filter(|segment| segment.position < until) {
            if first.is_some_and(|first| first <= from_number) {
                break;
            }
            match self.ask(files, segment, |index| index.find(name)) {
                Ok(None) => {}
                Ok(Some(found)) => {
                    first = Some(found.first_number);
                    let sealed_end = Some(segment.end).filter(is_cut);
                    earlier.push(Part::new(segment.position, found, sealed_end));
                }
                Err(trouble) => {
                    (first, flaw) = (None, Some(trouble));
                    parts.clear();
                    earlier.clear();
                }
            }
        }
        earlier.reverse();
        parts.splice(..0, earlier);
        flaw
    }

    /// The times of a segment's commits; `None` for the segment that still grows.
    pub(crate) fn times(&self, files: &Files, position: Position) -> Result<Option<Times>, Trouble> {
        let Some(segment) = self.all().find(|segment| segment.position == position) else { return Ok(None) };
        self.ask(files, segment, |index| Ok(index.times())).map(Some)
    }

    /// Calls `visit` for each stream of each segment, in order of the segments.
    pub(crate) fn each(&self, files: &Files, visit: &mut dyn FnMut(Position, &str, Found)) -> Result<(), Trouble> {
        for segment in self.all() {
            let streams = self.ask(files, segment, SealedIndex::all)?;
            for (name, found) in streams {
                visit(segment.position, &name, found);
            }
        }
        Ok(())
    }
}

impl Part {
    fn new(segment: Position, found: Found, sealed_end: Option<Position>) -> Part {
        let Found { first_number, events, frames, .. } = found;
        Part { segment, first_number, events, frames, sealed_end }
    }

    /// Number after the stream's last event there.
    pub(crate) fn end_number(&self) -> u64 {
        self.first_number + self.events
    }
}
