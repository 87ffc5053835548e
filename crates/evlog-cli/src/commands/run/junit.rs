//! The report of a run for a CI job: a test case for each stage.
//!
//! Invariant: from the beginning of the command on, the report has a failure unless the run has ended without one. So nobody
//! takes the report of an earlier run for the new one, even if evlog is killed.

use super::RunArgs;
use super::claim::id;
use crate::error::{CommandError, Verdict};
use crate::files::replace;
use crate::reports::{Base, Report, stages};
use evlog_pipeline::RunReport;
use std::path::Path;

/// The file.
pub(super) struct Junit<'a> {
    path: &'a Path,
    args: &'a RunArgs,
}

/// A run that has ended, and the name of its pipeline.
pub(super) struct Ended {
    pub(super) report: RunReport,
    pub(super) pipeline: String,
}

impl<'a> Junit<'a> {
    /// Writes a report that says that the run has not ended. `None` if no report is asked for.
    pub(super) fn begin(args: &'a RunArgs) -> Result<Option<Junit<'a>>, CommandError> {
        let Some(path) = args.junit.as_deref() else { return Ok(None) };
        let junit = Junit { path, args };
        junit.write_error("the run has not ended: evlog still runs it, or was killed")?;
        Ok(Some(junit))
    }

    /// Writes how the run ended, or why it did not.
    pub(super) fn end(&self, done: &Result<Ended, CommandError>) -> Result<(), CommandError> {
        let Ended { report, pipeline } = match done {
            Ok(ended) => ended,
            Err(error) => return self.write_error(&error.message),
        };
        let mut junit = self.report(&report.run_id);
        let (status, outcomes) = (report.status.word(), report.outcomes.as_slice());
        junit.says("run status", status);
        junit.says("bundle", report.bundle.display().to_string());
        let ended = stages::Ended { run: &report.run_id, pipeline, status: Some(status), outcomes };
        stages::add(&mut junit, &ended, &|path| report.bundle.join(path).is_file());
        let code = if report.exit_code == 0 { Verdict::CouldNot.code() } else { report.exit_code };
        self.write(&junit).map_err(|error| error.with_code(code))
    }

    fn write_error(&self, message: &str) -> Result<(), CommandError> {
        let run = id(self.args).unwrap_or("a new run");
        let mut junit = self.report(run);
        stages::add_error(&mut junit, run, message);
        self.write(&junit)
    }

    fn report(&self, run: &str) -> Report {
        Report::new("evlog run", run, Base::of_file(self.path))
    }

    fn write(&self, report: &Report) -> Result<(), CommandError> {
        replace(self.path, report.junit().as_bytes())
    }
}
