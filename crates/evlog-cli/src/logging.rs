//! `EVLOG_LOG_LEVEL`: lines on stderr about what evlog does, for people who look for a fault.
//!
//! The command makes the events, with `tracing`; the libraries make none. A line never has a key, the environment of a stage or
//! the content of an event.
//!
//! Invariants:
//! - Nothing waits for the reader of stderr: lines that it does not read in time are left out, and counted.
//! - No text from outside evlog controls the terminal: [`ui`] escapes it.

mod fields;

use crate::error::CommandError;
use crate::json::{LoggedLine, time};
use crate::ui::{self, Errors, visible};
use evlog::clock::{Clock, SystemClock};
use evlog_export::json::write_line;
use fields::Fields;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const VARIABLE: &str = "EVLOG_LOG_LEVEL";

const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

/// How many lines may wait for the reader of stderr.
const LINES_MAX: usize = 10_000;

/// How long the end of the program waits for the reader of stderr.
const PATIENCE: Duration = Duration::from_secs(2);

/// A line that waits.
type Line = String;

/// Lines that go to stderr until this is dropped.
pub(crate) struct Logging {
    lines: Arc<Mutex<Option<SyncSender<Line>>>>,
    ended: Receiver<()>,
}

/// Begins to write lines, if the environment asks for them. With `quiet` only errors are written.
pub(crate) fn begin(quiet: bool, errors: Errors) -> Result<Option<Logging>, CommandError> {
    let asked = level()?;
    let level = if quiet { asked.min(LevelFilter::ERROR) } else { asked };
    if level == LevelFilter::OFF {
        return Ok(None);
    }
    let (sender, receiver) = sync_channel::<Line>(LINES_MAX);
    let (end, ended) = sync_channel(1);
    let writing = move || {
        for line in receiver {
            ui::logged(&line);
        }
        // Nobody waits any more.
        let _late = end.send(());
    };
    let started = Builder::new().name("evlog-log".into()).spawn(writing);
    started.map_err(|error| CommandError::user(format!("{VARIABLE}: could not start a thread: {error}")))?;
    let lines = Arc::new(Mutex::new(Some(sender)));
    let subscriber = Writer { level, errors, lines: Arc::clone(&lines), left_out: Mutex::new(0) };
    let set = tracing::subscriber::set_global_default(subscriber);
    set.map_err(|error| CommandError::user(format!("{VARIABLE}: {error}")))?;
    Ok(Some(Logging { lines, ended }))
}

fn level() -> Result<LevelFilter, CommandError> {
    let given = std::env::var_os(VARIABLE).unwrap_or_default();
    let given = given.to_string_lossy();
    if given.is_empty() {
        return Ok(LevelFilter::OFF);
    }
    let known = LEVELS.iter().find(|(name, _)| given.eq_ignore_ascii_case(name));
    known.map(|(_, level)| *level).ok_or_else(|| {
        let names = LEVELS.map(|(name, _)| name);
        let expected = format!("one of `{}`", names.join("`, `"));
        CommandError::unlike(VARIABLE, expected, format!("`{given}`")).meant(&given, names)
    })
}

impl Drop for Logging {
    fn drop(&mut self) {
        *self.lines.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // A reader that does not read is left alone.
        let _in_time = self.ended.recv_timeout(PATIENCE);
    }
}

/// Makes lines of events. Spans are not used.
struct Writer {
    level: LevelFilter,
    errors: Errors,
    lines: Arc<Mutex<Option<SyncSender<Line>>>>,
    /// How many lines were left out since the last one that was taken.
    left_out: Mutex<u64>,
}

impl Writer {
    fn line(&self, level: &str, target: &str, message: &str, fields: &Fields) -> Line {
        let time = time(SystemClock.now_ns());
        match self.errors {
            Errors::Objects => {
                let mut line = Vec::new();
                let object = LoggedLine { log: message, time: &time, level, target, fields: fields.object() };
                let _infallible = write_line(&mut line, &object);
                String::from_utf8_lossy(&line).into_owned()
            }
            Errors::Sentences => visible(&format!("{time} {level:5} {target}: {message}{}", fields.text())) + "\n",
        }
    }

    /// Says first how many lines were left out before.
    fn send(&self, line: Line) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lines) = &*lines else { return };
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        if *left_out > 0 {
            let message = format!("{left_out} lines are left out here, because they were not read in time");
            if lines.try_send(self.line("warn", "log", &message, &Fields::default())).is_ok() {
                *left_out = 0;
            }
        }
        if let Err(TrySendError::Full(_)) = lines.try_send(line) {
            *left_out += 1;
        }
    }
}

impl Subscriber for Writer {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let level = metadata.level().as_str().to_ascii_lowercase();
        let line = self.line(&level, metadata.target(), fields.message(), &fields);
        self.send(line);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
