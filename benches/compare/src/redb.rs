//! redb, one table, durability as the work asks.

use evlog_works::Done;
use evlog_works::contender::{Contender, Store};
use evlog_works::events::Events;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use std::ops::Range;
use std::path::Path;

pub const REDB: Contender = Contender { name: "redb", open, replays: true };

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");

struct Redb(Database);

fn open(dir: &Path) -> Done<Box<dyn Store>> {
    Ok(Box::new(Redb(Database::create(dir.join("log.redb"))?)))
}

impl Store for Redb {
    fn append(&self, events: &Events, numbers: Range<usize>, synced: bool) -> Done<()> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(if synced { Durability::Immediate } else { Durability::None })?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for number in numbers {
                table.insert(number as u64, events.payload(number))?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn replay(&self) -> Done<u64> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        let mut seen = 0;
        for entry in table.iter()? {
            seen += u64::from(!entry?.1.value().is_empty());
        }
        Ok(seen)
    }
}
