//! The writer of a session, and its renewal on a shared log after another writer committed first.
//!
//! Does: open a new writer, which reads the other's commits; forget what the session knew of the old head; say of each commit
//! that was given to an earlier writer whether it is in the log. Does not: wait between two races, which is the file system's
//! matter; decide again, which the caller does.
//!
//! Invariants:
//! - A writer is replaced only by a thread that holds the session. So whoever holds the session gives commits to the current
//!   writer.
//! - A commit is decided again only if it is certain that it is not in the log.
//! - A race is lost only if another writer won, so all writers together always make progress.

use super::opening::{created, last_recorded_ns};
use super::{Log, Pending, Session};
use crate::clock::Reading;
use crate::error::LogError;
use crate::options::Options;
use crate::runs::Cache;
use evlog_format::{Durability, Position, Seq};
use evlog_store::{Owner, Ticket, Writer};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The current writer, and where the acknowledged commits of each earlier writer of the session ended.
pub(super) struct Writers(Mutex<(Arc<Writer>, Vec<Position>)>);

/// A commit that was given to one of the session's writers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    ticket: Ticket,
    /// How many writers the session had before.
    writer: usize,
}

impl Writers {
    pub(super) fn new(writer: Writer) -> Writers {
        Writers(Mutex::new((Arc::new(writer), Vec::new())))
    }

    fn lock(&self) -> MutexGuard<'_, (Arc<Writer>, Vec<Position>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn current(&self) -> Arc<Writer> {
        Arc::clone(&self.lock().0)
    }

    pub(super) fn into_last(self) -> Writer {
        let (writer, _) = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        match Arc::into_inner(writer) {
            Some(writer) => writer,
            None => unreachable!("only calls on the session hold its writer, and they have ended"),
        }
    }
}

/// The writer, so that observers hear of a renewed one, too.
pub(super) fn observed(writer: Writer, options: &Options) -> Writer {
    match &options.observer {
        Some(observer) => writer.observed_by(Arc::clone(observer)),
        None => writer,
    }
}

impl Log {
    /// Whether other writers may append to the log at the same time.
    pub(crate) fn is_shared(&self) -> bool {
        self.options.fs.is_shared()
    }

    /// A commit that the current writer was given. The caller holds the session.
    pub(super) fn given(&self, ticket: Ticket) -> Given {
        Given { ticket, writer: self.writers.lock().1.len() }
    }

    /// The place where the log ends for this session, for an answer that records nothing. It is true only if the commits before
    /// this place get into the log. The caller holds the session.
    pub(super) fn basis(&self) -> Option<Given> {
        let writer = self.is_shared().then(|| self.writer())?;
        let (end, first_seq) = (writer.end(), writer.next_seq());
        Some(self.given(Ticket { first_seq, position: end, end, class: Durability::Sync }))
    }

    /// Waits until a commit is committed. `false` if another writer was first, so that it is not in the log.
    pub(crate) fn is_kept(&self, given: &Given) -> Result<bool, LogError> {
        let (writer, ended) = {
            let writers = self.writers.lock();
            (Arc::clone(&writers.0), writers.1.get(given.writer).copied())
        };
        if let Some(ended) = ended {
            return Ok(given.ticket.end <= ended);
        }
        match writer.wait(&given.ticket) {
            Ok(()) => Ok(true),
            Err(error) if error.is_overtaken() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Does something with the session at the head of the log: again, with a new writer, as long as another writer was first.
    pub(crate) fn at_head<T>(
        &self,
        session: &mut Session,
        act: &mut dyn FnMut(&mut Session) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        loop {
            if self.is_shared() {
                // What a writer that was overtaken remembers may never get into the log.
                self.renew(session)?;
            }
            match act(session) {
                Err(error) if error.is_overtaken() => {}
                ended => return ended,
            }
        }
    }

    /// Gives the log something to commit and waits for it: again, as long as another writer was first. `None` if there is
    /// nothing to commit.
    pub(super) fn until_kept(
        &self,
        give: &mut dyn FnMut(&mut Session) -> Result<Option<Ticket>, LogError>,
    ) -> Result<Option<Ticket>, LogError> {
        loop {
            let mut session = self.session();
            let ticket = self.at_head(&mut session, give)?;
            let given = ticket.map(|ticket| self.given(ticket));
            drop(session);
            let Some(given) = given else { return Ok(None) };
            if self.is_kept(&given)? {
                return Ok(Some(given.ticket));
            }
        }
    }

    /// Opens a new writer if the current one was overtaken, if another thread has not done it already, and forgets what the session knew of the old head.
    fn renew(&self, session: &mut Session) -> Result<(), LogError> {
        let Some(ended) = self.writer().retire() else { return Ok(()) };
        let Options { fs, program, .. } = &self.options;
        let (writer, _) = Writer::open(Arc::clone(fs), &self.dir, &Owner { program: program.clone() })?;
        let writer = observed(writer, &self.options);
        session.forget(ended, &writer, &self.dir, &self.options)?;
        let mut writers = self.writers.lock();
        writers.0 = Arc::new(writer);
        writers.1.push(ended);
        Ok(())
    }
}

impl Session {
    /// Forgets what belongs to the old head. What was recorded up to `ended` stays recorded.
    fn forget(&mut self, ended: Position, writer: &Writer, dir: &Path, options: &Options) -> Result<(), LogError> {
        (self.cache, self.judging, self.logged) = (Cache::default(), None, None);
        self.opened = self.opened.filter(|opened| *opened <= ended);
        self.pending = match writer.next_seq() {
            Seq(0) => created(options, writer.segment_limit())?,
            _ => Pending::new(),
        };
        self.last = last_recorded_ns(writer, dir)?.map(Reading::of_another_session);
        Ok(())
    }
}
