//! A queue of what a run has to print. A separate thread prints it, so that a slow reader does not delay time limits,
//! signals and outcomes.
//!
//! Invariants:
//! - Everything is printed in order, except lines of stages beyond a limit: a note says how many were left out.
//! - The run never waits when it queues something.

use super::watch::Watch;
use crate::error::CommandError;
use crate::ui;
use evlog_pipeline::Progress;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, scope};

/// The most lines of stages that may wait for the reader.
const LINES_MAX: usize = 10_000;

/// Something to print.
type Said = Box<dyn FnOnce(&mut Watch<'_>) + Send>;

/// The run's end of the queue.
pub(super) struct Desk {
    said: Sender<Said>,
    lines: Arc<AtomicUsize>,
    reads: Arc<AtomicUsize>,
    left_out: Cell<usize>,
}

/// Does the work, and meanwhile prints what it queues. Returns when everything is printed.
pub(super) fn beside<T>(mut watch: Watch<'_>, work: impl FnOnce(&Desk) -> T) -> Result<T, CommandError> {
    let (said, inbox) = channel::<Said>();
    let alerts = said.clone();
    scope(|scope| {
        let printing = move || inbox.into_iter().for_each(|print| print(&mut watch));
        let printer = Builder::new().name("printer".to_owned()).spawn_scoped(scope, printing);
        let printer = printer.map_err(|error| CommandError::user(format!("could not start a thread: {error}")))?;
        ui::hand_alerts_to(Some(Box::new(move |line| {
            let line = line.to_owned();
            // The run is over, and nothing is printed any more.
            let _late = alerts.send(Box::new(move |_| ui::alert_now(&line)));
        })));
        let desk = Desk { said, lines: Arc::default(), reads: Arc::default(), left_out: Cell::new(0) };
        let done = work(&desk);
        ui::hand_alerts_to(None);
        drop(desk);
        let Ok(()) = printer.join() else { unreachable!("the thread that prints does not panic") };
        Ok(done)
    })
}

impl Desk {
    /// Queues one step of the run.
    pub(super) fn hand_on(&self, progress: &Progress<'_>) {
        match progress {
            Progress::OutputLine { stage, .. } => {
                if self.lines.load(Ordering::Relaxed) >= LINES_MAX {
                    return self.left_out.set(self.left_out.get() + 1);
                }
                self.say_what_is_left_out(stage);
                self.send_counted(&self.lines, progress);
            }
            Progress::Reading { .. } if self.reads.load(Ordering::Relaxed) > 0 => {}
            Progress::Reading { .. } => self.send_counted(&self.reads, progress),
            progress => {
                if let Progress::StageNote { stage, .. } = progress {
                    self.say_what_is_left_out(stage);
                }
                if let Progress::OutcomeRecorded { outcome, .. } = progress {
                    self.say_what_is_left_out(&outcome.stage);
                }
                self.send(owned(progress));
            }
        }
    }

    fn say_what_is_left_out(&self, stage: &str) {
        let count = self.left_out.take();
        if count > 0 {
            let message = format!(
                "{count} lines are left out here, because they were not read in time; the stage's log has them"
            );
            self.send(owned(&Progress::StageNote { stage, message: &message }));
        }
    }

    /// Queues something, and counts it until it is printed.
    fn send_counted(&self, waiting: &Arc<AtomicUsize>, progress: &Progress<'_>) {
        let (counted, print) = (Arc::clone(waiting), owned(progress));
        counted.fetch_add(1, Ordering::Relaxed);
        self.send(Box::new(move |watch| {
            print(watch);
            counted.fetch_sub(1, Ordering::Relaxed);
        }));
    }

    fn send(&self, said: Said) {
        // The receiving thread outlives this sender.
        let _taken = self.said.send(said);
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn borrowed(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// One step of the run, with owned copies of all that it names.
fn owned(progress: &Progress<'_>) -> Said {
    match *progress {
        Progress::RunCreated { run, bundle, stages, retry_of } => {
            let (run, bundle, stages) = (run.to_owned(), bundle.to_owned(), names(stages));
            let retry_of = retry_of.map(str::to_owned);
            Box::new(move |watch| {
                let (stages, retry_of) = (&*borrowed(&stages), retry_of.as_deref());
                watch.show(&Progress::RunCreated { run: &run, bundle: &bundle, stages, retry_of });
            })
        }
        Progress::Resumed { run, bundle, stages, finished, processes } => {
            let (run, bundle, stages, finished) = (run.to_owned(), bundle.to_owned(), names(stages), names(finished));
            Box::new(move |watch| {
                let (stages, finished) = (&*borrowed(&stages), &*borrowed(&finished));
                watch.show(&Progress::Resumed { run: &run, bundle: &bundle, stages, finished, processes });
            })
        }
        Progress::LockForced { stale } => {
            let stale = stale.to_owned();
            Box::new(move |watch| watch.show(&Progress::LockForced { stale: &stale }))
        }
        Progress::Note { message } => {
            let message = message.to_owned();
            Box::new(move |watch| watch.show(&Progress::Note { message: &message }))
        }
        Progress::Reading { stage, done, len } => {
            let stage = stage.map(str::to_owned);
            Box::new(move |watch| watch.show(&Progress::Reading { stage: stage.as_deref(), done, len }))
        }
        Progress::OutcomeRecorded { outcome, elapsed } => {
            let outcome = outcome.clone();
            Box::new(move |watch| watch.show(&Progress::OutcomeRecorded { outcome: &outcome, elapsed }))
        }
        Progress::Finished { status, elapsed } => {
            Box::new(move |watch| watch.show(&Progress::Finished { status, elapsed }))
        }
        ref of_a_stage => owned_of_a_stage(of_a_stage),
    }
}

fn owned_of_a_stage(progress: &Progress<'_>) -> Said {
    match *progress {
        Progress::PromotionFinished { stage, artifacts } => {
            let stage = stage.to_owned();
            Box::new(move |watch| watch.show(&Progress::PromotionFinished { stage: &stage, artifacts }))
        }
        Progress::TakingOver { stage, from } => {
            let (stage, from) = (stage.to_owned(), from.to_owned());
            Box::new(move |watch| watch.show(&Progress::TakingOver { stage: &stage, from: &from }))
        }
        Progress::StageTakenOver { stage, from, seq, files } => {
            let (stage, from) = (stage.to_owned(), from.to_owned());
            Box::new(move |watch| watch.show(&Progress::StageTakenOver { stage: &stage, from: &from, seq, files }))
        }
        Progress::StageStarted { stage, log } => {
            let (stage, log) = (stage.to_owned(), log.to_owned());
            Box::new(move |watch| watch.show(&Progress::StageStarted { stage: &stage, log: &log }))
        }
        Progress::OutputLine { stage, line } => {
            let (stage, line) = (stage.to_owned(), line.to_owned());
            Box::new(move |watch| watch.show(&Progress::OutputLine { stage: &stage, line: &line }))
        }
        Progress::StageNote { stage, message } => {
            let (stage, message) = (stage.to_owned(), message.to_owned());
            Box::new(move |watch| watch.show(&Progress::StageNote { stage: &stage, message: &message }))
        }
        Progress::GateFailed { stage, reason_code, report } => {
            let (stage, reason_code, report) = (stage.to_owned(), reason_code.to_owned(), report.clone());
            Box::new(move |watch| {
                let reason_code = reason_code.as_str();
                watch.show(&Progress::GateFailed { stage: &stage, reason_code, report: &report });
            })
        }
        // Progress that a later version of the library reports and this one does not know.
        _ => Box::new(|_| {}),
    }
}
