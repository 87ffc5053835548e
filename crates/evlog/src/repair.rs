//! Repairs a log and records the repair: what the store's plan does to the log's bytes becomes events of `$log`.
//!
//! Does: compare a plan with the audit and with the log's own checkpoints; carry it out, and record it in the same session.
//! Does not: make the plan; [`evlog_store::repair`] does that.
//!
//! Invariant: making derived files again is not recorded, because the log's bytes have not changed. Everything else is
//! recorded. A loss is recorded in the first commit after it.

use crate::check::{self, Progress};
use crate::error::LogError;
use crate::history::LossAccepted;
use crate::log::Log;
use crate::options::Options;
use crate::own_notes::{OwnNotes, Parse};
use evlog_format::{Position, SEGMENT_HEADER_LEN};
use evlog_projection::Contracts;
use evlog_store::fs::Fs;
use evlog_store::repair::{Held, Loss, Plan, Repaired};
use evlog_store::{OpenError, RawLog, Recovery, Refusal};
use evlog_verify::audit::Report;
use evlog_verify::{Finding, Verdict};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A plan that was compared with the findings of `verify`.
#[derive(Debug)]
pub struct AuditedPlan {
    /// The plan.
    pub plan: Plan,
    /// Why some of the log's own notes, or of the checkpoints that it records, could not be compared. The verdict then covers
    /// only what was compared.
    pub unread: Option<LogError>,
}

/// Compares a plan with the findings of `verify`: audits the log, and compares it with its own notes. The verdict is that of
/// `verify`, whatever the survey met first. If the verdict is worse than a torn tail and does not come from what the plan gives
/// up, the plan is refused with that verdict. The reason: a survey only asks what can be opened, and a log that can be opened
/// may still be tampered with.
///
/// If the plan is refused already or gives up a loss, the notes only change its verdict and the words of a refusal, never
/// whether it is refused. In this case a note that cannot be read is not an error.
pub fn audited(
    mut plan: Plan,
    notes: &OwnNotes,
    parse: &Parse<'_>,
    progress: &mut Progress<'_>,
) -> Result<AuditedPlan, LogError> {
    let (fs, dir) = (&notes.fs, notes.dir.as_path());
    let of_bytes = check::bytes(Arc::clone(fs), dir, progress)?;
    let mut report = of_bytes.clone();
    let (note, unread) = match notes.judge(&mut report, None, parse) {
        Ok(judged) => (judged.note, None),
        Err(error) if plan.loss.is_some() || plan.refused.is_some() => (None, Some(error)),
        Err(error) => return Err(error),
    };
    plan.verdict = report.verdict();
    let plan = held_against(plan, fs, dir, &of_bytes, &report, note)?;
    Ok(AuditedPlan { plan, unread })
}

/// The plan, compared with what is wrong with the log's bytes, or with the bytes and the log's own notes.
fn held_against(
    mut plan: Plan,
    fs: &Arc<dyn Fs>,
    dir: &Path,
    of_bytes: &Report,
    report: &Report,
    note: Option<PathBuf>,
) -> Result<Plan, LogError> {
    if let Some(loss) = &plan.loss {
        // A note over bytes that are given up says nothing about the bytes that stay.
        return match staying(fs, dir, of_bytes, loss)? {
            None => Ok(plan),
            Some(finding) => Ok(Plan::refused_for(refusal(fs, dir, of_bytes, finding, None)?)),
        };
    }
    let Some(worst) = bad(report).min_by_key(|finding| finding.verdict) else { return Ok(plan) };
    let Some(refused) = &mut plan.refused else {
        return Ok(Plan::refused_for(refusal(fs, dir, report, worst, note)?));
    };
    // If the bytes that are there are sound, a survey refuses them only because of the name of a note. If that note cannot be
    // read, the note is at fault, and not the segment.
    let is_of_note = worst.rule == "C-55" && bad(of_bytes).next().is_none();
    if is_of_note || refused.refusal.verdict != worst.verdict {
        (refused.refusal, refused.row) = (refusal(fs, dir, report, worst, note)?, None);
    }
    if let Some(loss) = &refused.acceptable
        && staying(fs, dir, of_bytes, loss)?.is_some()
    {
        refused.acceptable = None;
    }
    Ok(plan)
}

/// The findings that are worse than a torn tail.
fn bad(report: &Report) -> impl Iterator<Item = &Finding> {
    report.findings.kept().iter().filter(|finding| finding.verdict < Verdict::TornTail)
}

/// The worst finding about the bytes that stay if a loss is accepted.
fn staying<'r>(fs: &Arc<dyn Fs>, dir: &Path, report: &'r Report, loss: &Loss) -> Result<Option<&'r Finding>, LogError> {
    let given_up = given_up(fs, dir, loss.position)?;
    Ok(bad(report).filter(|finding| finding.position < given_up).min_by_key(|finding| finding.verdict))
}

/// The position from which on findings do not count: the position of the loss. If the header of its segment is not whole
/// either, the position of that header, because the header is made again.
fn given_up(fs: &Arc<dyn Fs>, dir: &Path, loss: Position) -> Result<Position, LogError> {
    let raw = RawLog::open(Arc::clone(fs), dir).map_err(OpenError::Io)?;
    let last = raw.segments().last().filter(|last| last.len < SEGMENT_HEADER_LEN as u64 && last.position < loss);
    Ok(last.map_or(loss, |last| last.position))
}

fn refusal(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    report: &Report,
    finding: &Finding,
    note: Option<PathBuf>,
) -> Result<Refusal, LogError> {
    let Finding { verdict, position, rule, ref expected, ref found, ref message, .. } = *finding;
    let raw = RawLog::open(Arc::clone(fs), dir).map_err(OpenError::Io)?;
    let holding = raw.segments().iter().rfind(|segment| segment.position <= position);
    let of_note = note.filter(|_| rule.starts_with("C-"));
    let file = of_note.or(holding.map(|segment| segment.path.clone())).unwrap_or_else(|| dir.to_path_buf());
    let hint = verdict.advice().to_owned();
    let found = match report.findings.count() {
        1 => format!("{found}: {message} ({rule})"),
        count => format!("{found}: {message} ({rule}), and {} more findings", count - 1),
    };
    Ok(Refusal { verdict, position, file, expected: expected.clone(), found, hint })
}

/// Carries out a plan of a survey that holds the lock, and records it. `accepted_by` is the person who accepts the loss.
/// Options that a session would refuse are an error before anything is changed.
pub fn carry_out(
    held: Held,
    plan: &Plan,
    accepted_by: &str,
    contracts: Contracts,
    options: Options,
) -> Result<(), LogError> {
    options.check()?;
    let dir = held.dir().to_path_buf();
    let log = match held.apply(plan)? {
        Repaired::Derived => return Ok(()),
        Repaired::Opened(writer, recovery) => Log::repaired(&dir, writer, contracts, options, &recovery, None)?,
        Repaired::GivenUp(writer, loss) => {
            let recovery = Recovery { clean_close: false, end: loss.position, cut: None };
            let loss = accepted(&loss, accepted_by);
            Log::repaired(&dir, writer, contracts, options, &recovery, Some(&loss))?
        }
    };
    log.begin()?;
    log.close()
}

fn accepted(loss: &Loss, accepted_by: &str) -> LossAccepted {
    let Position(position) = loss.position;
    LossAccepted {
        verdict: loss.verdict.word().to_owned(),
        position,
        len: loss.len,
        floor: loss.floor.0,
        next_seq: loss.next_seq.map(|next| next.0),
        kept_as: loss.kept_as.clone(),
        reason: loss.reason.clone(),
        accepted_by: accepted_by.to_owned(),
    }
}
