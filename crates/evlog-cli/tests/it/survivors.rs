//! Processes of a stage that ended evlog and harmed its supervisor. When the run is resumed, the processes that are left are
//! ended. If they cannot be seen, this is reported.
#![cfg(target_os = "linux")]

use crate::outside::ended;
use crate::support::{Done, Room};
use std::fs;
use std::process::{Command, Stdio};

/// Leaves a process without the stage's mark and outside of its group. It notes its number, and waits.
const LEAVE: &str = "setsid env -i sh -c 'echo $$ > left.new; mv left.new left; exec sleep 300' > /dev/null 2>&1 & \
                     until test -e left; do sleep 0.01; done";
/// Like the process above, but its parent has ended.
const LEAVE_ORPHAN: &str = "(setsid env -i sh -c 'echo $$ > left.new; mv left.new left; exec sleep 300' > /dev/null 2>&1 &); \
     until test -e left; do sleep 0.01; done";
/// Waits until the guard is stopped.
const GUARD_STOPS: &str = "until grep -q '^State:.T' /proc/$PPID/status; do sleep 0.01; done";
/// Ends evlog, the parent of the guard.
const END_EVLOG: &str = "kill -9 $(cut -d' ' -f4 /proc/$PPID/stat)";

/// Leaves evlog no descriptor to look with.
const BLIND_EVLOG: &str = "prlimit --pid $(cut -d' ' -f4 /proc/$PPID/stat) --nofile=0:0";

/// Interrupts the run at once.
const TERM_EVLOG: &str = "kill -TERM $(cut -d' ' -f4 /proc/$PPID/stat)";

/// A plan with a stage that does this once.
fn room_of(script: &str) -> Room {
    let room = Room::new();
    let script = format!("test -e went && exit 0; touch went; {script}");
    let stage = format!("id = \"one\"\nreason_code = \"input_missing\"\ncommand = [\"sh\", \"-c\", '''{script}''']");
    room.write("plan.toml", &format!("name = \"p\"\n[[stage]]\n{stage}\n"));
    room
}

/// Runs a stage that does this and so ends evlog, and resumes the run.
fn resumed_after(script: &str) -> (Room, Done) {
    let room = room_of(script);
    let done = room.command(&["run", "plan.toml", "--run-id", "r"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(done.status.code(), None, "evlog was not killed: {done:?}");
    let resumed = room.run(&["run", "--resume", "r", "--force-run-lock"]);
    (room, resumed)
}

/// Whether the process that a file names still runs; it is ended then.
fn runs(room: &Room, file: &str) -> bool {
    let pid = fs::read_to_string(room.path(file)).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let runs = stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'));
    if runs {
        Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
    }
    runs
}

const UNSEEN: &str = "a process of the stage that has cleared its environment may still run";

#[test]
fn t01_what_a_stopped_guard_still_has_below_it_is_ended_though_it_has_no_mark() {
    for leave in [LEAVE, LEAVE_ORPHAN] {
        let note = "echo $PPID > guard";
        let (room, resumed) = resumed_after(&format!("{note}; {leave}; kill -STOP $PPID; {GUARD_STOPS}; {END_EVLOG}"));
        let [left, guard] = ["left", "guard"].map(|file| runs(&room, file));
        assert!(!left && !guard, "left {left}, guard {guard}: {resumed:?}");
        assert_eq!(resumed.code, 0, "{resumed:?}");
        resumed.says("of its processes were still running, and were ended").says(UNSEEN);
    }
}

/// The session of the guard has no terminal, so the signals of a terminal stop nothing.
#[test]
fn t01_signals_of_a_terminal_do_not_stop_a_guard() {
    for signal in ["TSTP", "TTIN", "TTOU"] {
        let (room, resumed) =
            resumed_after(&format!("echo $PPID > guard; {LEAVE}; kill -{signal} $PPID; {END_EVLOG}; sleep 300"));
        assert!(!runs(&room, "left"), "{signal}: {resumed:?}");
        assert_eq!(resumed.code, 0, "{signal}: {resumed:?}");
        runs(&room, "guard");
    }
}

/// Nobody adopts what a killed guard leaves but the system. What is below a process with the mark is the stage's.
#[test]
fn t01_below_a_process_with_the_mark_everything_is_ended() {
    let (room, resumed) =
        resumed_after(&format!("{LEAVE}; kill -STOP $PPID; {GUARD_STOPS}; {END_EVLOG}; kill -9 $PPID; sleep 300"));
    assert!(!runs(&room, "left"), "{resumed:?}");
    assert_eq!(resumed.code, 0, "{resumed:?}");
    resumed.says(UNSEEN);
}

#[test]
fn t01_what_nothing_shows_to_be_the_stages_is_left_alone_and_a_note_says_that_it_may_run() {
    let harm = format!("{LEAVE_ORPHAN}; kill -STOP $PPID; {GUARD_STOPS}; {END_EVLOG}; kill -9 $PPID; exit 0");
    for (forget, says) in
        [("", UNSEEN), ("rm $EVLOG_RUN_DIR/../.locks/*.stage; ", "nothing shows which processes belong to it")]
    {
        let (room, resumed) = resumed_after(&format!("{forget}{harm}"));
        assert!(runs(&room, "left"), "how was it found? {resumed:?}");
        assert_eq!(resumed.code, 0, "{resumed:?}");
        resumed.says(says);
    }
}

/// Leaves a process with the stage's mark, outside of its group.
const LEAVE_MARKED: &str = "(setsid sh -c 'echo $$ > left.new; mv left.new left; exec sleep 300' > /dev/null 2>&1 &); \
                            until test -e left; do sleep 0.01; done";
const NOT_KNOWN: &str = "it is not known whether other processes of the stage still run";

/// Resumes a run that ended with this, and did not know what was left of its stage.
fn resumed_by_the_note(room: &Room, done: &Done, how: &str) {
    let is_noted = room.path("runs/.locks/r.stage").exists();
    let resumed = room.run(&["run", "--resume", "r"]);
    let [is_left, _guard] = ["left", "guard"].map(|file| runs(room, file));
    assert!(!is_left && is_noted, "{how}: left {is_left}, noted {is_noted}: {done:?}\n{resumed:?}");
    done.says(NOT_KNOWN);
    assert_eq!(resumed.code, 0, "{how}: {resumed:?}");
    resumed.says("of its processes were still running, and were ended");
    assert!(!room.path("runs/.locks/r.stage").exists(), "{how}: {resumed:?}");
}

#[test]
fn g27_t01_evlog_gives_up_a_stopped_guard_without_descriptors_and_keeps_its_note_while_nothing_is_known() {
    let stop = format!("kill -STOP $PPID; {GUARD_STOPS}; exec sleep 300");
    for (how, end) in [
        ("stopped", stop.as_str()),
        ("blind", "prlimit --pid $PPID --nofile=0:0; exit 0"),
        ("killed", "kill -9 $PPID; exit 0"),
    ] {
        let room = room_of(&format!("echo $PPID > guard; {LEAVE_MARKED}; {BLIND_EVLOG}; {end}"));
        let done = ended(room.spawn(&["run", "plan.toml", "--run-id", "r"]), &how);
        assert_eq!(done.code, 2, "{how}: {done:?}");
        resumed_by_the_note(&room, &done, how);
    }
}

#[test]
fn g29_of_a_run_that_was_interrupted_only_what_is_known_is_said_of_its_processes() {
    let room = room_of(&format!(
        "echo $PPID > guard; {LEAVE_MARKED}; {BLIND_EVLOG}; kill -STOP $PPID; {GUARD_STOPS}; {TERM_EVLOG}; exec sleep 300"
    ));
    let done = ended(room.spawn(&["run", "plan.toml", "--run-id", "r"]), &"interrupted");
    // On a slow machine the guard may have been given up before the signal came.
    assert!(done.code == 130 || done.code == 2, "{done:?}");
    assert!(!done.err.contains("have ended"), "{done:?}");
    resumed_by_the_note(&room, &done, "interrupted");
}
