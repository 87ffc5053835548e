//! The standard streams of the process, which other programs may share. If one of them has set `O_NONBLOCK`, a read or write
//! that would wait fails. The streams here wait.
//!
//! Does not: bound a wait. A stream that blocks does not do that either, and what must not wait is done by other threads.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::io::{self, Read, Stderr, Stdin, Stdout, Write};
use std::os::fd::AsFd;

/// A stream that waits whether it blocks or not.
pub(crate) struct Waiting<S>(pub(crate) S);

/// Standard input.
pub(crate) fn stdin() -> Waiting<Stdin> {
    Waiting(io::stdin())
}

/// Standard output.
pub(crate) fn stdout() -> Waiting<Stdout> {
    Waiting(io::stdout())
}

/// Standard error.
pub(crate) fn stderr() -> Waiting<Stderr> {
    Waiting(io::stderr())
}

impl<S: AsFd> Waiting<S> {
    /// Does it again and again until it no longer fails because it would wait. Allocates nothing.
    fn wait<T>(&mut self, flags: PollFlags, mut act: impl FnMut(&mut S) -> io::Result<T>) -> io::Result<T> {
        loop {
            match act(&mut self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready(&self.0, flags)?,
                done => return done,
            }
        }
    }
}

/// Waits until there is something to read, or room to write, or an error that the next attempt shows.
fn ready(stream: &impl AsFd, flags: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::new(stream, flags)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The standard library reports a write to a standard stream that was opened for reading only as done.
fn check_writable(stream: &impl AsFd) -> io::Result<()> {
    match rustix::fs::fcntl_getfl(stream) {
        Ok(flags) if flags & OFlags::ACCMODE == OFlags::RDONLY => Err(Errno::BADF.into()),
        _ => Ok(()),
    }
}

impl<S: Read + AsFd> Read for Waiting<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait(PollFlags::IN, |stream| stream.read(buffer))
    }
}

impl<S: Write + AsFd> Write for Waiting<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        check_writable(&self.0)?;
        self.wait(PollFlags::OUT, |stream| stream.write(bytes))
    }

    /// What an attempt has written it does not write again.
    fn flush(&mut self) -> io::Result<()> {
        self.wait(PollFlags::OUT, Write::flush)
    }
}
