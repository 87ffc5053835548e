//! Diagnostics: the findings of a report in the form that all gates share (pipeline.md 4.10, 4.11).
//!
//! Does not: add anything to what the findings say.
//!
//! Invariant: the list is a function of the report. It has one record per finding, in order. Of records with the same
//! fingerprint, only the first is kept.

use super::{ArtifactReport, Finding, Report};
use evlog_format::ids::hex;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::collections::BTreeSet;

const SEVERITY: &str = "error";
const CATEGORY: &str = "syntax";
const REASON_DOMAIN: &str = "contract_validation_report";
const RULE_ID: &str = "contract_validation";
const SUBJECT_KIND: &str = "run_artifact";

/// The longest token that a keyword becomes.
const TOKEN_LEN_MAX: usize = 118;
/// The longest id of a subject in a diagnostic. If an id is longer, the list is left out.
const STABLE_ID_LEN_MAX: usize = 1024;
const FILE_PATH_LEN_MAX: usize = 2048;

struct Diagnostic<'a> {
    artifact: &'a ArtifactReport,
    finding: &'a Finding,
    reason_code: String,
    stable_id: String,
    fingerprint: String,
}

/// A schema keyword as part of a reason code (rule P-74): `minItems` is `min_items`.
pub fn token(keyword: &str) -> String {
    let mut out = String::new();
    let mut before = None;
    for c in keyword.chars() {
        let rises = before.is_some_and(|b: char| b.is_ascii_lowercase() || b.is_ascii_digit());
        if c.is_ascii_uppercase() && rises {
            out.push('_');
        }
        let plain = c.is_ascii_alphanumeric();
        out.push(if plain { c.to_ascii_lowercase() } else { '_' });
        before = Some(c);
    }
    let words: Vec<&str> = out.split('_').filter(|word| !word.is_empty()).collect();
    match words.join("_") {
        empty if empty.is_empty() => "unknown".to_owned(),
        mut token => {
            token.truncate(TOKEN_LEN_MAX);
            token
        }
    }
}

/// The fingerprint of a diagnostic of a report (rule P-75): lowercase hex SHA-256 of its basis, in which the message's runs of
/// white space are one space each. Schema path, keyword and evidence are not part of the basis.
pub fn fingerprint(reason_code: &str, stable_id: &str, file_path: &str, start_line: u64, message: &str) -> String {
    let message = message.split_whitespace().collect::<Vec<&str>>().join(" ");
    let line = start_line.to_string() + ":0";
    let basis =
        [SEVERITY, CATEGORY, reason_code, RULE_ID, SUBJECT_KIND, stable_id, file_path, line.as_str(), message.as_str()];
    hex(&Sha256::digest(basis.join("\n").as_bytes()))
}

fn reason_code(finding: &Finding) -> String {
    match (&finding.error_code, &finding.keyword, finding.line_number) {
        (Some(code), ..) => code.clone(),
        (None, Some(keyword), _) => format!("jsonschema_{}", token(keyword)),
        (None, None, Some(_)) if finding.schema_path.is_empty() => "jsonl_parse_error".to_owned(),
        _ => "contract_validation_error".to_owned(),
    }
}

impl<'a> Diagnostic<'a> {
    fn new(artifact: &'a ArtifactReport, finding: &'a Finding) -> Diagnostic<'a> {
        let reason_code = reason_code(finding);
        let stable_id = format!("{}#{}", artifact.path, finding.instance_path);
        let line = finding.line_number.unwrap_or(0);
        let fingerprint = fingerprint(&reason_code, &stable_id, &artifact.path, line, &finding.message);
        Diagnostic { artifact, finding, reason_code, stable_id, fingerprint }
    }

    /// Severity, domain, kind of subject, rule and column are the same for all, so they are not compared.
    fn order(&self, other: &Diagnostic<'_>) -> Ordering {
        let key = |d: &Diagnostic<'_>| d.finding.line_number.unwrap_or(0);
        self.reason_code
            .cmp(&other.reason_code)
            .then_with(|| self.stable_id.cmp(&other.stable_id))
            .then_with(|| self.artifact.path.cmp(&other.artifact.path))
            .then_with(|| key(self).cmp(&key(other)))
            .then_with(|| self.fingerprint.cmp(&other.fingerprint))
    }

    fn fits(&self) -> bool {
        self.stable_id.chars().count() <= STABLE_ID_LEN_MAX && self.artifact.path.chars().count() <= FILE_PATH_LEN_MAX
    }

    fn to_value(&self) -> Value {
        let mut location = json!({"file_path": self.artifact.path});
        if let Some(line) = self.finding.line_number {
            location["span"] = json!({"start_line": line});
        }
        let mut details = Map::new();
        details.insert("artifact_path".into(), self.artifact.path.as_str().into());
        details.insert("contract_id".into(), self.artifact.schema.as_str().into());
        details.insert("contract_version".into(), self.artifact.version.as_str().into());
        self.finding.write(&mut details);
        details.remove("message");
        json!({
            "severity": SEVERITY,
            "category": CATEGORY,
            "reason_domain": REASON_DOMAIN,
            "reason_code": self.reason_code,
            "rule_id": RULE_ID,
            "subject": {"kind": SUBJECT_KIND, "stable_id": self.stable_id},
            "location": location,
            "message": self.finding.message,
            "evidence": {"details": details},
            "fingerprint": self.fingerprint,
        })
    }
}

fn all(report: &Report) -> Vec<Diagnostic<'_>> {
    let of = |artifact| -> Vec<Diagnostic<'_>> {
        let artifact: &ArtifactReport = artifact;
        artifact.errors.iter().map(|finding| Diagnostic::new(artifact, finding)).collect()
    };
    let mut list: Vec<Diagnostic<'_>> = report.artifacts.iter().flat_map(of).collect();
    // The sort is stable: among equals the earlier finding is kept.
    list.sort_by(Diagnostic::order);
    let mut seen = BTreeSet::new();
    list.retain(|diagnostic| seen.insert(diagnostic.fingerprint.clone()));
    list
}

/// The report's diagnostics; `None` if a path is too long for them.
pub(super) fn derive(report: &Report) -> Option<Vec<Value>> {
    let list = all(report);
    list.iter().all(Diagnostic::fits).then(|| list.iter().map(Diagnostic::to_value).collect())
}

/// The artifact of the primary diagnostic.
pub(super) fn primary(report: &Report) -> Option<&ArtifactReport> {
    all(report).first().map(|diagnostic| diagnostic.artifact)
}
