//! The only place that prints. stdout carries the answer, stderr the talk; colour is ornament, and absent where it would
//! not be seen as colour.

mod region;
mod wrap;

pub(crate) use region::Region;

use crate::error::{CommandError, Verdict};
use anstyle::{AnsiColor, Style};
use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::fmt::Arguments;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of the answer that are gathered before they are written.
const BUFFER_LEN: usize = 64 * 1024;

/// Work that takes no longer is done without a bar.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a piece of text wants to say beside its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Strong,
    Faint,
    Good,
    Warning,
    Bad,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Tone::Plain => Style::new(),
            Tone::Strong => Style::new().bold(),
            Tone::Faint => Style::new().dimmed(),
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Warning => AnsiColor::Yellow.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
        }
    }

    /// The tone of a word that names a state, in any contract or result.
    pub(crate) fn of(word: &str) -> Tone {
        match word {
            "success" | "clean" => Tone::Good,
            "failed" | "denied" | "timeout" | "tampered" | "truncated" | "damaged" => Tone::Bad,
            "partial" | "canceled" | "torn_tail" => Tone::Warning,
            "skipped" | "disabled" | "pending" => Tone::Faint,
            _ => Tone::Plain,
        }
    }
}

/// Whether a stream shows colours.
fn shows_colour(stream: &impl IsTerminal) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    moves(stream) && !set("NO_COLOR")
}

/// Whether what was written to a stream can be drawn over.
fn moves(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The lines that move at the foot of the terminal, if there are any: there is one terminal, and whoever writes to it
/// writes above them, from whichever thread.
static REGION: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// The conversation with whoever called.
pub(crate) struct Ui {
    answer: BufWriter<Stdout>,
    answer_colour: bool,
    talk_colour: bool,
    talk: Talk,
}

/// How much is said on stderr besides errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Talk {
    Nothing,
    Lines,
    /// Lines, and bars that move.
    Bars,
}

impl Ui {
    pub(crate) fn new(quiet: bool) -> Ui {
        Ui {
            answer: BufWriter::with_capacity(BUFFER_LEN, io::stdout()),
            answer_colour: shows_colour(&io::stdout()),
            talk_colour: shows_colour(&io::stderr()),
            talk: match (quiet, moves(&io::stderr())) {
                (true, _) => Talk::Nothing,
                (false, false) => Talk::Lines,
                (false, true) => Talk::Bars,
            },
        }
    }

    /// Text of the answer in a tone.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        painted(self.answer_colour, tone, text)
    }

    /// Text of the talk in a tone.
    pub(crate) fn paint_talk(&self, tone: Tone, text: &str) -> String {
        painted(self.talk_colour, tone, text)
    }

    /// A line of the answer.
    pub(crate) fn line(&mut self, line: Arguments<'_>) -> Result<(), CommandError> {
        writeln!(self.answer, "{line}").map_err(|error| CommandError::stdout(&error))
    }

    /// A line of the answer: one JSON object.
    pub(crate) fn json(&mut self, object: &impl Serialize) -> Result<(), CommandError> {
        // Serializing our own structs cannot fail, so an error is the stream's.
        serde_json::to_writer(&mut self.answer, object).map_err(|error| CommandError::stdout(&error.into()))?;
        self.bytes(b"\n")
    }

    /// Bytes of the answer, as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        self.answer.write_all(bytes).map_err(|error| CommandError::stdout(&error))
    }

    /// Makes what was answered so far visible.
    pub(crate) fn flush(&mut self) -> Result<(), CommandError> {
        self.answer.flush().map_err(|error| CommandError::stdout(&error))
    }

    /// A line of talk.
    pub(crate) fn talk(&self, line: Arguments<'_>) {
        if self.talk != Talk::Nothing {
            say(line);
        }
    }

    /// A finding, for people.
    pub(crate) fn finding(&self, finding: Arguments<'_>) {
        say(format_args!("{} {finding}", self.paint_talk(Tone::Bad, "finding:")));
    }

    /// Says that the log has no such run.
    pub(crate) fn no_run(&self, run: &str) {
        say(format_args!("{} no run `{run}` in the log", self.paint_talk(Tone::Bad, "error:")));
        self.hint("`evlog runs` lists them");
    }

    /// Asks whoever sits at the terminal; `None` when nobody does.
    pub(crate) fn confirm(&mut self, question: &str) -> Result<Option<bool>, CommandError> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        self.flush()?;
        let _gone = write!(io::stderr().lock(), "{question} [y/N] ");
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map_err(|error| CommandError::file("read", "stdin", &error))?;
        Ok(Some(matches!(answer.trim(), "y" | "Y" | "yes")))
    }

    /// Advice that goes with an answer.
    pub(crate) fn advise(&self, hint: &str) {
        if self.talk != Talk::Nothing {
            self.hint(hint);
        }
    }

    fn hint(&self, hint: &str) {
        let hint = wrap::hanging(hint, "hint: ".len(), columns(&Term::stderr()));
        say(format_args!("{} {hint}", self.paint_talk(Tone::Strong, "hint:")));
    }

    /// Shows how far long work has come, once it has taken a while; invisible unless stderr is a terminal. `len` in units
    /// of the work.
    pub(crate) fn progress(&self, what: &'static str, len: u64, unit: Unit) -> Progress {
        if self.talk != Talk::Bars || len == 0 {
            return Progress::new(ProgressBar::hidden(), None);
        }
        let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::hidden()).with_message(what);
        let template = match unit {
            Unit::Bytes => "{msg} [{bar:30}] {bytes}/{total_bytes} {eta}",
            Unit::Runs => "{msg} [{bar:30}] {human_pos}/{human_len} runs {eta}",
            Unit::Events => "{msg} [{bar:30}] {human_pos}/{human_len} events {eta}",
            Unit::Rounds => "{msg:13} [{bar:30}] {pos}/{len}",
        };
        let bar = match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        };
        Progress::new(bar, Some(Instant::now() + PATIENCE))
    }

    /// The same beside an answer that is printed meanwhile: on a terminal that shows the answer a bar is in its way, and
    /// not needed.
    pub(crate) fn progress_beside_answer(&self, what: &'static str, len: u64, unit: Unit) -> Progress {
        self.progress(what, if io::stdout().is_terminal() { 0 } else { len }, unit)
    }

    /// Shows stages that wait, at the foot of the terminal; `None` unless stderr is one. Their names are padded to `width`.
    pub(crate) fn region(&self, stages: &[&str], width: usize) -> Option<Region> {
        (self.talk == Talk::Bars).then(|| Region::new(stages, width, self.talk_colour))
    }

    /// Ends the conversation: what went wrong goes to stderr, and the verdict becomes the exit code.
    pub(crate) fn end(mut self, done: Result<Verdict, CommandError>) -> ExitCode {
        let flushed = self.flush();
        match done.and_then(|verdict| flushed.map(|()| verdict).or_else(|error| error.unless_run(verdict))) {
            Ok(verdict) => ExitCode::from(verdict.code()),
            Err(CommandError::Closed) => ExitCode::SUCCESS,
            Err(CommandError::Failed(failure)) => {
                let message = wrap::hanging(&failure.message, "error: ".len(), columns(&Term::stderr()));
                say(format_args!("{} {message}", self.paint_talk(Tone::Bad, "error:")));
                failure.hints.iter().for_each(|hint| self.hint(hint));
                ExitCode::from(failure.code)
            }
        }
    }
}

/// How wide a terminal is; none for anything else.
fn columns(stream: &Term) -> Option<usize> {
    stream.is_term().then(|| stream.size_checked()).flatten().map(|(_, columns)| usize::from(columns))
}

/// Text of the answer that stands at the end of a line, after `before` columns: on a terminal it is broken at words.
pub(crate) fn hanging(text: &str, before: usize) -> String {
    wrap::hanging(text, before, columns(&Term::stdout()))
}

fn painted(colour: bool, tone: Tone, text: &str) -> String {
    if !colour || tone == Tone::Plain {
        return text.to_owned();
    }
    let style = tone.style();
    format!("{style}{text}{style:#}")
}

/// A line that a person must see, from wherever it is known.
pub(crate) fn alert(line: &str) {
    say(format_args!("{line}"));
}

/// Nothing can be done about a stderr that is gone.
fn say(line: Arguments<'_>) {
    let region = REGION.lock().unwrap_or_else(PoisonError::into_inner);
    let write = || writeln!(io::stderr().lock(), "{line}");
    let _gone = match &*region {
        Some(lines) => lines.suspend(write),
        None => write(),
    };
}

/// What a run recorded or a stage printed may be meant for a terminal: control characters are shown, not sent.
pub(crate) fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut visible, c| {
        if c.is_control() {
            visible.extend(c.escape_unicode());
        } else {
            visible.push(c);
        }
        visible
    })
}

/// What progress counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Bytes,
    Runs,
    Events,
    /// Rounds of works that take unlike times.
    Rounds,
}

/// How far long work has come. Goes away when dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// When it becomes visible.
    due: Option<Instant>,
    shown: AtomicBool,
}

impl Progress {
    fn new(bar: ProgressBar, due: Option<Instant>) -> Progress {
        Progress { bar, due, shown: AtomicBool::new(false) }
    }

    /// So much is done, from the beginning.
    pub(crate) fn at(&self, done: u64) {
        self.bar.set_position(done);
        self.show();
    }

    /// So much of so much is done: for work whose size is known better as it goes on.
    pub(crate) fn at_of(&self, done: u64, len: u64) {
        self.bar.set_length(len);
        self.at(done);
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
        self.show();
    }

    fn show(&self) {
        let Some(due) = self.due.filter(|_| !self.shown.load(Ordering::Relaxed)) else { return };
        if Instant::now() >= due && !self.shown.swap(true, Ordering::Relaxed) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// What is done now.
    pub(crate) fn says(&self, what: &'static str) {
        self.bar.set_message(what);
        self.show();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Prints what the argument parser says: help and version are answers, everything else is a refusal.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let _gone = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}
