//! What is wrong with a plan: every mistake that was found, with its place.

use std::fmt;
use std::path::PathBuf;

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
    /// Line and column, both from 1, the column in characters; none for the file as a whole.
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
