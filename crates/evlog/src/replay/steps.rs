//! The steps of a replay: after each event a short digest of the run's files, in the order of the log.
//!
//! Invariants:
//! - A digest depends only on the run's events up to that one, not on threads, and not on what other runs do.
//! - The cost of a step grows with the length of the run's files, not with its history: the lines of the audit file go into a
//!   chain.

use super::RunReplay;
use crate::deal::{Hand, Threads};
use evlog_format::Seq;
use evlog_projection::{Fact, File, FoldError};
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};

/// How many events of the log a thread reads before it hands its steps on.
const WINDOW: u64 = 16 * 1024;

/// The digest of a run's files after one event.
pub type StepDigest = [u8; 8];

/// One event of a run, and the digest of the run's files after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// The event.
    pub seq: Seq,
    /// Its run.
    pub run: &'a str,
    /// The digest of the run's files.
    pub digest: StepDigest,
}

/// The lines of a run's audit file so far, as one digest.
#[derive(Default)]
pub(super) struct Chain([u8; 32]);

impl Chain {
    pub(super) fn push(&mut self, line: &[u8]) {
        self.0 = *blake3::Hasher::new().update(&self.0).update(line).finalize().as_bytes();
    }

    /// The digest of these lines and of the other files. Between two events of one commit a run may have no files.
    pub(super) fn digest(&self, files: Result<Vec<File>, FoldError>) -> StepDigest {
        let mut files = files.unwrap_or_default();
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0);
        for part in files.iter().flat_map(|file| [file.path.as_bytes(), &file.bytes]) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let mut digest = StepDigest::default();
        hasher.finalize_xof().fill(&mut digest);
        digest
    }
}

/// The run and the digest of a step.
type Held = (Box<str>, StepDigest);

/// Puts the steps of all threads in order.
pub(super) struct Merge<'s> {
    every: NonZeroU64,
    shared: Mutex<Shared<'s>>,
}

struct Shared<'s> {
    /// For each thread, the seq before which it will add no more steps.
    reached: Vec<u64>,
    /// Steps by seq that must wait because some thread has not read far enough. There are as many as the threads are apart.
    waiting: BTreeMap<u64, Held>,
    visit: &'s mut (dyn FnMut(&Step<'_>) + Send),
}

impl<'s> Merge<'s> {
    pub(super) fn new(threads: Threads, every: NonZeroU64, visit: &'s mut (dyn FnMut(&Step<'_>) + Send)) -> Merge<'s> {
        let shared = Shared { reached: vec![0; threads.get()], waiting: BTreeMap::new(), visit };
        Merge { every, shared: Mutex::new(shared) }
    }

    fn take(&self, hand: Hand, steps: &mut Vec<(u64, Held)>, reached: u64) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.waiting.extend(steps.drain(..));
        shared.reached[hand.number()] = reached;
        shared.give();
    }
}

impl Shared<'_> {
    fn give(&mut self) {
        let end = self.reached.iter().copied().min().unwrap_or_default();
        while let Some(first) = self.waiting.first_entry()
            && *first.key() < end
        {
            let (seq, (run, digest)) = first.remove_entry();
            (self.visit)(&Step { seq: Seq(seq), run: &run, digest });
        }
    }
}

/// The steps of one thread.
pub(super) struct Steps<'m, 's> {
    merge: &'m Merge<'s>,
    hand: Hand,
    held: Vec<(u64, Held)>,
    /// The seq up to which steps were handed on.
    handed: u64,
}

impl<'m, 's> Steps<'m, 's> {
    pub(super) fn new(merge: &'m Merge<'s>, hand: Hand) -> Steps<'m, 's> {
        Steps { merge, hand, held: Vec::new(), handed: 0 }
    }

    /// Takes the step of an event that the run has just folded, if the step is wanted.
    pub(super) fn event(&mut self, fact: &Fact<'_>, run: &RunReplay<'_>) {
        let seq = fact.seq.0;
        if (run.is_at_end() || (fact.event.number + 1).is_multiple_of(self.merge.every.get()))
            && let Some(digest) = run.step()
        {
            self.held.push((seq, (fact.event.stream.into(), digest)));
        }
        if seq >= self.handed + WINDOW {
            self.handed = seq + 1;
            self.merge.take(self.hand, &mut self.held, self.handed);
        }
    }

    /// Called when no more events come.
    pub(super) fn finish(&mut self) {
        self.merge.take(self.hand, &mut self.held, u64::MAX);
    }
}
