//! The only place that prints. The answer goes to stdout, messages go to stderr. [`Colour`] decides whether a stream shows
//! colours.
//!
//! Invariants:
//! - A line for people is a [`Text`], so untrusted text cannot control the terminal. JSON keeps every character, with
//!   invisible ones escaped.
//! - Printing never fails, and the command continues. If the answer could not be written, a yes becomes an error; other verdicts stay.

mod colour;
mod errors;
mod region;
mod screen;
mod spool;
mod talk;
mod text;
mod wrap;

pub(crate) use colour::Colour;
pub(crate) use errors::{Errors, line as error_line};
pub(crate) use evlog_export::visible;
pub(crate) use region::Region;
pub(crate) use spool::LetGo;
pub(crate) use talk::{apart as talk_apart, of_a_child as talk_of_a_child, write as talk};
pub(crate) use text::{Side, Text, in_markup};

use crate::error::{CommandError, Verdict};
use crate::streams::{self, Waiting};
use crate::usage::{failure, rendered};
use anstyle::{AnsiColor, Style};
use console::{Term, measure_text_width};
use evlog_export::json::write_line;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use spool::Spool;
use std::fmt::Display;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Stdout, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of the answer that are gathered before they are written.
const BUFFER_LEN: usize = 64 * 1024;

/// Work that takes less than this has no progress bar.
const PATIENCE: Duration = Duration::from_secs(2);

/// The meaning of a piece of text, shown as a colour.
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
            "failed" | "forced" | "rejected" | "denied" | "timeout" | "tampered" | "truncated" | "damaged" => Tone::Bad,
            "partial" | "refused" | "canceled" | "torn_tail" => Tone::Warning,
            "skipped" | "disabled" | "pending" => Tone::Faint,
            _ => Tone::Plain,
        }
    }
}

/// Whether what was written to a stream can be drawn over.
fn moves(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The moving lines at the foot of the terminal, if there are any. There is one terminal, so every thread that writes
/// to it must write above them.
static REGION: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// The output of a command: its answer, messages and exit code.
pub(crate) struct Ui {
    answer: BufWriter<Answer>,
    /// Why the answer can no longer be written. Nothing is written after that.
    lost: Option<io::Error>,
    /// How long the end of the program waits for a slow reader; without a limit, for ever.
    patience: Option<Duration>,
    answer_colour: bool,
    talk_colour: bool,
    talk: Talk,
    errors: Errors,
}

/// Writes bytes of the answer. Fails once the answer can no longer be written.
pub(crate) struct Bytes<'u>(&'u mut Ui);

impl Write for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(|answer| answer.write_all(bytes));
        if self.0.is_read() { Ok(bytes.len()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush();
        if self.0.is_read() { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}

/// Where the answer goes.
enum Answer {
    Direct(Waiting<Stdout>),
    Spooled(Spool),
}

impl Write for Answer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Answer::Direct(out) => out.write(bytes),
            Answer::Spooled(spool) => spool.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Answer::Direct(out) => out.flush(),
            Answer::Spooled(spool) => spool.flush(),
        }
    }
}

/// How much is printed on stderr besides errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Talk {
    Nothing,
    Lines,
    /// Lines, and bars that move.
    Bars,
}

impl Ui {
    pub(crate) fn new(quiet: bool, colour: Colour, errors: Errors) -> Ui {
        Ui {
            answer: BufWriter::with_capacity(BUFFER_LEN, Answer::Direct(streams::stdout())),
            lost: None,
            patience: None,
            answer_colour: colour.shows(&io::stdout()),
            talk_colour: colour.shows(&io::stderr()),
            talk: match (quiet, moves(&io::stderr())) {
                (true, _) => Talk::Nothing,
                (false, false) => Talk::Lines,
                (false, true) => Talk::Bars,
            },
            errors,
        }
    }

    /// Whether the answer shows colours.
    #[cfg(feature = "top")]
    pub(crate) fn shows_colours(&self) -> bool {
        self.answer_colour
    }

    /// A line of the answer.
    pub(crate) fn line(&mut self, line: impl Into<Text>) {
        let line = line.into().render(self.answer_colour, answer_columns());
        self.write(|answer| writeln!(answer, "{line}"));
    }

    /// A line of the answer that is cut where the terminal ends. In a pipe or a file it is whole.
    pub(crate) fn fitted(&mut self, line: &Text) {
        let line = line.render_cut(self.answer_colour, answer_columns());
        self.write(|answer| writeln!(answer, "{line}"));
    }

    /// Moves back over the last lines of the answer, and clears them. Only where there is [room](answer_room) to draw.
    pub(crate) fn back_over(&mut self, lines: usize) {
        if lines > 0 {
            self.write(|answer| write!(answer, "\x1b[{lines}A\r\x1b[J"));
        }
    }

    /// A line of the answer: one JSON object.
    pub(crate) fn json(&mut self, object: &impl Serialize) {
        self.write(|answer| write_line(answer, object));
    }

    /// A file of the answer, byte for byte. On a terminal, control characters are escaped.
    pub(crate) fn file(&mut self, bytes: &[u8]) {
        if io::stdout().is_terminal() {
            let text = String::from_utf8_lossy(bytes);
            text.lines().for_each(|line| self.line(line));
        } else {
            self.write(|answer| answer.write_all(bytes));
        }
    }

    /// A writer of the answer, byte for byte: for what is not text for people.
    pub(crate) fn bytes(&mut self) -> Bytes<'_> {
        Bytes(self)
    }

    /// Flushes the answer so far.
    pub(crate) fn flush(&mut self) {
        self.write(Write::flush);
    }

    /// Whether the answer can still be written. A command that only prints may end when it cannot.
    pub(crate) fn is_read(&self) -> bool {
        self.lost.is_none()
    }

    /// Whether the answer cannot be written because its reader has ended.
    pub(crate) fn has_lost_its_reader(&self) -> bool {
        self.lost.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// From now on writes do not wait for a slow reader of the answer, as long as there is room for unread output. Only
    /// the end of the program waits. Returns a handle that ends a wait for room.
    pub(crate) fn spool(&mut self) -> io::Result<LetGo> {
        self.flush();
        let spool = Spool::new(streams::stdout())?;
        let let_go = spool.let_go();
        *self.answer.get_mut() = Answer::Spooled(spool);
        Ok(let_go)
    }

    /// From now on the end of the program does not wait longer for the reader of the answer.
    pub(crate) fn hurry(&mut self, patience: Duration) {
        self.patience = Some(patience);
    }

    fn write(&mut self, write: impl FnOnce(&mut BufWriter<Answer>) -> io::Result<()>) {
        if self.lost.is_none() {
            self.lost = write(&mut self.answer).err();
        }
    }

    /// A message for people, on stderr.
    pub(crate) fn talk(&self, line: impl Into<Text>) {
        if self.talk != Talk::Nothing {
            self.say(&line.into());
        }
    }

    /// A finding, for people.
    pub(crate) fn finding(&self, finding: impl Display) {
        self.say(&Text::default().toned(Tone::Bad, "finding:").plain(" ").plain(finding));
    }

    fn error(&self, message: impl Display) {
        self.labelled(Tone::Bad, "error:", message);
    }

    fn hint(&self, hint: &str) {
        self.labelled(Tone::Strong, "hint:", hint);
    }

    fn labelled(&self, tone: Tone, label: &str, text: impl Display) {
        self.say(&Text::default().toned(tone, label).plain(" ").hanging(Tone::Plain, text, label.len() + 1));
    }

    fn say(&self, line: &Text) {
        say(&line.render(self.talk_colour, columns(&talk::term())));
    }

    /// Asks the user at the terminal; `None` if there is no terminal.
    pub(crate) fn confirm(&mut self, question: &str) -> Result<Option<bool>, CommandError> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        self.flush();
        let question = Text::from(question).render(false, None);
        talk::write(&format!("{question} [y/N] "));
        let mut answer = String::new();
        let read = BufReader::new(streams::stdin()).read_line(&mut answer);
        read.map_err(|error| CommandError::file("read", "stdin", &error))?;
        Ok(Some(matches!(answer.trim(), "y" | "Y" | "yes")))
    }

    /// Advice that goes with an answer.
    pub(crate) fn advise(&self, hint: &str) {
        if self.talk != Talk::Nothing {
            self.hint(hint);
        }
    }

    /// Shows the progress of long work after a while; invisible unless stderr is a terminal. `len` in units
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
            Unit::Folds => "{msg}: {human_pos} events folded, at most {human_len}",
        };
        let bar = match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        };
        Progress::new(bar, Some(Instant::now() + PATIENCE))
    }

    /// Like [`progress`](Self::progress), while an answer is printed. If the answer goes to a terminal, there is no bar,
    /// because it would be in the way.
    pub(crate) fn progress_beside_answer(&self, what: &'static str, len: u64, unit: Unit) -> Progress {
        self.progress(what, if io::stdout().is_terminal() { 0 } else { len }, unit)
    }

    /// Shows stages that wait, at the foot of the terminal; `None` unless stderr is one. Their names are padded to `width`.
    pub(crate) fn region(&self, stages: &[&str], width: usize) -> Option<Region> {
        (self.talk == Talk::Bars).then(|| Region::new(stages, width, self.talk_colour))
    }

    /// Ends the output: errors go to stderr, and the verdict becomes the exit code. It is not an error if the reader has
    /// ended. Any other answer that could not be written is an error, and changes exit code 0.
    pub(crate) fn end(mut self, done: Result<Verdict, CommandError>) -> ExitCode {
        self.flush();
        self.drain();
        let lost = self.lost.take().filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
        let code = done.as_ref().map_or_else(|failure| failure.code, |verdict| verdict.code());
        let lost = lost.map_or(Ok(()), |error| Err(unwritten(&error, code)));
        match CommandError::followed_by(done, lost) {
            Ok(verdict) => ExitCode::from(verdict.code()),
            Err(failure) => {
                self.failed(&failure);
                ExitCode::from(failure.code)
            }
        }
    }

    fn drain(&mut self) {
        if let (Answer::Spooled(spool), None) = (self.answer.get_ref(), &self.lost) {
            self.lost = spool.finish(self.patience).err();
        }
    }

    fn failed(&self, failure: &CommandError) {
        if self.errors == Errors::Objects {
            return say(&errors::line(failure));
        }
        self.error(&failure.message);
        failure.details.iter().for_each(|line| self.say(&Text::default().plain(line)));
        failure.hints.iter().for_each(|hint| self.hint(hint));
    }
}

/// The width of text as it is shown, where hidden characters are escaped.
pub(crate) fn width(text: &str) -> usize {
    measure_text_width(&visible(text))
}

/// How wide the terminal is that the answer goes to; none for anything else.
pub(crate) fn answer_columns() -> Option<usize> {
    columns(&Term::stdout())
}

/// How many lines the terminal has that the answer goes to, if what was written there can be drawn over.
pub(crate) fn answer_room() -> Option<usize> {
    if !moves(&io::stdout()) {
        return None;
    }
    Term::stdout().size_checked().map(|(lines, _)| usize::from(lines))
}

/// How wide a terminal is; none for anything else.
fn columns(stream: &Term) -> Option<usize> {
    stream.is_term().then(|| stream.size_checked()).flatten().map(|(_, columns)| usize::from(columns))
}

fn painted(colour: bool, tone: Tone, text: &str) -> String {
    if !colour || tone == Tone::Plain {
        return text.to_owned();
    }
    let style = tone.style();
    format!("{style}{text}{style:#}")
}

/// Takes alerts while another thread prints.
type Alerts = Box<dyn Fn(&str) + Send>;

/// The receiver of alerts, if they are not printed at once.
static ALERTS: Mutex<Option<Alerts>> = Mutex::new(None);

/// From now on alerts go to this receiver; with `None`, they are printed at once.
pub(crate) fn hand_alerts_to(alerts: Option<Alerts>) {
    *ALERTS.lock().unwrap_or_else(PoisonError::into_inner) = alerts;
}

/// Whether only errors are printed.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// From now on alerts are not printed: an alert is not an error.
pub(crate) fn silence_alerts() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

/// A message that a person must see, from any thread. If a receiver takes it, the sender does not wait for it to be printed.
pub(crate) fn alert(line: &str) {
    if IS_QUIET.load(Ordering::Relaxed) {
        return;
    }
    match &*ALERTS.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(hand_on) => hand_on(line),
        None => alert_now(line),
    }
}

/// Like [`alert`], but prints the line at once.
pub(crate) fn alert_now(line: &str) {
    say(&Text::from(line).render(false, None));
}

fn say(line: &str) {
    let region = REGION.lock().unwrap_or_else(PoisonError::into_inner);
    let write = || talk::write(&format!("{line}\n"));
    match &*region {
        Some(lines) => lines.suspend(write),
        None => write(),
    }
}

/// A line of `EVLOG_LOG_LEVEL`, in which nothing controls the terminal.
pub(crate) fn logged(line: &str) {
    say(line.trim_end());
}

/// What progress counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Bytes,
    Runs,
    Events,
    /// Rounds of workloads that take different times.
    Rounds,
    /// Events that are folded, again and again: how many it will be is not known, only how many at most.
    Folds,
}

/// The progress of long work. The bar disappears when this is dropped.
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

    /// Sets the amount done since the beginning.
    pub(crate) fn at(&self, done: u64) {
        self.bar.set_position(done);
        self.show();
    }

    /// Sets the amount done and the total: for work whose size becomes known on the way.
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
            self.bar.set_draw_target(screen::screen());
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

/// Prints the output of the argument parser: help and version are answers, everything else is a usage error.
pub(crate) fn usage(error: &clap::Error, help: &str, colour: Colour, errors: Errors) -> ExitCode {
    let text = |is_coloured| rendered(error, is_coloured, help);
    let end = |failure: CommandError, text: String| {
        match errors {
            Errors::Objects => say(&errors::line(&failure)),
            Errors::Sentences => talk::write(&text),
        }
        ExitCode::from(failure.code)
    };
    if error.use_stderr() {
        return end(failure(error, help), text(colour.shows(&io::stderr())));
    }
    let mut out = streams::stdout();
    let printed = out.write_all(text(colour.shows(&io::stdout())).as_bytes()).and_then(|()| out.flush());
    match printed {
        Err(lost) if lost.kind() != io::ErrorKind::BrokenPipe => {
            let failure = unwritten(&lost, Verdict::Yes.code());
            let text = format!("error: {}\n", failure.message);
            end(failure, text)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// The error of a command that would have ended with this code, and whose answer could not be written.
fn unwritten(lost: &io::Error, code: u8) -> CommandError {
    CommandError::user(format!("could not write to stdout: {lost}")).with_code(beside_a_lost_answer(code))
}

/// The exit code of a command whose answer could not be written: 0 becomes 2, because nobody can read the answer. Every
/// other code stays.
fn beside_a_lost_answer(code: u8) -> u8 {
    if code == Verdict::Yes.code() { Verdict::CouldNot.code() } else { code }
}
