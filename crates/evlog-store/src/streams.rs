//! The streams of the segment that grows, and the length of each stream that this session has met.
//!
//! Invariant: a stream is in `touched` if, and only if, its `frames` are not empty.

use crate::index::{Entry, Found, Of, SealedIndex, Times};
use evlog_format::{CommitHead, Position, Seq};
#[expect(clippy::disallowed_types, reason = "looked up by name on every append, never iterated")]
use std::collections::HashMap;
use std::collections::{BTreeMap, btree_map::Entry as Slot};
use std::sync::Arc;

/// One stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: Arc<str>,
    /// The number of its events.
    pub(crate) len: u64,
    /// Number of its first event in the segment.
    pub(crate) first_number: u64,
    /// Seq of that event.
    pub(crate) first_seq: Seq,
    /// How many events it has in the segment.
    pub(crate) events: u64,
    /// Offsets in the segment of the frames that hold them.
    pub(crate) frames: Vec<u32>,
    /// Position after the last of all its frames that this session has met.
    pub(crate) end: u64,
}

/// Streams by name.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    #[expect(clippy::disallowed_types, reason = "looked up by name on every append, never iterated")]
    by_name: HashMap<Arc<str>, usize>,
    list: Vec<Stream>,
    touched: Vec<usize>,
    /// The times of the segment's commits that this session has read or written.
    times: Times,
}

/// The place of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventAt {
    /// Its seq.
    pub(crate) seq: Seq,
    /// Offset of its frame in the segment.
    pub(crate) offset: u32,
    /// Position after its frame.
    pub(crate) end: u64,
}

/// A stream's part in one segment.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The segment.
    pub(crate) segment: Position,
    /// Number of the stream's first event there.
    pub(crate) first_number: u64,
    /// The number of its events there.
    pub(crate) events: u64,
    /// Offsets of the frames that hold them.
    pub(crate) frames: Vec<u32>,
    /// Where the segment's file must end; `None` if that is not known, as in the last segment.
    pub(crate) sealed_end: Option<Position>,
}

/// The part of a segment that an earlier session left.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) streams: Vec<(String, Found)>,
    pub(crate) times: Times,
}

impl Before {
    /// Nothing.
    pub(crate) const NOTHING: Before = Before { streams: Vec::new(), times: Times::NONE };
}

impl Streams {
    /// Notes the times of a commit of the segment.
    pub(crate) fn time(&mut self, head: &CommitHead<'_>) {
        self.times = self.times.with(head);
    }

    /// The index of a stream in the list.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Adds a stream that has `len` events so far, none of them in this segment.
    pub(crate) fn insert(&mut self, name: &str, len: u64) -> usize {
        let (name, at): (Arc<str>, usize) = (name.into(), self.list.len());
        self.by_name.insert(Arc::clone(&name), at);
        let (first_number, first_seq) = (len, Seq(0));
        self.list.push(Stream { name, len, first_number, first_seq, events: 0, frames: Vec::new(), end: 0 });
        at
    }

    /// A stream of the list.
    pub(crate) fn get(&self, at: usize) -> &Stream {
        &self.list[at]
    }

    /// A stream's part in the segment, which begins at `segment`; `None` if it has none there.
    pub(crate) fn part(&self, name: &str, segment: Position) -> Option<Part> {
        let stream = self.find(name).map(|at| self.get(at)).filter(|stream| !stream.frames.is_empty())?;
        let Stream { first_number, events, .. } = *stream;
        Some(Part { segment, first_number, events, frames: stream.frames.clone(), sealed_end: None })
    }

    /// Changes how many events a stream has, ahead of [`add`](Self::add) or after a failed attempt.
    pub(crate) fn set_len(&mut self, at: usize, len: u64) {
        self.list[at].len = len;
    }

    /// Notes where the event with this number is. The stream's length is counted separately.
    pub(crate) fn add(&mut self, at: usize, number: u64, event: EventAt) {
        let stream = &mut self.list[at];
        if stream.frames.is_empty() {
            (stream.first_number, stream.first_seq, stream.events) = (number, event.seq, 0);
            self.touched.push(at);
        }
        stream.events += 1;
        if stream.frames.last() != Some(&event.offset) {
            stream.frames.push(event.offset);
        }
        stream.end = event.end;
    }

    /// Adds an event that was read. The number of a stream's first event in the segment is accepted as it is. The later
    /// numbers must be dense. Otherwise the error is the expected number, and later events are compared with the number that
    /// was found.
    pub(crate) fn observe(&mut self, name: &str, number: u64, event: EventAt) -> Result<(), u64> {
        let at = self.find(name).unwrap_or_else(|| self.insert(name, number));
        let expected = std::mem::replace(&mut self.list[at].len, number + 1);
        self.add(at, number, event);
        if number == expected { Ok(()) } else { Err(expected) }
    }

    /// The streams of the segment, in the order in which they came.
    pub(crate) fn in_segment(&self) -> impl Iterator<Item = &Stream> {
        self.touched.iter().map(|&at| &self.list[at])
    }

    /// Makes the segment's index and begins with the next segment. `before` are the streams of those commits in the segment
    /// that an earlier session made.
    pub(crate) fn seal(&mut self, of: Of, before: &Before) -> SealedIndex {
        let times = std::mem::replace(&mut self.times, Times::NONE).and(before.times);
        let touched = std::mem::take(&mut self.touched);
        let frames: Vec<_> = touched.iter().map(|&at| (at, std::mem::take(&mut self.list[at].frames))).collect();
        let mut parts: BTreeMap<&str, Found> =
            before.streams.iter().map(|(name, found)| (&**name, found.clone())).collect();
        for (at, frames) in frames {
            let Stream { name, first_number, first_seq, events, .. } = &self.list[at];
            match parts.entry(name) {
                Slot::Vacant(slot) => {
                    let (first_number, first_seq, events) = (*first_number, *first_seq, *events);
                    slot.insert(Found { first_number, first_seq, events, frames });
                }
                Slot::Occupied(mut earlier) => {
                    earlier.get_mut().events += events;
                    earlier.get_mut().frames.extend(frames);
                }
            }
        }
        let entries = parts.iter().map(|(name, found)| {
            let (first_number, first_seq, events) = (found.first_number, found.first_seq, found.events);
            Entry { name, first_number, first_seq, events, frames: &found.frames }
        });
        SealedIndex::build(of, times, entries)
    }
}
