//! The words of the audit's findings: rule, expectation, finding. It makes no decisions.

use super::Stop;
use alloc::format;
use alloc::string::{String, ToString};
use evlog_format::limits::TIME_MAX_NS;
use evlog_format::{FORMAT_VERSION, Flaw, HeaderError, SEGMENT_HEADER_LEN};

/// Rule, what is expected, what was found.
pub(super) fn header_error(error: &HeaderError) -> (&'static str, String, String) {
    match *error {
        HeaderError::Incomplete { found } => ("F-10", format!("{SEGMENT_HEADER_LEN} bytes"), found.to_string()),
        HeaderError::Magic => ("F-10", "`evlogseg`".to_string(), "other bytes".to_string()),
        HeaderError::Version { found } => ("F-11", format!("version {FORMAT_VERSION}"), found.to_string()),
        HeaderError::Codec { found } => ("F-11", "codec 1".to_string(), found.to_string()),
        HeaderError::Checksum { expected, found } => ("F-13", hex(expected), hex(found)),
        HeaderError::Field { name: "format version", found } => {
            ("F-11", format!("version {FORMAT_VERSION}"), found.to_string())
        }
        HeaderError::Field { name, found } => ("F-12", format!("{name} within its range"), found.to_string()),
        ref other => ("F-10", "a segment header".to_string(), other.to_string()),
    }
}

/// Rule, message, what is expected, what was found.
pub(super) fn stop(stop: &Stop) -> (&'static str, &'static str, String, String) {
    match stop {
        Stop::Corrupt(corruption) => {
            let (rule, expected, found) = flaw(&corruption.flaw);
            (rule, "frame", expected, found)
        }
        Stop::Incomplete { need, found } => ("F-21", "frame", format!("{need} bytes"), found.to_string()),
        Stop::AfterZeros => ("F-25", "end of the log", "zeros up to the end of the file".to_string(), bytes()),
    }
}

/// A number of whole frames, at least one.
pub(super) fn whole_frames(number: u64) -> String {
    if number == 1 { "1 whole frame".to_string() } else { format!("{number} whole frames") }
}

/// The bytes between the frame before a failing place and the frame with which the log goes on after it.
pub(super) fn gap(len: u64, passed: u64) -> String {
    match passed {
        0 => format!("{len} bytes that are no frame"),
        _ => format!("{len} bytes, with {} among them", whole_frames(passed)),
    }
}

/// Rule, what is expected, what was found.
pub(super) fn flaw(flaw: &Flaw) -> (&'static str, String, String) {
    let (expected, found) = match *flaw {
        Flaw::Checksum { expected, found } => (format!("checksum {}", hex(expected)), hex(found)),
        Flaw::Length { of, max, found } => (format!("{of} of at most {max}"), found.to_string()),
        Flaw::Order { of, expected, found } => (format!("{of} {expected}"), found.to_string()),
        Flaw::Width { of, found } => (format!("{of} of at most 64 bits"), found.to_string()),
        Flaw::Time { of, found } => {
            (format!("{of} from 0 to {TIME_MAX_NS}, nanoseconds since 1970"), found.to_string())
        }
        Flaw::Tag { of, found } => (format!("{of} that this version knows"), found.to_string()),
        Flaw::Empty { of } => (format!("{of}, at least one"), "none".to_string()),
        Flaw::Trailing { found } => ("the end of the commit".to_string(), format!("{found} more bytes")),
        Flaw::Truncated { of } => (format!("{of}, whole"), "the end of the commit".to_string()),
        Flaw::Text { of } => (format!("{of} as text without control characters"), bytes()),
        Flaw::Overlong => ("an integer in as few bytes as it needs".to_string(), "more bytes".to_string()),
        ref other => ("a well-formed commit".to_string(), other.to_string()),
    };
    (flaw.rule(), expected, found)
}

fn hex(crc: u32) -> String {
    format!("{crc:08x}")
}

fn bytes() -> String {
    "other bytes".to_string()
}
