//! The answers of the checks.

use super::{Check, Needs};
use evlog_lifecycle::pipeline::Outcome;
use std::fmt;

/// The most findings that are kept for one check: the first ones in order. All are counted.
pub const FINDINGS_MAX: usize = 1000;

/// One point in which a bundle does not conform.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the bundle; empty for the bundle itself.
    pub file: String,
    /// JSON pointer to the value; empty if the finding concerns the whole file.
    pub pointer: String,
    /// What should be there, in words or as JSON text.
    pub expected: String,
    /// The found value.
    pub found: String,
}

/// The reason why a check was not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRun {
    /// It needs something that was not given.
    Missing(Needs),
    /// The file or member that it checks is not there, or cannot be read. The text is a sentence, and names the check that
    /// reports this, if there is one.
    Impossible(String),
}

/// The answer of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The check.
    pub check: &'static Check,
    /// How many findings there were.
    pub count: usize,
    /// The findings in order, at most [`FINDINGS_MAX`]; or why the check was not run.
    pub answer: Result<Vec<Finding>, NotRun>,
}

/// The answers of all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conformance {
    /// The run, as its manifest names it.
    pub run: Option<String>,
    /// How the run ended, according to its manifest. The bundle of a failed run can conform too.
    pub status: Option<String>,
    /// The pipeline that its manifest names, if that is not the one that was given.
    pub other_pipeline: Option<String>,
    /// The outcomes that its manifest lists, as far as they can be read.
    pub outcomes: Vec<Outcome>,
    /// The checks, by number.
    pub checks: Vec<Checked>,
}

impl Conformance {
    /// Whether there are no findings. A check that was not run has no findings.
    pub fn conforms(&self) -> bool {
        self.checks.iter().all(|checked| checked.count == 0)
    }

    /// The number of findings of all checks together.
    pub fn count(&self) -> usize {
        self.checks.iter().map(|checked| checked.count).sum()
    }

    /// The findings, by check, file, pointer and words.
    pub fn findings(&self) -> impl Iterator<Item = (&'static Check, &Finding)> {
        self.checks.iter().flat_map(|checked| checked.findings().iter().map(|finding| (checked.check, finding)))
    }
}

impl Checked {
    /// The findings; empty if the check was not run.
    pub fn findings(&self) -> &[Finding] {
        self.answer.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for NotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotRun::Missing(needs) => write!(f, "needs {}", needs.words()),
            NotRun::Impossible(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = if self.file.is_empty() { "the bundle" } else { &self.file };
        let at = if self.pointer.is_empty() { String::new() } else { format!(", at {}", self.pointer) };
        write!(f, "{file}{at}: expected {}, found {}", self.expected, self.found)
    }
}
