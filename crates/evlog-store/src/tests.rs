//! Tests of the store's guarantees: on the simulated file system if a fault is needed, and on the real one if a lock is
//! needed.

mod ahead;
mod append;
mod checkpoints;
mod copies;
mod crash;
mod damage;
mod fail;
mod faults;
mod harm;
mod inspect;
mod kill;
mod kill_outside;
mod lookup;
mod model;
mod observed;
mod outside;
mod process;
mod read;
mod reopen;
mod repair;
mod replaced;
mod rows;
mod scenario;
mod shared;
mod sidecars;
mod unbroken;
mod waiting;

use crate::fs::SimFs;
use crate::{
    Ahead, Append, AppendError, AppendEvent, Causation, CreateOptions, Owner, RawLog, ReadError, Reader, Recovery,
    Ticket, Writer,
};
use evlog_format::{Durability, Kind, LogId, Position, Root};
use evlog_verify::{Audit, Report, Tree};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LOG: LogId = LogId(*b"0123456789abcdef");
/// Small, so that a few commits roll a segment.
const LIMIT: u64 = 1024;

fn dir() -> &'static Path {
    Path::new("/log")
}

fn owner() -> Owner {
    Owner { program: "store tests".into() }
}

fn create(fs: &SimFs, segment_limit: u64) -> Writer {
    Writer::create(Arc::new(fs.clone()), dir(), CreateOptions { log_id: LOG, segment_limit }, &owner()).unwrap()
}

fn open(fs: &SimFs) -> (Writer, Recovery) {
    Writer::open(Arc::new(fs.clone()), dir(), &owner()).unwrap()
}

fn reader(fs: &SimFs) -> Reader {
    Reader::open(Arc::new(fs.clone()), dir()).unwrap()
}

/// A reader that shows what is before the damage, if the damage is known when the log is opened.
fn reader_up_to_damage(fs: &SimFs) -> Reader {
    Reader::open_up_to_damage(Arc::new(fs.clone()), dir()).unwrap()
}

fn event<'a>(stream: &'a str, payload: &'a [u8]) -> AppendEvent<'a> {
    // A kind of a later version. Its payload is not checked, so it can be any bytes.
    let (kind, causation) = (Kind::BuiltIn(u16::MAX), Causation::None);
    AppendEvent { stream, kind, kind_version: 1, causation, payload }
}

fn commit<'a>(class: Durability, events: &'a [AppendEvent<'a>]) -> Append<'a> {
    Append::new(7, class, "tester", events)
}

/// Hands over a commit of one event.
fn offer(writer: &Writer, class: Durability, stream: &str, payload: &[u8]) -> Result<Ticket, AppendError> {
    writer.append(&commit(class, &[event(stream, payload)]))
}

/// Appends one event under class `sync`.
fn put(writer: &Writer, stream: &str, payload: &[u8]) -> Ticket {
    let ticket = offer(writer, Durability::Sync, stream, payload).unwrap();
    writer.wait(&ticket).unwrap();
    ticket
}

/// An event as tests compare it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    seq: u64,
    stream: String,
    number: u64,
    payload: Vec<u8>,
}

/// All that a reader sees, in order.
fn all(reader: &Reader) -> Vec<Seen> {
    let mut seen = Vec::new();
    more(reader, Position(0), &mut seen).unwrap();
    seen
}

/// Adds what a reader shows from a position on, up to where it fails.
fn more(reader: &Reader, from: Position, seen: &mut Vec<Seen>) -> Result<(), ReadError> {
    let mut commits = reader.commits(from)?;
    while let Some(mut next) = commits.next()? {
        while let Some((seq, event)) = next.commit.next_event()? {
            let (stream, payload) = (event.stream.to_string(), event.payload.to_vec());
            seen.push(Seen { seq: seq.0, stream, number: event.number, payload });
        }
    }
    Ok(())
}

fn stream(reader: &Reader, name: &str) -> Vec<Seen> {
    let mut seen = Vec::new();
    let found = reader.stream::<ReadError>(name, &mut |_, seq, event| {
        let (stream, payload) = (event.stream.to_string(), event.payload.to_vec());
        seen.push(Seen { seq: seq.0, stream, number: event.number, payload });
        Ok(ControlFlow::Continue(()))
    });
    assert_eq!(found.unwrap(), !seen.is_empty());
    seen
}

fn segment_files(fs: &SimFs) -> Vec<PathBuf> {
    fs.files().into_iter().filter(|path| path.extension().is_some_and(|suffix| suffix == "seg")).collect()
}

/// The report of the auditor, which shares no code with the store, about the bytes.
fn audit(fs: &SimFs) -> Report {
    audit_in(Arc::new(fs.clone()), dir())
}

fn audit_in(fs: Arc<dyn crate::Fs>, dir: &Path) -> Report {
    let raw = RawLog::open(fs, dir).unwrap();
    let mut audit = Audit::new(raw.head().unwrap().map(|head| head.durable));
    for (at, segment) in raw.segments().iter().enumerate() {
        audit.begin_segment(segment.position, at + 1 == raw.segments().len());
        raw.read(segment, &mut |chunk| audit.bytes(chunk, &mut |_, _| ()).unwrap()).unwrap();
        audit.end_segment().unwrap();
    }
    audit.finish()
}

/// `cat segments/*.seg | b3sum`.
fn cat_root(fs: &SimFs) -> (Position, Root) {
    let mut tree = Tree::new();
    for path in segment_files(fs) {
        tree.update(&fs.bytes(&path).unwrap());
    }
    (Position(tree.size()), tree.root())
}
