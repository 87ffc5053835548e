//! One stage's process: started in a process group of its own, read, waited for, ended past its time limit.
//!
//! Does not: know stages, outcomes or the log. It says how the process ended and leaves the judgement to the caller; what
//! it prints is handed on as it comes.
//!
//! Invariants:
//! - When [`run`] returns, no process of the group is left that could still write: a stage that leaves something running
//!   in the background would otherwise change files after the publish gate has read them.
//! - The leader is reaped only after its group was ended. Until then its process id, which names the group, cannot be
//!   given to another process.
//! - Standard output and standard error are one pipe, so they are read in the order written. A process that has left the
//!   group can hold the pipe for [`DRAIN`] after the leader's end, and no longer.
//! - No thread is started, and no zombie is left.

use crate::interrupt::Interrupts;
use crate::limits::{DRAIN, GRACE};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::OsString;
use std::io::{self, PipeReader, Read};
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
    /// Its whole environment.
    pub(crate) environment: &'a [(OsString, OsString)],
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

/// How a process ended, and whether all was read that it printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// How its leader ended.
    pub(crate) ended: Ended,
    /// Whether some process that left the group still holds the output; what it prints from now on is lost.
    pub(crate) is_held: bool,
}

/// Starts the process, hands on what it prints, waits for it, and ends what is left of its group. An error means that it
/// could not be started, or could not be waited for.
pub(crate) fn run(start: &Start<'_>, output: &mut dyn FnMut(&[u8])) -> io::Result<End> {
    let [program, arguments @ ..] = start.command else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"));
    };
    let (reader, writer) = io::pipe()?;
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(start.directory)
        .env_clear()
        .envs(start.environment.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .spawn()?;
    let mut pipe = Pipe { reader: Some(reader), piece: vec![0; PIECE_LEN], output };
    let cut_short = wait_for_end(&child, start, &mut pipe);
    end_group(&child, Signal::KILL);
    let is_held = !pipe.drain();
    let status = child.wait()?;
    Ok(End { ended: cut_short?.unwrap_or_else(|| ended(status)), is_held })
}

/// As much as a pipe holds on most systems, in bytes.
const PIECE_LEN: usize = 64 * 1024;

/// The reading end of the process's output, until it is closed.
struct Pipe<'a> {
    reader: Option<PipeReader>,
    piece: Vec<u8>,
    output: &'a mut dyn FnMut(&[u8]),
}

impl Pipe<'_> {
    /// Waits for output, at most for `pause`, and hands on one piece of it. Says whether anything happened.
    fn take(&mut self, pause: Duration) -> io::Result<bool> {
        let Some(reader) = &mut self.reader else {
            sleep(pause);
            return Ok(false);
        };
        let pause = Timespec::try_from(pause).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(reader, PollFlags::IN)], Some(&pause)) {
            Ok(0) | Err(Errno::INTR) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match reader.read(&mut self.piece) {
            Ok(0) => self.reader = None,
            Ok(len) => (self.output)(&self.piece[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Reads what the group has left in the pipe. Says whether that was all: else somebody still holds it.
    fn drain(&mut self) -> bool {
        let began = Instant::now();
        while self.reader.is_some() {
            let left = DRAIN.saturating_sub(began.elapsed());
            if left.is_zero() || self.take(left).is_err() {
                return false;
            }
        }
        true
    }
}

/// Waits until the leader has ended, and leaves it as a zombie. Says how it was cut short, if it was.
fn wait_for_end(child: &Child, start: &Start<'_>, pipe: &mut Pipe<'_>) -> io::Result<Option<Ended>> {
    let limit = start.time_limit.unwrap_or(Duration::MAX);
    if ends_within(child, pipe, limit, &|| start.interrupts.is_urgent())? {
        return Ok(None);
    }
    let why = if start.interrupts.is_urgent() { Ended::Interrupted } else { Ended::TimedOut };
    end_group(child, Signal::TERM);
    ends_within(child, pipe, GRACE, &|| false)?;
    Ok(Some(why))
}

/// Asks again and again, between pieces of output and at growing distances of 1 to 20 ms: a wait with a limit that needs
/// neither a thread nor a signal handler, and is the same on every Unix. Says whether the leader ended before the limit,
/// and before it was to be cut short.
fn ends_within(child: &Child, pipe: &mut Pipe<'_>, limit: Duration, cut_short: &dyn Fn() -> bool) -> io::Result<bool> {
    let began = Instant::now();
    let mut pause = PAUSE_MIN;
    loop {
        if has_ended(child)? {
            return Ok(true);
        }
        let left = limit.saturating_sub(began.elapsed());
        if left.is_zero() || cut_short() {
            return Ok(false);
        }
        let happened = pipe.take(pause.min(left))?;
        pause = if happened { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
    }
}

const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(20);

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
