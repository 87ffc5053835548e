//! What a bundle is compared with: a pipeline's definition, and the form of its manifest.
//!
//! Does: use the built-in pipeline, a pipeline from a file, or the pipeline of a plan. Does not: know a bundle.

use evlog_lifecycle::form;
use evlog_lifecycle::pipeline::{Definition, NAMES, built_in, published_schemas};
use evlog_pipeline::{Plan, Schema};
use evlog_projection::parse;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The manifest of any pipeline: the engine's members.
const MANIFEST: &str = include_str!("../data/manifest.schema.json");
/// The manifest of `purple-axiom`.
const PURPLE_AXIOM_MANIFEST: &str = include_str!("../data/purple-axiom/manifest.schema.json");
/// The report of a publish gate.
const REPORT: &str = include_str!("../data/contract_validation_report.schema.json");

/// The longest definition or schema, in bytes. People write them.
const FILE_LEN_MAX: u64 = 8 * 1024 * 1024;
/// The member of a pipeline's file that names, or is, the schema of its manifests.
const MANIFEST_SCHEMA: &str = "manifest_schema";

/// A pipeline, and the schemas that its bundles must fulfil.
#[derive(Debug)]
pub struct Yardstick {
    pub(crate) definition: Arc<Definition>,
    pub(crate) manifest: Vec<Schema>,
    pub(crate) report: Schema,
    /// The schemas of what each stage publishes. They show whether a code `<schema id>_invalid` comes from a publish gate
    ///
    schemas: BTreeSet<(String, String)>,
}

/// The reason why a yardstick cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YardstickError {
    /// The file, or the name that was given.
    pub file: PathBuf,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for YardstickError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pipeline `{}`: {}", self.file.display(), self.message)
    }
}

impl std::error::Error for YardstickError {}

impl Yardstick {
    /// The built-in pipeline of this name, or the definition in this file.
    pub fn named(name_or_file: &str) -> Result<Yardstick, YardstickError> {
        match built_in(name_or_file) {
            Some(definition) => Ok(Yardstick::of(definition, None)),
            None => Yardstick::load(Path::new(name_or_file)),
        }
    }

    /// The pipeline that a plan follows.
    pub fn of_plan(plan: &Plan) -> Yardstick {
        let mut made = Yardstick::of(plan.definition.clone(), None);
        for stage in &plan.stages {
            let patterns = stage.patterns.iter().map(|pattern| &pattern.output);
            let schemas = stage.outputs.values().chain(patterns).filter_map(|output| output.schema.clone());
            made.schemas.extend(schemas.map(|schema| (stage.id.clone(), schema)));
        }
        made
    }

    /// The pipeline of this definition, as a log records it.
    pub fn of_definition(definition: Arc<Definition>) -> Yardstick {
        Yardstick::of(definition, None)
    }

    /// Adds what a plan states about the same pipeline. An error if the plan follows another pipeline.
    pub fn with_plan(self, plan: &Plan) -> Result<Yardstick, YardstickError> {
        if self.definition.digest() != plan.definition.digest() {
            let found = plan.definition.name();
            let message = format!("expected the pipeline of the plan, which is `{found}`, found another definition");
            return Err(YardstickError { file: self.definition.name().into(), message });
        }
        let Yardstick { schemas, .. } = Yardstick::of_plan(plan);
        Ok(Yardstick { schemas: self.schemas.into_iter().chain(schemas).collect(), ..self })
    }

    /// The pipeline's name.
    pub fn pipeline(&self) -> &str {
        self.definition.name()
    }

    /// If a code of a stage is the code that its publish gate gives for a schema, that schema.
    pub(crate) fn schema_of<'c>(&self, stage: &str, code: &'c str) -> Option<&'c str> {
        let schema = code.strip_suffix("_invalid")?;
        self.schemas.contains(&(stage.to_owned(), schema.to_owned())).then_some(schema)
    }

    fn of(definition: Arc<Definition>, own: Option<Schema>) -> Yardstick {
        let purple_axiom = definition.name() == NAMES[0];
        let manifest = if purple_axiom { PURPLE_AXIOM_MANIFEST } else { MANIFEST };
        let row = |(stage, id): (&str, &str)| (stage.to_owned(), id.to_owned());
        Yardstick {
            manifest: std::iter::once(shipped(manifest)).chain(own).collect(),
            report: shipped(REPORT),
            schemas: published_schemas(&definition).map(row).collect(),
            definition,
        }
    }

    fn load(file: &Path) -> Result<Yardstick, YardstickError> {
        let wrong = |message: String| YardstickError { file: file.to_owned(), message };
        let text = read(file).map_err(|message| {
            wrong(format!(
                "{message}; expected a file with the pipeline of the bundle, or the name of a built-in one: `{}`",
                NAMES.join("`, `")
            ))
        })?;
        if !is_json(file, &text) {
            return contract_file(&text).map(|definition| Yardstick::of(definition, None)).map_err(wrong);
        }
        let mut value = json(&text).map_err(wrong)?;
        let own = value.as_object_mut().and_then(|members| members.remove(MANIFEST_SCHEMA));
        let directory = file.parent().unwrap_or(Path::new(""));
        let own = own.map(|schema| own_schema(schema, directory)).transpose().map_err(wrong)?;
        let definition = Definition::parse(&value).map_err(|error| wrong(error.to_string()))?;
        Ok(Yardstick::of(Arc::new(definition), own))
    }
}

fn shipped(text: &str) -> Schema {
    let compiled = parse(text.as_bytes()).map_err(|error| error.to_string()).and_then(|value| Schema::compile(&value));
    compiled.unwrap_or_else(|error| unreachable!("a schema that is shipped compiles: {error}"))
}

/// Compiles `value`, or loads the schema file that it names from `directory`. That file may refer to other files.
fn own_schema(value: Value, directory: &Path) -> Result<Schema, String> {
    let (schema, place) = match value {
        Value::String(name) => {
            let loaded = Schema::load(&directory.join(&name)).map(|loaded| loaded.schema);
            (loaded, format!("{MANIFEST_SCHEMA} `{name}`"))
        }
        schema => (Schema::compile(&schema), MANIFEST_SCHEMA.to_owned()),
    };
    schema.map_err(|error| format!("{place}: {error}"))
}

/// Whether a file is JSON, as `contract show --format json` prints it. A contract file is TOML, and no TOML file begins
/// with a brace.
fn is_json(file: &Path, text: &[u8]) -> bool {
    file.extension().is_some_and(|extension| extension == "json") || text.trim_ascii_start().first() == Some(&b'{')
}

/// The pipeline that a contract file defines; the error lists all mistakes in the file, with line and column.
fn contract_file(text: &[u8]) -> Result<Arc<Definition>, String> {
    match form::Definition::parse(form::text_of(text)?) {
        Ok(form::Definition::Pipeline(definition)) => Ok(definition),
        Ok(form::Definition::Lifecycle(_)) => {
            Err("expected a pipeline (`stages`), found a lifecycle (`statuses`)".to_owned())
        }
        Err(findings) => Err(findings.iter().map(ToString::to_string).collect::<Vec<String>>().join("; ")),
    }
}

fn json(bytes: &[u8]) -> Result<Value, String> {
    parse(bytes).map_err(|error| format!("not JSON: {error}"))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("could not be read: {}", evlog_pipeline::in_words("read", &error)))?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        return Err(format!("expected a file of at most {FILE_LEN_MAX} bytes, found more"));
    }
    Ok(bytes)
}
