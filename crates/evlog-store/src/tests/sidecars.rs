//! Sidecars can be deleted, emptied or spoilt at any time, one by one and together.

use super::*;
use crate::index::{Entry, Of, SealedIndex, Times};
use crate::{OpenError, ReadError, Verdict};
use evlog_format::Seq;

/// A log of several segments with streams that begin in each of them.
fn log() -> SimFs {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    for number in 0..40u8 {
        put(&writer, &format!("run-{}", number / 3), &[number; 90]);
        put(&writer, "always", &[number]);
    }
    writer.close().unwrap();
    assert!(segment_files(&fs).len() > 4);
    fs
}

fn sidecars(fs: &SimFs) -> Vec<PathBuf> {
    let derived = |path: &PathBuf| {
        path.ends_with("HEAD") || path.extension().is_some_and(|x| x == "tree" || x == "idx" || x == "end")
    };
    fs.files().into_iter().filter(derived).collect()
}

/// The answers of a log, without those that come from `HEAD` alone.
fn answers(fs: &SimFs) -> impl PartialEq + std::fmt::Debug + use<> {
    let reader = reader(fs);
    let streams = reader.streams().unwrap();
    let events: Vec<_> = streams.iter().map(|summary| stream(&reader, &summary.name)).collect();
    let (writer, _) = open(fs);
    let lens: Vec<u64> = streams.iter().map(|summary| writer.stream_len(&summary.name).unwrap()).collect();
    let of_writer: Vec<u64> = streams.iter().map(|summary| count(&writer, &summary.name)).collect();
    let facts = (writer.root(), writer.end(), writer.next_seq(), writer.stream_len("no such run").unwrap());
    drop(writer);
    (all(&reader), streams, events, lens, of_writer, facts)
}

fn count(writer: &Writer, stream: &str) -> u64 {
    let mut count = 0;
    let mut visit = |_: &evlog_format::CommitHead<'_>, _, _: &evlog_format::Event<'_>| {
        count += 1;
        Ok(ControlFlow::Continue(()))
    };
    writer.read_stream::<crate::ReadError>(stream, 0, &mut visit).unwrap();
    count
}

#[test]
fn a_log_answers_the_same_without_any_of_its_sidecars_and_makes_them_again() {
    let fs = log();
    let (expected, whole) = (answers(&fs), sidecars(&fs));
    let is_tree = |path: &PathBuf| path.extension().is_some_and(|suffix| suffix == "tree");
    let last_tree = whole.iter().rfind(|path| is_tree(path)).unwrap();
    for path in &whole {
        let without = fs.kill();
        crate::Fs::remove(&without, path).unwrap();
        assert_eq!(answers(&without), expected, "without {}", path.display());
        // The tree of an earlier segment is needed, and made again, only if the last one's tree is missing.
        let needed = !is_tree(path) || path == last_tree;
        assert_eq!(sidecars(&without) == whole, needed, "{}", path.display());
    }
    let without = fs.kill();
    for path in &whole {
        crate::Fs::remove(&without, path).unwrap();
    }
    assert_eq!(answers(&without), expected);
    // Without `HEAD` it is not known that the log was closed cleanly, so the files that only a close leaves are made
    // by the next close.
    open(&without).0.close().unwrap();
    assert_eq!(sidecars(&without), whole);
}

#[test]
fn a_spoilt_sidecar_is_not_believed() {
    let fs = log();
    let expected = answers(&fs);
    for path in sidecars(&fs) {
        let bytes = fs.bytes(&path).unwrap();
        let spoilt = [Vec::new(), bytes[..bytes.len() / 2].to_vec(), vec![0; bytes.len()], flipped(&bytes)];
        for bytes in spoilt {
            let spoilt = fs.kill();
            spoilt.put(&path, bytes);
            assert_eq!(answers(&spoilt), expected, "spoilt {}", path.display());
        }
    }
}

fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes
}

#[test]
fn sidecars_of_another_log_are_not_believed() {
    let fs = log();
    let expected = answers(&fs);
    let other = SimFs::new();
    let options = CreateOptions { log_id: LogId([9; 16]), segment_limit: LIMIT };
    let writer = Writer::create(Arc::new(other.clone()), dir(), options, &owner()).unwrap();
    for number in 0..40u8 {
        put(&writer, &format!("run-{}", number / 3), &[number ^ 0xff; 90]);
        put(&writer, "always", &[number]);
    }
    writer.close().unwrap();
    assert_eq!(sidecars(&fs), sidecars(&other));
    for path in sidecars(&fs) {
        fs.put(&path, other.bytes(&path).unwrap());
    }
    assert_eq!(answers(&fs), expected);
}

#[test]
fn an_index_that_is_whole_and_wrong_numbers_no_event() {
    let fs = log();
    let segments = reader(&fs).segments().to_vec();
    let spoilt = &segments[segments.len() - 2];
    let frames = [u32::try_from(evlog_format::SEGMENT_HEADER_LEN).unwrap()];
    // Indexes that list too few events of streams that are there, and one that lists a stream that is not there.
    for (name, is_in_last_segment) in [("always", true), ("run-10", false), ("absent", false)] {
        let entry = Entry { name, first_number: 1, first_seq: Seq(0), events: 1, frames: &frames };
        let of = Of { log_id: LOG, position: spoilt.position, len: spoilt.len };
        let index = SealedIndex::build(of, Times::NONE, std::iter::once(entry));
        fs.put(&spoilt.path.with_extension("idx"), index.bytes().unwrap().to_vec());
        let (writer, _) = open(&fs);
        let read = writer.read_stream::<crate::ReadError>(name, 0, &mut |_, _, _| Ok(ControlFlow::Continue(())));
        assert!(read.unwrap_err().to_string().contains("expected event"), "the gap in `{name}` was not seen");
        let appended = offer(&writer, Durability::Sync, name, b"");
        assert_eq!(appended.is_ok(), is_in_last_segment, "{name}: {appended:?}");
    }
}

#[test]
fn a_reader_never_writes() {
    let fs = log();
    for path in sidecars(&fs) {
        crate::Fs::remove(&fs, &path).unwrap();
    }
    let before = fs.files();
    let reader = reader(&fs);
    assert_eq!(reader.streams().unwrap().len(), 15);
    assert_eq!(stream(&reader, "always").len(), 40);
    assert_eq!(fs.files(), before);
}

#[test]
fn bytes_that_do_not_give_a_root_and_fail_by_themselves_are_damage_when_the_tree_is_made_again() {
    let fs = log();
    let first = segment_files(&fs)[0].clone();
    let mut bytes = fs.bytes(&first).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs.put(&first, bytes);
    // With its sidecars the log opens: only the last segment is read.
    drop(open(&fs));
    for path in sidecars(&fs).iter().filter(|path| path.extension().is_some_and(|x| x == "tree")) {
        crate::Fs::remove(&fs, path).unwrap();
    }
    let error = Writer::open(Arc::new(fs.clone()), dir(), &owner()).unwrap_err();
    assert!(matches!(&error, OpenError::Refused(refusal) if refusal.verdict == Verdict::Damaged), "{error}");
}

#[test]
fn damage_in_a_sealed_segment_is_found_when_it_is_read() {
    let fs = log();
    let second = segment_files(&fs)[1].clone();
    let mut bytes = fs.bytes(&second).unwrap();
    bytes[200] ^= 1;
    fs.put(&second, bytes.clone());
    let check = |fs: &SimFs, expected: Verdict| {
        let reader = reader_up_to_damage(fs);
        let mut commits = reader.commits(Position(0)).unwrap();
        let error = loop {
            match commits.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the damage was not seen"),
                Err(error) => break error,
            }
        };
        let ReadError::Refused(refusal) = error else { panic!("{error}") };
        assert_eq!((refusal.verdict, &refusal.file), (expected, &second));
    };
    check(&fs, Verdict::Damaged);
    fs.put(&second, bytes[..300].to_vec());
    check(&fs, Verdict::Damaged);
    bytes[200] ^= 1;
    let frame = frame_before(&bytes, bytes.len());
    fs.put(&second, bytes[..frame].to_vec());
    check(&fs, Verdict::Truncated);
    // The index cannot be recreated from the segment.
    let index = second.with_extension("idx");
    crate::Fs::remove(&fs, &index).unwrap();
    let error = Writer::open(Arc::new(fs.clone()), dir(), &owner()).unwrap_err();
    assert!(matches!(&error, OpenError::Refused(refusal) if refusal.verdict == Verdict::Truncated), "{error}");
}

/// Offset of the frame that ends at `end`.
fn frame_before(bytes: &[u8], end: usize) -> usize {
    let mut at = evlog_format::SEGMENT_HEADER_LEN;
    loop {
        let len = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let next = at + evlog_format::FRAME_HEADER_LEN + usize::try_from(len).unwrap();
        if next == end {
            return at;
        }
        at = next;
    }
}

#[test]
fn beside_a_writer_that_goes_on_behind_a_close_no_derived_file_is_called_spoilt() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    put(&writer, "a", &[7; 200]);
    writer.close().unwrap();
    let (writer, _) = open(&fs);
    // Its first commit is in the file, and `HEAD` still says that the log was closed before it.
    let last = segment_files(&fs).pop().unwrap();
    let file = crate::Fs::open_write(&fs, &last).unwrap();
    let len = file.len().unwrap();
    file.write_at(b"in flight", len).unwrap();
    let survey = crate::repair::Survey::look(Arc::new(fs.clone()), dir(), &mut |_, _| ()).unwrap();
    let words: Vec<_> = survey.sidecars().iter().map(|sidecar| sidecar.standing.word()).collect();
    assert!(!words.contains(&"spoilt") && !words.contains(&"missing"), "{words:?}");
    assert!(!survey.is_moving());
    file.set_len(len).unwrap();
    writer.close().unwrap();
}
