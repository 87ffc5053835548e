//! Waits for commands in their order, and writes their result lines.
//!
//! Invariant: the result of a command is written only when its events are committed.

use super::input::Input;
use crate::error::Verdict;
use crate::json::ResultLine;
use crate::metrics::Metrics;
use crate::ui::Ui;
use evlog::{AnswerOutcome, Log, LogError, Offered};
use evlog_projection::Malformed;
use std::fmt;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};

/// The outcome of a line.
pub(super) enum Decided {
    /// It was decided, and handed to the store if there is anything to record.
    Offered(Offered),
    /// It is not a command.
    Malformed(Malformed),
    /// Nothing is recorded: its events are more than the format holds, or could not be read again, or its run cannot be.
    NotTaken { run: String, code: &'static str, message: String },
}

/// A line, and its outcome.
pub(super) struct Item {
    pub(super) line: u64,
    pub(super) decided: Decided,
}

/// How many lines had which result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) refused: u64,
    pub(super) duplicate: u64,
    pub(super) malformed: u64,
}

/// What was written.
pub(super) struct Written {
    pub(super) tally: Tally,
    /// The line whose result could not be given, and why.
    pub(super) failed: Option<(u64, Box<LogError>)>,
}

/// Writes result lines.
pub(super) struct Answers<'a> {
    ui: &'a mut Ui,
    log: &'a OnceLock<Log>,
    tally: Tally,
    metrics: &'a Metrics,
}

impl<'a> Answers<'a> {
    pub(super) fn new(ui: &'a mut Ui, log: &'a OnceLock<Log>, metrics: &'a Metrics) -> Answers<'a> {
        Answers { ui, log, tally: Tally::default(), metrics }
    }

    /// Writes the results as they arrive; notifies the input if it cannot continue.
    pub(super) fn write_all(mut self, waiting: Receiver<Vec<Item>>, input: &SyncSender<Input>) -> Written {
        let failed = self.write_each(&waiting).err();
        if failed.is_some() {
            // Close the queue before sending the notice: a sender that waits at the full queue must not wait for this thread.
            drop(waiting);
            let _gone = input.send(Input::AnswersEnded);
        } else {
            self.ui.talk(format_args!("{}", self.tally));
            if let Some(hint) = self.tally.hint() {
                self.ui.advise(hint);
            }
        }
        Written { tally: self.tally, failed }
    }

    fn write_each(&mut self, waiting: &Receiver<Vec<Item>>) -> Result<(), (u64, Box<LogError>)> {
        loop {
            let items = match waiting.try_recv() {
                Ok(items) => items,
                Err(TryRecvError::Disconnected) => {
                    self.ui.flush();
                    return Ok(());
                }
                Err(TryRecvError::Empty) => {
                    // A person who types commands wants to see results before typing the next.
                    self.ui.flush();
                    match waiting.recv() {
                        Ok(items) => items,
                        Err(_) => return Ok(()),
                    }
                }
            };
            for item in items {
                let line = item.line;
                self.write(item).map_err(|error| (line, Box::new(error)))?;
            }
        }
    }

    fn write(&mut self, item: Item) -> Result<(), LogError> {
        let offered = match item.decided {
            Decided::Offered(offered) => offered,
            Decided::Malformed(malformed) => {
                self.tally.malformed += 1;
                self.count(item.line, Tally::MALFORMED, None);
                self.ui.json(&ResultLine::malformed(item.line, &malformed));
                return Ok(());
            }
            Decided::NotTaken { run, code, message } => {
                self.tally.refused += 1;
                self.count(item.line, AnswerOutcome::Refused.word(), Some(code));
                self.ui.json(&ResultLine::not_taken(item.line, &run, code, &message));
                return Ok(());
            }
        };
        let Some(log) = self.log.get() else { unreachable!("what was offered was offered to a log") };
        let answer = log.wait(offered)?;
        self.tally.count(answer.outcome);
        self.count(item.line, answer.outcome.word(), answer.error.as_ref().map(|error| error.code.as_str()));
        self.ui.json(&ResultLine::answered(item.line, &answer));
        Ok(())
    }
}

impl Answers<'_> {
    /// Counts an answer. The code of a duplicate is that of its first answer, which counted it.
    fn count(&self, line: u64, outcome: &'static str, code: Option<&str>) {
        let code = code.filter(|_| outcome != AnswerOutcome::Duplicate.word());
        tracing::debug!(target: "submit", line, outcome, code, "answered");
        self.metrics.count(|figures| figures.answered(outcome, code));
    }
}

impl Tally {
    /// The word for a line that is no command.
    const MALFORMED: &str = "malformed";

    /// The words of all outcomes.
    pub(super) const WORDS: [&str; 5] = ["accepted", "rejected", "refused", "duplicate", Tally::MALFORMED];

    fn count(&mut self, outcome: AnswerOutcome) {
        *match outcome {
            AnswerOutcome::Accepted => &mut self.accepted,
            AnswerOutcome::Rejected => &mut self.rejected,
            AnswerOutcome::Refused => &mut self.refused,
            AnswerOutcome::Duplicate => &mut self.duplicate,
        } += 1;
    }

    /// What to send again, if some lines are recorded and others are not.
    fn hint(self) -> Option<&'static str> {
        let is_mixed = self.accepted > 0 && self.rejected + self.refused + self.malformed > 0;
        is_mixed.then_some("the accepted lines took effect: correct the others, and submit only those again")
    }

    pub(super) fn verdict(self) -> Verdict {
        if self.malformed > 0 {
            return Verdict::CouldNot;
        }
        Verdict::of(self.rejected + self.refused == 0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.accepted, "accepted"),
            (self.duplicate, "duplicate"),
            (self.rejected, "rejected"),
            (self.refused, "refused"),
            (self.malformed, "malformed"),
        ];
        let words: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        f.write_str(if words.is_empty() { "no commands" } else { "" })?;
        f.write_str(&words.join(", "))
    }
}
