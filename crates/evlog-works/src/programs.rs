//! Works that need a separate process: whole commands timed from start to end, followers, and writers that are killed.

use crate::events::audit_events;
use crate::machine::process_bytes;
use crate::watch::Stopped;
use crate::{Done, during, ours};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The pause between two readings of a running command's memory.
const LOOK: Duration = Duration::from_millis(2);

/// The programs that works start.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The command `evlog`.
    pub evlog: PathBuf,
    /// This program, with the arguments that make it run [`write_until_killed`]; a number of events and a directory follow.
    pub victim: Vec<OsString>,
    /// A program that hashes the files it is given, with the arguments before them; `None` if there is none to
    /// compare with.
    pub hasher: Option<Vec<OsString>>,
    /// The formats that `evlog export` was built with.
    pub formats: Vec<&'static str>,
}

/// The cost of a whole command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// From its start to its end.
    pub time: Duration,
    /// The most anonymous memory that was seen in use, in bytes; `None` when the system does not report it.
    pub memory: Option<u64>,
    /// Whether it ended by itself, and not because it was stopped at its time limit.
    pub ended: bool,
}

impl Programs {
    /// `evlog COMMAND --log DIR`, with its output discarded.
    pub fn evlog(&self, command: &str, log: &Path) -> Command {
        let mut program = Command::new(&self.evlog);
        program.arg(command).arg("--log").arg(log).arg("--quiet");
        program
    }

    /// The hasher over the segments of a log.
    pub fn hasher(&self, log: &Path) -> Done<Option<Command>> {
        let Some((program, arguments)) = self.hasher.as_deref().and_then(<[OsString]>::split_first) else {
            return Ok(None);
        };
        let mut segments = crate::machine::files_below(&log.join("segments"))?;
        segments.retain(|path| path.extension().is_some_and(|suffix| suffix == "seg"));
        let mut command = Command::new(program);
        command.args(arguments).args(segments);
        Ok(Some(command))
    }

    /// Starts a child that writes to a new log in `dir`, and kills it when it has written this many events or when the first
    /// segment is almost full.
    pub fn killed_writer(&self, count: usize, dir: &Path) -> Done<()> {
        let (program, arguments) = self.victim.split_first().ok_or("there is no program to kill")?;
        let mut command = Command::new(program);
        command.args(arguments).arg(count.to_string()).arg(dir);
        let (mut child, mut out) = piped(command)?;
        let mut word = vec![0; READY.len() + 1];
        let ready = out.read_exact(&mut word);
        child.kill().map_err(during("kill a writer"))?;
        child.wait()?;
        ready.map_err(|error| format!("the writer that was to be killed ended before it was ready: {error}"))?;
        Ok(())
    }
}

/// Starts a command with its standard output in a pipe; its standard error is inherited.
pub(crate) fn piped(mut command: Command) -> Done<(Child, ChildStdout)> {
    let name = command.get_program().to_owned();
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = started.map_err(during(format_args!("start `{}`", name.display())))?;
    let out = child.stdout.take().ok_or("a child has no pipe")?;
    Ok((child, out))
}

/// Runs a command to its end, and discards its output.
pub fn run(command: Command) -> Done<Duration> {
    Ok(run_watched(command, None, &mut || false)?.time)
}

/// Runs a command and samples its memory, which takes some of its time. The command is stopped at the time limit, or when
/// `stops` says so.
pub fn run_patiently(command: Command, patience: Duration, stops: &mut dyn FnMut() -> bool) -> Done<Spent> {
    run_watched(command, Some(patience), stops)
}

fn run_watched(mut command: Command, patience: Option<Duration>, stops: &mut dyn FnMut() -> bool) -> Done<Spent> {
    let name = command.get_program().to_owned();
    let begin = Instant::now();
    let started = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let mut child = Guard(started.map_err(during(format_args!("start `{}`", name.display())))?);
    let mut memory = None;
    let status = loop {
        let Some(patience) = patience else { break child.0.wait()? };
        memory = memory.max(process_bytes(child.0.id(), "RssAnon"));
        if let Some(status) = child.0.try_wait()? {
            break status;
        }
        if stops() {
            return Err(Stopped.into());
        }
        let time = begin.elapsed();
        if time > patience {
            return Ok(Spent { time, memory, ended: false });
        }
        std::thread::sleep(LOOK);
    };
    let time = begin.elapsed();
    if !status.success() {
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        return Err(format!("expected `{} {}` to succeed, found {status}", name.display(), arguments.join(" ")).into());
    }
    Ok(Spent { time, memory, ended: true })
}

/// The line that a victim prints when it can be killed.
pub const READY: &str = "ready";

/// Events of a commit of a victim.
const BATCH: usize = 1000;

/// In the child: appends this many events, but stops when the first segment is almost full. Then it prints [`READY`] by `say`,
/// and waits to be killed.
pub fn write_until_killed(count: usize, dir: &Path, say: &mut dyn FnMut(&str) -> Done<()>) -> Done<()> {
    let events = audit_events(count)?;
    let writer = ours::writer(dir)?;
    let mut longest = 0;
    for first in (0..count).step_by(BATCH) {
        let before = writer.end().0;
        // There must be room for one more commit as long as the longest, so that the segment is full and not sealed.
        let full = before + 2 * longest >= ours::SEGMENT;
        ours::append(&writer, &events, first..count.min(first + BATCH), full || first + BATCH >= count)?;
        longest = longest.max(writer.end().0 - before);
        if full {
            break;
        }
    }
    say(READY)?;
    // The parent kills this process. If the parent has ended, the process ends after a minute.
    std::thread::park_timeout(Duration::from_mins(1));
    Ok(())
}

/// The lines of a child: the moment at which each was read.
pub(crate) fn lines(out: ChildStdout) -> std::sync::mpsc::Receiver<Instant> {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut out = BufReader::new(out);
        let mut line = Vec::new();
        while out.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if send.send(Instant::now()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receive
}

/// Ends a child when it is dropped.
#[derive(Debug)]
pub(crate) struct Guard(pub(crate) Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It is not a failure if the child has ended already.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}
