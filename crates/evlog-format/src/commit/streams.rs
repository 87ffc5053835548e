//! The streams of a commit. Each is named once, in the order of their names' bytes, with the number of its first event here
//! (rules F-34, F-46, F-47). An event names its stream by the place in this list. Its number is one more than the number of the
//! stream's event before it.

use super::Event;
use crate::cursor::Cursor;
use crate::error::{Corruption, Flaw};
use crate::limits::{EVENTS_PER_COMMIT_MAX, POSITION_MAX, STREAM_LEN_MAX};
use alloc::vec;
use alloc::vec::Vec;

/// The fewest bytes that a stream takes in the list: a length, a name of one letter, and a number.
const ROW_LEN_MIN: usize = 3;

/// A stream, in the order in which it is written.
type Row<'a> = (&'a str, u64);

/// The list as it is written.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    list: Vec<Row<'a>>,
    /// The number of the next event of each stream.
    nexts: Vec<u64>,
    last: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn of(events: &[Event<'a>]) -> Rows<'a> {
        let Some(first) = events.first() else { return Rows { list: Vec::new(), nexts: Vec::new(), last: 0 } };
        let mut list: Vec<Row<'a>> = vec![(first.stream, first.number)];
        list.extend(events.windows(2).filter(|pair| pair[0].stream != pair[1].stream).map(|pair| {
            let [_, event] = pair else { unreachable!("windows of two") };
            (event.stream, event.number)
        }));
        // The sort is stable, so if a stream occurs more than once, its first event stays in front.
        list.sort_by_key(|row| row.0);
        list.dedup_by_key(|row| row.0);
        let nexts = list.iter().map(|row| row.1).collect();
        Rows { list, nexts, last: 0 }
    }

    pub(super) fn rows(&self) -> &[Row<'a>] {
        &self.list
    }

    /// The place of an event's stream, if its number follows.
    pub(super) fn take(&mut self, stream: &str, number: u64) -> Result<u64, Flaw> {
        if self.list.get(self.last).is_none_or(|row| row.0 != stream) {
            self.last = self.list.binary_search_by_key(&stream, |row| row.0).unwrap_or_default();
        }
        let next = &mut self.nexts[self.last];
        if number != *next {
            return Err(Flaw::Order { of: "number within the stream", expected: *next, found: number });
        }
        *next += 1;
        Ok(self.last as u64)
    }
}

/// A stream as it is read.
#[derive(Clone, Copy, Debug)]
struct Stream<'a> {
    name: &'a str,
    next: u64,
    is_used: bool,
    is_wanted: bool,
}

/// The stream and number of an event, which follow from the place of its stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken<'a> {
    pub(super) stream: &'a str,
    pub(super) number: u64,
    pub(super) is_wanted: bool,
}

/// The list as it is read. Most commits have one stream, which needs no allocation.
#[derive(Clone, Debug)]
pub(super) struct Streams<'a> {
    first: Stream<'a>,
    others: Vec<Stream<'a>>,
    unused: usize,
}

impl<'a> Streams<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Streams<'a>, Corruption> {
        let count = cursor.varint_max(EVENTS_PER_COMMIT_MAX, "number of streams")?;
        if count == 0 {
            return Err(cursor.corrupt(Flaw::Empty { of: "streams" }));
        }
        let first = read_stream(cursor)?;
        let claimed = usize::try_from(count - 1).unwrap_or(usize::MAX);
        // Never reserves room for more streams than the body can hold, even if the count is larger.
        let mut others: Vec<Stream<'a>> = Vec::with_capacity(claimed.min(cursor.remaining() / ROW_LEN_MIN));
        let mut before = first.name;
        for _ in 1..count {
            let at = *cursor;
            let stream = read_stream(cursor)?;
            if stream.name <= before {
                return Err(at.corrupt(Flaw::Unsorted));
            }
            before = stream.name;
            others.push(stream);
        }
        let unused = others.len() + 1;
        Ok(Streams { first, others, unused })
    }

    pub(super) fn len(&self) -> u64 {
        self.others.len() as u64 + 1
    }

    /// The place of a stream.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        if self.first.name == name {
            return Some(0);
        }
        self.others.binary_search_by_key(&name, |stream| stream.name).ok().map(|at| at + 1)
    }

    /// Marks the streams whose events are wanted.
    pub(super) fn want(&mut self, wanted: impl Fn(&str) -> bool) {
        self.first.is_wanted = wanted(self.first.name);
        self.others.iter_mut().for_each(|stream| stream.is_wanted = wanted(stream.name));
    }

    /// Reads the place of an event's stream.
    #[inline]
    pub(super) fn index(&self, cursor: &mut Cursor<'_>) -> Result<usize, Corruption> {
        let index = cursor.varint_max(self.others.len() as u64, "stream of an event")?;
        Ok(usize::try_from(index).unwrap_or_default())
    }

    /// The stream at a place, and the number of its next event. The stream's next number then grows by one.
    #[inline]
    pub(super) fn take(&mut self, index: usize) -> Taken<'a> {
        let stream = match index {
            0 => &mut self.first,
            index => &mut self.others[index - 1],
        };
        self.unused -= usize::from(!stream.is_used);
        stream.is_used = true;
        let number = stream.next;
        stream.next = number.saturating_add(1);
        Taken { stream: stream.name, number, is_wanted: stream.is_wanted }
    }

    pub(super) fn are_all_used(&self) -> bool {
        self.unused == 0
    }
}

fn read_stream<'a>(cursor: &mut Cursor<'a>) -> Result<Stream<'a>, Corruption> {
    let at = *cursor;
    let name = cursor.text(STREAM_LEN_MAX, "stream")?;
    if name.is_empty() {
        return Err(at.corrupt(Flaw::Empty { of: "stream" }));
    }
    let next = cursor.varint_max(POSITION_MAX, "number within the stream")?;
    Ok(Stream { name, next, is_used: false, is_wanted: true })
}
