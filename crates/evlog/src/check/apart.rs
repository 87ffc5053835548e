//! Judges a log with many threads: first its bytes, segment by segment, then its runs, distributed by the hash of their names.
//! In the second pass a thread skips the events of other threads' runs, because the first pass has checked them.
//!
//! Does: confirm that nothing is wrong with the bytes, and report what is wrong with the runs. Does not: say what is wrong with
//! the bytes. If anything is wrong with them, there is no result, and the log is read in order.
//!
//! Invariant: the first pass counts the events of each stream, so that the second one holds a run's state only from the run's
//! first event to its last. Memory grows with the number of runs that are open at one time, and by a few bytes for each stream.

use super::{Check, Progress, RunCheck, Subject, newer, read};
use crate::deal::{Hand, TICK, Threads, deal};
use crate::error::LogError;
use crate::policy::{Noted, Policies};
use evlog_format::{Commit, Seq};
use evlog_projection::Fact;
use evlog_store::RawSegment;
use evlog_verify::Verdict;
use evlog_verify::audit::{Audit, Part, StreamLens};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::Builder;

/// How many segments may wait for the one before them. The limit bounds the memory for their parts.
const AHEAD_MAX: usize = 64;

/// Checks bytes and runs; `None` if anything is wrong with the bytes, or if there is only one thread or one segment.
pub(super) fn check(
    subject: &Subject<'_>,
    threads: Threads,
    progress: &mut Progress<'_>,
) -> Result<Option<Check>, LogError> {
    if threads.get() == 1 || subject.segments.len() == 1 {
        return Ok(None);
    }
    let total: u64 = subject.segments.iter().map(|segment| segment.len).sum();
    // The log is read twice.
    let (done, both) = (AtomicU64::new(0), total * 2);
    let read = bytes(subject, threads, &done, &mut |done| progress(done, both))?;
    let Some((audit, policies)) = read else { return Ok(None) };
    let (report, lens) = audit.finish_counted();
    if report.verdict() != Verdict::Clean {
        return Ok(None);
    }
    let runs = Runs { subject, policies: &policies, lens: &lens, done: &done };
    let dealt = deal(threads, &|hand| fold(&runs, hand), &mut || progress(done.load(Ordering::Relaxed), both))?;
    Ok(Some(Check::new(report, dealt)))
}

/// Audits the segments in parallel and joins the results.
fn bytes(
    subject: &Subject<'_>,
    threads: Threads,
    done: &AtomicU64,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<(Audit, Policies)>, LogError> {
    let segments = subject.segments;
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (sender, parts) = mpsc::sync_channel(AHEAD_MAX);
        for _ in 0..threads.get().min(segments.len()) {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            let work = move || {
                while let Some(nth) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|nth| *nth < segments.len()) {
                    let part = part(subject, nth, done, stop);
                    if stop.load(Ordering::Relaxed) || sender.send((nth, part)).is_err() {
                        return;
                    }
                }
            };
            // If fewer threads can be started, it only takes longer. If none can be started, this thread reads everything.
            if Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        drop(sender);
        let joined = join(subject, &parts, &mut || progress(done.load(Ordering::Relaxed)));
        stop.store(true, Ordering::Relaxed);
        drop(parts);
        joined
    })
}

/// The part of a segment, and the events of `$log` in it that matter for the judgement.
type Outcome = Result<(Option<Part>, Vec<Noted>), LogError>;

/// Adds the log's own events of a commit. If one cannot be read, the pass in order reports it.
fn note(commit: &Commit<'_>, noted: &mut Vec<Noted>) {
    let is_of_log = commit.events.first().is_some_and(|first| first.kind.is_of_log());
    for (seq, event) in (commit.head.first_seq.0..).zip(&commit.events).filter(|_| is_of_log) {
        let read = Noted::read(&Fact { seq: Seq(seq), head: commit.head, event: *event });
        noted.extend(read.and_then(Result::ok));
    }
}

/// Joins the parts in the order of the log. They may arrive in any order.
fn join(
    subject: &Subject<'_>,
    parts: &mpsc::Receiver<(usize, Outcome)>,
    tick: &mut dyn FnMut(),
) -> Result<Option<(Audit, Policies)>, LogError> {
    let (mut audit, mut waiting, mut next) = (Audit::new(subject.durable), BTreeMap::new(), 0);
    let mut policies = Policies::default();
    while next < subject.segments.len() {
        match parts.recv_timeout(TICK) {
            Ok((nth, part)) => drop(waiting.insert(nth, part?)),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(None),
        }
        tick();
        while let Some((part, mut noted)) = waiting.remove(&next) {
            let is_last = next + 1 == subject.segments.len();
            if part.is_none() && is_last {
                // The last segment may end inside a frame, or in zeros, as a writer left it.
                noted = read_last(subject, &mut audit, tick)?;
            } else if !part.is_some_and(|part| audit.join(part)) {
                return Ok(None);
            }
            if noted.into_iter().any(|noted| policies.take(noted).is_err()) {
                return Ok(None);
            }
            next += 1;
        }
    }
    Ok(Some((audit, policies)))
}

/// Audits the last segment, after those before it.
fn read_last(subject: &Subject<'_>, audit: &mut Audit, tick: &mut dyn FnMut()) -> Result<Vec<Noted>, LogError> {
    let mut noted = Vec::new();
    let Some(last) = subject.segments.last() else { return Ok(noted) };
    audit.begin_segment(last.position, true);
    read(subject.raw, last, &mut |chunk| {
        tick();
        audit.bytes(chunk, &mut |_, commit| note(commit, &mut noted))
    })?;
    audit.end_segment().map_err(|error| newer(last, error))?;
    Ok(noted)
}

/// Audits one segment by itself.
fn part(subject: &Subject<'_>, nth: usize, done: &AtomicU64, stop: &AtomicBool) -> Outcome {
    let segment = &subject.segments[nth];
    let previous_len = nth.checked_sub(1).map(|before| subject.segments[before].len);
    let (mut audit, mut noted) = (Audit::part(segment.position, previous_len), Vec::new());
    read(subject.raw, segment, &mut |chunk| {
        done.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        audit.bytes(chunk, &mut |_, commit| note(commit, &mut noted))
    })?;
    let part = audit.end_part().map_err(|error| newer(segment, error))?;
    Ok((part, noted))
}

/// The input for folding the runs.
struct Runs<'r, 's> {
    subject: &'r Subject<'s>,
    policies: &'r Policies,
    lens: &'r StreamLens,
    done: &'r AtomicU64,
}

/// Folds the runs that belong to one thread.
fn fold<'r>(runs: &Runs<'r, '_>, hand: Hand) -> Result<RunCheck<'r>, LogError> {
    let mut check = RunCheck::new(runs.subject.contracts, runs.policies.clone(), Some(runs.lens));
    for segment in runs.subject.segments {
        each_event(runs.subject, segment, hand, &mut check)?;
        if hand.is_first() {
            runs.done.fetch_add(segment.len, Ordering::Relaxed);
        }
    }
    Ok(check)
}

fn each_event(
    subject: &Subject<'_>,
    segment: &RawSegment,
    hand: Hand,
    check: &mut RunCheck<'_>,
) -> Result<(), LogError> {
    let mut read = Ok(());
    subject.raw.commits(segment, &mut |found| {
        let head = found.commit.head;
        let mut commit = found.commit.only(|stream| hand.holds(stream.as_bytes()));
        while read.is_ok() {
            match commit.next_event() {
                Ok(Some((seq, event))) => check.event(&head, seq, event),
                Ok(None) => break,
                Err(corruption) => read = Err(evlog_store::ReadError::from(corruption)),
            }
        }
    })?;
    Ok(read?)
}
