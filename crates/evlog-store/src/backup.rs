//! Copies a log, with or without a writer at work. Copies everything that is committed, and no byte more.
//!
//! Does: copy segments, checkpoints and the bytes in quarantine, and make a `HEAD` that states how much is there. Does not:
//! copy derived files, which the next writer makes again, or judge the copy. The caller judges it before the copy gets its
//! name.
//!
//! Invariants: the log is only read. Everything in the copy survives a crash once this has returned.

use crate::checkpoints::Checkpoints;
use crate::copy::{self, Side};
use crate::error::{Failure, OpenError};
use crate::fs::{File, Fs};
use crate::head::Head;
use crate::layout::{Layout, SegmentEntry};
use crate::reader::{Committed, Reader, SegmentInfo};
use crate::segment::{Files, refusal};
use evlog_format::{LogId, Position};
use evlog_verify::Verdict;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The result of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The log.
    pub log_id: LogId,
    /// How far it was committed when it was copied.
    pub committed: Committed,
    /// The number of checkpoints that the copy has.
    pub checkpoints: u64,
}

/// Copies the log in `from` into `to`, a directory that is made. Reports progress: how many bytes are copied, and how many
/// there are.
pub fn copy(fs: &Arc<dyn Fs>, from: &Path, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Copied, OpenError> {
    let reader = Reader::open(Arc::clone(fs), from)?;
    // If there is a `HEAD` that cannot be read, the copying ends. It may claim synced bytes that are now missing, and the
    // `HEAD` of the copy would hide that, because it calls everything in the copy synced.
    reader.files().any_head()?;
    let (log_id, committed) = (reader.log_id(), reader.committed());
    let source = reader.files();
    let copy = Files::new(Arc::clone(fs), to);
    let segments = copy.layout.segments();
    fs.create_dir(segments).map_err(Failure::of("create", segments))?;
    for segment in reader.segments() {
        copy_segment(source, &copy, segment, &mut |done| progress(segment.position.0 + done, committed.position.0))?;
    }
    fs.sync_dir(segments).map_err(Failure::of("sync", segments))?;
    let checkpoints = copy_notes(source, &copy, committed.position)?;
    copy_dir((source, &copy), &source.layout.quarantine(), &copy.layout.quarantine(), &Layout::is_quarantined)?;
    let Committed { position, next_seq } = committed;
    let head = Head { log_id, durable: position, committed: position, next_seq, closed: false, sync_failed: false };
    put(&copy, &copy.layout.head(), &head.encode())?;
    fs.sync_dir(to).map_err(Failure::of("sync", to))?;
    Ok(Copied { log_id, committed, checkpoints })
}

fn copy_segment(
    source: &Files,
    copy: &Files,
    segment: &SegmentInfo,
    progress: &mut dyn FnMut(u64),
) -> Result<(), OpenError> {
    let file = source.fs.open_read(&segment.path).map_err(Failure::of("open", &segment.path))?;
    let path = copy.layout.entry(SegmentEntry::Segment(segment.position));
    let made = copy.fs.create(&path).map_err(Failure::of("create", &path))?;
    let copied = copy::copy(side(file.as_ref(), &segment.path), side(made.as_ref(), &path), segment.len, progress)?;
    source.check_listed(segment.position, file.as_ref())?;
    if copied == segment.len {
        if segment.sealed {
            source.check_sealed_len(file.as_ref(), segment.position, Position(segment.position.0 + copied))?;
        }
        return Ok(());
    }
    let (at, expected) = (Position(segment.position.0 + copied), format!("{} bytes", segment.len));
    Err(refusal(Verdict::Truncated, at, &segment.path, expected, format!("{copied} bytes")).into())
}

fn side<'f>(file: &'f dyn File, path: &'f Path) -> Side<'f> {
    Side { file, path, offset: 0 }
}

fn put(copy: &Files, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let made = copy.fs.create(path).map_err(Failure::of("create", path))?;
    made.write_at(bytes, 0).map_err(Failure::of("write", path))?;
    made.sync_data().map_err(Failure::of("sync", path))
}

/// Copies the checkpoints over what was copied, and those that were set aside. Returns the number of the former. What is in
/// the place of a checkpoint but cannot be one is left out. An audit of the copy still finds in the log's events what the
/// checkpoint stated, as an audit of the log does.
fn copy_notes(source: &Files, copy: &Files, end: Position) -> Result<u64, Failure> {
    let notes = Checkpoints::new(Arc::clone(&source.fs), source.layout.dir());
    let is_file = |size: Position| !notes.read(size).is_err_and(|failure| failure.is_unlike());
    let is_covered = |name: &str| Layout::parse_checkpoint(name).is_none_or(|size| size <= end && is_file(size));
    let is_note = |name: &str| Layout::is_checkpoint(name) && is_covered(name);
    let names = copy_dir((source, copy), &source.layout.checkpoints(), &copy.layout.checkpoints(), &is_note)?;
    Ok(names.iter().filter(|name| Layout::parse_checkpoint(name).is_some()).count() as u64)
}

/// Copies the files of a directory, which need not exist. Returns their names.
fn copy_dir(
    (source, copy): (&Files, &Files),
    from: &Path,
    to: &Path,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, Failure> {
    let mut names = match source.fs.list(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(Failure::of("list", from))?,
    };
    names.retain(|name| wanted(name));
    if names.is_empty() {
        return Ok(names);
    }
    copy.fs.create_dir(to).map_err(Failure::of("create", to))?;
    for name in &names {
        let (path, target): (PathBuf, PathBuf) = (from.join(name), to.join(name));
        let file = source.fs.open_read(&path).map_err(Failure::of("open", &path))?;
        let len = file.len().map_err(Failure::of("read", &path))?;
        let made = copy.fs.create(&target).map_err(Failure::of("create", &target))?;
        copy::copy(side(file.as_ref(), &path), side(made.as_ref(), &target), len, &mut |_| ())?;
    }
    copy.fs.sync_dir(to).map_err(Failure::of("sync", to))?;
    Ok(names)
}
