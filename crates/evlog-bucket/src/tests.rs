//! Tests of a log in a bucket.

mod faults;
mod races;
mod session;
mod stores;

use crate::create::Options;
use crate::store::Store;
use crate::{BucketFs, Memory};
use evlog_format::{Durability, Kind, LogId};
use evlog_store::{Append, AppendError, AppendEvent, Causation, CreateOptions, Owner, Reader, Ticket, Writer};
use std::path::Path;
use std::sync::Arc;

const LOG: LogId = LogId(*b"0123456789abcdef");
const LIMIT: u64 = 1024;

fn dir() -> &'static Path {
    Path::new("s3://bucket/log")
}

fn owner() -> Owner {
    Owner { program: "bucket tests".into() }
}

fn bucket(store: &(impl Store + Clone + 'static)) -> Arc<BucketFs> {
    Arc::new(BucketFs::new(Arc::new(store.clone()), dir(), Options::default()))
}

fn make(fs: &Arc<BucketFs>) -> Writer {
    let options = CreateOptions { log_id: LOG, segment_limit: LIMIT };
    Writer::create(Arc::clone(fs) as Arc<dyn evlog_store::Fs>, dir(), options, &owner()).unwrap()
}

fn open(fs: &Arc<BucketFs>) -> Writer {
    let (writer, recovery) = Writer::open(Arc::clone(fs) as Arc<dyn evlog_store::Fs>, dir(), &owner()).unwrap();
    assert_eq!(recovery.cut, None);
    writer
}

fn put_as(writer: &Writer, class: Durability, payload: &str) -> Result<Ticket, AppendError> {
    let (kind, causation) = (Kind::BuiltIn(u16::MAX), Causation::None);
    let event = AppendEvent { stream: "run", kind, kind_version: 1, causation, payload: payload.as_bytes() };
    writer.commit(&Append::new(7, class, "tester", &[event]))
}

fn put(writer: &Writer, payload: &str) -> Result<Ticket, AppendError> {
    put_as(writer, Durability::Sync, payload)
}

/// Each commit's position and payload, in order.
fn all(fs: &Arc<BucketFs>) -> Vec<(u64, String)> {
    read(&Reader::open(Arc::clone(fs) as Arc<dyn evlog_store::Fs>, dir()).unwrap())
}

fn read(reader: &Reader) -> Vec<(u64, String)> {
    let (mut seen, mut commits) = (Vec::new(), reader.commits(evlog_format::Position(0)).unwrap());
    while let Some(mut next) = commits.next().unwrap() {
        while let Some((_, event)) = next.commit.next_event().unwrap() {
            seen.push((next.frame.position, String::from_utf8(event.payload.to_vec()).unwrap()));
        }
    }
    seen
}
