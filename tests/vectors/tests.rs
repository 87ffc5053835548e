//! The vectors pass, and the runner detects a case that should fail.

use super::{Verdict, judge, run, skips};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most cases that may be left out.
const SKIPPED_MAX: usize = 15;

fn file(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_case_passes_or_is_left_out_for_a_reason() {
    for name in ["story_cases.jsonl", "story_more_cases.jsonl"] {
        let report = run(&file(name));
        assert_eq!(report.failed, 0, "{name}:\n{}", report.text);
    }
    assert!(skips().len() <= SKIPPED_MAX, "{} cases are left out", skips().len());
    assert!(skips().values().all(|reason| reason.len() > 20), "each with a reason");
}

/// Returns a different value in place of an expected text, boolean or number; `None` if there is nothing to change.
fn spoiled(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text.starts_with('T') => None,
        Value::String(text) => Some(format!("{text} not").into()),
        Value::Bool(flag) => Some((!flag).into()),
        Value::Number(number) => Some((number.as_i64()? + 1_000_000).into()),
        Value::Array(items) => Some(json!([items, "not"])),
        Value::Object(members) => {
            let spoil = |(name, value): (&String, &Value)| Some((name.clone(), spoiled(value)?));
            members.iter().find_map(spoil).map(|(name, value)| json!({name: value}))
        }
        Value::Null => Some("not".into()),
    }
}

#[test]
fn a_case_that_expects_something_else_fails() {
    let cases = file("story_cases.jsonl");
    let mut seen = 0;
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).expect("a case");
        if skips().contains_key(case["id"].as_str().expect("an id")) {
            continue;
        }
        for (name, want) in case["expect"].as_object().expect("expectations") {
            let is_bound =
                name.ends_with("Min") || name.ends_with("Max") || name.starts_with("absentKeys") || name == "needs";
            let Some(other) = spoiled(want).filter(|_| !is_bound) else { continue };
            let mut broken = case.clone();
            broken["expect"] = json!({name: other});
            let (id, verdict) = judge(1, &broken.to_string(), &BTreeMap::new());
            assert!(matches!(verdict, Verdict::Fail(_)), "{id}: {name} expects {other}");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn a_line_that_is_no_case_is_reported_by_its_number() {
    let report = run("{}\n\nnot json\n{\"id\":\"x\",\"when\":{\"op\":\"fly\"}}\n{\"id\":17}\n");
    let expected = "line 1  FAIL: expected the member `id`, a string, found none";
    assert!(report.text.starts_with(expected), "{}", report.text);
    assert!(report.text.contains("line 3  FAIL: not JSON"), "{}", report.text);
    assert!(report.text.contains("x  FAIL: there is no operation `fly`"), "{}", report.text);
    assert!(report.text.contains("line 5  FAIL: expected the member `id`, a string, found 17"), "{}", report.text);
    assert!(report.text.ends_with("0 passed, 4 failed, 0 skipped\n"), "{}", report.text);
}
