//! Where memory ends: one sentence of evlog, exit code 2, and the verdict on what was in flight.

use crate::support::{Done, Room};
use std::fs;

/// Limits of memory, in KiB, from one with which evlog begins to work to one with which it ends well.
const LIMITS: [u32; 4] = [60_000, 90_000, 160_000, 280_000];

/// What a large value is made of.
const MANY: usize = 2_000_000;

/// A log with an event that takes much memory, its bundle, and what else the commands take.
fn room() -> Room {
    let room = Room::new();
    let list = "3,".repeat(MANY);
    let large = format!(
        "{{\"contract\":\"custom\",\"run\":\"a\",\"do\":\"record\",\"kind\":\"custom/n\",\"data\":[{}0]}}\n",
        &list[..MANY]
    );
    let small: String = (0..3).map(|number| crate::outside::line("a", number)).collect();
    room.write("lines", &(small + &large));
    room.ends(0, &["--log", "kept", "submit", "lines"]);
    room.ends(0, &["--log", "kept", "project", "--out", "."]);
    room.write("any.schema.json", r#"{"type":"object"}"#);
    room.write("large.json", &format!("{{\"list\":[{list}0]}}"));
    room.write(
        "plan.toml",
        r#"name = "large"

[[schema]]
id = "any"
file = "any.schema.json"
mode = "json_document"

[[stage]]
id = "make"
command = ["sh", "-c", 'cp large.json "$EVLOG_STAGING_DIR"']
reason_code = "storage_io_error"
[[stage.output]]
path = "large.json"
schema = "any"
"#,
    );
    room
}

/// Runs a command with little memory. A backtrace is asked for, because a user may do so.
fn limited(room: &Room, limit: u32, arguments: &[&str]) -> Done {
    let script = format!("ulimit -c 0; ulimit -v {limit}; exec \"$0\" \"$@\"");
    let arguments = [&["-c", &script, env!("CARGO_BIN_EXE_evlog")], arguments].concat();
    room.command_of("bash", &arguments).env("RUST_BACKTRACE", "1").output().unwrap().into()
}

/// Runs a command with one limit after the other. If memory runs out, evlog prints this sentence, or names the one thing
/// that it could not get. It prints no message of Rust.
#[track_caller]
fn where_memory_ends(room: &Room, arguments: &[&str], sentence: &str, after: &dyn Fn(&Done)) {
    let mut said = 0;
    for limit in LIMITS {
        let done = limited(room, limit, arguments);
        after(&done);
        assert!((0..=2).contains(&done.code), "{limit} {arguments:?}: {done:?}");
        for foreign in ["allocation", "backtrace", "panicked"] {
            assert!(!done.err.contains(foreign), "{limit} {arguments:?}: {done:?}");
        }
        let errors: Vec<&str> = done.err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), usize::from(done.code == 2), "{limit} {arguments:?}: {done:?}");
        said += usize::from(errors == [sentence]);
    }
    assert!(said > 0, "{arguments:?} never said {sentence:?}");
}

const READ: &str = "error: out of memory; the answer is incomplete";

#[test]
fn where_memory_ends_what_reads_says_that_its_answer_is_not_complete() {
    let room = room();
    let conform = ["conform", "runs/a"];
    for arguments in [&["--log", "kept", "cat"][..], &["--log", "kept", "show", "a"], &conform] {
        if arguments == conform {
            fs::rename(room.path("large.json"), room.path("runs/a/run.json")).unwrap();
        }
        where_memory_ends(&room, arguments, READ, &|_| {});
    }
}

#[test]
fn where_memory_ends_submit_says_that_what_was_in_flight_is_unknown() {
    let room = room();
    let after = |done: &Done| {
        let recorded = room.run(&["cat", "--run", "a"]).out.lines().count();
        assert!(done.out.lines().count() <= recorded, "what was answered is recorded: {recorded} {done:?}");
        room.ends(0, &["verify"]);
        fs::remove_dir_all(room.path("evlog")).unwrap();
    };
    let sentence = "error: out of memory; every answered command is recorded, the others may or may not be recorded";
    where_memory_ends(&room, &["submit", "lines"], sentence, &after);
}

#[test]
fn where_memory_ends_run_says_that_what_was_in_flight_is_unknown() {
    let room = room();
    let after = |_: &Done| {
        room.ends(0, &["verify"]);
        for left in ["evlog", "runs/r", "runs/.locks"] {
            let _none = fs::remove_dir_all(room.path(left));
        }
    };
    let sentence = "error: out of memory; the last step of the run may or may not be recorded. Unless the run has ended, it is \
             in progress";
    where_memory_ends(&room, &["run", "plan.toml", "--run-id", "r"], sentence, &after);
}

#[test]
fn where_memory_ends_what_writes_says_that_what_was_in_flight_is_unknown() {
    let room = room();
    let after = |_: &Done| {
        let _none = fs::remove_dir_all(room.path("out"));
    };
    let sentence = "error: out of memory; the last writes may or may not be complete, earlier ones are kept";
    where_memory_ends(&room, &["--log", "kept", "project", "--out", "out"], sentence, &after);
}
