//! The strict reader of members that all contracts share, and a helper for objects that are written here.

use evlog_projection::Malformed;
use evlog_projection::described::{CommandForm, words_of};
pub(crate) use evlog_projection::members::{Members, check_run_id, cut, kind, malformed, pointer, quoted};
use evlog_projection::nearest::meant;
use serde_json::{Map, Value};

/// The members of a value that is known to be an object.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => unreachable!("written as an object, not as {}", kind(&other)),
    }
}

/// The error about a word of `do` that the contract does not have.
pub(crate) fn unknown_command(action: &str, known: &[CommandForm]) -> Malformed {
    let question = meant(action, known.iter().map(|command| command.word)).map(|question| format!("; {question}"));
    let question = question.unwrap_or_default();
    malformed("/do", format!("expected {}, found `{}`{question}", words_of(known), quoted(action)))
}
