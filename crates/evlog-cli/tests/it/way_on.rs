//! The hint of a refusal says how to continue: with a copy of a log, after a wrong clock, if a restored log cannot sign
//! under its name, after a full disk.

use crate::crash::Lines;
use crate::outside::line;
use crate::support::{Done, Room, files_below};
use evlog::Options;
use evlog::checkpoint::ReadBack;
use evlog::clock::StepClock;
use evlog_projection::Contracts;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::process::Command;
use std::sync::Arc;

fn read(room: &Room, path: &str) -> String {
    fs::read_to_string(room.path(path)).unwrap()
}

/// A room with a log of some segments, signed once.
fn signed_room() -> Room {
    let room = Room::new();
    room.ends(0, &["key", "new", "example.com/x", "--out", "x.key"]);
    room.ends(0, &["init", "--segment-limit", "1024"]);
    grow(&room, 60);
    room.ends(0, &["checkpoint", "--key", "x.key", "--out", "1.note"]);
    room
}

fn grow(room: &Room, commits: usize) {
    let lines: String = (0..commits).map(|number| line("a", number)).collect();
    assert_eq!(room.feed(&["submit"], &lines).code, 0);
}

fn copy_all(room: &Room, from: &str, to: &str) {
    assert!(Command::new("cp").arg("-a").arg(room.path(from)).arg(room.path(to)).status().unwrap().success());
}

#[test]
fn a_backup_of_a_log_that_is_written_is_whole_and_a_writer_takes_it() {
    // Rules Y-01, Y-02 and Y-03.
    let room = signed_room();
    let mut writer = room.spawn(&["submit"]);
    let mut input = writer.stdin.take().unwrap();
    let answers = Lines::of(&mut writer);
    for round in 0..5 {
        for number in 0..40 {
            input.write_all(line("live", number).as_bytes()).unwrap();
        }
        answers.wait_for(40 * round + 1, &mut writer);
        let copy = format!("copy-{round}");
        let done = room.ends(0, &["backup", &copy, "--json"]).json();
        assert_eq!((&done["verdict"], &done["checkpoints"], &done["kept"]), (&json!("clean"), &json!(1), &json!(true)));
        let found = room.ends(0, &["--log", &copy, "verify", "--json", "--checkpoint", "1.note", "--key", "x.pub"]);
        assert_eq!((&found.json()["verdict"], &found.json()["bytes"]), (&json!("clean"), &done["size"]));
        assert_eq!(room.feed(&["--log", &copy, "submit"], &line("there", 0)).code, 0);
        room.ends(0, &["--log", &copy, "verify"]);
    }
    drop(input);
    assert_eq!(writer.wait().unwrap().code(), Some(0));
    // A copy that somebody has written to is not replaced, and what was not finished does not litter.
    let before = files_below(&room.path("copy-0"));
    room.ends(2, &["backup", "copy-0"]).says("no backup into `copy-0`").says("nothing was done");
    assert_eq!(files_below(&room.path("copy-0")), before);
    let names: Vec<_> = fs::read_dir(room.path("")).unwrap().map(|name| name.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_str().unwrap().starts_with('.')), "{names:?}");
}

#[test]
fn a_backup_of_a_damaged_log_is_not_kept() {
    let room = signed_room();
    let segment = &room.segments()[0];
    let mut bytes = fs::read(segment).unwrap();
    bytes[600] ^= 1;
    fs::write(segment, bytes).unwrap();
    room.ends(1, &["backup", "copy"]).says("so it was removed");
    assert!(!room.path("copy").exists());
    room.ends(2, &["--log", "none", "backup", "copy"]).says("no log");
}

#[test]
fn a_plain_copy_of_a_busy_log_goes_on_as_a_repaired_one() {
    let room = signed_room();
    copy_all(&room, "evlog", "copy");
    grow(&room, 1);
    fs::copy(room.path("evlog/HEAD"), room.path("copy/HEAD")).unwrap();
    room.feed(&["--log", "copy", "submit"], &line("b", 0)).says("log is truncated");
    room.ends(0, &["--log", "copy", "repair", "--accept-loss", "--yes"]);
    assert_eq!(room.feed(&["--log", "copy", "submit"], &line("b", 0)).code, 0);
    room.ends(0, &["--log", "copy", "verify"]);
}

/// Signs a checkpoint of the log with the clock far ahead.
fn sign_in_the_future(room: &Room) {
    let clock = StepClock::new(3_790_000_000 * 1_000_000_000, 1);
    let options = Options { clock: Arc::new(clock), ..Options::new("a clock that runs ahead") };
    let log = options.open(room.path("evlog"), Contracts::new()).unwrap();
    let mut read = ReadBack::begin(&log, None, &mut |_, _| ()).unwrap();
    let statement = read.statement(&mut |_, _| ()).unwrap();
    read.record(&statement, "example.com/x", fs::read(room.path("1.note")).unwrap().as_slice()).unwrap();
    fs::remove_file(log.checkpoints().path(statement.size)).unwrap();
    log.close().unwrap();
}

#[test]
fn after_a_checkpoint_of_a_wrong_clock_a_person_says_so_once_and_the_log_signs_again() {
    // Rule C-23.
    let room = signed_room();
    sign_in_the_future(&room);
    grow(&room, 1);
    let refused = room.ends(2, &["checkpoint", "--key", "x.key"]);
    refused.says("expected a time after that of the last checkpoint").says("--clock-was-wrong");
    room.feed(&["submit", "--key", "x.key"], &line("a", 0)).says("--clock-was-wrong");
    room.ends(
        0,
        &["checkpoint", "--key", "x.key", "--clock-was-wrong", "--actor", "ops@example.org", "--out", "2.note"],
    );
    let events = room.ends(0, &["cat", "--run", "$log", "--json"]).lines();
    let corrected = events.iter().find(|event| event["kind"] == "log.clock_corrected").unwrap();
    assert_eq!(
        corrected["payload"],
        json!({"last_time": "2090-02-05T17:46:40.000000000Z", "accepted_by": "ops@example.org"})
    );
    grow(&room, 1);
    room.ends(0, &["checkpoint", "--key", "x.key", "--out", "3.note"]);
    room.ends(0, &["verify", "--checkpoint", "3.note", "--key", "x.pub"]);
    // Where the clock was right, nothing is recorded.
    grow(&room, 1);
    room.ends(0, &["checkpoint", "--key", "x.key", "--clock-was-wrong"]);
    let events = room.ends(0, &["cat", "--run", "$log", "--json"]).lines();
    assert_eq!(events.iter().filter(|event| event["kind"] == "log.clock_corrected").count(), 1);
}

#[test]
fn a_log_that_was_restored_from_an_older_copy_goes_on_under_a_new_name() {
    // Rule C-28.
    let room = signed_room();
    room.ends(0, &["key", "new", "w.example.com", "--witness", "--out", "w.key"]);
    let witness = |code: i32, note: &str, key: &str, more: &[&str]| -> Done {
        let arguments = ["witness", note, "--state", "seen", "--log-key", key, "--key", "w.key", "--out", "cosigned"];
        room.ends(code, &[&arguments, more].concat())
    };
    witness(0, "1.note", "x.pub", &[]);
    room.ends(0, &["backup", "older"]);
    grow(&room, 5);
    room.ends(0, &["checkpoint", "--key", "x.key", "--out", "2.note"]);
    room.ends(0, &["prove", "--from", "1.note", "--to", "2.note", "--out", "p"]);
    witness(0, "2.note", "x.pub", &["--proof", "p"]);
    fs::remove_dir_all(room.path("evlog")).unwrap();
    fs::rename(room.path("older"), room.path("evlog")).unwrap();
    grow(&room, 9);
    room.ends(0, &["checkpoint", "--key", "x.key", "--out", "3.note"]);
    room.ends(0, &["prove", "--from", "1.note", "--to", "3.note", "--out", "p"]);
    witness(2, "3.note", "x.pub", &["--proof", "p"]).says("docs/copying.md");
    room.ends(0, &["key", "new", "example.com/x-2", "--out", "x2.key"]);
    room.ends(2, &["checkpoint", "--key", "x2.key"]).says("--new-name");
    let done = room.ends(0, &["checkpoint", "--key", "x2.key", "--new-name", "--actor", "ops", "--out", "4.note"]);
    done.says("the log signs as example.com/x-2 from now on");
    let events = room.ends(0, &["cat", "--run", "$log", "--json"]).lines();
    let changed = events.iter().find(|event| event["kind"] == "log.name_changed").unwrap();
    assert_eq!(changed["payload"], json!({"from": "example.com/x", "to": "example.com/x-2", "accepted_by": "ops"}));
    // The old name is not signed under again; the new one needs nothing more to be said.
    room.ends(2, &["checkpoint", "--key", "x.key"]).says("expected a key of a new name, found example.com/x");
    room.ends(2, &["checkpoint", "--key", "x.key", "--new-name"]).says("expected a key of a new name");
    grow(&room, 1);
    room.ends(0, &["checkpoint", "--key", "x2.key", "--out", "5.note"]);
    room.ends(0, &["verify", "--checkpoint", "5.note", "--key", "x2.pub"]);
    witness(0, "5.note", "x2.pub", &[]).says("first checkpoint seen of example.com/x-2");
}

#[test]
fn what_was_asked_for_is_written_whole_or_not_at_all() {
    let room = signed_room();
    let before = read(&room, "1.note");
    // A directory that is not writable takes no file, and its content stays.
    room.ends(2, &["prove", "--seq", "3", "--to", "1.note", "--out", "none/p"]);
    assert_eq!(read(&room, "1.note"), before);
    // The disk is full: 1 KiB is no room for a proof, and an old one is left alone.
    room.write("proof", "evlog-proof/ an older one");
    let script = "ulimit -f 0; trap '' XFSZ; exec \"$0\" prove --seq 3 --to 1.note --out proof";
    let done: Done = room.command_of("sh", &["-c", script, env!("CARGO_BIN_EXE_evlog")]).output().unwrap().into();
    assert_eq!(done.code, 2, "{done:?}");
    assert_eq!(read(&room, "proof"), "evlog-proof/ an older one");
    let script = "ulimit -f 0; trap '' XFSZ; exec \"$0\" key new example.com/y --out y.key";
    let done: Done = room.command_of("sh", &["-c", script, env!("CARGO_BIN_EXE_evlog")]).output().unwrap().into();
    assert_eq!(done.code, 2, "{done:?}");
    let litter: Vec<_> =
        files_below(&room.path("")).into_iter().filter(|path| path.to_str().unwrap().contains("/.evlog-")).collect();
    assert_eq!(litter, Vec::<std::path::PathBuf>::new());
    room.ends(0, &["key", "new", "example.com/y", "--out", "y.key"]);
    room.ends(0, &["prove", "--seq", "3", "--to", "1.note", "--out", "proof"]);
    assert!(read(&room, "proof").starts_with("evlog"), "{}", read(&room, "proof"));
}

#[test]
fn an_out_file_that_is_no_regular_file_is_written_to_and_not_replaced() {
    let room = signed_room();
    room.ends(0, &["key", "new", "w.example.com", "--witness", "--out", "w.key"]);
    let commands: [&[&str]; 5] = [
        &["checkpoint", "--key", "x.key", "--out"],
        &["submit", "--key", "x.key", "--checkpoint-out"],
        &["witness", "1.note", "--state", "seen", "--log-key", "x.pub", "--key", "w.key", "--out"],
        &["prove", "--seq", "2", "--out"],
        &["evidence", "a", "--checkpoint", "1.note", "--out"],
    ];
    for command in commands {
        assert!(Command::new("mkfifo").arg(room.path("pipe")).status().unwrap().success());
        // With text of another kind, it would be refused.
        room.write("target", "");
        for (link, target) in [("link", "target"), ("dangling", "new")] {
            std::os::unix::fs::symlink(target, room.path(link)).unwrap();
            let done = room.feed(&[command, &[link]].concat(), &line("more", 0));
            assert_eq!(done.code, 0, "{command:?} {link}: {done:?}");
            assert!(fs::symlink_metadata(room.path(link)).unwrap().is_symlink(), "{command:?}: {link} was replaced");
            assert!(read(&room, target).len() > 50, "{command:?}: nothing was written to {target}");
        }
        // The pipe has no reader: this is an error, and the command does not wait.
        let done = room.feed(&[command, &["pipe"]].concat(), &line("more", 0));
        assert_eq!(done.code, 2, "{command:?}: {done:?}");
        assert!(fs::symlink_metadata(room.path("pipe")).unwrap().file_type().is_fifo(), "{command:?}");
        for name in ["pipe", "link", "dangling", "target", "new"] {
            fs::remove_file(room.path(name)).unwrap();
        }
    }
}

#[test]
fn a_key_that_the_policy_contradicts_is_refused() {
    // Rule C-41.
    let room = signed_room();
    room.ends(0, &["key", "new", "example.com/other", "--out", "other.key"]);
    room.write("policy", &format!("log {}\nquorum none\n", read(&room, "other.pub").trim()));
    room.ends(0, &["prove", "--seq", "3", "--to", "1.note", "--out", "p"]);
    room.ends(0, &["evidence", "a", "--out", "page.html"]);
    for command in ["check-proof", "verify", "check-evidence"] {
        let arguments: &[&str] = match command {
            "check-proof" => &["check-proof", "p", "--checkpoint", "1.note"],
            "verify" => &["verify", "--checkpoint", "1.note"],
            _ => &["check-evidence", "page.html"],
        };
        room.ends(2, &[arguments, &["--key", "x.pub", "--policy", "policy"]].concat())
            .says("--key and --policy contradict each other: the policy is for example.com/other+");
    }
}

#[test]
fn a_command_in_a_hint_can_be_pasted_into_a_shell() {
    let room = Room::new();
    let stage = "id = \"work\"\nreason_code = \"input_missing\"\ncommand = [\"sh\", \"-c\", \"test -e mended\"]";
    room.write("my $plan's.toml", &format!("name = \"p\"\n[[stage]]\n{stage}\n"));
    let options = ["--out", "a place; rm", "--log", "a log"];
    let failed = room.ends(20, &[&["run", "my $plan's.toml", "--run-id", "r"], &options[..]].concat());
    room.write("mended", "");
    let hint = failed.err.split('`').find(|part| part.starts_with("evlog run ")).unwrap();
    let command = hint.replacen("evlog", env!("CARGO_BIN_EXE_evlog"), 1);
    let pasted = room.command_of("sh", &["-c", &command]).output().unwrap();
    assert!(pasted.status.success(), "{command}: {}", String::from_utf8_lossy(&pasted.stderr));
    assert_eq!(fs::read_dir(room.path("a place; rm/runs")).unwrap().count(), 3, "two bundles, and the locks");
}
