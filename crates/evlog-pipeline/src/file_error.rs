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
        write!(f, "could not {} `{}`: {}", self.action, self.path.display(), in_words(self.action, &self.source))
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The system's error message in evlog's words, where they say all; the number of an error says nothing to a person. An error that
/// has no number says more already.
pub fn in_words(action: &str, error: &io::Error) -> String {
    let words = match error.kind() {
        _ if error.raw_os_error().is_none() => return error.to_string(),
        io::ErrorKind::NotFound if action == "read" => "there is no such file",
        io::ErrorKind::NotFound if action == "start" => {
            "no such program was found (a name without `/` is looked for in PATH)"
        }
        io::ErrorKind::NotFound => "there is no such file or directory",
        io::ErrorKind::IsADirectory => "it is a directory",
        io::ErrorKind::NotADirectory => "a part of the path is not a directory",
        io::ErrorKind::PermissionDenied => "permission denied",
        _ => return error.to_string(),
    };
    words.to_owned()
}

/// Names the file and the action of an error.
pub(crate) fn at<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> FileError + use<'p> {
    move |source| FileError { action, path: path.to_owned(), source }
}
