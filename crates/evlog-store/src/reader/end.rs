//! How far a reader may see a log when it opens it.
//!
//! Whether a writer lives decides: beside one, only `HEAD` tells what is committed, and bytes beyond it may be gone after
//! a crash. Without one, the next writer will keep exactly what the recovery table keeps, so that may be shown.

use super::{Active, Committed};
use crate::closed::{ClosedEnd, closed_end};
use crate::error::{Failure, OpenError, Refusal, Trouble};
use crate::head::Head;
use crate::recovery::{Action, Place, plan};
use crate::scan::{Pass, Scan, scan};
use crate::segment::{Access, Files, OpenSegment, positions};
use crate::streams::Streams;
use evlog_format::{LogId, Position, SEGMENT_HEADER_LEN};

/// A writer may come while we look; then we look again, and at last take the careful view.
const ATTEMPTS: usize = 5;

/// What a reader begins with.
#[derive(Debug)]
pub(super) struct End {
    pub(super) log_id: LogId,
    /// Of the segments that hold something committed.
    pub(super) positions: Vec<Position>,
    pub(super) committed: Committed,
    pub(super) active: Active,
    /// Where the last segment was closed in order, when it was not scanned.
    pub(super) closed: Option<Position>,
    /// What `HEAD` said, which may be more than there is.
    pub(super) head: Option<Head>,
    /// What is wrong behind what is committed, where that is not all that there was.
    pub(super) damage: Option<Box<Refusal>>,
}

/// Whether a writer is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Lives,
    None,
}

/// Whether the segment at `position` has its header before `end`.
pub(super) fn begins_before(position: Position, end: Position) -> bool {
    position.0.saturating_add(SEGMENT_HEADER_LEN as u64) <= end.0
}

pub(super) fn find(files: &Files) -> Result<End, OpenError> {
    for _ in 0..ATTEMPTS {
        let writer = writer(files);
        let end = look(files, writer);
        if writer == Writer::Lives || self::writer(files) == Writer::None {
            return end;
        }
    }
    look(files, Writer::Lives)
}

fn writer(files: &Files) -> Writer {
    // Where it cannot be found out, the careful view is taken.
    if files.has_writer().unwrap_or(true) { Writer::Lives } else { Writer::None }
}

fn look(files: &Files, writer: Writer) -> Result<End, OpenError> {
    // `HEAD` first: what it covers is there when the segments are listed.
    let head = files.any_head()?;
    let entries = files.entries()?;
    let mut positions = positions(&entries);
    let Some(&last) = positions.last() else {
        crate::open::begun(files)?;
        return Err(OpenError::NoLog { path: files.layout.dir().to_path_buf() });
    };
    if positions.first() != Some(&Position(0)) {
        crate::open::begun(files)?;
    }
    let mut open = match files.open(last, Access::Read) {
        Err(Trouble::Refused(refusal)) if positions.len() > 1 => {
            positions.pop();
            return before(files, positions, refusal, head);
        }
        opened => opened?,
    };
    let head = head.filter(|head| head.log_id == open.header.log_id);
    let len = open.file.len().map_err(Failure::of("read", &files.layout.segment(last)))?;
    if let Some(closed) = closed_end(files, &open, len, head, &entries) {
        return Ok(at_closed_end(&open, positions, &closed, head));
    }
    if let (Writer::Lives, Some(head)) = (writer, head) {
        positions.retain(|position| begins_before(*position, head.committed));
        let holding = positions.last().copied().unwrap_or(last);
        if holding != last {
            open = files.open_of(open.header.log_id, holding)?;
        }
    }
    let floor = head.map_or(Position(0), |head| head.durable);
    let (scan, streams, damage) = match (writer, head) {
        (Writer::Lives, Some(head)) => up_to(files, &open, head.committed, floor)?,
        (Writer::Lives, None) => up_to_floor(files, &open)?,
        (Writer::None, _) => up_to_recovery(files, &open, floor)?,
    };
    Ok(at_scanned_end(&open, positions, &scan, streams, damage, head))
}

/// Where the header of the last segment is damaged: all that stands before it.
fn before(
    files: &Files,
    positions: Vec<Position>,
    refusal: Box<Refusal>,
    head: Option<Head>,
) -> Result<End, OpenError> {
    let Some(&last) = positions.last() else { return Err(OpenError::Refused(refusal)) };
    let open = files.open(last, Access::Read)?;
    let (scan, streams) = scan_to(files, &open, None)?;
    Ok(at_scanned_end(&open, positions, &scan, streams, Some(refusal), head))
}

fn at_scanned_end(
    open: &OpenSegment,
    positions: Vec<Position>,
    scan: &Scan,
    streams: Streams,
    damage: Option<Box<Refusal>>,
    head: Option<Head>,
) -> End {
    let (log_id, segment) = (open.header.log_id, open.header.position);
    let committed = Committed { position: scan.end, next_seq: scan.next_seq };
    let mut pass = Pass::new(&open.header);
    (pass.end, pass.next_seq) = (scan.end.0 - segment.0, scan.next_seq);
    End { log_id, positions, committed, active: Active { segment, pass, streams }, closed: None, head, damage }
}

/// Closed in order: all is committed, and nothing has to be scanned to know it.
fn at_closed_end(open: &OpenSegment, positions: Vec<Position>, closed: &ClosedEnd, head: Option<Head>) -> End {
    let (log_id, segment) = (open.header.log_id, open.header.position);
    let committed = Committed { position: closed.end(), next_seq: closed.next_seq };
    let mut pass = Pass::new(&open.header);
    (pass.end, pass.next_seq) = (closed.end().0 - segment.0, closed.next_seq);
    let active = Active { segment, pass, streams: Streams::default() };
    End { log_id, positions, committed, active, closed: Some(closed.end()), head, damage: None }
}

/// What a scan showed of the last segment, and what is wrong behind it.
type Scanned = (Scan, Streams, Option<Box<Refusal>>);

fn scan_to(files: &Files, open: &OpenSegment, limit: Option<u64>) -> Result<(Scan, Streams), OpenError> {
    let path = files.layout.segment(open.header.position);
    let len = open.file.len().map_err(Failure::of("read", &path))?;
    let mut streams = Streams::default();
    let limit = limit.unwrap_or(len).min(len);
    let scan = scan(&open.file, &open.header, limit, &mut streams, None).map_err(Failure::of("read", &path))?;
    Ok((scan, streams))
}

/// Beside a writer: no further than `limit`. A writer that has just come may find less than an old `HEAD` told: commits of
/// class `os` that a crash of the machine took. What was synced has to be there.
fn up_to(files: &Files, open: &OpenSegment, limit: Position, floor: Position) -> Result<Scanned, OpenError> {
    let (scan, streams) = scan_to(files, open, Some(limit.0.saturating_sub(open.header.position.0)))?;
    let damage = judge(files, open, &scan, floor);
    Ok((scan, streams, damage))
}

/// Beside a writer whose `HEAD` is gone: what its own marks say was synced, and all before the last segment.
fn up_to_floor(files: &Files, open: &OpenSegment) -> Result<Scanned, OpenError> {
    let (scan, _) = scan_to(files, open, None)?;
    let first = Position(open.header.position.0 + SEGMENT_HEADER_LEN as u64);
    let floor = scan.floor.max(first);
    up_to(files, open, floor, floor)
}

/// Without a writer: what the next one will keep.
fn up_to_recovery(files: &Files, open: &OpenSegment, floor: Position) -> Result<Scanned, OpenError> {
    let (scan, streams) = scan_to(files, open, None)?;
    let damage = judge(files, open, &scan, floor);
    Ok((scan, streams, damage))
}

fn judge(files: &Files, open: &OpenSegment, scan: &Scan, floor: Position) -> Option<Box<Refusal>> {
    let Action::Refuse(verdict) = plan(scan.case(Place::Last, floor)).action else { return None };
    let (file, floor) = (files.layout.segment(open.header.position), floor.max(scan.floor));
    let expected = format!("commits up to position {floor} at least, which was synced");
    let (position, found, hint) = (scan.end, scan.reason.clone(), verdict.advice().to_string());
    Some(Box::new(Refusal { verdict, position, file, expected, found, hint }))
}
