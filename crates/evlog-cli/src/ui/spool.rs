//! Output that does not wait for its reader: a thread writes it, and what it has not written yet is kept, first in memory, then
//! in a file without a name. The writer waits only if no such file can be written, and only until it is released.
//!
//! Invariants:
//! - Bytes come out in the order in which they went in.
//! - Memory is bounded by [`MEMORY_MAX`] and one write, however slow the reader is. A released writer does not wait;
//!   what it still writes is kept in memory.
//! - After an error nothing more is kept or written, and every later write gets that error.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that are kept in memory for a reader that is behind.
const MEMORY_MAX: usize = 16 * 1024 * 1024;
/// Bytes that are read back from the file at once.
const PIECE_LEN: usize = 64 * 1024;

/// The writer's end.
pub(super) struct Spool {
    shared: Arc<Shared>,
}

/// Releases a writer that waits for the reader.
#[derive(Clone)]
pub(crate) struct LetGo(Arc<Shared>);

impl LetGo {
    /// From now on no write waits: the writer is about to end and has little left to write.
    pub(crate) fn now(&self) {
        self.0.lock().is_let_go = true;
        self.0.changed.notify_all();
    }

    /// Whether the writer was released.
    pub(crate) fn was_said(&self) -> bool {
        self.0.lock().is_let_go
    }
}

#[derive(Default)]
struct Shared {
    kept: Mutex<Kept>,
    changed: Condvar,
}

/// What has not been written yet.
#[derive(Default)]
struct Kept {
    memory: VecDeque<Vec<u8>>,
    memory_len: usize,
    /// Bytes that follow those in the file, kept when the file could not grow.
    after: VecDeque<Vec<u8>>,
    /// Bytes that came when memory was full: the file, the position read up to, and its length.
    file: Option<(File, u64, u64)>,
    /// The thread has taken bytes and not yet written all of them.
    writing: bool,
    failed: Option<(io::ErrorKind, String)>,
    /// No file can be created or written.
    is_fileless: bool,
    /// The writer was released and no longer waits.
    is_let_go: bool,
}

impl Spool {
    /// Starts the thread that writes to `out`.
    pub(super) fn new(out: impl Write + Send + 'static) -> io::Result<Spool> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::Builder::new().name("answers".to_owned()).spawn(move || theirs.write_all(out))?;
        Ok(Spool { shared })
    }

    /// A handle that releases the writer from another thread.
    pub(super) fn let_go(&self) -> LetGo {
        LetGo(Arc::clone(&self.shared))
    }

    /// Waits until everything is written; with a limit, no longer than that. Says what went wrong.
    pub(super) fn finish(&self, limit: Option<Duration>) -> io::Result<()> {
        let is_left = |kept: &mut Kept| kept.failed.is_none() && kept.is_left();
        let kept = self.shared.lock();
        let kept = match limit {
            None => self.shared.changed.wait_while(kept, is_left).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let waited = self.shared.changed.wait_timeout_while(kept, limit, is_left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        if kept.failed.is_none() && kept.is_left() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the reader does not read the end of the answer"));
        }
        kept.result()
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.shared.lock();
        kept.result()?;
        if !kept.keep(bytes) {
            let waits = |kept: &mut Kept| kept.failed.is_none() && !kept.is_let_go && kept.memory_len >= MEMORY_MAX;
            kept = self.shared.changed.wait_while(kept, waits).unwrap_or_else(PoisonError::into_inner);
            kept.result()?;
            kept.keep_in_memory(bytes);
        }
        self.shared.changed.notify_all();
        Ok(bytes.len())
    }

    /// The thread writes without being asked; this only reports an earlier error.
    fn flush(&mut self) -> io::Result<()> {
        self.shared.lock().result()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut out: impl Write) {
        loop {
            let nothing = |kept: &mut Kept| !kept.is_left();
            let mut kept = self.changed.wait_while(self.lock(), nothing).unwrap_or_else(PoisonError::into_inner);
            let taken = kept.take();
            kept.writing = true;
            drop(kept);
            // There is room now, even if writing takes long.
            self.changed.notify_all();
            let written = taken.and_then(|bytes| out.write_all(&bytes)).and_then(|()| out.flush());
            let mut kept = self.lock();
            kept.writing = false;
            kept.failed = written.err().map(|error| (error.kind(), error.to_string()));
            self.changed.notify_all();
            if kept.failed.is_some() {
                return;
            }
        }
    }
}

impl Kept {
    fn is_left(&self) -> bool {
        self.writing || !self.memory.is_empty() || self.file.is_some()
    }

    fn result(&self) -> io::Result<()> {
        self.failed.as_ref().map_or(Ok(()), |(kind, said)| Err(io::Error::new(*kind, said.clone())))
    }

    /// Keeps the bytes in order: in memory, or after that in the file. If the file cannot grow, only
    /// [`Kept::keep_in_memory`] remains.
    fn keep(&mut self, bytes: &[u8]) -> bool {
        if self.file.is_none() && self.memory_len < MEMORY_MAX {
            self.keep_in_memory(bytes);
            return true;
        }
        if !self.is_fileless && self.keep_in_file(bytes).is_err() {
            // Some of the bytes may be in the file. Bytes beyond the recorded length are ignored.
            self.is_fileless = true;
            self.file.take_if(|(_, read, len)| read == len);
        }
        !self.is_fileless
    }

    fn keep_in_memory(&mut self, bytes: &[u8]) {
        // While the file has bytes, new ones go to `after`: `memory` is written out before the file, so they would overtake.
        let last = if self.file.is_some() { &mut self.after } else { &mut self.memory };
        last.push_back(bytes.to_vec());
        self.memory_len += bytes.len();
    }

    fn keep_in_file(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (file, _, len) = match &mut self.file {
            Some(file) => file,
            none => none.insert((tempfile::tempfile()?, 0, 0)),
        };
        file.seek(SeekFrom::Start(*len))?;
        file.write_all(bytes)?;
        *len += bytes.len() as u64;
        Ok(())
    }

    /// What is to be written next.
    fn take(&mut self) -> io::Result<Vec<u8>> {
        if let Some(bytes) = self.memory.pop_front() {
            self.memory_len -= bytes.len();
            return Ok(bytes);
        }
        let Some((file, read, len)) = &mut self.file else { return Ok(Vec::new()) };
        let piece_len = usize::try_from(*len - *read).map_or(PIECE_LEN, |left| left.min(PIECE_LEN));
        let mut piece = vec![0; piece_len];
        file.seek(SeekFrom::Start(*read))?;
        file.read_exact(&mut piece)?;
        *read += piece.len() as u64;
        if *read == *len {
            self.file = None;
            self.memory = std::mem::take(&mut self.after);
        }
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::sync::mpsc::{Receiver, channel};

    /// A reader that takes nothing before it is let, and then everything.
    struct Slow {
        let_in: Option<Receiver<()>>,
        read: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(let_in) = self.let_in.take() {
                let_in.recv().unwrap();
            }
            self.read.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_slow_reader_delays_no_write_and_gets_everything_in_order() {
        let (go, let_in) = channel();
        let read = Arc::new(Mutex::new(Vec::new()));
        let mut spool = Spool::new(Slow { let_in: Some(let_in), read: Arc::clone(&read) }).unwrap();
        let mut given = Vec::new();
        for number in 0..5 * MEMORY_MAX / 2 / PIECE_LEN {
            let piece = vec![u8::try_from(number % 251).unwrap(); PIECE_LEN - number % 7];
            spool.write_all(&piece).unwrap();
            given.extend(piece);
        }
        assert!(spool.shared.lock().memory_len <= MEMORY_MAX + PIECE_LEN);
        let waited = spool.finish(Some(Duration::from_millis(1))).unwrap_err();
        assert_eq!(waited.kind(), io::ErrorKind::TimedOut);
        go.send(()).unwrap();
        spool.finish(None).unwrap();
        assert!(*read.lock().unwrap() == given, "every byte, in order");
    }

    /// Gives pieces to a spool whose file cannot be written from some piece on, and reads them once memory is full.
    fn given_without_a_disk(broken: fn(&mut Kept), from: usize) {
        let (go, let_in) = channel();
        let read = Arc::new(Mutex::new(Vec::new()));
        let mut spool = Spool::new(Slow { let_in: Some(let_in), read: Arc::clone(&read) }).unwrap();
        let shared = Arc::clone(&spool.shared);
        let pieces = (0..4 * MEMORY_MAX / PIECE_LEN)
            .map(|number| vec![u8::try_from(number % 251).unwrap(); PIECE_LEN - number % 7])
            .collect::<Vec<_>>();
        let expected = pieces.concat();
        let writer = thread::spawn(move || {
            for (number, piece) in pieces.iter().enumerate() {
                if number == from {
                    broken(&mut spool.shared.lock());
                }
                spool.write_all(piece).unwrap();
            }
            spool
        });
        let is_full = |kept: &Kept| kept.is_fileless && kept.memory_len >= MEMORY_MAX;
        while !is_full(&shared.lock()) {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(100));
        assert!(shared.lock().memory_len <= MEMORY_MAX + PIECE_LEN, "{} bytes are kept", shared.lock().memory_len);
        assert!(!writer.is_finished(), "the writer waits for the reader");
        go.send(()).unwrap();
        let spool = writer.join().unwrap();
        spool.finish(Some(Duration::from_secs(20))).unwrap();
        assert!(*read.lock().unwrap() == expected, "every byte, in order");
    }

    #[test]
    fn where_no_file_can_be_made_memory_stays_bounded_and_waits_for_the_reader() {
        given_without_a_disk(|kept| kept.is_fileless = true, 0);
    }

    #[test]
    fn what_a_full_disk_took_in_part_comes_from_memory_and_in_order() {
        // A part of a write got into the file, which takes no more.
        let torn = |kept: &mut Kept| {
            let (mut file, read, len) = kept.file.take().unwrap_or_else(|| (tempfile::tempfile().unwrap(), 0, 0));
            file.seek(SeekFrom::Start(len)).unwrap();
            file.write_all(b"a part").unwrap();
            let closed = File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
            kept.file = Some((closed, read, len));
        };
        given_without_a_disk(torn, MEMORY_MAX / PIECE_LEN);
        given_without_a_disk(torn, 2 * MEMORY_MAX / PIECE_LEN);
    }

    #[test]
    fn a_released_writer_does_not_wait() {
        let (_go, let_in) = channel();
        let mut spool = Spool::new(Slow { let_in: Some(let_in), read: Arc::default() }).unwrap();
        spool.shared.lock().is_fileless = true;
        let let_go = spool.let_go();
        let writer = thread::spawn(move || {
            (0..2 * MEMORY_MAX / PIECE_LEN).for_each(|_| spool.write_all(&vec![0; PIECE_LEN]).unwrap());
        });
        thread::sleep(Duration::from_millis(100));
        assert!(!writer.is_finished());
        let_go.now();
        writer.join().unwrap();
    }

    #[test]
    fn an_error_is_given_to_everyone_after_it() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut spool = Spool::new(writer).unwrap();
        spool.write_all(b"x").unwrap();
        assert_eq!(spool.finish(None).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(spool.write(b"y").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
