//! Payloads of built-in kinds: bincode 2 `standard()` of the tables in `docs/format.md`.
//!
//! With [`commit`](crate::commit), this is the only place that names the codec library.

mod strict;

use crate::limits::PAYLOAD_LEN_MAX;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bincode::config::{Configuration, Limit, LittleEndian, Varint, standard};
use core::fmt;
use serde::{Deserialize, Serialize};
use strict::Strict;

/// How many bytes bincode may claim while it decodes a payload: [`PAYLOAD_LEN_MAX`], as a `usize`.
const CLAIM_MAX: usize = 8 * 1024 * 1024;
const _: () = assert!(CLAIM_MAX as u64 == PAYLOAD_LEN_MAX);

/// Why a payload does not match its kind's table, or cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadError {
    what: String,
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "payload: {}", self.what)
    }
}

impl core::error::Error for PayloadError {}

fn config() -> Configuration<LittleEndian, Varint, Limit<CLAIM_MAX>> {
    standard().with_limit::<CLAIM_MAX>()
}

/// The payload's bytes.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, PayloadError> {
    let bytes = bincode::serde::encode_to_vec(value, config()).map_err(|e| PayloadError { what: e.to_string() })?;
    if bytes.len() as u64 > PAYLOAD_LEN_MAX {
        let what = alloc::format!("expected at most {PAYLOAD_LEN_MAX} bytes, found {}", bytes.len());
        return Err(PayloadError { what });
    }
    Ok(bytes)
}

/// Reads a whole payload, only in its only valid encoding. The library also accepts integers in more bytes than they need, so
/// this crate has a reader of its own, which tests compare with the library's.
#[inline]
pub fn decode<'de, T: Serialize + Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, PayloadError> {
    let mut strict = Strict::new(bytes);
    let value = T::deserialize(&mut strict)?;
    if strict.remaining() > 0 {
        return Err(trailing(bytes.len() - strict.remaining(), bytes.len()));
    }
    // The value does not keep the order of a map's keys, so the value is encoded again and compared.
    if strict.has_map && encode(&value)? != bytes {
        return Err(PayloadError { what: "not in its one encoding".to_string() });
    }
    Ok(value)
}

#[cold]
fn trailing(expected: usize, found: usize) -> PayloadError {
    PayloadError { what: alloc::format!("expected {expected} bytes, found {found}") }
}
