//! Reads the members of a JSON object, each by name and type, and refuses those that nobody asked for.
//!
//! Does not: know what the members mean.
//!
//! Invariant: every error names the place as a JSON pointer, what was expected, and what was found.

use crate::members::{kind, malformed, pointer, quoted};
use evlog_projection::Malformed;
use serde_json::{Map, Value};

/// An object's members that have not been read yet.
pub(super) struct Members {
    at: String,
    rest: Map<String, Value>,
}

fn unexpected(pointer: impl Into<String>, expected: &str, found: &Value) -> Malformed {
    malformed(pointer, format!("expected {expected}, found {}", kind(found)))
}

impl Members {
    /// The members of the command itself.
    pub(super) fn new(rest: Map<String, Value>) -> Members {
        Members { at: String::new(), rest }
    }

    /// The members of an object within the command.
    pub(super) fn of(value: Value, at: impl Into<String>) -> Result<Members, Malformed> {
        let at = at.into();
        match value {
            Value::Object(rest) => Ok(Members { at, rest }),
            other => Err(unexpected(at, "an object", &other)),
        }
    }

    /// JSON pointer to a member.
    pub(super) fn pointer(&self, name: &str) -> String {
        pointer(&self.at, name)
    }

    /// A member of any type.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.rest.remove(name)
    }

    fn required(&mut self, name: &str) -> Result<Value, Malformed> {
        let missing = || malformed(self.at.clone(), format!("expected the member `{name}`, found none"));
        self.rest.remove(name).ok_or_else(missing)
    }

    /// A string that must be there.
    pub(super) fn string(&mut self, name: &str) -> Result<String, Malformed> {
        match self.required(name)? {
            Value::String(text) => Ok(text),
            other => Err(unexpected(self.pointer(name), "text", &other)),
        }
    }

    /// A string, if it is there.
    pub(super) fn optional_string(&mut self, name: &str) -> Result<Option<String>, Malformed> {
        if self.rest.contains_key(name) { self.string(name).map(Some) } else { Ok(None) }
    }

    /// A boolean, if it is there.
    pub(super) fn optional_bool(&mut self, name: &str) -> Result<Option<bool>, Malformed> {
        match self.rest.remove(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(unexpected(self.pointer(name), "a boolean", &other)),
        }
    }

    /// A whole number from 0, if it is there.
    pub(super) fn optional_count(&mut self, name: &str) -> Result<Option<u64>, Malformed> {
        let Some(value) = self.rest.remove(name) else { return Ok(None) };
        match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(malformed(self.pointer(name), format!("expected a whole number from 0, found {value}"))),
        }
    }

    /// A whole number from 0.
    pub(super) fn count(&mut self, name: &str) -> Result<u64, Malformed> {
        let missing = || format!("expected the member `{name}`, found none");
        self.optional_count(name)?.ok_or_else(|| malformed(self.at.clone(), missing()))
    }

    /// An object, if it is there.
    pub(super) fn optional_object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, Malformed> {
        let at = self.pointer(name);
        self.rest.remove(name).map(|value| Members::of(value, at).map(|members| members.rest)).transpose()
    }

    /// The items of an array, each with its pointer; none when the member is absent.
    pub(super) fn items(&mut self, name: &str) -> Result<Vec<(String, Value)>, Malformed> {
        let at = self.pointer(name);
        match self.rest.remove(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                Ok(items.into_iter().enumerate().map(|(i, item)| (format!("{at}/{i}"), item)).collect())
            }
            Some(other) => Err(unexpected(at, "an array", &other)),
        }
    }

    /// The items of an array that must be there.
    pub(super) fn required_items(&mut self, name: &str) -> Result<Vec<(String, Value)>, Malformed> {
        let value = self.required(name)?;
        self.rest.insert(name.to_owned(), value);
        self.items(name)
    }

    /// One of a set of words, if it is there.
    pub(super) fn optional_word<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, Malformed> {
        let Some(text) = self.optional_string(name)? else { return Ok(None) };
        let known = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        known.map(Some).ok_or_else(|| {
            let list: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            malformed(self.pointer(name), format!("expected {}, found `{}`", list.join(" or "), quoted(&text)))
        })
    }

    /// One of a set of words.
    pub(super) fn word<T: Copy>(&mut self, name: &str, words: &[(&'static str, T)]) -> Result<T, Malformed> {
        let missing = || format!("expected the member `{name}`, found none");
        self.optional_word(name, words)?.ok_or_else(|| malformed(self.at.clone(), missing()))
    }

    /// Refuses the first member that was not read.
    pub(super) fn finish(self) -> Result<(), Malformed> {
        match self.rest.keys().next() {
            None => Ok(()),
            Some(name) => Err(malformed(self.pointer(name), format!("unknown member `{}`", quoted(name)))),
        }
    }
}
