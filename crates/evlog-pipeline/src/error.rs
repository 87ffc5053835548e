//! Why a run could not be completed.

use crate::descriptors::FewDescriptors;
use crate::file_error::FileError;
use crate::secrets::SecretsError;
use evlog::LogError;
use evlog_lifecycle::pipeline::RunStatus;
use std::fmt;
use std::path::PathBuf;

/// The prefix of the error codes with which the log's policy refuses a command.
const OF_POLICY: &str = "POLICY_";
/// The error code of a command that a rule of the pipeline forbids.
const RULE_BROKEN: &str = "RULE_BROKEN";

/// A run that was not completed. Unless stated otherwise, the run exists and stays in progress.
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
        /// The text in the file about its holder.
        holder: String,
    },
    /// A bundle of this name exists already, perhaps of another log. Nothing of the run was touched.
    BundleExists {
        /// The run.
        run: String,
        /// The bundle.
        path: PathBuf,
    },
    /// The run to resume or to retry does not exist. Nothing was touched.
    UnknownRun(String),
    /// The run to resume or to retry is not of contract `pipeline`. Nothing of the run was touched.
    OtherContract {
        /// The run.
        run: String,
        /// Its contract.
        contract: String,
    },
    /// The run to resume has ended, and its bundle is complete. Nothing of the run was touched.
    Ended {
        /// The run.
        run: String,
        /// The run's end.
        status: RunStatus,
    },
    /// The run to retry has not ended. Nothing of the run was touched.
    InProgress(String),
    /// The run to retry has succeeded. Nothing of the run was touched.
    NothingToRetry(String),
    /// The stage to retry from is not an enabled stage of the plan. Nothing of the run was touched.
    UnknownStage {
        /// The name that was given.
        stage: String,
        /// The enabled stages of the plan.
        known: Vec<String>,
    },
    /// The run to resume was created with another plan. Nothing of the run was touched.
    OtherPlan {
        /// The run.
        run: String,
        /// The differences, one sentence each; at least one.
        differences: Vec<String>,
    },
    /// Stages of the run to resume have begun, but its bundle is missing. Nothing of the run was touched.
    NoBundle {
        /// The run that is still in progress.
        run: String,
        /// The place where the bundle was looked for.
        path: PathBuf,
    },
    /// The contract refused a command of this program. If it was `create`, no run was created.
    Refused {
        /// The command's `do`.
        command: String,
        /// The refusal's code.
        code: String,
        /// The refusal in words.
        message: String,
    },
    /// This process may not open as many files as a stage needs. A run that was not created yet is not created.
    Descriptors(FewDescriptors),
    /// The run was asked to stop (A-13).
    Interrupted {
        /// The run.
        run: String,
        /// The stage that it stopped at.
        stage: String,
        /// Whether that stage had begun; its processes were ended then.
        began: bool,
        /// Whether it is known that they have ended.
        is_over: bool,
    },
    /// An operation on a file failed, so the run could not go on. It stays in progress, and can be resumed.
    Left {
        /// The run.
        run: String,
        /// The action that failed.
        source: Box<RunError>,
    },
    /// The run has ended in the log, but its files are not all written, or their digests are not all recorded. `resume`
    /// completes it.
    Incomplete {
        /// The run.
        run: String,
        /// The run's end.
        status: RunStatus,
        /// The action that failed.
        source: Box<RunError>,
    },
    /// The log could not be written or read.
    Log(LogError),
    /// The bundle could not be written.
    File(FileError),
    /// The projections do not have the form that this program expects.
    Projection(String),
}

impl RunError {
    /// The exit code of the process:
    ///
    /// - 20, as for a run that failed: the contract refused `create` (but not for a rule of the pipeline), or the run is
    ///   locked, exists already, has ended, or has not ended (pipeline.md 2.4, 3.2).
    /// - 130, as a shell reports Ctrl-C: the run was interrupted.
    /// - 2: anything else: no run could continue, or its files or the log could not be written.
    pub fn exit_code(&self) -> u8 {
        match self {
            RunError::Interrupted { .. } => 130,
            RunError::Refused { code, .. } if code.starts_with(OF_POLICY) || code == RULE_BROKEN => 2,
            RunError::Refused { command, .. } if command == "create" => 20,
            RunError::Locked { .. }
            | RunError::BundleExists { .. }
            | RunError::Ended { .. }
            | RunError::InProgress(_)
            | RunError::NothingToRetry(_) => 20,
            RunError::RunId(_)
            | RunError::UnknownRun(_)
            | RunError::UnknownStage { .. }
            | RunError::OtherContract { .. }
            | RunError::OtherPlan { .. }
            | RunError::NoBundle { .. }
            | RunError::Incomplete { .. }
            | RunError::Refused { .. }
            | RunError::Left { .. }
            | RunError::Descriptors(_)
            | RunError::Secrets(_)
            | RunError::Log(_)
            | RunError::File(_)
            | RunError::Projection(_) => 2,
        }
    }

    /// The same error, for a run that is in progress in the log.
    pub(crate) fn leaving(self, run: &str) -> RunError {
        match self {
            RunError::File(_) | RunError::Projection(_) | RunError::Descriptors(_) => {
                RunError::Left { run: run.to_owned(), source: Box::new(self) }
            }
            error => error,
        }
    }
}

fn who_refuses(code: &str) -> &'static str {
    if code.starts_with(OF_POLICY) { "policy of the log" } else { "contract" }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::RunId(message) => f.write_str(message),
            RunError::Locked { run, path, holder } => {
                write!(
                    f,
                    "run `{run}` is locked: `{}` names the holder as {holder}; nothing of the run was touched",
                    path.display()
                )
            }
            RunError::BundleExists { path, .. } => {
                write!(f, "there is a bundle already in `{}`; it was not touched", path.display())
            }
            RunError::UnknownRun(run) => write!(f, "no run `{run}` in the log"),
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
                write!(f, "run `{run}` has ended, as {}; it was not touched", status.word())
            }
            RunError::OtherPlan { run, differences } => {
                let differences = differences.join("; ");
                write!(
                    f,
                    "the plan is not the one that run `{run}` was created with; the run was not touched: {differences}"
                )
            }
            RunError::NoBundle { run, path } => {
                let path = path.display();
                write!(f, "stages of run `{run}` have begun: expected its bundle in `{path}`, found none")
            }
            RunError::Refused { command, code, message } => {
                write!(f, "the {} refused the command `{command}`: {code}: {message}", who_refuses(code))
            }
            RunError::Interrupted { run, stage, began, is_over } => {
                let place = if *began { "in" } else { "before" };
                let ended = if *began && *is_over { ", whose processes have ended" } else { "" };
                write!(f, "run `{run}` was interrupted {place} stage `{stage}`{ended}; it stays in progress in the log")
            }
            RunError::Left { run, source } => {
                write!(f, "run `{run}` could not go on; it stays in progress in the log: {source}")
            }
            RunError::Incomplete { run, status, source } => {
                write!(
                    f,
                    "run `{run}` has ended in the log, as {}, and its bundle is not complete: {source}",
                    status.word()
                )
            }
            RunError::Descriptors(few) => few.fmt(f),
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
            RunError::Incomplete { source, .. } | RunError::Left { source, .. } => Some(source),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn an_outcome_that_could_not_be_recorded_is_not_reported_as_a_failure() {
        let file = RunError::File(FileError {
            action: "write",
            path: PathBuf::from("run.json"),
            source: io::Error::from(io::ErrorKind::StorageFull),
        });
        let refused = |command: &str| RunError::Refused {
            command: command.to_owned(),
            code: "RUN_EXISTS".to_owned(),
            message: String::new(),
        };
        let log = RunError::Log(LogError::Undecidable { run: "r".to_owned(), message: String::new() });
        let by_rule =
            RunError::Refused { command: "create".to_owned(), code: RULE_BROKEN.to_owned(), message: String::new() };
        for error in [file, refused("finalize"), by_rule, log, RunError::Projection(String::new())] {
            assert_eq!(error.exit_code(), 2, "{error}");
        }
        let locked = RunError::Locked { run: "r".into(), path: PathBuf::new(), holder: String::new() };
        let ended = RunError::Ended { run: "r".into(), status: RunStatus::Failed };
        let taken = RunError::BundleExists { run: "r".into(), path: PathBuf::new() };
        for error in [
            locked,
            ended,
            taken,
            refused("create"),
            RunError::InProgress("r".into()),
            RunError::NothingToRetry("r".into()),
        ] {
            assert_eq!(error.exit_code(), 20, "{error}");
        }
    }
}
