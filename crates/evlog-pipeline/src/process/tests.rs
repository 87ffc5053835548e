//! The claims about a process: its group is ended, nothing is left, the output is complete and in order.

use super::*;
use crate::orphans::Leftovers;
use rustix::process::Pid;
use std::cell::RefCell;
use std::fs;
use std::thread::sleep;

struct Room {
    directory: tempfile::TempDir,
    interrupts: Interrupts,
    printed: RefCell<Vec<u8>>,
}

impl Room {
    fn new() -> Room {
        let directory = tempfile::tempdir().unwrap();
        Room { directory, interrupts: Interrupts::default(), printed: RefCell::default() }
    }

    fn run(&self, script: &str, time_limit: Option<Duration>) -> io::Result<Ended> {
        self.start(&["sh", "-c", script], time_limit).map(|end| end.ended)
    }

    fn start(&self, command: &[&str], time_limit: Option<Duration>) -> io::Result<End> {
        self.start_with(command, time_limit, &mut |bytes| self.printed.borrow_mut().extend_from_slice(bytes))
    }

    fn start_with(
        &self,
        command: &[&str],
        time_limit: Option<Duration>,
        output: &mut dyn FnMut(&[u8]),
    ) -> io::Result<End> {
        let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
        let environment: Vec<(OsString, OsString)> = std::env::vars_os()
            .filter(|(name, _)| name == "PATH")
            .chain([("GREETING".into(), "good day".into())])
            .collect();
        let start = Start {
            command: &command,
            directory: self.directory.path(),
            environment: &environment,
            time_limit,
            interrupts: &self.interrupts,
            supervisor: &Supervisor::default(),
            supervisor_tags: &["bundle".into(), "tag".into()],
            end_tagged: &Leftovers::default,
        };
        run(&start, output)
    }

    fn output(&self) -> String {
        String::from_utf8(self.printed.borrow().clone()).unwrap()
    }

    /// Ends what is left of a stage whose tag nothing here looks for.
    fn end_left(&self) {
        let _gone = rustix::process::kill_process(self.pid_in("left"), rustix::process::Signal::KILL);
    }

    fn pid_in(&self, file: &str) -> Pid {
        let text = fs::read_to_string(self.directory.path().join(file)).unwrap();
        Pid::from_raw(text.trim().parse().unwrap()).unwrap()
    }
}

fn soon(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..200 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("{what}");
}

fn is_gone(pid: Pid) -> bool {
    // A process whose parent has ended is reaped by the system; until then it is a zombie, which runs no code.
    let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat);
    stat.is_empty() || stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

#[test]
fn the_exit_status_and_a_foreign_signal_are_distinguished() {
    let room = Room::new();
    assert_eq!(room.run("exit 0", None).unwrap(), Ended::Exited(0));
    assert_eq!(room.run("exit 3", Some(Duration::from_secs(30))).unwrap(), Ended::Exited(3));
    assert_eq!(room.run("kill -9 $$", None).unwrap(), Ended::Signalled(9));
}

#[test]
fn g40_standard_output_and_error_are_read_in_the_order_written() {
    let room = Room::new();
    room.run("echo one; echo two >&2; echo three; echo \"$GREETING\" >&2; pwd; cat", None).unwrap();
    let here = room.directory.path().canonicalize().unwrap();
    assert_eq!(room.output(), format!("one\ntwo\nthree\ngood day\n{}\n", here.display()));
}

#[test]
fn a_program_that_does_not_exist_is_an_error_and_not_an_end() {
    let error = Room::new().start(&["./no-such-program"], None).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(Room::new().start(&[], None).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn g34_past_the_limit_the_whole_group_is_ended_grandchildren_too() {
    let room = Room::new();
    let began = Instant::now();
    let script = "sh -c 'sleep 100 & echo $! > grandchild; wait' & echo $! > child; sleep 100 & wait";
    assert_eq!(room.run(script, Some(Duration::from_millis(300))).unwrap(), Ended::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(20), "took {:?}", began.elapsed());
    for file in ["child", "grandchild"] {
        let pid = room.pid_in(file);
        soon(&format!("the {file} still runs"), || is_gone(pid));
    }
}

/// evlog can be held up (stopped, traced, by a slow disk) until the limit has passed, while the stage ends in time.
#[test]
fn g34_a_process_that_ended_by_itself_is_not_reported_as_past_its_limit() {
    let room = Room::new();
    let limit = Duration::from_millis(300);
    let began = Instant::now();
    let mut held_up = |_: &[u8]| {
        soon("the supervisor ends the group", || is_gone(room.pid_in("pid")));
        sleep((limit * 2).saturating_sub(began.elapsed()));
    };
    let script = ["sh", "-c", "echo $$ > pid; echo; exit 3"];
    assert_eq!(room.start_with(&script, Some(limit), &mut held_up).unwrap().ended, Ended::Exited(3));
}

#[test]
fn g27_a_stage_that_traces_evlog_is_ended_for_that_and_not_for_the_limit_that_passed_meanwhile() {
    use Ended::{Exited, TimedOut, Traced};
    for cut_short in [None, Some(TimedOut)] {
        assert_eq!(why_ended(Exited(0), cut_short, true), Traced, "{cut_short:?}");
    }
    assert_eq!(why_ended(Exited(0), Some(TimedOut), false), TimedOut);
    assert_eq!(why_ended(Exited(3), None, false), Exited(3));
}

#[test]
fn g29_a_stage_that_traced_evlog_is_left_without_an_outcome_if_the_run_was_interrupted() {
    for traced in [false, true] {
        assert_eq!(why_ended(Ended::Exited(0), Some(Ended::Interrupted), traced), Ended::Interrupted, "{traced}");
    }
}

#[test]
fn a_process_that_ignores_the_request_to_end_is_killed_after_the_grace() {
    let room = Room::new();
    let script = "trap '' TERM; echo $$ > leader; sleep 100; sleep 100";
    let began = Instant::now();
    assert_eq!(room.run(script, Some(Duration::from_millis(100))).unwrap(), Ended::TimedOut);
    assert!(began.elapsed() >= GRACE, "the grace was cut short: {:?}", began.elapsed());
    assert!(is_gone(room.pid_in("leader")));
}

#[test]
fn a_process_that_takes_the_request_to_end_can_clean_up() {
    let room = Room::new();
    let script = "trap 'echo cleaned; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    assert_eq!(room.run(script, Some(Duration::from_millis(400))).unwrap(), Ended::TimedOut);
    // Some shells report here that the signal ended their own child.
    let output = room.output();
    assert!(output.starts_with("ready\n") && output.ends_with("cleaned\n"), "{output:?}");
}

#[test]
fn g33_what_a_stage_leaves_in_the_background_is_ended_with_it() {
    let room = Room::new();
    assert_eq!(room.run("sleep 100 & echo $! > left; exit 0", None).unwrap(), Ended::Exited(0));
    let pid = room.pid_in("left");
    soon("the background process still runs", || is_gone(pid));
}

#[test]
fn an_urgent_request_ends_the_group_and_a_first_one_does_not() {
    let room = Room::new();
    room.interrupts.raise();
    assert_eq!(room.run("exit 5", None).unwrap(), Ended::Exited(5), "asked once, it ends by itself");
    room.interrupts.raise();
    let script = "sleep 100 & echo $! > child; sleep 100";
    assert_eq!(room.run(script, None).unwrap(), Ended::Interrupted);
}

#[test]
fn all_output_is_read_even_of_a_process_that_is_ended() {
    let room = Room::new();
    assert_eq!(room.run("head -c 3000000 /dev/zero | tr '\\0' x; echo end", None).unwrap(), Ended::Exited(0));
    assert_eq!(room.output().len(), 3_000_004);
    let room = Room::new();
    let script = "trap '' TERM; yes | head -c 30000; sleep 100 & wait";
    assert_eq!(room.run(script, Some(Duration::from_millis(500))).unwrap(), Ended::TimedOut);
    assert!(room.output().len() >= 30_000);
}

#[test]
fn a_process_that_closes_its_output_is_still_waited_for() {
    let room = Room::new();
    let script = "exec > /dev/null 2>&1; sleep 0.2; touch late; exit 4";
    assert_eq!(room.run(script, None).unwrap(), Ended::Exited(4));
    assert!(room.directory.path().join("late").exists());
}

#[test]
fn g33_a_process_that_left_the_group_and_the_session_is_ended_with_the_stage() {
    let room = Room::new();
    let script = "setsid sh -c 'setsid sleep 100 & echo $! > left; exec sleep 100' > /dev/null 2>&1 & \
                  while ! test -s left; do :; done; echo done";
    let end = room.start(&["sh", "-c", script], None).unwrap();
    assert_eq!((end.ended, end.left, end.stubborn, end.is_held), (Ended::Exited(0), 2, 0, false));
    assert!(is_gone(room.pid_in("left")));
}

#[test]
fn g33_what_left_the_group_is_ended_too_when_the_time_limit_has_passed() {
    let room = Room::new();
    let script = "setsid sh -c 'echo $$ > left; exec sleep 100' & while ! test -s left; do :; done; sleep 100";
    assert_eq!(room.run(script, Some(Duration::from_millis(300))).unwrap(), Ended::TimedOut);
    assert!(is_gone(room.pid_in("left")));
}

#[test]
fn g26_a_stage_has_no_terminal_to_ask_at() {
    let room = Room::new();
    assert_eq!(room.run("echo asks; read answer < /dev/tty || exit 7", None).unwrap(), Ended::Exited(7));
}

#[test]
fn g27_ending_the_supervisor_ends_the_stage_and_that_is_no_success() {
    let room = Room::new();
    let end = room.start(&["sh", "-c", "kill -9 $PPID; exit 0"], None).unwrap();
    assert_eq!(end.ended, Ended::Unsupervised);
    assert_eq!(end.supervisor_lost.expect("the supervisor is gone").supervisor, LostSupervisor::Ended);
}

/// Starts a process that leaves the stage's group and its environment, and waits until it has.
const LEAVE: &str = "setsid env -i sh -c 'echo > out; exec sleep 100' & echo $! > left; \
                     until test -e out; do sleep 0.01; done";

/// Processes without a tag that come from the stage are found as well, as long as its supervisor exists.
#[test]
#[cfg(target_os = "linux")]
fn g27_a_supervisor_that_was_stopped_is_given_up_and_what_came_from_the_stage_is_ended() {
    // A supervisor of these tests has two threads. It goes on until the thread that takes the signal has run.
    let stop = "kill -STOP $PPID; while cat /proc/$PPID/task/*/status | grep '^State:' | grep -qv T; do :; done";
    for (script, limit) in [
        (format!("{LEAVE}; {stop}; sleep 100"), Some(Duration::from_millis(500))),
        (format!("{LEAVE}; {stop}; sleep 100"), None),
        (format!("{LEAVE}; {stop}; exit 0"), None),
    ] {
        let room = Room::new();
        let began = Instant::now();
        let end = room.start(&["sh", "-c", &script], limit).unwrap();
        let lost = end.supervisor_lost.expect("the supervisor is given up");
        assert_eq!(lost.supervisor, LostSupervisor::Stopped);
        assert!(lost.below.found >= 1 && lost.below.left == 0, "{lost:?}");
        assert!(matches!(end.ended, Ended::Unsupervised | Ended::TimedOut), "{:?}", end.ended);
        assert!(is_gone(room.pid_in("left")), "it still runs");
        assert!(began.elapsed() < SUPERVISOR_LIMIT, "took {:?}", began.elapsed());
    }
}

#[test]
fn a_process_that_is_not_the_stages_holds_the_output_for_a_second_and_not_for_ever() {
    // G-42: this test's own process holds the pipe, like a service that was handed it.
    let room = Room::new();
    let held = RefCell::new(None);
    let command =
        ["sh".to_owned(), "-c".to_owned(), "echo $$ > pid; echo done; while ! test -e go; do :; done".to_owned()];
    let start = Start {
        command: &command,
        directory: room.directory.path(),
        environment: &[("PATH".into(), std::env::var_os("PATH").unwrap())],
        time_limit: None,
        interrupts: &room.interrupts,
        supervisor: &Supervisor::default(),
        supervisor_tags: &["bundle".into(), "tag".into()],
        end_tagged: &Leftovers::default,
    };
    let began = Instant::now();
    let end = run(&start, &mut |_| {
        let pid = room.pid_in("pid").as_raw_nonzero();
        *held.borrow_mut() = Some(fs::OpenOptions::new().write(true).open(format!("/proc/{pid}/fd/1")).unwrap());
        fs::write(room.directory.path().join("go"), "").unwrap();
    });
    let end = end.unwrap();
    assert_eq!((end.ended, end.is_held), (Ended::Exited(0), true));
    assert!(began.elapsed() >= DRAIN && began.elapsed() < Duration::from_mins(1), "took {:?}", began.elapsed());
}

#[test]
fn g27_when_evlog_has_gone_the_supervisor_ends_the_stage() {
    let room = Room::new();
    let command = ["sh".to_owned(), "-c".to_owned(), "setsid sleep 100 & echo $! > left; sleep 100".to_owned()];
    let start = Start {
        command: &command,
        directory: room.directory.path(),
        environment: &[("PATH".into(), std::env::var_os("PATH").unwrap())],
        time_limit: None,
        interrupts: &room.interrupts,
        supervisor: &Supervisor::default(),
        supervisor_tags: &["bundle".into(), "tag".into()],
        end_tagged: &Leftovers::default,
    };
    let (_reader, writer) = io::pipe().unwrap();
    let mut supervised = Supervised::start(&start, &writer).unwrap();
    soon("the stage began", || {
        fs::read_to_string(room.directory.path().join("left")).is_ok_and(|text| text.ends_with('\n'))
    });
    // The system closes the pipes of a killed process in the same way.
    drop(supervised.orders.take());
    let left = room.pid_in("left");
    soon("a process of the stage still runs", || is_gone(left));
    supervised.child.wait().unwrap();
}

#[test]
fn g27_what_a_stage_writes_into_the_pipe_of_its_supervisor_is_no_word_of_the_supervisor() {
    let word = r#"{"ended":{"exited":0,"signalled":null,"left":0,"stubborn":0}}"#;
    let room = Room::new();
    let forged = format!("echo '{word}' > /proc/$PPID/fd/1; exit 3");
    assert_eq!(room.run(&forged, None).unwrap(), Ended::Exited(3));
    let forged = format!("echo $$ > left; echo '{word}' > /proc/$PPID/fd/1; kill -9 $PPID; exec sleep 100");
    let end = room.start(&["sh", "-c", &forged], None).unwrap();
    assert_eq!(end.ended, Ended::Unsupervised);
    room.end_left();
}

#[test]
fn g27_a_supervisor_that_was_ended_is_noticed_though_somebody_holds_its_pipe_open() {
    let room = Room::new();
    let held = "echo $$ > left; exec 9> /proc/$PPID/fd/1; kill -STOP $PPID; kill -9 $PPID; exec sleep 100";
    let began = Instant::now();
    let end = room.start(&["sh", "-c", held], None).unwrap();
    assert_eq!(end.ended, Ended::Unsupervised);
    assert!(began.elapsed() < SUPERVISOR_LIMIT, "took {:?}", began.elapsed());
    room.end_left();
}

#[test]
fn g27_a_stage_that_holds_the_pipe_to_its_supervisor_open_is_still_ended() {
    let room = Room::new();
    let held = "exec 9> /proc/$PPID/fd/0; trap '' TERM; sleep 100 9>&9";
    let end = room.start(&["sh", "-c", held], Some(Duration::from_millis(300))).unwrap();
    assert_eq!((end.ended, end.supervisor_lost), (Ended::TimedOut, None));
}

/// Somebody leaves the supervisor too few descriptors to look with. A process has left the stage's group and environment.
#[test]
#[cfg(target_os = "linux")]
fn g27_a_supervisor_that_cannot_see_says_so_and_what_came_from_the_stage_is_ended() {
    for limit in [0, 1, 2, 3, 6] {
        let room = Room::new();
        let script = format!("prlimit --pid $PPID --nofile={limit}:{limit} && {LEAVE}; exit 0");
        let end = room.start(&["sh", "-c", &script], None).unwrap();
        let left = room.pid_in("left");
        assert!(is_gone(left), "limit {limit}: it still runs: {end:?}");
        match end.supervisor_lost {
            Some(lost) => {
                assert_eq!((lost.supervisor, end.ended), (LostSupervisor::Blind, Ended::Unsupervised), "limit {limit}");
                assert!(lost.below.found >= 1 && lost.below.left == 0 && !lost.below.is_blind, "{lost:?}");
            }
            // The descriptors that the supervisor closed were enough to look with.
            None => assert_eq!((limit, end.ended, end.left), (6, Ended::Exited(0), 1)),
        }
    }
}

/// A process may choose its own name, and the name need not be text.
#[test]
#[cfg(target_os = "linux")]
fn a_process_whose_name_is_no_text_is_found_and_ended() {
    let room = Room::new();
    let leave = "cp \"$(command -v sleep)\" \"$(printf 'x\\377')\" && setsid env -i ./x* 100 > /dev/null 2>&1 & sleep 0.2; \
                 for d in /proc/[0-9]*; do grep -qa '^Name:.x' $d/status && echo ${d#/proc/} > left; done; exit 0";
    let end = room.start(&["sh", "-c", leave], None).unwrap();
    assert_eq!((end.ended, end.stubborn), (Ended::Exited(0), 0));
    assert!(is_gone(room.pid_in("left")), "it still runs: {end:?}");
}

#[test]
fn g29_processes_are_known_to_have_ended_only_where_all_were_seen_to() {
    let (all, some) = (Leftovers::default(), Leftovers { left: 1, ..Leftovers::default() });
    let blind = Leftovers { is_blind: true, ..Leftovers::default() };
    let of = |stubborn, supervisor_lost| {
        let end = End { ended: Ended::Interrupted, is_held: false, left: 0, stubborn, supervisor_lost };
        (end.is_known_to_be_over(), end.leaves_some_to_find())
    };
    let lost = |supervisor, below, tagged| of(0, Some(Lost { supervisor, below, tagged }));
    assert_eq!(of(0, None), (true, false));
    assert_eq!(of(1, None), (false, true));
    // What it leaves may have no tag.
    assert_eq!(lost(LostSupervisor::Ended, all, all), (false, false));
    for supervisor in [LostSupervisor::Stopped, LostSupervisor::Blind] {
        let is_linux = cfg!(target_os = "linux");
        assert_eq!(lost(supervisor, all, all), (is_linux, !is_linux), "{supervisor:?}");
        for (below, tagged) in [(blind, all), (all, blind), (some, all), (all, some)] {
            assert_eq!(lost(supervisor, below, tagged), (false, true), "{supervisor:?} {below:?} {tagged:?}");
        }
    }
}
