//! Judging a whole log: its bytes by `evlog-verify`, its runs by their contracts, in one pass over the files.
//!
//! Invariants: nothing is written; nothing that the writer left beside the segments is believed; findings are a list.

use crate::error::LogError;
use crate::history::{Closed, Created, LOG_STREAM, Opened, ProjectionPublished, Recovered, TailCut};
use evlog_format::commit::Commit;
use evlog_format::{Event, Kind, LogId, Position, SEGMENT_HEADER_LEN, SegmentHeader, Seq, kind, payload};
use evlog_projection::{Contracts, Fact, FoldError, RunFold};
use evlog_store::fs::Fs;
use evlog_store::{OpenError, RawLog, RawSegment};
use evlog_verify::audit::{Audit, Report};
use evlog_verify::verdict::Verdict;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What was found.
#[derive(Clone, Debug)]
pub struct Check {
    /// On the bytes.
    pub report: Report,
    /// Runs that were folded.
    pub runs: u64,
    /// Committed events that their contracts forbid, at most one for each run, and unreadable events of `$log`.
    pub contract_findings: Vec<FoldError>,
}

impl Check {
    /// Whether there is nothing to find.
    pub fn is_good(&self) -> bool {
        self.report.verdict() == Verdict::Clean && self.contract_findings.is_empty()
    }
}

/// Reads the whole log in `dir`; `progress` is told how many bytes of how many were read.
pub fn check(
    fs: Arc<dyn Fs>,
    dir: &Path,
    contracts: &Contracts,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Check, LogError> {
    let raw = RawLog::open(fs, dir).map_err(OpenError::Io)?;
    let head = raw.head().filter(|head| log_id_of(&raw) == Some(head.log_id));
    let segments = shown(&raw, head.map(|head| head.committed));
    if segments.is_empty() {
        return Err(OpenError::NoLog { path: dir.to_path_buf() }.into());
    }
    let total = segments.iter().map(|segment| segment.len).sum();
    let mut audit = Audit::new(head.map(|head| head.durable));
    let mut runs = RunCheck { contracts, folds: BTreeMap::new(), findings: Vec::new() };
    let mut done = 0;
    for (index, segment) in segments.iter().enumerate() {
        let newer = |found| OpenError::Version { path: segment.path.clone(), found };
        audit.begin_segment(segment.position, index + 1 == segments.len());
        let mut stopped = None;
        let read = raw.read(segment, &mut |chunk| {
            if stopped.is_none()
                && let Err(error) = audit.bytes(chunk, &mut |_, commit| runs.commit(commit))
            {
                stopped = Some(newer(error.found));
            }
            done += chunk.len() as u64;
            progress(done, total);
        });
        read.map_err(OpenError::Io)?;
        if let Some(error) = stopped {
            return Err(error.into());
        }
        audit.end_segment().map_err(|error| newer(error.found))?;
    }
    let mut contract_findings = runs.findings;
    contract_findings.sort_by_key(|finding| finding.seq);
    Ok(Check { report: audit.finish(), runs: runs.folds.len() as u64, contract_findings })
}

/// What is judged: everything, unless a writer is at work. Then what it has not committed yet is in flight, and neither
/// whole nor torn.
fn shown(raw: &RawLog, committed: Option<Position>) -> Vec<RawSegment> {
    let end = committed.filter(|_| raw.has_writer() == Some(true)).map_or(u64::MAX, |committed| committed.0);
    let clipped = raw.segments().iter().enumerate().filter(|(index, segment)| *index == 0 || segment.position.0 < end);
    let clip = |segment: &RawSegment| segment.len.min(end.saturating_sub(segment.position.0));
    clipped.map(|(_, segment)| RawSegment { len: clip(segment), ..segment.clone() }).collect()
}

/// The identity that the log's first segment states. HEAD of another log says nothing about this one.
fn log_id_of(raw: &RawLog) -> Option<LogId> {
    let first = raw.segments().first()?;
    let mut header = Vec::new();
    let start = RawSegment { len: SEGMENT_HEADER_LEN as u64, ..first.clone() };
    raw.read(&start, &mut |chunk| header.extend_from_slice(chunk)).ok()?;
    SegmentHeader::decode(&header).ok().map(|header| header.log_id)
}

/// Folds every run as its commits come by. Runs that failed are kept as failed, so each is told once.
struct RunCheck<'c> {
    contracts: &'c Contracts,
    folds: BTreeMap<String, Option<RunFold>>,
    findings: Vec<FoldError>,
}

impl RunCheck<'_> {
    fn commit(&mut self, commit: &Commit<'_>) {
        let head = &commit.head;
        for (seq, event) in (head.first_seq.0..).zip(&commit.events) {
            let fact =
                Fact { seq: Seq(seq), commit: head.first_seq, time_ns: head.time_ns, actor: head.actor, event: *event };
            let told = if event.stream == LOG_STREAM { history_readable(&fact) } else { self.fold(&fact) };
            self.findings.extend(told.err());
        }
    }

    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), FoldError> {
        let Some(state) = self.folds.get_mut(fact.event.stream) else {
            let started = self.contracts.start(fact);
            let (fold, told) = match started {
                Ok(fold) => (Some(fold), Ok(())),
                Err(error) => (None, Err(error)),
            };
            self.folds.insert(fact.event.stream.to_owned(), fold);
            return told;
        };
        let told = state.as_mut().map_or(Ok(()), |fold| fold.evolve(fact));
        if told.is_err() {
            *state = None;
        }
        told
    }
}

fn history_readable(fact: &Fact<'_>) -> Result<(), FoldError> {
    let event = &fact.event;
    let read = match event.kind {
        kind::LOG_CREATED => readable::<Created>(event),
        kind::LOG_OPENED => readable::<Opened>(event),
        kind::LOG_CLOSED => readable::<Closed>(event),
        kind::LOG_RECOVERED => readable::<Recovered>(event),
        kind::LOG_TAIL_CUT => readable::<TailCut>(event),
        kind::LOG_PROJECTION_PUBLISHED => readable::<ProjectionPublished>(event),
        // What contracts could not bind to a run, and kinds of later versions.
        Kind::BuiltIn(_) | Kind::Custom(_) => Ok(()),
    };
    read.map_err(|message| FoldError::new(fact, message))
}

fn readable<T: serde::Serialize + serde::de::DeserializeOwned>(event: &Event<'_>) -> Result<(), String> {
    payload::decode::<T>(event.payload).map(|_| ()).map_err(|error| format!("{}: {error}", event.kind))
}
