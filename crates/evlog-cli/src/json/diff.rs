//! The answer of `diff`: one line for each run that differs.

use serde::Serialize;
use serde_json::Value;

/// A run whose files differ.
#[derive(Serialize)]
pub(crate) struct DiffLine<'a> {
    pub(crate) run: &'a str,
    pub(crate) change: &'static str,
    pub(crate) files: Vec<DiffFile<'a>>,
}

/// A file of [`DiffLine`].
#[derive(Serialize)]
pub(crate) struct DiffFile<'a> {
    pub(crate) path: &'a str,
    pub(crate) change: &'static str,
    /// RFC 6902; `null` where there is no second document, or one of the two is no JSON.
    pub(crate) patch: Option<Vec<Value>>,
    pub(crate) differences: &'a [String],
}
