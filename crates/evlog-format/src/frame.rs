//! One commit on disk: 16 bytes of frame header, then the body (rules F-20 to F-26).
//!
//! ```text
//!  0        4        8                16
//!  | length | crc    | durable-before | body: `length` bytes
//! ```
//!
//! A length of 0 means that there is no frame here, but zeros that were written ahead of the log's end.

use crate::checksum::Seed;
use crate::commit::CommitReader;
use crate::error::{Corruption, Flaw};
use crate::ids::LogId;
use crate::limits::FRAME_BODY_LEN_MAX;
use alloc::vec::Vec;

const CRC_AT: usize = 4;
const DURABLE_AT: usize = CRC_AT + 4;
/// Length of a frame's header in bytes.
pub const FRAME_HEADER_LEN: usize = DURABLE_AT + 8;

const _: () = assert!(FRAME_HEADER_LEN == 16);

/// The largest fourth byte of a length.
const LENGTH_HIGH_MAX: u8 = FRAME_BODY_LEN_MAX.to_le_bytes()[CRC_AT - 1];
/// The most bytes that are checksummed to find a frame within a body: the first number, plus the second one times the body's
/// length.
const WITHIN_WORK_MIN: usize = 1024 * 1024;
const WITHIN_WORK_TIMES: usize = 16;

/// A frame whose checksum matches. The body is not decoded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Position of the frame's first byte.
    pub position: u64,
    /// Every byte before this position was known to be synced when the frame was written.
    pub durable_before: u64,
    /// The commit's bytes.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// Length in bytes, header included.
    pub fn len(&self) -> usize {
        FRAME_HEADER_LEN + self.body.len()
    }

    /// Whether the body is empty. The body of a decoded frame never is.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Position of the first byte after the frame.
    pub fn end(&self) -> u64 {
        self.position + self.len() as u64
    }
}

/// What the bytes at a position are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A whole frame with a matching checksum.
    Frame(Frame<'a>),
    /// Length 0: no frame here.
    Empty,
    /// The bytes end before the frame does. To decode it, `need` bytes from its first byte on are needed.
    Incomplete {
        /// How many bytes the frame, or its header, has.
        need: usize,
    },
    /// The bytes are there and are not a frame.
    Corrupt(Corruption),
}

/// Encodes and decodes the frames of one log.
#[derive(Clone, Debug)]
pub struct FrameCodec {
    seed: Seed,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.first_chunk().map(|raw| u32::from_le_bytes(*raw))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.first_chunk().map(|raw| u64::from_le_bytes(*raw))
}

impl FrameCodec {
    /// The codec for one log. The log's id is part of every checksum.
    pub fn new(log_id: LogId) -> FrameCodec {
        FrameCodec { seed: Seed::new(log_id) }
    }

    /// Appends a frame to `out`. The closure appends the body, after room for the header. If the body is empty or longer than
    /// its limit, `out` is left as it was, and the error is the body's length.
    pub fn encode<E>(
        &self,
        position: u64,
        durable_before: u64,
        out: &mut Vec<u8>,
        body: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Result<usize, E>, u64> {
        let start = out.len();
        out.extend_from_slice(&[0; FRAME_HEADER_LEN]);
        if let Err(error) = body(out) {
            out.truncate(start);
            return Ok(Err(error));
        }
        let body_len = out.len() - start - FRAME_HEADER_LEN;
        let len = match u32::try_from(body_len) {
            Ok(len) if len > 0 && len <= FRAME_BODY_LEN_MAX => len,
            _ => {
                out.truncate(start);
                return Err(body_len as u64);
            }
        };
        let crc = self.seed.frame(position, len, durable_before, &out[start + FRAME_HEADER_LEN..]);
        out[start..start + CRC_AT].copy_from_slice(&len.to_le_bytes());
        out[start + CRC_AT..start + DURABLE_AT].copy_from_slice(&crc.to_le_bytes());
        out[start + DURABLE_AT..start + FRAME_HEADER_LEN].copy_from_slice(&durable_before.to_le_bytes());
        Ok(Ok(FRAME_HEADER_LEN + body_len))
    }

    /// Where within `body`, whose first byte has this position, another frame of the log could be read (rule F-51). If too many
    /// places look like frames, the search stops and counts the place that it reached as a frame.
    pub fn frame_within(&self, position: u64, body: &[u8]) -> Option<usize> {
        // Only bytes that were made for this purpose look like a frame at more than a few places.
        let mut work_left = WITHIN_WORK_MIN + body.len() * WITHIN_WORK_TIMES;
        for at in 0..body.len().saturating_sub(FRAME_HEADER_LEN) {
            // No valid length has a larger byte here. Almost all bytes that are not a frame have.
            if body[at + CRC_AT - 1] > LENGTH_HIGH_MAX {
                continue;
            }
            let rest = &body[at..];
            let (Some(len), Some(durable_before)) = (u32_at(rest, 0), u64_at(rest, DURABLE_AT)) else { return None };
            let here = position + at as u64;
            let Some(within) = rest.get(FRAME_HEADER_LEN..FRAME_HEADER_LEN + len as usize) else { continue };
            let begins_as_commit = || CommitReader::new(within, here + FRAME_HEADER_LEN as u64).is_ok();
            if within.is_empty() || durable_before > here || !begins_as_commit() {
                continue;
            }
            let Some(left) = work_left.checked_sub(within.len()) else { return Some(at) };
            work_left = left;
            if Some(self.seed.frame(here, len, durable_before, within)) == u32_at(rest, CRC_AT) {
                return Some(at);
            }
        }
        None
    }

    /// Decodes the frame at the start of `bytes`, whose first byte has this position.
    pub fn decode<'a>(&self, position: u64, bytes: &'a [u8]) -> Decoded<'a> {
        let Some(len) = u32_at(bytes, 0) else {
            return Decoded::Incomplete { need: FRAME_HEADER_LEN };
        };
        if len == 0 {
            return Decoded::Empty;
        }
        if len > FRAME_BODY_LEN_MAX {
            let flaw = Flaw::Length { of: "frame body", max: u64::from(FRAME_BODY_LEN_MAX), found: u64::from(len) };
            return Decoded::Corrupt(Corruption { position, flaw });
        }
        let need = FRAME_HEADER_LEN + len as usize;
        let (Some(found), Some(durable_before)) = (u32_at(bytes, CRC_AT), u64_at(bytes, DURABLE_AT)) else {
            return Decoded::Incomplete { need };
        };
        let Some(body) = bytes.get(FRAME_HEADER_LEN..need) else {
            return Decoded::Incomplete { need };
        };
        let expected = self.seed.frame(position, len, durable_before, body);
        if expected != found {
            return Decoded::Corrupt(Corruption { position, flaw: Flaw::Checksum { expected, found } });
        }
        if durable_before > position {
            let flaw = Flaw::Order { of: "durable-before", expected: position, found: durable_before };
            return Decoded::Corrupt(Corruption { position, flaw });
        }
        Decoded::Frame(Frame { position, durable_before, body })
    }
}
