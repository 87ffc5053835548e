//! A report as SARIF 2.1.0: its rules, a result for each finding, a notification for each test case that was not run.

use super::{Answer, Finding, Region, Report, Rule};
use crate::ui::visible;
use serde_json::{Map, Value, json};
use std::fmt::Write;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// GitHub shows the first 5,000 results of a report, and refuses one of more than 25,000.
const RESULTS_MAX: usize = 5000;
/// GitHub refuses a report of more than 10 MB, compressed. This bounds the results before compression, in bytes.
const RESULTS_LEN_MAX: usize = 8_000_000;
/// GitHub takes texts of at most this length, in characters.
const TEXT_LEN_MAX: usize = 1024;

/// The whole file.
pub(super) fn document(report: &Report) -> Value {
    let results = results(report);
    let count = report.cases.iter().map(|case| case.answer.count()).sum::<u64>() + report.more.findings;
    let left_out = count - results.len() as u64;
    let more = (left_out > 0).then(|| {
        let text = format!("{left_out} more findings are not in this report; {}", elsewhere(report, left_out));
        json!({"level": "warning", "message": {"text": text}})
    });
    let notes = report.cases.iter().filter_map(|case| {
        let Answer::NotRun(why) = &case.answer else { return None };
        let of = &report.rules[case.rule];
        let text = message(&format!("{} has no verdict: {why}", of.label));
        let rule = json!({"id": of.id, "index": case.rule});
        Some(json!({"level": "note", "message": {"text": text}, "associatedRule": rule}))
    });
    let base = format!("file://{}/", encoded(report.base.dir.display().to_string().trim_end_matches('/')));
    let properties: Map<String, Value> =
        report.properties.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": report.tool,
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": report.rules.iter().map(rule).collect::<Vec<Value>>(),
            }},
            "invocations": [{
                "executionSuccessful": true,
                "toolConfigurationNotifications": notes.chain(more).collect::<Vec<Value>>(),
            }],
            "originalUriBaseIds": {report.base.id: {"uri": base}},
            "columnKind": "unicodeCodePoints",
            "properties": properties,
            "results": results,
        }],
    })
}

/// Where findings are that the report leaves out. JSON has those that the command has kept.
fn elsewhere(report: &Report, left_out: u64) -> String {
    match left_out.saturating_sub(report.only_counted) {
        0 => "the command only counts them".to_owned(),
        kept if kept == left_out => "`--format json` has them".to_owned(),
        kept => format!("`--format json` has {kept} of them, and the command only counts the others"),
    }
}

fn rule(rule: &Rule) -> Value {
    let mut label = rule.label.chars();
    let label: String = label.next().into_iter().flat_map(char::to_uppercase).chain(label).collect();
    let mut shown = json!({
        "id": rule.id,
        "shortDescription": {"text": message(&format!("{label}: {}", rule.title))},
        "fullDescription": {"text": message(&rule.about)},
        "help": {"text": message(&rule.help)},
        "defaultConfiguration": {"level": rule.severity.word()},
    });
    if let Some(number) = rule.number {
        shown["properties"] = json!({"check": number});
    }
    shown
}

/// The first results, as many as a report may have.
fn results(report: &Report) -> Vec<Value> {
    let mut left = RESULTS_LEN_MAX;
    let findings = report.cases.iter().flat_map(|case| case.answer.kept().iter().map(|finding| (case.rule, finding)));
    let results = findings.take(RESULTS_MAX).map(|(rule, finding)| result(report, rule, finding));
    let has_room = move |result: &Value| {
        let len = result.to_string().len();
        let fits = len <= left;
        left = left.saturating_sub(len);
        fits
    };
    results.take_while(has_room).collect()
}

fn result(report: &Report, index: usize, finding: &Finding) -> Value {
    let rule = &report.rules[index];
    let (file, region) = if is_below(&finding.file) {
        (finding.file.as_str(), finding.region)
    } else {
        (report.base.main.as_str(), Region::Whole)
    };
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": {"uri": encoded(file), "uriBaseId": report.base.id},
            "region": self::region(region),
        },
    });
    if let Some(place) = &finding.place {
        location["logicalLocations"] = json!([{"fullyQualifiedName": cut(&place.name), "kind": place.kind}]);
    }
    json!({
        "ruleId": rule.id,
        "ruleIndex": index,
        "level": rule.severity.word(),
        "message": {"text": message(&finding.sentence)},
        "locations": [location],
        "partialFingerprints": {version(report.tool): fingerprint(rule, finding)},
    })
}

/// The version of what a fingerprint is made of: `evlogConform/v1`.
fn version(tool: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    let mut words = tool.split([' ', '-']);
    words.next().into_iter().map(str::to_owned).chain(words.map(capital)).collect::<String>() + "/v1"
}

/// What makes a finding another one: the rule, the place, what is expected there and what was found.
fn fingerprint(rule: &Rule, finding: &Finding) -> String {
    let Finding { file, region, place, expected, found, .. } = finding;
    let name = place.as_ref().map_or("", |place| &place.name);
    let mut basis = [rule.id.as_str(), file, name, expected, found].join("\n");
    if let Region::Bytes { offset, .. } = region {
        let _infallible = write!(basis, "\n{offset}");
    }
    blake3::hash(basis.as_bytes()).to_hex().to_string()
}

/// GitHub takes no place without a line. The bytes of a binary file are one.
fn region(region: Region) -> Value {
    match region {
        Region::Whole => json!({"startLine": 1}),
        Region::Text { line, column: None } => json!({"startLine": line}),
        Region::Text { line, column: Some(column) } => json!({"startLine": line, "startColumn": column}),
        Region::Bytes { offset, len: None } => json!({"startLine": 1, "byteOffset": offset}),
        Region::Bytes { offset, len: Some(len) } => json!({"startLine": 1, "byteOffset": offset, "byteLength": len}),
    }
}

/// Whether a path stays below the base. Other paths get no URI, because it would lead elsewhere; the message still names them.
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
    use crate::reports::{Answer, Base, FINDINGS_MAX, Place};
    use std::path::Path;

    /// A report with one rule.
    fn report_of(answers: impl IntoIterator<Item = Answer>) -> Report {
        let mut report = Report::new("evlog conform", "r", Base::new("BUNDLE", Path::new("/b"), "manifest.json"));
        let rule = report.rule(Rule::new("rule", "it holds", "a page"));
        answers.into_iter().for_each(|answer| report.case(rule, "class", "name", answer));
        report
    }

    #[test]
    fn a_report_stays_below_what_github_takes_and_says_what_it_leaves_out() {
        let finding = |number: usize| Finding {
            file: "a".repeat(300),
            place: Some(Place { kind: "value", name: format!("/{}", "\u{e9}".repeat(3000)) }),
            found: number.to_string(),
            sentence: "b".repeat(3000),
            ..Finding::default()
        };
        let answers = (0..34).map(|_| Answer::found((0..2 * FINDINGS_MAX).map(finding)));
        let report = document(&report_of(answers));
        let run = &report["runs"][0];
        let results = run["results"].as_array().unwrap();
        assert!((1000..RESULTS_MAX).contains(&results.len()), "{}", results.len());
        let longest = results.iter().map(|result| result["message"]["text"].as_str().unwrap().chars().count()).max();
        assert!(longest <= Some(TEXT_LEN_MAX), "{longest:?}");
        assert!(report.to_string().len() < 10_000_000);
        let left_out = run["invocations"][0]["toolConfigurationNotifications"][0]["message"]["text"].as_str().unwrap();
        let more = 34 * 2000 - results.len();
        assert_eq!(left_out, format!("{more} more findings are not in this report; `--format json` has them"));
    }

    #[test]
    fn a_report_says_where_the_findings_are_that_it_leaves_out() {
        let text = |answer: Answer, counted: u64| {
            let mut report = report_of([answer]);
            report.left_out(0, counted);
            let notes = document(&report)["runs"][0]["invocations"][0]["toolConfigurationNotifications"].clone();
            notes[0]["message"]["text"].as_str().unwrap_or_default().to_owned()
        };
        let findings = |count: usize| vec![Finding::default(); count];
        let more = |rest: &str| format!("7 more findings are not in this report; {rest}");
        assert_eq!(text(Answer::found(findings(FINDINGS_MAX + 7)), 0), more("`--format json` has them"));
        assert_eq!(text(Answer::first(findings(3), 10), 0), more("the command only counts them"));
        assert_eq!(text(Answer::found(findings(3)), 7), more("the command only counts them"));
        let both = "`--format json` has 5 of them, and the command only counts the others";
        assert_eq!(text(Answer::found(findings(FINDINGS_MAX + 5)), 2), more(both));
    }

    #[test]
    fn the_fingerprint_of_a_finding_of_conform_is_that_of_earlier_versions() {
        let finding = Finding {
            file: "manifest.json".to_owned(),
            place: Some(Place { kind: "value", name: "/status".to_owned() }),
            expected: "\"partial\"".to_owned(),
            found: "\"success\"".to_owned(),
            ..Finding::default()
        };
        let basis = "rule\nmanifest.json\n/status\n\"partial\"\n\"success\"";
        let report = document(&report_of([Answer::found([finding])]));
        let expected = json!({"evlogConform/v1": blake3::hash(basis.as_bytes()).to_hex().to_string()});
        assert_eq!(report["runs"][0]["results"][0]["partialFingerprints"], expected);
        assert_eq!(version("evlog check-proof"), "evlogCheckProof/v1");
    }

    #[test]
    fn bytes_of_a_file_have_an_offset_beside_the_line_that_github_asks_for() {
        let place = |len| region(Region::Bytes { offset: 96, len });
        assert_eq!(place(None), json!({"startLine": 1, "byteOffset": 96}));
        assert_eq!(place(Some(7)), json!({"startLine": 1, "byteOffset": 96, "byteLength": 7}));
        assert_eq!(region(Region::Text { line: 3, column: Some(5) }), json!({"startLine": 3, "startColumn": 5}));
        assert_eq!(region(Region::Whole), json!({"startLine": 1}));
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
    fn a_place_outside_the_base_is_named_in_the_message_and_the_main_file_stands_for_it() {
        let of = |file: &str, name: &str| {
            let place = Some(Place { kind: "value", name: name.to_owned() }).filter(|place| !place.name.is_empty());
            let sentence = format!("{file}: expected a, found b");
            let finding = Finding { file: file.to_owned(), place, sentence, ..Finding::default() };
            document(&report_of([Answer::found([finding])]))["runs"][0]["results"][0].clone()
        };
        let uri = |file: &str| of(file, "")["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone();
        for file in ["/etc/passwd", "//evil.example/x", "../../x", "a/../../x", "a//b", ".", ""] {
            assert_eq!(uri(file), "manifest.json", "{file}");
            assert!(of(file, "")["message"]["text"].as_str().unwrap().contains(file));
            assert_eq!(of(file, "/a")["locations"][0]["logicalLocations"][0]["kind"], "value");
        }
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
