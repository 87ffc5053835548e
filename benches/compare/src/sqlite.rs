//! SQLite, one table, write-ahead log, every transaction synced.

use evlog_works::Done;
use evlog_works::contender::{Contender, Store};
use evlog_works::events::Events;
use rusqlite::{Connection, params};
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

pub const SQLITE: Contender = Contender { name: "sqlite", open, replays: true };

const SCHEMA: &str = "pragma journal_mode = wal; pragma synchronous = full;
    create table if not exists events(seq integer primary key, body blob not null);";

struct Sqlite(Mutex<Connection>);

fn open(dir: &Path) -> Done<Box<dyn Store>> {
    let connection = Connection::open(dir.join("log.db"))?;
    connection.execute_batch(SCHEMA)?;
    Ok(Box::new(Sqlite(Mutex::new(connection))))
}

impl Sqlite {
    fn held(&self) -> Done<MutexGuard<'_, Connection>> {
        self.0.lock().map_err(|_| "another thread of this work failed".into())
    }
}

impl Store for Sqlite {
    fn append(&self, events: &Events, numbers: Range<usize>, _synced: bool) -> Done<()> {
        let mut connection = self.held()?;
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached("insert into events values(?1, ?2)")?;
            for number in numbers {
                insert.execute(params![number as i64, events.payload(number)])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn replay(&self) -> Done<u64> {
        let connection = self.held()?;
        let mut select = connection.prepare("select seq, body from events order by seq")?;
        let (mut rows, mut seen) = (select.query([])?, 0);
        while let Some(row) = rows.next()? {
            seen += u64::from(!row.get_ref(1)?.as_blob()?.is_empty());
        }
        Ok(seen)
    }
}
