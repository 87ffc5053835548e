//! Zeros that are written ahead of commits: when they are written, how far, and that none are left in sealed segments or closed
//! logs.

use super::*;
use crate::fs::sim::Act;
use std::io::ErrorKind;

const SHORT: Ahead = Ahead { after: 3, len: 64 * 1024 };

fn file_len(fs: &SimFs) -> u64 {
    fs.bytes(segment_files(fs).last().unwrap()).unwrap().len() as u64
}

/// Lengths of the last segment's file after each of `count` short commits.
fn lengths(writer: &Writer, fs: &SimFs, count: usize) -> Vec<u64> {
    let one = |_| {
        put(writer, "run", b"1");
        writer.settle();
        file_len(fs)
    };
    (0..count).map(one).collect()
}

#[test]
fn zeros_are_written_ahead_once_some_short_commits_were_synced_one_by_one() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20).with_ahead(SHORT);
    let lens = lengths(&writer, &fs, 10);
    assert!(lens[1] < 1024, "{lens:?}");
    assert_eq!(lens[2..], [lens[1] + (lens[1] - lens[0]) + 64 * 1024; 8], "{lens:?}");
    let end = writer.end();
    drop(writer);
    assert!(audit(&fs).findings.kept().is_empty(), "zeros are no damage");
    let (writer, recovery) = open(&fs);
    assert_eq!((recovery.end, recovery.cut), (end, None), "zeros are nothing to keep");
    writer.close().unwrap();
    assert_eq!(file_len(&fs), end.0);
}

#[test]
fn a_log_that_takes_much_at_once_or_never_writes_ahead_gets_no_zeros() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20).with_ahead(SHORT);
    for _ in 0..20 {
        put(&writer, "run", &[1; 2000]);
        writer.settle();
        assert_eq!(file_len(&fs), writer.end().0);
    }
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20).with_ahead(Ahead::NEVER);
    lengths(&writer, &fs, 20);
    assert_eq!(file_len(&fs), writer.end().0);
}

#[test]
fn a_sealed_segment_and_a_closed_log_hold_no_zeros() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT).with_ahead(SHORT);
    for _ in 0..100 {
        put(&writer, "run", &[7; 20]);
        writer.settle();
        assert!(file_len(&fs) <= LIMIT, "zeros end at the segment size limit");
    }
    let root = writer.root();
    writer.close().unwrap();
    assert!(segment_files(&fs).len() > 3);
    assert_eq!(cat_root(&fs), root);
    assert_eq!(audit(&fs).findings.kept(), &[]);
}

#[test]
fn a_disk_without_room_for_zeros_takes_commits() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20).with_ahead(SHORT);
    lengths(&writer, &fs, 2);
    // The next commit writes its frame and `HEAD`. The write of zeros after that fails. Half of the zeros are there,
    // and are cut again, because others may need the room.
    fs.fail_once(Act::Write, 2, ErrorKind::StorageFull);
    let lens = lengths(&writer, &fs, 3);
    assert!(lens[2] < 32 * 1024 && lens[0] < lens[1] && lens[1] < lens[2], "{lens:?}");
    let end = writer.end();
    writer.close().unwrap();
    assert_eq!(file_len(&fs), end.0);
    assert_eq!(audit(&fs).findings.kept(), &[]);
}

#[test]
fn a_caller_that_commits_itself_and_the_committing_thread_keep_one_order() {
    let fs = SimFs::new();
    let writer = create(&fs, 16 * 1024).with_ahead(Ahead { after: 1, len: 64 * 1024 });
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let writer = &writer;
            scope.spawn(move || {
                let name = format!("run-{thread}");
                for round in 0..100u8 {
                    let class = if round % 3 == 0 { Durability::Os } else { Durability::Sync };
                    let ticket = if round % 2 == 0 {
                        writer.commit(&commit(class, &[event(&name, &[round])])).unwrap()
                    } else {
                        let ticket = offer(writer, class, &name, &[round]).unwrap();
                        writer.wait(&ticket).unwrap();
                        ticket
                    };
                    assert!(class == Durability::Os || writer.durable_end() >= ticket.end);
                }
            });
        }
    });
    writer.close().unwrap();
    let reader = reader(&fs);
    for thread in 0..4 {
        let payloads: Vec<_> = stream(&reader, &format!("run-{thread}")).into_iter().map(|e| e.payload[0]).collect();
        assert_eq!(payloads, (0..100).collect::<Vec<u8>>());
    }
    assert_eq!(audit(&fs).findings.kept(), &[]);
}
