//! A file system in memory that keeps apart what was written and what would survive a crash, and fails on demand.
//!
//! Does: everything the contract of [`Fs`] allows a disk to do to us. Does not: delay, reorder reads, or know the time:
//! the same calls with the same [`Keep`] give the same image.

use super::{File, Fs, Lock, LockAttempt};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a crash leaves of one unsynced change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// The first bytes of a write; all of a change of length, if more than 0.
    First(usize),
    /// All of it.
    All,
}

/// An unsynced change, as a crash is asked about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// Bytes written to a file.
    Write {
        /// The file's name.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// How many.
        len: usize,
    },
    /// A new length of a file.
    SetLen {
        /// The file's name.
        path: PathBuf,
        /// The length.
        len: u64,
    },
    /// A name that was made, moved or removed in a directory that was not synced since.
    Name {
        /// The name.
        path: PathBuf,
    },
}

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
    /// Reading from a file.
    Read,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetLen(u64),
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>, keep: Keep) {
        match (self, keep) {
            (_, Keep::Nothing | Keep::First(0)) => {}
            (Change::SetLen(len), _) => file.resize(index(*len), 0),
            (Change::Write { offset, bytes }, keep) => {
                let kept = if let Keep::First(len) = keep { &bytes[..len.min(bytes.len())] } else { bytes };
                let (from, to) = (index(*offset), index(*offset) + kept.len());
                if file.len() < to {
                    file.resize(to, 0);
                }
                file[from..to].copy_from_slice(kept);
            }
        }
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[derive(Debug, Default)]
struct Node {
    now: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Default)]
struct Disk {
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeMap<PathBuf, String>,
    /// For each act: how many more succeed, and what the one after them says, once or for ever.
    faults: BTreeMap<Act, Fault>,
    counts: BTreeMap<Act, u64>,
    /// Syncs of files say that they are done, and do nothing.
    lying: bool,
}

#[derive(Clone, Copy, Debug)]
struct Fault {
    after: u64,
    kind: io::ErrorKind,
    once: bool,
}

/// The simulated file system. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimFs(Arc<Mutex<Disk>>);

#[derive(Debug)]
struct SimFile {
    disk: Arc<Mutex<Disk>>,
    node: usize,
}

#[derive(Debug)]
struct SimLock {
    disk: Arc<Mutex<Disk>>,
    path: PathBuf,
}

fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no `{}`", path.display()))
}

impl Disk {
    /// Counts an act, and fails it when its time has come.
    fn act(&mut self, act: Act) -> io::Result<()> {
        *self.counts.entry(act).or_default() += 1;
        let Some(fault) = self.faults.get_mut(&act) else { return Ok(()) };
        if fault.after > 0 {
            fault.after -= 1;
            return Ok(());
        }
        let kind = fault.kind;
        if fault.once {
            self.faults.remove(&act);
        }
        Err(io::Error::new(kind, "simulated"))
    }

    fn node(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| not_found(path))
    }

    fn change(&mut self, node: usize, change: Change, keep: Keep) {
        let node = &mut self.nodes[node];
        change.apply(&mut node.now, keep);
        let change = match (change, keep) {
            (Change::Write { offset, mut bytes }, Keep::First(len)) => {
                bytes.truncate(len);
                Change::Write { offset, bytes }
            }
            (change, _) => change,
        };
        node.unsynced.push(change);
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

    /// From now on syncs of files say that they are done, and do nothing: what a test has to find out.
    pub fn lie(&self) {
        lock(&self.0).lying = true;
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        lock(&self.0).faults.clear();
    }

    /// How often an act was tried.
    pub fn count(&self, act: Act) -> u64 {
        lock(&self.0).counts.get(&act).copied().unwrap_or(0)
    }

    /// The disk after a crash of the machine now. Of each unsynced change, in order, `keep` says what is left. Locks are
    /// gone; this disk goes on as it was.
    #[must_use]
    pub fn crash(&self, keep: &mut dyn FnMut(&Unsynced) -> Keep) -> SimFs {
        let disk = lock(&self.0);
        let mut image = Disk { dirs: disk.dirs.clone(), ..Disk::default() };
        let mut names = disk.synced_names.clone();
        let both: BTreeSet<&PathBuf> = disk.names.keys().chain(disk.synced_names.keys()).collect();
        for path in both {
            let (now, synced) = (disk.names.get(path), disk.synced_names.get(path));
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
            for change in &node.unsynced {
                let path = path.clone();
                let asked = match change {
                    Change::Write { offset, bytes } => Unsynced::Write { path, offset: *offset, len: bytes.len() },
                    Change::SetLen(len) => Unsynced::SetLen { path, len: *len },
                };
                change.apply(&mut bytes, keep(&asked));
            }
            image.names.insert(path.clone(), image.nodes.len());
            image.nodes.push(Node { now: bytes.clone(), synced: bytes, unsynced: Vec::new() });
        }
        image.synced_names = image.names.clone();
        SimFs(Arc::new(Mutex::new(image)))
    }

    /// The disk as it is now, after the process was killed and the machine was not.
    #[must_use]
    pub fn kill(&self) -> SimFs {
        self.crash(&mut |_| Keep::All)
    }

    /// A file's bytes as they are now.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let disk = lock(&self.0);
        disk.names.get(path).map(|node| disk.nodes[*node].now.clone())
    }

    /// Puts a file there, synced.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut disk = lock(&self.0);
        let node = disk.nodes.len();
        disk.nodes.push(Node { now: bytes.clone(), synced: bytes, unsynced: Vec::new() });
        disk.names.insert(path.to_path_buf(), node);
        disk.synced_names.insert(path.to_path_buf(), node);
    }

    /// All files, in order.
    pub fn files(&self) -> Vec<PathBuf> {
        lock(&self.0).names.keys().cloned().collect()
    }

    fn opened(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let node = lock(&self.0).node(path)?;
        Ok(Arc::new(SimFile { disk: Arc::clone(&self.0), node }))
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
        let mut disk = lock(&self.0);
        disk.act(Act::Create)?;
        if let Some(&node) = disk.names.get(path) {
            disk.change(node, Change::SetLen(0), Keep::All);
        } else if path.parent().is_some_and(|dir| disk.dirs.contains(dir)) {
            let node = disk.nodes.len();
            disk.nodes.push(Node::default());
            disk.names.insert(path.to_path_buf(), node);
        } else {
            return Err(not_found(path));
        }
        drop(disk);
        self.opened(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        lock(&self.0).dirs.extend(path.ancestors().map(Path::to_path_buf));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let disk = lock(&self.0);
        if !disk.dirs.contains(dir) {
            return Err(not_found(dir));
        }
        let within = disk.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(within.filter_map(|path| path.file_name()?.to_str().map(str::to_string)).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = lock(&self.0);
        disk.act(Act::Rename)?;
        let node = disk.node(from)?;
        disk.names.remove(from);
        disk.names.insert(to.to_path_buf(), node);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        lock(&self.0).names.remove(path).map(|_| ()).ok_or_else(|| not_found(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = lock(&self.0);
        disk.act(Act::SyncDir)?;
        let within = |path: &Path| path.parent() == Some(dir);
        let now: Vec<_> = disk.names.iter().filter(|(path, _)| within(path)).map(|(p, n)| (p.clone(), *n)).collect();
        disk.synced_names.retain(|path, _| !within(path));
        disk.synced_names.extend(now);
        Ok(())
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockAttempt> {
        let mut disk = lock(&self.0);
        if let Some(other) = disk.locks.get(path) {
            return Ok(LockAttempt::HeldBy(other.clone()));
        }
        disk.locks.insert(path.to_path_buf(), owner.to_string());
        Ok(LockAttempt::Taken(Box::new(SimLock { disk: Arc::clone(&self.0), path: path.to_path_buf() })))
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        Ok(lock(&self.0).locks.contains_key(path))
    }
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut disk = lock(&self.disk);
        disk.act(Act::Read)?;
        let bytes = disk.nodes[self.node].now.get(index(offset)..).unwrap_or_default();
        let read = bytes.len().min(buf.len());
        buf[..read].copy_from_slice(&bytes[..read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut disk = lock(&self.disk);
        let acted = disk.act(Act::Write);
        let keep = if acted.is_ok() { Keep::All } else { Keep::First(bytes.len() / 2) };
        disk.change(self.node, Change::Write { offset, bytes: bytes.to_vec() }, keep);
        acted
    }

    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.disk).nodes[self.node].now.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        lock(&self.disk).change(self.node, Change::SetLen(len), Keep::All);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = lock(&self.disk);
        disk.act(Act::SyncData)?;
        if disk.lying {
            return Ok(());
        }
        let node = &mut disk.nodes[self.node];
        node.synced = node.now.clone();
        node.unsynced.clear();
        Ok(())
    }
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        lock(&self.disk).locks.remove(&self.path);
    }
}
