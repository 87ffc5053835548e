//! `evlog run --resume`, the run's lock, and `kill -9` of the real command at any moment.

use crate::crash::{ROUNDS, moment};
use crate::support::{Done, Room, files_below, signal};
use nix::sys::signal::{SigSet, Signal};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

/// Three stages that note in a file beside the plan that they run; `second` is what the second one does besides.
fn room(second: &str) -> Room {
    let stage = |id: &str, script: &str| {
        format!(
            "[[stage]]\nid = \"{id}\"\nreason_code = \"storage_io_error\"\n\
             command = [\"sh\", \"-ec\", '''echo {id} >> $EVLOG_PLAN_DIR/ran; {script}''']\n"
        )
    };
    let files = "for n in 1 2 3 4 5; do mkdir -p $EVLOG_STAGING_DIR/d$n; echo $n > $EVLOG_STAGING_DIR/d$n/file; done";
    let room = Room::new();
    room.write(
        "plan.toml",
        &format!("name = \"small\"\n{}{}{}", stage("make", files), stage("work", second), stage("last", "echo done")),
    );
    room
}

/// The lines of the file that stages write.
fn ran(room: &Room) -> Vec<String> {
    fs::read_to_string(room.path("ran")).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn wait_for(path: &Path) {
    while !path.exists() {
        sleep(Duration::from_millis(2));
    }
}

fn ended(child: Child) -> Done {
    child.wait_with_output().unwrap().into()
}

/// What must hold of a run that has ended.
fn assert_proved(room: &Room) {
    room.ends(0, &["verify"]);
    room.ends(0, &["project", "--check", ".", "--run", "r"]);
    room.ends(0, &["replay"]);
    let left: Vec<_> = files_below(&room.path("runs/.locks"));
    assert!(left.iter().all(|path| path.to_string_lossy().contains(".lock.stale.")), "{left:?}");
}

/// A run that was stopped while its second stage ran, and whose lock was given back.
fn left_in_progress() -> Room {
    let room = room("touch working; while [ ! -e go ]; do sleep 0.02; done");
    let child = room.spawn(&["run", "plan.toml", "--run-id", "r"]);
    wait_for(&room.path("working"));
    signal(&child, "TERM");
    let done = ended(child);
    assert_eq!(done.code, 130);
    done.says("hint: `evlog run --resume r` continues it");
    room.write("go", "");
    room
}

#[test]
fn a_run_that_was_stopped_goes_on_where_it_was_left() {
    // T-06.
    let room = left_in_progress();
    room.ends(0, &["runs"]).says("hint: to continue a pipeline run that is in progress: `evlog run --resume r`");
    let done = room.ends(0, &["run", "--resume", "r", "--json"]);
    done.says("resumed; 1 of 3 stages have an outcome");
    let answer = done.lines().pop().unwrap();
    assert_eq!((&answer["status"], &answer["exit_code"]), (&json!("success"), &json!(0)));
    assert_eq!(ran(&room), ["make", "work", "work", "last"]);
    assert_proved(&room);
    assert!(!room.ends(0, &["runs"]).err.contains("--resume"));
}

#[test]
fn a_run_that_cannot_be_resumed_is_refused_and_nothing_is_touched() {
    // T-07.
    let room = left_in_progress();
    room.feed(&["submit"], r#"{"contract":"status","run":"other","do":"create"}"#);
    let before = files_below(&room.path("runs"));
    let events = || room.ends(0, &["cat", "--run", "r"]).out;
    let (kept, plan) = (events(), fs::read_to_string(room.path("plan.toml")).unwrap());
    room.ends(2, &["run", "--resume", "unknown", "plan.toml"])
        .says("no run `unknown`")
        .says("`evlog runs` lists the runs");
    room.ends(2, &["run", "--resume", "other", "plan.toml"]).says("found one of contract `status`");
    room.ends(2, &["run", "--resume", "r", "--out", "elsewhere"])
        .says("the plan of run `r` is not known")
        .says("add the same `--out DIR`");
    room.ends(2, &["run", "--resume", "r", "plan.toml", "--out", "elsewhere"]).says("expected its bundle in");
    room.write("plan.toml", &plan.replace("echo done", "echo undone"));
    room.ends(2, &["run", "--resume", "r"]).says("the plan is not the one").says("by digest of the plan");
    room.write("plan.toml", &plan.replace("id = \"last\"", "id = \"last\"\nfail_mode = \"warn_and_skip\""));
    room.ends(2, &["run", "--resume", "r"]).says("stages and reason codes of the pipeline");
    room.write("plan.toml", &plan);
    room.ends(20, &["run", "plan.toml", "--run-id", "r"]).says("a bundle already").says("`evlog run --resume r`");
    assert_eq!((files_below(&room.path("runs")), events()), (before, kept));
    assert!(!room.path("elsewhere/runs/r").exists());
    room.ends(0, &["run", "--resume", "r"]);
    room.ends(20, &["run", "--resume", "r"]).says("run `r` has ended, as success").says("starts a new run");
    room.ends(20, &["run", "--resume", "r", "plan.toml"]).says("has ended");
    assert_proved(&room);
}

/// The commands in the hints of an answer.
fn named(done: &Done) -> Vec<Vec<String>> {
    let hints = done.err.lines().filter(|line| line.starts_with("hint: "));
    let commands = hints.flat_map(|hint| hint.split('`').skip(1).step_by(2));
    let words = commands.filter_map(|command| command.strip_prefix("evlog "));
    words.map(|words| words.split(' ').map(str::to_owned).collect()).collect()
}

#[test]
fn a_hint_names_a_command_that_works_or_none() {
    let room = left_in_progress();
    let works = |done: &Done, expected: usize| {
        let commands = named(done);
        assert_eq!(commands.len(), expected, "{done:?}");
        assert!(!commands.concat().contains(&"PLAN.toml".to_owned()), "{done:?}");
        for command in commands {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            room.ends(0, &words);
        }
    };
    // The plan is not known, so there is no command.
    works(&room.ends(2, &["run", "--resume", "r", "--out", "elsewhere"]), 0);
    let note = room.path("runs/.locks/r.plan");
    let noted = fs::read(&note).unwrap();
    fs::remove_file(&note).unwrap();
    assert_eq!(named(&room.ends(0, &["runs"])), Vec::<Vec<String>>::new());
    fs::write(&note, noted).unwrap();
    // The log does not have the run, because the run could not be recorded.
    room.write("taken/runs/r2", "a file in the way");
    works(&room.run(&["run", "plan.toml", "--run-id", "r2", "--out", "taken"]), 0);
    works(&room.ends(20, &["run", "plan.toml", "--run-id", "r"]), 1);
    // The run has ended, and its plan is no longer noted.
    works(&room.ends(20, &["run", "--resume", "r"]), 0);
    works(&room.ends(20, &["run", "--resume", "r", "plan.toml"]), 1);
}

#[test]
fn t09_a_run_stopped_by_a_file_error_is_not_failed_and_is_resumed_as_the_hint_says() {
    let room = room(
        "[ -e mended ] || { rm $EVLOG_RUN_DIR/run.json; mkdir -p $EVLOG_RUN_DIR/run.json/in_the_way; \
                     touch $EVLOG_RUN_DIR/../.aside; }",
    );
    let done = room.ends(2, &["run", "plan.toml", "--run-id", "r"]);
    done.says("stays in progress in the log").says("`evlog run --resume r`");
    fs::remove_file(room.path("runs/.aside")).unwrap();
    room.write("mended", "");
    room.ends(0, &["run", "--resume", "r"]);
    assert_proved(&room);
}

/// Exactly one of two works, and the other says why not.
fn one_of(two: [Child; 2]) -> Done {
    let [mut first, mut second] = two.map(ended);
    if first.code == 20 {
        std::mem::swap(&mut first, &mut second);
    }
    assert_eq!((first.code, second.code), (0, 20), "{first:?} {second:?}");
    second
}

#[test]
fn of_two_processes_that_start_one_run_together_one_works_and_the_other_touches_nothing() {
    // T-11.
    let (mut locked, whole) = (0, room("sleep 0.05"));
    for round in 0..ROUNDS {
        let room = whole.again();
        let start = || room.spawn(&["run", "plan.toml", "--run-id", "r"]);
        let first = start();
        sleep(moment(round, 10_000));
        let other = one_of([first, start()]);
        locked += u64::from(other.err.contains("is locked: "));
        assert_eq!(ran(&room), ["make", "work", "last"], "{other:?}");
        assert_proved(&room);
    }
    assert!(locked > ROUNDS / 2, "the others came too late to show anything: {locked}");
}

#[test]
fn of_two_processes_that_take_up_one_run_together_one_works_and_the_other_touches_nothing() {
    // T-11.
    let left = left_in_progress();
    for round in 0..ROUNDS {
        let room = left.again();
        let mut arguments = vec!["run", "--resume", "r", "plan.toml"];
        if round % 2 == 1 {
            // The state after a crash.
            fs::write(room.path("runs/.locks/r.lock"), "pid=2147483646\n").unwrap();
            arguments.push("--force-run-lock");
        }
        let other = one_of([room.spawn(&arguments), room.spawn(&arguments)]);
        assert_eq!(ran(&room), ["make", "work", "work", "last"], "{other:?}");
        assert_proved(&room);
    }
}

#[test]
fn a_lock_that_a_crash_left_is_set_aside_by_force_alone_and_that_is_recorded() {
    // T-12, T-13.
    let room = left_in_progress();
    let lock = room.path("runs/.locks/r.lock");
    fs::write(&lock, "pid=2147483646\n").unwrap();
    let refused = room.ends(20, &["run", "--resume", "r"]);
    refused
        .says("run `r` is locked: ")
        .says("pid=2147483646, no such process here")
        .says("--force-run-lock` sets it aside");
    assert_eq!(fs::read(&lock).unwrap(), b"pid=2147483646\n");
    room.ends(0, &["run", "--resume", "r", "--force-run-lock"])
        .says("a lock was set aside; it is kept in runs/.locks/r.lock.stale.0001");
    let manifest: Value = serde_json::from_slice(&fs::read(room.path("runs/r/manifest.json")).unwrap()).unwrap();
    // printf 'pid=2147483646\n' | sha256sum
    let digest = "ac39936bb18df4aef9d3b29474d342faa39047f404eb25098419674c6be39995";
    let event = json!({"seq": 1, "stale_lock_filename": "r.lock.stale.0001", "stale_lock_sha256": digest, "policy": "manual_break_glass_v1"});
    let orchestrator = &manifest["extensions"]["orchestrator"];
    assert_eq!(orchestrator["run_lock"]["break_glass_events"], json!([event]));
    assert_eq!(orchestrator["plan"]["name"], "small");
    assert_eq!(fs::read(room.path("runs/.locks/r.lock.stale.0001")).unwrap(), b"pid=2147483646\n");
    let kinds: Vec<Value> = room.ends(0, &["cat", "--run", "r", "--json"]).lines();
    assert_eq!(kinds.iter().filter(|event| event["kind"] == "pipeline.lock_forced").count(), 1);
    assert_proved(&room);
    // Without a lock, the option does nothing.
    room.ends(0, &["run", "plan.toml", "--run-id", "s", "--force-run-lock"]);
    assert!(!room.path("runs/.locks/s.lock.stale.0001").exists());
}

#[test]
fn a_lock_whose_holder_lives_is_not_set_aside() {
    // T-12.
    let room = room("touch working; while [ ! -e go ]; do sleep 0.02; done");
    let child = room.spawn(&["run", "plan.toml", "--run-id", "r"]);
    wait_for(&room.path("working"));
    let holder = format!("process {}", child.id());
    for how in [&["--resume", "r"][..], &["--run-id", "r"]] {
        let refused = room.run(&[&["run", "plan.toml", "--force-run-lock"], how].concat());
        assert_eq!(refused.code, 20, "{refused:?}");
        refused.says("its lock is not set aside").says(&holder);
    }
    room.write("go", "");
    assert_eq!(ended(child).code, 0);
    assert_eq!(ran(&room), ["make", "work", "last"]);
    assert_proved(&room);
}

/// A stage that notes the numbers of its process and of its guard, and waits.
const WAITS: &str =
    "[ -e go ] && exit 0; echo $$ $PPID > pid.new; mv pid.new pid; sleep 60; echo late > $EVLOG_STAGING_DIR/late";

/// Whether a process has ended, even if it is not reaped yet.
fn is_gone(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.trim_start().starts_with('Z'))
}

#[cfg(target_os = "linux")]
#[test]
fn a_stage_does_not_outlive_a_run_that_is_killed() {
    // G-27.
    let room = room(&format!("setsid sleep 300 & echo $! > left; {WAITS}"));
    let mut child = room.spawn(&["run", "plan.toml", "--run-id", "r"]);
    wait_for(&room.path("pid"));
    child.kill().unwrap();
    child.wait().unwrap();
    for file in ["pid", "left"] {
        let text = fs::read_to_string(room.path(file)).unwrap();
        let pid = text.split_whitespace().next().unwrap();
        while !is_gone(pid) {
            sleep(Duration::from_millis(5));
        }
    }
    room.write("go", "");
    room.ends(0, &["run", "--resume", "r", "--force-run-lock"]);
    assert_proved(&room);
}

#[cfg(target_os = "linux")]
#[test]
fn processes_that_a_killed_run_left_are_ended_before_their_stage_begins_again() {
    // T-01.
    let room = room(WAITS);
    let mut child = room.spawn(&["run", "plan.toml", "--run-id", "r"]);
    wait_for(&room.path("pid"));
    let text = fs::read_to_string(room.path("pid")).unwrap();
    let (leader, guard) = text.trim().split_once(' ').unwrap();
    let kill = |signal: &str, pid: &str| assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
    // The guard sees neither that evlog is killed nor its own end.
    kill("-STOP", guard);
    child.kill().unwrap();
    child.wait().unwrap();
    kill("-KILL", guard);
    assert!(!is_gone(leader), "the stage has outlived its run");
    room.write("go", "");
    let done = room.ends(0, &["run", "--resume", "r", "--force-run-lock"]);
    done.says("of its processes were still running, and were ended");
    assert!(is_gone(leader));
    assert!(!room.path("runs/r/late").exists());
    assert_proved(&room);
}

/// Starts the run, or resumes it if it exists.
fn go(room: &Room) -> Child {
    let known = room.run(&["show", "r", "--json"]).code == 0;
    // The plan is named: the run may have been killed before it was noted where that is.
    let how = if known { "--resume" } else { "--run-id" };
    room.spawn(&["run", "plan.toml", how, "r", "--force-run-lock"])
}

#[test]
fn a_run_that_is_killed_at_any_moment_and_again_while_it_is_resumed_reaches_its_end() {
    let (mut cut, whole) = (0, room("sleep 0.02"));
    for round in 0..ROUNDS {
        let room = whole.again();
        let mut kills = 0;
        for life in 0..2 {
            let mut child = go(&room);
            sleep(moment(round * 2 + life, 250_000));
            child.kill().unwrap();
            kills += usize::from(!child.wait().unwrap().success());
            let found = room.run(&["verify", "--json"]);
            let verdict = if found.code == 2 { json!("no log") } else { found.json()["verdict"].clone() };
            assert!(["clean", "torn_tail", "no log"].contains(&verdict.as_str().unwrap()), "{found:?}");
        }
        let last = ended(go(&room));
        let is_over = last.code == 20 && last.err.contains("has ended, as success");
        assert!(last.code == 0 || is_over, "round {round}: {last:?}");
        cut += kills;
        for stage in ["make", "work", "last"] {
            let times = ran(&room).iter().filter(|line| *line == stage).count();
            assert!((1..=1 + kills).contains(&times), "round {round}: {stage} ran {times} times");
        }
        let show = room.ends(0, &["show", "r", "--json"]).json();
        assert_eq!((&show["status"], show["artifacts"].as_array().map(Vec::len)), (&json!("success"), Some(5)));
        assert_proved(&room);
    }
    assert!(cut > 10, "the runs were over before they were killed: {cut}");
}

#[test]
fn g29_signals_that_were_blocked_when_evlog_was_started_end_a_run() {
    let room = room("touch working; while [ ! -e go ]; do sleep 0.02; done");
    // What a process starts inherits the mask of the thread that starts it.
    let child = std::thread::scope(|scope| {
        let starter = scope.spawn(|| {
            [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT].into_iter().collect::<SigSet>().thread_block().unwrap();
            room.spawn(&["run", "plan.toml", "--run-id", "r"])
        });
        starter.join().unwrap()
    });
    wait_for(&room.path("working"));
    signal(&child, "TERM");
    assert_eq!(ended(child).code, 130);
}

/// The command that a hint gives, as a shell runs it.
fn as_hinted(room: &Room, done: &Done) -> Done {
    let hint = done.err.lines().find(|line| line.starts_with("hint: ") && line.contains("--resume")).unwrap();
    let command = hint.split('`').find(|text| text.starts_with("evlog run")).unwrap();
    let command = command.replacen("evlog", env!("CARGO_BIN_EXE_evlog"), 1);
    room.command_of("sh", &["-c", &command]).output().unwrap().into()
}

#[test]
fn the_hint_takes_a_run_up_whose_plan_is_not_noted() {
    for again in [false, true] {
        let room = room("touch working; while [ ! -e go ]; do sleep 0.02; done");
        fs::rename(room.path("plan.toml"), room.path("the plan's.toml")).unwrap();
        let begin = ["--log", "a log", "run", "the plan's.toml", "--run-id", "r", "--out", "an'out"];
        let child = room.spawn(&begin);
        wait_for(&room.path("working"));
        // The state after a crash between the run's first event and the note.
        fs::remove_file(room.path("an'out/runs/.locks/r.plan")).unwrap();
        signal(&child, "TERM");
        let mut done = ended(child);
        room.write("go", "");
        if again {
            done = room.ends(20, &begin);
        }
        let taken_up = as_hinted(&room, &done);
        assert_eq!(taken_up.code, 0, "{done:?} {taken_up:?}");
    }
}

#[test]
fn a_stage_that_removes_the_locks_does_not_make_the_next_one_fail() {
    // T-09.
    let room = Room::new();
    let plan = "name = \"p\"\n\
        [[reason_code]]\nstage = \"a\"\ncode = \"a_failed\"\nseverity = \"FATAL\"\n\
        [[reason_code]]\nstage = \"b\"\ncode = \"b_failed\"\nseverity = \"FATAL\"\n\
        [[stage]]\nid = \"a\"\ncommand = [\"sh\", \"-c\", \"rm -rf \\\"$EVLOG_RUN_DIR/../.locks\\\"\"]\nreason_code = \"a_failed\"\n\
        [[stage]]\nid = \"b\"\ncommand = [\"true\"]\nreason_code = \"b_failed\"\n";
    room.write("plan.toml", plan);
    room.ends(2, &["run", "plan.toml", "--run-id", "r"]).says(".locks").says("--resume");
    assert!(room.ends(0, &["show", "r"]).out.contains("in_progress"));
    room.ends(0, &["run", "plan.toml", "--resume", "r"]);
    room.ends(0, &["project", "--check", "."]);
}
