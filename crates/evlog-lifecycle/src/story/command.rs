//! What a caller may ask of a story run, and how that is read from a command's members.
//!
//! A command that cannot be read is malformed. It is not an attempt, and nothing is recorded.

mod described;

pub(crate) use described::commands;

use super::definition::{Definition, STEP_NAME_LEN_MAX};
use super::failure::{MESSAGE_LEN_MAX, StepError};
use super::payload::{Action, CancelMode, GateState, Mode};
use super::reasons::REASON_CHARS_MAX;
use super::retry::ExitClass;
use crate::members::{Members, kind, malformed, pointer, quoted, unknown_command};
use evlog_projection::nearest::one_of;
use evlog_projection::{Malformed, canonical, time::from_rfc3339};
use serde_json::{Map, Value};

/// The longest story, in bytes of RFC 8785 text.
pub(super) const STORY_LEN_MAX: usize = 6 * 1024 * 1024;
/// The longest output of a step, in bytes of RFC 8785 text.
pub(super) const OUTPUT_LEN_MAX: usize = 1024 * 1024;
/// The longest message of a command that is not an error's, in characters.
pub(super) const NOTE_CHARS_MAX: usize = 2048;
/// The longest phase that is accepted, in characters. Only its beginning is recorded.
pub(super) const TOKEN_CHARS_MAX: usize = 4096;
pub(super) const ID_CHARS_MAX: usize = 256;

/// A command of contract `story`.
#[derive(Clone, Debug)]
pub enum Command {
    /// Begin a run.
    Create(Box<Create>),
    /// Start the run.
    Start,
    /// Report the phase or the result of a step.
    Step(Box<Report>),
    /// Record a phase of the run, or pause and resume it.
    Transition(Transition),
    /// Give the time, so that timers and deadlines take effect.
    Tick,
    /// Copy the state of the run that a step executes.
    Child(Followed),
    /// Decide a gate.
    Gate(Decided),
    /// Answer a condition.
    Evaluate(Answered),
    /// End the run before its work is done.
    Cancel(Cancelled),
    /// End the run with an outcome.
    Stop(Stopped),
    /// Say that the stream has ended.
    Terminate(Option<String>),
    /// Run steps again, in a new epoch.
    Redrive(Again),
}

/// The members of `create`.
#[derive(Clone, Debug)]
pub struct Create {
    pub(crate) story: Definition,
    pub(crate) text: String,
    pub(crate) inputs: Option<String>,
    pub(crate) mode: Mode,
    pub(crate) impulse: Option<String>,
}

/// The members of `step`.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub(crate) step: String,
    /// The phase, as given.
    pub(crate) to: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) exit_code: Option<i64>,
    pub(crate) exit_class: Option<ExitClass>,
    /// The output as RFC 8785 text, and as a value.
    pub(crate) output: Option<(String, Value)>,
    pub(crate) error: Option<StepError>,
    pub(crate) worker: Option<String>,
    pub(crate) child: Option<String>,
    pub(crate) cached: bool,
    pub(crate) retries: Option<u32>,
    pub(crate) next_retry_ns: Option<i128>,
    /// Whether the report is copied from the run that the step executes.
    pub(crate) mirrors: bool,
}

/// The members of `child`.
#[derive(Clone, Debug)]
pub struct Followed {
    pub(crate) step: String,
    /// The run of the story that the step executes.
    pub(crate) child: String,
}

/// The members of `transition`.
#[derive(Clone, Debug)]
pub struct Transition {
    pub(crate) to: String,
    /// Whether steps whose end the controller has not reported end with the run.
    pub(crate) close_steps: bool,
    /// The output of an observed run.
    pub(crate) output: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
}

/// The members of `gate`.
#[derive(Clone, Debug)]
pub struct Decided {
    pub(crate) step: String,
    pub(crate) state: GateState,
    pub(crate) message: Option<String>,
}

/// The members of `evaluate`.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The step, or `$output`.
    pub(crate) step: String,
    /// True or false, or the output itself if `$output` is answered.
    pub(crate) result: Value,
    pub(crate) message: Option<String>,
}

/// The members of `cancel`.
#[derive(Clone, Debug)]
pub struct Cancelled {
    pub(crate) how: CancelMode,
    pub(crate) message: Option<String>,
}

/// How a run that is stopped ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum StopOutcome {
    /// As if all work had been done.
    #[default]
    Success,
    /// As if something had failed.
    Failure,
    /// As if it had been cancelled.
    Cancel,
}

/// The outcomes by their words.
pub(super) const STOP_OUTCOMES: [(&str, StopOutcome); 3] =
    [("success", StopOutcome::Success), ("failure", StopOutcome::Failure), ("cancel", StopOutcome::Cancel)];

impl StopOutcome {
    /// The outcome of this word.
    pub(crate) fn from_word(word: &str) -> Option<StopOutcome> {
        STOP_OUTCOMES.iter().find(|(known, _)| *known == word).map(|(_, outcome)| *outcome)
    }
}

/// The members of `stop`.
#[derive(Clone, Debug)]
pub struct Stopped {
    pub(crate) outcome: StopOutcome,
    pub(crate) message: Option<String>,
}

/// The members of `redrive`.
#[derive(Clone, Debug)]
pub struct Again {
    pub(crate) token: Option<String>,
    pub(crate) from: Option<String>,
}

impl Command {
    /// Reads the members of the action.
    pub(crate) fn parse(action: &str, members: Map<String, Value>) -> Result<Command, Malformed> {
        let mut members = Members::new(members);
        let known = Action::from_word(action).ok_or_else(|| unknown_command(action, &commands()))?;
        let command = Command::read(known, &mut members)?;
        members.end(action)?;
        Ok(command)
    }

    fn read(action: Action, members: &mut Members) -> Result<Command, Malformed> {
        Ok(match action {
            Action::Create => Command::Create(Box::new(Create::read(members)?)),
            Action::Start => Command::Start,
            Action::Step => Command::Step(Box::new(Report::read(members)?)),
            Action::Transition => Command::Transition(Transition {
                to: members.needed("to", 0, TOKEN_CHARS_MAX)?,
                close_steps: flag(members, "close_steps")?.unwrap_or(false),
                output: output(members)?.map(|(text, _)| text),
                reason: reason(members)?,
                message: note(members)?,
            }),
            Action::Tick => Command::Tick,
            Action::Child => {
                Command::Child(Followed { step: step(members)?, child: members.needed("child", 1, ID_CHARS_MAX)? })
            }
            Action::Gate => Command::Gate(Decided {
                step: step(members)?,
                state: word(members, "state", &GateState::ALL, GateState::word)?
                    .ok_or_else(|| malformed("", "`state` is missing"))?,
                message: note(members)?,
            }),
            Action::Evaluate => {
                Command::Evaluate(Answered { step: step(members)?, result: result(members)?, message: note(members)? })
            }
            Action::Cancel => Command::Cancel(Cancelled {
                how: word(members, "how", &CancelMode::ALL, CancelMode::word)?.unwrap_or(CancelMode::Drain),
                message: note(members)?,
            }),
            Action::Stop => Command::Stop(Stopped { outcome: outcome(members)?, message: note(members)? }),
            Action::Terminate => Command::Terminate(note(members)?),
            Action::Redrive => Command::Redrive(Again {
                token: members.text("token", 1, ID_CHARS_MAX)?,
                from: members.text("from", 1, STEP_NAME_LEN_MAX)?,
            }),
        })
    }

    /// The run that a step executes, if its state is needed.
    pub(crate) fn reads(&self) -> Option<&str> {
        match self {
            Command::Child(followed) => Some(&followed.child),
            _ => None,
        }
    }

    /// Which action it is.
    pub(crate) fn action(&self) -> Action {
        match self {
            Command::Create(_) => Action::Create,
            Command::Start => Action::Start,
            Command::Step(_) => Action::Step,
            Command::Transition(_) => Action::Transition,
            Command::Tick => Action::Tick,
            Command::Child(_) => Action::Child,
            Command::Gate(_) => Action::Gate,
            Command::Evaluate(_) => Action::Evaluate,
            Command::Cancel(_) => Action::Cancel,
            Command::Stop(_) => Action::Stop,
            Command::Terminate(_) => Action::Terminate,
            Command::Redrive(_) => Action::Redrive,
        }
    }
}

impl Create {
    fn read(members: &mut Members) -> Result<Create, Malformed> {
        let mode = word(members, "mode", &Mode::ALL, Mode::word)?.unwrap_or(Mode::Decided);
        let story = match members.take("story") {
            Some(story) => story,
            None if mode == Mode::Observed => Value::Null,
            None => return Err(malformed("", "`story` is missing")),
        };
        let definition = Definition::pinned(&story, mode, "/story")?;
        let inputs = match members.take("inputs") {
            None => None,
            Some(inputs @ Value::Object(_)) => Some(bounded(&inputs, "/inputs", OUTPUT_LEN_MAX)?),
            Some(other) => {
                return Err(malformed("/inputs", format!("inputs must be a JSON object, found {}", kind(&other))));
            }
        };
        Ok(Create {
            text: bounded(&story, "/story", STORY_LEN_MAX)?,
            story: definition,
            inputs,
            mode,
            impulse: members.text("impulse", 1, ID_CHARS_MAX)?,
        })
    }
}

impl Report {
    fn read(members: &mut Members) -> Result<Report, Malformed> {
        let report = Report {
            step: step(members)?,
            to: members.text("to", 0, TOKEN_CHARS_MAX)?,
            reason: reason(members)?,
            message: members.text("message", 0, MESSAGE_LEN_MAX)?,
            exit_code: whole(members, "exit_code")?,
            exit_class: word(members, "exit_class", &ExitClass::ALL, ExitClass::word)?,
            output: output(members)?,
            error: error(members)?,
            worker: members.text("worker", 1, ID_CHARS_MAX)?,
            child: members.text("child", 1, ID_CHARS_MAX)?,
            cached: flag(members, "cached")?.unwrap_or(false),
            retries: whole(members, "retries")?
                .map(|given| {
                    let expected = || format!("expected a whole number from 0 to {}, found {given}", u32::MAX);
                    u32::try_from(given).map_err(|_| malformed("/retries", expected()))
                })
                .transpose()?,
            next_retry_ns: instant(members, "next_retry_at")?,
            mirrors: false,
        };
        if report.to.is_none() && report.exit_code.is_none() && report.exit_class.is_none() {
            return Err(malformed("", "a report on a step needs `to`, `exit_code` or `exit_class`"));
        }
        Ok(report)
    }
}

fn step(members: &mut Members) -> Result<String, Malformed> {
    members.needed("step", 1, STEP_NAME_LEN_MAX)
}

fn note(members: &mut Members) -> Result<Option<String>, Malformed> {
    members.text("message", 0, NOTE_CHARS_MAX)
}

fn reason(members: &mut Members) -> Result<Option<String>, Malformed> {
    let reason = members.text("reason", 1, REASON_CHARS_MAX)?;
    let is_token = |text: &String| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    match reason {
        Some(text) if !is_token(&text) => {
            let found = quoted(&text);
            Err(malformed("/reason", format!("expected a reason code such as `ExecutionFailed`, found `{found}`")))
        }
        reason => Ok(reason),
    }
}

fn word<T: Copy>(
    members: &mut Members,
    name: &'static str,
    all: &[T],
    word: fn(T) -> &'static str,
) -> Result<Option<T>, Malformed> {
    let Some(text) = members.text(name, 0, TOKEN_CHARS_MAX)? else { return Ok(None) };
    all.iter().copied().find(|known| word(*known) == text).map(Some).ok_or_else(|| {
        let known: Vec<_> = all.iter().map(|known| word(*known)).collect();
        malformed(pointer("", name), one_of(&known, &text))
    })
}

fn flag(members: &mut Members, name: &'static str) -> Result<Option<bool>, Malformed> {
    match members.take(name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(flag)),
        Some(other) => Err(malformed(pointer("", name), format!("expected true or false, found {}", kind(&other)))),
    }
}

/// An answer: true or false, or an object if an output is asked for.
fn result(members: &mut Members) -> Result<Value, Malformed> {
    match members.take("result") {
        None => Err(malformed("", "`result` is missing")),
        Some(result @ (Value::Bool(_) | Value::Object(_))) => Ok(result),
        Some(other) => Err(malformed("/result", format!("expected true, false or an object, found {}", kind(&other)))),
    }
}

fn whole(members: &mut Members, name: &'static str) -> Result<Option<i64>, Malformed> {
    match members.take(name) {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| {
            malformed(pointer("", name), format!("expected a whole number, found {}", quoted(&value.to_string())))
        }),
    }
}

fn instant(members: &mut Members, name: &'static str) -> Result<Option<i128>, Malformed> {
    let text = members.text(name, 1, 80)?;
    let read = |text: String| match from_rfc3339(&text)? {
        ..0 => Err(format!("expected a time from 1970 on, found `{text}`")),
        time_ns => Ok(time_ns),
    };
    text.map(|text| read(text).map_err(|message| malformed(pointer("", name), message))).transpose()
}

fn output(members: &mut Members) -> Result<Option<(String, Value)>, Malformed> {
    let Some(output) = members.take("output") else { return Ok(None) };
    Ok(Some((bounded(&output, "/output", OUTPUT_LEN_MAX)?, output)))
}

fn error(members: &mut Members) -> Result<Option<StepError>, Malformed> {
    let Some(error) = members.take("error") else { return Ok(None) };
    StepError::read(&error).map(Some).map_err(|message| malformed("/error", message))
}

fn outcome(members: &mut Members) -> Result<StopOutcome, Malformed> {
    match members.text("outcome", 0, TOKEN_CHARS_MAX)? {
        None => Ok(StopOutcome::default()),
        Some(text) => StopOutcome::from_word(&text).ok_or_else(|| {
            let known = STOP_OUTCOMES.map(|(word, _)| word).join("`, `");
            let message = format!("expected one of `{known}`, found `{}`", quoted(&text));
            malformed("/outcome", message)
        }),
    }
}

/// A value's RFC 8785 text, if it is not too long.
fn bounded(value: &Value, at: &str, max: usize) -> Result<String, Malformed> {
    let text =
        String::from_utf8(canonical(value)).unwrap_or_else(|error| unreachable!("canonical JSON is UTF-8: {error}"));
    match text.len() {
        len if len <= max => Ok(text),
        len => Err(malformed(at, format!("expected at most {max} bytes, found {len}"))),
    }
}
