//! One pass over a segment: how far it holds commits that continue the log, and why it stops there.
//!
//! Does: check every frame and every commit, list the segment's streams, hash the bytes.
//! Does not: write, or decide what a failing frame means ([`recovery`](crate::recovery) does).

use crate::fs::File;
use crate::recovery::{Case, Floor, Later, Place, Stop};
use crate::streams::{EventAt, Streams};
use crate::walk::{FrameAt, Walk, Walked};
use evlog_format::{
    CommitReader, FRAME_HEADER_LEN, Frame, FrameCodec, Position, SEGMENT_HEADER_LEN, SegmentHeader, Seq,
};
use evlog_verify::Tree;
use std::io;
use std::sync::Arc;

/// The result of a scan.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    /// Position after the last commit.
    pub(crate) end: Position,
    /// Position of that commit.
    pub(crate) last_commit: Option<Position>,
    /// Seq of the event that would come next.
    pub(crate) next_seq: Seq,
    /// The largest durable-before of all valid frames, including those after the stop.
    pub(crate) floor: Position,
    /// Position after the file's last byte.
    pub(crate) file_end: Position,
    /// The reason why it stopped.
    pub(crate) stop: Stop,
    /// The reason why it stopped, in words.
    pub(crate) reason: String,
    /// Whether a valid frame follows the stop.
    pub(crate) later: Later,
    /// The first commit with a wrong number in a stream, if the scan went on after it.
    pub(crate) misnumbered: Option<Misnumbered>,
}

/// A commit with a wrong number in a stream: not one more than the number before it (rule F-34).
#[derive(Clone, Debug)]
pub(crate) struct Misnumbered {
    /// Position of the commit.
    pub(crate) position: Position,
    /// The number that should be there, in words.
    pub(crate) expected: String,
    /// The number that is there, in words.
    pub(crate) found: String,
}

/// How a pass treats a wrong number in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// It stops: no writer goes on after such a commit.
    Dense,
    /// It goes on. The commit is where it was written, and readers show it, as they do in a segment that they do not scan.
    Any,
}

/// Scans the first `limit` bytes of a segment. Adds its streams to `streams` and, if `tree` is given, its bytes up to the end
/// of the last commit to `tree`.
pub(crate) fn scan(
    file: &Arc<dyn File>,
    header: &SegmentHeader,
    limit: u64,
    numbers: Numbers,
    streams: &mut Streams,
    tree: Option<&mut Tree>,
) -> io::Result<Scan> {
    let base = header.position.0;
    let first = SEGMENT_HEADER_LEN as u64;
    let mut walk = Walk::new(Arc::clone(file), FrameCodec::new(header.log_id), base, first, limit);
    let mut tree = tree;
    if let Some(tree) = tree.as_deref_mut() {
        tree.update(&header.encode());
    }
    let mut pass = Pass::new(header, numbers);
    let (stop, reason) = pass.run(&mut walk, streams, tree)?;
    let later = if matches!(stop, Stop::Gap | Stop::Incomplete | Stop::Corrupt) {
        walk.search(pass.durable_before)?
    } else {
        None
    };
    Ok(Scan {
        end: Position(base + pass.end),
        last_commit: pass.last.map(|offset| Position(base + offset)),
        next_seq: pass.next_seq,
        floor: Position(later.unwrap_or(pass.durable_before)),
        file_end: Position(base + limit),
        stop,
        reason,
        later: if later.is_some() { Later::Valid } else { Later::None },
        misnumbered: pass.misnumbered,
    })
}

/// The progress of the check of a segment.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    /// Offset after the last commit.
    pub(crate) end: u64,
    /// Offset of that commit, if the pass met it.
    last: Option<u64>,
    /// Seq of the event that would come next.
    pub(crate) next_seq: Seq,
    /// The largest durable-before so far.
    durable_before: u64,
    numbers: Numbers,
    /// The first commit with a wrong number in a stream, if the pass went on after it.
    pub(crate) misnumbered: Option<Misnumbered>,
}

impl Pass {
    /// A pass that begins before the first frame of a segment.
    pub(crate) fn new(header: &SegmentHeader, numbers: Numbers) -> Pass {
        Pass {
            end: SEGMENT_HEADER_LEN as u64,
            last: None,
            next_seq: header.first_seq,
            durable_before: header.position.0,
            numbers,
            misnumbered: None,
        }
    }

    /// Goes on from where the walk is, as long as commits continue the log.
    pub(crate) fn run(
        &mut self,
        walk: &mut Walk,
        streams: &mut Streams,
        mut tree: Option<&mut Tree>,
    ) -> io::Result<(Stop, String)> {
        loop {
            match walk.next()? {
                Walked::Stopped(stop, reason) => return Ok((stop, reason)),
                Walked::Frame(at) => {
                    if let Err(stopped) = self.take(&walk.frame(at), at, streams) {
                        return Ok(stopped);
                    }
                    if let Some(tree) = tree.as_deref_mut() {
                        tree.update(walk.raw(at));
                    }
                }
            }
        }
    }

    fn take(&mut self, frame: &Frame<'_>, at: FrameAt, streams: &mut Streams) -> Result<(), (Stop, String)> {
        let malformed = |error: evlog_format::Corruption| (Stop::Malformed, error.to_string());
        let disordered = |of: &str, expected: u64, found: u64| {
            (Stop::Disordered, format!("{of} {found} where {expected} was expected"))
        };
        let mut commit = CommitReader::new(frame.body, frame.position + FRAME_HEADER_LEN as u64).map_err(malformed)?;
        if commit.head.first_seq != self.next_seq {
            return Err(disordered("seq", self.next_seq.0, commit.head.first_seq.0));
        }
        let Ok(offset) = u32::try_from(at.offset) else {
            return Err((Stop::Malformed, format!("a frame at offset {}, beyond any segment", at.offset)));
        };
        let mut next_seq = self.next_seq;
        while let Some((seq, event)) = commit.next_event().map_err(malformed)? {
            let here = EventAt { seq, offset, end: frame.end() };
            if let Err(expected) = streams.observe(event.stream, event.number, here) {
                if self.numbers == Numbers::Dense {
                    return Err(disordered(&format!("number in stream `{}`", event.stream), expected, event.number));
                }
                self.misnumbered.get_or_insert_with(|| Misnumbered {
                    position: Position(frame.position),
                    expected: format!("number {expected} in stream `{}` (F-34)", event.stream),
                    found: format!("number {}", event.number),
                });
            }
            next_seq = Seq(seq.0 + 1);
        }
        streams.time(&commit.head);
        self.durable_before = self.durable_before.max(at.durable_before);
        self.last = Some(at.offset);
        (self.end, self.next_seq) = (at.offset + at.len as u64, next_seq);
        Ok(())
    }
}

impl Scan {
    /// The case for the recovery table. `floor` is the synced position according to other evidence than this segment's frames.
    pub(crate) fn case(&self, place: Place, floor: Position) -> Case {
        let floor = self.floor.max(floor);
        let floor = if floor <= self.end {
            Floor::Reached
        } else if floor <= self.file_end {
            Floor::Missed
        } else {
            Floor::Beyond
        };
        Case { stop: self.stop, floor, later: self.later, place }
    }
}
