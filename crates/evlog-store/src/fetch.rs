//! Reads the events of one stream from the frames that an index names.
//!
//! An index is derived and not believed: each frame is checked, and the stream's numbers have to be dense over all its
//! parts, so a frame that an index left out, or made up, is found.

use crate::error::{Failure, Refusal, Trouble};
use crate::fs::File;
use crate::sealed::Part;
use crate::segment::{Files, refusal};
use crate::writer::Visit;
use evlog_format::frame::Decoded;
use evlog_format::{CommitReader, Corruption, FRAME_HEADER_LEN, Frame, FrameCodec, Position};
use evlog_verify::Verdict;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How much is read before the length of a frame is known, in bytes.
const GUESS: usize = 4096;
const GUESS_MAX: usize = 256 * 1024;

/// One frame at a time, by place.
#[derive(Debug)]
pub(crate) struct Fetch<'f> {
    files: &'f Files,
    codec: &'f FrameCodec,
    segment: Position,
    file: Arc<dyn File>,
    /// How much the next frame is thought to take.
    guess: usize,
    buf: Vec<u8>,
}

impl<'f> Fetch<'f> {
    /// Opens the segment of a part.
    pub(crate) fn open(files: &'f Files, codec: &'f FrameCodec, part: &Part) -> Result<Fetch<'f>, Failure> {
        let segment = part.segment;
        let path = files.layout.segment(segment);
        let file = files.fs.open_read(&path).map_err(Failure::of("open", &path))?;
        Ok(Fetch { files, codec, segment, file, guess: GUESS, buf: Vec::new() })
    }

    /// The frame at an offset of the segment, which an index says is there.
    pub(crate) fn frame(&mut self, offset: u32) -> Result<Frame<'_>, Trouble> {
        let read = self.read_frame(offset)?;
        self.files.check_listed(self.segment, self.file.as_ref())?;
        match self.codec.decode(self.segment.0 + u64::from(offset), &self.buf[..read]) {
            Decoded::Frame(frame) => Ok(frame),
            Decoded::Corrupt(corruption) => Err(self.damaged(offset, corruption.flaw.to_string())),
            Decoded::Incomplete { .. } => Err(self.damaged(offset, "the end of the file".to_string())),
            Decoded::Empty => Err(self.damaged(offset, "zeros".to_string())),
        }
    }

    /// Reads a frame, as far as it is there; how many bytes that are.
    fn read_frame(&mut self, offset: u32) -> Result<usize, Failure> {
        let position = self.segment.0 + u64::from(offset);
        let (mut read, mut need) = (0, self.guess);
        // The header says how long the frame is, and nothing is checksummed before all of it is there.
        while need > read {
            let had = read;
            read = self.read(offset, had, need)?;
            match self.codec.decode(position, &self.buf[..read.min(FRAME_HEADER_LEN)]) {
                Decoded::Incomplete { need: whole } if read > had => need = whole,
                _ => break,
            }
        }
        // Frames of a stream are often alike: one read does for the next one then.
        self.guess = need.clamp(GUESS, GUESS_MAX);
        Ok(read)
    }

    /// Reads the frame's bytes up to `need`, of which `had` are there; says how many are.
    fn read(&mut self, offset: u32, had: usize, need: usize) -> Result<usize, Failure> {
        // It never shrinks, so that its bytes are not set to zero for each frame.
        if self.buf.len() < need {
            self.buf.resize(need, 0);
        }
        let path = || self.files.layout.segment(self.segment);
        let (rest, at) = (&mut self.buf[had..need], u64::from(offset) + had as u64);
        let read = self.file.read_full_at(rest, at).map_err(|e| Failure::of("read", &path())(e))?;
        Ok(had + read)
    }

    fn damaged(&self, offset: u32, found: String) -> Trouble {
        let position = Position(self.segment.0 + u64::from(offset));
        refusal(Verdict::Damaged, position, &self.files.layout.segment(self.segment), "a commit".to_string(), found)
    }

    fn out_of_order(&self, offset: u32, name: &str, expected: u64, found: &str) -> Trouble {
        let position = Position(self.segment.0 + u64::from(offset));
        let hint = "delete the `.idx` file beside the segment; if that does not help, verify the log".to_string();
        let expected = format!("event {expected} of stream `{name}`");
        let file = self.files.layout.segment(self.segment);
        let (verdict, found) = (Verdict::Damaged, found.to_string());
        Trouble::Refused(Box::new(Refusal { verdict, position, file, expected, found, hint }))
    }
}

/// Visits the events of a stream that its parts hold, from a number on.
pub(crate) fn visit_parts(
    files: &Files,
    codec: &FrameCodec,
    name: &str,
    parts: &[Part],
    from_number: u64,
    visit: &mut Visit<'_>,
) -> Result<(), Trouble> {
    let mut next = parts.first().map_or(0, |part| part.first_number);
    for part in parts {
        let mut fetch = Fetch::open(files, codec, part)?;
        let first = part.frames.first().copied().unwrap_or(0);
        if part.first_number != next {
            return Err(fetch.out_of_order(first, name, next, &format!("event {}", part.first_number)));
        }
        for &offset in &part.frames {
            match visit_frame(&mut fetch, offset, name, next, from_number, visit)? {
                ControlFlow::Break(()) => return Ok(()),
                ControlFlow::Continue(number) => next = number,
            }
        }
        if next != part.end_number() {
            let last = part.frames.last().copied().unwrap_or(0);
            return Err(fetch.out_of_order(last, name, next, "no more of them in the segment"));
        }
        if let Some(end) = part.sealed_end {
            files.check_sealed_len(fetch.file.as_ref(), part.segment, end)?;
        }
    }
    Ok(())
}

/// The same for one frame; gives the number that comes next.
fn visit_frame(
    fetch: &mut Fetch<'_>,
    offset: u32,
    name: &str,
    mut next: u64,
    from_number: u64,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<(), u64>, Trouble> {
    let frame = fetch.frame(offset)?;
    let outcome = (|| {
        let commit = CommitReader::new(frame.body, frame.position + FRAME_HEADER_LEN as u64)?;
        // Rule F-05: the events of a commit happened together or not at all.
        whole(commit.clone())?;
        let (head, mut commit) = (commit.head, commit.only(|stream| stream == name));
        while let Some((seq, event)) = commit.next_event()? {
            if event.number != next {
                return Ok(Err((next, event.number)));
            }
            next += 1;
            if event.number >= from_number && visit(&head, seq, &event).is_break() {
                return Ok(Ok(ControlFlow::Break(())));
            }
        }
        Ok::<_, Corruption>(Ok(ControlFlow::Continue(next)))
    })();
    match outcome {
        Ok(Ok(flow)) => Ok(flow),
        Ok(Err((expected, found))) => Err(fetch.out_of_order(offset, name, expected, &format!("event {found}"))),
        Err(corruption) => Err(fetch.damaged(offset, corruption.to_string())),
    }
}

/// That a commit can be read to its end.
fn whole(mut commit: CommitReader<'_>) -> Result<(), Corruption> {
    while commit.next_event()?.is_some() {}
    Ok(())
}

/// That the last frame of a part holds the last event of the stream that the part speaks of.
pub(crate) fn check_last(files: &Files, codec: &FrameCodec, name: &str, part: &Part) -> Result<(), Trouble> {
    let mut fetch = Fetch::open(files, codec, part)?;
    let offset = part.frames.last().copied().unwrap_or(0);
    let frame = fetch.frame(offset)?;
    let last = (|| {
        let commit = CommitReader::new(frame.body, frame.position + FRAME_HEADER_LEN as u64)?;
        let (mut commit, mut last) = (commit.only(|stream| stream == name), None);
        while let Some((_, event)) = commit.next_event()? {
            last = Some(event.number);
        }
        Ok::<_, Corruption>(last)
    })();
    let expected = part.end_number().saturating_sub(1);
    match last {
        Ok(Some(found)) if found == expected => Ok(()),
        Ok(Some(found)) => Err(fetch.out_of_order(offset, name, expected, &format!("event {found}"))),
        Ok(None) => Err(fetch.out_of_order(offset, name, expected, "none of its events")),
        Err(corruption) => Err(fetch.damaged(offset, corruption.to_string())),
    }
}
