//! Several machines in memory that append to one log.
//!
//! Does: what the contract of a [shared](Fs::is_shared) file system asks for. Each machine keeps what its writer has not synced
//! to itself. The sync of a segment makes all of it common at once, unless another machine was first. Does not: crash, or fail in
//! another way.

use super::{SimFs, lock};
use crate::fs::{Claim, File, FileId, Fs, Lock, LockAttempt, Overtaken, Stamp};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files by path.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What all machines see.
#[derive(Debug, Default)]
struct Common {
    /// Files of `segments/`.
    segments: Files,
    /// Checkpoints and other files that a sync of their directory makes common.
    others: Files,
}

/// What one machine sees.
#[derive(Debug, Default)]
struct Own {
    fs: SimFs,
    /// The segments that this machine knew as common when its session began, or made common itself.
    base: Files,
    locked: bool,
    /// After this many syncs that make something common, the next one is too late. For tests of a race that is lost in the
    /// middle of a group.
    late_after: Option<u64>,
}

/// The file system of one machine. Clones are the same machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    common: Arc<Mutex<Common>>,
    own: Arc<Mutex<Own>>,
}

#[derive(Debug)]
struct OwnFile {
    machine: Machine,
    file: Arc<dyn File>,
}

#[derive(Debug)]
struct OwnLock(Machine);

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix == "seg")
}

impl Machine {
    /// Another machine beside this one. It sees what is common now.
    #[must_use]
    pub fn another(&self) -> Machine {
        let machine = Machine { common: Arc::clone(&self.common), own: Arc::default() };
        machine.fetch();
        machine
    }

    /// After `after` more syncs that make something common, the next one is too late.
    pub fn be_late_after(&self, after: u64) {
        held(&self.own).late_after = Some(after);
    }

    /// Forgets what this machine did not make common, and takes what others made common. Directories stay, because a log that is being made has them before its lock.
    fn fetch(&self) {
        let (common, mut own, fs) = (held(&self.common), held(&self.own), SimFs::new());
        lock(&fs.0).dirs.clone_from(&lock(&own.fs.0).dirs);
        for (path, bytes) in common.segments.iter().chain(&common.others) {
            path.parent().into_iter().for_each(|dir| fs.create_dir(dir).unwrap_or_default());
            fs.put(path, bytes.clone());
        }
        (own.fs, own.base) = (fs, common.segments.clone());
    }

    /// Makes everything that this machine has in `segments/` common, if it was first.
    fn publish(&self, file: &dyn File) -> io::Result<()> {
        let (mut common, mut own) = (held(&self.common), held(&self.own));
        let id = file.id()?;
        let named: Vec<_> = own.fs.files().into_iter().filter(|path| is_segment(path)).collect();
        if !named.iter().any(|path| own.fs.id(path).is_ok_and(|found| found == id)) {
            return Ok(());
        }
        let now: Files = named.into_iter().filter_map(|path| own.fs.bytes(&path).map(|bytes| (path, bytes))).collect();
        if now == own.base {
            return Ok(());
        }
        if common.segments != own.base || own.late_after == Some(0) {
            own.late_after = None;
            return Err(io::Error::other(Overtaken));
        }
        own.late_after = own.late_after.map(|after| after - 1);
        common.segments.clone_from(&now);
        own.base = now;
        Ok(())
    }

    fn fs(&self) -> SimFs {
        held(&self.own).fs.clone()
    }

    fn file(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(OwnFile { machine: self.clone(), file })
    }
}

impl Fs for Machine {
    fn is_shared(&self) -> bool {
        true
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.file(self.fs().open_read(path)?))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.file(self.fs().open_write(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.file(self.fs().create(path)?))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.fs().create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.fs().list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fs().rename(from, to)
    }

    fn name(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fs().name(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.fs().remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let (mut common, fs) = (held(&self.common), self.fs());
        let kept = |path: &PathBuf| path.parent() == Some(dir) && dir.ends_with("checkpoints");
        for path in fs.files().into_iter().filter(kept) {
            if let Some(bytes) = fs.bytes(&path) {
                common.others.entry(path).or_insert(bytes);
            }
        }
        fs.sync_dir(dir)
    }

    fn lock(&self, _path: &Path, _owner: &str) -> io::Result<LockAttempt> {
        if std::mem::replace(&mut held(&self.own).locked, true) {
            return Ok(LockAttempt::HeldBy(String::new()));
        }
        self.fetch();
        Ok(LockAttempt::Taken(Box::new(OwnLock(self.clone()))))
    }

    fn is_locked(&self, _path: &Path) -> io::Result<bool> {
        Ok(held(&self.own).locked)
    }

    fn id(&self, path: &Path) -> io::Result<FileId> {
        self.fs().id(path)
    }
}

impl File for OwnFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.machine.publish(self.file.as_ref())?;
        self.file.sync_data()
    }

    fn id(&self) -> io::Result<FileId> {
        self.file.id()
    }

    fn stamp(&self) -> io::Result<Stamp> {
        self.file.stamp()
    }

    fn is_named(&self) -> io::Result<bool> {
        self.file.is_named()
    }

    fn try_lock(&self) -> io::Result<Claim> {
        self.file.try_lock()
    }

    fn is_locked(&self) -> io::Result<bool> {
        self.file.is_locked()
    }
}

impl Lock for OwnLock {
    fn say(&self, _owner: &str) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for OwnLock {
    fn drop(&mut self) {
        held(&self.0.own).locked = false;
    }
}
