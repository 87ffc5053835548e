//! The reasons why bytes are not what they claim to be.

use crate::limits::TIME_MAX_NS;
use core::fmt;

/// Bytes that are present and wrong: where they are, and what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// Position in the log of the first byte that is wrong, as precisely as it can be determined.
    pub position: u64,
    /// The fault.
    pub flaw: Flaw,
}

/// The ways in which bytes can be wrong. Each states what was expected and what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// The CRC-32 of a frame does not match (rule F-22).
    Checksum {
        /// The checksum that was computed from the bytes.
        expected: u32,
        /// The checksum that the frame states.
        found: u32,
    },
    /// A length exceeds its limit.
    Length {
        /// What it is the length of.
        of: &'static str,
        /// The limit.
        max: u64,
        /// The length found.
        found: u64,
    },
    /// A length is smaller than allowed.
    Empty {
        /// What is empty.
        of: &'static str,
    },
    /// The body ends before its value does.
    Truncated {
        /// What was being read.
        of: &'static str,
    },
    /// An integer is written in more bytes than it needs (rule F-41).
    Overlong,
    /// Bytes follow the last event of a commit.
    Trailing {
        /// The number that was found.
        found: u64,
    },
    /// A byte announces an integer that is wider than 64 bits (rule F-40).
    Width {
        /// The name of the integer.
        of: &'static str,
        /// The byte found.
        found: u8,
    },
    /// A time that is before 1970 or after 9999 (rule F-50).
    Time {
        /// The name of the time.
        of: &'static str,
        /// The time found, Unix nanoseconds.
        found: i128,
    },
    /// A tag or class has no meaning in this version.
    Tag {
        /// What it is the tag of.
        of: &'static str,
        /// The number found.
        found: u64,
    },
    /// Text is not UTF-8, or holds a control character.
    Text {
        /// What it is the text of.
        of: &'static str,
    },
    /// Names of streams are not in the order of their bytes, or one occurs twice.
    Unsorted,
    /// A number breaks an order that the format promises.
    Order {
        /// The name of the number.
        of: &'static str,
        /// The number expected, or the bound it must respect.
        expected: u64,
        /// The number found.
        found: u64,
    },
}

impl Flaw {
    /// The rule of `docs/format.md` that the bytes break.
    pub fn rule(&self) -> &'static str {
        match *self {
            Flaw::Checksum { .. } => "F-22",
            Flaw::Length { of: "frame body", .. } => "F-21",
            Flaw::Length { of: "stream of an event", .. } | Flaw::Empty { of: "events of a stream" } => "F-47",
            Flaw::Length { .. } => "F-04",
            Flaw::Empty { of: "events" } => "F-38",
            Flaw::Empty { of: "stream" } => "F-33",
            Flaw::Empty { of: "idempotency key" } => "F-36",
            Flaw::Empty { of: "streams" } | Flaw::Unsorted => "F-46",
            Flaw::Empty { .. } => "F-48",
            Flaw::Truncated { .. } | Flaw::Trailing { .. } => "F-30",
            Flaw::Overlong => "F-41",
            Flaw::Tag { of: "durability class", .. } => "F-32",
            Flaw::Tag { of: "kind", .. } | Flaw::Text { of: "kind" } => "F-35",
            Flaw::Tag { .. } => "F-43",
            Flaw::Width { .. } => "F-40",
            Flaw::Time { .. } => "F-50",
            Flaw::Text { .. } => "F-44",
            Flaw::Order { of: "durable-before", .. } => "F-23",
            Flaw::Order { of: "causation, less than the seq", .. } => "F-37",
            Flaw::Order { .. } => "F-34",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Flaw::Checksum { expected, found } => {
                write!(f, "a checksum of {found:08x} in place of {expected:08x}")
            }
            Flaw::Length { of, max, found } => write!(f, "length of {of}: expected at most {max}, found {found}"),
            Flaw::Empty { of } => write!(f, "{of}: expected at least one, found none"),
            Flaw::Truncated { of } => write!(f, "commit ends within {of}"),
            Flaw::Overlong => write!(f, "integer is written in more bytes than it needs"),
            Flaw::Trailing { found } => write!(f, "expected the end of the commit, found {found} more bytes"),
            Flaw::Width { of, found } => write!(f, "{of}: expected an integer of at most 64 bits, found {found}"),
            Flaw::Time { of, found } => {
                write!(f, "{of}: expected at least 0 and at most {TIME_MAX_NS} nanoseconds since 1970, found {found}")
            }
            Flaw::Tag { of, found } => write!(f, "{of} {found} has no meaning in this format version"),
            Flaw::Unsorted => write!(f, "names of streams are not in the order of their bytes, each once"),
            Flaw::Text { of } => write!(f, "{of} is not text without control characters"),
            Flaw::Order { of, expected, found } => write!(f, "{of}: expected {expected}, found {found}"),
        }
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at position {}: {}", self.position, self.flaw)
    }
}

impl core::error::Error for Corruption {}
