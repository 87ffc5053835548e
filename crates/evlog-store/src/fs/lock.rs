//! Locks on open files, for writers against writers.
//!
//! On Linux they are write locks of the open file description: only who opened the file for writing gets one, they say
//! nothing to who takes locks of another kind (`flock`), they are asked for without being taken, and they end with the
//! last handle, whatever else this process opens and closes. Elsewhere they are those of the standard library.

use super::at::{LOCK_MODE, create, open_lock, remove, rename};
use super::{Lock, LockAttempt};
use rustix::fd::BorrowedFd;
use std::fs::File as OsFile;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

/// The longest note in a lock that is read, in bytes.
const NOTE_LEN_MAX: u64 = 4096;

/// How often a lock is tried that a writer holds, and how long is waited between.
const PATIENCE: usize = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// How often a lock is tried whose file is taken away and made again at the same time.
const ATTEMPTS: usize = 20;

/// The lock goes with the last handle of the open file; children of this process never get one (close-on-exec).
#[derive(Debug)]
struct FileLock {
    file: OsFile,
}

impl Lock for FileLock {
    fn say(&self, owner: &str) -> io::Result<()> {
        self.file.write_all_at(owner.as_bytes(), 0)?;
        self.file.set_len(owner.len() as u64)
    }
}

/// Takes the lock of the file at a path, which is made where it is missing.
pub(super) fn take(dir: BorrowedFd<'_>, path: &Path, owner: &str) -> io::Result<LockAttempt> {
    for _ in 0..ATTEMPTS {
        let file = open_lock(dir, path)?;
        if !try_lock(&file)? {
            if !is_locked(&file)? {
                // Only readers are in the way, who do not hold what is made now.
                replace(dir, path)?;
                continue;
            }
            let mut text = Vec::new();
            file.take(NOTE_LEN_MAX).read_to_end(&mut text)?;
            return Ok(LockAttempt::HeldBy(String::from_utf8_lossy(&text).into_owned()));
        }
        // Between the opening and the locking somebody may have put another file there.
        if !is_named(dir, path, &file)? {
            continue;
        }
        let lock = FileLock { file };
        lock.say(owner)?;
        return Ok(LockAttempt::Taken(Box::new(lock)));
    }
    Err(io::Error::other("somebody takes its file away again and again"))
}

/// Puts a new file in the place of one that only readers hold.
fn replace(dir: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".tmp");
    let draft = Path::new(&draft);
    match remove(dir, draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    create(dir, draft, LOCK_MODE)?;
    rename(dir, draft, path)
}

fn is_named(dir: BorrowedFd<'_>, path: &Path, file: &OsFile) -> io::Result<bool> {
    let ours = file.metadata()?;
    match rustix::fs::statat(dir, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) => Ok((named.st_dev, named.st_ino) == (ours.dev(), ours.ino())),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(target_os = "linux")]
mod system {
    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc;
    use std::fs::File as OsFile;
    use std::io;

    fn whole(kind: libc::c_int) -> libc::flock {
        let narrow = |number: libc::c_int| libc::c_short::try_from(number).unwrap_or_default();
        libc::flock { l_type: narrow(kind), l_whence: narrow(libc::SEEK_SET), l_start: 0, l_len: 0, l_pid: 0 }
    }

    /// Takes the lock of an open file; false when another holds it.
    pub(in super::super) fn try_lock(file: &OsFile) -> io::Result<bool> {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&whole(libc::F_WRLCK))) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a writer holds the lock of an open file. Locks of readers do not count.
    pub(in super::super) fn is_locked(file: &OsFile) -> io::Result<bool> {
        let mut asked = whole(libc::F_RDLCK);
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut asked)).map_err(io::Error::from)?;
        Ok(asked.l_type != whole(libc::F_UNLCK).l_type)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::fs::{File as OsFile, TryLockError};
    use std::io;

    /// Takes the lock of an open file; false when another holds it.
    pub(in super::super) fn try_lock(file: &OsFile) -> io::Result<bool> {
        match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether another holds the lock of an open file. It is taken for an instant to find out.
    pub(in super::super) fn is_locked(file: &OsFile) -> io::Result<bool> {
        match file.try_lock_shared() {
            Ok(()) => file.unlock().map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

pub(super) use system::is_locked;

/// Takes the lock of an open file; false when another holds it. A process that was killed while it started another one leaves
/// its locks to that one until it has begun its own program, so a writer that is in the way is given a moment.
pub(super) fn try_lock(file: &OsFile) -> io::Result<bool> {
    for _ in 0..PATIENCE {
        if system::try_lock(file)? {
            return Ok(true);
        }
        if !is_locked(file)? {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(false)
}
