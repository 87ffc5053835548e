//! Changes to a directory's files, as Linux reports them through inotify. It does not report changes that another
//! machine makes to a network file system, so no caller relies on it alone.

use super::Watch;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::time::Duration;

/// Room for some dozens of changes. Further calls read more.
const BUFFER_LEN: usize = 4096;

/// A directory that is watched.
#[derive(Debug)]
pub(super) struct Inotify(OwnedFd);

impl Inotify {
    /// Begins to watch a directory.
    pub(super) fn of(dir: &Path) -> io::Result<Inotify> {
        let queue = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        add_watch(&queue, dir, WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO)?;
        Ok(Inotify(queue))
    }

    /// Discards the events that were reported so far.
    fn drain(&self) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER_LEN];
        let mut changes = Reader::new(&self.0, &mut buffer);
        loop {
            match changes.next() {
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Watch for Inotify {
    fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        let at_most = Timespec::try_from(at_most).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&at_most)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(()),
            Ok(_) => self.drain(),
            Err(error) => Err(error.into()),
        }
    }
}
