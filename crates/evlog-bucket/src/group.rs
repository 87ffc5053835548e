//! The bytes of a group object: a header, where segments begin within it, the log's bytes, and a hash. `docs/bucket.md` has the table.

use evlog_format::{LogId, Position, Root, Seq};
use std::fmt;

const MAGIC: [u8; 8] = *b"evloggrp";
const VERSION: u32 = 1;

const VERSION_AT: usize = MAGIC.len();
const STARTS_AT: usize = VERSION_AT + 4;
const LOG_ID_AT: usize = STARTS_AT + 4;
const NUMBER_AT: usize = LOG_ID_AT + 16;
const FIRST_SEQ_AT: usize = NUMBER_AT + 8;
const POSITION_AT: usize = FIRST_SEQ_AT + 8;
const ROOT_AT: usize = POSITION_AT + 8;
const TRY_AT: usize = ROOT_AT + 32;
const LEN_AT: usize = TRY_AT + 16;
/// Length of the fixed part of an object, in bytes.
pub const GROUP_HEADER_LEN: usize = LEN_AT + 8;
const HASH_LEN: usize = blake3::OUT_LEN;

/// The most bytes of the log in one group.
pub const GROUP_LEN_MAX: u64 = 32 * 1024 * 1024;
/// The most segments that begin in one group.
pub const STARTS_MAX: u32 = 65_536;
/// The longest object, in bytes.
pub const OBJECT_LEN_MAX: u64 =
    GROUP_HEADER_LEN as u64 + STARTS_MAX as u64 * START_LEN as u64 + GROUP_LEN_MAX + HASH_LEN as u64;
const START_LEN: usize = 4;

/// One group of commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The log.
    pub log_id: LogId,
    /// Its dense number: 0, 1, 2, …
    pub number: u64,
    /// Seq of the first event in it or after it.
    pub first_seq: Seq,
    /// Position of its first byte in the log.
    pub position: Position,
    /// Root of all bytes before it.
    pub root_before: Root,
    /// Random bytes, drawn for this attempt to commit.
    pub try_id: [u8; 16],
    /// Offsets in `bytes` where a segment begins.
    pub starts: Vec<u32>,
    /// The log's bytes.
    pub bytes: Vec<u8>,
}

/// Why bytes are not a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupError {
    /// What a group has there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for GroupError {}

pub(crate) fn flaw(expected: impl Into<String>, found: impl Into<String>) -> GroupError {
    GroupError { expected: expected.into(), found: found.into() }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

impl Group {
    /// The object's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let starts = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        let len = GROUP_HEADER_LEN + self.starts.len() * START_LEN + self.bytes.len() + HASH_LEN;
        let mut out = Vec::with_capacity(len);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&starts.to_le_bytes());
        out.extend_from_slice(&self.log_id.0);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.first_seq.0.to_le_bytes());
        out.extend_from_slice(&self.position.0.to_le_bytes());
        out.extend_from_slice(&self.root_before.0);
        out.extend_from_slice(&self.try_id);
        out.extend_from_slice(&(self.bytes.len() as u64).to_le_bytes());
        self.starts.iter().for_each(|start| out.extend_from_slice(&start.to_le_bytes()));
        out.extend_from_slice(&self.bytes);
        let hash = blake3::hash(&out);
        out.extend_from_slice(hash.as_bytes());
        out
    }

    /// Decodes an object. Checks its form and its hash; whether it continues a log is for the caller to check.
    pub fn decode(object: &[u8]) -> Result<Group, GroupError> {
        if object.len() < GROUP_HEADER_LEN + HASH_LEN || object[..VERSION_AT] != MAGIC {
            return Err(flaw("a group, which begins with `evloggrp`", format!("{} other bytes", object.len())));
        }
        let u32_at = |at| u32::from_le_bytes(array(object, at));
        let u64_at = |at| u64::from_le_bytes(array(object, at));
        let version = u32_at(VERSION_AT);
        if version != VERSION {
            return Err(flaw(format!("version {VERSION}"), format!("version {version}")));
        }
        let (starts, len) = (u32_at(STARTS_AT), u64_at(LEN_AT));
        if starts > STARTS_MAX {
            return Err(flaw(format!("at most {STARTS_MAX} segments that begin in it"), format!("{starts}")));
        }
        if len == 0 || len > GROUP_LEN_MAX {
            return Err(flaw(format!("1 to {GROUP_LEN_MAX} bytes of the log"), format!("{len}")));
        }
        let bytes_at = GROUP_HEADER_LEN + starts as usize * START_LEN;
        let whole = (bytes_at + HASH_LEN) as u64 + len;
        if object.len() as u64 != whole {
            return Err(flaw(format!("an object of {whole} bytes"), format!("{} bytes", object.len())));
        }
        let hash_at = object.len() - HASH_LEN;
        if blake3::hash(&object[..hash_at]).as_bytes() != &object[hash_at..] {
            return Err(flaw("the hash of the bytes before it", "another hash: the object is damaged"));
        }
        let starts: Vec<u32> = object[GROUP_HEADER_LEN..bytes_at].chunks_exact(START_LEN).map(u32_from).collect();
        let rises = starts.windows(2).all(|pair| pair[0] < pair[1]);
        if !rises || starts.last().is_some_and(|last| u64::from(*last) >= len) {
            return Err(flaw("rising offsets of segments within its bytes", "others"));
        }
        Ok(Group {
            log_id: LogId(array(object, LOG_ID_AT)),
            number: u64_at(NUMBER_AT),
            first_seq: Seq(u64_at(FIRST_SEQ_AT)),
            position: Position(u64_at(POSITION_AT)),
            root_before: Root(array(object, ROOT_AT)),
            try_id: array(object, TRY_AT),
            starts,
            bytes: object[bytes_at..hash_at].to_vec(),
        })
    }

    /// The try id of an object, if it is a group.
    pub(crate) fn try_id_of(object: &[u8]) -> Result<[u8; 16], GroupError> {
        Group::decode(object).map(|group| group.try_id)
    }

    /// Position of the first byte after it.
    pub fn end(&self) -> Position {
        Position(self.position.0.saturating_add(self.bytes.len() as u64))
    }
}

fn u32_from(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(array(bytes, 0))
}

/// The name of a group, below the log's prefix.
pub fn name(number: u64) -> String {
    format!("groups/{number:020}.group")
}
