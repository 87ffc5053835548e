//! Other programs change a log's directory while a command works, or put something in the place of its files. No command is
//! accepted that is in no log, no other file is overwritten, and no command hangs.

use crate::crash::Lines;
use crate::support::{Done, Room};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Far more than any of these commands takes, and less than a person waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn line(run: &str, number: usize) -> String {
    format!("{{\"contract\":\"custom\",\"run\":\"{run}\",\"do\":\"record\",\"kind\":\"custom/n\",\"data\":{number}}}\n")
}

/// What another program does to a log, in words.
pub(crate) type Happening<'a> = (&'a str, &'a dyn Fn(&Room));

/// What another program puts in the place of a file, in words.
type Put<'a> = (&'a str, &'a dyn Fn(&Path));

/// A `submit` that is given one line after the other.
struct Writer {
    child: Child,
    input: ChildStdin,
    answers: Lines,
    given: usize,
}

impl Writer {
    fn of(room: &Room) -> Writer {
        Writer::by(room, &["submit"])
    }

    fn by(room: &Room, arguments: &[&str]) -> Writer {
        let mut child = room.spawn(arguments);
        let input = child.stdin.take().unwrap();
        let mut writer = Writer { answers: Lines::of(&mut child), input, child, given: 0 };
        writer.accepted();
        writer
    }

    fn give(&mut self) {
        use std::io::Write;
        // A writer that stopped does not read any more.
        let _gone = self.input.write_all(line("a", self.given).as_bytes());
        self.given += 1;
    }

    /// Gives a line, and waits for its answer.
    fn accepted(&mut self) {
        self.give();
        self.answers.wait_for(self.given as u64, &mut self.child);
    }

    /// Ends the input. How the command ended, and how many lines it answered.
    fn ends(mut self) -> (i32, usize, String) {
        drop(self.input);
        let mut err = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut err).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, self.answers.all().iter().filter(|line| line.contains("accepted")).count(), err)
    }
}

/// How a command ends within the time that a person waits; one that does not is ended.
pub(crate) fn ended(mut child: Child, what: &dyn std::fmt::Debug) -> Done {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{what:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap().into()
}

fn ends_soon(room: &Room, arguments: &[&str]) -> Done {
    let mut child = room.spawn(arguments);
    drop(child.stdin.take());
    ended(child, &arguments)
}

pub(crate) fn last_segment(room: &Room) -> PathBuf {
    room.segments().pop().unwrap()
}

/// Somebody puts a copy of a file in its place.
pub(crate) fn replace(path: &Path) {
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).unwrap();
    fs::rename(copy, path).unwrap();
}

#[test]
fn nothing_is_accepted_into_a_log_that_was_removed_moved_or_replaced() {
    let outside: [Happening<'_>; 6] = [
        ("removed", &|room| fs::remove_dir_all(room.path("evlog")).unwrap()),
        ("moved", &|room| fs::rename(room.path("evlog"), room.path("old")).unwrap()),
        ("segments moved", &|room| fs::rename(room.path("evlog/segments"), room.path("old")).unwrap()),
        ("segment removed", &|room| fs::remove_file(last_segment(room)).unwrap()),
        ("segment replaced", &|room| replace(&last_segment(room))),
        ("another log in its place", &|room| {
            fs::rename(room.path("evlog"), room.path("old")).unwrap();
            room.feed(&["submit"], &line("new", 0));
        }),
    ];
    for (name, act) in outside {
        let room = Room::new();
        let mut writer = Writer::of(&room);
        act(&room);
        for _ in 0..3 {
            writer.give();
        }
        let (code, accepted, err) = writer.ends();
        assert_eq!((code, accepted), (2, 1), "{name}: {err}");
        assert!(err.contains("may or may not be in the log"), "{name}: {err}");
        assert!(err.contains("while it was written"), "{name}: {err}");
    }
}

#[test]
fn a_writer_whose_checkpoints_were_moved_away_signs_no_more_and_says_so() {
    for more in [&[][..], &["-q"]] {
        let room = Room::new();
        room.ends(0, &["key", "new", "example.com/x", "--out", "x.key"]);
        let mut writer = Writer::by(&room, &[&["submit", "--key", "x.key", "--checkpoint-every", "1s"], more].concat());
        let begun = Instant::now();
        while !room.path("evlog/checkpoints/last.tree").exists() {
            assert!(begun.elapsed() < PATIENCE, "nothing is signed");
            std::thread::sleep(Duration::from_millis(10));
        }
        fs::rename(room.path("evlog/checkpoints"), room.path("moved")).unwrap();
        writer.accepted();
        let (code, _, err) = writer.ends();
        assert_eq!(code, 2, "{err}");
        // A warning is no error; the error at the end says the same.
        assert_eq!(err.contains("warning: signing of checkpoints has stopped"), more.is_empty(), "{err}");
        assert!(err.contains("the directory of checkpoints was removed or moved while it was written"), "{err}");
    }
}

#[test]
fn a_writer_whose_log_was_moved_never_writes_into_the_one_that_has_its_name_now() {
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    let mut writer = Writer::of(&room);
    fs::rename(room.path("evlog"), room.path("old")).unwrap();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    let lines: String = (0..40).map(|number| line("b", number)).collect();
    assert_eq!(room.feed(&["submit"], &lines).code, 0);
    let before: Vec<Vec<u8>> = room.segments().iter().map(|path| fs::read(path).unwrap()).collect();
    for _ in 0..60 {
        writer.give();
    }
    assert_eq!(writer.ends().0, 2);
    let after: Vec<Vec<u8>> = room.segments().iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(before == after, "the old writer wrote into the new log");
    room.ends(0, &["verify"]);
    room.ends(0, &["--log", "old", "cat"]);
}

#[test]
fn where_the_lock_was_deleted_a_second_writer_is_refused_all_the_same() {
    let room = Room::new();
    let mut writer = Writer::of(&room);
    fs::remove_file(room.path("evlog/LOCK")).unwrap();
    let second = room.feed(&["submit"], &line("b", 0));
    assert_eq!((second.code, second.out.as_str()), (2, ""), "{second:?}");
    second.says("has a writer already");
    writer.accepted();
    assert_eq!(writer.ends().1, 2);
    room.ends(0, &["verify"]);
    assert_eq!(room.ends(0, &["cat", "--run", "a", "--json"]).lines().len(), 2);
}

#[test]
fn a_reader_that_holds_a_lock_of_its_own_on_the_files_keeps_no_writer_out() {
    let room = Room::with_batch();
    let held: Vec<fs::File> = ["evlog/LOCK", "evlog", "evlog/segments", "evlog/segments/00000000000000000000.seg"]
        .iter()
        .map(|path| fs::File::open(room.path(path)).unwrap())
        .collect();
    for file in &held {
        file.lock().unwrap();
    }
    assert_eq!(room.feed(&["submit"], &line("b", 0)).code, 0);
}

#[test]
fn a_reader_that_holds_read_locks_on_purpose_keeps_no_writer_out_and_lets_no_second_one_in() {
    let room = Room::with_batch();
    let script = "import fcntl, os, sys\n\
        for name in sys.argv[1:]: fcntl.lockf(os.open(name, os.O_RDONLY), fcntl.LOCK_SH)\n\
        print('held', flush=True)\n\
        sys.stdin.read()";
    let segment = "evlog/segments/00000000000000000000.seg";
    for held in [&["evlog/LOCK"][..], &[segment], &["evlog/LOCK", segment]] {
        let mut command = room.command_of("python3", &[&["-c", script][..], held].concat());
        let mut reader = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = Lines::of(&mut reader);
        lines.wait_for(1, &mut reader);
        assert_eq!(lines.so_far(), ["held\n"], "{held:?}");
        let mut writer = Writer::of(&room);
        let second = room.feed(&["submit"], &line("b", 0));
        assert_eq!(second.code, 2, "{held:?}: {second:?}");
        second.says("has a writer already");
        writer.accepted();
        assert_eq!(writer.ends().0, 0, "{held:?}");
        drop(reader.stdin.take());
        reader.wait().unwrap();
    }
    room.ends(0, &["verify"]);
    assert_eq!(room.ends(0, &["cat", "--run", "a", "--json"]).lines().len(), 6);
}

#[test]
fn a_directory_with_anything_of_a_log_but_its_first_segment_is_refused_with_a_verdict() {
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    room.ends(0, &["key", "new", "example.com/x", "--out", "k.key"]);
    let lines: String = (0..40).map(|number| line("a", number)).collect();
    room.feed(&["submit", "--key", "k.key"], &lines);
    let first = "segments/00000000000000000000.seg";
    let all: Vec<String> = crate::support::files_below(&room.path("evlog"))
        .iter()
        .map(|path| path.strip_prefix(room.path("evlog")).unwrap().to_str().unwrap().to_owned())
        .collect();
    assert!(room.segments().len() > 2 && all.iter().any(|name| name.starts_with("checkpoints/0")));
    for left in all.iter().filter(|name| *name != first && !name.ends_with("last.tree")) {
        let of = Room::new();
        let path = of.path("evlog").join(left);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(room.path("evlog").join(left), &path).unwrap();
        let bytes = fs::read(&path).unwrap();
        for arguments in [&["submit"][..], &["init"], &["checkpoint", "--key", "k.key"], &["repair"]] {
            fs::copy(room.path("k.key"), of.path("k.key")).unwrap();
            let done = of.feed(arguments, &line("a", 0));
            assert_ne!(done.code, 0, "{left}, {arguments:?}: {done:?}");
            assert_eq!(done.out.lines().filter(|line| line.contains("accepted")).count(), 0, "{left}: {done:?}");
        }
        of.feed(&["submit"], &line("a", 0)).says("log is truncated at position 0").says("00000000000000000000.seg");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{left} is as it was");
        fs::remove_dir_all(of.path("evlog")).unwrap();
        of.ends(0, &["init"]);
    }
}

#[test]
fn what_is_left_of_a_log_without_segments_has_the_verdict_truncated() {
    for empty in [false, true] {
        let room = Room::with_batch();
        fs::remove_dir_all(room.path("evlog/segments")).unwrap();
        if empty {
            fs::create_dir(room.path("evlog/segments")).unwrap();
        }
        let done = room.ends(1, &["verify"]);
        done.says("00000000000000000000.seg` is missing (F-16)");
        assert!(!done.err.contains("run `evlog verify`"), "{done:?}");
        for arguments in [
            &["verify"][..],
            &["verify", "--resume", "kept"],
            &["verify", "--sample", "10%"],
            &["inspect"],
            &["inspect", "--sidecars"],
            &["inspect", "--segment", "0"],
            &["repair"],
            &["repair", "--dry-run"],
            &["repair", "--accept-loss", "--yes"],
        ] {
            let done = room.ends(1, arguments);
            done.says("00000000000000000000.seg");
            assert!(done.out.starts_with("verdict") && done.out.contains("  truncated\n"), "{arguments:?}: {done:?}");
            let answer = room.ends(1, &[arguments, &["--json"]].concat()).json();
            assert_eq!(answer["verdict"], "truncated", "{arguments:?}");
        }
        assert!(!room.path("kept").exists());
    }
}

#[test]
fn directories_that_are_made_have_permissions_of_our_own() {
    use std::os::unix::fs::MetadataExt;
    let room = Room::with_batch();
    let evlog = env!("CARGO_BIN_EXE_evlog");
    let script = format!(
        "umask 000; {evlog} project --out out/inner && {evlog} run --init ini && {evlog} run ini/plan.toml --out runs"
    );
    assert!(room.command_of("sh", &["-c", &script]).output().unwrap().status.success());
    let mode = |path: &str| fs::metadata(room.path(path)).unwrap().mode() & 0o777;
    for dir in ["out", "out/inner", "ini", "runs", "runs/runs"] {
        assert_eq!(mode(dir), 0o755, "{dir}");
    }
    assert_eq!(mode("ini/plan.toml"), 0o644);
}

#[test]
fn no_reader_answers_from_a_log_whose_first_segment_is_gone() {
    // What is left would look like a whole log that began later.
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    let lines: String = (0..40).map(|number| line(&format!("r{number}"), number)).collect();
    room.feed(&["submit"], &lines);
    room.ends(0, &["project", "--out", "out"]);
    fs::remove_file(&room.segments()[0]).unwrap();
    for arguments in [
        &["cat"][..],
        &["cat", "--run", "r39"],
        &["tail"],
        &["tail", "-f"],
        &["runs"],
        &["show", "r39"],
        &["explain", "r39"],
        &["replay"],
        &["project", "--check", "out"],
        &["project", "--out", "other"],
        &["inspect", "--sidecars"],
    ] {
        let done = room.ends(2, arguments);
        done.says("log is truncated at position 0").says("00000000000000000000.seg");
        assert!(done.out.is_empty(), "{arguments:?}: {done:?}");
    }
    // These look at what is there, and say what is not.
    for arguments in [&["repair"][..], &["repair", "--dry-run"]] {
        let done = room.ends(1, arguments);
        done.says("log is truncated at position 0").says("00000000000000000000.seg");
        assert!(done.out.starts_with("verdict  truncated\nrefused"), "{arguments:?}: {done:?}");
    }
    for arguments in [&["verify"][..], &["inspect"], &["backup", "copy"]] {
        room.ends(1, arguments);
    }
}

#[test]
fn what_a_link_in_the_place_of_a_file_leads_to_is_left_alone() {
    for name in ["LOCK", "HEAD", "segments/00000000000000000000.seg"] {
        for hard in [false, true] {
            let room = Room::with_batch();
            let (path, victim) = (room.path("evlog").join(name), room.path("victim"));
            fs::rename(&path, &victim).unwrap();
            if hard {
                fs::hard_link(&victim, &path).unwrap();
            } else {
                symlink(&victim, &path).unwrap();
            }
            let bytes = fs::read(&victim).unwrap();
            let done = room.feed(&["submit"], &line("b", 0));
            assert_eq!(done.code, 2, "{name}: {done:?}");
            let found = if hard { "another hard link" } else { "found a symbolic link" };
            done.says(found).says(name.rsplit('/').next().unwrap());
            assert_eq!(fs::read(&victim).unwrap(), bytes, "{name}: what the link leads to is as it was");
        }
    }
    let room = Room::with_batch();
    fs::rename(room.path("evlog/segments"), room.path("elsewhere")).unwrap();
    symlink(room.path("elsewhere"), room.path("evlog/segments")).unwrap();
    assert_eq!(room.feed(&["submit"], &line("b", 0)).code, 2);
}

#[test]
fn every_command_ends_whatever_is_in_the_place_of_a_file() {
    let place: [Put<'_>; 4] = [
        ("a pipe", &|path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("a directory", &|path| fs::create_dir(path).unwrap()),
        ("a symbolic link", &|path| symlink("/dev/zero", path).unwrap()),
        ("a socket", &|path| drop(std::os::unix::net::UnixListener::bind(path).unwrap())),
    ];
    let commands = [
        &["verify"][..],
        &["cat"],
        &["tail"],
        &["runs"],
        &["replay"],
        &["inspect"],
        &["inspect", "--sidecars"],
        &["repair", "--dry-run"],
    ];
    let writes = [&["submit"][..], &["repair"], &["init"], &["tail", "-f"]];
    for (word, put) in place {
        for name in ["LOCK", "HEAD", "segments/00000000000000000000.seg"] {
            let room = Room::with_batch();
            fs::remove_file(room.path("evlog").join(name)).unwrap();
            put(&room.path("evlog").join(name));
            for arguments in commands {
                let done = ends_soon(&room, arguments);
                assert!((0..=2).contains(&done.code), "{word} as {name}, {arguments:?}: {done:?}");
            }
            for arguments in writes {
                if arguments.contains(&"-f") && name == "LOCK" {
                    continue;
                }
                let done = ends_soon(&room, arguments);
                assert_ne!(done.code, 0, "{word} as {name}, {arguments:?}: {done:?}");
            }
            if name == "HEAD" {
                // What it says of synced bytes is not known, and not nothing.
                ends_soon(&room, &["cat"]).says(&format!("expected a regular file, found {word}"));
            }
        }
    }
}

#[test]
fn files_have_their_modes_whatever_the_umask_is() {
    for (umask, dir, file, lock) in
        [("000", 0o755, 0o644, 0o600), ("077", 0o700, 0o600, 0o600), ("777", 0o700, 0o600, 0o600)]
    {
        let room = Room::new();
        let script = format!(
            "umask {umask}; \"$0\" -q key new example.com/x --out k.key; \
             echo '{}' | \"$0\" -q submit --key k.key",
            line("a", 0).trim_end()
        );
        let done: Done = room.command_of("sh", &["-c", &script, env!("CARGO_BIN_EXE_evlog")]).output().unwrap().into();
        assert_eq!(done.code, 0, "umask {umask}: {done:?}");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for path in crate::support::files_below(&room.path("evlog")) {
            let expected = if path.ends_with("LOCK") { lock } else { file };
            assert_eq!(mode(&path), expected, "umask {umask}: {}", path.display());
        }
        for path in ["evlog", "evlog/segments", "evlog/checkpoints"] {
            assert_eq!(mode(&room.path(path)), dir, "umask {umask}: {path}");
        }
        assert_eq!((mode(&room.path("k.key")), mode(&room.path("k.pub"))), (0o600, 0o644), "umask {umask}");
    }
}

/// What is done to the directory of a `submit` at any moment.
const AT_ANY_MOMENT: [&str; 5] = ["move", "rotate", "remove", "remove the last segment", "remove LOCK"];

fn happens(room: &Room, what: &str) {
    match what {
        "move" | "rotate" => fs::rename(room.path("evlog"), room.path("old")).unwrap(),
        "remove" => {
            fs::rename(room.path("evlog"), room.path("old")).unwrap();
            // If a writer makes a segment at the same time, the directory is not empty.
            while let Err(error) = fs::remove_dir_all(room.path("old")) {
                assert_eq!(error.kind(), std::io::ErrorKind::DirectoryNotEmpty, "{error}");
            }
        }
        "remove the last segment" => fs::remove_file(last_segment(room)).unwrap(),
        _ => fs::remove_file(room.path("evlog/LOCK")).unwrap(),
    }
    if what == "rotate" {
        let done = room.feed(&["submit"], &line("new", 0));
        assert_eq!(done.code, 0, "{done:?}");
    }
}

/// Every answer that said accepted is an event of the log.
fn assert_there(room: &Room, log: &str, answers: &[String], what: &str) {
    let there = room.ends(0, &["--log", log, "cat", "--json"]).lines();
    for answer in answers.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
        let seq = answer["events"][0]["seq"].as_u64().unwrap();
        let event = there.get(usize::try_from(seq).unwrap());
        assert_eq!(event.map(|event| &event["stream"]), Some(&answer["run"]), "{what}: {answer} is lost");
    }
}

#[test]
fn whatever_happens_to_the_directory_at_any_moment_no_answer_is_of_an_event_that_is_lost() {
    for round in 0..15 {
        let (room, what) = (Room::new(), AT_ANY_MOMENT[round % AT_ANY_MOMENT.len()]);
        room.ends(0, &["init", "--segment-limit", "8192"]);
        let mut child = room.spawn(&["submit", "-q"]);
        let (mut input, answers) = (child.stdin.take().unwrap(), Lines::of(&mut child));
        let feeder = std::thread::spawn(move || {
            use std::io::Write;
            (0..1_000_000).take_while(|number| input.write_all(line("a", *number).as_bytes()).is_ok()).count()
        });
        answers.wait_for(10 + 40 * round as u64, &mut child);
        std::thread::sleep(crate::crash::moment(round as u64, 3_000));
        happens(&room, what);
        if what == "remove LOCK" {
            let second = room.feed(&["submit"], &line("b", 0));
            assert_eq!((second.code, second.out.as_str()), (2, ""), "{what}: {second:?}");
            assert_eq!(child.try_wait().unwrap(), None, "{what}: submit ended");
            child.kill().unwrap();
            child.wait().unwrap();
        } else {
            // A writer that was already in the next segment does not notice, and loses that one.
            while what == "remove the last segment" && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(50));
                if !room.segments().is_empty() {
                    happens(&room, what);
                }
            }
            let done = ended(child, &what);
            assert_eq!(done.code, 2, "{what}: {done:?}");
        }
        feeder.join().unwrap();
        match what {
            "move" => assert_there(&room, "old", &answers.all(), what),
            "rotate" => {
                assert_there(&room, "old", &answers.all(), what);
                assert_eq!(room.ends(1, &["cat", "--run", "a"]).out, "", "the new log has events of the old one");
                room.ends(0, &["verify"]);
            }
            "remove LOCK" => assert_there(&room, "evlog", &answers.all(), what),
            _ => {}
        }
    }
}

/// The root of the verification that the log at this path records, and the root that the log has up to that position.
fn verified(room: &Room, log: &str) -> Option<(String, String)> {
    let events = room.run(&["--log", log, "cat", "--run", "$log", "--json"]).lines();
    let event = events.iter().find(|event| event["kind"] == "log.verified")?;
    let size = usize::try_from(event["payload"]["size"].as_u64().unwrap()).unwrap();
    let bytes = fs::read(room.path(log).join("segments/00000000000000000000.seg")).unwrap();
    let its_own = blake3::hash(&bytes[..size]).to_hex().to_string();
    Some((event["payload"]["root"].as_str().unwrap().to_owned(), its_own))
}

#[test]
fn a_verification_is_recorded_in_the_log_that_was_verified_and_in_no_other() {
    for is_same_log in [true, false] {
        let room = Room::new();
        room.feed(&["submit"], &line("a", 0));
        if is_same_log {
            Command::new("cp").args(["-a", "evlog", "new"]).current_dir(room.path("")).status().unwrap();
        }
        room.feed(&["submit"], &(0..40).map(|number| line("a", number)).collect::<String>());
        room.feed(&["--log", "new", "submit"], &(0..90).map(|number| line("b", number)).collect::<String>());
        // It has read the log at once, and then waits for two seconds.
        let child = room.spawn(&["verify", "--record", "--max-rate", "1K"]);
        std::thread::sleep(Duration::from_millis(700));
        fs::rename(room.path("evlog"), room.path("old")).unwrap();
        fs::rename(room.path("new"), room.path("evlog")).unwrap();
        let done = ended(child, &"verify --record");
        for log in ["evlog", "old"] {
            if let Some((recorded, its_own)) = verified(&room, log) {
                assert_eq!(recorded, its_own, "{log}, the same log: {is_same_log}: {done:?}");
            }
        }
        let is_recorded = ["evlog", "old"].iter().any(|log| verified(&room, log).is_some());
        assert_eq!(done.code, if is_recorded { 0 } else { 2 }, "{done:?}");
    }
}
