//! Operations on files by a directory's handle and a name in it. Both implementations on the real file system use them.
//!
//! Invariants: no link is followed in the last part of a path, only regular files are opened, and no call waits for anything
//! but a disk. New files have the modes that are stated here. The umask can remove rights only of users other than the owner.

use super::{FileId, Stamp};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use std::fs::File as OsFile;
use std::io;
use std::path::Path;

/// Mode of a log's files: everybody who may read the directory may read them, and only the owner may write.
pub(super) const FILE_MODE: Mode = Mode::from_raw_mode(0o644);
/// Mode of the lock: only the owner needs it, because only the owner may write.
pub(super) const LOCK_MODE: Mode = Mode::from_raw_mode(0o600);
/// Mode of a log's directories.
const DIR_MODE: Mode = Mode::from_raw_mode(0o755);
/// The rights that the owner always has, even if the umask removes them.
const OWNERS: Mode = Mode::from_raw_mode(0o600);
const OWNERS_DIR: Mode = Mode::from_raw_mode(0o700);

/// Pipes and devices are opened without waiting for their other end. Then they are refused.
const ALWAYS: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// The error for an entry that is not opened because it is of another type than expected.
fn unlike(expected: &str, found: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("expected {expected}, found {found}"))
}

/// The type of a directory entry, in words.
fn word(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "something else",
    }
}

fn kind_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn stamp_of(stat: &Stat) -> Stamp {
    let modified_ns = Some(i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec));
    // Only a regular file has bytes of a log. The size that the system gives for any other file does not count.
    let len = if kind_of(stat) == FileType::RegularFile { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
    Stamp { id: FileId(stat.st_dev, stat.st_ino), len, modified_ns }
}

pub(super) fn stamp(dir: BorrowedFd<'_>, path: &Path) -> io::Result<Stamp> {
    Ok(stamp_of(&rustix::fs::statat(dir, path, AtFlags::SYMLINK_NOFOLLOW)?))
}

pub(super) fn stamp_of_file(file: BorrowedFd<'_>) -> io::Result<Stamp> {
    Ok(stamp_of(&rustix::fs::fstat(file)?))
}

/// Opens a regular file.
fn open(dir: BorrowedFd<'_>, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OsFile> {
    let regular = "a regular file";
    let file = rustix::fs::openat(dir, path, flags | ALWAYS, mode).map_err(|error| {
        // The system has many errors for an entry that it refuses to open in this way. Naming the entry's type is clearer.
        let found = rustix::fs::statat(dir, path, AtFlags::SYMLINK_NOFOLLOW);
        match found.map(|stat| kind_of(&stat)) {
            Ok(kind) if kind != FileType::RegularFile && !flags.contains(OFlags::EXCL) => unlike(regular, word(kind)),
            _ => error.into(),
        }
    })?;
    let kind = kind_of(&rustix::fs::fstat(&file)?);
    if kind == FileType::RegularFile { Ok(OsFile::from(file)) } else { Err(unlike(regular, word(kind))) }
}

pub(super) fn open_read(dir: BorrowedFd<'_>, path: &Path) -> io::Result<OsFile> {
    open(dir, path, OFlags::RDONLY, Mode::empty())
}

pub(super) fn open_write(dir: BorrowedFd<'_>, path: &Path) -> io::Result<OsFile> {
    alone(open(dir, path, OFlags::RDWR, Mode::empty())?)
}

/// Checks that a file has no other name.
fn alone(file: OsFile) -> io::Result<OsFile> {
    let names = rustix::fs::fstat(&file)?.st_nlink;
    if names > 1 {
        return Err(unlike("a file with one name", &format!("one with {names}: another hard link shares its bytes")));
    }
    Ok(file)
}

pub(super) fn create(dir: BorrowedFd<'_>, path: &Path, mode: Mode) -> io::Result<OsFile> {
    let file = open(dir, path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode)?;
    keep_for_owner(file.as_fd(), OWNERS)?;
    Ok(file)
}

/// Opens the file of a lock, or makes it.
pub(super) fn open_lock(dir: BorrowedFd<'_>, path: &Path) -> io::Result<OsFile> {
    let file = alone(open(dir, path, OFlags::RDWR | OFlags::CREATE, LOCK_MODE)?)?;
    keep_for_owner(file.as_fd(), OWNERS)?;
    Ok(file)
}

/// Gives the owner back the rights that a umask has removed.
fn keep_for_owner(file: BorrowedFd<'_>, owners: Mode) -> io::Result<()> {
    let mode = Mode::from_raw_mode(rustix::fs::fstat(file)?.st_mode);
    if mode.contains(owners) { Ok(()) } else { Ok(rustix::fs::fchmod(file, mode | owners)?) }
}

/// Opens a directory, to reach its entries. Links on the way to the directory are followed. If `flags` say so, the directory
/// itself must not be a link.
pub(super) fn open_dir(dir: BorrowedFd<'_>, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | flags;
    rustix::fs::openat(dir, path, flags, Mode::empty()).map_err(|error| {
        match rustix::fs::statat(dir, path, AtFlags::SYMLINK_NOFOLLOW).map(|stat| kind_of(&stat)) {
            Ok(kind) if kind != FileType::Directory && flags.contains(OFlags::NOFOLLOW) => {
                unlike("a directory", word(kind))
            }
            _ => error.into(),
        }
    })
}

/// Checks that a path leads to a directory without following a link at its end.
pub(super) fn check_dir(path: &Path) -> io::Result<()> {
    match kind_of(&rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?) {
        FileType::Directory => Ok(()),
        _ => Err(io::ErrorKind::NotADirectory.into()),
    }
}

/// Makes a directory. Returns whether it is new.
pub(super) fn make_dir(dir: BorrowedFd<'_>, path: &Path) -> io::Result<bool> {
    match rustix::fs::mkdirat(dir, path, DIR_MODE) {
        Ok(()) => {}
        Err(rustix::io::Errno::EXIST) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    let stat = rustix::fs::statat(dir, path, AtFlags::SYMLINK_NOFOLLOW)?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    if !mode.contains(OWNERS_DIR) {
        rustix::fs::chmodat(dir, path, mode | OWNERS_DIR, AtFlags::empty())?;
    }
    Ok(true)
}

/// Names in an open directory, in byte order; names that are not UTF-8 are left out.
pub(super) fn list(dir: impl AsFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().to_str()
            && !matches!(name, "." | "..")
        {
            names.push(name.to_string());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The names that `list` leaves out, in a form to be shown.
pub(super) fn list_unnameable(dir: impl AsFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if std::str::from_utf8(name).is_err() {
            names.push(shown(name));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn shown(name: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in name.utf8_chunks() {
        shown.push_str(chunk.valid());
        shown.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    shown
}

pub(super) fn rename(dir: BorrowedFd<'_>, from: &Path, to: &Path) -> io::Result<()> {
    Ok(rustix::fs::renameat(dir, from, dir, to)?)
}

/// Renames without replacing. If the file system cannot do that, the file gets a second name and then loses the first, which
/// replaces nothing either.
pub(super) fn name(dir: BorrowedFd<'_>, from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::Errno;
        match rustix::fs::renameat_with(dir, from, dir, to, rustix::fs::RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            renamed => return Ok(renamed?),
        }
    }
    rustix::fs::linkat(dir, from, dir, to, AtFlags::empty())?;
    Ok(rustix::fs::unlinkat(dir, from, AtFlags::empty())?)
}

pub(super) fn remove(dir: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(dir, path, AtFlags::empty())?)
}
