//! Finds every process that came from this one or from another one, however it has changed its group or session. Linux only:
//! on other systems a process that has left the stage's group is not found.

use crate::orphans::Leftovers;
#[cfg(target_os = "linux")]
use crate::processes;
#[cfg(target_os = "linux")]
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io;
use std::process::Child;
use std::time::Duration;

/// Makes this process the parent of the orphans that its descendants leave.
#[cfg(target_os = "linux")]
pub(super) fn inherit_all() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn inherit_all() -> io::Result<()> {
    Ok(())
}

/// The descendants that were found.
pub(super) struct Descendants {
    /// The group that was ended as a whole. A process that is still ending in that group does not count.
    group: u32,
    left: BTreeSet<i32>,
}

impl Descendants {
    /// Starts with no descendants.
    pub(super) fn beside_group_of(leader: &Child) -> Descendants {
        Descendants { group: leader.id(), left: BTreeSet::new() }
    }

    /// How many different processes were found outside of the group.
    pub(super) fn had_left_the_group(&self) -> usize {
        self.left.len()
    }

    /// Ends all that are there now, and returns how many there were. The error means that there may be others, which could not
    /// be seen.
    #[cfg(target_os = "linux")]
    pub(super) fn end(&mut self) -> io::Result<usize> {
        let found = linux::descendants(rustix::process::getpid().as_raw_nonzero().get())?;
        found.iter().try_for_each(|found| processes::signal(found, Signal::KILL))?;
        let outside = found.iter().filter(|found| u32::try_from(found.group) != Ok(self.group));
        self.left.extend(outside.map(|found| found.pid));
        Ok(found.len())
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn end(&mut self) -> io::Result<usize> {
        Ok(0)
    }
}

/// Whether a descendant of this process traces any thread of `process`. What cannot be seen counts as not traced.
#[cfg(target_os = "linux")]
pub(super) fn trace(process: rustix::process::Pid) -> bool {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let tracers = linux::tracers(process.as_raw_nonzero().get());
    if tracers.is_empty() {
        return false;
    }
    linux::descendants(own).is_ok_and(|found| found.iter().any(|found| tracers.contains(&found.pid)))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn trace(_process: rustix::process::Pid) -> bool {
    false
}

/// Ends everything that came from a supervisor that does not do so itself. Orphans go to the supervisor, so they are found as
/// long as the supervisor exists. Searches until two searches in a row find nothing, because a process that was seen may have
/// started another one that was not; or until the limit has passed.
#[cfg(target_os = "linux")]
pub(crate) fn end_below(supervisor: &Child, limit: Duration) -> Leftovers {
    let Ok(supervisor) = i32::try_from(supervisor.id()) else { return Leftovers::default() };
    let (began, mut ended, mut looks_at_none) = (std::time::Instant::now(), BTreeSet::new(), 0);
    loop {
        let looked = linux::descendants(supervisor).and_then(|found| {
            found.iter().try_for_each(|found| processes::signal(found, Signal::KILL))?;
            Ok(found)
        });
        let (found, is_blind) = looked.map_or_else(|_| (Vec::new(), true), |found| (found, false));
        ended.extend(found.iter().map(|found| found.pid));
        looks_at_none = if found.is_empty() && !is_blind { looks_at_none + 1 } else { 0 };
        if looks_at_none == 2 || began.elapsed() > limit {
            return Leftovers { found: ended.len(), left: found.len(), is_blind };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn end_below(_supervisor: &Child, _limit: Duration) -> Leftovers {
    Leftovers::default()
}

#[cfg(target_os = "linux")]
mod linux {
    use crate::processes::{Process, all, below};
    use std::collections::BTreeSet;
    use std::fs;
    use std::io;
    use std::path::Path;

    /// The descendants of a process, without zombies.
    pub(super) fn descendants(of: i32) -> io::Result<Vec<Process>> {
        let all = all()?;
        Ok(below(&all, &BTreeSet::from([of])).into_iter().filter(|process| process.runs()).cloned().collect())
    }

    /// The processes that trace a thread of this one.
    pub(super) fn tracers(of: i32) -> Vec<i32> {
        let threads = fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
        let tracers = threads.filter_map(|thread| said(&thread.path().join("status"), "TracerPid:"));
        // The tracer may be one thread of its process.
        let whole = |tracer: i32| said(format!("/proc/{tracer}/status").as_ref(), "Tgid:");
        tracers.filter(|tracer| *tracer != 0).filter_map(whole).collect()
    }

    /// A number from a file of the system.
    fn said(file: &Path, name: &str) -> Option<i32> {
        let status = fs::read(file).ok()?;
        String::from_utf8_lossy(&status).lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}
