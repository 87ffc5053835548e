//! Every process that came from this one, or from another, however far it has gone: Linux only. Elsewhere a process that has left the stage's
//! group is not found.

use crate::orphans::Marked;
use std::collections::BTreeSet;
use std::io;
use std::process::Child;
use std::time::Duration;

/// Lets this process inherit what its descendants leave.
#[cfg(target_os = "linux")]
pub(super) fn inherit_all() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn inherit_all() -> io::Result<()> {
    Ok(())
}

/// Those that were found.
pub(super) struct Descendants {
    /// The group that was ended as a whole; what is still on its way out of it is none of them.
    group: u32,
    left: BTreeSet<i32>,
}

impl Descendants {
    /// None yet.
    pub(super) fn beside_group_of(leader: &Child) -> Descendants {
        Descendants { group: leader.id(), left: BTreeSet::new() }
    }

    /// How many different ones were found outside of the group.
    pub(super) fn had_left_the_group(&self) -> usize {
        self.left.len()
    }

    /// Ends all that are there now, and says how many that were. The error means that there may be others, which could not be
    /// seen.
    #[cfg(target_os = "linux")]
    pub(super) fn end(&mut self) -> io::Result<usize> {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let found = linux::descendants(own)?;
        for found in &found {
            linux::end(found, own)?;
        }
        let outside = found.iter().filter(|found| u32::try_from(found.group) != Ok(self.group));
        self.left.extend(outside.map(|found| found.pid));
        Ok(found.len())
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn end(&mut self) -> io::Result<usize> {
        Ok(0)
    }
}

/// Whether a process that came from this one traces any thread of another. What cannot be seen counts as not traced.
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

/// Ends everything that came from a guard which does not do so itself. What the guard would inherit stays its own, so it is
/// found as long as the guard is there. Looks again until none is left twice, for one that is seen may have started another that
/// was not, or the limit has passed.
#[cfg(target_os = "linux")]
pub(crate) fn end_below(guard: &Child, limit: Duration) -> Marked {
    let Ok(guard) = i32::try_from(guard.id()) else { return Marked::default() };
    let (began, mut ended, mut looks_at_none) = (std::time::Instant::now(), BTreeSet::new(), 0);
    loop {
        let looked = linux::descendants(guard).and_then(|found| {
            found.iter().try_for_each(|found| linux::end(found, guard))?;
            Ok(found)
        });
        let (found, is_blind) = looked.map_or_else(|_| (Vec::new(), true), |found| (found, false));
        ended.extend(found.iter().map(|found| found.pid));
        looks_at_none = if found.is_empty() && !is_blind { looks_at_none + 1 } else { 0 };
        if looks_at_none == 2 || began.elapsed() > limit {
            return Marked { found: ended.len(), left: found.len(), is_blind };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn end_below(_guard: &Child, _limit: Duration) -> Marked {
    Marked::default()
}

#[cfg(target_os = "linux")]
mod linux {
    use crate::orphans::if_there;
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    use std::collections::BTreeMap;
    use std::ffi::OsString;
    use std::fs;
    use std::io;
    use std::path::Path;

    /// A process.
    pub(super) struct Found {
        pub(super) pid: i32,
        parent: i32,
        pub(super) group: i32,
        /// Whether it is none that has ended and is not reaped yet.
        runs: bool,
    }

    /// The descendants of a process that are no zombies.
    pub(super) fn descendants(of: i32) -> io::Result<Vec<Found>> {
        let names: Vec<OsString> =
            fs::read_dir("/proc")?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
        let numbers = names.iter().filter_map(|name| name.to_str()?.parse::<i32>().ok());
        let found: Vec<Found> = numbers.filter_map(|pid| look(pid).transpose()).collect::<io::Result<_>>()?;
        // A process may have been looked at before its parent ended, so one that has ended is a parent all the same.
        let parents: BTreeMap<i32, i32> = found.iter().map(|found| (found.pid, found.parent)).collect();
        let comes_from_it = |mut pid: i32| {
            // A table that was read while processes came and went could have a circle in it.
            for _ in 0..parents.len() {
                match parents.get(&pid) {
                    Some(parent) if *parent == of => return true,
                    Some(parent) => pid = *parent,
                    None => return false,
                }
            }
            false
        };
        Ok(found.into_iter().filter(|found| found.runs && comes_from_it(found.pid)).collect())
    }

    /// The processes that trace a thread of this one.
    pub(super) fn tracers(of: i32) -> Vec<i32> {
        let threads = fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
        let tracers = threads.filter_map(|thread| said(&thread.path().join("status"), "TracerPid:"));
        // A thread may trace by itself.
        let whole = |tracer: i32| said(format!("/proc/{tracer}/status").as_ref(), "Tgid:");
        tracers.filter(|tracer| *tracer != 0).filter_map(whole).collect()
    }

    /// A number that a file of the system says.
    fn said(file: &Path, name: &str) -> Option<i32> {
        let status = fs::read(file).ok()?;
        String::from_utf8_lossy(&status).lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// The process of a number; none where there is none.
    fn look(pid: i32) -> io::Result<Option<Found>> {
        let stat = if_there(fs::read(format!("/proc/{pid}/stat")))?;
        Ok(stat.and_then(|stat| read(pid, &String::from_utf8_lossy(&stat))))
    }

    fn read(pid: i32, stat: &str) -> Option<Found> {
        // The name, which may hold blanks and what is no text, ends with `)`.
        let mut fields = stat.rsplit(')').next()?.split_whitespace();
        let runs = fields.next()? != "Z";
        let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Found { pid, parent, group, runs })
    }

    /// Kills a process, if the one that has its number now is still the one that was found.
    pub(super) fn end(found: &Found, root: i32) -> io::Result<()> {
        let Some(number) = Pid::from_raw(found.pid) else { return Ok(()) };
        let held = if_there(pidfd_open(number, PidfdFlags::empty()).map_err(io::Error::from))?;
        let (Some(held), Some(now)) = (held, look(found.pid)?) else { return Ok(()) };
        // Its parent may have ended meanwhile, and then it is the child of the process that all came from.
        if now.runs && (now.parent == found.parent || now.parent == root) {
            let _gone = pidfd_send_signal(&held, Signal::KILL);
        }
        Ok(())
    }
}
