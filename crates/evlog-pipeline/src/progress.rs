//! What a run reports while it runs, for a person who watches. Nothing depends on it.

use evlog_lifecycle::pipeline::report::Report;
use evlog_lifecycle::pipeline::{Outcome, RunStatus};
use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

/// One thing that happened. Everything in it is committed, or in the bundle, when it is reported.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// The run exists.
    RunCreated {
        /// Its id.
        run: &'a str,
        /// Its bundle.
        bundle: &'a Path,
        /// The enabled stages, in the order in which they will run.
        stages: &'a [&'a str],
        /// The run that it retries.
        retry_of: Option<&'a str>,
    },
    /// An interrupted run is resumed.
    Resumed {
        /// Its id.
        run: &'a str,
        /// Its bundle.
        bundle: &'a Path,
        /// The enabled stages, in the order in which they run.
        stages: &'a [&'a str],
        /// The enabled stages that have their outcome.
        finished: &'a [&'a str],
        /// How many processes of the run's stages still ran, and were ended.
        processes: usize,
    },
    /// A lock that was in the way was set aside, and that was recorded.
    LockForced {
        /// The place where it is now.
        stale: &'a Path,
    },
    /// A promotion is finished that was intended when the run was left.
    PromotionFinished {
        /// The stage.
        stage: &'a str,
        /// How many artifacts were still staged.
        artifacts: usize,
    },
    /// Something that a person should know about the run.
    Note {
        /// A sentence.
        message: &'a str,
    },
    /// The files that a stage published in the run that this one retries are about to be copied.
    TakingOver {
        /// The stage.
        stage: &'a str,
        /// The run.
        from: &'a str,
    },
    /// A stage is reused: its files are copied from the run that this one retries, and must pass the publish gate of the
    /// plan as it is now.
    StageTakenOver {
        /// The stage.
        stage: &'a str,
        /// The run.
        from: &'a str,
        /// Seq of the stage's outcome there.
        seq: u64,
        /// The number of files that were copied.
        files: usize,
    },
    /// Files are read, and there is much to read: the inputs of a stage, what it has staged, or the files that another run
    /// left of it. Without a stage, the files of a run that is resumed. Reported at intervals, and rarely if there is little
    /// to read.
    Reading {
        /// The stage.
        stage: Option<&'a str>,
        /// The number of bytes that were read.
        done: u64,
        /// The number of bytes, if it is known.
        len: u64,
    },
    /// A stage's process is about to be started.
    StageStarted {
        /// The stage.
        stage: &'a str,
        /// The place where its output goes.
        log: &'a Path,
    },
    /// The running stage has finished a line of output. Secrets are masked in the line, and so are bytes that would control a
    /// terminal. The bytes themselves are in the stage's log.
    OutputLine {
        /// The stage.
        stage: &'a str,
        /// The line, without its end; never empty.
        line: &'a str,
    },
    /// Something that a person should know about a stage: it could not be started, it was ended at its limit, a file could not
    /// be written.
    StageNote {
        /// The stage.
        stage: &'a str,
        /// A sentence.
        message: &'a str,
    },
    /// The publish gate failed, or the outcomes that the stage reported for its substages were refused; nothing was promoted.
    GateFailed {
        /// The stage.
        stage: &'a str,
        /// What will be recorded for it.
        reason_code: &'a str,
        /// The findings.
        report: &'a Report,
    },
    /// An outcome was recorded: of a substage, of a stage that ran, or of a stage that will not run.
    OutcomeRecorded {
        /// The outcome.
        outcome: &'a Outcome,
        /// How long the stage took; zero for substages, and for stages that did not run or were reused.
        elapsed: Duration,
    },
    /// The run has ended.
    Finished {
        /// Its status.
        status: RunStatus,
        /// How long it took.
        elapsed: Duration,
    },
}

/// Receives the progress that many places of a run report.
pub(crate) struct Watcher<'w>(RefCell<&'w mut dyn FnMut(Progress<'_>)>);

impl<'w> Watcher<'w> {
    pub(crate) fn new(receive: &'w mut dyn FnMut(Progress<'_>)) -> Watcher<'w> {
        Watcher(RefCell::new(receive))
    }

    pub(crate) fn report(&self, progress: Progress<'_>) {
        (self.0.borrow_mut())(progress);
    }
}
