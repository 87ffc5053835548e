//! What every command says about a log that its own notes contradict, or whose notes cannot be read. If notes are missing,
//! the log's own events show it.

use crate::disks::{NOBODY, as_user_whom_permissions_stop, is_root};
use crate::forge::{other_number, rewrite};
use crate::notes::{claimed, cut, signed_room};
use crate::support::{Done, Room};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

const LINE: &str = "{\"contract\":\"custom\",\"run\":\"x\",\"do\":\"record\",\"kind\":\"custom/n\"}\n";

/// The larger of the two notes that the log keeps.
fn newest(room: &Room) -> PathBuf {
    let size = claimed(room, "new.note").size.0;
    room.path(&format!("evlog/checkpoints/{size:020}.note"))
}

fn make_fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

/// Makes something of a path that is no note any more.
type Spoil = fn(&Path);

/// Each way in which a note cannot be read.
const SPOILT: [(&str, Spoil); 5] = [
    ("one digit is another", |path| {
        let text = fs::read_to_string(path).unwrap();
        let (origin, rest) = text.split_once('\n').unwrap();
        fs::write(path, format!("{origin}\nx{}", &rest[1..])).unwrap();
    }),
    ("empty", |path| fs::write(path, "").unwrap()),
    ("a directory", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    }),
    ("a link", |path| {
        fs::remove_file(path).unwrap();
        symlink("/nowhere", path).unwrap();
    }),
    ("a pipe", |path| {
        fs::remove_file(path).unwrap();
        make_fifo(path);
    }),
];

#[test]
fn no_command_calls_a_log_clean_that_is_shorter_than_a_note_of_its_own() {
    // Rules C-51, Y-02.
    let room = signed_room();
    cut(&room);
    room.ends(1, &["backup", "copy"]).says("bytes that the checkpoint covers are missing (C-51)");
    assert!(!room.path("copy").exists());
    assert_eq!(room.ends(1, &["backup", "copy", "--json"]).json()["verdict"], "truncated");
    for way in [&["repair", "--dry-run"][..], &["repair"]] {
        let done = room.ends(1, way);
        assert!(done.out.contains("truncated") && !done.out.contains("clean"), "{done:?}");
        done.says(newest(&room).file_name().unwrap().to_str().unwrap());
    }
    assert_eq!(room.ends(1, &["repair", "--dry-run", "--json"]).json()["verdict"], "truncated");
}

/// What is at the log's segments, which a refused repair leaves as they are.
fn bytes(room: &Room) -> Vec<Vec<u8>> {
    room.segments().iter().map(|path| fs::read(path).unwrap()).collect()
}

/// That `repair` says what `verify` says of a log that it could open, and does nothing.
fn refuses_to_repair(room: &Room, verdict: &str, rule: &str) {
    let before = bytes(room);
    assert_eq!(room.ends(1, &["verify", "--json"]).json()["verdict"], verdict);
    for way in [&["repair", "--dry-run"][..], &["repair"], &["repair", "--accept-loss", "--yes"]] {
        let done = room.ends(1, way);
        assert!(done.out.starts_with(&format!("verdict  {verdict}\nrefused")), "{way:?}: {done:?}");
        done.says(&format!("log is {verdict} at position")).says(rule);
        let answer = room.ends(1, &[way, &["--json"]].concat()).json();
        assert_eq!((&answer["verdict"], &answer["steps"]), (&json!(verdict), &json!([])));
    }
    assert!(bytes(room) == before);
}

#[test]
fn repair_says_what_verify_says_of_a_log_that_its_own_note_contradicts() {
    // Rule C-52.
    let room = signed_room();
    rewrite(&room.segments()[0], 0, other_number);
    refuses_to_repair(&room, "tampered", "(C-52)");
}

#[test]
fn repair_says_what_verify_says_of_a_log_that_can_be_opened_and_breaks_a_rule() {
    // Rule F-39: the audit alone reads payloads.
    let room = Room::new();
    let twice = r#"{"contract":"custom","run":"x","do":"record","kind":"custom/n","data":{"a":1,"b":2}}"#;
    room.feed(&["submit"], &format!("{twice}\n{LINE}"));
    rewrite(&room.segments()[0], 1, |body| {
        let at = body.windows(4).position(|found| found == b"\"b\":").unwrap();
        body[at + 1] = b'a';
    });
    refuses_to_repair(&room, "tampered", "(F-39)");
    // A torn tail does not hide it.
    let segment = room.segments().remove(0);
    let torn = [fs::read(&segment).unwrap(), vec![9; 7]].concat();
    fs::write(&segment, torn).unwrap();
    fs::remove_file(room.path("evlog/HEAD")).unwrap();
    refuses_to_repair(&room, "tampered", "(F-39)");
}

#[test]
fn what_a_note_of_the_log_covers_can_be_given_up_and_is_recorded() {
    // Rules R-04, R-05.
    let room = signed_room();
    cut(&room);
    let [old, new] = ["old.note", "new.note"].map(|note| claimed(&room, note).size.0);
    room.ends(0, &["repair", "--accept-loss", "--yes", "--actor", "ops@example.org"]);
    let found = room.ends(0, &["verify", "--json"]).json();
    assert_eq!((&found["verdict"], &found["losses"][0]["position"]), (&json!("clean"), &json!(old)));
    let history = room.ends(0, &["cat", "--run", "$log", "--json"]);
    let loss = history.lines().into_iter().find(|line| line["kind"] == "log.loss_accepted").unwrap();
    assert_eq!(loss["payload"]["floor"], json!(new), "{loss}");
    assert_eq!(room.feed(&["submit"], LINE).code, 0);
    room.ends(0, &["backup", "copy"]);
}

#[test]
fn a_note_that_cannot_be_read_is_not_absent() {
    // Rule C-55.
    for (how, spoil) in SPOILT {
        let room = signed_room();
        spoil(&newest(&room));
        let done = room.ends(1, &["verify"]);
        done.says("one of the log's own notes cannot be read").says("(C-55)");
        done.says(newest(&room).file_name().unwrap().to_str().unwrap());
        assert!(done.out.contains("damaged"), "{how}: {done:?}");
        room.ends(1, &["backup", "copy"]).says("one of the log's own notes cannot be read").says("(C-55)");
        assert!(!room.path("copy").exists(), "{how}");
        refuses_to_repair(&room, "damaged", "(C-55)");
        // Its name states how much there was.
        cut(&room);
        for way in [&["verify"][..], &["verify", "--sample", "100%"]] {
            assert!(room.ends(1, way).out.contains("truncated"), "{how}");
        }
        assert_eq!(room.ends(1, &["repair", "--dry-run", "--json"]).json()["verdict"], "truncated", "{how}");
        let refused = room.feed(&["submit"], LINE);
        assert!(refused.code == 2 && refused.err.contains("truncated at position"), "{how}: {refused:?}");
    }
}

/// Everything in the room belongs to a user whom permissions stop.
fn give_away(room: &Room) {
    let mut places = vec![room.path("")];
    while let Some(place) = places.pop() {
        chown(&place, Some(NOBODY), Some(NOBODY)).unwrap();
        if place.is_dir() {
            places.extend(fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}

#[test]
fn a_note_that_the_system_does_not_give_does_not_end_the_repair_of_what_it_does_not_decide() {
    // Rule C-55. The note decides nothing where a loss is accepted, or where the repair is refused already.
    let room = signed_room();
    let segment = room.segments().pop().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&segment, bytes).unwrap();
    let note = newest(&room);
    fs::set_permissions(&note, fs::Permissions::from_mode(0o000)).unwrap();
    let Some(run) = as_user_whom_permissions_stop(&room) else { return };
    if is_root() {
        give_away(&room);
    }
    let name = note.file_name().unwrap().to_str().unwrap();
    let unread = |done: &Done| {
        done.says("warning: not all of the log's own notes were compared").says(name).says("Permission denied");
    };
    assert_eq!(run(&["verify"]).code, 2);
    let offered = run(&["repair", "--dry-run"]);
    unread(&offered);
    assert_eq!(offered.code, 1, "{offered:?}");
    offered.says("--accept-loss --dry-run");
    let repaired = run(&["repair", "--accept-loss", "--yes"]);
    unread(&repaired);
    assert_eq!(repaired.code, 0, "{repaired:?}");
    // Where the note would decide whether the plan is refused, it is asked for as before.
    let torn = [fs::read(&segment).unwrap(), vec![9; 7]].concat();
    fs::write(&segment, torn).unwrap();
    fs::remove_file(room.path("evlog/HEAD")).unwrap();
    assert_eq!(run(&["repair"]).code, 2);
    fs::set_permissions(&note, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(run(&["repair"]).code, 0);
    assert_eq!(run(&["verify"]).code, 0);
}

#[test]
fn a_pipe_in_the_place_of_a_note_is_refused_and_never_waited_for() {
    // Were it waited for, this test would not end.
    let size = claimed(&signed_room(), "new.note").size.0;
    let names =
        [format!("{size:020}.note"), "00000000000099999999.note".to_owned(), "00000000000000000005-1.void".to_owned()];
    for name in names {
        let room = signed_room();
        let path = room.path("evlog/checkpoints").join(&name);
        if path.exists() {
            fs::remove_file(&path).unwrap();
        }
        make_fifo(&path);
        let is_note = path.extension().is_some_and(|extension| extension == "note");
        assert_eq!(room.run(&["verify"]).code, i32::from(is_note), "{name}");
        assert_eq!(room.run(&["verify", "--sample", "100%"]).code, i32::from(is_note), "{name}");
        room.ends(if is_note { 1 } else { 2 }, &["backup", "copy"]).says("a pipe");
        for way in [&["checkpoint", "--key", "builds.key"][..], &["submit", "--key", "builds.key"]] {
            let done = room.feed(way, LINE);
            assert!(
                done.code == 2 && done.err.contains("a pipe") || done.err.contains("truncated"),
                "{name}: {done:?}"
            );
        }
        for way in [&["prove", "--seq", "1", "--out", "p"][..], &["evidence", "more", "--out", "e"]] {
            assert_eq!(room.run(way).code, if is_note { 2 } else { 0 }, "{name} {way:?}");
        }
    }
}

#[test]
fn the_name_of_a_log_does_not_go_with_its_notes() {
    // Rule C-28.
    let room = signed_room();
    room.ends(0, &["key", "new", "example.com/other"]);
    fs::remove_dir_all(room.path("evlog/checkpoints")).unwrap();
    room.ends(2, &["checkpoint", "--key", "other.key"]).says("the log signs as example.com/builds").says("--new-name");
    room.ends(0, &["checkpoint", "--key", "builds.key"]);
    fs::remove_dir_all(room.path("evlog/checkpoints")).unwrap();
    room.ends(0, &["checkpoint", "--key", "other.key", "--new-name", "--actor", "ops"]);
    let history = room.ends(0, &["cat", "--run", "$log", "--json"]);
    assert!(history.lines().iter().any(|line| line["kind"] == "log.name_changed"), "{history:?}");
}

#[test]
fn of_a_torn_tail_without_head_it_is_not_said_that_nothing_is_lost() {
    let room = Room::with_batch();
    let segment = &room.segments()[0];
    let len = fs::metadata(segment).unwrap().len();
    fs::OpenOptions::new().write(true).open(segment).unwrap().set_len(len - 1).unwrap();
    fs::remove_file(room.path("evlog/HEAD")).unwrap();
    let done = room.ends(1, &["verify"]);
    assert!(done.out.contains("torn_tail") && done.out.contains("it is unknown"), "{done:?}");
    assert!(!done.out.contains("nothing is lost"), "{done:?}");
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_and_does_not_end_the_process() {
    let room = Room::new();
    let data = "x".repeat(4000);
    let line = format!(
        "{{\"contract\":\"custom\",\"run\":\"a\",\"do\":\"record\",\"kind\":\"custom/x\",\"data\":\"{data}\"}}\n"
    );
    room.write("lines", &line.repeat(10));
    let limited = |arguments: &str| {
        let script = format!("ulimit -f 4; exec {} {arguments}", env!("CARGO_BIN_EXE_evlog"));
        let done = room.command_of("bash", &["-c", &script]).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{arguments}: {done:?}");
        assert!(String::from_utf8_lossy(&done.stderr).contains("File too large"), "{arguments}: {done:?}");
    };
    limited("submit lines");
    room.ends(0, &["--log", "whole", "submit", "lines"]);
    limited("--log whole backup copy");
    limited("--log whole project --out out");
    assert!(!room.path("copy").exists());
}

#[test]
fn a_run_whose_log_is_moved_away_could_not_be_brought_to_its_end() {
    let room = Room::new();
    let plan = "name = \"p\"\n[[reason_code]]\nstage = \"a\"\ncode = \"boom\"\nseverity = \"FATAL\"\n\
                [[stage]]\nid = \"a\"\ncommand = [\"mv\", \"evlog\", \"moved\"]\nreason_code = \"boom\"\n";
    room.write("plan.toml", plan);
    let done = room.ends(2, &["run", "plan.toml", "--run-id", "r"]);
    done.says("may or may not be in the log").says("in addition: ");
    // No hint names a command for a log that is not there.
    assert!(!done.err.contains("hint:"), "{done:?}");
    let shown = room.ends(0, &["--log", "moved", "show", "r"]);
    assert!(shown.out.contains("in_progress"), "{shown:?}");
}

#[test]
fn a_name_that_looks_like_that_of_a_note_and_cannot_be_one_is_a_finding_for_every_judge() {
    // Rule C-55.
    let room = signed_room();
    let checkpoints = room.path("evlog/checkpoints");
    fs::write(checkpoints.join("my.note"), "mine").unwrap();
    room.ends(0, &["verify"]);
    for name in ["99999999999999999999", "18446744073709551616", "5", "000000000000000000007"] {
        let path = checkpoints.join(format!("{name}.note"));
        fs::write(&path, "anything").unwrap();
        room.ends(1, &["verify"]).says(&format!("{name}.note` (C-55)"));
        assert_eq!(room.ends(1, &["verify", "--json"]).json()["verdict"], "damaged", "{name}");
        room.ends(1, &["backup", "copy"]).says(&format!("{name}.note` (C-55)"));
        for way in [&["repair", "--dry-run"][..], &["repair"]] {
            room.ends(1, way).says(&format!("{name}.note`"));
        }
        fs::remove_file(path).unwrap();
    }
    room.ends(0, &["verify"]);
}

#[test]
fn repair_names_the_note_that_cannot_be_read_and_not_a_segment() {
    // Rule C-55.
    for (name, spoil) in SPOILT {
        let room = signed_room();
        cut(&room);
        spoil(&newest(&room));
        let refused = room.ends(1, &["repair", "--dry-run", "--json"]).json()["refused"].clone();
        let note = newest(&room);
        let note = format!("checkpoints/{}", note.file_name().unwrap().to_str().unwrap());
        assert_eq!((&refused["file"], &refused["row"]), (&json!(note), &json!(null)), "{name}: {refused}");
        assert!(refused["acceptable"].is_object(), "{name}: the loss can be accepted as before");
    }
}

/// Harms a log.
type Harm = fn(&Room);

#[test]
fn backup_gives_a_log_that_cannot_be_opened_the_verdict_of_verify() {
    let harms: [(&str, Harm); 4] = [
        ("the first segment is gone", |room| fs::remove_file(&room.segments()[0]).unwrap()),
        ("its header is damaged", |room| {
            let mut bytes = fs::read(&room.segments()[0]).unwrap();
            bytes[20] ^= 1;
            fs::write(&room.segments()[0], bytes).unwrap();
        }),
        ("synced bytes are damaged", |room| {
            let mut bytes = fs::read(&room.segments()[0]).unwrap();
            bytes[100] ^= 1;
            fs::write(&room.segments()[0], bytes).unwrap();
        }),
        ("synced bytes are missing", |room| {
            let bytes = fs::read(&room.segments()[0]).unwrap();
            fs::write(&room.segments()[0], &bytes[..bytes.len() - 9]).unwrap();
        }),
    ];
    for (name, harm) in harms {
        let room = Room::with_batch();
        harm(&room);
        let verdict = room.ends(1, &["verify", "--json"]).json()["verdict"].clone();
        let answer = room.ends(1, &["backup", "copy", "--json"]).json();
        assert_eq!((&answer["verdict"], &answer["kept"]), (&verdict, &json!(false)), "{name}");
        room.ends(1, &["backup", "copy"]).says("so no copy was made");
        assert!(!room.path("copy").exists(), "{name}");
    }
}
