//! Strict reading of JSON: text that does not have a single meaning is refused, such as text with duplicate keys or with
//! numbers that the canonical form would round.

use crate::canonical::INTEGER_MAX;
use crate::number;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::fmt;

/// The reason why text is not accepted as JSON: a sentence with line and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in bytes.
    pub column: usize,
    /// What was expected or found.
    pub message: String,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for JsonError {}

/// Reads one JSON value and nothing after it. Refuses duplicate keys, and numbers that [`number`](mod@crate::number) refuses.
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    let is_doubtful = Cell::new(false);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict { is_doubtful: &is_doubtful }.deserialize(&mut reader);
    let value = value.and_then(|value| reader.end().map(|()| value)).map_err(|error| {
        let whole = error.to_string();
        let message = whole.split(" at line ").next().unwrap_or(&whole).to_owned();
        JsonError { line: error.line(), column: error.column(), message }
    })?;
    // Serde does not pass on the digits of numbers, so a document with numbers other than small integers is searched for
    // numbers that are refused.
    match if is_doubtful.get() { number::first_refused(text) } else { None } {
        None => Ok(value),
        Some((at, message)) => Err(placed(text, at, message)),
    }
}

fn placed(text: &[u8], at: usize, message: String) -> JsonError {
    let before = &text[..at];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let line = before.split(|byte| *byte == b'\n').count();
    JsonError { line, column: at - line_start + 1, message }
}

#[derive(Clone, Copy)]
struct Strict<'c> {
    /// Set if there is a number whose digits must be checked.
    is_doubtful: &'c Cell<bool>,
}

impl Strict<'_> {
    fn doubtful<E: serde::de::Error>(self, double: f64) -> Result<Value, E> {
        self.is_doubtful.set(true);
        number::of_double(double).map(Value::Number).ok_or_else(|| E::custom("number is not finite"))
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "the digits are looked at afterwards")]
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > INTEGER_MAX { self.doubtful(value as f64) } else { Ok(value.into()) }
    }

    #[expect(clippy::cast_precision_loss, reason = "the digits are looked at afterwards")]
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        if value > INTEGER_MAX { self.doubtful(value as f64) } else { Ok(value.into()) }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        self.doubtful(value)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(Key(key)) = members.next_key()? {
            if out.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate key `{key}`")));
            }
            let value = members.next_value_seed(self)?;
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}

struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        String::deserialize(deserializer).map(Key)
    }
}
