//! Judges a whole log: its bytes by `evlog-verify`, its runs by their contracts.
//!
//! All cores read a log segment by segment, and its runs are distributed among them. If anything is wrong with the bytes, the
//! log is read again in order, in one pass. Only that pass reports findings on bytes. [`resume`] reads in order too, and can be
//! interrupted. [`sample`] reads only some segments. [`live`] follows a log.
//!
//! Invariants: nothing is written; sidecars are not trusted; the list of findings does not depend on how the log was read.

mod apart;
pub mod live;
pub mod resume;
mod resume_error;
pub mod sample;
mod saved;

use crate::deal::Threads;
use crate::error::LogError;
use crate::history::{
    Audited, CheckpointSigned, ClockCorrected, ClockStepped, Closed, Created, KeyAdded, LOG_STREAM, LossAccepted,
    NameChanged, Opened, PolicySet, ProjectionPublished, Recovered, StoreTried, TailCut, Verified, is_readable,
};
use crate::policy::{Noted, Orders, Policies};
use evlog_format::commit::Commit;
use evlog_format::ids::{is_bundle_path, is_run_id};
use evlog_format::{CommitHead, Event, Kind, LogId, Position, SEGMENT_HEADER_LEN, SegmentHeader, Seq, kind, payload};
use evlog_projection::{Contracts, Fact, FoldError, RunFold};
use evlog_store::fs::{Fs, StdFs};
use evlog_store::{OpenError, RawLog, RawSegment, Refusal, find_log};
use evlog_verify::audit::{Audit, OtherVersion, Report, StreamLens};
use evlog_verify::verdict::{Finding, Verdict};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

/// The result of a check.
#[derive(Clone, Debug)]
pub struct Check {
    /// The report on the bytes.
    pub report: Report,
    /// Runs that were folded.
    pub runs: u64,
    /// Policies that were set.
    pub policies: u64,
    /// Committed events that their contracts or the log's policy forbid, at most one for each run, and unreadable events of
    /// `$log`.
    pub contract_findings: Vec<FoldError>,
    /// The accepted losses, each with the seq of the event that records it. They are not findings, because the log records
    /// them.
    pub losses: Vec<(Seq, LossAccepted)>,
}

impl Check {
    /// Joins the report on the bytes with the checks of the runs, which were distributed to threads.
    fn new<'c>(report: Report, dealt: impl IntoIterator<Item = RunCheck<'c>>) -> Check {
        let (mut runs, mut policies, mut contract_findings, mut losses) = (0, 0, Vec::new(), Vec::new());
        for part in dealt {
            runs += part.runs;
            policies = policies.max(part.policies.all().len() as u64);
            contract_findings.extend(part.findings);
            losses.extend(part.losses);
        }
        contract_findings.sort_by_key(|finding| finding.seq);
        Check { report, runs, policies, contract_findings, losses }
    }

    /// Whether nothing was found.
    pub fn is_good(&self) -> bool {
        self.report.verdict() == Verdict::Clean && self.contract_findings.is_empty()
    }
}

/// Called with the number of bytes that were read, and the number of all bytes.
pub type Progress<'p> = dyn FnMut(u64, u64) + 'p;

/// Reads the whole log in `dir` with all cores, and judges it: bytes, checksums, order, roots, and every run by its contract
/// and by the policy that was in force at the time. Checkpoints are not compared.
pub fn verify(dir: impl AsRef<Path>, contracts: &Contracts) -> Result<Check, LogError> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    check(Arc::new(StdFs), dir.as_ref(), contracts, threads, &mut |_, _| ())
}

/// Reads the whole log in `dir`, with this many threads, and judges it.
pub fn check(
    fs: Arc<dyn Fs>,
    dir: &Path,
    contracts: &Contracts,
    threads: NonZeroUsize,
    progress: &mut Progress<'_>,
) -> Result<Check, LogError> {
    if let Some(remains) = remains(&fs, dir)? {
        return Ok(remains);
    }
    with_subject(fs, dir, contracts, |subject| match apart::check(subject, Threads::of(threads), progress)? {
        Some(good) => Ok(good),
        None => in_order(subject, progress),
    })
}

/// The verdict on a directory that holds files of a log, but no segment.
fn remains(fs: &Arc<dyn Fs>, dir: &Path) -> Result<Option<Check>, LogError> {
    let raw = RawLog::open(Arc::clone(fs), dir).map_err(OpenError::Io)?;
    if !raw.segments().is_empty() {
        return Ok(None);
    }
    let Err(OpenError::Refused(refusal)) = find_log(Arc::clone(fs), dir) else { return Ok(None) };
    let Refusal { verdict, position, file, expected, found, .. } = *refusal;
    let mut report = Audit::new(None).finish();
    let message = format!("`{}` is missing", file.display());
    report.findings.add(Finding { verdict, position, seq: None, stream: None, rule: "F-16", expected, found, message });
    Ok(Some(Check::new(report, [])))
}

/// Opens the log in `dir`, which has at least one segment, and calls a function with it.
fn with_subject<T, E: From<LogError>>(
    fs: Arc<dyn Fs>,
    dir: &Path,
    contracts: &Contracts,
    judge: impl FnOnce(&Subject<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let raw = RawLog::open(Arc::clone(&fs), dir).map_err(|failure| LogError::from(OpenError::Io(failure)))?;
    let head = raw.head().map_err(|failure| LogError::from(OpenError::Io(failure)))?;
    let head = head.filter(|head| log_id_of(&raw) == Some(head.log_id));
    let segments = shown(&raw, head.map(|head| head.committed));
    if segments.is_empty() {
        find_log(fs, dir).map_err(LogError::from)?;
        return Err(LogError::from(OpenError::NoLog { path: dir.to_path_buf() }).into());
    }
    judge(&Subject { raw: &raw, segments: &segments, durable: head.map(|head| head.durable), contracts })
}

/// The log that is judged.
struct Subject<'s> {
    raw: &'s RawLog,
    segments: &'s [RawSegment],
    /// The position up to which `HEAD` says that the log is durable.
    durable: Option<Position>,
    contracts: &'s Contracts,
}

/// Reads the whole log in `dir` in one pass, and judges its bytes, but not its runs.
pub fn bytes(fs: Arc<dyn Fs>, dir: &Path, progress: &mut Progress<'_>) -> Result<Report, LogError> {
    if let Some(remains) = remains(&fs, dir)? {
        return Ok(remains.report);
    }
    with_subject(fs, dir, &Contracts::new(), |subject| audited(subject, &mut |_| (), progress))
}

/// Reads the log from its start to its end, in one pass.
fn in_order(subject: &Subject<'_>, progress: &mut Progress<'_>) -> Result<Check, LogError> {
    let mut runs = RunCheck::new(subject.contracts, Policies::default(), None);
    let report = audited(subject, &mut |commit| runs.commit(commit), progress)?;
    Ok(Check::new(report, [runs]))
}

/// Audits the log's bytes in order, and gives the commits to the visitor.
fn audited(
    subject: &Subject<'_>,
    visit: &mut dyn FnMut(&Commit<'_>),
    progress: &mut Progress<'_>,
) -> Result<Report, LogError> {
    let segments = subject.segments;
    let mut audit = Audit::new(subject.durable);
    let (mut done, total) = (0, segments.iter().map(|segment| segment.len).sum());
    for (index, segment) in segments.iter().enumerate() {
        audit.begin_segment(segment.position, index + 1 == segments.len());
        read(subject.raw, segment, &mut |chunk| {
            done += chunk.len() as u64;
            progress(done, total);
            audit.bytes(chunk, &mut |_, commit| visit(commit))
        })?;
        audit.end_segment().map_err(|error| newer(segment, error))?;
    }
    Ok(audit.finish())
}

/// Passes on a segment's bytes, unless the segment has an unknown version.
fn read(
    raw: &RawLog,
    segment: &RawSegment,
    visit: &mut dyn FnMut(&[u8]) -> Result<(), OtherVersion>,
) -> Result<(), LogError> {
    let mut visited = Ok(());
    let read = raw.read(segment, &mut |chunk| {
        if visited.is_ok() {
            visited = visit(chunk);
        }
    });
    read.map_err(OpenError::Io)?;
    visited.map_err(|error| newer(segment, error))
}

fn newer(segment: &RawSegment, error: OtherVersion) -> LogError {
    OpenError::Version { path: segment.path.clone(), found: error.found }.into()
}

/// The segments that are judged, up to their ends. If a writer is at work, its uncommitted bytes are left out, because they
/// are neither whole nor torn.
fn shown(raw: &RawLog, committed: Option<Position>) -> Vec<RawSegment> {
    let end = committed.filter(|_| raw.has_writer() == Some(true)).map_or(u64::MAX, |committed| committed.0);
    let clipped = raw.segments().iter().enumerate().filter(|(index, segment)| *index == 0 || segment.position.0 < end);
    let clip = |segment: &RawSegment| segment.len.min(end.saturating_sub(segment.position.0));
    clipped.map(|(_, segment)| RawSegment { len: clip(segment), ..segment.clone() }).collect()
}

/// The identity that the log's first segment states. A `HEAD` of another log is not used.
fn log_id_of(raw: &RawLog) -> Option<LogId> {
    let first = raw.segments().first()?;
    let mut header = Vec::new();
    let start = RawSegment { len: SEGMENT_HEADER_LEN as u64, ..first.clone() };
    raw.read(&start, &mut |chunk| header.extend_from_slice(chunk)).ok()?;
    SegmentHeader::decode(&header).ok().map(|header| header.log_id)
}

/// Folds every run as its commits are read.
struct RunCheck<'c> {
    contracts: &'c Contracts,
    policies: Policies,
    /// How many events each run has, if that is known. The state of a run is then dropped after its last event.
    lens: Option<&'c StreamLens>,
    open: OpenRuns,
    /// How many runs began.
    runs: u64,
    findings: Vec<FoldError>,
    losses: Vec<(Seq, LossAccepted)>,
}

#[expect(clippy::disallowed_types, reason = "only asked for names; nothing goes through it in its order")]
type OpenRuns = std::collections::HashMap<String, OpenRun>;

/// A run that may have more events.
struct OpenRun {
    /// `None` once a fold failed, so that each run has at most one finding.
    fold: Option<RunFold>,
    /// The state of the policy's rules on order for this run.
    orders: Orders,
    /// The number of its events.
    len: Option<u64>,
}

impl<'c> RunCheck<'c> {
    /// `policies` are the policies of the earlier commits, or of the whole log.
    fn new(contracts: &'c Contracts, policies: Policies, lens: Option<&'c StreamLens>) -> RunCheck<'c> {
        let (open, findings, losses) = (OpenRuns::new(), Vec::new(), Vec::new());
        RunCheck { contracts, policies, lens, open, runs: 0, findings, losses }
    }

    fn commit(&mut self, commit: &Commit<'_>) {
        for (seq, event) in (commit.head.first_seq.0..).zip(&commit.events) {
            self.event(&commit.head, Seq(seq), *event);
        }
    }

    fn event(&mut self, head: &CommitHead<'_>, seq: Seq, event: Event<'_>) {
        let fact = Fact { seq, head: *head, event };
        let judged = if event.stream == LOG_STREAM { self.history(&fact) } else { self.fold(&fact) };
        self.findings.extend(judged.err());
    }

    fn history(&mut self, fact: &Fact<'_>) -> Result<(), FoldError> {
        if fact.event.kind == kind::LOG_LOSS_ACCEPTED
            && is_readable(&fact.event)
            && let Ok(loss) = payload::decode(fact.event.payload)
        {
            self.losses.push((fact.seq, loss));
        }
        let noted = Noted::read(fact).map_or(Ok(()), |noted| self.policies.take(noted?));
        noted.map_err(|message| FoldError::new(fact, message))?;
        // An event that a later program recorded is valid, but this program cannot judge it.
        if fact.event.kind.is_of_log() && !is_readable(&fact.event) {
            return Ok(());
        }
        history_readable(fact, &self.policies)?;
        let is_theirs =
            matches!(fact.event.kind, Kind::BuiltIn(number) if number >= RUN_KINDS) && fact.event.kind.is_known();
        if is_theirs && !self.contracts.names().any(|name| answers(self.contracts, name, fact)) {
            let message = format!("{}: expected a refusal or rejection that can be read, found none", fact.event.kind);
            return Err(FoldError::new(fact, message));
        }
        Ok(())
    }

    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), FoldError> {
        let (stream, reached) = (fact.event.stream, Some(fact.event.number + 1));
        let Some(run) = self.open.get_mut(stream) else {
            self.runs += 1;
            let len = self.lens.and_then(|lens| lens.of(stream));
            let mut orders = Orders::default();
            let judged = policy_kept(&self.policies, &mut orders, fact);
            let (fold, result) = match judged.and_then(|()| self.contracts.start(fact)) {
                Ok(fold) => (Some(fold), Ok(())),
                Err(error) => (None, Err(error)),
            };
            if len != reached {
                self.open.insert(stream.to_owned(), OpenRun { fold, orders, len });
            }
            return result;
        };
        let OpenRun { fold, orders, .. } = run;
        let judged = |fold: &mut RunFold| {
            policy_kept(&self.policies, orders, fact)?;
            fold.evolve(fact)
        };
        let result = fold.as_mut().map_or(Ok(()), judged);
        if run.len == reached {
            self.open.remove(stream);
        } else if result.is_err() {
            run.fold = None;
        }
        result
    }
}

/// Kinds from this number on belong to contracts. In `$log` they are answers to commands that could not be recorded in a run.
const RUN_KINDS: u16 = 100;

/// Whether a contract reads an event as a refusal or rejection of its own.
fn answers(contracts: &Contracts, name: &str, fact: &Fact<'_>) -> bool {
    contracts.named(name).is_some_and(|contract| contract.answer(fact).is_some())
}

/// Checks that the policy in force allowed an event of a run.
fn policy_kept(policies: &Policies, orders: &mut Orders, fact: &Fact<'_>) -> Result<(), FoldError> {
    let in_force = policies.at(fact.seq);
    let seq = in_force.set.as_ref().map(|set| set.seq);
    let flaw = |message: String| {
        let policy = seq.map_or("by default".to_owned(), |seq| format!("set by seq {seq}"));
        FoldError::new(fact, format!("policy {policy}: {message}"))
    };
    if let Some(breach) = in_force.policy.commit_breach(&fact.head, None) {
        return Err(flaw(breach.message));
    }
    if fact.event.number == 0
        && let Some(breach) =
            in_force.unsigned_breach(fact.head.recorded_ns, policies.signed_before(fact.head.first_seq))
    {
        return Err(flaw(breach.message));
    }
    in_force.next(orders, fact).map_or(Ok(()), |message| Err(flaw(message)))
}

fn history_readable(fact: &Fact<'_>, policies: &Policies) -> Result<(), FoldError> {
    let event = &fact.event;
    let read = match event.kind {
        kind::LOG_CREATED => readable::<Created>(event),
        kind::LOG_OPENED => opened(fact, policies),
        kind::LOG_POLICY_SET => readable::<PolicySet>(event),
        kind::LOG_CLOSED => readable::<Closed>(event),
        kind::LOG_RECOVERED => readable::<Recovered>(event),
        kind::LOG_TAIL_CUT => readable::<TailCut>(event),
        kind::LOG_CHECKPOINT_SIGNED => readable::<CheckpointSigned>(event),
        kind::LOG_LOSS_ACCEPTED => readable::<LossAccepted>(event),
        kind::LOG_CLOCK_CORRECTED => readable::<ClockCorrected>(event),
        kind::LOG_NAME_CHANGED => readable::<NameChanged>(event),
        kind::LOG_CLOCK_STEPPED => readable::<ClockStepped>(event),
        kind::LOG_PROJECTION_PUBLISHED => published(event),
        kind::LOG_VERIFIED => readable::<Verified>(event),
        kind::LOG_AUDITED => readable::<Audited>(event),
        kind::LOG_STORE_TRIED => readable::<StoreTried>(event),
        kind::LOG_KEY_ADDED => readable::<KeyAdded>(event),
        // Answers that could not be recorded in a run, and kinds of later versions.
        Kind::BuiltIn(_) | Kind::Custom(_) => Ok(()),
    };
    read.map_err(|message| FoldError::new(fact, message))
}

/// Checks that `log.opened` names the policy that was in force.
fn opened(fact: &Fact<'_>, policies: &Policies) -> Result<(), String> {
    let flaw = |why: String| format!("{}: {why}", fact.event.kind);
    let opened: Opened = payload::decode(fact.event.payload).map_err(|error| flaw(error.to_string()))?;
    let expected = policies.at(fact.seq).number();
    if opened.policy == expected {
        return Ok(());
    }
    let number = |of: Option<u64>| of.map_or("none".to_owned(), |number| format!("event {number} of `{LOG_STREAM}`"));
    Err(flaw(format!("expected the policy in force, {}, found {}", number(expected), number(opened.policy))))
}

/// Checks that the event has only names that a writer would accept.
fn published(event: &Event<'_>) -> Result<(), String> {
    let flaw = |what: String| format!("{}: {what}", event.kind);
    let read: ProjectionPublished = payload::decode(event.payload).map_err(|error| flaw(error.to_string()))?;
    if !is_run_id(&read.run) {
        return Err(flaw(format!("expected a run id, found `{}`", read.run)));
    }
    match read.files.iter().find(|file| !is_bundle_path(&file.path)) {
        None => Ok(()),
        Some(file) => Err(flaw(format!("expected a path within the bundle, found `{}`", file.path))),
    }
}

fn readable<T: serde::Serialize + serde::de::DeserializeOwned>(event: &Event<'_>) -> Result<(), String> {
    payload::decode::<T>(event.payload).map(|_| ()).map_err(|error| format!("{}: {error}", event.kind))
}
