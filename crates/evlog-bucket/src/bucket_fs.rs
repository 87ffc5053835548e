//! A bucket as a file system of the store: which path is what, and the session that writes.
//!
//! Segments are views of the groups' bytes. What a writer appends is collected in memory, and a sync creates the next group of
//! it. Sidecars and unfinished files are only in memory. Every other file is an object of its own, created if absent.

use crate::create::{Options, Outcome, create};
use crate::files::{Bytes, Draft, DraftFile, HeadFile, PollWatch, SegmentFile};
use crate::group::{GROUP_LEN_MAX, Group, name};
use crate::journal::{Journal, ahead, failed, more, walk, wrong};
use crate::store::{Fault, Store};
use evlog_format::{LogId, Position, SEGMENT_HEADER_LEN};
use evlog_store::fs::{File, FileId, Lock, LockAttempt, Overtaken, Stamp, Watch};
use evlog_store::layout::SegmentEntry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The longest object beside the groups that is read, in bytes.
const OTHER_LEN_MAX: u64 = 16 * 1024 * 1024;

/// A log in a bucket. Clones share what is known of it.
#[derive(Clone, Debug)]
pub struct BucketFs {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    dir: PathBuf,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) options: Options,
    /// Held while groups are looked for or created, so that only one of these is done at a time.
    net: Mutex<()>,
    pub(crate) state: Mutex<State>,
    /// How many watches look for new groups.
    pub(crate) watches: AtomicUsize,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) journal: Journal,
    /// Whether the store was asked for groups.
    is_probed: bool,
    session: Option<Session>,
    sessions: u64,
    /// Files that are only in memory, by path within the log.
    drafts: BTreeMap<String, Arc<Draft>>,
    /// The identities of the objects that this process made from drafts.
    made: BTreeMap<String, FileId>,
    files: u64,
    /// Why a watch could not look for new groups. The next reader of `HEAD` gets it.
    pub(crate) missed: Option<io::Error>,
}

/// What the writer of this process collects.
#[derive(Debug)]
struct Session {
    id: u64,
    owner: String,
    /// How many groups there are before what it collects.
    base: u64,
    /// Where they end.
    position: Position,
    bytes: Vec<u8>,
    /// Offsets in `bytes` where a segment begins.
    starts: Vec<u32>,
    /// Why it makes no further group.
    ended: Option<Ended>,
}

#[derive(Clone, Debug)]
enum Ended {
    Overtaken,
    Failed(String),
}

impl Ended {
    fn error(&self) -> io::Error {
        match self {
            Ended::Overtaken => io::Error::other(Overtaken),
            Ended::Failed(why) => io::Error::other(why.clone()),
        }
    }
}

/// What a path within the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    Head,
    Segment(Position),
    /// Only in memory.
    Draft(String),
    /// An object of its own.
    Object(String),
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn segment_id(position: Position) -> FileId {
    FileId(1, position.0)
}

pub(crate) const HEAD_ID: FileId = FileId(4, 0);

fn absent(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("`{}` is not in the bucket", path.display()))
}

impl Session {
    fn end(&self) -> Position {
        Position(self.position.0 + self.bytes.len() as u64)
    }

    fn starts(&self) -> impl Iterator<Item = Position> {
        self.starts.iter().map(|start| Position(self.position.0 + u64::from(*start)))
    }
}

impl State {
    /// Where a segment ends as this session sees it: with what it collected, and without what came from others meanwhile.
    fn session_end(&self, segment: Position, session: &Session) -> Option<Position> {
        let known = self.journal.segments.iter().copied().filter(|at| *at < session.position);
        let mut after = known.chain(session.starts()).skip_while(|at| *at < segment);
        let is_there = after.next() == Some(segment);
        is_there.then(|| after.next().unwrap_or_else(|| session.end()))
    }

    /// Where a segment ends, for the session that has it open, or for readers.
    pub(crate) fn segment_end(&self, segment: Position, session: Option<u64>) -> Option<Position> {
        match self.session.as_ref().filter(|current| Some(current.id) == session) {
            Some(session) => self.session_end(segment, session),
            None => self.journal.segment_end(segment),
        }
    }

    /// Bytes that this session collected, from a position on.
    pub(crate) fn collected(&self, session: Option<u64>, from: Position) -> Option<&[u8]> {
        let session = self.session.as_ref().filter(|current| Some(current.id) == session)?;
        session.bytes.get(usize::try_from(from.0.checked_sub(session.position.0)?).ok()?..)
    }

    fn current(&mut self, id: u64) -> io::Result<&mut Session> {
        match self.session.as_mut().filter(|session| session.id == id) {
            Some(Session { ended: Some(ended), .. }) => Err(ended.error()),
            Some(session) => Ok(session),
            None => Err(io::Error::other("the session that opened this file has ended")),
        }
    }
}

impl BucketFs {
    /// The log in this store whose paths begin with `dir`.
    pub fn new(store: Arc<dyn Store>, dir: &Path, options: Options) -> BucketFs {
        let (net, state, watches) = (Mutex::new(()), Mutex::default(), AtomicUsize::new(0));
        BucketFs { inner: Arc::new(Inner { dir: dir.to_path_buf(), store, options, net, state, watches }) }
    }

    fn within(&self, path: &Path) -> io::Result<String> {
        let within = path.strip_prefix(&self.inner.dir).ok().and_then(Path::to_str);
        within.map(str::to_string).ok_or_else(|| absent(path))
    }

    fn role(&self, path: &Path) -> io::Result<Role> {
        let within = self.within(path)?;
        let is_volatile = [".tmp", ".tree", ".idx", ".end"].iter().any(|suffix| within.ends_with(suffix));
        let entry = within.strip_prefix("segments/").and_then(SegmentEntry::parse);
        Ok(match entry {
            Some(SegmentEntry::Segment(position)) => Role::Segment(position),
            _ if within == "HEAD" => Role::Head,
            _ if is_volatile || within == "LOCK" => Role::Draft(within),
            _ => Role::Object(within),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.inner.state)
    }

    /// Asks the store for groups, if nobody did so yet.
    fn probe_once(&self) -> io::Result<()> {
        let is_probed = self.state().is_probed;
        if is_probed { Ok(()) } else { self.refresh() }
    }

    /// Finds the groups that the store has now. While this process writes, it sees the log as its session does: a create decides
    /// whether others were faster, and then the session ends.
    pub(crate) fn refresh(&self) -> io::Result<()> {
        let _net = lock(&self.inner.net);
        if self.state().session.as_ref().is_some_and(|session| session.ended.is_none()) {
            return Ok(());
        }
        // If this fails, the next call asks again, so that nobody takes an old end for the end.
        let is_first = !std::mem::take(&mut self.state().is_probed);
        self.find(if is_first { 4 } else { 1 })?;
        self.state().is_probed = true;
        Ok(())
    }

    /// Asks for groups after the last known one, so many at once, and for more while there are more.
    fn find(&self, mut at_once: usize) -> io::Result<()> {
        let mut from = self.state().journal.next();
        loop {
            let groups = ahead(self.inner.store.as_ref(), from, at_once)?;
            let (found, mut state) = (groups.len(), self.state());
            for group in groups {
                let object = name(state.journal.next());
                state.journal.add(group, self.inner.options.cache).map_err(|error| wrong(&object, &error))?;
            }
            from = state.journal.next();
            drop(state);
            if found < at_once {
                break;
            }
            at_once = more(found);
        }
        if from == 0 { self.check_empty() } else { Ok(()) }
    }

    /// Checks that there is no log, because its first group is absent. If a store refuses to list, nobody can know.
    fn check_empty(&self) -> io::Result<()> {
        let listed = self.inner.store.list("groups/").map_err(|fault| failed("groups/", &fault))?;
        match listed.first() {
            None => Ok(()),
            // The first group may have been created since we asked for it.
            Some(_) if self.inner.store.head(&name(0)).is_ok() => Ok(()),
            Some(other) => {
                let flaw = crate::group::flaw(format!("a group, because `{other}` is there"), "no such object");
                Err(wrong(&name(0), &flaw))
            }
        }
    }

    /// Collects bytes that continue the log.
    pub(crate) fn append(&self, session: u64, position: Position, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let session = state.current(session)?;
        if position != session.end() {
            let end = session.end();
            let refused = format!("a log in a bucket only grows: expected a write at position {end}, found {position}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, refused));
        }
        if (session.bytes.len() + bytes.len()) as u64 > GROUP_LEN_MAX {
            let refused = format!("a group has at most {GROUP_LEN_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, refused));
        }
        session.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// A segment begins at the end of what was collected, with these bytes.
    fn begin_segment(&self, position: Position, header: &[u8]) -> io::Result<u64> {
        let mut state = self.state();
        let Some(id) = state.session.as_ref().map(|session| session.id) else {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "a segment is made only by a writer"));
        };
        let session = state.current(id)?;
        if position != session.end() || header.len() != SEGMENT_HEADER_LEN {
            let refused = format!("a segment begins with its header where the log ends, at position {}", session.end());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, refused));
        }
        session.starts.push(u32::try_from(session.bytes.len()).unwrap_or(u32::MAX));
        session.bytes.extend_from_slice(header);
        Ok(id)
    }

    /// Creates the next group of what was collected. Returns when it is decided whether the group is in the log.
    pub(crate) fn commit(&self, id: u64) -> io::Result<()> {
        let _net = lock(&self.inner.net);
        let Some(group) = self.next_group(id)? else { return Ok(()) };
        let object = name(group.number);
        let outcome = create(self.inner.store.as_ref(), &self.inner.options, &object, &group);
        let mut state = self.state();
        let ended = match outcome {
            Outcome::Mine => {
                state.journal.add(group, self.inner.options.cache).map_err(|error| wrong(&object, &error))?;
                let (base, position) = (state.journal.next(), state.journal.end);
                let session = state.current(id)?;
                (session.base, session.position) = (base, position);
                session.bytes.clear();
                session.starts.clear();
                return Ok(());
            }
            Outcome::Others => Ended::Overtaken,
            Outcome::Refused(why) => Ended::Failed(format!("object `{object}` was not created: {why}")),
            Outcome::Unknown(why) => Ended::Failed(format!(
                "it is not known whether object `{object}` was created, and it may still be created later: {why}. Open the \
                 log again to see what it holds"
            )),
        };
        state.current(id)?.ended = Some(ended.clone());
        Err(ended.error())
    }

    /// The group of what was collected; `None` if nothing was.
    fn next_group(&self, id: u64) -> io::Result<Option<Group>> {
        let mut state = self.state();
        let next = state.journal.next();
        let (log_id, root_before) = (state.journal.log_id(), state.journal.tree.root());
        let first_seq = state.journal.next_seq;
        let session = state.current(id)?;
        if session.bytes.is_empty() {
            return Ok(None);
        }
        if session.base != next {
            session.ended = Some(Ended::Overtaken);
            return Err(Ended::Overtaken.error());
        }
        let mut try_id = [0; 16];
        getrandom::fill(&mut try_id).map_err(|error| io::Error::other(format!("no random bytes: {error}")))?;
        let (number, position) = (next, session.position);
        let (starts, bytes, unknown) = (session.starts.clone(), session.bytes.clone(), LogId([0; 16]));
        let mut group = Group {
            log_id: log_id.unwrap_or(unknown),
            number,
            first_seq,
            position,
            root_before,
            try_id,
            starts,
            bytes,
        };
        let walked = walk(&group, log_id).map_err(|error| wrong(&name(number), &error))?;
        group.log_id = walked.log_id;
        Ok(Some(group))
    }

    fn draft(&self, within: String) -> io::Result<Arc<Draft>> {
        let mut state = self.state();
        if state.drafts.contains_key(&within) || self.derived(&state, &within).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.files += 1;
        let draft = Arc::new(Draft::new(FileId(2, state.files)));
        state.drafts.insert(within, Arc::clone(&draft));
        Ok(draft)
    }

    /// The byte tree before a segment, which is known from its groups.
    fn derived(&self, state: &State, within: &str) -> Option<Vec<u8>> {
        match within.strip_prefix("segments/").and_then(SegmentEntry::parse)? {
            SegmentEntry::Tree(position) => state.journal.trees.get(&position).cloned(),
            _ => None,
        }
    }

    /// Gives a draft its final name.
    fn settle(&self, from: &Path, to: &Path, replaces: bool) -> io::Result<()> {
        let Role::Draft(within) = self.role(from)? else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "an object has one name for ever"));
        };
        let draft = self.state().drafts.get(&within).cloned().ok_or_else(|| absent(from))?;
        match self.role(to)? {
            Role::Head => return Err(io::ErrorKind::Unsupported.into()),
            Role::Segment(position) => {
                let session = self.begin_segment(position, &draft.bytes())?;
                draft.become_segment(position, session);
            }
            Role::Draft(to) => {
                let mut state = self.state();
                if !replaces && state.drafts.contains_key(&to) {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                state.drafts.insert(to, Arc::clone(&draft));
            }
            Role::Object(to) => {
                self.put_object(&to, &draft.bytes())?;
                self.state().made.insert(to, draft.id());
            }
        }
        self.state().drafts.remove(&within);
        Ok(())
    }

    /// Creates an object that is not a group. An object that has the same bytes counts as this one.
    fn put_object(&self, object: &str, bytes: &[u8]) -> io::Result<()> {
        let fault = match self.inner.store.create(object, bytes) {
            Ok(()) => return Ok(()),
            Err(fault @ (Fault::Condition | Fault::Unclear(_))) => fault,
            Err(fault) => return Err(failed(object, &fault)),
        };
        match self.inner.store.get(object, OTHER_LEN_MAX) {
            Ok(found) if found == bytes => Ok(()),
            _ => Err(failed(object, &fault)),
        }
    }

    fn names(&self, within: &str) -> io::Result<BTreeSet<String>> {
        let state = self.state();
        let folder = if within.is_empty() { String::new() } else { format!("{within}/") };
        let child = |path: &str| path.strip_prefix(&folder)?.split('/').next().map(str::to_string);
        let mut names: BTreeSet<String> = state.drafts.keys().filter_map(|path| child(path)).collect();
        let trees = state.journal.trees.keys().map(|at| SegmentEntry::Tree(*at));
        let segments = state.journal.segments.iter().map(|at| SegmentEntry::Segment(*at)).chain(trees);
        names.extend(segments.filter_map(|entry| child(&format!("segments/{}", entry.name()))));
        if within.is_empty() && state.journal.next() > 0 {
            names.insert("HEAD".into());
        }
        drop(state);
        if within != "segments" {
            let listed = self.inner.store.list(&folder).map_err(|fault| failed(&folder, &fault))?;
            names.extend(listed.iter().filter_map(|path| child(path)).filter(|name| name != "groups"));
        }
        Ok(names)
    }
}

/// Ends the session of this process when it is dropped.
#[derive(Debug)]
struct SessionLock(BucketFs, u64);

impl Lock for SessionLock {
    fn say(&self, owner: &str) -> io::Result<()> {
        if let Some(session) = self.0.state().session.as_mut().filter(|session| session.id == self.1) {
            session.owner = owner.to_string();
        }
        Ok(())
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if state.session.as_ref().is_some_and(|session| session.id == self.1) {
            state.session = None;
        }
    }
}

impl evlog_store::Fs for BucketFs {
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        match self.role(path)? {
            Role::Head => {
                if self.inner.watches.load(Ordering::Acquire) == 0 {
                    self.refresh()?;
                } else if let Some(error) = self.state().missed.take() {
                    return Err(error);
                }
                let head = self.state().journal.head().ok_or_else(|| absent(path))?;
                Ok(Arc::new(Bytes { id: HEAD_ID, bytes: head.encode().to_vec() }))
            }
            Role::Segment(segment) => {
                self.probe_once()?;
                let session = self.state().session.as_ref().map(|session| session.id);
                let is_there = self.state().journal.segment_end(segment).is_some();
                // A segment that no group has yet is only seen by the session that makes it.
                let session = if is_there { None } else { session };
                self.state().segment_end(segment, session).ok_or_else(|| absent(path))?;
                Ok(Arc::new(SegmentFile { fs: self.clone(), segment, session }))
            }
            Role::Draft(within) => {
                let state = self.state();
                if let Some(draft) = state.drafts.get(&within) {
                    return Ok(Arc::new(Bytes { id: draft.id(), bytes: draft.bytes() }));
                }
                let derived = self.derived(&state, &within).ok_or_else(|| absent(path))?;
                Ok(Arc::new(Bytes { id: object_id(&within), bytes: derived }))
            }
            Role::Object(within) => {
                let bytes = self.inner.store.get(&within, OTHER_LEN_MAX).map_err(|fault| failed(&within, &fault))?;
                Ok(Arc::new(Bytes { id: self.id_of(&within), bytes }))
            }
        }
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        match self.role(path)? {
            Role::Head => {
                self.probe_once()?;
                self.state().journal.head().ok_or_else(|| absent(path))?;
                Ok(Arc::new(HeadFile(self.clone())))
            }
            Role::Segment(segment) => {
                let session = self.state().session.as_ref().map(|session| session.id);
                self.state().segment_end(segment, session).ok_or_else(|| absent(path))?;
                Ok(Arc::new(SegmentFile { fs: self.clone(), segment, session }))
            }
            Role::Draft(within) => {
                let draft = self.state().drafts.get(&within).cloned().ok_or_else(|| absent(path))?;
                Ok(Arc::new(DraftFile { fs: self.clone(), draft }))
            }
            Role::Object(_) => Err(io::Error::new(io::ErrorKind::PermissionDenied, "an object is never changed")),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        match self.role(path)? {
            Role::Head => Ok(Arc::new(HeadFile(self.clone()))),
            Role::Draft(within) => Ok(Arc::new(DraftFile { fs: self.clone(), draft: self.draft(within)? })),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "an object is made under another name first")),
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.within(path).map(drop)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.probe_once()?;
        let names = self.names(&self.within(dir)?)?;
        if names.is_empty() { Err(absent(dir)) } else { Ok(names.into_iter().collect()) }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.settle(from, to, true)
    }

    fn name(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.settle(from, to, false)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match self.role(path)? {
            Role::Draft(within) => self.state().drafts.remove(&within).map(drop).ok_or_else(|| absent(path)),
            _ => Err(io::Error::new(io::ErrorKind::PermissionDenied, "evlog removes nothing from a bucket")),
        }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let state = self.state();
        // The first segment makes a directory a log: its header is a group of its own.
        let makes =
            state.session.as_ref().filter(|session| session.position == Position(0) && !session.bytes.is_empty());
        let id = makes.map(|session| session.id);
        drop(state);
        match id {
            Some(id) if self.within(dir)? == "segments" => self.commit(id),
            _ => Ok(()),
        }
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockAttempt> {
        self.within(path)?;
        if let Some(session) = &self.state().session {
            return Ok(LockAttempt::HeldBy(session.owner.clone()));
        }
        self.refresh()?;
        let mut state = self.state();
        if let Some(session) = &state.session {
            return Ok(LockAttempt::HeldBy(session.owner.clone()));
        }
        state.sessions += 1;
        let (id, base, position) = (state.sessions, state.journal.next(), state.journal.end);
        let (owner, bytes, starts, ended) = (owner.to_string(), Vec::new(), Vec::new(), None);
        state.session = Some(Session { id, owner, base, position, bytes, starts, ended });
        Ok(LockAttempt::Taken(Box::new(SessionLock(self.clone(), id))))
    }

    fn watch(&self, _dir: &Path) -> Option<Box<dyn Watch>> {
        Some(Box::new(PollWatch::new(self.clone())))
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        let Role::Segment(segment) = self.role(path)? else { return self.open_read(path)?.stamp() };
        self.probe_once()?;
        let state = self.state();
        let session = state.session.as_ref().map(|session| session.id);
        let end = state.segment_end(segment, session).or_else(|| state.journal.segment_end(segment));
        let len = end.ok_or_else(|| absent(path))?.0 - segment.0;
        Ok(Stamp { id: segment_id(segment), len, modified_ns: None })
    }

    fn is_locked(&self, _path: &Path) -> io::Result<bool> {
        Ok(self.state().session.is_some())
    }

    fn id(&self, path: &Path) -> io::Result<FileId> {
        let role = self.role(path)?;
        self.probe_once()?;
        let state = self.state();
        match role {
            Role::Head => state.journal.head().map(|_| HEAD_ID).ok_or_else(|| absent(path)),
            Role::Segment(segment) => {
                let session = state.session.as_ref().map(|session| session.id);
                let end = state.segment_end(segment, session).or_else(|| state.journal.segment_end(segment));
                end.map(|_| segment_id(segment)).ok_or_else(|| absent(path))
            }
            Role::Draft(within) => state.drafts.get(&within).map(|draft| draft.id()).ok_or_else(|| absent(path)),
            Role::Object(within) => {
                drop(state);
                self.inner.store.head(&within).map_err(|fault| failed(&within, &fault))?;
                Ok(self.id_of(&within))
            }
        }
    }

    fn is_shared(&self) -> bool {
        true
    }
}

impl BucketFs {
    fn id_of(&self, within: &str) -> FileId {
        self.state().made.get(within).copied().unwrap_or_else(|| object_id(within))
    }
}

/// An object never changes, so its name tells which it is.
fn object_id(within: &str) -> FileId {
    let mut number = [0; 8];
    number.copy_from_slice(&blake3::hash(within.as_bytes()).as_bytes()[..8]);
    FileId(3, u64::from_le_bytes(number))
}
