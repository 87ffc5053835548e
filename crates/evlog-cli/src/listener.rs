//! Whether anybody still reads the answer, asked while there is nothing to write.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;

/// Whether the other end of stdout is closed. A file has no other end.
pub(crate) fn is_gone() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    // What cannot be found out is found out by the next line that is written.
    let polled = poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    polled.is_ok_and(|ready| ready > 0) && asked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}
