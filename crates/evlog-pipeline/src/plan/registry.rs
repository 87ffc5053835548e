//! A registry of schemas: which files of a bundle fulfil which schema, how they are read, and which stage they belong to
//! (pipeline.md 4.3). `docs/registry.md` is its reference. The file itself calls a schema a contract.
//!
//! Does: read the file and every schema file that it names. If there is a mistake, refuse the registry as a whole, with a
//! pointer to every mistake.
//! Does not: know a plan, or which of its bindings must be fulfilled.
//!
//! Invariants:
//! - A [`Registry`] that exists names schema files that exist, compile, and have the version that the registry says.
//! - A path has one binding at most. That holds for patterns too: it is proved that no two of them match the same path.

mod agree;
mod beside;
mod raw;
mod rules;

use super::{ArtifactSchema, SchemaFile};
use crate::files::read_text as read;
use crate::glob::{Exhausted, Glob, Steps};
use crate::limits::REGISTRY_LEN_MAX;
use crate::schema::Schema;
use evlog_lifecycle::pipeline::Definition;
use evlog_projection::{canonical, parse};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// What a registry's file must fulfil.
const SCHEMA: &str = include_str!("../../data/contract_registry.schema.json");

/// The longest value that a message shows, in characters.
const SHOWN_MAX: usize = 80;

/// A registry that can be used.
#[derive(Debug)]
pub struct Registry {
    /// Its `registry_version`.
    pub version: String,
    /// BLAKE3 of its content as canonical JSON: white space and the order of keys do not count.
    pub blake3: [u8; 32],
    /// The text that is digested.
    pub(crate) said: String,
    /// Its bindings, in its order.
    pub bindings: Vec<Binding>,
    /// Its schemas, by id.
    pub schemas: BTreeMap<String, Registered>,
    /// The bindings, indexed by the fixed parts of their patterns.
    beside: beside::Beside,
}

/// A schema of a registry.
#[derive(Debug)]
pub struct Registered {
    /// Its version.
    pub version: String,
    /// The place where its file is.
    pub schema_file: PathBuf,
    /// Its place in the list.
    index: usize,
    /// Its file, until `artifact` is made from it.
    compiled: Option<SchemaFile>,
    /// How an artifact is checked against it; `None` if it is bound to no stage.
    pub(super) artifact: Option<ArtifactSchema>,
}

/// A binding: which files must fulfil a schema, and which stage leaves them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The paths.
    pub glob: Glob,
    /// The schema that each file must fulfil.
    pub schema: String,
    /// The stage that leaves them, or `orchestrator`.
    pub owner: String,
    /// Its place in the list.
    pub(super) index: usize,
}

/// Whose files a registry binds.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'d> {
    /// Files of the stages of this pipeline.
    Pipeline(&'d Definition),
    /// Files of the stages of an unknown pipeline: any stage name is accepted.
    AnyPipeline,
    /// Files of a workspace, which no run produces.
    Workspace,
}

/// A registry that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryError {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The mistakes, by place; at least one.
    pub problems: Vec<RegistryProblem>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryProblem {
    /// A JSON pointer into the file; empty if the mistake concerns the whole file.
    pub pointer: String,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for RegistryProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "at {}: ", self.pointer)?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let between = if index > 0 { "\n" } else { "" };
            write!(f, "{between}{}: {problem}", self.file.display())?;
        }
        Ok(())
    }
}

impl std::error::Error for RegistryError {}

/// Mistakes found so far.
#[derive(Default)]
struct Problems(Vec<RegistryProblem>);

impl Problems {
    fn at(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.0.push(RegistryProblem { pointer: pointer.into(), message: message.into() });
    }
}

impl Registry {
    /// The longest file of a registry, in bytes.
    pub const FILE_LEN_MAX: u64 = REGISTRY_LEN_MAX;

    /// Reads a registry and the schema files that it names.
    pub fn load(file: &Path, scope: Scope<'_>) -> Result<Registry, RegistryError> {
        let mut problems = Problems::default();
        let registry = registry(file, scope, &mut problems);
        match registry.filter(|_| problems.0.is_empty()) {
            Some(registry) => Ok(registry),
            None => Err(RegistryError { file: file.to_owned(), problems: problems.0 }),
        }
    }

    /// The binding that matches a path.
    pub fn binding_of(&self, path: &str) -> Option<&Binding> {
        self.bindings.iter().find(|binding| binding.glob.matches(path))
    }

    /// The first binding that a pattern meets, and a path that both match.
    pub(super) fn meeting(&self, glob: &Glob, steps: &mut Steps) -> Result<Option<(&Binding, String)>, Exhausted> {
        for place in self.beside.near(glob, steps)? {
            let binding = &self.bindings[place];
            if let Some(path) = glob.common(&binding.glob, steps)? {
                return Ok(Some((binding, path)));
            }
        }
        Ok(None)
    }

    /// The bindings of an owner.
    pub fn bindings_of<'r>(&'r self, owner: &'r str) -> impl Iterator<Item = &'r Binding> {
        self.bindings.iter().filter(move |binding| binding.owner == owner)
    }
}

fn registry(file: &Path, scope: Scope<'_>, problems: &mut Problems) -> Option<Registry> {
    let value = match read(file, REGISTRY_LEN_MAX).map(|text| parse(text.as_bytes())) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => {
            problems.at("", format!("not JSON: {error}"));
            return None;
        }
        Err(message) => {
            problems.at("", message);
            return None;
        }
    };
    check_shape(&value, problems);
    if !problems.0.is_empty() {
        return None;
    }
    let said = String::from_utf8_lossy(&canonical(&value)).into_owned();
    match serde_json::from_value(value) {
        Ok(raw) => Some(rules::registry(file.parent().unwrap_or(Path::new("")), raw, said, scope, problems)),
        Err(error) => {
            problems.at("", error.to_string());
            None
        }
    }
}

/// Checks the file against the schema of registries, and reports every error with its place.
fn check_shape(value: &Value, problems: &mut Problems) {
    static COMPILED: LazyLock<Schema> = LazyLock::new(|| {
        let schema = parse(SCHEMA.as_bytes()).map_err(|error| error.to_string());
        let compiled = schema.and_then(|schema| Schema::compile(&schema));
        compiled.unwrap_or_else(|error| unreachable!("a schema that is shipped compiles: {error}"))
    });
    COMPILED.each_error(value, &mut |finding| {
        let found = value.pointer(&finding.instance_path).filter(|_| finding.message.starts_with("expected "));
        let found = found.map(|found| format!(", found {}", shown(found))).unwrap_or_default();
        problems.at(finding.instance_path, finding.message + &found);
    });
    problems.0.sort_by(|a, b| (&a.pointer, &a.message).cmp(&(&b.pointer, &b.message)));
}

/// A value as a message shows it: a long value is cut.
fn shown(value: &Value) -> String {
    let text = String::from_utf8_lossy(&canonical(value)).into_owned();
    match text.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("`{}...`", &text[..at]),
        None => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests;
