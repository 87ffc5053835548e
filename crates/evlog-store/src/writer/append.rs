//! Hands a commit over: the commit gets its place and its numbers, and its bytes join those that wait.
//!
//! One call holds the lock from the first number to the last byte, so that seqs, positions and numbers within streams follow
//! the order of calls. Nothing here touches the disk. The exception is a stream that this session has not met yet and that an
//! earlier segment may hold.

use super::pending::Roll;
use super::state::{self, Number, State};
use super::{Append, AppendEvent, Causation, Ticket, Writer};
use crate::error::{AppendError, Reason, Trouble};
use crate::index::Of;
use crate::streams::{Before, EventAt};
use crate::sync::{EXPLORED, MutexGuard};
use evlog_format::limits::POSITION_MAX;
use evlog_format::{
    CommitHead, Durability, Encoded, Event, FRAME_HEADER_LEN, PLAIN, Position, SEGMENT_HEADER_LEN, SegmentHeader, Seq,
    encode_commit,
};
use std::sync::Arc;

/// Callers wait when this many bytes are pending, so that memory is bounded if the disk is slower than the callers.
const PENDING_MAX: usize = if EXPLORED { 256 } else { 8 * 1024 * 1024 };

/// A commit that is handed over.
#[derive(Clone, Copy, Debug)]
enum Given<'g> {
    /// It gets its place here.
    Free(&'g Append<'g>),
    /// It was encoded for the next place.
    Encoded(&'g Encoded<'g>),
}

impl Given<'_> {
    fn head(&self, next_seq: Seq) -> CommitHead<'_> {
        match self {
            Given::Free(commit) => commit.head(next_seq),
            Given::Encoded(commit) => *commit.head(),
        }
    }
}

impl Writer {
    /// Hands over a commit and returns at once, unless very many wait. The order of calls is the order in the log.
    pub fn append(&self, commit: &Append<'_>) -> Result<Ticket, AppendError> {
        self.hand_over(Given::Free(commit))
    }

    /// Hands over a commit that was encoded before, for the next seq and the next numbers. Its bytes are appended as
    /// they are, or not at all.
    pub fn append_encoded(&self, commit: &Encoded<'_>) -> Result<Ticket, AppendError> {
        self.hand_over(Given::Encoded(commit))
    }

    fn hand_over(&self, commit: Given<'_>) -> Result<Ticket, AppendError> {
        let (mut state, ticket) = self.offer(commit)?;
        let wake = state::must_wake(&mut state);
        drop(state);
        if wake {
            self.shared.work.notify_one();
        }
        Ok(ticket)
    }

    /// Hands over a commit and returns when it is committed under its class. If no thread is committing just now, the
    /// calling thread commits everything that waits. So a single caller waits only for the disk, and not for another
    /// thread.
    pub fn commit(&self, commit: &Append<'_>) -> Result<Ticket, AppendError> {
        let (state, ticket) = self.offer(Given::Free(commit))?;
        let committed = self.shared.commit_up_to(state, ticket.end, ticket.class);
        committed.map(|()| ticket).map_err(|poison| poison.of(&ticket))
    }

    fn offer(&self, commit: Given<'_>) -> Result<(MutexGuard<'_, State>, Ticket), AppendError> {
        let mut state = self.uncrowded()?;
        let mut scratch = std::mem::take(&mut state.scratch);
        let appended = self.append_to(&mut state, commit, &mut scratch);
        scratch.clear();
        state.scratch = scratch;
        appended.map(|ticket| (state, ticket)).map_err(|reason| AppendError::NotAppended { reason })
    }

    /// Waits until there is room among the pending bytes, and returns the lock.
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

    fn append_to(&self, state: &mut State, commit: Given<'_>, numbers: &mut Vec<Number>) -> Result<Ticket, Reason> {
        let mut head = commit.head(state.next_seq);
        if self.files.fs.is_shared() {
            // Nothing else decides who was first. A commit that comes encoded says its own class, and is acknowledged no earlier.
            head.class = Durability::Sync;
        }
        let numbered = match commit {
            Given::Free(commit) => self.number(state, commit.events.iter().map(|event| event.stream), numbers),
            Given::Encoded(commit) => self
                .number(state, commit.events().iter().map(|event| event.stream), numbers)
                .and_then(|()| check_place(state, commit, numbers)),
        };
        match numbered.and_then(|()| self.encode(state, &head, commit, numbers)) {
            Ok((position, frame_len)) => {
                state.streams.time(&head);
                Ok(accept(state, head.class, numbers, position, frame_len))
            }
            Err(reason) => {
                // In reverse order, so that a stream that occurs more than once gets back its first value.
                numbers.iter().rev().for_each(|given| state.streams.set_len(given.stream, given.number));
                Err(reason)
            }
        }
    }

    /// Gives each event the next number of its stream.
    fn number<'n>(
        &self,
        state: &mut State,
        names: impl Iterator<Item = &'n str>,
        numbers: &mut Vec<Number>,
    ) -> Result<(), Reason> {
        let mut last = None;
        for name in names {
            let stream = match last {
                Some((before, stream)) if before == name => stream,
                _ => self.stream_at(state, name).map_err(|trouble| Reason::Index(Arc::new(trouble.into())))?,
            };
            last = Some((name, stream));
            let number = state.streams.get(stream).len;
            state.streams.set_len(stream, number + 1);
            numbers.push(Number { stream, number });
        }
        Ok(())
    }

    /// The index of a stream in the list. A new stream is added with its length in the sealed segments.
    fn stream_at(&self, state: &mut State, name: &str) -> Result<usize, Trouble> {
        if let Some(at) = state.streams.find(name) {
            return Ok(at);
        }
        let len = state.sealed.stream_len(&self.files, name)?;
        Ok(state.streams.insert(name, len))
    }

    /// Encodes the frame after the pending bytes. If the frame does not fit into this segment, it goes to the next one.
    /// Returns its position and length.
    fn encode(
        &self,
        state: &mut State,
        head: &CommitHead<'_>,
        commit: Given<'_>,
        numbers: &[Number],
    ) -> Result<(Position, u64), Reason> {
        let one;
        let many;
        let body = match commit {
            Given::Encoded(commit) => Body::Encoded(commit),
            Given::Free(Append { events: [event], .. }) => {
                one = [place(event, 0, head.first_seq, numbers)?];
                Body::Events(&one)
            }
            Given::Free(Append { events, .. }) => {
                let placed = events.iter().enumerate().map(|(at, event)| place(event, at, head.first_seq, numbers));
                many = placed.collect::<Result<Vec<_>, _>>()?;
                Body::Events(&many)
            }
        };
        let len = self.frame(state, state.end, head, &body)?;
        if SegmentHeader::takes(self.segment_limit, state.end.0 - state.segment.0, len) {
            return Ok((state.end, len));
        }
        // The checksum depends on the place (the length does not). So the frame is encoded again, for the place after the next
        // segment's header.
        let start = state.pending.bytes.len() - usize::try_from(len).unwrap_or(0);
        state.pending.bytes.truncate(start);
        // This step can fail for another reason, so it comes before anything changes.
        let before = state.sealed.closed_streams(&self.files);
        let before = before.map_err(|trouble| Reason::Index(Arc::new(trouble.into())))?;
        let position = Position(state.end.0 + SEGMENT_HEADER_LEN as u64);
        self.frame(state, position, head, &body)?;
        self.roll(state, start, &before);
        Ok((position, len))
    }

    fn frame(
        &self,
        state: &mut State,
        position: Position,
        head: &CommitHead<'_>,
        body: &Body<'_>,
    ) -> Result<u64, Reason> {
        let (start, durable) = (state.pending.bytes.len(), state.durable.0);
        let events = body.events().len() as u64;
        // A commit that arrives encoded holds what a caller asked the engine to record. Events that are given one by one
        // belong to the log itself, and cannot hold a frame.
        let of_caller = if let Body::Encoded(commit) = body { Some(*commit) } else { None };
        let body = |out: &mut Vec<u8>| match body {
            Body::Events(events) => encode_commit(head, events, out),
            Body::Encoded(commit) => {
                out.extend_from_slice(commit.body());
                Ok(())
            }
        };
        let encoded = self.codec.encode(position.0, durable, &mut state.pending.bytes, body);
        let len = encoded.map_err(|found| Reason::TooLong { found })?.map_err(Reason::Refused)? as u64;
        if let Some(commit) = of_caller
            && let Some(offset) = self.codec.frame_within(position.0 + FRAME_HEADER_LEN as u64, commit.body())
        {
            state.pending.bytes.truncate(start);
            return Err(Reason::HoldsFrame { offset });
        }
        // Room is left for the header of another segment.
        let end = position.0.saturating_add(len).saturating_add(SEGMENT_HEADER_LEN as u64);
        if end > POSITION_MAX || head.first_seq.0.saturating_add(events) > POSITION_MAX {
            state.pending.bytes.truncate(start);
            return Err(Reason::Full);
        }
        Ok(len)
    }

    /// Seals the segment. Its streams, and those that an earlier session left in it, become its index. The frame at `at`
    /// begins the next segment.
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

/// The contents of a frame.
#[derive(Clone, Copy, Debug)]
enum Body<'b> {
    Events(&'b [Event<'b>]),
    Encoded(&'b Encoded<'b>),
}

impl Body<'_> {
    fn events(&self) -> &[Event<'_>] {
        match self {
            Body::Events(events) => events,
            Body::Encoded(commit) => commit.events(),
        }
    }
}

/// Checks that a commit was encoded for the next place in the log.
fn check_place(state: &State, commit: &Encoded<'_>, numbers: &[Number]) -> Result<(), Reason> {
    let (expected, found) = (state.next_seq.0, commit.head().first_seq.0);
    if expected != found {
        return Err(Reason::Misplaced { of: "first seq", expected, found });
    }
    match numbers.iter().zip(commit.events()).find(|(given, event)| given.number != event.number) {
        None => Ok(()),
        Some((given, event)) => {
            let (of, expected, found) = ("number within the stream", given.number, event.number);
            Err(Reason::Misplaced { of, expected, found })
        }
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

/// Counts a commit that is in the pending bytes.
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
