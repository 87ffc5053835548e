//! A log in which all is well, judged by many threads: first its bytes, segment by segment, then its runs, dealt out by
//! the hash of their names.
//!
//! Does: say that all is well. Does not: say what is wrong; where anything is, nothing comes of it, and the log is read in
//! order.

use super::{Check, Progress, RunCheck, Subject, newer, read};
use crate::error::LogError;
use evlog_format::checksum::crc32;
use evlog_store::RawSegment;
use evlog_verify::Verdict;
use evlog_verify::audit::{Audit, Part, Report};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// How long a thread's work goes on before progress is told again.
const TICK: Duration = Duration::from_millis(100);

/// How many segments may wait for the one before them: what was read of them takes memory.
const AHEAD_MAX: usize = 64;

/// Nothing unless all is well with the bytes.
pub(super) fn check(
    subject: &Subject<'_>,
    threads: NonZeroUsize,
    progress: &mut Progress<'_>,
) -> Result<Option<Check>, LogError> {
    if threads.get() == 1 || subject.segments.len() == 1 {
        return Ok(None);
    }
    let total: u64 = subject.segments.iter().map(|segment| segment.len).sum();
    // The log is read twice.
    let (done, both) = (AtomicU64::new(0), total * 2);
    let Some(report) = bytes(subject, threads, &done, &mut |done| progress(done, both))? else { return Ok(None) };
    if report.verdict() != Verdict::Clean {
        return Ok(None);
    }
    let dealt = runs(subject, threads, &done, &mut |done| progress(done, both))?;
    Ok(Some(Check::new(report, dealt)))
}

/// Audits the sealed segments side by side and joins them, then the last one.
fn bytes(
    subject: &Subject<'_>,
    threads: NonZeroUsize,
    done: &AtomicU64,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<Report>, LogError> {
    let Some((last, sealed)) = subject.segments.split_last() else { return Ok(None) };
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let joined = std::thread::scope(|scope| {
        let (sender, parts) = mpsc::sync_channel(AHEAD_MAX);
        for _ in 0..threads.get().min(sealed.len()) {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            scope.spawn(move || {
                while let Some(nth) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|nth| *nth < sealed.len()) {
                    let part = part(subject, nth, done, stop);
                    if stop.load(Ordering::Relaxed) || sender.send((nth, part)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let joined = join(subject, sealed.len(), &parts, &mut || progress(done.load(Ordering::Relaxed)));
        stop.store(true, Ordering::Relaxed);
        drop(parts);
        joined
    })?;
    let Some(mut audit) = joined else { return Ok(None) };
    audit.begin_segment(last.position, true);
    read(subject.raw, last, &mut |chunk| {
        progress(done.fetch_add(chunk.len() as u64, Ordering::Relaxed));
        audit.bytes(chunk, &mut |_, _| ())
    })?;
    audit.end_segment().map_err(|error| newer(last, error))?;
    Ok(Some(audit.finish()))
}

type Outcome = Result<Option<Part>, LogError>;

/// Joins parts in the order of the log, whatever order they come in.
fn join(
    subject: &Subject<'_>,
    count: usize,
    parts: &mpsc::Receiver<(usize, Outcome)>,
    tick: &mut dyn FnMut(),
) -> Result<Option<Audit>, LogError> {
    let (mut audit, mut waiting, mut next) = (Audit::new(subject.durable), std::collections::BTreeMap::new(), 0);
    while next < count {
        match parts.recv_timeout(TICK) {
            Ok((nth, part)) => drop(waiting.insert(nth, part?)),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(None),
        }
        tick();
        while let Some(part) = waiting.remove(&next) {
            if !part.is_some_and(|part| audit.join(part)) {
                return Ok(None);
            }
            next += 1;
        }
    }
    Ok(Some(audit))
}

/// One sealed segment by itself.
fn part(subject: &Subject<'_>, nth: usize, done: &AtomicU64, stop: &AtomicBool) -> Outcome {
    let segment = &subject.segments[nth];
    let previous_len = nth.checked_sub(1).map(|before| subject.segments[before].len);
    let mut audit = Audit::part(segment.position, previous_len);
    read(subject.raw, segment, &mut |chunk| {
        done.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) { Ok(()) } else { audit.bytes(chunk, &mut |_, _| ()) }
    })?;
    audit.end_part().map_err(|error| newer(segment, error))
}

/// Folds the runs, each thread those that are dealt to it.
fn runs<'s>(
    subject: &Subject<'s>,
    threads: NonZeroUsize,
    done: &AtomicU64,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<RunCheck<'s>>, LogError> {
    std::thread::scope(|scope| {
        let (sender, ended) = mpsc::channel();
        let deal = |dealt: usize| {
            let sender = sender.clone();
            scope.spawn(move || {
                let told = fold(subject, dealt, threads, done);
                // Whoever waits for it knows already when it is not there any more.
                sender.send(()).ok();
                told
            })
        };
        let handles: Vec<_> = (0..threads.get()).map(deal).collect();
        drop(sender);
        while ended.recv_timeout(TICK) != Err(mpsc::RecvTimeoutError::Disconnected) {
            progress(done.load(Ordering::Relaxed));
        }
        let joined =
            handles.into_iter().map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.collect()
    })
}

fn fold<'s>(
    subject: &Subject<'s>,
    dealt: usize,
    threads: NonZeroUsize,
    done: &AtomicU64,
) -> Result<RunCheck<'s>, LogError> {
    let mut runs = RunCheck::new(subject.contracts);
    for segment in subject.segments {
        each_event(subject, segment, dealt, threads, &mut runs)?;
        if dealt == 0 {
            done.fetch_add(segment.len, Ordering::Relaxed);
        }
    }
    Ok(runs)
}

fn each_event(
    subject: &Subject<'_>,
    segment: &RawSegment,
    dealt: usize,
    threads: NonZeroUsize,
    runs: &mut RunCheck<'_>,
) -> Result<(), LogError> {
    let mut told = Ok(());
    subject.raw.commits(segment, &mut |found| {
        let mut commit = found.commit;
        let head = commit.head;
        while told.is_ok() {
            match commit.next_event() {
                Ok(Some((seq, event))) if crc32(event.stream.as_bytes()) as usize % threads == dealt => {
                    runs.event(&head, seq, event);
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(corruption) => told = Err(evlog_store::ReadError::from(corruption)),
            }
        }
    })?;
    Ok(told?)
}
