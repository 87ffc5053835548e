//! Bundles below a directory of the real file system.
//!
//! Drafts are in `runs/.drafts.<random>`, so that they are on the file system of their targets. A process locks the directory
//! of its drafts, and removes it at its end. One that was killed leaves it, without the lock, and the next process removes it.

use super::{Disk, RUNS, draft};
use crate::file_error::{FileError, at};
use crate::files::{FILE_MODE, check_path, holds, make_unsynced, remove_tree};
use crate::tree::{Tree, entries};
use evlog::random;
use evlog_projection::Bundle;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, renameat};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

const DRAFTS: &str = ".drafts.";

/// If more files than this are to be synced, the whole file system is synced if possible: one flush instead of thousands.
#[cfg(target_os = "linux")]
const ONE_BY_ONE_MAX: usize = 32;

/// A directory that holds `runs`.
#[derive(Debug)]
pub struct Below {
    root: Tree,
    runs: Tree,
    drafts: Tree,
    drafts_name: String,
    /// The directory of the file that was placed last, and its path.
    last: Option<(String, Tree)>,
}

impl Below {
    /// Opens the directory, makes `runs` in it, and removes drafts that a killed process has left.
    pub fn open(root: &Path) -> Result<Below, FileError> {
        let root = Tree::open(root)?;
        make_unsynced(&root, RUNS)?;
        let runs = root.within_named(RUNS)?;
        remove_abandoned(&runs)?;
        loop {
            let drafts_name = format!("{DRAFTS}{}", random::name());
            make_unsynced(&runs, &drafts_name)?;
            let drafts = runs.within_named(&drafts_name)?;
            lock(&drafts)?;
            // Another process may have removed it before it was locked.
            if runs.has(&drafts_name) {
                return Ok(Below { root, runs, drafts, drafts_name, last: None });
            }
        }
    }

    /// The directory of a path, made if needed; and the path's last name.
    fn directory<'p>(&mut self, path: &'p str) -> Result<(&Tree, &'p str), FileError> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let last = match self.last.take().filter(|(last, _)| last == above) {
            Some(last) => last,
            None => (above.to_owned(), make_all(&self.root, above)?),
        };
        Ok((&self.last.insert(last).1, name))
    }
}

fn lock(drafts: &Tree) -> Result<(), FileError> {
    flock(drafts, FlockOperation::NonBlockingLockExclusive).map_err(|error| at("lock", drafts.path())(error.into()))
}

fn remove_abandoned(runs: &Tree) -> Result<(), FileError> {
    for named in entries(runs).map_err(at("read", runs.path()))? {
        let Some(name) = named.name.to_str().ok().filter(|name| name.starts_with(DRAFTS)) else { continue };
        let Ok(drafts) = runs.within(name) else { continue };
        if lock(&drafts).is_ok() {
            remove_tree(runs, name)?;
        }
    }
    Ok(())
}

fn make_all(root: &Tree, path: &str) -> Result<Tree, FileError> {
    let mut directory = root.within_named("")?;
    for name in path.split('/') {
        make_unsynced(&directory, name)?;
        directory = directory.within_named(name)?;
    }
    Ok(directory)
}

/// Syncs the file system if it must sync many files and can do it at once. Returns whether it did.
#[cfg(target_os = "linux")]
fn synced_at_once(directory: &Tree, files: usize) -> Result<bool, FileError> {
    if files <= ONE_BY_ONE_MAX {
        return Ok(false);
    }
    rustix::fs::syncfs(directory).map_err(|error| at("sync", directory.path())(error.into()))?;
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
fn synced_at_once(_directory: &Tree, _files: usize) -> Result<bool, FileError> {
    Ok(false)
}

fn sync_file(directory: &Tree, path: &str) -> Result<(), FileError> {
    directory.file(path).and_then(|file| file.sync_all()).map_err(at("sync", &directory.path().join(path)))
}

/// Syncs files below a directory, and the names on the way to them. The names in the directory itself are left to the caller.
fn sync_below(root: &Tree, paths: &[String]) -> Result<(), FileError> {
    let mut directories = BTreeSet::new();
    for path in paths {
        sync_file(root, path)?;
        directories.extend(path.match_indices('/').map(|(end, _)| &path[..end]));
    }
    directories.into_iter().try_for_each(|directory| root.within_named(directory)?.sync())
}

/// Renames a directory to a name that is free. Returns whether it did.
#[cfg(target_os = "linux")]
fn renamed_to_free(from: &Tree, old: &str, to: &Tree, new: &str) -> rustix::io::Result<bool> {
    use rustix::io::Errno;
    match rustix::fs::renameat_with(from, old, to, new, rustix::fs::RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        // Something is there, or the file system cannot rename without replacing.
        Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Other systems replace an empty directory, which another process may hold open.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it is what Linux answers, where it can fail")]
fn renamed_to_free(_from: &Tree, _old: &str, _to: &Tree, _new: &str) -> rustix::io::Result<bool> {
    Ok(false)
}

impl Disk for Below {
    fn has_bundle(&self, run: &str) -> bool {
        self.runs.has(run)
    }

    fn holds(&self, path: &str, bytes: &[u8]) -> bool {
        holds(&self.root, path, bytes)
    }

    fn draft(&mut self, draft: &str, bytes: &[u8]) -> Result<(), FileError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let file = self.drafts.file_with(draft, flags, Mode::from_raw_mode(FILE_MODE));
        file.and_then(|mut file| file.write_all(bytes)).map_err(at("write", &self.drafts.path().join(draft)))
    }

    fn draft_bundle(&mut self, draft: &str, bundle: &Bundle) -> Result<(), FileError> {
        draft::make(&self.drafts, draft, bundle)
    }

    fn sync_drafts(&mut self, drafts: &[String]) -> Result<(), FileError> {
        if synced_at_once(&self.drafts, drafts.len())? {
            return Ok(());
        }
        sync_below(&self.drafts, drafts)
    }

    fn place(&mut self, draft: &str, path: &str) -> Result<(), FileError> {
        let target = self.root.path().join(path);
        check_path(path).map_err(at("write", &target))?;
        let (drafts, draft) = self.drafts.parent(draft).map_err(at("open", &self.drafts.path().join(draft)))?;
        let (directory, name) = self.directory(path)?;
        let replaced = renameat(&drafts, draft, directory, name);
        replaced.map_err(|error| at("replace", &target)(io::Error::from(error)))
    }

    fn place_bundle(&mut self, draft: &str, run: &str) -> Result<bool, FileError> {
        let target = self.runs.path().join(run);
        check_path(run).map_err(at("write", &target))?;
        let renamed = renamed_to_free(&self.drafts, draft, &self.runs, run);
        renamed.map_err(|error| at("make", &target)(io::Error::from(error)))
    }

    fn sync_places(&mut self, paths: &[String]) -> Result<(), FileError> {
        if synced_at_once(&self.runs, paths.len())? {
            return Ok(());
        }
        sync_below(&self.root, paths)?;
        self.root.sync()
    }
}

impl Drop for Below {
    fn drop(&mut self) {
        // What is left if this fails, the next process removes.
        let _left = remove_tree(&self.runs, &self.drafts_name);
    }
}
