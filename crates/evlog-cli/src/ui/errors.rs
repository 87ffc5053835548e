//! How an error is shown: as sentences, or as one JSON object for a command that was asked for JSON.

use crate::error::{CommandError, ErrorObject};
use evlog_export::json::write_line;
use std::ffi::OsStr;

/// The form of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errors {
    Sentences,
    Objects,
}

impl Errors {
    /// The form that a command line asks for, even if it cannot be parsed: what asks for JSON comes as `--json` or as
    /// `--format json`.
    pub(crate) fn typed(arguments: impl Iterator<Item = impl AsRef<OsStr>>) -> Errors {
        let mut before = String::new();
        for argument in arguments {
            let text = argument.as_ref().to_string_lossy();
            let is_json = text == "--json" || text.starts_with("--json=") || text == "--format=json";
            if is_json || (before == "--format" && text == "json") {
                return Errors::Objects;
            }
            if text == "--" {
                break;
            }
            before = text.into_owned();
        }
        Errors::Sentences
    }
}

/// The object, in one line.
pub(crate) fn line(failure: &CommandError) -> String {
    let mut line = Vec::new();
    let _infallible = write_line(&mut line, &ErrorObject::from(failure));
    String::from_utf8_lossy(&line).trim_end().to_owned()
}
