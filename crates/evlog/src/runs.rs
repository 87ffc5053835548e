//! Runs as a writer session knows them: folded from their streams when they are needed, kept for a while, and answered from
//! memory.
//!
//! Invariant: the cache holds a bounded number of runs. A run that is dropped is read again from the log, through the index.

use crate::answer::Answer;
use crate::policy::{InForce, Orders};
use evlog_format::limits::IDEMPOTENCY_KEY_LEN_MAX;
use evlog_format::{CommitHead, Event, Seq};
use evlog_projection::{ContractError, Contracts, Fact, FoldError, Outcome, RunFold};
use std::collections::BTreeMap;

/// How many runs a session keeps folded. A folded run is a few hundred bytes.
const CACHED_RUNS_MAX: usize = 16_384;

/// A run, and the answers to its commands.
pub(crate) struct Known {
    pub(crate) fold: RunFold,
    pub(crate) answers: BTreeMap<String, Answered>,
    /// The state of the policy's rules on order for this run.
    pub(crate) orders: Orders,
}

impl Known {
    pub(crate) fn new(fold: RunFold) -> Known {
        Known { fold, answers: BTreeMap::new(), orders: Orders::default() }
    }
}

/// The first answer to a command with an idempotency key.
pub(crate) struct Answered {
    pub(crate) content: [u8; 32],
    pub(crate) answer: Answer,
}

/// Folds the events of one run, commit by commit.
pub(crate) struct Loader<'c> {
    contracts: &'c Contracts,
    in_force: &'c InForce,
    known: Option<Known>,
    key: Option<(String, [u8; 32])>,
    commit: Option<Seq>,
    pending: Answer,
}

impl<'c> Loader<'c> {
    pub(crate) fn new(contracts: &'c Contracts, in_force: &'c InForce, run: &str) -> Loader<'c> {
        Loader { contracts, in_force, known: None, key: None, commit: None, pending: Answer::empty(run) }
    }

    pub(crate) fn push(&mut self, head: &CommitHead<'_>, seq: Seq, event: &Event<'_>) -> Result<(), FoldError> {
        if self.commit != Some(head.first_seq) {
            self.finish_commit();
            self.commit = Some(head.first_seq);
            self.key = head.idempotency.map(|given| (given.key.to_owned(), given.content));
        }
        let fact = Fact { seq, head: *head, event: *event };
        self.fold(&fact)?;
        // Only commands with a key can be delivered again.
        let (Some(known), Some(_)) = (&self.known, &self.key) else { return Ok(()) };
        if self.pending.error.is_none()
            && let Some((outcome, error)) = known.fold.contract().answer(&fact)
        {
            self.pending.outcome = outcome.into();
            self.pending.error = Some(error);
        }
        self.pending.events.push((seq, event.kind.to_string()));
        Ok(())
    }

    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), FoldError> {
        match &mut self.known {
            Some(known) => known.fold.evolve(fact)?,
            None => self.known = Some(Known::new(self.contracts.start(fact)?)),
        }
        if let Some(known) = &mut self.known {
            // A breach is ignored here, because the event was judged when it was recorded.
            self.in_force.next(&mut known.orders, fact);
        }
        Ok(())
    }

    fn finish_commit(&mut self) {
        let run = std::mem::take(&mut self.pending.run);
        let mut answer = std::mem::replace(&mut self.pending, Answer::empty(&run));
        if let (Some(known), Some((key, content))) = (&mut self.known, self.key.take()) {
            answer.run = run;
            answer.status = Some(known.fold.status().to_owned());
            known.answers.insert(key, Answered { content, answer });
        }
    }

    pub(crate) fn finish(mut self) -> Option<Known> {
        self.finish_commit();
        self.known
    }
}

/// The answers whose keys are in the log's own stream: answers to commands for which there was no run.
#[derive(Default)]
pub(crate) struct Logged(BTreeMap<String, Answered>);

impl Logged {
    /// Takes an event of `$log` into account.
    pub(crate) fn push(&mut self, contracts: &Contracts, head: &CommitHead<'_>, seq: Seq, event: &Event<'_>) {
        // If the command also recorded an event in its run, the run has the key.
        let Some(given) = head.idempotency.filter(|_| seq == head.first_seq) else { return };
        let fact = Fact { seq, head: *head, event: *event };
        let mut answer = Answer::empty("");
        if let Some((outcome, error)) = answer_in_log(contracts, &fact) {
            (answer.outcome, answer.error) = (outcome.into(), Some(error));
        }
        answer.events.push((seq, event.kind.to_string()));
        self.note(given.key, given.content, answer);
    }

    /// Notes an answer under a key that has none yet.
    pub(crate) fn note(&mut self, key: &str, content: [u8; 32], answer: Answer) {
        self.0.entry(key.to_owned()).or_insert(Answered { content, answer });
    }

    /// The first answer to a command of a run under its key.
    pub(crate) fn get(&self, run: &str, key: &str, content: [u8; 32]) -> Option<&Answered> {
        let of_run = of_run(run, key);
        let mut known = [key, &of_run].into_iter().filter_map(|key| self.0.get(key));
        known.find(|first| first.content == content)
    }

    /// The key under which an answer can be recorded in `$log`. In a stream, a key belongs to one content, and commands to
    /// runs that do not exist share this stream. So if the stream has the key already, the run's name is added to the key.
    /// `None` if the stream has that key too, or if it is too long. Without a key, a second delivery would be recorded
    /// again.
    pub(crate) fn free_key(&self, run: &str, key: &str) -> Option<String> {
        let is_free = |key: &String| key.len() as u64 <= IDEMPOTENCY_KEY_LEN_MAX && !self.0.contains_key(key);
        [key.to_owned(), of_run(run, key)].into_iter().find(is_free)
    }
}

/// The answer that an event of `$log` gives, according to the first contract that knows it.
pub(crate) fn answer_in_log(contracts: &Contracts, fact: &Fact<'_>) -> Option<(Outcome, ContractError)> {
    contracts.names().find_map(|name| contracts.named(name)?.answer(fact))
}

/// A key combined with the run that it was given for. A run's name has no space.
fn of_run(run: &str, key: &str) -> String {
    format!("{run} {key}")
}

/// The folded runs that a session keeps.
#[derive(Default)]
pub(crate) struct Cache {
    runs: BTreeMap<String, (u64, Known)>,
    tick: u64,
}

impl Cache {
    /// Takes a run out of the cache. The caller puts back its new state.
    pub(crate) fn take(&mut self, run: &str) -> Option<Known> {
        self.runs.remove(run).map(|(_, known)| known)
    }

    pub(crate) fn put(&mut self, run: &str, known: Known) {
        self.tick += 1;
        self.runs.insert(run.to_owned(), (self.tick, known));
        if self.runs.len() > CACHED_RUNS_MAX {
            self.drop_older_half();
        }
    }

    /// Dropping half keeps the average cost of a put constant.
    fn drop_older_half(&mut self) {
        let mut ticks: Vec<u64> = self.runs.values().map(|(tick, _)| *tick).collect();
        let middle = ticks.len() / 2;
        let (_, median, _) = ticks.select_nth_unstable(middle);
        let median = *median;
        self.runs.retain(|_, (tick, _)| *tick >= median);
    }
}
