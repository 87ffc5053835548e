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

    /// Ends all that are there now, and says how many that were.
    #[cfg(target_os = "linux")]
    pub(super) fn end(&mut self) -> usize {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let found = linux::descendants(own);
        for found in &found {
            linux::end(found, own);
        }
        let outside = found.iter().filter(|found| u32::try_from(found.group) != Ok(self.group));
        self.left.extend(outside.map(|found| found.pid));
        found.len()
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn end(&mut self) -> usize {
        0
    }
}

/// Ends everything that came from a guard which does not do so itself. What the guard would inherit stays its own, so it is
/// found as long as the guard is there. Looks again until none is left, or the limit has passed.
#[cfg(target_os = "linux")]
pub(crate) fn end_below(guard: &Child, limit: Duration) -> Marked {
    let Ok(guard) = i32::try_from(guard.id()) else { return Marked::default() };
    let (began, mut ended) = (std::time::Instant::now(), BTreeSet::new());
    loop {
        let found = linux::descendants(guard);
        for found in &found {
            linux::end(found, guard);
        }
        ended.extend(found.iter().map(|found| found.pid));
        if found.is_empty() || began.elapsed() > limit {
            return Marked { found: ended.len(), left: found.len() };
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
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    use std::collections::BTreeMap;
    use std::fs;

    /// A process that runs.
    pub(super) struct Found {
        pub(super) pid: i32,
        parent: i32,
        pub(super) group: i32,
    }

    /// The descendants of a process that are no zombies.
    pub(super) fn descendants(of: i32) -> Vec<Found> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let found: Vec<Found> = numbers.filter_map(look).collect();
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
        found.into_iter().filter(|found| comes_from_it(found.pid)).collect()
    }

    fn look(pid: i32) -> Option<Found> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, which may hold blanks, ends with `)`.
        let mut fields = stat.rsplit(')').next()?.split_whitespace();
        let runs = fields.next()? != "Z";
        let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        runs.then_some(Found { pid, parent, group })
    }

    /// Kills a process, if the one that has its number now is still the one that was found.
    pub(super) fn end(found: &Found, root: i32) {
        let Some(number) = Pid::from_raw(found.pid) else { return };
        let Ok(held) = pidfd_open(number, PidfdFlags::empty()) else { return };
        // Its parent may have ended meanwhile, and then it is the child of the process that all came from.
        if look(found.pid).is_some_and(|now| now.parent == found.parent || now.parent == root) {
            let _gone = pidfd_send_signal(&held, Signal::KILL);
        }
    }
}
