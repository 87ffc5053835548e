//! Reads lines and parses them in a separate thread, so that reading and deciding run in parallel.
//!
//! Invariant: a batch has the lines of one read of the input. So a batch never waits for input that has not arrived,
//! and is never larger than one read and one line.

use evlog::Request;
use evlog_projection::Malformed;
use std::io::{self, Read};
use std::sync::mpsc::SyncSender;
use std::thread::Builder;

/// The longest line, in bytes: the longest commit fits in it.
pub(super) const LINE_LEN_MAX: usize = 16 * 1024 * 1024;
/// The byte order mark that some editors and shells write before the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The most bytes requested from the input at once.
const READ_LEN: usize = 256 * 1024;

/// A line that holds something, and what it says. Lines are counted from 1, blank ones too.
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) command: Result<Request, Malformed>,
}

/// What the deciding thread receives.
pub(super) enum Input {
    /// Lines, and how many bytes of input were read up to here.
    Lines(Vec<Line>, u64),
    /// There are no more lines.
    End,
    /// The input cannot be read any further.
    Failed(io::Error),
    /// This signal asked to stop.
    Stopped(&'static str),
    /// Results cannot be written any more.
    AnswersEnded,
}

/// Starts to read. The thread is never joined: it may be blocked in a read that does not return.
pub(super) fn start(source: Box<dyn Read + Send>, send: SyncSender<Input>) -> io::Result<()> {
    let reading = move || {
        let end = read_all(source, &send);
        // If the receiver is gone, there is nothing left to do.
        let _gone = send.send(end);
    };
    Builder::new().name("evlog-input".into()).spawn(reading).map(drop)
}

fn read_all(mut source: Box<dyn Read + Send>, send: &SyncSender<Input>) -> Input {
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; READ_LEN];
    let mut bytes = 0u64;
    loop {
        let len = match source.read(&mut buffer) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Input::Failed(error),
        };
        bytes += len as u64;
        let mut lines = Vec::new();
        if len == 0 {
            splitter.finish(&mut lines);
        } else {
            splitter.push(&buffer[..len], &mut lines);
        }
        if !lines.is_empty() && send.send(Input::Lines(lines, bytes)).is_err() || len == 0 {
            return Input::End;
        }
    }
}

/// Cuts bytes into lines.
#[derive(Default)]
pub(super) struct Splitter {
    /// The beginning of a line whose end has not been read.
    rest: Vec<u8>,
    /// Length of that line so far, also of what is not kept.
    rest_len: usize,
    /// How many lines have ended.
    lines: u64,
}

impl Splitter {
    /// Adds bytes of the input; gives the lines that they end.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<Line>) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(whole) if self.rest_len == 0 => self.end_line(whole, whole.len(), out),
                Some(end) => {
                    self.keep(end);
                    self.finish(out);
                }
                None => self.keep(part),
            }
        }
    }

    /// Ends the line that has begun, if one has.
    pub(super) fn finish(&mut self, out: &mut Vec<Line>) {
        if self.rest_len > 0 {
            let rest = std::mem::take(&mut self.rest);
            self.end_line(&rest, self.rest_len, out);
            self.rest_len = 0;
        }
    }

    /// Keeps no more of a line than the limit, so that an endless line does not use up memory.
    fn keep(&mut self, part: &[u8]) {
        self.rest_len = self.rest_len.saturating_add(part.len());
        if self.rest_len <= LINE_LEN_MAX {
            self.rest.extend_from_slice(part);
        }
    }

    fn end_line(&mut self, line: &[u8], len: usize, out: &mut Vec<Line>) {
        self.lines += 1;
        let line = line.strip_prefix(BYTE_ORDER_MARK).filter(|_| self.lines == 1).unwrap_or(line);
        let command = if len > LINE_LEN_MAX {
            let message = format!("expected a line of at most {LINE_LEN_MAX} bytes, found {len}");
            Err(Malformed { pointer: String::new(), message })
        } else if line.trim_ascii().is_empty() {
            return;
        } else {
            Request::parse_line(line)
        };
        out.push(Line { number: self.lines, command });
    }
}
