//! The guarantees of the simulated disk that other tests rely on.

use super::*;
use std::io::ErrorKind;

fn disk() -> SimFs {
    let fs = SimFs::new();
    fs.create_dir(Path::new("/d")).unwrap();
    fs
}

fn path(name: &str) -> PathBuf {
    Path::new("/d").join(name)
}

/// A file whose name and bytes are synced.
fn synced(fs: &SimFs, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = fs.create(&path(name)).unwrap();
    file.write_at(bytes, 0).unwrap();
    file.sync_data().unwrap();
    fs.sync_dir(Path::new("/d")).unwrap();
    file
}

fn left(fs: &SimFs, keep: Keep, name: &str) -> Option<Vec<u8>> {
    fs.crash(&mut |_| keep).bytes(&path(name))
}

#[test]
fn a_crash_takes_what_was_not_synced_and_nothing_else() {
    let fs = disk();
    let file = synced(&fs, "a", b"one");
    file.write_at(b"two", 3).unwrap();
    assert_eq!(left(&fs, Keep::Nothing, "a").unwrap(), b"one");
    assert_eq!(left(&fs, Keep::All, "a").unwrap(), b"onetwo");
    file.sync_data().unwrap();
    assert_eq!(left(&fs, Keep::Nothing, "a").unwrap(), b"onetwo");
}

#[test]
fn a_name_is_lost_with_its_synced_bytes_until_its_directory_is_synced() {
    let fs = disk();
    let file = fs.create(&path("a.tmp")).unwrap();
    file.write_at(b"x", 0).unwrap();
    file.sync_data().unwrap();
    fs.rename(&path("a.tmp"), &path("a")).unwrap();
    assert_eq!((left(&fs, Keep::Nothing, "a"), left(&fs, Keep::Nothing, "a.tmp")), (None, None));
    assert_eq!(left(&fs, Keep::All, "a").unwrap(), b"x");
    fs.sync_dir(Path::new("/d")).unwrap();
    assert_eq!(left(&fs, Keep::Nothing, "a").unwrap(), b"x");
    fs.remove(&path("a")).unwrap();
    assert_eq!((left(&fs, Keep::Nothing, "a").unwrap(), left(&fs, Keep::All, "a")), (b"x".to_vec(), None));
}

#[test]
fn a_failed_sync_drops_what_it_was_to_keep_and_no_later_sync_brings_it_back() {
    let fs = disk();
    let file = synced(&fs, "a", b"one");
    file.write_at(b"two", 3).unwrap();
    fs.fail_once(Act::SyncData, 0, ErrorKind::Other);
    assert!(file.sync_data().is_err());
    assert_eq!(left(&fs, Keep::All, "a").unwrap(), b"onetwo", "it may have reached the disk all the same");
    file.write_at(b"three", 6).unwrap();
    file.sync_data().unwrap();
    assert_eq!(fs.bytes(&path("a")).unwrap(), b"onetwothree", "it can still be read");
    assert_eq!(left(&fs, Keep::All, "a").unwrap(), b"one\0\0\0three");
    // If it is written again, it is kept.
    file.write_at(b"two", 3).unwrap();
    file.sync_data().unwrap();
    assert_eq!(left(&fs, Keep::Nothing, "a").unwrap(), b"onetwothree");
}

#[test]
fn a_killed_process_leaves_what_a_crash_may_still_take() {
    let fs = disk();
    let file = synced(&fs, "a", b"one");
    file.write_at(b"two", 3).unwrap();
    let killed = fs.kill();
    assert_eq!(killed.bytes(&path("a")).unwrap(), b"onetwo");
    assert_eq!(left(&killed, Keep::Nothing, "a").unwrap(), b"one");
}

#[test]
fn when_the_power_is_cut_the_act_under_way_may_have_happened_and_nothing_after_it_did() {
    let fs = disk();
    let file = synced(&fs, "a", b"one");
    fs.cut_power(1);
    file.write_at(b"1", 3).unwrap();
    assert!(file.write_at(b"2", 4).is_err());
    assert!(file.write_at(b"3", 5).is_err() && file.sync_data().is_err() && fs.remove(&path("a")).is_err());
    assert_eq!(left(&fs, Keep::Nothing, "a").unwrap(), b"one");
    assert_eq!(left(&fs, Keep::All, "a").unwrap(), b"one12");
    let steps: Vec<Act> = fs.trail().iter().map(|step| step.act).collect();
    assert_eq!(steps, [Act::Create, Act::Write, Act::SyncData, Act::SyncDir, Act::Write]);
}

#[test]
fn a_disk_that_lies_keeps_nothing_until_it_is_healed() {
    let fs = disk();
    let file = synced(&fs, "a", b"one");
    fs.lie();
    file.write_at(b"two", 3).unwrap();
    file.sync_data().unwrap();
    assert_eq!(left(&fs, Keep::Nothing, "a").unwrap(), b"one");
    fs.heal();
    file.sync_data().unwrap();
    assert_eq!(left(&fs, Keep::Nothing, "a").unwrap(), b"onetwo");
}

#[test]
fn a_gate_lets_only_its_holder_through() {
    let fs = disk();
    let file = synced(&fs, "a", b"");
    let gate = fs.hold();
    let other = std::thread::spawn({
        let file = Arc::clone(&file);
        move || file.write_at(b"other", 0)
    });
    assert!(gate.wait());
    file.write_at(b"holder", 0).unwrap();
    assert_eq!(fs.bytes(&path("a")).unwrap(), b"holder");
    drop(gate);
    other.join().unwrap().unwrap();
    assert_eq!(fs.bytes(&path("a")).unwrap(), b"otherr");
}
