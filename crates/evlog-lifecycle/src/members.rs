//! Reading a command's own members: each is taken by name, and what is left over is refused by name.

pub(crate) use evlog_format::ids::is_run_id;
use evlog_projection::Malformed;
use serde_json::{Map, Value};

/// The members that have not been taken yet.
pub(crate) struct Members {
    left: Map<String, Value>,
    known: Vec<&'static str>,
}

/// A refusal at a JSON pointer.
pub(crate) fn malformed(pointer: impl Into<String>, message: impl Into<String>) -> Malformed {
    Malformed { pointer: pointer.into(), message: message.into() }
}

/// A JSON pointer to a member of what `parent` points to (RFC 6901).
pub(crate) fn pointer(parent: &str, name: impl AsRef<str>) -> String {
    format!("{parent}/{}", name.as_ref().replace('~', "~0").replace('/', "~1"))
}

/// A JSON value's type, in words.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The largest part of text that is at most `max` bytes long and ends between characters.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// How much of a caller's text a message repeats, in bytes.
const QUOTED_LEN_MAX: usize = 120;

/// The beginning of text as messages quote it: control characters escaped, so that it stays on its line and means
/// nothing to a terminal.
pub(crate) fn quoted(text: &str) -> String {
    cut(text, QUOTED_LEN_MAX).chars().fold(String::new(), |mut quoted, char| {
        if char.is_control() {
            quoted.extend(char.escape_unicode());
        } else {
            quoted.push(char);
        }
        quoted
    })
}

/// The members of a value that is written as an object.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => unreachable!("written as an object, not as {}", kind(&other)),
    }
}

impl Members {
    /// All members of a command that are the contract's own.
    pub(crate) fn new(members: Map<String, Value>) -> Members {
        Members { left: members, known: Vec::new() }
    }

    /// The member's value; null is as good as absent.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.left.remove(name).filter(|value| !value.is_null())
    }

    /// Text of `min` to `max` characters, if given.
    pub(crate) fn text(&mut self, name: &'static str, min: usize, max: usize) -> Result<Option<String>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => match text.chars().count() {
                found if (min..=max).contains(&found) => Ok(Some(text)),
                found => {
                    Err(malformed(pointer("", name), format!("expected {min} to {max} characters, found {found}")))
                }
            },
            Some(other) => Err(malformed(pointer("", name), format!("expected text, found {}", kind(&other)))),
        }
    }

    /// As [`Members::text`], but it must be there.
    pub(crate) fn needed(&mut self, name: &'static str, min: usize, max: usize) -> Result<String, Malformed> {
        self.text(name, min, max)?.ok_or_else(|| malformed("", format!("`{name}` is missing")))
    }

    /// A run's id that must be there.
    pub(crate) fn run_id(&mut self, name: &'static str) -> Result<String, Malformed> {
        let text = self.needed(name, 1, 128)?;
        if is_run_id(&text) { Ok(text) } else { Err(malformed(pointer("", name), not_a_run_id(&text))) }
    }

    /// An object, if given.
    pub(crate) fn object(&mut self, name: &'static str) -> Result<Option<Map<String, Value>>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(other) => Err(malformed(pointer("", name), format!("expected an object, found {}", kind(&other)))),
        }
    }

    /// Refuses what was not taken.
    pub(crate) fn end(self, action: &str) -> Result<(), Malformed> {
        let Some(unknown) = self.left.keys().next() else {
            return Ok(());
        };
        let known = self.known.join("`, `");
        let message = format!("unknown member `{}` of `{action}`; it takes `{known}`", quoted(unknown));
        Err(malformed(pointer("", quoted(unknown)), message))
    }
}

/// The sentence about text that names no run.
pub(crate) fn not_a_run_id(found: &str) -> String {
    let found = quoted(found);
    format!("expected a run id of letters, digits, `.`, `_` and `-`, 1 to 128 of them, found `{found}`")
}
