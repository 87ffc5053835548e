//! How much of the files that are read was read, for whoever watches. Nothing depends on it.

use std::cell::Cell;
use std::io::{self, Read};

/// After so many bytes it is told again: a person sees it move, and hashing does not notice.
const EVERY: u64 = 4 * 1024 * 1024;

/// Counts bytes that are read, of about so many.
pub(crate) struct Meter<'m> {
    tell: &'m dyn Fn(u64, u64),
    len: u64,
    done: Cell<u64>,
    told: Cell<u64>,
}

impl<'m> Meter<'m> {
    /// Tells how many bytes were read and how many there are, as far as anyone knows.
    pub(crate) fn new(len: u64, tell: &'m dyn Fn(u64, u64)) -> Meter<'m> {
        Meter { tell, len, done: Cell::new(0), told: Cell::new(0) }
    }

    /// So many more were read.
    pub(crate) fn add(&self, bytes: u64) {
        let done = self.done.get() + bytes;
        self.done.set(done);
        if done - self.told.get() >= EVERY {
            self.told.set(done);
            (self.tell)(done, self.len.max(done));
        }
    }

    /// Counts what is read of this.
    pub(crate) fn over<R: Read>(&self, inner: R) -> Metered<'_, R> {
        Metered { inner, meter: self }
    }
}

impl Meter<'static> {
    /// Nobody watches.
    pub(crate) fn silent() -> Meter<'static> {
        Meter::new(0, &|_, _| {})
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
        self.meter.add(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn what_is_read_is_told_now_and_then_and_never_as_more_than_there_is() {
        let told = RefCell::new(Vec::new());
        let tell = |done, len| told.borrow_mut().push((done, len));
        let meter = Meter::new(2 * EVERY + 5, &tell);
        let read = io::copy(&mut meter.over(io::repeat(7).take(3 * EVERY)), &mut io::sink()).unwrap();
        assert_eq!(read, 3 * EVERY);
        meter.add(EVERY - 1);
        assert_eq!(*told.borrow(), [(EVERY, 2 * EVERY + 5), (2 * EVERY, 2 * EVERY + 5), (3 * EVERY, 3 * EVERY)]);
    }
}
