//! The validators of one schema. They differ in how often a pattern may be tried again on one string, and in whether they
//! accept numbers that a double cannot represent exactly.
//!
//! Invariant: the same schema and the same limit make the same validator. The limit depends on the schema and the
//! value alone, never on how long anything took.

use jsonschema::Validator;
use std::sync::OnceLock;

/// The most times that a pattern is tried again, however short the text is.
pub(super) const TRIES_MAX: u64 = 1_000_000;

/// The number of limits. Each is four times the one before.
const LEVELS: usize = 11;

/// Which numbers a validator is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// Numbers that a double holds exactly.
    Exact,
    /// All numbers.
    Large,
}

/// Compiles the schema with a limit. The error is a sentence.
type Compile = Box<dyn Fn(usize, Numbers) -> Result<Validator, String> + Send + Sync>;

pub(super) struct Validators {
    compile: Compile,
    exact: [OnceLock<Validator>; LEVELS],
    large: [OnceLock<Validator>; LEVELS],
}

impl Validators {
    /// Makes the validators. The error concerns the schema.
    pub(super) fn new(compile: Compile) -> Result<Validators, String> {
        let none = || [const { OnceLock::new() }; LEVELS];
        let all = Validators { compile, exact: none(), large: none() };
        all.at(LEVELS - 1, Numbers::Exact)?;
        Ok(all)
    }

    /// The validator whose limit of tries for a pattern is the largest one that does not exceed `tries`.
    pub(super) fn within(&self, tries: u64, numbers: Numbers) -> Result<&Validator, String> {
        let level = (0..LEVELS).rev().find(|level| limit(*level) <= tries).unwrap_or(0);
        self.at(level, numbers)
    }

    fn at(&self, level: usize, numbers: Numbers) -> Result<&Validator, String> {
        let places = if numbers == Numbers::Large { &self.large } else { &self.exact };
        let place = &places[level];
        if let Some(made) = place.get() {
            return Ok(made);
        }
        let made = (self.compile)(usize::try_from(limit(level)).unwrap_or(usize::MAX), numbers)?;
        Ok(place.get_or_init(|| made))
    }
}

fn limit(level: usize) -> u64 {
    (0..level).fold(1_u64, |limit, _| limit * 4).min(TRIES_MAX)
}
