//! Handing a commit over: it gets its place and its numbers, and its bytes join those that wait.
//!
//! One call holds the lock from the first number to the last byte, so that seqs, positions and numbers within streams
//! follow the order of calls. Nothing here touches the disk, but for a stream that this session has not met yet and that
//! an earlier segment may hold.

use super::state::{self, Number, Roll, State};
use super::{Append, AppendEvent, Causation, Ticket, Writer};
use crate::error::{AppendError, Reason, Trouble};
use crate::index::Of;
use crate::streams::{Before, EventAt};
use crate::sync::{EXPLORED, MutexGuard};
use evlog_format::limits::POSITION_MAX;
use evlog_format::{
    CommitHead, Durability, Event, PLAIN, Position, SEGMENT_HEADER_LEN, SegmentHeader, Seq, encode_commit,
};
use std::sync::Arc;

/// Callers wait when this many bytes do, so that memory is bounded where the disk is slower than they are.
const PENDING_MAX: usize = if EXPLORED { 256 } else { 8 * 1024 * 1024 };

impl Writer {
    /// Hands over a commit and returns at once, unless very many wait. The order of calls is the order in the log.
    pub fn append(&self, commit: &Append<'_>) -> Result<Ticket, AppendError> {
        let (mut state, ticket) = self.offer(commit)?;
        let wake = state::must_wake(&mut state);
        drop(state);
        if wake {
            self.shared.work.notify_one();
        }
        Ok(ticket)
    }

    /// Hands over a commit and returns when it is committed under its class. Where nobody else commits just now, the
    /// calling thread does, with all that waits: so a single caller waits for the disk alone, and not for another thread.
    pub fn commit(&self, commit: &Append<'_>) -> Result<Ticket, AppendError> {
        let (state, ticket) = self.offer(commit)?;
        let committed = self.shared.commit_up_to(state, ticket.end, ticket.class);
        committed.map(|()| ticket).map_err(|poison| poison.of(&ticket))
    }

    fn offer(&self, commit: &Append<'_>) -> Result<(MutexGuard<'_, State>, Ticket), AppendError> {
        let mut state = self.uncrowded()?;
        let mut scratch = std::mem::take(&mut state.scratch);
        let appended = self.append_to(&mut state, commit, &mut scratch);
        scratch.clear();
        state.scratch = scratch;
        appended.map(|ticket| (state, ticket)).map_err(|reason| AppendError::NotAppended { reason })
    }

    /// The lock, once there is room.
    fn uncrowded(&self) -> Result<MutexGuard<'_, State>, AppendError> {
        let mut state = self.shared.lock();
        loop {
            if let Some(poison) = &state.stopped {
                return Err(AppendError::Poisoned { cause: Arc::clone(&poison.cause) });
            }
            if state.pending.bytes.len() < PENDING_MAX {
                return Ok(state);
            }
            state.crowded += 1;
            state = state::wait(&self.shared.room, state);
            state.crowded -= 1;
        }
    }

    fn append_to(&self, state: &mut State, commit: &Append<'_>, numbers: &mut Vec<Number>) -> Result<Ticket, Reason> {
        let numbered = self.number(state, commit.events, numbers);
        match numbered.and_then(|()| self.encode(state, commit, numbers)) {
            Ok((position, frame_len)) => {
                state.streams.time(&commit.head(state.next_seq));
                Ok(accept(state, commit.class, numbers, position, frame_len))
            }
            Err(reason) => {
                // In reverse, so that a stream that occurs more than once gets its first value back.
                numbers.iter().rev().for_each(|given| state.streams.set_len(given.stream, given.number));
                Err(reason)
            }
        }
    }

    /// Gives each event the next number of its stream.
    fn number(&self, state: &mut State, events: &[AppendEvent<'_>], numbers: &mut Vec<Number>) -> Result<(), Reason> {
        let mut last = None;
        for event in events {
            let stream = match last {
                Some((name, stream)) if name == event.stream => stream,
                _ => self.stream_at(state, event.stream).map_err(|trouble| Reason::Index(Arc::new(trouble.into())))?,
            };
            last = Some((event.stream, stream));
            let number = state.streams.get(stream).len;
            state.streams.set_len(stream, number + 1);
            numbers.push(Number { stream, number });
        }
        Ok(())
    }

    /// Where a stream stands in the list. It is added with the length that the sealed segments tell.
    fn stream_at(&self, state: &mut State, name: &str) -> Result<usize, Trouble> {
        if let Some(at) = state.streams.find(name) {
            return Ok(at);
        }
        let len = state.sealed.stream_len(&self.files, name)?;
        Ok(state.streams.insert(name, len))
    }

    /// Encodes the frame behind the pending bytes, in the next segment if this one does not take it; gives its position
    /// and length.
    fn encode(&self, state: &mut State, commit: &Append<'_>, numbers: &[Number]) -> Result<(Position, u64), Reason> {
        let first_seq = state.next_seq;
        let head = commit.head(first_seq);
        let one;
        let many;
        let events: &[Event<'_>] = match commit.events {
            [event] => {
                one = [place(event, 0, first_seq, numbers)?];
                &one
            }
            events => {
                let placed = events.iter().enumerate().map(|(at, event)| place(event, at, first_seq, numbers));
                many = placed.collect::<Result<Vec<_>, _>>()?;
                &many
            }
        };
        let len = self.frame(state, state.end, &head, events)?;
        if SegmentHeader::takes(self.segment_limit, state.end.0 - state.segment.0, len) {
            return Ok((state.end, len));
        }
        // The length does not depend on the place, the checksum does: once more, behind the next segment's header.
        let start = state.pending.bytes.len() - usize::try_from(len).unwrap_or(0);
        state.pending.bytes.truncate(start);
        // The one thing on the way to the next segment that can fail for another reason, so before anything changes.
        let before = state.sealed.closed_streams(&self.files);
        let before = before.map_err(|trouble| Reason::Index(Arc::new(trouble.into())))?;
        let position = Position(state.end.0 + SEGMENT_HEADER_LEN as u64);
        self.frame(state, position, &head, events)?;
        self.roll(state, start, &before);
        Ok((position, len))
    }

    fn frame(
        &self,
        state: &mut State,
        position: Position,
        head: &CommitHead<'_>,
        events: &[Event<'_>],
    ) -> Result<u64, Reason> {
        let (start, durable) = (state.pending.bytes.len(), state.durable.0);
        let body = |out: &mut Vec<u8>| encode_commit(head, events, out);
        let encoded = self.codec.encode(position.0, durable, &mut state.pending.bytes, body);
        let len = encoded.map_err(|found| Reason::TooLong { found })?.map_err(Reason::Refused)? as u64;
        // Room is left for the header of another segment.
        let end = position.0.saturating_add(len).saturating_add(SEGMENT_HEADER_LEN as u64);
        if end > POSITION_MAX || head.first_seq.0.saturating_add(events.len() as u64) > POSITION_MAX {
            state.pending.bytes.truncate(start);
            return Err(Reason::Full);
        }
        Ok(len)
    }

    /// Seals the segment: its streams, with those that an earlier session left in it, become its index, and the frame at
    /// `at` begins the next one.
    fn roll(&self, state: &mut State, at: usize, before: &Before) {
        let (position, end) = (state.segment, state.end);
        let of = Of { log_id: self.log_id, position, len: end.0 - position.0 };
        let index = state.streams.seal(of, before);
        let sealed = state.sealed.push(position, end, index);
        state.pending.rolls.push(Roll { at, position: end, first_seq: state.next_seq, sealed });
        state.segment = end;
        state.end = Position(end.0 + SEGMENT_HEADER_LEN as u64);
    }
}

fn place<'a>(event: &AppendEvent<'a>, at: usize, first_seq: Seq, numbers: &[Number]) -> Result<Event<'a>, Reason> {
    let causation = match event.causation {
        Causation::None => None,
        Causation::Seq(seq) => Some(seq),
        Causation::Earlier(cause) if cause < at => Some(Seq(first_seq.0 + cause as u64)),
        Causation::Earlier(cause) => return Err(Reason::Causation { event: at, cause }),
    };
    Ok(Event {
        stream: event.stream,
        number: numbers[at].number,
        kind: event.kind,
        kind_version: event.kind_version,
        causation,
        protection: PLAIN,
        payload: event.payload,
    })
}

/// The commit is in the pending bytes: count it.
fn accept(state: &mut State, class: Durability, numbers: &[Number], position: Position, frame_len: u64) -> Ticket {
    let (first_seq, end) = (state.next_seq, Position(position.0 + frame_len));
    let Ok(offset) = u32::try_from(position.0 - state.segment.0) else {
        unreachable!("a frame begins within the segment size limit")
    };
    for (seq, given) in (first_seq.0..).map(Seq).zip(numbers) {
        state.streams.add(given.stream, given.number, EventAt { seq, offset, end: end.0 });
    }
    state.next_seq = Seq(first_seq.0 + numbers.len() as u64);
    state.end = end;
    state.last_commit = Some(position);
    (state.pending.end, state.pending.next_seq) = (end, state.next_seq);
    state.pending.commits += 1;
    state.pending.sync |= class == Durability::Sync;
    Ticket { first_seq, position, end, class }
}
