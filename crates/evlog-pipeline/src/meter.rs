//! Reports how many bytes of the files were read, and asks at each report whether to read on.
//!
//! Invariant: once reading must stop, every read through the same meter fails at once. What a reader found by then does not
//! count as a finding; the caller asks why reading stopped.

use std::cell::Cell;
use std::io::{self, Read};
use std::ops::ControlFlow;

/// Bytes between two reports: often enough for a person to see progress, and too seldom to slow hashing down.
const EVERY: u64 = 4 * 1024 * 1024;

/// Takes a report: the bytes read, and the expected total. Returns whether to read on.
pub(crate) type Tell<'t> = dyn Fn(u64, u64) -> ControlFlow<()> + 't;

/// Counts bytes as they are read; `len` is the expected total.
pub(crate) struct Meter<'m> {
    tell: &'m Tell<'m>,
    len: u64,
    done: Cell<u64>,
    reported: Cell<u64>,
    is_stopped: Cell<bool>,
}

impl<'m> Meter<'m> {
    pub(crate) fn new(len: u64, tell: &'m Tell<'m>) -> Meter<'m> {
        Meter { tell, len, done: Cell::new(0), reported: Cell::new(0), is_stopped: Cell::new(false) }
    }

    /// Counts `bytes` more that were read. The error says that reading must stop.
    pub(crate) fn add(&self, bytes: u64) -> io::Result<()> {
        let done = self.done.get() + bytes;
        self.done.set(done);
        if done - self.reported.get() >= EVERY && !self.is_stopped.get() {
            self.reported.set(done);
            self.is_stopped.set((self.tell)(done, self.len.max(done)).is_break());
        }
        // The kind is not `Interrupted`, because the standard library would then read again.
        if self.is_stopped.get() { Err(io::Error::other("the run was interrupted")) } else { Ok(()) }
    }

    /// Called while time passes without reading. The error says that reading must stop.
    pub(crate) fn wait(&self) -> io::Result<()> {
        if !self.is_stopped.get() {
            let done = self.done.get();
            self.is_stopped.set((self.tell)(done, self.len.max(done)).is_break());
        }
        self.add(0)
    }

    /// Counts what is read through `inner`.
    pub(crate) fn over<R: Read>(&self, inner: R) -> Metered<'_, R> {
        Metered { inner, meter: self }
    }
}

impl Meter<'static> {
    /// A meter that reports to nobody.
    pub(crate) fn silent() -> Meter<'static> {
        Meter::new(0, &|_, _| ControlFlow::Continue(()))
    }
}

/// A reader that is counted.
pub(crate) struct Metered<'m, R> {
    inner: R,
    meter: &'m Meter<'m>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.meter.add(read as u64)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn progress_of_reading_is_reported_at_intervals_and_never_exceeds_the_length() {
        let reported = RefCell::new(Vec::new());
        let tell = |done, len| {
            reported.borrow_mut().push((done, len));
            ControlFlow::Continue(())
        };
        let meter = Meter::new(2 * EVERY + 5, &tell);
        let read = io::copy(&mut meter.over(io::repeat(7).take(3 * EVERY)), &mut io::sink()).unwrap();
        assert_eq!(read, 3 * EVERY);
        meter.add(EVERY - 1).unwrap();
        assert_eq!(*reported.borrow(), [(EVERY, 2 * EVERY + 5), (2 * EVERY, 2 * EVERY + 5), (3 * EVERY, 3 * EVERY)]);
    }

    #[test]
    fn after_an_interrupt_nothing_more_is_read() {
        let stop = |done, _| if done == 2 * EVERY { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let meter = Meter::new(0, &stop);
        assert!(io::copy(&mut meter.over(io::repeat(7)), &mut io::sink()).is_err());
        assert_eq!(meter.done.get(), 2 * EVERY);
        assert!(meter.over(&b"x"[..]).read_to_end(&mut Vec::new()).is_err());
        assert!(meter.add(EVERY).is_err() && meter.add(0).is_err());
    }
}
