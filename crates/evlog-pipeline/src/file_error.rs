//! What could not be done to a file, and to which file.

use std::io;
use std::path::{Path, PathBuf};

/// An operation that could not be done, and the file that it was for.
#[derive(Debug)]
pub struct FileError {
    /// What was tried, such as `write`.
    pub action: &'static str,
    /// The file.
    pub path: PathBuf,
    /// The system's error message.
    pub source: io::Error,
}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "could not {} `{}`: {}", self.action, self.path.display(), self.source)
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Names the file and the action of an error.
pub(crate) fn at<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> FileError + use<'p> {
    move |source| FileError { action, path: path.to_owned(), source }
}
