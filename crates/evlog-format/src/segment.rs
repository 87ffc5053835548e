//! The segment header: the first 96 bytes of every segment file (rules F-10 to F-16).
//!
//! Offsets are sums, so that a field cannot move without the next one. All integers are little-endian.

use crate::checksum::crc32;
use crate::ids::{LogId, Position, Root, Seq};
use crate::limits::{POSITION_MAX, SEGMENT_LIMIT_MAX, SEGMENT_LIMIT_MIN};
use core::fmt;

/// First bytes of every segment.
pub const MAGIC: [u8; 8] = *b"evlogseg";
/// The version that this crate writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 2;
/// The codec of commit bodies: bincode 2 `standard()`.
pub const CODEC: u32 = 1;

const VERSION_AT: usize = MAGIC.len();
const CODEC_AT: usize = VERSION_AT + 4;
const LOG_ID_AT: usize = CODEC_AT + 4;
const LIMIT_AT: usize = LOG_ID_AT + 16;
const POSITION_AT: usize = LIMIT_AT + 8;
const FIRST_SEQ_AT: usize = POSITION_AT + 8;
const ROOT_AT: usize = FIRST_SEQ_AT + 8;
const RESERVED_AT: usize = ROOT_AT + 32;
const CRC_AT: usize = RESERVED_AT + 4;
/// Length of the header in bytes.
pub const SEGMENT_HEADER_LEN: usize = CRC_AT + 4;

const _: () = assert!(SEGMENT_HEADER_LEN == 96);

/// The fields that are the same in all segments of a log (rule F-12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogIdentity {
    /// The log.
    pub log_id: LogId,
    /// The length at which its writer ends segments, in bytes, including the header (rule F-15).
    pub segment_limit: u64,
}

/// What a segment states about itself and about all bytes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log it belongs to.
    pub log_id: LogId,
    /// The length at which the writer ends segments, in bytes, including the header (rule F-15).
    pub segment_limit: u64,
    /// Position of the header's first byte in the log.
    pub position: Position,
    /// Seq of the first event after the header.
    pub first_seq: Seq,
    /// Root of the `position` bytes before this segment.
    pub root_before: Root,
}

/// Why 96 bytes are not a header that this version reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// Fewer bytes than a header has.
    Incomplete {
        /// The number that was found.
        found: usize,
    },
    /// It is not a segment of an evlog log.
    Magic,
    /// It belongs to another version of the format: a newer one, or the version of pre-releases.
    Version {
        /// The version found.
        found: u32,
    },
    /// Commits are encoded in a way that this version does not know.
    Codec {
        /// The number found.
        found: u32,
    },
    /// The CRC-32 over the header's other bytes does not match.
    Checksum {
        /// The computed value.
        expected: u32,
        /// The stored value.
        found: u32,
    },
    /// A field is outside its range.
    Field {
        /// Its name.
        name: &'static str,
        /// Its value.
        found: u64,
    },
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            HeaderError::Incomplete { found } => {
                write!(f, "segment header: expected {SEGMENT_HEADER_LEN} bytes, found {found}")
            }
            HeaderError::Magic => write!(f, "not an evlog segment: expected it to begin with `evlogseg`"),
            HeaderError::Version { found } if found < FORMAT_VERSION => write!(
                f,
                "format version {found} was written by a pre-release of evlog: expected {FORMAT_VERSION}; read the log \
                 with the program that wrote it, and make a new log with this one"
            ),
            HeaderError::Version { found } => write!(
                f,
                "format version {found} is newer than this program reads: expected {FORMAT_VERSION}; use a newer evlog"
            ),
            HeaderError::Codec { found } => write!(f, "commit codec {found} is not known: expected {CODEC}"),
            HeaderError::Checksum { expected, found } => {
                write!(f, "segment header checksum does not match: expected {expected:08x}, found {found:08x}")
            }
            HeaderError::Field { name, found } => write!(f, "segment header: {name} {found} is out of range"),
        }
    }
}

impl core::error::Error for HeaderError {}

fn u32_at(bytes: &[u8; SEGMENT_HEADER_LEN], at: usize) -> u32 {
    let mut raw = [0u8; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

fn u64_at(bytes: &[u8; SEGMENT_HEADER_LEN], at: usize) -> u64 {
    let mut raw = [0u8; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}

impl SegmentHeader {
    /// The log that the segment belongs to.
    pub fn identity(&self) -> LogIdentity {
        LogIdentity { log_id: self.log_id, segment_limit: self.segment_limit }
    }

    /// The header's bytes.
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_LEN] {
        let mut out = [0u8; SEGMENT_HEADER_LEN];
        out[..VERSION_AT].copy_from_slice(&MAGIC);
        out[VERSION_AT..CODEC_AT].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        out[CODEC_AT..LOG_ID_AT].copy_from_slice(&CODEC.to_le_bytes());
        out[LOG_ID_AT..LIMIT_AT].copy_from_slice(&self.log_id.0);
        out[LIMIT_AT..POSITION_AT].copy_from_slice(&self.segment_limit.to_le_bytes());
        out[POSITION_AT..FIRST_SEQ_AT].copy_from_slice(&self.position.0.to_le_bytes());
        out[FIRST_SEQ_AT..ROOT_AT].copy_from_slice(&self.first_seq.0.to_le_bytes());
        out[ROOT_AT..RESERVED_AT].copy_from_slice(&self.root_before.0);
        let crc = crc32(&out[..CRC_AT]);
        out[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header from the first bytes of a segment. Magic and version are judged before the checksum, so that the
    /// error names a file of another kind or of a newer version correctly.
    pub fn decode(bytes: &[u8]) -> Result<SegmentHeader, HeaderError> {
        let Some(bytes) = bytes.first_chunk::<SEGMENT_HEADER_LEN>() else {
            return Err(HeaderError::Incomplete { found: bytes.len() });
        };
        if bytes[..VERSION_AT] != MAGIC {
            return Err(HeaderError::Magic);
        }
        let version = u32_at(bytes, VERSION_AT);
        if version > FORMAT_VERSION {
            return Err(HeaderError::Version { found: version });
        }
        let (expected, found) = (crc32(&bytes[..CRC_AT]), u32_at(bytes, CRC_AT));
        if expected != found {
            return Err(HeaderError::Checksum { expected, found });
        }
        match version {
            FORMAT_VERSION => Self::fields(bytes),
            0 => Err(HeaderError::Field { name: "format version", found: 0 }),
            found => Err(HeaderError::Version { found }),
        }
    }

    fn fields(bytes: &[u8; SEGMENT_HEADER_LEN]) -> Result<SegmentHeader, HeaderError> {
        let codec = u32_at(bytes, CODEC_AT);
        if codec != CODEC {
            return Err(HeaderError::Codec { found: codec });
        }
        let check = |name, found: u64, ok: bool| if ok { Ok(found) } else { Err(HeaderError::Field { name, found }) };
        let limit = u64_at(bytes, LIMIT_AT);
        let (position, first_seq) = (u64_at(bytes, POSITION_AT), u64_at(bytes, FIRST_SEQ_AT));
        let reserved = u64::from(u32_at(bytes, RESERVED_AT));
        check("segment size limit", limit, (SEGMENT_LIMIT_MIN..=SEGMENT_LIMIT_MAX).contains(&limit))?;
        check("position", position, position <= POSITION_MAX)?;
        check("first seq", first_seq, first_seq <= POSITION_MAX)?;
        check("reserved field", reserved, reserved == 0)?;
        let (mut log_id, mut root) = ([0u8; 16], [0u8; 32]);
        log_id.copy_from_slice(&bytes[LOG_ID_AT..LIMIT_AT]);
        root.copy_from_slice(&bytes[ROOT_AT..RESERVED_AT]);
        Ok(SegmentHeader {
            log_id: LogId(log_id),
            segment_limit: limit,
            position: Position(position),
            first_seq: Seq(first_seq),
            root_before: Root(root),
        })
    }

    /// Whether a frame of `frame_len` bytes (including the header) still belongs into a segment that has `segment_len` bytes.
    /// A segment without a frame takes any frame; otherwise the limit is kept (rule F-15). The result depends only on the
    /// arguments, so every writer of a log ends segments at the same places.
    pub fn takes(segment_limit: u64, segment_len: u64, frame_len: u64) -> bool {
        segment_len <= SEGMENT_HEADER_LEN as u64 || segment_len.saturating_add(frame_len) <= segment_limit
    }
}
