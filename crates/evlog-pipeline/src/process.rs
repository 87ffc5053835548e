//! One stage's process: a supervisor starts it, evlog reads its output, waits for it, and ends it when its time limit has
//! passed.
//!
//! Does not: use plans, outcomes or the log. It returns how the process ended, and the caller judges. Output is handed on as
//! it comes.
//!
//! Invariants:
//! - When [`run`] returns, no process is left that came from the stage's process and that this user may end. A process that
//!   runs on in the background could otherwise change files after the publish gate has read them (`supervisor.rs`).
//! - Standard output and standard error are one pipe, so they are read in the order written. A process that was given the pipe
//!   and is not a descendant of the stage's process can hold it for [`DRAIN`] after the end, and no longer.
//! - No thread is started. No zombie is left, except a supervisor that somebody keeps from ending.

use crate::interrupt::Interrupts;
use crate::limits::{DRAIN, GRACE, SUPERVISOR_LIMIT};
use crate::orphans::{Leftovers, Watched};
use crate::supervisor::{ASK_TO_END, END_ALL, Supervisor, Word, command_bytes, end_below, keep_out};
use evlog::random;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use std::ffi::OsString;
use std::io::{self, PipeReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The process to start.
pub(crate) struct Start<'a> {
    /// The program and its arguments; not empty.
    pub(crate) command: &'a [String],
    /// Its working directory.
    pub(crate) directory: &'a Path,
    /// Its whole environment.
    pub(crate) environment: &'a [(OsString, OsString)],
    /// Its time limit.
    pub(crate) time_limit: Option<Duration>,
    /// May request that the process be ended.
    pub(crate) interrupts: &'a Interrupts,
    /// How the supervisor of the process is started.
    pub(crate) supervisor: &'a Supervisor,
    /// How its supervisor is recognised: arguments that the supervisor does not read.
    pub(crate) supervisor_tags: &'a [OsString; 2],
    /// Ends the processes with the stage's tag, if the supervisor does not end them.
    pub(crate) end_tagged: &'a dyn Fn() -> Leftovers,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The process ended by itself, with this exit status.
    Exited(i32),
    /// A signal that we did not send ended it.
    Signalled(i32),
    /// The process was ended, with all that came from it, because its time limit had passed. A report of the supervisor counts
    /// instead if it arrived by the time when this process noticed that, or if it says that the stage traced this process.
    TimedOut,
    /// It was ended, with all that came from it, because the run was asked to stop.
    Interrupted,
    /// It was ended, with all that came from it, because one of its processes traced this process.
    Traced,
    /// Another process ended or stopped its supervisor, so it is not known how the process ended.
    Unsupervised,
}

/// The reason why a supervisor did not say how the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LostSupervisor {
    /// It existed, and did not react to orders.
    Stopped,
    /// It could not see what was left of the stage.
    Blind,
    /// It had ended.
    Ended,
}

/// A supervisor that did not report how the process ended, and what was done instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The reason why it did not report.
    pub(crate) supervisor: LostSupervisor,
    /// The processes below it that were found.
    pub(crate) below: Leftovers,
    /// The processes that were found by the stage's tag.
    pub(crate) tagged: Leftovers,
}

impl Lost {
    /// How many of the processes that were found are left at the end.
    pub(crate) fn left(&self) -> usize {
        self.below.left.max(self.tagged.left)
    }

    /// Whether there may be others, which a later search can find.
    pub(crate) fn is_blind(&self) -> bool {
        let is_never_seen = self.supervisor != LostSupervisor::Ended && cfg!(not(target_os = "linux"));
        self.below.is_blind || self.tagged.is_blind || is_never_seen
    }
}

/// How a process ended, what it left, and whether all its output was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// How the leader of the stage ended.
    pub(crate) ended: Ended,
    /// Whether a process that is not a descendant still holds the output. What it prints from now on is lost.
    pub(crate) is_held: bool,
    /// How many processes had left its group, and were ended with it.
    pub(crate) left: usize,
    /// The number of processes that could not be ended.
    pub(crate) stubborn: usize,
    /// Set if its supervisor did not do its work.
    pub(crate) supervisor_lost: Option<Lost>,
}

impl End {
    /// Whether a later search may find more of its processes than are found now.
    pub(crate) fn leaves_some_to_find(&self) -> bool {
        self.stubborn > 0 || self.supervisor_lost.is_some_and(|lost| lost.is_blind() || lost.left() > 0)
    }

    /// Whether it is known that all its processes have ended. What a killed supervisor leaves may have no tag.
    pub(crate) fn is_known_to_be_over(&self) -> bool {
        let is_unseen = self.supervisor_lost.is_some_and(|lost| lost.supervisor == LostSupervisor::Ended);
        !is_unseen && !self.leaves_some_to_find()
    }
}

/// Starts the process, reports its output, waits for it, and ends the processes that are left. An error means that the
/// process could not be started, or could not be waited for.
pub(crate) fn run(start: &Start<'_>, output: &mut dyn FnMut(&[u8])) -> io::Result<End> {
    keep_out();
    let (reader, writer) = io::pipe()?;
    let mut supervised = Supervised::start(start, &writer)?;
    drop(writer);
    // Both pipes are only read when they have something, or tried without waiting.
    fcntl_setfl(&reader, OFlags::NONBLOCK)?;
    fcntl_setfl(&supervised.says, OFlags::NONBLOCK)?;
    let mut pipe = Pipe { reader: Some(reader), piece: vec![0; PIECE_LEN], output };
    let cut_short = supervised.wait_for_end(start, &mut pipe);
    let finished = supervised.finish(start, &mut pipe);
    let is_held = !pipe.drain();
    let (cut_short, (word, supervisor_lost)) = (cut_short?, finished?);
    match word {
        Some(Word::NotStarted { number: Some(number), .. }) => Err(io::Error::from_raw_os_error(number)),
        Some(Word::NotStarted { message, .. }) => Err(io::Error::new(io::ErrorKind::InvalidInput, message)),
        Some(Word::Ended { exited, signalled, left, stubborn, traced }) => {
            let own = exited.map(Ended::Exited).or(signalled.map(Ended::Signalled)).unwrap_or(Ended::Unsupervised);
            Ok(End { ended: why_ended(own, cut_short, traced), is_held, left, stubborn, supervisor_lost })
        }
        Some(Word::Ready | Word::Blind { .. }) | None => {
            Ok(End { ended: cut_short.unwrap_or(Ended::Unsupervised), is_held, left: 0, stubborn: 0, supervisor_lost })
        }
    }
}

/// How a stage ended. `own` is how it ended by itself, `cut_short` why this process ended it early, `traced` whether it traced
/// this process. A tracer can hold this process up until the time limit has passed; then the reason is the tracing. A run that
/// was interrupted stays in progress.
fn why_ended(own: Ended, cut_short: Option<Ended>, traced: bool) -> Ended {
    match cut_short {
        Some(Ended::Interrupted) => Ended::Interrupted,
        _ if traced => Ended::Traced,
        _ => cut_short.unwrap_or(own),
    }
}

/// As much as a pipe holds on most systems, in bytes.
const PIECE_LEN: usize = 64 * 1024;
/// How often to try to start a supervisor. A Ctrl-C for evlog can end a supervisor that does not have its own session yet.
const STARTS: usize = 3;

/// A supervisor, and what it has reported.
struct Supervised {
    child: Child,
    /// Shows whether it is stopped; `None` if the system does not show that. Then the supervisor counts as running.
    watched: Option<Watched>,
    /// Closed when everything must end.
    orders: Option<ChildStdin>,
    says: ChildStdout,
    /// The text that its reports about the stage begin with.
    secret: String,
    heard: Vec<u8>,
    /// Whether no further report can come.
    is_over: bool,
    /// Since when every check has found the supervisor stopped.
    stopped_since: Option<Instant>,
    looked: Instant,
}

impl Supervised {
    fn start(start: &Start<'_>, output: &io::PipeWriter) -> io::Result<Supervised> {
        for _ in 0..STARTS {
            let mut supervised = Supervised::spawn(start, output)?;
            // If the supervisor has ended, the code below notices that no report comes.
            let _gone = supervised.send(&command_bytes(&supervised.secret, start.command)?);
            if supervised.hears_ready()? {
                return Ok(supervised);
            }
            let _status = supervised.child.wait()?;
        }
        let supervisor = start.supervisor.program.display();
        Err(io::Error::other(format!("expected `{supervisor}` to supervise the stage, and it ended")))
    }

    fn spawn(start: &Start<'_>, output: &io::PipeWriter) -> io::Result<Supervised> {
        let mut child = Command::new(&start.supervisor.program)
            .args(&start.supervisor.arguments)
            .args(start.supervisor_tags)
            .current_dir(start.directory)
            .env_clear()
            .envs(start.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(output.try_clone()?)
            .spawn()?;
        let (Some(orders), Some(says)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked to be pipes")
        };
        let (watched, secret) = (Watched::of(child.id()), random::name());
        let (orders, heard, looked) = (Some(orders), Vec::new(), Instant::now());
        Ok(Supervised { child, watched, orders, says, secret, heard, is_over: false, stopped_since: None, looked })
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.orders.as_mut().map_or(Ok(()), |orders| orders.write_all(bytes))
    }

    fn hears_ready(&mut self) -> io::Result<bool> {
        while !self.is_over {
            if self.words().any(|word| word == Word::Ready) {
                return Ok(true);
            }
            self.hear()?;
        }
        Ok(self.words().any(|word| word == Word::Ready))
    }

    /// Reads a piece of its reports. Returns whether there was something to read, or the end.
    fn hear(&mut self) -> io::Result<bool> {
        let mut piece = [0; 4096];
        match self.says.read(&mut piece) {
            Ok(0) => self.is_over = true,
            Ok(len) => self.heard.extend_from_slice(&piece[..len]),
            Err(error) if is_nothing_yet(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Its reports so far.
    fn words(&self) -> impl Iterator<Item = Word> {
        let whole = self.heard.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.heard[..whole].split(|byte| *byte == b'\n').filter_map(|line| {
            let word = |text| serde_json::from_slice(text).ok();
            match line.strip_prefix(self.secret.as_bytes()) {
                Some(text) => word(text),
                // This is reported before there is a stage. Any other line without the secret is not the supervisor's.
                None => word(line).filter(|word| *word == Word::Ready),
            }
        })
    }

    /// Its report about the stage, or that it cannot see what is left.
    fn last_word(&self) -> Option<Word> {
        self.words().find(|word| *word != Word::Ready)
    }

    /// Waits until the process has ended. Returns why it was ended early, if it was.
    fn wait_for_end(&mut self, start: &Start<'_>, pipe: &mut Pipe<'_>) -> io::Result<Option<Ended>> {
        let limit = start.time_limit.unwrap_or(Duration::MAX);
        if self.ends_within(pipe, limit, &|| start.interrupts.is_urgent())? || self.is_stopped() {
            return Ok(None);
        }
        let why = if start.interrupts.is_urgent() { Ended::Interrupted } else { Ended::TimedOut };
        let _gone = self.send(&[ASK_TO_END]);
        self.ends_within(pipe, GRACE, &|| false)?;
        Ok(Some(why))
    }

    /// Hands on output until the supervisor has given its last report. Returns whether it has, by the time when this process
    /// finds that the limit has passed or that the stage must be cut short.
    fn ends_within(&mut self, pipe: &mut Pipe<'_>, limit: Duration, cut_short: &dyn Fn() -> bool) -> io::Result<bool> {
        let began = Instant::now();
        while self.last_word().is_none() && !self.is_over {
            let left = limit.saturating_sub(began.elapsed());
            if left.is_zero() || cut_short() || self.is_stopped() {
                // While this process was held up (stopped, traced, by a slow disk), the stage may have ended in time.
                self.hear()?;
                return Ok(self.last_word().is_some());
            }
            // This is checked before the reports are read, so that reports from before the supervisor's end are still read.
            let has_ended = self.child.try_wait()?.is_some();
            let is_heard = pipe.wait(Some(&self.says), left.min(PAUSE))? && self.hear()?;
            if !is_heard && has_ended {
                // Somebody else may hold the supervisor's pipe open. Nothing from that pipe counts.
                self.is_over = true;
            }
        }
        Ok(true)
    }

    /// Whether the supervisor was stopped, and therefore ends nothing. It is not continued, because it could be stopped
    /// again at once. A supervisor that is stopped only for a moment is not given up.
    fn is_stopped(&mut self) -> bool {
        if self.looked.elapsed() >= PAUSE {
            self.looked = Instant::now();
            let since = self.stopped_since.unwrap_or(self.looked);
            self.stopped_since = self.watched.as_ref().is_some_and(Watched::is_stopped).then_some(since);
        }
        self.stopped_since.is_some_and(|since| since.elapsed() > STOPPED_MAX)
    }

    /// Orders the supervisor to end everything. Returns its last report or, if there is none, what was done without a
    /// supervisor.
    fn finish(mut self, start: &Start<'_>, pipe: &mut Pipe<'_>) -> io::Result<(Option<Word>, Option<Lost>)> {
        // The supervisor ends everything on an order, and when its pipe closes, which a stage may hold open.
        let _gone = self.send(&[END_ALL]);
        self.orders = None;
        let ended = self.ends_within(pipe, SUPERVISOR_LIMIT, &|| false);
        if let (Ok(true), Some(word)) = (&ended, self.last_word().filter(|word| !is_blind(word))) {
            let _status = self.child.wait()?;
            return Ok((Some(word), None));
        }
        let lost = self.give_up(start)?;
        ended.map(|_| (None, Some(lost)))
    }

    /// Does the supervisor's work. Orphans of the stage are children of the supervisor while it exists, so it is ended last.
    fn give_up(&mut self, start: &Start<'_>) -> io::Result<Lost> {
        let is_there = self.child.try_wait()?.is_none() && !self.is_over;
        let supervisor = match self.last_word() {
            Some(word) if is_blind(&word) => LostSupervisor::Blind,
            _ if is_there => LostSupervisor::Stopped,
            _ => LostSupervisor::Ended,
        };
        let below = if is_there { end_below(&self.child, GRACE) } else { Leftovers::default() };
        let _gone = self.child.kill();
        let tagged = (start.end_tagged)();
        // A process that traces the supervisor could even delay the moment when its end is seen.
        let began = Instant::now();
        while self.child.try_wait()?.is_none() && began.elapsed() < GRACE {
            std::thread::sleep(PAUSE);
        }
        Ok(Lost { supervisor, below, tagged })
    }
}

fn is_nothing_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

fn is_blind(word: &Word) -> bool {
    matches!(word, Word::Blind { .. })
}

/// Time between two checks of whether the process should be ended.
const PAUSE: Duration = Duration::from_millis(20);
/// A supervisor that is stopped for longer than this without a break is given up.
const STOPPED_MAX: Duration = Duration::from_millis(500);

/// The reading end of the process's output, until it is closed.
struct Pipe<'a> {
    reader: Option<PipeReader>,
    piece: Vec<u8>,
    output: &'a mut dyn FnMut(&[u8]),
}

impl Pipe<'_> {
    /// Waits for output, at most for `pause`, and hands on one piece of it. Returns whether the other stream may have
    /// something.
    fn wait(&mut self, other: Option<&ChildStdout>, pause: Duration) -> io::Result<bool> {
        let (limit, pause) = (pause, Timespec::try_from(pause).map_err(io::Error::other)?);
        let mut asked: Vec<PollFd<'_>> = Vec::with_capacity(2);
        asked.extend(other.map(|other| PollFd::new(other, PollFlags::IN)));
        asked.extend(self.reader.as_ref().map(|reader| PollFd::new(reader, PollFlags::IN)));
        match poll(&mut asked, Some(&pause)) {
            Ok(0) | Err(Errno::INTR) => return Ok(false),
            Ok(_) => {}
            // A stage has lowered this process's limit below the number of descriptors that are polled here (`prlimit
            // --nofile=1`).
            Err(Errno::INVAL) => {
                drop(asked);
                std::thread::sleep(limit.min(PAUSE));
                return self.take().map(|()| other.is_some());
            }
            Err(error) => return Err(error.into()),
        }
        let mut has_something = asked.iter().map(|asked| !asked.revents().is_empty());
        let is_other_ready = other.is_some() && has_something.next() == Some(true);
        if self.reader.is_some() && has_something.next() == Some(true) {
            drop(has_something);
            self.take()?;
        }
        Ok(is_other_ready)
    }

    fn take(&mut self) -> io::Result<()> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        match reader.read(&mut self.piece) {
            Ok(0) => self.reader = None,
            Ok(len) => (self.output)(&self.piece[..len]),
            Err(error) if is_nothing_yet(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads what is left in the pipe. Returns whether that was all. If not, another process still holds the pipe.
    fn drain(&mut self) -> bool {
        let began = Instant::now();
        while self.reader.is_some() {
            let left = DRAIN.saturating_sub(began.elapsed());
            if left.is_zero() || self.wait(None, left).is_err() {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
