//! A log that was closed cleanly opens without a scan, and is the same log.

use super::*;
use crate::Fs;
use crate::fs::{Claim, File, FileId, LockAttempt};
use evlog_format::limits::SEGMENT_LIMIT_MIN;
use proptest::prelude::*;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the bytes that are read through it.
#[derive(Clone, Debug)]
struct Counting {
    fs: SimFs,
    read: Arc<AtomicU64>,
}

#[derive(Debug)]
struct CountingFile {
    file: Arc<dyn File>,
    read: Arc<AtomicU64>,
}

impl Counting {
    fn new(fs: &SimFs) -> Counting {
        Counting { fs: fs.clone(), read: Arc::default() }
    }

    fn count(&self, file: io::Result<Arc<dyn File>>) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(CountingFile { file: file?, read: Arc::clone(&self.read) }))
    }
}

impl Fs for Counting {
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.count(self.fs.open_read(path))
    }
    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.count(self.fs.open_write(path))
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.count(self.fs.create(path))
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.fs.create_dir(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.fs.list(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fs.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.fs.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.fs.sync_dir(dir)
    }
    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockAttempt> {
        self.fs.lock(path, owner)
    }
    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.fs.is_locked(path)
    }
    fn name(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fs.name(from, to)
    }
    fn id(&self, path: &Path) -> io::Result<FileId> {
        self.fs.id(path)
    }
}

impl File for CountingFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.file.read_at(buf, offset)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
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
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// A closed log of one segment with this many commits.
fn closed(commits: u32) -> SimFs {
    let fs = SimFs::new();
    let writer = create(&fs, 64 << 20);
    for number in 0..commits {
        offer(&writer, Durability::Os, &format!("run-{}", number / 4), &[7; 300]).unwrap();
    }
    writer.close().unwrap();
    fs
}

/// How many bytes a writer and a reader read to open it.
fn bytes_read(fs: &SimFs) -> [u64; 2] {
    let counting = Counting::new(fs);
    let (writer, recovery) = Writer::open(Arc::new(counting.clone()), dir(), &owner()).unwrap();
    assert!(recovery.clean_close);
    drop(writer);
    let by_writer = counting.read.swap(0, Ordering::Relaxed);
    drop(Reader::open(Arc::new(counting.clone()), dir()).unwrap());
    [by_writer, counting.read.load(Ordering::Relaxed)]
}

#[test]
fn what_is_read_to_open_a_log_that_was_closed_in_order_does_not_grow_with_its_last_segment() {
    // The tree's last group, once from the sidecar and once from the segment, and some headers and hashes.
    let bound = 2 * 16 * 1024 + 4096;
    for commits in [1, 100, 10_000] {
        let fs = closed(commits);
        let read = bytes_read(&fs);
        assert!(read.iter().all(|read| *read <= bound), "{commits} commits: {read:?} bytes");
    }
    // The check can fail: without its sidecar the whole segment is read.
    let fs = closed(10_000);
    let segment = segment_files(&fs)[0].clone();
    fs.remove(&segment.with_extension("end")).unwrap();
    let len = fs.bytes(&segment).unwrap().len() as u64;
    assert!(bytes_read(&fs)[0] >= len);
    // That open has made the sidecar again.
    assert!(bytes_read(&fs).iter().all(|read| *read <= bound));
}

/// Sessions of commits, each closed cleanly; a commit is a stream and the length of a payload.
fn sessions() -> impl Strategy<Value = Vec<Vec<(u8, u16)>>> {
    prop::collection::vec(prop::collection::vec((0..5u8, 0..300u16), 0..12), 1..6)
}

/// The facts that a writer and a reader report about a log, after one more session that rolls the segment.
fn facts_of(fs: &SimFs) -> impl PartialEq + std::fmt::Debug + use<> {
    let (writer, recovery) = open(fs);
    let lens: Vec<u64> = (0..6).map(|name| writer.stream_len(&format!("s{name}")).unwrap()).collect();
    let facts = (writer.root(), writer.end(), writer.next_seq(), recovery);
    let mut read = Vec::new();
    for name in 0..6 {
        let mut visit = |_: &evlog_format::CommitHead<'_>, seq: evlog_format::Seq, event: &evlog_format::Event<'_>| {
            read.push((seq, event.number));
            Ok(ControlFlow::Continue(()))
        };
        writer.read_stream::<ReadError>(&format!("s{name}"), 0, &mut visit).unwrap();
    }
    drop(writer);
    let before = (all(&reader(fs)), reader(fs).streams().unwrap());
    let (writer, _) = open(fs);
    for number in 0..8 {
        put(&writer, &format!("s{}", number % 6), &[9; 150]);
    }
    let unclosed = reader(fs).streams().unwrap();
    writer.close().unwrap();
    let reader = reader(fs);
    let by_stream: Vec<_> = (0..6).map(|name| stream(&reader, &format!("s{name}"))).collect();
    (lens, facts, read, before, unclosed, reader.streams().unwrap(), by_stream, cat_root(fs))
}

fn with_sidecars_as_after_a_scan(sessions: &[Vec<(u8, u16)>]) {
    let fs = SimFs::new();
    create(&fs, SEGMENT_LIMIT_MIN).close().unwrap();
    for session in sessions {
        let (writer, recovery) = open(&fs);
        assert!(recovery.clean_close);
        for (name, len) in session {
            put(&writer, &format!("s{name}"), &vec![*name; usize::from(*len)]);
        }
        writer.close().unwrap();
    }
    let last = segment_files(&fs).last().unwrap().clone();
    let scanned = fs.kill();
    if scanned.bytes(&last.with_extension("end")).is_some() {
        scanned.remove(&last.with_extension("end")).unwrap();
    }
    let without_index = fs.kill();
    if without_index.bytes(&last.with_extension("idx")).is_some() {
        without_index.remove(&last.with_extension("idx")).unwrap();
    }
    let expected = facts_of(&scanned);
    assert_eq!(facts_of(&fs), expected);
    assert_eq!(facts_of(&without_index), expected);
    assert_eq!(audit(&fs).findings.kept(), &[]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_log_opened_by_its_sidecars_is_the_log_that_a_scan_finds(sessions in sessions()) {
        with_sidecars_as_after_a_scan(&sessions);
    }
}

#[test]
fn sidecars_of_an_earlier_close_are_not_believed() {
    let fs = closed(10);
    let end = segment_files(&fs)[0].with_extension("end");
    let index = end.with_extension("idx");
    let old = [&end, &index].map(|path| (path.clone(), fs.bytes(path).unwrap()));
    let (writer, _) = open(&fs);
    for number in 0..5u8 {
        put(&writer, "run-1", &[number]);
    }
    writer.close().unwrap();
    let expected = (all(&reader(&fs)), cat_root(&fs));
    for (path, bytes) in old {
        let stale = fs.kill();
        stale.put(&path, bytes);
        let (writer, recovery) = open(&stale);
        assert!(recovery.clean_close);
        assert_eq!(writer.stream_len("run-1").unwrap(), 9, "stale {}", path.display());
        assert_eq!((all(&reader(&stale)), writer.root()), expected);
    }
}

#[test]
fn a_segment_cut_or_changed_under_its_sidecars_is_judged_by_a_scan() {
    let fs = closed(10);
    let path = segment_files(&fs)[0].clone();
    let bytes = fs.bytes(&path).unwrap();
    let mut changed = bytes.clone();
    changed[bytes.len() - 1] ^= 1;
    let mut longer = bytes.clone();
    longer.push(7);
    for (bytes, verdict) in [(changed, "damaged"), (bytes[..bytes.len() - 1].to_vec(), "truncated")] {
        let spoilt = fs.kill();
        spoilt.put(&path, bytes);
        let error = Writer::open(Arc::new(spoilt), dir(), &owner()).unwrap_err();
        assert!(error.to_string().contains(verdict), "{error}");
    }
    fs.put(&path, longer);
    assert!(open(&fs).1.cut.is_some_and(|cut| cut.len == 1), "a byte after the end is a torn tail");
}

#[test]
fn a_stream_is_found_without_reading_the_indexes_of_the_segments_whole() {
    let fs = SimFs::new();
    let writer = create(&fs, 128 * 1024);
    for number in 0..8_000 {
        offer(&writer, Durability::Os, &format!("run-{number}"), &[7; 100]).unwrap();
    }
    writer.close().unwrap();
    let segments = segment_files(&fs);
    let len = |path: &PathBuf| fs.bytes(&path.with_extension("idx")).unwrap().len() as u64;
    let indexes: u64 = segments.iter().map(len).sum();
    assert!(segments.len() > 5);
    let counting = Counting::new(&fs);
    let (writer, _) = Writer::open(Arc::new(counting.clone()), dir(), &owner()).unwrap();
    let lens_of = |names: std::ops::Range<u32>, prefix: &str, expected: u64| {
        counting.read.store(0, Ordering::Relaxed);
        for number in names {
            assert_eq!(writer.stream_len(&format!("{prefix}-{number}")).unwrap(), expected);
        }
        counting.read.load(Ordering::Relaxed)
    };
    assert!(lens_of(0..1, "new", 0) < indexes / 4, "the first of them");
    let many = lens_of(1..1_000, "new", 0);
    assert!(many < 999 * 1024, "the filters spare most reads: {many} bytes for 999 streams");
    lens_of(0..8_000, "run", 1);
}
