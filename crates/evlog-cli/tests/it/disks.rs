//! Machines with a shortage: disks that are read-only or full, too little memory, and several writers at once.

use crate::support::{Done, READING, Room};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A user that owns nothing.
pub(crate) const NOBODY: u32 = 65534;

/// All that reads, with the one that needs a run.
fn reading() -> Vec<&'static [&'static str]> {
    READING.into_iter().chain([&["show", "RUN_0001"][..]]).collect()
}

const WRITING: [&[&str]; 3] = [&["submit"], &["project", "--out", "out"], &["repair"]];

/// A log and its bundles, for everybody to read.
fn room() -> Room {
    let room = Room::with_batch();
    room.ends(0, &["project", "--out", "."]);
    fs::set_permissions(room.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    room
}

/// Runs a script where mounts are its own affair; `None`, and why on stderr, where that is not possible.
fn in_own_mounts(room: &Room, script: &str) -> Option<Done> {
    let own = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-ec", script]).current_dir(room.path("")).env_remove("EVLOG_LOG");
        command.env("EVLOG", env!("CARGO_BIN_EXE_evlog")).stdin(std::process::Stdio::null());
        command.output()
    };
    match own("mkdir -p probe && mount -t tmpfs none probe") {
        Ok(done) if done.status.success() => Some(own(script).unwrap().into()),
        Ok(done) => {
            eprintln!("skipped: no mounts of our own: {}", String::from_utf8_lossy(&done.stderr).trim());
            None
        }
        Err(error) => {
            eprintln!("skipped: no `unshare` that could be run: {error}");
            None
        }
    }
}

#[test]
fn a_log_on_a_read_only_file_system_is_read_as_any_other_and_writers_say_why_not() {
    let room = room();
    let expected: Vec<Done> = reading().iter().map(|arguments| room.ends(0, arguments)).collect();
    let mut script = "mount --bind evlog evlog\nmount -o remount,ro,bind evlog\n".to_owned();
    for (n, arguments) in reading().iter().chain(&WRITING).enumerate() {
        let line = arguments.join(" ");
        script +=
            &["code=0; \"$EVLOG\" ", &line, &format!(" > {n}.out 2> {n}.err || code=$?; echo $code > {n}.code\n")]
                .concat();
    }
    let Some(done) = in_own_mounts(&room, &script) else { return };
    assert_eq!(done.code, 0, "{done:?}");
    let answer = |n: usize| {
        let file = |suffix: &str| fs::read_to_string(room.path(&format!("{n}.{suffix}"))).unwrap();
        Done { code: file("code").trim().parse().unwrap(), out: file("out"), err: file("err") }
    };
    for (n, (arguments, expected)) in reading().iter().zip(&expected).enumerate() {
        let done = answer(n);
        assert_eq!((done.code, &done.out), (0, &expected.out), "{arguments:?}: {done:?}");
    }
    for (n, arguments) in (reading().len()..).zip(WRITING) {
        let done = answer(n);
        assert_eq!(done.code, 2, "{arguments:?}: {done:?}");
        done.says("LOCK").says("Read-only file system").says("hint: this command has to write");
    }
}

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

/// Runs commands as a user whom permissions stop: another one, if this one is root. `None` if that user may not run the
/// program, because it lies where only its builder may look.
pub(crate) fn as_user_whom_permissions_stop(room: &Room) -> Option<impl Fn(&[&str]) -> Done> {
    let is_root = is_root();
    let run = move |arguments: &[&str]| {
        let mut command = room.command(arguments);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output()
    };
    if run(&["--version"]).is_ok_and(|done| done.status.success()) {
        return Some(move |arguments: &[&str]| run(arguments).unwrap().into());
    }
    eprintln!("skipped: another user may not run {}", env!("CARGO_BIN_EXE_evlog"));
    None
}

#[test]
fn a_log_that_another_user_may_only_read_is_read_and_writers_say_why_not() {
    let room = room();
    let lock = room.path("evlog/LOCK");
    for path in ["evlog", "evlog/segments", "evlog/HEAD", "evlog/LOCK"] {
        let path = room.path(path);
        let mode = if path.is_dir() { 0o555 } else { 0o444 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let Some(run) = as_user_whom_permissions_stop(&room) else { return };
    for arguments in reading() {
        assert_eq!(run(arguments).code, 0, "{arguments:?}: {:?}", run(arguments));
    }
    for arguments in [&["submit"][..], &["repair"]] {
        let done = run(arguments);
        assert_eq!(done.code, 2, "{arguments:?}: {done:?}");
        done.says("LOCK").says("Permission denied").says("hint: this command has to write");
    }
    for path in ["evlog", "evlog/segments"] {
        fs::set_permissions(room.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert!(lock.is_file());
}

#[test]
fn a_disk_that_is_full_and_gets_space_again_loses_nothing_that_was_answered() {
    let room = Room::new();
    let line = |n: usize| {
        format!(r#"{{"contract":"custom","run":"r","do":"record","kind":"custom/n","id":"{n}","data":{{"n":{n}}}}}"#)
    };
    let lines: Vec<String> = (0..20_000).map(line).collect();
    room.write("commands.jsonl", &lines.join("\n"));
    let script = r#"
mkdir disk; mount -t tmpfs -o size=2m none disk
"$EVLOG" --log disk/evlog init --segment-limit 100000 -q
head -c 1m /dev/zero > disk/ballast
code=0; "$EVLOG" --log disk/evlog submit commands.jsonl > first.out 2> first.err || code=$?; echo $code > first.code
"$EVLOG" --log disk/evlog verify > verify.out 2> verify.err || true
rm disk/ballast
tail -n 1000 commands.jsonl > rest.jsonl
head -n "$(wc -l < first.out)" commands.jsonl | tail -n 100 > again.jsonl
"$EVLOG" --log disk/evlog submit again.jsonl > again.out
"$EVLOG" --log disk/evlog submit rest.jsonl > rest.out
"$EVLOG" --log disk/evlog verify --json > verified.json
"$EVLOG" --log disk/evlog cat --run r --json > events.jsonl
"$EVLOG" --log disk/evlog inspect --sidecars > sidecars.out
"#;
    let Some(done) = in_own_mounts(&room, script) else { return };
    assert_eq!(done.code, 0, "{done:?}");
    let text = |name: &str| fs::read_to_string(room.path(name)).unwrap();
    let answered = text("first.out").lines().count();
    assert!(text("first.code") == "2\n" && answered > 100 && answered < lines.len(), "{answered} answered");
    let message = text("first.err");
    assert!(message.contains("No space left") && message.contains("may have been recorded"), "{message}");
    let verdict = text("verify.out");
    assert!(verdict.contains("clean") || verdict.contains("torn_tail"), "{verdict}");

    let events: Vec<serde_json::Value> =
        text("events.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<u64> = events.iter().map(|event| event["payload"]["n"].as_u64().unwrap()).collect();
    assert!(numbers.len() >= answered + 1000);
    assert!(numbers.iter().take(answered).copied().eq(0..answered as u64), "in order, each once");
    let results = |name: &str, result: &str| text(name).matches(&format!(r#""result":"{result}""#)).count();
    assert_eq!(results("again.out", "duplicate"), 100, "what was answered is known");
    assert_eq!(results("rest.out", "accepted"), 1000, "the next session goes on");
    let verified: serde_json::Value = serde_json::from_str(&text("verified.json")).unwrap();
    assert_eq!(verified["good"], true);
}

#[test]
fn of_writers_that_start_together_one_at_a_time_writes_and_the_others_name_it() {
    let room = Room::with_batch();
    let before = room.ends(0, &["cat", "--json"]).lines().len();
    let writers: Vec<_> = (0..4).map(|_| room.spawn(&["submit"])).collect();
    let pids: Vec<u32> = writers.iter().map(std::process::Child::id).collect();
    let line = |n: usize| format!(r#"{{"contract":"custom","run":"w-{n}","do":"record","kind":"custom/n"}}"#);
    let input: Vec<String> = (0..4).map(|n| vec![line(n); 300].join("\n")).collect();
    let done: Vec<Done> = std::thread::scope(|scope| {
        let running = writers.into_iter().zip(&input).map(|(mut child, input)| {
            scope.spawn(move || {
                let mut stdin = child.stdin.take().unwrap();
                let _gone = std::io::Write::write_all(&mut stdin, input.as_bytes());
                drop(stdin);
                Done::from(child.wait_with_output().unwrap())
            })
        });
        let running: Vec<_> = running.collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut answered = 0;
    for done in &done {
        answered += done.out.lines().count();
        if done.code == 0 {
            assert_eq!(done.out.lines().count(), 300);
            continue;
        }
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{done:?}");
        assert!(pids.iter().any(|pid| done.err.contains(&format!("process {pid} (evlog submit"))), "{done:?}");
    }
    assert!(answered >= 300, "one of them writes");
    let found = room.ends(0, &["cat", "--json"]).lines();
    let theirs = found.iter().filter(|event| event["kind"] == "custom/n").count();
    assert_eq!(theirs, answered);
    assert!(found.len() > before);
    room.ends(0, &["verify"]);
}

#[test]
fn a_first_plan_that_did_not_fit_on_a_disk_is_not_in_the_way_of_the_next_try() {
    let room = Room::new();
    let script = r#"
mkdir disk; mount -t tmpfs -o size=8k none disk; mkdir disk/first
code=0; "$EVLOG" run --init disk/first > first.out 2> first.err || code=$?; echo $code > first.code
ls -A disk/first > left
mount -o remount,size=1m disk
"$EVLOG" run --init disk/first
"#;
    let Some(done) = in_own_mounts(&room, script) else { return };
    assert_eq!(done.code, 0, "{done:?}");
    let text = |name: &str| fs::read_to_string(room.path(name)).unwrap();
    assert_eq!((text("first.code").as_str(), text("left").as_str()), ("2\n", ""), "{}", text("first.err"));
}

#[test]
fn where_memory_ends_a_command_ends_with_2_and_a_sentence_and_what_was_answered_is_in_the_log() {
    let room = Room::new();
    let small: String = (0..3).map(|number| crate::outside::line("a", number)).collect();
    let large = crate::outside::line("a", 3).replace("\"data\":3", &format!("\"data\":[{}0]", "{},".repeat(2_000_000)));
    room.write("lines", &(small + &large));
    let script = "ulimit -v 150000; exec \"$0\" submit lines";
    let done: Done = room.command_of("bash", &["-c", script, env!("CARGO_BIN_EXE_evlog")]).output().unwrap().into();
    assert_eq!(done.code, 2, "{done:?}");
    done.says("error: out of memory");
    assert_eq!(room.ends(0, &["cat", "--run", "a"]).out.lines().count(), 3, "{done:?}");
    assert!(done.out.lines().count() <= 3);
    room.ends(0, &["verify"]);
    assert_eq!(room.feed(&["submit"], &crate::outside::line("a", 3)).code, 0);
}

#[test]
fn what_a_log_writes_ahead_of_itself_takes_no_room_on_a_small_disk() {
    let room = Room::new();
    let plan = "name = \"p\"\n[[stage]]\nid = \"a\"\nreason_code = \"input_missing\"\ncommand = [\"true\"]\n";
    room.write("plan.toml", plan);
    let script = "mkdir small\nmount -t tmpfs -o size=400k none small\ncp plan.toml small\ncd small\n\"$EVLOG\" run plan.toml --run-id r\n";
    let Some(done) = in_own_mounts(&room, script) else { return };
    assert!(done.out.contains("success") && done.code == 0, "{done:?}");
}
