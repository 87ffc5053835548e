//! Checks whether the answer still has a reader while there is nothing to write.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, stat};
use std::io;

/// Whether the other end of stdout is closed, or stdout was closed from the start. A file has no other end.
pub(crate) fn is_gone() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    // If it cannot be determined, the next write shows it.
    let polled = poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    let hung_up = polled.is_ok_and(|ready| ready > 0) && asked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP);
    hung_up || was_closed()
}

/// Whether stdout was closed when the process began. Rust's library then opens `/dev/null` in its place, for reading and
/// writing; the `> /dev/null` of a shell is for writing only.
pub(crate) fn was_closed() -> bool {
    let look = || -> rustix::io::Result<bool> {
        let stdout = io::stdout();
        let found = fstat(&stdout)?;
        let is_null = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
            && found.st_rdev == stat("/dev/null")?.st_rdev;
        Ok(is_null && fcntl_getfl(&stdout)?.contains(OFlags::RDWR))
    };
    look().unwrap_or(false)
}
