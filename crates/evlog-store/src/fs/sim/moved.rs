//! Directories that are renamed with everything in them.
//!
//! Invariant: until the name is synced, a crash leaves the whole directory under its old name or under its new one. What was
//! synced in the directory is in it either way.

use super::change::{Keep, Unsynced};
use super::{Act, Disk, Effect, SimFs};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Names as they were before a crash, those that are synced, and directories, where the crash leaves each directory.
pub(super) struct Left {
    pub(super) now: BTreeMap<PathBuf, usize>,
    pub(super) synced: BTreeMap<PathBuf, usize>,
    pub(super) dirs: BTreeMap<PathBuf, u64>,
}

impl SimFs {
    /// Renames a directory to a name in any directory. Fails if anything has that name.
    pub fn rename_dir(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.0.enter();
        let (effect, acted) = disk.act(Act::Rename, to, 0, 0);
        if effect == Effect::All {
            if disk.dirs.contains_key(to) || disk.names.contains_key(to) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            disk.move_dir(from, to);
            disk.moved.push((from.to_path_buf(), to.to_path_buf()));
        }
        acted
    }
}

impl Disk {
    /// Moves a directory to a free name. What is synced is not changed.
    pub(super) fn move_dir(&mut self, from: &Path, to: &Path) {
        self.names = moved(&self.names, from, to);
        self.dirs = moved(&self.dirs, from, to);
        self.locks = moved(&self.locks, from, to);
        for node in &mut self.nodes {
            node.path = moved_path(&node.path, from, to);
        }
    }

    /// Makes the new names in a directory survive a crash.
    pub(super) fn settle_moved(&mut self, dir: &Path) {
        let (settled, moves) =
            std::mem::take(&mut self.moved).into_iter().partition(|(_, to)| to.parent() == Some(dir));
        let settled: Vec<(PathBuf, PathBuf)> = settled;
        for (from, to) in settled {
            self.synced_names = moved(&self.synced_names, &from, &to);
        }
        self.moved = moves;
    }

    /// The disk, where a crash leaves each directory.
    pub(super) fn after_moves(&self, keep: &mut dyn FnMut(&Unsynced) -> Keep) -> Left {
        let mut left = Left { now: self.names.clone(), synced: self.synced_names.clone(), dirs: self.dirs.clone() };
        for (from, to) in &self.moved {
            if keep(&Unsynced::Name { path: to.clone() }) == Keep::Nothing {
                left.now = moved(&left.now, to, from);
                left.dirs = moved(&left.dirs, to, from);
            } else {
                left.synced = moved(&left.synced, from, to);
            }
        }
        left
    }
}

/// The same things, under their paths after a directory was renamed.
pub(super) fn moved<T: Clone>(things: &BTreeMap<PathBuf, T>, from: &Path, to: &Path) -> BTreeMap<PathBuf, T> {
    things.iter().map(|(path, thing)| (moved_path(path, from, to), thing.clone())).collect()
}

fn moved_path(path: &Path, from: &Path, to: &Path) -> PathBuf {
    path.strip_prefix(from).map_or_else(|_| path.to_path_buf(), |within| join(to, within))
}

pub(super) fn join(to: &Path, within: &Path) -> PathBuf {
    if within.as_os_str().is_empty() { to.to_path_buf() } else { to.join(within) }
}
