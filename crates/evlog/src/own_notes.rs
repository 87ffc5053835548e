//! Before a log is opened for writing: it is not shorter than the checkpoints that it keeps itself.
//!
//! Does: compare lengths. Does not: check signatures or roots; `evlog verify` compares the root too.
//!
//! Invariant: nothing is written before this was asked, so a log that was cut stays as it is.

use crate::error::LogError;
use crate::history::{LOG_STREAM, LossAccepted};
use crate::view::View;
use evlog_format::{Position, SEGMENT_HEADER_LEN, SegmentHeader, kind, payload};
use evlog_projection::Contracts;
use evlog_store::fs::Fs;
use evlog_store::{Checkpoints, OpenError, RawLog, Refusal};
use evlog_verify::Verdict;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Refuses a log that has fewer bytes than its largest note covers, unless it records that it gave them up.
pub(crate) fn hold(fs: &Arc<dyn Fs>, dir: &Path) -> Result<(), LogError> {
    let notes = Checkpoints::new(Arc::clone(fs), dir);
    let sizes = notes.sizes().map_err(OpenError::Io)?;
    if sizes.is_empty() {
        return Ok(());
    }
    let raw = RawLog::open(Arc::clone(fs), dir).map_err(OpenError::Io)?;
    let len: u64 = raw.segments().iter().map(|segment| segment.len).sum();
    let is_longer = |size: &&Position| size.0 > len && is_of(&raw, &notes, **size);
    match sizes.iter().rev().find(is_longer) {
        Some(size) if !raw.segments().is_empty() && !gave_up(fs, dir, *size) => {
            let (verdict, position, file) = (Verdict::Truncated, Position(len), notes.path(*size));
            let (expected, found) =
                (format!("at least the {size} bytes that this note covers"), format!("{len} bytes"));
            let hint = "bring the missing bytes back from a copy".to_owned();
            let refusal = Refusal { verdict, position, file, expected, found, hint };
            Err(OpenError::Refused(Box::new(refusal)).into())
        }
        _ => Ok(()),
    }
}

/// Whether a note is about this log.
fn is_of(raw: &RawLog, notes: &Checkpoints, size: Position) -> bool {
    let mut header = Vec::new();
    let Some(first) = raw.segments().first() else { return false };
    let start = 0..(SEGMENT_HEADER_LEN as u64).min(first.len);
    let read = raw.read_in(first, start, &mut |chunk| header.extend_from_slice(chunk));
    let Some(header) = read.ok().and_then(|()| SegmentHeader::decode(&header).ok()) else { return false };
    let line = format!("log-id {}", header.log_id);
    notes.read(size).is_ok_and(|note| String::from_utf8_lossy(&note).lines().any(|found| found == line))
}

/// Whether the log records that it gave up bytes that a note of this size covers.
fn gave_up(fs: &Arc<dyn Fs>, dir: &Path, size: Position) -> bool {
    let Ok(view) = View::open(Arc::clone(fs), dir, Contracts::new()) else { return false };
    let mut found = false;
    let read = view.stream(LOG_STREAM, &mut |fact| {
        if fact.event.kind == kind::LOG_LOSS_ACCEPTED
            && let Ok(loss) = payload::decode::<LossAccepted>(fact.event.payload)
        {
            found |= loss.position < size.0;
        }
        ControlFlow::Continue(())
    });
    read.is_ok() && found
}
