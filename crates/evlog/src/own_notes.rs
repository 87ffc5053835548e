//! Compares a log with the checkpoints (notes) that it keeps itself, in `checkpoints/`.
//!
//! Does:
//! - compare the log with its largest notes, at most 16 of them;
//! - say which notes cannot be read or are not signed;
//! - compare the log with the checkpoints that its own events record.
//!
//! Does not: check signatures; its caller does.
//!
//! Invariants:
//! - A note counts as compared only if it is signed by a key that the log records, or by a key that the caller trusts.
//! - A note that cannot be read still counts: its name states how many bytes the log must have at least.
//! - A log is compared with its notes before it is opened for writing. So a log that was cut stays as it is.

mod recorded;

use crate::covered::{Stated, compare_stated, compare_with};
use crate::error::LogError;
use crate::extent::{end, extent};
use evlog_format::{LogId, Position, Root};
use evlog_store::fs::Fs;
use evlog_store::{Checkpoints, Failure, OpenError, RawLog, Refusal};
use evlog_verify::audit::Report;
use evlog_verify::{Covered, Finding, Findings, Verdict};
use recorded::Recorded;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads a note, given the keys that the log records; or says in words why it is not a checkpoint. The caller provides this
/// function, because the engine does not know how notes are signed.
pub type Parse<'p> = dyn Fn(&[u8], &[String]) -> Result<Claim, String> + 'p;

/// The claims of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The bytes that it covers, and their root.
    pub covered: Covered,
    /// What else it states.
    pub stated: Stated,
    /// `Ok` if a key that the log records or the caller trusts has signed it; otherwise the reason, in words.
    pub signed: Result<(), String>,
}

/// A note over more bytes than the log has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beyond {
    /// The note.
    pub note: PathBuf,
    /// The number of bytes that it covers.
    pub size: Position,
    /// How many the log has.
    pub len: Position,
}

/// How many notes, and how many recorded checkpoints, a log is compared with. For each of them a part of a segment is read.
const COMPARED_MAX: usize = 16;

/// The result of reading the notes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// The first note for which there is a finding.
    pub note: Option<PathBuf>,
    /// How many notes the log keeps.
    pub kept: u64,
    /// How many notes the log was compared with.
    pub compared: u64,
    /// How many checkpoints the log records.
    pub recorded: u64,
    /// How many of the recorded checkpoints it does not keep.
    pub not_kept: u64,
}

/// The reason why a note cannot be compared with the log.
#[derive(Debug)]
enum Unread {
    /// The note belongs to another log.
    Foreign(LogId),
    /// The file is not a checkpoint.
    Unlike(String),
    /// It is not signed by a key that the log records or the caller trusts.
    Unsigned(String),
    /// The system failed to read it.
    Failed(Failure),
}

impl Unread {
    /// A copy for another caller.
    fn again(&self) -> Unread {
        match self {
            Unread::Foreign(log_id) => Unread::Foreign(*log_id),
            Unread::Unlike(why) => Unread::Unlike(why.clone()),
            Unread::Unsigned(why) => Unread::Unsigned(why.clone()),
            Unread::Failed(Failure { doing, path, source }) => {
                let source = io::Error::new(source.kind(), source.to_string());
                Unread::Failed(Failure { doing, path: path.clone(), source })
            }
        }
    }
}

/// The notes of one log. A note over more bytes than there are is read once. What was read, or why it could not be read, is
/// kept, so that the note is judged as it was when a repair was planned.
#[derive(Debug)]
pub struct OwnNotes {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) dir: PathBuf,
    kept: Checkpoints,
    overlong: RefCell<BTreeMap<Position, Result<Vec<u8>, Unread>>>,
}

impl OwnNotes {
    /// The notes of the log in `dir`. Nothing is read yet.
    pub fn new(fs: &Arc<dyn Fs>, dir: &Path) -> OwnNotes {
        let (kept, overlong) = (Checkpoints::new(Arc::clone(fs), dir), RefCell::default());
        OwnNotes { fs: Arc::clone(fs), dir: dir.to_path_buf(), kept, overlong }
    }

    /// Adds to a report what the notes show that cover more than `given` (rules C-51, C-52, C-54, C-55). The largest notes
    /// that can be read and are signed are compared, up to the first that does not agree. A note that cannot be read, is not
    /// signed or belongs to another log is a finding. If the notes show nothing against the log, it is compared with the
    /// checkpoints that its own events record (rule C-56).
    pub fn judge(&self, report: &mut Report, given: Option<Position>, parse: &Parse<'_>) -> Result<Judged, LogError> {
        let mut sizes = self.sizes()?;
        // A key is recorded before its first note is kept, and a checkpoint after its note. So a writer at work causes no
        // finding here.
        let recorded = Recorded::read(&self.fs, &self.dir);
        let kept = self.sizes()?;
        let not_kept = recorded.sizes().iter().filter(|size| !kept.contains(size)).count();
        sizes.retain(|size| given.is_none_or(|given| *size > given));
        let is_sound = report.verdict() >= Verdict::TornTail;
        // The log is measured after its notes were listed, because the report may be older than a note that was signed
        // meanwhile.
        let end = end(&self.fs, &self.dir)?;
        let mut judging = Judging { own: self, end, recorded, agreed: Vec::new(), note: None };
        let contradicted = judging.notes(report, sizes, parse)?;
        if is_sound && !contradicted {
            judging.recorded(report, parse)?;
        }
        judging.misnamed(report)?;
        let (note, compared) = (judging.note, judging.agreed.len() as u64 + u64::from(contradicted));
        let recorded = judging.recorded.sizes().len() as u64;
        Ok(Judged { note, kept: kept.len() as u64, compared, recorded, not_kept: not_kept as u64 })
    }

    /// The largest note that covers more than the log has, unless the log records that it gave those bytes up. A note counts
    /// with the size that its name states. The exception is a note that can be read and belongs to another log. So a note over
    /// more bytes than there are is read to learn which log it belongs to.
    pub fn beyond(&self) -> Result<Option<Beyond>, LogError> {
        let sizes = self.sizes()?;
        if sizes.is_empty() {
            return Ok(None);
        }
        // The notes were listed first. So what a writer signs meanwhile is already committed when the log is measured.
        let Some((len, log_id)) = extent(&self.fs, &self.dir)? else { return Ok(None) };
        let is_ours = |size: &Position| {
            let note = self.bytes(*size);
            let of = note.as_deref().ok().and_then(stated_log_id);
            self.overlong.borrow_mut().insert(*size, note);
            of.is_none() || log_id.is_none() || of == log_id.map(|log_id| log_id.to_string())
        };
        let largest = sizes.into_iter().rev().take_while(|size| *size > len).find(is_ours);
        Ok(largest.filter(|size| !Recorded::read(&self.fs, &self.dir).gave_up(*size)).map(|size| Beyond {
            note: self.kept.path(size),
            size,
            len,
        }))
    }

    fn sizes(&self) -> Result<Vec<Position>, LogError> {
        Ok(self.kept.sizes().map_err(OpenError::Io)?)
    }

    /// Reads the note whose name states this size.
    fn read(
        &self,
        size: Position,
        log_id: Option<LogId>,
        parse: &dyn Fn(&[u8]) -> Result<Claim, String>,
    ) -> Result<(Covered, Stated), Unread> {
        let Claim { covered, stated, signed } = parse(&self.bytes(size)?).map_err(Unread::Unlike)?;
        if log_id.is_some_and(|log_id| log_id != covered.log_id) {
            return Err(Unread::Foreign(covered.log_id));
        }
        if covered.size == size {
            return signed.map(|()| (covered, stated)).map_err(Unread::Unsigned);
        }
        Err(Unread::Unlike(format!("it states that it covers {} bytes, and its name states {size}", covered.size)))
    }

    fn bytes(&self, size: Position) -> Result<Vec<u8>, Unread> {
        if let Some(read) = self.overlong.borrow().get(&size) {
            return match read {
                Ok(note) => Ok(note.clone()),
                Err(unread) => Err(unread.again()),
            };
        }
        self.kept.read(size).map_err(|failure| {
            if failure.is_unlike() { Unread::Unlike(failure.source.to_string()) } else { Unread::Failed(failure) }
        })
    }
}

struct Judging<'j> {
    own: &'j OwnNotes,
    /// The place where the log's commits end.
    end: Position,
    recorded: Recorded,
    /// The checkpoints of the notes that agreed with the log.
    agreed: Vec<Covered>,
    /// The first note for which there is a finding.
    note: Option<PathBuf>,
}

impl Judging<'_> {
    /// Compares the notes of these sizes. Returns whether one of them contradicts the log.
    fn notes(&mut self, report: &mut Report, sizes: Vec<Position>, parse: &Parse<'_>) -> Result<bool, LogError> {
        for size in sizes.into_iter().rev() {
            let mut compared = report.clone();
            let covered = match self.read(size, report.log_id, parse) {
                Ok((covered, stated)) => {
                    self.compare(&mut compared, &covered, parse)?;
                    compare_stated(Arc::clone(&self.own.fs), &self.own.dir, &mut compared, &stated)?;
                    Some(covered)
                }
                Err(unread) => {
                    self.unread(&mut compared.findings, unread, size)?;
                    None
                }
            };
            let has_found = compared.findings.count() > report.findings.count();
            let is_excused = has_found && self.recorded.gave_up(size);
            if has_found && !is_excused {
                *report = compared;
                self.note.get_or_insert_with(|| self.own.kept.path(size));
            }
            match covered {
                Some(_) if has_found && !is_excused => return Ok(true),
                Some(covered) if !has_found => self.agreed.push(covered),
                _ => {}
            }
            if self.agreed.len() == COMPARED_MAX {
                break;
            }
        }
        Ok(false)
    }

    /// The checkpoint and statement of the note of this size, if the note is signed and belongs to this log.
    fn read(&self, size: Position, log_id: Option<LogId>, parse: &Parse<'_>) -> Result<(Covered, Stated), Unread> {
        self.own.read(size, log_id, &|bytes| parse(bytes, &self.recorded.keys))
    }

    /// Compares a note with the log. If the root differs, smaller notes narrow down the first difference.
    fn compare(&self, report: &mut Report, covered: &Covered, parse: &Parse<'_>) -> Result<(), LogError> {
        let mut older = || {
            let sizes = self.own.sizes().unwrap_or_default().into_iter().filter(|size| *size < covered.size);
            sizes.filter_map(|size| self.read(size, Some(covered.log_id), parse).ok()).map(|(older, _)| older).collect()
        };
        let raw = RawLog::open(Arc::clone(&self.own.fs), &self.own.dir).map_err(OpenError::Io)?;
        compare_with(&raw, self.end, report, covered, &mut older, &mut |_, _| {})
    }

    /// Adds a finding about a note that cannot be compared.
    fn unread(&self, findings: &mut Findings, unread: Unread, size: Position) -> Result<(), LogError> {
        let len = self.end;
        // If some events of `$log` cannot be read, one of them may have recorded the key of this note.
        let is_unknown = matches!(unread, Unread::Unsigned(_)) && !self.recorded.is_whole && size <= len;
        if !is_unknown {
            findings.add(finding(unread, &self.own.kept.path(size), size, len)?);
        }
        Ok(())
    }

    /// Adds findings for files that are named like a note but cannot be a note. No program would read them.
    fn misnamed(&mut self, report: &mut Report) -> Result<(), LogError> {
        for path in self.own.kept.misnamed().map_err(OpenError::Io)? {
            let (verdict, position, seq, stream, rule) = (Verdict::Damaged, self.end, None, None, "C-55");
            let expected = "20 digits that state a size of at most 64 bits".to_owned();
            let found = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let message = format!("the name of a note among the log's own cannot be one: `{}`", path.display());
            report.findings.add(Finding { verdict, position, seq, stream, rule, expected, found, message });
            self.note.get_or_insert(path);
        }
        Ok(())
    }

    /// Compares the last checkpoints that the log records, except those whose notes were compared already.
    fn recorded(&self, report: &mut Report, parse: &Parse<'_>) -> Result<(), LogError> {
        let Some(log_id) = report.log_id else { return Ok(()) };
        for signed in self.recorded.signed.iter().rev().take(COMPARED_MAX) {
            let covered = Covered { log_id, size: Position(signed.size), root: Root(signed.root) };
            if self.agreed.contains(&covered) {
                continue;
            }
            let mut compared = report.clone();
            self.compare(&mut compared, &covered, parse)?;
            let added = compared.findings.kept().get(report.findings.kept().len()).cloned();
            if let Some(found) = added {
                let (verdict, rule) = (Verdict::Tampered, "C-56");
                let message = format!("the log records that it signed other bytes than these: {}", found.message);
                report.findings.add(Finding { verdict, rule, message, ..found });
                break;
            }
        }
        Ok(())
    }
}

/// The finding about a note that cannot be read. If the only cause is an I/O error, and the log is as long as the note's name
/// states, there is an error instead of a finding.
fn finding(unread: Unread, path: &Path, size: Position, len: Position) -> Result<Finding, LogError> {
    let (seq, stream, rule) = (None, None, "C-55");
    let why = match unread {
        Unread::Foreign(log_id) => {
            let (verdict, position) = (Verdict::Damaged, size.min(len));
            let (expected, found) = ("a checkpoint of this log".to_owned(), format!("one of log {log_id}"));
            let message = format!("the log has a note about another log: `{}`", path.display());
            return Ok(Finding { verdict, position, seq, stream, rule, expected, found, message });
        }
        Unread::Failed(failure) if size <= len => return Err(OpenError::Io(failure).into()),
        Unread::Failed(failure) => format!("cannot be read: {failure}"),
        Unread::Unlike(why) => format!("cannot be read: `{}`: {why}", path.display()),
        Unread::Unsigned(why) => format!("is not signed by a key that the log records: `{}`: {why}", path.display()),
    };
    let (expected, found) = if size > len {
        (format!("at least the {size} bytes that its name states"), len.to_string())
    } else {
        ("a checkpoint".to_owned(), "none".to_owned())
    };
    let verdict = if size > len { Verdict::Truncated } else { Verdict::Damaged };
    let message = format!("one of the log's own notes {why}");
    Ok(Finding { verdict, position: size.min(len), seq, stream, rule, expected, found, message })
}

/// Refuses a log that has fewer bytes than its largest note covers, unless the log records that it gave them up. If the log
/// has notes and was not closed cleanly, this scans its last segment, before recovery scans it.
pub(crate) fn hold(fs: &Arc<dyn Fs>, dir: &Path) -> Result<(), LogError> {
    OwnNotes::new(fs, dir).beyond()?.map_or(Ok(()), |beyond| Err(OpenError::Refused(Box::new(beyond.refusal())).into()))
}

/// The refusal that a reader gives for a log that has fewer bytes than its largest note covers. If the log is as long as the
/// names of its notes state, only these names are read.
pub(crate) fn missing(fs: &Arc<dyn Fs>, dir: &Path, shown: Position) -> Result<Option<Refusal>, LogError> {
    let own = OwnNotes::new(fs, dir);
    if own.sizes()?.last().is_none_or(|largest| *largest <= shown) {
        return Ok(None);
    }
    Ok(own.beyond()?.map(Beyond::refusal))
}

impl Beyond {
    fn refusal(self) -> Refusal {
        let Beyond { note: file, size, len } = self;
        let (expected, found) = (format!("at least the {size} bytes that this note covers"), format!("{len} bytes"));
        let hint = "bring the missing bytes back from a copy".to_owned();
        Refusal { verdict: Verdict::Truncated, position: len, file, expected, found, hint }
    }
}

fn stated_log_id(note: &[u8]) -> Option<String> {
    String::from_utf8_lossy(note).lines().find_map(|line| line.strip_prefix("log-id ").map(str::to_owned))
}
