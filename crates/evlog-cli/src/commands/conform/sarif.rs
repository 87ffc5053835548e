//! The answer as SARIF 2.1.0: one rule per check, a result for each finding, a notification for each check that was not
//! run.

use crate::ui::visible;
use evlog_conform::{CHECKS, Check, Conformance, Finding};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::Path;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// Files are named relative to the bundle.
const BASE: &str = "BUNDLE";
/// The version of what a fingerprint is made of.
const FINGERPRINT: &str = "evlogConform/v1";

/// GitHub shows the first 5,000 results of a report, and refuses one of more than 25,000.
const RESULTS_MAX: usize = 5000;
/// GitHub refuses a report of more than 10 MB, compressed. This bounds the results before compression, in bytes.
const RESULTS_LEN_MAX: usize = 8_000_000;
/// GitHub takes texts of at most this length, in characters.
const TEXT_LEN_MAX: usize = 1024;

/// The whole file.
pub(super) fn document(bundle: &Path, found: &Conformance) -> Value {
    let results = results(found);
    let left_out = found.count() - results.len();
    let more = (left_out > 0).then(|| {
        let text = format!(
            "{left_out} more findings are not in this report; `--format json` has the first 1000 of each check"
        );
        json!({"level": "warning", "message": {"text": text}})
    });
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
                "toolConfigurationNotifications": notes.chain(more).collect::<Vec<Value>>(),
            }],
            "originalUriBaseIds": {BASE: {"uri": base}},
            "columnKind": "unicodeCodePoints",
            "properties": {"run status": found.status.as_deref().unwrap_or("unknown")},
            "results": results,
        }],
    })
}

fn rule(check: &Check) -> Value {
    let text = format!("Check {}: {}", check.number, check.title.replace('`', ""));
    json!({
        "id": check.code,
        "shortDescription": {"text": text},
        "fullDescription": {"text": format!("A bundle conforms where {}.", check.title.replace('`', ""))},
        "help": {"text": format!(
            "Each finding names a file of the bundle, the place in it, what is expected there and what was found. docs/conform.md \
             says more about check {}.", check.number
        )},
        "defaultConfiguration": {"level": "error"},
        "properties": {"check": check.number},
    })
}

fn index_of(check: &Check) -> usize {
    CHECKS.iter().position(|known| known == check).unwrap_or_default()
}

/// The first results, as many as a report may have.
fn results(found: &Conformance) -> Vec<Value> {
    let mut left = RESULTS_LEN_MAX;
    let results = found.findings().take(RESULTS_MAX).map(|(check, finding)| result(check, finding));
    let has_room = move |result: &Value| {
        let len = result.to_string().len();
        let fits = len <= left;
        left = left.saturating_sub(len);
        fits
    };
    results.take_while(has_room).collect()
}

fn result(check: &Check, finding: &Finding) -> Value {
    let Finding { file, pointer, expected, found } = finding;
    let basis = [check.code, file, pointer, expected, found].join("\n");
    let fingerprint = blake3::hash(basis.as_bytes()).to_hex().to_string();
    let mut location = Map::new();
    if is_below(file) {
        let place = json!({
            "artifactLocation": {"uri": encoded(file), "uriBaseId": BASE},
            // Canonical JSON is one line.
            "region": {"startLine": 1},
        });
        location.insert("physicalLocation".to_owned(), place);
    }
    if !pointer.is_empty() {
        let place = json!([{"fullyQualifiedName": cut(pointer), "kind": "value"}]);
        location.insert("logicalLocations".to_owned(), place);
    }
    let locations = if location.is_empty() { Vec::new() } else { vec![location] };
    json!({
        "ruleId": check.code,
        "ruleIndex": index_of(check),
        "level": "error",
        "message": {"text": message(&finding.to_string())},
        "locations": locations,
        "partialFingerprints": {FINGERPRINT: fingerprint},
    })
}

/// Whether a path stays below the bundle. Other paths get no URI, because it would lead out of the bundle; the message still names them.
fn is_below(path: &str) -> bool {
    path.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

/// A message in which nothing is a placeholder or a link (SARIF 2.1.0, 3.11.5 and 3.11.6), and nothing is hidden. Its
/// length is limited as GitHub counts it, and no pair of braces is split.
fn message(text: &str) -> String {
    let text = visible(text).replace("](", "\\](");
    let len = |c: char| if matches!(c, '{' | '}') { 2 } else { 1 };
    let is_long = text.chars().map(len).sum::<usize>() > TEXT_LEN_MAX;
    let mut left = if is_long { TEXT_LEN_MAX - 1 } else { TEXT_LEN_MAX };
    let fits = |c: &char| {
        let fits = len(*c) <= left;
        left = left.saturating_sub(len(*c));
        fits
    };
    let kept: String = text.chars().take_while(fits).collect();
    kept.replace('{', "{{").replace('}', "}}") + if is_long { "…" } else { "" }
}

/// The beginning of a text that is too long.
fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_LEN_MAX - 1) {
        Some((end, c)) if end + c.len_utf8() < text.len() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use evlog_conform::{Checked, FINDINGS_MAX};

    #[test]
    fn a_report_stays_below_what_github_takes_and_says_what_it_leaves_out() {
        let finding = |number: usize| Finding {
            file: "a".repeat(300),
            pointer: format!("/{}", "\u{e9}".repeat(3000)),
            expected: "b".repeat(3000),
            found: number.to_string(),
        };
        let checked = |check| Checked { check, count: 2000, answer: Ok((0..FINDINGS_MAX).map(finding).collect()) };
        let checks: Vec<Checked> = CHECKS.iter().map(checked).collect();
        let found = Conformance { run: None, status: None, other_pipeline: None, checks };
        let report = document(Path::new("/b"), &found);
        let run = &report["runs"][0];
        let results = run["results"].as_array().unwrap();
        assert!((1000..RESULTS_MAX).contains(&results.len()), "{}", results.len());
        let longest = results.iter().map(|result| result["message"]["text"].as_str().unwrap().chars().count()).max();
        assert!(longest <= Some(TEXT_LEN_MAX), "{longest:?}");
        assert!(report.to_string().len() < 10_000_000);
        let left_out = run["invocations"][0]["toolConfigurationNotifications"][0]["message"]["text"].as_str().unwrap();
        assert!(left_out.starts_with(&format!("{} more findings", CHECKS.len() * 2000 - results.len())), "{left_out}");
    }

    #[test]
    fn a_message_has_no_link_no_placeholder_and_nothing_hidden() {
        let text = "[see](https://e.example) {0} {\"a\":1} \u{202e}\u{1b}";
        assert_eq!(message(text), "[see\\](https://e.example) {{0}} {{\"a\":1}} \\u{{202e}}\\u{{1b}}");
    }

    #[test]
    fn a_message_is_measured_as_it_is_written() {
        let len = |text: &str| message(text).chars().count();
        assert_eq!((len(&"{".repeat(512)), len(&"{".repeat(513)), len(&"}".repeat(3000))), (1024, 1023, 1023));
        assert_eq!(message(&format!("a{}", "{".repeat(512))), format!("a{}…", "{".repeat(1022)));
        assert_eq!(len(&"[](".repeat(1000)), 1024);
    }

    #[test]
    fn a_place_outside_the_bundle_is_no_location_and_is_named_all_the_same() {
        let of = |file: &str, pointer: &str| {
            let (file, pointer) = (file.to_owned(), pointer.to_owned());
            result(&CHECKS[0], &Finding { file, pointer, expected: "a".to_owned(), found: "b".to_owned() })
        };
        for file in ["/etc/passwd", "//evil.example/x", "../../x", "a/../../x", "a//b", ".", ""] {
            let found = of(file, "");
            assert_eq!(found["locations"], json!([]), "{file}");
            assert!(found["message"]["text"].as_str().unwrap().contains(file));
            let places = of(file, "/a")["locations"].clone();
            assert!(places[0].get("physicalLocation").is_none() && places[0]["logicalLocations"][0]["kind"] == "value");
        }
        let uri = |file: &str| of(file, "")["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone();
        assert_eq!(uri("logs/a:b c%2e\u{e9}\\.json"), "logs/a%3Ab%20c%252e%C3%A9%5C.json");
        assert_eq!(uri("..a/b.."), "..a/b..");
    }

    #[test]
    fn a_text_is_cut_only_where_it_is_too_long() {
        let whole = "\u{e9}".repeat(TEXT_LEN_MAX);
        assert_eq!(cut(&whole), whole);
        assert_eq!(cut(&format!("{whole}x")).chars().count(), TEXT_LEN_MAX);
    }
}
