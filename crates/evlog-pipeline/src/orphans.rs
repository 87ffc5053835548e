//! Processes of a stage that outlived both the process that ran it and its guard.
//!
//! A stage's guard ends every process of the stage before it ends, and when evlog has ended. If both were killed, a
//! process of the stage may still write where the stage's next attempt will write. So before a stage begins, evlog notes
//! how its processes can be recognised: a random mark in their environment, and a time before which none of them was
//! started. A process that lacks any of this is not touched.
//!
//! Does: make marks, and on Linux find and end the processes with a mark. Does not: find a process that cleared its
//! environment, or any process on other systems.
//!
//! Invariant: a process gets a signal only if its environment was read while its descriptor was open. So no signal goes
//! to another process that got the same process id.

use evlog::random;
#[cfg(target_os = "linux")]
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
#[cfg(target_os = "linux")]
use std::io;
use std::path::Path;

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
    /// When evlog itself was started, in the system's ticks since that boot. All of them were started later.
    since: Option<u64>,
}

impl Mark {
    /// A new random mark for processes of this boot that start from now on.
    pub(crate) fn draw() -> Mark {
        let text = random::uuid();
        Mark { text, boot: system::boot(), since: system::started(std::process::id()) }
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

/// A result about a process: none if the process has ended meanwhile or belongs to another user. An error means that
/// nothing is known, because this process has no descriptors or no memory left.
#[cfg(target_os = "linux")]
pub(crate) fn if_there<T>(asked: io::Result<T>) -> io::Result<Option<T>> {
    match asked {
        Ok(said) => Ok(Some(said)),
        Err(error) if BLINDING.iter().any(|blinding| error.raw_os_error() == Some(blinding.raw_os_error())) => {
            Err(error)
        }
        Err(_) => Ok(None),
    }
}

/// Errors that say something about this process, not about the one that is examined.
#[cfg(target_os = "linux")]
const BLINDING: [Errno; 3] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];

/// Ends the processes of a stage that the mark finds.
pub(crate) fn end(run: &str, bundle: &Path, mark: &Mark) -> Marked {
    system::end(run, bundle, mark)
}

/// Whether a process is stopped by a signal or by a debugger. If the system does not say, it counts as running.
pub(crate) fn is_stopped(pid: u32) -> bool {
    system::is_stopped(pid)
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

    pub(super) fn is_stopped(_pid: u32) -> bool {
        false
    }
}

#[cfg(target_os = "linux")]
mod system {
    use super::{MARK, Mark, Marked, if_there};
    use crate::limits::GRACE;
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    use std::collections::BTreeSet;
    use std::ffi::OsString;
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
        let stat = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?).into_owned();
        // The 22nd field; the second one may hold blanks and ends with `)`.
        stat.rsplit(')').next()?.split_whitespace().nth(19)?.parse().ok()
    }

    pub(super) fn is_stopped(pid: u32) -> bool {
        let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name may hold blanks and bytes that are not UTF-8. It ends with `)`.
        String::from_utf8_lossy(&stat).rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['T', 't']))
    }

    /// Searches until two searches in a row find none: a process that was found may have started another one after the
    /// search, and a process that has just started has no environment for a moment.
    pub(super) fn end(run: &str, bundle: &Path, mark: &Mark) -> Marked {
        let is_of_this_life = mark.boot.is_some() && mark.boot == boot();
        let (Some(since), true) = (mark.since, is_of_this_life) else { return Marked::default() };
        let marks = [
            format!("EVLOG_RUN_ID={run}").into_bytes(),
            [b"EVLOG_RUN_DIR=".as_slice(), bundle.as_os_str().as_bytes()].concat(),
            format!("{MARK}={}", mark.text).into_bytes(),
        ];
        let (began, mut ended, mut looks_at_none) = (Instant::now(), BTreeSet::new(), 0);
        loop {
            let looked = look(&marks, since);
            let (found, is_blind) = looked.map_or_else(|_| (Vec::new(), true), |found| (found, false));
            let left = found.len();
            ended.extend(found);
            looks_at_none = if left == 0 && !is_blind { looks_at_none + 1 } else { 0 };
            if looks_at_none == 2 || began.elapsed() > GRACE {
                return Marked { found: ended.len(), left, is_blind };
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Ends all processes with the marks, and returns them. An error means that there may be others.
    fn look(marks: &[Vec<u8>], since: u64) -> io::Result<Vec<u32>> {
        let mut found = Vec::new();
        for pid in processes()? {
            if end_marked(pid, marks, since)? {
                found.push(pid);
            }
        }
        Ok(found)
    }

    fn processes() -> io::Result<impl Iterator<Item = u32>> {
        let own = std::process::id();
        let names: Vec<OsString> =
            fs::read_dir("/proc")?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
        Ok(names.into_iter().filter_map(|name| name.to_str()?.parse().ok()).filter(move |pid| *pid != own))
    }

    /// Kills a process that has all the marks in its environment and was not started before `since`. Returns whether it was
    /// such a process. A process that has ended has no environment.
    fn end_marked(pid: u32, marks: &[Vec<u8>], since: u64) -> io::Result<bool> {
        let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
        let held = pidfd_open(number, PidfdFlags::empty()).map_err(io::Error::from);
        let Some(held) = if_there(held)? else { return Ok(false) };
        let Some(environment) = if_there(fs::read(format!("/proc/{pid}/environ")))? else { return Ok(false) };
        let has = |mark: &Vec<u8>| environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_slice());
        let marked = marks.iter().all(has) && started(pid).is_some_and(|started| started >= since);
        if marked {
            // An error means that it has ended by itself meanwhile, which is fine.
            let _ended = pidfd_send_signal(&held, Signal::KILL);
        }
        Ok(marked)
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
            // A person who looks at what a stage does, with what it is given.
            ("left", bundle.path().to_owned(), None),
        ];
        let mut others = others.map(|(run, directory, mark)| start(run, &directory, mark));
        // The shell may not have started its own yet.
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
