//! Contract files: a contract as data that a person can read, in TOML.
//!
//! Does: read a file into a definition, of a lifecycle ([`lifecycle`](mod@crate::lifecycle)) or of a pipeline
//! ([`pipeline`](mod@crate::pipeline)); if anything is wrong with the file, list everything, with line and column. It also
//! holds the built-in files. Does not: judge a run, or read anything but the text that it is given.
//!
//! Invariants:
//! - A file is read completely or not at all: if there is a finding, there is no definition.
//! - The TOML of a file and the canonical JSON that a run pins are two spellings of the same definition. The same code reads
//!   both.

pub mod built_in;

pub use crate::fields::{ABOUT_LEN_MAX, NAME_LEN_MAX};
pub use crate::located::{Finding, line_and_column, text_of, utf8};
pub use built_in::BUILT_IN;

use crate::fields::{Flaws, Origin};
use crate::located::Located;
use crate::{lifecycle, pipeline};
use std::sync::Arc;

/// The longest contract file, in bytes. Every run that brings its definition has it in its first event.
pub const FILE_LEN_MAX: u64 = 256 * 1024;
/// The definition in a contract file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    /// The statuses of a run, and the transitions between them.
    Lifecycle(Arc<lifecycle::Definition>),
    /// The stages of a run, and the reasons for their outcomes.
    Pipeline(Arc<pipeline::Definition>),
}

impl Definition {
    /// Reads a contract file. The error lists everything that is wrong with it, in the order of the file.
    pub fn parse(text: &str) -> Result<Definition, Vec<Finding>> {
        parse(text, Origin::Brought)
    }

    /// The contract's name.
    pub fn name(&self) -> &str {
        match self {
            Definition::Lifecycle(definition) => definition.name(),
            Definition::Pipeline(definition) => definition.name(),
        }
    }

    /// Its description: one line for people.
    pub fn about(&self) -> Option<&str> {
        match self {
            Definition::Lifecycle(definition) => definition.about(),
            Definition::Pipeline(definition) => definition.about(),
        }
    }

    /// Its canonical JSON text, as runs pin it.
    pub fn text(&self) -> &str {
        match self {
            Definition::Lifecycle(definition) => definition.text(),
            Definition::Pipeline(definition) => definition.text(),
        }
    }

    /// BLAKE3 of that text.
    pub fn digest(&self) -> [u8; 32] {
        match self {
            Definition::Lifecycle(definition) => definition.digest(),
            Definition::Pipeline(definition) => definition.digest(),
        }
    }
}

fn parse(text: &str, origin: Origin) -> Result<Definition, Vec<Finding>> {
    let located = Located::parse(text)?;
    let flaws = Flaws::default();
    let value = located.value.clone();
    let made = match (value.get("statuses").is_some(), value.get("stages").is_some()) {
        (true, false) => lifecycle::read(value, "", origin, &flaws).map(|made| Definition::Lifecycle(Arc::new(made))),
        (false, true) => {
            pipeline::read_definition(value, "", origin, &flaws).map(|made| Definition::Pipeline(Arc::new(made)))
        }
        (true, true) => {
            flaws.at_key("/stages", "expected `statuses` or `stages`, found both; a contract has one of them");
            None
        }
        (false, false) => {
            flaws.at("", "expected `statuses` (a lifecycle) or `stages` (a pipeline), found neither");
            None
        }
    };
    let mut findings: Vec<Finding> =
        flaws.into_vec().into_iter().map(|flaw| located.finding(&flaw.pointer, flaw.half, flaw.message)).collect();
    findings.sort();
    match made {
        Some(definition) if findings.is_empty() => Ok(definition),
        _ => Err(findings),
    }
}

#[cfg(test)]
mod tests;
