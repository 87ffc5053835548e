//! Finds processes of a stage that outlived the process that ran the stage.
//!
//! A stage's supervisor ends every process of the stage before it ends, and when evlog has ended. If both were killed, or the
//! supervisor was stopped, a process of the stage may still write where the stage's next attempt will write. So before a stage
//! begins, evlog notes how the stage's processes can be recognised: a random tag, and a time before which none of them was
//! started. The supervisor has the tag in its command line, which the stage cannot change, and the stage's processes have it
//! in their environment.
//!
//! Does: make tags, and on Linux end the supervisor, the processes with the tag and everything below them. Does not: find a
//! process that cleared its environment and is no longer below any of these, or any process on other systems.
//!
//! Invariants:
//! - A process gets a signal only if it has the tag, or came from a process that has it.
//! - A supervisor is ended only when nothing is left below it: orphans go to the supervisor, and are found as long as it
//!   exists.

pub(crate) use system::Watched;

use evlog::random;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::Path;

/// The argument of a program that is to supervise a stage. Two more say which one.
pub(crate) const SUPERVISOR_WORD: &str = "supervisor-of-a-stage";

/// The variable that holds the tag in the environment of a stage.
pub(crate) const TAG: &str = "EVLOG_STAGE_MARK";

/// How the processes of one attempt at one stage are recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tag {
    /// The value of [`TAG`] in their environment.
    pub(crate) text: String,
    /// The id of the boot that they run in; none if the system has none.
    boot: Option<String>,
    /// When evlog itself was started, in the system's ticks since that boot. All of the stage's processes were started later.
    since: Option<u64>,
}

impl Tag {
    /// A new random tag for processes of this boot that start from now on.
    pub(crate) fn draw() -> Tag {
        let text = random::uuid();
        Tag { text, boot: system::boot(), since: system::started(std::process::id()) }
    }

    /// The arguments by which the supervisor of such processes is recognised.
    pub(crate) fn of_supervisor(&self, bundle: &Path) -> [OsString; 2] {
        [bundle.into(), (&self.text).into()]
    }

    /// Whether its processes ran in an earlier boot of the machine, and so have ended.
    pub(crate) fn is_over(&self) -> bool {
        self.boot.as_ref().zip(system::boot()).is_some_and(|(then, now)| *then != now)
    }

    /// Whether the tag can show which processes belong to the attempt.
    pub(crate) fn shows(&self) -> bool {
        self.boot.is_some() && self.since.is_some()
    }
}

/// Processes of a stage that evlog looked for after the stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leftovers {
    /// How many were found. Each was sent KILL.
    pub(crate) found: usize,
    /// How many of them were left at the end.
    pub(crate) left: usize,
    /// Whether there may be more, because processes could not be examined.
    pub(crate) is_blind: bool,
}

impl Leftovers {
    /// Whether a later search may find more of them than have ended now.
    pub(crate) fn leaves_some_to_find(&self) -> bool {
        self.is_blind || self.left > 0
    }

    /// These and others, of another search.
    pub(crate) fn and(self, other: &Leftovers) -> Leftovers {
        Leftovers {
            found: self.found + other.found,
            left: self.left + other.left,
            is_blind: self.is_blind || other.is_blind,
        }
    }
}

/// Ends the processes of a stage that the tag finds.
pub(crate) fn end(run: &str, bundle: &Path, tag: &Tag) -> Leftovers {
    system::end(run, bundle, tag)
}

/// Other systems do not show the environment of a process.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Leftovers, Tag};
    use std::path::Path;

    pub(super) fn boot() -> Option<String> {
        None
    }

    pub(super) fn started(_pid: u32) -> Option<u64> {
        None
    }

    pub(super) fn end(_run: &str, _bundle: &Path, _tag: &Tag) -> Leftovers {
        Leftovers::default()
    }

    /// Here it is not known whether a process is stopped, so the process counts as running.
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
    use super::{Leftovers, SUPERVISOR_WORD, TAG, Tag};
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

    /// How the processes of a stage and their supervisor are recognised.
    struct Signs {
        environment: [Vec<u8>; 3],
        arguments: [Vec<u8>; 3],
        since: u64,
    }

    /// The processes that are left of a stage.
    struct Left {
        /// Its processes, without supervisors.
        processes: Vec<Process>,
        supervisors: Vec<Process>,
        /// All processes, including those that have ended and are not reaped.
        known: BTreeSet<(i32, u64)>,
    }

    /// Searches until two searches in a row find no process and no process has ended between them. A process that was not seen
    /// may have started another one after the search, and a process that has just started has no environment for a moment.
    pub(super) fn end(run: &str, bundle: &Path, tag: &Tag) -> Leftovers {
        let nothing = Leftovers::default();
        let (Some(then), Some(since)) = (&tag.boot, tag.since) else { return nothing };
        // It had an id when the tag was made, so this process may not read it now.
        let Some(now) = boot() else { return Leftovers { is_blind: true, ..nothing } };
        if *then != now {
            return nothing;
        }
        let signs = Signs::of(run, bundle, tag, since);
        let (began, mut ended, mut known, mut looks_at_none) = (Instant::now(), BTreeSet::new(), BTreeSet::new(), 0);
        loop {
            let looked = signs.stop(began).and_then(|left| kill(&left.processes).map(|()| left));
            let is_quiet = looked.as_ref().is_ok_and(|left| left.processes.is_empty() && left.known == known);
            looks_at_none = if is_quiet { looks_at_none + 1 } else { 0 };
            let is_late = began.elapsed() > GRACE;
            let left = looked.as_ref().map_or(0, |left| left.processes.len());
            if let Ok(left) = looked {
                ended.extend(left.processes.iter().map(Process::identity));
                if looks_at_none == 2 && left.supervisors.is_empty() {
                    return Leftovers { found: ended.len(), left: 0, is_blind: false };
                }
                if looks_at_none == 2 && kill(&left.supervisors).is_ok() {
                    looks_at_none = 0;
                }
                known = left.known;
            }
            if is_late {
                return Leftovers { found: ended.len(), left, is_blind: left == 0 };
            }
            sleep(Duration::from_millis(1));
        }
    }

    fn kill(found: &[Process]) -> io::Result<()> {
        found.iter().try_for_each(|process| processes::signal(process, Signal::KILL))
    }

    impl Signs {
        fn of(run: &str, bundle: &Path, tag: &Tag, since: u64) -> Signs {
            let environment = [
                format!("EVLOG_RUN_ID={run}").into_bytes(),
                [b"EVLOG_RUN_DIR=".as_slice(), bundle.as_os_str().as_bytes()].concat(),
                format!("{TAG}={}", tag.text).into_bytes(),
            ];
            let [bundle, text] = tag.of_supervisor(bundle).map(|argument| argument.as_bytes().to_vec());
            Signs { environment, arguments: [SUPERVISOR_WORD.as_bytes().to_vec(), bundle, text], since }
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
            let (all, mut tagged, mut supervisors) = (processes::all()?, Vec::new(), Vec::new());
            for process in all.iter().filter(|process| process.pid != own && process.started >= self.since) {
                if self.is_supervisor(process)? {
                    supervisors.push(process);
                } else if self.is_marked(process)? {
                    tagged.push(process);
                }
            }
            let below = processes::below(&all, &tagged.iter().chain(&supervisors).map(|process| process.pid).collect());
            let is_below = |process: &Process| below.iter().any(|below| below.pid == process.pid);
            supervisors.retain(|supervisor| !is_below(supervisor));
            tagged.retain(|tagged| !is_below(tagged));
            let known = below.iter().chain(&supervisors).map(|process| process.identity()).collect();
            let runs = |process: &&&Process| process.runs() && process.pid != own;
            let processes = below.iter().chain(&tagged).filter(runs).copied().cloned().collect();
            Ok(Left { processes, supervisors: supervisors.into_iter().cloned().collect(), known })
        }

        /// A process that has ended has no environment.
        fn is_marked(&self, process: &Process) -> io::Result<bool> {
            let found = parts(process, "environ")?;
            Ok(self.environment.iter().all(|tag| found.contains(tag)) && process.is_there()?)
        }

        fn is_supervisor(&self, process: &Process) -> io::Result<bool> {
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

    fn start(run: &str, directory: &Path, tag: Option<&Tag>) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 100 & wait"]).stdout(Stdio::null());
        command.env("EVLOG_RUN_ID", run).env("EVLOG_RUN_DIR", directory);
        command.envs(tag.map(|tag| (TAG, &tag.text))).spawn().unwrap()
    }

    #[test]
    fn t01_the_processes_of_one_attempt_are_ended_and_no_others() {
        let bundle = tempfile::tempdir().unwrap();
        let (tag, another) = (Tag::draw(), Tag::draw());
        let mut left = start("left", bundle.path(), Some(&tag));
        let others = [
            ("another", bundle.path().to_owned(), Some(&tag)),
            ("left", bundle.path().join("elsewhere"), Some(&tag)),
            ("left", bundle.path().to_owned(), Some(&another)),
            // This process plays a person who looks at what a stage does, with the stage's environment.
            ("left", bundle.path().to_owned(), None),
        ];
        let mut others = others.map(|(run, directory, tag)| start(run, &directory, tag));
        // The shell may not have started its own process yet.
        let ended = end("left", bundle.path(), &tag).found;
        assert!((1..=2).contains(&ended), "{ended}");
        assert!(!left.wait().unwrap().success());
        assert_eq!(end("left", bundle.path(), &tag), Leftovers::default());
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
    fn t01_a_supervisor_is_known_by_its_command_line_and_everything_below_it_is_ended() {
        let bundle = tempfile::tempdir().unwrap();
        let (tag, another) = (Tag::draw(), Tag::draw());
        let supervisor = |tag: &Tag| {
            let mut command = Command::new("sh");
            let noted = bundle.path().join(&tag.text);
            let script = format!("env -i sleep 100 & echo $! > {0}.new; mv {0}.new {0}; wait", noted.display());
            command.args(["-c", &script, SUPERVISOR_WORD]).args(tag.of_supervisor(bundle.path())).env_clear();
            let supervisor = command.spawn().unwrap();
            while !noted.exists() {
                std::thread::yield_now();
            }
            (supervisor, std::fs::read_to_string(noted).unwrap())
        };
        let [(mut supervised, below), (mut other, kept)] = [&tag, &another].map(supervisor);
        // The supervisor does not count as a process of the stage.
        assert_eq!(end("r", bundle.path(), &tag), Leftovers { found: 1, left: 0, is_blind: false });
        // The supervisor may have seen the end of its child, and ended by itself.
        supervised.wait().unwrap();
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
        let tag = Tag::draw();
        let mut there = start("r", bundle.path(), Some(&tag));
        for not_its_own in [
            Tag { since: Some(u64::MAX), ..tag.clone() },
            Tag { boot: Some("another".to_owned()), ..tag.clone() },
            Tag { boot: None, since: None, ..tag.clone() },
        ] {
            assert_eq!(end("r", bundle.path(), &not_its_own), Leftovers::default(), "{not_its_own:?}");
            assert!(there.try_wait().unwrap().is_none());
        }
        assert!(end("r", bundle.path(), &tag).found >= 1);
        there.wait().unwrap();
    }
}
