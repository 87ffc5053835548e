//! Finds processes of a stage that outlived the process that ran the stage.
//!
//! A stage's guard ends every process of the stage before it ends, and when evlog has ended. If both were killed, or the guard
//! was stopped, a process of the stage may still write where the stage's next attempt will write. So before a stage begins,
//! evlog notes how the stage's processes can be recognised: a random mark, and a time before which none of them was started.
//! The guard has the mark in its command line, which the stage cannot change, and the stage's processes have it in their
//! environment.
//!
//! Does: make marks, and on Linux end the guard, the processes with the mark and everything below them. Does not: find a
//! process that cleared its environment and is no longer below any of these, or any process on other systems.
//!
//! Invariants:
//! - A process gets a signal only if it has the mark, or came from a process that has it.
//! - A guard is ended only when nothing is left below it: orphans go to the guard, and are found as long as it exists.

pub(crate) use system::Watched;

use evlog::random;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::Path;

/// The argument of a program that is to guard a stage. Two more say which one.
pub(crate) const GUARD_WORD: &str = "guard-of-a-stage";

/// The variable that holds the mark in the environment of a stage.
pub(crate) const MARK: &str = "EVLOG_STAGE_MARK";

/// How the processes of one attempt at one stage are recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    /// The value of [`MARK`] in their environment.
    pub(crate) text: String,
    /// The id of the boot that they run in; none if the system has none.
    boot: Option<String>,
    /// When evlog itself was started, in the system's ticks since that boot. All of the stage's processes were started later.
    since: Option<u64>,
}

impl Mark {
    /// A new random mark for processes of this boot that start from now on.
    pub(crate) fn draw() -> Mark {
        let text = random::uuid();
        Mark { text, boot: system::boot(), since: system::started(std::process::id()) }
    }

    /// The arguments by which the guard of such processes is recognised.
    pub(crate) fn of_guard(&self, bundle: &Path) -> [OsString; 2] {
        [bundle.into(), (&self.text).into()]
    }

    /// Whether its processes ran in an earlier boot of the machine, and so have ended.
    pub(crate) fn is_over(&self) -> bool {
        self.boot.as_ref().zip(system::boot()).is_some_and(|(then, now)| *then != now)
    }

    /// Whether the mark can show which processes are meant.
    pub(crate) fn shows(&self) -> bool {
        self.boot.is_some() && self.since.is_some()
    }
}

/// Processes that were found by a mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marked {
    /// How many were found. Each was sent KILL.
    pub(crate) found: usize,
    /// How many of them were left at the end.
    pub(crate) left: usize,
    /// Whether there may be more, because processes could not be examined.
    pub(crate) is_blind: bool,
}

impl Marked {
    /// Whether a later search may find more of them than have ended now.
    pub(crate) fn leaves_some_to_find(&self) -> bool {
        self.is_blind || self.left > 0
    }

    /// These and others, of another search.
    pub(crate) fn and(self, other: &Marked) -> Marked {
        Marked {
            found: self.found + other.found,
            left: self.left + other.left,
            is_blind: self.is_blind || other.is_blind,
        }
    }
}

/// Ends the processes of a stage that the mark finds.
pub(crate) fn end(run: &str, bundle: &Path, mark: &Mark) -> Marked {
    system::end(run, bundle, mark)
}

/// Other systems do not show the environment of a process.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Mark, Marked};
    use std::path::Path;

    pub(super) fn boot() -> Option<String> {
        None
    }

    pub(super) fn started(_pid: u32) -> Option<u64> {
        None
    }

    pub(super) fn end(_run: &str, _bundle: &Path, _mark: &Mark) -> Marked {
        Marked::default()
    }

    /// Whether a process is stopped is not known here: it counts as running.
    #[derive(Debug)]
    pub(crate) struct Watched;

    impl Watched {
        pub(crate) fn of(_pid: u32) -> Option<Watched> {
            Some(Watched)
        }

        pub(crate) fn is_stopped(&self) -> bool {
            false
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use super::{GUARD_WORD, MARK, Mark, Marked};
    use crate::limits::GRACE;
    pub(crate) use crate::processes::Watched;
    use crate::processes::{self, Process, if_there};
    use rustix::process::Signal;
    use std::collections::BTreeSet;
    use std::fs;
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    pub(super) fn boot() -> Option<String> {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(text.trim().to_owned())
    }

    /// When a process was started, in ticks since the boot.
    pub(super) fn started(pid: u32) -> Option<u64> {
        processes::look(i32::try_from(pid).ok()?).ok()?.map(|process| process.started)
    }

    /// How the processes of a stage and their guard are recognised.
    struct Signs {
        environment: [Vec<u8>; 3],
        arguments: [Vec<u8>; 3],
        since: u64,
    }

    /// What is left of a stage.
    struct Left {
        /// Its processes, without guards.
        processes: Vec<Process>,
        guards: Vec<Process>,
        /// All processes, including those that have ended and are not reaped.
        known: BTreeSet<(i32, u64)>,
    }

    /// Searches until two searches in a row find no process and no process has ended between them. A process that was not seen
    /// may have started another one after the search, and a process that has just started has no environment for a moment.
    pub(super) fn end(run: &str, bundle: &Path, mark: &Mark) -> Marked {
        let nothing = Marked::default();
        let (Some(then), Some(since)) = (&mark.boot, mark.since) else { return nothing };
        // It had an id when the mark was made, so this process may not read it now.
        let Some(now) = boot() else { return Marked { is_blind: true, ..nothing } };
        if *then != now {
            return nothing;
        }
        let signs = Signs::of(run, bundle, mark, since);
        let (began, mut ended, mut known, mut looks_at_none) = (Instant::now(), BTreeSet::new(), BTreeSet::new(), 0);
        loop {
            let looked = signs.stop(began).and_then(|left| kill(&left.processes).map(|()| left));
            let is_quiet = looked.as_ref().is_ok_and(|left| left.processes.is_empty() && left.known == known);
            looks_at_none = if is_quiet { looks_at_none + 1 } else { 0 };
            let is_late = began.elapsed() > GRACE;
            let left = looked.as_ref().map_or(0, |left| left.processes.len());
            if let Ok(left) = looked {
                ended.extend(left.processes.iter().map(Process::identity));
                if looks_at_none == 2 && left.guards.is_empty() {
                    return Marked { found: ended.len(), left: 0, is_blind: false };
                }
                if looks_at_none == 2 && kill(&left.guards).is_ok() {
                    looks_at_none = 0;
                }
                known = left.known;
            }
            if is_late {
                return Marked { found: ended.len(), left, is_blind: left == 0 };
            }
            sleep(Duration::from_millis(1));
        }
    }

    fn kill(found: &[Process]) -> io::Result<()> {
        found.iter().try_for_each(|process| processes::signal(process, Signal::KILL))
    }

    impl Signs {
        fn of(run: &str, bundle: &Path, mark: &Mark, since: u64) -> Signs {
            let environment = [
                format!("EVLOG_RUN_ID={run}").into_bytes(),
                [b"EVLOG_RUN_DIR=".as_slice(), bundle.as_os_str().as_bytes()].concat(),
                format!("{MARK}={}", mark.text).into_bytes(),
            ];
            let [bundle, text] = mark.of_guard(bundle).map(|argument| argument.as_bytes().to_vec());
            Signs { environment, arguments: [GUARD_WORD.as_bytes().to_vec(), bundle, text], since }
        }

        /// Stops everything of the stage, and returns it. What is stopped starts nothing and does not end, so no process that
        /// it has started gets lost.
        fn stop(&self, began: Instant) -> io::Result<Left> {
            let mut stopped = BTreeSet::new();
            loop {
                let left = self.look()?;
                let new: Vec<_> = left.processes.iter().filter(|process| stopped.insert(process.identity())).collect();
                new.iter().try_for_each(|process| processes::signal(process, Signal::STOP))?;
                if new.is_empty() || began.elapsed() > GRACE {
                    return Ok(left);
                }
            }
        }

        /// Searches once. An error means that there may be others.
        fn look(&self) -> io::Result<Left> {
            let own = i32::try_from(std::process::id()).map_err(io::Error::other)?;
            let (all, mut marked, mut guards) = (processes::all()?, Vec::new(), Vec::new());
            for process in all.iter().filter(|process| process.pid != own && process.started >= self.since) {
                if self.is_guard(process)? {
                    guards.push(process);
                } else if self.is_marked(process)? {
                    marked.push(process);
                }
            }
            let below = processes::below(&all, &marked.iter().chain(&guards).map(|process| process.pid).collect());
            let is_below = |process: &Process| below.iter().any(|below| below.pid == process.pid);
            guards.retain(|guard| !is_below(guard));
            marked.retain(|marked| !is_below(marked));
            let known = below.iter().chain(&guards).map(|process| process.identity()).collect();
            let runs = |process: &&&Process| process.runs() && process.pid != own;
            let processes = below.iter().chain(&marked).filter(runs).copied().cloned().collect();
            Ok(Left { processes, guards: guards.into_iter().cloned().collect(), known })
        }

        /// A process that has ended has no environment.
        fn is_marked(&self, process: &Process) -> io::Result<bool> {
            let found = parts(process, "environ")?;
            Ok(self.environment.iter().all(|mark| found.contains(mark)) && process.is_there()?)
        }

        fn is_guard(&self, process: &Process) -> io::Result<bool> {
            Ok(parts(process, "cmdline")?.ends_with(&self.arguments) && process.is_there()?)
        }
    }

    /// What a file of the system lists about a process; empty if the file may not be read.
    fn parts(process: &Process, file: &str) -> io::Result<Vec<Vec<u8>>> {
        let text = if_there(fs::read(format!("/proc/{}/{file}", process.pid)))?.unwrap_or_default();
        let text = text.strip_suffix(b"\0").unwrap_or(&text);
        Ok(text.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    fn start(run: &str, directory: &Path, mark: Option<&Mark>) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 100 & wait"]).stdout(Stdio::null());
        command.env("EVLOG_RUN_ID", run).env("EVLOG_RUN_DIR", directory);
        command.envs(mark.map(|mark| (MARK, &mark.text))).spawn().unwrap()
    }

    #[test]
    fn t01_the_processes_of_one_attempt_are_ended_and_no_others() {
        let bundle = tempfile::tempdir().unwrap();
        let (mark, another) = (Mark::draw(), Mark::draw());
        let mut left = start("left", bundle.path(), Some(&mark));
        let others = [
            ("another", bundle.path().to_owned(), Some(&mark)),
            ("left", bundle.path().join("elsewhere"), Some(&mark)),
            ("left", bundle.path().to_owned(), Some(&another)),
            // This process stands for a person who looks at what a stage does, with the stage's environment.
            ("left", bundle.path().to_owned(), None),
        ];
        let mut others = others.map(|(run, directory, mark)| start(run, &directory, mark));
        // The shell may not have started its own process yet.
        let ended = end("left", bundle.path(), &mark).found;
        assert!((1..=2).contains(&ended), "{ended}");
        assert!(!left.wait().unwrap().success());
        assert_eq!(end("left", bundle.path(), &mark), Marked::default());
        for other in &mut others {
            assert!(other.try_wait().unwrap().is_none(), "another process was ended");
            let children = format!("/proc/{}/task/{}/children", other.id(), other.id());
            let children = std::fs::read_to_string(children).unwrap_or_default();
            for child in children.split_whitespace() {
                Command::new("kill").arg(child).status().unwrap();
            }
            other.kill().unwrap();
            other.wait().unwrap();
        }
    }

    #[test]
    fn t01_a_guard_is_known_by_its_command_line_and_everything_below_it_is_ended() {
        let bundle = tempfile::tempdir().unwrap();
        let (mark, another) = (Mark::draw(), Mark::draw());
        let guard = |mark: &Mark| {
            let mut command = Command::new("sh");
            let noted = bundle.path().join(&mark.text);
            let script = format!("env -i sleep 100 & echo $! > {0}.new; mv {0}.new {0}; wait", noted.display());
            command.args(["-c", &script, GUARD_WORD]).args(mark.of_guard(bundle.path())).env_clear();
            let guard = command.spawn().unwrap();
            while !noted.exists() {
                std::thread::yield_now();
            }
            (guard, std::fs::read_to_string(noted).unwrap())
        };
        let [(mut guarded, below), (mut other, kept)] = [&mark, &another].map(guard);
        // The guard does not count as a process of the stage.
        assert_eq!(end("r", bundle.path(), &mark), Marked { found: 1, left: 0, is_blind: false });
        // The guard may have seen the end of its child, and ended by itself.
        guarded.wait().unwrap();
        let runs = |pid: &str| {
            let found = crate::processes::look(pid.trim().parse().unwrap()).unwrap();
            found.is_some_and(|process| process.runs())
        };
        assert!(!runs(&below) && other.try_wait().unwrap().is_none() && runs(&kept), "another process was ended");
        assert_eq!(end("r", bundle.path(), &another).found, 1);
        other.wait().unwrap();
    }

    #[test]
    fn t01_what_was_started_before_the_run_or_in_another_life_of_the_machine_is_not_touched() {
        let bundle = tempfile::tempdir().unwrap();
        let mark = Mark::draw();
        let mut there = start("r", bundle.path(), Some(&mark));
        for not_its_own in [
            Mark { since: Some(u64::MAX), ..mark.clone() },
            Mark { boot: Some("another".to_owned()), ..mark.clone() },
            Mark { boot: None, since: None, ..mark.clone() },
        ] {
            assert_eq!(end("r", bundle.path(), &not_its_own), Marked::default(), "{not_its_own:?}");
            assert!(there.try_wait().unwrap().is_none());
        }
        assert!(end("r", bundle.path(), &mark).found >= 1);
        there.wait().unwrap();
    }
}
