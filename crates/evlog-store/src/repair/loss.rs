//! Gives up synced bytes at the end of the last segment. This is the only operation here that removes acknowledged commits.
//!
//! Invariants: the existing bytes are copied and synced before anything changes. After that, `HEAD` claims everything that
//! was synced. The segment is cut last. So if this is interrupted at any moment, the log is refused until the loss is
//! recorded in it, and the same repair can be done again.

use super::Loss;
use super::survey::Last;
use crate::copy::{Side, copy_all};
use crate::error::{Failure, OpenError, Refusal, Trouble};
use crate::fs::{File, Lock};
use crate::head::Head;
use crate::layout::SegmentEntry;
use crate::open::{Opened, claim, open_head, quarantine};
use crate::recovery::{Action, Row};
use crate::scan::{Numbers, scan};
use crate::sealed::{Keep, Sealed};
use crate::segment::{Files, refusal};
use crate::streams::Streams;
use evlog_format::{Position, SEGMENT_HEADER_LEN};
use evlog_verify::Verdict;
use std::sync::Arc;

impl Last {
    /// The reason why the table refuses the segment, and what would be given up if that was accepted.
    pub(super) fn refusal(&self, row: &'static Row) -> (Refusal, Option<Loss>) {
        let floor = self.durable().max(self.scan.floor);
        let (verdict, at, expected, found, row) = match (row.action, &self.mended) {
            (Action::Refuse(verdict), None) => {
                let by = self.claimed.as_ref().filter(|(size, _)| *size == floor);
                let by = by.map_or(format!("because all was synced up to position {floor}"), |(_, note)| {
                    format!("because `{}` covers the log up to position {floor}", note.display())
                });
                let expected = format!("whole commits, {by}");
                (verdict, self.scan.end, expected, self.scan.reason.clone(), Some(row.id))
            }
            (action, mended) => {
                // A segment without its header is damaged at least; its frames may be worse.
                let verdict = if let Action::Refuse(verdict) = action { verdict } else { Verdict::Damaged };
                let found = mended.clone().unwrap_or_default();
                (verdict, self.header.position, "a segment header".to_string(), found, None)
            }
        };
        let Trouble::Refused(refused) = refusal(verdict, at, &self.path, expected, found.clone()) else {
            unreachable!("a refusal is a refusal")
        };
        if verdict == Verdict::Tampered {
            return (*refused, None);
        }
        let len = self.scan.file_end.0 - self.scan.end.0;
        // If `HEAD` is older than the note, it does not say how many events the note covers.
        let counted = self.head.filter(|head| self.claimed.as_ref().is_none_or(|(size, _)| head.committed >= *size));
        let known = counted.map(|head| head.next_seq).max(self.later_next_seq);
        let reason =
            if self.mended.is_some() && len > 0 { format!("{found}; after it: {}", self.scan.reason) } else { found };
        let loss = Loss {
            verdict,
            row,
            file: self.path.clone(),
            position: self.scan.end,
            len,
            floor: floor.max(self.scan.end),
            first_seq: self.scan.next_seq,
            next_seq: known.map(|next| next.max(self.scan.next_seq)),
            reason,
            kept_as: (len > 0 || self.mended.is_some()).then(|| self.keep_name.clone()),
        };
        (*refused, Some(loss))
    }
}

/// Cuts the last segment right after its last whole commit. The caller's next commit must record the loss. Until that commit
/// is synced, `HEAD` still claims what was given up.
pub(super) fn give_up(files: Files, lock: Box<dyn Lock>, last: &Last, loss: &Loss) -> Result<Opened, OpenError> {
    let (header, path) = (last.header, &last.path);
    let file = files.fs.open_write(path).map_err(Failure::of("open", path))?;
    claim(&files, file.as_ref(), header.position)?;
    if loss.kept_as.is_some() {
        let from = if last.mended.is_some() { header.position } else { last.scan.end };
        let end = Position(header.position.0 + file.len().map_err(Failure::of("read", path))?);
        quarantine(&files, file.as_ref(), header.position, (from, end))?;
    }
    let head = open_head(&files)?;
    bear_witness(&files, head.as_ref(), last, loss)?;
    let file = rewrite(&files, last, file.as_ref())?;

    let segments = files.segments()?;
    let (mut tree, mut streams) = (files.tree_before(&header, &segments)?.0, Streams::default());
    let len = last.scan.end.0 - header.position.0;
    let found =
        scan(&file, &header, len, Numbers::Dense, &mut streams, Some(&mut tree)).map_err(Failure::of("read", path))?;
    if found.end != last.scan.end {
        let expected = format!("whole commits up to position {}", last.scan.end);
        return Err(refusal(Verdict::Damaged, found.end, path, expected, found.reason).into());
    }
    let sealed = Sealed::new(header.identity(), Keep::Sidecar, &segments);
    let (end, next_seq, last_commit) = (found.end, found.next_seq, found.last_commit);
    Ok(Opened { files, lock, header, file, head, end, last_commit, next_seq, tree, streams, sealed })
}

/// Makes `HEAD` claim everything that was synced, including the bytes that are about to be cut.
fn bear_witness(files: &Files, head: &dyn File, last: &Last, loss: &Loss) -> Result<(), Failure> {
    #[cfg(all(test, not(feature = "schedules")))]
    if broken::silent() {
        return Ok(());
    }
    let (path, dir) = (files.layout.head(), files.layout.dir());
    let durable = loss.floor.max(last.scan.file_end);
    let committed = last.head.map_or(durable, |head| head.committed.max(durable));
    let (log_id, next_seq) = (last.header.log_id, loss.next_seq.unwrap_or(loss.first_seq));
    let claim = Head { log_id, durable, committed, next_seq, closed: false, sync_failed: false };
    head.write_at(&claim.encode(), 0).map_err(Failure::of("write", &path))?;
    head.sync_data().map_err(Failure::of("sync", &path))?;
    files.fs.sync_dir(dir).map_err(Failure::of("sync", dir))
}

/// Replaces the segment with a copy that ends after the last whole commit and has a correct header.
fn rewrite(files: &Files, last: &Last, file: &dyn File) -> Result<Arc<dyn File>, Failure> {
    let unfinished = files.layout.entry(SegmentEntry::Unfinished(last.header.position));
    let made = files.create_anew(&unfinished)?;
    made.write_at(&last.header.encode(), 0).map_err(Failure::of("write", &unfinished))?;
    let offset = SEGMENT_HEADER_LEN as u64;
    let source = Side { file, path: &last.path, offset };
    let target = Side { file: made.as_ref(), path: &unfinished, offset };
    copy_all(source, target, (last.scan.end.0 - last.header.position.0).saturating_sub(offset))?;
    // COMMIT POINT: the bytes after that position are given up. `HEAD` still claims them, and the quarantine holds them.
    files.fs.rename(&unfinished, &last.path).map_err(Failure::of("name", &last.path))?;
    let dir = files.layout.segments();
    files.fs.sync_dir(dir).map_err(Failure::of("sync", dir))?;
    Ok(made)
}

/// A loss that is wrong on purpose, to show that the tests detect it.
#[cfg(all(test, not(feature = "schedules")))]
pub(crate) mod broken {
    use std::cell::Cell;

    thread_local! {
        static SILENT: Cell<bool> = const { Cell::new(false) };
    }

    /// While this value exists, this thread gives up bytes without making `HEAD` claim them first.
    pub(crate) struct NoWitness;

    impl NoWitness {
        pub(crate) fn begin() -> NoWitness {
            SILENT.set(true);
            NoWitness
        }
    }

    impl Drop for NoWitness {
        fn drop(&mut self) {
            SILENT.set(false);
        }
    }

    pub(super) fn silent() -> bool {
        SILENT.get()
    }
}
