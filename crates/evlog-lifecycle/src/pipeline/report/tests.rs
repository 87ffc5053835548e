//! The report's order, cut, diagnostics and fingerprints (rules P-70 to P-76).

use super::{ArtifactReport, Finding, Report, diagnostics, fingerprint, token};
use evlog_projection::canonical;
use serde_json::{Value, json};

const RUN: &str = "11111111-1111-4111-8111-111111111111";

fn finding(instance: &str, schema: &str, keyword: &str) -> Finding {
    Finding::schema(instance, schema, keyword, "wrong")
}

fn report(max: u32, artifacts: Vec<ArtifactReport>) -> Report {
    Report::new(RUN, "scoring", max, artifacts)
}

#[test]
fn keywords_become_tokens_as_the_page_checks_them() {
    // P-74.
    let cases = [
        ("required", "required"),
        ("additionalProperties", "additional_properties"),
        ("minItems", "min_items"),
        ("$ref", "ref"),
        ("unevaluatedProperties", "unevaluated_properties"),
        ("", "unknown"),
        ("$$", "unknown"),
        ("oneOf2A", "one_of2_a"),
        ("ABC", "abc"),
        ("a--b__c", "a_b_c"),
        ("\u{e9}", "unknown"),
    ];
    for (keyword, expected) in cases {
        assert_eq!(token(keyword), expected, "{keyword}");
    }
    assert_eq!(token(&"a".repeat(200)).len(), 118);
}

#[test]
fn the_fingerprint_is_the_one_that_the_page_checks() {
    // P-75.
    let expected = "86a5693356f6ebbf20cb6bf74bb82b11036acf4b003d7539cbd4265e6f238b59";
    let of = |message| fingerprint("jsonschema_required", "scoring/summary.json#", "scoring/summary.json", 0, message);
    assert_eq!(of("missing"), expected);
    assert_eq!(of(" \t missing \n"), expected, "white space around is not part of it");
    assert_ne!(of("missing x"), expected);
    assert_eq!(of("a  \n b"), of("a b"));
    assert_ne!(
        fingerprint("jsonschema_required", "scoring/summary.json#", "scoring/summary.json", 1, "missing"),
        expected
    );
}

#[test]
fn findings_are_ordered_by_line_then_place_then_keyword_then_message() {
    // P-71, check 27.
    let on = |line, instance: &str| finding(instance, "/s", "type").on_line(line);
    let expected = [
        finding("", "/s", "type"),
        finding("/10", "/s", "type"),
        finding("/2", "/a", "type"),
        finding("/2", "/b", "enum"),
        Finding { keyword: None, ..finding("/3", "/s", "type") },
        finding("/3", "/s", "const"),
        finding("/3", "/s", "type"),
        on(2, "/z"),
        on(10, "/a"),
    ];
    let mut shuffled = expected.to_vec();
    shuffled.reverse();
    shuffled.swap(1, 5);
    let read = report(50, vec![ArtifactReport::new("a", "c", "0.1.0", shuffled)]);
    assert_eq!(read.artifacts()[0].errors(), expected);
}

#[test]
fn findings_are_collected_ordered_and_then_cut() {
    // P-72, A-23, check 27.
    let all: Vec<Finding> = (0..51).rev().map(|n| finding(&format!("/{n:02}"), "/s", "type")).collect();
    let made = |count: usize| report(50, vec![ArtifactReport::new("a", "c", "0.1.0", all[..count].to_vec())]);
    let (cut, whole) = (made(51), made(50));
    let places = |report: &Report| -> Vec<String> {
        report.artifacts()[0].errors().iter().map(|finding| finding.instance_path.clone()).collect()
    };
    assert!(cut.artifacts()[0].is_truncated() && !whole.artifacts()[0].is_truncated());
    let expected: Vec<String> = (0..50).map(|n| format!("/{n:02}")).collect();
    assert_eq!(places(&cut), expected, "the first fifty in order, not the first found");
    assert_eq!(cut.to_value()["artifacts"][0]["errors_truncated"], true);
    assert_eq!(whole.to_value()["artifacts"][0]["errors_truncated"], false);
}

#[test]
fn artifacts_stand_by_path_and_valid_ones_too() {
    // P-70.
    let of = |path: &str, errors| ArtifactReport::new(path, "c", "0.1.0", errors);
    let made =
        report(50, vec![of("scoring/b", vec![finding("", "/s", "type")]), of("report/z", vec![]), of("a", vec![])]);
    let value = made.to_value();
    let reported: Vec<(&Value, &Value)> =
        value["artifacts"].as_array().expect("a list").iter().map(|a| (&a["artifact_path"], &a["status"])).collect();
    let (valid, invalid) = (json!("valid"), json!("invalid"));
    let paths = ["a", "report/z", "scoring/b"].map(Value::from);
    assert_eq!(reported, [(&paths[0], &valid), (&paths[1], &valid), (&paths[2], &invalid)]);
}

#[test]
fn a_report_has_the_bytes_that_the_page_says() {
    // P-70, P-73.
    let finding = Finding { message: "missing".into(), ..finding("", "/required", "required") };
    let made = report(50, vec![ArtifactReport::new("scoring/summary.json", "summary", "0.1.0", vec![finding])]);
    let expected = concat!(
        r#"{"artifacts":[{"artifact_path":"scoring/summary.json","contract_id":"summary","contract_version":"0.1.0","#,
        r#""errors":[{"artifact_path":"scoring/summary.json","contract_id":"summary","instance_path":"","keyword":"required","#,
        r#""message":"missing","schema_path":"/required"}],"errors_truncated":false,"status":"invalid"}],"contract_version":"0.1.0","#,
        r#""diagnostics":[{"category":"syntax","evidence":{"details":{"artifact_path":"scoring/summary.json","contract_id":"summary","#,
        r#""contract_version":"0.1.0","instance_path":"","keyword":"required","schema_path":"/required"}},"#,
        r#""fingerprint":"86a5693356f6ebbf20cb6bf74bb82b11036acf4b003d7539cbd4265e6f238b59","#,
        r#""location":{"file_path":"scoring/summary.json"},"message":"missing","reason_code":"jsonschema_required","#,
        r#""reason_domain":"contract_validation_report","rule_id":"contract_validation","severity":"error","#,
        r#""subject":{"kind":"run_artifact","stable_id":"scoring/summary.json#"}}],"max_errors_per_artifact":50,"#,
        r#""run_id":"11111111-1111-4111-8111-111111111111","schema_version":"pa:contract-validation-report:v1","stage_id":"scoring"}"#,
    );
    assert_eq!(String::from_utf8(canonical(&made.to_value())).expect("UTF-8"), expected);
    assert_eq!(Report::from_value(&made.to_value()), Ok(made));
}

fn codes(report: &Report) -> Vec<String> {
    let list = diagnostics::derive(report).expect("short paths");
    list.iter().map(|d| d["reason_code"].as_str().expect("a code").to_owned()).collect()
}

#[test]
fn the_code_of_a_diagnostic_follows_from_the_finding() {
    // P-73; and P-76: the order of codes is alphabetical, before any path.
    let bare = |message: &str| Finding { message: message.into(), ..Finding::default() };
    let findings = vec![
        Finding::coded("timestamped_filename_disallowed", "t"),
        Finding::coded("required_artifact_missing", "m"),
        finding("/x", "/s", "minItems"),
        Finding::unreadable_line(3, "not JSON"),
        bare("nothing known"),
        Finding { schema_path: "/s".into(), ..Finding::unreadable_line(4, "by a schema without a keyword") },
    ];
    let made = report(50, vec![ArtifactReport::new("a", "c", "0.1.0", findings)]);
    let expected = [
        "contract_validation_error",
        "contract_validation_error",
        "jsonl_parse_error",
        "jsonschema_min_items",
        "required_artifact_missing",
        "timestamped_filename_disallowed",
    ];
    assert_eq!(codes(&made), expected);
}

#[test]
fn the_primary_diagnostic_is_first_by_code_then_by_path() {
    // P-76.
    let missing = || vec![Finding::coded("required_artifact_missing", "m")];
    let invalid = || vec![finding("/x", "/s", "type")];
    let of = |path: &str, schema: &str, errors| ArtifactReport::new(path, schema, "0.1.0", errors);
    let primary = |artifacts| report(50, artifacts).primary_schema().map(str::to_owned);
    assert_eq!(primary(vec![of("a", "first", missing()), of("b", "second", invalid())]).as_deref(), Some("second"));
    assert_eq!(primary(vec![of("b", "second", invalid()), of("a", "first", invalid())]).as_deref(), Some("first"));
    assert_eq!(primary(vec![of("a", "first", vec![])]), None);
}

#[test]
fn two_findings_with_one_fingerprint_are_one_diagnostic_and_schema_paths_keep_them_apart() {
    // P-73, A-25.
    let same = vec![
        Finding { message: "m".into(), ..finding("/x", "/a", "type") },
        Finding { message: "m".into(), ..finding("/x", "/b", "type") },
    ];
    let apart = vec![finding("/x", "/a", "type"), finding("/x", "/b", "type")];
    let count = |errors| codes(&report(50, vec![ArtifactReport::new("a", "c", "0.1.0", errors)])).len();
    assert_eq!((count(same), count(apart)), (1, 2));
}

#[test]
fn diagnostics_are_left_out_where_a_path_is_too_long_for_them() {
    // A-25.
    let with = |len: usize| {
        report(50, vec![ArtifactReport::new(&"a".repeat(len), "c", "0.1.0", vec![finding("", "/s", "type")])])
            .to_value()
    };
    assert!(with(1023).get("diagnostics").is_some());
    assert!(with(1024).get("diagnostics").is_none());
}

#[test]
fn long_texts_are_cut_to_the_lengths_of_the_schema() {
    let long = Finding {
        instance_path: format!("/{}", "\u{e9}".repeat(5000)),
        schema_path: "/".repeat(5000),
        message: "m".repeat(9000),
        keyword: Some("k".repeat(200)),
        ..Finding::default()
    };
    let made = report(50, vec![ArtifactReport::new("a", &"c".repeat(300), "0.1.0", vec![long])]);
    let error = &made.to_value()["artifacts"][0]["errors"][0];
    let len = |name: &str| error[name].as_str().expect("text").chars().count();
    assert_eq!(
        [len("instance_path"), len("schema_path"), len("message"), len("keyword"), len("contract_id")],
        [4096, 4096, 8192, 128, 256]
    );
    assert!(Report::from_value(&made.to_value()).is_ok());
}

#[test]
fn a_report_in_another_order_or_beyond_its_cap_is_not_read() {
    // P-71, P-72, checks 27 and 28.
    let errors: Vec<Finding> = ["/a", "/b"].into_iter().map(|at| finding(at, "/s", "type")).collect();
    let of = |path: &str| ArtifactReport::new(path, "c", "0.1.0", errors.clone());
    let made = report(2, vec![of("report/x"), of("scoring/y")]).to_value();
    assert!(Report::from_value(&made).is_ok());
    let check = |says: &str, change: &dyn Fn(&mut Value)| {
        let mut changed = made.clone();
        change(&mut changed);
        let error = Report::from_value(&changed).expect_err(says);
        assert!(error.contains(says), "{says}: {error}");
    };
    let swap = |list: &mut Value| list.as_array_mut().expect("a list").swap(0, 1);
    check("/artifacts/0/artifact_path", &|report| swap(&mut report["artifacts"]));
    check("/artifacts/0/errors/0/instance_path", &|report| swap(&mut report["artifacts"][0]["errors"]));
    check("/diagnostics/0", &|report| swap(&mut report["diagnostics"]));
    check("/artifacts/0/errors", &|report| report["max_errors_per_artifact"] = 1.into());
    check("expected 3 errors, found 2", &|report| {
        report["max_errors_per_artifact"] = 3.into();
        report["artifacts"][0]["errors_truncated"] = true.into();
    });
    check("expected a whole number from 1 to 4294967295", &|report| report["max_errors_per_artifact"] = 0.into());
    check("line_number", &|report| report["artifacts"][0]["errors"][0]["line_number"] = json!(-1));
    check("expected a whole number from 1 to 18446744073709551615", &|report| {
        report["artifacts"][0]["errors"][0]["line_number"] = 0.into();
    });
    check("error_code", &|report| report["artifacts"][0]["errors"][0]["error_code"] = "No".into());
    check("unknown member", &|report| report["artifacts"][0]["errors"][0]["severity"] = "error".into());
    check("schema_version", &|report| report["schema_version"] = "v1".into());
    check("/artifacts/0/errors/0/contract_id", &|report| {
        report["artifacts"][0]["errors"][0]["contract_id"] = "d".into();
    });
    check("generated_at_utc", &|report| report["generated_at_utc"] = "2026-01-01T00:00:00Z".into());
}
