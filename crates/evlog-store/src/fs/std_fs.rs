//! The real file system.

use super::{File, Fs, Lock, LockAttempt, Map, Syncing};
use std::fs::{File as OsFile, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::Builder;

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct StdFs;

#[derive(Debug)]
struct StdFile(OsFile);

/// The lock goes with the last handle of the open file; children of this process never get one (close-on-exec).
#[derive(Debug)]
struct StdLock {
    _file: OsFile,
}

impl Lock for StdLock {}

impl File for StdFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.0, buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn begin_sync(self: Arc<Self>) -> Syncing {
        let file = Arc::clone(&self);
        let begun = Builder::new().name("evlog-sync".into()).spawn(move || file.sync_data());
        begun.map_or_else(|_| Syncing::Done(self.sync_data()), Syncing::Beside)
    }

    fn map(&self, len: u64) -> Option<Map> {
        Map::of(&self.0, len)
    }
}

fn boxed(file: OsFile) -> Arc<dyn File> {
    Arc::new(StdFile(file))
}

impl Fs for StdFs {
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        OsFile::open(path).map(boxed)
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        OpenOptions::new().read(true).write(true).open(path).map(boxed)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).map(boxed)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if path.as_os_str().is_empty() || path.is_dir() {
            return Ok(());
        }
        let above = path.parent().unwrap_or(Path::new("/"));
        self.create_dir(above)?;
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.sync_dir(above),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        OsFile::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockAttempt> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.write_all(owner.as_bytes())?;
                Ok(LockAttempt::Taken(Box::new(StdLock { _file: file })))
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = Vec::new();
                file.take(4096).read_to_end(&mut text)?;
                Ok(LockAttempt::HeldBy(String::from_utf8_lossy(&text).into_owned()))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    #[cfg(target_os = "linux")]
    fn watch(&self, dir: &Path) -> Option<Box<dyn super::Watch>> {
        super::watch::Inotify::of(dir).ok().map(|watch| Box::new(watch) as Box<dyn super::Watch>)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        let file = match OsFile::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
