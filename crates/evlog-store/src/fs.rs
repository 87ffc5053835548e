//! The file system as the store uses it: reads and writes at positions, syncs, renames, one lock.
//!
//! Every implementation must guarantee:
//! - `write_at` writes all bytes or fails. After a failure any part of them may be there.
//! - Bytes survive a crash if `sync_data` of their file returned after they were written. Before that, any subset of the
//!   unsynced writes may survive, in any order, whole or torn.
//! - A name survives a crash if `sync_dir` of its directory returned after the name was made, moved or removed.
//! - `rename` replaces its target in one step: after a crash that name leads to the old file or the new one. `name` replaces
//!   nothing.
//! - A file is opened only if it is a regular file: no link is followed, and no call waits for a pipe. A file that is opened
//!   for writing has only one name, so that nothing is written into a file that another program uses under another name.
//! - A lock ends with the handle, or with the process however it dies. A process that may only read a file cannot take the
//!   lock, and so cannot keep a writer out. Asking whether the lock is held does not take it.

use std::fmt::{self, Debug};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

mod at;
mod held;
mod lock;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod std_file;
mod std_fs;
#[cfg(target_os = "linux")]
mod watch;

#[cfg(any(test, feature = "sim"))]
pub use sim::SimFs;
pub use std_fs::StdFs;

/// The reason why a sync of the newest segment failed on a [shared](Fs::is_shared) file system: another writer committed
/// first. The answer is definite: nothing of what was to be synced is in the log, or ever will be.
///
/// The file system wraps it: `io::Error::other(Overtaken)`.
#[derive(Debug)]
pub struct Overtaken;

impl fmt::Display for Overtaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another writer committed first")
    }
}

impl std::error::Error for Overtaken {}

/// A file system.
pub trait Fs: Debug + Send + Sync {
    /// Opens an existing file for reading.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file for reading and writing.
    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Makes a file for reading and writing. Fails if anything has that name.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Makes a directory and those above it, and syncs the directory above each new one. An existing directory is left alone.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Names of a directory's entries, in byte order; names that are not UTF-8 are left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// The names that [`list`](Fs::list) leaves out, in a form to be shown: bytes that are not UTF-8 become `\xNN`.
    fn list_unnameable(&self, dir: &Path) -> io::Result<Vec<String>> {
        let _ = dir;
        Ok(Vec::new())
    }
    /// Moves a file over another name in the same directory.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file another name in the same directory. Fails if anything has that name.
    fn name(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory survive a crash.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the lock at `path`, makes the file if it is missing, and leaves `owner` in it for others to read.
    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockAttempt>;
    /// Whether several writers, on several machines, may append to one log at the same time. Then the lock keeps out only the
    /// writers of this process, a sync of the newest segment decides who was first, and who was not gets [`Overtaken`].
    fn is_shared(&self) -> bool {
        false
    }
    /// Watches a directory for changes to its files, if the system can report them.
    fn watch(&self, dir: &Path) -> Option<Box<dyn Watch>> {
        let _ = dir;
        None
    }
    /// A stamp by which the caller can see later whether the file at `path` was changed or replaced.
    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.open_read(path)?.stamp()
    }
    /// Whether a process holds the lock at `path`.
    fn is_locked(&self, path: &Path) -> io::Result<bool>;
    /// Which file the path names now, looked up from the root of the file system, even if a directory is held by a
    /// handle.
    fn id(&self, path: &Path) -> io::Result<FileId>;
    /// Which directory the path leads to now. If a directory is held, which directory is held under the path. `None` if this
    /// is not supported. That must be so exactly where [`hold`](Fs::hold) is not supported, because a reader compares the two.
    fn dir_id(&self, dir: &Path) -> io::Result<Option<FileId>> {
        let _ = dir;
        Ok(None)
    }
    /// This file system, with paths below `dir` bound to the directory that has that name now, even if it is moved later.
    /// `None` if this is not supported.
    fn hold(&self, dir: &Path) -> io::Result<Option<Arc<dyn Fs>>> {
        let _ = dir;
        Ok(None)
    }
}

/// Identifies a file: device and number. A number is used again only when nobody holds the file any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId(pub u64, pub u64);

/// Identity, length and time of a file that must not change any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The file.
    pub id: FileId,
    /// Its length in bytes.
    pub len: u64,
    /// When it was last written to, Unix nanoseconds; `None` if the file system does not record it.
    pub modified_ns: Option<i128>,
}

/// Reports changes to the files in a directory.
pub trait Watch: Debug + Send {
    /// Returns when a file of the directory was written to, made or moved since the last call, or after `at_most`. May
    /// return for no reason.
    fn wait(&mut self, at_most: Duration) -> io::Result<()>;
}

/// The result of an attempt to take a lock.
#[derive(Debug)]
pub enum LockAttempt {
    /// The lock is ours until the handle is dropped.
    Taken(Box<dyn Lock>),
    /// Another process holds it; this is the text that it left in the file.
    HeldBy(String),
}

/// A lock that is held. Dropping this value releases the lock.
pub trait Lock: Debug + Send + Sync {
    /// Replaces the note in the lock that others can read.
    fn say(&self, owner: &str) -> io::Result<()>;
}

/// The result of an attempt to lock a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The lock is taken.
    Taken,
    /// A writer holds it.
    HeldByWriter,
    /// No writer holds it, but a process that only reads does. It does so on purpose, because evlog's readers take no lock.
    HeldByReaders,
}

/// An open file.
#[expect(clippy::len_without_is_empty, reason = "the length of a file is asked of the system and can fail")]
pub trait File: Debug + Send + Sync {
    /// Reads some bytes from `offset` on; 0 only at the file's end or for an empty buffer.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all bytes at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or extends the file with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes bytes and length survive a crash.
    fn sync_data(&self) -> io::Result<()>;
    /// Begins to sync what is written so far, in parallel with the caller if the file system can do that. A failure is
    /// reported once, to the caller who waits, and not again by a later sync. So wait before relying on a later sync.
    fn begin_sync(self: Arc<Self>) -> Syncing {
        Syncing::Done(self.sync_data())
    }
    /// The file.
    fn id(&self) -> io::Result<FileId>;
    /// A stamp by which the caller can see later whether the file was changed or replaced.
    fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp { id: self.id()?, len: self.len()?, modified_ns: None })
    }
    /// Whether the file still has any name.
    fn is_named(&self) -> io::Result<bool>;
    /// Takes the file's lock, if no other handle holds one, until this handle is dropped.
    fn try_lock(&self) -> io::Result<Claim>;
    /// Whether another handle holds the file's lock.
    fn is_locked(&self) -> io::Result<bool>;
}

/// A sync that was begun.
#[derive(Debug)]
pub enum Syncing {
    /// It has ended, with this result.
    Done(io::Result<()>),
    /// This thread runs the sync.
    Beside(JoinHandle<io::Result<()>>),
}

impl Syncing {
    /// Whether [`wait`](Syncing::wait) would return at once.
    pub fn is_done(&self) -> bool {
        match self {
            Syncing::Done(_) => true,
            Syncing::Beside(thread) => thread.is_finished(),
        }
    }

    /// Waits for its end.
    pub fn wait(self) -> io::Result<()> {
        match self {
            Syncing::Done(result) => result,
            Syncing::Beside(thread) => thread.join().unwrap_or_else(|_| Err(io::Error::other("a sync panicked"))),
        }
    }
}

impl dyn File + '_ {
    /// Reads until the buffer is full or the file ends; returns how many bytes were read.
    pub fn read_full_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.read_at(&mut buf[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// The whole file, if it is no longer than `len_max` bytes.
    pub fn read_to_end(&self, len_max: u64) -> io::Result<Vec<u8>> {
        let len = self.len()?;
        if len > len_max {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("longer than {len_max} bytes")));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        let read = self.read_full_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}
