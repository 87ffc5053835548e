//! The start of a session: the events about the log's creation or recovery, and the time of the last commit.

use super::{Pending, payload_of};
use crate::error::LogError;
use crate::history::{Created, Recovered, TailCut};
use crate::options::Options;
use evlog_format::{FORMAT_VERSION, Seq, kind};
use evlog_store::{OpenError, RawLog, Recovery, Writer};
use std::path::Path;

/// The events that record that the log was made.
pub(crate) fn created(options: &Options, segment_limit: u64) -> Result<Pending, LogError> {
    let created = Created { format_version: FORMAT_VERSION, segment_limit, program: options.program.clone() };
    let mut pending = vec![(kind::LOG_CREATED, payload_of(&created)?)];
    if let Some(tried) = &options.store_tried {
        pending.push((kind::LOG_STORE_TRIED, payload_of(tried)?));
    }
    Ok(pending)
}

/// The events that record how the previous session ended.
pub(crate) fn reopened(options: &Options, writer: &Writer, recovery: &Recovery) -> Result<Pending, LogError> {
    let mut pending = Pending::new();
    if let Some(cut) = &recovery.cut {
        let cut = TailCut {
            position: cut.position.0,
            len: cut.len,
            kept_as: cut.kept_as.clone(),
            reason: cut.reason.clone(),
        };
        pending.push((kind::LOG_TAIL_CUT, payload_of(&cut)?));
    }
    // Nobody closes a shared log, and nothing of a session that ended has to be recovered.
    if !recovery.clean_close && !options.fs.is_shared() {
        pending.push((kind::LOG_RECOVERED, payload_of(&Recovered { end: writer.end().0 })?));
    }
    if writer.next_seq() == Seq(0) {
        pending.extend(created(options, writer.segment_limit())?);
    }
    Ok(pending)
}

/// When the last commit was recorded. A segment has no commit if the writer ended right after it had made the segment.
pub(crate) fn last_recorded_ns(writer: &Writer, dir: &Path) -> Result<Option<i64>, LogError> {
    let last = writer.last_recorded_ns()?;
    if last.is_some() || writer.next_seq() == Seq(0) {
        return Ok(last);
    }
    let raw = RawLog::open(writer.fs(), dir).map_err(OpenError::Io)?;
    let mut last = None;
    if let Some(segment) = raw.segments().iter().rev().nth(1) {
        raw.commits(segment, &mut |found| last = Some(found.commit.head.recorded_ns))?;
    }
    Ok(last)
}
