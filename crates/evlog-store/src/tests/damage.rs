//! A torn tail is cut and kept; any other damage is refused, with its verdict, and left alone.

use super::*;
use crate::fs::StdFs;
use crate::{OpenError, Verdict};
use evlog_format::checksum::crc32;
use evlog_format::{CommitHead, Event, FrameCodec, PLAIN, SEGMENT_HEADER_LEN, Seq, encode_commit};

/// A closed log of some commits in one segment; the positions where commits begin, and the end.
fn log(commits: u8) -> (SimFs, Vec<u64>) {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    let mut places: Vec<u64> = (0..commits).map(|n| put(&writer, "run", &[n; 20]).position.0).collect();
    places.push(writer.end().0);
    writer.close().unwrap();
    (fs, places)
}

fn segment(position: u64) -> PathBuf {
    dir().join(format!("segments/{position:020}.seg"))
}

fn head() -> PathBuf {
    dir().join("HEAD")
}

fn refused(fs: &SimFs) -> Verdict {
    let before = fs.files().iter().map(|path| fs.bytes(path).unwrap()).collect::<Vec<_>>();
    let error = Writer::open(Arc::new(fs.clone()), dir(), &owner()).unwrap_err();
    let OpenError::Refused(refusal) = error else { panic!("{error}") };
    let after = fs.files().iter().map(|path| fs.bytes(path).unwrap()).collect::<Vec<_>>();
    assert!(before == after, "a refused log is left as it is");
    assert!(matches!(Reader::open(Arc::new(fs.clone()), dir()), Err(OpenError::Refused(_))));
    refusal.verdict
}

#[test]
fn a_tail_torn_at_any_byte_of_the_last_two_commits_is_cut_and_kept_and_all_before_survives() {
    let (fs, places) = log(4);
    let whole = fs.bytes(&segment(0)).unwrap();
    let last = places[3];
    for len in places[2]..places[4] {
        // The last commit's own durable-before is torn with it. `HEAD` has to be removed, too, so that the tail counts as
        // unfinished.
        let torn = fs.kill();
        torn.put(&segment(0), whole[..usize::try_from(len).unwrap()].to_vec());
        torn.put(&head(), Vec::new());
        let kept = if len >= last { 3 } else { 2 };
        assert_eq!(all(&reader(&torn)).len(), kept, "cut to {len}");
        let (writer, recovery) = open(&torn);
        assert_eq!(writer.next_seq().0, kept as u64);
        let end = places[kept];
        assert_eq!(writer.end().0, end);
        assert!(!recovery.clean_close);
        match recovery.cut {
            None => assert_eq!(len, end),
            Some(cut) => {
                assert_eq!((cut.position.0, cut.len), (end, len - end));
                let bytes = torn.bytes(&dir().join(&cut.kept_as)).unwrap();
                assert_eq!(bytes, whole[usize::try_from(end).unwrap()..usize::try_from(len).unwrap()]);
            }
        }
        put(&writer, "run", b"after");
        writer.close().unwrap();
        assert_eq!(stream(&reader(&torn), "run").last().unwrap().number, kept as u64);
        assert_eq!(cat_root(&torn), open(&torn).0.root());
    }
}

#[test]
fn the_auditor_and_the_store_give_the_same_verdict_on_every_prefix_and_every_flipped_byte() {
    let (fs, places) = log(3);
    let whole = fs.bytes(&segment(0)).unwrap();
    let check = |bytes: Vec<u8>, head_kept: bool, what: &str| {
        let changed = fs.kill();
        changed.put(&segment(0), bytes);
        if !head_kept {
            changed.put(&head(), Vec::new());
        }
        let audited = audit(&changed).verdict();
        let opened = match Writer::open(Arc::new(changed.clone()), dir(), &owner()) {
            Ok((_, recovery)) => recovery.cut.map_or(Verdict::Clean, |_| Verdict::TornTail),
            Err(OpenError::Refused(refusal)) => refusal.verdict,
            Err(error) => panic!("{what}: {error}"),
        };
        assert_eq!(opened, audited, "{what}, HEAD kept: {head_kept}");
    };
    for head_kept in [true, false] {
        for len in SEGMENT_HEADER_LEN..=whole.len() {
            check(whole[..len].to_vec(), head_kept, &format!("prefix of {len}"));
        }
        for at in usize::try_from(places[0]).unwrap()..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x20;
            check(bytes, head_kept, &format!("byte {at} flipped"));
        }
    }
}

#[test]
fn every_flipped_bit_below_the_floor_is_refused() {
    let (fs, places) = log(3);
    let whole = fs.bytes(&segment(0)).unwrap();
    let end = usize::try_from(places[3]).unwrap();
    for bit in 0..end * 8 {
        let flipped = fs.kill();
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        flipped.put(&segment(0), bytes);
        let opened = Writer::open(Arc::new(flipped.clone()), dir(), &owner());
        match opened {
            Err(OpenError::Refused(refusal)) => {
                assert_ne!(refusal.verdict, Verdict::Clean);
                assert!(refusal.position.0 <= bit as u64 / 8, "bit {bit}: {refusal}");
            }
            Err(OpenError::Version { .. }) => assert!(bit / 8 < SEGMENT_HEADER_LEN, "bit {bit}"),
            other => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn a_flipped_bit_below_the_marks_in_the_log_is_refused_without_any_head() {
    let (fs, places) = log(3);
    let whole = fs.bytes(&segment(0)).unwrap();
    // The last commit's durable-before covers all before it.
    for at in usize::try_from(places[0]).unwrap()..usize::try_from(places[2]).unwrap() {
        let flipped = fs.kill();
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        flipped.put(&segment(0), bytes);
        flipped.put(&head(), Vec::new());
        assert_eq!(refused(&flipped), Verdict::Damaged, "byte {at}");
    }
}

#[test]
fn a_log_shorter_than_what_was_synced_is_called_truncated() {
    let (fs, places) = log(3);
    let whole = fs.bytes(&segment(0)).unwrap();
    for len in SEGMENT_HEADER_LEN..usize::try_from(places[3]).unwrap() {
        let short = fs.kill();
        short.put(&segment(0), whole[..len].to_vec());
        assert_eq!(refused(&short), Verdict::Truncated, "{len} bytes left");
    }
    let short = fs.kill();
    short.put(&segment(0), whole[..50].to_vec());
    assert_eq!(refused(&short), Verdict::Damaged);
}

#[test]
fn zeros_behind_the_last_commit_are_trimmed_and_zeros_in_its_place_are_damage() {
    let (fs, places) = log(2);
    let whole = fs.bytes(&segment(0)).unwrap();
    let longer = fs.kill();
    longer.put(&segment(0), [whole.clone(), vec![0; 5000]].concat());
    assert_eq!(all(&reader(&longer)).len(), 2);
    let (writer, recovery) = open(&longer);
    assert_eq!((recovery.cut, recovery.clean_close), (None, false));
    put(&writer, "run", b"x");
    writer.close().unwrap();
    assert_eq!(cat_root(&longer).0, open(&longer).0.end());

    let zeroed = fs.kill();
    let (from, to) = (usize::try_from(places[1]).unwrap(), usize::try_from(places[2]).unwrap());
    let mut bytes = whole.clone();
    bytes[from..to].fill(0);
    zeroed.put(&segment(0), bytes.clone());
    assert_eq!(refused(&zeroed), Verdict::Damaged);
    zeroed.put(&head(), Vec::new());
    assert_eq!(open(&zeroed).0.next_seq().0, 1);
}

#[test]
fn an_unsynced_group_of_which_only_the_last_commit_reached_the_disk_is_cut_as_a_whole() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    put(&writer, "run", b"durable");
    let end = writer.end();
    fs.fail(crate::fs::sim::Act::SyncData, 0, std::io::ErrorKind::Other);
    let tickets: Vec<Ticket> = (0..3u8).map(|n| offer(&writer, Durability::Os, "run", &[n; 30]).unwrap()).collect();
    writer.wait(&tickets[2]).unwrap();
    let crashed = fs.kill();
    let mut bytes = crashed.bytes(&segment(0)).unwrap();
    bytes[usize::try_from(tickets[0].position.0).unwrap() + 40] ^= 1;
    crashed.put(&segment(0), bytes);
    assert_eq!(all(&reader(&crashed)).len(), 1);
    let (writer, recovery) = open(&crashed);
    let cut = recovery.cut.unwrap();
    assert_eq!((cut.position, writer.next_seq().0), (end, 1));
    assert_eq!(cut.len, tickets[2].end.0 - end.0);
    assert!(cut.reason.contains("checksum"), "{}", cut.reason);
}

#[test]
fn a_second_cut_at_the_same_place_keeps_the_first_copy() {
    let (fs, places) = log(2);
    let whole = fs.bytes(&segment(0)).unwrap();
    let torn = whole[..usize::try_from(places[2]).unwrap() - 1].to_vec();
    for n in 0..3 {
        fs.put(&segment(0), torn.clone());
        fs.put(&head(), Vec::new());
        let cut = open(&fs).1.cut.unwrap();
        assert_eq!(cut.kept_as, format!("quarantine/{:020}-{n}.bin", places[1]));
    }
}

#[test]
fn a_log_of_another_format_version_is_called_so() {
    // F-11.
    for (version, words) in [(1, "was written by a pre-release of evlog"), (3, "is newer than this program reads")] {
        let (fs, _) = log(1);
        let mut bytes = fs.bytes(&segment(0)).unwrap();
        bytes[8] = version;
        let sum = crc32(&bytes[..92]).to_le_bytes();
        bytes[92..96].copy_from_slice(&sum);
        fs.put(&segment(0), bytes);
        for error in [
            Writer::open(Arc::new(fs.clone()), dir(), &owner()).unwrap_err(),
            Reader::open(Arc::new(fs.clone()), dir()).unwrap_err(),
        ] {
            assert!(matches!(error, OpenError::Version { found, .. } if found == u32::from(version)), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

/// A frame at `position` whose checksum matches.
fn forged(position: u64, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoded = FrameCodec::new(LOG).encode::<()>(position, 96, &mut bytes, |out| {
        body(out);
        Ok(())
    });
    assert_eq!(encoded, Ok(Ok(bytes.len())));
    bytes
}

#[test]
fn a_forged_commit_that_contradicts_the_log_is_tampered_and_one_that_is_none_is_damage() {
    let (fs, places) = log(2);
    let (whole, end) = (fs.bytes(&segment(0)).unwrap(), places[2]);
    let check = |frame: Vec<u8>, expected: Verdict| {
        let spliced = fs.kill();
        spliced.put(&segment(0), [whole.clone(), frame].concat());
        assert_eq!(refused(&spliced), expected);
    };
    let commit = |first_seq: u64, number: u64| {
        let head = CommitHead::new(Seq(first_seq), 0, Durability::Sync, "m");
        let (kind, kind_version, causation, protection) = (Kind::BuiltIn(1), 1, None, PLAIN);
        let event = Event { stream: "run", number, kind, kind_version, causation, protection, payload: b"" };
        forged(end, |out| encode_commit(&head, &[event], out).unwrap())
    };
    check(commit(7, 2), Verdict::Tampered);
    check(commit(1, 1), Verdict::Tampered);
    check(commit(2, 1), Verdict::Tampered);
    check(forged(end, |out| out.extend_from_slice(b"not a commit at all")), Verdict::Damaged);
    let continued = fs.kill();
    continued.put(&segment(0), [whole.clone(), commit(2, 2)].concat());
    assert_eq!(open(&continued).0.next_seq().0, 3);
}

#[test]
fn a_file_that_cannot_be_read_does_not_hide_what_the_segment_before_it_shows() {
    // V-17: the file after it is a directory.
    let (fs, places) = log(2);
    let head = CommitHead::new(Seq(7), 0, Durability::Sync, "m");
    let (kind, kind_version, causation, protection) = (Kind::BuiltIn(1), 1, None, PLAIN);
    let event = Event { stream: "run", number: 2, kind, kind_version, causation, protection, payload: b"" };
    let frame = forged(places[2], |out| encode_commit(&head, &[event], out).unwrap());
    let bytes = [fs.bytes(&segment(0)).unwrap(), frame].concat();
    let room = tempfile::tempdir().unwrap();
    let on_disk = |position: u64| room.path().join("segments").join(segment(position).file_name().unwrap());
    std::fs::create_dir_all(on_disk(bytes.len() as u64)).unwrap();
    std::fs::write(on_disk(0), bytes).unwrap();
    let reader = Reader::open_up_to_damage(Arc::new(StdFs), room.path()).unwrap();
    let ReadError::Refused(read) = reader.check_whole().unwrap_err() else { panic!("no refusal") };
    let Err(OpenError::Refused(opened)) = Writer::open(Arc::new(StdFs), room.path(), &owner()) else {
        panic!("no refusal")
    };
    assert_eq!((read.verdict, opened.verdict), (Verdict::Tampered, Verdict::Tampered));
}

#[test]
fn a_frame_of_another_log_or_from_another_place_is_no_frame() {
    let (fs, places) = log(3);
    let whole = fs.bytes(&segment(0)).unwrap();
    let [first, second, third, end] = [0, 1, 2, 3].map(|at| usize::try_from(places[at]).unwrap());
    let repeated = fs.kill();
    repeated.put(&segment(0), [&whole[..second], &whole[first..second], &whole[second..]].concat());
    assert_eq!(refused(&repeated), Verdict::Damaged);
    let swapped = fs.kill();
    swapped.put(&segment(0), [&whole[..second], &whole[third..end], &whole[second..third]].concat());
    assert_eq!(refused(&swapped), Verdict::Damaged);
}
