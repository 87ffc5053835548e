//! Distributes work on the runs of a log to threads, by the hash of the streams' names.
//!
//! Invariant: the thread of a stream depends only on the stream's name and on the number of threads.

use crate::error::LogError;
use evlog_format::checksum::crc32;
use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::thread::Builder;
use std::time::Duration;

/// The largest number of threads, even if more are asked for.
pub const THREADS_MAX: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// How many threads work: never more than [`THREADS_MAX`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Threads(NonZeroUsize);

impl Threads {
    /// As many threads as were asked for, but at most [`THREADS_MAX`].
    pub(crate) fn of(asked: NonZeroUsize) -> Threads {
        Threads(asked.min(THREADS_MAX))
    }

    pub(crate) fn get(self) -> usize {
        self.0.get()
    }
}

/// The number of times that progress is reported.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// The streams that belong to one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hand {
    number: usize,
    of: NonZeroUsize,
}

impl Hand {
    /// Whether a stream belongs to this thread. The stream is given by the bytes of its name.
    pub(crate) fn holds(self, stream: &[u8]) -> bool {
        self.of == NonZeroUsize::MIN || crc32(stream) as usize % self.of == self.number
    }

    /// The thread's number, from 0.
    pub(crate) fn number(self) -> usize {
        self.number
    }

    /// Whether it is the first thread, which reports the progress.
    pub(crate) fn is_first(self) -> bool {
        self.number == 0
    }
}

/// Does the work for each hand in a separate thread, and returns the results. `tick` is called at least every [`TICK`] while
/// this thread waits for others.
pub(crate) fn deal<T: Send>(
    threads: Threads,
    work: &(dyn Fn(Hand) -> Result<T, LogError> + Sync),
    tick: &mut dyn FnMut(),
) -> Result<Vec<T>, LogError> {
    let Threads(of) = threads;
    std::thread::scope(|scope| {
        let (sender, ended) = mpsc::channel();
        let deal = |number: usize| {
            let sender = sender.clone();
            let begun = Builder::new().spawn_scoped(scope, move || {
                let done = work(Hand { number, of });
                // A receiver that has ended does not need this message.
                sender.send(()).ok();
                done
            });
            // If no thread can be started for a hand, its number is kept, and this thread does its work below.
            begun.map_err(|_| number)
        };
        let handles: Vec<_> = (0..of.get()).map(deal).collect();
        drop(sender);
        let handles: Vec<_> =
            handles.into_iter().map(|begun| begun.map_err(|number| work(Hand { number, of }))).collect();
        while ended.recv_timeout(TICK) != Err(mpsc::RecvTimeoutError::Disconnected) {
            tick();
        }
        let joined = handles.into_iter().map(|begun| match begun {
            Ok(handle) => handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(done) => done,
        });
        joined.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_threads_work_than_the_most_whatever_number_is_asked_for() {
        let done = deal(Threads::of(NonZeroUsize::MAX), &|hand| Ok(hand.number()), &mut || {}).unwrap();
        assert_eq!(done, (0..THREADS_MAX.get()).collect::<Vec<_>>());
    }

    #[test]
    fn every_stream_belongs_to_one_thread() {
        for of in (1..=5).filter_map(NonZeroUsize::new) {
            let hands: Vec<Hand> = (0..of.get()).map(|number| Hand { number, of }).collect();
            for stream in (0..200).map(|n| format!("RUN_{n:04}")) {
                assert_eq!(hands.iter().filter(|hand| hand.holds(stream.as_bytes())).count(), 1, "{stream} of {of}");
            }
        }
    }
}
