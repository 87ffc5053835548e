//! The blocks of an index: streams with the frames that hold their events, one after the other.
//!
//! ```text
//! length of name 1 | name | first number 8 | first seq 8 | events 4 | frames 4 | frames times: offset in the segment 4
//! ```
//!
//! Invariant: streams whose names have the same hash are in the same block.

use super::{Entry, Found, Row, narrow, u32_at};
use evlog_format::Seq;
use evlog_format::checksum::crc32;

/// A block is ended when it has this many bytes: about what one read costs anyway.
const BLOCK_LEN: usize = 2048;

const FIXED_LEN: usize = 24;

/// Blocks that are being made.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    rows: Vec<Row>,
    bytes: Vec<u8>,
    /// Hash of the first and of the last stream of the block that is being made, and where that begins.
    open: Option<(u32, u32, usize)>,
}

impl Blocks {
    /// Adds a stream; hashes do not fall.
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
        self.bytes.extend_from_slice(&entry.first_number.to_le_bytes());
        self.bytes.extend_from_slice(&entry.first_seq.0.to_le_bytes());
        self.bytes.extend_from_slice(&narrow(entry.events).to_le_bytes());
        self.bytes.extend_from_slice(&narrow(entry.frames.len() as u64).to_le_bytes());
        entry.frames.iter().for_each(|offset| self.bytes.extend_from_slice(&offset.to_le_bytes()));
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

/// A stream's part, not read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    fixed: &'a [u8; FIXED_LEN],
    frames: &'a [u8],
}

/// Takes the next stream of a block; `None` for nonsense.
pub(super) fn take<'a>(rest: &mut &'a [u8]) -> Option<(&'a str, Raw<'a>)> {
    let (name_len, tail) = rest.split_first()?;
    let (name, tail) = tail.split_at_checked(usize::from(*name_len))?;
    let (fixed, tail) = tail.split_first_chunk::<FIXED_LEN>()?;
    let frames_len = (u32_at(fixed, 20) as usize).checked_mul(4).filter(|len| *len > 0)?;
    let (frames, tail) = tail.split_at_checked(frames_len)?;
    *rest = tail;
    Some((str::from_utf8(name).ok()?, Raw { fixed, frames }))
}

impl Raw<'_> {
    /// Reads it.
    pub(super) fn read(self) -> Found {
        let frames = self.frames.as_chunks::<4>().0.iter().map(|offset| u32::from_le_bytes(*offset)).collect();
        let events = u64::from(u32_at(self.fixed, 16));
        Found { first_number: self.u64_at(0), first_seq: Seq(self.u64_at(8)), events, frames }
    }

    fn u64_at(self, at: usize) -> u64 {
        let mut raw = [0u8; 8];
        raw.copy_from_slice(&self.fixed[at..at + 8]);
        u64::from_le_bytes(raw)
    }
}
