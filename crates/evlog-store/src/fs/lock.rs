//! Locks on open files, which keep other writers out.
//!
//! On Linux they are write locks of the open file description. Only a process that opened the file for writing can take such a
//! lock. They do not conflict with locks of another kind (`flock`). A process can ask whether a lock is held without taking
//! it. A lock ends with the last handle, even if this process opens and closes the file elsewhere. On other systems they are
//! the locks of the standard library.

use super::at::{LOCK_MODE, create, open_lock, remove, rename};
use super::{Claim, Lock, LockAttempt};
use rustix::fd::BorrowedFd;
use std::fs::File as OsFile;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

/// The longest note in a lock that is read, in bytes.
const NOTE_LEN_MAX: u64 = 4096;

/// How often we try to take a lock that a writer holds, and the pause between attempts.
const PATIENCE: usize = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// The number of attempts to take a lock if somebody removes and recreates its file at the same time.
const ATTEMPTS: usize = 20;

/// The lock ends with the last handle of the open file; children of this process never get a handle (close-on-exec).
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

/// Takes the lock of the file at a path. A missing file is made.
pub(super) fn take(dir: BorrowedFd<'_>, path: &Path, owner: &str) -> io::Result<LockAttempt> {
    for _ in 0..ATTEMPTS {
        let file = open_lock(dir, path)?;
        match try_lock(&file)? {
            Claim::Taken => {}
            Claim::HeldByReaders => {
                // Those readers hold no lock on the new file that replaces this one.
                replace(dir, path)?;
                continue;
            }
            Claim::HeldByWriter => {
                let mut text = Vec::new();
                file.take(NOTE_LEN_MAX).read_to_end(&mut text)?;
                return Ok(LockAttempt::HeldBy(String::from_utf8_lossy(&text).into_owned()));
            }
        }
        // Between opening and locking somebody may have put another file there.
        if !is_named(dir, path, &file)? {
            continue;
        }
        let lock = FileLock { file };
        lock.say(owner)?;
        return Ok(LockAttempt::Taken(Box::new(lock)));
    }
    Err(io::Error::other("somebody takes its file away again and again"))
}

/// Replaces a lock file that only reading processes hold with a new one.
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

    /// Takes the lock of an open file; false if another handle holds it.
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

    /// Takes the lock of an open file; false if another handle holds it.
    pub(in super::super) fn try_lock(file: &OsFile) -> io::Result<bool> {
        match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether another handle holds the lock of an open file. To find out, this takes the lock for an instant.
    pub(in super::super) fn is_locked(file: &OsFile) -> io::Result<bool> {
        match file.try_lock_shared() {
            Ok(()) => file.unlock().map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

pub(super) use system::is_locked;

/// Takes the lock of an open file, if no other handle holds one. If a process is killed while it starts a child, the child
/// keeps the process's locks until the child runs its own program. So we wait a moment before we report that another writer
/// holds the lock.
pub(super) fn try_lock(file: &OsFile) -> io::Result<Claim> {
    claim(&mut || system::try_lock(file), &mut || is_locked(file))
}

/// Asks one thing about a lock.
type Ask<'a> = dyn FnMut() -> io::Result<bool> + 'a;

/// `take` takes the lock if it can; `is_held` says whether a writer holds it.
fn claim(take: &mut Ask<'_>, is_held: &mut Ask<'_>) -> io::Result<Claim> {
    for _ in 0..PATIENCE {
        if take()? {
            return Ok(Claim::Taken);
        }
        if !is_held()? {
            // A writer may have released the lock between the two questions: a full segment is released while its writer goes
            // on. If the lock still cannot be taken although no writer holds it, readers hold it.
            if take()? {
                return Ok(Claim::Taken);
            }
            if !is_held()? {
                return Ok(Claim::HeldByReaders);
            }
        }
        std::thread::sleep(PAUSE);
    }
    Ok(Claim::HeldByWriter)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The claim if the questions are answered like this, in this order. Later questions are answered as if a writer held the
    /// lock.
    fn claimed(takes: &[bool], holds: &[bool]) -> Claim {
        fn script(answers: &[bool], then: bool) -> impl FnMut() -> io::Result<bool> {
            let mut left = answers.iter().copied();
            move || Ok(left.next().unwrap_or(then))
        }
        claim(&mut script(takes, false), &mut script(holds, true)).unwrap()
    }

    #[test]
    fn a_lock_that_a_writer_releases_between_two_questions_is_taken_and_not_ascribed_to_readers() {
        assert_eq!(claimed(&[true], &[]), Claim::Taken);
        assert_eq!(claimed(&[false, true], &[false]), Claim::Taken);
        assert_eq!(claimed(&[false, false, true], &[false, true]), Claim::Taken);
        assert_eq!(claimed(&[false, false], &[false, false]), Claim::HeldByReaders);
        assert_eq!(claimed(&[], &[]), Claim::HeldByWriter);
    }
}
