//! What is known of a log in a bucket, and the session that writes: collects what a writer appends, and creates groups of it.

use crate::create::{Options, Outcome, create};
use crate::group::{GROUP_LEN_MAX, Group, name};
use crate::journal::{Journal, ahead, failed, more, walk, wrong};
use crate::store::Store;
use evlog_format::{LogId, Position, SEGMENT_HEADER_LEN};
use evlog_store::fs::Overtaken;
use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(crate) struct Bucket {
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

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// The session of this process.
    pub(crate) fn session(&self) -> Option<u64> {
        self.session.as_ref().map(|session| session.id)
    }

    fn current(&mut self, id: u64) -> io::Result<&mut Session> {
        match self.session.as_mut().filter(|session| session.id == id) {
            Some(Session { ended: Some(ended), .. }) => Err(ended.error()),
            Some(session) => Ok(session),
            None => Err(io::Error::other("the session that opened this file has ended")),
        }
    }
}

impl Bucket {
    pub(crate) fn new(store: Arc<dyn Store>, options: Options) -> Bucket {
        Bucket { store, options, net: Mutex::new(()), state: Mutex::default(), watches: AtomicUsize::new(0) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Begins a session: what an earlier one collected and did not create is gone, and the store is asked for its end.
    pub(crate) fn begin(&self, owner: &str) -> io::Result<Result<u64, String>> {
        let holder = |state: &State| state.session.as_ref().map(|session| session.owner.clone());
        if let Some(owner) = holder(&self.state()) {
            return Ok(Err(owner));
        }
        self.refresh()?;
        let mut state = self.state();
        if let Some(owner) = holder(&state) {
            return Ok(Err(owner));
        }
        state.sessions += 1;
        let (id, base, position) = (state.sessions, state.journal.next(), state.journal.end);
        let (owner, bytes, starts, ended) = (owner.to_string(), Vec::new(), Vec::new(), None);
        state.session = Some(Session { id, owner, base, position, bytes, starts, ended });
        Ok(Ok(id))
    }

    /// Replaces the note of a session.
    pub(crate) fn note(&self, id: u64, owner: &str) {
        if let Some(session) = self.state().session.as_mut().filter(|session| session.id == id) {
            session.owner = owner.to_string();
        }
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: u64) {
        let mut state = self.state();
        if state.session.as_ref().is_some_and(|session| session.id == id) {
            state.session = None;
        }
    }

    /// The session that makes a log, if it has collected the log's first bytes.
    pub(crate) fn makes_log(&self) -> Option<u64> {
        let state = self.state();
        let makes =
            state.session.as_ref().filter(|session| session.position == Position(0) && !session.bytes.is_empty());
        makes.map(|session| session.id)
    }

    /// Asks the store for groups, if nobody did so yet.
    pub(crate) fn probe_once(&self) -> io::Result<()> {
        let is_probed = self.state().is_probed;
        if is_probed { Ok(()) } else { self.refresh() }
    }

    /// Finds the groups that the store has now. While this process writes, it sees the log as its session does: a create decides
    /// whether others were faster, and then the session ends.
    pub(crate) fn refresh(&self) -> io::Result<()> {
        let _net = lock(&self.net);
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
            let groups = ahead(self.store.as_ref(), from, at_once)?;
            let (found, mut state) = (groups.len(), self.state());
            for group in groups {
                let object = name(state.journal.next());
                state.journal.add(group, self.options.cache).map_err(|error| wrong(&object, &error))?;
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
        let listed = self.store.list("groups/").map_err(|fault| failed("groups/", &fault))?;
        match listed.first() {
            None => Ok(()),
            // The first group may have been created since we asked for it.
            Some(_) if self.store.head(&name(0)).is_ok() => Ok(()),
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
    pub(crate) fn begin_segment(&self, position: Position, header: &[u8]) -> io::Result<u64> {
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
        let _net = lock(&self.net);
        let Some(group) = self.next_group(id)? else { return Ok(()) };
        let object = name(group.number);
        let outcome = create(self.store.as_ref(), &self.options, &object, &group);
        let mut state = self.state();
        let ended = match outcome {
            Outcome::Mine => {
                state.journal.add(group, self.options.cache).map_err(|error| wrong(&object, &error))?;
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
}
