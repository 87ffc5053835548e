//! fjall, one keyspace, persisted as the work asks.

use evlog_works::Done;
use evlog_works::contender::{Contender, Store};
use evlog_works::events::Events;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::ops::Range;
use std::path::Path;

pub const FJALL: Contender = Contender { name: "fjall", open, replays: true };

struct Fjall {
    database: Database,
    keyspace: Keyspace,
}

fn open(dir: &Path) -> Done<Box<dyn Store>> {
    let database = Database::builder(dir.join("fjall")).open()?;
    let keyspace = database.keyspace("events", KeyspaceCreateOptions::default)?;
    Ok(Box::new(Fjall { database, keyspace }))
}

impl Store for Fjall {
    fn append(&self, events: &Events, numbers: Range<usize>, synced: bool) -> Done<()> {
        let mut batch = self.database.batch();
        for number in numbers {
            batch.insert(&self.keyspace, (number as u64).to_be_bytes(), events.payload(number));
        }
        batch.commit()?;
        if synced { Ok(self.database.persist(PersistMode::SyncData)?) } else { Ok(()) }
    }

    fn durable(&self, events: &Events, number: usize) -> Done<()> {
        self.keyspace.insert((number as u64).to_be_bytes(), events.payload(number))?;
        Ok(self.database.persist(PersistMode::SyncData)?)
    }

    fn replay(&self) -> Done<u64> {
        let mut seen = 0;
        for entry in self.keyspace.iter() {
            seen += u64::from(!entry.value()?.is_empty());
        }
        Ok(seen)
    }
}
