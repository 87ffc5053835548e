//! What the checkpoints show that a log keeps itself, in `checkpoints/`.
//!
//! Does: compare the log with its largest notes, at most 16 of them, and say which notes cannot be read. Does not: check
//! signatures, since nobody vouches for these notes; what they say is there, or it is not.
//!
//! Invariants:
//! - A note that cannot be read is not absent: its name states how many bytes the log has at least.
//! - Before a log is opened for writing its notes were asked, so a log that was cut stays as it is.

use crate::covered::compare;
use crate::error::LogError;
use crate::history::{LOG_STREAM, LossAccepted, is_readable};
use evlog_format::{LogId, Position, SEGMENT_HEADER_LEN, SegmentHeader, kind, payload};
use evlog_store::fs::Fs;
use evlog_store::{Checkpoints, Failure, OpenError, RawLog, ReadError, Reader, Refusal};
use evlog_verify::audit::Report;
use evlog_verify::{Covered, Finding, Verdict};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads what a note covers, or says in words why it is no checkpoint. The engine does not know how notes are signed.
pub type Parse<'p> = dyn Fn(&[u8]) -> Result<Covered, String> + 'p;

/// A note over more bytes than the log has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beyond {
    /// The note.
    pub note: PathBuf,
    /// How many bytes it covers.
    pub size: Position,
    /// How many the log has.
    pub len: Position,
}

/// How many notes a log is compared with: for each of them a part of a segment is read.
const COMPARED_MAX: u64 = 16;

/// What the notes show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// The first note that found something.
    pub note: Option<PathBuf>,
    /// How many notes the log was compared with.
    pub compared: u64,
}

/// Why a note says nothing of the log.
enum Unread {
    /// It is about another log.
    Foreign(LogId),
    /// What stands there is no checkpoint.
    Unlike(String),
    /// The system did not give it.
    Failed(Failure),
}

/// Adds to a report what the log's own notes show (rules C-51, C-52, C-55), those that cover more than `given`: the largest
/// ones that can be read are compared, up to the first that does not agree, and one that cannot be read, or is about another
/// log, is a finding.
pub fn judge(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    report: &mut Report,
    given: Option<Position>,
    parse: &Parse<'_>,
) -> Result<Judged, LogError> {
    let notes = Checkpoints::new(Arc::clone(fs), dir);
    let mut sizes = notes.sizes().map_err(OpenError::Io)?;
    sizes.retain(|size| given.is_none_or(|given| *size > given));
    let mut judged = Judged::default();
    for size in sizes.into_iter().rev() {
        let mut compared = report.clone();
        let is_read = match read(&notes, size, report.log_id, parse) {
            Ok(covered) => {
                compare(Arc::clone(fs), dir, &mut compared, &covered, &mut Vec::new, &mut |_, _| {})?;
                judged.compared += 1;
                true
            }
            Err(unread) => {
                let (path, len) = (notes.path(size), len(&RawLog::open(Arc::clone(fs), dir).map_err(OpenError::Io)?));
                compared.findings.add(finding(unread, &path, size, len)?);
                false
            }
        };
        let is_finding = compared.findings.count() > report.findings.count() && !gave_up(fs, dir, size);
        if is_finding {
            *report = compared;
            judged.note.get_or_insert_with(|| notes.path(size));
        }
        if is_read && is_finding || judged.compared == COMPARED_MAX {
            break;
        }
    }
    Ok(judged)
}

/// What a note says whose name states this size.
fn read(notes: &Checkpoints, size: Position, log_id: Option<LogId>, parse: &Parse<'_>) -> Result<Covered, Unread> {
    let covered = parse(&bytes(notes, size)?).map_err(Unread::Unlike)?;
    if log_id.is_some_and(|log_id| log_id != covered.log_id) {
        return Err(Unread::Foreign(covered.log_id));
    }
    if covered.size == size {
        return Ok(covered);
    }
    Err(Unread::Unlike(format!("it states that it covers {} bytes, and its name states {size}", covered.size)))
}

fn bytes(notes: &Checkpoints, size: Position) -> Result<Vec<u8>, Unread> {
    notes.read(size).map_err(|failure| match failure.source.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Unread::Unlike(failure.source.to_string()),
        _ => Unread::Failed(failure),
    })
}

/// What a note amounts to that cannot be read. Where only the system did not give it, and the log is as long as its name
/// states, nothing is known of the log.
fn finding(unread: Unread, path: &Path, size: Position, len: Position) -> Result<Finding, LogError> {
    let (seq, stream, rule) = (None, None, "C-55");
    let why = match unread {
        Unread::Foreign(log_id) => {
            let (verdict, position) = (Verdict::Damaged, size.min(len));
            let (expected, found) = ("a checkpoint of this log".to_owned(), format!("one of log {log_id}"));
            let message = format!("a note among the log's own is not about it: `{}`", path.display());
            return Ok(Finding { verdict, position, seq, stream, rule, expected, found, message });
        }
        Unread::Failed(failure) if size <= len => return Err(OpenError::Io(failure).into()),
        Unread::Failed(failure) => failure.to_string(),
        Unread::Unlike(why) => format!("`{}`: {why}", path.display()),
    };
    let (expected, found) = if size > len {
        (format!("at least the {size} bytes that its name states"), len.to_string())
    } else {
        ("a checkpoint".to_owned(), "none".to_owned())
    };
    let verdict = if size > len { Verdict::Truncated } else { Verdict::Damaged };
    let message = format!("a note of the log's own cannot be read: {why}");
    Ok(Finding { verdict, position: size.min(len), seq, stream, rule, expected, found, message })
}

/// The largest note of the log's own that covers more than the log has, unless the log records that it gave that up. A note
/// counts by the size that its name states, unless it can be read and is about another log.
pub fn beyond(fs: &Arc<dyn Fs>, dir: &Path) -> Result<Option<Beyond>, LogError> {
    let notes = Checkpoints::new(Arc::clone(fs), dir);
    let sizes = notes.sizes().map_err(OpenError::Io)?;
    if sizes.is_empty() {
        return Ok(None);
    }
    let raw = RawLog::open(Arc::clone(fs), dir).map_err(OpenError::Io)?;
    if raw.segments().is_empty() {
        return Ok(None);
    }
    let (len, log_id) = (len(&raw), log_id(&raw));
    let is_ours = |size: &Position| {
        let of = bytes(&notes, *size).ok().and_then(|note| stated_log_id(&note));
        of.is_none() || log_id.is_none() || of == log_id.map(|log_id| log_id.to_string())
    };
    let largest = sizes.into_iter().rev().take_while(|size| *size > len).find(is_ours);
    Ok(largest.filter(|size| !gave_up(fs, dir, *size)).map(|size| Beyond { note: notes.path(size), size, len }))
}

/// Refuses a log that has fewer bytes than its largest note covers, unless it records that it gave them up.
pub(crate) fn hold(fs: &Arc<dyn Fs>, dir: &Path) -> Result<(), LogError> {
    beyond(fs, dir)?.map_or(Ok(()), |beyond| Err(OpenError::Refused(Box::new(beyond.refusal())).into()))
}

/// What a reader says of a log that has fewer bytes than its largest note covers. Where the log is as long as the names of its
/// notes state, nothing but these names is read.
pub(crate) fn missing(fs: &Arc<dyn Fs>, dir: &Path, end: Position) -> Result<Option<Refusal>, LogError> {
    let sizes = Checkpoints::new(Arc::clone(fs), dir).sizes().map_err(OpenError::Io)?;
    if sizes.last().is_none_or(|largest| *largest <= end) {
        return Ok(None);
    }
    Ok(beyond(fs, dir)?.map(Beyond::refusal))
}

impl Beyond {
    fn refusal(self) -> Refusal {
        let Beyond { note: file, size, len } = self;
        let (expected, found) = (format!("at least the {size} bytes that this note covers"), format!("{len} bytes"));
        let hint = "bring the missing bytes back from a copy".to_owned();
        Refusal { verdict: Verdict::Truncated, position: len, file, expected, found, hint }
    }
}

fn len(raw: &RawLog) -> Position {
    Position(raw.segments().iter().map(|segment| segment.len).sum())
}

/// The id in the first header that can be read.
fn log_id(raw: &RawLog) -> Option<LogId> {
    raw.segments().iter().find_map(|segment| {
        let mut header = Vec::new();
        let start = 0..(SEGMENT_HEADER_LEN as u64).min(segment.len);
        raw.read_in(segment, start, &mut |chunk| header.extend_from_slice(chunk)).ok()?;
        Some(SegmentHeader::decode(&header).ok()?.log_id)
    })
}

fn stated_log_id(note: &[u8]) -> Option<String> {
    String::from_utf8_lossy(note).lines().find_map(|line| line.strip_prefix("log-id ").map(str::to_owned))
}

/// Whether the log records that it gave up bytes that a note of this size covers. Then the note says nothing about the log any
/// more.
fn gave_up(fs: &Arc<dyn Fs>, dir: &Path, size: Position) -> bool {
    let Ok(reader) = Reader::open(Arc::clone(fs), dir) else { return false };
    let mut found = false;
    let read = reader.stream::<ReadError>(LOG_STREAM, &mut |_, _, event| {
        if event.kind == kind::LOG_LOSS_ACCEPTED
            && is_readable(event)
            && let Ok(loss) = payload::decode::<LossAccepted>(event.payload)
        {
            found |= loss.position < size.0;
        }
        Ok(ControlFlow::Continue(()))
    });
    read.is_ok() && reader.check_whole().is_ok() && found
}
