//! A verification that follows a log: it judges the bytes that were committed since its last pass, and judges each byte only once.
//!
//! Does: judge bytes as [`check`](super::check) does and compare the checkpoints that the log records with what was read.
//! With [`Live::with_runs`] also every run by its contract and by the policy of the time.
//! Does not: read bytes again that it has judged. If such bytes change, it finds the change when a checkpoint is recorded over
//! bytes other than those that it read. `check` finds the change at once.
//!
//! Invariants:
//! - Only committed bytes are judged, so a frame that a writer has not finished is no finding.
//! - Once something is wrong, nothing more is judged: what follows may be a consequence.

use super::{RunCheck, newer};
use crate::error::LogError;
use crate::history::{CheckpointSigned, LOG_STREAM};
use crate::policy::Policies;
use crate::view::View;
use evlog_format::{Commit, Position, Root, Seq, kind, payload};
use evlog_projection::Contracts;
use evlog_store::{OpenError, RawLog, RawSegment};
use evlog_verify::audit::{Audit, OtherVersion};
use evlog_verify::{Covered, Tree};
use std::collections::VecDeque;

/// How many bytes are judged at most before the caller is asked whether to go on.
const PORTION: u64 = 4 << 20;

/// How many trees are kept.
const SEEN_MAX: usize = 64;

/// A checkpoint that the log records, and whose root is the root of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// How many bytes it covers.
    pub size: Position,
    /// Seq after the last event in them.
    pub next_seq: Seq,
}

/// A verification in progress.
pub struct Live<'c> {
    audit: Audit,
    runs: Option<RunCheck<'c>>,
    /// Position after the last byte that was judged.
    read: Position,
    next_seq: Seq,
    /// The segment that is being read.
    segment: Option<Position>,
    recorded: Option<Recorded>,
    /// The trees over the bytes as they were read, at the ends of the last portions.
    seen: VecDeque<Tree>,
    findings: Vec<String>,
}

impl Default for Live<'_> {
    fn default() -> Self {
        Live::new()
    }
}

impl<'c> Live<'c> {
    /// Begins at the start of a log. Only its bytes are judged, and the checkpoints that it records.
    pub fn new() -> Live<'c> {
        Live {
            audit: Audit::new(None),
            runs: None,
            read: Position(0),
            next_seq: Seq(0),
            segment: None,
            recorded: None,
            seen: VecDeque::new(),
            findings: Vec::new(),
        }
    }

    /// Like [`new`](Self::new), but also judges every run by its contract and by the policy that was in force at the time.
    /// This needs memory for the state of every run.
    pub fn with_runs(contracts: &'c Contracts) -> Live<'c> {
        Live { runs: Some(RunCheck::new(contracts, Policies::default(), None)), ..Live::new() }
    }

    /// Seq after the last event that was judged.
    pub fn next_seq(&self) -> Seq {
        self.next_seq
    }

    /// The last checkpoint that the log records, if its root is the root of the bytes.
    pub fn recorded(&self) -> Option<Recorded> {
        self.recorded
    }

    /// What is wrong, a sentence each.
    pub fn findings(&self) -> &[String] {
        &self.findings
    }

    /// Judges what a view shows and was not judged yet, or a part of this. Returns whether everything that the view shows is
    /// judged now.
    pub fn go_on(&mut self, view: &View) -> Result<bool, LogError> {
        let end = view.committed().0;
        if self.read >= end || !self.findings.is_empty() {
            return Ok(true);
        }
        let raw = RawLog::of_reader(view.reader()).map_err(OpenError::Io)?;
        let begun = self.read;
        let until = Position(end.0.min(self.read.0 + PORTION));
        let mut signed = Vec::new();
        for segment in raw.segments().iter().filter(|segment| segment.position < until) {
            if segment.position.0 + segment.len > self.read.0 {
                self.segment(&raw, segment, until, &mut signed)?;
            }
        }
        self.judge_bytes(end);
        self.keep_tree();
        for checkpoint in signed {
            self.compare(&raw, view, &checkpoint)?;
        }
        if let Some(runs) = &self.runs {
            self.findings.extend(runs.findings.iter().map(ToString::to_string));
        }
        // Bytes that were removed are not judged: when the view is read next, it reports that the log was cut.
        Ok(self.read >= end || self.read == begun || !self.findings.is_empty())
    }

    /// Judges the bytes of a segment up to a position.
    fn segment(
        &mut self,
        raw: &RawLog,
        segment: &RawSegment,
        until: Position,
        signed: &mut Vec<CheckpointSigned>,
    ) -> Result<(), LogError> {
        if self.segment != Some(segment.position) {
            if self.segment.is_some() {
                self.audit.end_segment().map_err(|error| newer(segment, error))?;
            }
            self.audit.begin_segment(segment.position, false);
            self.segment = Some(segment.position);
        }
        let part = self.read.0.saturating_sub(segment.position.0)
            ..until.0.min(segment.position.0 + segment.len) - segment.position.0;
        let Live { audit, runs, read, next_seq, .. } = self;
        let mut judged: Result<(), OtherVersion> = Ok(());
        let visited = raw.read_in(segment, part, &mut |chunk| {
            read.0 += chunk.len() as u64;
            if judged.is_ok() {
                judged = audit.bytes(chunk, &mut |_, commit| {
                    *next_seq = Seq(commit.head.first_seq.0 + commit.events.len() as u64);
                    signed.extend(checkpoints(commit));
                    if let Some(runs) = runs {
                        runs.commit(commit);
                    }
                });
            }
        });
        visited.map_err(OpenError::Io)?;
        judged.map_err(|error| newer(segment, error))
    }

    /// Takes the findings about the bytes. Where commits end, a frame ends: if it does not, the bytes there are damaged.
    fn judge_bytes(&mut self, end: Position) {
        if self.read < end || self.audit.is_between_frames() {
            self.findings.extend(self.audit.findings().kept().iter().map(ToString::to_string));
            return;
        }
        let mut ended = self.audit.clone();
        self.findings.extend(ended.end_segment().err().map(|error| error.to_string()));
        self.findings.extend(ended.finish().findings.kept().iter().map(ToString::to_string));
    }

    fn keep_tree(&mut self) {
        if self.seen.len() >= SEEN_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back(Tree::resume(self.audit.frontier()));
    }

    /// Compares a checkpoint that the log records with the bytes as they were read, and with those after the last portion
    /// before its end as they are now.
    fn compare(&mut self, raw: &RawLog, view: &View, signed: &CheckpointSigned) -> Result<(), LogError> {
        let (size, next_seq) = (Position(signed.size), Seq(signed.next_seq));
        let covered = Covered { log_id: view.log_id(), size, root: Root(signed.root) };
        let mut report = Audit::new(None).finish();
        let root = if size <= self.read { self.root_at(raw, size)? } else { None };
        covered.judge(&mut report, self.read.0, root, &(0..size.0));
        let said = report.findings.kept().iter();
        self.findings
            .extend(said.map(|found| format!("{found}; the log records that it signed other bytes than these")));
        if report.findings.count() == 0 {
            self.recorded = Some(Recorded { size, next_seq });
        }
        Ok(())
    }

    /// The root over the first bytes of the log; `None` if they are not all there. Bytes before the last portions are not
    /// read again. The header of the last segment states the root over the bytes before it, and that root was judged.
    fn root_at(&self, raw: &RawLog, size: Position) -> Result<Option<Root>, LogError> {
        let holding = || raw.segments().iter().rfind(|segment| segment.position <= size);
        let seen = self.seen.iter().rfind(|tree| tree.size() <= size.0).cloned();
        let mut tree = seen.or_else(|| raw.tree_before(holding()?)).unwrap_or_default();
        raw.read_range(&(tree.size()..size.0), &mut |chunk| tree.update(chunk)).map_err(OpenError::Io)?;
        Ok((tree.size() == size.0).then(|| tree.root()))
    }
}

/// The checkpoints that a commit records. A record that cannot be read is a finding of those that judge runs.
fn checkpoints(commit: &Commit<'_>) -> Vec<CheckpointSigned> {
    let own = commit.events.iter().filter(|event| event.stream == LOG_STREAM);
    let signed = own.filter(|event| event.kind == kind::LOG_CHECKPOINT_SIGNED);
    signed.filter_map(|event| payload::decode(event.payload).ok()).collect()
}
