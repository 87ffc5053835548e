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
    let in_time = wait_for_end(&mut child, start.time_limit);
    end_group(&child, Signal::KILL);
    let status = child.wait()?;
    Ok(if in_time? { ended(status) } else { Ended::TimedOut })
}

/// Waits until the leader has ended, and leaves it as a zombie. Says whether it ended within its limit.
fn wait_for_end(child: &mut Child, limit: Option<Duration>) -> io::Result<bool> {
    let Some(limit) = limit else {
        has_ended(child, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
        return Ok(true);
    };
    if ends_within(child, limit)? {
        return Ok(true);
    }
    end_group(child, Signal::TERM);
    ends_within(child, GRACE)?;
    Ok(false)
}

/// Asks again and again, at growing distances of 1 to 20 ms: a wait with a limit that needs neither a thread nor a
/// signal handler, and is the same on every Unix.
fn ends_within(child: &Child, limit: Duration) -> io::Result<bool> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if has_ended(child, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG)? {
            return Ok(true);
        }
        let left = limit.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn has_ended(child: &Child, options: WaitIdOptions) -> io::Result<bool> {
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
