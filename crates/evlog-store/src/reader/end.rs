//! How far a reader that opens a log may see it.
//!
//! If a writer is at work, only `HEAD` says what is committed, and a crash may remove bytes beyond it. If there is no
//! writer, the reader may show exactly what the recovery table keeps, because the next writer will keep it. No writer goes
//! on after a wrong number in a stream (V-17): a reader then shows the events that an audit counts, and reports the wrong
//! number.

use super::{Active, Committed};
use crate::closed::{ClosedEnd, closed_end};
use crate::error::{Failure, OpenError, Trouble};
use crate::head::Head;
use crate::last_readable::{Before, Unopened, last_readable, misnumbered, scan_before, scan_to};
use crate::recovery::{Action, Place, plan};
use crate::scan::{Numbers, Pass, Scan};
use crate::segment::{Files, OpenSegment, positions, refusal};
use crate::streams::Streams;
use evlog_format::{LogIdentity, Position, SEGMENT_HEADER_LEN};

/// The number of times that we look again if a writer appears meanwhile. After that we assume that a writer is at work.
const ATTEMPTS: usize = 5;

/// What a reader begins with.
#[derive(Debug)]
pub(super) struct End {
    pub(super) log: LogIdentity,
    /// Positions of the segments that hold something committed.
    pub(super) positions: Vec<Position>,
    pub(super) committed: Committed,
    pub(super) active: Active,
    /// Where the last segment was closed cleanly, if it was not scanned.
    pub(super) closed: Option<Position>,
    /// `HEAD` as it was read. It may claim more than there is.
    pub(super) head: Option<Head>,
    /// The reason why an existing `HEAD` could not be used.
    pub(super) head_flaw: Option<String>,
    /// The damage after the committed part, if there is any.
    pub(super) damage: Option<Trouble>,
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
    // If we cannot find out, we assume that a writer is at work.
    if files.has_writer().unwrap_or(true) { Writer::Lives } else { Writer::None }
}

fn look(files: &Files, writer: Writer) -> Result<End, OpenError> {
    // `HEAD` is read first, so that everything it covers is there when the segments are listed.
    let (head, mut head_flaw) = files.usable_head();
    let entries = files.entries()?;
    let all = positions(&entries);
    let mut positions = all.clone();
    if positions.first() != Some(&Position(0)) {
        crate::open::begun(files)?;
    }
    let (mut open, unopened) = last_readable(files, &mut positions)?;
    let last = open.header.position;
    let (head, others) = match head {
        Some(head) if head.log_id != open.header.log_id => (None, Some(head.log_id)),
        head => (head, None),
    };
    if let Some(other) = others {
        head_flaw = Some(format!("`{}` is of another log, {other}", files.layout.head().display()));
    }
    if let Some(Unopened { next, flaw }) = unopened {
        let flaw = files.flaw_of_last(&all, head.map(|head| head.durable), flaw);
        let Before { scan, streams, flaw } = scan_before(files, &open, next, flaw)?;
        return Ok(End { head_flaw, ..at_scanned_end(&open, positions, &scan, streams, Some(flaw), head) });
    }
    let len = open.file.len().map_err(Failure::of("read", &files.layout.segment(last)))?;
    if let Some(closed) = closed_end(files, &open, len, head, &entries) {
        return Ok(End { head_flaw, ..at_closed_end(&open, positions, &closed, head) });
    }
    if let (Writer::Lives, Some(head)) = (writer, head) {
        positions.retain(|position| begins_before(*position, head.committed));
        let holding = positions.last().copied().unwrap_or(last);
        if holding != last {
            open = files.open_of(open.header.identity(), holding)?;
        }
    }
    let floor = head.map_or(Position(0), |head| head.durable);
    let (scan, streams, damage) = match (writer, head) {
        (Writer::Lives, Some(head)) => up_to(files, &open, head.committed, floor)?,
        (Writer::Lives, None) => up_to_floor(files, &open)?,
        (Writer::None, _) => up_to_recovery(files, &open, floor)?,
    };
    Ok(End { head_flaw, ..at_scanned_end(&open, positions, &scan, streams, damage, head) })
}

fn at_scanned_end(
    open: &OpenSegment,
    positions: Vec<Position>,
    scan: &Scan,
    streams: Streams,
    damage: Option<Trouble>,
    head: Option<Head>,
) -> End {
    let (log, segment) = (open.header.identity(), open.header.position);
    let committed = Committed { position: scan.end, next_seq: scan.next_seq };
    let mut pass = Pass::new(&open.header, Numbers::Any);
    (pass.end, pass.next_seq) = (scan.end.0 - segment.0, scan.next_seq);
    let (active, closed, head_flaw) = (Active { segment, pass, streams }, None, None);
    End { log, positions, committed, active, closed, head, head_flaw, damage }
}

/// The end of a log that was closed cleanly: everything is committed, and no scan is needed.
fn at_closed_end(open: &OpenSegment, positions: Vec<Position>, closed: &ClosedEnd, head: Option<Head>) -> End {
    let (log, segment) = (open.header.identity(), open.header.position);
    let committed = Committed { position: closed.end(), next_seq: closed.next_seq };
    let mut pass = Pass::new(&open.header, Numbers::Any);
    (pass.end, pass.next_seq) = (closed.end().0 - segment.0, closed.next_seq);
    let active = Active { segment, pass, streams: Streams::default() };
    End { log, positions, committed, active, closed: Some(closed.end()), head, head_flaw: None, damage: None }
}

/// The scan of the last segment, its streams, and the damage after them.
type Scanned = (Scan, Streams, Option<Trouble>);

/// Used if a writer is at work: scans no further than `limit`. After a crash of the machine there may be less than an old
/// `HEAD` claims, because commits of class `os` may be lost. Synced bytes must be there.
fn up_to(files: &Files, open: &OpenSegment, limit: Position, floor: Position) -> Result<Scanned, OpenError> {
    let (scan, streams) = scan_to(files, open, Some(limit.0.saturating_sub(open.header.position.0)))?;
    let damage = judge(files, open, &scan, floor);
    Ok((scan, streams, damage))
}

/// Used if a writer is at work and `HEAD` is missing: scans up to the position that was synced according to the
/// durable-before of the frames. All bytes before the last segment were synced too.
fn up_to_floor(files: &Files, open: &OpenSegment) -> Result<Scanned, OpenError> {
    let (scan, _) = scan_to(files, open, None)?;
    let first = Position(open.header.position.0 + SEGMENT_HEADER_LEN as u64);
    let floor = scan.floor.max(first);
    up_to(files, open, floor, floor)
}

/// Used without a writer: scans what the next writer will keep. After a wrong number in a stream, what it would keep
/// otherwise.
fn up_to_recovery(files: &Files, open: &OpenSegment, floor: Position) -> Result<Scanned, OpenError> {
    let (scan, streams) = scan_to(files, open, None)?;
    let damage = judge(files, open, &scan, floor);
    Ok((scan, streams, damage))
}

fn judge(files: &Files, open: &OpenSegment, scan: &Scan, floor: Position) -> Option<Trouble> {
    let path = files.layout.segment(open.header.position);
    if let Some(wrong) = &scan.misnumbered {
        return Some(misnumbered(&path, wrong));
    }
    let Action::Refuse(verdict) = plan(scan.case(Place::Last, floor)).action else { return None };
    let floor = floor.max(scan.floor);
    let expected = format!("whole commits, because all was synced up to position {floor}");
    Some(refusal(verdict, scan.end, &path, expected, scan.reason.clone()))
}
