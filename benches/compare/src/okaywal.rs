//! okaywal. Every commit is synced, and it replays while it opens, so opening is its replay.

use evlog_works::Done;
use evlog_works::contender::{Contender, Store};
use evlog_works::events::Events;
use okaywal::{Configuration, Entry, EntryId, LogManager, SegmentReader, WriteAheadLog};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Never reached: what was written stays in the log.
const CHECKPOINT_AFTER: u64 = 1 << 40;

pub const OKAYWAL: Contender = Contender { name: "okaywal", open, replays: false };

#[derive(Debug, Default, Clone)]
struct Counting(Arc<AtomicU64>);

impl LogManager for Counting {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        if let Some(chunks) = entry.read_all_chunks()? {
            self.0.fetch_add(chunks.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    fn checkpoint_to(&mut self, _: EntryId, _: &mut SegmentReader, _: &WriteAheadLog) -> io::Result<()> {
        Ok(())
    }
}

struct Okay {
    log: WriteAheadLog,
    seen: Counting,
}

fn open(dir: &Path) -> Done<Box<dyn Store>> {
    let seen = Counting::default();
    let configuration = Configuration::default_for(dir).checkpoint_after_bytes(CHECKPOINT_AFTER);
    Ok(Box::new(Okay { log: configuration.open(seen.clone())?, seen }))
}

impl Store for Okay {
    fn append(&self, events: &Events, numbers: Range<usize>, _synced: bool) -> Done<()> {
        let mut entry = self.log.begin_entry()?;
        for number in numbers {
            entry.write_chunk(events.payload(number))?;
        }
        entry.commit()?;
        Ok(())
    }

    fn replay(&self) -> Done<u64> {
        Ok(self.seen.0.load(Ordering::Relaxed))
    }
}
