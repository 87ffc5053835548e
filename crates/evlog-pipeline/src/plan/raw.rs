//! The plan file as it is written: keys and types, with their places. Nothing is judged yet.

use super::{ArtifactMode, SchemaFile};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

type Text = Spanned<String>;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) name: Text,
    pub(super) pipeline: Option<Text>,
    pub(super) registry: Option<Text>,
    pub(super) workspace_registry: Option<Text>,
    #[serde(default = "yes")]
    pub(super) emit_health: bool,
    #[serde(default)]
    pub(super) strict_outputs: bool,
    #[serde(default)]
    pub(super) canonical_outputs: bool,
    pub(super) inherit_environment: Option<Vec<Text>>,
    #[serde(default)]
    pub(super) secrets: Secrets,
    pub(super) manifest: Option<Spanned<toml::Table>>,
    #[serde(default)]
    pub(super) reason_code: Vec<Spanned<ReasonCode>>,
    #[serde(default)]
    pub(super) schema: Vec<Schema>,
    #[serde(default)]
    pub(super) stage: Vec<Spanned<Stage>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Secrets {
    #[serde(default)]
    pub(super) names: Vec<Text>,
    #[serde(default)]
    pub(super) optional: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonCode {
    pub(super) stage: Text,
    pub(super) code: Text,
    pub(super) severity: Severity,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) enum Severity {
    #[serde(rename = "FATAL")]
    Fatal,
    #[serde(rename = "NON-FATAL")]
    NonFatal,
    #[serde(rename = "SKIPPED")]
    Skipped,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Schema {
    pub(super) id: Text,
    #[serde(default = "first_version")]
    pub(super) version: Text,
    pub(super) file: Option<Text>,
    pub(super) mode: Spanned<Mode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    JsonDocument,
    JsonlLines,
    YamlDocument,
    TextDocumentV1,
    ParquetDatasetV1,
}

impl Mode {
    /// How artifacts of this mode are checked, with the schema file if the mode has one.
    pub(super) fn with_file(self, bound: SchemaFile) -> ArtifactMode {
        match self {
            Mode::JsonDocument => ArtifactMode::JsonDocument(bound),
            Mode::JsonlLines => ArtifactMode::JsonlLines(bound),
            Mode::YamlDocument => ArtifactMode::YamlDocument(bound),
            Mode::TextDocumentV1 => ArtifactMode::TextDocument,
            Mode::ParquetDatasetV1 => ArtifactMode::ParquetDataset(bound),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stage {
    pub(super) id: Text,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    pub(super) fail_mode: Option<FailMode>,
    pub(super) command: Spanned<Vec<String>>,
    pub(super) reason_code: Option<Text>,
    pub(super) time_limit: Option<Text>,
    pub(super) time_limit_reason_code: Option<Text>,
    #[serde(default)]
    pub(super) exit_reason_codes: BTreeMap<String, Text>,
    pub(super) output_limit: Option<Text>,
    pub(super) inherit_environment: Option<Vec<Text>>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, Text>,
    #[serde(default)]
    pub(super) extra_roots: Vec<Text>,
    pub(super) staged_files_limit: Option<Spanned<u64>>,
    pub(super) staged_bytes_limit: Option<Text>,
    #[serde(default)]
    pub(super) input: Vec<Spanned<Input>>,
    #[serde(default)]
    pub(super) output: Vec<Spanned<Output>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FailMode {
    FailClosed,
    WarnAndSkip,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    pub(super) path: Option<Text>,
    pub(super) glob: Option<Text>,
    #[serde(default)]
    pub(super) from: From,
    #[serde(default = "yes")]
    pub(super) required: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum From {
    #[default]
    Plan,
    Run,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Output {
    pub(super) path: Option<Text>,
    pub(super) glob: Option<Text>,
    pub(super) schema: Option<Text>,
    #[serde(default = "yes")]
    pub(super) required: bool,
}

fn yes() -> bool {
    true
}

fn first_version() -> Text {
    Spanned::new(0..0, "0.1.0".to_owned())
}

/// The words that the file uses, for messages.
impl Mode {
    pub(super) fn word(self) -> &'static str {
        match self {
            Mode::JsonDocument => "json_document",
            Mode::JsonlLines => "jsonl_lines",
            Mode::YamlDocument => "yaml_document",
            Mode::TextDocumentV1 => "text_document_v1",
            Mode::ParquetDatasetV1 => "parquet_dataset_v1",
        }
    }
}

/// The words that the file uses, for the commands that are made from it.
impl Severity {
    pub(super) fn word(self) -> &'static str {
        match self {
            Severity::Fatal => "FATAL",
            Severity::NonFatal => "NON-FATAL",
            Severity::Skipped => "SKIPPED",
        }
    }
}
