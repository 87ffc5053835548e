//! The committer: writes a group, syncs once, and records in `HEAD` where the log ends.
//!
//! Does not: know which callers wait. [`committing`](super::committing) gives it groups, and acknowledges them.
//!
//! Invariants:
//! - The order within a group is: write, hash, sync, check that the log is still at its path, write `HEAD`. So `HEAD` only
//!   claims what is already true.
//! - Zeros are written ahead only between two groups, after the last byte of the file.
//! - A sync that was begun in parallel with the writing guarantees nothing by itself. Its bytes count as synced only after the
//!   next full sync, which first waits for it, and fails if it failed.

use super::pending::{Pending, Roll};
use super::{Ahead, Group, Observer};
use crate::error::Failure;
use crate::fs::{File, FileId, Syncing};
use crate::head::{Head, write_head};
use crate::layout::SegmentEntry;
use crate::reader::Committed;
use crate::segment::{Files, distrust};
use evlog_format::{LogId, Position, SEGMENT_HEADER_LEN, SegmentHeader, Seq};
use evlog_verify::Tree;
use std::io;
use std::sync::Arc;

/// Zeros are written ahead only if there is room for at least this many groups. With longer groups they cost more than they
/// save.
const AHEAD_GROUPS_MIN: u64 = 64;

/// One in this many groups with a sync looks up `HEAD` by its path, which costs more.
const HEAD_ASKED: u32 = 16;

/// The state that is needed to commit.
#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) files: Files,
    pub(crate) log_id: LogId,
    pub(crate) segment_limit: u64,
    pub(crate) file: Arc<dyn File>,
    pub(crate) segment: Position,
    /// The identity of `file`.
    pub(crate) file_id: FileId,
    pub(crate) head: Arc<dyn File>,
    /// The identity of `head`.
    pub(crate) head_id: FileId,
    /// The number of times that `HEAD` was checked since it was last looked up by its path.
    pub(crate) head_asked: u32,
    /// The tree over all written bytes.
    pub(crate) tree: Tree,
    pub(crate) written: Position,
    pub(crate) durable: Position,
    pub(crate) next_seq: Seq,
    /// Where the file ends: after the last written byte, or after the zeros that were written ahead.
    pub(crate) file_end: Position,
    pub(crate) ahead: Ahead,
    /// How many short groups came one after the other.
    pub(crate) short_groups: u32,
    /// How many bytes are written, without a commit that asks for a sync, before a sync begins in advance; 0 means never. It
    /// makes the next sync short that a caller waits for.
    pub(crate) begin_after: u64,
    /// The latest sync that was begun, if nothing has waited for it yet.
    pub(crate) begun: Option<Syncing>,
    /// The end of the written bytes when it was begun.
    pub(crate) begun_at: Position,
    /// The group that is being committed.
    pub(crate) batch: Pending,
    /// Segments that were sealed for this group, which is not acknowledged yet.
    pub(crate) sealed: Vec<JustSealed>,
    /// Hears what is done, if somebody wants to know.
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

/// A segment that was sealed, as it was then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JustSealed {
    position: Position,
    id: FileId,
    len: u64,
}

/// The reason why the committer is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Commits wait.
    Commit,
    /// Something is not synced, and no commit came for a while.
    Sync,
}

impl Committer {
    /// Commits the group that it took. Once the group is synced, the tree over it is published.
    pub(super) fn commit_batch(&mut self, publish: &dyn Fn(&Tree), task: Task) -> Result<(), Failure> {
        let begun = Committed { position: self.written, next_seq: self.next_seq };
        // Taken out of `self` while it is written, and put back in any case, because it shows what was attempted.
        let batch = std::mem::take(&mut self.batch);
        let written = self.write_batch(publish, &batch);
        self.batch = batch;
        written?;
        self.next_seq = self.batch.next_seq;
        let syncs = self.batch.sync || task == Task::Sync;
        if syncs {
            self.sync(publish)?;
        }
        self.check_place()?;
        for sealed in std::mem::take(&mut self.sealed) {
            self.check_sealed(sealed)?;
        }
        if syncs {
            self.keep_head()?;
        }
        self.write_head(false)?;
        self.tell(begun);
        Ok(())
    }

    /// Tells the observer what was committed since the log ended there.
    fn tell(&self, begun: Committed) {
        let Some(observer) = self.observer.as_ref().filter(|_| self.batch.commits > 0) else { return };
        let end = Committed { position: self.written, next_seq: self.next_seq };
        observer.committed(&Group {
            commits: self.batch.commits as u64,
            events: end.next_seq.0 - begun.next_seq.0,
            bytes: end.position.0 - begun.position.0,
            end,
        });
    }

    /// Checks that the segment's path still names its file, and that the file still has all written bytes.
    pub(super) fn check_place(&self) -> Result<(), Failure> {
        self.files.check_ours(self.segment, self.file_id)?;
        self.check_whole()
    }

    /// Checks that a segment is as it was when it was sealed, because it may hold commits of the group that is
    /// acknowledged next.
    fn check_sealed(&self, sealed: JustSealed) -> Result<(), Failure> {
        self.files.check_ours(sealed.position, sealed.id)?;
        let path = self.files.layout.segment(sealed.position);
        let found = self.files.fs.stamp(&path).map_err(Failure::of("look at", &path))?.len;
        if found == sealed.len {
            return Ok(());
        }
        let expected = sealed.len;
        let source = io::Error::other(format!(
            "somebody else wrote to it or cut it while the next segment was made: expected {expected} bytes, found {found}"
        ));
        Err(Failure::of("go on with", &path)(source))
    }

    fn check_whole(&self) -> Result<(), Failure> {
        let path = || self.files.layout.segment(self.segment);
        let (least, len) = (self.written.0 - self.segment.0, self.file.len());
        let len = len.map_err(|error| Failure::of("look at", &path())(error))?;
        if len >= least {
            return Ok(());
        }
        let source = io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("it was shortened while it was written: expected {least} bytes at least, found {len}"),
        );
        Err(Failure::of("go on with", &path())(source))
    }

    /// Makes `HEAD` again if it was deleted, which is allowed because it is derived. Readers look it up by its name.
    pub(super) fn keep_head(&mut self) -> Result<(), Failure> {
        let path = self.files.layout.head();
        // It is cheap to ask the open file whether it still has a name. That does not notice a file that was moved, so
        // from time to time the path is looked up instead.
        self.head_asked = (self.head_asked + 1) % HEAD_ASKED;
        if self.head_asked > 0 && self.head.is_named().map_err(Failure::of("look at", &path))? {
            return Ok(());
        }
        match self.files.fs.id(&path) {
            Ok(found) if found == self.head_id => Ok(()),
            Ok(_) => {
                let source =
                    io::Error::other("another file has its place: somebody else writes to the log's directory");
                Err(Failure::of("go on with", &path)(source))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.head = self.files.fs.create(&path).map_err(Failure::of("create", &path))?;
                self.head_id = self.head.id().map_err(Failure::of("look at", &path))?;
                Ok(())
            }
            Err(error) => Err(Failure::of("look at", &path)(error)),
        }
    }

    fn write_batch(&mut self, publish: &dyn Fn(&Tree), batch: &Pending) -> Result<(), Failure> {
        let mut from = 0;
        for roll in &batch.rolls {
            self.write(&batch.bytes[from..roll.at])?;
            self.roll(publish, roll)?;
            from = roll.at;
        }
        self.write(&batch.bytes[from..])
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        // If the file was shortened, writing past its end would leave a hole, and the file's length would no longer
        // show that it was shortened.
        self.check_whole()?;
        let offset = self.written.0 - self.segment.0;
        let written = self.file.write_at(bytes, offset);
        written.map_err(|source| Failure::of("write", &self.files.layout.segment(self.segment))(source))?;
        self.tree.update(bytes);
        self.written.0 += bytes.len() as u64;
        self.file_end = self.file_end.max(self.written);
        self.begin_sync()
    }

    /// Begins a sync in parallel with the writing when much is not synced and no other sync is running.
    fn begin_sync(&mut self) -> Result<(), Failure> {
        let unsynced = self.written.0 - self.begun_at.max(self.durable).0;
        let is_busy = self.begun.as_ref().is_some_and(|begun| !begun.is_done());
        if self.begin_after == 0 || unsynced < self.begin_after || is_busy {
            return Ok(());
        }
        self.wait_for_begun()?;
        self.begun = Some(Arc::clone(&self.file).begin_sync());
        self.begun_at = self.written;
        Ok(())
    }

    /// Waits for the sync that was begun, and returns its failure, because the file reports a failure only once.
    fn wait_for_begun(&mut self) -> Result<(), Failure> {
        self.begun.take().map_or(Ok(()), |begun| begun.wait().map_err(|source| self.distrust(source)))
    }

    /// Seals the segment and makes the next one.
    fn roll(&mut self, publish: &dyn Fn(&Tree), roll: &Roll) -> Result<(), Failure> {
        assert!(self.written == roll.position, "a segment begins where the one before it ends");
        self.check_whole()?;
        self.cut_zeros()?;
        self.sync(publish)?;
        // The segment that ends here holds commits of this group.
        self.check_place()?;
        let header = SegmentHeader {
            log_id: self.log_id,
            segment_limit: self.segment_limit,
            position: roll.position,
            first_seq: roll.first_seq,
            root_before: self.tree.root(),
        };
        // The segment before stays locked until the next one, which is locked too, has its name.
        let file = self.files.create(&header)?;
        let len = roll.position.0 - self.segment.0;
        let sealed = JustSealed { position: self.segment, id: self.file_id, len };
        self.check_sealed(sealed)?;
        self.sealed.push(sealed);
        let path = || self.files.layout.segment(roll.position);
        self.file_id = file.id().map_err(|error| Failure::of("look at", &path())(error))?;
        self.file = file;
        // Sidecars that cannot be written are made again by the next open.
        self.files.keep_sidecar(SegmentEntry::Tree(roll.position), &self.tree.frontier().encode()).ok();
        roll.sealed.keep_sidecar(&self.files);
        self.segment = roll.position;
        self.tree.update(&header.encode());
        self.written.0 += SEGMENT_HEADER_LEN as u64;
        self.file_end = self.written;
        Ok(())
    }

    fn sync(&mut self, publish: &dyn Fn(&Tree)) -> Result<(), Failure> {
        if self.durable == self.written {
            return Ok(());
        }
        // COMMIT POINT: of all commits written so far, under class `sync`.
        self.sync_file()?;
        self.durable = self.written;
        publish(&self.tree);
        Ok(())
    }

    fn sync_file(&mut self) -> Result<(), Failure> {
        if let Some(observer) = &self.observer {
            observer.sync_begins();
        }
        self.wait_for_begun()?;
        self.file.sync_data().map_err(|source| self.distrust(source))?;
        if let Some(observer) = &self.observer {
            observer.sync_ended();
        }
        Ok(())
    }

    /// A sync of the segment failed.
    fn distrust(&self, source: io::Error) -> Failure {
        let failure = Failure::of("sync", &self.files.layout.segment(self.segment))(source);
        if failure.is_overtaken() {
            return failure;
        }
        distrust(self.head.as_ref());
        if let Some(observer) = &self.observer {
            observer.sync_failed(&failure.source);
        }
        failure
    }

    pub(super) fn write_head(&self, closed: bool) -> Result<(), Failure> {
        let (log_id, next_seq) = (self.log_id, self.next_seq);
        let head =
            Head { log_id, durable: self.durable, committed: self.written, next_seq, closed, sync_failed: false };
        write_head(self.head.as_ref(), &head).map_err(|source| Failure::of("write", &self.files.layout.head())(source))
    }

    /// Whether zeros should be written ahead before the next group.
    pub(super) fn lacks_zeros(&mut self) -> bool {
        let len = self.batch.bytes.len() as u64;
        let is_short = self.batch.sync && len <= self.ahead.len / AHEAD_GROUPS_MIN;
        self.short_groups = if is_short { self.short_groups.saturating_add(1) } else { 0 };
        self.ahead.len > 0 && self.short_groups >= self.ahead.after && self.file_end.0 - self.written.0 < len
    }

    /// Writes zeros ahead, up to the segment size limit. The next sync writes them to the disk with its own group. A
    /// failure is ignored: a disk that has no room for zeros may have room for commits.
    pub(super) fn write_ahead(&mut self) {
        let limit = self.segment.0 + self.segment_limit;
        let end = Position((self.file_end.0 + self.ahead.len).min(limit));
        let zeros = vec![0; usize::try_from(end.0.saturating_sub(self.file_end.0)).unwrap_or(0)];
        let (is_free, at) = (!zeros.is_empty() && self.check_whole().is_ok(), self.file_end.0 - self.segment.0);
        if is_free && self.file.write_at(&zeros, at).is_ok() {
            self.file_end = end;
            return;
        }
        self.short_groups = 0;
        if is_free {
            // Some zeros may have taken the last space on the disk, which commits or other programs need.
            self.file.set_len(at).ok();
        }
    }

    /// Cuts the zeros that were written ahead, and syncs the cut.
    pub(super) fn cut_zeros(&mut self) -> Result<(), Failure> {
        let path = self.files.layout.segment(self.segment);
        let len = self.written.0 - self.segment.0;
        if self.file.len().map_err(Failure::of("read", &path))? != len {
            self.file.set_len(len).map_err(Failure::of("cut", &path))?;
            self.sync_file()?;
            self.file_end = self.written;
        }
        Ok(())
    }

    /// The position up to which bytes of the batch may have been given to a file.
    pub(super) fn attempted(&self) -> Position {
        let next_roll = self.batch.rolls.iter().find(|roll| roll.position >= self.written);
        next_roll.map_or(self.batch.end.max(self.written), |roll| roll.position)
    }
}
