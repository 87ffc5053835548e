//! Checkpoints that the log keeps: after a power cut each is whole or not there.

use super::*;
use crate::Checkpoints;
use crate::fs::sim::{Act, Keep, Unsynced};

fn kept(fs: &SimFs) -> Checkpoints {
    Checkpoints::new(Arc::new(fs.clone()), dir())
}

#[test]
fn a_checkpoint_that_was_kept_survives_a_crash() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    put(&writer, "run", b"1");
    assert_eq!(kept(&fs).sizes().unwrap(), []);
    for size in [300, 20].map(Position) {
        kept(&fs).keep(size, b"note").unwrap();
    }
    let after = fs.crash(&mut |_: &Unsynced| Keep::Nothing);
    assert_eq!(kept(&after).sizes().unwrap(), [20, 300].map(Position));
    assert_eq!(kept(&after).read(Position(20)).unwrap(), b"note");
    assert!(kept(&after).read(Position(21)).is_err());
    drop(writer);
}

#[test]
fn a_checkpoint_that_was_set_aside_is_evidence_and_none_of_the_logs_any_more() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    put(&writer, "run", b"1");
    let kept = kept(&fs);
    for text in [b"one", b"two"] {
        kept.keep(Position(300), text).unwrap();
        let path = kept.set_aside(Position(300)).unwrap();
        assert_eq!(fs.bytes(&path).unwrap(), text);
    }
    let after = Checkpoints::new(Arc::new(fs.crash(&mut |_: &Unsynced| Keep::Nothing)), dir());
    assert_eq!((after.sizes().unwrap(), after.aside().unwrap().len()), (vec![], 2), "neither is written over");
    assert!(kept.set_aside(Position(300)).is_err(), "there is none");
    drop(writer);
}

#[test]
fn a_checkpoint_whose_writing_failed_is_not_there() {
    for act in [Act::SyncData, Act::Write] {
        let fs = SimFs::new();
        let writer = create(&fs, LIMIT);
        put(&writer, "run", b"1");
        fs.fail_once(act, 0, std::io::ErrorKind::StorageFull);
        kept(&fs).keep(Position(96), b"note").unwrap_err();
        assert_eq!(kept(&fs).sizes().unwrap(), []);
        kept(&fs).keep(Position(96), b"note").unwrap();
        assert_eq!(kept(&fs).sizes().unwrap(), [Position(96)]);
        drop(writer);
    }
}

#[test]
fn a_tree_that_was_kept_is_read_back_and_a_changed_one_is_not() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    let mut tree = Tree::new();
    tree.update(&[7; 5000]);
    kept(&fs).keep(Position(5000), b"note").unwrap();
    assert_eq!(kept(&fs).tree(), None);
    kept(&fs).keep_tree(&tree.frontier()).unwrap();
    assert_eq!(kept(&fs).tree(), Some(tree.frontier()));
    fs.put(&dir().join("checkpoints/last.tree"), vec![1; 200]);
    assert_eq!(kept(&fs).tree(), None);
    drop(writer);
}

#[test]
fn a_settled_log_is_synced_to_its_end_and_its_bytes_are_read_by_position() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    for n in 0..40u8 {
        offer(&writer, Durability::Os, "run", &[n; 100]).unwrap();
    }
    let settled = writer.settled().unwrap().unwrap();
    assert_eq!((settled.end, writer.durable_end()), (writer.end(), settled.end));
    let raw = RawLog::open(Arc::new(fs.clone()), dir()).unwrap();
    assert!(raw.segments().len() > 3);
    let read = |from: u64, to: u64| {
        let mut bytes = Vec::new();
        raw.read_range(&(from..to), &mut |chunk| bytes.extend_from_slice(chunk)).unwrap();
        bytes
    };
    let whole = read(0, settled.end.0);
    let mut tree = Tree::new();
    tree.update(&whole);
    assert_eq!(tree.root(), settled.root);
    for (from, to) in [(0, 0), (5, 5), (90, 100), (1000, 3000), (0, 1), (settled.end.0 - 1, settled.end.0)] {
        let expected = &whole[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()];
        assert_eq!(read(from, to), expected, "{from}..{to}");
    }
    writer.close().unwrap();
}

#[test]
fn a_checkpoint_that_goes_along_into_a_directory_that_was_moved_is_not_called_kept() {
    let happenings: [fn(&Path); 2] = [
        |log| std::fs::rename(log.join("checkpoints"), log.join("moved")).unwrap(),
        |log| {
            std::fs::rename(log.join("checkpoints"), log.join("moved")).unwrap();
            std::fs::create_dir(log.join("checkpoints")).unwrap();
        },
    ];
    for act in happenings {
        let room = tempfile::tempdir().unwrap();
        let options = CreateOptions { log_id: LOG, segment_limit: LIMIT };
        let writer = Writer::create(Arc::new(crate::StdFs), room.path(), options, &owner()).unwrap();
        let kept = Checkpoints::new(writer.fs(), room.path());
        kept.keep(Position(100), b"first").unwrap();
        kept.keep(Position(200), b"second").unwrap();
        act(room.path());
        let refused = [kept.keep(Position(300), b"third").unwrap_err(), kept.set_aside(Position(100)).unwrap_err()];
        for failure in refused {
            assert!(failure.path.starts_with(room.path().join("checkpoints")), "{failure}");
            assert!(failure.to_string().contains("the directory of checkpoints was"), "{failure}");
        }
        writer.close().unwrap();
    }
}
