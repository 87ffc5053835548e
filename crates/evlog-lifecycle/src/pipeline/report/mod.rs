//! The validation report of a publish gate that failed: what it holds, in which order, and where it is cut (pipeline.md 4.8
//! and 4.11).
//!
//! Does: order and cut findings, write the report as a value, read a report back. Does not: validate artifacts; the gate
//! collects the findings.
//!
//! Invariants:
//! - Findings are collected, ordered, then cut. So the report does not depend on the order of discovery (P-72).
//! - A report that was read is written again as the same value. If it would not be, it is refused.

mod diagnostics;
mod read;
#[cfg(test)]
mod tests;

pub use diagnostics::{fingerprint, token};

use evlog_projection::Malformed;
use serde_json::{Map, Value, json};

/// How many findings are kept per artifact unless a report says otherwise.
pub const ERRORS_MAX_DEFAULT: u32 = 50;

/// The codes of findings that fail a publish gate in its first two steps (pipeline.md 4.7). They come before all others, and
/// the stage fails with `storage_io_error`.
pub const STORAGE_CODES: [&str; 7] = [
    "staging_replaced",
    "non_regular_file",
    "path_invalid",
    "artifact_unreadable",
    "too_many_artifacts",
    "path_reserved",
    "outside_output_roots",
];
/// `contract_version` of a report.
pub const CONTRACT_VERSION: &str = "0.1.0";
/// `schema_version` of a report.
pub const SCHEMA_VERSION: &str = "pa:contract-validation-report:v1";
/// The schema id of files without a schema (rule P-78). The document calls a schema a contract.
pub const UNBOUND_SCHEMA: &str = "unbound";
/// The version that goes with [`UNBOUND_SCHEMA`].
pub const UNBOUND_SCHEMA_VERSION: &str = "0.0.0";

/// The longest path or pointer, in code points.
const POINTER_LEN_MAX: usize = 4096;
/// The longest message, in code points.
const MESSAGE_LEN_MAX: usize = 8192;
/// The longest keyword or error code, in code points.
const WORD_LEN_MAX: usize = 128;
/// The longest id of a schema, in code points.
const SCHEMA_ID_LEN_MAX: usize = 256;

/// One thing that is wrong with an artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// JSON pointer to the value; empty for the whole document.
    pub instance_path: String,
    /// JSON pointer into the schema; empty if no schema was used.
    pub schema_path: String,
    /// A sentence. If there is a schema path, the sentence names it, so that two findings which differ in nothing else stay
    /// distinct (rule P-73). [`Finding::schema`] adds it.
    pub message: String,
    /// A stable code, if the finding does not come from a schema: `required_artifact_missing` and the like.
    pub error_code: Option<String>,
    /// The schema keyword that failed.
    pub keyword: Option<String>,
    /// The line, from 1; present for JSON Lines.
    pub line_number: Option<u64>,
}

/// What was found in one artifact, ordered and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactReport {
    path: String,
    schema: String,
    version: String,
    errors: Vec<Finding>,
    truncated: bool,
}

/// A report, ordered and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    run_id: String,
    stage_id: String,
    max_errors_per_artifact: u32,
    artifacts: Vec<ArtifactReport>,
}

fn cut(text: &mut String, max: usize) {
    if let Some((end, _)) = text.char_indices().nth(max) {
        text.truncate(end);
    }
}

impl Finding {
    /// A finding from a schema: `keyword` at `schema_path` says that `what` is wrong at `instance_path`.
    pub fn schema(instance_path: &str, schema_path: &str, keyword: &str, what: &str) -> Finding {
        Finding {
            instance_path: instance_path.to_owned(),
            schema_path: schema_path.to_owned(),
            message: format!("{what} (schema {schema_path})"),
            keyword: Some(keyword.to_owned()),
            ..Finding::default()
        }
    }

    /// A finding with a code of its own and no pointers, such as `required_artifact_missing`.
    pub fn coded(code: &str, message: impl Into<String>) -> Finding {
        Finding { message: message.into(), error_code: Some(code.to_owned()), ..Finding::default() }
    }

    /// A line of JSON Lines that is not JSON: exactly one finding for that line, without a keyword (pipeline.md 4.6).
    pub fn unreadable_line(line_number: u64, message: impl Into<String>) -> Finding {
        Finding { message: message.into(), line_number: Some(line_number), ..Finding::default() }
    }

    /// This finding, with the number of a line.
    #[must_use]
    pub fn on_line(self, line_number: u64) -> Finding {
        Finding { line_number: Some(line_number), ..self }
    }

    /// The order of findings within an artifact (rule P-71). Pointers are compared as strings: `/10` before `/2`.
    fn order(&self) -> (u64, &str, &str, &str, &str) {
        let keyword = self.keyword.as_deref().unwrap_or_default();
        (self.line_number.unwrap_or(0), &self.instance_path, &self.schema_path, keyword, &self.message)
    }

    fn fit(&mut self) {
        cut(&mut self.instance_path, POINTER_LEN_MAX);
        cut(&mut self.schema_path, POINTER_LEN_MAX);
        cut(&mut self.message, MESSAGE_LEN_MAX);
        for word in [&mut self.keyword, &mut self.error_code].into_iter().flatten() {
            cut(word, WORD_LEN_MAX);
        }
    }
}

impl ArtifactReport {
    /// An artifact with everything that was found in it, in any order. It is valid if nothing was found.
    pub fn new(path: &str, schema: &str, version: &str, errors: Vec<Finding>) -> ArtifactReport {
        let (path, mut schema) = (path.to_owned(), schema.to_owned());
        cut(&mut schema, SCHEMA_ID_LEN_MAX);
        ArtifactReport { path, schema, version: version.to_owned(), errors, truncated: false }
    }

    /// The id of its schema, or [`UNBOUND_SCHEMA`].
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Its path in the bundle.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether nothing is wrong with it.
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    /// What is wrong with it, in order and, within a report, cut.
    pub fn errors(&self) -> &[Finding] {
        &self.errors
    }

    /// Whether more was found than the report holds.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    fn settle(&mut self, max: u32) {
        cut(&mut self.path, POINTER_LEN_MAX);
        for finding in &mut self.errors {
            finding.fit();
        }
        // The code is not part of the contract's order. It is compared last, so that ties do not depend on the order of
        // discovery.
        self.errors.sort_by(|a, b| (a.order(), &a.error_code).cmp(&(b.order(), &b.error_code)));
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        self.truncated |= self.errors.len() > max;
        self.errors.truncate(max);
    }

    fn to_value(&self) -> Value {
        let error = |finding: &Finding| {
            let mut members = Map::new();
            members.insert("artifact_path".into(), self.path.as_str().into());
            members.insert("contract_id".into(), self.schema.as_str().into());
            finding.write(&mut members);
            Value::Object(members)
        };
        json!({
            "artifact_path": self.path,
            "contract_id": self.schema,
            "contract_version": self.version,
            "status": if self.is_valid() { "valid" } else { "invalid" },
            "errors_truncated": self.truncated,
            "errors": self.errors.iter().map(error).collect::<Vec<Value>>(),
        })
    }
}

impl Finding {
    /// Adds the finding's members.
    fn write(&self, members: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        put("instance_path", Some(self.instance_path.as_str().into()));
        put("schema_path", Some(self.schema_path.as_str().into()));
        put("message", Some(self.message.as_str().into()));
        put("error_code", self.error_code.as_deref().map(Value::from));
        put("keyword", self.keyword.as_deref().map(Value::from));
        put("line_number", self.line_number.map(Value::from));
    }
}

impl Report {
    /// The report of a stage (or `orchestrator`): every artifact that was validated, including valid ones, and every required
    /// artifact that is missing. For each, at most `max_errors_per_artifact` findings are kept, the first in order (P-72).
    /// Findings of artifacts with the same path are merged.
    pub fn new(
        run_id: &str,
        stage_id: &str,
        max_errors_per_artifact: u32,
        mut artifacts: Vec<ArtifactReport>,
    ) -> Report {
        artifacts.sort_by(|a, b| (&a.path, &a.schema).cmp(&(&b.path, &b.schema)));
        artifacts.dedup_by(|later, first| {
            let same = later.path == first.path;
            if same {
                first.errors.append(&mut later.errors);
            }
            same
        });
        let max_errors_per_artifact = max_errors_per_artifact.max(1);
        for artifact in &mut artifacts {
            artifact.settle(max_errors_per_artifact);
        }
        Report { run_id: run_id.to_owned(), stage_id: stage_id.to_owned(), max_errors_per_artifact, artifacts }
    }

    /// The run.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The stage, or `orchestrator`.
    pub fn stage_id(&self) -> &str {
        &self.stage_id
    }

    /// The findings, by path.
    pub fn artifacts(&self) -> &[ArtifactReport] {
        &self.artifacts
    }

    /// The schema of the primary diagnostic, which is the first in order (rule P-76); `None` if nothing is wrong.
    pub fn primary_schema(&self) -> Option<&str> {
        diagnostics::primary(self).map(|artifact| artifact.schema.as_str())
    }

    /// The report as JSON, without `generated_at_utc`. The contract adds that member: it is the time of the commit that
    /// records the report.
    pub fn to_value(&self) -> Value {
        let mut report = json!({
            "contract_version": CONTRACT_VERSION,
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            "stage_id": self.stage_id,
            "max_errors_per_artifact": self.max_errors_per_artifact,
            "artifacts": self.artifacts.iter().map(ArtifactReport::to_value).collect::<Vec<Value>>(),
        });
        if let Some(diagnostics) = diagnostics::derive(self) {
            report["diagnostics"] = Value::Array(diagnostics);
        }
        report
    }

    /// Reads the members of a report that someone else wrote, and brings them into order. What [`to_value`](Report::to_value)
    /// then writes is how the report should have been written. Refuses other members and wrong types. Of `diagnostics` it only
    /// checks that they are a list.
    pub fn from_members(value: &Value) -> Result<Report, Malformed> {
        read::members(value)
    }

    /// Reads what [`to_value`](Report::to_value) writes. `diagnostics` may be absent. Refuses, with a sentence, other
    /// members, wrong types, wrong order, more findings than the cap, and diagnostics that do not follow from the findings.
    pub fn from_value(value: &Value) -> Result<Report, String> {
        read::report(value)
    }
}
