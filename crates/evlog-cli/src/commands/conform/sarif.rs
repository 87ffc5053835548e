//! The answer as SARIF 2.1.0: a rule for each check, a result for each finding, a notification for each check that was
//! not asked.

use evlog_conform::{CHECKS, Check, Conformance, Finding};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// Files are named relative to the bundle.
const BASE: &str = "BUNDLE";
/// The version of what a fingerprint is made of.
const FINGERPRINT: &str = "evlogConform/v1";

/// The whole file.
pub(super) fn document(bundle: &Path, found: &Conformance) -> Value {
    let results: Vec<Value> = found.findings().map(|(check, finding)| result(check, finding)).collect();
    let notes = found.checks.iter().filter_map(|checked| {
        let why = checked.answer.as_ref().err()?;
        let text = format!("check {} was not run: {why}", checked.check.number);
        let rule = json!({"id": checked.check.code, "index": index_of(checked.check)});
        Some(json!({"level": "note", "message": {"text": text}, "associatedRule": rule}))
    });
    let base = format!("file://{}/", encoded(&bundle.display().to_string()));
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "evlog conform",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": CHECKS.iter().map(rule).collect::<Vec<Value>>(),
            }},
            "invocations": [{
                "executionSuccessful": true,
                "toolConfigurationNotifications": notes.collect::<Vec<Value>>(),
            }],
            "originalUriBaseIds": {BASE: {"uri": base}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(check: &Check) -> Value {
    let text = format!("Check {}: {}", check.number, check.title.replace('`', ""));
    json!({
        "id": check.code,
        "shortDescription": {"text": text},
        "defaultConfiguration": {"level": "error"},
        "properties": {"check": check.number},
    })
}

fn index_of(check: &Check) -> usize {
    CHECKS.iter().position(|known| known == check).unwrap_or_default()
}

fn result(check: &Check, finding: &Finding) -> Value {
    let Finding { file, pointer, expected, found } = finding;
    let basis = [check.code, file, pointer, expected, found].join("\n");
    let fingerprint = blake3::hash(basis.as_bytes()).to_hex().to_string();
    let mut location = json!({"physicalLocation": {
        "artifactLocation": {"uri": encoded(file), "uriBaseId": BASE},
        // Canonical JSON is one line.
        "region": {"startLine": 1},
    }});
    if !pointer.is_empty() {
        location["logicalLocations"] = json!([{"fullyQualifiedName": pointer, "kind": "value"}]);
    }
    json!({
        "ruleId": check.code,
        "ruleIndex": index_of(check),
        "level": "error",
        "message": {"text": finding.to_string()},
        "locations": [location],
        "partialFingerprints": {FINGERPRINT: fingerprint},
    })
}

/// A path as part of a URI.
fn encoded(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut uri, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _infallible = write!(uri, "%{byte:02X}");
        }
        uri
    })
}
