//! Checks whether the answer still has a reader while there is nothing to write.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;

/// Whether the other end of stdout is closed. A file has no other end.
pub(crate) fn is_gone() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    // If it cannot be determined, the next write shows it.
    let polled = poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    polled.is_ok_and(|ready| ready > 0) && asked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}
