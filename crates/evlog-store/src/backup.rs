//! Copies a log, with or without a writer at work. Copies everything that is committed, and no byte more.
//!
//! Does: copy segments, checkpoints and the bytes in quarantine, and make a `HEAD` that states how much is there. A copy that is
//! there already is brought up to date (`extend`). Does not: copy derived files, which the next writer makes again, or judge
//! the copy. The caller judges a new copy before it gets its name.
//!
//! Invariants: the log is only read. Everything in the copy survives a crash once this has returned.

mod extend;

pub use extend::{Conflict, ExtendError};

use crate::checkpoints::Checkpoints;
use crate::copy::{self, Side};
use crate::error::{Failure, OpenError};
use crate::fs::{File, Fs};
use crate::head::Head;
use crate::layout::{Layout, SegmentEntry};
use crate::open::Owner;
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
    /// How many bytes of segments, checkpoints and quarantine were copied.
    pub copied: u64,
    /// How many such bytes were there already, and were not copied.
    pub held: u64,
}

/// Copies the log in `from` into `to`, a directory that is made. Reports progress: how many bytes are copied, and how many
/// there are.
pub fn copy(fs: &Arc<dyn Fs>, from: &Path, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Copied, OpenError> {
    let reader = opened(fs, from)?;
    let (log_id, committed) = (reader.log_id(), reader.committed());
    let copy = Files::new(Arc::clone(fs), to);
    let segments = copy.layout.segments();
    fs.create_dir(segments).map_err(Failure::of("create", segments))?;
    for segment in reader.segments() {
        let path = copy.layout.entry(SegmentEntry::Segment(segment.position));
        let made = copy.fs.create(&path).map_err(Failure::of("create", &path))?;
        let progress = &mut |done| progress(segment.position.0 + done, committed.position.0);
        copy_into(reader.files(), segment, side(made.as_ref(), &path), progress)?;
    }
    fs.sync_dir(segments).map_err(Failure::of("sync", segments))?;
    let (checkpoints, notes) = copy_dirs(reader.files(), &copy, committed.position)?;
    put(&copy, &copy.layout.head(), &head_of(&reader).encode())?;
    fs.sync_dir(to).map_err(Failure::of("sync", to))?;
    Ok(Copied { log_id, committed, checkpoints, copied: committed.position.0 + notes.copied, held: 0 })
}

/// Brings the copy in `to`, which an earlier backup made, up to date. Copies only what is new. `owner` is left in the copy's lock
/// while it is changed. Reports progress: how many bytes are copied, and how many are to be copied.
pub fn update(
    fs: &Arc<dyn Fs>,
    from: &Path,
    to: &Path,
    owner: &Owner,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Copied, ExtendError> {
    let reader = opened(fs, from)?;
    extend::extend(&reader, &Files::new(Arc::clone(fs), to), owner, progress)
}

fn opened(fs: &Arc<dyn Fs>, from: &Path) -> Result<Reader, OpenError> {
    let reader = Reader::open(Arc::clone(fs), from)?;
    // If there is a `HEAD` that cannot be read, the copying ends. It may claim synced bytes that are now missing, and the
    // `HEAD` of the copy would hide that, because it calls everything in the copy synced.
    reader.files().any_head()?;
    Ok(reader)
}

fn head_of(reader: &Reader) -> Head {
    let Committed { position, next_seq } = reader.committed();
    let log_id = reader.log_id();
    Head { log_id, durable: position, committed: position, next_seq, closed: false, sync_failed: false }
}

/// Copies the committed bytes of a segment.
fn copy_into(
    source: &Files,
    segment: &SegmentInfo,
    made: Side<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), OpenError> {
    let file = source.fs.open_read(&segment.path).map_err(Failure::of("open", &segment.path))?;
    let copied = copy::copy(side(file.as_ref(), &segment.path), made, segment.len, progress)?;
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

/// How many bytes of files were copied, and how many were there already.
#[derive(Clone, Copy, Debug, Default)]
struct Bytes {
    copied: u64,
    held: u64,
}

/// Copies the checkpoints over what was copied, those that were set aside, and the quarantine. Returns the number of the first.
/// What is in the place of a checkpoint but cannot be one is left out. An audit of the copy still finds in the log's events what
/// the checkpoint stated, as an audit of the log does.
fn copy_dirs(source: &Files, copy: &Files, end: Position) -> Result<(u64, Bytes), Failure> {
    let notes = Checkpoints::new(Arc::clone(&source.fs), source.layout.dir());
    let is_file = |size: Position| !notes.read(size).is_err_and(|failure| failure.is_unlike());
    let is_covered = |name: &str| Layout::parse_checkpoint(name).is_none_or(|size| size <= end && is_file(size));
    let is_note = |name: &str| Layout::is_checkpoint(name) && is_covered(name);
    let mut bytes = Bytes::default();
    let (from, to) = (source.layout.checkpoints(), copy.layout.checkpoints());
    let names = copy_dir((source, copy), &from, &to, &is_note, &mut bytes)?;
    let (from, to) = (source.layout.quarantine(), copy.layout.quarantine());
    copy_dir((source, copy), &from, &to, &Layout::is_quarantined, &mut bytes)?;
    Ok((names.iter().filter(|name| Layout::parse_checkpoint(name).is_some()).count() as u64, bytes))
}

/// Copies the files of a directory, which need not exist, where the copy does not have the same. Returns their names.
fn copy_dir(
    (source, copy): (&Files, &Files),
    from: &Path,
    to: &Path,
    wanted: &dyn Fn(&str) -> bool,
    bytes: &mut Bytes,
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
        let is_there = match copy.fs.open_read(&target) {
            Ok(there) => extend::is_same(file.as_ref(), there.as_ref()).map_err(Failure::of("read", &target))?,
            Err(_) => false,
        };
        if is_there {
            bytes.held += len;
            continue;
        }
        extend::put_over(copy, &target, side(file.as_ref(), &path), len)?;
        bytes.copied += len;
    }
    copy.fs.sync_dir(to).map_err(Failure::of("sync", to))?;
    Ok(names)
}
