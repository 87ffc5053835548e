//! A log's directory by its handle. Every operation reaches the files of the directory that was opened, even if that directory
//! is moved or another one takes its name.
//!
//! Invariant: directories below it are opened once, without following links, and their handles are kept.

use super::std_file::boxed;
use super::{File, FileId, Fs, LockAttempt, Stamp, at, lock};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, OFlags};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A directory that is held.
#[derive(Debug)]
pub(super) struct HeldFs {
    root: PathBuf,
    dir: Arc<OwnedFd>,
    /// The handles of the directories in it, by name.
    inner: Mutex<BTreeMap<PathBuf, Arc<OwnedFd>>>,
}

impl HeldFs {
    /// Opens the directory.
    pub(super) fn of(root: &Path) -> io::Result<HeldFs> {
        let shown = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        let dir = Arc::new(at::open_dir(CWD, shown, OFlags::empty())?);
        Ok(HeldFs { root: root.to_path_buf(), dir, inner: Mutex::default() })
    }

    /// The handle of a directory: the one that is held, or one directly in it.
    fn dir(&self, path: &Path) -> io::Result<Arc<OwnedFd>> {
        let beyond = || io::Error::new(io::ErrorKind::InvalidInput, "not a directory of this log");
        let within = path.strip_prefix(&self.root).map_err(|_| beyond())?;
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match within.components().count() {
            0 => return Ok(Arc::clone(&self.dir)),
            1 => {}
            _ => return Err(beyond()),
        }
        if let Some(dir) = inner.get(within) {
            return Ok(Arc::clone(dir));
        }
        let dir = Arc::new(at::open_dir(self.dir.as_fd(), within, OFlags::NOFOLLOW)?);
        inner.insert(within.to_path_buf(), Arc::clone(&dir));
        Ok(dir)
    }

    /// Calls a function with the handle of a file's directory and the file's name there.
    fn with<'p, T>(
        &self,
        path: &'p Path,
        act: impl FnOnce(BorrowedFd<'_>, &'p Path) -> io::Result<T>,
    ) -> io::Result<T> {
        let nameless = || io::Error::new(io::ErrorKind::InvalidInput, "not a file of this log");
        let (above, name) = (path.parent().ok_or_else(nameless)?, path.file_name().ok_or_else(nameless)?);
        let dir = self.dir(above)?;
        act(dir.as_fd(), Path::new(name))
    }
}

fn name_of(path: &Path) -> &Path {
    path.file_name().map_or(path, Path::new)
}

impl Fs for HeldFs {
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.with(path, at::open_read).map(boxed)
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.with(path, at::open_write).map(boxed)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.with(path, |dir, name| at::create(dir, name, at::FILE_MODE)).map(boxed)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if path == self.root || !self.with(path, at::make_dir)? {
            return self.dir(path).map(drop);
        }
        self.sync_dir(path.parent().unwrap_or(&self.root))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        at::list(&*self.dir(dir)?)
    }

    fn list_unnameable(&self, dir: &Path) -> io::Result<Vec<String>> {
        at::list_unnameable(&*self.dir(dir)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with(from, |dir, name| at::rename(dir, name, name_of(to)))
    }

    fn name(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with(from, |dir, name| at::name(dir, name, name_of(to)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.with(path, at::remove)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Ok(rustix::fs::fsync(&*self.dir(dir)?)?)
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockAttempt> {
        self.with(path, |dir, name| lock::take(dir, name, owner))
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.with(path, at::stamp)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        match self.open_read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            opened => opened?.is_locked(),
        }
    }

    fn dir_id(&self, dir: &Path) -> io::Result<Option<FileId>> {
        Ok(Some(at::stamp_of_file(self.dir(dir)?.as_fd())?.id))
    }

    /// The identity of the file that has this path now. If a link has taken the place of a directory, files behind it
    /// do not count as ours, even if they are the same files.
    fn id(&self, path: &Path) -> io::Result<FileId> {
        if let Some(above) = path.parent().filter(|above| *above != self.root) {
            at::check_dir(above)?;
        }
        Ok(at::stamp(CWD, path)?.id)
    }
}
