//! The readings of bytes: with escape codes left out; with the escapes of JSON, of URLs and of JSON pointers undone; as
//! base64; and as hexadecimal text. A secret is looked for in each reading, and masked at its place in the original bytes.
//!
//! Does not: search for secrets; `masking.rs` does.
//!
//! Invariants:
//! - For every byte of a reading, it is known from which bytes it was read.
//! - Bytes whose reading could change when more bytes come are not read yet. The reading says where they begin.
//! - Other bytes between the characters of a base64 or hexadecimal text are left out, at most [`GAP_MAX`] bytes at once.

use crate::terminal::{Shown, shown};
use std::ops::Range;

/// The longest white space within encoded text, in bytes: a line break with an indentation.
const GAP_MAX: usize = 256;

/// Marks where encoded text is interrupted. No value of an environment holds this byte.
const BREAK: u8 = 0;

/// One reading of some bytes.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    bytes: Vec<u8>,
    /// For every byte, the range of the source that it was read from; `None` if the bytes are read as they are.
    places: Option<Vec<(u32, u32)>>,
    /// The place from which on the source could not be read yet.
    open: usize,
}

impl Reading {
    /// The bytes as they are.
    pub(super) fn of(source: &[u8]) -> Reading {
        Reading { bytes: source.to_vec(), places: None, open: source.len() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// The place in the source where a byte was read.
    fn place(&self, at: usize) -> Range<usize> {
        match &self.places {
            Some(places) => places[at].0 as usize..places[at].1 as usize,
            None => at..at + 1,
        }
    }

    /// The place in the source where some bytes were read. There must be at least one byte.
    pub(super) fn places(&self, bytes: Range<usize>) -> Range<usize> {
        self.place(bytes.start).start..self.place(bytes.end - 1).end
    }

    /// The nearest place of the source that is not within something that was read as one character.
    pub(super) fn boundary(&self, at: usize) -> usize {
        let Some(places) = &self.places else { return at };
        let after = places.partition_point(|(_, to)| (*to as usize) <= at);
        places.get(after).map_or(at, |(from, _)| at.min(*from as usize))
    }

    /// The source as a terminal shows it.
    pub(super) fn shown(&self) -> Option<Reading> {
        let hides = |byte: &u8| (*byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || matches!(byte, 0x7f | 0xc2);
        self.undo(hides, |rest, out| match shown(rest) {
            Shown::Byte => Some(out.keep(1)),
            Shown::Hidden(len) => Some(len),
            Shown::Open => None,
        })
    }

    /// Without tabs and carriage returns: a terminal may show the text on both sides of them without a gap.
    pub(super) fn tight(&self) -> Option<Reading> {
        let hides = |byte: &u8| matches!(byte, b'\t' | b'\r');
        self.undo(hides, |rest, out| Some(if hides(&rest[0]) { 1 } else { out.keep(1) }))
    }

    /// With the escapes of JSON texts undone. These include the escapes of most programming languages.
    pub(super) fn json(&self) -> Option<Reading> {
        self.unescaped(|byte, out| out.put(&[byte], 4))
    }

    /// Like [`json`](Self::json), but `\xHH` means a character and not a byte. `None` if this makes no difference.
    pub(super) fn json_by_characters(&self) -> Option<Reading> {
        let is_one = |four: &[u8]| four.starts_with(b"\\x") && four[2..].iter().all(u8::is_ascii_hexdigit);
        let differs = |four: &[u8]| is_one(four) && four[2] >= b'8';
        if !self.bytes.windows(4).any(differs) {
            return None;
        }
        self.unescaped(|byte, out| out.put(char::from(byte).encode_utf8(&mut [0; 2]).as_bytes(), 4))
    }

    fn unescaped(&self, by_number: impl Fn(u8, &mut Out<'_>) -> usize) -> Option<Reading> {
        self.undo(
            |byte| *byte == b'\\',
            |rest, out| match rest {
                [b'\\', b'u', ..] => unicode(rest, out),
                [b'\\', b'x', high, low, ..] => match byte_of(*high, *low) {
                    Some(byte) => Some(by_number(byte, out)),
                    None => Some(out.keep(1)),
                },
                [b'\\', b'x', ..] | [b'\\'] => None,
                [b'\\', escaped, ..] => {
                    let byte = match escaped {
                        b'n' => b'\n',
                        b't' => b'\t',
                        b'r' => b'\r',
                        b'b' => 8,
                        b'f' => 12,
                        b'"' | b'\\' | b'/' | b'\'' => *escaped,
                        _ => return Some(out.keep(1)),
                    };
                    Some(out.put(&[byte], 2))
                }
                _ => Some(out.keep(1)),
            },
        )
    }

    /// With the escapes of URLs undone, for any escaped character.
    pub(super) fn percent(&self) -> Option<Reading> {
        self.undo(|byte| *byte == b'%', percent)
    }

    /// Like [`percent`](Self::percent), for a form, in which a plus is a space.
    pub(super) fn form(&self) -> Option<Reading> {
        self.undo(
            |byte| *byte == b'+',
            |rest, out| if rest[0] == b'+' { Some(out.put(b" ", 1)) } else { percent(rest, out) },
        )
    }

    /// With the escapes of JSON pointers undone.
    pub(super) fn pointer(&self) -> Option<Reading> {
        self.undo(
            |byte| *byte == b'~',
            |rest, out| match rest {
                [b'~'] => None,
                [b'~', b'0', ..] => Some(out.put(b"~", 2)),
                [b'~', b'1', ..] => Some(out.put(b"/", 2)),
                _ => Some(out.keep(1)),
            },
        )
    }

    /// Read as base64 text. Other alphabets are translated to the standard one.
    pub(super) fn base64(&self) -> Reading {
        self.packed(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => Some(byte),
            b'-' => Some(b'+'),
            b'_' => Some(b'/'),
            _ => None,
        })
    }

    /// Read as hexadecimal text, in small digits.
    pub(super) fn hexadecimal(&self) -> Reading {
        self.packed(|byte| byte.is_ascii_hexdigit().then(|| byte.to_ascii_lowercase()))
    }

    /// Undoes escapes if there are any. `read` takes one character or escape from the beginning of the remaining bytes, and
    /// returns how many bytes it took; `None` if more bytes have to come first.
    fn undo(
        &self,
        is_escape: impl Fn(&u8) -> bool,
        read: impl Fn(&[u8], &mut Out<'_>) -> Option<usize>,
    ) -> Option<Reading> {
        if !self.bytes.iter().any(is_escape) {
            return None;
        }
        let (mut bytes, mut places, mut at) = (Vec::with_capacity(self.bytes.len()), Vec::new(), 0);
        let mut open = self.open;
        while at < self.bytes.len() {
            let rest = &self.bytes[at..];
            let Some(len) = read(rest, &mut Out { source: self, at, bytes: &mut bytes, places: &mut places }) else {
                open = self.place(at).start;
                break;
            };
            at += len;
        }
        Some(Reading { bytes, places: Some(places), open })
    }

    fn packed(&self, digit: impl Fn(u8) -> Option<u8>) -> Reading {
        let (mut bytes, mut places) = (Vec::with_capacity(self.bytes.len()), Vec::with_capacity(self.bytes.len()));
        let mut gap = 0;
        for (at, byte) in self.bytes.iter().enumerate() {
            let is_gap = matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b':') && gap < GAP_MAX;
            gap = if is_gap { gap + 1 } else { 0 };
            if !is_gap {
                bytes.push(digit(*byte).unwrap_or(BREAK));
                let place = self.place(at);
                places.push(spot(&place));
            }
        }
        Reading { bytes, places: Some(places), open: self.open }
    }
}

/// Places in the form in which they are kept. What is read at once is far shorter than 4 GiB. Larger places would only mask
/// more.
fn spot(place: &Range<usize>) -> (u32, u32) {
    let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    (short(place.start), short(place.end))
}

/// The reading that is being made.
struct Out<'r> {
    source: &'r Reading,
    at: usize,
    bytes: &'r mut Vec<u8>,
    places: &'r mut Vec<(u32, u32)>,
}

impl Out<'_> {
    /// Takes some bytes as they are.
    fn keep(&mut self, len: usize) -> usize {
        for at in self.at..self.at + len {
            self.bytes.push(self.source.bytes[at]);
            self.places.push(spot(&self.source.place(at)));
        }
        len
    }

    /// Puts the decoded form of some bytes.
    fn put(&mut self, read: &[u8], len: usize) -> usize {
        let place = spot(&self.source.places(self.at..self.at + len));
        for byte in read {
            self.bytes.push(*byte);
            self.places.push(place);
        }
        len
    }
}

fn percent(rest: &[u8], out: &mut Out<'_>) -> Option<usize> {
    match rest {
        [b'%', high, low, ..] => match byte_of(*high, *low) {
            Some(byte) => Some(out.put(&[byte], 3)),
            None => Some(out.keep(1)),
        },
        [b'%', high] if !high.is_ascii_hexdigit() => Some(out.keep(1)),
        [b'%', ..] => None,
        _ => Some(out.keep(1)),
    }
}

fn byte_of(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// `\u` and four hex digits, or two such escapes for one character.
fn unicode(rest: &[u8], out: &mut Out<'_>) -> Option<usize> {
    let unit = |rest: &[u8]| match rest {
        [b'\\', b'u', a, b, c, d, ..] => {
            let (high, low) = (byte_of(*a, *b)?, byte_of(*c, *d)?);
            Some(u32::from(high) << 8 | u32::from(low))
        }
        _ => None,
    };
    // Whether the bytes are the beginning of such an escape.
    let is_begun = |rest: &[u8]| {
        rest.len() < 6
            && rest.iter().skip(2).all(u8::is_ascii_hexdigit)
            && b"\\u".starts_with(&rest[..rest.len().min(2)])
    };
    let Some(first) = unit(rest) else { return if is_begun(rest) { None } else { Some(out.keep(1)) } };
    let mut len = 6;
    let scalar = match first {
        0xd800..=0xdbff => match unit(&rest[6..]) {
            Some(second @ 0xdc00..=0xdfff) => {
                len = 12;
                char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
            }
            None if is_begun(&rest[6..]) => return None,
            _ => None,
        },
        first => char::from_u32(first),
    };
    match scalar {
        Some(scalar) => Some(out.put(scalar.encode_utf8(&mut [0; 4]).as_bytes(), len)),
        None => Some(out.keep(6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reading: Option<Reading>) -> String {
        reading.map_or_else(|| "-".to_owned(), |reading| String::from_utf8_lossy(reading.bytes()).into_owned())
    }

    #[test]
    fn escapes_are_undone_and_other_text_stays() {
        let of = |text: &str| Reading::of(text.as_bytes());
        assert_eq!(read(of("a\\u00e4\\/\\\"\\\\n\\x41\\ud83d\\ude00\\q").json()), "a\u{e4}/\"\\nA\u{1f600}\\q");
        assert_eq!(read(of("\\ud83dx\\u12").json()), "\\ud83dx");
        assert_eq!(read(of("%2f%2F+%zz%4").percent()), "//+%zz");
        assert_eq!(read(of("a+b%20c").form()), "a b c");
        assert_eq!(read(of("a~1b~0c~2").pointer()), "a/b~c~2");
        assert_eq!(read(of("a\u{1b}[1mb").shown()), "ab");
        assert_eq!(read(of("nothing of it").json()), "-");
    }

    #[test]
    fn encoded_text_is_read_over_line_breaks_and_not_over_anything_else() {
        let of = |text: &str| Reading::of(text.as_bytes());
        assert_eq!(of("QU-_\r\n JD=x").base64().bytes(), b"QU+/JD\0x");
        assert_eq!(of("4A:4b\n4C.").hexadecimal().bytes(), b"4a4b4c\0");
        let far = format!("4a{}4b", " ".repeat(GAP_MAX + 1));
        assert_eq!(of(&far).hexadecimal().bytes(), b"4a\x004b");
    }

    #[test]
    fn every_byte_knows_where_it_was_read() {
        let inner = Reading::of(b"x\\u0025\\u0034\\u0031y").json().unwrap();
        let outer = inner.percent().unwrap();
        assert_eq!(outer.bytes(), b"xAy");
        assert_eq!((outer.places(1..2), outer.places(0..3)), (1..19, 0..20));
        assert_eq!((outer.boundary(0), outer.boundary(5), outer.boundary(19)), (0, 1, 19));
        let open = Reading::of(b"ab\\u00").json().unwrap();
        assert_eq!((open.bytes(), open.open()), (&b"ab"[..], 2));
    }
}
