//! Goes from frame to frame through one segment file, with one buffer.
//!
//! Does: read in chunks, find where frames end and why they end, look for frames after a failing one. Does not: look into
//! commits, or decide what a failing frame means.
//!
//! Invariants: the memory used is bounded by one chunk or one frame, whichever is longer. Nothing at or beyond `limit` is
//! read.

use crate::fs::File;
use crate::recovery::Stop;
use evlog_format::frame::Decoded;
use evlog_format::limits::FRAME_BODY_LEN_MAX;
use evlog_format::{FRAME_HEADER_LEN, Frame, FrameCodec};
use std::io;
use std::sync::Arc;

/// How much is read at once, in bytes.
const CHUNK: usize = 1024 * 1024;

/// How many bytes of candidate bodies the search for a later frame may checksum. Without this limit, bytes that look
/// like frame headers at every place could cost time that grows with the square of the segment's length.
pub(crate) const SEARCH_BUDGET: u64 = 4 << 30;

/// A place in a segment and the frames from there on.
#[derive(Debug)]
pub(crate) struct Walk {
    file: Arc<dyn File>,
    codec: FrameCodec,
    /// Position of the file's first byte.
    base: u64,
    /// Offset in the file at which the walk ends.
    limit: u64,
    /// Offset of the next frame.
    offset: u64,
    buf: Vec<u8>,
    buf_at: u64,
    filled: usize,
}

/// A frame in the walk's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameAt {
    /// Offset of its first byte in the file.
    pub(crate) offset: u64,
    /// Its length, header included.
    pub(crate) len: usize,
    /// Its durable-before.
    pub(crate) durable_before: u64,
}

/// The result of a step of the walk.
#[derive(Debug)]
pub(crate) enum Walked {
    /// A frame.
    Frame(FrameAt),
    /// No frame: why, and in words what was expected and found.
    Stopped(Stop, String),
}

impl Walk {
    /// Begins at `offset` of a file whose first byte has position `base`; `limit` bytes of it count.
    pub(crate) fn new(file: Arc<dyn File>, codec: FrameCodec, base: u64, offset: u64, limit: u64) -> Walk {
        Walk { file, codec, base, limit, offset, buf: Vec::new(), buf_at: 0, filled: 0 }
    }

    /// Offset of the next frame, or of the stop.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The file that it goes through.
    pub(crate) fn file(&self) -> &dyn File {
        self.file.as_ref()
    }

    /// Where the buffer's contents end in the file. The value differs between one filling of the buffer and the next.
    pub(crate) fn filled_to(&self) -> u64 {
        self.buf_at + self.filled as u64
    }

    /// Bytes from `at` on: at least `need`, unless the file ends before.
    pub(crate) fn bytes(&mut self, at: u64, need: usize) -> io::Result<&[u8]> {
        let end = self.buf_at + self.filled as u64;
        if at < self.buf_at || at + need as u64 > end {
            self.fill(at, need)?;
        }
        Ok(&self.buf[self.index(at)..self.filled])
    }

    fn index(&self, at: u64) -> usize {
        usize::try_from(at - self.buf_at).unwrap_or(usize::MAX).min(self.filled)
    }

    fn fill(&mut self, at: u64, need: usize) -> io::Result<()> {
        let end = self.buf_at + self.filled as u64;
        let kept = if (self.buf_at..=end).contains(&at) {
            let from = self.index(at);
            self.buf.copy_within(from..self.filled, 0);
            self.filled - from
        } else {
            0
        };
        let available = usize::try_from(self.limit.saturating_sub(at)).unwrap_or(usize::MAX);
        let want = available.min(need.max(CHUNK)).max(kept);
        if self.buf.len() < want {
            self.buf.resize(want, 0);
        }
        (self.buf_at, self.filled) = (at, kept);
        self.filled += self.file.read_full_at(&mut self.buf[kept..want], at + kept as u64)?;
        Ok(())
    }

    /// The next frame, or why there is none.
    pub(crate) fn next(&mut self) -> io::Result<Walked> {
        let mut need = FRAME_HEADER_LEN;
        loop {
            let (offset, position) = (self.offset, self.base + self.offset);
            let codec = self.codec.clone();
            let bytes = self.bytes(offset, need)?;
            let found = bytes.len();
            return match codec.decode(position, bytes) {
                Decoded::Frame(frame) => {
                    let at = FrameAt { offset, len: frame.len(), durable_before: frame.durable_before };
                    self.offset += at.len as u64;
                    Ok(Walked::Frame(at))
                }
                Decoded::Incomplete { need: more } if more > need && found >= need => {
                    need = more;
                    continue;
                }
                Decoded::Incomplete { .. } if found == 0 => Ok(Walked::Stopped(Stop::End, "end of the file".into())),
                Decoded::Incomplete { need } => self.rest(Stop::Incomplete, need, found),
                Decoded::Empty => self.rest(Stop::Gap, FRAME_HEADER_LEN, found),
                Decoded::Corrupt(corruption) => Ok(Walked::Stopped(Stop::Corrupt, corruption.flaw.to_string())),
            };
        }
    }

    /// Why the walk stops at a frame that does not end, or at a length of zero: either only zeros follow, or other bytes.
    fn rest(&mut self, stop: Stop, need: usize, found: usize) -> io::Result<Walked> {
        let reason = match (self.rest_is_zero()?, stop) {
            (true, _) => return Ok(Walked::Stopped(Stop::Zeros, "only zeros up to the end of the file".into())),
            (false, Stop::Gap) => "a length of zero, and other bytes after it".into(),
            (false, _) => format!("frame of {need} bytes, of which {found} are there"),
        };
        Ok(Walked::Stopped(stop, reason))
    }

    fn rest_is_zero(&mut self) -> io::Result<bool> {
        let mut at = self.offset;
        loop {
            let bytes = self.bytes(at, 1)?;
            if bytes.is_empty() {
                return Ok(true);
            }
            if bytes.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += bytes.len() as u64;
        }
    }

    /// The frame that [`next`](Self::next) returned last.
    pub(crate) fn frame(&self, at: FrameAt) -> Frame<'_> {
        let bytes = self.raw(at);
        Frame {
            position: self.base + at.offset,
            durable_before: at.durable_before,
            body: bytes.get(FRAME_HEADER_LEN..).unwrap_or_default(),
        }
    }

    /// Its bytes, header included.
    pub(crate) fn raw(&self, at: FrameAt) -> &[u8] {
        let from = self.index(at.offset);
        self.buf.get(from..from + at.len).unwrap_or_default()
    }

    /// The largest durable-before of all valid frames after the stop, wherever they begin; `None` if there is no such
    /// frame. Durable-before never falls, so no value below `durable_min` counts.
    pub(crate) fn search(&mut self, durable_min: u64) -> io::Result<Option<u64>> {
        let (mut at, mut budget, mut largest) = (self.offset + 1, SEARCH_BUDGET, None);
        while let Some(head) = self.bytes(at, FRAME_HEADER_LEN)?.first_chunk::<FRAME_HEADER_LEN>() {
            let (len, durable) = candidate(head);
            let plausible = len > 0
                && len <= FRAME_BODY_LEN_MAX
                && u64::from(len) <= budget
                && (largest.unwrap_or(durable_min)..=self.base + at).contains(&durable);
            if !plausible {
                at += 1;
                continue;
            }
            let (codec, position) = (self.codec.clone(), self.base + at);
            match codec.decode(position, self.bytes(at, FRAME_HEADER_LEN + len as usize)?) {
                Decoded::Frame(frame) => {
                    largest = Some(frame.durable_before);
                    at += frame.len() as u64;
                }
                Decoded::Corrupt(_) => {
                    budget -= u64::from(len);
                    at += 1;
                }
                Decoded::Incomplete { .. } | Decoded::Empty => at += 1,
            }
        }
        Ok(largest)
    }
}

/// Length and durable-before that a frame header at this place would state.
pub(crate) fn candidate(head: &[u8; FRAME_HEADER_LEN]) -> (u32, u64) {
    let (mut len, mut durable) = ([0u8; 4], [0u8; 8]);
    len.copy_from_slice(&head[..4]);
    durable.copy_from_slice(&head[8..]);
    (u32::from_le_bytes(len), u64::from_le_bytes(durable))
}
