//! What is counted while a command works. A page shows the figures of one moment.
//!
//! Invariants:
//! - A figure that is not known, or that a command does not have, is absent. It is never zero as a guess.
//! - A thread that counts holds the lock for a few instructions, and a page is written after the lock is free. So a scrape does not
//!   delay the command.

use super::catalogue as metric;
use super::exposition::Page;
use evlog::{Committed, Group};
use evlog_format::{LogId, Position, Seq};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Upper bounds of the buckets for syncs, in seconds: from a disk with a cache that survives a loss of power to a disk that is
/// overloaded.
const SYNC_BOUNDS: [f64; 16] =
    [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How many codes of refusals are counted apart. Contract files may define any number of codes, and each code is a time series
/// that the reader keeps.
const CODES_MAX: usize = 100;

/// The code of refusals beyond that number. No code of a contract has small letters.
const OTHER: &str = "other";

/// What this process committed.
#[derive(Clone, Debug, Default)]
struct Written {
    commits: u64,
    events: u64,
    bytes: u64,
    /// How many syncs took at most each bound.
    syncs_within: [u64; SYNC_BOUNDS.len()],
    syncs: u64,
    sync_time: Duration,
    sync_failures: u64,
}

/// The last checkpoint that this process signed.
#[derive(Clone, Copy, Debug)]
struct Signed {
    count: u64,
    next_seq: Seq,
    time_ns: i64,
}

/// How far this process has read a log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Following {
    pub(super) log_id: LogId,
    /// The log's end, when this process last looked.
    pub(super) end: Committed,
    next_seq: Seq,
}

/// A verification that follows the log.
#[derive(Clone, Copy, Debug, Default)]
struct Verified {
    events: u64,
    findings: u64,
    /// When everything was verified last.
    good: Option<(Instant, i64)>,
}

/// What a witness did.
#[derive(Clone, Copy, Debug, Default)]
struct Witnessed {
    given: Option<Seq>,
    cosigned: Option<(Seq, Position, u64)>,
    refused: Option<bool>,
    contradicts: bool,
}

#[derive(Clone, Debug, Default)]
struct Values {
    written: Option<Written>,
    end: Option<Committed>,
    commands: Option<BTreeMap<&'static str, u64>>,
    refusals: BTreeMap<String, u64>,
    stages: Option<BTreeMap<&'static str, u64>>,
    signed: Option<Signed>,
    read: Option<u64>,
    following: Option<Following>,
    verified: Option<Verified>,
    witnessed: Option<Witnessed>,
}

/// The figures of a command.
#[derive(Debug, Default)]
pub(crate) struct Figures(Mutex<Values>);

impl Figures {
    fn lock(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log is open for writing, and ends here.
    pub(super) fn opened(&self, end: Committed) {
        let mut values = self.lock();
        values.written = Some(Written::default());
        values.end = Some(end);
    }

    pub(super) fn committed(&self, group: &Group) {
        let mut values = self.lock();
        values.end = Some(group.end);
        let written = values.written.get_or_insert_default();
        written.commits += group.commits;
        written.events += group.events;
        written.bytes += group.bytes;
    }

    pub(super) fn synced(&self, took: Duration) {
        let mut values = self.lock();
        let written = values.written.get_or_insert_default();
        let seconds = took.as_secs_f64();
        for (within, bound) in written.syncs_within.iter_mut().zip(SYNC_BOUNDS) {
            *within += u64::from(seconds <= bound);
        }
        written.syncs += 1;
        written.sync_time += took;
    }

    pub(super) fn sync_failed(&self) {
        self.lock().written.get_or_insert_default().sync_failures += 1;
    }

    /// A line of `submit` was answered.
    pub(crate) fn answered(&self, outcome: &'static str, code: Option<&str>) {
        let mut values = self.lock();
        *values.commands.get_or_insert_default().entry(outcome).or_default() += 1;
        if let Some(code) = code {
            let is_full = values.refusals.len() >= CODES_MAX && !values.refusals.contains_key(code);
            *values.refusals.entry(if is_full { OTHER } else { code }.to_owned()).or_default() += 1;
        }
    }

    /// The command will answer lines with these outcomes.
    pub(crate) fn will_answer(&self, outcomes: &[&'static str]) {
        self.lock().commands = Some(outcomes.iter().map(|outcome| (*outcome, 0)).collect());
    }

    /// The outcome of a stage was recorded.
    pub(crate) fn outcome(&self, status: &'static str) {
        *self.lock().stages.get_or_insert_default().entry(status).or_default() += 1;
    }

    /// A checkpoint was signed that covers the events before this one.
    pub(crate) fn signed(&self, next_seq: Seq, time_ns: i64) {
        let mut values = self.lock();
        let count = values.signed.map_or(0, |signed| signed.count) + 1;
        values.signed = Some(Signed { count, next_seq, time_ns });
    }

    /// A follower has read the events before `next_seq` of a log that ended here when it last looked.
    pub(crate) fn followed(&self, log_id: LogId, (position, seq): (Position, Seq), next_seq: Seq) {
        let mut values = self.lock();
        values.following = Some(Following { log_id, end: Committed { position, next_seq: seq }, next_seq });
        values.read.get_or_insert(0);
    }

    /// A follower has read this event. Events before those that it shows are not counted.
    pub(crate) fn read(&self, seq: Seq) {
        let mut values = self.lock();
        let Values { following: Some(following), read: Some(read), .. } = &mut *values else { return };
        if seq >= following.next_seq {
            following.next_seq = Seq(seq.0 + 1);
            *read += 1;
        }
    }

    /// The events before `next_seq` are verified. `good_ns` is the time now if nothing is left and nothing is wrong.
    pub(crate) fn verified(&self, next_seq: Seq, findings: usize, good_ns: Option<i64>) {
        let mut values = self.lock();
        let before = values.verified.and_then(|verified| verified.good);
        let good = good_ns.map(|now_ns| (Instant::now(), now_ns)).or(before);
        values.verified = Some(Verified { events: next_seq.0, findings: findings as u64, good });
    }

    /// A witness was given a checkpoint that covers the events before this one.
    pub(crate) fn given(&self, next_seq: Seq) {
        self.lock().witnessed.get_or_insert_default().given = Some(next_seq);
    }

    /// This checkpoint is the last one that the witness cosigned, at this Unix time in seconds.
    pub(crate) fn cosigned(&self, (next_seq, size): (Seq, Position), time_s: u64) {
        self.lock().witnessed.get_or_insert_default().cosigned = Some((next_seq, size, time_s));
    }

    /// Whether the witness refused the checkpoint, and whether because it contradicts the last one.
    pub(crate) fn witnessed(&self, is_refused: bool, contradicts: bool) {
        let mut values = self.lock();
        let witnessed = values.witnessed.get_or_insert_default();
        (witnessed.refused, witnessed.contradicts) = (Some(is_refused), contradicts);
    }

    /// The log that is followed, if one is.
    pub(super) fn following(&self) -> Option<Following> {
        self.lock().following
    }

    /// Adds all that is known to a page. `newest` is where a followed log ends now.
    pub(super) fn show(&self, page: &mut Page, newest: Option<Committed>) {
        let values = self.lock().clone();
        let end = newest.or(values.end);
        if let Some(written) = &values.written {
            show_written(page, written);
        }
        page.known(metric::LOG_EVENTS, end.map(|end| end.next_seq.0));
        page.known(metric::LOG_SIZE, end.map(|end| end.position.0));
        let by_word = |(word, count): (&'static str, u64)| (vec![word.to_owned()], count);
        page.each(metric::COMMANDS, values.commands.into_iter().flatten().map(by_word));
        page.each(metric::REFUSALS, values.refusals.into_iter().map(|(code, count)| (vec![code], count)));
        page.each(metric::STAGES, values.stages.into_iter().flatten().map(by_word));
        if let Some(Signed { count, next_seq, time_ns }) = values.signed {
            page.one(metric::CHECKPOINTS, count);
            page.one(metric::CHECKPOINT_TIME, seconds(time_ns));
            page.known(metric::CHECKPOINT_LAG, end.map(|end| end.next_seq.0.saturating_sub(next_seq.0)));
        }
        page.known(metric::READ, values.read);
        let unread = values.following.zip(end).map(|(read, end)| end.next_seq.0.saturating_sub(read.next_seq.0));
        page.known(metric::READ_LAG, unread);
        if let Some(verified) = values.verified {
            show_verified(page, verified, end);
        }
        if let Some(witnessed) = values.witnessed {
            show_witnessed(page, witnessed);
        }
    }
}

fn show_written(page: &mut Page, written: &Written) {
    page.one(metric::COMMITS, written.commits);
    page.one(metric::EVENTS, written.events);
    page.one(metric::BYTES, written.bytes);
    let buckets = (SYNC_BOUNDS.as_slice(), written.syncs_within.as_slice());
    page.histogram(metric::SYNCS, buckets, written.syncs, written.sync_time.as_secs_f64());
    page.one(metric::SYNC_FAILURES, written.sync_failures);
}

fn show_verified(page: &mut Page, verified: Verified, end: Option<Committed>) {
    page.one(metric::VERIFIED, verified.events);
    page.known(metric::VERIFICATION_LAG, end.map(|end| end.next_seq.0.saturating_sub(verified.events)));
    page.one(metric::FINDINGS, verified.findings);
    if let Some((at, time_ns)) = verified.good {
        page.one(metric::VERDICT_AGE, at.elapsed().as_secs_f64());
        page.one(metric::VERDICT_TIME, seconds(time_ns));
    }
}

fn show_witnessed(page: &mut Page, witnessed: Witnessed) {
    if let Some((next_seq, size, time_s)) = witnessed.cosigned {
        page.one(metric::COSIGNED_EVENTS, next_seq.0);
        page.one(metric::COSIGNED_SIZE, size.0);
        page.one(metric::COSIGNED_TIME, time_s);
    }
    let lag = witnessed.given.filter(|_| !witnessed.contradicts).map(|given| {
        let covered = witnessed.cosigned.map_or(0, |(next_seq, ..)| next_seq.0);
        given.0.saturating_sub(covered)
    });
    page.known(metric::COSIGNATURE_LAG, lag);
    page.known(metric::WITNESS_REFUSED, witnessed.refused.map(u8::from));
}

/// Unix time in seconds, with its milliseconds.
pub(super) fn seconds(time_ns: i64) -> String {
    let ms = time_ns.div_euclid(1_000_000);
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}
