//! Reads the members of a definition, each by name and type, and collects everything that is wrong with them, so that a person
//! who writes a contract sees all mistakes at once.
//!
//! Does not: know what the members mean.
//!
//! Invariant: every flaw names the part as a JSON pointer, what was expected, and what was found.

use crate::located::Half;
use evlog_projection::members::{kind, pointer, quoted};
use serde_json::{Map, Value};
use std::cell::RefCell;

/// The longest name, in characters.
pub const NAME_LEN_MAX: usize = 64;
/// The longest sentence about something, in characters.
pub const ABOUT_LEN_MAX: usize = 200;

/// Who wrote the definition that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// evlog did: the definition may have a reserved name, and contains its cross-cutting codes itself.
    BuiltIn,
    /// A user did.
    Brought,
}

/// Something wrong with a part of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// JSON pointer to the part.
    pub pointer: String,
    /// Whether it is about the part's key or its value.
    pub half: Half,
    /// What was expected and what was found.
    pub message: String,
}

/// The flaws found so far.
#[derive(Debug, Default)]
pub struct Flaws(RefCell<Vec<Flaw>>);

impl Flaws {
    /// A flaw of a value.
    pub fn at(&self, pointer: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push(Flaw { pointer: pointer.into(), half: Half::Value, message: message.into() });
    }

    /// A flaw of a key.
    pub fn at_key(&self, pointer: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push(Flaw { pointer: pointer.into(), half: Half::Key, message: message.into() });
    }

    /// Whether no flaw was found.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// The first one that was found.
    pub fn into_first(self) -> Option<Flaw> {
        self.into_vec().into_iter().next()
    }

    /// All flaws, in the order in which they were found.
    pub fn into_vec(self) -> Vec<Flaw> {
        self.0.into_inner()
    }

    fn unexpected(&self, pointer: impl Into<String>, expected: &str, found: &Value) {
        self.at(pointer, format!("expected {expected}, found {}", kind(found)));
    }
}

/// An object's members that have not been read yet.
pub struct Fields<'f> {
    flaws: &'f Flaws,
    at: String,
    left: Map<String, Value>,
}

impl<'f> Fields<'f> {
    /// The members of a value that should be an object.
    pub fn of(value: Value, at: impl Into<String>, flaws: &'f Flaws) -> Option<Fields<'f>> {
        let at = at.into();
        match value {
            Value::Object(left) => Some(Fields { flaws, at, left }),
            other => {
                flaws.unexpected(at, "an object", &other);
                None
            }
        }
    }

    /// JSON pointer to a member.
    pub fn pointer(&self, name: &str) -> String {
        pointer(&self.at, name)
    }

    /// Whether a member is there.
    pub fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// A member of any type.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name)
    }

    fn missing<T>(&self, name: &str) -> Option<T> {
        self.flaws.at(self.at.clone(), format!("expected the member `{name}`, found none"));
        None
    }

    /// Text, if it is there.
    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        let value = self.take(name)?;
        text(value, &self.pointer(name), self.flaws)
    }

    /// Text that must be there.
    pub fn text(&mut self, name: &str) -> Option<String> {
        if self.has(name) { self.optional_text(name) } else { self.missing(name) }
    }

    /// A boolean, if it is there.
    pub fn optional_bool(&mut self, name: &str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(value) => Some(value),
            other => {
                self.flaws.unexpected(self.pointer(name), "a boolean", &other);
                None
            }
        }
    }

    /// The items of a list, each with its pointer; empty if the member is absent.
    pub fn items(&mut self, name: &str) -> Vec<(String, Value)> {
        match self.take(name) {
            None => Vec::new(),
            Some(value) => items(value, &self.pointer(name), self.flaws),
        }
    }

    /// The items of a list that must be there.
    pub fn required_items(&mut self, name: &str) -> Vec<(String, Value)> {
        if self.has(name) { self.items(name) } else { self.missing(name).unwrap_or_default() }
    }

    /// The members of an object, each with its pointer; empty if the member is absent.
    pub fn members(&mut self, name: &str) -> Vec<(String, String, Value)> {
        let at = self.pointer(name);
        let Some(object) = self.take(name).and_then(|value| Fields::of(value, at.clone(), self.flaws)) else {
            return Vec::new();
        };
        object.left.into_iter().map(|(key, value)| (pointer(&at, &key), key, value)).collect()
    }

    /// One of a set of words, if it is there.
    pub fn optional_word<T: Copy>(&mut self, name: &str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.optional_text(name)?;
        word(&text, &self.pointer(name), words, self.flaws)
    }

    /// One of a set of words, which must be there.
    pub fn word<T: Copy>(&mut self, name: &str, words: &[(&'static str, T)]) -> Option<T> {
        if self.has(name) { self.optional_word(name, words) } else { self.missing(name) }
    }

    /// Adds a flaw for each member that was not read.
    pub fn finish(self) {
        for name in self.left.keys() {
            self.flaws.at_key(self.pointer(name), format!("unknown member `{}`", quoted(name)));
        }
    }
}

/// A value that should be text.
pub fn text(value: Value, at: &str, flaws: &Flaws) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        other => {
            flaws.unexpected(at, "text", &other);
            None
        }
    }
}

/// The items of a value that should be a list, each with its pointer.
pub fn items(value: Value, at: &str, flaws: &Flaws) -> Vec<(String, Value)> {
    match value {
        Value::Array(items) => {
            items.into_iter().enumerate().map(|(index, item)| (format!("{at}/{index}"), item)).collect()
        }
        other => {
            flaws.unexpected(at, "an array", &other);
            Vec::new()
        }
    }
}

/// Text that should be one of a set of words.
pub fn word<T: Copy>(text: &str, at: &str, words: &[(&'static str, T)], flaws: &Flaws) -> Option<T> {
    let known = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if known.is_none() {
        let list: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        flaws.at(at, format!("expected {}, found `{}`", list.join(" or "), quoted(text)));
    }
    known
}

/// The member `name`: `[a-z][a-z0-9_-]*`, and not one of these.
pub fn name(fields: &mut Fields<'_>, flaws: &Flaws, reserved: &[&str]) -> Option<String> {
    let pointer = fields.pointer("name");
    let name = fields.text("name")?;
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    if !plain || name.len() > NAME_LEN_MAX {
        let found = quoted(&name);
        flaws.at(
            pointer,
            format!("expected a name of the form [a-z][a-z0-9_-]*, at most {NAME_LEN_MAX} long, found `{found}`"),
        );
    } else if reserved.contains(&name.as_str()) {
        flaws.at(pointer, format!("`{name}` is the name of a built-in one; choose another"));
    }
    Some(name)
}

/// The member `about`: a sentence for people.
pub fn about(fields: &mut Fields<'_>, flaws: &Flaws) -> Option<String> {
    let pointer = fields.pointer("about");
    let about = fields.optional_text("about")?;
    let found = about.chars().count();
    if !(1..=ABOUT_LEN_MAX).contains(&found) {
        flaws.at(&pointer, format!("expected 1 to {ABOUT_LEN_MAX} characters, found {found}"));
    }
    if about.chars().any(char::is_control) {
        flaws.at(pointer, "expected one line without control characters");
    }
    Some(about)
}

/// Adds a flaw if there are more items than allowed.
pub fn within(flaws: &Flaws, pointer: &str, what: &str, found: usize, max: usize) {
    if found > max {
        flaws.at(pointer, format!("expected at most {max} {what}, found {found}"));
    }
}

/// Whether it is `[a-z][a-z0-9_]*`: a segment of a stage, or a reason code.
pub fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
