//! What other processes do to a log's directory while we use it, and the handles that protect us.

use super::moved::{join, moved};
use super::{Disk, SimFs, lock, not_found};
use crate::fs::{File, FileId, Fs, LockAttempt};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Disk {
    /// Makes a directory and those above it.
    pub(super) fn create_dir(&mut self, path: &Path) {
        for dir in path.ancestors() {
            if !self.dirs.contains_key(dir) {
                self.handles += 1;
                self.dirs.insert(dir.to_path_buf(), self.handles);
            }
        }
    }

    /// The place where the directory is now.
    fn path_of(&self, id: u64) -> Option<&PathBuf> {
        self.dirs.iter().find(|(_, other)| **other == id).map(|(path, _)| path)
    }
}

impl SimFs {
    /// Removes a file, as another process would. The removal survives a crash, even for processes that have the file open.
    pub fn take_away(&self, path: &Path) {
        let mut disk = lock(&self.0);
        disk.names.remove(path);
        disk.synced_names.remove(path);
        // A lock belongs to a file, and the next file of that name is another file.
        disk.locks.remove(path);
    }

    /// Cuts a file in place, as another process would.
    pub fn shorten(&self, path: &Path, len: u64) {
        let mut disk = lock(&self.0);
        if let Some(node) = disk.names.get(path).copied() {
            let node = &mut disk.nodes[node];
            node.now.truncate(super::index(len));
            node.synced.truncate(super::index(len));
            node.unsynced.clear();
        }
    }

    /// Removes a directory with everything in it, as another process would.
    pub fn take_away_dir(&self, dir: &Path) {
        for path in self.files().into_iter().filter(|path| path.starts_with(dir)) {
            self.take_away(&path);
        }
        let mut disk = lock(&self.0);
        disk.locks.retain(|path, _| !path.starts_with(dir));
        disk.dirs.retain(|path, _| !path.starts_with(dir));
    }

    /// Moves a directory with everything in it to a free name, as another process would.
    pub fn move_dir(&self, from: &Path, to: &Path) {
        let mut disk = lock(&self.0);
        disk.move_dir(from, to);
        disk.synced_names = moved(&disk.synced_names, from, to);
    }
}

/// A directory by its handle.
#[derive(Debug)]
pub(super) struct SimHeld {
    fs: SimFs,
    root: PathBuf,
    id: u64,
}

impl SimHeld {
    #[expect(clippy::unnecessary_wraps, reason = "it is what a file system answers that can fail and may not have it")]
    pub(super) fn of(fs: &SimFs, root: &Path) -> io::Result<Option<Arc<dyn Fs>>> {
        let id = lock(&fs.0).dirs.get(root).copied();
        Ok(id.map(|id| Arc::new(SimHeld { fs: fs.clone(), root: root.to_path_buf(), id }) as Arc<dyn Fs>))
    }

    /// The place where a path within the directory leads now.
    fn led(&self, path: &Path) -> io::Result<PathBuf> {
        let within = path.strip_prefix(&self.root).map_err(|_| not_found(path))?;
        let disk = lock(&self.fs.0);
        disk.path_of(self.id).map(|dir| join(dir, within)).ok_or_else(|| not_found(path))
    }
}

impl Fs for SimHeld {
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.fs.open_read(&self.led(path)?)
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.fs.open_write(&self.led(path)?)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.fs.create(&self.led(path)?)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.fs.create_dir(&self.led(path)?)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.fs.list(&self.led(dir)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fs.rename(&self.led(from)?, &self.led(to)?)
    }

    fn name(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fs.name(&self.led(from)?, &self.led(to)?)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.fs.remove(&self.led(path)?)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.fs.sync_dir(&self.led(dir)?)
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockAttempt> {
        self.fs.lock(&self.led(path)?, owner)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.fs.is_locked(&self.led(path)?)
    }

    fn id(&self, path: &Path) -> io::Result<FileId> {
        self.fs.id(path)
    }

    fn dir_id(&self, dir: &Path) -> io::Result<Option<FileId>> {
        self.fs.dir_id(&self.led(dir)?)
    }
}
