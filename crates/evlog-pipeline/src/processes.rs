//! The processes of this machine, as the system lists them: Linux only.
//!
//! Does: list processes, find those that came from others, and signal a process. Does not: decide which of them to end.
//!
//! Invariant: a process gets a signal only if the process that has its number now was started at the same time as the listed
//! one. So no signal goes to another process that got the same number.

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

/// A process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    parent: i32,
    pub(crate) group: i32,
    /// When it was started, in the system's ticks since the boot.
    pub(crate) started: u64,
    state: char,
}

impl Process {
    /// Whether it is not a zombie, that is, a process that has ended and is not reaped yet.
    pub(crate) fn runs(&self) -> bool {
        self.state != 'Z'
    }

    /// Its number and when it was started: no other process has both.
    pub(crate) fn identity(&self) -> (i32, u64) {
        (self.pid, self.started)
    }

    /// Whether the process that has its number now is still the same process.
    pub(crate) fn is_there(&self) -> io::Result<bool> {
        Ok(look(self.pid)?.is_some_and(|now| now.identity() == self.identity()))
    }
}

/// All processes. The error means that there may be others, which could not be seen.
pub(crate) fn all() -> io::Result<Vec<Process>> {
    let names: Vec<OsString> = fs::read_dir("/proc")?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    let numbers = names.iter().filter_map(|name| name.to_str()?.parse::<i32>().ok());
    numbers.filter_map(|pid| look(pid).transpose()).collect()
}

/// The processes that came from one of the roots, including zombies.
pub(crate) fn below<'p>(all: &'p [Process], roots: &BTreeSet<i32>) -> Vec<&'p Process> {
    // A process may have been read before its parent ended, so a parent that has ended still counts.
    let by_number: BTreeMap<i32, &Process> = all.iter().map(|process| (process.pid, process)).collect();
    // A "parent" that was started later than its child only has the number of the real parent.
    let parent = |of: &Process| by_number.get(&of.parent).copied().filter(|parent| parent.started <= of.started);
    let comes_from_them = |process: &Process| {
        let above = std::iter::successors(parent(process), |process| parent(process));
        // A table that was read while processes came and went could contain a cycle.
        above.take(by_number.len()).any(|process| roots.contains(&process.pid))
    };
    all.iter().filter(|process| comes_from_them(process)).collect()
}

/// The system's file about a process, held open. To look again takes no new descriptor: a stage can leave this process none.
#[derive(Debug)]
pub(crate) struct Watched {
    pid: i32,
    stat: File,
}

impl Watched {
    /// `None` if the system does not show the process.
    pub(crate) fn of(pid: u32) -> Option<Watched> {
        let pid = i32::try_from(pid).ok()?;
        Some(Watched { pid, stat: File::open(format!("/proc/{pid}/stat")).ok()? })
    }

    /// Whether a signal or a debugger has stopped it.
    pub(crate) fn is_stopped(&self) -> bool {
        // The line has 52 fields, most of them small numbers.
        let mut stat = [0; 4096];
        let len = self.stat.read_at(&mut stat, 0).unwrap_or_default();
        read(self.pid, &String::from_utf8_lossy(&stat[..len])).is_some_and(|process| matches!(process.state, 'T' | 't'))
    }
}

/// The process that has a number; `None` if there is no such process.
pub(crate) fn look(pid: i32) -> io::Result<Option<Process>> {
    let stat = if_there(fs::read(format!("/proc/{pid}/stat")))?;
    Ok(stat.and_then(|stat| read(pid, &String::from_utf8_lossy(&stat))))
}

fn read(pid: i32, stat: &str) -> Option<Process> {
    // The name, which may hold blanks and bytes that are not text, ends with `)`.
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    // This is the 22nd field of the whole line.
    let started = fields.nth(16)?.parse().ok()?;
    Some(Process { pid, parent, group, started, state })
}

/// Signals a process that was listed, if it is still there.
pub(crate) fn signal(process: &Process, signal: Signal) -> io::Result<()> {
    let Some(number) = Pid::from_raw(process.pid) else { return Ok(()) };
    let held = if_there(pidfd_open(number, PidfdFlags::empty()).map_err(io::Error::from))?;
    let (Some(held), Some(now)) = (held, look(process.pid)?) else { return Ok(()) };
    if now.runs() && now.identity() == process.identity() {
        // An error means that the process has ended meanwhile, or belongs to another user. In the latter case it is found
        // again.
        let _gone = pidfd_send_signal(&held, signal);
    }
    Ok(())
}

/// Turns the error for a process that has ended meanwhile or belongs to another user into `None`. Any other error means that
/// nothing is known, because this process has no descriptors or no memory left.
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
const BLINDING: [Errno; 3] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
