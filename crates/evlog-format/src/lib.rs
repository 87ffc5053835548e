//! The bytes of an evlog log: segment headers, frames, commits and events, in format version 2.
//!
//! Does: turn values into bytes and bytes into values, exactly as `docs/format.md` specifies, and name every limit.
//! Does not: open files, know what a payload means, judge digests, read the clock.
//!
//! Invariants:
//! - No decoder panics. No decoder allocates memory of a size that it read, unless it has compared the size with [`limits`].
//! - Decoding answers *frame*, *empty*, *incomplete* or *corrupt*; the four are never mixed up.
//! - Each value has only one encoding: if bytes can be decoded, encoding the decoded value gives the same bytes.
//!
//! Read [`segment`], then [`frame`], then [`commit`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod checksum;
pub mod commit;
pub mod cursor;
pub mod error;
pub mod frame;
pub mod ids;
pub mod json;
pub mod kind;
pub mod limits;
pub mod payload;
pub mod segment;

pub use commit::{Commit, CommitHead, CommitReader, Durability, Encoded, Event, Idempotency, PLAIN, encode_commit};
pub use error::{Corruption, Flaw};
pub use frame::{Decoded, FRAME_HEADER_LEN, Frame, FrameCodec};
pub use ids::{LogId, Position, Root, Seq};
pub use kind::{Kind, KindBuf};
pub use segment::{FORMAT_VERSION, HeaderError, LogIdentity, SEGMENT_HEADER_LEN, SegmentHeader};
