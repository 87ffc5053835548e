//! One stage's process: started in a process group of its own, waited for, ended past its time limit.
//!
//! Does not: know stages, outcomes or the log. It says how the process ended and leaves the judgement to the caller.
//!
//! Invariants:
//! - When [`run`] returns, no process of the group is left that could still write: a stage that leaves something running
//!   in the background would otherwise change files after the publish gate has read them.
//! - The leader is reaped only after its group was ended. Until then its process id, which names the group, cannot be
//!   given to another process.
//! - No thread is started, and no zombie is left.

use crate::interrupt::Interrupts;
use crate::limits::GRACE;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What to start.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    /// The program and its arguments; not empty.
    pub(crate) command: &'a [String],
    /// Its working directory.
    pub(crate) directory: &'a Path,
    /// What is added to the environment of this process.
    pub(crate) environment: &'a [(String, OsString)],
    /// Takes standard output and standard error, in the order written. Opened for appending.
    pub(crate) output: &'a File,
    /// How long it may take.
    pub(crate) time_limit: Option<Duration>,
    /// Asks for it to be ended.
    pub(crate) interrupts: &'a Interrupts,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It ended by itself, with this exit status.
    Exited(i32),
    /// A signal that we did not send ended it.
    Signalled(i32),
    /// It was ended, with its whole group, because its time limit had passed.
    TimedOut,
    /// It was ended, with its whole group, because the run was asked to stop.
    Interrupted,
}

/// Starts the process, waits for it, and ends what is left of its group. An error means that it could not be started,
/// or could not be waited for.
pub(crate) fn run(start: &Start<'_>) -> io::Result<Ended> {
    let [program, arguments @ ..] = start.command else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"));
    };
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(start.directory)
        .envs(start.environment.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .stdout(start.output.try_clone()?)
        .stderr(start.output.try_clone()?)
        .process_group(0)
        .spawn()?;
    let cut_short = wait_for_end(&child, start);
    end_group(&child, Signal::KILL);
    let status = child.wait()?;
    Ok(cut_short?.unwrap_or_else(|| ended(status)))
}

/// Waits until the leader has ended, and leaves it as a zombie. Says how it was cut short, if it was.
fn wait_for_end(child: &Child, start: &Start<'_>) -> io::Result<Option<Ended>> {
    let limit = start.time_limit.unwrap_or(Duration::MAX);
    if ends_within(child, limit, &|| start.interrupts.is_urgent())? {
        return Ok(None);
    }
    let why = if start.interrupts.is_urgent() { Ended::Interrupted } else { Ended::TimedOut };
    end_group(child, Signal::TERM);
    ends_within(child, GRACE, &|| false)?;
    Ok(Some(why))
}

/// Asks again and again, at growing distances of 1 to 20 ms: a wait with a limit that needs neither a thread nor a
/// signal handler, and is the same on every Unix. Says whether the leader ended before the limit, and before it was to
/// be cut short.
fn ends_within(child: &Child, limit: Duration, cut_short: &dyn Fn() -> bool) -> io::Result<bool> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if has_ended(child)? {
            return Ok(true);
        }
        let left = limit.saturating_sub(began.elapsed());
        if left.is_zero() || cut_short() {
            return Ok(false);
        }
        sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn has_ended(child: &Child) -> io::Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    loop {
        match waitid(WaitId::Pid(Pid::from_child(child)), options) {
            Ok(status) => return Ok(status.is_some()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends a signal to the whole group. That nobody is there to take it is what we want, so no error is of interest.
fn end_group(child: &Child, signal: Signal) {
    let _gone = kill_process_group(Pid::from_child(child), signal);
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, Some(signal)) => Ended::Signalled(signal),
        (None, None) => unreachable!("a process that was reaped has exited or was ended by a signal"),
    }
}

#[cfg(test)]
mod tests;
