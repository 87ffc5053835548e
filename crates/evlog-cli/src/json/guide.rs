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

/// `evlog version`.
#[derive(Serialize)]
pub(crate) struct VersionObject {
    pub(crate) version: &'static str,
    /// The commit that the program was built from, if `EVLOG_COMMIT` named it when it was built.
    pub(crate) commit: Option<&'static str>,
    pub(crate) format: FormatVersions,
    /// The versions of the shapes of `--json`.
    pub(crate) json: [u32; 1],
    pub(crate) projections: Vec<ProjectionVersion>,
    /// What was built in besides what always is.
    pub(crate) features: Vec<&'static str>,
}

/// The versions of the log's format.
#[derive(Serialize)]
pub(crate) struct FormatVersions {
    pub(crate) reads: [u32; 1],
    pub(crate) writes: u32,
}

/// A projection, and the version that this program makes.
#[derive(Serialize)]
pub(crate) struct ProjectionVersion {
    pub(crate) name: &'static str,
    pub(crate) version: u16,
}
