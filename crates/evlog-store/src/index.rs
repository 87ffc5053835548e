//! The sidecar `.idx` of a sealed segment: which streams have events in it, and in which frames.
//!
//! Derived, so it may change from version to version: what does not decode is made again from the segment.
//!
//! ```text
//! magic 8 | version 4 | streams 4 | log id 16 | position 8 | segment length 8 | length of names 4 | frames 4
//! streams times: first number 8 | first seq 8 | events 4 | end of its name 4 | end of its frames 4
//! names, in byte order, one after the other | frames, 4 each: offset in the segment | CRC-32 of all before
//! ```

use evlog_format::checksum::crc32;
use evlog_format::{LogId, Position, Seq};
use std::cmp::Ordering;

const MAGIC: [u8; 8] = *b"evlogidx";
const VERSION: u32 = 1;
const STREAMS_AT: usize = 12;
const NAMES_LEN_AT: usize = 48;
const FRAMES_AT: usize = 52;
const ENTRIES_AT: usize = 56;
const ENTRY_LEN: usize = 28;
const EVENTS_IN_ENTRY: usize = 16;
const NAME_END_IN_ENTRY: usize = 20;
const FRAMES_END_IN_ENTRY: usize = 24;

/// One stream's part in a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    /// Number of its first event here.
    pub(crate) first_number: u64,
    /// Seq of that event.
    pub(crate) first_seq: Seq,
    /// How many events it has here.
    pub(crate) events: u64,
    /// Offsets of the frames that hold them.
    pub(crate) frames: &'a [u32],
}

/// One stream's part, as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) first_number: u64,
    pub(crate) first_seq: Seq,
    pub(crate) events: u64,
    pub(crate) frames: Vec<u32>,
}

/// The index of one sealed segment, kept as its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedIndex {
    bytes: Vec<u8>,
    streams: usize,
    names_at: usize,
    frames_at: usize,
}

/// A length that fits because the segment it was counted in does.
fn narrow(len: u64) -> u32 {
    let Ok(len) = u32::try_from(len) else { unreachable!("a segment has less than 2^32 bytes, so less of anything") };
    len
}

impl SealedIndex {
    /// Makes the index of a segment from its streams in byte order of their names.
    pub(crate) fn build<'a>(
        log_id: LogId,
        position: Position,
        len: u64,
        entries: impl Iterator<Item = Entry<'a>>,
    ) -> SealedIndex {
        let (mut table, mut names, mut frames, mut streams) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for entry in entries {
            names.extend_from_slice(entry.name.as_bytes());
            entry.frames.iter().for_each(|offset| frames.extend_from_slice(&offset.to_le_bytes()));
            table.extend_from_slice(&entry.first_number.to_le_bytes());
            table.extend_from_slice(&entry.first_seq.0.to_le_bytes());
            for number in [narrow(entry.events), narrow(names.len() as u64), narrow(frames.len() as u64 / 4)] {
                table.extend_from_slice(&number.to_le_bytes());
            }
            streams += 1;
        }
        let mut bytes = Vec::with_capacity(ENTRIES_AT + table.len() + names.len() + frames.len() + 4);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&narrow(streams as u64).to_le_bytes());
        bytes.extend_from_slice(&log_id.0);
        bytes.extend_from_slice(&position.0.to_le_bytes());
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&narrow(names.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&narrow(frames.len() as u64 / 4).to_le_bytes());
        let names_at = ENTRIES_AT + table.len();
        bytes.append(&mut table);
        let frames_at = names_at + names.len();
        bytes.append(&mut names);
        bytes.append(&mut frames);
        let crc = crc32(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        SealedIndex { bytes, streams, names_at, frames_at }
    }

    /// The sidecar's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads a sidecar; `None` unless it is whole and says that it is of this segment of this log.
    pub(crate) fn decode(bytes: Vec<u8>, log_id: LogId, position: Position, len: u64) -> Option<SealedIndex> {
        let (covered, stored) = bytes.split_last_chunk::<4>()?;
        if covered.len() < ENTRIES_AT || crc32(covered) != u32::from_le_bytes(*stored) {
            return None;
        }
        let mut head = Vec::with_capacity(NAMES_LEN_AT);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&covered[STREAMS_AT..STREAMS_AT + 4]);
        head.extend_from_slice(&log_id.0);
        head.extend_from_slice(&position.0.to_le_bytes());
        head.extend_from_slice(&len.to_le_bytes());
        let streams = u32_at(covered, STREAMS_AT) as usize;
        let names_at = ENTRIES_AT.checked_add(streams.checked_mul(ENTRY_LEN)?)?;
        let frames_at = names_at.checked_add(u32_at(covered, NAMES_LEN_AT) as usize)?;
        let end = frames_at.checked_add((u32_at(covered, FRAMES_AT) as usize).checked_mul(4)?)?;
        if covered[..NAMES_LEN_AT] != head || covered.len() != end {
            return None;
        }
        let index = SealedIndex { bytes, streams, names_at, frames_at };
        index.is_ordered().then_some(index)
    }

    /// Whether ends never fall, stay within their parts, and names are text in order.
    fn is_ordered(&self) -> bool {
        let names = &self.bytes[self.names_at..self.frames_at];
        let frames = (self.bytes.len() - 4 - self.frames_at) / 4;
        let (mut name_end, mut frames_end, mut last) = (0, 0, None);
        for at in 0..self.streams {
            let (name_next, frames_next) = (self.field(at, NAME_END_IN_ENTRY), self.field(at, FRAMES_END_IN_ENTRY));
            let Some(Ok(name)) = names.get(name_end..name_next).map(str::from_utf8) else { return false };
            if last.is_some_and(|last| last >= name) || frames_next <= frames_end || frames_next > frames {
                return false;
            }
            (name_end, frames_end, last) = (name_next, frames_next, Some(name));
        }
        name_end == names.len() && frames_end == frames
    }

    fn entry_at(at: usize) -> usize {
        ENTRIES_AT + at * ENTRY_LEN
    }

    fn field(&self, at: usize, of: usize) -> usize {
        u32_at(&self.bytes, SealedIndex::entry_at(at) + of) as usize
    }

    fn start(&self, at: usize, of: usize) -> usize {
        if at == 0 { 0 } else { self.field(at - 1, of) }
    }

    fn name_bytes(&self, at: usize) -> &[u8] {
        let (from, to) = (self.start(at, NAME_END_IN_ENTRY), self.field(at, NAME_END_IN_ENTRY));
        &self.bytes[self.names_at + from..self.names_at + to]
    }

    fn found(&self, at: usize) -> Found {
        let (from, to) = (self.start(at, FRAMES_END_IN_ENTRY), self.field(at, FRAMES_END_IN_ENTRY));
        let frames = (from..to).map(|frame| u32_at(&self.bytes, self.frames_at + frame * 4)).collect();
        let entry = SealedIndex::entry_at(at);
        Found {
            first_number: u64_at(&self.bytes, entry),
            first_seq: Seq(u64_at(&self.bytes, entry + 8)),
            events: self.field(at, EVENTS_IN_ENTRY) as u64,
            frames,
        }
    }

    /// The part of one stream.
    pub(crate) fn find(&self, name: &str) -> Option<Found> {
        let (mut low, mut high) = (0, self.streams);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.name_bytes(middle).cmp(name.as_bytes()) {
                Ordering::Equal => return Some(self.found(middle)),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// All streams with their parts, in byte order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Found)> {
        (0..self.streams).map(|at| (str::from_utf8(self.name_bytes(at)).unwrap_or_default(), self.found(at)))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut raw = [0u8; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0u8; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId([3; 16]);
    const AT: Position = Position(4096);

    fn index() -> SealedIndex {
        let entry = |name, first_number, frames| Entry { name, first_number, first_seq: Seq(40), events: 3, frames };
        let entries = [entry("$log", 0, &[96][..]), entry("a", 7, &[96, 300, 512]), entry("ab", 0, &[1000])];
        SealedIndex::build(LOG, AT, 2048, entries.into_iter())
    }

    #[test]
    fn what_was_built_is_found_and_read_back() {
        let built = index();
        let read = SealedIndex::decode(built.bytes().to_vec(), LOG, AT, 2048).unwrap();
        assert_eq!(read, built);
        let a = Found { first_number: 7, first_seq: Seq(40), events: 3, frames: vec![96, 300, 512] };
        assert_eq!(read.find("a"), Some(a));
        assert_eq!(read.find("ab").unwrap().frames, [1000]);
        assert_eq!(read.find("b"), None);
        assert_eq!(read.find(""), None);
        assert_eq!(read.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["$log", "a", "ab"]);
    }

    #[test]
    fn an_index_of_another_segment_or_with_a_flipped_bit_is_none() {
        let bytes = index().bytes().to_vec();
        assert_eq!(SealedIndex::decode(bytes.clone(), LogId([4; 16]), AT, 2048), None);
        assert_eq!(SealedIndex::decode(bytes.clone(), LOG, Position(0), 2048), None);
        assert_eq!(SealedIndex::decode(bytes.clone(), LOG, AT, 2049), None);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SealedIndex::decode(flipped, LOG, AT, 2048), None, "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert_eq!(SealedIndex::decode(bytes[..len].to_vec(), LOG, AT, 2048), None, "length {len}");
        }
    }

    #[test]
    fn an_index_whose_checksum_matches_over_nonsense_is_none() {
        for at in STREAMS_AT..index().bytes().len() - 4 {
            let mut bytes = index().bytes().to_vec();
            bytes[at] = 0xff;
            let covered = bytes.len() - 4;
            let crc = crc32(&bytes[..covered]).to_le_bytes();
            bytes[covered..].copy_from_slice(&crc);
            // Whatever it decodes to, asking it does not panic.
            if let Some(index) = SealedIndex::decode(bytes, LOG, AT, 2048) {
                assert_eq!(index.iter().count(), 3);
                index.find("a");
            }
        }
    }
}
