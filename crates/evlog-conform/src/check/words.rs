//! How findings quote what was found: as JSON text, on one line, cut.

use super::finding::Finding;
use evlog_lifecycle::pipeline::Outcome;
use serde_json::Value;

/// The longest text that is quoted whole, in characters.
const QUOTED_LEN_MAX: usize = 160;

/// A value as JSON text: control characters are escaped in it.
pub(super) fn quoted(value: &Value) -> String {
    cut(value.to_string())
}

/// Text between quotation marks.
pub(super) fn text(text: &str) -> String {
    quoted(&text.into())
}

pub(super) fn cut(text: String) -> String {
    match text.char_indices().nth(QUOTED_LEN_MAX) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

/// An outcome in short.
pub(super) fn outcome(outcome: &Outcome) -> String {
    format!("`{}`", cut(outcome.to_string()))
}

/// A finding.
pub(super) fn finding(
    file: impl Into<String>,
    pointer: impl Into<String>,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> Finding {
    Finding { file: file.into(), pointer: pointer.into(), expected: expected.into(), found: found.into() }
}

/// One of several words, for `expected`.
pub(super) fn one_of<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}
