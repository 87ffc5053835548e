//! Artifacts that are not JSON, and how strictly JSON must be spelled.

use super::*;

/// A stage of one output, `made/it`, in this mode.
fn room(mode: &str) -> Room {
    room_with_keys("", mode)
}

/// The same, with more keys at the top of its plan.
fn room_with_keys(keys: &str, mode: &str) -> Room {
    let file = if mode == "text_document_v1" { "" } else { "file = \"row.json\"\n" };
    let text = format!(
        "name = \"p\"\n{keys}\n[[schema]]\nid = \"it\"\nmode = \"{mode}\"\n{file}[[stage]]\nid = \"make\"\n\
         command = [\"true\"]\nreason_code = \"storage_io_error\"\n[[stage.output]]\npath = \"made/it\"\nschema = \"it\"\n"
    );
    let room = Room::with_plan(&text);
    fs::remove_file(room.staging().join(ROWS)).unwrap();
    room
}

fn fails(room: &Room, bytes: &[u8], errors: &[&str]) {
    room.stage("made/it", bytes);
    room.fails("contract_validation_failed", &[("made/it", "it 0.1.0", errors)]);
}

#[test]
fn g17_text_that_is_no_plain_text_fails_line_by_line() {
    let room = room("text_document_v1");
    room.stage("made/it", "# R\u{e9}sum\u{e9}\n\nall is well".as_bytes());
    room.passes(&["made/it"]);
    let errors = ["1:text_byte_order_mark", "2:text_carriage_return", "4:text_not_utf8"];
    fails(&room, b"\xef\xbb\xbfa\nb\r\nc\n\xff\n", &errors);
}

#[test]
fn g20_json_must_be_canonical_where_the_plan_says_so_and_other_modes_stay_as_they_are() {
    let document = room_with_keys("canonical_outputs = true", "json_document");
    document.stage("made/it", b"{\"a\":1}");
    document.passes(&["made/it"]);
    fails(&document, b"{\"a\":1}\n", &["not_canonical"]);
    fails(&document, b"{\"b\":1,\"a\":1.0}", &["not_canonical", "additionalProperties"]);
    fails(&document, b"\xef\xbb\xbf{\"a\":1}", &["parse"]);
    let lines = room_with_keys("canonical_outputs = true", "jsonl_lines");
    for text in ["", "{\"a\":1}\n", "{\"a\":1}\n{\"a\":2}\n"] {
        lines.stage("made/it", text.as_bytes());
        lines.passes(&["made/it"]);
    }
    fails(
        &lines,
        b"{\"a\":1}\r\n{\"a\":1}\n{\"a\": 1}\n{}",
        &["1:not_canonical", "3:not_canonical", "4:not_canonical", "4:required"],
    );
    fails(&lines, b"\n", &["1:parse"]);
    fails(&lines, b"\xef\xbb\xbf{\"a\":1}\n", &["1:parse"]);
    let yaml = room_with_keys("canonical_outputs = true", "yaml_document");
    yaml.stage("made/it", b"a:   1\n");
    yaml.passes(&["made/it"]);
    for text in ["false", "true"] {
        let unbound =
            Room::with_plan(&PLAN.replace("name = \"p\"", &format!("name = \"p\"\ncanonical_outputs = {text}")));
        unbound.stage("made/free", b"{ }\n");
        unbound.passes(&["made/free", ROWS]);
    }
    let any = room("json_document");
    any.stage("made/it", b" {\"a\": 1}\n");
    any.passes(&["made/it"]);
}

#[test]
fn g19_a_finding_of_a_file_that_the_schema_refers_to_names_the_way_to_it() {
    let room = room("json_document");
    fs::create_dir(room.directory.path().join("common")).unwrap();
    fs::rename(room.directory.path().join("row.json"), room.directory.path().join("common/row.json")).unwrap();
    let schema = r#"{"properties":{"r":{"$ref":"common/row.json#/properties/a"}}}"#;
    fs::write(room.directory.path().join("row.json"), schema).unwrap();
    let plan = Plan::load(&room.directory.path().join("plan.toml")).unwrap_or_else(|error| panic!("{error}"));
    let room = Room { plan, ..room };
    room.stage("made/it", b"{\"r\":1}");
    room.passes(&["made/it"]);
    fails(&room, b"{\"r\":\"x\"}", &["type"]);
    let error = room.check().unwrap_err().report.artifacts()[0].errors()[0].clone();
    let expected = "expected type integer, found text of 1 character (schema /properties/r/$ref/type)";
    assert_eq!((error.schema_path.as_str(), error.message.as_str()), ("/properties/r/$ref/type", expected));
}

#[test]
fn g18_yaml_is_read_and_then_checked_against_the_schema() {
    let room = room("yaml_document");
    room.stage("made/it", b"# words\na: 0x10\n");
    room.passes(&["made/it"]);
    fails(&room, b"a: x\nb: 1\n", &["additionalProperties", "type"]);
    fails(&room, b"a: 1\nb: &x 2\nc: *x\n", &["2:yaml_unreadable"]);
    fails(&room, b"", &["1:yaml_unreadable"]);
    let long = vec![b'#'; usize::try_from(crate::limits::YAML_LEN_MAX).unwrap() + 1];
    fails(&room, &long, &["yaml_unreadable"]);
    let failed = room.check().unwrap_err();
    let message = failed.report.artifacts()[0].errors()[0].message.clone();
    assert_eq!(message, "expected a document of at most 4194304 bytes, found more");
    room.stage("made/it", b"a: 1\nb: 1\na: 2\n");
    let failed = room.check().unwrap_err();
    let message = failed.report.artifacts()[0].errors()[0].message.clone();
    assert_eq!(message, "not YAML that is taken: column 1: duplicate key `a`");
}

const DATASET: &str = "made/events/_schema.json";

/// A stage that promises a dataset, in a plan with these keys.
fn dataset(keys: &str) -> Room {
    let plan = format!(
        "name = \"p\"\n{keys}\n[[schema]]\nid = \"events\"\nmode = \"parquet_dataset_v1\"\nfile = \"events.json\"\n\
         [[stage]]\nid = \"make\"\ncommand = [\"true\"]\nreason_code = \"storage_io_error\"\n\
         [[stage.output]]\nglob = \"made/*/_schema.json\"\nschema = \"events\"\n"
    );
    let schema = r#"{"required": ["columns"], "properties": {"version": {"const": 1}}}"#;
    let room = Room::with_files(&plan, &[("events.json", schema)]);
    fs::remove_file(room.staging().join(ROWS)).unwrap();
    room.stage(DATASET, COLUMNS);
    room
}

const COLUMNS: &[u8] = br#"{"columns":[{"logical_type":null,"name":"id","nullable":false,"physical_type":"INT64"}]}"#;

#[test]
fn g21_a_dataset_is_its_schema_file_and_the_parts_below_its_directory() {
    let room = dataset("");
    room.fails("contract_validation_failed", &[(DATASET, "events 0.1.0", &["dataset_without_parts"])]);
    let part = artifact::part("message m { REQUIRED INT64 id; }");
    room.stage("made/events/day=1/a.parquet", &part);
    room.passes(&[DATASET, "made/events/day=1/a.parquet"]);
    let passed = room.check().unwrap();
    assert_eq!((passed[0].schema.as_deref(), passed[1].schema.as_deref()), (Some("events"), None));
    // The document is checked against its schema too, and all findings are reported.
    room.stage(DATASET, br#"{"version": 2}"#);
    room.fails(
        "contract_validation_failed",
        &[(DATASET, "events 0.1.0", &["required", "dataset_columns_unreadable", "const"])],
    );
    room.stage(DATASET, b"{");
    room.fails("contract_validation_failed", &[(DATASET, "events 0.1.0", &["parse"])]);
    room.stage(DATASET, COLUMNS);
    room.stage("made/events/b.parquet", b"PAR1");
    room.stage("made/events/c.parquet", &artifact::part("message m { REQUIRED INT32 id; }"));
    let errors: &[&str] = &["dataset_part_unreadable", "dataset_part_mismatch"];
    room.fails("contract_validation_failed", &[(DATASET, "events 0.1.0", errors)]);
}

#[test]
fn g21_the_parts_of_a_dataset_are_expected_and_other_files_are_not() {
    let part = artifact::part("message m { REQUIRED INT64 id; }");
    let room = dataset("strict_outputs = true\ncanonical_outputs = true");
    room.stage("made/events/a.parquet", &part);
    room.passes(&[DATASET, "made/events/a.parquet"]);
    room.stage("made/events/notes.txt", b"");
    room.stage("made/other.parquet", &part);
    let unexpected: &[&str] = &["unexpected_output"];
    let expected = [
        (DATASET, "events 0.1.0", &[][..]),
        ("made/events/notes.txt", "unbound 0.0.0", unexpected),
        ("made/other.parquet", "unbound 0.0.0", unexpected),
    ];
    room.fails("contract_validation_failed", &expected);
    let spelled = dataset("canonical_outputs = true");
    spelled.stage("made/events/a.parquet", &part);
    spelled.stage(DATASET, &[COLUMNS, b"\n"].concat());
    spelled.fails("contract_validation_failed", &[(DATASET, "events 0.1.0", &["not_canonical"])]);
}

#[test]
fn g05_g21_a_part_of_a_dataset_belongs_to_the_stage_of_the_dataset() {
    let room = dataset("");
    let mut plan = fs::read_to_string(room.directory.path().join("plan.toml")).unwrap();
    plan.push_str("[[stage]]\nid = \"other\"\ncommand = [\"true\"]\nreason_code = \"storage_io_error\"\n");
    plan = plan.replace("id = \"make\"", "id = \"first\"").replace("id = \"other\"", "id = \"make\"");
    fs::write(room.directory.path().join("plan.toml"), plan).unwrap();
    let plan = Plan::load(&room.directory.path().join("plan.toml")).unwrap_or_else(|error| panic!("{error}"));
    let room = Room { plan, ..room };
    fs::remove_file(room.staging().join(DATASET)).unwrap();
    room.stage("made/events/notes.txt", b"");
    room.passes(&["made/events/notes.txt"]);
    room.stage("made/events/day=1/a.parquet", b"");
    let taken: &[&str] = &["path_taken"];
    room.fails("contract_validation_failed", &[("made/events/day=1/a.parquet", "unbound 0.0.0", taken)]);
    let failed = room.check().unwrap_err();
    let message = &failed.report.artifacts()[0].errors()[0].message;
    assert_eq!(message, "the path is a part of the dataset `made/events/_schema.json` of stage `first`");
}

#[test]
fn g21_the_example_of_the_reference_is_a_dataset() {
    let text = include_str!("../../../../../docs/plan.md").split("An output of such a").nth(1).unwrap();
    let block = |fence: &str| text.split(fence).nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let stage = "[[stage]]\nid = \"make\"\ncommand = [\"true\"]\nreason_code = \"storage_io_error\"\n[[stage.output]]";
    let plan = format!("name = \"p\"\n{}", block("```toml\n").replace("[[stage.output]]", stage));
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("schemas")).unwrap();
    fs::write(directory.path().join("schemas/events.schema.json"), "{}").unwrap();
    fs::write(directory.path().join("plan.toml"), plan).unwrap();
    let plan = Plan::load(&directory.path().join("plan.toml")).unwrap_or_else(|error| panic!("{error}"));
    let room = Room { directory, plan, published: BTreeMap::new() };
    let schema = "normalized/events/_schema.json";
    room.stage(schema, block("```json\n").as_bytes());
    let part = "message m { REQUIRED INT64 at (TIMESTAMP(MICROS,true)); \
                OPTIONAL group host { REQUIRED BYTE_ARRAY name (STRING); } }";
    room.stage("normalized/events/1.parquet", &artifact::part(part));
    room.passes(&["normalized/events/1.parquet", schema]);
}

#[test]
fn g17_a_document_that_is_too_long_to_be_read_is_not_copied_first() {
    // A file with a hole takes no disk space, and would keep the gate busy for hours.
    let room = room("json_document");
    room.stage("made/it", b"");
    File::options().write(true).open(room.staging().join("made/it")).unwrap().set_len(1 << 40).unwrap();
    room.fails("contract_validation_failed", &[("made/it", "it 0.1.0", &["parse"])]);
}
