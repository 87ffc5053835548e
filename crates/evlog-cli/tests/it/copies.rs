//! `evlog backup` into an older copy, and `evlog restore`.

use crate::outside::line;
use crate::support::{Room, files_below};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A room with a log of several segments.
fn room() -> Room {
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    grow(&room, "evlog", 60);
    room
}

fn grow(room: &Room, log: &str, commits: usize) {
    let lines: String = (0..commits).map(|number| line("a", number)).collect();
    assert_eq!(room.feed(&["--log", log, "submit"], &lines).code, 0);
}

fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files_below(dir).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Everything in a directory that is not a file of evlog's own: names that begin with a dot are drafts.
fn drafts(room: &Room) -> Vec<String> {
    let names = fs::read_dir(room.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

fn inodes(dir: &Path) -> BTreeMap<PathBuf, u64> {
    files_below(dir).into_iter().map(|path| (path.clone(), fs::metadata(path).unwrap().ino())).collect()
}

fn refused(room: &Room, copy: &str, says: &str) {
    let before = content(&room.path(copy));
    room.ends(2, &["backup", copy]).says(&format!("no backup into `{copy}`")).says(says).says("nothing was done");
    assert_eq!(content(&room.path(copy)), before, "{copy}: {says}");
}

#[test]
fn a_second_backup_copies_only_what_is_new_and_verifies_all_of_the_copy() {
    // Rule Y-04.
    let room = room();
    let first = room.ends(0, &["backup", "copy", "--json"]).json();
    assert_eq!((&first["copied"], &first["held"]), (&first["size"], &json!(0)));
    let before = inodes(&room.path("copy/segments"));
    grow(&room, "evlog", 40);
    let second = room.ends(0, &["backup", "copy", "--json"]).json();
    assert_eq!((&second["verdict"], &second["kept"]), (&json!("clean"), &json!(true)));
    let number = |value: &Value| value.as_u64().unwrap();
    assert_eq!(number(&second["copied"]) + number(&second["held"]), number(&second["size"]));
    assert!(number(&second["held"]) + 1024 >= number(&first["size"]), "{second}");
    let after = inodes(&room.path("copy/segments"));
    let replaced = before.iter().filter(|(path, inode)| after.get(*path) != Some(inode)).count();
    assert!(replaced <= 1, "only the last segment may be written again");
    assert!(after.len() > before.len());

    let third = room.ends(0, &["backup", "copy", "--json"]).json();
    assert_eq!((&third["copied"], &third["held"]), (&json!(0), &third["size"]));
    let text = room.ends(0, &["backup", "copy"]).out;
    assert!(text.contains("copied       0 bytes; "), "{text}");
    let [log, copy] = ["evlog", "copy"].map(|log| room.ends(0, &["--log", log, "verify", "--json"]).json());
    assert_eq!((&log["root"], &log["next_seq"]), (&copy["root"], &copy["next_seq"]));
}

#[test]
fn checkpoints_come_along_and_one_that_was_cosigned_since_replaces_the_older_one() {
    // Rule Y-04.
    let room = room();
    room.ends(0, &["backup", "copy"]);
    room.ends(0, &["key", "new", "example.com/x", "--out", "x.key"]);
    room.ends(0, &["checkpoint", "--key", "x.key", "--out", "1.note"]);
    assert_eq!(room.ends(0, &["backup", "copy", "--json"]).json()["checkpoints"], 1);
    let name = fs::read_dir(room.path("copy/checkpoints")).unwrap().next().unwrap().unwrap().file_name();
    let [ours, theirs] = ["evlog", "copy"].map(|log| room.path(&format!("{log}/checkpoints")).join(&name));
    assert_eq!(fs::read(&ours).unwrap(), fs::read(&theirs).unwrap());
    let cosigned = [fs::read(&ours).unwrap(), "\u{2014} w.example AAAAAAAA\n".into()].concat();
    fs::write(&ours, &cosigned).unwrap();
    room.ends(0, &["backup", "copy"]);
    assert_eq!(fs::read(&theirs).unwrap(), cosigned);
}

#[test]
fn what_is_no_older_copy_of_the_log_is_refused_and_not_changed() {
    // Rule Y-05.
    let room = room();
    room.ends(0, &["backup", "copy"]);
    room.ends(0, &["backup", "longer"]);
    room.ends(0, &["backup", "forked"]);
    // Another log, no log, a file.
    room.ends(0, &["--log", "other", "init", "--segment-limit", "1024"]);
    grow(&room, "other", 3);
    refused(&room, "other", "another header");
    fs::create_dir(room.path("empty")).unwrap();
    refused(&room, "empty", "is no copy of this log");
    room.write("file", "");
    room.ends(2, &["backup", "file"]).says("is no copy of this log");
    assert_eq!(fs::read(room.path("file")).unwrap(), b"");
    // A fork: both go on.
    grow(&room, "forked", 1);
    grow(&room, "evlog", 1);
    refused(&room, "forked", "expected the log's byte");
    // A log that was restored from an older copy: its copy is longer.
    room.ends(0, &["backup", "longer"]);
    fs::rename(room.path("evlog"), room.path("gone")).unwrap();
    room.ends(0, &["restore", "copy"]);
    refused(&room, "longer", "found one that ends at position");
    // The same, many segments longer.
    grow(&room, "gone", 60);
    room.ends(0, &["--log", "gone", "backup", "longer"]);
    refused(&room, "longer", "found one that ends at position");
    assert_eq!(drafts(&room), [] as [String; 0]);
}

#[test]
fn a_copy_with_a_sealed_segment_of_another_length_is_refused_and_one_that_is_damaged_gets_its_verdict() {
    // Rules Y-04 and Y-05.
    let room = room();
    room.ends(0, &["backup", "copy"]);
    let segment = files_below(&room.path("copy/segments")).swap_remove(1);
    let good = fs::read(&segment).unwrap();
    fs::write(&segment, &good[..good.len() - 1]).unwrap();
    refused(&room, "copy", "as in the log");
    let mut bad = good.clone();
    bad[500] ^= 1;
    fs::write(&segment, &bad).unwrap();
    let done = room.ends(1, &["backup", "copy", "--json"]);
    done.says("the copy is damaged; it stays in `copy`").says("make a new copy in another directory");
    assert_eq!((&done.json()["verdict"], &done.json()["kept"]), (&json!("damaged"), &json!(true)));
    fs::write(&segment, &good).unwrap();
    room.ends(0, &["backup", "copy"]);
}

#[test]
fn a_copy_that_a_process_writes_in_is_left_alone() {
    // Rule Y-05.
    let room = room();
    room.ends(0, &["backup", "copy"]);
    let mut writer = room.spawn(&["--log", "copy", "submit"]);
    while fs::read_to_string(room.path("copy/LOCK")).unwrap_or_default().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(room.run(&["backup", "copy"]).code, 2);
    drop(writer.stdin.take());
    writer.wait().unwrap();
}

#[test]
fn a_restored_log_has_the_bytes_of_the_copy_and_can_be_written() {
    // Rule Y-06.
    let room = room();
    room.ends(0, &["backup", "copy"]);
    let copy = room.ends(0, &["--log", "copy", "verify", "--json"]).json();
    grow(&room, "evlog", 1);
    fs::rename(room.path("evlog"), room.path("evlog.damaged")).unwrap();
    let before = content(&room.path("copy"));
    let done = room.ends(0, &["restore", "copy", "--json"]).json();
    assert_eq!((&done["root"], &done["next_seq"], &done["made"]), (&copy["root"], &copy["next_seq"], &json!(true)));
    assert_eq!(content(&room.path("copy")), before);
    assert_eq!(room.feed(&["submit"], &line("b", 0)).code, 0);
    room.ends(0, &["verify"]);
    assert!(room.ends(0, &["cat", "--kind", "log.recovered"]).out.contains("log.recovered"));

    fs::create_dir(room.path("service")).unwrap();
    let text = room.ends(0, &["--log", "service", "restore", "copy"]);
    assert!(text.out.contains("no later event is in it"), "{text:?}");
    text.says("two writers make two histories");
    room.ends(0, &["--log", "service", "verify"]);
    assert_eq!(drafts(&room), [] as [String; 0]);
}

#[test]
fn a_restore_replaces_nothing_and_a_copy_that_is_not_clean_leaves_nothing() {
    // Rule Y-06.
    let room = room();
    room.ends(0, &["backup", "copy"]);
    let before = content(&room.path("evlog"));
    room.ends(2, &["restore", "copy"]).says("evlog` exists already, and a restore replaces nothing");
    assert_eq!(content(&room.path("evlog")), before);
    room.ends(2, &["--log", "new", "restore", "none"]).says("no copy of a log at `none`").says("nothing was restored");
    room.ends(2, &["--log", "copy/new", "restore", "copy"]).says("expected a place outside the log");
    let segments = files_below(&room.path("copy/segments"));
    let good = fs::read(&segments[1]).unwrap();
    let mut bad = good.clone();
    bad[500] ^= 1;
    for (segment, bytes, verdict) in [(1, &bad[..], "damaged"), (1, &good[..900.min(good.len() - 1)], "truncated")] {
        fs::write(&segments[segment], bytes).unwrap();
        let done = room.ends(1, &["--log", "new", "restore", "copy", "--json"]);
        done.says(&format!("is {verdict}, so no log was made"));
        assert_eq!((&done.json()["verdict"], &done.json()["made"]), (&json!(verdict), &json!(false)));
        assert!(!room.path("new").exists());
        fs::write(&segments[segment], &good).unwrap();
    }
    room.ends(0, &["--log", "new", "restore", "copy"]);
    assert_eq!(drafts(&room), [] as [String; 0]);
}

#[test]
fn a_copy_that_is_older_than_a_checkpoint_is_not_restored_with_it() {
    // Rule Y-06.
    let room = room();
    room.ends(0, &["key", "new", "example.com/x", "--out", "x.key"]);
    room.ends(0, &["checkpoint", "--key", "x.key", "--out", "1.note"]);
    room.ends(0, &["backup", "copy"]);
    grow(&room, "evlog", 5);
    room.ends(0, &["checkpoint", "--key", "x.key", "--out", "2.note"]);
    let restored =
        |note: &str| ["--log", "new", "restore", "copy", "--checkpoint", note, "--key", "x.pub"].map(str::to_owned);
    let run = |code: i32, note: &str| {
        let arguments = restored(note);
        room.ends(code, &arguments.each_ref().map(String::as_str))
    };
    run(1, "2.note").says("is truncated, so no log was made");
    assert!(!room.path("new").exists());
    run(0, "1.note");
    room.ends(0, &["--log", "new", "verify", "--checkpoint", "1.note", "--key", "x.pub"]);
}
