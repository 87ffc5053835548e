//! The schemas of a plan. Their files are read, parsed and compiled before the first stage.

use super::Problems;
use crate::plan::{ArtifactMode, ArtifactSchema, SchemaFile, raw};
use crate::schema::Compiling;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub(super) fn schemas(
    directory: &Path,
    written: &[raw::Schema],
    problems: &mut Problems,
) -> BTreeMap<String, ArtifactSchema> {
    let (mut schemas, mut compiling) = (BTreeMap::new(), Compiling::default());
    for schema in written {
        let id = schema.id.get_ref();
        if !is_schema_id(id) {
            problems.at(schema.id.span(), format!("expected a schema id [a-z][a-z0-9_.]*, found `{id}`"));
        }
        if !is_version(schema.version.get_ref()) {
            let found = schema.version.get_ref();
            problems.at(schema.version.span(), format!("expected a version such as `0.1.0`, found `{found}`"));
        }
        let Some(mode) = mode(directory, schema, &mut compiling, problems) else { continue };
        let version = schema.version.get_ref().clone();
        if schemas.insert(id.clone(), ArtifactSchema { version, mode }).is_some() {
            problems.at(schema.id.span(), format!("schema `{id}` is there already"));
        }
    }
    schemas
}

/// The mode, with the schema file if the mode has one.
fn mode(
    directory: &Path,
    schema: &raw::Schema,
    compiling: &mut Compiling,
    problems: &mut Problems,
) -> Option<ArtifactMode> {
    if matches!(schema.mode.get_ref(), raw::Mode::TextDocumentV1) {
        if let Some(file) = &schema.file {
            problems.at(file.span(), "`text_document_v1` asks for text and has no schema file; leave `file` out");
        }
        return Some(ArtifactMode::TextDocument);
    }
    let Some(file) = &schema.file else {
        let message =
            format!("expected `file`, a JSON Schema, with mode `{}`, found none", schema.mode.get_ref().word());
        problems.at(schema.mode.span(), message);
        return None;
    };
    match compiling.load(&directory.join(file.get_ref()))? {
        Ok(loaded) => {
            let bound = SchemaFile { compiled: Arc::new(loaded.schema), blake3: loaded.blake3, texts: loaded.texts };
            Some(schema.mode.get_ref().with_file(bound))
        }
        Err(message) => {
            problems.at(file.span(), format!("schema file `{}`: {message}", file.get_ref()));
            None
        }
    }
}

fn is_schema_id(text: &str) -> bool {
    text.len() <= 256
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.')
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}
