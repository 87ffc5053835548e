//! evlog itself as a contender, and works that only evlog does: opening, looking up a stream, decoding payloads.

use crate::Done;
use crate::contender::{Contender, Store};
use crate::events::Events;
use evlog_format::{Durability, LogId, Position, kind, payload};
use evlog_lifecycle::status::payload::{Created, Refused, Transitioned};
use evlog_store::{Ahead, Append, AppendEvent, CreateOptions, Owner, ReadError, Reader, StdFs, Ticket, Writer};
use std::hint::black_box;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The length at which segments end, as in `evlog init`.
pub const SEGMENT: u64 = evlog_format::limits::SEGMENT_LIMIT_DEFAULT;

/// The store with its default options.
pub const EVLOG: Contender = Contender { name: "evlog", open, replays: true };

/// The store of evlog, but it never writes zeros after the last commit for later commits to overwrite. So each commit makes
/// the file longer, and each sync also has to store the new length.
pub const GROWING: Contender = Contender { name: "evlog-growing", open: open_growing, replays: true };

/// Any time; it is recorded and never read.
const TIME_NS: i64 = 1_771_869_600_000_000_000;
const ACTOR: &str = "bench";

struct Ours {
    dir: PathBuf,
    writer: Writer,
}

fn owner() -> Owner {
    Owner { program: "evlog bench".into() }
}

/// Makes a log in `dir`, or opens the one that is there.
pub fn writer(dir: &Path) -> Done<Writer> {
    if dir.join("segments").exists() {
        return Ok(Writer::open(Arc::new(StdFs), dir, &owner())?.0);
    }
    let options = CreateOptions { log_id: LogId([7; 16]), segment_limit: SEGMENT };
    Ok(Writer::create(Arc::new(StdFs), dir, options, &owner())?)
}

fn open(dir: &Path) -> Done<Box<dyn Store>> {
    Ok(Box::new(Ours { dir: dir.to_path_buf(), writer: writer(dir)? }))
}

fn open_growing(dir: &Path) -> Done<Box<dyn Store>> {
    Ok(Box::new(Ours { dir: dir.to_path_buf(), writer: writer(dir)?.with_ahead(Ahead::NEVER) }))
}

fn offer(writer: &Writer, class: Durability, events: &[AppendEvent<'_>]) -> Done<Ticket> {
    Ok(writer.append(&Append::new(TIME_NS, class, ACTOR, events))?)
}

/// Appends events as one commit. If `synced`, waits for it.
pub fn append(writer: &Writer, events: &Events, numbers: Range<usize>, synced: bool) -> Done<()> {
    let batch: Vec<AppendEvent<'_>> = numbers.map(|number| events.event(number)).collect();
    let ticket = offer(writer, if synced { Durability::Sync } else { Durability::Os }, &batch)?;
    if synced { Ok(writer.wait(&ticket)?) } else { Ok(()) }
}

impl Store for Ours {
    fn append(&self, events: &Events, numbers: Range<usize>, synced: bool) -> Done<()> {
        append(&self.writer, events, numbers, synced)
    }

    fn durable(&self, events: &Events, number: usize) -> Done<()> {
        let events = &[events.event(number)];
        self.writer.commit(&Append::new(TIME_NS, Durability::Sync, ACTOR, events))?;
        Ok(())
    }

    fn pipelined(&self, events: &Events, numbers: Range<usize>) -> Done<()> {
        let mut tickets = Vec::with_capacity(numbers.len());
        for number in numbers {
            tickets.push(offer(&self.writer, Durability::Sync, &[events.event(number)])?);
        }
        tickets.iter().try_for_each(|ticket| self.writer.wait(ticket).map_err(Into::into))
    }

    fn replay(&self) -> Done<u64> {
        replay(&self.dir)
    }

    fn close(self: Box<Self>) -> Done<()> {
        Ok(self.writer.close()?)
    }
}

/// Opens the log for writing, and closes it again.
pub fn open_and_close(dir: &Path, opened: impl FnOnce()) -> Done<()> {
    let (writer, _) = Writer::open(Arc::new(StdFs), dir, &owner())?;
    opened();
    Ok(writer.close()?)
}

/// Checks every frame and walks every event's envelope in order, payloads borrowed.
pub fn replay(dir: &Path) -> Done<u64> {
    let reader = Reader::open(Arc::new(StdFs), dir)?;
    let (mut seen, mut commits) = (0, reader.commits(Position(0))?);
    while let Some(mut next) = commits.next()? {
        while let Some(event) = next.commit.next_event()? {
            black_box(event);
            seen += 1;
        }
    }
    Ok(seen)
}

/// Does the same, and also decodes every payload into the table of its kind.
pub fn replay_typed(dir: &Path) -> Done<u64> {
    let reader = Reader::open(Arc::new(StdFs), dir)?;
    let (mut seen, mut commits) = (0, reader.commits(Position(0))?);
    while let Some(mut next) = commits.next()? {
        while let Some((seq, event)) = next.commit.next_event()? {
            match event.kind {
                kind::STATUS_CREATED => drop(black_box(payload::decode::<Created>(event.payload)?)),
                kind::STATUS_TRANSITIONED => drop(black_box(payload::decode::<Transitioned>(event.payload)?)),
                kind::STATUS_REFUSED => drop(black_box(payload::decode::<Refused>(event.payload)?)),
                other => return Err(format!("event {seq} is of kind `{other}`, which the works do not append").into()),
            }
            seen += 1;
        }
    }
    Ok(seen)
}

/// Reads one stream with a separate reader, and returns how many events it has.
pub fn lookup(dir: &Path, stream: &str) -> Done<u64> {
    let reader = Reader::open(Arc::new(StdFs), dir)?;
    let mut seen = 0;
    reader.stream::<ReadError>(stream, &mut |_, _, event| {
        black_box(event);
        seen += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(seen)
}
