//! The real file system.

use super::held::HeldFs;
use super::std_file::boxed;
use super::{File, FileId, Fs, LockAttempt, Stamp, at, lock};
use rustix::fd::AsFd;
use rustix::fs::{CWD, OFlags};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct StdFs;

/// A directory's path as the system takes it.
fn dir_path(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() { Path::new(".") } else { dir }
}

impl Fs for StdFs {
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        at::open_read(CWD, path).map(boxed)
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        at::open_write(CWD, path).map(boxed)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        at::create(CWD, path, at::FILE_MODE).map(boxed)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if path.as_os_str().is_empty() || path.is_dir() {
            return Ok(());
        }
        let above = path.parent().unwrap_or(Path::new("/"));
        self.create_dir(above)?;
        if at::make_dir(CWD, path)? {
            return self.sync_dir(above);
        }
        if path.is_dir() { Ok(()) } else { Err(io::ErrorKind::AlreadyExists.into()) }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        at::list(at::open_dir(CWD, dir_path(dir), OFlags::empty())?)
    }

    fn list_unnameable(&self, dir: &Path) -> io::Result<Vec<String>> {
        at::list_unnameable(at::open_dir(CWD, dir_path(dir), OFlags::empty())?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        at::rename(CWD, from, to)
    }

    fn name(&self, from: &Path, to: &Path) -> io::Result<()> {
        at::name(CWD, from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        at::remove(CWD, path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Ok(rustix::fs::fsync(at::open_dir(CWD, dir_path(dir), OFlags::empty())?)?)
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockAttempt> {
        lock::take(CWD, path, owner)
    }

    #[cfg(target_os = "linux")]
    fn watch(&self, dir: &Path) -> Option<Box<dyn super::Watch>> {
        super::watch::Inotify::of(dir).ok().map(|watch| Box::new(watch) as Box<dyn super::Watch>)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        match self.open_read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            opened => opened?.is_locked(),
        }
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        at::stamp(CWD, path)
    }

    fn id(&self, path: &Path) -> io::Result<FileId> {
        Ok(at::stamp(CWD, path)?.id)
    }

    fn dir_id(&self, dir: &Path) -> io::Result<Option<FileId>> {
        Ok(Some(at::stamp_of_file(at::open_dir(CWD, dir_path(dir), OFlags::empty())?.as_fd())?.id))
    }

    fn hold(&self, dir: &Path) -> io::Result<Option<Arc<dyn Fs>>> {
        Ok(Some(Arc::new(HeldFs::of(dir)?)))
    }
}
