//! The bare file system: writes length, CRC-32 and bytes of each event to one file. No log can be much faster than this.

use crate::contender::{Contender, Store};
use crate::events::Events;
use crate::{Done, during};
use evlog_format::checksum::crc32;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// The file grows with each write, so each sync must record a longer file.
pub const FLOOR: Contender = Contender { name: "floor", open: open_floor, replays: true };

/// Zeros are written ahead, so a sync only has to write bytes.
pub const ZEROED: Contender = Contender { name: "floor-zeroed", open: open_zeroed, replays: false };

const NAME: &str = "floor.log";
const BUFFER: usize = 1 << 20;
/// How many zeros are written ahead at once.
const STEP: u64 = 4 << 20;

/// Bytes of a length or a checksum.
const WORD: usize = 4;

fn put(out: &mut impl Write, payload: &[u8]) -> Done<()> {
    out.write_all(&u32::try_from(payload.len())?.to_le_bytes())?;
    out.write_all(&crc32(payload).to_le_bytes())?;
    Ok(out.write_all(payload)?)
}

/// Reads a file of events, checking each.
pub fn replay(path: &Path) -> Done<u64> {
    let mut file = BufReader::with_capacity(BUFFER, File::open(path).map_err(during("open the floor's file"))?);
    let (mut head, mut payload, mut seen) = ([0; 2 * WORD], Vec::new(), 0);
    while file.read_exact(&mut head).is_ok() {
        let [a, b, c, d, crc @ ..] = head;
        payload.resize(usize::try_from(u32::from_le_bytes([a, b, c, d]))?, 0);
        file.read_exact(&mut payload)?;
        if crc32(&payload) != u32::from_le_bytes(crc) {
            return Err(format!("event {seen} of the floor's file does not match its checksum").into());
        }
        seen += 1;
    }
    Ok(seen)
}

fn held<T>(mutex: &Mutex<T>) -> Done<MutexGuard<'_, T>> {
    mutex.lock().map_err(|_| "another thread of this work failed".into())
}

struct Floor {
    path: PathBuf,
    file: Mutex<BufWriter<File>>,
}

fn open_floor(dir: &Path) -> Done<Box<dyn Store>> {
    let path = dir.join(NAME);
    let file = OpenOptions::new().create(true).append(true).open(&path).map_err(during("make the floor's file"))?;
    Ok(Box::new(Floor { path, file: Mutex::new(BufWriter::with_capacity(BUFFER, file)) }))
}

impl Store for Floor {
    fn append(&self, events: &Events, numbers: Range<usize>, synced: bool) -> Done<()> {
        let mut file = held(&self.file)?;
        numbers.into_iter().try_for_each(|number| put(&mut *file, events.payload(number)))?;
        if synced {
            file.flush()?;
            file.get_ref().sync_data()?;
        }
        Ok(())
    }

    fn replay(&self) -> Done<u64> {
        replay(&self.path)
    }
}

struct Zeroed(Mutex<Ahead>);

struct Ahead {
    file: File,
    end: u64,
    zeroed: u64,
}

fn open_zeroed(dir: &Path) -> Done<Box<dyn Store>> {
    let mut options = OpenOptions::new();
    let file = options.create(true).write(true).truncate(false).open(dir.join(NAME));
    let file = file.map_err(during("make the floor's file"))?;
    Ok(Box::new(Zeroed(Mutex::new(Ahead { file, end: 0, zeroed: 0 }))))
}

impl Store for Zeroed {
    fn append(&self, events: &Events, numbers: Range<usize>, synced: bool) -> Done<()> {
        let mut bytes = Vec::new();
        numbers.into_iter().try_for_each(|number| put(&mut bytes, events.payload(number)))?;
        let mut ahead = held(&self.0)?;
        while ahead.end + bytes.len() as u64 > ahead.zeroed {
            let zeros = vec![0; usize::try_from(STEP)?];
            ahead.file.write_all_at(&zeros, ahead.zeroed)?;
            ahead.zeroed += STEP;
        }
        ahead.file.write_all_at(&bytes, ahead.end)?;
        ahead.end += bytes.len() as u64;
        if synced {
            ahead.file.sync_data()?;
        }
        Ok(())
    }

    fn replay(&self) -> Done<u64> {
        Err("the zero-filled floor is not read back: its file ends in zeros".into())
    }
}
