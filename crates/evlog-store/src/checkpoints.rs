//! The checkpoints that a log keeps, and the byte tree at the last of them.
//!
//! Does: write each checkpoint under another name, sync it and give it its name, so that a checkpoint is there completely or
//! not at all. Then check that its path still leads to it, in case the directory was moved or replaced. Does not: know what a
//! checkpoint says, or whether it is signed.

use crate::error::Failure;
use crate::fs::{FileId, Fs};
use crate::layout::Layout;
use crate::segment::{Files, check_path};
use evlog_format::Position;
use evlog_verify::Frontier;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest checkpoint that is read, in bytes.
const NOTE_LEN_MAX: u64 = 64 * 1024;

/// The checkpoints of one log.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    fs: Arc<dyn Fs>,
    layout: Layout,
}

impl Checkpoints {
    /// The checkpoints of the log in `dir`. Nothing is read yet.
    pub fn new(fs: Arc<dyn Fs>, dir: &Path) -> Checkpoints {
        Checkpoints { fs, layout: Layout::new(dir) }
    }

    /// The sizes of the log at which checkpoints were kept, in order.
    pub fn sizes(&self) -> Result<Vec<Position>, Failure> {
        let mut sizes: Vec<Position> = self.names()?.iter().filter_map(|name| Layout::parse_checkpoint(name)).collect();
        sizes.sort_unstable();
        Ok(sizes)
    }

    fn names(&self) -> Result<Vec<String>, Failure> {
        let (log, dir) = (self.layout.dir(), self.layout.checkpoints());
        // A handle of the log's directory follows no link within it. A link that leads nowhere does not mean "no checkpoints".
        let held = match self.fs.hold(log) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            held => held.map_err(Failure::of("open", log))?,
        };
        match held.as_ref().unwrap_or(&self.fs).list(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed.map_err(Failure::of("list", &dir)),
        }
    }

    /// The checkpoints that were set aside, by name.
    pub fn aside(&self) -> Result<Vec<PathBuf>, Failure> {
        self.named(Layout::is_void)
    }

    /// Files that are named like a checkpoint but cannot be one, by name.
    pub fn misnamed(&self) -> Result<Vec<PathBuf>, Failure> {
        self.named(Layout::is_misnamed)
    }

    fn named(&self, is_wanted: fn(&str) -> bool) -> Result<Vec<PathBuf>, Failure> {
        let mut names = self.names()?;
        names.retain(|name| is_wanted(name));
        names.sort_unstable();
        Ok(names.into_iter().map(|name| self.layout.checkpoints().join(name)).collect())
    }

    /// Sets aside a checkpoint that covers bytes that were given up. It is no longer among [`sizes`](Self::sizes). It is kept
    /// as evidence under another name, which is returned.
    pub fn set_aside(&self, size: Position) -> Result<PathBuf, Failure> {
        let (dir, from, names) = (self.layout.checkpoints(), self.layout.checkpoint(size), self.names()?);
        let free = (0..=names.len() as u64).map(|n| Layout::void(size, n)).find(|name| !names.contains(name));
        let Some(name) = free else { unreachable!("there are more numbers than files") };
        let to = dir.join(name);
        let id = self.fs.open_read(&from).and_then(|file| file.id()).map_err(Failure::of("open", &from))?;
        self.fs.name(&from, &to).map_err(Failure::of("rename", &from))?;
        self.fs.sync_dir(&dir).map_err(Failure::of("sync", &dir))?;
        self.check_place(&to, id)?;
        Ok(to)
    }

    /// The path of the checkpoint over the first `size` bytes.
    pub fn path(&self, size: Position) -> PathBuf {
        self.layout.checkpoint(size)
    }

    /// Reads the checkpoint over the first `size` bytes.
    pub fn read(&self, size: Position) -> Result<Vec<u8>, Failure> {
        self.read_aside(&self.layout.checkpoint(size))
    }

    /// Reads a checkpoint that was set aside, by a path of [`aside`](Self::aside).
    pub fn read_aside(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        let file = self.fs.open_read(path).map_err(Failure::of("open", path))?;
        file.read_to_end(NOTE_LEN_MAX).map_err(Failure::of("read", path))
    }

    /// Checks that a checkpoint is at its path. The directory is reached by a handle, which still works when somebody
    /// has moved the directory away.
    fn check_place(&self, path: &Path, id: FileId) -> Result<(), Failure> {
        check_path(self.fs.as_ref(), path, id, "the directory of checkpoints")
    }

    /// Keeps a checkpoint. When this returns, it survives a crash.
    pub fn keep(&self, size: Position, note: &[u8]) -> Result<(), Failure> {
        let dir = self.layout.checkpoints();
        self.fs.create_dir(&dir).map_err(Failure::of("create", &dir))?;
        let path = self.layout.checkpoint(size);
        let id = self.put(&path, note)?;
        self.fs.sync_dir(&dir).map_err(Failure::of("sync", &dir))?;
        self.check_place(&path, id)
    }

    /// Keeps the byte tree at the last checkpoint. It is derived: if a crash leaves only a part of it, its checksum does not
    /// match.
    pub fn keep_tree(&self, frontier: &Frontier) -> Result<(), Failure> {
        self.put(&self.layout.checkpoint_tree(), &frontier.encode()).map(drop)
    }

    /// The byte tree that was kept, if it can be read. The caller must compare its root before relying on it.
    pub fn tree(&self) -> Option<Frontier> {
        let file = self.fs.open_read(&self.layout.checkpoint_tree()).ok()?;
        Frontier::decode(&file.read_to_end(Frontier::ENCODED_LEN_MAX as u64).ok()?).ok()
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> Result<FileId, Failure> {
        let unfinished = Layout::unfinished(path);
        let written = Files::new(Arc::clone(&self.fs), self.layout.dir())
            .create_anew(&unfinished)
            .and_then(|file| {
                file.write_at(bytes, 0).map_err(Failure::of("write", &unfinished))?;
                file.sync_data().map_err(Failure::of("sync", &unfinished))?;
                file.id().map_err(Failure::of("look at", &unfinished))
            })
            .and_then(|id| self.fs.rename(&unfinished, path).map(|()| id).map_err(Failure::of("name", path)));
        if written.is_err() {
            self.fs.remove(&unfinished).ok();
        }
        written
    }
}
