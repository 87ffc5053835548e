//! A commit: one or more events appended together (rules F-30 to F-50). The body of a frame.
//!
//! The codec library encodes. Decoding is written here: it is strict and borrows, and it is tested against the library. A
//! commit names each stream once, in the list `streams`. An event names its stream by the place in that list.

mod streams;

use crate::cursor::{Cursor, check_time, has_control};
use crate::error::{Corruption, Flaw};
use crate::ids::Seq;
use crate::kind::{CUSTOM_PREFIX, Kind};
use crate::limits::{
    ACTOR_LEN_MAX, CORRELATION_LEN_MAX, EVENT_LEN_MAX, EVENTS_PER_COMMIT_MAX, IDEMPOTENCY_KEY_LEN_MAX,
    KIND_NAME_LEN_MAX, PAYLOAD_LEN_MAX, POSITION_MAX, PRINCIPAL_LEN_MAX, STREAM_LEN_MAX,
};
use alloc::vec::Vec;
use bincode::Encode;
use bincode::enc::Encoder;
use bincode::error::EncodeError;
use core::fmt;
use streams::{Rows, Streams, Taken};

/// The fewest bytes that an event takes: one for its stream, one for its length, and one or more each for its kind, version,
/// causation and protection.
const EVENT_LEN_MIN: usize = 7;

/// Room for the fields before an event's payload: at most a kind's name and 20 bytes.
const ENVELOPE_LEN_MAX: usize = 160;

/// About how long the head of a commit is, and an event without its payload and its stream's name, in bytes.
const HEAD_LEN: usize = 160;
const EVENT_LEN: usize = 40;

/// The protection of a payload that is stored as it is.
pub const PLAIN: u8 = 0;

/// Length of a content digest in bytes.
const CONTENT_LEN: usize = 32;

/// The time when a commit is acknowledged. Every log contains these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Durability {
    /// After fdatasync: it survives any crash.
    Sync = 1,
    /// After the write: it survives the process, not the machine.
    Os = 2,
}

/// The members that all events of a commit have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitHead<'a> {
    /// Seq of the first event; the others follow without a gap.
    pub first_seq: Seq,
    /// The engine's clock when the commit was made, as Unix time in nanoseconds. It may repeat or go backwards, and never
    /// decides order.
    pub recorded_ns: i64,
    /// When it happened according to the caller, as Unix time in nanoseconds, in the years 1970 to 9999.
    pub occurred_ns: Option<i128>,
    /// The time when the commit was to be acknowledged.
    pub class: Durability,
    /// Who asked for it, as the caller says.
    pub actor: &'a str,
    /// Who was authenticated, as the engine determined it.
    pub principal: Option<&'a str>,
    /// What ties it to commits of other runs: the id of a request, a trace.
    pub correlation: Option<&'a str>,
    /// Names the command, so that a second delivery of it is recognised.
    pub idempotency: Option<Idempotency<'a>>,
}

impl<'a> CommitHead<'a> {
    /// A head with only the members that every commit must have.
    pub fn new(first_seq: Seq, recorded_ns: i64, class: Durability, actor: &'a str) -> CommitHead<'a> {
        let (occurred_ns, principal, correlation, idempotency) = (None, None, None, None);
        CommitHead { first_seq, recorded_ns, occurred_ns, class, actor, principal, correlation, idempotency }
    }

    /// When it happened according to the caller, or else when it was recorded.
    #[inline]
    pub fn time_ns(&self) -> i128 {
        self.occurred_ns.unwrap_or(i128::from(self.recorded_ns))
    }
}

/// One fact: what happened to one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The run it belongs to, or `$log`.
    pub stream: &'a str,
    /// Its number within the stream: 0, 1, 2, … dense.
    pub number: u64,
    /// The kind of the event.
    pub kind: Kind<'a>,
    /// Version of the payload's table.
    pub kind_version: u16,
    /// Seq of the earlier event that caused this one.
    pub causation: Option<Seq>,
    /// How the payload is kept: [`PLAIN`], or in a way that this version does not know.
    pub protection: u8,
    /// The details, in the form of the kind's table, unless they are protected.
    pub payload: &'a [u8],
}

/// A command's own name within its stream, and the digest of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency<'a> {
    /// As the caller gave it.
    pub key: &'a str,
    /// BLAKE3 of the command in canonical form, without the key.
    pub content: [u8; CONTENT_LEN],
}

/// A decoded commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit<'a> {
    /// The members that its events have in common.
    pub head: CommitHead<'a>,
    /// The events; at least one.
    pub events: Vec<Event<'a>>,
}

/// A commit and its body, the encoded commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded<'a> {
    head: CommitHead<'a>,
    events: &'a [Event<'a>],
    body: Vec<u8>,
}

/// A commit that the format cannot hold: which part, its limit and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// The part.
    pub of: &'static str,
    /// Its limit.
    pub max: u64,
    /// Its size.
    pub found: u64,
}

/// The reason why a commit cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeRefusal {
    /// A part exceeds its limit.
    TooLarge(TooLarge),
    /// A part is empty, is not text without control characters, is a time out of range, or is out of order.
    Invalid(Flaw),
}

impl fmt::Display for EncodeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeRefusal::TooLarge(TooLarge { of, max, found }) => {
                write!(f, "{of} is too large: expected at most {max}, found {found}")
            }
            EncodeRefusal::Invalid(flaw) => write!(f, "{flaw}"),
        }
    }
}

impl core::error::Error for EncodeRefusal {}

impl<'a> Encoded<'a> {
    /// Encodes a commit. It refuses a commit that a reader would refuse.
    pub fn new(head: CommitHead<'a>, events: &'a [Event<'a>]) -> Result<Encoded<'a>, EncodeRefusal> {
        // Reserves about the needed length, because a buffer that grows step by step costs more than the encoding.
        let len = events.iter().map(|event| event.payload.len() + event.stream.len() + EVENT_LEN).sum::<usize>();
        let mut body = Vec::with_capacity(len + HEAD_LEN);
        encode_commit(&head, events, &mut body)?;
        Ok(Encoded { head, events, body })
    }

    /// The members that its events have in common.
    pub fn head(&self) -> &CommitHead<'a> {
        &self.head
    }

    /// Its events.
    pub fn events(&self) -> &'a [Event<'a>] {
        self.events
    }

    /// Its bytes.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl Durability {
    fn from_byte(byte: u8) -> Option<Durability> {
        match byte {
            1 => Some(Durability::Sync),
            2 => Some(Durability::Os),
            _ => None,
        }
    }

    /// The class's name.
    pub fn name(self) -> &'static str {
        match self {
            Durability::Sync => "sync",
            Durability::Os => "os",
        }
    }
}

/// The fields before an event's payload.
struct Envelope<'e>(&'e Event<'e>);

impl Encode for Envelope<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let event = self.0;
        match event.kind {
            Kind::BuiltIn(number) => (0u32, number).encode(encoder)?,
            Kind::Custom(name) => (1u32, name).encode(encoder)?,
        }
        event.kind_version.encode(encoder)?;
        event.causation.map(|seq| seq.0).encode(encoder)?;
        event.protection.encode(encoder)
    }
}

impl Encode for CommitHead<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.first_seq.0, self.recorded_ns, self.occurred_ns).encode(encoder)?;
        (self.class as u8, self.actor, self.principal, self.correlation).encode(encoder)?;
        self.idempotency.map(|given| (given.key, given.content)).encode(encoder)
    }
}

/// Appends the body of a commit to `out`. It refuses a commit that a reader would refuse, and then leaves `out` as it
/// was.
pub fn encode_commit(head: &CommitHead<'_>, events: &[Event<'_>], out: &mut Vec<u8>) -> Result<(), EncodeRefusal> {
    check_writable(head, events)?;
    let mut table = Rows::of(events);
    let start = out.len();
    let written = write(head, events, &mut table, out);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn write(
    head: &CommitHead<'_>,
    events: &[Event<'_>],
    table: &mut Rows<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeRefusal> {
    // The encoder fails only if its writer fails, and appending to memory does not fail. The error is still handled, so that
    // nothing can panic.
    let failed = |_: EncodeError| EncodeRefusal::Invalid(Flaw::Truncated { of: "commit" });
    let config = bincode::config::standard();
    bincode::encode_into_writer((head, table.rows(), events.len() as u64), Appender(out), config).map_err(failed)?;
    let mut envelope = [0u8; ENVELOPE_LEN_MAX];
    for event in events {
        let index = table.take(event.stream, event.number).map_err(EncodeRefusal::Invalid)?;
        let len = bincode::encode_into_slice(Envelope(event), &mut envelope, config).map_err(failed)?;
        let whole = (index, (len + event.payload.len()) as u64);
        bincode::encode_into_writer(whole, Appender(out), config).map_err(failed)?;
        out.extend_from_slice(&envelope[..len]);
        out.extend_from_slice(event.payload);
    }
    Ok(())
}

struct Appender<'a>(&'a mut Vec<u8>);

impl bincode::enc::write::Writer for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

fn within(of: &'static str, found: usize, max: u64) -> Result<(), EncodeRefusal> {
    at_most(of, found as u64, max)
}

fn at_most(of: &'static str, found: u64, max: u64) -> Result<(), EncodeRefusal> {
    if found > max { Err(EncodeRefusal::TooLarge(TooLarge { of, max, found })) } else { Ok(()) }
}

fn text(of: &'static str, text: &str, max: u64) -> Result<(), EncodeRefusal> {
    within(of, text.len(), max)?;
    if has_control(text) { Err(EncodeRefusal::Invalid(Flaw::Text { of })) } else { Ok(()) }
}

/// Checks text that must be left out rather than be empty.
fn given(of: &'static str, given: Option<&str>, max: u64) -> Result<(), EncodeRefusal> {
    match given {
        Some("") => Err(EncodeRefusal::Invalid(Flaw::Empty { of })),
        Some(given) => text(of, given, max),
        None => Ok(()),
    }
}

fn check_writable(head: &CommitHead<'_>, events: &[Event<'_>]) -> Result<(), EncodeRefusal> {
    at_most("first seq", head.first_seq.0, POSITION_MAX)?;
    within("number of events", events.len(), EVENTS_PER_COMMIT_MAX)?;
    if let Some(occurred_ns) = head.occurred_ns {
        check_time("occurred", occurred_ns).map_err(EncodeRefusal::Invalid)?;
    }
    text("actor", head.actor, ACTOR_LEN_MAX)?;
    given("principal", head.principal, PRINCIPAL_LEN_MAX)?;
    given("correlation", head.correlation, CORRELATION_LEN_MAX)?;
    given("idempotency key", head.idempotency.map(|given| given.key), IDEMPOTENCY_KEY_LEN_MAX)?;
    if events.is_empty() {
        return Err(EncodeRefusal::Invalid(Flaw::Empty { of: "events" }));
    }
    for (seq, event) in (head.first_seq.0..).zip(events) {
        text("stream", event.stream, STREAM_LEN_MAX)?;
        at_most("number within the stream", event.number, POSITION_MAX)?;
        within("payload", event.payload.len(), PAYLOAD_LEN_MAX)?;
        if let Kind::Custom(name) = event.kind {
            text("kind", name, KIND_NAME_LEN_MAX)?;
        }
        check_event(event, seq).map_err(EncodeRefusal::Invalid)?;
    }
    Ok(())
}

/// Checks an event beyond the range of each field (rules F-33 to F-37).
#[inline]
fn check_event(event: &Event<'_>, seq: u64) -> Result<(), Flaw> {
    if event.stream.is_empty() {
        return Err(Flaw::Empty { of: "stream" });
    }
    if event.number > seq {
        return Err(Flaw::Order {
            of: "number within the stream, at most the seq",
            expected: seq,
            found: event.number,
        });
    }
    if matches!(event.kind, Kind::Custom(name) if name.len() <= CUSTOM_PREFIX.len() || !name.starts_with(CUSTOM_PREFIX))
    {
        return Err(Flaw::Text { of: "kind" });
    }
    match event.causation {
        Some(cause) if cause.0 >= seq => {
            Err(Flaw::Order { of: "causation, less than the seq", expected: seq, found: cause.0 })
        }
        _ => Ok(()),
    }
}

/// Walks a commit's events. It allocates only for the names of streams, and only if there is more than one.
#[derive(Clone, Debug)]
pub struct CommitReader<'a> {
    /// The members that the events have in common.
    pub head: CommitHead<'a>,
    streams: Streams<'a>,
    cursor: Cursor<'a>,
    next_seq: u64,
    left: u64,
}

impl<'a> CommitReader<'a> {
    /// Reads the members that the events have in common. `position` is the position of the body's first byte.
    pub fn new(body: &'a [u8], position: u64) -> Result<CommitReader<'a>, Corruption> {
        let mut cursor = Cursor::new(body, position);
        let head = read_head(&mut cursor)?;
        let streams = Streams::read(&mut cursor)?;
        let at = cursor;
        let left = cursor.varint_max(EVENTS_PER_COMMIT_MAX, "number of events")?;
        if left == 0 {
            return Err(cursor.corrupt(Flaw::Empty { of: "events" }));
        }
        if streams.len() > left {
            return Err(at.corrupt(Flaw::Empty { of: "events of a stream" }));
        }
        Ok(CommitReader { head, streams, cursor, next_seq: head.first_seq.0, left })
    }

    /// How many events have not been read yet.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Returns only the events of wanted streams. The others are skipped by their lengths and their contents are not checked,
    /// so use this only on bytes that were checked before.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> CommitReader<'a> {
        self.streams.want(wanted);
        self
    }

    /// The events of one stream, with their seqs. The whole commit is read. If any part of it cannot be read, the result is an
    /// error.
    pub fn events_of(mut self, stream: &str) -> Result<Vec<(Seq, Event<'a>)>, Corruption> {
        let (wanted, mut events) = (self.streams.place(stream), Vec::new());
        for seq in (self.next_seq..).take(usize::try_from(self.left).unwrap_or(usize::MAX)) {
            let at = self.cursor;
            let index = self.streams.index(&mut self.cursor)?;
            let Taken { stream, number, .. } = self.streams.take(index);
            let event = read_event(&mut self.cursor, stream, number)?;
            check_event(&event, seq).map_err(|flaw| at.corrupt(flaw))?;
            if wanted == Some(index) {
                events.push((Seq(seq), event));
            }
        }
        self.end()?;
        Ok(events)
    }

    /// The next event with its seq. `None` after the last event; an error if bytes follow it, or if a listed stream had
    /// no event.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<(Seq, Event<'a>)>, Corruption> {
        while self.left > 0 {
            let at = self.cursor;
            let index = self.streams.index(&mut self.cursor)?;
            let Taken { stream, number, is_wanted } = self.streams.take(index);
            let seq = Seq(self.next_seq);
            self.left -= 1;
            self.next_seq += 1;
            if !is_wanted {
                self.cursor.byte_string(EVENT_LEN_MAX, "event")?;
                continue;
            }
            let event = read_event(&mut self.cursor, stream, number)?;
            check_event(&event, seq.0).map_err(|flaw| at.corrupt(flaw))?;
            return Ok(Some((seq, event)));
        }
        self.end()?;
        Ok(None)
    }

    /// Checks that no bytes follow the last event, and that each listed stream had an event.
    #[inline]
    fn end(&self) -> Result<(), Corruption> {
        match self.cursor.remaining() {
            0 if self.streams.are_all_used() => Ok(()),
            0 => Err(self.cursor.corrupt(Flaw::Empty { of: "events of a stream" })),
            found => Err(self.cursor.corrupt(Flaw::Trailing { found: found as u64 })),
        }
    }
}

fn read_head<'a>(cursor: &mut Cursor<'a>) -> Result<CommitHead<'a>, Corruption> {
    let first_seq = Seq(cursor.varint_max(POSITION_MAX, "first seq")?);
    let recorded_ns = cursor.varint_signed("recorded")?;
    let occurred_ns = if cursor.option("occurred")? { Some(cursor.time("occurred")?) } else { None };
    let at = *cursor;
    let class = cursor.u8("durability class")?;
    let Some(class) = Durability::from_byte(class) else {
        return Err(at.corrupt(Flaw::Tag { of: "durability class", found: u64::from(class) }));
    };
    let actor = cursor.text(ACTOR_LEN_MAX, "actor")?;
    let principal = read_given(cursor, PRINCIPAL_LEN_MAX, "principal")?;
    let correlation = read_given(cursor, CORRELATION_LEN_MAX, "correlation")?;
    let idempotency = match read_given(cursor, IDEMPOTENCY_KEY_LEN_MAX, "idempotency key")? {
        Some(key) => Some(Idempotency { key, content: cursor.array("content digest")? }),
        None => None,
    };
    Ok(CommitHead { first_seq, recorded_ns, occurred_ns, class, actor, principal, correlation, idempotency })
}

/// Reads text that must be left out rather than be empty.
fn read_given<'a>(cursor: &mut Cursor<'a>, max: u64, of: &'static str) -> Result<Option<&'a str>, Corruption> {
    if !cursor.option(of)? {
        return Ok(None);
    }
    let at = *cursor;
    let text = cursor.text(max, of)?;
    if text.is_empty() { Err(at.corrupt(Flaw::Empty { of })) } else { Ok(Some(text)) }
}

#[inline]
fn read_event<'a>(cursor: &mut Cursor<'a>, stream: &'a str, number: u64) -> Result<Event<'a>, Corruption> {
    let mut within = cursor.within(EVENT_LEN_MAX, "event")?;
    let kind = read_kind(&mut within)?;
    let kind_version = read_u16(&mut within, "kind version")?;
    let causation = if within.option("causation")? { Some(Seq(within.varint("causation")?)) } else { None };
    let protection = within.u8("protection")?;
    let found = within.remaining() as u64;
    if found > PAYLOAD_LEN_MAX {
        return Err(within.corrupt(Flaw::Length { of: "payload", max: PAYLOAD_LEN_MAX, found }));
    }
    let payload = within.rest();
    Ok(Event { stream, number, kind, kind_version, causation, protection, payload })
}

#[inline]
fn read_u16(cursor: &mut Cursor<'_>, of: &'static str) -> Result<u16, Corruption> {
    let at = *cursor;
    let found = cursor.varint(of)?;
    u16::try_from(found).map_err(|_| at.corrupt(Flaw::Length { of, max: u64::from(u16::MAX), found }))
}

#[inline]
fn read_kind<'a>(cursor: &mut Cursor<'a>) -> Result<Kind<'a>, Corruption> {
    let at = *cursor;
    match cursor.varint("kind")? {
        0 => Ok(Kind::BuiltIn(read_u16(cursor, "kind")?)),
        1 => Ok(Kind::Custom(cursor.text(KIND_NAME_LEN_MAX, "kind")?)),
        found => Err(at.corrupt(Flaw::Tag { of: "kind", found })),
    }
}

impl<'a> Commit<'a> {
    /// Reads a whole body; `position` is that of its first byte in the log.
    pub fn decode(body: &'a [u8], position: u64) -> Result<Commit<'a>, Corruption> {
        let mut reader = CommitReader::new(body, position)?;
        let head = reader.head;
        // Never reserves room for more events than the body can hold, even if the count is larger.
        let claimed = usize::try_from(reader.left()).unwrap_or(usize::MAX);
        let mut events = Vec::with_capacity(claimed.min(body.len() / EVENT_LEN_MIN));
        while let Some((_, event)) = reader.next_event()? {
            events.push(event);
        }
        Ok(Commit { head, events })
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
