//! Text that anyone can read and compare: UTF-8 without a byte order mark, lines that end with a line feed (pipeline.md
//! 4.6, `text_document_v1`).
//!
//! Does: find every line that breaks this form. Does not: know what the text says.
//!
//! Invariants:
//! - A file of any length, and a line of any length, takes the memory of one piece.
//! - A line has one finding at most: the first one in it. A byte order mark comes before all others.

use super::Findings;
use evlog_lifecycle::pipeline::report::Finding;
use std::io::{self, Read};

/// How much is read at a time, in bytes.
const PIECE_LEN: usize = 1 << 16;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn check(file: impl Read, findings: &mut Findings) -> io::Result<()> {
    in_pieces(file, PIECE_LEN, findings)
}

/// A piece is at least as long as a character.
fn in_pieces(mut file: impl Read, piece_len: usize, findings: &mut Findings) -> io::Result<()> {
    let mut place = Place { line: 1, column: 1, is_blamed: false };
    let mut piece = Vec::with_capacity(piece_len);
    let mut is_first = true;
    while !findings.are_enough() {
        let room = piece_len - piece.len();
        let read = file.by_ref().take(room as u64).read_to_end(&mut piece)?;
        if is_first && piece.starts_with(BYTE_ORDER_MARK) {
            let message = "expected text without a byte order mark; leave out the first three bytes";
            place.blame("text_byte_order_mark", message, findings);
        }
        is_first = false;
        let end = if read < room { End::OfFile } else { End::OfPiece };
        let unfinished = place.go_through(&piece, end, findings);
        if end == End::OfFile {
            break;
        }
        piece.drain(..piece.len() - unfinished);
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    OfPiece,
    OfFile,
}

/// The place of the next byte, as line and column from 1, and whether its line has a finding already.
struct Place {
    line: u64,
    column: u64,
    is_blamed: bool,
}

impl Place {
    /// Returns how many bytes at the end of the piece are the beginning of a character that the next piece may finish.
    fn go_through(&mut self, piece: &[u8], end: End, findings: &mut Findings) -> usize {
        let mut rest = piece.len();
        for chunk in piece.utf8_chunks() {
            for byte in chunk.valid().bytes() {
                self.pass(byte, findings);
            }
            let other = chunk.invalid();
            rest -= chunk.valid().len() + other.len();
            if other.is_empty() {
                continue;
            }
            let is_unfinished = str::from_utf8(other).is_err_and(|error| error.error_len().is_none());
            if is_unfinished && rest == 0 && end == End::OfPiece {
                return other.len();
            }
            let message = format!("expected UTF-8, found other bytes at column {}", self.column);
            self.blame("text_not_utf8", &message, findings);
            self.column += other.len() as u64;
        }
        0
    }

    fn pass(&mut self, byte: u8, findings: &mut Findings) {
        match byte {
            b'\n' => *self = Place { line: self.line + 1, column: 1, is_blamed: false },
            b'\r' => {
                let message = format!(
                    "expected lines that end with a line feed alone, found a carriage return at column {}",
                    self.column
                );
                self.blame("text_carriage_return", &message, findings);
                self.column += 1;
            }
            _ => self.column += 1,
        }
    }

    fn blame(&mut self, code: &str, message: &str, findings: &mut Findings) {
        if !self.is_blamed {
            findings.add(Finding::coded(code, message).on_line(self.line));
            self.is_blamed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines, and how the finding on each begins.
    type Expected<'e> = &'e [(u64, &'e str)];

    /// Line and code of each finding, however the text is cut into pieces.
    fn found(text: &[u8]) -> Vec<(u64, String)> {
        let in_pieces_of = |len: usize| {
            let mut findings = Findings::new();
            in_pieces(text, len, &mut findings).unwrap();
            let found = findings.kept.into_values().map(|found| (found.line_number.unwrap(), found));
            found.map(|(line, found)| (line, found.error_code.unwrap() + ": " + &found.message)).collect()
        };
        let whole: Vec<(u64, String)> = in_pieces_of(PIECE_LEN);
        for len in 4..12 {
            assert_eq!(in_pieces_of(len), whole, "{len} of {text:?}");
        }
        whole
    }

    #[test]
    fn g17_text_is_utf8_with_line_feeds_and_may_end_without_one() {
        for text in ["", "\n", "a", "a\nb", "a\n\n\u{e9}\u{20ac}\u{1f980}\n", "a\u{feff}b\n", "\ttab\u{0}\n"] {
            assert_eq!(found(text.as_bytes()), [], "{text:?}");
        }
    }

    #[test]
    fn g17_each_line_that_is_not_is_one_finding_with_its_number() {
        let carriage =
            "text_carriage_return: expected lines that end with a line feed alone, found a carriage return at";
        let other = "text_not_utf8: expected UTF-8, found other bytes at";
        let mark = "text_byte_order_mark: expected text without a byte order mark";
        let cases: [(&[u8], Expected<'_>); 9] = [
            (b"\xef\xbb\xbf", &[(1, mark)]),
            (b"\xef\xbb\xbfa\r\nb\r\n", &[(1, mark), (2, carriage)]),
            (b"a\r\nb\nc\rd\r\n", &[(1, carriage), (3, carriage)]),
            (b"a\n\xc3\xa9\xff\r\n", &[(2, other)]),
            (b"\r\xff", &[(1, carriage)]),
            // Unfinished characters: before another, before the end of a line, at the end.
            (b"\xe2\x82a\xe2\x82\n\xe2\x82", &[(1, other), (2, other)]),
            // UTF-16, a surrogate, an overlong form.
            (b"\xff\xfea\x00\n\x00", &[(1, other)]),
            (b"ok\n\xed\xa0\x80\n", &[(2, other)]),
            (b"\xc0\xaf", &[(1, other)]),
        ];
        for (text, expected) in cases {
            let found = found(text);
            assert_eq!(found.len(), expected.len(), "{text:?}: {found:?}");
            for ((line, message), (expected_line, expected)) in found.iter().zip(expected) {
                assert!(line == expected_line && message.starts_with(expected), "{text:?}: {found:?}");
            }
        }
        assert!(found("\u{e9}\r".as_bytes())[0].1.ends_with("at column 3"), "columns count bytes");
        assert!(found(b"abc\xff")[0].1.ends_with("at column 4"));
    }

    #[test]
    fn reading_stops_at_one_finding_more_than_a_report_holds() {
        let text = "\r\n".repeat(100_000);
        let found = found(text.as_bytes());
        assert_eq!((found.len(), found[50].0), (Findings::MAX, 51));
    }
}
