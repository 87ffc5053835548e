//! Payloads of built-in kinds as JSON: a mirror of the tables in `docs/format.md` and `docs/lifecycle/`, for reading.
//!
//! Each struct has the fields of its table in the table's order, so it can decode the bytes. Its field names are a stable interface.
//! Digests are hexadecimal, closed sets are their words, JSON that a payload carries as text is JSON again.
//!
//! Invariant: bytes that cannot be decoded are shown in hexadecimal. Only `verify` reports them as findings.

mod history;
mod machine;
mod pipeline;
mod status;
mod story;

use super::hex;
use evlog_format::{Event, Kind, PLAIN, payload};
use evlog_projection::parse;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

/// The only version of any built-in table so far.
const TABLE_VERSION: u16 = 1;

/// An event's payload.
pub(super) fn value_of(event: &Event<'_>) -> Value {
    let read = match event.kind {
        _ if event.protection != PLAIN => None,
        Kind::Custom(_) => parse(event.payload).ok(),
        Kind::BuiltIn(_) if event.kind_version != TABLE_VERSION => None,
        Kind::BuiltIn(_) => history::read(event)
            .or_else(|| status::read(event))
            .or_else(|| story::read(event))
            .or_else(|| pipeline::read(event))
            .or_else(|| machine::read(event)),
    };
    read.unwrap_or_else(|| json!({ "hex": hex(event.payload) }))
}

/// Reads the bytes by a table, and gives them as JSON.
fn table<T: Serialize + DeserializeOwned>(event: &Event<'_>) -> Option<Value> {
    serde_json::to_value(payload::decode::<T>(event.payload).ok()?).ok()
}

/// A BLAKE3 digest.
struct Digest([u8; 32]);

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { hex(&self.0).serialize(serializer) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        Deserialize::deserialize(deserializer).map(Digest)
    }
}

/// Unix nanoseconds: in JSON a time with nine digits of the second, because its number may be beyond 2^53.
struct Time<N>(N);

impl<N: Serialize + Into<i128> + Copy> Serialize for Time<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            super::time(self.0).serialize(serializer)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de, N: Deserialize<'de>> Deserialize<'de> for Time<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time<N>, D::Error> {
        Deserialize::deserialize(deserializer).map(Time)
    }
}

/// JSON that is carried as text.
struct Text(String);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parsed = || serde_json::from_str::<Value>(&self.0).ok();
        match serializer.is_human_readable().then(parsed).flatten() {
            Some(value) => value.serialize(serializer),
            None => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        Deserialize::deserialize(deserializer).map(Text)
    }
}

/// A member of a closed set: a number in the bytes, a word in JSON.
struct Word<W> {
    number: u8,
    of: std::marker::PhantomData<W>,
}

/// A closed set.
trait Words {
    /// By number.
    const ALL: &'static [&'static str];
}

impl<W: Words> Serialize for Word<W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match W::ALL.get(usize::from(self.number)) {
            Some(word) if serializer.is_human_readable() => word.serialize(serializer),
            _ => self.number.serialize(serializer),
        }
    }
}

impl<'de, W: Words> Deserialize<'de> for Word<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Word<W>, D::Error> {
        let number = u8::deserialize(deserializer)?;
        if usize::from(number) >= W::ALL.len() {
            return Err(D::Error::custom(format_args!("number {number} has no meaning")));
        }
        Ok(Word { number, of: std::marker::PhantomData })
    }
}

macro_rules! words {
    ($($name:ident = $($word:literal)*;)*) => {
        $(pub(super) struct $name;

        impl super::Words for $name {
            const ALL: &'static [&'static str] = &[$($word),*];
        })*
    };
}
use words;

macro_rules! tables {
    ($($name:ident { $($field:ident: $type:ty),* $(,)? })*) => {
        $(#[derive(serde::Serialize, serde::Deserialize)]
        struct $name { $($field: $type),* })*
    };
}
use tables;

#[cfg(test)]
mod tests;
