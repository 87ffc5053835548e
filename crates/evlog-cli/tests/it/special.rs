//! What is no regular file in the places where evlog reads back what it wrote itself: it is refused in words, at once, and no
//! link is followed.

use crate::support::{Done, Room, signal};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// What may be in the place of the file.
const SPECIAL: [fn(&Path); 4] = [
    |path| mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap(),
    |path| symlink("/dev/zero", path).unwrap(),
    |path| symlink("nowhere", path).unwrap(),
    |path| fs::create_dir(path).unwrap(),
];

/// Puts it in the place of a file.
fn put(special: fn(&Path), path: &Path) {
    if fs::remove_file(path).is_err() {
        let _nothing = fs::remove_dir(path);
    }
    special(path);
}

/// Runs a command that must end by itself, and soon.
fn ends(room: &Room, code: i32, arguments: &[&str]) -> Done {
    let limited = [&["-s", "KILL", "20", env!("CARGO_BIN_EXE_evlog")], arguments].concat();
    let done: Done = room.command_of("timeout", &limited).output().unwrap().into();
    assert_eq!(done.code, code, "{arguments:?}: {done:?}");
    done
}

#[test]
fn a_witness_opens_nothing_but_regular_files_of_its_own() {
    let room = Room::with_batch();
    room.ends(0, &["key", "new", "builds.example.com", "--out", "b.key"]);
    room.ends(0, &["key", "new", "ci.example.com/w", "--witness", "--out", "w.key"]);
    room.ends(0, &["checkpoint", "--key", "b.key", "--out", "b.note"]);
    let witness = ["witness", "b.note", "--state", "seen", "--log-key", "b.pub", "--key", "w.key"];
    let last = ["witness", "--last", "--state", "seen", "--log-key", "b.pub"];
    room.ends(0, &witness);
    let notes = fs::read_dir(room.path("seen")).unwrap().map(|entry| entry.unwrap().path());
    let note = notes.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "note")).unwrap();
    let kept = fs::read(&note).unwrap();
    for special in SPECIAL {
        for place in [room.path("seen/LOCK"), note.clone()] {
            put(special, &place);
            ends(&room, 2, &witness).says("expected a regular file");
            ends(&room, 2, &last).says("expected a regular file");
            put(|_| {}, &place);
            fs::write(&place, if place == note { &kept[..] } else { b"" }).unwrap();
        }
    }
    assert!(!room.path("seen/nowhere").exists(), "a link was followed");
    fs::write(&note, vec![b'x'; 100_000]).unwrap();
    ends(&room, 2, &witness).says("expected a file of at most 66560 bytes");
    fs::write(&note, kept).unwrap();
    ends(&room, 0, &last);
}

/// A room with the run `r`, which was interrupted in its only stage. The stage succeeds once there is a file `go`.
fn interrupted() -> Room {
    let room = Room::new();
    let script = "test -e go || { touch working; sleep 100; }";
    let stage = format!("id = \"work\"\nreason_code = \"input_missing\"\ncommand = [\"sh\", \"-c\", \"{script}\"]");
    room.write("plan.toml", &format!("name = \"p\"\n[[stage]]\n{stage}\n"));
    let child = room.spawn(&["run", "plan.toml", "--run-id", "r"]);
    while !room.path("working").exists() {
        sleep(Duration::from_millis(2));
    }
    signal(&child, "TERM");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    room
}

#[test]
fn a_note_of_a_plan_that_is_no_regular_file_is_none() {
    let room = interrupted();
    let note = room.path("runs/.locks/r.plan");
    assert!(note.is_file());
    for special in SPECIAL {
        put(special, &note);
        ends(&room, 2, &["run", "--resume", "r"]).says("the plan of run `r` is not known");
    }
    // Nor is a plan that is none waited for, where a note names it.
    put(|_| {}, &note);
    SPECIAL[0](&room.path("pipe"));
    for plan in ["pipe", "/dev/zero", "."] {
        fs::write(&note, format!("{plan}\n")).unwrap();
        ends(&room, 2, &["run", "--resume", "r"]).says("the plan of run `r` is not known");
    }
    fs::write(&note, vec![b'x'; 100_000]).unwrap();
    ends(&room, 2, &["run", "--resume", "r"]).says("the plan of run `r` is not known");
}

#[test]
fn t13_what_is_no_regular_file_in_the_place_of_a_lock_is_set_aside_unrecorded_and_the_run_goes_on() {
    let whole = interrupted();
    whole.write("go", "");
    for special in SPECIAL {
        let room = whole.again();
        put(special, &room.path("runs/.locks/r.lock"));
        // The name that an earlier evlog gave to a file that it set aside.
        put(special, &room.path("runs/.locks/r.lock.stale.0001"));
        ends(&room, 20, &["run", "--resume", "r", "plan.toml"]).says("is locked: ");
        let done = ends(&room, 0, &["run", "--resume", "r", "plan.toml", "--force-run-lock"]);
        done.says("what was in the place of the lock was no regular file; it is kept in").says(".aside");
        assert!(!room.ends(0, &["cat", "--run", "r"]).out.contains("lock_forced"));
        room.ends(0, &["project", "--check", "."]);
    }
}

#[test]
fn how_far_a_verification_came_is_read_from_a_regular_file() {
    let room = Room::with_batch();
    for special in SPECIAL {
        put(special, &room.path("far"));
        let done = ends(&room, 2, &["verify", "--resume", "far"]);
        done.says("expected a regular file");
    }
    assert!(!room.path("nowhere").exists());
}

#[test]
fn a_special_file_in_a_bundle_holds_up_no_command() {
    let room = Room::with_batch();
    room.ends(0, &["project", "--out", "."]);
    for special in SPECIAL {
        let place = room.path("runs/RUN_0001/run.json");
        put(special, &place);
        ends(&room, 1, &["project", "--check", "."]);
        put(|_| {}, &place);
        room.ends(0, &["project", "--out", "."]);
    }
    // A file with a length and no content is not read to its end.
    let sparse = fs::OpenOptions::new().write(true).open(room.path("runs/RUN_0001/run.json")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    ends(&room, 1, &["project", "--check", ".", "--json"]);
}
