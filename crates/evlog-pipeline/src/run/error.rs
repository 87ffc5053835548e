//! Why a run could not be brought to its end.

use crate::files::FileError;
use crate::secrets::SecretsError;
use evlog::LogError;
use evlog_lifecycle::pipeline::RunStatus;
use std::fmt;
use std::path::PathBuf;

/// A run that was not brought to its end. Unless stated otherwise the run exists and stays in progress.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The given id cannot name a run. Nothing of the run was touched.
    RunId(String),
    /// The secrets of the plan cannot be kept. Nothing of the run was touched.
    Secrets(SecretsError),
    /// The run lock is held (pipeline.md 2.4). Nothing of the run was touched.
    Locked {
        /// The run.
        run: String,
        /// The lock file.
        path: PathBuf,
        /// What the file says of its holder.
        holder: String,
    },
    /// There is a bundle of this name already, of another log perhaps. Nothing of the run was touched.
    BundleExists {
        /// The run.
        run: String,
        /// The bundle.
        path: PathBuf,
    },
    /// There is no such run to take up or to retry. Nothing of the run was touched.
    UnknownRun(String),
    /// The run to take up or to retry is not of contract `pipeline`. Nothing of the run was touched.
    OtherContract {
        /// The run.
        run: String,
        /// Its contract.
        contract: String,
    },
    /// The run to take up has ended, and its bundle is complete. Nothing of the run was touched.
    Ended {
        /// The run.
        run: String,
        /// How it has ended.
        status: RunStatus,
    },
    /// The run to retry has not ended. Nothing of the run was touched.
    InProgress(String),
    /// The run to retry has succeeded. Nothing of the run was touched.
    NothingToRetry(String),
    /// The plan has no such stage to run from. Nothing of the run was touched.
    UnknownStage {
        /// What was named.
        stage: String,
        /// The enabled stages of the plan.
        known: Vec<String>,
    },
    /// The run to take up was created with another plan. Nothing of the run was touched.
    OtherPlan {
        /// The run.
        run: String,
        /// What is different, a sentence each; not empty.
        differences: Vec<String>,
    },
    /// Stages of the run to take up have begun, and its bundle is not there. Nothing of the run was touched.
    NoBundle {
        /// The run.
        run: String,
        /// Where the bundle was looked for.
        path: PathBuf,
    },
    /// The contract refused a command that this program made. Of `create`: the run is as it was before.
    Refused {
        /// The command's `do`.
        command: String,
        /// The refusal's code.
        code: String,
        /// A sentence.
        message: String,
    },
    /// The run was asked to stop.
    Interrupted {
        /// The run.
        run: String,
        /// The stage that it stopped at.
        stage: String,
        /// Whether that stage had begun; its processes were ended then.
        began: bool,
    },
    /// The run has ended in the log, and what follows could not be done: its files are not all written, or their digests
    /// not recorded. It can be completed.
    Incomplete {
        /// The run.
        run: String,
        /// How it has ended.
        status: RunStatus,
        /// What could not be done.
        source: Box<RunError>,
    },
    /// The log could not be written or read.
    Log(LogError),
    /// The bundle could not be written.
    File(FileError),
    /// The projections are not what this program expects of them.
    Projection(String),
}

impl RunError {
    /// What the process should exit with: a run that has no end has failed (pipeline.md 2.4, 3.2), unless someone
    /// stopped it; then as a shell says it of Ctrl-C. That what was asked for names no run that could go on is said of
    /// the question, not of a run; and so it is of a plan that cannot be run. Of a run that has ended, and whose bundle is
    /// not complete, neither yes nor no is true.
    pub fn exit_code(&self) -> u8 {
        match self {
            RunError::Interrupted { .. } => 130,
            RunError::UnknownRun(_)
            | RunError::UnknownStage { .. }
            | RunError::OtherContract { .. }
            | RunError::OtherPlan { .. }
            | RunError::NoBundle { .. }
            | RunError::Incomplete { .. }
            | RunError::Secrets(_) => 2,
            _ => 20,
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::RunId(message) => f.write_str(message),
            RunError::Locked { run, path, holder } => {
                write!(
                    f,
                    "run `{run}` is locked by `{}` (holder: {holder}); nothing of the run was touched",
                    path.display()
                )
            }
            RunError::BundleExists { path, .. } => {
                write!(
                    f,
                    "there is a bundle already in `{}`; nothing of it was touched. Choose another run id",
                    path.display()
                )
            }
            RunError::UnknownRun(run) => write!(f, "expected a run of the log, found no run `{run}` in it"),
            RunError::InProgress(run) => {
                write!(f, "run `{run}`: expected a run that has ended, found it in progress; no run was begun")
            }
            RunError::NothingToRetry(run) => {
                write!(f, "run `{run}` has ended, as success: there is nothing to retry; no run was begun")
            }
            RunError::UnknownStage { stage, known } => {
                let known = known.join("`, `");
                write!(f, "expected an enabled stage of the plan, one of `{known}`, found `{stage}`; no run was begun")
            }
            RunError::OtherContract { run, contract } => {
                write!(f, "run `{run}`: expected a run of contract `pipeline`, found one of contract `{contract}`")
            }
            RunError::Ended { run, status } => {
                write!(f, "run `{run}` has ended, as {}; nothing of it was touched", status.word())
            }
            RunError::OtherPlan { run, differences } => {
                let differences = differences.join("; ");
                write!(
                    f,
                    "the plan is not the one that run `{run}` was created with; nothing of it was touched: {differences}"
                )
            }
            RunError::NoBundle { run, path } => {
                let path = path.display();
                write!(f, "stages of run `{run}` have begun: expected its bundle in `{path}`, found none")
            }
            RunError::Refused { command, code, message } => {
                write!(f, "the contract refused the command `{command}`: {code}: {message}")
            }
            RunError::Interrupted { run, stage, began } => {
                let place = if *began { "in" } else { "before" };
                let ended = if *began { ", whose processes were ended" } else { "" };
                write!(f, "run `{run}` was interrupted {place} stage `{stage}`{ended}; it stays in progress in the log")
            }
            RunError::Incomplete { run, status, source } => {
                write!(
                    f,
                    "run `{run}` has ended in the log, as {}, and its bundle is not complete: {source}",
                    status.word()
                )
            }
            RunError::Secrets(error) => error.fmt(f),
            RunError::Log(error) => error.fmt(f),
            RunError::File(error) => error.fmt(f),
            RunError::Projection(message) => write!(f, "the projections of the run are not usable: expected {message}"),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RunError::Log(error) => Some(error),
            RunError::Secrets(error) => Some(error),
            RunError::File(error) => Some(error),
            RunError::Incomplete { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<LogError> for RunError {
    fn from(error: LogError) -> RunError {
        RunError::Log(error)
    }
}

impl From<FileError> for RunError {
    fn from(error: FileError) -> RunError {
        RunError::File(error)
    }
}
