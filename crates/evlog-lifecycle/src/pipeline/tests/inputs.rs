//! What a stage reads (rules P-66 to P-68).

use super::{Play, RUN};
use crate::explain::{Documents, explain};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn file(path: &str, from: &str, content: &str) -> Value {
    json!({"path": path, "from": from, "bytes": content.len(), "blake3": blake3::hash(content.as_bytes()).to_hex().as_str()})
}

fn inputs(stage: &str, inputs: &[Value]) -> Value {
    json!({"stage": stage, "inputs": inputs})
}

#[test]
fn p66_inputs_are_recorded_before_a_stage_begins_and_shown_by_stage() {
    let mut play = Play::only(&["scoring", "reporting"]);
    assert_eq!(play.harness.json(RUN, "run.json").get("inputs"), None, "a run without inputs is as it was");
    play.refuse("STAGE_ORDER", "inputs", inputs("reporting", &[file("a", "plan", "x")]));
    let missing = json!({"path": "notes/*.md", "from": "plan", "required": false});
    let answered =
        play.accept("inputs", inputs("scoring", &[file("b", "plan", "x"), file("../a", "plan", "y"), missing]));
    assert_eq!(answered.kinds, ["pipeline.inputs_recorded"]);
    let run = play.harness.json(RUN, "run.json");
    let shown: Vec<&Value> = run["inputs"].as_array().unwrap().iter().map(|input| &input["path"]).collect();
    assert_eq!(shown, ["../a", "b", "notes/*.md"]);
    assert_eq!(run["inputs"][1]["blake3"], blake3::hash(b"x").to_hex().as_str());
    assert_eq!((&run["inputs"][1]["required"], &run["inputs"][1]["stage"]), (&json!(true), &json!("scoring")));
    assert_eq!((run["inputs"][2].get("bytes"), &run["inputs"][2]["required"]), (None, &json!(false)));
    play.begin("scoring");
    // A later attempt records its inputs again, and the last record counts.
    play.accept("inputs", inputs("scoring", &[file("b", "plan", "other")]));
    play.begin("scoring");
    assert_eq!(play.harness.json(RUN, "run.json")["inputs"].as_array().unwrap().len(), 1);
    play.take("scoring S/fc/-");
    play.refuse("STAGE_TERMINAL", "inputs", inputs("scoring", &[]));
    play.refuse("STAGE_DISABLED", "inputs", inputs("runner", &[]));
    let line = play.harness.audit(RUN).into_iter().find(|line| line["kind"] == "pipeline.inputs_recorded").unwrap();
    assert_eq!(line["event"]["inputs"][0]["path"], "../a");
}

#[test]
fn p66_inputs_are_named_once_and_by_paths() {
    let mut play = Play::only(&["scoring"]);
    let cases = [
        ("PATH_TWICE", vec![file("a", "plan", "x"), file("a", "plan", "x")]),
        ("PATH_INVALID", vec![file("/a", "plan", "x")]),
        ("PATH_INVALID", vec![file("a/../b", "plan", "x")]),
        ("PATH_INVALID", vec![file("../a", "run", "x")]),
        ("PATH_INVALID", vec![file("..", "plan", "x")]),
    ];
    for (code, of) in cases {
        play.refuse(code, "inputs", inputs("scoring", &of));
    }
    play.accept("inputs", inputs("scoring", &[file("a", "run", "x"), file("a", "plan", "x")]));
}

#[test]
fn p67_a_stage_does_not_begin_without_an_input_that_it_needs() {
    let mut play = Play::only(&["scoring", "reporting"]);
    let missing = json!({"path": "rows.csv", "from": "plan"});
    play.accept("inputs", inputs("scoring", &[missing]));
    play.refuse("INPUT_MISSING", "begin", json!({"stage": "scoring"}));
    let mut found = play.clone();
    found.accept("inputs", inputs("scoring", &[file("rows.csv", "plan", "x")]));
    found.begin("scoring");
    play.take("scoring F/fc/input_missing");
    assert_eq!(play.outcomes(), ["scoring F/fc/input_missing", "reporting K/fc/blocked_by_upstream_failure"]);
    play.finalize();
    let run = play.harness.json(RUN, "run.json");
    let (audit, manifest) = (play.harness.audit(RUN), Value::Null);
    let (reports, earlier) = (BTreeMap::new(), BTreeMap::new());
    let explained = explain(&Documents {
        run: &run,
        manifest: &manifest,
        audit: &audit,
        reports: &reports,
        earlier: &earlier,
        retries: &[],
        retried_by: &[],
    });
    let expected =
        "failed with `input_missing`, which stops the run: it never began, because an input is missing: `rows.csv`";
    assert_eq!((explained.reasons[0].subject.as_str(), explained.reasons[0].text.as_str()), ("scoring", expected));
}

#[test]
fn p68_an_input_that_was_published_is_what_was_published() {
    let mut play = Play::only(&["scoring", "reporting"]);
    play.begin("scoring");
    let artifact = |content: &str| {
        let mut artifact = file("scoring/rows", "run", content);
        artifact.as_object_mut().unwrap().remove("from");
        json!({"stage": "scoring", "artifacts": [artifact]})
    };
    play.accept("intend", artifact("rows"));
    play.accept("publish", artifact("rows"));
    play.take("scoring S/fc/-");
    play.refuse("INPUT_CHANGED", "inputs", inputs("reporting", &[file("scoring/rows", "run", "swor")]));
    // The same path beside the plan is another file.
    play.accept("inputs", inputs("reporting", &[file("scoring/rows", "plan", "swor")]));
    play.accept("inputs", inputs("reporting", &[file("scoring/rows", "run", "rows")]));
    play.begin("reporting");
}
