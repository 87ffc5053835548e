//! The rules of a registry that its schema file cannot express (rules K-02 to K-11).

use super::beside::Beside;
use super::{Binding, Problems, Registered, Registry, Scope, raw};
use crate::glob::{Exhausted, Glob, Steps};
use crate::limits::COMPARING_MAX;
use crate::names::time_in;
use crate::paths;
use crate::paths::is_dataset_schema;
use crate::plan::raw::Mode;
use crate::plan::{ArtifactSchema, SchemaFile};
use crate::schema::{Compiling, Loaded};
use evlog_lifecycle::pipeline::{ORCHESTRATOR, is_word, relpath};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The beginning of a `registry_version`. The last number decides which members a binding must have.
const VERSION: &str = "0.2.";
/// From this last number on every binding has a `pass_id`.
const PASS_ID_SINCE: u32 = 1;
/// The place where a schema file says which version of the schema it is.
const VERSION_CONST: &str = "/properties/contract_version/const";

pub(super) fn registry(
    directory: &Path,
    raw: raw::Registry,
    said: String,
    scope: Scope<'_>,
    problems: &mut Problems,
) -> Registry {
    let patch = raw.version.strip_prefix(VERSION).and_then(|patch| patch.parse::<u32>().ok());
    if patch.is_none() {
        let found = &raw.version;
        problems.at("/registry_version", format!("expected version {VERSION}x of registries, found `{found}`"));
    }
    let mut schemas = schemas(directory, &raw.contracts, problems);
    let (mut bindings, mut beside) = (Vec::new(), Beside::default());
    let (mut steps, mut compared) = (Steps::new(COMPARING_MAX), Ok(()));
    let mut modes: BTreeMap<&str, &raw::Binding> = BTreeMap::new();
    for (index, written) in raw.bindings.iter().enumerate() {
        let at = |member: &str| format!("/bindings/{index}/{member}");
        if !schemas.contains_key(&written.contract_id) {
            let message = format!("expected a schema of the registry, found `{}`", written.contract_id);
            problems.at(at("contract_id"), message);
        }
        let first = *modes.entry(&written.contract_id).or_insert(written);
        if first.validation_mode != written.validation_mode {
            let message = format!(
                "expected `{}`, as files of schema `{}` are read at `{}`, found `{}`: all files of a schema are read in one way",
                first.validation_mode.word(),
                written.contract_id,
                first.artifact_glob,
                written.validation_mode.word()
            );
            problems.at(at("validation_mode"), message);
        }
        if let Some(glob) = glob(&written.artifact_glob, &at("artifact_glob"), problems) {
            compared = compared.and_then(|()| {
                let others = beside.near(&glob, &mut steps)?.into_iter().map(|place| &bindings[place]);
                check_apart(&glob, others, &at("artifact_glob"), &mut steps, problems).inspect_err(|_| {
                    let message = format!(
                        "comparing the patterns of the bindings with each other takes more than {COMPARING_MAX} steps; from \
                         here on they were not compared. Expected patterns that a fixed beginning or end of a segment tells \
                         apart"
                    );
                    problems.at(at("artifact_glob"), message);
                })
            });
            let (schema, owner) = (written.contract_id.clone(), written.stage_owner.clone());
            bindings.push(Binding { glob, schema, owner, index });
            beside.add_last(&bindings);
        }
        if !matches!(scope, Scope::Workspace) {
            check_owner(written, scope, &at, problems);
            check_mode(written, &at, problems);
            check_pass(written, patch.is_some_and(|patch| patch >= PASS_ID_SINCE), &at("pass_id"), problems);
            bind(&mut schemas, written);
        }
    }
    let blake3 = *blake3::hash(said.as_bytes()).as_bytes();
    Registry { version: raw.version, blake3, said, bindings, schemas, beside }
}

fn schemas(directory: &Path, raw: &[raw::Schema], problems: &mut Problems) -> BTreeMap<String, Registered> {
    let mut schemas: BTreeMap<String, Registered> = BTreeMap::new();
    let mut compiling = Compiling::default();
    for (index, written) in raw.iter().enumerate() {
        let id = &written.id;
        if let Some(first) = schemas.get(id) {
            let message = format!("expected each schema once, found `{id}` at /contracts/{} already", first.index);
            problems.at(format!("/contracts/{index}/contract_id"), message);
            continue;
        }
        let schema_file = directory.join(&written.path);
        let compiled = match compiling.load(&schema_file) {
            None => None,
            Some(Ok(Loaded { schema, blake3, document, texts, .. })) => {
                check_version(&document, index, written, problems);
                Some(SchemaFile { compiled: Arc::new(schema), blake3, texts })
            }
            Some(Err(message)) => {
                let path = &written.path;
                let message = format!("expected the file of schema `{id}`, found `{path}`: {message}");
                problems.at(format!("/contracts/{index}/schema_path"), message);
                None
            }
        };
        let version = written.version.clone();
        schemas.insert(id.clone(), Registered { version, schema_file, index, compiled, artifact: None });
    }
    schemas
}

/// Checks that the schema file says which version it is, and that the registry says the same version.
fn check_version(document: &Value, index: usize, written: &raw::Schema, problems: &mut Problems) {
    let (path, expected) = (&written.path, &written.version);
    let found = match document.pointer(VERSION_CONST) {
        Some(Value::String(found)) if found == expected => return,
        Some(found) => super::shown(found),
        None => "none".to_owned(),
    };
    let message = format!("expected \"{expected}\" at {VERSION_CONST} of `{path}`, found {found}");
    problems.at(format!("/contracts/{index}/contract_version"), message);
}

/// A pattern that paths of a bundle can match. Adds a problem for each fault.
fn glob(text: &str, at: &str, problems: &mut Problems) -> Option<Glob> {
    let glob = match Glob::parse(text) {
        Ok(glob) => glob,
        Err(error) => {
            problems.at(at, format!("`{text}` is no pattern of paths: {error}"));
            return None;
        }
    };
    if let Some(error) = relpath::parse(text).err().filter(|_| glob.is_literal()) {
        problems.at(at, format!("`{text}` is no path within the bundle: {}", error.message));
    }
    if let Some(time) = time_in(text) {
        problems.at(at, format!("`{text}` holds `{time}`: expected names that are the same in every run"));
    }
    Some(glob)
}

/// Checks that no path has two bindings. Only the first pattern that shares a path is reported, to limit the number of pairs.
fn check_apart<'b>(
    glob: &Glob,
    others: impl Iterator<Item = &'b Binding>,
    at: &str,
    steps: &mut Steps,
    problems: &mut Problems,
) -> Result<(), Exhausted> {
    for other in others {
        let place = format!("`{}` at /bindings/{}", other.glob.as_str(), other.index);
        let text = glob.as_str();
        if let Some(path) = glob.common(&other.glob, steps)? {
            let message = format!(
                "expected paths that no other binding matches, found `{path}`, which `{text}` and {place} match"
            );
            problems.at(at, message);
            return Ok(());
        }
        if glob.is_literal() && other.glob.is_literal() && paths::clash(text, other.glob.as_str()) {
            let message = format!("expected a file beside the others, found `{text}`, which clashes with {place}");
            problems.at(at, message);
            return Ok(());
        }
    }
    Ok(())
}

fn check_owner(written: &raw::Binding, scope: Scope<'_>, at: &dyn Fn(&str) -> String, problems: &mut Problems) {
    let owner = written.stage_owner.as_str();
    let Scope::Pipeline(definition) = scope else { return };
    if owner == ORCHESTRATOR {
        return;
    }
    let mut known = definition.stages().iter().map(|stage| stage.id.as_str());
    if !known.any(|known| known == owner) {
        let known: Vec<&str> = definition.stages().iter().map(|stage| stage.id.as_str()).collect();
        let message =
            format!("expected `{ORCHESTRATOR}` or a stage of the pipeline ({}), found `{owner}`", known.join(", "));
        return problems.at(at("stage_owner"), message);
    }
    if let Some(own) = paths::reserved(&written.artifact_glob, definition) {
        let message = format!("`{}` clashes with `{own}`, which evlog writes itself", written.artifact_glob);
        problems.at(at("artifact_glob"), message);
    }
}

/// Checks that the binding's mode is allowed there.
fn check_mode(written: &raw::Binding, at: &dyn Fn(&str) -> String, problems: &mut Problems) {
    let (mode, owner, glob) = (written.validation_mode.word(), &written.stage_owner, &written.artifact_glob);
    let is_orchestrators = owner == ORCHESTRATOR;
    match written.validation_mode {
        Mode::YamlDocument => {
            if !is_orchestrators {
                let message = format!("expected `{ORCHESTRATOR}` with `{mode}`, found `{owner}`");
                problems.at(at("stage_owner"), message);
            }
            if !glob.starts_with("inputs/") {
                problems
                    .at(at("artifact_glob"), format!("expected a path below `inputs/` with `{mode}`, found `{glob}`"));
            }
        }
        Mode::TextDocumentV1 => {
            if is_orchestrators {
                problems.at(at("stage_owner"), format!("expected a stage with `{mode}`, found `{owner}`"));
            }
            if !glob.starts_with("report/") {
                problems
                    .at(at("artifact_glob"), format!("expected a path below `report/` with `{mode}`, found `{glob}`"));
            }
        }
        Mode::ParquetDatasetV1 if !is_dataset_schema(glob) => {
            let message = format!("expected the `_schema.json` of a directory with `{mode}`, found `{glob}`");
            problems.at(at("artifact_glob"), message);
        }
        Mode::ParquetDatasetV1 | Mode::JsonDocument | Mode::JsonlLines => {}
    }
}

fn check_pass(written: &raw::Binding, is_needed: bool, at: &str, problems: &mut Problems) {
    let owner = written.stage_owner.as_str();
    let expected = format!("expected `{owner}` and one or more `.<segment>`, of `[a-z][a-z0-9_]*`");
    match &written.pass_id {
        None if is_needed => problems.at(at, format!("{expected}, found none; registries have it from 0.2.1 on")),
        Some(found) => {
            let segments = found.strip_prefix(owner).and_then(|rest| rest.strip_prefix('.'));
            if !segments.is_some_and(|segments| segments.split('.').all(is_word)) {
                problems.at(at, format!("{expected}, found `{found}`"));
            }
        }
        None => {}
    }
}

/// Makes the mode by which a stage's artifacts of this schema are checked.
fn bind(schemas: &mut BTreeMap<String, Registered>, written: &raw::Binding) {
    let Some(schema) = schemas.get_mut(&written.contract_id) else { return };
    if written.stage_owner == ORCHESTRATOR {
        return;
    }
    if let Some(bound) = schema.compiled.take() {
        let version = schema.version.clone();
        schema.artifact = Some(ArtifactSchema { version, mode: written.validation_mode.with_file(bound) });
    }
}
