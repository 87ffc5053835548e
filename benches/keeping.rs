//! What it costs to keep the byte tree while appending in bulk.
//!
//! The store has no switch to do without its tree, and should have none. So a second tree is kept beside the first one, at
//! the same place and over the same bytes, by a file system that hashes what it is given to write: what the second one
//! costs, the first one costs. Both works are done in turns, five rounds, and the tree is timed alone besides.

use evlog_format::LogId;
use evlog_store::fs::{Claim, File, FileId, Fs, LockAttempt};
use evlog_store::{CreateOptions, Owner, StdFs, Writer};
use evlog_verify::Tree;
use evlog_works::Done;
use evlog_works::events::{Events, Layout, Sizes};
use evlog_works::ours;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const EVENTS: usize = 500_000;
const COMMIT: usize = 1000;
const SEGMENT: u64 = 64 << 20;

/// The real file system; of segments, what is written is also hashed.
#[derive(Clone, Debug, Default)]
struct Hashing {
    tree: Arc<Mutex<Tree>>,
    /// How long each piece was, to hash the same pieces again.
    pieces: Arc<Mutex<Vec<usize>>>,
}

#[derive(Debug)]
struct Hashed {
    file: Arc<dyn File>,
    fs: Hashing,
}

impl Hashing {
    fn hashed(&self, path: &Path, file: Arc<dyn File>) -> Arc<dyn File> {
        let is_segment = path.to_str().is_some_and(|path| path.contains(".seg"));
        if is_segment { Arc::new(Hashed { file, fs: self.clone() }) } else { file }
    }
}

impl File for Hashed {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)?;
        self.fs.tree.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
        self.fs.pieces.lock().unwrap_or_else(PoisonError::into_inner).push(bytes.len());
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn id(&self) -> io::Result<FileId> {
        self.file.id()
    }

    fn is_named(&self) -> io::Result<bool> {
        self.file.is_named()
    }

    fn try_lock(&self) -> io::Result<Claim> {
        self.file.try_lock()
    }

    fn is_locked(&self) -> io::Result<bool> {
        self.file.is_locked()
    }
}

impl Fs for Hashing {
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        StdFs.open_read(path)
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.hashed(path, StdFs.open_write(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.hashed(path, StdFs.create(path)?))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        StdFs.create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        StdFs.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        StdFs.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        StdFs.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        StdFs.sync_dir(dir)
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockAttempt> {
        StdFs.lock(path, owner)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        StdFs.is_locked(path)
    }

    fn name(&self, from: &Path, to: &Path) -> io::Result<()> {
        StdFs.name(from, to)
    }

    fn id(&self, path: &Path) -> io::Result<FileId> {
        StdFs.id(path)
    }
}

/// The bulk work: commits of a thousand events, class `os`, one sync at the end.
fn bulk(fs: Arc<dyn Fs>, events: &Events) -> Done<Duration> {
    let dir = tempfile::tempdir()?;
    let options = CreateOptions { log_id: LogId([7; 16]), segment_limit: SEGMENT };
    let writer = Writer::create(fs, &dir.path().join("log"), options, &Owner { program: "bench".into() })?;
    let begun = Instant::now();
    for first in (0..EVENTS).step_by(COMMIT) {
        ours::append(&writer, events, first..first + COMMIT, first + COMMIT == EVENTS)?;
    }
    let spent = begun.elapsed();
    writer.close()?;
    Ok(spent)
}

/// The tree alone, over as many bytes in the same pieces.
fn alone(pieces: &[usize], bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    let (mut tree, mut at) = (Tree::new(), 0);
    for len in pieces {
        // Round and round in memory that no cache holds, as fresh bytes would come.
        at = if at + len > bytes.len() { 0 } else { at };
        tree.update(&bytes[at..at + len]);
        at += len;
    }
    black_box(tree.root());
    begun.elapsed()
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

fn percent(part: Duration, whole: Duration) -> String {
    let permille = part.as_nanos() * 1000 / whole.as_nanos().max(1);
    format!("{}.{} %", permille / 10, permille % 10)
}

fn main() -> Done<()> {
    let events = Events::new(Sizes::Audit, Layout { len: 100, at_once: 1000 }, EVENTS)?;
    let bytes: Vec<u8> = (0..256usize << 20).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
    let (mut one, mut two, mut tree) = (Vec::new(), Vec::new(), Vec::new());
    let mut out = io::stdout().lock();
    writeln!(out, "round\tone tree ms\ttwo trees ms\tthe tree alone ms\tMB")?;
    for round in 0..ROUNDS {
        one.push(bulk(Arc::new(StdFs), &events)?);
        let fs = Hashing::default();
        two.push(bulk(Arc::new(fs.clone()), &events)?);
        let pieces = fs.pieces.lock().unwrap_or_else(PoisonError::into_inner).clone();
        tree.push(alone(&pieces, &bytes));
        let megabytes = pieces.iter().sum::<usize>() / 1_000_000;
        let [one, two, tree] = [&one, &two, &tree].map(|all: &Vec<Duration>| all[round].as_millis());
        writeln!(out, "{round}\t{one}\t{two}\t{tree}\t{megabytes}")?;
    }
    let (one, two, tree) = (median(one), median(two), median(tree));
    let second = two.saturating_sub(one);
    writeln!(
        out,
        "a tree, by what a second one costs: {} of bulk without any",
        percent(second, one.saturating_sub(second))
    )?;
    writeln!(out, "a tree, timed alone: {} of bulk without it", percent(tree, one.saturating_sub(tree)))?;
    Ok(())
}
