//! A condition on an event: `FIELD=VALUE`, with `!=`, `<`, `<=`, `>`, `>=`, and `~` for a regular expression.
//!
//! Rules:
//! - An absent field counts as `null`: it equals only `null`, and differs from everything else.
//! - A number is compared by value, exactly: `1` equals `1.0`. A time is compared with a time in UTC, or with a date.
//! - Text is compared as it is; `<` and the like compare its bytes. A list matches if one of its items does. With `!=` it
//!   matches if no item equals the value.
//! - Values of different types are not equal, and neither is less or greater than the other.

use crate::field::{Field, Found, whole};
use crate::reading::Reading;
use evlog_projection::members::quoted;
use evlog_projection::time::from_rfc3339;
use regex::{Regex, RegexBuilder};
use serde_json::{Number, Value};
use std::cmp::Ordering;

/// The longest program of a regular expression, in bytes.
const REGEX_SIZE_MAX: usize = 1 << 20;

/// Operators. If an operator begins with another one, it comes first.
const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::Differs),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("=", Operator::Equals),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("~", Operator::Matches),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equals,
    Differs,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Matches,
}

/// The value that a field is compared with.
#[derive(Clone, Debug)]
struct Wanted {
    text: String,
    /// The text as a number, if it is a number.
    number: Option<Number>,
    /// The text as a time or a date, Unix nanoseconds, if it is one.
    time_ns: Option<i128>,
    pattern: Option<Regex>,
}

/// A condition on one field.
#[derive(Clone, Debug)]
pub struct Condition {
    field: Field,
    operator: Operator,
    wanted: Wanted,
}

impl Condition {
    /// Reads `FIELD=VALUE`, or the same with another operator.
    pub fn parse(text: &str) -> Result<Condition, String> {
        let (at, (sign, operator)) = text
            .char_indices()
            .filter(|(at, _)| !is_escape(text, *at))
            .find_map(|(at, _)| {
                OPERATORS.iter().find(|(sign, _)| text[at..].starts_with(sign)).map(|found| (at, *found))
            })
            .ok_or_else(|| {
                format!(
                    "expected FIELD=VALUE such as `payload.to=running`, or `!=`, `<`, `<=`, `>`, `>=` or `~` in place of `=`, found `{}`",
                    quoted(text)
                )
            })?;
        let (field, value) = (Field::parse(text[..at].trim())?, &text[at + sign.len()..]);
        let is_compared = !matches!(operator, Operator::Equals | Operator::Differs | Operator::Matches);
        let time_ns = from_rfc3339(value).or_else(|_| from_rfc3339(&format!("{value}T00:00:00Z"))).ok();
        if field.is_time() && (time_ns.is_none() || operator == Operator::Matches) && value != "null" {
            return Err(format!(
                "expected a time such as 2026-02-23T18:00:00Z or a date in UTC for `{}`, found `{}`",
                field.text(),
                quoted(value)
            ));
        }
        if is_compared && value.is_empty() {
            return Err(format!("expected a value after `{sign}`, found none: `{}`", quoted(text)));
        }
        if is_compared && is_beyond_doubles(value) {
            return Err(format!("expected a number that a double can hold, found `{}`", quoted(value)));
        }
        let pattern = (operator == Operator::Matches).then(|| regex(value)).transpose()?;
        let wanted = Wanted { text: value.to_owned(), number: number(value), time_ns, pattern };
        Ok(Condition { field, operator, wanted })
    }

    /// The field that it is about.
    pub fn field(&self) -> &Field {
        &self.field
    }

    /// Whether an event fulfils it.
    pub fn holds(&self, reading: &Reading<'_>) -> bool {
        let found = self.field.of(reading);
        match self.operator {
            Operator::Equals => self.wanted.any(&found, &|ordering| ordering == Ordering::Equal),
            Operator::Differs => !self.wanted.any(&found, &|ordering| ordering == Ordering::Equal),
            Operator::Less => self.wanted.any(&found, &Ordering::is_lt),
            Operator::AtMost => self.wanted.any(&found, &Ordering::is_le),
            Operator::Greater => self.wanted.any(&found, &Ordering::is_gt),
            Operator::AtLeast => self.wanted.any(&found, &Ordering::is_ge),
            Operator::Matches => self.wanted.pattern.as_ref().is_some_and(|pattern| matches(pattern, &found)),
        }
    }
}

impl Wanted {
    /// Whether the value, or an item of the list, has the required order to the wanted value.
    fn any(&self, found: &Found<'_>, is_so: &dyn Fn(Ordering) -> bool) -> bool {
        match found {
            Found::Json(Value::Array(items)) => {
                items.iter().any(|item| self.compare(&Found::Json(item)).is_some_and(is_so))
            }
            one => self.compare(one).is_some_and(is_so),
        }
    }

    /// How the value compares with the wanted value; `None` if they have different types.
    fn compare(&self, found: &Found<'_>) -> Option<Ordering> {
        match found {
            Found::Absent | Found::Json(Value::Null) => (self.text == "null").then_some(Ordering::Equal),
            Found::Text(text) => Some(text.as_ref().cmp(&self.text)),
            Found::Number(number) => compare_numbers(&Number::from(*number), self.number.as_ref()?),
            Found::Time(time_ns) => Some(time_ns.cmp(&self.time_ns?)),
            Found::Json(Value::String(text)) => Some(text.as_str().cmp(&self.text)),
            Found::Json(Value::Number(number)) => compare_numbers(number, self.number.as_ref()?),
            Found::Json(Value::Bool(value)) => (value.to_string() == self.text).then_some(Ordering::Equal),
            Found::Json(other) => (other.to_string() == self.text).then_some(Ordering::Equal),
        }
    }
}

/// Whether this is `~0` or `~1` of a JSON pointer, and not an operator.
fn is_escape(text: &str, at: usize) -> bool {
    text.starts_with('/') && (text[at..].starts_with("~0") || text[at..].starts_with("~1"))
}

fn matches(pattern: &Regex, found: &Found<'_>) -> bool {
    match found {
        Found::Text(text) => pattern.is_match(text),
        Found::Json(Value::String(text)) => pattern.is_match(text),
        Found::Json(Value::Array(items)) => items.iter().any(|item| matches(pattern, &Found::Json(item))),
        Found::Number(number) => pattern.is_match(&number.to_string()),
        Found::Json(Value::Number(number)) => pattern.is_match(&number.to_string()),
        Found::Absent | Found::Time(_) | Found::Json(_) => false,
    }
}

fn number(text: &str) -> Option<Number> {
    match serde_json::from_str(text) {
        Ok(Value::Number(number)) => Some(number),
        _ => None,
    }
}

/// Whether this is a number that is too large for a double. Nothing would be less or greater than it.
fn is_beyond_doubles(text: &str) -> bool {
    let is_numeric = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    is_numeric && text.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// Compares numbers by value. A whole number is not turned into a double, which could change it.
fn compare_numbers(left: &Number, right: &Number) -> Option<Ordering> {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

/// A regular expression of bounded size.
pub(crate) fn regex(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text).size_limit(REGEX_SIZE_MAX).build().map_err(|error| {
        let error = error.to_string();
        let last = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!(
            "expected a regular expression, found `{}`: {}; to look for such a character itself, write `\\` before it (in a \
             shell, within single quotes)",
            quoted(text),
            in_words(last)
        )
    })
}

/// The usual mistakes in the words of a person who wanted to find the character.
fn in_words(mistake: &str) -> &str {
    match mistake {
        "unclosed character class" => "`[` begins a list of characters, and no `]` ends it",
        "unclosed group" => "`(` begins a group, and no `)` ends it",
        "unopened group" => "`)` ends a group, and no `(` begins it",
        "repetition operator missing expression" => "there is nothing before `*`, `+`, `?` or `{` that it could repeat",
        other => other,
    }
}

#[cfg(test)]
mod tests;
