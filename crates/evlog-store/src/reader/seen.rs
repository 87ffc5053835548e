//! The last bytes that a reader showed, so that it notices when they are not there any more.
//!
//! Committed bytes never change, with one exception: a repair that gave up synced bytes. The log goes on with other
//! events then, under the same seqs, and who saw the first ones has to be told.

use super::SegmentInfo;
use crate::error::Failure;
use crate::segment::Files;
use std::io;
use std::path::PathBuf;

/// How many bytes are compared: enough for the checksums of many commits.
const LEN: u64 = 4096;

#[derive(Debug, Default)]
pub(super) struct Seen {
    path: PathBuf,
    offset: u64,
    bytes: Vec<u8>,
}

impl Seen {
    /// The last bytes of these segments.
    pub(super) fn of(files: &Files, segments: &[SegmentInfo]) -> Result<Seen, Failure> {
        let Some(last) = segments.last() else { return Ok(Seen::default()) };
        let (path, offset) = (last.path.clone(), last.len.saturating_sub(LEN));
        let bytes = read(files, &path, offset, usize::try_from(last.len - offset).unwrap_or(0))?;
        Ok(Seen { path, offset, bytes })
    }

    /// Whether they are there as they were.
    pub(super) fn is_there(&self, files: &Files) -> Result<bool, Failure> {
        match read(files, &self.path, self.offset, self.bytes.len()) {
            Err(failure) if failure.source.kind() == io::ErrorKind::NotFound => Ok(false),
            read => Ok(read? == self.bytes),
        }
    }
}

fn read(files: &Files, path: &std::path::Path, offset: u64, len: usize) -> Result<Vec<u8>, Failure> {
    let file = files.fs.open_read(path).map_err(Failure::of("open", path))?;
    let mut bytes = vec![0; len];
    let read = file.read_full_at(&mut bytes, offset).map_err(Failure::of("read", path))?;
    bytes.truncate(read);
    Ok(bytes)
}
