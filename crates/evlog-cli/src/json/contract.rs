//! The shapes of `contract`.

use serde::Serialize;

/// A line of `contract list`.
#[derive(Serialize)]
pub(crate) struct ContractRow<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: &'static str,
    pub(crate) about: Option<&'a str>,
    pub(crate) blake3: String,
}

/// `contract show`.
#[derive(Serialize)]
pub(crate) struct ContractObject<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: &'static str,
    pub(crate) about: Option<&'a str>,
    pub(crate) blake3: String,
    /// The definition as `create` takes it.
    pub(crate) definition: serde_json::Value,
}

/// `contract check`, a file.
#[derive(Serialize)]
pub(crate) struct ContractCheck<'a> {
    pub(crate) file: String,
    pub(crate) good: bool,
    pub(crate) name: Option<&'a str>,
    pub(crate) kind: Option<&'static str>,
    pub(crate) blake3: Option<String>,
    pub(crate) findings: Vec<ContractFinding<'a>>,
}

/// Something wrong in a contract file or a registry.
#[derive(Serialize)]
pub(crate) struct ContractFinding<'a> {
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// Into a registry, which is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pointer: Option<&'a str>,
    pub(crate) message: &'a str,
}
