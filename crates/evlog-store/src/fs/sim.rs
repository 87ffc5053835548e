//! A file system in memory. It keeps what was written apart from what would survive a crash, and fails on demand.
//!
//! Does: everything that the contract of [`Fs`] allows a disk to do. To simulate a disk that breaks the contract, it can also
//! report syncs that did not happen. Does not: delay, reorder reads, or know the time. The same calls with the same [`Keep`]
//! give the same image, and a [gate](SimFs::hold) lets a test decide the order of the calls of two threads.
//!
//! Invariants:
//! - A sync that fails drops what it was asked to keep. The bytes can still be read, and no later sync keeps them, as on
//!   Linux, which marks a page that could not be written as clean.
//! - After the power is cut nothing changes any more. The act that was in progress may have happened or not.

mod change;
mod gate;
mod machine;
mod moved;
mod outside;

use super::{Claim, File, FileId, Fs, Lock, LockAttempt};
use change::{Change, index};
pub use change::{Keep, Unsynced};
use gate::{Gate, Shared};
pub use machine::Machine;
use moved::Left;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};

/// An act that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Writing to a file. A failing write keeps the first half of its bytes.
    Write,
    /// Syncing a file.
    SyncData,
    /// Syncing a directory.
    SyncDir,
    /// Making a file.
    Create,
    /// Moving a file.
    Rename,
    /// Removing a file.
    Remove,
    /// Cutting or extending a file.
    SetLen,
    /// Reading from a file.
    Read,
}

/// How much of an act happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    None,
    /// The first half of a write's bytes.
    Half,
    All,
}

/// An act that succeeded, as [`SimFs::trail`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was done.
    pub act: Act,
    /// The file or directory that it was done to.
    pub path: PathBuf,
    /// The offset in the file, or the file's new length.
    pub offset: u64,
    /// The number of bytes.
    pub len: usize,
}

#[derive(Clone, Debug, Default)]
struct Node {
    path: PathBuf,
    now: Vec<u8>,
    synced: Vec<u8>,
    /// Unsynced changes in order; `true` for those that a failed sync dropped.
    unsynced: Vec<(Change, bool)>,
}

impl Node {
    fn with(path: &Path, bytes: Vec<u8>) -> Node {
        Node { path: path.to_path_buf(), now: bytes.clone(), synced: bytes, unsynced: Vec::new() }
    }

    fn sync(&mut self) {
        for (change, dropped) in self.unsynced.drain(..) {
            if !dropped {
                change.apply(&mut self.synced, Keep::All);
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Disk {
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    /// Directories that were renamed, old path and new path, in order, as long as the new name is not synced.
    moved: Vec<(PathBuf, PathBuf)>,
    /// Each directory has its own identity, because another one may get its name later.
    dirs: BTreeMap<PathBuf, u64>,
    /// The note and the handle of the holder of each lock.
    locks: BTreeMap<PathBuf, (String, u64)>,
    /// Files whose lock a handle holds.
    file_locks: BTreeMap<usize, u64>,
    handles: u64,
    /// For each act: how many more succeed, and the error of the next one, once or for ever.
    faults: BTreeMap<Act, Fault>,
    counts: BTreeMap<Act, u64>,
    /// All acts that changed something, in order.
    trail: Vec<Step>,
    power: Power,
    /// Whether syncs of files report success and do nothing.
    lying: bool,
    /// Whether syncs of directories report success and do nothing.
    forgetful: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Power {
    #[default]
    On,
    /// The fault applies to this many more acts that change something.
    For(u64),
    Off,
}

#[derive(Clone, Copy, Debug)]
struct Fault {
    after: u64,
    kind: io::ErrorKind,
    once: bool,
}

/// The simulated file system. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimFs(Arc<Shared>);

#[derive(Debug)]
struct SimFile {
    disk: Arc<Shared>,
    node: usize,
    /// The handle.
    handle: u64,
}

#[derive(Debug)]
struct SimLock {
    disk: Arc<Shared>,
    handle: u64,
}

fn lock(shared: &Shared) -> MutexGuard<'_, Disk> {
    shared.disk()
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no `{}`", path.display()))
}

impl Disk {
    /// Counts an act, and fails it if the power is cut or a fault was set for it.
    fn act(&mut self, act: Act, path: &Path, offset: u64, len: usize) -> (Effect, io::Result<()>) {
        *self.counts.entry(act).or_default() += 1;
        if act != Act::Read {
            let gone = || Err(io::Error::other("the power was cut"));
            match self.power {
                Power::On => {}
                Power::For(0) => {
                    self.power = Power::Off;
                    return (Effect::All, gone());
                }
                Power::For(left) => self.power = Power::For(left - 1),
                Power::Off => return (Effect::None, gone()),
            }
        }
        if let Some(fault) = self.faults.get_mut(&act) {
            if fault.after == 0 {
                let kind = fault.kind;
                if fault.once {
                    self.faults.remove(&act);
                }
                return (Effect::Half, Err(io::Error::new(kind, "simulated")));
            }
            fault.after -= 1;
        }
        if act != Act::Read {
            self.trail.push(Step { act, path: path.to_path_buf(), offset, len });
        }
        (Effect::All, Ok(()))
    }

    fn node(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| not_found(path))
    }

    fn add(&mut self, path: &Path, bytes: Vec<u8>) -> usize {
        self.nodes.push(Node::with(path, bytes));
        self.names.insert(path.to_path_buf(), self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn change(&mut self, node: usize, change: Change) {
        let node = &mut self.nodes[node];
        change.apply(&mut node.now, Keep::All);
        node.unsynced.push((change, false));
    }

    fn create(&mut self, path: &Path) -> io::Result<()> {
        if self.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        } else if path.parent().is_some_and(|dir| self.dirs.contains_key(dir)) {
            self.add(path, Vec::new());
        } else {
            return Err(not_found(path));
        }
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.node(from)?;
        self.names.remove(from);
        self.names.insert(to.to_path_buf(), node);
        self.nodes[node].path = to.to_path_buf();
        Ok(())
    }

    fn sync_dir(&mut self, dir: &Path) {
        self.settle_moved(dir);
        let within = |path: &Path| path.parent() == Some(dir);
        let now: Vec<_> = self.names.iter().filter(|(path, _)| within(path)).map(|(p, n)| (p.clone(), *n)).collect();
        self.synced_names.retain(|path, _| !within(path));
        self.synced_names.extend(now);
    }
}

impl SimFs {
    /// An empty disk.
    pub fn new() -> SimFs {
        SimFs::default()
    }

    /// After `after` more successes, every further act of this kind fails, until [`heal`](SimFs::heal).
    pub fn fail(&self, act: Act, after: u64, kind: io::ErrorKind) {
        lock(&self.0).faults.insert(act, Fault { after, kind, once: false });
    }

    /// After `after` more successes, one act of this kind fails.
    pub fn fail_once(&self, act: Act, after: u64, kind: io::ErrorKind) {
        lock(&self.0).faults.insert(act, Fault { after, kind, once: true });
    }

    /// From now on syncs of files report success and do nothing. A test must detect that.
    pub fn lie(&self) {
        lock(&self.0).lying = true;
    }

    /// From now on syncs of directories report success and do nothing, so a rename that was synced is lost in a crash.
    pub fn forget_names(&self) {
        lock(&self.0).forgetful = true;
    }

    /// Ends all faults: nothing fails any more, and syncs work. A power cut stays.
    pub fn heal(&self) {
        let mut disk = lock(&self.0);
        disk.faults.clear();
        (disk.lying, disk.forgetful) = (false, false);
    }

    /// Cuts the power after `after` more acts that change something. The next such act fails, and [`crash`](SimFs::crash)
    /// decides whether it happened. All acts after it fail and do nothing.
    pub fn cut_power(&self, after: u64) {
        lock(&self.0).power = Power::For(after);
    }

    /// All acts that changed something and succeeded, in order.
    pub fn trail(&self) -> Vec<Step> {
        lock(&self.0).trail.clone()
    }

    /// Stops every thread except this one before its next act that changes something, until the gate is dropped. So a test can
    /// choose the order of the acts.
    pub fn hold(&self) -> Gate {
        Gate::hold(&self.0)
    }

    /// The number of times that an act was tried.
    pub fn count(&self, act: Act) -> u64 {
        lock(&self.0).counts.get(&act).copied().unwrap_or(0)
    }

    /// The disk after a crash of the machine now. `keep` decides for each unsynced change, in order, what is left of it. No
    /// lock is held any more. This disk itself does not change.
    #[must_use]
    pub fn crash(&self, keep: &mut dyn FnMut(&Unsynced) -> Keep) -> SimFs {
        let disk = lock(&self.0);
        let Left { now, synced, dirs } = disk.after_moves(keep);
        let mut image = Disk { dirs, ..Disk::default() };
        let mut names = synced.clone();
        let both: BTreeSet<&PathBuf> = now.keys().chain(synced.keys()).collect();
        for path in both {
            let (now, synced) = (now.get(path), synced.get(path));
            if now != synced && keep(&Unsynced::Name { path: path.clone() }) != Keep::Nothing {
                match now {
                    Some(node) => names.insert(path.clone(), *node),
                    None => names.remove(path),
                };
            }
        }
        for (path, node) in names {
            let node = &disk.nodes[node];
            let mut bytes = node.synced.clone();
            for (change, _) in &node.unsynced {
                change.apply(&mut bytes, keep(&change.asked(&path)));
            }
            image.add(&path, bytes);
        }
        image.synced_names = image.names.clone();
        SimFs(Arc::new(Shared::new(image)))
    }

    /// The disk after the process was killed and the machine went on. Unsynced changes are there, and a later crash may still
    /// lose them.
    #[must_use]
    pub fn kill(&self) -> SimFs {
        let disk = lock(&self.0).clone();
        let killed = Disk {
            nodes: disk.nodes,
            names: disk.names,
            synced_names: disk.synced_names,
            moved: disk.moved,
            dirs: disk.dirs,
            lying: disk.lying,
            forgetful: disk.forgetful,
            ..Disk::default()
        };
        SimFs(Arc::new(Shared::new(killed)))
    }

    /// A file's bytes as they are now.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let disk = lock(&self.0);
        disk.names.get(path).map(|node| disk.nodes[*node].now.clone())
    }

    /// Puts a file there, already synced.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut disk = lock(&self.0);
        let node = disk.add(path, bytes);
        disk.synced_names.insert(path.to_path_buf(), node);
    }

    /// All files, in order.
    pub fn files(&self) -> Vec<PathBuf> {
        lock(&self.0).names.keys().cloned().collect()
    }

    fn opened(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut disk = lock(&self.0);
        let node = disk.node(path)?;
        disk.handles += 1;
        Ok(Arc::new(SimFile { disk: Arc::clone(&self.0), node, handle: disk.handles }))
    }
}

impl Fs for SimFs {
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.opened(path)
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.opened(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut disk = self.0.enter();
        let (effect, acted) = disk.act(Act::Create, path, 0, 0);
        if effect == Effect::All {
            disk.create(path)?;
        }
        acted?;
        drop(disk);
        self.opened(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        lock(&self.0).create_dir(path);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let disk = lock(&self.0);
        if !disk.dirs.contains_key(dir) {
            return Err(not_found(dir));
        }
        let within = disk.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(within.filter_map(|path| path.file_name()?.to_str().map(str::to_string)).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.0.enter();
        let (effect, acted) = disk.act(Act::Rename, to, 0, 0);
        if effect == Effect::All {
            disk.rename(from, to)?;
        }
        acted
    }

    fn name(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.0.enter();
        let (effect, acted) = disk.act(Act::Rename, to, 0, 0);
        if effect == Effect::All {
            if disk.names.contains_key(to) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            disk.rename(from, to)?;
        }
        acted
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.enter();
        let (effect, acted) = disk.act(Act::Remove, path, 0, 0);
        if effect == Effect::All {
            disk.names.remove(path).ok_or_else(|| not_found(path))?;
        }
        acted
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = self.0.enter();
        disk.act(Act::SyncDir, dir, 0, 0).1?;
        if !disk.forgetful {
            disk.sync_dir(dir);
        }
        Ok(())
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockAttempt> {
        let mut disk = lock(&self.0);
        if let Some((other, _)) = disk.locks.get(path) {
            return Ok(LockAttempt::HeldBy(other.clone()));
        }
        disk.handles += 1;
        let handle = disk.handles;
        disk.locks.insert(path.to_path_buf(), (owner.to_string(), handle));
        Ok(LockAttempt::Taken(Box::new(SimLock { disk: Arc::clone(&self.0), handle })))
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        Ok(lock(&self.0).locks.contains_key(path))
    }

    fn id(&self, path: &Path) -> io::Result<FileId> {
        Ok(FileId(0, lock(&self.0).node(path)? as u64))
    }

    fn dir_id(&self, dir: &Path) -> io::Result<Option<FileId>> {
        let id = lock(&self.0).dirs.get(dir).copied().ok_or_else(|| not_found(dir))?;
        Ok(Some(FileId(1, id)))
    }

    fn hold(&self, dir: &Path) -> io::Result<Option<Arc<dyn Fs>>> {
        outside::SimHeld::of(self, dir)
    }
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut disk = lock(&self.disk);
        disk.act(Act::Read, Path::new(""), offset, buf.len()).1?;
        let bytes = disk.nodes[self.node].now.get(index(offset)..).unwrap_or_default();
        let read = bytes.len().min(buf.len());
        buf[..read].copy_from_slice(&bytes[..read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut disk = self.disk.enter();
        let path = disk.nodes[self.node].path.clone();
        let (effect, acted) = disk.act(Act::Write, &path, offset, bytes.len());
        let len = match effect {
            Effect::None => return acted,
            Effect::Half => bytes.len() / 2,
            Effect::All => bytes.len(),
        };
        disk.change(self.node, Change::Write { offset, bytes: bytes[..len].to_vec() });
        acted
    }

    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.disk).nodes[self.node].now.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.disk.enter();
        let path = disk.nodes[self.node].path.clone();
        let (effect, acted) = disk.act(Act::SetLen, &path, len, 0);
        if effect == Effect::All {
            disk.change(self.node, Change::SetLen(len));
        }
        acted
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk.enter();
        let path = disk.nodes[self.node].path.clone();
        let (effect, acted) = disk.act(Act::SyncData, &path, 0, 0);
        let lying = disk.lying;
        let node = &mut disk.nodes[self.node];
        match (&acted, effect) {
            (Ok(()), _) if lying => {}
            (Ok(()), _) => node.sync(),
            (Err(_), Effect::Half) => node.unsynced.iter_mut().for_each(|(_, dropped)| *dropped = true),
            (Err(_), _) => {}
        }
        acted
    }

    fn id(&self) -> io::Result<FileId> {
        Ok(FileId(0, self.node as u64))
    }

    fn is_named(&self) -> io::Result<bool> {
        Ok(lock(&self.disk).names.values().any(|node| *node == self.node))
    }

    fn try_lock(&self) -> io::Result<Claim> {
        let mut disk = lock(&self.disk);
        let holder = *disk.file_locks.entry(self.node).or_insert(self.handle);
        Ok(if holder == self.handle { Claim::Taken } else { Claim::HeldByWriter })
    }

    fn is_locked(&self) -> io::Result<bool> {
        Ok(lock(&self.disk).file_locks.get(&self.node).is_some_and(|holder| *holder != self.handle))
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut disk = lock(&self.disk);
        if disk.file_locks.get(&self.node) == Some(&self.handle) {
            disk.file_locks.remove(&self.node);
        }
    }
}

impl Lock for SimLock {
    fn say(&self, owner: &str) -> io::Result<()> {
        for (text, handle) in lock(&self.disk).locks.values_mut() {
            if *handle == self.handle {
                *text = owner.to_string();
            }
        }
        Ok(())
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        lock(&self.disk).locks.retain(|_, (_, handle)| *handle != self.handle);
    }
}

#[cfg(test)]
mod tests;
