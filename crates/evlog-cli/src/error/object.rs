//! The error of a command that was asked for JSON: a shape of version 1, like the shapes of `json`.

use super::CommandError;
use serde::Serialize;

/// One line on stderr. What is not known apart from the message is null.
#[derive(Serialize)]
pub(crate) struct ErrorObject<'a> {
    error: &'a str,
    #[serde(rename = "where")]
    place: Option<&'a str>,
    expected: Option<&'a str>,
    found: Option<&'a str>,
    details: &'a [String],
    hints: &'a [String],
    exit_code: u8,
}

impl<'a> From<&'a CommandError> for ErrorObject<'a> {
    fn from(failure: &'a CommandError) -> ErrorObject<'a> {
        let CommandError { message, details, hints, code, differs, .. } = failure;
        ErrorObject {
            error: message,
            place: differs.place.as_deref(),
            expected: differs.expected.as_deref(),
            found: differs.found.as_deref(),
            details,
            hints,
            exit_code: *code,
        }
    }
}
