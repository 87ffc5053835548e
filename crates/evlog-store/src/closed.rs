//! The sidecar `.end` of the last segment. It says where a clean close left the log, so that the next open need not scan.
//!
//! Does: write what a scan would find, and check whether that is still true. Does not: decide what happens if it is not true;
//! the segment is then scanned.
//!
//! Invariant: the sidecar is used only if all of this holds:
//! - `HEAD` says that the log was closed at the same place;
//! - the file ends there;
//! - the last commit, read back from the file, ends there and leads to the same seq;
//! - the last bytes of the file are those that the tree ends with.
//!
//! ```text
//! magic 8 | version 4 | log id 16 | segment 8 | last commit 8 | next seq 8 | frontier at the end | CRC-32 of all before
//! ```

use crate::fs::File;
use crate::head::Head;
use crate::layout::SegmentEntry;
use crate::segment::{Files, OpenSegment};
use evlog_format::checksum::crc32;
use evlog_format::frame::Decoded;
use evlog_format::{CommitReader, FRAME_HEADER_LEN, FrameCodec, LogId, Position, SEGMENT_HEADER_LEN, Seq};
use evlog_verify::{Frontier, Tree};

const MAGIC: [u8; 8] = *b"evlogend";
const VERSION: u32 = 1;
#[cfg(any(test, feature = "sim"))]
const LOG_ID_AT: usize = 12;
#[cfg(any(test, feature = "sim"))]
const SEGMENT_AT: usize = 28;
const LAST_COMMIT_AT: usize = 36;
const NEXT_SEQ_AT: usize = 44;
const FRONTIER_AT: usize = 52;
const CRC_LEN: usize = 4;
/// The most bytes that the sidecar has.
const LEN_MAX: u64 = (FRONTIER_AT + Frontier::ENCODED_LEN_MAX + CRC_LEN) as u64;

/// The place where a clean close left the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClosedEnd {
    /// Position of the last commit.
    pub(crate) last_commit: Position,
    /// Seq of the event that comes next.
    pub(crate) next_seq: Seq,
    /// The tree over all bytes.
    pub(crate) tree: Tree,
}

impl ClosedEnd {
    /// The place where the log ends.
    pub(crate) fn end(&self) -> Position {
        Position(self.tree.size())
    }

    /// Writes the sidecar of the segment at `segment`. If it cannot be written, the next open scans the segment
    /// instead.
    pub(crate) fn keep(&self, files: &Files, log_id: LogId, segment: Position) {
        files.keep_sidecar(SegmentEntry::End(segment), &self.encode(log_id, segment)).ok();
    }

    pub(crate) fn encode(&self, log_id: LogId, segment: Position) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&log_id.0);
        for number in [segment.0, self.last_commit.0, self.next_seq.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.tree.frontier().encode());
        out.extend_from_slice(&crc32(&out).to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8], log_id: LogId, segment: Position) -> Option<(ClosedEnd, Frontier)> {
        let (covered, stored) = bytes.split_last_chunk::<CRC_LEN>()?;
        if covered.len() < FRONTIER_AT || crc32(covered) != u32::from_le_bytes(*stored) {
            return None;
        }
        let mut head = Vec::with_capacity(LAST_COMMIT_AT);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&log_id.0);
        head.extend_from_slice(&segment.0.to_le_bytes());
        if covered[..LAST_COMMIT_AT] != head {
            return None;
        }
        let frontier = Frontier::decode(&covered[FRONTIER_AT..]).ok()?;
        let (last_commit, next_seq) = (u64_at(covered, LAST_COMMIT_AT), u64_at(covered, NEXT_SEQ_AT));
        let tree = Tree::resume(frontier.clone());
        Some((ClosedEnd { last_commit: Position(last_commit), next_seq: Seq(next_seq), tree }, frontier))
    }
}

/// For fuzzing: reads bytes as the sidecar of the log and segment that they name.
#[cfg(any(test, feature = "sim"))]
impl ClosedEnd {
    /// The log and the segment that these bytes name.
    pub(crate) fn claimed(bytes: &[u8]) -> (LogId, Position) {
        let at = |at: usize| bytes.get(at..at + 8).map_or(0, |found| u64_at(found, 0)).to_le_bytes();
        let mut log_id = [0u8; 16];
        log_id[..8].copy_from_slice(&at(LOG_ID_AT));
        log_id[8..].copy_from_slice(&at(LOG_ID_AT + 8));
        (LogId(log_id), Position(u64::from_le_bytes(at(SEGMENT_AT))))
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0u8; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}

/// Where the last segment ends, if it was closed cleanly and no check contradicts that. `len` is the file's length, and
/// `entries` says which sidecars exist. If a sidecar is missing, the segment is scanned, and the sidecars are made again.
pub(crate) fn closed_end(
    files: &Files,
    segment: &OpenSegment,
    len: u64,
    head: Option<Head>,
    entries: &[SegmentEntry],
) -> Option<ClosedEnd> {
    let (log_id, position) = (segment.header.log_id, segment.header.position);
    let head = head.filter(|head| head.closed && head.log_id == log_id)?;
    let has = |entry| entries.binary_search(&entry).is_ok();
    let has_tree = position == Position(0) || has(SegmentEntry::Tree(position));
    let ends_there = head.durable == head.committed && head.committed.0 == position.0.checked_add(len)?;
    if !has_tree || !has(SegmentEntry::Index(position)) || !ends_there {
        return None;
    }
    let bytes = files.sidecar(SegmentEntry::End(position), LEN_MAX)?;
    let (closed, frontier) = ClosedEnd::decode(&bytes, log_id, position)?;
    let holds = closed.end() == head.committed
        && closed.next_seq == head.next_seq
        && commit_leads_to(&closed, segment)?
        && tail_is_there(&frontier, segment.file.as_ref(), position)?;
    holds.then_some(closed)
}

/// Whether the last commit, read back, ends the log and its events come right before the next seq.
fn commit_leads_to(closed: &ClosedEnd, segment: &OpenSegment) -> Option<bool> {
    let (position, first) = (segment.header.position, SEGMENT_HEADER_LEN as u64);
    let offset = closed.last_commit.0.checked_sub(position.0).filter(|offset| *offset >= first)?;
    let len = usize::try_from(closed.end().0.checked_sub(closed.last_commit.0)?).ok()?;
    if len > FRAME_HEADER_LEN + evlog_format::limits::FRAME_BODY_LEN_MAX as usize {
        return None;
    }
    let mut bytes = vec![0; len];
    let read = segment.file.read_full_at(&mut bytes, offset).ok()?;
    let codec = FrameCodec::new(segment.header.log_id);
    let Decoded::Frame(frame) = codec.decode(closed.last_commit.0, &bytes[..read]) else { return None };
    let commit = CommitReader::new(frame.body, frame.position + FRAME_HEADER_LEN as u64).ok()?;
    let next_seq = commit.head.first_seq.0.checked_add(commit.left())?;
    Some(frame.end() == closed.end().0 && next_seq == closed.next_seq.0 && frame.durable_before <= frame.position)
}

/// Whether the bytes that the tree ends with are those that the file ends with.
fn tail_is_there(frontier: &Frontier, file: &dyn File, position: Position) -> Option<bool> {
    let from = (frontier.size() - frontier.tail().len() as u64).max(position.0);
    let expected = &frontier.tail()[frontier.tail().len() - usize::try_from(frontier.size() - from).ok()?..];
    let mut found = vec![0; expected.len()];
    let read = file.read_full_at(&mut found, from - position.0).ok()?;
    Some(found[..read] == *expected)
}
