//! After a failure of the disk the errors claim no more than is known.

use super::*;
use crate::fs::sim::Act;
use crate::{OpenError, Reason};
use std::io::ErrorKind;

#[test]
fn a_failed_sync_poisons_and_nothing_is_acknowledged_after_it() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    let good = put(&writer, "run", b"good");
    fs.fail_once(Act::SyncData, 0, ErrorKind::Other);
    let lost = offer(&writer, Durability::Sync, "run", b"lost").unwrap();
    let error = writer.wait(&lost).unwrap_err();
    assert!(matches!(error, AppendError::Unknown { position, .. } if position == lost.position), "{error}");
    // The disk works again, and the writer still accepts nothing, because the failed sync may have dropped bytes for
    // good.
    let error = offer(&writer, Durability::Sync, "run", b"after").unwrap_err();
    assert!(matches!(error, AppendError::Poisoned { .. }), "{error}");
    assert!(error.to_string().contains("cannot sync `/log/segments/00000000000000000000.seg`"), "{error}");
    assert!(matches!(writer.wait(&lost), Err(AppendError::Unknown { .. })));
    writer.wait(&good).unwrap();
    assert_eq!((writer.durable_end(), reader(&fs).committed().position), (good.end, good.end));
    assert!(matches!(writer.close(), Err(AppendError::Poisoned { .. })));
    let (writer, recovery) = open(&fs);
    assert!(!recovery.clean_close);
    assert!(writer.next_seq().0 >= 1);
}

#[test]
fn a_full_disk_makes_what_was_tried_unknown_and_what_was_not_not_appended() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    put(&writer, "run", b"good");
    fs.fail(Act::Write, 0, ErrorKind::StorageFull);
    let tried = offer(&writer, Durability::Sync, "run", &[1; 100]).unwrap();
    assert!(matches!(writer.wait(&tried), Err(AppendError::Unknown { .. })));
    fs.heal();
    let error = offer(&writer, Durability::Sync, "run", b"x").unwrap_err();
    assert!(matches!(error, AppendError::Poisoned { .. }), "{error}");
    drop(writer);
    // Half of the frame was written: the next open cuts it and goes on.
    let (writer, recovery) = open(&fs);
    assert_eq!(recovery.cut.unwrap().position, tried.position);
    put(&writer, "run", b"again");
    writer.close().unwrap();
    let payloads: Vec<_> = stream(&reader(&fs), "run").into_iter().map(|event| event.payload).collect();
    assert_eq!(payloads, [b"good".to_vec(), b"again".to_vec()]);
}

#[test]
fn a_head_that_cannot_be_written_leaves_the_commit_unknown_and_it_is_there() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    fs.fail(Act::Write, 1, ErrorKind::Other);
    let ticket = offer(&writer, Durability::Sync, "run", b"x").unwrap();
    assert!(matches!(writer.wait(&ticket), Err(AppendError::Unknown { .. })));
    fs.heal();
    drop(writer);
    assert_eq!(open(&fs).0.next_seq().0, 1);
}

#[test]
fn what_was_acknowledged_before_a_failure_stays_so() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    let synced = put(&writer, "run", b"1");
    fs.fail(Act::SyncData, 0, ErrorKind::Other);
    let written = offer(&writer, Durability::Os, "run", b"2").unwrap();
    writer.wait(&written).unwrap();
    let failing = offer(&writer, Durability::Sync, "run", b"3").unwrap();
    assert!(matches!(writer.wait(&failing), Err(AppendError::Unknown { .. })));
    writer.wait(&synced).unwrap();
    writer.wait(&written).unwrap();
    assert_eq!(writer.durable_end(), synced.end);
}

/// The file reports such a failure once, so the sync that a caller waits for later would report success.
#[test]
fn a_sync_that_was_begun_beside_the_writing_and_failed_fails_the_next_one() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20).with_sync_begun_after(100);
    let good = put(&writer, "run", b"good");
    fs.fail_once(Act::SyncData, 0, ErrorKind::Other);
    let lost = offer(&writer, Durability::Os, "run", &[1; 200]).unwrap();
    writer.wait(&lost).unwrap();
    assert_eq!(writer.durable_end(), good.end);
    let after = offer(&writer, Durability::Sync, "run", b"x").unwrap();
    let error = writer.wait(&after).unwrap_err();
    assert!(matches!(error, AppendError::Unknown { .. }), "{error}");
    assert!(error.to_string().contains("cannot sync"), "{error}");
    drop(writer);
    let (writer, recovery) = open(&fs);
    assert!(!recovery.clean_close);
    assert_eq!(writer.root().0, recovery.end, "what was read again was written again");
    writer.close().unwrap();
}

#[test]
fn a_sync_that_was_begun_beside_the_writing_promises_nothing() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20).with_sync_begun_after(100);
    let good = put(&writer, "run", b"good");
    let syncs = fs.count(Act::SyncData);
    let written = offer(&writer, Durability::Os, "run", &[1; 200]).unwrap();
    writer.wait(&written).unwrap();
    assert_eq!(fs.count(Act::SyncData), syncs + 1, "it was begun");
    assert_eq!(writer.durable_end(), good.end);
    assert!(writer.settled().unwrap().is_some());
    assert_eq!((fs.count(Act::SyncData), writer.durable_end()), (syncs + 2, written.end));
}

#[test]
fn a_segment_that_cannot_be_made_leaves_its_commits_not_appended() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    put(&writer, "run", &[0; 600]);
    for act in [Act::Create, Act::Rename] {
        let fs = fs.kill();
        let (writer, _) = open(&fs);
        fs.fail(act, 0, ErrorKind::StorageFull);
        let next = offer(&writer, Durability::Sync, "run", &[1; 600]).unwrap();
        let error = writer.wait(&next).unwrap_err();
        let AppendError::NotAppended { reason: Reason::NeverWritten(cause) } = error else { panic!("{error}") };
        assert_eq!(cause.source.kind(), ErrorKind::StorageFull);
        fs.heal();
        drop(writer);
        let (writer, recovery) = open(&fs);
        assert_eq!((writer.next_seq().0, recovery.cut), (1, None));
        put(&writer, "run", &[1; 600]);
    }
}

#[test]
fn sidecars_that_cannot_be_written_harm_nobody() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    put(&writer, "run", &[0; 600]);
    // The next file that is made is the segment; the two after it are its sidecars.
    fs.fail(Act::Create, 1, ErrorKind::StorageFull);
    put(&writer, "run", &[1; 600]);
    fs.heal();
    put(&writer, "other", &[1; 600]);
    writer.close().unwrap();
    let (writer, recovery) = open(&fs);
    assert!(recovery.clean_close);
    assert_eq!((writer.stream_len("run").unwrap(), writer.stream_len("other").unwrap()), (2, 1));
    assert_eq!(writer.root(), cat_root(&fs));
}

#[test]
fn a_log_that_cannot_be_made_leaves_a_place_where_it_can_be_made_later() {
    for act in [Act::Create, Act::Write, Act::SyncData, Act::Rename, Act::SyncDir] {
        for after in 0..4 {
            let fs = SimFs::new();
            fs.fail(act, after, ErrorKind::StorageFull);
            let options = CreateOptions { log_id: LOG, segment_limit: LIMIT };
            let made = Writer::create(Arc::new(fs.clone()), dir(), options, &owner());
            fs.heal();
            if let Err(error) = &made {
                assert!(matches!(error, OpenError::Io(failure) if failure.source.kind() == ErrorKind::StorageFull));
                match Writer::create(Arc::new(fs.clone()), dir(), options, &owner()) {
                    Ok(writer) => drop(writer),
                    // The failure came after the segment got its name: the log is there.
                    Err(error) => assert!(matches!(error, OpenError::Exists { .. }), "{error}"),
                }
            }
            drop(made);
            let (writer, _) = open(&fs);
            put(&writer, "run", b"x");
        }
    }
}

#[test]
fn a_read_that_fails_while_opening_is_reported_with_its_file() {
    let fs = SimFs::new();
    create(&fs, LIMIT).close().unwrap();
    fs.fail(Act::Read, 0, ErrorKind::Other);
    let error = Writer::open(Arc::new(fs.clone()), dir(), &owner()).unwrap_err();
    let text = "cannot read `/log/segments/00000000000000000000.seg`: simulated";
    assert_eq!(error.to_string(), text);
    fs.heal();
    assert!(open(&fs).1.clean_close, "the lock was let go");
}

#[test]
fn bytes_that_there_is_no_room_to_keep_leave_nothing_in_quarantine_and_are_not_cut() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    put(&writer, "a", &[7; 200]);
    drop(writer);
    // A commit that a crash left unfinished.
    let last = segment_files(&fs).pop().unwrap();
    let torn = [fs.bytes(&last).unwrap(), vec![9; 300]].concat();
    fs.put(&last, torn.clone());
    fs.put(&dir().join("HEAD"), Vec::new());
    let kept = |fs: &SimFs| -> Vec<PathBuf> {
        fs.files().into_iter().filter(|path| path.starts_with(dir().join("quarantine"))).collect()
    };
    for act in [Act::Write, Act::SyncData, Act::Rename] {
        fs.fail(act, 0, ErrorKind::StorageFull);
        for _ in 0..3 {
            let opened = Writer::open(Arc::new(fs.clone()), dir(), &owner());
            assert!(opened.is_err(), "{act:?}: {opened:?}");
            assert_eq!(kept(&fs), Vec::<PathBuf>::new(), "{act:?}");
            assert_eq!(fs.bytes(&last).unwrap(), torn, "{act:?}");
        }
        fs.heal();
    }
    let (_, recovery) = open(&fs);
    let cut = recovery.cut.unwrap();
    assert_eq!((kept(&fs).len(), fs.bytes(&dir().join(&cut.kept_as)).unwrap()), (1, vec![9; 300]));
}
