//! What other processes do to a log's directory beside a writer and its readers. In every case, at every moment: acknowledged
//! commits are in the log that the path named then, no log gets bytes of another log, and afterwards nothing is acknowledged.

use super::scenario::Dice;
use super::*;
use crate::fs::{Fs, StdFs};
use crate::{Ahead, OpenError, Verdict};

/// The number of scenarios.
const SCENARIOS: u64 = 400;

/// What another process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outside {
    RemoveLog,
    RemoveSegments,
    RemoveLastSegment,
    RemoveLock,
    RemoveHead,
    MoveLog,
    /// Moves it, and makes another one in its place.
    Rotate,
    /// Puts a copy of the last segment in its place.
    ReplaceLastSegment,
    /// Cuts it within its header, as `: > FILE` would.
    ShortenLastSegment,
}

const ALL: [Outside; 9] = [
    Outside::RemoveLog,
    Outside::RemoveSegments,
    Outside::RemoveLastSegment,
    Outside::RemoveLock,
    Outside::RemoveHead,
    Outside::MoveLog,
    Outside::Rotate,
    Outside::ReplaceLastSegment,
    Outside::ShortenLastSegment,
];

/// The place where a log is moved to.
fn aside() -> &'static Path {
    Path::new("/aside")
}

fn last(fs: &SimFs) -> PathBuf {
    segment_files(fs).into_iter().rfind(|path| path.starts_with(dir())).unwrap()
}

impl Outside {
    /// Does it. Returns the writer of the log that has taken the place, if one has.
    fn happens(self, fs: &SimFs) -> Option<Writer> {
        match self {
            Outside::RemoveLog => fs.take_away_dir(dir()),
            Outside::RemoveSegments => fs.take_away_dir(&dir().join("segments")),
            Outside::RemoveLastSegment => fs.take_away(&last(fs)),
            Outside::ShortenLastSegment => fs.shorten(&last(fs), 40),
            Outside::RemoveLock => fs.take_away(&dir().join("LOCK")),
            Outside::RemoveHead => fs.take_away(&dir().join("HEAD")),
            Outside::MoveLog => fs.move_dir(dir(), aside()),
            Outside::Rotate => {
                fs.move_dir(dir(), aside());
                let options = CreateOptions { log_id: LogId([9; 16]), segment_limit: LIMIT };
                return Some(Writer::create(Arc::new(fs.clone()), dir(), options, &owner()).unwrap());
            }
            Outside::ReplaceLastSegment => {
                let path = last(fs);
                fs.put(&path, fs.bytes(&path).unwrap());
            }
        }
        None
    }

    /// Whether the writer may continue, because it lost only a derived file, or because it still holds another lock on
    /// the log.
    fn is_harmless(self) -> bool {
        matches!(self, Outside::RemoveLock | Outside::RemoveHead)
    }
}

fn payload(dice: &mut Dice) -> Vec<u8> {
    vec![7; usize::try_from(dice.roll(300)).unwrap()]
}

/// The events in the log at a path, in order.
fn events_in(fs: &SimFs, dir: &Path) -> Vec<Seen> {
    all(&Reader::open(Arc::new(fs.clone()), dir).unwrap())
}

#[test]
fn whenever_a_log_is_removed_moved_replaced_or_shortened_every_acknowledged_commit_is_in_it() {
    let mut acknowledged_after = 0;
    for seed in 0..SCENARIOS {
        let (fs, mut dice) = (SimFs::new(), Dice::new(seed));
        let writer = create(&fs, LIMIT);
        let outside = ALL[usize::try_from(dice.roll(ALL.len() as u64)).unwrap()];
        // Bytes that are written while another process cuts the file leave a hole. ADR 0013 accepts this for a short
        // moment.
        let is_cut = outside == Outside::ShortenLastSegment;
        let writer = if is_cut { writer.with_ahead(Ahead::NEVER) } else { writer };
        let name = format!("scenario {seed}, {outside:?}");
        let before = 1 + dice.roll(12);
        for _ in 0..before {
            put(&writer, "a", &payload(&mut dice));
        }
        // Some commits may be handed over and not written when it happens.
        let gate = fs.hold();
        let in_flight: Vec<_> = (0..if is_cut { 0 } else { dice.roll(3) })
            .map(|_| offer(&writer, Durability::Sync, "a", &payload(&mut dice)).unwrap())
            .collect();
        let other = outside.happens(&fs);
        drop(gate);
        let mut answers: Vec<_> = in_flight.iter().map(|ticket| writer.wait(ticket)).collect();
        for _ in 0..3 {
            let offered = offer(&writer, Durability::Sync, "a", &payload(&mut dice));
            answers.push(offered.and_then(|ticket| writer.wait(&ticket)));
        }
        if outside.is_harmless() {
            assert!(answers.iter().all(Result::is_ok), "{name}: {answers:?}");
            assert_eq!(events_in(&fs, dir()).len() as u64, before + answers.len() as u64, "{name}");
            let second = Writer::open(Arc::new(fs.clone()), dir(), &owner());
            assert!(matches!(second, Err(OpenError::Locked { .. })), "{name}: a second writer: {second:?}");
            acknowledged_after += answers.len();
            writer.close().unwrap();
            assert_eq!(audit(&fs).verdict(), Verdict::Clean, "{name}");
            continue;
        }
        assert!(answers.iter().all(Result::is_err), "{name}: {answers:?}");
        if let Some(other) = other {
            // The new log gets what it is given and nothing else, as long as the old writer lives and after.
            for _ in 0..10 {
                put(&other, "b", &payload(&mut dice));
            }
            assert!(writer.close().is_err(), "{name}");
            put(&other, "b", &payload(&mut dice));
            other.close().unwrap();
            let report = audit(&fs);
            assert_eq!((report.findings.kept(), report.verdict()), (&[][..], Verdict::Clean), "{name}");
            let events = events_in(&fs, dir());
            assert!(events.len() == 11 && events.iter().all(|event| event.stream == "b"), "{name}: {events:?}");
        } else {
            assert!(writer.close().is_err(), "{name}");
        }
        if matches!(outside, Outside::MoveLog | Outside::Rotate) {
            let kept = events_in(&fs, aside());
            assert!(kept.len() as u64 >= before, "{name}: what was acknowledged is where the log was moved to");
        }
    }
    assert!(acknowledged_after > 100, "{acknowledged_after}");
}

#[test]
fn a_writer_that_finds_a_log_without_its_first_segment_refuses_it_and_makes_none() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    for _ in 0..20 {
        put(&writer, "a", &[7; 200]);
    }
    writer.close().unwrap();
    fs.take_away(&segment_files(&fs)[0]);
    let before = fs.files();
    let options = CreateOptions { log_id: LOG, segment_limit: LIMIT };
    let made = Writer::create(Arc::new(fs.clone()), dir(), options, &owner());
    let opened = Writer::open(Arc::new(fs.clone()), dir(), &owner()).map(|(writer, _)| writer);
    for refused in [made, opened] {
        let Err(OpenError::Refused(refusal)) = refused else { panic!("{refused:?}") };
        assert_eq!((refusal.verdict, refusal.position), (Verdict::Truncated, Position(0)));
    }
    assert_eq!(fs.files(), before);
}

#[test]
fn a_sealed_segment_that_is_shortened_under_a_reader_is_an_error_and_not_the_end_of_the_process() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("log");
    let options = CreateOptions { log_id: LOG, segment_limit: 3 * 1024 * 1024 };
    let writer = Writer::create(Arc::new(StdFs), &path, options, &owner()).unwrap();
    for _ in 0..1000 {
        writer.wait(&offer(&writer, Durability::Os, "a", &[7; 4000]).unwrap()).unwrap();
    }
    writer.close().unwrap();
    let reader = Reader::open(Arc::new(StdFs), &path).unwrap();
    let raw = RawLog::open(Arc::new(StdFs), &path).unwrap();
    let sealed = &raw.segments()[0];
    assert!(reader.segments()[0].sealed);
    let mut commits = reader.commits(Position(0)).unwrap();
    commits.next().unwrap().unwrap();
    std::fs::File::options().write(true).open(&sealed.path).unwrap().set_len(8192).unwrap();
    let failed = loop {
        match commits.next() {
            Ok(Some(_)) => {}
            other => break other.map(|_| ()),
        }
    };
    assert!(failed.is_err(), "what was read before was shown, and what is gone was missed");
    let mut len = 0;
    raw.read(sealed, &mut |chunk| len += chunk.len()).unwrap();
    assert_eq!(len, 8192, "what is there is given");
    let refused = reader.stream::<ReadError>("a", &mut |_, _, _| Ok(ControlFlow::Continue(())));
    assert!(matches!(refused, Err(ReadError::Refused(_))), "{refused:?}");
    let refused = Reader::open(Arc::new(StdFs), &path).unwrap_err();
    assert!(refused.to_string().contains("up to the next segment"), "{refused}");
    let again = Reader::open_up_to_damage(Arc::new(StdFs), &path).unwrap();
    assert!(more(&again, Position(0), &mut Vec::new()).is_err());
}

#[test]
fn a_follower_notices_that_the_log_is_shorter_than_what_it_has_shown() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    put(&writer, "a", b"one");
    let mut reader = Reader::open(Arc::new(fs.clone()), dir()).unwrap();
    assert!(!reader.refresh().unwrap());
    fs.shorten(&last(&fs), reader.committed().position.0 - 1);
    let refreshed = reader.refresh();
    assert!(matches!(refreshed, Err(ReadError::Gone { .. })), "{refreshed:?}");
}

#[test]
fn a_reader_whose_log_is_moved_or_replaced_while_it_reads_gives_that_as_the_reason() {
    for replaced in [false, true] {
        let fs = SimFs::new();
        let writer = create(&fs, LIMIT);
        for _ in 0..20 {
            put(&writer, "a", &[7; 200]);
        }
        writer.close().unwrap();
        let (reader, raw) = (reader(&fs), RawLog::open(Arc::new(fs.clone()), dir()).unwrap());
        let mut commits = reader.commits(Position(0)).unwrap();
        commits.next().unwrap().unwrap();
        fs.move_dir(dir(), aside());
        if replaced {
            let options = CreateOptions { log_id: LogId([9; 16]), segment_limit: LIMIT };
            let other = Writer::create(Arc::new(fs.clone()), dir(), options, &owner()).unwrap();
            for _ in 0..20 {
                put(&other, "a", &[8; 200]);
            }
            other.close().unwrap();
        }
        let failed = loop {
            match commits.next() {
                Ok(Some(_)) => {}
                other => break other.map(drop).unwrap_err(),
            }
        };
        let streamed = reader.stream::<ReadError>("a", &mut |_, _, _| Ok(ControlFlow::Continue(()))).unwrap_err();
        for error in [failed, streamed, reader.streams().unwrap_err()] {
            match error {
                ReadError::Replaced { .. } if replaced => {}
                ReadError::Moved { .. } if !replaced => {}
                other => panic!("replaced: {replaced}: {other:?}"),
            }
        }
        let refused = raw.read(&raw.segments()[1], &mut |_| ());
        assert!(refused.is_err(), "bytes of another log are not judged as those of this one");
    }
}

#[test]
fn whatever_was_written_of_the_lock_while_a_log_was_made_is_no_log() {
    // A full disk, or a limit on the length of files, may cut it at any byte.
    let whole = "making\npid=12345\nprogram=tests 1\n";
    for len in 0..=whole.len() {
        let room = tempfile::tempdir().unwrap();
        let dir = room.path().join("log");
        std::fs::create_dir_all(dir.join("segments")).unwrap();
        std::fs::write(dir.join("LOCK"), &whole[..len]).unwrap();
        let fs: Arc<dyn Fs> = Arc::new(StdFs);
        assert!(matches!(Reader::open(Arc::clone(&fs), &dir), Err(OpenError::NoLog { .. })), "{len}");
        let options = CreateOptions { log_id: LOG, segment_limit: LIMIT };
        Writer::create(fs, &dir, options, &owner()).unwrap_or_else(|error| panic!("{len}: {error}"));
    }
    let room = tempfile::tempdir().unwrap();
    std::fs::write(room.path().join("LOCK"), "pid=12345\nprogram=tests 1\n").unwrap();
    let refused = Reader::open(Arc::new(StdFs), room.path());
    assert!(matches!(refused, Err(OpenError::Refused(refusal)) if refusal.verdict == Verdict::Truncated));
}

/// A file system that calls a function whenever a file gets its name.
#[derive(Debug)]
struct AtEachName {
    fs: SimFs,
    act: fn(&SimFs, &Path),
}

impl Fs for AtEachName {
    fn name(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        let before = segment_files(&self.fs).pop();
        self.fs.name(from, to)?;
        if let Some(before) = before.filter(|_| to.extension().is_some_and(|extension| extension == "seg")) {
            (self.act)(&self.fs, &before);
        }
        Ok(())
    }

    fn open_read(&self, path: &Path) -> std::io::Result<Arc<dyn crate::fs::File>> {
        self.fs.open_read(path)
    }

    fn open_write(&self, path: &Path) -> std::io::Result<Arc<dyn crate::fs::File>> {
        self.fs.open_write(path)
    }

    fn create(&self, path: &Path) -> std::io::Result<Arc<dyn crate::fs::File>> {
        self.fs.create(path)
    }

    fn create_dir(&self, path: &Path) -> std::io::Result<()> {
        Fs::create_dir(&self.fs, path)
    }

    fn list(&self, dir: &Path) -> std::io::Result<Vec<String>> {
        self.fs.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.fs.rename(from, to)
    }

    fn remove(&self, path: &Path) -> std::io::Result<()> {
        self.fs.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
        self.fs.sync_dir(dir)
    }

    fn lock(&self, path: &Path, owner: &str) -> std::io::Result<crate::fs::LockAttempt> {
        self.fs.lock(path, owner)
    }

    fn stamp(&self, path: &Path) -> std::io::Result<crate::fs::Stamp> {
        self.fs.stamp(path)
    }

    fn is_locked(&self, path: &Path) -> std::io::Result<bool> {
        self.fs.is_locked(path)
    }

    fn id(&self, path: &Path) -> std::io::Result<crate::fs::FileId> {
        self.fs.id(path)
    }
}

#[test]
fn a_segment_that_is_cut_or_written_to_while_the_next_one_is_made_ends_the_writer() {
    let acts: [fn(&SimFs, &Path); 3] = [
        |fs, path| fs.shorten(path, 500),
        |fs, path| fs.shorten(path, 0),
        |fs, path| {
            let longer = [fs.bytes(path).unwrap(), vec![b'x'; 5]].concat();
            fs.open_write(path).unwrap().write_at(&longer, 0).unwrap();
        },
    ];
    for act in acts {
        let fs = SimFs::new();
        let options = CreateOptions { log_id: LogId([7; 16]), segment_limit: LIMIT };
        let outside = Arc::new(AtEachName { fs: fs.clone(), act });
        let writer = Writer::create(outside, dir(), options, &owner()).unwrap();
        let failed = (0..200).find_map(|_| {
            let offered = offer(&writer, Durability::Sync, "a", &[7; 100]);
            offered.and_then(|ticket| writer.wait(&ticket)).err()
        });
        let failed = failed.unwrap_or_else(|| panic!("it went on beyond {} segments", segment_files(&fs).len()));
        assert!(failed.to_string().contains("while the next segment was made"), "{failed}");
        assert!(segment_files(&fs).len() <= 2, "the first one that was changed ended it");
        assert!(writer.close().is_err());
    }
}

#[test]
#[cfg(unix)]
fn a_directory_that_became_a_link_to_itself_is_no_part_of_the_log_for_anybody() {
    let room = tempfile::tempdir().unwrap();
    let log = room.path().join("log");
    let options = CreateOptions { log_id: LogId([7; 16]), segment_limit: LIMIT };
    let writer = Writer::create(Arc::new(StdFs), &log, options, &owner()).unwrap();
    put(&writer, "a", b"before");
    std::fs::rename(log.join("segments"), log.join("s")).unwrap();
    std::os::unix::fs::symlink("s", log.join("segments")).unwrap();
    let offered = offer(&writer, Durability::Sync, "a", b"after").and_then(|ticket| writer.wait(&ticket));
    assert!(offered.unwrap_err().to_string().contains("the log was removed or moved"));
    assert!(writer.close().is_err());
    let raw = RawLog::open(Arc::new(StdFs), &log).map(|_| ()).unwrap_err().to_string();
    let inspected = crate::inspect::Inspection::open(Arc::new(StdFs), &log).map(|_| ()).unwrap_err().to_string();
    let read = Reader::open(Arc::new(StdFs), &log).map(|_| ()).unwrap_err().to_string();
    for refused in [raw, inspected, read] {
        assert!(refused.contains("expected a directory, found a symbolic link"), "{refused}");
    }
}
