//! A directory that is held open: everything below it is reached from its descriptor, one name at a time.
//!
//! Invariants:
//! - No symbolic link below the directory is followed, also not one that is put there while a path is walked.
//! - Opening never waits: a named pipe in the place of a file is an error.

use crate::files::{FileError, at};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A directory, and where it was when it was opened.
#[derive(Debug)]
pub(crate) struct Tree {
    path: PathBuf,
    directory: OwnedFd,
}

/// Something in a directory.
pub(crate) struct Named {
    /// Its name.
    pub(crate) name: CString,
    /// What it is; a link is a link.
    pub(crate) kind: FileType,
}

impl Tree {
    /// Opens a directory. The path itself may lead through links, since the person who named it wanted that.
    pub(crate) fn open(path: &Path) -> Result<Tree, FileError> {
        Tree::open_with(path, DIRECTORY)
    }

    /// Opens a directory that must not be a link to one.
    pub(crate) fn open_itself(path: &Path) -> Result<Tree, FileError> {
        Tree::open_with(path, DIRECTORY | OFlags::NOFOLLOW)
    }

    fn open_with(path: &Path, flags: OFlags) -> Result<Tree, FileError> {
        let opened = rustix::fs::open(path, flags, Mode::empty());
        let directory = opened.map_err(|error| at("open", path)(expected_directory(error)))?;
        Ok(Tree { path: path.to_owned(), directory })
    }

    /// Where it was.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The regular file at a path below it, for reading.
    pub(crate) fn file(&self, relative: &str) -> io::Result<File> {
        let (directory, name) = self.parent(relative)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        regular(openat(&directory, name, flags, Mode::empty()))
    }

    /// The directory in which a path below it ends, and the last name of the path.
    pub(crate) fn parent<'p>(&self, relative: &'p str) -> io::Result<(OwnedFd, &'p str)> {
        let (directories, name) = relative.rsplit_once('/').map_or((None, relative), |(dirs, name)| (Some(dirs), name));
        let mut directory = self.directory.try_clone()?;
        for segment in directories.into_iter().flat_map(|directories| directories.split('/')) {
            let flags = DIRECTORY | OFlags::NOFOLLOW;
            directory = openat(&directory, segment, flags, Mode::empty()).map_err(expected_directory)?;
        }
        Ok((directory, name))
    }

    /// What stands at a path below it, be it a link.
    pub(crate) fn stat(&self, relative: &str) -> io::Result<Stat> {
        let (directory, name) = self.parent(relative)?;
        Ok(statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// A regular file, opened for reading. The path itself may lead through links, but not end with one.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    regular(rustix::fs::open(path, flags, Mode::empty()))
}

/// The entries of a directory, in the order of the file system.
pub(crate) fn entries(directory: impl AsFd) -> io::Result<Vec<Named>> {
    let directory = directory.as_fd();
    let mut found = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        let name = entry.file_name().to_owned();
        let kind = match entry.file_type() {
            // Some file systems do not say.
            FileType::Unknown => FileType::from_raw_mode(statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode),
            kind => kind,
        };
        found.push(Named { name, kind });
    }
    Ok(found)
}

/// A directory within another one.
pub(crate) fn enter(directory: impl AsFd, name: &CString) -> io::Result<OwnedFd> {
    openat(directory, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).map_err(expected_directory)
}

fn regular(opened: rustix::io::Result<OwnedFd>) -> io::Result<File> {
    let expected = || io::Error::other("expected a regular file");
    let file = File::from(opened.map_err(|error| match error {
        // A link; a socket, or a pipe that nobody reads.
        Errno::LOOP | Errno::MLINK | Errno::NXIO => expected(),
        error => error.into(),
    })?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(expected()) }
}

/// Systems say differently that a link stands where a directory should.
fn expected_directory(error: Errno) -> io::Error {
    match error {
        Errno::LOOP | Errno::MLINK | Errno::NOTDIR => {
            io::Error::new(io::ErrorKind::NotADirectory, "expected a directory, found a symbolic link or a file")
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_is_reached_without_following_a_link_and_without_waiting() {
        let room = tempfile::tempdir().unwrap();
        let path = |name: &str| room.path().join(name);
        fs::create_dir_all(path("a/b")).unwrap();
        fs::write(path("a/b/file"), "text").unwrap();
        symlink(path("a"), path("link")).unwrap();
        symlink(path("a/b/file"), path("a/file")).unwrap();
        std::process::Command::new("mkfifo").arg(path("a/pipe")).status().unwrap();
        let tree = Tree::open(room.path()).unwrap();
        assert_eq!(io::read_to_string(tree.file("a/b/file").unwrap()).unwrap(), "text");
        for (relative, says) in [
            ("link/b/file", "expected a directory"),
            ("a/file", "expected a regular file"),
            ("a/pipe", "expected a regular file"),
            ("a/b", "expected a regular file"),
            ("a/none", "No such file"),
        ] {
            let error = tree.file(relative).unwrap_err();
            assert!(error.to_string().contains(says), "{relative}: {error}");
        }
        assert!(open_regular(&path("a/file")).is_err() && open_regular(&path("link/b/file")).is_ok());
    }

    #[test]
    fn a_directory_that_was_replaced_by_a_link_is_not_opened_and_one_that_is_held_stays_itself() {
        let room = tempfile::tempdir().unwrap();
        let (given, other) = (room.path().join("given"), room.path().join("other"));
        for directory in [&given, &other] {
            fs::create_dir(directory).unwrap();
        }
        fs::write(other.join("file"), "").unwrap();
        let held = Tree::open_itself(&given).unwrap();
        fs::remove_dir(&given).unwrap();
        symlink(&other, &given).unwrap();
        assert!(held.file("file").is_err());
        let error = Tree::open_itself(&given).unwrap_err();
        assert!(error.to_string().contains("expected a directory, found a symbolic link"), "{error}");
        assert!(Tree::open(&given).unwrap().file("file").is_ok());
    }
}
