//! The supervisor of a stage: a process between evlog and the stage's process, which ends everything that the stage started.
//!
//! It is a second process of this program ([`Supervisor`]). It has a session of its own, so the stage has no terminal. It
//! adopts every orphan of the stage (Linux: a child subreaper), so it also finds processes that have left the stage's group.
//! It gets its orders through a pipe. It ends all processes on an order, when the pipe closes, or when evlog is gone. Each of
//! its reports begins with a secret that came with the command: a stage of the same user can open the supervisor's pipe, and
//! must not be able to report in the supervisor's place.
//!
//! Does: start the stage's process, pass on the request to end it, end the processes that it leaves, report.
//! Does not: use plans, time limits or the log.
//!
//! Invariants:
//! - The supervisor ends after all descendants that it may end. The stage's leader is reaped after its group was ended.
//! - A supervisor with too few descriptors to see which processes are left reports that instead of how the stage ended. It
//!   tries again until it is ended.
//! - However evlog ends, the stage ends too.

mod descendants;

pub(crate) use descendants::end_below;

use crate::orphans::{SUPERVISOR_WORD, Watched};
use descendants::Descendants;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, getppid, kill_process, kill_process_group, pidfd_open,
    setsid, wait, waitid,
};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The request to end the stage's process group, as a byte of the pipe.
pub(crate) const ASK_TO_END: u8 = b't';

/// The request to end all processes.
pub(crate) const END_ALL: u8 = b'e';

/// How long a supervisor that cannot see which processes are left tries again before it reports that. The processes of the
/// group have ended by then.
const BLIND: Duration = Duration::from_millis(200);

/// How long the supervisor waits for processes that it cannot end. Without a limit, a process that waits for a device, or that
/// another user started, would hold the run up for ever.
const STUBBORN: Duration = Duration::from_secs(5);

/// How a supervisor is started.
#[derive(Clone, Debug)]
pub struct Supervisor {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
}

impl Default for Supervisor {
    /// This program, whose `main` asks [`is_asked`] first and then calls [`serve`].
    #[cfg(not(test))]
    fn default() -> Supervisor {
        // The program that is running, even if the file at its path was replaced meanwhile.
        let own = PathBuf::from("/proc/self/exe");
        let program = if own.exists() { own } else { std::env::current_exe().unwrap_or_default() };
        Supervisor { program, arguments: vec![SUPERVISOR_WORD.into()] }
    }

    /// The binary of these tests; one of its tests is the supervisor.
    #[cfg(test)]
    fn default() -> Supervisor {
        let test = [
            "--exact",
            "supervisor::tests::a_process_that_supervises_a_stage_when_it_is_asked_to",
            "--nocapture",
            "-q",
        ];
        let arguments = test.iter().copied().chain([SUPERVISOR_WORD]).map(OsString::from).collect();
        Supervisor { program: std::env::current_exe().unwrap(), arguments }
    }
}

/// A report of a supervisor. The first says that the supervisor is ready, the last how the stage ended. Each is one line: the
/// secret (not in the first report), then JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// It has a session of its own, and waits for the command.
    Ready,
    /// The stage's process could not be started. Holds the number of the error, if it has one, and a sentence.
    NotStarted {
        /// The system's error number.
        number: Option<i32>,
        /// The error as a sentence, for people.
        message: String,
    },
    /// The stage's process has ended.
    Ended {
        /// With this exit status.
        exited: Option<i32>,
        /// By this signal.
        signalled: Option<i32>,
        /// How many processes had left its group, and were ended.
        left: usize,
        /// The number of processes that could not be ended.
        stubborn: usize,
        /// Whether a process of the stage traced evlog. If so, that is why all were ended.
        traced: bool,
    },
    /// Processes of the stage are left, and the supervisor cannot see which.
    Blind {
        /// The reason, for people.
        message: String,
    },
}

/// Whether this process was started to supervise a stage: with the arguments of a supervisor, the two that say which stage,
/// and no others, because the supervisor's word may also be the name of a run.
pub fn is_asked() -> bool {
    let (asked, expected) = (std::env::args_os().skip(1).collect::<Vec<_>>(), Supervisor::default().arguments);
    asked.starts_with(&expected) && asked.len() == expected.len() + 2
}

/// Supervises a stage, from its command to its last process.
pub fn serve() -> ExitCode {
    match supervise() {
        Ok(()) => ExitCode::SUCCESS,
        // The process that started this supervisor has ended, or will notice that no more reports come.
        Err(_) => ExitCode::FAILURE,
    }
}

fn supervise() -> io::Result<()> {
    // Standard input and output of the library are buffered; these are not.
    let mut orders = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut says = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    setsid()?;
    descendants::inherit_all()?;
    keep_out();
    // `None` if evlog has ended already, or if the system has no such descriptor. In this case, only the pipe shows that
    // evlog has ended.
    let evlog = getppid().and_then(|evlog| pidfd_open(evlog, PidfdFlags::empty()).ok());
    say(&mut says, "", &Word::Ready)?;
    let (secret, command) = read_command(&mut orders)?;
    let word = match start(&command) {
        Ok(child) => watch(child, Orders::of(orders, evlog)?, &mut |blind| say(&mut says, &secret, &blind))?,
        Err(error) => Word::NotStarted { number: error.raw_os_error(), message: error.to_string() },
    };
    say(&mut says, &secret, &word)
}

/// Denies other processes of the same user access to this process's descriptors, memory and environment, if the system can.
/// The superuser keeps access.
pub(crate) fn keep_out() {
    #[cfg(target_os = "linux")]
    let _refused = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

fn say(says: &mut File, secret: &str, word: &Word) -> io::Result<()> {
    let mut line = secret.as_bytes().to_vec();
    serde_json::to_writer(&mut line, word)?;
    line.push(b'\n');
    says.write_all(&line)
}

/// The secret and the command, as bytes for the pipe.
pub(crate) fn command_bytes(secret: &str, command: &[String]) -> io::Result<Vec<u8>> {
    let text = serde_json::to_vec(&(secret, command))?;
    Ok([&(text.len() as u64).to_le_bytes(), text.as_slice()].concat())
}

fn read_command(orders: &mut File) -> io::Result<(String, Vec<String>)> {
    let mut len = [0; 8];
    orders.read_exact(&mut len)?;
    let mut text = Vec::new();
    orders.take(u64::from_le_bytes(len)).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Starts the stage's process, in a group of its own. Its output goes to this process's standard error.
fn start(command: &[String]) -> io::Result<Child> {
    let [program, arguments @ ..] = command else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"));
    };
    let output = || io::stderr().as_fd().try_clone_to_owned().map(Stdio::from);
    let mut started = Command::new(program);
    started.args(arguments).stdin(Stdio::null()).stdout(output()?).stderr(output()?).process_group(0);
    started.spawn()
}

/// Waits until the stage's process has ended, or until everything must end. Then ends the processes that are left. Everything
/// is also ended if a process of the stage traces evlog, because a tracer can stop evlog.
fn watch(child: Child, mut orders: Orders, tell: &mut dyn FnMut(Word) -> io::Result<()>) -> io::Result<Word> {
    let leader = Pid::from_child(&child);
    let (mut pause, mut looked) = (PAUSE_MIN, Instant::now());
    let mut traced = false;
    while !traced && !has_ended(leader)? {
        match orders.next(pause)? {
            Some(Request::AskToEnd) => end_group(leader, Signal::TERM),
            Some(Request::EndAll) => break,
            None => pause = (pause * 2).min(PAUSE_MAX),
        }
        if looked.elapsed() > LOOK {
            traced = orders.parent.is_some_and(descendants::trace);
            looked = Instant::now();
        }
    }
    let evlog = orders.parent;
    traced |= evlog.is_some_and(descendants::trace);
    end_group(leader, Signal::KILL);
    // Frees two descriptors, which the search for processes may need.
    drop(orders);
    let word = end_all(child, traced, tell);
    if let Some(evlog) = evlog.filter(|_| traced) {
        wake(evlog);
    }
    word
}

/// Continues evlog. The signal that stopped it while it was traced takes effect shortly after its tracer has ended.
fn wake(evlog: Pid) {
    let watched = Watched::of(evlog.as_raw_nonzero().get().unsigned_abs());
    for _ in 0..WAKINGS {
        std::thread::sleep(PAUSE_MAX);
        if getppid() == Some(evlog) && watched.as_ref().is_some_and(Watched::is_stopped) {
            let _gone = kill_process(evlog, Signal::CONT);
        }
    }
}

/// Time between two checks of whether evlog is traced.
const LOOK: Duration = Duration::from_millis(200);
/// How often to check whether evlog is stopped after its tracer has ended.
const WAKINGS: usize = 10;

/// Bounds of the pause between two checks. Polling needs neither a thread nor a signal handler, and works on every Unix.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(20);

enum Request {
    AskToEnd,
    EndAll,
}

/// The place where requests come from.
struct Orders {
    pipe: File,
    /// The process that gives them; readable once it has ended.
    evlog: Option<OwnedFd>,
    /// evlog's process id. It names evlog only as long as evlog is the parent of this process.
    parent: Option<Pid>,
}

impl Orders {
    fn of(pipe: File, evlog: Option<OwnedFd>) -> io::Result<Orders> {
        fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
        Ok(Orders { pipe, evlog, parent: getppid() })
    }

    /// Waits a while for a request.
    fn next(&mut self, pause: Duration) -> io::Result<Option<Request>> {
        let (wait, pause) = (pause, Timespec::try_from(pause).map_err(io::Error::other)?);
        let mut asked = vec![PollFd::new(&self.pipe, PollFlags::IN)];
        asked.extend(self.evlog.as_ref().map(|evlog| PollFd::new(evlog, PollFlags::IN)));
        match poll(&mut asked, Some(&pause)) {
            Ok(0) | Err(Errno::INTR) => return Ok(None),
            Ok(_) if asked.get(1).is_some_and(|asked| !asked.revents().is_empty()) => return Ok(Some(Request::EndAll)),
            Ok(_) => {}
            // Somebody has lowered this process's limit below the number of descriptors that are polled here (`prlimit
            // --nofile=1`).
            Err(Errno::INVAL) if getppid() != self.parent => return Ok(Some(Request::EndAll)),
            Err(Errno::INVAL) => std::thread::sleep(wait),
            Err(error) => return Err(error.into()),
        }
        let mut byte = [0];
        match self.pipe.read(&mut byte) {
            Ok(0) => Ok(Some(Request::EndAll)),
            Ok(_) if byte == [END_ALL] => Ok(Some(Request::EndAll)),
            Ok(_) if byte == [ASK_TO_END] => Ok(Some(Request::AskToEnd)),
            Err(error) if !matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => Err(error),
            _ => Ok(None),
        }
    }
}

/// Whether the leader has ended. It stays a zombie: its process id, which names the group, is not reused until it is
/// reaped.
fn has_ended(leader: Pid) -> io::Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    loop {
        match waitid(WaitId::Pid(leader), options) {
            Ok(status) => return Ok(status.is_some()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends a signal to the whole group. An error means that no process is left in the group that may be ended, so the error does
/// not matter.
fn end_group(leader: Pid, signal: Signal) {
    let _gone = kill_process_group(leader, signal);
}

/// Reaps the leader and every process that it left, and ends those that still run. Repeats this, because a process may have
/// started another one before it was ended. Reports once if it cannot see the processes.
fn end_all(mut child: Child, traced: bool, tell: &mut dyn FnMut(Word) -> io::Result<()>) -> io::Result<Word> {
    use std::os::unix::process::ExitStatusExt;
    let (began, mut descendants) = (Instant::now(), Descendants::beside_group_of(&child));
    let (status, mut is_reported) = (child.wait()?, false);
    let stubborn = loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => continue,
            // There are children, and none of them has ended.
            Ok(None) => {}
            // There are no children.
            Err(_) => break 0,
        }
        match descendants.end() {
            Ok(found) if began.elapsed() > STUBBORN => break found,
            Err(error) if !is_reported && began.elapsed() > BLIND => {
                // If evlog has ended, nobody reads the report.
                let _gone = tell(Word::Blind { message: error.to_string() });
                is_reported = true;
            }
            Ok(_) | Err(_) => {}
        }
        std::thread::sleep(PAUSE_MIN);
    };
    let left = descendants.had_left_the_group().saturating_sub(stubborn);
    Ok(Word::Ended { exited: status.code(), signalled: status.signal(), left, stubborn, traced })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a claim: the supervisor of the other tests, when it is started as one.
    #[test]
    fn a_process_that_supervises_a_stage_when_it_is_asked_to() {
        if is_asked() {
            serve();
        }
    }

    #[test]
    fn every_report_of_a_supervisor_is_read_back_unchanged() {
        for word in [
            Word::Ready,
            Word::NotStarted { number: Some(2), message: "No such file".to_owned() },
            Word::Ended { exited: Some(3), signalled: None, left: 1, stubborn: 0, traced: false },
            Word::Blind { message: "Too many open files".to_owned() },
        ] {
            let text = serde_json::to_string(&word).unwrap();
            assert_eq!(serde_json::from_str::<Word>(&text).unwrap(), word, "{text}");
        }
    }
}
