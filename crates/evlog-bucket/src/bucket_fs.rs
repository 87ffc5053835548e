//! A bucket as a file system of the store: which path is what.
//!
//! Segments are views of the groups' bytes. Sidecars and unfinished files are only in memory. Every other file is an object of its own, created if absent.

use crate::bucket::{Bucket, State, lock};
use crate::create::Options;
use crate::files::{Bytes, Draft, DraftFile, HEAD_ID, HeadFile, PollWatch, SegmentFile, segment_id};
use crate::journal::failed;
use crate::store::{Fault, Store};
use evlog_format::Position;
use evlog_store::fs::{File, FileId, Lock, LockAttempt, Stamp, Watch};
use evlog_store::layout::SegmentEntry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};

/// The longest object beside the groups that is read, in bytes.
const OTHER_LEN_MAX: u64 = 16 * 1024 * 1024;

/// A log in a bucket. Clones share what is known of it.
#[derive(Clone, Debug)]
pub struct BucketFs {
    dir: PathBuf,
    inner: Arc<Bucket>,
    names: Arc<Mutex<Names>>,
}

/// The files of this process that are not groups.
#[derive(Debug, Default)]
struct Names {
    /// Files that are only in memory, by path within the log.
    drafts: BTreeMap<String, Arc<Draft>>,
    /// The identities of the objects that this process made from drafts.
    made: BTreeMap<String, FileId>,
    files: u64,
}

/// The session of this process. Dropping it ends the session.
#[derive(Debug)]
struct SessionLock(Arc<Bucket>, u64);

impl Lock for SessionLock {
    fn say(&self, owner: &str) -> io::Result<()> {
        self.0.note(self.1, owner);
        Ok(())
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        self.0.end(self.1);
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

fn absent(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("`{}` is not in the bucket", path.display()))
}

impl BucketFs {
    /// The log in this store whose paths begin with `dir`.
    pub fn new(store: Arc<dyn Store>, dir: &Path, options: Options) -> BucketFs {
        BucketFs { dir: dir.to_path_buf(), inner: Arc::new(Bucket::new(store, options)), names: Arc::default() }
    }

    fn within(&self, path: &Path) -> io::Result<String> {
        let within = path.strip_prefix(&self.dir).ok().and_then(Path::to_str);
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
        self.inner.state()
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        lock(&self.names)
    }

    fn draft(&self, within: String) -> io::Result<Arc<Draft>> {
        let is_derived = derived(&self.state(), &within).is_some();
        let mut names = self.names();
        if is_derived || names.drafts.contains_key(&within) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        names.files += 1;
        let draft = Arc::new(Draft::new(FileId(2, names.files)));
        names.drafts.insert(within, Arc::clone(&draft));
        Ok(draft)
    }

    /// Gives a draft its final name.
    fn settle(&self, from: &Path, to: &Path, replaces: bool) -> io::Result<()> {
        let Role::Draft(within) = self.role(from)? else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "an object cannot be renamed"));
        };
        let draft = self.names().drafts.get(&within).cloned().ok_or_else(|| absent(from))?;
        match self.role(to)? {
            Role::Head => return Err(io::ErrorKind::Unsupported.into()),
            Role::Segment(position) => {
                let session = self.inner.begin_segment(position, &draft.bytes())?;
                draft.become_segment(position, session);
            }
            Role::Draft(to) => {
                let mut names = self.names();
                if !replaces && names.drafts.contains_key(&to) {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                names.drafts.insert(to, Arc::clone(&draft));
            }
            Role::Object(to) => {
                self.put_object(&to, &draft.bytes())?;
                self.names().made.insert(to, draft.id());
            }
        }
        self.names().drafts.remove(&within);
        Ok(())
    }

    /// Creates an object that is not a group. If the name has an object with the same bytes already, that is a success.
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

    fn entries(&self, within: &str) -> io::Result<BTreeSet<String>> {
        let state = self.state();
        let folder = if within.is_empty() { String::new() } else { format!("{within}/") };
        let child = |path: &str| path.strip_prefix(&folder)?.split('/').next().map(str::to_string);
        let mut names: BTreeSet<String> = self.names().drafts.keys().filter_map(|path| child(path)).collect();
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

impl evlog_store::Fs for BucketFs {
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        match self.role(path)? {
            Role::Head => {
                if self.inner.watches.load(Ordering::Acquire) == 0 {
                    self.inner.refresh()?;
                } else if let Some(error) = self.state().missed.take() {
                    return Err(error);
                }
                let head = self.state().journal.head().ok_or_else(|| absent(path))?;
                Ok(Arc::new(Bytes { id: HEAD_ID, bytes: head.encode().to_vec() }))
            }
            Role::Segment(segment) => {
                self.inner.probe_once()?;
                let session = self.state().session();
                let is_there = self.state().journal.segment_end(segment).is_some();
                // Until a group contains the segment, only the session that makes it can see it.
                let session = if is_there { None } else { session };
                self.state().segment_end(segment, session).ok_or_else(|| absent(path))?;
                Ok(Arc::new(SegmentFile { bucket: Arc::clone(&self.inner), segment, session }))
            }
            Role::Draft(within) => {
                if let Some(draft) = self.names().drafts.get(&within) {
                    return Ok(Arc::new(Bytes { id: draft.id(), bytes: draft.bytes() }));
                }
                let derived = derived(&self.state(), &within).ok_or_else(|| absent(path))?;
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
                self.inner.probe_once()?;
                self.state().journal.head().ok_or_else(|| absent(path))?;
                Ok(Arc::new(HeadFile(Arc::clone(&self.inner))))
            }
            Role::Segment(segment) => {
                let session = self.state().session();
                self.state().segment_end(segment, session).ok_or_else(|| absent(path))?;
                Ok(Arc::new(SegmentFile { bucket: Arc::clone(&self.inner), segment, session }))
            }
            Role::Draft(within) => {
                let draft = self.names().drafts.get(&within).cloned().ok_or_else(|| absent(path))?;
                Ok(Arc::new(DraftFile { bucket: Arc::clone(&self.inner), draft }))
            }
            Role::Object(_) => Err(io::Error::new(io::ErrorKind::PermissionDenied, "an object is never changed")),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        match self.role(path)? {
            Role::Head => Ok(Arc::new(HeadFile(Arc::clone(&self.inner)))),
            Role::Draft(within) => {
                Ok(Arc::new(DraftFile { bucket: Arc::clone(&self.inner), draft: self.draft(within)? }))
            }
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "an object is made under another name first")),
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.within(path).map(drop)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.probe_once()?;
        let names = self.entries(&self.within(dir)?)?;
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
            Role::Draft(within) => self.names().drafts.remove(&within).map(drop).ok_or_else(|| absent(path)),
            _ => Err(io::Error::new(io::ErrorKind::PermissionDenied, "evlog removes nothing from a bucket")),
        }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // The first segment makes a directory a log: its header is a group of its own.
        match self.inner.makes_log() {
            Some(id) if self.within(dir)? == "segments" => self.inner.commit(id),
            _ => Ok(()),
        }
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockAttempt> {
        self.within(path)?;
        Ok(match self.inner.begin(owner)? {
            Ok(id) => LockAttempt::Taken(Box::new(SessionLock(Arc::clone(&self.inner), id))),
            Err(owner) => LockAttempt::HeldBy(owner),
        })
    }

    fn watch(&self, _dir: &Path) -> Option<Box<dyn Watch>> {
        Some(Box::new(PollWatch::new(Arc::clone(&self.inner))))
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        let Role::Segment(segment) = self.role(path)? else { return self.open_read(path)?.stamp() };
        self.inner.probe_once()?;
        let state = self.state();
        let session = state.session();
        let end = state.segment_end(segment, session).or_else(|| state.journal.segment_end(segment));
        let len = end.ok_or_else(|| absent(path))?.0 - segment.0;
        Ok(Stamp { id: segment_id(segment), len, modified_ns: None })
    }

    fn is_locked(&self, _path: &Path) -> io::Result<bool> {
        Ok(self.state().session().is_some())
    }

    fn id(&self, path: &Path) -> io::Result<FileId> {
        let role = self.role(path)?;
        self.inner.probe_once()?;
        let state = self.state();
        match role {
            Role::Head => state.journal.head().map(|_| HEAD_ID).ok_or_else(|| absent(path)),
            Role::Segment(segment) => {
                let session = state.session();
                let end = state.segment_end(segment, session).or_else(|| state.journal.segment_end(segment));
                end.map(|_| segment_id(segment)).ok_or_else(|| absent(path))
            }
            Role::Draft(within) => self.names().drafts.get(&within).map(|draft| draft.id()).ok_or_else(|| absent(path)),
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
        self.names().made.get(within).copied().unwrap_or_else(|| object_id(within))
    }
}

/// An object never changes, so its name tells which it is.
fn object_id(within: &str) -> FileId {
    let mut number = [0; 8];
    number.copy_from_slice(&blake3::hash(within.as_bytes()).as_bytes()[..8]);
    FileId(3, u64::from_le_bytes(number))
}

/// The byte tree before a segment, which is known from its groups.
fn derived(state: &State, within: &str) -> Option<Vec<u8>> {
    match within.strip_prefix("segments/").and_then(SegmentEntry::parse)? {
        SegmentEntry::Tree(position) => state.journal.trees.get(&position).cloned(),
        _ => None,
    }
}
