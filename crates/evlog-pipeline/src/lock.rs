//! The run lock: who may write to one run's bundle (pipeline.md 5.1).
//!
//! `runs/.locks/<run id>.lock`, made by an exclusive create and removed when the run is left. No expiry: a crash leaves
//! the file, and a person decides. Its content is for that person; nothing reads it back as data.

use crate::files::{FileError, at, make_directory};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A run that this process may write to, until it is dropped.
#[derive(Debug)]
pub(crate) struct RunLock {
    path: PathBuf,
}

/// Why there is no lock. In both cases nothing of the run was touched.
#[derive(Debug)]
pub(crate) enum LockError {
    /// The lock file exists: another process holds it, or a crash left it.
    Held {
        /// The lock file.
        path: PathBuf,
        /// What it says of its holder, for people.
        holder: String,
    },
    /// It could not be made.
    File(FileError),
}

impl RunLock {
    /// Takes the lock of a run below `runs`.
    pub(crate) fn acquire(runs: &Path, run: &str) -> Result<RunLock, LockError> {
        let directory = runs.join(".locks");
        fs::create_dir_all(runs).map_err(at("make", runs)).map_err(LockError::File)?;
        make_directory(&directory).map_err(LockError::File)?;
        let path = directory.join(format!("{run}.lock"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                let lock = RunLock { path };
                let written = writeln!(file, "pid={}", std::process::id()).and_then(|()| file.sync_all());
                written.map_err(at("write", &lock.path)).map_err(LockError::File)?;
                Ok(lock)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let holder = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).trim().to_owned();
                Err(LockError::Held { path, holder })
            }
            Err(error) => Err(LockError::File(at("make", &path)(error))),
        }
    }
}

impl Drop for RunLock {
    /// Best effort: a lock that cannot be removed is left, as a crash would leave it.
    fn drop(&mut self) {
        let _left = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_takes_the_lock_and_the_other_is_told_who_holds_it() {
        let room = tempfile::tempdir().unwrap();
        let lock = RunLock::acquire(room.path(), "r").unwrap();
        match RunLock::acquire(room.path(), "r") {
            Err(LockError::Held { holder, .. }) => assert_eq!(holder, format!("pid={}", std::process::id())),
            other => panic!("expected a held lock, found {other:?}"),
        }
        RunLock::acquire(room.path(), "another").unwrap();
        drop(lock);
        RunLock::acquire(room.path(), "r").unwrap();
    }

    #[test]
    fn a_lock_that_a_crash_left_stays_held_whatever_it_contains() {
        let room = tempfile::tempdir().unwrap();
        fs::create_dir(room.path().join(".locks")).unwrap();
        fs::write(room.path().join(".locks/r.lock"), [0xff, 0xfe]).unwrap();
        assert!(matches!(RunLock::acquire(room.path(), "r"), Err(LockError::Held { .. })));
        assert_eq!(fs::read(room.path().join(".locks/r.lock")).unwrap(), [0xff, 0xfe]);
    }
}
