//! Shows a log's files as they are, in any state.
//!
//! Does: say what each file is and what it claims, go from frame to frame, continue after bytes that are not a frame, show any
//! place. Does not: judge the log as a whole, refuse a log, or write.
//!
//! Invariants: a part that cannot be read is reported in its place, and all other parts are still shown. Nothing is locked, so
//! a writer may be at work.

mod place;

use crate::error::Failure;
use crate::fs::Fs;
use crate::head::Head;
use crate::layout::SegmentEntry;
use crate::open::holder;
use crate::resync::Ground;
use crate::segment::{Files, header_words};
use crate::walk::Walked;
use evlog_format::{
    CommitReader, Corruption, FRAME_HEADER_LEN, Frame, FrameCodec, LogId, Position, SEGMENT_HEADER_LEN, SegmentHeader,
};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use place::{Fields, Place, What};

/// A log's files, as they were when they were listed.
#[derive(Debug)]
pub struct Inspection {
    files: Files,
    log_id: Option<LogId>,
    head: Option<Head>,
    head_failure: Option<String>,
    segments: Vec<Segment>,
}

/// A segment file.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The position that its name states.
    pub position: Position,
    /// Its length in bytes.
    pub len: u64,
    /// The file.
    pub path: PathBuf,
    /// Whether another segment follows.
    pub sealed: bool,
    /// Its header; `None` if it cannot be read.
    pub header: Option<SegmentHeader>,
    /// The faults that its header and length show.
    pub wrong: Vec<String>,
}

/// A stretch of a segment.
#[derive(Debug)]
pub enum Stretch<'a> {
    /// A frame whose checksum matches, and its commit, if it decodes.
    Frame(Frame<'a>, Result<Box<CommitReader<'a>>, Corruption>),
    /// Bytes that are not a frame.
    Other {
        /// The place where they begin.
        position: Position,
        /// How many bytes, up to the next frame or the end of the file.
        len: u64,
        /// Why they are not a frame.
        reason: String,
    },
}

/// The writer's lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockState {
    /// Whether a process holds the lock; `None` if this cannot be found out.
    pub held: Option<bool>,
    /// Id of the process that took it last.
    pub pid: Option<u32>,
    /// Program that took it last.
    pub program: Option<String>,
}

impl Inspection {
    /// Lists the files of the log in `dir`. Reads their headers, and the last commit of each segment that another segment
    /// follows. It is not a failure if there are no segments, or no directory.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path) -> Result<Inspection, Failure> {
        Files::check_dirs(&fs, dir)?;
        let files = Files::new(fs, dir);
        let (head, head_failure) = match files.any_head() {
            Ok(head) => (head, None),
            Err(failure) => (None, Some(failure.to_string())),
        };
        let positions = files.segments()?;
        let mut segments: Vec<Segment> = positions.iter().map(|position| segment(&files, *position)).collect();
        let first = segments.iter().find_map(|segment| segment.header);
        let nexts = positions.iter().skip(1).copied().map(Some).chain([None]);
        for (segment, next) in segments.iter_mut().zip(nexts) {
            compare(segment, first.as_ref(), next);
        }
        continue_in_order(&files, &mut segments);
        let log_id = first.map(|header| header.log_id).or(head.map(|head| head.log_id));
        if let Some(first) = segments.first_mut().filter(|first| first.position != Position(0)) {
            first.wrong.push(format!("the log's first segment is missing, up to position {}", first.position));
        }
        if let Some((last, head)) = segments.last_mut().zip(head.filter(|head| log_id == Some(head.log_id))) {
            reaches(last, head.durable);
        }
        Ok(Inspection { files, log_id, head, head_failure, segments })
    }

    /// The log's identity: from the first header that can be read, or else from `HEAD`.
    pub fn log_id(&self) -> Option<LogId> {
        self.log_id
    }

    /// The segment files in order of position.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The content of `HEAD`, if `HEAD` is there and whole. It may belong to another log.
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// Why `HEAD` cannot be read, if it is there and cannot be read.
    pub fn head_failure(&self) -> Option<&str> {
        self.head_failure.as_deref()
    }

    /// The segment file that holds a position, or would hold it.
    pub fn segment_of(&self, position: Position) -> Option<&Segment> {
        let holding = self.segments.partition_point(|segment| segment.position <= position);
        holding.checked_sub(1).map(|at| &self.segments[at])
    }

    /// Goes through a segment from its first frame on, and continues after damage.
    pub fn stretches(
        &self,
        segment: &Segment,
        visit: &mut dyn FnMut(Stretch<'_>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let Some(log_id) = self.log_id else {
            let (position, len, reason) = (segment.position, segment.len, "no header tells the log's id".to_string());
            let _asked_to_stop = visit(Stretch::Other { position, len, reason });
            return Ok(());
        };
        let file = self.files.fs.open_read(&segment.path).map_err(Failure::of("open", &segment.path))?;
        let (base, limit) = (segment.position.0, segment.len);
        let ground = Ground { file, codec: FrameCodec::new(log_id), base, limit };
        walk(&ground, visit).map_err(Failure::of("read", &segment.path))
    }

    /// What is at a position: a frame, a segment header, or something else, and which frame it is a part of.
    pub fn place(&self, position: Position) -> Result<Option<Place>, Failure> {
        let Some(segment) = self.segment_of(position).filter(|at| position.0 < at.position.0 + at.len) else {
            return Ok(None);
        };
        place::at(self, segment, position).map(Some)
    }

    /// The writer's lock; `None` if no process ever took it.
    pub fn lock(&self) -> Option<LockState> {
        let path = self.files.layout.lock();
        let held = self.files.has_writer().ok();
        let text = self.files.fs.open_read(&path).and_then(|file| file.read_to_end(4096));
        if text.is_err() && held == Some(false) {
            return None;
        }
        let (pid, program) = holder(&String::from_utf8_lossy(&text.unwrap_or_default()));
        Some(LockState { held, pid, program })
    }

    /// Files of bytes that were cut and kept: the path within the log's directory, and the length if the name is UTF-8.
    pub fn quarantine(&self) -> Vec<(String, Option<u64>)> {
        let dir = self.files.layout.quarantine();
        let names = self.files.fs.list(&dir).unwrap_or_default();
        let len = |name: &str| self.files.fs.open_read(&dir.join(name)).ok()?.len().ok();
        let unnameable = self.files.fs.list_unnameable(&dir).unwrap_or_default();
        let measured = names.into_iter().map(|name| {
            let len = len(&name);
            (name, len)
        });
        let all = measured.chain(unnameable.into_iter().map(|name| (name, None)));
        all.map(|(name, len)| (format!("quarantine/{name}"), len)).collect()
    }

    /// Names in `segments/` that do not belong to evlog.
    pub fn strangers(&self) -> Vec<String> {
        let dir = self.files.layout.segments();
        let mut names = self.files.fs.list(dir).unwrap_or_default();
        names.retain(|name| SegmentEntry::parse(name).is_none());
        names.extend(self.files.fs.list_unnameable(dir).unwrap_or_default());
        names
    }
}

fn segment(files: &Files, position: Position) -> Segment {
    let path = files.layout.segment(position);
    let mut found = Segment { position, len: 0, path, sealed: false, header: None, wrong: Vec::new() };
    let read = files.fs.open_read(&found.path).and_then(|file| {
        let mut bytes = [0u8; SEGMENT_HEADER_LEN];
        let read = file.read_full_at(&mut bytes, 0)?;
        let header = SegmentHeader::decode(&bytes[..read]);
        Ok((file.len()?, header.map_err(|error| header_words(&error, position, &bytes[..read]))))
    });
    match read {
        Ok((len, Ok(header))) => (found.len, found.header) = (len, Some(header)),
        Ok((len, Err(wrong))) => {
            found.len = len;
            found.wrong.push(wrong);
        }
        Err(error) => found.wrong.push(format!("it cannot be read: {error}")),
    }
    found
}

/// Compares a segment's header with the file's name and the first header, and its length with the segment that follows.
fn compare(segment: &mut Segment, first: Option<&SegmentHeader>, next: Option<Position>) {
    segment.sealed = next.is_some();
    let mut tell = |of: &str, expected: &dyn std::fmt::Display, found: &dyn std::fmt::Display| {
        segment.wrong.push(format!("{of}: expected {expected}, found {found}"));
    };
    if let Some((header, first)) = segment.header.as_ref().zip(first) {
        if header.position != segment.position {
            tell("position in the header", &segment.position, &header.position);
        }
        if header.log_id != first.log_id {
            tell("log id in the header", &first.log_id, &header.log_id);
        }
        if header.segment_limit != first.segment_limit {
            tell("segment size limit in the header", &first.segment_limit, &header.segment_limit);
        }
    }
    if let Some(expected) = next.map(|next| next.0 - segment.position.0).filter(|expected| *expected != segment.len) {
        tell("length up to the next segment", &expected, &segment.len);
    }
}

/// Compares the last commit of each segment with the header of the next one (rule F-16).
fn continue_in_order(files: &Files, segments: &mut [Segment]) {
    let before: Vec<_> = segments.iter().map(|segment| (segment.position, segment.header)).collect();
    for (segment, (position, before)) in segments.iter_mut().skip(1).zip(before) {
        let (Some(before), Some(header)) = (before, segment.header) else { continue };
        let next_seq = files.seq_after(before.identity(), position, segment.position);
        if let Some(expected) = next_seq.filter(|expected| *expected != header.first_seq) {
            segment.wrong.push(format!("first seq in the header: expected {expected}, found {}", header.first_seq));
        }
    }
}

/// Compares the last segment's length with `HEAD`, which was read before it.
fn reaches(last: &mut Segment, durable: Position) {
    let end = last.position.0 + last.len;
    if end < durable.0 {
        last.wrong.push(format!("it ends at position {end}, and HEAD says that the log is durable to {durable}"));
    }
}

fn walk(ground: &Ground, visit: &mut dyn FnMut(Stretch<'_>) -> ControlFlow<()>) -> std::io::Result<()> {
    let mut walk = ground.walk(SEGMENT_HEADER_LEN as u64);
    loop {
        let (position, reason) = match walk.next()? {
            Walked::Frame(at) => {
                let frame = walk.frame(at);
                let commit = CommitReader::new(frame.body, frame.position + FRAME_HEADER_LEN as u64).map(Box::new);
                if visit(Stretch::Frame(frame, commit)).is_break() {
                    return Ok(());
                }
                continue;
            }
            Walked::Stopped(_, reason) => (Position(ground.base + walk.offset()), reason),
        };
        let offset = walk.offset();
        if offset >= ground.limit {
            return Ok(());
        }
        let next = ground.next_frame(offset + 1)?;
        let len = next.unwrap_or(ground.limit) - offset;
        if visit(Stretch::Other { position, len, reason }).is_break() {
            return Ok(());
        }
        let Some(next) = next else { return Ok(()) };
        walk = ground.walk(next);
    }
}
