//! The blocks of an index: streams with the frames that hold their events, one after the other.
//!
//! ```text
//! length of name 1 | name | first number | first seq | events | frames | frames times: distance from the frame before
//! ```
//!
//! All numbers have seven bits in a byte, the lowest first; the top bit is set if more bytes follow. The first frame's distance
//! is its offset in the segment.
//!
//! Invariant: streams whose names have the same hash are in the same block.

use super::{Entry, Found, Row};
use evlog_format::Seq;
use evlog_format::checksum::crc32;

/// A block ends when it has this many bytes: about as many as one read takes anyway.
const BLOCK_LEN: usize = 2048;

/// Blocks that are being made.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    rows: Vec<Row>,
    bytes: Vec<u8>,
    /// The hashes of the first and the last stream of the block that is being made, and where that block begins.
    open: Option<(u32, u32, usize)>,
}

impl Blocks {
    /// Adds a stream. The caller adds streams in the order of their hashes.
    pub(super) fn add(&mut self, hash: u32, entry: &Entry<'_>) {
        match self.open {
            Some((first, last, from)) if last == hash || self.bytes.len() - from < BLOCK_LEN => {
                self.open = Some((first, hash, from));
            }
            _ => {
                self.end_block();
                self.open = Some((hash, hash, self.bytes.len()));
            }
        }
        let Ok(name_len) = u8::try_from(entry.name.len()) else {
            unreachable!("a stream's name has 200 bytes at most")
        };
        self.bytes.push(name_len);
        self.bytes.extend_from_slice(entry.name.as_bytes());
        for number in [entry.first_number, entry.first_seq.0, entry.events, entry.frames.len() as u64] {
            put(&mut self.bytes, number);
        }
        let mut before = 0;
        for &offset in entry.frames {
            put(&mut self.bytes, u64::from(offset.wrapping_sub(before)));
            before = offset;
        }
    }

    fn end_block(&mut self) {
        if let Some((first, _, from)) = self.open.take() {
            self.rows.push(Row { first, end: self.bytes.len(), crc: crc32(&self.bytes[from..]) });
        }
    }

    /// The table and the blocks.
    pub(super) fn finish(mut self) -> (Vec<Row>, Vec<u8>) {
        self.end_block();
        (self.rows, self.bytes)
    }
}

/// A stream's part that is not decoded yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    first_number: u64,
    first_seq: Seq,
    events: u64,
    /// Distances.
    frames: &'a [u8],
}

/// Takes the next stream of a block; `None` if the bytes are not a stream.
pub(super) fn take<'a>(rest: &mut &'a [u8]) -> Option<(&'a str, Raw<'a>)> {
    let (name_len, tail) = rest.split_first()?;
    let (name, mut tail) = tail.split_at_checked(usize::from(*name_len))?;
    let mut number = || take_number(&mut tail);
    let (first_number, first_seq, events, count) = (number()?, Seq(number()?), number()?, number()?);
    // The last byte of a number has no top bit.
    let ends = tail.iter().enumerate().filter(|(_, byte)| **byte < MORE);
    let last = usize::try_from(count.checked_sub(1)?).ok()?;
    let (frames, tail) = tail.split_at(ends.map(|(at, _)| at + 1).nth(last)?);
    *rest = tail;
    Some((str::from_utf8(name).ok()?, Raw { first_number, first_seq, events, frames }))
}

impl Raw<'_> {
    /// Decodes it; `None` if the bytes are not valid.
    pub(super) fn read(self) -> Option<Found> {
        let Raw { first_number, first_seq, events, mut frames } = self;
        first_number.checked_add(events)?;
        let (mut offsets, mut before) = (Vec::new(), 0u32);
        while !frames.is_empty() {
            before = before.wrapping_add(u32::try_from(take_number(&mut frames)?).ok()?);
            offsets.push(before);
        }
        Some(Found { first_number, first_seq, events, frames: offsets })
    }
}

/// Marks a byte after which more of the number follows.
const MORE: u8 = 0x80;
const BITS: u32 = 7;

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= u64::from(MORE) {
        out.push(number.to_le_bytes()[0] | MORE);
        number >>= BITS;
    }
    out.push(number.to_le_bytes()[0]);
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(BITS as usize) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        number |= u64::from(byte & !MORE) << shift;
        if *byte < MORE {
            return Some(number);
        }
    }
    None
}
