//! Payload tables: one table per kind and version, encoded as `docs/format.md` says.
//!
//! Does: encode what a decision made, and read what was committed, only in the version that the reader has a table for. Does
//! not: know any table, or which event may follow which.

use evlog_format::payload;
use evlog_projection::{Fact, FoldError};
use serde::{Deserialize, Serialize};

/// The bytes of a table that a decision made of a command.
pub(crate) fn encoded<T: Serialize>(table: &T) -> Vec<u8> {
    payload::encode(table)
        .unwrap_or_else(|error| unreachable!("parsing bounds every part of a command far below the limit: {error}"))
}

/// The table of a committed event, if it is of this version.
pub(crate) fn read<'f, T: Serialize + Deserialize<'f>>(fact: &Fact<'f>, version: u16) -> Result<T, FoldError> {
    let (kind, found) = (fact.event.kind, fact.event.kind_version);
    if found != version {
        return Err(FoldError::new(fact, format!("`{kind}`: expected version {version}, found {found}")));
    }
    payload::decode(fact.event.payload).map_err(|error| FoldError::new(fact, format!("`{kind}`: {error}")))
}
