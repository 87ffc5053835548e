//! The store's end-to-end works, each beside the same work on the bare file system, in one process and in turns.
//!
//! ```text
//! cargo bench -p evlog-benches --bench store -- [WORK...]     works: bulk durable1 durable8 pipelined replay lookup open
//! ```
//!
//! Does: print one line of TSV for each work: both medians of five rounds, and their ratio. The floor is a file of
//! length, CRC-32 and bytes, written and synced as the work asks.
//! Does not: compare with other engines; draw conclusions from absolute figures, which drift with the machine's load.

use evlog_benches::{payloads, streams};
use evlog_format::checksum::crc32;
use evlog_format::{Durability, LogId, Position, kind};
use evlog_store::{Append, AppendEvent, Causation, CreateOptions, Owner, Reader, StdFs, Ticket, Writer};
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

const ROUNDS: usize = 5;
const BULK: usize = 300_000;
const BATCH: usize = 1_000;
const DURABLE: usize = 4_000;
const THREADS: usize = 8;
const PIPELINED: usize = 300_000;
/// Events of one run.
const RUN: usize = 10;
const SEGMENT: u64 = 64 << 20;

type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Events and the names of their runs, made before any clock runs.
struct Events {
    payloads: Vec<Vec<u8>>,
    streams: Vec<String>,
}

impl Events {
    fn new() -> Events {
        Events { payloads: payloads(10_000), streams: streams(200_000) }
    }

    fn payload(&self, number: usize) -> &[u8] {
        &self.payloads[number % self.payloads.len()]
    }

    fn event(&self, number: usize) -> AppendEvent<'_> {
        let stream = &self.streams[number / RUN % self.streams.len()];
        let (kind, causation) = (kind::STATUS_TRANSITIONED, Causation::None);
        AppendEvent { stream, kind, kind_version: 1, causation, idempotency: None, payload: self.payload(number) }
    }
}

fn owner() -> Owner {
    Owner { program: "benches".into() }
}

fn create(dir: &Path, segment_limit: u64) -> Done<Writer> {
    let options = CreateOptions { log_id: LogId([7; 16]), segment_limit };
    Ok(Writer::create(Arc::new(StdFs), dir, options, &owner())?)
}

fn append(writer: &Writer, class: Durability, events: &[AppendEvent<'_>]) -> Done<Ticket> {
    Ok(writer.append(&Append { time_ns: 1_771_869_600_000_000_000, class, actor: "bench", events })?)
}

fn commit(writer: &Writer, events: &[AppendEvent<'_>]) -> Done<()> {
    let (time_ns, class) = (1_771_869_600_000_000_000, Durability::Sync);
    writer.commit(&Append { time_ns, class, actor: "bench", events })?;
    Ok(())
}

/// The bare file system.
struct Floor(Mutex<BufWriter<File>>);

impl Floor {
    fn new(path: &Path) -> Done<Floor> {
        Ok(Floor(Mutex::new(BufWriter::with_capacity(1 << 20, File::create(path)?))))
    }

    fn put(file: &mut BufWriter<File>, payload: &[u8]) -> Done<()> {
        file.write_all(&u32::try_from(payload.len())?.to_le_bytes())?;
        file.write_all(&crc32(payload).to_le_bytes())?;
        Ok(file.write_all(payload)?)
    }

    fn append(&self, payload: &[u8]) -> Done<()> {
        let mut file = self.0.lock().map_err(|_| "poisoned")?;
        Floor::put(&mut file, payload)
    }

    fn sync(&self) -> Done<()> {
        let mut file = self.0.lock().map_err(|_| "poisoned")?;
        file.flush()?;
        Ok(file.get_ref().sync_data()?)
    }

    fn durable(&self, payload: &[u8]) -> Done<()> {
        let mut file = self.0.lock().map_err(|_| "poisoned")?;
        Floor::put(&mut file, payload)?;
        file.flush()?;
        Ok(file.get_ref().sync_data()?)
    }
}

fn floor_bulk(dir: &Path, events: &Events) -> Done<f64> {
    let floor = Floor::new(&dir.join("floor"))?;
    let start = Instant::now();
    for number in 0..BULK {
        floor.append(events.payload(number))?;
    }
    floor.sync()?;
    Ok(start.elapsed().as_secs_f64())
}

fn bulk_into(dir: &Path, events: &Events, count: usize, segment_limit: u64) -> Done<f64> {
    let writer = create(dir, segment_limit)?;
    let start = Instant::now();
    let mut batch = Vec::with_capacity(BATCH);
    for first in (0..count).step_by(BATCH) {
        batch.clear();
        batch.extend((first..count.min(first + BATCH)).map(|number| events.event(number)));
        let last = first + BATCH >= count;
        let ticket = append(&writer, if last { Durability::Sync } else { Durability::Os }, &batch)?;
        if last {
            writer.wait(&ticket)?;
        }
    }
    let spent = start.elapsed().as_secs_f64();
    writer.close()?;
    Ok(spent)
}

fn bulk(dir: &Path, events: &Events) -> Done<f64> {
    bulk_into(&dir.join("log"), events, BULK, SEGMENT)
}

fn floor_durable1(dir: &Path, events: &Events) -> Done<f64> {
    let floor = Floor::new(&dir.join("floor"))?;
    let start = Instant::now();
    for number in 0..DURABLE {
        floor.durable(events.payload(number))?;
    }
    Ok(start.elapsed().as_secs_f64())
}

fn durable1(dir: &Path, events: &Events) -> Done<f64> {
    let writer = create(&dir.join("log"), SEGMENT)?;
    let start = Instant::now();
    for number in 0..DURABLE {
        commit(&writer, &[events.event(number)])?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Eight threads that share `count` calls.
fn in_threads(count: usize, work: impl Fn(usize) -> Done<()> + Sync) -> Done<f64> {
    let next = AtomicUsize::new(0);
    let run = || -> Done<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(());
            }
            work(number)?;
        }
    };
    let start = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })?;
    Ok(start.elapsed().as_secs_f64())
}

fn floor_durable8(dir: &Path, events: &Events) -> Done<f64> {
    let floor = Floor::new(&dir.join("floor"))?;
    in_threads(DURABLE, |number| floor.durable(events.payload(number)))
}

fn durable8(dir: &Path, events: &Events) -> Done<f64> {
    let writer = create(&dir.join("log"), SEGMENT)?;
    in_threads(4 * DURABLE, |number| commit(&writer, &[events.event(number)]))
}

fn pipelined(dir: &Path, events: &Events) -> Done<f64> {
    let writer = create(&dir.join("log"), SEGMENT)?;
    let mut tickets = Vec::with_capacity(PIPELINED);
    let start = Instant::now();
    for number in 0..PIPELINED {
        tickets.push(append(&writer, Durability::Sync, &[events.event(number)])?);
    }
    for ticket in &tickets {
        writer.wait(ticket)?;
    }
    Ok(start.elapsed().as_secs_f64())
}

fn floor_replay(dir: &Path, events: &Events) -> Done<f64> {
    floor_bulk(dir, events)?;
    let mut file = BufReader::with_capacity(1 << 20, File::open(dir.join("floor"))?);
    let start = Instant::now();
    let (mut head, mut payload, mut seen) = ([0u8; 8], Vec::new(), 0);
    while file.read_exact(&mut head).is_ok() {
        let [a, b, c, d, crc @ ..] = head;
        payload.resize(usize::try_from(u32::from_le_bytes([a, b, c, d]))?, 0);
        file.read_exact(&mut payload)?;
        if crc32(&payload) != u32::from_le_bytes(crc) {
            return Err("the floor's checksum does not match".into());
        }
        seen += 1;
    }
    count(seen, BULK)?;
    Ok(start.elapsed().as_secs_f64())
}

fn replay(dir: &Path, events: &Events) -> Done<f64> {
    bulk(dir, events)?;
    let reader = Reader::open(Arc::new(StdFs), &dir.join("log"))?;
    let start = Instant::now();
    let (mut seen, mut commits) = (0, reader.commits(Position(0))?);
    while let Some(mut next) = commits.next()? {
        while next.commit.next_event()?.is_some() {
            seen += 1;
        }
    }
    count(seen, BULK)?;
    Ok(start.elapsed().as_secs_f64())
}

fn count(seen: usize, expected: usize) -> Done<()> {
    if seen == expected { Ok(()) } else { Err(format!("expected {expected} events, found {seen}").into()) }
}

fn rate(events: usize, seconds: f64) -> f64 {
    u32::try_from(events).map_or(f64::NAN, f64::from) / seconds
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

/// A work, and how many events it takes.
type Work = (fn(&Path, &Events) -> Done<f64>, usize);

/// A work in turns with its floor.
fn compare(name: &str, ours: Work, floor: Work, events: &Events) -> Done<()> {
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(rate(floor.1, floor.0(tempfile::tempdir()?.path(), events)?));
        mine.push(rate(ours.1, ours.0(tempfile::tempdir()?.path(), events)?));
    }
    let (mine, theirs) = (median(mine), median(theirs));
    let ratio = mine / theirs;
    Ok(writeln!(std::io::stdout(), "{name}\t{mine:.0} events/s\tfloor {theirs:.0}\tratio {ratio:.2}")?)
}

/// Ten sealed segments and one that grows, opened anew for each round: the first event of a stream that the session has
/// not met, the same again once the indexes were asked, and the first read of a stream.
fn lookup(events: &Events) -> Done<()> {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("log");
    bulk_into(&dir, events, 400_000, 10 << 20)?;
    let sealed = std::fs::read_dir(dir.join("segments"))?
        .flatten()
        .filter(|file| file.path().extension().is_some_and(|suffix| suffix == "seg"));
    let segments = sealed.count();
    let mut rounds: [Vec<f64>; 3] = Default::default();
    for round in 0..ROUNDS {
        let (writer, _) = Writer::open(Arc::new(StdFs), &dir, &owner())?;
        let time = |work: &mut dyn FnMut() -> Done<()>| {
            let start = Instant::now();
            work()?;
            Ok::<f64, Box<dyn Error + Send + Sync>>(start.elapsed().as_secs_f64())
        };
        let name = format!("NEW_{round}");
        let mut seen = 0;
        rounds[0].push(time(&mut || count(usize::try_from(writer.stream_len(&name)?)?, 0))?);
        rounds[1].push(time(&mut || {
            (0..100).try_for_each(|n| count(usize::try_from(writer.stream_len(&format!("{name}_{n}"))?)?, 0))
        })?);
        drop(writer);
        let reader = Reader::open(Arc::new(StdFs), &dir)?;
        rounds[2].push(time(&mut || {
            reader.stream(&events.streams[5_000 + round], &mut |_, _, _| {
                seen += 1;
                ControlFlow::Continue(())
            })?;
            count(seen, RUN)
        })?);
    }
    let [first, again, read] = rounds.map(|times| median(times) * 1e6);
    Ok(writeln!(
        std::io::stdout(),
        "lookup\t{segments} segments\tfirst new stream {first:.1} us\tnext 100 new streams {again:.1} us\tfirst read of a stream {read:.1} us"
    )?)
}

/// Opening after a close in order, with a small and with a large last segment.
fn open(events: &Events) -> Done<()> {
    let mut medians = Vec::new();
    for count in [10_000, 200_000] {
        let temp = tempfile::tempdir()?;
        let dir = temp.path().join("log");
        bulk_into(&dir, events, count, SEGMENT)?;
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let (writer, _) = Writer::open(Arc::new(StdFs), &dir, &owner())?;
            times.push(start.elapsed().as_secs_f64() * 1e6);
            drop(writer);
        }
        medians.push(median(times));
    }
    let ratio = medians[1] / medians[0];
    let (small, large) = (medians[0], medians[1]);
    Ok(writeln!(std::io::stdout(), "open\t10000 events {small:.0} us\t200000 events {large:.0} us\tratio {ratio:.2}")?)
}

fn main() -> Done<()> {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|other| other == name);
    let events = Events::new();
    let works: [(&str, Work, Work); 5] = [
        ("bulk", (bulk, BULK), (floor_bulk, BULK)),
        ("durable1", (durable1, DURABLE), (floor_durable1, DURABLE)),
        ("durable8", (durable8, 4 * DURABLE), (floor_durable8, DURABLE)),
        ("pipelined", (pipelined, PIPELINED), (floor_durable1, DURABLE)),
        ("replay", (replay, BULK), (floor_replay, BULK)),
    ];
    for (name, ours, floor) in works {
        if is_asked(name) {
            compare(name, ours, floor, &events)?;
        }
    }
    if is_asked("lookup") {
        lookup(&events)?;
    }
    if is_asked("open") {
        open(&events)?;
    }
    Ok(())
}
