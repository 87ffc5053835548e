//! A strict reader of the codec's primitives: the inverse of bincode 2 `standard()`, for the types that bodies use.
//!
//! Stricter than the library: an integer in more bytes than it needs is refused, so that a commit has one encoding.

use crate::error::{Corruption, Flaw};

/// Integers up to this one are their own single byte; the three numbers after it announce 2, 4 and 8 bytes.
const SINGLE_BYTE_MAX: u8 = 250;

/// A place in a body. Each method reads one value and moves on, or says what is wrong and where.
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

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The flaw, at this place.
    pub fn corrupt(&self, flaw: Flaw) -> Corruption {
        Corruption { position: self.position, flaw }
    }

    /// The next `len` bytes.
    pub fn bytes(&mut self, len: usize, of: &'static str) -> Result<&'a [u8], Corruption> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.corrupt(Flaw::Truncated { of }));
        };
        self.rest = rest;
        self.position = self.position.saturating_add(len as u64);
        Ok(head)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self, of: &'static str) -> Result<[u8; N], Corruption> {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes(N, of)?);
        Ok(out)
    }

    /// One byte.
    pub fn u8(&mut self, of: &'static str) -> Result<u8, Corruption> {
        Ok(self.array::<1>(of)?[0])
    }

    /// An unsigned integer: one byte up to 250; or 251, 252, 253 and then 2, 4 or 8 little-endian bytes.
    pub fn varint(&mut self, of: &'static str) -> Result<u64, Corruption> {
        let at = *self;
        let (value, min) = match self.u8(of)? {
            byte @ 0..=SINGLE_BYTE_MAX => return Ok(u64::from(byte)),
            251 => (u64::from(u16::from_le_bytes(self.array(of)?)), u64::from(SINGLE_BYTE_MAX) + 1),
            252 => (u64::from(u32::from_le_bytes(self.array(of)?)), u64::from(u16::MAX) + 1),
            253 => (u64::from_le_bytes(self.array(of)?), u64::from(u32::MAX) + 1),
            tag => return Err(at.corrupt(Flaw::Tag { of, found: u64::from(tag) })),
        };
        if value < min { Err(at.corrupt(Flaw::Overlong)) } else { Ok(value) }
    }

    /// An unsigned integer that is at most `max`.
    pub fn varint_max(&mut self, max: u64, of: &'static str) -> Result<u64, Corruption> {
        let at = *self;
        let found = self.varint(of)?;
        if found > max { Err(at.corrupt(Flaw::Length { of, max, found })) } else { Ok(found) }
    }

    /// A signed integer: zigzag, then as an unsigned one.
    pub fn varint_signed(&mut self, of: &'static str) -> Result<i64, Corruption> {
        let zigzag = self.varint(of)?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// Whether an optional value follows.
    pub fn option(&mut self, of: &'static str) -> Result<bool, Corruption> {
        let at = *self;
        match self.u8(of)? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(at.corrupt(Flaw::Tag { of, found: u64::from(tag) })),
        }
    }

    /// A length of at most `max`, then that many bytes.
    pub fn byte_string(&mut self, max: u64, of: &'static str) -> Result<&'a [u8], Corruption> {
        let len = self.varint_max(max, of)?;
        match usize::try_from(len) {
            Ok(len) => self.bytes(len, of),
            Err(_) => Err(self.corrupt(Flaw::Truncated { of })),
        }
    }

    /// A byte string that is UTF-8 without control characters.
    pub fn text(&mut self, max: u64, of: &'static str) -> Result<&'a str, Corruption> {
        let at = *self;
        let bytes = self.byte_string(max, of)?;
        match core::str::from_utf8(bytes) {
            Ok(text) if !has_control(text) => Ok(text),
            _ => Err(at.corrupt(Flaw::Text { of })),
        }
    }
}

/// Whether the text holds a character of U+0000 to U+001F or U+007F.
pub fn has_control(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_control())
}
