//! Numbers and names that could be confused with each other. Each has its own type.

use alloc::string::String;
use core::fmt;

/// An event's number in the log: 0, 1, 2, … dense over all streams, given at commit (rule F-31).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

/// A byte's place in the log's byte string, in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

/// The identity of a log: 16 random bytes, drawn when it is created and never changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub [u8; 16]);

/// The BLAKE3 hash of a prefix of the log's byte string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root(pub [u8; 32]);

/// The stream of the log's own events (rule F-33).
pub const LOG_STREAM: &str = "$log";

/// The longest run id, in bytes. Run ids become directory names.
pub const RUN_ID_LEN_MAX: usize = 128;

/// Whether text can name a run: letters, digits, `.`, `_` and `-`, the first a letter or a digit (rule F-33).
pub fn is_run_id(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let first = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    first && text.len() <= RUN_ID_LEN_MAX && text.bytes().all(rest)
}

/// Whether text can name a stream: a run, or the log's own stream (rule F-33).
pub fn is_stream_name(text: &str) -> bool {
    is_run_id(text) || text == LOG_STREAM
}

/// Whether text is a path within a bundle: names with `/` between them, none of which leads out of it.
pub fn is_bundle_path(text: &str) -> bool {
    let is_name = |name: &str| !matches!(name, "" | "." | "..");
    text.split('/').all(is_name) && !text.chars().any(|char| char.is_control() || char == '\\')
}

impl Root {
    /// The root of the empty log: BLAKE3 of no bytes (rule F-14).
    pub const EMPTY: Root = Root([
        0xaf, 0x13, 0x49, 0xb9, 0xf5, 0xf9, 0xa1, 0xa6, 0xa0, 0x40, 0x4d, 0xea, 0x36, 0xdc, 0xc9, 0x49, 0x9b, 0xcb,
        0x25, 0xc9, 0xad, 0xc1, 0x12, 0xb7, 0xcc, 0x9a, 0x93, 0xca, 0xe4, 0x1f, 0x32, 0x62,
    ]);
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Bytes as lowercase hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}
