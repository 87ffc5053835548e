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

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match problem.place {
                Some((line, column)) => write!(f, "{}:{line}:{column}: ", self.file.display())?,
                None => write!(f, "{}: ", self.file.display())?,
            }
            f.write_str(&problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for PlanError {}
