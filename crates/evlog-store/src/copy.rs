//! Copies bytes from one file into another.

use crate::error::Failure;
use crate::fs::File;
use std::io;
use std::path::Path;

/// How much is copied at once, in bytes.
const CHUNK: u64 = 1024 * 1024;

/// A file, and the offset in it at which the bytes begin.
#[derive(Clone, Copy)]
pub(crate) struct Side<'f> {
    pub(crate) file: &'f dyn File,
    pub(crate) path: &'f Path,
    pub(crate) offset: u64,
}

/// Copies `len` bytes, or as many as the source has, and returns their number. The copy is synced. Reports progress: how many
/// bytes are copied.
pub(crate) fn copy(
    source: Side<'_>,
    target: Side<'_>,
    len: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, Failure> {
    let (mut buf, mut done) = (vec![0; usize::try_from(CHUNK.min(len)).unwrap_or(0)], 0);
    while done < len {
        let want = usize::try_from((len - done).min(CHUNK)).unwrap_or(0);
        let read = source.file.read_full_at(&mut buf[..want], source.offset + done);
        let read = read.map_err(Failure::of("read", source.path))?;
        if read == 0 {
            break;
        }
        let written = target.file.write_at(&buf[..read], target.offset + done);
        written.map_err(Failure::of("write", target.path))?;
        done += read as u64;
        progress(done);
    }
    target.file.sync_data().map_err(Failure::of("sync", target.path))?;
    Ok(done)
}

/// Copies exactly `len` bytes. If the source has fewer, that is a failure.
pub(crate) fn copy_all(source: Side<'_>, target: Side<'_>, len: u64) -> Result<(), Failure> {
    if copy(source, target, len, &mut |_| ())? == len {
        return Ok(());
    }
    Err(Failure::of("read", source.path)(io::ErrorKind::UnexpectedEof.into()))
}
