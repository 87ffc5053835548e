//! Opens a log for writing, in four steps: lock, scan, plan, apply. The scan only reads, the plan comes from the recovery
//! table, and only applying the plan writes. A log that was closed cleanly is not scanned.

use crate::closed::{ClosedEnd, closed_end};
use crate::copy::{Side, copy_all};
use crate::error::{Failure, OpenError, Trouble};
use crate::fs::{Claim, File, Fs, Lock, LockAttempt};
use crate::head::{HEAD_LEN, Head, write_head};
use crate::last_readable::refused;
use crate::layout::{Layout, SegmentEntry};
use crate::recovery::{Action, Place, plan};
use crate::scan::{Numbers, Scan, scan};
use crate::sealed::{Keep, Sealed};
use crate::segment::{Access, Files, OpenSegment, positions, refusal};
use crate::streams::Streams;
use evlog_format::limits::{SEGMENT_LIMIT_MAX, SEGMENT_LIMIT_MIN};
use evlog_format::{LogId, LogIdentity, Position, Root, SEGMENT_HEADER_LEN, SegmentHeader, Seq};
use evlog_verify::{Frontier, Tree, Verdict};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The first bytes of the lock while a log is being made. If making the log is interrupted, even after the first byte, these
/// bytes show that the files are not the remains of a log.
const MAKING: &[u8] = b"making\n";

/// The longest `HEAD` or `LOCK` that is read, in bytes.
const NOTE_LEN_MAX: u64 = 64 * 1024;

/// The name of a copy in `quarantine/` until all of its bytes are kept.
const UNFINISHED_COPY: &str = "copy.tmp";

/// The options for creating a log.
#[derive(Clone, Copy, Debug)]
pub struct CreateOptions {
    /// The log's identity: 16 random bytes, drawn by the caller.
    pub log_id: LogId,
    /// The length at which segments end, in bytes (`limits::SEGMENT_LIMIT_MIN` to `SEGMENT_LIMIT_MAX`).
    pub segment_limit: u64,
}

/// Who holds the lock, for the message that another writer gets.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The program, with its version.
    pub program: String,
}

/// What opening a log found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Whether the previous session closed the log in order.
    pub clean_close: bool,
    /// The place where the log ends now.
    pub end: Position,
    /// What was cut from its end, if anything.
    pub cut: Option<Cut>,
}

/// Bytes cut from the end of the log: an unfinished commit that was never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Position of the first byte that was cut.
    pub position: Position,
    /// The number of bytes.
    pub len: u64,
    /// The place where they are kept, as a path within the log's directory.
    pub kept_as: String,
    /// The reason why reading stopped there.
    pub reason: String,
}

/// Everything that a writer needs to begin.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) files: Files,
    pub(crate) lock: Box<dyn Lock>,
    /// Header of the last segment.
    pub(crate) header: SegmentHeader,
    /// The last segment.
    pub(crate) file: Arc<dyn File>,
    pub(crate) head: Arc<dyn File>,
    /// The place where the log ends. All bytes before it are synced.
    pub(crate) end: Position,
    /// The last commit, if the last segment has one.
    pub(crate) last_commit: Option<Position>,
    pub(crate) next_seq: Seq,
    /// The tree over all bytes up to `end`.
    pub(crate) tree: Tree,
    pub(crate) streams: Streams,
    pub(crate) sealed: Sealed,
}

/// Makes a log.
pub(crate) fn create(files: Files, options: CreateOptions, owner: &Owner) -> Result<Opened, OpenError> {
    let CreateOptions { log_id, segment_limit } = options;
    if !(SEGMENT_LIMIT_MIN..=SEGMENT_LIMIT_MAX).contains(&segment_limit) {
        return Err(OpenError::SegmentLimit { found: segment_limit });
    }
    let dir = files.layout.dir().to_path_buf();
    refuse_second(&files)?;
    files.fs.create_dir(&dir).map_err(Failure::of("create", &dir))?;
    let files = Files::held(files.fs, &dir)?;
    refuse_second(&files)?;
    let segments = files.layout.segments();
    files.fs.create_dir(segments).map_err(Failure::of("create", segments))?;
    let making = format!("{}{}", String::from_utf8_lossy(MAKING), note(owner));
    let lock = take_lock_with(&files, &making)?;
    if !matches!(traces(&files)?, Traces::Nothing) {
        return Err(OpenError::Exists { path: dir });
    }
    let header =
        SegmentHeader { log_id, segment_limit, position: Position(0), first_seq: Seq(0), root_before: Root::EMPTY };
    // `HEAD` and the lock get their names before the first segment makes this directory a log.
    let head = open_head(&files)?;
    files.fs.sync_dir(&dir).map_err(Failure::of("sync", &dir))?;
    let file = files.create(&header)?;
    lock.say(&note(owner)).map_err(Failure::of("write", &files.layout.lock()))?;
    let mut tree = Tree::new();
    tree.update(&header.encode());
    let end = Position(SEGMENT_HEADER_LEN as u64);
    let sealed = Sealed::new(header.identity(), Keep::Sidecar, &[]);
    let (next_seq, last_commit, streams) = (Seq(0), None, Streams::default());
    let opened = Opened { files, lock, header, file, head, end, last_commit, next_seq, tree, streams, sealed };
    opened.publish()?;
    Ok(opened)
}

/// Refuses a directory that holds a log, or the remains of a log.
fn refuse_second(files: &Files) -> Result<(), OpenError> {
    match traces(files)? {
        Traces::Nothing => Ok(()),
        Traces::Log => Err(OpenError::Exists { path: files.layout.dir().to_path_buf() }),
        Traces::Remains(name) => Err(headless(files, &name).into()),
    }
}

/// What a directory holds of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Traces {
    /// Nothing, or only files of a log whose making was never finished.
    Nothing,
    /// The first segment.
    Log,
    /// There is no first segment, but this file, which only a log has.
    Remains(String),
}

/// Looks for files of a log. A directory with such files, but without the first segment, is not a place for a new log. Its
/// segments were removed or moved, and the other files are evidence of how much there was.
pub(crate) fn traces(files: &Files) -> Result<Traces, Failure> {
    if has_first(files)? {
        return Ok(Traces::Log);
    }
    match remains(files)? {
        // If a writer is making the log now, the first segment gets its name before any other file of the log.
        Traces::Remains(_) if has_first(files)? => Ok(Traces::Log),
        found => Ok(found),
    }
}

fn has_first(files: &Files) -> Result<bool, Failure> {
    let first = files.layout.segment(Position(0));
    match files.fs.id(&first) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(Failure::of("look for", &first)(error)),
    }
}

/// Looks for files of a log other than its first segment.
fn remains(files: &Files) -> Result<Traces, Failure> {
    let being_made = SegmentEntry::Unfinished(Position(0));
    if let Some(entry) = files.entries()?.into_iter().find(|entry| *entry != being_made) {
        return Ok(Traces::Remains(format!("segments/{}", entry.name())));
    }
    let kept = |dir: PathBuf, is_kept: &dyn Fn(&str) -> bool| match files.fs.list(&dir) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        listed => Ok(listed.map_err(Failure::of("list", &dir))?.into_iter().find(|name| is_kept(name))),
    };
    if let Some(name) = kept(files.layout.checkpoints(), &Layout::is_checkpoint)? {
        return Ok(Traces::Remains(format!("checkpoints/{name}")));
    }
    if let Some(name) = kept(files.layout.quarantine(), &Layout::is_quarantined)? {
        return Ok(Traces::Remains(format!("quarantine/{name}")));
    }
    let has = |path: &Path, is_of_a_log: &dyn Fn(&[u8]) -> bool| match files.fs.open_read(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        opened => {
            let read = opened.and_then(|file| file.read_to_end(NOTE_LEN_MAX));
            Ok(is_of_a_log(&read.map_err(Failure::of("read", path))?))
        }
    };
    // Both files get their names before the first segment does, and get their contents only after it.
    if has(&files.layout.head(), &|bytes| !bytes.is_empty())? {
        return Ok(Traces::Remains("HEAD".into()));
    }
    let lasts = |bytes: &[u8]| !bytes.starts_with(MAKING) && !MAKING.starts_with(bytes);
    Ok(if has(&files.layout.lock(), &lasts)? { Traces::Remains("LOCK".into()) } else { Traces::Nothing })
}

/// The verdict on a directory that holds files of a log, but not its first segment.
fn headless(files: &Files, name: &str) -> Trouble {
    let path = files.layout.segment(Position(0));
    let expected = format!("the log's first segment, since `{name}` is there");
    refusal(Verdict::Truncated, Position(0), &path, expected, "no such file".into())
}

/// Checks that there is a log. A directory that holds files of a log, but not its first segment, is refused with a
/// verdict.
pub(crate) fn begun(files: &Files) -> Result<(), OpenError> {
    match traces(files)? {
        Traces::Log => Ok(()),
        Traces::Nothing => Err(OpenError::NoLog { path: files.layout.dir().to_path_buf() }),
        Traces::Remains(name) => Err(headless(files, &name).into()),
    }
}

/// Returns why there is no log in `dir`, if there is none.
pub fn find_log(fs: Arc<dyn Fs>, dir: &Path) -> Result<(), OpenError> {
    begun(&Files::new(fs, dir))
}

/// Opens a log, and recovers it if the previous session did not close it.
pub(crate) fn open(fs: Arc<dyn Fs>, dir: &Path, owner: &Owner) -> Result<(Opened, Recovery), OpenError> {
    begun(&Files::new(Arc::clone(&fs), dir))?;
    let files = Files::held(fs, dir)?;
    begun(&files)?;
    let lock = take_lock(&files, owner)?;
    open_locked(files, lock)
}

/// Opens a log whose lock the caller holds.
pub(crate) fn open_locked(files: Files, lock: Box<dyn Lock>) -> Result<(Opened, Recovery), OpenError> {
    let (entries, segment) = last_segment(&files)?;
    files.check_sealed_lens(&positions(&entries))?;
    let last = segment.header.position;
    let len = segment.file.len().map_err(Failure::of("read", &files.layout.segment(last)))?;
    let hint = files.head(segment.header.log_id)?;
    match closed_end(&files, &segment, len, hint, &entries) {
        Some(closed) => resume(files, lock, &entries, segment, closed),
        None => recover(files, lock, &entries, segment, len, hint),
    }
}

/// How often we look for the last segment if another process adds segments meanwhile.
const ATTEMPTS: usize = 20;

/// The last segment, opened for writing and locked. The process that holds its lock is the writer, even if `LOCK` was
/// removed.
fn last_segment(files: &Files) -> Result<(Vec<SegmentEntry>, OpenSegment), OpenError> {
    for _ in 0..ATTEMPTS {
        begun(files)?;
        let entries = files.entries()?;
        let all = positions(&entries);
        let Some(last) = all.last().copied() else { continue };
        let opened = files.open(last, Access::Write);
        let opened = opened.and_then(|open| files.check_continues(&all, &open.header).map(|()| open));
        let mut segment = opened.map_err(|flaw| refused(files, &all, flaw))?;
        let claimed = claim(files, segment.file.as_ref(), last)?;
        // The process that released it may have made another segment after we listed the segments.
        if files.segments()?.last() != Some(&last) {
            continue;
        }
        if claimed == Claim::HeldByReaders {
            // We make a copy, lock it, and give it the file's name. No reader holds the lock of the copy.
            let len = segment.file.len().map_err(Failure::of("read", &files.layout.segment(last)))?;
            segment.file = files.remake(last, segment.file.as_ref(), len)?;
        }
        return Ok((entries, segment));
    }
    // The lock of a full segment is released at once, so it says nothing about the writer, which continues in the next
    // segment.
    Err(OpenError::Locked { path: files.layout.dir().to_path_buf(), pid: None, program: None })
}

/// Takes the lock of the last segment; fails if a writer holds it.
pub(crate) fn claim(files: &Files, file: &dyn File, position: Position) -> Result<Claim, OpenError> {
    match file.try_lock().map_err(Failure::of("lock", &files.layout.segment(position)))? {
        Claim::HeldByWriter => {
            Err(OpenError::Locked { path: files.layout.dir().to_path_buf(), pid: None, program: None })
        }
        other => Ok(other),
    }
}

/// Continues where a clean close left the log, without a scan.
fn resume(
    files: Files,
    lock: Box<dyn Lock>,
    entries: &[SegmentEntry],
    segment: OpenSegment,
    closed: ClosedEnd,
) -> Result<(Opened, Recovery), OpenError> {
    let OpenSegment { file, header } = segment;
    let end = closed.end();
    let mut sealed = Sealed::new(header.identity(), Keep::Sidecar, &positions(entries));
    sealed.set_closed(header.position, end);
    sealed.complete(&files, entries)?;
    tidy(&files, entries, &[]);
    let head = open_head(&files)?;
    let (streams, last_commit) = (Streams::default(), Some(closed.last_commit));
    let ClosedEnd { next_seq, tree, .. } = closed;
    let opened = Opened { files, lock, header, file, head, end, last_commit, next_seq, tree, streams, sealed };
    Ok((opened, Recovery { clean_close: true, end, cut: None }))
}

/// Scans the last segment, and does what the recovery table says.
fn recover(
    files: Files,
    lock: Box<dyn Lock>,
    entries: &[SegmentEntry],
    segment: OpenSegment,
    len: u64,
    hint: Option<Head>,
) -> Result<(Opened, Recovery), OpenError> {
    let OpenSegment { file, header } = segment;
    let (last, segments) = (header.position, positions(entries));
    let path = files.layout.segment(last);
    let mut sealed = Sealed::new(header.identity(), Keep::Sidecar, &segments);

    let (mut tree, frontiers) = match files.tree_before(&header, &segments) {
        Err(Trouble::Refused(refusal)) if refusal.verdict == Verdict::Tampered => {
            check_sealed(&files, header.identity(), &segments)?;
            return Err(Trouble::Refused(refusal).into());
        }
        Err(trouble) => return Err(trouble.into()),
        Ok(found) => found,
    };
    let mut streams = Streams::default();
    let scan =
        scan(&file, &header, len, Numbers::Dense, &mut streams, Some(&mut tree)).map_err(Failure::of("read", &path))?;
    let floor = hint.map_or(Position(0), |head| head.durable);
    let action = plan(scan.case(Place::Last, floor)).action;
    if let Action::Refuse(verdict) = action {
        let floor = floor.max(scan.floor);
        let expected = format!("whole commits, because all was synced up to position {floor}");
        return Err(refusal(verdict, scan.end, &path, expected, scan.reason).into());
    }
    sealed.complete(&files, entries)?;

    let clean_close = scan.end == scan.file_end && hint.is_some_and(|head| head.closed && head.committed == scan.end);
    let head = open_head(&files)?;
    let said = hint.unwrap_or_else(|| all_before(&header));
    let (file, cut) = if said.sync_failed {
        remake(&files, &file, last, &scan, action)?
    } else {
        let cut = apply(&files, &file, last, &scan, action)?;
        if !clean_close {
            settle(&files, file.as_ref(), head.as_ref(), last, said)?;
        }
        (file, cut)
    };
    tidy(&files, entries, &frontiers);
    let (end, next_seq, last_commit) = (scan.end, scan.next_seq, scan.last_commit);
    if let Some(last_commit) = last_commit.filter(|_| clean_close) {
        let closed = ClosedEnd { last_commit, next_seq, tree: tree.clone() };
        sealed.close(&files, last, &closed, &mut streams)?;
    }
    let opened = Opened { files, lock, header, file, head, end, last_commit, next_seq, tree, streams, sealed };
    if !clean_close {
        opened.publish()?;
    }
    Ok((opened, Recovery { clean_close, end, cut }))
}

/// Called when a root differs. If frames of the segment fail their own checks, the bytes are damaged, and that is the verdict.
/// Otherwise the verdict is tampering, because somebody who tampers makes the frames match.
fn check_sealed(files: &Files, log: LogIdentity, segments: &[Position]) -> Result<(), Trouble> {
    for pair in segments.windows(2) {
        let (path, open) = (files.layout.segment(pair[0]), files.open_of(log, pair[0])?);
        let len = pair[1].0 - pair[0].0;
        let scan = scan(&open.file, &open.header, len, Numbers::Dense, &mut Streams::default(), None);
        let scan = scan.map_err(Failure::of("read", &path))?;
        if let Action::Refuse(verdict) = plan(scan.case(Place::Sealed, pair[1])).action {
            return Err(refusal(verdict, scan.end, &path, "a commit".to_string(), scan.reason));
        }
    }
    Ok(())
}

impl Opened {
    fn publish(&self) -> Result<(), Failure> {
        let (durable, committed, log_id) = (self.end, self.end, self.header.log_id);
        let head = Head { log_id, durable, committed, next_seq: self.next_seq, closed: false, sync_failed: false };
        let path = self.files.layout.head();
        write_head(self.head.as_ref(), &head).map_err(Failure::of("write", &path))
    }
}

/// Opens `HEAD` for writing. An existing `HEAD` stays as it is, because it may say that the log was closed cleanly.
pub(crate) fn open_head(files: &Files) -> Result<Arc<dyn File>, Failure> {
    let path = files.layout.head();
    let file = match files.fs.open_write(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return files.fs.create(&path).map_err(Failure::of("create", &path));
        }
        opened => opened.map_err(Failure::of("open", &path))?,
    };
    if file.len().map_err(Failure::of("read", &path))? > HEAD_LEN as u64 {
        file.set_len(HEAD_LEN as u64).map_err(Failure::of("cut", &path))?;
    }
    Ok(file)
}

pub(crate) fn take_lock(files: &Files, owner: &Owner) -> Result<Box<dyn Lock>, OpenError> {
    take_lock_with(files, &note(owner))
}

fn take_lock_with(files: &Files, note: &str) -> Result<Box<dyn Lock>, OpenError> {
    let path = files.layout.lock();
    match files.fs.lock(&path, note).map_err(Failure::of("lock", &path))? {
        LockAttempt::Taken(lock) => Ok(lock),
        LockAttempt::HeldBy(text) => {
            let (pid, program) = holder(&text);
            Err(OpenError::Locked { path: files.layout.dir().to_path_buf(), pid, program })
        }
    }
}

/// The text that a writer leaves in the lock.
fn note(owner: &Owner) -> String {
    format!("pid={}\nprogram={}\n", std::process::id(), owner.program)
}

/// Process id and program, as a writer leaves them in the lock.
pub(crate) fn holder(text: &str) -> (Option<u32>, Option<String>) {
    let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_string);
    (line("pid=").and_then(|pid| pid.parse().ok()), line("program="))
}

/// Carries out what the recovery table says about the last segment.
fn apply(
    files: &Files,
    file: &Arc<dyn File>,
    segment: Position,
    scan: &Scan,
    action: Action,
) -> Result<Option<Cut>, OpenError> {
    let kept_as = match action {
        Action::Keep | Action::Refuse(_) => return Ok(None),
        Action::Trim => None,
        Action::Cut => Some(quarantine(files, file.as_ref(), segment, (scan.end, scan.file_end))?),
    };
    let path = files.layout.segment(segment);
    file.set_len(scan.end.0 - segment.0).map_err(Failure::of("cut", &path))?;
    Ok(kept_as.map(|kept_as| cut_of(scan, kept_as)))
}

fn cut_of(scan: &Scan, kept_as: String) -> Cut {
    let len = scan.file_end.0 - scan.end.0;
    Cut { position: scan.end, len, kept_as, reason: scan.reason.clone() }
}

/// Syncs what the previous session left. It may have been killed after it wrote commits and before it synced them, or after it
/// named the segment and before it synced the name. From here on we rely on both.
fn settle(files: &Files, file: &dyn File, head: &dyn File, segment: Position, said: Head) -> Result<(), Failure> {
    let (path, dir) = (files.layout.segment(segment), files.layout.segments());
    // COMMIT POINT: of the cut, if there was one. Before this point, the next open finds the same tail again.
    file.sync_data().map_err(|source| {
        head.write_at(&Head { closed: false, sync_failed: true, ..said }.encode(), 0).ok();
        Failure::of("sync", &path)(source)
    })?;
    files.fs.sync_dir(dir).map_err(Failure::of("sync", dir))
}

/// What is known about a log without a `HEAD`: all bytes before its last segment were synced.
fn all_before(header: &SegmentHeader) -> Head {
    let (log_id, durable, next_seq) = (header.log_id, header.position, header.first_seq);
    Head { log_id, durable, committed: durable, next_seq, closed: false, sync_failed: false }
}

/// Called after a sync that failed: bytes that can be read may not be on the disk, and no later sync would write them. So this
/// writes a copy of the segment, without the bytes that the table cuts. Writing in place could tear acknowledged commits.
fn remake(
    files: &Files,
    file: &Arc<dyn File>,
    segment: Position,
    scan: &Scan,
    action: Action,
) -> Result<(Arc<dyn File>, Option<Cut>), Failure> {
    let kept_as = if action == Action::Cut {
        Some(quarantine(files, file.as_ref(), segment, (scan.end, scan.file_end))?)
    } else {
        None
    };
    // COMMIT POINT: in `remake`, where the copy gets the segment's name.
    let made = files.remake(segment, file.as_ref(), scan.end.0 - segment.0)?;
    Ok((made, kept_as.map(|kept_as| cut_of(scan, kept_as))))
}

/// Copies a part of a segment and syncs the copy, before that part is cut. Returns the copy's path within the log
/// directory.
pub(crate) fn quarantine(
    files: &Files,
    file: &dyn File,
    segment: Position,
    (from, to): (Position, Position),
) -> Result<String, Failure> {
    let dir = files.layout.quarantine();
    files.fs.create_dir(&dir).map_err(Failure::of("create", &dir))?;
    let kept_as = free_name(files, from)?;
    let (path, source) = (files.layout.dir().join(&kept_as), files.layout.segment(segment));
    let unfinished = files.layout.quarantine().join(UNFINISHED_COPY);
    let copied = files.create_anew(&unfinished).and_then(|made| {
        let source = Side { file, path: &source, offset: from.0 - segment.0 };
        copy_all(source, Side { file: made.as_ref(), path: &unfinished, offset: 0 }, to.0 - from.0)
    });
    let named = copied.and_then(|()| files.fs.name(&unfinished, &path).map_err(Failure::of("name", &path)));
    if let Err(failure) = named {
        // Half a copy is of no use, and the disk may be full.
        files.fs.remove(&unfinished).ok();
        return Err(failure);
    }
    files.fs.sync_dir(&dir).map_err(Failure::of("sync", &dir))?;
    Ok(kept_as)
}

/// The name for the next copy of bytes that begin at this position.
pub(crate) fn free_name(files: &Files, from: Position) -> Result<String, Failure> {
    let dir = files.layout.quarantine();
    let taken = match files.fs.list(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(Failure::of("list", &dir))?,
    };
    let is_free = |name: &String| !taken.iter().any(|other| name.ends_with(&format!("/{other}")));
    let Some(kept_as) = (0..=u64::MAX).map(|n| Layout::quarantined(from, n)).find(is_free) else {
        unreachable!("there are more numbers than files")
    };
    Ok(kept_as)
}

/// Writes the tree sidecars that were made again, and removes what an interrupted roll left. The log works without that, so
/// after a failure here the next open tries again.
fn tidy(files: &Files, entries: &[SegmentEntry], frontiers: &[Frontier]) {
    for frontier in frontiers {
        files.keep_sidecar(SegmentEntry::Tree(Position(frontier.size())), &frontier.encode()).ok();
    }
    for entry in entries {
        if entry.is_unfinished() {
            files.fs.remove(&files.layout.entry(*entry)).ok();
        }
    }
}
