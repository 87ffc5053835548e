//! The gate of a stage whose outputs a registry names.

use super::*;

const PLAN: &str = r#"
name = "p"
registry = "registry.json"
[[reason_code]]
stage = "make"
code = "special_invalid"
severity = "FATAL"
[[stage]]
id = "make"
command = ["true"]
reason_code = "storage_io_error"
extra_roots = ["inputs/", "judged/"]
[[stage.output]]
schema = "row"
[[stage.output]]
schema = "special"
[[stage.output]]
path = "made/special/first.json"
schema = "special"
required = false
[[stage]]
id = "judge"
enabled = false
command = ["true"]
reason_code = "storage_io_error"
"#;

const REGISTRY: &str = r#"{
  "registry_version": "0.2.0",
  "contracts": [
    {"contract_id": "row", "schema_path": "row-schema.json", "contract_version": "1.2.3"},
    {"contract_id": "special", "schema_path": "row-schema.json", "contract_version": "1.2.3"},
    {"contract_id": "order", "schema_path": "row-schema.json", "contract_version": "1.2.3"}
  ],
  "bindings": [
    {"artifact_glob": "made/rows.jsonl", "contract_id": "row", "validation_mode": "jsonl_lines", "stage_owner": "make"},
    {"artifact_glob": "made/special/*.json", "contract_id": "special", "validation_mode": "json_document", "stage_owner": "make"},
    {"artifact_glob": "judged/*.json", "contract_id": "special", "validation_mode": "json_document", "stage_owner": "judge"},
    {"artifact_glob": "inputs/*.yaml", "contract_id": "order", "validation_mode": "yaml_document", "stage_owner": "orchestrator"}
  ]
}"#;

const SCHEMA: &str = r#"{"type": "object", "required": ["a"],
    "properties": {"a": {"type": "integer"}, "contract_version": {"const": "1.2.3"}}}"#;

fn room() -> Room {
    Room::with_files(PLAN, &[("registry.json", REGISTRY), ("row-schema.json", SCHEMA)])
}

#[test]
fn k13_bound_files_are_outputs_and_are_checked_against_their_schemas() {
    let room = room();
    room.stage("made/special/a.json", b"{\"a\":1}");
    room.stage("made/special/first.json", b"{\"a\":1}");
    room.passes(&["made/rows.jsonl", "made/special/a.json", "made/special/first.json"]);
    let schemas: Vec<Option<String>> = room.check().unwrap().into_iter().map(|passed| passed.schema).collect();
    assert_eq!(schemas, [Some("row".to_owned()), Some("special".to_owned()), Some("special".to_owned())]);
    room.stage("made/rows.jsonl", b"{\"a\":1}\n{\"b\":1}\n");
    let valid: &[&str] = &[];
    let expected = [
        ("made/rows.jsonl", "row 1.2.3", &["2:required"][..]),
        ("made/special/a.json", "special 1.2.3", valid),
        ("made/special/first.json", "special 1.2.3", valid),
    ];
    room.fails("contract_validation_failed", &expected);
    fs::write(room.staging().join("made/rows.jsonl"), "{\"a\":1}\n").unwrap();
    room.stage("made/special/first.json", b"{}");
    let bad = [
        ("made/rows.jsonl", "row 1.2.3", valid),
        ("made/special/a.json", "special 1.2.3", valid),
        ("made/special/first.json", "special 1.2.3", &["required"][..]),
    ];
    room.fails("special_invalid", &bad);
}

#[test]
fn k14_a_required_path_can_be_missing_and_a_pattern_cannot() {
    let room = room();
    room.passes(&["made/rows.jsonl"]);
    fs::remove_file(room.staging().join("made/rows.jsonl")).unwrap();
    let missing = ("made/rows.jsonl", "row 1.2.3", &["required_artifact_missing"][..]);
    room.fails("contract_validation_failed", &[missing]);
}

#[test]
fn k16_what_is_bound_to_another_owner_is_taken() {
    let valid = ("made/rows.jsonl", "row 1.2.3", &[][..]);
    let room = room();
    room.stage("inputs/order.yaml", b"a: 1");
    let taken = ("inputs/order.yaml", "order 1.2.3", &["path_taken"][..]);
    room.fails("contract_validation_failed", &[taken, valid]);
    let failed = room.check().unwrap_err();
    let message = failed.report.to_value()["artifacts"][0]["errors"][0]["message"].clone();
    assert_eq!(message, "the path is bound to `orchestrator` by the registry (`inputs/*.yaml`)");
    fs::remove_file(room.staging().join("inputs/order.yaml")).unwrap();
    room.stage("judged/x.json", b"{\"a\":1}");
    // The schema of the first finding decides the reason code, if the catalogue has that code (G-11).
    room.fails("special_invalid", &[("judged/x.json", "special 1.2.3", &["path_taken"][..]), valid]);
}

#[test]
fn k13_the_output_roots_are_those_of_the_bindings() {
    let room = room();
    room.stage("made/free", b"");
    room.stage("elsewhere/x", b"");
    let (valid, outside): (&[&str], &[&str]) = (&[], &["outside_output_roots"]);
    let expected = [("elsewhere/x", "unbound 0.0.0", outside), ("made/rows.jsonl", "row 1.2.3", valid)];
    room.fails("storage_io_error", &expected);
}
