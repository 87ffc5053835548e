//! The plan of a pipeline: which stages run, how, and what they must leave behind. `docs/plan.md` is its reference.
//!
//! Does: read the file and everything that it names. If there is a mistake, refuse the plan as a whole before anything is
//! started, and give line and column of every mistake.
//! Does not: run anything.
//!
//! Invariants:
//! - A [`Plan`] that exists can be run: its stages and reason codes belong to its pipeline, its schema files are compiled, and
//!   every output has a path within the bundle that belongs to one stage only.
//! - An unknown key is never ignored: a misspelt `required` must not make an artifact optional.

mod check;
mod document;
mod error;
mod raw;
mod registry;

pub use error::{PlanError, Problem};
pub use registry::{Binding, Registered, Registry, RegistryError, RegistryProblem, Scope};

use crate::glob::Glob;
use crate::schema::{Schema, Texts};
use evlog_lifecycle::pipeline::{Definition, FailMode};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A plan that can be run.
#[derive(Debug)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// The plan file, absolute.
    pub file: PathBuf,
    /// BLAKE3 of its content and its schema files. Comments, the order of keys and the file's path do not count.
    pub blake3: [u8; 32],
    /// The JSON text that is digested.
    pub said: Value,
    /// The texts of other files whose digests are in `said`, with their places.
    pub(crate) read: Vec<(String, Texts)>,
    /// The plan file's directory, absolute: the working directory of every stage.
    pub directory: PathBuf,
    /// The stages and reason codes that the run is judged by.
    pub definition: Arc<Definition>,
    /// The definition, as the command `create` takes it: a name or an object.
    pub pipeline: Value,
    /// Whether `logs/health.json` is projected.
    pub emit_health: bool,
    /// Whether a staged file that no output names fails the publish gate.
    pub strict_outputs: bool,
    /// Whether JSON with a schema must be canonical.
    pub canonical_outputs: bool,
    /// The names of secret variables, whose values no record may show, and whether each must be set.
    pub secrets: BTreeMap<String, bool>,
    /// Members of the manifest that the plan adds to the engine's own.
    pub manifest: Map<String, Value>,
    /// The stages that the plan names, in canonical order. The pipeline's other stages are disabled.
    pub stages: Vec<Stage>,
    /// The schemas of artifacts, by id.
    pub schemas: BTreeMap<String, ArtifactSchema>,
    /// The bindings of its registry to owners that are not stages of the plan.
    pub elsewhere: Vec<BoundElsewhere>,
}

/// Paths that no stage of a plan may leave, because they are bound to another owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundElsewhere {
    /// The paths.
    pub glob: Glob,
    /// A stage that the plan does not name, or `orchestrator`.
    pub owner: String,
    /// The schema that they fulfil.
    pub schema: String,
    /// Its version.
    pub version: String,
}

/// One stage of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its id.
    pub id: String,
    /// Whether it takes part.
    pub enabled: bool,
    /// Its fail mode: whether its failure blocks the stages after it.
    pub fail_mode: FailMode,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The variables that the plan adds to its environment.
    pub environment: BTreeMap<String, String>,
    /// The variables that it inherits from evlog's environment; `None` means all.
    pub inherited: Option<BTreeSet<String>>,
    /// How many bytes of its output are kept.
    pub output_limit: u64,
    /// Its time limit.
    pub time_limit: Option<Duration>,
    /// The reason code of a failure for which no other code is known.
    pub reason_code: String,
    /// The reason code when the stage has passed its time limit.
    pub time_limit_reason_code: String,
    /// The reason codes for its exit codes.
    pub exit_reason_codes: BTreeMap<i32, String>,
    /// What it reads, in the order of the plan.
    pub inputs: Vec<Input>,
    /// Its outputs in the bundle, by path.
    pub outputs: BTreeMap<String, Output>,
    /// Its outputs that are patterns of paths, in the order of the plan.
    pub patterns: Vec<Pattern>,
    /// Where it may leave files that no output names: files, and directories with `/` at their end.
    pub extra_roots: Vec<String>,
    /// The maximum number of files that it may stage.
    pub staged_files_limit: Option<u64>,
    /// The maximum number of bytes that it may stage.
    pub staged_bytes_limit: Option<u64>,
}

/// What a stage reads: a path, or all paths that match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// All `../` at the beginning of the path.
    pub above: String,
    /// The rest of the path or pattern. It matches one path only if the plan names a path.
    pub glob: Glob,
    /// The place where it is looked for.
    pub from: InputFrom,
    /// Whether the stage needs it to begin.
    pub required: bool,
}

/// The place where an input is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InputFrom {
    /// Relative to the plan's directory.
    Plan,
    /// Among the artifacts that earlier stages of the run have published.
    Run,
}

impl InputFrom {
    /// The place in words, for messages.
    pub(crate) fn place(self) -> &'static str {
        match self {
            InputFrom::Plan => "beside the plan",
            InputFrom::Run => "in the bundle",
        }
    }

    /// The place as the log names it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            InputFrom::Plan => "plan",
            InputFrom::Run => "run",
        }
    }
}

/// What a stage promises to leave at paths that match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The paths.
    pub glob: Glob,
    /// The schema of each of them. If it is required, at least one path must match.
    pub output: Output,
}

/// What a stage promises to leave at one path of the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The schema that it must fulfil.
    pub schema: Option<String>,
    /// Whether the stage may leave it out.
    pub required: bool,
}

/// What an artifact must be.
#[derive(Debug)]
pub struct ArtifactSchema {
    /// Its version.
    pub version: String,
    /// How the file is read, and what it must be.
    pub mode: ArtifactMode,
}

/// How an artifact with a schema is read, and what it must be (pipeline.md 4.6).
#[derive(Debug)]
pub enum ArtifactMode {
    /// The file is one JSON document, which fulfils the schema file.
    JsonDocument(SchemaFile),
    /// Each line is one JSON object, which fulfils the schema file.
    JsonlLines(SchemaFile),
    /// The file is one YAML document, whose value fulfils the schema file.
    YamlDocument(SchemaFile),
    /// The file is UTF-8 text with line feeds.
    TextDocument,
    /// The file is one JSON document, which fulfils the schema file and says which columns the Parquet files below its
    /// directory have.
    ParquetDataset(SchemaFile),
}

/// A JSON Schema that artifacts must fulfil.
#[derive(Debug)]
pub struct SchemaFile {
    /// The compiled file, with the files that it refers to.
    pub compiled: Arc<Schema>,
    /// BLAKE3 of the file.
    pub blake3: [u8; 32],
    /// The texts of all these files.
    pub(crate) texts: Texts,
}

impl ArtifactMode {
    /// The schema file, of modes that have one.
    pub fn schema_file(&self) -> Option<&SchemaFile> {
        match self {
            ArtifactMode::JsonDocument(bound)
            | ArtifactMode::JsonlLines(bound)
            | ArtifactMode::YamlDocument(bound)
            | ArtifactMode::ParquetDataset(bound) => Some(bound),
            ArtifactMode::TextDocument => None,
        }
    }
}

impl Plan {
    /// Reads a plan file and the schema files that it names.
    pub fn load(path: &Path) -> Result<Plan, PlanError> {
        check::load(path)
    }

    /// The stages that take part, in canonical order.
    pub fn enabled(&self) -> impl Iterator<Item = &Stage> {
        self.stages.iter().filter(|stage| stage.enabled)
    }

    /// The stage of this id.
    pub fn stage(&self, id: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.id == id)
    }
}

#[cfg(test)]
mod tests;
