//! Brings an older copy of a log up to date: copies what is new, and leaves what is there.
//!
//! Does: compare the copy with the log, and refuse a copy that the log does not continue. Does not: judge the copy. The caller
//! verifies all of it afterwards, which also shows whether its older segments still have their bytes.
//!
//! How it is decided that a segment of the copy is the log's: both have the same header, which states the log's id and the root
//! over all bytes before the segment. The last segment of the copy is compared byte for byte. So what lies before the last
//! header is the log's, if the copy's own roots hold; verifying the copy shows that.
//!
//! Invariants:
//! - A copy that is refused is not changed.
//! - Every file is whole and synced before it gets its name, and segments get their names in order. So whenever the process or
//!   the machine stops, the copy is clean: it holds a beginning of the log, at least the older copy. Its `HEAD`, which is
//!   replaced last, states the older copy or the newer one.

use super::{Copied, copy_dirs, head_of, side};
use crate::copy::{self, Side};
use crate::error::{Failure, OpenError};
use crate::fs::File;
use crate::layout::{Layout, SegmentEntry};
use crate::open::{Owner, take_lock};
use crate::reader::{Reader, SegmentInfo};
use crate::segment::Files;
use evlog_format::{Position, SEGMENT_HEADER_LEN};
use std::io;
use std::path::{Path, PathBuf};

/// How much of two files is compared at once, in bytes.
const CHUNK: usize = 1 << 20;

/// Why a directory cannot be brought up to date as a copy of the log. It was not changed.
#[derive(Debug)]
pub enum Conflict {
    /// It holds no log.
    NoCopy,
    /// It holds another log, or another history of this log.
    Different {
        /// The file that differs.
        path: PathBuf,
        /// What the log has.
        expected: String,
        /// What the copy has.
        found: String,
    },
    /// It holds all that the log holds, and more.
    Longer {
        /// Where the log ends.
        log: Position,
        /// Where the copy ends, at least.
        copy: Position,
    },
}

/// Why a copy was not brought up to date.
#[derive(Debug)]
pub enum ExtendError {
    /// The log cannot be read, or a file of the copy cannot be used.
    Open(OpenError),
    /// The directory is no older copy of the log.
    Conflict(Conflict),
}

impl<E: Into<OpenError>> From<E> for ExtendError {
    fn from(error: E) -> ExtendError {
        ExtendError::Open(error.into())
    }
}

/// Brings a copy up to date with the log that `reader` shows. `owner` is left in the copy's lock while it is changed. Reports
/// progress: how many bytes are copied, and how many are to be copied.
pub(super) fn extend(
    reader: &Reader,
    copy: &Files,
    owner: &Owner,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Copied, ExtendError> {
    if copy.fs.list(copy.layout.segments()).map_or(true, |names| names.is_empty()) {
        return Err(ExtendError::Conflict(Conflict::NoCopy));
    }
    // Before the lock, which makes a file: a copy that is refused is not changed.
    first_to_copy(reader, copy)?;
    let _held = take_lock(copy, owner)?;
    let from = first_to_copy(reader, copy)?;
    sync_held(reader, copy, from)?;
    let new = &reader.segments()[from..];
    let (total, mut done) = (new.iter().map(|segment| segment.len).sum::<u64>(), 0);
    for segment in new {
        place(reader.files(), copy, segment, &mut |part| progress(done + part, total))?;
        done += segment.len;
    }
    let (checkpoints, notes) = copy_dirs(reader.files(), copy, reader.committed().position)?;
    replace_head(reader, copy)?;
    let dir = copy.layout.dir();
    copy.fs.sync_dir(dir).map_err(Failure::of("sync", dir))?;
    let (log_id, committed) = (reader.log_id(), reader.committed());
    let (copied, held) = (done + notes.copied, committed.position.0 - total + notes.held);
    Ok(Copied { log_id, committed, checkpoints, copied, held })
}

/// Compares the copy with the log. Returns the first segment that the copy lacks, or of which it has a part.
fn first_to_copy(reader: &Reader, copy: &Files) -> Result<usize, ExtendError> {
    let (segments, positions) = (reader.segments(), copy.segments()?);
    for (at, position) in positions.iter().enumerate() {
        let Some(segment) = segments.get(at).filter(|segment| segment.position == *position) else {
            return Err(ExtendError::Conflict(beyond(reader, copy, *position, segments.get(at))));
        };
        let file = copy.fs.open_read(&copy.layout.segment(*position)).map_err(Failure::of("open", &segment.path))?;
        let is_last = at + 1 == positions.len();
        if let Some(conflict) = differs(reader, copy, segment, file.as_ref(), is_last)? {
            return Err(ExtendError::Conflict(conflict));
        }
        if is_last {
            let len = file.len().map_err(Failure::of("read", &segment.path))?;
            return Ok(if len == segment.len { at + 1 } else { at });
        }
    }
    Err(ExtendError::Conflict(Conflict::NoCopy))
}

/// Makes what is there survive a crash: a process that was killed, or another tool, may have written it and not synced it.
fn sync_held(reader: &Reader, copy: &Files, end: usize) -> Result<(), Failure> {
    for segment in &reader.segments()[..end] {
        let path = copy.layout.segment(segment.position);
        let file = copy.fs.open_read(&path).map_err(Failure::of("open", &path))?;
        file.sync_data().map_err(Failure::of("sync", &path))?;
    }
    let dir = copy.layout.segments();
    copy.fs.sync_dir(dir).map_err(Failure::of("sync", dir))
}

/// A segment of the copy begins where none of the log does.
fn beyond(reader: &Reader, copy: &Files, position: Position, expected: Option<&SegmentInfo>) -> Conflict {
    let log = reader.committed().position;
    match expected {
        None => Conflict::Longer { log, copy: position },
        Some(segment) => Conflict::Different {
            path: copy.layout.segment(position),
            expected: format!("a segment that begins at position {}", segment.position),
            found: format!("one that begins at {position}"),
        },
    }
}

/// What in a segment of the copy is not the log's.
fn differs(
    reader: &Reader,
    copy: &Files,
    segment: &SegmentInfo,
    file: &dyn File,
    is_last: bool,
) -> Result<Option<Conflict>, Failure> {
    let path = copy.layout.segment(segment.position);
    let source = reader.files().fs.open_read(&segment.path).map_err(Failure::of("open", &segment.path))?;
    let len = file.len().map_err(Failure::of("read", &path))?;
    let different = |expected: String, found: String| Conflict::Different { path: path.clone(), expected, found };
    let compared = if is_last { len.min(segment.len) } else { SEGMENT_HEADER_LEN as u64 };
    if let Some(at) = first_difference(source.as_ref(), file, compared).map_err(Failure::of("read", &path))? {
        let position = segment.position.0 + at;
        let found = if at < SEGMENT_HEADER_LEN as u64 { "another header" } else { "another byte" };
        return Ok(Some(different(format!("the log's byte at position {position}"), found.to_owned())));
    }
    Ok(match len > segment.len {
        true if is_last && !segment.sealed => {
            Some(Conflict::Longer { log: reader.committed().position, copy: Position(segment.position.0 + len) })
        }
        longer if longer || (!is_last && len != segment.len) => {
            Some(different(format!("{} bytes, as in the log", segment.len), format!("{len} bytes")))
        }
        _ => None,
    })
}

/// The first of `len` bytes that differs, or that one of the files does not have.
fn first_difference(one: &dyn File, other: &dyn File, len: u64) -> io::Result<Option<u64>> {
    let (mut ours, mut theirs, mut done) = (vec![0; CHUNK], vec![0; CHUNK], 0);
    while done < len {
        let want = usize::try_from(len - done).unwrap_or(CHUNK).min(CHUNK);
        let read = one.read_full_at(&mut ours[..want], done)?.min(other.read_full_at(&mut theirs[..want], done)?);
        if let Some(at) = (0..read).find(|at| ours[*at] != theirs[*at]) {
            return Ok(Some(done + at as u64));
        }
        if read < want {
            return Ok(Some(done + read as u64));
        }
        done += read as u64;
    }
    Ok(None)
}

/// Copies a segment, and lets it take its name, in the place of a shorter one if there is one.
fn place(source: &Files, copy: &Files, segment: &SegmentInfo, progress: &mut dyn FnMut(u64)) -> Result<(), OpenError> {
    let unfinished = copy.layout.entry(SegmentEntry::Unfinished(segment.position));
    let made = copy.create_anew(&unfinished)?;
    super::copy_into(source, segment, side(made.as_ref(), &unfinished), progress)?;
    let path = copy.layout.segment(segment.position);
    copy.fs.rename(&unfinished, &path).map_err(Failure::of("name", &path))?;
    let dir = copy.layout.segments();
    // Before the next segment gets its name: a crash must not leave it behind a shorter one.
    copy.fs.sync_dir(dir).map_err(Failure::of("sync", dir))?;
    Ok(())
}

fn replace_head(reader: &Reader, copy: &Files) -> Result<(), Failure> {
    let path = copy.layout.head();
    let unfinished = Layout::unfinished(&path);
    let made = copy.create_anew(&unfinished)?;
    made.write_at(&head_of(reader).encode(), 0).map_err(Failure::of("write", &unfinished))?;
    made.sync_data().map_err(Failure::of("sync", &unfinished))?;
    copy.fs.rename(&unfinished, &path).map_err(Failure::of("name", &path))
}

/// Copies a file, and lets it take its name in one step. The caller syncs its directory.
pub(super) fn put_over(copy: &Files, path: &Path, source: Side<'_>, len: u64) -> Result<(), Failure> {
    let unfinished = Layout::unfinished(path);
    let made = copy.create_anew(&unfinished)?;
    copy::copy(source, side(made.as_ref(), &unfinished), len, &mut |_| ())?;
    copy.fs.rename(&unfinished, path).map_err(Failure::of("name", path))
}

/// Whether two files have the same bytes.
pub(super) fn is_same(one: &dyn File, other: &dyn File) -> io::Result<bool> {
    let len = one.len()?;
    Ok(other.len()? == len && first_difference(one, other, len)?.is_none())
}
