//! One writer, without faults.

use super::*;
use crate::group::{Group, name};
use evlog_format::Position;
use evlog_store::{Checkpoints, RawLog, StdFs};

#[test]
fn what_was_appended_is_read_by_others_and_after_reopening() {
    let store = Memory::default();
    let fs = bucket(&store);
    let writer = make(&fs);
    for number in 0..30 {
        put(&writer, &format!("one {number}")).unwrap();
    }
    let seen = all(&bucket(&store));
    assert_eq!(seen.len(), 30);
    let root = writer.root();
    writer.close().unwrap();
    let other = open(&bucket(&store));
    assert_eq!(other.root(), root);
    put(&other, "more").unwrap();
    drop(other);
    let again = open(&fs);
    assert_eq!(all(&bucket(&store)).len(), 31);
    assert_eq!(again.stream_len("run").unwrap(), 31);
}

#[test]
fn the_bytes_are_those_of_a_log_on_disk() {
    let store = Memory::default();
    let writer = make(&bucket(&store));
    for number in 0..40 {
        put(&writer, &format!("payload {number}")).unwrap();
    }
    let disk = tempfile::tempdir().unwrap();
    download(&bucket(&store), disk.path());
    let (on_disk, recovery) = Writer::open(Arc::new(StdFs), disk.path(), &owner()).unwrap();
    assert_eq!((on_disk.root(), recovery.cut), (writer.root(), None));
    assert!(std::fs::read_dir(disk.path().join("segments")).unwrap().count() > 3);
}

/// Writes the segments of a log in a bucket as files.
pub(super) fn download(fs: &Arc<BucketFs>, to: &Path) {
    let raw = RawLog::open(Arc::clone(fs) as Arc<dyn evlog_store::Fs>, dir()).unwrap();
    std::fs::create_dir_all(to.join("segments")).unwrap();
    for segment in raw.segments() {
        let mut bytes = Vec::new();
        raw.read(segment, &mut |chunk| bytes.extend_from_slice(chunk)).unwrap();
        std::fs::write(to.join("segments").join(segment.path.file_name().unwrap()), bytes).unwrap();
    }
}

#[test]
fn a_commit_of_class_os_is_in_the_bucket_when_it_is_acknowledged() {
    let store = Memory::default();
    let writer = make(&bucket(&store));
    let ticket = put_as(&writer, Durability::Os, "quick").unwrap();
    assert!(writer.durable_end() >= ticket.end);
    assert_eq!(all(&bucket(&store)), [(ticket.position.0, "quick".to_string())]);
}

#[test]
fn a_second_writer_of_one_process_is_refused() {
    let fs = bucket(&Memory::default());
    let _writer = make(&fs);
    let second = Writer::open(Arc::clone(&fs) as Arc<dyn evlog_store::Fs>, dir(), &owner());
    assert!(matches!(second, Err(evlog_store::OpenError::Locked { .. })));
}

#[test]
fn a_reader_sees_what_another_process_commits_later() {
    let store = Memory::default();
    let writer = make(&bucket(&store));
    put(&writer, "one").unwrap();
    let mut reader = Reader::open(bucket(&store), dir()).unwrap();
    put(&writer, "two").unwrap();
    assert!(reader.refresh().unwrap());
    assert_eq!(read(&reader).len(), 2);
    let mut follow = reader.follow();
    put(&writer, "three").unwrap();
    follow.wait();
    assert!(reader.refresh().unwrap());
    assert_eq!(read(&reader).len(), 3);
}

#[test]
fn groups_that_do_not_fit_in_memory_are_fetched_again() {
    let store = Memory::default();
    let writer = make(&bucket(&store));
    for number in 0..40 {
        put(&writer, &format!("payload {number}")).unwrap();
    }
    let options = Options { cache: 1, ..Options::default() };
    let fs = Arc::new(BucketFs::new(Arc::new(store.clone()), dir(), options));
    assert_eq!(all(&fs).len(), 40);
}

#[test]
fn a_checkpoint_is_an_object_that_is_never_replaced() {
    let store = Memory::default();
    let fs = bucket(&store);
    let checkpoints = Checkpoints::new(fs, dir());
    checkpoints.keep(Position(96), b"note").unwrap();
    checkpoints.keep(Position(96), b"note").unwrap();
    assert!(checkpoints.keep(Position(96), b"other").is_err());
    let seen = Checkpoints::new(bucket(&store), dir());
    assert_eq!((seen.sizes().unwrap(), seen.read(Position(96)).unwrap()), (vec![Position(96)], b"note".to_vec()));
}

/// A log of some groups.
fn some() -> Memory {
    let store = Memory::default();
    let writer = make(&bucket(&store));
    for number in 0..5 {
        put(&writer, &format!("payload {number}")).unwrap();
    }
    store
}

fn refusal(store: &Memory) -> String {
    Reader::open(bucket(store), dir()).unwrap_err().to_string()
}

#[test]
fn a_group_that_does_not_continue_the_log_is_refused_by_name() {
    type Change = fn(&mut Group);
    let changes: [(&str, Change); 6] = [
        ("number", |group| group.number += 1),
        ("first position", |group| group.position.0 += 1),
        ("first seq", |group| group.first_seq.0 += 1),
        ("log id", |group| group.log_id.0[0] ^= 1),
        ("root", |group| group.root_before.0[0] ^= 1),
        ("a whole frame", |group| group.bytes[20] ^= 1),
    ];
    for (of, change) in changes {
        let store = some();
        let mut group = Group::decode(&store.get(&name(3), u64::MAX).unwrap()).unwrap();
        change(&mut group);
        store.put(&name(3), group.encode());
        let said = refusal(&store);
        assert!(said.contains(&name(3)) && said.contains(of), "{of}: {said}");
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_group_is_noticed() {
    let object = some().get(&name(2), u64::MAX).unwrap();
    assert!(Group::decode(&object).is_ok());
    for bit in 0..object.len() * 8 {
        let mut flipped = object.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Group::decode(&flipped).is_err(), "bit {bit}");
    }
    for len in 0..object.len() {
        assert!(Group::decode(&object[..len]).is_err(), "length {len}");
    }
}

#[test]
fn a_removed_group_is_reported_and_not_taken_for_the_end() {
    for number in [0, 2] {
        let store = some();
        store.delete(&name(number)).unwrap();
        let said = refusal(&store);
        assert!(said.contains(&name(number)), "{said}");
    }
}
