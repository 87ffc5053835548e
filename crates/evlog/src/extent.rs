//! How long a log is: where its commits end. Everything that compares a log with a stated length uses this one measure.

use crate::error::LogError;
use evlog_format::{LogId, Position, SEGMENT_HEADER_LEN, SegmentHeader};
use evlog_store::fs::Fs;
use evlog_store::{OpenError, RawLog, Reader};
use std::path::Path;
use std::sync::Arc;

/// Where the log's commits end now, and the log's id; `None` if there is no segment. Zeros and an unfinished commit after the
/// commits are not counted (rules F-25, F-26). If the end is damaged, the length is the sum of all files; other code reports
/// the damage.
///
/// A writer may sign a larger size at any time. So a caller must read the signed size before it calls this function, not
/// after.
pub(crate) fn extent(fs: &Arc<dyn Fs>, dir: &Path) -> Result<Option<(Position, Option<LogId>)>, LogError> {
    if let Ok(reader) = Reader::open_up_to_damage(Arc::clone(fs), dir)
        && reader.check_whole().is_ok()
    {
        return Ok(Some((reader.committed().position, Some(reader.log_id()))));
    }
    let raw = RawLog::open(Arc::clone(fs), dir).map_err(OpenError::Io)?;
    Ok((!raw.segments().is_empty()).then(|| (len(&raw), log_id(&raw))))
}

/// Only the end; 0 if there is no segment.
pub(crate) fn end(fs: &Arc<dyn Fs>, dir: &Path) -> Result<Position, LogError> {
    Ok(extent(fs, dir)?.map_or(Position(0), |(end, _)| end))
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
