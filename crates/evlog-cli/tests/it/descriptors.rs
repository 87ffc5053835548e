//! Stages that take descriptors away, from evlog or from their guard: nothing is said that is not known, and a run that cannot
//! go on stays in progress.

use crate::support::{Done, Room, signal};
use std::fs;
use std::process::Command;

/// Leaves a process that has left the stage's group and environment, and waits until it has.
const LEAVE: &str =
    "setsid env -i sh -c 'echo > out; exec sleep 100' & echo $! > left; until test -e out; do sleep 0.01; done";

/// The process that evlog is: the parent of the guard.
const EVLOG: &str = "evlog=$(cut -d' ' -f4 /proc/$PPID/stat)";

/// Runs two stages, of which the first does this.
fn run(script: &str) -> (Room, Done) {
    let room = Room::new();
    let stage = |id: &str, script: &str| {
        format!(
            "[[stage]]\nid = \"{id}\"\nreason_code = \"input_missing\"\ncommand = [\"sh\", \"-c\", '''{script}''']\n"
        )
    };
    room.write("plan.toml", &format!("name = \"p\"\n{}{}", stage("one", script), stage("two", "true")));
    let done = room.run(&["run", "plan.toml", "--run-id", "r"]);
    (room, done)
}

/// Whether what the stage left still runs; it is ended then.
fn is_left(room: &Room) -> bool {
    let pid = fs::read_to_string(room.path("left")).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let runs = stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'));
    if runs {
        Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
    }
    runs
}

#[track_caller]
fn is_in_progress(room: &Room, done: &Done) {
    assert_eq!(done.code, 2, "{done:?}");
    let runs = room.ends(0, &["runs", "--json"]);
    assert_eq!(runs.lines()[0]["status"], "in_progress", "{runs:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn g40_a_run_that_has_begun_stays_in_progress_where_too_few_files_can_be_opened_for_a_stage() {
    // Enough to end the first stage.
    let (room, done) = run(&format!("{EVLOG}; prlimit --pid $evlog --nofile=44:44"));
    is_in_progress(&room, &done);
    done.says("run `r` could not go on; it stays in progress in the log: expected to open 32 more files at a time");
    assert!(done.err.contains("one                 success") && !done.err.contains("two  "), "{done:?}");
    let resumed = room.run(&["run", "--resume", "r"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn g40_a_stage_that_takes_evlogs_descriptors_is_not_blamed_and_leaves_a_bundle_that_is_as_the_log_says() {
    // Once, so that the stage ends when it is resumed.
    let once =
        |limit| format!("test -e took || {{ echo > took; {EVLOG}; prlimit --pid $evlog --nofile={limit}:{limit}; }}");
    for limit in [3, 12, 24, 28, 32, 36] {
        let (room, done) = run(&once(limit));
        is_in_progress(&room, &done);
        room.ends(0, &["project", "--check", "."]);
        assert!(!room.ends(0, &["cat"]).out.contains("outcome_recorded"), "{limit}: {done:?}");
        // As the hint says: the lock is given back.
        let resumed = room.run(&["run", "--resume", "r"]);
        assert_eq!(resumed.code, 0, "{limit}: {resumed:?}");
        room.ends(0, &["project", "--check", "."]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn g29_g35_a_run_that_is_interrupted_without_descriptors_has_its_stages_end_and_can_be_resumed() {
    for limit in [3, 12, 28] {
        let room = Room::new();
        let script = format!(
            "test -e took && exit 0; {EVLOG}; prlimit --pid $evlog --nofile={limit}:{limit}; echo > took; sleep 100"
        );
        let stage =
            format!("id = \"one\"\nreason_code = \"input_missing\"\ncommand = [\"sh\", \"-c\", '''{script}''']");
        room.write("plan.toml", &format!("name = \"p\"\n[[stage]]\n{stage}\n"));
        let run = room.spawn(&["run", "plan.toml", "--run-id", "r"]);
        while !room.path("took").exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        signal(&run, "TERM");
        let done = crate::outside::ended(run, &limit);
        assert_eq!(done.code, 130, "{limit}: {done:?}");
        done.says("was interrupted in stage `one`");
        let events = room.ends(0, &["cat", "--run", "r"]).out;
        assert!(events.contains("process_ended"), "{limit}: {events}\n{done:?}");
        let resumed = room.run(&["run", "--resume", "r"]);
        assert_eq!(resumed.code, 0, "{limit}: {resumed:?}");
        room.ends(0, &["project", "--check", "."]);
    }
}

#[test]
fn the_output_of_a_stage_that_runs_is_no_difference_and_any_other_file_is() {
    let room = Room::new();
    let stage = "[[stage]]\nid = \"one\"\nreason_code = \"input_missing\"\ncommand = [\"sh\", \"-c\", \"echo begun; exec sleep 100\"]\n";
    room.write("plan.toml", &format!("name = \"p\"\n{stage}"));
    let mut run = room.spawn(&["run", "plan.toml", "--run-id", "r"]);
    let begun = std::time::Instant::now();
    while fs::read_to_string(room.path("runs/r/logs/one.log")).is_ok_and(|log| log.is_empty())
        || !room.path("runs/r/logs/one.log").exists()
    {
        assert!(begun.elapsed() < crate::outside::PATIENCE);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    room.ends(0, &["project", "--check", "."]);
    room.write("runs/r/logs/two.log", "not of any stage");
    assert!(room.ends(1, &["project", "--check", "."]).out.starts_with("unexpected: runs/r/logs/two.log: "));
    run.kill().unwrap();
    run.wait().unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn g27_where_neither_the_guard_nor_evlog_can_see_a_note_says_that_nothing_is_known() {
    let take = format!("{EVLOG}; prlimit --pid $evlog --nofile=2:2; {LEAVE}; prlimit --pid $PPID --nofile=1:1; exit 0");
    let (room, done) = run(&take);
    is_in_progress(&room, &done);
    done.says("could not list the stage's processes")
        .says("it is not known whether other processes of the stage still run");
    is_left(&room);
}

#[test]
#[cfg(target_os = "linux")]
fn g27_a_guard_ends_what_came_from_its_stage_though_evlog_has_no_descriptors_left() {
    for limit in [0, 1, 2] {
        let (room, done) = run(&format!("{EVLOG}; prlimit --pid $evlog --nofile={limit}:{limit}; {LEAVE}; exit 0"));
        is_in_progress(&room, &done);
        done.says("1 process that had left the stage's process group ended with the stage");
        assert!(!done.err.contains("could not be started"), "{limit}: {done:?}");
        assert!(!is_left(&room), "{limit}: {done:?}");
    }
}
