//! The last message when memory runs out.
//!
//! When memory runs out, Rust's library prints its own message on descriptor 2, perhaps with a stack trace, and raises
//! SIGABRT. From then on nothing may be allocated, and any lock may be held. So a thread is started at the beginning.
//! Descriptor 2 leads to it through a pipe, and it prints a useful message instead. The signal handler waits for the
//! thread by writing to a full pipe. Messages of evlog itself use another descriptor (`ui/talk.rs`).
//!
//! Does not: end the process; the next handler does ([`crate::signals::end_where_memory_ends`]).
//!
//! Invariants:
//! - The thread allocates nothing and takes no lock.
//! - Everything else that is written to descriptor 2 is passed on unchanged.
//! - If any of this cannot be set up, Rust's own message is shown.

use crate::commands::arguments::Writes;
use crate::error::CommandError;
use crate::streams::Waiting;
use crate::ui::{self, Errors};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use signal_hook::consts::SIGABRT;
use signal_hook::low_level::pipe::register;
use std::backtrace::Backtrace;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::thread::Builder;

/// If fewer descriptors are allowed (`ulimit -n`), none is used for this.
const DESCRIPTORS_MIN: u64 = 64;

/// The beginning of the message of Rust's library.
const NO_MEMORY: &[u8] = b"memory allocation of ";

/// More than the thread needs, in bytes.
const STACK_LEN: usize = 64 * 1024;

/// What is said, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Words {
    error: &'static str,
    hint: Option<&'static str>,
}

/// For a command that only reads.
const READING: Words = Words { error: "out of memory; the answer is incomplete", hint: None };

const SUBMIT: Words = Words {
    error: "out of memory; every answered command is recorded, the others may or may not be recorded",
    hint: Some(
        "`evlog tail` shows what is recorded; a command with an `id` can be submitted again, it is never recorded twice",
    ),
};

const RUN: Words = Words {
    error: "out of memory; the last step of the run may or may not be recorded. Unless the run has ended, it is in progress",
    hint: Some(
        "`evlog runs` shows the state in the log, and `evlog run --resume RUN --force-run-lock` continues the run; its stage was \
         ended",
    ),
};

/// For a command that writes files and nothing to the log.
const FILES: Words = Words {
    error: "out of memory; nothing was written to the log, and files that the command was to write may be missing",
    hint: Some("run the command again"),
};

/// For every other command that writes to the log.
const WRITING: Words = Words {
    error: "out of memory; the last writes may or may not be complete, earlier ones are kept",
    hint: Some("check with `evlog verify`, then run the command again"),
};

impl Words {
    /// The whole message.
    fn text(self, errors: Errors) -> String {
        let Words { error, hint } = self;
        let failure = CommandError::user(error);
        let failure = hint.into_iter().fold(failure, CommandError::hint);
        match errors {
            Errors::Objects => format!("{}\n", ui::error_line(&failure)),
            Errors::Sentences => {
                let hint = hint.map(|hint| format!("hint: {hint}\n"));
                format!("error: {error}\n{}", hint.unwrap_or_default())
            }
        }
    }
}

/// Prepares the message for a command that writes this and runs out of memory.
pub(crate) fn prepare(writes: Writes, errors: Errors) -> io::Result<()> {
    if getrlimit(Resource::Nofile).current.is_some_and(|limit| limit < DESCRIPTORS_MIN) {
        return Err(io::ErrorKind::QuotaExceeded.into());
    }
    let (texts, to_texts) = io::pipe()?;
    fcntl_setfl(&texts, OFlags::NONBLOCK)?;
    let (aborted, to_aborted) = io::pipe()?;
    let (held, to_held) = full_pipe()?;
    let talk = ui::talk_apart()?;
    let words = words(writes).text(errors);
    let speaking = move || {
        speak(texts, aborted, talk, words.as_bytes());
        // Ends the write that the handler waits for.
        drop(held);
    };
    Builder::new().name("evlog-last-words".into()).stack_size(STACK_LEN).spawn(speaking)?;
    register(SIGABRT, to_aborted)?;
    let same = to_held.try_clone()?;
    register(SIGABRT, to_held)?;
    // A pipe that was registered does not wait.
    fcntl_setfl(&same, OFlags::empty())?;
    rustix::stdio::dup2_stderr(&to_texts)?;
    // A panic may end the process before the thread has passed on its message.
    std::panic::set_hook(Box::new(|panic| ui::talk(&format!("{panic}\n{}\n", Backtrace::capture()))));
    Ok(())
}

fn words(writes: Writes) -> Words {
    match writes {
        Writes::Nothing => READING,
        Writes::Files => FILES,
        Writes::Log => WRITING,
        Writes::Commands => SUBMIT,
        Writes::Run => RUN,
    }
}

/// Passes on what is written to descriptor 2, or prints the message of evlog in its place, until the process aborts.
/// Reading `texts` does not block.
fn speak(mut texts: PipeReader, mut aborted: PipeReader, talk: &File, words: &[u8]) {
    let (mut is_open, mut is_said, mut is_aborted) = (true, false, false);
    while !is_aborted {
        let mut asked = [PollFd::new(&aborted, PollFlags::IN), PollFd::new(&texts, PollFlags::IN)];
        // A pipe that all writers have closed is always ready, so it is left out: waiting for it would take a whole core.
        let waited_for = if is_open { asked.as_mut_slice() } else { &mut asked[..1] };
        is_aborted = match poll(waited_for, None) {
            Ok(_) => !asked[0].revents().is_empty(),
            Err(Errno::INTR) => false,
            // This process has fewer descriptors than `poll` is asked to watch.
            Err(_) => aborted.read(&mut [0]).is_ok(),
        };
        // What was written before the signal is there before it.
        is_open = drain(&mut texts, &mut |piece| {
            if is_said {
                return;
            }
            is_said = piece.starts_with(NO_MEMORY);
            let _gone = Waiting(talk).write_all(if is_said { words } else { piece });
        });
    }
}

/// Hands out what the pipe holds. Returns whether anything can still be written to it.
fn drain(texts: &mut PipeReader, take: &mut dyn FnMut(&[u8])) -> bool {
    let mut piece = [0; 4096];
    loop {
        match texts.read(&mut piece) {
            Ok(0) => return false,
            Ok(len) => take(&piece[..len]),
            Err(_) => return true,
        }
    }
}

/// A full pipe: a writer waits until the other end is closed.
fn full_pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, mut writer) = io::pipe()?;
    fcntl_setfl(&writer, OFlags::NONBLOCK)?;
    let piece = [0; 4096];
    loop {
        match writer.write(&piece) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok((reader, writer)),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::arguments::Arguments;
    use clap::{CommandFactory, Parser};
    use std::io::Seek;

    const SAID: &str = "error: out of memory\n";

    /// What is said when these texts are written to descriptor 2 and the process is then to be aborted.
    fn said(written: &[&str]) -> String {
        let (texts, mut to_texts) = io::pipe().unwrap();
        fcntl_setfl(&texts, OFlags::NONBLOCK).unwrap();
        let (aborted, to_aborted) = io::pipe().unwrap();
        let mut talk = tempfile::tempfile().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| speak(texts, aborted, &talk, SAID.as_bytes()));
            for text in written {
                to_texts.write_all(text.as_bytes()).unwrap();
                // Taken before the next one is written, or with it: both are as good.
                std::thread::yield_now();
            }
            drop(to_aborted);
        });
        talk.rewind().unwrap();
        io::read_to_string(talk).unwrap()
    }

    #[test]
    fn what_rusts_library_says_where_memory_ends_is_replaced_and_all_else_is_passed_on() {
        assert_eq!(said(&["memory allocation of 8 bytes failed\n", "stack backtrace:\n"]), SAID);
        assert_eq!(said(&["thread 'main' has ", "overflowed its stack\n"]), "thread 'main' has overflowed its stack\n");
        assert_eq!(said(&[]), "");
    }

    #[test]
    fn draining_a_pipe_shows_whether_it_has_a_writer() {
        let (mut texts, mut to_texts) = io::pipe().unwrap();
        fcntl_setfl(&texts, OFlags::NONBLOCK).unwrap();
        let mut found = Vec::new();
        to_texts.write_all(b"words").unwrap();
        assert!(drain(&mut texts, &mut |piece| found.extend_from_slice(piece)));
        drop(to_texts);
        assert!(!drain(&mut texts, &mut |piece| found.extend_from_slice(piece)));
        assert_eq!(found, b"words");
    }

    #[test]
    fn what_a_command_says_follows_from_what_these_options_make_it_write() {
        let cases = [
            ("submit", SUBMIT),
            ("run plan.toml", RUN),
            ("run --resume r", RUN),
            ("run --init", FILES),
            ("init", WRITING),
            ("verify --record", WRITING),
            ("audit --record", WRITING),
            ("project --out .", WRITING),
            ("repair", WRITING),
            ("repair --accept-loss --yes", WRITING),
            ("checkpoint --key a.key", WRITING),
            ("policy set p.toml", WRITING),
            ("backup copy", FILES),
            ("restore copy", FILES),
            ("key new example.com/a", FILES),
            ("prove --seq 1", READING),
            ("prove --seq 1 --out p", FILES),
            ("evidence r --out -", READING),
            ("evidence r --out r.html", FILES),
            ("witness a.note --state s --log-key a.pub --key w.key", FILES),
            ("verify", READING),
            ("verify --sample 1%", READING),
            ("project --check .", READING),
            ("repair --dry-run", READING),
            ("policy show", READING),
            ("key show a.pub", READING),
            ("tail", READING),
            ("cat", READING),
            ("top", READING),
            ("runs", READING),
            ("show r", READING),
            ("explain r", READING),
            ("diff 1 2", READING),
            ("export --format csv --out f", FILES),
            ("import jsonl f", FILES),
            ("report --out f.html", FILES),
            ("replay --trail f", FILES),
            ("replay", READING),
            ("audit", READING),
            ("conform runs/r", READING),
            ("conform-store file:///probes", READING),
            ("inspect", READING),
            ("bench", READING),
            ("contract list", READING),
            ("contract show status", READING),
            ("contract check a.toml", READING),
            ("check-proof p --checkpoint a.note --key a.pub", READING),
            ("check-evidence r.html --key a.pub", READING),
            ("demo --tamper", READING),
            ("completions bash", READING),
            ("man", READING),
            ("version", READING),
            ("man pages", FILES),
        ];
        for (typed, expected) in cases {
            let arguments = Arguments::try_parse_from(std::iter::once("evlog").chain(typed.split(' ')));
            assert_eq!(words(arguments.unwrap().command.writes()), expected, "{typed}");
        }
        // Every command has its case.
        let commands = Arguments::command();
        for command in commands.get_subcommands().map(clap::Command::get_name) {
            assert!(cases.iter().any(|(typed, _)| typed.split(' ').next() == Some(command)), "{command}");
        }
    }

    #[test]
    fn a_full_pipe_takes_nothing_until_its_other_end_is_gone() {
        let (held, mut writer) = full_pipe().unwrap();
        assert_eq!(writer.write(b"X").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        assert_eq!(writer.write(b"X").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
