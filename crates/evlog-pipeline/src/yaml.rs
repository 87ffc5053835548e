//! YAML documents, read as strictly as JSON is (pipeline.md 4.6, `yaml_document`).
//!
//! Does: turn one YAML 1.2 document into the JSON value that it means. Plain scalars follow the core schema, which agrees with
//! the JSON schema on everything that the JSON schema accepts. Does not: judge the value; that is the schema's part.
//!
//! Invariants:
//! - What has two readings is refused: duplicate keys, numbers that are not finite or that the JSON reader refuses, keys that
//!   are not strings, another version of YAML.
//! - References are refused: anchors, aliases, merge keys, tags of applications. So the value is not larger than its text.
//! - There is no recursion, and the depth is bounded.

use crate::limits::YAML_DEPTH_MAX;
use evlog_lifecycle::form::{Finding, line_and_column, utf8};
use evlog_projection::number;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The prefix of the tags that YAML defines.
const TAGS: &str = "tag:yaml.org,2002:";

/// Reads exactly one document.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Finding> {
    let text = text_of(bytes)?;
    let mut builder = Builder::default();
    let mut end = (1, 1);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| at(error.marker(), error.info().to_owned()))?;
        end = (span.start.line(), span.start.col() + 1);
        if matches!(event, Event::DocumentStart(_)) {
            version(text, &span.start)?;
        }
        builder.take(event).map_err(|message| at(&span.start, message))?;
    }
    let none = || Finding { line: end.0, column: end.1, message: "expected one document, found none".to_owned() };
    builder.document.ok_or_else(none)
}

fn at(place: &Marker, message: String) -> Finding {
    Finding { line: place.line(), column: place.col() + 1, message }
}

/// The text without its byte order mark. YAML allows no control characters, quoted or not.
fn text_of(bytes: &[u8]) -> Result<&str, Finding> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = utf8(bytes)?;
    let is_control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    let Some(at) = bytes.iter().position(is_control) else { return Ok(text) };
    let (line, column) = line_and_column(text, at);
    Err(Finding { line, column, message: "expected text, found a control character".to_owned() })
}

/// Checks that no directive asks for another version of YAML, which would read the same text differently.
fn version(text: &str, start: &Marker) -> Result<(), Finding> {
    let end = text.char_indices().nth(start.index()).map_or(text.len(), |(at, _)| at);
    for (number, line) in text[..end].lines().enumerate() {
        let mut words = line.split_ascii_whitespace();
        if words.next() == Some("%YAML") && words.next() != Some("1.2") {
            let message = "expected YAML 1.2, found a directive for another version".to_owned();
            return Err(Finding { line: number + 1, column: 1, message });
        }
    }
    Ok(())
}

/// The value so far.
#[derive(Default)]
struct Builder {
    /// Collections that have begun and not ended, outermost first.
    open: Vec<Open>,
    is_begun: bool,
    document: Option<Value>,
}

enum Open {
    Sequence(Vec<Value>),
    /// A mapping so far, and the key whose value comes next.
    Mapping(Map<String, Value>, Option<String>),
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.is_begun => Err("expected one document, found another".to_owned()),
            Event::DocumentStart(_) => {
                self.is_begun = true;
                Ok(())
            }
            Event::Alias(_) => Err("expected a value, found an alias (`*`); write the value out".to_owned()),
            Event::Scalar(text, style, anchor, tag) => {
                let tag = of_yaml(anchor, tag.as_deref())?;
                if let Some(Open::Mapping(members, key @ None)) = self.open.last_mut() {
                    *key = Some(key_of(members, text, style, tag.as_deref())?);
                } else {
                    self.put(scalar(text, style, tag.as_deref())?);
                }
                Ok(())
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(Open::Sequence(Vec::new()), "seq", of_yaml(anchor, tag.as_deref())?)
            }
            Event::MappingStart(anchor, tag) => {
                self.begin(Open::Mapping(Map::new(), None), "map", of_yaml(anchor, tag.as_deref())?)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                match self.open.pop() {
                    Some(Open::Sequence(items)) => self.put(Value::Array(items)),
                    Some(Open::Mapping(members, _)) => self.put(Value::Object(members)),
                    None => {}
                }
                Ok(())
            }
        }
    }

    fn begin(&mut self, collection: Open, name: &str, tag: Option<String>) -> Result<(), String> {
        if let Some(Open::Mapping(_, None)) = self.open.last() {
            return Err("expected a string as key, found a collection".to_owned());
        }
        if let Some(tag) = tag.filter(|tag| tag != name) {
            return Err(format!("the tag `!!{tag}` is not that of a collection of this kind"));
        }
        if self.open.len() >= YAML_DEPTH_MAX {
            return Err(format!("expected at most {YAML_DEPTH_MAX} collections within each other, found more"));
        }
        self.open.push(collection);
        Ok(())
    }

    /// Puts a whole value in its place.
    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            Some(Open::Sequence(items)) => items.push(value),
            Some(Open::Mapping(members, key)) => {
                if let Some(key) = key.take() {
                    members.insert(key, value);
                }
            }
            None => self.document = Some(value),
        }
    }
}

/// The name of a tag that YAML defines. Every other tag is refused, and so is every anchor.
fn of_yaml(anchor: usize, tag: Option<&Tag>) -> Result<Option<String>, String> {
    if anchor > 0 {
        return Err("expected a value, found an anchor (`&`); write the value out where it is needed".to_owned());
    }
    let Some(tag) = tag else { return Ok(None) };
    let whole = format!("{}{}", tag.handle, tag.suffix);
    match whole.strip_prefix(TAGS) {
        Some(name @ ("str" | "int" | "float" | "bool" | "null" | "seq" | "map")) => Ok(Some(name.to_owned())),
        _ => Err(format!("expected a tag of JSON's types, such as `!!str`, found `{whole}`")),
    }
}

/// Checks a key: it must be a string that its mapping does not have yet.
fn key_of(
    members: &Map<String, Value>,
    text: Cow<'_, str>,
    style: ScalarStyle,
    tag: Option<&str>,
) -> Result<String, String> {
    if style == ScalarStyle::Plain && tag.is_none() && text == "<<" {
        return Err("expected a key, found a merge key (`<<`); write the members out".to_owned());
    }
    match scalar(text, style, tag)? {
        Value::String(key) if members.contains_key(&key) => Err(format!("duplicate key `{key}`")),
        Value::String(key) => Ok(key),
        Value::Null => Err("expected a string as key, found null; quote it".to_owned()),
        Value::Bool(_) => Err("expected a string as key, found a boolean; quote it".to_owned()),
        _ => Err("expected a string as key, found a number; quote it".to_owned()),
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&str>) -> Result<Value, String> {
    let found = match tag {
        None if style == ScalarStyle::Plain => plain(&text)?.or_else(|| Some(Value::String(text.into_owned()))),
        None | Some("str") => Some(Value::String(text.into_owned())),
        Some("null") => null(&text),
        Some("bool") => boolean(&text),
        Some("int") => integer(&text)?,
        Some("float") => match integer(&text)? {
            None => float(&text)?,
            whole => whole,
        },
        Some(_) => None,
    };
    found.ok_or_else(|| format!("the text is not what its tag `!!{}` says", tag.unwrap_or_default()))
}

/// What a plain scalar means, unless it is a string.
fn plain(text: &str) -> Result<Option<Value>, String> {
    if let Some(word) = null(text).or_else(|| boolean(text)) {
        return Ok(Some(word));
    }
    match integer(text)? {
        Some(number) => Ok(Some(number)),
        None => float(text),
    }
}

fn null(text: &str) -> Option<Value> {
    matches!(text, "" | "~" | "null" | "Null" | "NULL").then_some(Value::Null)
}

fn boolean(text: &str) -> Option<Value> {
    match text {
        "true" | "True" | "TRUE" => Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => Some(Value::Bool(false)),
        _ => None,
    }
}

/// Reads an integer: decimal with or without a sign, octal `0o17`, hexadecimal `0x1F`.
fn integer(text: &str) -> Result<Option<Value>, String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, radix) = match (text.strip_prefix("0o"), text.strip_prefix("0x")) {
        (Some(digits), _) => (digits, 8),
        (_, Some(digits)) => (digits, 16),
        _ => (unsigned, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Ok(None);
    }
    let found = match radix {
        10 => number::number(text),
        _ => match i128::from_str_radix(digits, radix) {
            Ok(size) => number::integer(size),
            Err(_) => {
                Err(format!("number {} has more than 128 bits; write it as a string", text.get(..40).unwrap_or(text)))
            }
        },
    };
    found.map(|number| Some(Value::Number(number)))
}

fn float(text: &str) -> Result<Option<Value>, String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let not_finite = || Err("number is not finite".to_owned());
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return not_finite();
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = are_digits(before) && are_digits(after) && !(before.is_empty() && after.is_empty());
    if !is_number || exponent.is_some_and(|exponent| exponent.is_empty() || !are_digits(exponent)) {
        return Ok(None);
    }
    number::number(text).map(|number| Some(Value::Number(number)))
}

#[cfg(test)]
mod tests;
