//! The walk over commits, from segment to segment.

use super::{CommitRef, Reader, SegmentInfo, verdict_of};
use crate::error::{Failure, ReadError, Trouble};
use crate::fs::File;
use crate::recovery::Stop;
use crate::segment::refusal;
use crate::walk::{FrameAt, Walk, Walked};
use evlog_format::{CommitReader, FRAME_HEADER_LEN, Position, SEGMENT_HEADER_LEN, Seq};
use evlog_verify::Verdict;
use std::sync::Arc;

/// The commits of a log, in order. Each is lent from this value's own buffer.
#[derive(Debug)]
pub struct Commits<'r> {
    reader: &'r Reader,
    /// The segment after the one that `walk` is in.
    next_segment: usize,
    walk: Option<Walk>,
    /// Seq of the next event, once an event was read or a segment was entered at its start.
    next_seq: Option<Seq>,
    /// The largest durable-before so far (rule F-24).
    durable_before: u64,
    /// Where the caller asked to begin, until a commit was found there.
    asked: Option<Position>,
}

impl<'r> Commits<'r> {
    pub(super) fn new(reader: &'r Reader, from: Position) -> Result<Commits<'r>, ReadError> {
        let end = reader.committed.position;
        let holding = reader.segments.partition_point(|segment| segment.position <= from);
        let mut commits = Commits {
            reader,
            next_segment: reader.segments.len(),
            walk: None,
            next_seq: None,
            durable_before: 0,
            asked: None,
        };
        if from == end {
            return Ok(commits);
        }
        let Some(segment) = holding.checked_sub(1).map(|at| &reader.segments[at]).filter(|_| from < end) else {
            return Err(ReadError::NoCommit { position: from, end });
        };
        let offset = from.0 - segment.position.0;
        if offset == 0 {
            commits.next_segment = holding - 1;
            return Ok(commits);
        }
        if offset < SEGMENT_HEADER_LEN as u64 {
            return Err(ReadError::NoCommit { position: from, end });
        }
        let file = reader.files.open_of(reader.log, segment.position)?.file;
        commits.walk = Some(walk(reader, segment, file, offset));
        (commits.next_segment, commits.asked) = (holding, Some(from));
        Ok(commits)
    }

    /// The next commit; `None` at the end of what the reader sees.
    #[expect(clippy::should_implement_trait, reason = "it lends from its own buffer, which an Iterator cannot")]
    pub fn next(&mut self) -> Result<Option<CommitRef<'_>>, ReadError> {
        let reader = self.reader;
        let Some(at) = self.advance().map_err(|error| reader.blamed(error))? else {
            reader.check_place()?;
            return Ok(None);
        };
        let Some(walk) = &self.walk else { unreachable!("a frame was just found in it") };
        let frame = walk.frame(at);
        let commit = CommitReader::new(frame.body, frame.position + FRAME_HEADER_LEN as u64)?;
        let first_seq = commit.head.first_seq;
        if let Some(expected) = self.next_seq.filter(|expected| *expected != first_seq) {
            let position = Position(frame.position);
            let (expected, found) = (format!("a commit that begins with seq {expected}"), format!("seq {first_seq}"));
            return Err(self.refusal(Verdict::Tampered, position, expected, found).into());
        }
        if frame.durable_before < self.durable_before {
            let (position, expected) =
                (Position(frame.position), format!("durable-before of {} at least", self.durable_before));
            return Err(self.refusal(Verdict::Tampered, position, expected, frame.durable_before.to_string()).into());
        }
        self.durable_before = frame.durable_before;
        (self.next_seq, self.asked) = (Some(Seq(first_seq.0 + commit.left())), None);
        Ok(Some(CommitRef { frame, commit }))
    }

    /// Finds the next frame.
    fn advance(&mut self) -> Result<Option<FrameAt>, ReadError> {
        loop {
            let Some(walk) = &mut self.walk else {
                if !self.enter()? {
                    return Ok(None);
                }
                continue;
            };
            let SegmentInfo { position, ref path, .. } = self.reader.segments[self.next_segment - 1];
            let filled_to = walk.filled_to();
            let walked = walk.next().map_err(Failure::of("read", path))?;
            if walk.filled_to() != filled_to {
                self.reader.files.check_listed(position, walk.file())?;
            }
            match walked {
                Walked::Frame(at) => return Ok(Some(at)),
                Walked::Stopped(Stop::End, _) if walk.offset() == self.reader.segments[self.next_segment - 1].len => {
                    self.leave()?;
                }
                Walked::Stopped(stop, reason) => return Err(self.stopped(stop, reason)),
            }
        }
    }

    /// Leaves a segment after its last frame. In a sealed segment, further bytes are damage, and nothing after them is
    /// shown.
    fn leave(&mut self) -> Result<(), Trouble> {
        let SegmentInfo { position, len, sealed, .. } = self.reader.segments[self.next_segment - 1];
        if let Some(walk) = self.walk.take().filter(|_| sealed) {
            self.reader.files.check_sealed_len(walk.file(), position, Position(position.0 + len))?;
        }
        Ok(())
    }

    /// Enters the next segment; false if there is none.
    fn enter(&mut self) -> Result<bool, ReadError> {
        let reader = self.reader;
        let Some(segment) = reader.segments.get(self.next_segment) else { return Ok(false) };
        let open = reader.files.open_of(reader.log, segment.position)?;
        self.next_segment += 1;
        if !segment.sealed {
            reader.seen.check_file(&reader.files, open.file.as_ref(), reader.log.log_id)?;
        }
        if let Some(expected) = self.next_seq.filter(|expected| *expected != open.header.first_seq) {
            let (expected, found) = (format!("first seq {expected}"), format!("first seq {}", open.header.first_seq));
            return Err(self.refusal(Verdict::Tampered, segment.position, expected, found).into());
        }
        self.next_seq = Some(open.header.first_seq);
        self.walk = Some(walk(reader, segment, Arc::clone(&open.file), SEGMENT_HEADER_LEN as u64));
        Ok(true)
    }

    fn stopped(&self, stop: Stop, reason: String) -> ReadError {
        if let Some(position) = self.asked {
            return ReadError::NoCommit { position, end: self.reader.committed.position };
        }
        let segment = &self.reader.segments[self.next_segment - 1];
        let offset = self.walk.as_ref().map_or(0, Walk::offset);
        let position = Position(segment.position.0 + offset);
        self.refusal(verdict_of(stop), position, "a commit".to_string(), reason).into()
    }

    fn refusal(&self, verdict: Verdict, position: Position, expected: String, found: String) -> Trouble {
        let path = &self.reader.segments[self.next_segment - 1].path;
        refusal(verdict, position, path, expected, found)
    }
}

/// A walk from an offset of a segment to its committed end.
fn walk(reader: &Reader, segment: &SegmentInfo, file: Arc<dyn File>, offset: u64) -> Walk {
    Walk::new(file, reader.codec.clone(), segment.position.0, offset, segment.len)
}
