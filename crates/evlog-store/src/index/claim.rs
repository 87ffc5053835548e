//! For fuzzing: reads an index as belonging to the segment that its bytes name, and computes the checksums that it needs.

use super::{
    BLOCKS_AT, CRC_LEN, FILTER_LEN, Of, ROW_LEN, STREAMS_AT, SealedIndex, Source, TABLE_AT, crc32, u32_at, u64_at,
};
use evlog_format::{LogId, Position};

const LOG_ID_AT: usize = BLOCKS_AT + 4;
const POSITION_AT: usize = LOG_ID_AT + 16;
const LEN_AT: usize = POSITION_AT + 8;

impl SealedIndex {
    /// Reads an index as belonging to the segment that it names.
    pub(crate) fn claimed(bytes: &[u8]) -> Option<SealedIndex> {
        let head = bytes.get(..TABLE_AT)?;
        let mut log_id = LogId([0; 16]);
        log_id.0.copy_from_slice(&head[LOG_ID_AT..POSITION_AT]);
        let of = Of { log_id, position: Position(u64_at(head, POSITION_AT)), len: u64_at(head, LEN_AT) };
        SealedIndex::read(Source::Memory(bytes.to_vec()), of)
    }

    /// The bytes with every checksum corrected whose place can be found.
    pub(crate) fn sealed(bytes: &[u8]) -> Vec<u8> {
        let mut sealed = bytes.to_vec();
        seal(&mut sealed);
        sealed
    }
}

fn seal(bytes: &mut [u8]) -> Option<()> {
    let head = bytes.get(..TABLE_AT)?;
    let (blocks, streams) = (u32_at(head, BLOCKS_AT) as usize, u32_at(head, STREAMS_AT) as usize);
    let table_end = TABLE_AT + blocks.checked_mul(ROW_LEN)?;
    let filter_end = table_end + CRC_LEN + streams.checked_mul(FILTER_LEN)?;
    let blocks_at = filter_end + CRC_LEN;
    bytes.get(..blocks_at)?;
    let mut from = 0;
    for row in (TABLE_AT..table_end).step_by(ROW_LEN) {
        let end = u32_at(bytes, row + 4) as usize;
        if let Some(block) = bytes.get(blocks_at + from..blocks_at + end) {
            let crc = crc32(block);
            bytes[row + 8..row + ROW_LEN].copy_from_slice(&crc.to_le_bytes());
        }
        from = end;
    }
    let crcs = [(table_end, crc32(&bytes[..table_end])), (filter_end, crc32(&bytes[table_end + CRC_LEN..filter_end]))];
    for (at, crc) in crcs {
        bytes[at..at + CRC_LEN].copy_from_slice(&crc.to_le_bytes());
    }
    Some(())
}
