//! Contract files: a contract as data that a person can read, in TOML.
//!
//! Does: read a file into a definition, of a lifecycle ([`machine`](mod@crate::machine)) or of a pipeline
//! ([`pipeline`](mod@crate::pipeline)), or say everything that is wrong with it, with line and column; hold the built-in
//! files.
//! Does not: judge a run, or read anything but the text that it is given.
//!
//! Invariants:
//! - A file is read whole, or not at all: there is no definition beside a finding.
//! - The TOML of a file and the canonical JSON that a run pins are two spellings of one thing, read by the same code.

pub mod built_in;
pub(crate) mod fields;
mod located;

pub use built_in::BUILT_IN;
pub use located::line_and_column;

use crate::machine;
use crate::members::quoted;
use crate::pipeline::{self, Origin};
use fields::{Fields, Flaws};
use located::Located;
use std::fmt;
use std::sync::Arc;

/// The longest contract file, in bytes. Its definition stands in the first event of every run that brings it.
pub const FILE_LEN_MAX: u64 = 256 * 1024;
/// The longest name, in characters.
pub const NAME_LEN_MAX: usize = 64;
/// The longest sentence about something, in characters.
pub const ABOUT_LEN_MAX: usize = 200;

/// Something wrong with a contract file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// What a contract file defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    /// The statuses of a run, and the ways between them.
    Machine(Arc<machine::Definition>),
    /// The stages of a run, and the reasons for their outcomes.
    Pipeline(Arc<pipeline::Definition>),
}

impl Definition {
    /// Reads a contract file; all that is wrong with it, by place.
    pub fn parse(text: &str) -> Result<Definition, Vec<Finding>> {
        parse(text, Origin::Brought)
    }

    /// The contract's name.
    pub fn name(&self) -> &str {
        match self {
            Definition::Machine(definition) => definition.name(),
            Definition::Pipeline(definition) => definition.name(),
        }
    }

    /// What it says of itself.
    pub fn about(&self) -> Option<&str> {
        match self {
            Definition::Machine(definition) => definition.about(),
            Definition::Pipeline(definition) => definition.about(),
        }
    }

    /// Its canonical JSON text, as runs pin it.
    pub fn text(&self) -> &str {
        match self {
            Definition::Machine(definition) => definition.text(),
            Definition::Pipeline(definition) => definition.text(),
        }
    }

    /// BLAKE3 of that text.
    pub fn digest(&self) -> [u8; 32] {
        match self {
            Definition::Machine(definition) => definition.digest(),
            Definition::Pipeline(definition) => definition.digest(),
        }
    }
}

fn parse(text: &str, origin: Origin) -> Result<Definition, Vec<Finding>> {
    let located = Located::parse(text)?;
    let flaws = Flaws::default();
    let value = located.value.clone();
    let made = match (value.get("statuses").is_some(), value.get("stages").is_some()) {
        (true, false) => machine::read(value, "", origin, &flaws).map(|made| Definition::Machine(Arc::new(made))),
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

/// The member `name`: `[a-z][a-z0-9_-]*`, and not one of these.
pub(crate) fn name(fields: &mut Fields<'_>, flaws: &Flaws, reserved: &[&str]) -> Option<String> {
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
pub(crate) fn about(fields: &mut Fields<'_>, flaws: &Flaws) -> Option<String> {
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

/// Finds fault with more of something than there may be.
pub(crate) fn within(flaws: &Flaws, pointer: &str, what: &str, found: usize, max: usize) {
    if found > max {
        flaws.at(pointer, format!("expected at most {max} {what}, found {found}"));
    }
}

#[cfg(test)]
mod tests;
