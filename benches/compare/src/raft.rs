//! raft-engine. It keeps all entries in memory and replays from there; its compression is off, as for all others.

use evlog_works::Done;
use evlog_works::contender::{Contender, Store};
use evlog_works::events::Events;
use raft_engine::{Config, Engine, LogBatch, ReadableSize};
use std::ops::Range;
use std::path::Path;

/// The group that all events belong to.
const GROUP: u64 = 1;

pub const RAFT_ENGINE: Contender = Contender { name: "raft-engine", open, replays: true };

struct Raft(Engine);

fn open(dir: &Path) -> Done<Box<dyn Store>> {
    let config = Config {
        dir: dir.to_string_lossy().into_owned(),
        batch_compression_threshold: ReadableSize::kb(0),
        ..Config::default()
    };
    Ok(Box::new(Raft(Engine::open(config)?)))
}

impl Store for Raft {
    fn append(&self, events: &Events, numbers: Range<usize>, synced: bool) -> Done<()> {
        let mut batch = LogBatch::default();
        for number in numbers {
            batch.put(GROUP, (number as u64).to_be_bytes().to_vec(), events.payload(number).to_vec())?;
        }
        self.0.write(&mut batch, synced)?;
        if synced { Ok(self.0.sync()?) } else { Ok(()) }
    }

    fn durable(&self, events: &Events, number: usize) -> Done<()> {
        let mut batch = LogBatch::default();
        batch.put(GROUP, (number as u64).to_be_bytes().to_vec(), events.payload(number).to_vec())?;
        self.0.write(&mut batch, true)?;
        Ok(())
    }

    fn replay(&self) -> Done<u64> {
        let mut seen = 0;
        self.0.scan_raw_messages(GROUP, None, None, false, |_, value| {
            seen += u64::from(!value.is_empty());
            true
        })?;
        Ok(seen)
    }
}
