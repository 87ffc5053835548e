//! The last segment of a log that can be opened and belongs to the log, and what is wrong with the files after it. Readers and
//! writers both use this, so that they give the same verdict.
//!
//! Invariant: the worst flaw decides the verdict. Of two equal flaws, the first one does.

use crate::error::{Failure, OpenError, Trouble};
use crate::recovery::{Action, Place, plan};
use crate::scan::{Misnumbered, Numbers, Scan, scan};
use crate::segment::{Access, Files, OpenSegment, refusal};
use crate::streams::Streams;
use evlog_format::{LogIdentity, Position};
use evlog_verify::Verdict;
use std::path::Path;

/// The files after the last segment that can be opened.
#[derive(Debug)]
pub(crate) struct Unopened {
    /// Position of the first of them.
    pub(crate) next: Position,
    /// The worst of their flaws.
    pub(crate) flaw: Trouble,
}

/// The log's identity from its first header (rule F-12); `None` if that cannot be read.
fn first_identity(files: &Files, positions: &[Position]) -> Result<Option<LogIdentity>, OpenError> {
    match positions.first().map(|first| files.open(*first, Access::Read)) {
        Some(Ok(open)) => Ok(Some(open.header.identity())),
        Some(Err(trouble @ Trouble::Version { .. })) => Err(trouble.into()),
        _ => Ok(None),
    }
}

/// The last segment that can be opened and belongs to this log. The segments after it are removed from `positions`.
pub(crate) fn last_readable(
    files: &Files,
    positions: &mut Vec<Position>,
) -> Result<(OpenSegment, Option<Unopened>), OpenError> {
    let (log, mut behind) = (first_identity(files, positions)?, None);
    while let Some(&next) = positions.last() {
        let opened = match log {
            Some(log) => files.open_of(log, next),
            None => files.open(next, Access::Read),
        };
        let opened = opened.and_then(|open| files.check_first_seq(positions, &open.header).map(|()| open));
        let flaw = match opened {
            Ok(open) => return Ok((open, behind)),
            Err(flaw) => flaw,
        };
        let flaw = match behind {
            Some(Unopened { flaw: later, .. }) => worse(flaw, later),
            None => flaw,
        };
        behind = Some(Unopened { next, flaw });
        positions.pop();
    }
    Err(behind.map_or(OpenError::NoLog { path: files.layout.dir().to_path_buf() }, |behind| behind.flaw.into()))
}

/// The worse of two flaws. If one of them is a failure of the system, they are not compared, and the first one is reported.
pub(crate) fn worse(first: Trouble, later: Trouble) -> Trouble {
    match (&first, &later) {
        (Trouble::Refused(of_first), Trouble::Refused(of_later)) if of_later.verdict < of_first.verdict => later,
        _ => first,
    }
}

/// Why a log is refused whose last segment cannot be opened for this reason: the worst flaw of the files that an opening looks
/// at.
pub(crate) fn refused(files: &Files, all: &[Position], flaw: Trouble) -> OpenError {
    let mut positions = all.to_vec();
    match last_readable(files, &mut positions) {
        Ok((open, Some(behind))) => {
            let head = files.head(open.header.log_id).ok().flatten();
            let flaw = files.flaw_of_last(all, head.map(|head| head.durable), behind.flaw);
            scan_before(files, &open, behind.next, flaw).map_or_else(|error| error, |before| before.flaw.into())
        }
        Ok((_, None)) => flaw.into(),
        Err(error) => error,
    }
}

/// The commits of a segment up to the place where the next segment should begin, and the flaw that is reported of the log.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) scan: Scan,
    pub(crate) streams: Streams,
    pub(crate) flaw: Trouble,
}

/// Scans the segment before those that cannot be opened. Commits at the place where the next segment begins are not shown,
/// because either they or that segment are wrong. The exception is a file that is not a segment of this log: it does not say
/// where this segment ends. So this segment is judged as a whole, and the file's name does not make anything of it missing.
pub(crate) fn scan_before(
    files: &Files,
    open: &OpenSegment,
    next: Position,
    flaw: Trouble,
) -> Result<Before, OpenError> {
    let position = open.header.position;
    let (path, limit) = (files.layout.segment(position), next.0 - position.0);
    let (scan, streams) = scan_to(files, open, Some(limit))?;
    let is_longer = open.file.len().map_err(Failure::of("read", &path))? > limit;
    let longer = if is_longer { Some(scan_to(files, open, None)?.0) } else { None };
    let whole = longer.as_ref().unwrap_or(&scan);
    let own = match (&whole.misnumbered, plan(whole.case(Place::Sealed, whole.file_end)).action) {
        (Some(wrong), _) => Some(misnumbered(&path, wrong)),
        (None, Action::Refuse(verdict)) => {
            Some(refusal(verdict, whole.end, &path, "a commit".to_string(), whole.reason.clone()))
        }
        _ => None,
    };
    let flaw = match own {
        Some(own) => worse(own, flaw),
        None => flaw,
    };
    Ok(Before { scan, streams, flaw })
}

/// Scans a segment up to `limit` bytes, or to its end.
pub(crate) fn scan_to(files: &Files, open: &OpenSegment, limit: Option<u64>) -> Result<(Scan, Streams), OpenError> {
    let path = files.layout.segment(open.header.position);
    let len = open.file.len().map_err(Failure::of("read", &path))?;
    let mut streams = Streams::default();
    let limit = limit.unwrap_or(len).min(len);
    let scan = scan(&open.file, &open.header, limit, Numbers::Any, &mut streams, None);
    Ok((scan.map_err(Failure::of("read", &path))?, streams))
}

/// The refusal of a commit that readers show, but after which no writer goes on (V-17).
pub(crate) fn misnumbered(path: &Path, Misnumbered { position, expected, found }: &Misnumbered) -> Trouble {
    refusal(Verdict::Tampered, *position, path, expected.clone(), found.clone())
}
