//! Decides commands and hands them to the store, in their order.
//!
//! Invariant: after a command that cannot be handed to the store, no later one is.

use super::answers::{Decided, Item};
use super::input::{Input, Line};
use crate::error::CommandError;
use crate::ui::Progress;
use evlog::{Log, LogError, Request};
use evlog_store::{AppendError, Reason};
use std::fmt::Display;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender};

/// How many commands of the input were handed to the store.
#[derive(Default)]
pub(super) struct Offering {
    /// The last line that was.
    pub(super) last_line: u64,
    /// Why no more were.
    pub(super) stopped: Option<CommandError>,
    /// The signal that ended the input.
    pub(super) signal: Option<&'static str>,
}

/// Decides every command of the input, in order, until there are no more or one cannot be handed on. Takes the
/// receiving end: when this returns, no sender waits for it.
pub(super) fn offer_all(
    open_log: &dyn Fn() -> Result<(), CommandError>,
    log: &OnceLock<Log>,
    input: Receiver<Input>,
    answers: &SyncSender<Vec<Item>>,
    progress: &Progress,
) -> Offering {
    let mut offering = Offering::default();
    for message in input {
        let (lines, bytes) = match message {
            Input::Lines(lines, bytes) => (lines, bytes),
            Input::Failed(error) => {
                offering.stopped = Some(CommandError::file("read", "the input", &error));
                break;
            }
            Input::Stopped(signal) => {
                offering.signal = Some(signal);
                break;
            }
            Input::End | Input::AnswersEnded => break,
        };
        let items = offer_lines(open_log, log, lines, &mut offering);
        if answers.send(items).is_err() || offering.stopped.is_some() {
            break;
        }
        progress.at(bytes);
    }
    offering
}

fn offer_lines(
    open_log: &dyn Fn() -> Result<(), CommandError>,
    log: &OnceLock<Log>,
    lines: Vec<Line>,
    offering: &mut Offering,
) -> Vec<Item> {
    let mut items = Vec::with_capacity(lines.len());
    for Line { number, command } in lines {
        let decided = match command {
            Err(malformed) => Decided::Malformed(malformed),
            Ok(request) => match offer(open_log, log, &request) {
                Ok(decided) => decided,
                Err(error) => {
                    offering.stopped = Some(error.during(format_args!("line {number}")));
                    break;
                }
            },
        };
        offering.last_line = number;
        items.push(Item { line: number, decided });
    }
    items
}

fn offer(
    open_log: &dyn Fn() -> Result<(), CommandError>,
    log: &OnceLock<Log>,
    request: &Request,
) -> Result<Decided, CommandError> {
    open_log()?;
    let Some(log) = log.get() else { unreachable!("the log was opened the line before") };
    match log.offer(request) {
        Ok(offered) => Ok(Decided::Offered(offered)),
        Err(LogError::Malformed(malformed)) => Ok(Decided::Malformed(malformed)),
        Err(LogError::Append(AppendError::NotAppended {
            reason: reason @ (Reason::Refused(_) | Reason::TooLong { .. }),
        })) => Ok(not_taken(request, "TOO_LARGE", &reason)),
        Err(LogError::Append(AppendError::NotAppended { reason: reason @ Reason::HoldsFrame { .. } })) => {
            Ok(not_taken(request, "HOLDS_FRAME", &reason))
        }
        // Only this command, or its run, is wrong: later lines are still decided.
        Err(error @ LogError::Undecidable { .. }) => Ok(not_taken(request, "UNDECIDABLE", &error)),
        Err(LogError::Fold(error)) => Ok(not_taken(request, "RUN_UNREADABLE", &error)),
        Err(error) => Err(error.into()),
    }
}

fn not_taken(request: &Request, code: &'static str, why: &dyn Display) -> Decided {
    Decided::NotTaken { run: request.run().to_owned(), code, message: why.to_string() }
}
