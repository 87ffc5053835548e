//! What is wrong with a plan: every mistake that was found, with its place.

use evlog_lifecycle::form::line_and_column;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A plan that cannot be run. Nothing was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The plan file, as it was named.
    pub file: PathBuf,
    /// The mistakes, by place; at least one.
    pub problems: Vec<Problem>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Line and column, both from 1, the column in characters; `None` if the mistake concerns the whole file.
    pub place: Option<(usize, usize)>,
    /// What was expected and what was found.
    pub message: String,
}

impl PlanError {
    /// Each mistake with its place, by place.
    pub fn sentences(&self) -> impl Iterator<Item = String> {
        self.problems.iter().map(|problem| match problem.place {
            Some((line, column)) => format!("{}:{line}:{column}: {}", self.file.display(), problem.message),
            None => format!("{}: {}", self.file.display(), problem.message),
        })
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentences().collect::<Vec<String>>().join("\n"))
    }
}

impl std::error::Error for PlanError {}

/// Mistakes found so far, with their offsets in the file.
#[derive(Default)]
pub(super) struct Problems(Vec<(Option<usize>, String)>);

impl Problems {
    /// A mistake at a place.
    pub(super) fn at(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.0.push((Some(span.start), message.into()));
    }

    /// Adds a mistake that concerns the whole file.
    pub(super) fn whole(&mut self, message: impl Into<String>) {
        self.0.push((None, message.into()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_error(self, file: &Path, text: &str) -> PlanError {
        let place = |(offset, message): (Option<usize>, String)| Problem {
            place: offset.map(|offset| line_and_column(text, offset)),
            message,
        };
        let mut problems: Vec<Problem> = self.0.into_iter().map(place).collect();
        problems.sort_unstable();
        PlanError { file: file.to_owned(), problems }
    }
}
