//! The sidecar `.idx` of a segment that is sealed or was closed cleanly. It lists which streams have events in the segment,
//! and in which frames.
//!
//! It is derived, so its form may change from version to version: an index that fails a check is recreated from the segment.
//! One stream can be found without reading the rest. Streams are in blocks, in order of a hash of their names, and a table of
//! blocks tells which block to read. For streams that are not in the segment, a filter avoids that read. The filter itself is
//! read only when enough lookups have found nothing.
//!
//! ```text
//! magic 8 | version 4 | blocks 4 | log id 16 | position 8 | segment length 8 | streams 4
//! times 16 each: recorded first and last, happened first and last
//! blocks times: hash of its first stream 4 | where it ends 4 | CRC-32 4
//! CRC-32 of all before | filter, 2 for each stream | CRC-32 of the filter | blocks
//! ```
//!
//! Invariant: no byte is used before its checksum was compared. If a checksum does not match, the lookup returns `Spoilt` and
//! no answer.

mod block;
#[cfg(any(test, feature = "sim"))]
mod claim;
#[cfg(test)]
mod tests;

use crate::fs::{File, Fs};
use block::Blocks;
use evlog_format::checksum::crc32;
use evlog_format::{CommitHead, LogId, Position, Seq};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

const MAGIC: [u8; 8] = *b"evlogidx";
const VERSION: u32 = 5;
const BLOCKS_AT: usize = 12;
const STREAMS_AT: usize = 48;
const TIMES_AT: usize = 52;
const TABLE_AT: usize = 116;
const ROW_LEN: usize = 12;
const CRC_LEN: usize = 4;
/// Two bits of sixteen for each stream. Of the streams that are not there, the filter lets one in seventy pass.
const FILTER_LEN: usize = 2;
/// How many blocks must be read in vain before the filter is read. Reading the filter costs as much as a few blocks.
const MISSES: u32 = 4;

/// One stream's part in a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    /// Number of its first event here.
    pub(crate) first_number: u64,
    /// Seq of that event.
    pub(crate) first_seq: Seq,
    /// The number of its events here.
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

/// The sidecar cannot be used: it cannot be read, or a checksum does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spoilt;

/// The segment that an index belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Of {
    pub(crate) log_id: LogId,
    pub(crate) position: Position,
    /// How many of its bytes the index covers.
    pub(crate) len: u64,
}

/// The smallest and largest times of the commits of a segment, Unix nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The times when they were recorded.
    pub recorded: (i128, i128),
    /// When they happened according to the caller, or else when they were recorded.
    pub happened: (i128, i128),
}

impl Default for Times {
    fn default() -> Times {
        Times::NONE
    }
}

impl Times {
    /// The times for no commits: no time lies within them.
    pub(crate) const NONE: Times = Times { recorded: (i128::MAX, i128::MIN), happened: (i128::MAX, i128::MIN) };

    /// These times, extended by the times of one more commit.
    pub(crate) fn with(self, head: &CommitHead<'_>) -> Times {
        let (recorded, happened) = (i128::from(head.recorded_ns), head.time_ns());
        self.and(Times { recorded: (recorded, recorded), happened: (happened, happened) })
    }

    /// The times that cover the commits of both.
    pub(crate) fn and(self, other: Times) -> Times {
        let join = |one: (i128, i128), other: (i128, i128)| (one.0.min(other.0), one.1.max(other.1));
        Times { recorded: join(self.recorded, other.recorded), happened: join(self.happened, other.happened) }
    }

    fn numbers(self) -> [i128; 4] {
        [self.recorded.0, self.recorded.1, self.happened.0, self.happened.1]
    }
}

/// The index of one segment: its table of blocks, and the way to the rest.
#[derive(Debug)]
pub(crate) struct SealedIndex {
    source: Source,
    streams: usize,
    times: Times,
    rows: Vec<Row>,
    filter_at: usize,
    blocks_at: usize,
    misses: AtomicU32,
    filter: OnceLock<Option<Vec<u8>>>,
}

#[derive(Debug)]
enum Source {
    Memory(Vec<u8>),
    /// Used while the table is read.
    Open(Arc<dyn File>),
    /// Opened again for each read, because a log may have more segments than a process may have open files.
    Closed(Arc<dyn Fs>, PathBuf),
}

/// A row of the table: a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    first: u32,
    /// The place where the block ends, counted from the start of the blocks.
    end: usize,
    crc: u32,
}

/// Converts a length. It fits, because it was counted within a segment, and a segment's length fits.
fn narrow(len: u64) -> u32 {
    let Ok(len) = u32::try_from(len) else { unreachable!("a segment has less than 2^32 bytes, so less of anything") };
    len
}

/// The hash that orders the streams. It is not secret: names that collide on purpose only make one block long.
fn hash(name: &str) -> u32 {
    crc32(name.as_bytes())
}

/// The two bits of a stream in a filter of `filter_len` bytes.
fn bits(hash: u32, filter_len: usize) -> [(usize, u8); 2] {
    [hash.wrapping_mul(0x9e37_79b1), hash.rotate_left(16).wrapping_mul(0x85eb_ca6b)].map(|spread| {
        let bit = (u64::from(spread) * (filter_len as u64 * 8)) >> 32;
        (usize::try_from(bit / 8).unwrap_or(0), 1 << (bit % 8))
    })
}

impl Source {
    /// `len` bytes at a place, if they are there and have this checksum.
    fn read(&self, at: usize, len: usize, crc: Option<u32>) -> Option<Cow<'_, [u8]>> {
        let bytes = match self {
            Source::Memory(bytes) => Cow::Borrowed(bytes.get(at..at.checked_add(len)?)?),
            Source::Open(file) => Cow::Owned(exactly(file.as_ref(), at, len)?),
            Source::Closed(fs, path) => Cow::Owned(exactly(fs.open_read(path).ok()?.as_ref(), at, len)?),
        };
        crc.is_none_or(|crc| crc == crc32(&bytes)).then_some(bytes)
    }

    fn len(&self) -> Option<u64> {
        match self {
            Source::Memory(bytes) => Some(bytes.len() as u64),
            Source::Open(file) => file.len().ok(),
            Source::Closed(fs, path) => fs.open_read(path).ok()?.len().ok(),
        }
    }
}

fn exactly(file: &dyn File, at: usize, len: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; len];
    let read = file.read_full_at(&mut bytes, at as u64).ok()?;
    (read == len).then_some(bytes)
}

impl SealedIndex {
    /// Makes the index of a segment from its streams, in any order.
    pub(crate) fn build<'a>(of: Of, times: Times, entries: impl Iterator<Item = Entry<'a>>) -> SealedIndex {
        let mut entries: Vec<(u32, Entry<'a>)> = entries.map(|entry| (hash(entry.name), entry)).collect();
        entries.sort_unstable_by(|(hash, entry), (other, next)| (hash, entry.name).cmp(&(other, next.name)));
        let (mut filter, mut blocks) = (vec![0u8; entries.len() * FILTER_LEN], Blocks::default());
        for (hash, entry) in &entries {
            for (byte, bit) in bits(*hash, filter.len()) {
                filter[byte] |= bit;
            }
            blocks.add(*hash, entry);
        }
        let (rows, blocks) = blocks.finish();
        let mut bytes = head(of, rows.len(), entries.len());
        times.numbers().iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        for row in &rows {
            for number in [row.first, narrow(row.end as u64), row.crc] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        bytes.extend_from_slice(&crc32(&bytes).to_le_bytes());
        let filter_at = bytes.len();
        bytes.extend_from_slice(&filter);
        bytes.extend_from_slice(&crc32(&filter).to_le_bytes());
        let (blocks_at, streams) = (bytes.len(), entries.len());
        bytes.extend_from_slice(&blocks);
        SealedIndex::with(Source::Memory(bytes), (streams, times), rows, filter_at, blocks_at)
    }

    fn with(
        source: Source,
        (streams, times): (usize, Times),
        rows: Vec<Row>,
        filter_at: usize,
        blocks_at: usize,
    ) -> SealedIndex {
        let (misses, filter) = (AtomicU32::new(0), OnceLock::new());
        SealedIndex { source, streams, times, rows, filter_at, blocks_at, misses, filter }
    }

    /// The times of the segment's commits.
    pub(crate) fn times(&self) -> Times {
        self.times
    }

    /// The sidecar's bytes, if this index was made and not read.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        if let Source::Memory(bytes) = &self.source { Some(bytes) } else { None }
    }

    /// Opens a sidecar; `None` unless its table is whole and says that it belongs to this segment of this log.
    pub(crate) fn open(fs: &Arc<dyn Fs>, path: PathBuf, of: Of) -> Option<SealedIndex> {
        let mut index = SealedIndex::read(Source::Open(fs.open_read(&path).ok()?), of)?;
        index.source = Source::Closed(Arc::clone(fs), path);
        Some(index)
    }

    fn read(source: Source, of: Of) -> Option<SealedIndex> {
        let fixed = source.read(0, TABLE_AT, None)?;
        let (blocks, streams) = (u32_at(&fixed, BLOCKS_AT) as usize, u32_at(&fixed, STREAMS_AT) as usize);
        // A block has at least one stream. Otherwise the filter, whose length depends on the number of streams, could
        // be empty.
        if fixed[..TIMES_AT] != head(of, blocks, streams) || streams < blocks {
            return None;
        }
        let time = |at: usize| i128_at(&fixed, TIMES_AT + 16 * at);
        let times = Times { recorded: (time(0), time(1)), happened: (time(2), time(3)) };
        let table_end = TABLE_AT.checked_add(blocks.checked_mul(ROW_LEN)?)?;
        let filter_at = table_end.checked_add(CRC_LEN)?;
        let blocks_at = filter_at.checked_add(streams.checked_mul(FILTER_LEN)?)?.checked_add(CRC_LEN)?;
        let len = source.len().filter(|len| *len >= blocks_at as u64)?;
        let table = source.read(0, filter_at, None)?;
        if crc32(&table[..table_end]) != u32_at(&table, table_end) {
            return None;
        }
        let row = |at: &[u8; ROW_LEN]| Row { first: u32_at(at, 0), end: u32_at(at, 4) as usize, crc: u32_at(at, 8) };
        let rows: Vec<Row> = table[TABLE_AT..table_end].as_chunks::<ROW_LEN>().0.iter().map(row).collect();
        let ordered = rows.is_sorted_by(|row, next| row.first < next.first && row.end < next.end);
        let end = blocks_at.checked_add(rows.last().map_or(0, |row| row.end))?;
        drop((fixed, table));
        (ordered && len == end as u64).then(|| SealedIndex::with(source, (streams, times), rows, filter_at, blocks_at))
    }

    fn block(&self, at: usize) -> Option<Cow<'_, [u8]>> {
        let from = if at == 0 { 0 } else { self.rows[at - 1].end };
        let Row { end, crc, .. } = self.rows[at];
        self.source.read(self.blocks_at + from, end - from, Some(crc))
    }

    /// Whether the filter lets a stream pass. A filter whose checksum fails lets all pass.
    fn passes(&self, hash: u32) -> bool {
        if self.misses.load(Ordering::Relaxed) < MISSES {
            return true;
        }
        let filter = self.filter.get_or_init(|| {
            let len = self.streams * FILTER_LEN;
            let bytes = self.source.read(self.filter_at, len + CRC_LEN, None)?;
            (crc32(&bytes[..len]) == u32_at(&bytes, len)).then(|| bytes[..len].to_vec())
        });
        let has = |filter: &Vec<u8>| bits(hash, filter.len()).iter().all(|(byte, bit)| filter[*byte] & bit != 0);
        filter.as_ref().is_none_or(has)
    }

    /// The part of one stream, if it has one.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Found>, Spoilt> {
        let hash = hash(name);
        let holding = self.rows.partition_point(|row| row.first <= hash);
        let Some(at) = holding.checked_sub(1).filter(|_| self.passes(hash)) else { return Ok(None) };
        let block = self.block(at).ok_or(Spoilt)?;
        let mut rest = &*block;
        while !rest.is_empty() {
            let (found_name, found) = block::take(&mut rest).ok_or(Spoilt)?;
            if found_name == name {
                return found.read().map(Some).ok_or(Spoilt);
            }
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }

    /// All streams with their parts.
    pub(crate) fn all(&self) -> Result<Vec<(String, Found)>, Spoilt> {
        let mut all = Vec::with_capacity(self.streams.min(1 << 20));
        for at in 0..self.rows.len() {
            let block = self.block(at).ok_or(Spoilt)?;
            let mut rest = &*block;
            while !rest.is_empty() {
                let (name, found) = block::take(&mut rest).ok_or(Spoilt)?;
                all.push((name.to_string(), found.read().ok_or(Spoilt)?));
            }
        }
        Ok(all)
    }
}

fn head(of: Of, blocks: usize, streams: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(TABLE_AT);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&narrow(blocks as u64).to_le_bytes());
    out.extend_from_slice(&of.log_id.0);
    out.extend_from_slice(&of.position.0.to_le_bytes());
    out.extend_from_slice(&of.len.to_le_bytes());
    out.extend_from_slice(&narrow(streams as u64).to_le_bytes());
    out
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut raw = [0u8; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn i128_at(bytes: &[u8], at: usize) -> i128 {
    i128::from(u64_at(bytes, at)) | i128::from(u64_at(bytes, at + 8).cast_signed()) << 64
}
