//! A directory that is held open: everything below it is reached from its descriptor, one name at a time.
//!
//! Invariants:
//! - No symbolic link below the directory is followed, even if it is put there while a path is walked.
//! - Below a directory that was opened with `open_itself`, nothing on another mount is opened, even if it is the same file
//!   system.
//! - Opening never waits: a named pipe in the place of a file is an error.

mod mount;

use crate::file_error::{FileError, at};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// A directory that is held open, and its path when it was opened.
#[derive(Debug)]
pub(crate) struct Tree {
    path: PathBuf,
    directory: OwnedFd,
    /// Whether to refuse everything that is mounted below it.
    confined: bool,
}

/// Something in a directory.
pub(crate) struct Named {
    /// Its name.
    pub(crate) name: CString,
    /// Its type. Links are not followed.
    pub(crate) kind: FileType,
}

impl Tree {
    /// Opens a directory. The path itself may lead through links, because the person who named it wanted that. What is mounted
    /// below the directory belongs to it.
    pub(crate) fn open(path: &Path) -> Result<Tree, FileError> {
        Tree::open_with(path, DIRECTORY, false)
    }

    /// Opens a directory. A link to a directory is refused. What is mounted below the directory is not reached.
    pub(crate) fn open_itself(path: &Path) -> Result<Tree, FileError> {
        Tree::open_with(path, DIRECTORY | OFlags::NOFOLLOW, true)
    }

    fn open_with(path: &Path, flags: OFlags, confined: bool) -> Result<Tree, FileError> {
        let opened = rustix::fs::open(path, flags, Mode::empty());
        let directory = opened.map_err(|error| at("open", path)(expected_directory(error)))?;
        Ok(Tree { path: path.to_owned(), directory, confined })
    }

    /// The path of the directory when it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A directory below this one; with an empty path, this directory itself.
    pub(crate) fn within(&self, relative: &str) -> io::Result<Tree> {
        let mut directory = self.directory.try_clone()?;
        for segment in relative.split('/').filter(|segment| !segment.is_empty()) {
            directory = self.enter(&directory, segment)?;
        }
        let path = if relative.is_empty() { self.path.clone() } else { self.path.join(relative) };
        Ok(Tree { path, directory, confined: self.confined })
    }

    /// Like [`within`](Self::within), but the error names the directory.
    pub(crate) fn within_named(&self, relative: &str) -> Result<Tree, FileError> {
        self.within(relative).map_err(at("open", &self.path.join(relative)))
    }

    /// Opens a directory in `directory`, which is this one or below it.
    pub(crate) fn enter(&self, directory: impl AsFd, name: impl rustix::path::Arg) -> io::Result<OwnedFd> {
        self.open_in(directory.as_fd(), name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).map_err(expected_directory)
    }

    fn open_in(
        &self,
        directory: BorrowedFd<'_>,
        name: impl rustix::path::Arg,
        flags: OFlags,
        mode: Mode,
    ) -> rustix::io::Result<OwnedFd> {
        if self.confined { mount::open(directory, name, flags, mode) } else { openat(directory, name, flags, mode) }
    }

    /// The regular file at a path below it, for reading.
    pub(crate) fn file(&self, relative: &str) -> io::Result<File> {
        self.file_with(relative, OFlags::RDONLY, Mode::empty())
    }

    /// Like [`file`](Self::file), opened with these flags. Makes the file if the flags say so.
    pub(crate) fn file_with(&self, relative: &str, flags: OFlags, mode: Mode) -> io::Result<File> {
        let (directory, name) = self.parent(relative)?;
        regular(self.open_in(directory.as_fd(), name, flags | FILE, mode))
    }

    /// The directory in which a path below it ends, and the last name of the path.
    pub(crate) fn parent<'p>(&self, relative: &'p str) -> io::Result<(OwnedFd, &'p str)> {
        let (directories, name) = relative.rsplit_once('/').unwrap_or(("", relative));
        Ok((self.within(directories)?.into_directory(), name))
    }

    /// What is at a path below it. A link is not followed.
    pub(crate) fn stat(&self, relative: &str) -> io::Result<Stat> {
        let (directory, name) = self.parent(relative)?;
        Ok(statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Whether anything is at a path below it, including a link that leads nowhere and something that cannot be examined.
    pub(crate) fn has(&self, relative: &str) -> bool {
        !matches!(self.stat(relative), Err(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Makes the entries of the directory durable.
    pub(crate) fn sync(&self) -> Result<(), FileError> {
        rustix::fs::fsync(self).map_err(|error| at("sync", &self.path)(error.into()))
    }

    /// Gives the owner all permissions on the directory `name` in `directory`. `directory` is this tree's root or below it.
    #[cfg(target_os = "linux")]
    pub(crate) fn unlock(&self, directory: impl AsFd, name: &CStr) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        // Without permission to read, a directory cannot be opened, but a descriptor can name it.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let named = self.open_in(directory.as_fd(), name, flags, Mode::empty())?;
        if !Mode::from_raw_mode(fstat(&named)?.st_mode).contains(Mode::RWXU) {
            rustix::fs::chmod(format!("/proc/self/fd/{}", named.as_raw_fd()), Mode::RWXU)?;
        }
        Ok(())
    }

    /// Gives the owner all permissions on the directory `name` in `directory`. `directory` is this tree's root or below it.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn unlock(&self, directory: impl AsFd, name: &CStr) -> io::Result<()> {
        let found = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if found.st_dev != fstat(&directory)?.st_dev {
            return Err(mounted());
        }
        Ok(rustix::fs::chmodat(directory, name, Mode::RWXU, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// The descriptor of this directory.
    pub(crate) fn into_directory(self) -> OwnedFd {
        self.directory
    }

    /// An error unless the directory is still at the path where it was opened.
    pub(crate) fn is_in_its_place(&self) -> Result<(), FileError> {
        let identity = |stat: Stat| (stat.st_dev, stat.st_ino);
        let own = fstat(self).map_err(|error| at("read", &self.path)(error.into()))?;
        let there = Tree::open_itself(&self.path)?;
        let there = fstat(&there).map_err(|error| at("read", &self.path)(error.into()))?;
        if identity(own) == identity(there) {
            return Ok(());
        }
        let message = "expected the directory that was there when the run began or was resumed, found another";
        Err(at("write in", &self.path)(io::Error::new(io::ErrorKind::NotFound, message)))
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// Opens a regular file for reading, without waiting for anything. The path may lead through links, but its last name must not
/// be a link.
pub fn open_regular(path: &Path) -> io::Result<File> {
    regular(rustix::fs::open(path, OFlags::RDONLY | FILE, Mode::empty()))
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
            // Some file systems do not give the type.
            FileType::Unknown => FileType::from_raw_mode(statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode),
            kind => kind,
        };
        found.push(Named { name, kind });
    }
    Ok(found)
}

fn regular(opened: rustix::io::Result<OwnedFd>) -> io::Result<File> {
    let expected = || io::Error::other("expected a regular file");
    let file = File::from(opened.map_err(|error| match error {
        // A link, a socket, or a pipe without a reader.
        Errno::LOOP | Errno::MLINK | Errno::NXIO => expected(),
        Errno::XDEV => mounted(),
        error => error.into(),
    })?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(expected()) }
}

/// Systems report a link in the place of a directory with different errors.
fn expected_directory(error: Errno) -> io::Error {
    match error {
        Errno::LOOP | Errno::MLINK | Errno::NOTDIR => {
            io::Error::new(io::ErrorKind::NotADirectory, "expected a directory, found a symbolic link or a file")
        }
        Errno::XDEV => mounted(),
        error => error.into(),
    }
}

/// The error that something is mounted there.
pub(crate) fn mounted() -> io::Error {
    io::Error::new(
        io::ErrorKind::CrossesDevices,
        "something is mounted here, and what is on another mount is left alone",
    )
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
    fn an_open_directory_is_still_the_old_one_after_a_link_replaced_it_and_the_link_is_not_opened() {
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
        assert!(held.is_in_its_place().is_err());
    }

    #[test]
    fn g66_a_directory_knows_whether_it_stands_where_it_was_opened() {
        let room = tempfile::tempdir().unwrap();
        let (given, moved) = (room.path().join("given"), room.path().join("moved"));
        fs::create_dir(&given).unwrap();
        let held = Tree::open_itself(&given).unwrap();
        held.is_in_its_place().unwrap();
        fs::rename(&given, &moved).unwrap();
        assert!(held.is_in_its_place().is_err());
        fs::create_dir(&given).unwrap();
        let error = held.is_in_its_place().unwrap_err();
        assert!(error.to_string().contains("found another"), "{error}");
        fs::remove_dir(&given).unwrap();
        fs::rename(&moved, &given).unwrap();
        held.is_in_its_place().unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn g67_a_mount_below_a_directory_is_out_of_reach_unless_a_person_named_the_directory() {
        let error = Tree::open_itself(Path::new("/")).unwrap().within("proc").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::CrossesDevices);
        assert!(Tree::open_itself(Path::new("/")).unwrap().file("proc/version").is_err());
        assert!(Tree::open(Path::new("/")).unwrap().file("proc/version").is_ok());
    }
}
