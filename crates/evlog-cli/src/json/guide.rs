//! The shapes of commands about the program itself.

use serde::Serialize;

/// `evlog completions`.
#[derive(Serialize)]
pub(crate) struct CompletionsObject<'a> {
    pub(crate) shell: &'a str,
    pub(crate) script: &'a str,
}

/// `evlog man`.
#[derive(Serialize)]
pub(crate) struct ManObject<'a> {
    /// The page of evlog itself, if no directory is given.
    pub(crate) page: Option<&'a str>,
    /// The files that were written.
    pub(crate) files: &'a [String],
}
