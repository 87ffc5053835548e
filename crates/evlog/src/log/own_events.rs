//! The events of `$log` that a session records: when they are due, and how they are appended.

use super::renewing::Given;
use super::{HistoryEvent, Log, Pending, Session, payload_of};
use crate::clock::Reading;
use crate::error::LogError;
use crate::history::{ClockStepped, Closed, LOG_STREAM, Opened};
use evlog_format::{CommitHead, Kind, Seq, kind};
use evlog_store::{Append, AppendEvent, Causation, Ticket};

/// An event of `$log` that was given to the store.
#[derive(Debug)]
pub(crate) struct Noted {
    kind: Kind<'static>,
    payload: Vec<u8>,
    given: Given,
}

impl Log {
    /// Appends the events that wait for a first commit, so that a new log exists with its history.
    pub fn begin(&self) -> Result<(), LogError> {
        let waiting = &mut |session: &mut Session| {
            let (waiting, reading) = (session.pending.clone(), self.options.clock.read());
            self.append_history(session, &reading, &waiting)
        };
        self.until_kept(waiting).map(drop)
    }

    /// Gives a commit to the store.
    fn append(&self, head: &CommitHead<'_>, events: &[AppendEvent<'_>]) -> Result<Ticket, LogError> {
        let CommitHead { recorded_ns, occurred_ns, class, actor, principal, correlation, idempotency, .. } = *head;
        let commit = Append { recorded_ns, occurred_ns, class, actor, principal, correlation, idempotency, events };
        Ok(self.writer().append(&commit)?)
    }

    /// Gives events of `$log` to the store, if there are any. Their head comes from the clock, the program and the
    /// principal, and not from a command.
    pub(super) fn append_history(
        &self,
        session: &mut Session,
        reading: &Reading,
        history: &[HistoryEvent],
    ) -> Result<Option<Ticket>, LogError> {
        session.last = Some(*reading);
        session.pending.clear();
        if history.is_empty() {
            return Ok(None);
        }
        let principal = self.options.principal.as_deref();
        let head = CommitHead::new(Seq(0), reading.wall_ns, self.options.class, &self.options.program);
        let events: Vec<_> = history.iter().map(|(kind, payload)| history_event(*kind, payload)).collect();
        let ticket = self.append(&CommitHead { principal, ..head }, &events)?;
        if history.iter().any(|(kind, _)| *kind == kind::LOG_OPENED) {
            session.opened = Some(ticket.end);
        }
        Ok(Some(ticket))
    }

    /// The log's own events that go before the next commit: the events that wait, `log.opened`, and a step of the clock.
    pub(super) fn history(&self, session: &mut Session, reading: &Reading) -> Result<Pending, LogError> {
        let mut history = session.pending.clone();
        if session.opened.is_none() {
            let policy = self.judging(session)?.in_force.number();
            let opened = Opened { program: self.options.program.clone(), policy };
            history.push((kind::LOG_OPENED, payload_of(&opened)?));
        }
        if let Some((from_ns, to_ns)) = reading.step_since(session.last.as_ref()) {
            history.push((kind::LOG_CLOCK_STEPPED, payload_of(&ClockStepped { from_ns, to_ns })?));
        }
        Ok(history)
    }

    /// Gives an event of `$log` to the store.
    pub(super) fn give_history(
        &self,
        session: &mut Session,
        kind: Kind<'static>,
        payload: &[u8],
    ) -> Result<Ticket, LogError> {
        let reading = self.options.clock.read();
        let mut history = self.history(session, &reading)?;
        history.push((kind, payload.to_vec()));
        let Some(ticket) = self.append_history(session, &reading, &history)? else {
            unreachable!("an event was given")
        };
        session.note(kind, &reading);
        Ok(ticket)
    }

    /// Gives an event of `$log` to the store, for a caller that waits later.
    pub(crate) fn offer_history(&self, kind: Kind<'static>, payload: Vec<u8>) -> Result<Noted, LogError> {
        let mut session = self.session();
        let ticket = self.at_head(&mut session, &mut |session| self.give_history(session, kind, &payload))?;
        Ok(Noted { kind, payload, given: self.given(ticket) })
    }

    /// Waits until an event of `$log` is committed. If another writer was first, gives the event to the store again.
    pub(crate) fn wait_noted(&self, noted: Noted) -> Result<(), LogError> {
        let Noted { kind, payload, given } = noted;
        if self.is_kept(&given)? { Ok(()) } else { self.record_one(kind, &payload) }
    }

    /// Appends an event of `$log` and waits until it is committed.
    pub(crate) fn record_one(&self, kind: Kind<'static>, payload: &[u8]) -> Result<(), LogError> {
        self.until_kept(&mut |session| self.give_history(session, kind, payload).map(Some)).map(drop)
    }

    /// Ends the session in order: records that the log was closed, if anything was recorded at all, and cuts the last segment
    /// right after its last frame.
    pub fn close(self) -> Result<(), LogError> {
        let closed = payload_of(&Closed { program: self.options.program.clone() })?;
        // If another writer was first, what this session opened may be gone, and then it has nothing to close.
        self.until_kept(&mut |session| match session.opened {
            Some(_) => self.give_history(session, kind::LOG_CLOSED, &closed).map(Some),
            None => Ok(None),
        })?;
        match self.writers.into_last().close() {
            Err(error) if error.is_overtaken() => Ok(()),
            closed => Ok(closed?),
        }
    }
}

fn history_event<'a>(kind: Kind<'static>, payload: &'a [u8]) -> AppendEvent<'a> {
    AppendEvent { stream: LOG_STREAM, kind, kind_version: 1, causation: Causation::None, payload }
}
