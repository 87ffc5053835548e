//! A verification that can be interrupted. After each sealed segment it gives its caller bytes to keep, and it can continue
//! from the bytes that were kept last.
//!
//! Does: read the log in order, with one thread. Runs that have events on both sides of the interruption are folded again, and
//! for this their commits are read again. Of the other bytes before the interruption only the last ones are read again, up to
//! 16 KiB. Does not: save its state if something is wrong with the log's bytes. The next verification reads them again, and
//! reports them.
//!
//! Invariants:
//! - A verification that continues reports the same as a verification that was not interrupted, if the bytes before the
//!   interruption have not changed.
//! - The log must be the one whose verification was begun: its id, its segments up to the interruption, and the bytes before
//!   the interruption are compared first. Then, as in any log, the root in the next header is compared with the root of the
//!   bytes that were read.

pub use super::resume_error::ResumeError;

use super::saved::{Head, Saved, SeenRun, decode, encode};
use super::{Check, Progress, RunCheck, Subject, log_id_of, newer, read, remains, with_subject};
use crate::error::LogError;
use crate::history::LOG_STREAM;
use evlog_format::frame::Decoded;
use evlog_format::{Commit, FRAME_HEADER_LEN, Frame, FrameCodec, Position, Seq};
use evlog_projection::Contracts;
use evlog_store::fs::Fs;
use evlog_store::{OpenError, RawSegment};
use evlog_verify::audit::Audit;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Called after each sealed segment, with a function that makes the bytes to keep. The function returns `None` once something
/// is wrong with the log's bytes. A caller that wants to keep the bytes less often need not call the function.
pub type Keep<'k> = dyn FnMut(&dyn Fn() -> Option<Vec<u8>>) + 'k;

/// The result of a verification that may have continued an earlier one.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// All that was found, in all parts of the verification.
    pub check: Check,
    /// When the first of these verifications began, Unix nanoseconds.
    pub begun_ns: i64,
    /// How many bytes earlier verifications read that this one did not read again.
    pub before: Position,
}

/// Reads the log in `dir` from where `kept` was made, or from its start. `now_ns` is the time now, Unix nanoseconds.
pub fn check_on(
    fs: Arc<dyn Fs>,
    dir: &Path,
    contracts: &Contracts,
    kept: Option<&[u8]>,
    now_ns: i64,
    keep: &mut Keep<'_>,
    progress: &mut Progress<'_>,
) -> Result<Resumed, ResumeError> {
    let saved = kept.map(decode).transpose()?;
    if let Some(check) = remains(&fs, dir)? {
        return Ok(Resumed { check, begun_ns: now_ns, before: Position(0) });
    }
    with_subject(fs, dir, contracts, |subject| match saved {
        None => Going::new(subject, Audit::new(subject.durable), Saved::default(), now_ns).run(keep, progress),
        Some(mut saved) => {
            let audit = Audit::restore(&saved.audit, subject.durable).map_err(|_| ResumeError::Spoilt)?;
            same(subject, &audit)?;
            if !saved.runs.values().all(|run| run.is_before(audit.frontier().size())) {
                return Err(ResumeError::Spoilt);
            }
            saved.audit.clear();
            let begun_ns = saved.head.begun_ns;
            Going::new(subject, audit, saved, begun_ns).run(keep, progress)
        }
    })
}

/// Checks that the log still begins with the bytes that were read. This is a partial check: it does not read all bytes
/// again.
fn same(subject: &Subject<'_>, audit: &Audit) -> Result<(), ResumeError> {
    let frontier = audit.frontier();
    let end = Position(frontier.size());
    let (expected, found) = (audit.log_id(), log_id_of(subject.raw));
    if found != expected {
        let Some(expected) = expected else { return Err(ResumeError::Spoilt) };
        return Err(ResumeError::OtherLog { expected, found });
    }
    let total: u64 = subject.segments.iter().map(|segment| segment.len).sum();
    if total < end.0 {
        return Err(ResumeError::Shorter { expected: end, found: total });
    }
    let mut at = 0;
    let following = subject.segments.iter().find(|segment| {
        let follows = segment.position.0 == at && at < end.0;
        at += if follows { segment.len } else { 0 };
        !follows
    });
    let changed = |position, expected: String, found: String| Err(ResumeError::Changed { position, expected, found });
    // The audit judges the segment that follows, at whatever position it claims to begin.
    if following.is_none() || at != end.0 {
        let (expected, found) = (format!("whole segments up to position {end}"), format!("such up to position {at}"));
        return changed(Position(at.min(end.0)), expected, found);
    }
    let from = end.0 - frontier.tail().len() as u64;
    if bytes_of(subject, from, frontier.tail().len())? != frontier.tail() {
        return changed(Position(from), "the bytes that were read".to_owned(), "others".to_owned());
    }
    Ok(())
}

/// Bytes of the log; fewer if the log ends before.
fn bytes_of(subject: &Subject<'_>, from: u64, len: usize) -> Result<Vec<u8>, LogError> {
    let mut bytes = Vec::with_capacity(len);
    let range = from..from.saturating_add(len as u64);
    let read = subject.raw.read_range(&range, &mut |chunk| bytes.extend_from_slice(chunk));
    read.map_err(OpenError::Io)?;
    Ok(bytes)
}

/// A verification in progress.
struct Going<'s> {
    subject: &'s Subject<'s>,
    audit: Audit,
    check: RunCheck<'s>,
    begun_ns: i64,
    before: Position,
    seen: BTreeMap<String, SeenRun>,
    /// Runs whose events this verification has not read yet.
    asleep: BTreeSet<String>,
}

impl<'s> Going<'s> {
    fn new(subject: &'s Subject<'s>, audit: Audit, saved: Saved, begun_ns: i64) -> Going<'s> {
        let policies = saved.head.policies();
        let mut check = RunCheck::new(subject.contracts, policies, None);
        (check.findings, check.losses) = saved.head.into_found();
        let before = Position(audit.frontier().size());
        let asleep = saved.runs.keys().cloned().collect();
        Going { subject, audit, check, begun_ns, before, seen: saved.runs, asleep }
    }

    fn run(mut self, keep: &mut Keep<'_>, progress: &mut Progress<'_>) -> Result<Resumed, ResumeError> {
        let (segments, before) = (self.subject.segments, self.before);
        let (mut done, total) = (before.0, segments.iter().map(|segment| segment.len).sum());
        progress(done, total);
        for (index, segment) in segments.iter().enumerate().filter(|(_, segment)| segment.position >= before) {
            let is_last = index + 1 == segments.len();
            self.segment(segment, is_last, &mut |len| {
                done += len;
                progress(done, total);
            })?;
            if !is_last {
                keep(&|| self.save());
            }
        }
        let Going { audit, check, begun_ns, before, seen, .. } = self;
        let mut check = Check::new(audit.finish(), [check]);
        check.runs = seen.len() as u64;
        Ok(Resumed { check, begun_ns, before })
    }

    fn segment(
        &mut self,
        segment: &RawSegment,
        is_last: bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ResumeError> {
        let Going { subject, audit, check, seen, asleep, .. } = self;
        let mut runs = Runs { subject, check, seen, asleep, failed: None };
        audit.begin_segment(segment.position, is_last);
        read(subject.raw, segment, &mut |chunk| {
            progress(chunk.len() as u64);
            audit.bytes(chunk, &mut |frame, commit| runs.commit(frame, commit))
        })?;
        if let Some(error) = runs.failed {
            return Err(error);
        }
        Ok(audit.end_segment().map_err(|error| newer(segment, error))?)
    }

    fn save(&self) -> Option<Vec<u8>> {
        let head = Head::new(self.begun_ns, &self.check);
        encode(&head, &self.audit.save()?, &self.seen)
    }
}

/// The runs of a verification in progress, which receives commit by commit.
struct Runs<'r, 's> {
    subject: &'r Subject<'s>,
    check: &'r mut RunCheck<'s>,
    seen: &'r mut BTreeMap<String, SeenRun>,
    asleep: &'r mut BTreeSet<String>,
    failed: Option<ResumeError>,
}

impl Runs<'_, '_> {
    fn commit(&mut self, frame: &Frame<'_>, commit: &Commit<'_>) {
        for (seq, event) in (commit.head.first_seq.0..).zip(&commit.events) {
            if event.stream == LOG_STREAM {
                self.check.event(&commit.head, Seq(seq), *event);
                continue;
            }
            if self.asleep.remove(event.stream)
                && let Err(error) = self.wake(event.stream)
            {
                self.failed.get_or_insert(error);
            }
            let run = match self.seen.get_mut(event.stream) {
                Some(run) => run,
                None => self.seen.entry(event.stream.to_owned()).or_default(),
            };
            run.push(frame.position);
            if run.failed {
                continue;
            }
            let before = self.check.findings.len();
            self.check.event(&commit.head, Seq(seq), *event);
            run.failed = self.check.findings.len() > before;
        }
    }

    /// Refolds a run from its commits before the interruption.
    fn wake(&mut self, stream: &str) -> Result<(), ResumeError> {
        let Some(run) = self.seen.get(stream).filter(|run| !run.failed) else { return Ok(()) };
        let Some(log_id) = log_id_of(self.subject.raw) else { return Ok(()) };
        let codec = FrameCodec::new(log_id);
        for position in run.positions() {
            let bytes = frame_at(self.subject, &codec, position)?;
            let Decoded::Frame(frame) = codec.decode(position, &bytes) else { return Err(no_commit(position)) };
            let commit = Commit::decode(frame.body, position + FRAME_HEADER_LEN as u64);
            let commit = commit.map_err(|_| no_commit(position))?;
            for (seq, event) in (commit.head.first_seq.0..).zip(&commit.events) {
                if event.stream == stream {
                    self.check.event(&commit.head, Seq(seq), *event);
                }
            }
        }
        Ok(())
    }
}

fn no_commit(position: u64) -> ResumeError {
    let (expected, found) = ("the commit that was read".to_owned(), "other bytes".to_owned());
    ResumeError::Changed { position: Position(position), expected, found }
}

/// The bytes of the frame at a position, if there is one.
fn frame_at(subject: &Subject<'_>, codec: &FrameCodec, position: u64) -> Result<Vec<u8>, LogError> {
    let head = bytes_of(subject, position, FRAME_HEADER_LEN)?;
    match codec.decode(position, &head) {
        Decoded::Incomplete { need } => bytes_of(subject, position, need),
        _ => Ok(head),
    }
}
