//! CRC-32 as the format uses it: polynomial 0xEDB88320 (IEEE 802.3), reflected, start and end inverted.
//!
//! It detects accidents, not attackers; roots detect those (crate `evlog-verify`).

use crate::ids::LogId;
use crc32fast::Hasher;

/// CRC-32 of the log id, kept so that each frame's checksum starts from it (rule F-22).
#[derive(Clone, Debug)]
pub struct Seed(Hasher);

impl Seed {
    /// The seed for the frames of one log.
    pub fn new(log_id: LogId) -> Seed {
        let mut hasher = Hasher::new();
        hasher.update(&log_id.0);
        Seed(hasher)
    }

    /// CRC-32 of log id, position, length, durable-before and body, in this order, integers as little-endian bytes.
    pub fn frame(&self, position: u64, len: u32, durable_before: u64, body: &[u8]) -> u32 {
        let mut fields = [0u8; 20];
        fields[..8].copy_from_slice(&position.to_le_bytes());
        fields[8..12].copy_from_slice(&len.to_le_bytes());
        fields[12..].copy_from_slice(&durable_before.to_le_bytes());
        let mut hasher = self.0.clone();
        hasher.update(&fields);
        hasher.update(body);
        hasher.finalize()
    }
}

/// CRC-32 of one run of bytes: for segment headers and sidecars.
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}
