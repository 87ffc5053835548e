//! A registry's file as it is written, with the names of its members. It was checked against its schema file before.

use crate::plan::raw::Mode;
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
pub(super) struct Registry {
    #[serde(rename = "registry_version")]
    pub(super) version: String,
    pub(super) contracts: Vec<Schema>,
    pub(super) bindings: Vec<Binding>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Schema {
    #[serde(rename = "contract_id")]
    pub(super) id: String,
    #[serde(rename = "schema_path")]
    pub(super) path: String,
    #[serde(rename = "contract_version")]
    pub(super) version: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Binding {
    pub(super) artifact_glob: String,
    pub(super) contract_id: String,
    pub(super) validation_mode: Mode,
    pub(super) stage_owner: String,
    pub(super) pass_id: Option<String>,
}
