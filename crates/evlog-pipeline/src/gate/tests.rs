//! Every rule of the gate, once kept and once broken (pipeline.md 4.4 to 4.9).

mod modes;
mod registry;

use super::*;
use evlog_lifecycle::pipeline::report::STORAGE_CODES;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;

struct Room {
    directory: tempfile::TempDir,
    plan: Plan,
    published: BTreeMap<String, String>,
}

const PLAN: &str = r#"
name = "p"
[[reason_code]]
stage = "make"
code = "made_badly"
severity = "FATAL"
[[reason_code]]
stage = "make"
code = "special_invalid"
severity = "FATAL"
[[schema]]
id = "row"
version = "1.2.3"
file = "row.json"
mode = "jsonl_lines"
[[schema]]
id = "doc"
file = "row.json"
mode = "json_document"
[[schema]]
id = "special"
file = "row.json"
mode = "json_document"
[[stage]]
id = "make"
command = ["true"]
reason_code = "made_badly"
extra_roots = ["a/", "a.b", "extra", "taken/", "dir", "other/"]
[[stage.output]]
glob = "rows/**/*.jsonl"
schema = "row"
required = false
[[stage.output]]
path = "made/rows.jsonl"
schema = "row"
[[stage.output]]
path = "made/doc.json"
schema = "doc"
required = false
[[stage.output]]
path = "made/special.json"
schema = "special"
required = false
[[stage.output]]
path = "made/free"
required = false
[[stage]]
id = "other"
command = ["true"]
reason_code = "storage_io_error"
[[stage.output]]
path = "other/rows.jsonl"
schema = "row"
[[stage.output]]
glob = "made/other-*"
schema = "row"
"#;

const GOOD: &[u8] = b"{\"a\":1}\n";

impl Room {
    fn new() -> Room {
        Room::with_plan(PLAN)
    }

    fn strict() -> Room {
        Room::with_plan(&PLAN.replace("name = \"p\"", "name = \"p\"\nstrict_outputs = true"))
    }

    /// A stage that has staged what it must.
    fn with_plan(plan: &str) -> Room {
        Room::with_files(plan, &[])
    }

    fn with_files(plan: &str, files: &[(&str, &str)]) -> Room {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files.iter().chain(&[("plan.toml", plan)]) {
            fs::write(directory.path().join(path), text).unwrap();
        }
        let schema =
            r#"{"type":"object","required":["a"],"additionalProperties":false,"properties":{"a":{"type":"integer"}}}"#;
        fs::write(directory.path().join("row.json"), schema).unwrap();
        let plan = Plan::load(&directory.path().join("plan.toml")).unwrap_or_else(|error| panic!("{error}"));
        let room = Room { directory, plan, published: BTreeMap::new() };
        room.stage("made/rows.jsonl", GOOD);
        room
    }

    fn staging(&self) -> std::path::PathBuf {
        self.directory.path().join("staging")
    }

    fn stage(&self, path: &str, bytes: &[u8]) {
        let file = self.staging().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }

    fn check(&self) -> Result<Vec<Artifact>, Failed> {
        let gate = Gate {
            plan: &self.plan,
            stage: self.plan.stage("make").unwrap(),
            run: "11111111-1111-4111-8111-111111111111",
            home: &Tree::open_itself(self.directory.path()).unwrap(),
            shelf: "",
            staging: "staging",
            steps: &Steps::default(),
            published: &self.published,
            secrets: &Secrets::default(),
            tell: &|_, _| ControlFlow::Continue(()),
        };
        gate.check().unwrap().map(|passed| passed.artifacts)
    }

    fn passes(&self, paths: &[&str]) {
        let passed = self.check().unwrap_or_else(|failed| panic!("{:#}", failed.report.to_value()));
        let found: Vec<&str> = passed.iter().map(|artifact| artifact.path.as_str()).collect();
        assert_eq!(found, paths);
    }

    /// Asserts that the gate fails with the code, and that its report has these errors for each artifact.
    fn fails(&self, reason_code: &str, expected: &[(&str, &str, &[&str])]) {
        let failed = self.check().expect_err("the gate passed");
        let artifacts = failed.report.to_value()["artifacts"].clone();
        let found: Vec<(String, String, Vec<String>)> = artifacts
            .as_array()
            .unwrap()
            .iter()
            .map(|artifact| {
                let text = |name: &str| artifact[name].as_str().unwrap().to_owned();
                let errors = artifact["errors"].as_array().unwrap().iter().map(|error| {
                    let line = error["line_number"].as_u64().map_or(String::new(), |line| format!("{line}:"));
                    let code = error["error_code"].as_str().or(error["keyword"].as_str()).unwrap_or("parse");
                    format!("{line}{code}")
                });
                (
                    text("artifact_path"),
                    format!("{} {}", text("contract_id"), text("contract_version")),
                    errors.collect(),
                )
            })
            .collect();
        let expected: Vec<(String, String, Vec<String>)> = expected
            .iter()
            .map(|(path, schema, errors)| {
                ((*path).to_owned(), (*schema).to_owned(), errors.iter().map(|&error| error.to_owned()).collect())
            })
            .collect();
        assert_eq!(found, expected);
        assert_eq!(failed.reason_code, reason_code);
        // The code that explains a run looks for these.
        let codes = expected.iter().flat_map(|(_, _, errors)| errors);
        let is_storage = codes.into_iter().any(|error| STORAGE_CODES.contains(&error.as_str()));
        assert_eq!(is_storage, reason_code == "storage_io_error", "{expected:?}");
    }
}

const ROWS: &str = "made/rows.jsonl";
const ROWS_ARE_VALID: (&str, &str, &[&str]) = (ROWS, "row 1.2.3", &[]);

#[test]
fn promised_files_pass_in_byte_order_with_length_digest_and_schema() {
    let room = Room::new();
    room.stage("made/doc.json", b"{\"a\":2}");
    room.stage("a/b", b"");
    room.stage("a.b", b"");
    room.stage("made/\u{e9}", b"");
    room.passes(&["a.b", "a/b", "made/doc.json", ROWS, "made/\u{e9}"]);
    let rows = room.check().unwrap().remove(3);
    let blake3 = *blake3::hash(GOOD).as_bytes();
    assert_eq!(rows, Artifact { path: ROWS.to_owned(), len: 8, blake3, schema: Some("row".to_owned()) });
}

#[test]
fn an_optional_output_may_be_left_out_and_an_empty_directory_is_nothing() {
    let room = Room::new();
    fs::create_dir_all(room.staging().join("empty/below")).unwrap();
    room.passes(&[ROWS]);
}

#[test]
fn g01_step_1_links_and_pipes_fail_as_storage_errors() {
    let room = Room::new();
    symlink(room.directory.path().join("row.json"), room.staging().join("link")).unwrap();
    symlink(room.directory.path(), room.staging().join("made/directory")).unwrap();
    std::process::Command::new("mkfifo").arg(room.staging().join("pipe")).status().unwrap();
    let unbound = "unbound 0.0.0";
    room.fails(
        "storage_io_error",
        &[
            ("link", unbound, &["non_regular_file"]),
            ("made/directory", unbound, &["non_regular_file"]),
            ROWS_ARE_VALID,
            ("pipe", unbound, &["non_regular_file"]),
        ],
    );
}

#[test]
fn step_1_a_link_in_the_place_of_a_required_output_is_named_and_is_missing() {
    let room = Room::new();
    fs::remove_file(room.staging().join(ROWS)).unwrap();
    symlink(room.directory.path().join("row.json"), room.staging().join(ROWS)).unwrap();
    room.fails("storage_io_error", &[(ROWS, "row 1.2.3", &["non_regular_file", "required_artifact_missing"])]);
}

#[test]
fn step_1_names_that_no_path_of_the_contract_can_have_fail_as_storage_errors() {
    use std::os::unix::ffi::OsStrExt;
    let room = Room::new();
    room.stage("back\\slash", b"");
    room.stage("new\nline", b"");
    fs::write(room.staging().join(std::ffi::OsStr::from_bytes(b"not-\xff")), b"").unwrap();
    let unbound = "unbound 0.0.0";
    room.fails(
        "storage_io_error",
        &[
            ("back\\slash", unbound, &["path_invalid"]),
            ROWS_ARE_VALID,
            ("new\nline", unbound, &["path_invalid"]),
            ("not-\u{fffd}", unbound, &["non_regular_file"]),
        ],
    );
}

#[test]
fn step_2_the_runs_own_records_cannot_be_staged() {
    for path in ["manifest.json", "logs/health.json", "logs", "logs/other.log", ".staging/x", "run.json/x"] {
        let room = Room::new();
        room.stage(path, b"");
        let mut expected = [(path, "unbound 0.0.0", &["path_reserved"] as &[&str]), ROWS_ARE_VALID];
        expected.sort_unstable();
        room.fails("storage_io_error", &expected);
    }
}

#[test]
fn g05_step_3_what_another_stage_promised_or_published_cannot_be_staged() {
    let mut room = Room::new();
    room.published.insert("taken".to_owned(), "earlier".to_owned());
    room.published.insert("dir/file".to_owned(), "earlier".to_owned());
    room.stage("other/rows.jsonl", GOOD);
    room.stage("taken/below", b"");
    room.stage("dir", b"");
    room.fails(
        "contract_validation_failed",
        &[
            ("dir", "unbound 0.0.0", &["path_taken"]),
            ROWS_ARE_VALID,
            ("other/rows.jsonl", "row 1.2.3", &["path_taken"]),
            ("taken/below", "unbound 0.0.0", &["path_taken"]),
        ],
    );
}

#[test]
fn g09_step_5_a_file_that_no_output_names_passes_unless_the_plan_is_strict() {
    let (lenient, strict) = (Room::new(), Room::strict());
    for room in [&lenient, &strict] {
        room.stage("extra", b"");
        room.stage("made/free", b"");
    }
    lenient.passes(&["extra", "made/free", ROWS]);
    let expected = [("extra", "unbound 0.0.0", &["unexpected_output"] as &[&str]), ROWS_ARE_VALID];
    strict.fails("contract_validation_failed", &expected);
}

#[test]
fn g03_step_6_a_missing_required_output_fails() {
    let room = Room::new();
    fs::remove_file(room.staging().join(ROWS)).unwrap();
    room.fails("contract_validation_failed", &[(ROWS, "row 1.2.3", &["required_artifact_missing"])]);
}

#[test]
fn g10_step_7_every_bad_line_and_every_valid_artifact_is_in_the_report() {
    let room = Room::new();
    room.stage(ROWS, b"{\"a\":1}\n{\"b\":1}\n{\n{\"a\":\"x\"}\n");
    room.stage("made/doc.json", b"{\"a\":1}");
    room.fails(
        "contract_validation_failed",
        &[
            ("made/doc.json", "doc 0.1.0", &[]),
            (ROWS, "row 1.2.3", &["2:additionalProperties", "2:required", "3:parse", "4:type"]),
        ],
    );
}

#[test]
fn step_7_no_more_errors_are_reported_than_the_cap() {
    let room = Room::new();
    room.stage(ROWS, "{}\n".repeat(60).as_bytes());
    let failed = room.check().unwrap_err();
    let artifact = failed.report.to_value()["artifacts"][0].clone();
    assert_eq!(artifact["errors"].as_array().unwrap().len(), 50);
    assert_eq!(artifact["errors_truncated"], true);
}

#[test]
fn g08_names_with_dates_fail_except_in_scratch() {
    let room = Room::new();
    room.stage("logs/scratch/2026-01-31.txt", b"");
    room.passes(&["logs/scratch/2026-01-31.txt", ROWS]);
    room.stage("made/report-20260131.txt", b"");
    room.fails(
        "contract_validation_failed",
        &[("made/report-20260131.txt", "unbound 0.0.0", &["timestamped_filename_disallowed"]), ROWS_ARE_VALID],
    );
}

#[test]
fn g11_the_first_class_of_failure_names_the_code_and_the_report_holds_all() {
    let room = Room::new();
    room.stage("made/doc.json", b"[]");
    room.stage("manifest.json", b"");
    let (doc, own) = (
        ("made/doc.json", "doc 0.1.0", &["type"] as &[&str]),
        ("manifest.json", "unbound 0.0.0", &["path_reserved"] as &[&str]),
    );
    room.fails("storage_io_error", &[doc, ROWS_ARE_VALID, own]);
    fs::remove_file(room.staging().join("manifest.json")).unwrap();
    room.fails("contract_validation_failed", &[doc, ROWS_ARE_VALID]);
}

#[test]
fn g11_a_code_that_the_catalogue_has_for_the_schema_of_the_primary_diagnostic_is_used() {
    let room = Room::new();
    room.stage("made/special.json", b"{}");
    room.fails("special_invalid", &[ROWS_ARE_VALID, ("made/special.json", "special 0.1.0", &["required"])]);
    // `jsonschema_additional_properties` comes before `jsonschema_required`: the primary diagnostic is the other schema's.
    room.stage("made/doc.json", b"{\"a\":1,\"b\":2}");
    let doc = ("made/doc.json", "doc 0.1.0", &["additionalProperties"] as &[&str]);
    let special = ("made/special.json", "special 0.1.0", &["required"] as &[&str]);
    room.fails("contract_validation_failed", &[doc, ROWS_ARE_VALID, special]);
}

#[test]
fn g14_the_same_staged_tree_gives_the_same_report() {
    let room = Room::new();
    for index in 0..30 {
        room.stage(&format!("x{index}/2026-01-31"), b"");
    }
    room.stage(ROWS, b"{\"z\":1,\"y\":1,\"a\":\"\"}\n");
    let first = room.check().unwrap_err();
    assert_eq!(room.check().unwrap_err(), first);
}

/// A plan in which the stage `make` has more keys and outputs.
fn room_with(keys: &str, outputs: &str) -> Room {
    let text = PLAN.replace("reason_code = \"made_badly\"", &format!("reason_code = \"made_badly\"\n{keys}"));
    Room::with_plan(&text.replace("[[stage]]\nid = \"other\"", &format!("{outputs}\n[[stage]]\nid = \"other\"")))
}

#[test]
fn g02_every_file_that_a_glob_names_is_checked_against_its_schema() {
    let room = Room::new();
    room.stage("rows/a.jsonl", GOOD);
    room.stage("rows/deep/er/b.jsonl", GOOD);
    room.stage("rows/not-named.txt", b"free");
    room.passes(&[ROWS, "rows/a.jsonl", "rows/deep/er/b.jsonl", "rows/not-named.txt"]);
    let schemas: Vec<Option<String>> = room.check().unwrap().into_iter().map(|artifact| artifact.schema).collect();
    let row = Some("row".to_owned());
    assert_eq!(schemas, [row.clone(), row.clone(), row, None]);
    room.stage("rows/deep/er/b.jsonl", b"{}\n");
    let (a, b) = (
        ("rows/a.jsonl", "row 1.2.3", &[] as &[&str]),
        ("rows/deep/er/b.jsonl", "row 1.2.3", &["1:required"] as &[&str]),
    );
    room.fails("contract_validation_failed", &[ROWS_ARE_VALID, a, b]);
}

#[test]
fn g03_a_required_glob_without_a_file_is_missing_and_an_optional_one_is_not() {
    let outputs = "[[stage.output]]\nglob = \"lists/*.jsonl\"\nschema = \"row\"\n";
    let room = room_with("", outputs);
    room.fails(
        "contract_validation_failed",
        &[("lists/*.jsonl", "row 1.2.3", &["required_artifact_missing"]), ROWS_ARE_VALID],
    );
    room.stage("lists/a.jsonl", GOOD);
    room.passes(&["lists/a.jsonl", ROWS]);
}

#[test]
fn g04_a_file_that_two_outputs_name_fails() {
    let outputs = "[[stage.output]]\nglob = \"lists/*.jsonl\"\nrequired = false\n\
        [[stage.output]]\nglob = \"lists/a*\"\nrequired = false\n";
    let room = room_with("", outputs);
    room.stage("lists/b.jsonl", GOOD);
    room.passes(&["lists/b.jsonl", ROWS]);
    room.stage("lists/a.jsonl", GOOD);
    let a = ("lists/a.jsonl", "unbound 0.0.0", &["output_ambiguous"] as &[&str]);
    room.fails("contract_validation_failed", &[a, ROWS_ARE_VALID]);
}

#[test]
fn g05_what_the_glob_of_another_stage_names_cannot_be_staged() {
    let room = Room::new();
    room.stage("made/other-1", GOOD);
    let other = ("made/other-1", "row 1.2.3", &["path_taken"] as &[&str]);
    room.fails("contract_validation_failed", &[other, ROWS_ARE_VALID]);
}

#[test]
fn g06_files_outside_the_output_roots_fail_as_storage_errors() {
    let outputs = "[[stage.output]]\npath = \"inputs/a/b.json\"\nrequired = false\n\
        [[stage.output]]\npath = \"inputs/c.json\"\nrequired = false\n\
        [[stage.output]]\nglob = \"top-*.json\"\nrequired = false\n\
        [[stage.output]]\nglob = \"par?s/*/x\"\nrequired = false\n";
    // Inside, outside.
    let cases = [
        ("made/anything", "anything"),
        ("inputs/a/other", "inputs/other"),
        ("top-1.json", "top/1.json"),
        ("parts/y", "ports/1/x"),
        ("extra", "extra-file"),
        ("logs/scratch/x", "logs/x"),
    ];
    for (inside, outside) in cases {
        let room = room_with("", outputs);
        room.stage(inside, b"");
        let mut expected = vec![inside, ROWS];
        expected.sort_unstable();
        room.passes(&expected);
        room.stage(outside, b"");
        let mut expected = [(outside, "unbound 0.0.0", &["outside_output_roots"] as &[&str]), ROWS_ARE_VALID];
        expected.sort_unstable();
        room.fails("storage_io_error", &expected);
    }
}

#[test]
fn g07_more_than_a_stage_may_stage_fails_at_the_first_file_that_is_too_much() {
    let room = room_with("staged_files_limit = 3\nstaged_bytes_limit = \"20 B\"", "");
    room.stage("a/1", b"0123456789");
    room.stage("a/2", b"");
    room.passes(&["a/1", "a/2", ROWS]);
    room.stage("a/2", b"0123");
    room.fails("contract_validation_failed", &[(ROWS, "row 1.2.3", &["too_many_bytes"])]);
    room.stage("a/3", b"");
    room.fails("contract_validation_failed", &[(ROWS, "row 1.2.3", &["too_many_bytes", "too_many_files"])]);
}
