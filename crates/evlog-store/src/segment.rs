//! Segment files and their `.tree` sidecars: makes, lists and opens them.
//!
//! Invariants:
//! - A segment file has its whole header before it has its name, and its name is synced before it gets a commit. The segment
//!   before it was synced first. So only the last segment can hold an unfinished commit.
//! - A frontier from a sidecar is used only if its root is the one in the segment's header.

use crate::copy::{Side, copy_all};
use crate::error::{Failure, Refusal, Trouble};
use crate::fs::{Claim, File, FileId, Fs, Stamp};
use crate::head::{HEAD_LEN, Head};
use crate::last_commit::seq_after;
use crate::layout::{Layout, SegmentEntry};
use evlog_format::{
    FORMAT_VERSION, HeaderError, LogId, LogIdentity, Position, Root, SEGMENT_HEADER_LEN, SegmentHeader, Seq,
};
use evlog_verify::audit::only_version_is_wrong;
use evlog_verify::{Frontier, Tree, Verdict};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How much is hashed at once, in bytes.
const CHUNK: u64 = 1024 * 1024;

/// How often we make a file again if another process locks it before we do.
const ATTEMPTS: usize = 20;

/// A log's files and their paths.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) layout: Layout,
    /// The stamps of a reader's sealed segments at the time when it listed them.
    listed: Arc<BTreeMap<Position, Stamp>>,
}

/// A segment file whose header was read.
#[derive(Clone, Debug)]
pub(crate) struct OpenSegment {
    pub(crate) file: Arc<dyn File>,
    pub(crate) header: SegmentHeader,
}

/// Whether a file will be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Checks that a path still names the file to which we write.
pub(crate) fn check_path(fs: &dyn Fs, path: &Path, id: FileId, of: &str) -> Result<(), Failure> {
    let source = match fs.id(path) {
        Ok(found) if found == id => return Ok(()),
        Ok(_) => io::Error::other(format!("another file has its place: {of} was replaced while it was written")),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            io::Error::new(error.kind(), format!("it is gone: {of} was removed or moved while it was written"))
        }
        Err(error) => error,
    };
    Err(Failure { doing: "go on with", path: path.to_path_buf(), source })
}

/// What differs between the log that is read and the log that a header names (rule F-12), as expected and found; `None` if
/// nothing differs.
pub(crate) fn identity_flaw(log: LogIdentity, found: LogIdentity) -> Option<(String, String)> {
    let (id, limit) = (|of: LogIdentity| format!("log id {}", of.log_id), "segment size limit");
    if log.log_id != found.log_id {
        return Some((format!("{} (F-12)", id(log)), id(found)));
    }
    let differ = log.segment_limit != found.segment_limit;
    differ.then(|| (format!("{limit} {} (F-12)", log.segment_limit), format!("{limit} {}", found.segment_limit)))
}

impl Files {
    /// The files of a log, reached by their paths.
    pub(crate) fn new(fs: Arc<dyn Fs>, dir: &Path) -> Files {
        Files { fs, layout: Layout::new(dir), listed: Arc::default() }
    }

    /// The files of a log, reached by the handle of the directory that has this path now.
    pub(crate) fn held(fs: Arc<dyn Fs>, dir: &Path) -> Result<Files, Failure> {
        let held = fs.hold(dir).map_err(Failure::of("open", dir))?;
        Ok(Files::new(held.unwrap_or(fs), dir))
    }

    /// Checks that the path of a segment still names this file. If the log's directory was removed, moved or replaced, nobody
    /// finds its commits at the path, so no commit may be acknowledged.
    pub(crate) fn check_ours(&self, position: Position, id: FileId) -> Result<(), Failure> {
        check_path(self.fs.as_ref(), &self.layout.segment(position), id, "the log")
    }

    /// Checks that `segments/` is a directory and not a link to one, because other readers would not follow the link.
    pub(crate) fn check_dirs(fs: &Arc<dyn Fs>, dir: &Path) -> Result<(), Failure> {
        match fs.hold(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            held => match held.map_err(Failure::of("open", dir))? {
                Some(held) => Files::new(held, dir).entries().map(drop),
                None => Ok(()),
            },
        }
    }

    /// Records the stamps of these sealed segments, so that a later change is noticed. Stamps that were recorded before are
    /// kept.
    pub(crate) fn list_sealed(&mut self, sealed: impl Iterator<Item = Position>) -> Result<(), Failure> {
        let mut listed = BTreeMap::clone(&self.listed);
        for position in sealed {
            if let Entry::Vacant(new) = listed.entry(position) {
                let path = self.layout.segment(position);
                new.insert(self.fs.stamp(&path).map_err(Failure::of("look at", &path))?);
            }
        }
        self.listed = Arc::new(listed);
        Ok(())
    }

    /// Checks that a sealed segment is the file that was listed, and unchanged. Another file, or other bytes, may belong to
    /// another log with the same ids, seqs and checksums.
    pub(crate) fn check_listed(&self, position: Position, file: &dyn File) -> Result<(), Trouble> {
        let Some(listed) = self.listed.get(&position) else { return Ok(()) };
        let path = self.layout.segment(position);
        let found = file.stamp().map_err(Failure::of("look at", &path))?;
        if found == *listed {
            return Ok(());
        }
        if found.id == listed.id && found.len < listed.len {
            self.check_sealed_len(file, position, Position(position.0 + listed.len))?;
        }
        let changed = "it is another file, or was written to: the log was replaced or changed while it was read";
        Err(Failure { doing: "go on with", path, source: io::Error::other(changed) }.into())
    }

    /// The entries of `segments/`, in order of kind and position; empty if there is no such directory.
    pub(crate) fn entries(&self) -> Result<Vec<SegmentEntry>, Failure> {
        let dir = self.layout.segments();
        let names = match self.fs.list(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(Failure::of("list", dir))?,
        };
        let mut entries: Vec<SegmentEntry> = names.iter().filter_map(|name| SegmentEntry::parse(name)).collect();
        entries.sort_unstable();
        Ok(entries)
    }

    /// Whether a writer holds the log's lock, or, if `LOCK` was removed, the lock of its last segment.
    pub(crate) fn has_writer(&self) -> io::Result<bool> {
        if self.fs.is_locked(&self.layout.lock())? {
            return Ok(true);
        }
        let last = self.segments().map_err(|failure| failure.source)?.pop();
        let Some(last) = last.map(|last| self.layout.segment(last)) else { return Ok(false) };
        match self.fs.open_read(&last) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            opened => opened?.is_locked(),
        }
    }

    /// Positions of the segments, in order.
    pub(crate) fn segments(&self) -> Result<Vec<Position>, Failure> {
        Ok(positions(&self.entries()?))
    }

    /// Opens a segment and reads its header.
    pub(crate) fn open(&self, position: Position, access: Access) -> Result<OpenSegment, Trouble> {
        let path = self.layout.segment(position);
        let file = match access {
            Access::Read => self.fs.open_read(&path),
            Access::Write => self.fs.open_write(&path),
        };
        let file = file.map_err(Failure::of("open", &path))?;
        self.check_listed(position, file.as_ref())?;
        let mut bytes = [0u8; SEGMENT_HEADER_LEN];
        let read = file.read_full_at(&mut bytes, 0).map_err(Failure::of("read", &path))?;
        let header = match SegmentHeader::decode(&bytes[..read]) {
            Ok(header) => header,
            // Rule F-11: the version in the first header is the log's version. A later header with another version is damage.
            Err(HeaderError::Version { found }) if position == Position(0) && !only_version_is_wrong(&bytes) => {
                return Err(Trouble::Version { path, found });
            }
            Err(error) => {
                let expected = "a segment header".to_string();
                return Err(refusal(
                    Verdict::Damaged,
                    position,
                    &path,
                    expected,
                    header_words(&error, position, &bytes),
                ));
            }
        };
        if header.position != position {
            let expected = format!("a segment that begins at position {position}, as the name says");
            let found = format!("one that begins at {}", header.position);
            return Err(self.tampered(position, expected, found));
        }
        Ok(OpenSegment { file, header })
    }

    /// The flaw because of which the last of these segments cannot be opened. If it is damage, and bytes that `HEAD` of this
    /// log calls durable are missing at the log's end, the verdict is the worse one (F-26).
    pub(crate) fn flaw_of_last(&self, segments: &[Position], durable: Option<Position>, mut flaw: Trouble) -> Trouble {
        if let Trouble::Refused(refusal) = &mut flaw
            && refusal.verdict == Verdict::Damaged
            && let Some(durable) = durable
            && let Some(end) = self.end_of(segments).filter(|end| *end < durable)
        {
            refusal.verdict = Verdict::Truncated;
            refusal.hint = refusal.verdict.advice().to_string();
            let Refusal { expected, found, .. } = &**refusal;
            let expected = format!("{expected}, and at least {durable} bytes, which `HEAD` calls durable");
            (refusal.expected, refusal.found) = (expected, format!("{found}, and {end} bytes"));
        }
        flaw
    }

    /// The place where the last of these segments ends.
    fn end_of(&self, segments: &[Position]) -> Option<Position> {
        let [.., before, last] = segments else { return None };
        let len_of = |at: Position| self.fs.open_read(&self.layout.segment(at)).and_then(|file| file.len()).ok();
        let len = len_of(*last)?;
        // A file that is shorter than a header begins where the segment before it ends, even if its name says otherwise. An
        // audit counts in the same way.
        let is_short = len < SEGMENT_HEADER_LEN as u64;
        let base = if is_short { before.0.saturating_add(len_of(*before)?) } else { last.0 };
        Some(Position(base.saturating_add(len)))
    }

    /// Opens a segment of this log.
    pub(crate) fn open_of(&self, log: LogIdentity, position: Position) -> Result<OpenSegment, Trouble> {
        let segment = self.open(position, Access::Read)?;
        self.check_identity(log, &segment.header)?;
        Ok(segment)
    }

    /// Checks that a segment belongs to this log (rule F-12).
    fn check_identity(&self, log: LogIdentity, segment: &SegmentHeader) -> Result<(), Trouble> {
        match identity_flaw(log, segment.identity()) {
            Some((expected, found)) => Err(self.tampered(segment.position, expected, found)),
            None => Ok(()),
        }
    }

    /// Checks that the last of these segments belongs to the same log as the first (rule F-12), and its [first
    /// seq](Self::check_first_seq).
    pub(crate) fn check_continues(&self, segments: &[Position], last: &SegmentHeader) -> Result<(), Trouble> {
        let [first, .., _] = segments else { return Ok(()) };
        if let Ok(first) = self.open(*first, Access::Read) {
            self.check_identity(first.header.identity(), last)?;
        }
        self.check_first_seq(segments, last)
    }

    /// Checks that the last of these segments begins with the seq after the last commit of the segment before it (rule F-16).
    /// If that earlier segment is damaged or cannot be read, that is reported where it is read.
    pub(crate) fn check_first_seq(&self, segments: &[Position], last: &SegmentHeader) -> Result<(), Trouble> {
        let [.., before, _] = segments else { return Ok(()) };
        let after = self.seq_after(last.identity(), *before, last.position);
        let Some(expected) = after.filter(|expected| *expected != last.first_seq) else { return Ok(()) };
        let (expected, found) = (format!("first seq {expected} (F-16)"), format!("first seq {}", last.first_seq));
        Err(self.tampered(last.position, expected, found))
    }

    /// The seq after a segment of this log that ends at `end`; `None` if no commit is found there.
    pub(crate) fn seq_after(&self, log: LogIdentity, segment: Position, end: Position) -> Option<Seq> {
        let OpenSegment { file, header } = self.open_of(log, segment).ok()?;
        seq_after(file.as_ref(), &header, end.0.checked_sub(segment.0)?).ok().flatten()
    }

    fn tampered(&self, position: Position, expected: String, found: String) -> Trouble {
        refusal(Verdict::Tampered, position, &self.layout.segment(position), expected, found)
    }

    /// Makes a segment. When this returns, the segment survives a crash.
    pub(crate) fn create(&self, header: &SegmentHeader) -> Result<Arc<dyn File>, Failure> {
        let unfinished = self.layout.entry(SegmentEntry::Unfinished(header.position));
        let path = self.layout.segment(header.position);
        let file = self.create_anew(&unfinished)?;
        file.write_at(&header.encode(), 0).map_err(Failure::of("write", &unfinished))?;
        file.sync_data().map_err(Failure::of("sync", &unfinished))?;
        self.fs.name(&unfinished, &path).map_err(Failure::of("name", &path))?;
        let dir = self.layout.segments();
        // COMMIT POINT: the segment is part of the log.
        self.fs.sync_dir(dir).map_err(Failure::of("sync", dir))?;
        Ok(file)
    }

    /// Makes a file that will be renamed later, and replaces a file that an interrupted session left. We lock the new file, so
    /// that no other process holds its lock when it gets its name.
    pub(crate) fn create_anew(&self, unfinished: &Path) -> Result<Arc<dyn File>, Failure> {
        for _ in 0..ATTEMPTS {
            match self.fs.remove(unfinished) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Failure::of("remove", unfinished)(error));
                }
                _ => {}
            }
            let file = self.fs.create(unfinished).map_err(Failure::of("create", unfinished))?;
            // A process that watches the directory may have locked the file before us.
            if file.try_lock().map_err(Failure::of("lock", unfinished))? == Claim::Taken {
                return Ok(file);
            }
        }
        Err(Failure::of("lock", unfinished)(io::ErrorKind::WouldBlock.into()))
    }

    /// Replaces a segment with a synced copy of its first `len` bytes. When this returns, the copy survives a crash; a
    /// crash before that leaves the segment as it was.
    pub(crate) fn remake(&self, position: Position, file: &dyn File, len: u64) -> Result<Arc<dyn File>, Failure> {
        let unfinished = self.layout.entry(SegmentEntry::Unfinished(position));
        let path = self.layout.segment(position);
        let made = self.create_anew(&unfinished)?;
        let source = Side { file, path: &path, offset: 0 };
        copy_all(source, Side { file: made.as_ref(), path: &unfinished, offset: 0 }, len)?;
        self.fs.rename(&unfinished, &path).map_err(Failure::of("name", &path))?;
        let dir = self.layout.segments();
        self.fs.sync_dir(dir).map_err(Failure::of("sync", dir))?;
        Ok(made)
    }

    /// Writes a sidecar under another name, then renames it, so that readers see the old one or the new one. It is not synced:
    /// if a crash leaves only a part, its checksum does not match, and it is made again.
    pub(crate) fn keep_sidecar(&self, entry: SegmentEntry, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.layout.entry(entry);
        let unfinished = Layout::unfinished(&path);
        let written = self.create_anew(&unfinished).and_then(|file| {
            file.write_at(bytes, 0).map_err(Failure::of("write", &unfinished))?;
            self.fs.rename(&unfinished, &path).map_err(Failure::of("name", &path))
        });
        if written.is_err() {
            self.fs.remove(&unfinished).ok();
        }
        written
    }

    /// Reads a sidecar; `None` if it cannot be read for any reason, because it is then made again.
    pub(crate) fn sidecar(&self, entry: SegmentEntry, len_max: u64) -> Option<Vec<u8>> {
        self.fs.open_read(&self.layout.entry(entry)).ok()?.read_to_end(len_max).ok()
    }

    /// Reads `HEAD`; `None` if it is not there or not whole. If it is not whole, it is read up to three times, because a
    /// writer may be writing it now. If it is there and cannot be read, that is a failure: it may claim synced bytes, and we
    /// do not know how many.
    pub(crate) fn any_head(&self) -> Result<Option<Head>, Failure> {
        let path = self.layout.head();
        let file = match self.fs.open_read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(Failure::of("open", &path))?,
        };
        read_head(file.as_ref()).map_err(Failure::of("read", &path))
    }

    /// `HEAD`, for callers that can continue without it. If it is there and cannot be used, also the reason.
    pub(crate) fn usable_head(&self) -> (Option<Head>, Option<String>) {
        match self.any_head() {
            Ok(Some(head)) => (Some(head), None),
            Ok(None) => (None, self.head_flaw()),
            Err(failure) => (None, Some(failure.to_string())),
        }
    }

    /// Why a `HEAD` that can be read is not valid. An empty one is not a flaw: it is empty until it is first written.
    fn head_flaw(&self) -> Option<String> {
        let path = self.layout.head();
        let len = self.fs.open_read(&path).and_then(|file| file.len()).ok().filter(|len| *len > 0)?;
        Some(format!("`{}`: expected what a writer notes of the log, found other bytes, {len} of them", path.display()))
    }

    /// Reads `HEAD`; `None` also if it belongs to another log.
    pub(crate) fn head(&self, log_id: LogId) -> Result<Option<Head>, Failure> {
        Ok(self.any_head()?.filter(|head| head.log_id == log_id))
    }

    /// The tree over all bytes before a segment: from its sidecar, or hashed from the nearest earlier sidecar that is valid.
    /// Also returns the frontiers whose sidecars were missing on the way.
    pub(crate) fn tree_before(
        &self,
        header: &SegmentHeader,
        segments: &[Position],
    ) -> Result<(Tree, Vec<Frontier>), Trouble> {
        if let Some(tree) = self.frontier(header) {
            return Ok((tree, Vec::new()));
        }
        let before: Vec<Position> = segments.iter().copied().filter(|at| *at < header.position).collect();
        let (mut tree, mut from, mut missing) = (Tree::new(), 0, Vec::new());
        for (at, position) in before.iter().enumerate().rev() {
            if let Some(frontier) = self.frontier(&self.open_of(header.identity(), *position)?.header) {
                (tree, from) = (frontier, at);
                break;
            }
        }
        for (at, position) in before.iter().enumerate().skip(from) {
            let end = before.get(at + 1).copied().unwrap_or(header.position);
            self.hash(*position, end, &mut tree)?;
            missing.push(tree.frontier());
        }
        if tree.root() != header.root_before {
            let expected = format!("root {} over the {} bytes before it", header.root_before, header.position);
            let (path, found) = (self.layout.segment(header.position), format!("root {}", tree.root()));
            return Err(refusal(Verdict::Tampered, header.position, &path, expected, found));
        }
        Ok((tree, missing))
    }

    /// The tree before a segment from its sidecar, if its root equals the one in the header.
    pub(crate) fn frontier(&self, header: &SegmentHeader) -> Option<Tree> {
        if header.position == Position(0) && header.root_before == Root::EMPTY {
            return Some(Tree::new());
        }
        let bytes = self.sidecar(SegmentEntry::Tree(header.position), Frontier::ENCODED_LEN_MAX as u64)?;
        let frontier = Frontier::decode(&bytes).ok()?;
        let proves_itself = frontier.size() == header.position.0 && frontier.root() == header.root_before;
        proves_itself.then(|| Tree::resume(frontier))
    }

    /// Hashes a segment, and checks that it ends where the next one begins.
    fn hash(&self, position: Position, end: Position, tree: &mut Tree) -> Result<(), Trouble> {
        let path = self.layout.segment(position);
        let file = self.fs.open_read(&path).map_err(Failure::of("open", &path))?;
        self.check_sealed_len(file.as_ref(), position, end)?;
        let len = end.0 - position.0;
        let mut buf = vec![0; usize::try_from(len.min(CHUNK)).unwrap_or(0)];
        let mut offset = 0;
        while offset < len {
            let want = usize::try_from((len - offset).min(CHUNK)).unwrap_or(0);
            let read = file.read_full_at(&mut buf[..want], offset).map_err(Failure::of("read", &path))?;
            if read == 0 {
                self.check_sealed_len(file.as_ref(), position, end)?;
            }
            tree.update(&buf[..read]);
            offset += read as u64;
        }
        Ok(())
    }

    /// Checks that each of these segments, except the last, ends where the next one begins. Their contents are not read.
    pub(crate) fn check_sealed_lens(&self, segments: &[Position]) -> Result<(), Trouble> {
        for pair in segments.windows(2) {
            let path = self.layout.segment(pair[0]);
            let listed = self.listed.get(&pair[0]).copied();
            let stamp = listed.map_or_else(|| self.fs.stamp(&path), Ok).map_err(Failure::of("look at", &path))?;
            self.check_len(pair[0], pair[1], stamp.len).map_err(|wrong| self.no_file(pair[0]).unwrap_or(wrong))?;
        }
        Ok(())
    }

    /// The reason why a segment cannot be opened: what is no regular file has no length that says anything.
    fn no_file(&self, position: Position) -> Option<Trouble> {
        self.open(position, Access::Read).err().filter(|trouble| matches!(trouble, Trouble::Io(_)))
    }

    /// Checks that a segment ends where the next one begins.
    pub(crate) fn check_sealed_len(&self, file: &dyn File, position: Position, end: Position) -> Result<(), Trouble> {
        let found = file.len().map_err(Failure::of("read", &self.layout.segment(position)))?;
        self.check_len(position, end, found)
    }

    fn check_len(&self, position: Position, end: Position, found: u64) -> Result<(), Trouble> {
        let (path, expected) = (self.layout.segment(position), end.0 - position.0);
        if expected == found {
            return Ok(());
        }
        let verdict = if found < expected { Verdict::Truncated } else { Verdict::Damaged };
        let at = Position(position.0 + found.min(expected));
        let expected = format!("{expected} bytes, up to the next segment");
        Err(refusal(verdict, at, &path, expected, format!("{found} bytes")))
    }
}

/// Positions of the segments among entries.
pub(crate) fn positions(entries: &[SegmentEntry]) -> Vec<Position> {
    let segment = |entry: &SegmentEntry| if let SegmentEntry::Segment(at) = entry { Some(*at) } else { None };
    entries.iter().filter_map(segment).collect()
}

/// Why a header cannot be read, in words. Only the first header of a log can be reported as newer than this program.
pub(crate) fn header_words(error: &HeaderError, position: Position, bytes: &[u8]) -> String {
    match error {
        HeaderError::Version { found } if only_version_is_wrong(bytes) => {
            format!("one that states format version {found}, with the checksum of version {FORMAT_VERSION}")
        }
        HeaderError::Version { found } if position != Position(0) => {
            format!("one of format version {found}, in a log of version {FORMAT_VERSION}")
        }
        _ => error.to_string(),
    }
}

/// Reads `HEAD` from its open file.
pub(crate) fn read_head(file: &dyn File) -> io::Result<Option<Head>> {
    for _ in 0..3 {
        let mut bytes = [0u8; HEAD_LEN + 1];
        let read = file.read_full_at(&mut bytes, 0)?;
        if let Some(head) = Head::decode(&bytes[..read]) {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

/// Notes a failed sync in `HEAD`, for the session that opens the log while the machine still shows the bytes. If `HEAD` cannot
/// be read or written, there is no note.
pub(crate) fn distrust(head: &dyn File) {
    if let Ok(Some(said)) = read_head(head) {
        head.write_at(&Head { closed: false, sync_failed: true, ..said }.encode(), 0).ok();
    }
}

/// A refusal, with the advice that belongs to its verdict.
pub(crate) fn refusal(verdict: Verdict, position: Position, path: &Path, expected: String, found: String) -> Trouble {
    let hint = verdict.advice().to_string();
    Trouble::Refused(Box::new(Refusal { verdict, position, file: path.to_path_buf(), expected, found, hint }))
}
