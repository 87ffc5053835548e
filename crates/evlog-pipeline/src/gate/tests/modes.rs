//! Artifacts that are not JSON, and how exactly JSON is written.

use super::*;

/// A stage of one output, `made/it`, in this mode.
fn room(mode: &str) -> Room {
    let file = if mode == "text_document_v1" { "" } else { "file = \"row.json\"\n" };
    let text = format!(
        "name = \"p\"\n[[schema]]\ncontract = \"it\"\nmode = \"{mode}\"\n{file}[[stage]]\nid = \"make\"\n\
         command = [\"true\"]\nreason_code = \"storage_io_error\"\n[[stage.output]]\npath = \"made/it\"\ncontract = \"it\"\n"
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
fn g18_yaml_is_read_and_then_held_against_the_schema() {
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
