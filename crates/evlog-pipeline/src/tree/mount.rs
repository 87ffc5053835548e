//! Opening a name in a directory without leaving the mount that the directory is on.
//!
//! A mount of the same file system (a bind mount) has the same device number. So the mount is compared and not the device,
//! if the system shows the mount. Linux is asked to open nothing on another mount. If it cannot be asked, what was opened is
//! compared with its directory.

use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::{Errno, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Opens a name in a directory. A link is refused, and so is anything on another mount, with `EXDEV`.
pub(super) fn open(
    directory: BorrowedFd<'_>,
    name: impl rustix::path::Arg,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd> {
    name.into_with_c_str(|name| {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{ResolveFlags, openat2};
            let within = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
            match openat2(directory, name, flags, mode, within) {
                // Linux before 5.6 lacks this system call, and filters may forbid it.
                Err(Errno::NOSYS | Errno::PERM) => {}
                opened => return opened,
            }
        }
        open_and_compare(directory, name, flags, mode)
    })
}

fn open_and_compare(directory: BorrowedFd<'_>, name: &std::ffi::CStr, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let opened = openat(directory, name, flags | OFlags::NOFOLLOW, mode)?;
    if is_same(directory, opened.as_fd())? { Ok(opened) } else { Err(Errno::XDEV) }
}

fn is_same(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> Result<bool> {
    match (id(a), id(b)) {
        (Some(a), Some(b)) => Ok(a == b),
        _ => Ok(fstat(a)?.st_dev == fstat(b)?.st_dev),
    }
}

/// Which mount something is on, if the system says so.
#[cfg(target_os = "linux")]
fn id(of: BorrowedFd<'_>) -> Option<u64> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let found = statx(of, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
    let said = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID);
    said.then_some(found.stx_mnt_id)
}

#[cfg(not(target_os = "linux"))]
fn id(_of: BorrowedFd<'_>) -> Option<u64> {
    None
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use rustix::fs::CWD;

    const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

    #[test]
    fn g67_what_is_on_another_mount_is_not_opened_however_the_system_is_asked() {
        let root = openat(CWD, "/", DIRECTORY, Mode::empty()).unwrap();
        for name in [c"proc", c"sys"] {
            let flags = DIRECTORY | OFlags::NOFOLLOW;
            assert_eq!(open(root.as_fd(), name, flags, Mode::empty()).unwrap_err(), Errno::XDEV);
            assert_eq!(open_and_compare(root.as_fd(), name, flags, Mode::empty()).unwrap_err(), Errno::XDEV);
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("a")).unwrap();
        let own = openat(CWD, directory.path(), DIRECTORY, Mode::empty()).unwrap();
        open(own.as_fd(), c"a", DIRECTORY, Mode::empty()).unwrap();
        open_and_compare(own.as_fd(), c"a", DIRECTORY, Mode::empty()).unwrap();
    }
}
