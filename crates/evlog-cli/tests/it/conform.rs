//! `evlog conform`: exit codes, formats, and bundles of our own and of others.

use crate::reports::{junit_counts, sarif_count};
use crate::support::{Done, Room};
use serde_json::{Value, json};
use std::fs;

const RUN: &str = "11111111-1111-4111-8111-111111111111";

/// A `purple-axiom` run that ended, in `runs/`.
pub(crate) fn room() -> Room {
    let room = Room::new();
    let manifest = json!({
        "scenario": {"scenario_id": "scn", "scenario_version": "0.1.0", "runner_type": "custom", "techniques": ["T1059"]},
        "versions": {"purple_axiom": "0.1.0", "ocsf_version": "1.7.0", "normalizer_version": "0.1.0"},
        "inputs": {"range_yaml_sha256": "0".repeat(64)},
        "targets": [{"asset_id": "win-1", "os": "windows", "role": "endpoint"}],
    });
    let create =
        json!({"contract": "pipeline", "run": RUN, "do": "create", "pipeline": "purple-axiom", "manifest": manifest});
    let outcome = |members: Value| {
        let mut line = json!({"contract": "pipeline", "run": RUN, "do": "outcome"});
        line.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        line.to_string()
    };
    let lines = [
        create.to_string(),
        outcome(json!({"stage": "lab_provider", "status": "success"})),
        outcome(json!({"stage": "runner", "status": "failed", "reason_code": "execute_failed"})),
        json!({"contract": "pipeline", "run": RUN, "do": "finalize"}).to_string(),
    ];
    let done = room.feed(&["submit"], &lines.join("\n"));
    assert_eq!(done.code, 0, "{done:?}");
    room.ends(0, &["project", "--out", "."]);
    room
}

pub(crate) fn bundle() -> String {
    format!("runs/{RUN}")
}

fn conform(room: &Room, code: i32, more: &[&str]) -> Done {
    room.ends(code, &[&["conform", &bundle()], more].concat())
}

/// Changes a value in the bundle.
fn spoil(room: &Room) {
    let path = room.path(&format!("{}/manifest.json", bundle()));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("execute_failed", "no_such_code") + "\n").unwrap();
}

#[test]
fn a_bundle_that_evlog_wrote_conforms_and_one_that_was_changed_does_not() {
    let room = room();
    let done = conform(&room, 0, &["--exit-code", "20"]);
    assert!(done.out.contains("verdict   conforms"), "{done:?}");
    assert!(done.out.contains("not run   11, 12, 20, 21, 23: needs the plan"), "{done:?}");
    conform(&room, 1, &["--exit-code", "0"]);
    spoil(&room);
    let done = conform(&room, 1, &[]);
    let first = "check 7: manifest.json, at /stage_outcomes/1/reason_code: expected a reason code of `runner` in the catalogue of \
                 `purple-axiom`, found \"no_such_code\"\n";
    assert!(done.out.starts_with(first), "{done:?}");
    assert!(done.out.contains("does not conform: 3 findings"), "{done:?}");
    assert!(done.out.contains("3 failed (7, 15, 31)"), "{done:?}");
}

#[test]
fn every_error_of_a_manifest_is_listed_however_many_values_it_has() {
    // G-65: the bound is computed for this document, and not for all documents of its size.
    let room = room();
    let path = room.path(&format!("{}/manifest.json", bundle()));
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for number in 0..40 {
        manifest[format!("unknown_{number:02}")] = json!(number);
    }
    manifest["scenario"]["runner_type"] = json!(7);
    manifest["inputs"]["range_yaml_sha256"] = json!("short");
    fs::write(&path, manifest.to_string()).unwrap();
    let done = conform(&room, 1, &["--json"]);
    let answer = done.json();
    let listed: Vec<&Value> =
        answer["findings"].as_array().unwrap().iter().filter(|found| found["check"] == 1).collect();
    assert!(!done.out.contains("only the first error"), "{done:?}");
    for pointer in ["", "/inputs/range_yaml_sha256", "/scenario/runner_type"] {
        assert!(listed.iter().any(|found| found["pointer"] == pointer), "{pointer:?}: {listed:?}");
    }
}

#[test]
fn no_log_is_needed_and_none_is_made() {
    let room = room();
    fs::remove_dir_all(room.path("evlog")).unwrap();
    conform(&room, 0, &[]);
    assert!(!room.path("evlog").exists());
}

#[test]
fn json_lists_every_check_and_every_finding() {
    let room = room();
    spoil(&room);
    for arguments in [&["--json"][..], &["--format", "json"]] {
        let answer = conform(&room, 1, arguments).json();
        assert_eq!((&answer["conforms"], &answer["findings_count"]), (&json!(false), &json!(3)));
        assert_eq!((&answer["run"], &answer["pipeline"]), (&json!(RUN), &json!("purple-axiom")));
        let checks = answer["checks"].as_array().unwrap();
        assert_eq!(checks.len(), 34);
        let of = |word: &str| checks.iter().filter(|check| check["result"] == word).count();
        assert_eq!((of("passed"), of("failed"), of("not_run")), (24, 3, 7));
        assert!(checks.iter().all(|check| check["reason"].is_null() == (check["result"] != "not_run")), "{answer}");
        let finding = &answer["findings"][0];
        assert_eq!((&finding["check"], &finding["code"]), (&json!(7), &json!("reason_code_not_catalogued")));
        assert_eq!(finding["pointer"], "/stage_outcomes/1/reason_code");
    }
    conform(&room, 2, &["--json", "--format", "sarif"]);
}

#[test]
fn junit_is_xml_with_a_test_case_for_each_check() {
    let room = room();
    spoil(&room);
    // What a bundle holds may not be what XML can hold.
    let health = room.path(&format!("{}/logs/health.json", bundle()));
    let text = fs::read_to_string(&health).unwrap();
    fs::write(&health, text.replacen('{', "{\"a<&\\\"\\u0001\\uffff]]>\":1,", 1)).unwrap();
    let done = conform(&room, 1, &["--format", "junit"]);
    // A stage of the run failed, and those after it were skipped.
    assert_eq!(junit_counts(&done.out), [34 + 8, 4 + 1, 7 + 6]);
    let document = roxmltree::Document::parse(&done.out).unwrap();
    let cases: Vec<_> = document.descendants().filter(|node| node.has_tag_name("testcase")).collect();
    let failure = cases[6].first_element_child().unwrap();
    assert_eq!(failure.attribute("type"), Some("reason_code_not_catalogued"));
    assert!(failure.text().unwrap().contains("no_such_code"), "{}", done.out);
    assert_eq!(conform(&room, 1, &["--format", "junit"]).out, done.out, "the same bundle gives the same file");
}

#[test]
fn a_report_of_a_run_that_failed_says_so_though_its_bundle_conforms() {
    let room = room();
    let status = |done: Done| done.json()["status"].clone();
    let found = status(conform(&room, 0, &["--json"]));
    assert!(found.is_string(), "{found}");
    let found = found.as_str().unwrap().to_owned();
    assert!(conform(&room, 0, &[]).out.contains(&format!("status    {found}")), "{found}");
    let junit = conform(&room, 0, &["--format", "junit"]).out;
    assert!(junit.contains(&format!("<property name=\"run status\" value=\"{found}\"/>")), "{junit}");
    let sarif = conform(&room, 0, &["--format", "sarif"]).json();
    assert_eq!(sarif["runs"][0]["properties"]["run status"], found.as_str());
}

#[test]
fn sarif_has_a_rule_for_each_check_and_a_result_for_each_finding() {
    let room = room();
    spoil(&room);
    room.write(&format!("{}/odd name 2026-01-01.txt", bundle()), "");
    let answer = conform(&room, 1, &["--format", "sarif"]).json();
    assert_eq!(answer["version"], "2.1.0");
    let run = &answer["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 34);
    assert_eq!(sarif_count(&answer), 4);
    let results = run["results"].as_array().unwrap();
    for result in results {
        assert_eq!(result["level"], "error");
        assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 1);
    }
    assert_eq!(
        results[0]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"],
        "/stage_outcomes/1/reason_code"
    );
    let uris: Vec<&Value> =
        results.iter().map(|result| &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]).collect();
    assert!(uris.contains(&&json!("odd%20name%202026-01-01.txt")), "{uris:?}");
    let base = run["originalUriBaseIds"]["BUNDLE"]["uri"].as_str().unwrap();
    assert!(base.starts_with("file:///") && base.ends_with(&format!("runs/{RUN}/")), "{base}");
    let notes = run["invocations"][0]["toolConfigurationNotifications"].as_array().unwrap();
    assert_eq!(notes.len(), 7);
    let again = conform(&room, 1, &["--format", "sarif"]).json();
    assert_eq!(answer, again);
}

#[test]
fn a_pipeline_of_ones_own_comes_from_a_file_with_a_schema_for_its_manifest_or_from_the_plan() {
    let room = Room::new();
    room.write("plan.toml", "name = \"own\"\n[manifest]\nteam = 7\n[[stage]]\nid = \"one\"\ncommand = [\"true\"]\nreason_code = \"input_missing\"\n");
    room.ends(0, &["run", "plan.toml", "--run-id", "r"]);
    room.ends(0, &["run", "plan.toml", "--run-id", "s"]);
    let other = room.ends(1, &["conform", "runs/r", "--pipeline", "purple-axiom"]);
    other.says("the manifest names the pipeline `own`");
    let whole = room.ends(0, &["conform", "runs/r", "--plan", "plan.toml", "--exit-code", "0", "--against", "runs/s"]);
    assert!(whole.out.contains("34 passed, 0 failed, 0 not run"), "{whole:?}");
    let definition = r#"{"name":"own","stages":[{"id":"one"}],"manifest_schema":"manifest.schema.json"}"#;
    room.write("own.json", definition);
    room.write("manifest.schema.json", r#"{"properties":{"team":{"$ref":"text.json"}}}"#);
    room.write("text.json", r#"{"type":"string"}"#);
    let found = room.ends(1, &["conform", "runs/r", "--pipeline", "own.json"]);
    assert!(found.out.starts_with("check 1: manifest.json, at /team: expected type string"), "{found:?}");
    room.write("own.json", &definition.replace("\"manifest.schema.json\"", "true"));
    room.ends(0, &["conform", "runs/r", "--pipeline", "own.json", "--plan", "plan.toml"]);
    // The same definition as a contract file. A mistake in the file is reported with line and column.
    room.write("own.toml", "name = \"own\"\nstages = [{ id = \"one\" }]\n");
    room.ends(0, &["conform", "runs/r", "--pipeline", "own.toml", "--plan", "plan.toml"]);
    room.write("own.toml", "name = \"own\"\nstages = [{ id = \"one\" }]\nmanifest_schema = \"x\"\n");
    room.ends(2, &["conform", "runs/r", "--pipeline", "own.toml"])
        .says("pipeline `own.toml`: 3:1: ")
        .says("manifest_schema");
    let lifecycle = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples/contracts/order.toml");
    room.ends(2, &["conform", "runs/r", "--pipeline", lifecycle])
        .says("expected a pipeline (`stages`), found a lifecycle");
    room.write("own.json", &definition.replace("one", "two"));
    room.ends(2, &["conform", "runs/r", "--pipeline", "own.json", "--plan", "plan.toml"])
        .says("expected the pipeline of the plan");
}

#[test]
fn the_pipeline_is_the_one_that_the_manifest_names_as_the_log_has_it() {
    let room = Room::new();
    room.write(
        "plan.toml",
        "name = \"own\"\n[[stage]]\nid = \"one\"\ncommand = [\"true\"]\nreason_code = \"input_missing\"\n",
    );
    room.ends(0, &["run", "plan.toml", "--run-id", "r"]);
    let found = room.ends(0, &["conform", "runs/r"]);
    assert!(found.out.contains("pipeline  own (from the log; the manifest names it)\n"), "{found:?}");
    let from = |more: &[&str]| {
        room.ends(0, &[&["conform", "runs/r", "--json"], more].concat()).json()["pipeline_from"].clone()
    };
    assert_eq!((from(&[]), from(&["--plan", "plan.toml"])), (json!("log"), json!("plan")));
    // What is missing is said, and nothing else takes its place.
    room.ends(2, &["conform", "runs/r", "--log", "elsewhere"])
        .says("no log at `elsewhere`: the bundle names the pipeline `own`, whose definition is in the log of the run")
        .says("hint: `--log PATH` names that log");
    assert_eq!(
        room.feed(&["submit", "--log", "other"], r#"{"contract":"custom","run":"r","do":"record","kind":"custom/x"}"#)
            .code,
        0
    );
    room.ends(2, &["conform", "runs/r", "--log", "other"]).says("found run `r` of another contract");
    room.ends(2, &["conform", "runs/r", "--log", "other", "--json"]).says("\"found\":\"run `r` of another contract\"");
    let path = room.path("runs/r/manifest.json");
    let manifest = fs::read_to_string(&path).unwrap();
    fs::write(&path, manifest.replace("\"pipeline\":\"own\"", "\"pipeline\":\"purple-axiom\"")).unwrap();
    room.ends(2, &["conform", "runs/r"])
        .says("the manifest names the pipeline `purple-axiom`")
        .says("expected the name that its definition has in the log, `own`, found `purple-axiom`");
    // A bundle of another program names none, and one of a built-in pipeline needs no log.
    fs::write(&path, manifest.replace("\"evlog\":{", "\"other\":{")).unwrap();
    assert!(room.ends(1, &["conform", "runs/r"]).out.contains("purple-axiom (the manifest names none)"));
    let room = self::room();
    assert_eq!(conform(&room, 0, &["--log", "elsewhere", "--json"]).json()["pipeline_from"], "built_in");
}

#[test]
fn junit_has_a_test_case_for_each_stage_and_a_failed_run_is_not_green() {
    let room = room();
    room.write(&format!("{}/logs/runner.log", bundle()), "no\n");
    let report = conform(&room, 0, &["--format", "junit"]).out;
    let [tests, failed, _] = junit_counts(&report);
    assert!(tests > 34 && failed == 1, "{report}");
    let sentence =
        "runner failed with execute_failed (fail_closed); what it printed is in `logs/runner.log` of the bundle";
    assert!(report.contains("<testcase classname=\"stage.purple-axiom\" name=\"lab_provider\"/>"), "{report}");
    assert!(report.contains(&format!("<failure type=\"stage_succeeds\" message=\"{sentence}\">")), "{report}");
    assert!(report.contains("<skipped message=\"blocked_by_upstream_failure\"/>"), "{report}");
    // A run that has not ended, and one that lists nothing that failed, are not green either.
    let path = room.path(&format!("{}/manifest.json", bundle()));
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for status in [json!("failed"), Value::Null] {
        manifest["status"] = status;
        manifest["stage_outcomes"] = json!([]);
        fs::write(&path, manifest.to_string()).unwrap();
        let report = conform(&room, 1, &["--format", "junit"]).out;
        assert!(report.contains("name=\"the run as a whole\"><failure"), "{report}");
    }
}

#[test]
fn an_unusable_input_is_reported_with_exit_code_2() {
    let room = room();
    room.write("bad.json", "{");
    room.write("loop.json", r#"{"name":"x","stages":[{"id":"a"}],"manifest_schema":{"type":"objekt"}}"#);
    room.write("bad.toml", "name = 1");
    let cases: [(&[&str], &str); 7] = [
        (&["conform", "absent"], "no bundle at `absent`"),
        (&["conform", "bad.json"], "bad.json"),
        (&["conform", &bundle(), "--pipeline", "absent"], "or the name of a built-in one: `purple-axiom`"),
        (&["conform", &bundle(), "--pipeline", "bad.json"], "not JSON"),
        (&["conform", &bundle(), "--pipeline", "loop.json"], "manifest_schema"),
        (&["conform", &bundle(), "--plan", "bad.toml"], "the plan is refused, nothing was checked: "),
        (&["conform", &bundle(), "--against", "absent"], "no bundle at `absent`"),
    ];
    for (arguments, message) in cases {
        let done = room.ends(2, arguments);
        done.says(message);
        assert_eq!(done.out, "", "{arguments:?}");
    }
}

#[test]
fn nothing_of_a_bundle_reaches_the_terminal_as_a_control_character() {
    let room = room();
    let path = room.path(&format!("{}/manifest.json", bundle()));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"stage\":\"runner\"", "\"\\u001b[2J\":1,\"stage\":\"\\u001b[31m\"")).unwrap();
    room.write(&format!("{}/2026-01-01\u{1b}[2J", bundle()), "");
    let done = conform(&room, 1, &[]);
    assert!(!done.out.contains('\u{1b}') && !done.err.contains('\u{1b}'), "{done:?}");
    assert!(done.out.contains("\\u{1b}[2J"), "{done:?}");
}
