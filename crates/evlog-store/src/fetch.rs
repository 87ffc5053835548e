//! Reads the events of one stream from the frames that an index names.
//!
//! An index is derived and therefore checked: each frame is checked, and the stream's numbers must be dense over all its parts.
//! So a frame that an index left out or invented is detected.

mod ahead;

use crate::error::{Failure, ReadError, Refusal, Trouble};
use crate::fs::File;
use crate::segment::{Files, refusal};
use crate::streams::Part;
use ahead::Helper;
use evlog_format::frame::Decoded;
use evlog_format::{CommitHead, CommitReader, Corruption, Event, FRAME_HEADER_LEN, Frame, FrameCodec, Position, Seq};
use evlog_verify::Verdict;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How much is read before the length of a frame is known, in bytes.
const GUESS: usize = 4096;
const GUESS_MAX: usize = 256 * 1024;
/// From about this many bytes on, a second thread helps with reading. Reading fewer takes less time than starting a thread
/// (hundredths of a millisecond).
const HELP_FROM: usize = 4 * 1024 * 1024;

/// The head of a commit, and some of its events, with their seqs.
type Events<'a> = (CommitHead<'a>, Vec<(Seq, Event<'a>)>);

/// Called for each event of a stream, in order. It can end the visit, and it can fail.
pub type Visit<'v, E> = dyn FnMut(&CommitHead<'_>, Seq, &Event<'_>) -> Result<ControlFlow<()>, E> + 'v;

/// Like [`Visit`], but it cannot fail.
pub(crate) type Ending<'v> = dyn FnMut(&CommitHead<'_>, Seq, &Event<'_>) -> ControlFlow<()> + 'v;

/// Runs a visit that can fail where a visit that can only end is expected. If the visit and the reading both fail, the visit's
/// error is returned.
pub(crate) fn failing<T, E: From<ReadError>>(
    visit: &mut Visit<'_, E>,
    run: impl FnOnce(&mut Ending<'_>) -> Result<T, ReadError>,
) -> Result<T, E> {
    let mut failed = None;
    let done = run(&mut |head, seq, event| match visit(head, seq, event) {
        Ok(flow) => flow,
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    });
    failed.map_or(Ok(()), Err)?;
    Ok(done?)
}

/// Reads one frame at a time, by its place.
#[derive(Debug)]
pub(crate) struct Fetch<'f> {
    files: &'f Files,
    codec: &'f FrameCodec,
    segment: Position,
    /// `None` only while it is closed and the next one is not open yet.
    file: Option<Arc<dyn File>>,
    /// The expected length of the next frame, in bytes.
    guess: usize,
    buf: Vec<u8>,
}

impl<'f> Fetch<'f> {
    /// Opens the segment of a part.
    pub(crate) fn open(files: &'f Files, codec: &'f FrameCodec, part: &Part) -> Result<Fetch<'f>, Failure> {
        let (segment, file) = (part.segment, Some(open(files, part.segment)?));
        Ok(Fetch { files, codec, segment, file, guess: GUESS, buf: Vec::new() })
    }

    /// Goes on in the segment of another part. One file is open at a time.
    fn enter(&mut self, part: &Part) -> Result<(), Failure> {
        if part.segment != self.segment {
            self.file = None;
            (self.segment, self.file) = (part.segment, Some(open(self.files, part.segment)?));
        }
        Ok(())
    }

    fn file(&self) -> &dyn File {
        opened(self.file.as_ref())
    }

    /// The frame at an offset of the segment, which an index says is there.
    pub(crate) fn frame(&mut self, offset: u32) -> Result<Frame<'_>, Trouble> {
        let read = self.read_frame(offset)?;
        let Fetch { files, segment, .. } = *self;
        files.check_listed(segment, self.file())?;
        let damaged = |found: String| Err(damaged(files, segment, offset, found));
        match self.codec.decode(segment.0 + u64::from(offset), &self.buf[..read]) {
            Decoded::Frame(frame) => Ok(frame),
            Decoded::Corrupt(corruption) => damaged(corruption.flaw.to_string()),
            Decoded::Incomplete { .. } => damaged("the end of the file".to_string()),
            Decoded::Empty => damaged("zeros".to_string()),
        }
    }

    /// The head of the commit at an offset, and its events of one stream.
    fn events_of(&mut self, offset: u32, stream: &str) -> Result<Events<'_>, Trouble> {
        let Fetch { files, segment, .. } = *self;
        let frame = self.frame(offset)?;
        let commit = CommitReader::new(frame.body, frame.position + FRAME_HEADER_LEN as u64);
        // Rule F-05: the events of a commit happened together or not at all.
        let events = commit.and_then(|commit| Ok((commit.head, commit.events_of(stream)?)));
        events.map_err(|corruption| damaged(files, segment, offset, corruption.to_string()))
    }

    /// Reads a frame, or as much of it as the file has. Returns the number of bytes.
    fn read_frame(&mut self, offset: u32) -> Result<usize, Failure> {
        let position = self.segment.0 + u64::from(offset);
        let (mut read, mut need) = (0, self.guess);
        // The header says how long the frame is. The checksum is computed only when all of it was read.
        while need > read {
            let had = read;
            read = self.read(offset, had, need)?;
            match self.codec.decode(position, &self.buf[..read.min(FRAME_HEADER_LEN)]) {
                Decoded::Incomplete { need: whole } if read > had => need = whole,
                _ => break,
            }
        }
        // Frames of a stream often have about the same length, so one read is then enough for the next one.
        self.guess = need.clamp(GUESS, GUESS_MAX);
        Ok(read)
    }

    /// Reads the frame's bytes up to `need`; the first `had` were read before. Returns how many there are now.
    fn read(&mut self, offset: u32, had: usize, need: usize) -> Result<usize, Failure> {
        // The buffer never shrinks, so that its bytes are not set to zero again for each frame.
        if self.buf.len() < need {
            self.buf.resize(need, 0);
        }
        let path = || self.files.layout.segment(self.segment);
        let (file, at) = (opened(self.file.as_ref()), u64::from(offset) + had as u64);
        let read = file.read_full_at(&mut self.buf[had..need], at).map_err(|e| Failure::of("read", &path())(e))?;
        Ok(had + read)
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

fn opened(file: Option<&Arc<dyn File>>) -> &dyn File {
    match file {
        Some(file) => file.as_ref(),
        None => unreachable!("nothing is read after a segment that could not be opened"),
    }
}

fn open(files: &Files, segment: Position) -> Result<Arc<dyn File>, Failure> {
    let path = files.layout.segment(segment);
    files.fs.open_read(&path).map_err(Failure::of("open", &path))
}

fn damaged(files: &Files, segment: Position, offset: u32, found: String) -> Trouble {
    let position = Position(segment.0 + u64::from(offset));
    refusal(Verdict::Damaged, position, &files.layout.segment(segment), "a commit".to_string(), found)
}

/// Visits the events of a stream in its parts, from a number on, in commits before a position. Returns whether that position or
/// the visitor ended the visit.
pub(crate) fn visit_parts(
    files: &Files,
    codec: &FrameCodec,
    name: &str,
    parts: &[Part],
    from_number: u64,
    until: Position,
    visit: &mut Ending<'_>,
) -> Result<ControlFlow<()>, Trouble> {
    let Some(first) = parts.first() else { return Ok(ControlFlow::Continue(())) };
    let frames: usize = parts.iter().map(|part| part.frames.len()).sum();
    let mut fetch = Fetch::open(files, codec, first)?;
    let mut visiting = Visiting { from_number, next: first.first_number, visit };
    std::thread::scope(|scope| {
        // Within the scope, so that it is dropped when the visit ends early. Otherwise the scope would wait for a
        // thread that waits for us.
        let (mut helper, mut visited): (Option<Helper>, usize) = (None, 0);
        for part in parts {
            fetch.enter(part)?;
            if part.first_number != visiting.next {
                let (offset, found) = (part.frames.first(), format!("event {}", part.first_number));
                return Err(fetch.out_of_order(offset.copied().unwrap_or(0), name, visiting.next, &found));
            }
            for &offset in &part.frames {
                if part.segment.0 + u64::from(offset) >= until.0 {
                    return Ok(ControlFlow::Break(()));
                }
                let copied = helper.as_ref().filter(|_| Helper::reads(visited)).map(Helper::next);
                if let Some(Err(_)) = copied {
                    // The helper may have failed only because it had no file descriptor. If something is wrong with the
                    // log, this thread finds it as well.
                    helper = None;
                }
                let visited_events = match &copied {
                    Some(Ok(copied)) => visiting.events(copied.events()),
                    _ => visiting.events(fetch.events_of(offset, name)?),
                };
                match visited_events {
                    Ok(ControlFlow::Continue(())) => {}
                    Ok(ControlFlow::Break(())) => return Ok(ControlFlow::Break(())),
                    Err(found) => {
                        return Err(fetch.out_of_order(offset, name, visiting.next, &format!("event {found}")));
                    }
                }
                visited += 1;
                // Frames of a stream often have about the same length, so the first one shows how much there is to
                // read.
                if visited == 1 && fetch.guess.saturating_mul(frames) >= HELP_FROM {
                    helper = Helper::begin(scope, files, codec, name, parts);
                }
            }
            if visiting.next != part.end_number() {
                let last = part.frames.last().copied().unwrap_or(0);
                return Err(fetch.out_of_order(last, name, visiting.next, "no more of them in the segment"));
            }
            if let Some(end) = part.sealed_end {
                files.check_sealed_len(fetch.file(), part.segment, end)?;
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// A visit to the events of a stream.
struct Visiting<'v, 'f> {
    from_number: u64,
    /// The number that the next event must have.
    next: u64,
    visit: &'v mut Ending<'f>,
}

impl Visiting<'_, '_> {
    /// Visits the events of one commit, or returns the number that does not follow.
    fn events(&mut self, (head, events): Events<'_>) -> Result<ControlFlow<()>, u64> {
        for (seq, event) in events {
            if event.number != self.next {
                return Err(event.number);
            }
            self.next += 1;
            if event.number >= self.from_number && (self.visit)(&head, seq, &event).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Checks that the last frame of a part holds the stream's last event that the part lists.
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
        Err(corruption) => Err(damaged(files, part.segment, offset, corruption.to_string())),
    }
}
