//! Copies the content of a file into another one: by shared blocks if the file system can, else by the kernel, else through a
//! buffer. Holes stay holes.
//!
//! Does not: open files by name, or check the copy. A caller that needs the copy's content reads it again.

use crate::meter::Meter;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// How many bytes are copied between two checks of whether to go on.
const PIECE_LEN: usize = 4 * 1024 * 1024;
/// Like [`PIECE_LEN`], if the bytes go through this process.
const BUFFER_LEN: usize = 256 * 1024;

/// An error, and which of the two files caused it.
#[derive(Debug)]
pub(crate) enum CopyError {
    /// The file that was read.
    Source(io::Error),
    /// The file that was written.
    Target(io::Error),
}

/// Copies what `from` holds now into `to`, which is empty. What is appended to `from` meanwhile is not copied.
pub(crate) fn copy_content(from: &File, to: &File, meter: &Meter<'_>) -> Result<(), CopyError> {
    let len = from.metadata().map_err(CopyError::Source)?.len();
    if is_shared(from, to) {
        return count(meter, len);
    }
    to.set_len(len).map_err(CopyError::Target)?;
    let mut buffer = Vec::new();
    let mut at = 0;
    while let Some(piece) = next_data(from, at, len) {
        let end = piece.end;
        copy_piece(from, to, piece, &mut buffer)?;
        count(meter, end - at)?;
        at = end;
    }
    count(meter, len - at)
}

/// Counts what was copied. Holes and shared blocks count with their length.
fn count(meter: &Meter<'_>, len: u64) -> Result<(), CopyError> {
    let mut left = len;
    while left > 0 {
        let piece = left.min(PIECE_LEN as u64);
        meter.add(piece).map_err(CopyError::Source)?;
        left -= piece;
    }
    Ok(())
}

/// Makes both files share their blocks until one of them is written. Returns whether the file system could do that.
#[cfg(target_os = "linux")]
fn is_shared(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn is_shared(_from: &File, _to: &File) -> bool {
    false
}

/// The next bytes that are not a hole, at most one piece of them.
#[cfg(target_os = "linux")]
fn next_data(from: &File, at: u64, len: u64) -> Option<Range<u64>> {
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;
    if at >= len {
        return None;
    }
    let begin = match seek(from, SeekFrom::Data(at)) {
        Ok(begin) => begin,
        // There is only a hole up to the end.
        Err(Errno::NXIO) => return None,
        Err(_) => at,
    };
    let end = seek(from, SeekFrom::Hole(begin)).unwrap_or(len).min(len).min(begin + PIECE_LEN as u64);
    (begin < end).then_some(begin..end)
}

#[cfg(not(target_os = "linux"))]
fn next_data(_from: &File, at: u64, len: u64) -> Option<Range<u64>> {
    (at < len).then(|| at..len.min(at + PIECE_LEN as u64))
}

fn copy_piece(from: &File, to: &File, piece: Range<u64>, buffer: &mut Vec<u8>) -> Result<(), CopyError> {
    let at = copied_by_kernel(from, to, &piece);
    copy_by_hand(from, to, at..piece.end, buffer)
}

fn copy_by_hand(from: &File, to: &File, piece: Range<u64>, buffer: &mut Vec<u8>) -> Result<(), CopyError> {
    let mut at = piece.start;
    if at < piece.end {
        buffer.resize(BUFFER_LEN, 0);
    }
    while at < piece.end {
        let room = usize::try_from(piece.end - at).unwrap_or(BUFFER_LEN).min(BUFFER_LEN);
        match from.read_at(&mut buffer[..room], at) {
            // The file became shorter meanwhile. The copy has zeros there.
            Ok(0) => return Ok(()),
            Ok(read) => {
                to.write_all_at(&buffer[..read], at).map_err(CopyError::Target)?;
                at += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CopyError::Source(error)),
        }
    }
    Ok(())
}

/// Returns how far the kernel copied. The rest is copied through a buffer, which shows which file an error belongs to.
#[cfg(target_os = "linux")]
fn copied_by_kernel(from: &File, to: &File, piece: &Range<u64>) -> u64 {
    let mut at = piece.start;
    while at < piece.end {
        let (mut read_at, mut write_at) = (at, at);
        let room = usize::try_from(piece.end - at).unwrap_or(PIECE_LEN);
        match rustix::fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), room) {
            Ok(copied) if copied > 0 => at += copied as u64,
            _ => break,
        }
    }
    at
}

#[cfg(not(target_os = "linux"))]
fn copied_by_kernel(_from: &File, _to: &File, piece: &Range<u64>) -> u64 {
    piece.start
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::ops::ControlFlow;
    use std::os::unix::fs::MetadataExt;

    fn opened(room: &tempfile::TempDir, name: &str) -> File {
        let path = room.path().join(name);
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).unwrap()
    }

    #[test]
    fn a_copy_of_any_length_holds_the_same_bytes() {
        for len in [0, 1, 255_999, BUFFER_LEN, PIECE_LEN + 1] {
            let room = tempfile::tempdir().unwrap();
            let (from, to) = (opened(&room, "from"), opened(&room, "to"));
            let bytes: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
            from.write_all_at(&bytes, 0).unwrap();
            copy_content(&from, &to, &Meter::silent()).unwrap();
            assert!(fs::read(room.path().join("to")).unwrap() == bytes, "{len}");
        }
    }

    #[test]
    fn what_is_copied_by_hand_is_the_same() {
        let room = tempfile::tempdir().unwrap();
        let (from, to) = (opened(&room, "from"), opened(&room, "to"));
        let bytes: Vec<u8> = (0..BUFFER_LEN + 9).map(|at| u8::try_from(at % 251).unwrap()).collect();
        from.write_all_at(&bytes, 0).unwrap();
        copy_by_hand(&from, &to, 0..bytes.len() as u64, &mut Vec::new()).unwrap();
        assert!(fs::read(room.path().join("to")).unwrap() == bytes);
    }

    #[test]
    fn holes_take_no_room_in_the_copy_either() {
        let room = tempfile::tempdir().unwrap();
        let (from, to) = (opened(&room, "from"), opened(&room, "to"));
        from.write_all_at(b"begin", 0).unwrap();
        from.write_all_at(b"middle", 64 * 1024 * 1024).unwrap();
        from.set_len(256 * 1024 * 1024).unwrap();
        copy_content(&from, &to, &Meter::silent()).unwrap();
        let (found, copied) = (from.metadata().unwrap(), to.metadata().unwrap());
        assert_eq!(copied.len(), found.len());
        assert!(copied.blocks() <= found.blocks() + 64, "{} of {}", copied.blocks(), found.blocks());
        let mut middle = [0; 6];
        to.read_exact_at(&mut middle, 64 * 1024 * 1024).unwrap();
        assert_eq!(&middle, b"middle");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_apart_from_one_that_cannot_be_read() {
        let room = tempfile::tempdir().unwrap();
        let from = opened(&room, "from");
        from.write_all_at(b"text", 0).unwrap();
        let read_only = File::open(room.path().join("from")).unwrap();
        assert!(matches!(copy_content(&from, &read_only, &Meter::silent()), Err(CopyError::Target(_))));
    }

    #[test]
    fn t08_copying_stops_when_it_is_asked_to() {
        let room = tempfile::tempdir().unwrap();
        let (from, to) = (opened(&room, "from"), opened(&room, "to"));
        from.write_all_at(&vec![7; 3 * PIECE_LEN], 0).unwrap();
        let stop = |_, _| ControlFlow::Break(());
        assert!(matches!(copy_content(&from, &to, &Meter::new(0, &stop)), Err(CopyError::Source(_))));
    }
}
