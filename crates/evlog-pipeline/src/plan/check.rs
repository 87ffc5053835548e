//! Makes a [`Plan`] that can be run from the plan file as it is written. Checks every rule that a key or a pair of keys must
//! obey.
//!
//! All mistakes are collected, each with its place, so that a person can fix all of them at once.

mod environment;
mod inputs;
mod outputs;
mod registry;
mod schemas;
mod stages;

use super::error::Problems;
use super::{ArtifactSchema, Output, Pattern, Plan, PlanError, Stage, document, raw};
use crate::files::read_text;
use crate::limits::PLAN_LEN_MAX;
use crate::schema::Texts;
use evlog_lifecycle::form::{self, FILE_LEN_MAX};
use evlog_lifecycle::pipeline::{Definition, built_in};
use evlog_projection::parse;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;

/// Members of the manifest that belong to the engine.
const MANIFEST_RESERVED: [&str; 6] =
    ["contract_version", "run_id", "status", "started_at_utc", "ended_at_utc", "stage_outcomes"];

/// What the stages of a plan may refer to.
struct Known<'p> {
    definition: &'p Definition,
    schemas: &'p BTreeMap<String, ArtifactSchema>,
    /// The ids of all `[[schema]]`, including those that are refused.
    declared: &'p BTreeSet<&'p str>,
    registry: Option<&'p registry::Named>,
}

/// What a stage leaves.
#[derive(Default)]
struct Outputs {
    paths: BTreeMap<String, Output>,
    patterns: Vec<Pattern>,
}

pub(super) fn load(path: &Path) -> Result<Plan, PlanError> {
    let mut problems = Problems::default();
    let text = match read_text(path, PLAN_LEN_MAX) {
        Ok(text) => text,
        Err(message) => {
            problems.whole(message);
            return Err(problems.into_error(path, ""));
        }
    };
    match plan(path, &text, &mut problems) {
        Some(plan) if problems.is_empty() => Ok(plan),
        _ => Err(problems.into_error(path, &text)),
    }
}

fn plan(path: &Path, text: &str, problems: &mut Problems) -> Option<Plan> {
    let (raw, document) = document::read(text, problems)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = match parent.canonicalize() {
        Ok(directory) => directory,
        Err(error) => {
            problems.whole(format!("the plan's directory could not be found: {error}"));
            return None;
        }
    };
    if !is_name(raw.name.get_ref()) {
        problems.at(raw.name.span(), format!("expected a name [a-z][a-z0-9_-]*, found `{}`", raw.name.get_ref()));
    }
    let mut schemas = schemas::schemas(&directory, &raw.schema, problems);
    let (definition, pipeline) = pipeline(&directory, &raw, problems)?;
    let mut registry = registry::load(&directory, &raw, &definition, problems);
    if let Some(registry) = &mut registry {
        registry::add_schemas(registry, &raw, &mut schemas, problems);
    }
    let secrets = environment::secrets(&raw.secrets, problems);
    let declared = raw.schema.iter().map(|schema| schema.id.get_ref().as_str()).collect();
    let (declared, registry_known) = (&declared, registry.as_ref());
    let known = Known { definition: &definition, schemas: &schemas, declared, registry: registry_known };
    let stages = stages::stages(&raw, &known, problems);
    let said = said(&document, &schemas, registry.as_ref(), &stages);
    let is_stage = |id: &str| stages.iter().any(|stage| stage.id == id);
    Some(Plan {
        name: raw.name.get_ref().clone(),
        file: path.file_name().map_or_else(|| directory.clone(), |name| directory.join(name)),
        blake3: *blake3::hash(&evlog_projection::canonical(&said)).as_bytes(),
        said,
        read: read(&schemas, registry.as_ref()),
        directory,
        pipeline,
        emit_health: raw.emit_health,
        strict_outputs: raw.strict_outputs,
        canonical_outputs: raw.canonical_outputs,
        secrets,
        elsewhere: registry.as_ref().map(|registry| registry.elsewhere(&is_stage)).unwrap_or_default(),
        manifest: raw.manifest.as_ref().map(|table| manifest(table, &document, problems)).unwrap_or_default(),
        stages,
        schemas,
        definition,
    })
}

/// The content that the plan's digest covers: the document as JSON, with the digests of the schema files and of the registry,
/// if there is one. It is made from the document and not from the [`Plan`], so that no later key can be forgotten.
fn said(
    document: &Map<String, Value>,
    schemas: &BTreeMap<String, ArtifactSchema>,
    registry: Option<&registry::Named>,
    stages: &[Stage],
) -> Value {
    let is_enabled = |id: &str| stages.iter().any(|stage| stage.enabled && stage.id == id);
    let counts = |id: &str| registry.is_none_or(|registry| registry.counts(id, &is_enabled));
    let schemas = schemas.iter().filter(|(id, _)| counts(id));
    let schemas = schemas.filter_map(|(id, schema)| Some((id.clone(), hex(schema.mode.schema_file()?.blake3).into())));
    let mut whole = json!({"plan": document, "schemas": schemas.collect::<Map<String, Value>>()});
    if let Some(registry) = registry {
        whole["registries"] = registry.digest();
    }
    whole
}

/// The texts of the files whose digests are in that content, with their places. Texts without a digest there do no harm.
fn read(schemas: &BTreeMap<String, ArtifactSchema>, registry: Option<&registry::Named>) -> Vec<(String, Texts)> {
    let schemas = schemas.iter().filter_map(|(id, schema)| Some((id, schema.mode.schema_file()?)));
    let schemas = schemas.map(|(id, bound)| (format!("/schemas/{id}"), bound.texts.clone()));
    schemas.chain(registry.into_iter().flat_map(registry::Named::texts)).collect()
}

fn hex(digest: [u8; 32]) -> String {
    blake3::Hash::from(digest).to_hex().to_string()
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// The pipeline that the plan names, or the one that it defines itself.
fn pipeline(directory: &Path, raw: &raw::Plan, problems: &mut Problems) -> Option<(Arc<Definition>, Value)> {
    let Some(name) = &raw.pipeline else {
        return own_pipeline(raw, problems);
    };
    if let Some(code) = raw.reason_code.first() {
        let message =
            format!("pipeline `{}` has its own catalogue; only a plan without `pipeline` brings codes", name.get_ref());
        problems.at(code.span(), message);
    }
    if let Some(definition) = built_in(name.get_ref()) {
        return Some((definition, name.get_ref().as_str().into()));
    }
    match pipeline_of_file(directory, name.get_ref()) {
        Ok(found) => Some(found),
        Err(messages) => {
            for message in messages {
                problems.at(name.span(), message);
            }
            None
        }
    }
}

/// The pipeline of a contract file beside the plan, as the run pins it, with every default written out.
fn pipeline_of_file(directory: &Path, name: &str) -> Result<(Arc<Definition>, Value), Vec<String>> {
    if Path::new(name).extension().is_none_or(|extension| extension != "toml") {
        return Err(vec![format!(
            "expected a built-in pipeline such as `purple-axiom`, or a contract file `*.toml`, found `{name}`"
        )]);
    }
    let text =
        read_text(&directory.join(name), FILE_LEN_MAX).map_err(|message| vec![format!("`{name}`: {message}")])?;
    match form::Definition::parse(&text) {
        Ok(form::Definition::Pipeline(definition)) => {
            let value = parse(definition.text().as_bytes())
                .unwrap_or_else(|error| unreachable!("a definition's text is canonical JSON: {error}"));
            Ok((definition, value))
        }
        Ok(form::Definition::Lifecycle(_)) => Err(vec![format!(
            "expected a contract file of a pipeline (with `stages`), found the lifecycle `{name}` (with `statuses`)"
        )]),
        Err(findings) => Err(findings.iter().map(|finding| format!("`{name}`:{finding}")).collect()),
    }
}

fn own_pipeline(raw: &raw::Plan, problems: &mut Problems) -> Option<(Arc<Definition>, Value)> {
    if raw.stage.is_empty() {
        problems.whole("expected at least one [[stage]], found none");
        return None;
    }
    let stage = |stage: &Spanned<raw::Stage>| {
        let mode = stages::fail_mode(stage.get_ref().fail_mode).map_or("fail_closed", |mode| mode.word());
        json!({"id": stage.get_ref().id.get_ref(), "fail_mode": mode})
    };
    let code = |code: &Spanned<raw::ReasonCode>| {
        let code = code.get_ref();
        json!({"stage": code.stage.get_ref(), "code": code.code.get_ref(), "severity": code.severity.word()})
    };
    let stages: Vec<Value> = raw.stage.iter().map(stage).collect();
    let codes: Vec<Value> = raw.reason_code.iter().map(code).collect();
    let pipeline = json!({"name": raw.name.get_ref(), "stages": stages, "reason_codes": codes});
    match Definition::parse(&pipeline) {
        Ok(definition) => Some((Arc::new(definition), pipeline)),
        Err(error) => {
            match span_of(raw, &error.pointer) {
                Some(span) => problems.at(span, error.message),
                None => problems.whole(error.to_string()),
            }
            None
        }
    }
}

/// The place in the plan that corresponds to a pointer into the pipeline that was made from it.
fn span_of(raw: &raw::Plan, pointer: &str) -> Option<Range<usize>> {
    let mut parts = pointer.split('/').skip(1);
    let (list, index) = (parts.next()?, parts.next().and_then(|index| index.parse::<usize>().ok()));
    let member = parts.next().unwrap_or_default();
    match list {
        "name" => Some(raw.name.span()),
        "stages" => {
            let stage = raw.stage.get(index?)?;
            Some(if member == "id" { stage.get_ref().id.span() } else { stage.span() })
        }
        "reason_codes" => {
            let code = raw.reason_code.get(index?)?;
            Some(match member {
                "stage" => code.get_ref().stage.span(),
                "code" => code.get_ref().code.span(),
                _ => code.span(),
            })
        }
        _ => None,
    }
}

fn manifest(
    table: &Spanned<toml::Table>,
    document: &Map<String, Value>,
    problems: &mut Problems,
) -> Map<String, Value> {
    let members = document.get("manifest").and_then(Value::as_object).cloned().unwrap_or_default();
    for name in members.keys().filter(|name| MANIFEST_RESERVED.contains(&name.as_str())) {
        problems.at(table.span(), format!("`{name}` of the manifest is written by evlog; choose another name"));
    }
    let Some(extensions) = members.get("extensions") else { return members };
    let orchestrator = extensions.get("orchestrator");
    let is_object = |value: Option<&Value>| value.is_none_or(Value::is_object);
    if !is_object(Some(extensions)) || !is_object(orchestrator) {
        problems.at(table.span(), "`extensions` and `extensions.orchestrator` of the manifest: expected tables");
    }
    let own = [
        ("extensions.evlog", extensions.get("evlog")),
        ("extensions.orchestrator.plan", orchestrator.and_then(|members| members.get("plan"))),
        ("extensions.orchestrator.retry", orchestrator.and_then(|members| members.get("retry"))),
        ("extensions.orchestrator.run_lock", orchestrator.and_then(|members| members.get("run_lock"))),
    ];
    for (name, _) in own.iter().filter(|(_, value)| value.is_some()) {
        problems.at(table.span(), format!("`{name}` of the manifest is written by evlog; choose another name"));
    }
    members
}
