//! Reads the members of a JSON object strictly: each is taken by name and type, and members that are left over are
//! refused by name.
//!
//! Does not: know what the members mean.
//!
//! Invariants:
//! - Every error names the place as a JSON pointer, what was expected, and what was found.
//! - A member that is null is absent.

use crate::contract::Malformed;
use evlog_format::ids::{RUN_ID_LEN_MAX, is_run_id};
use serde_json::{Map, Value};

/// The members of an object that have not been taken yet.
pub struct Members {
    /// JSON pointer to the object.
    at: String,
    left: Map<String, Value>,
    known: Vec<&'static str>,
}

/// An error at a JSON pointer.
pub fn malformed(pointer: impl Into<String>, message: impl Into<String>) -> Malformed {
    Malformed { pointer: pointer.into(), message: message.into() }
}

/// A JSON pointer to a member of what `parent` points to (RFC 6901).
pub fn pointer(parent: &str, name: impl AsRef<str>) -> String {
    format!("{parent}/{}", name.as_ref().replace('~', "~0").replace('/', "~1"))
}

/// A JSON value's type, in words.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The longest beginning of text that has at most `max` bytes and ends between characters.
pub fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// How much of a caller's text a message repeats, in bytes.
const QUOTED_LEN_MAX: usize = 120;

/// The beginning of text as messages quote it. Control characters are escaped, so that the text stays on its line and a
/// terminal does not obey it.
pub fn quoted(text: &str) -> String {
    cut(text, QUOTED_LEN_MAX).chars().fold(String::new(), |mut quoted, char| {
        if char.is_control() {
            quoted.extend(char.escape_unicode());
        } else {
            quoted.push(char);
        }
        quoted
    })
}

/// Checks that text can name a run. The name becomes a directory's name.
pub fn check_run_id(text: &str) -> Result<(), String> {
    if is_run_id(text) {
        return Ok(());
    }
    Err(format!(
        "expected a run id of 1 to {RUN_ID_LEN_MAX} letters, digits, `.`, `_` or `-`, the first a letter or a digit, \
         found `{}`",
        quoted(text)
    ))
}

fn unexpected(pointer: impl Into<String>, expected: &str, found: &Value) -> Malformed {
    malformed(pointer, format!("expected {expected}, found {}", kind(found)))
}

impl Members {
    /// The members of a command itself.
    pub fn new(members: Map<String, Value>) -> Members {
        Members { at: String::new(), left: members, known: Vec::new() }
    }

    /// The members of an object within a command, at this JSON pointer.
    pub fn of(value: Value, at: impl Into<String>) -> Result<Members, Malformed> {
        let at = at.into();
        match value {
            Value::Object(left) => Ok(Members { at, left, known: Vec::new() }),
            other => Err(unexpected(at, "an object", &other)),
        }
    }

    /// JSON pointer to a member.
    pub fn pointer(&self, name: &str) -> String {
        pointer(&self.at, name)
    }

    /// A member of any type, if it is there.
    pub fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.left.remove(name).filter(|value| !value.is_null())
    }

    fn there<T>(&self, name: &str, found: Option<T>) -> Result<T, Malformed> {
        found.ok_or_else(|| malformed(self.at.clone(), format!("expected the member `{name}`, found none")))
    }

    /// A string, if it is there.
    pub fn optional_string(&mut self, name: &'static str) -> Result<Option<String>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(unexpected(self.pointer(name), "text", &other)),
        }
    }

    /// A string that must be there.
    pub fn string(&mut self, name: &'static str) -> Result<String, Malformed> {
        let found = self.optional_string(name)?;
        self.there(name, found)
    }

    /// Text of `min` to `max` characters, if it is there.
    pub fn text(&mut self, name: &'static str, min: usize, max: usize) -> Result<Option<String>, Malformed> {
        let Some(text) = self.optional_string(name)? else { return Ok(None) };
        let found = text.chars().count();
        if (min..=max).contains(&found) {
            return Ok(Some(text));
        }
        Err(malformed(self.pointer(name), format!("expected {min} to {max} characters, found {found}")))
    }

    /// Text of `min` to `max` characters that must be there.
    pub fn needed(&mut self, name: &'static str, min: usize, max: usize) -> Result<String, Malformed> {
        let found = self.text(name, min, max)?;
        self.there(name, found)
    }

    /// A run's id that must be there.
    pub fn run_id(&mut self, name: &'static str) -> Result<String, Malformed> {
        let text = self.string(name)?;
        check_run_id(&text).map_err(|message| malformed(self.pointer(name), message))?;
        Ok(text)
    }

    /// A boolean, if it is there.
    pub fn optional_bool(&mut self, name: &'static str) -> Result<Option<bool>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(unexpected(self.pointer(name), "a boolean", &other)),
        }
    }

    /// A whole number from 0 to [`u64::MAX`], if it is there.
    pub fn optional_count(&mut self, name: &'static str) -> Result<Option<u64>, Malformed> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let found = value.as_u64();
        found.map(Some).ok_or_else(|| {
            malformed(
                self.pointer(name),
                format!("expected a whole number from 0 to {}, found {}", u64::MAX, quoted(&value.to_string())),
            )
        })
    }

    /// A whole number from 0 to [`u64::MAX`] that must be there.
    pub fn count(&mut self, name: &'static str) -> Result<u64, Malformed> {
        let found = self.optional_count(name)?;
        self.there(name, found)
    }

    /// An object, if it is there.
    pub fn object(&mut self, name: &'static str) -> Result<Option<Map<String, Value>>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(other) => Err(unexpected(self.pointer(name), "an object", &other)),
        }
    }

    /// The items of an array, each with its pointer, if it is there.
    pub fn optional_items(&mut self, name: &'static str) -> Result<Option<Vec<(String, Value)>>, Malformed> {
        let at = self.pointer(name);
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => {
                Ok(Some(items.into_iter().enumerate().map(|(i, item)| (format!("{at}/{i}"), item)).collect()))
            }
            Some(other) => Err(unexpected(at, "an array", &other)),
        }
    }

    /// The items of an array that must be there.
    pub fn items(&mut self, name: &'static str) -> Result<Vec<(String, Value)>, Malformed> {
        let found = self.optional_items(name)?;
        self.there(name, found)
    }

    /// One of a set of words, if it is there.
    pub fn optional_word<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, Malformed> {
        let Some(text) = self.optional_string(name)? else { return Ok(None) };
        let known = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        known.map(Some).ok_or_else(|| {
            let list: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            malformed(self.pointer(name), format!("expected {}, found `{}`", list.join(" or "), quoted(&text)))
        })
    }

    /// One of a set of words that must be there.
    pub fn word<T: Copy>(&mut self, name: &'static str, words: &[(&'static str, T)]) -> Result<T, Malformed> {
        let found = self.optional_word(name, words)?;
        self.there(name, found)
    }

    /// Refuses members that were not taken; `of` names the object in the message.
    pub fn end(self, of: &str) -> Result<(), Malformed> {
        let Some(unknown) = self.left.keys().next() else {
            return Ok(());
        };
        let known = match self.known.as_slice() {
            [] => "takes none".to_owned(),
            known => format!("takes `{}`", known.join("`, `")),
        };
        let message = format!("unknown member `{}` of `{of}`, which {known}", quoted(unknown));
        Err(malformed(pointer(&self.at, quoted(unknown)), message))
    }
}
