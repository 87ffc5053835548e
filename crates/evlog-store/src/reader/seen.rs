//! The last bytes that a reader showed, so that it notices if they are not there any more.
//!
//! Committed bytes never change, with one exception: a repair that gave up synced bytes. The log then continues with other
//! events under the same seqs, and a reader that showed the first ones must report that. A reader of a log that was removed,
//! moved or replaced must report that too, because no further event would ever arrive.

use super::SegmentInfo;
use crate::error::{Failure, ReadError, Trouble};
use crate::fs::{File, FileId};
use crate::segment::{Access, Files};
use evlog_format::{LogId, Position, SegmentHeader};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many bytes are compared: enough for the checksums of many commits.
const LEN: u64 = 4096;

/// The log's directory and `segments/`, as a reader opened them. A copy of the log in their place would not grow with the log.
#[derive(Debug)]
pub(super) struct Dirs([Option<FileId>; 2]);

impl Dirs {
    pub(super) fn of(files: &Files) -> Result<Dirs, Failure> {
        let id = |dir: &Path| files.fs.dir_id(dir).map_err(Failure::of("look at", dir));
        Ok(Dirs([id(files.layout.dir())?, id(files.layout.segments())?]))
    }

    pub(super) fn are_in_place(&self, files: &Files) -> Result<bool, ReadError> {
        match Dirs::of(files) {
            Ok(found) => Ok(found.0 == self.0),
            Err(failure) if is_gone(&failure.source) => Err(moved(files)),
            Err(failure) => Err(failure.into()),
        }
    }
}

#[derive(Debug)]
pub(super) struct Seen {
    position: Position,
    /// The segment's header, whose root covers all bytes before the segment.
    header: SegmentHeader,
    path: PathBuf,
    offset: u64,
    bytes: Vec<u8>,
    id: FileId,
    /// The file is kept open, so that no other file gets its number.
    file: Arc<dyn File>,
}

impl Seen {
    /// Reads the last bytes of these segments. There must be at least one segment.
    pub(super) fn of(files: &Files, segments: &[SegmentInfo]) -> Result<Seen, Trouble> {
        let Some(last) = segments.last() else { unreachable!("a log has a segment") };
        let (path, offset) = (last.path.clone(), last.len.saturating_sub(LEN));
        let file = files.fs.open_read(&path).map_err(Failure::of("open", &path))?;
        let bytes = read(file.as_ref(), offset, usize::try_from(last.len - offset).unwrap_or(0));
        let bytes = bytes.map_err(Failure::of("read", &path))?;
        let id = file.id().map_err(Failure::of("look at", &path))?;
        let header = files.open(last.position, Access::Read)?.header;
        Ok(Seen { position: last.position, header, path, offset, bytes, id, file })
    }

    /// Whether the file that was shown is still at its path.
    pub(super) fn is_in_place(&self, files: &Files) -> Result<bool, ReadError> {
        match files.fs.id(&self.path) {
            Ok(found) => Ok(found == self.id),
            Err(error) if is_gone(&error) => Err(moved(files)),
            Err(error) => Err(Failure::of("look at", &self.path)(error).into()),
        }
    }

    /// Whether the file is as long as it was when it was shown.
    pub(super) fn is_whole(&self) -> Result<bool, Failure> {
        let len = self.file.len().map_err(Failure::of("look at", &self.path))?;
        Ok(len >= self.end())
    }

    /// Checks that a file that was opened for the last segment is the one that was shown, or holds the same bytes.
    pub(super) fn check_file(&self, files: &Files, file: &dyn File, log_id: LogId) -> Result<(), ReadError> {
        let id = file.id().map_err(Failure::of("look at", &self.path))?;
        if id == self.id { Ok(()) } else { self.check(files, log_id, Position(self.position.0 + self.end())) }
    }

    /// Offset in the file of the end of the part that was shown.
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }

    /// Checks that the file at the path now belongs to the same log, and holds the bytes that were shown.
    pub(super) fn check(&self, files: &Files, log_id: LogId, shown: Position) -> Result<(), ReadError> {
        let open = match files.open(self.position, Access::Read) {
            Err(Trouble::Io(failure)) if is_gone(&failure.source) => return Err(moved(files)),
            opened => opened?,
        };
        if open.header.log_id != log_id {
            let (path, expected, found) = (files.layout.dir().to_path_buf(), log_id, open.header.log_id);
            return Err(ReadError::Replaced { path, expected, found });
        }
        let bytes = read(open.file.as_ref(), self.offset, self.bytes.len());
        if open.header == self.header && bytes.map_err(Failure::of("read", &self.path))? == self.bytes {
            return Ok(());
        }
        Err(ReadError::Gone { position: shown })
    }
}

fn moved(files: &Files) -> ReadError {
    ReadError::Moved { path: files.layout.dir().to_path_buf() }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn read(file: &dyn File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let read = file.read_full_at(&mut bytes, offset)?;
    bytes.truncate(read);
    Ok(bytes)
}
