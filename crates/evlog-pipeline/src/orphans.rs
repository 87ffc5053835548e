//! Processes of a stage that outlived the process that ran it.
//!
//! An orchestrator ends every process of a stage before it leaves it. One that was killed could not, and what it started
//! goes on writing where the stage's next attempt will write. The processes are known by their environment, which holds
//! the run and its bundle (`docs/plan.md`, "What a stage is given").
//!
//! Does: find them and end them, on Linux. Does not: find a process that cleared its environment, or any on other systems.
//!
//! Invariant: a signal goes to a process whose environment was read while it was held by its descriptor, so never to
//! another one that was given the same number.

use std::path::Path;

/// Ends what is left of the stages of a run, and says how many processes that were. Some may be left that are not this
/// user's.
#[cfg(target_os = "linux")]
pub(crate) fn end(run: &str, bundle: &Path) -> usize {
    linux::end(run, bundle)
}

/// Ends nothing: other systems do not tell the environment of a process.
#[cfg(not(target_os = "linux"))]
pub(crate) fn end(_run: &str, _bundle: &Path) -> usize {
    0
}

#[cfg(target_os = "linux")]
mod linux {
    use crate::limits::GRACE;
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    /// Looks again until none is found, since one that is seen may have started another that was not.
    pub(super) fn end(run: &str, bundle: &Path) -> usize {
        let marks = [
            format!("EVLOG_RUN_ID={run}").into_bytes(),
            [b"EVLOG_RUN_DIR=".as_slice(), bundle.as_os_str().as_bytes()].concat(),
        ];
        let (began, mut ended) = (Instant::now(), BTreeSet::new());
        loop {
            let found: Vec<i32> = processes().filter(|pid| end_marked(*pid, &marks)).collect();
            if found.is_empty() || began.elapsed() > GRACE {
                return ended.len();
            }
            ended.extend(found);
            sleep(Duration::from_millis(1));
        }
    }

    fn processes() -> impl Iterator<Item = i32> {
        let own = i32::try_from(std::process::id()).ok();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers.filter(move |pid| Some(*pid) != own)
    }

    /// Kills a process that has all the marks in its environment; says whether it had. A process that has ended has none.
    fn end_marked(pid: i32, marks: &[Vec<u8>]) -> bool {
        let Some(number) = Pid::from_raw(pid) else { return false };
        let Ok(held) = pidfd_open(number, PidfdFlags::empty()) else { return false };
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let has = |mark: &Vec<u8>| environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_slice());
        let marked = marks.iter().all(has);
        if marked {
            // One that ended by itself meanwhile is as good.
            let _ended = pidfd_send_signal(&held, Signal::KILL);
        }
        marked
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn the_processes_of_one_run_are_ended_and_no_others() {
        let bundle = tempfile::tempdir().unwrap();
        let start = |run: &str, directory: &Path| {
            let mut command = Command::new("sh");
            command.args(["-c", "sleep 100 & wait"]).stdout(Stdio::null());
            command.env("EVLOG_RUN_ID", run).env("EVLOG_RUN_DIR", directory).spawn().unwrap()
        };
        let mut left = start("left", bundle.path());
        let mut others = [start("another", bundle.path()), start("left", &bundle.path().join("elsewhere"))];
        // The shell may not have started its own yet.
        let ended = end("left", bundle.path());
        assert!((1..=2).contains(&ended), "{ended}");
        assert!(!left.wait().unwrap().success());
        assert_eq!(end("left", bundle.path()), 0);
        for other in &mut others {
            assert!(other.try_wait().unwrap().is_none(), "another run's process was ended");
        }
        assert!(end("another", bundle.path()) >= 1 && end("left", &bundle.path().join("elsewhere")) >= 1);
        for mut other in others {
            other.wait().unwrap();
        }
    }
}
