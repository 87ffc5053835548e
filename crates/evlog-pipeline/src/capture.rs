//! The output of a stage on its way to the bundle: secrets are masked, and beyond a limit the middle is left out.
//!
//! Does: take bytes in any pieces, write them to the captured file, and hand on each finished line to the watcher.
//! Does not: read from the process, or know how it ended.
//!
//! Invariants:
//! - Secrets are masked before a byte reaches the file or a line.
//! - The file holds at most as many bytes as the limit, and one more line, which says how many bytes are left out. The
//!   beginning and the end stay, because the end shows why something failed.
//! - All output is taken, even if the file cannot be written: a stage never waits for the file.

use crate::secrets::{Masking, Secrets};
use crate::terminal::plain;
use std::io::{self, Write};

/// How many bytes are kept at most of the end of an output that exceeds its limit. They are held in memory.
const END_LEN_MAX: u64 = 1024 * 1024;

/// The longest line that is handed on, in bytes. Only the beginning of a longer line is handed on.
const LINE_LEN_MAX: usize = 2000;

/// Takes one process's output.
pub(crate) struct Capture<'a> {
    masking: Masking,
    masked: Vec<u8>,
    kept: Kept<'a>,
    lines: Lines<'a>,
}

impl<'a> Capture<'a> {
    /// Writes at most `limit` bytes to `file`, and calls `watch` with each line.
    pub(crate) fn new(
        secrets: &Secrets,
        limit: u64,
        file: &'a mut dyn Write,
        watch: &'a mut dyn FnMut(&str),
    ) -> Capture<'a> {
        let end_max = END_LEN_MAX.min(limit / 2);
        let kept =
            Kept { file, room: limit - end_max, end_max, end: Vec::new(), left_out: 0, last: b'\n', error: None };
        Capture {
            masking: secrets.masking(),
            masked: Vec::new(),
            kept,
            lines: Lines { secrets: secrets.clone(), watch, line: Vec::new() },
        }
    }

    /// Takes a piece of output.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.masked.clear();
        self.masking.push(bytes, &mut self.masked);
        self.hand_on();
    }

    /// Writes what is held back, and returns whether the file ends with a whole line. The error is the first one that the file
    /// caused.
    pub(crate) fn finish(mut self) -> io::Result<bool> {
        self.masked.clear();
        self.masking.finish(&mut self.masked);
        self.hand_on();
        self.lines.end_line();
        self.kept.finish()
    }

    fn hand_on(&mut self) {
        self.kept.take(&self.masked);
        self.lines.take(&self.masked);
    }
}

/// Writes the beginning to the file, and holds the end back.
struct Kept<'a> {
    file: &'a mut dyn Write,
    /// How many more bytes the beginning may have.
    room: u64,
    end_max: u64,
    /// Has at most twice `end_max` bytes, so that they are rarely moved.
    end: Vec<u8>,
    left_out: u64,
    /// The last byte in the file.
    last: u8,
    error: Option<io::Error>,
}

impl Kept<'_> {
    fn take(&mut self, bytes: &[u8]) {
        let fits = usize::try_from(self.room).unwrap_or(usize::MAX).min(bytes.len());
        let (beginning, rest) = bytes.split_at(fits);
        self.room -= fits as u64;
        self.write(beginning);
        self.end.extend_from_slice(rest);
        let end_max = usize::try_from(self.end_max).unwrap_or(usize::MAX);
        if self.end.len() > end_max.saturating_mul(2) {
            self.leave_out(self.end.len() - end_max);
        }
    }

    fn leave_out(&mut self, len: usize) {
        self.left_out += len as u64;
        self.end.drain(..len);
    }

    fn write(&mut self, bytes: &[u8]) {
        let (Some(last), None) = (bytes.last(), &self.error) else { return };
        match self.file.write_all(bytes) {
            Ok(()) => self.last = *last,
            Err(error) => self.error = Some(error),
        }
    }

    fn finish(mut self) -> io::Result<bool> {
        let end_max = usize::try_from(self.end_max).unwrap_or(usize::MAX);
        self.leave_out(self.end.len().saturating_sub(end_max));
        if self.left_out > 0 {
            // The end begins with a whole line, if it has one.
            let first = self.end.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1);
            if first < self.end.len() {
                self.leave_out(first);
            }
            self.end_line();
            let note = format!("evlog: {} bytes of output are left out here\n", self.left_out);
            self.write(note.as_bytes());
        }
        let end = std::mem::take(&mut self.end);
        self.write(&end);
        self.end_line();
        self.error.map_or(Ok(self.last == b'\n'), Err)
    }

    /// A line that evlog itself writes starts on a new line.
    fn end_line(&mut self) {
        if self.last != b'\n' && self.left_out > 0 {
            self.write(b"\n");
        }
    }
}

struct Lines<'a> {
    secrets: Secrets,
    watch: &'a mut dyn FnMut(&str),
    line: Vec<u8>,
}

impl Lines<'_> {
    fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|b| matches!(b, b'\n' | b'\r')) {
            let room = LINE_LEN_MAX.saturating_sub(self.line.len()).min(part.len());
            self.line.extend_from_slice(&part[..room]);
            if matches!(part.last(), Some(b'\n' | b'\r')) {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        // The shown line is searched for secrets once more, because it differs from the text that was masked.
        let line = plain(&String::from_utf8_lossy(&self.line));
        let line = self.secrets.mask(&line);
        self.line.clear();
        if !line.trim().is_empty() {
            (self.watch)(line.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    /// The content of the file, and the lines that were handed on, when the output comes in these pieces.
    fn captured(limit: u64, pieces: &[&str]) -> (String, Vec<String>) {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("log");
        let mut file = File::create(&path).unwrap();
        let mut lines = Vec::new();
        let mut watch = |line: &str| lines.push(line.to_owned());
        let mut capture = Capture::new(&Secrets::default(), limit, &mut file, &mut watch);
        for piece in pieces {
            capture.take(piece.as_bytes());
        }
        capture.finish().unwrap();
        (fs::read_to_string(path).unwrap(), lines)
    }

    #[test]
    fn g41_output_within_the_limit_is_kept_byte_for_byte() {
        for text in ["", "one\ntwo\n", "no line feed at the end", "\n\n", "exactly 20 bytes....."] {
            assert_eq!(captured(text.len() as u64, &[text]).0, text);
            let pieces: Vec<String> = text.chars().map(String::from).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            assert_eq!(captured(text.len() as u64 + 1, &pieces).0, text);
        }
    }

    #[test]
    fn g41_output_beyond_the_limit_loses_whole_lines_of_its_middle_and_says_how_many_bytes() {
        let lines: Vec<String> = (0..100).map(|index| format!("line {index:03}\n")).collect();
        let whole = lines.concat();
        let pieces: Vec<&str> = lines.iter().map(String::as_str).collect();
        for pieces in [pieces.as_slice(), &[&whole]] {
            let (text, reported) = captured(90, pieces);
            let expected = "line 000\nline 001\nline 002\nline 003\nline 004\nevlog: 819 bytes of output are left out \
                            here\nline 096\nline 097\nline 098\nline 099\n";
            assert_eq!(text, expected);
            assert_eq!(reported.len(), 100, "a watcher gets every line");
        }
    }

    #[test]
    fn g41_one_line_that_is_too_long_is_cut_in_its_middle() {
        let (text, reported) = captured(20, &["0123456789".repeat(1000).as_str()]);
        assert_eq!(text, "0123456789\nevlog: 9980 bytes of output are left out here\n0123456789\n");
        assert_eq!(reported[0].len(), LINE_LEN_MAX);
    }

    #[test]
    fn g43_lines_are_reported_when_they_end_and_without_terminal_controls() {
        let (_, reported) =
            captured(1000, &["a", "b\n\nc", "\r50%\r100%\n\u{1b}[1;31mred\u{1b}[0m\ttab\u{7}\u{1b}c!", ""]);
        assert_eq!(reported, ["ab", "c", "50%", "100%", "red tab!"]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error_at_the_end_and_output_is_still_read() {
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join("log"), "").unwrap();
        let mut read_only = File::open(room.path().join("log")).unwrap();
        let mut lines = 0;
        let mut watch = |_: &str| lines += 1;
        let mut capture = Capture::new(&Secrets::default(), 10, &mut read_only, &mut watch);
        (0..10).for_each(|_| capture.take(b"some line\n"));
        assert!(capture.finish().is_err());
        assert_eq!(lines, 10);
    }
}
