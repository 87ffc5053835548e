//! A commit: one or more events appended together (rules F-30 to F-45). The body of a frame.
//!
//! Encoding is the codec library's; decoding is written here, strict and borrowing, and tested against the library.

use crate::cursor::{Cursor, has_control};
use crate::error::{Corruption, Flaw};
use crate::ids::Seq;
use crate::kind::{CUSTOM_PREFIX, Kind};
use crate::limits::{
    ACTOR_LEN_MAX, EVENTS_PER_COMMIT_MAX, IDEMPOTENCY_KEY_LEN_MAX, KIND_NAME_LEN_MAX, PAYLOAD_LEN_MAX, POSITION_MAX,
    STREAM_LEN_MAX,
};
use alloc::vec::Vec;
use bincode::Encode;
use bincode::enc::Encoder;
use bincode::error::EncodeError;
use core::fmt;

/// The fewest bytes that an event takes: a stream of one letter, and one byte for each other field's number or length.
const EVENT_LEN_MIN: usize = 9;

/// Length of a content digest in bytes.
const CONTENT_LEN: usize = 32;

/// When a commit is acknowledged. The numbers stand in every log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Durability {
    /// After fdatasync: it survives any crash.
    Sync = 1,
    /// After the write: it survives the process, not the machine.
    Os = 2,
}

/// What all events of a commit share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitHead<'a> {
    /// Seq of the first event; the others follow without a gap.
    pub first_seq: Seq,
    /// Unix time in nanoseconds, recorded once. May repeat or go backwards; never decides order.
    pub time_ns: i64,
    /// When the commit was to be acknowledged.
    pub class: Durability,
    /// Who asked for it.
    pub actor: &'a str,
}

/// One fact: what happened to one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The run it belongs to, or `$log`.
    pub stream: &'a str,
    /// Its number within the stream: 0, 1, 2, … dense.
    pub number: u64,
    /// What happened.
    pub kind: Kind<'a>,
    /// Version of the payload's table.
    pub kind_version: u16,
    /// Seq of the earlier event that caused this one.
    pub causation: Option<Seq>,
    /// Names the command, so that a second delivery of it is recognised.
    pub idempotency: Option<Idempotency<'a>>,
    /// The details, as the kind's table says.
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
    /// What its events share.
    pub head: CommitHead<'a>,
    /// At least one.
    pub events: Vec<Event<'a>>,
}

/// A commit that the format cannot hold: which part, its limit and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Which part.
    pub of: &'static str,
    /// Its limit.
    pub max: u64,
    /// Its size.
    pub found: u64,
}

/// Why a commit cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeRefusal {
    /// A part exceeds its limit.
    TooLarge(TooLarge),
    /// A part is empty, is not text without control characters, or is out of order.
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

impl Encode for Event<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.stream.encode(encoder)?;
        self.number.encode(encoder)?;
        match self.kind {
            Kind::BuiltIn(number) => (0u32, number).encode(encoder)?,
            Kind::Custom(name) => (1u32, name).encode(encoder)?,
        }
        self.kind_version.encode(encoder)?;
        self.causation.map(|seq| seq.0).encode(encoder)?;
        self.idempotency.map(|given| (given.key, given.content)).encode(encoder)?;
        self.payload.encode(encoder)
    }
}

impl Encode for CommitHead<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.first_seq.0.encode(encoder)?;
        self.time_ns.encode(encoder)?;
        (self.class as u8).encode(encoder)?;
        self.actor.encode(encoder)
    }
}

/// Appends the body of a commit to `out`. What a reader would refuse is refused here, and `out` is left as it was.
pub fn encode_commit(head: &CommitHead<'_>, events: &[Event<'_>], out: &mut Vec<u8>) -> Result<(), EncodeRefusal> {
    check_writable(head, events)?;
    let start = out.len();
    let written = bincode::encode_into_writer((head, events), Appender(out), bincode::config::standard());
    if written.is_err() {
        // The encoder fails only with its writer, and appending to memory does not; kept so that nothing can panic.
        out.truncate(start);
        return Err(EncodeRefusal::Invalid(Flaw::Truncated { of: "commit" }));
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

fn check_writable(head: &CommitHead<'_>, events: &[Event<'_>]) -> Result<(), EncodeRefusal> {
    at_most("first seq", head.first_seq.0, POSITION_MAX)?;
    within("number of events", events.len(), EVENTS_PER_COMMIT_MAX)?;
    text("actor", head.actor, ACTOR_LEN_MAX)?;
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
        if let Some(given) = event.idempotency {
            text("idempotency key", given.key, IDEMPOTENCY_KEY_LEN_MAX)?;
        }
        check_event(event, seq).map_err(EncodeRefusal::Invalid)?;
    }
    Ok(())
}

/// What must hold of an event beyond the range of each field (rules F-33 to F-37).
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
    if event.idempotency.is_some_and(|given| given.key.is_empty()) {
        return Err(Flaw::Empty { of: "idempotency key" });
    }
    match event.causation {
        Some(cause) if cause.0 >= seq => {
            Err(Flaw::Order { of: "causation, less than the seq", expected: seq, found: cause.0 })
        }
        _ => Ok(()),
    }
}

/// Walks a commit's events without allocating.
#[derive(Clone, Debug)]
pub struct CommitReader<'a> {
    /// What the events share.
    pub head: CommitHead<'a>,
    cursor: Cursor<'a>,
    next_seq: u64,
    left: u64,
}

impl<'a> CommitReader<'a> {
    /// Reads the head of a body; `position` is that of its first byte.
    pub fn new(body: &'a [u8], position: u64) -> Result<CommitReader<'a>, Corruption> {
        let mut cursor = Cursor::new(body, position);
        let first_seq = cursor.varint_max(POSITION_MAX, "first seq")?;
        let time_ns = cursor.varint_signed("time")?;
        let at = cursor;
        let class = cursor.u8("durability class")?;
        let Some(class) = Durability::from_byte(class) else {
            return Err(at.corrupt(Flaw::Tag { of: "durability class", found: u64::from(class) }));
        };
        let actor = cursor.text(ACTOR_LEN_MAX, "actor")?;
        let left = cursor.varint_max(EVENTS_PER_COMMIT_MAX, "number of events")?;
        if left == 0 {
            return Err(cursor.corrupt(Flaw::Empty { of: "events" }));
        }
        let head = CommitHead { first_seq: Seq(first_seq), time_ns, class, actor };
        Ok(CommitReader { head, cursor, next_seq: first_seq, left })
    }

    /// How many events have not been read yet.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The same of one event of those whose stream's name, as bytes, is wanted. The others are passed over by their
    /// lengths: what they hold is not looked at, which is for readers of bytes that were checked before.
    pub fn next_of(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Result<Option<(Seq, Event<'a>)>, Corruption> {
        while self.left > 0 {
            let mut ahead = self.cursor;
            if wanted(ahead.byte_string(STREAM_LEN_MAX, "stream")?) {
                break;
            }
            pass_event(&mut ahead)?;
            self.cursor = ahead;
            self.left -= 1;
            self.next_seq += 1;
        }
        self.next_event()
    }

    /// The next event with its seq; `None` after the last, if nothing follows it.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<(Seq, Event<'a>)>, Corruption> {
        if self.left == 0 {
            return match self.cursor.remaining() {
                0 => Ok(None),
                found => Err(self.cursor.corrupt(Flaw::Trailing { found: found as u64 })),
            };
        }
        let at = self.cursor;
        let event = read_event(&mut self.cursor)?;
        check_event(&event, self.next_seq).map_err(|flaw| at.corrupt(flaw))?;
        let seq = Seq(self.next_seq);
        self.left -= 1;
        self.next_seq += 1;
        Ok(Some((seq, event)))
    }
}

#[inline]
fn read_event<'a>(cursor: &mut Cursor<'a>) -> Result<Event<'a>, Corruption> {
    let stream = cursor.text(STREAM_LEN_MAX, "stream")?;
    let number = cursor.varint_max(POSITION_MAX, "number within the stream")?;
    let kind = read_kind(cursor)?;
    let kind_version = read_u16(cursor, "kind version")?;
    let causation = if cursor.option("causation")? { Some(Seq(cursor.varint("causation")?)) } else { None };
    let idempotency = if cursor.option("idempotency key")? {
        let key = cursor.text(IDEMPOTENCY_KEY_LEN_MAX, "idempotency key")?;
        Some(Idempotency { key, content: cursor.array("content digest")? })
    } else {
        None
    };
    let payload = cursor.byte_string(PAYLOAD_LEN_MAX, "payload")?;
    Ok(Event { stream, number, kind, kind_version, causation, idempotency, payload })
}

/// Passes over what follows an event's stream.
fn pass_event(cursor: &mut Cursor<'_>) -> Result<(), Corruption> {
    cursor.varint("number within the stream")?;
    match cursor.varint("kind")? {
        0 => drop(cursor.varint("kind")?),
        _ => drop(cursor.byte_string(KIND_NAME_LEN_MAX, "kind")?),
    }
    cursor.varint("kind version")?;
    if cursor.option("causation")? {
        cursor.varint("causation")?;
    }
    if cursor.option("idempotency key")? {
        cursor.byte_string(IDEMPOTENCY_KEY_LEN_MAX, "idempotency key")?;
        cursor.bytes(CONTENT_LEN, "content digest")?;
    }
    cursor.byte_string(PAYLOAD_LEN_MAX, "payload")?;
    Ok(())
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
        // A count never makes us reserve more than the body justifies.
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
