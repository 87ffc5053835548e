//! When another log takes the place of a reader's log while it reads, the reader shows nothing of the other log, and
//! reports it.
//!
//! The two logs have the same id and the same beginning, so ids, seqs and checksums do not distinguish them.

use super::*;
use crate::{Fs, StdFs};
use evlog_format::Seq;
use std::fs;

/// How many commits the logs have in common, and how many each has.
const COMMON: usize = 12;
const ALL: usize = 60;

/// What another process does: `log` is the log that is read, `other` is another log, `old` is a free name.
type Happening = (&'static str, fn(&Path, &Path, &Path));

const HAPPENINGS: [Happening; 6] = [
    ("moved", |log, _, old| fs::rename(log, old).unwrap()),
    ("exchanged", |log, other, old| {
        fs::rename(log, old).unwrap();
        fs::rename(other, log).unwrap();
    }),
    ("a copy of another in its place", |log, other, old| {
        fs::rename(log, old).unwrap();
        copy(other, log);
    }),
    ("segments copied over its own", |log, other, _| each_segment(other, |from| overwrite(from, log))),
    ("segments moved over its own", |log, other, _| {
        each_segment(other, |from| fs::rename(from, log.join("segments").join(from.file_name().unwrap())).unwrap());
    }),
    ("its segments removed, others copied there", |log, other, _| {
        fs::remove_dir_all(log.join("segments")).unwrap();
        fs::create_dir(log.join("segments")).unwrap();
        each_segment(other, |from| overwrite(from, log));
    }),
];

/// Writes over a file in its place, as `cp` does.
fn overwrite(from: &Path, log: &Path) {
    fs::copy(from, log.join("segments").join(from.file_name().unwrap())).unwrap();
}

fn each_segment(log: &Path, act: impl Fn(&Path)) {
    for entry in fs::read_dir(log.join("segments")).unwrap() {
        act(&entry.unwrap().path());
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn real() -> Arc<dyn Fs> {
    Arc::new(StdFs)
}

/// Appends commits whose events say which log they belong to.
fn fill(writer: &Writer, of: u8, commits: usize) {
    for _ in 0..commits {
        let ticket = offer(writer, Durability::Os, "run", &[of; 90]).unwrap();
        writer.wait(&ticket).unwrap();
    }
}

/// Two logs with the same beginning. The log at `log` goes on with events that say `A`, the log at `other` with events that say
/// `B`.
fn two(log: &Path, other: &Path) {
    let options = CreateOptions { log_id: LOG, segment_limit: LIMIT };
    let writer = Writer::create(real(), log, options, &owner()).unwrap();
    fill(&writer, b'P', COMMON);
    writer.close().unwrap();
    copy(log, other);
    for (dir, of) in [(log, b'A'), (other, b'B')] {
        let (writer, _) = Writer::open(real(), dir, &owner()).unwrap();
        fill(&writer, of, ALL - COMMON);
        writer.close().unwrap();
    }
}

struct Rooms(tempfile::TempDir);

impl Rooms {
    fn new() -> Rooms {
        let rooms = Rooms(tempfile::tempdir().unwrap());
        two(&rooms.path("log"), &rooms.path("other"));
        rooms
    }

    /// Copies of the same logs, so that they need not be made again.
    fn again(&self) -> Rooms {
        let rooms = Rooms(tempfile::tempdir().unwrap());
        for log in ["log", "other"] {
            copy(&self.path(log), &rooms.path(log));
        }
        rooms
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn happens(&self, act: fn(&Path, &Path, &Path)) {
        act(&self.path("log"), &self.path("other"), &self.path("old"));
    }

    fn reader(&self) -> Reader {
        Reader::open(real(), &self.path("log")).unwrap()
    }
}

/// Reads commits, and does something to the log after some of them. Returns what was shown, and how it ended.
fn read(
    rooms: &Rooms,
    reader: &Reader,
    after: usize,
    act: fn(&Path, &Path, &Path),
) -> (Vec<u8>, Result<(), ReadError>) {
    let mut seen = Vec::new();
    let ended = (|| {
        let mut commits = reader.commits(Position(0))?;
        while let Some(mut next) = commits.next()? {
            while let Some((_, event)) = next.commit.next_event()? {
                seen.push(event.payload[0]);
            }
            if seen.len() == after {
                rooms.happens(act);
            }
        }
        Ok(())
    })();
    (seen, ended)
}

/// Does the same with a lookup of a stream, through the index.
fn read_stream(
    rooms: &Rooms,
    reader: &Reader,
    after: usize,
    act: fn(&Path, &Path, &Path),
) -> (Vec<u8>, Result<(), ReadError>) {
    let mut seen = Vec::new();
    let ended = reader.stream::<ReadError>("run", &mut |_, _, event| {
        seen.push(event.payload[0]);
        if seen.len() == after {
            rooms.happens(act);
        }
        Ok(ControlFlow::Continue(()))
    });
    (seen, ended.map(drop))
}

#[test]
fn a_reader_shows_nothing_of_a_log_that_took_the_place_of_its_own_and_says_so() {
    let made = Rooms::new();
    for (name, act) in HAPPENINGS {
        for after in [1, COMMON - 1, COMMON + 9, ALL - 12] {
            for way in [read, read_stream] {
                let rooms = made.again();
                let (seen, ended) = way(&rooms, &rooms.reader(), after, act);
                assert!(!seen.contains(&b'B'), "{name} after {after}: it shows events of another log");
                assert!(ended.is_err(), "{name} after {after}: it does not say so");
            }
        }
    }
}

#[test]
fn a_follower_that_catches_up_shows_nothing_of_a_log_that_took_the_place_of_its_own() {
    let made = Rooms::new();
    for (name, act) in HAPPENINGS {
        let rooms = made.again();
        let mut reader = rooms.reader();
        assert!(!reader.refresh().unwrap());
        for (log, of) in [("log", b'A'), ("other", b'B')] {
            let (writer, _) = Writer::open(real(), &rooms.path(log), &owner()).unwrap();
            fill(&writer, of, ALL);
            writer.close().unwrap();
        }
        assert!(reader.refresh().unwrap());
        let (seen, ended) = read(&rooms, &reader, ALL + 5, act);
        assert!(seen.len() > ALL && !seen.contains(&b'B'), "{name}: it shows events of another log");
        assert!(ended.is_err(), "{name}: it does not say so");
    }
}

#[test]
fn only_a_directory_that_was_seen_to_hold_the_same_log_is_called_a_copy_of_it() {
    let made = Rooms::new();
    let cases = [
        ("whole", None, true),
        ("other bytes", Some(5000), true),
        ("a header that does not hold", Some(20), false),
        ("no log", Some(1), false),
    ];
    for (name, changed, is_copy) in cases {
        let rooms = made.again();
        let mut reader = rooms.reader();
        fs::rename(rooms.path("log"), rooms.path("old")).unwrap();
        copy(&rooms.path("old"), &rooms.path("log"));
        if let Some(at) = changed {
            let path = &reader.segments().last().unwrap().path;
            let mut bytes = fs::read(path).unwrap();
            let at = bytes.len().min(at + 1) - 1;
            bytes[at] ^= 0x40;
            fs::write(path, bytes).unwrap();
        }
        match reader.refresh() {
            Err(ReadError::Copied { .. }) => assert!(is_copy, "{name}"),
            Err(ReadError::Refused(_)) => assert!(!is_copy, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_log_that_is_exchanged_and_put_back_while_it_is_read_is_shown_as_it_is() {
    let rooms = Rooms::new();
    let reader = rooms.reader();
    let mut commits = reader.commits(reader.seek(Seq(0)).unwrap()).unwrap();
    let mut seen = Vec::new();
    for turn in 0.. {
        if turn == 3 {
            rooms.happens(HAPPENINGS[1].1);
        }
        if turn == ALL - 9 {
            fs::rename(rooms.path("log"), rooms.path("other")).unwrap();
            fs::rename(rooms.path("old"), rooms.path("log")).unwrap();
        }
        let Some(mut next) = commits.next().unwrap() else { break };
        while let Some((_, event)) = next.commit.next_event().unwrap() {
            seen.push(event.payload[0]);
        }
    }
    assert_eq!(seen, [vec![b'P'; COMMON], vec![b'A'; ALL - COMMON]].concat());
}
