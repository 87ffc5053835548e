//! `HEAD`: how far the log is committed, for readers in other processes. It is a hint: it is rewritten in place with one write
//! for each group of commits, synced only by a clean close, and checked against the log by its readers.
//!
//! ```text
//!  0         8         12      16       32        40          48         56    60
//!  | magic   | version | flags | log id | durable | committed | next seq | crc |
//! ```
//!
//! `durable`: all bytes before it were synced, so recovery requires them. `committed` may lie beyond it, because of commits of
//! class `os`, which a crash of the machine may lose.

use crate::fs::File;
use evlog_format::checksum::crc32;
use evlog_format::limits::POSITION_MAX;
use evlog_format::{LogId, Position, Seq};
use std::io;

const MAGIC: [u8; 8] = *b"evloghed";
const VERSION: u32 = 1;
const CLOSED: u32 = 1;
const SYNC_FAILED: u32 = 2;

const VERSION_AT: usize = MAGIC.len();
const FLAGS_AT: usize = VERSION_AT + 4;
const LOG_ID_AT: usize = FLAGS_AT + 4;
const DURABLE_AT: usize = LOG_ID_AT + 16;
const COMMITTED_AT: usize = DURABLE_AT + 8;
const NEXT_SEQ_AT: usize = COMMITTED_AT + 8;
const CRC_AT: usize = NEXT_SEQ_AT + 8;
/// Length in bytes.
pub(crate) const HEAD_LEN: usize = CRC_AT + 4;

/// The content of `HEAD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The log it belongs to.
    pub log_id: LogId,
    /// Every byte before this position was synced.
    pub durable: Position,
    /// Every commit before this position was acknowledged, or may have been.
    pub committed: Position,
    /// Seq of the first event after `committed`.
    pub next_seq: Seq,
    /// Whether the writer closed the log in order.
    pub closed: bool,
    /// Whether the writer ended because a sync of the last segment failed. Then bytes of that segment that can be read may not
    /// be on the disk, and no sync would write them.
    pub sync_failed: bool,
}

impl Head {
    /// The bytes of `HEAD`.
    pub fn encode(&self) -> [u8; HEAD_LEN] {
        let flags = if self.sync_failed { SYNC_FAILED } else { u32::from(self.closed) * CLOSED };
        let mut out = [0u8; HEAD_LEN];
        out[..VERSION_AT].copy_from_slice(&MAGIC);
        out[VERSION_AT..FLAGS_AT].copy_from_slice(&VERSION.to_le_bytes());
        out[FLAGS_AT..LOG_ID_AT].copy_from_slice(&flags.to_le_bytes());
        out[LOG_ID_AT..DURABLE_AT].copy_from_slice(&self.log_id.0);
        out[DURABLE_AT..COMMITTED_AT].copy_from_slice(&self.durable.0.to_le_bytes());
        out[COMMITTED_AT..NEXT_SEQ_AT].copy_from_slice(&self.committed.0.to_le_bytes());
        out[NEXT_SEQ_AT..CRC_AT].copy_from_slice(&self.next_seq.0.to_le_bytes());
        let crc = crc32(&out[..CRC_AT]);
        out[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Decodes it; `None` if it is not whole, because then there is no hint.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Head> {
        let bytes: &[u8; HEAD_LEN] = bytes.try_into().ok()?;
        let crc = crc32(&bytes[..CRC_AT]);
        let flags = u32_at(bytes, FLAGS_AT);
        let whole = bytes[..VERSION_AT] == MAGIC
            && u32_at(bytes, VERSION_AT) == VERSION
            && u32_at(bytes, CRC_AT) == crc
            && flags <= SYNC_FAILED;
        let mut log_id = LogId([0; 16]);
        log_id.0.copy_from_slice(&bytes[LOG_ID_AT..DURABLE_AT]);
        let head = Head {
            log_id,
            durable: Position(u64_at(bytes, DURABLE_AT)),
            committed: Position(u64_at(bytes, COMMITTED_AT)),
            next_seq: Seq(u64_at(bytes, NEXT_SEQ_AT)),
            closed: flags == CLOSED,
            sync_failed: flags == SYNC_FAILED,
        };
        (whole && head.durable <= head.committed && head.committed.0 <= POSITION_MAX).then_some(head)
    }
}

/// Writes `HEAD` in its place. Bytes after it are cut, because readers do not accept a longer file as `HEAD`.
pub(crate) fn write_head(file: &dyn File, head: &Head) -> io::Result<()> {
    file.write_at(&head.encode(), 0)?;
    if file.len()? > HEAD_LEN as u64 { file.set_len(HEAD_LEN as u64) } else { Ok(()) }
}

fn u32_at(bytes: &[u8; HEAD_LEN], at: usize) -> u32 {
    let mut raw = [0u8; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

fn u64_at(bytes: &[u8; HEAD_LEN], at: usize) -> u64 {
    let mut raw = [0u8; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_survives_its_bytes_and_no_flipped_bit_does() {
        let head = Head {
            log_id: LogId([7; 16]),
            durable: Position(96),
            committed: Position(1000),
            next_seq: Seq(3),
            closed: true,
            sync_failed: false,
        };
        let failed = Head { closed: false, sync_failed: true, ..head };
        assert_eq!(Head::decode(&failed.encode()), Some(failed));
        let bytes = head.encode();
        assert_eq!(Head::decode(&bytes), Some(head));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::decode(&flipped), None, "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert_eq!(Head::decode(&bytes[..len]), None, "length {len}");
        }
    }
}
