//! A strict reader of the codec's primitives: the inverse of bincode 2 `standard()`, for the types that bodies use.
//!
//! It is stricter than the library: an integer in more bytes than it needs is refused, so that a commit has only one encoding.

use crate::error::{Corruption, Flaw};
use crate::limits::TIME_MAX_NS;

/// The largest integer that is written as its own single byte. The three numbers after it announce 2, 4 and 8 bytes.
const SINGLE_BYTE_MAX: u8 = 250;

/// Announces 16 bytes; allowed only in times.
const SIXTEEN_BYTES: u8 = 254;

/// A place in a body. Each method reads one value and moves on, or returns what is wrong and where.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
    position: u64,
}

impl<'a> Cursor<'a> {
    /// Starts at the first of `bytes`, whose position in the log is `position`.
    pub fn new(bytes: &'a [u8], position: u64) -> Cursor<'a> {
        Cursor { rest: bytes, position }
    }

    /// The number of bytes that are left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The flaw, at this place.
    pub fn corrupt(&self, flaw: Flaw) -> Corruption {
        Corruption { position: self.position, flaw }
    }

    /// The next `len` bytes.
    #[inline]
    pub fn bytes(&mut self, len: usize, of: &'static str) -> Result<&'a [u8], Corruption> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.corrupt(Flaw::Truncated { of }));
        };
        self.rest = rest;
        self.position = self.position.saturating_add(len as u64);
        Ok(head)
    }

    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self, of: &'static str) -> Result<[u8; N], Corruption> {
        let Some((head, rest)) = self.rest.split_first_chunk() else {
            return Err(self.corrupt(Flaw::Truncated { of }));
        };
        self.rest = rest;
        self.position = self.position.saturating_add(N as u64);
        Ok(*head)
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self, of: &'static str) -> Result<u8, Corruption> {
        let Some((head, rest)) = self.rest.split_first() else {
            return Err(self.corrupt(Flaw::Truncated { of }));
        };
        self.rest = rest;
        self.position = self.position.saturating_add(1);
        Ok(*head)
    }

    /// An unsigned integer: one byte up to 250; or 251, 252, 253 and then 2, 4 or 8 little-endian bytes.
    #[inline]
    pub fn varint(&mut self, of: &'static str) -> Result<u64, Corruption> {
        let at = *self;
        let (value, min) = match self.u8(of)? {
            byte @ 0..=SINGLE_BYTE_MAX => return Ok(u64::from(byte)),
            251 => (u64::from(u16::from_le_bytes(self.array(of)?)), u64::from(SINGLE_BYTE_MAX) + 1),
            252 => (u64::from(u32::from_le_bytes(self.array(of)?)), u64::from(u16::MAX) + 1),
            253 => (u64::from_le_bytes(self.array(of)?), u64::from(u32::MAX) + 1),
            found => return Err(at.corrupt(Flaw::Width { of, found })),
        };
        if value < min { Err(at.corrupt(Flaw::Overlong)) } else { Ok(value) }
    }

    /// An unsigned integer that must be at most `max`.
    #[inline]
    pub fn varint_max(&mut self, max: u64, of: &'static str) -> Result<u64, Corruption> {
        let at = *self;
        let found = self.varint(of)?;
        if found > max { Err(at.corrupt(Flaw::Length { of, max, found })) } else { Ok(found) }
    }

    /// A signed integer: zigzag, then like an unsigned one.
    #[inline]
    pub fn varint_signed(&mut self, of: &'static str) -> Result<i64, Corruption> {
        let zigzag = self.varint(of)?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// A time in Unix nanoseconds: a signed integer, but of up to 16 bytes, within the years 1970 to 9999.
    #[inline]
    pub fn time(&mut self, of: &'static str) -> Result<i128, Corruption> {
        let at = *self;
        let found = if let Some((&SIXTEEN_BYTES, _)) = self.rest.split_first() {
            self.u8(of)?;
            let zigzag = u128::from_le_bytes(self.array(of)?);
            if zigzag <= u128::from(u64::MAX) {
                return Err(at.corrupt(Flaw::Overlong));
            }
            (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed()
        } else {
            i128::from(self.varint_signed(of)?)
        };
        check_time(of, found).map_err(|flaw| at.corrupt(flaw))
    }

    /// Whether an optional value follows.
    #[inline]
    pub fn option(&mut self, of: &'static str) -> Result<bool, Corruption> {
        let at = *self;
        match self.u8(of)? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(at.corrupt(Flaw::Tag { of, found: u64::from(tag) })),
        }
    }

    /// A length of at most `max`, then that many bytes.
    #[inline]
    pub fn byte_string(&mut self, max: u64, of: &'static str) -> Result<&'a [u8], Corruption> {
        let len = self.varint_max(max, of)?;
        match usize::try_from(len) {
            Ok(len) => self.bytes(len, of),
            Err(_) => Err(self.corrupt(Flaw::Truncated { of })),
        }
    }

    /// A cursor into a byte string of at most `max` bytes. This cursor moves after that string.
    #[inline]
    pub fn within(&mut self, max: u64, of: &'static str) -> Result<Cursor<'a>, Corruption> {
        let bytes = self.byte_string(max, of)?;
        Ok(Cursor { rest: bytes, position: self.position.saturating_sub(bytes.len() as u64) })
    }

    /// All bytes that are left.
    #[inline]
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// A byte string that is UTF-8 without control characters.
    #[inline]
    pub fn text(&mut self, max: u64, of: &'static str) -> Result<&'a str, Corruption> {
        let at = *self;
        let bytes = self.byte_string(max, of)?;
        match core::str::from_utf8(bytes) {
            Ok(text) if !has_control(text) => Ok(text),
            _ => Err(at.corrupt(Flaw::Text { of })),
        }
    }
}

/// Checks that a log may hold the time, and returns it.
#[inline]
pub(crate) fn check_time(of: &'static str, found: i128) -> Result<i128, Flaw> {
    if (0..=TIME_MAX_NS).contains(&found) { Ok(found) } else { Err(Flaw::Time { of, found }) }
}

/// Whether the text holds a character of U+0000 to U+001F or U+007F.
#[inline]
pub fn has_control(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (words, rest) = bytes.as_chunks::<8>();
    // The last eight bytes, which may overlap those before. If there are fewer than eight, one by one.
    let in_rest = match bytes.last_chunk::<8>() {
        Some(last) => !rest.is_empty() && word_has_control(*last),
        None => rest.iter().any(u8::is_ascii_control),
    };
    in_rest || words.iter().any(|word| word_has_control(*word))
}

/// Checks eight bytes at once. In the subtraction, a byte that is smaller than the number subtracted borrows, which sets its
/// highest bit.
#[inline]
fn word_has_control(word: [u8; 8]) -> bool {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = EACH << 7;
    let word = u64::from_le_bytes(word);
    let has_less = |word: u64, than: u64| word.wrapping_sub(EACH * than) & !word & HIGHEST != 0;
    has_less(word, 0x20) || has_less(word ^ (EACH * 0x7f), 1)
}
