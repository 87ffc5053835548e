//! Parts checked against what `_schema.json` says of them.

use super::*;
use crate::meter::Meter;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;
use std::fs;
use std::sync::Arc;

/// A Parquet file of these columns, without rows, as another implementation writes it.
pub(crate) fn part(message: &str) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(message).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    SerializedFileWriter::new(Vec::new(), schema, properties).unwrap().into_inner().unwrap()
}

const SAID: &str = "message m { REQUIRED INT64 id; OPTIONAL BYTE_ARRAY name (STRING); }";

fn said() -> Value {
    json!({"columns": [
        {"name": "id", "physical_type": "INT64", "logical_type": null, "nullable": false},
        {"name": "name", "physical_type": "BYTE_ARRAY", "logical_type": "STRING", "nullable": true, "about": "free"}
    ]})
}

/// Pointer, code and message of each finding on a dataset at `d/` with these parts.
fn found(said: &Value, parts: &[(&str, &[u8])]) -> Vec<(String, String, String)> {
    let room = tempfile::tempdir().unwrap();
    let mut paths = vec!["d/_schema.json".to_owned(), "e/x.parquet".to_owned()];
    for (path, bytes) in parts {
        let path = format!("d/{path}");
        fs::create_dir_all(room.path().join(&path).parent().unwrap()).unwrap();
        fs::write(room.path().join(&path), bytes).unwrap();
        paths.push(path);
    }
    paths.sort_unstable();
    let mut findings = Findings::new();
    let staged =
        Staged { open: &|path| fs::File::open(room.path().join(path)), paths: &paths, meter: &Meter::silent() };
    check(staged, "d/_schema.json", said, &mut findings).unwrap();
    let all = findings.kept.into_values();
    all.map(|found| (found.instance_path, found.error_code.unwrap_or_default(), found.message)).collect()
}

#[test]
fn g21_parts_of_the_said_columns_pass_wherever_they_stand_below_the_directory() {
    let part = part(SAID);
    assert_eq!(found(&said(), &[("a.parquet", &part), ("day=1/b.parquet", &part), ("notes.txt", b"free")]), []);
}

#[test]
fn g21_a_dataset_has_a_part() {
    let none = [(
        String::new(),
        "dataset_without_parts".to_owned(),
        "expected a part `d/**/*.parquet`, found none".to_owned(),
    )];
    assert_eq!(found(&said(), &[]), none);
    assert_eq!(found(&said(), &[("a.PARQUET", b""), ("a.parquet.crc", b"")]), none);
}

#[test]
fn g21_every_difference_of_a_part_is_reported_with_its_column() {
    // A part's columns, and the findings on them.
    let cases: [(&str, &[(&str, &str)]); 8] = [
        ("REQUIRED INT64 id;", &[("/columns/1", "column `name`: expected the column, found none")]),
        (
            "REQUIRED INT64 id; OPTIONAL BYTE_ARRAY name (STRING); REQUIRED INT32 more;",
            &[("/columns/2", "column `more`: expected no such column, found one of type `INT32`")],
        ),
        (
            "OPTIONAL BYTE_ARRAY name (STRING); REQUIRED INT64 id;",
            &[
                ("/columns/0", "column `id`: expected this name, found `name`"),
                ("/columns/1", "column `name`: expected this name, found `id`"),
            ],
        ),
        (
            "REQUIRED INT32 id; OPTIONAL BYTE_ARRAY name (STRING);",
            &[("/columns/0", "column `id`: expected physical type `INT64`, found `INT32`")],
        ),
        (
            "REQUIRED INT64 id (TIMESTAMP(MILLIS,true)); OPTIONAL BYTE_ARRAY name;",
            &[
                ("/columns/0", "column `id`: expected logical type none, found `TIMESTAMP(MILLIS,true)`"),
                ("/columns/1", "column `name`: expected logical type `STRING`, found none"),
            ],
        ),
        (
            "OPTIONAL INT64 id; REQUIRED BYTE_ARRAY name (STRING);",
            &[
                ("/columns/0", "column `id`: expected `nullable` false, found true"),
                ("/columns/1", "column `name`: expected `nullable` true, found false"),
            ],
        ),
        (
            "REQUIRED INT64 ID; OPTIONAL BYTE_ARRAY name (STRING);",
            &[("/columns/0", "column `id`: expected this name, found `ID`")],
        ),
        (
            "REQUIRED INT64 id; OPTIONAL group name { REQUIRED BYTE_ARRAY name (STRING); }",
            &[("/columns/1", "column `name`: expected this name, found `name.name`")],
        ),
    ];
    for (columns, expected) in cases {
        let bytes = part(&format!("message m {{ {columns} }}"));
        let expected: Vec<_> = expected
            .iter()
            .map(|(at, what)| {
                ((*at).to_owned(), "dataset_part_mismatch".to_owned(), format!("part `a.parquet`, {what}"))
            })
            .collect();
        assert_eq!(found(&said(), &[("a.parquet", &bytes), ("b.parquet", &part(SAID))]), expected, "{columns}");
    }
}

#[test]
fn g21_parts_have_one_schema_also_where_it_says_nothing() {
    let said = json!({"columns": [
        {"name": "l.e", "physical_type": "FIXED_LEN_BYTE_ARRAY", "nullable": true}
    ]});
    let of = |list: &str, len: u8| {
        part(&format!("message m {{ {list} group l {{ OPTIONAL FIXED_LEN_BYTE_ARRAY({len}) e; }} }}"))
    };
    let (first, nested, longer) = (of("OPTIONAL", 3), of("REPEATED", 3), of("OPTIONAL", 4));
    assert_eq!(found(&said, &[("a.parquet", &first), ("b.parquet", &first)]), []);
    for other in [nested, longer] {
        let differs = "part `b.parquet`, column `l.e`: expected the length and the nesting that it has in part `a.parquet`, \
                       found another";
        let expected = [("/columns/0".to_owned(), "dataset_part_mismatch".to_owned(), differs.to_owned())];
        assert_eq!(found(&said, &[("a.parquet", &first), ("b.parquet", &other)]), expected);
    }
}

#[test]
fn g21_a_part_that_is_no_parquet_file_is_reported_and_the_others_are_read() {
    let other = part("message m { REQUIRED INT64 id; }");
    let found = found(&said(), &[("a.parquet", b"id,name\n1,x\n"), ("b.parquet", b""), ("c.parquet", &other)]);
    let reported: Vec<(&str, &str)> =
        found.iter().map(|(_, code, message)| (code.as_str(), message.as_str())).collect();
    let expected = [
        (
            "dataset_part_unreadable",
            "part `a.parquet`: expected `PAR1` at the beginning and at the end, found other bytes",
        ),
        ("dataset_part_unreadable", "part `b.parquet`: expected at least 12 bytes, found 0"),
        ("dataset_part_mismatch", "part `c.parquet`, column `name`: expected the column, found none"),
    ];
    assert_eq!(reported, expected);
}

#[test]
fn g21_a_schema_file_that_does_not_list_its_columns_is_reported() {
    let part = part(SAID);
    let found = |said: Value| found(&said, &[("a.parquet", &part)]);
    let code = "dataset_columns_unreadable".to_owned();
    for said in [json!({}), json!({"columns": {}}), json!([])] {
        let message = "expected a list of columns, to hold the parts against".to_owned();
        assert_eq!(found(said), [("/columns".to_owned(), code.clone(), message)]);
    }
    let whole = said()["columns"][0].clone();
    for (member, value) in
        [("name", json!(1)), ("physical_type", json!(null)), ("logical_type", json!(2)), ("nullable", json!("no"))]
    {
        let mut column = whole.clone();
        column[member] = value;
        let found = found(json!({"columns": [whole, column]}));
        assert_eq!((found.len(), found[0].0.as_str(), &found[0].1), (1, "/columns/1", &code), "{member}");
    }
}

#[test]
fn g21_the_schema_file_of_a_part_is_in_any_directory_above_it() {
    let of = |path: &str| schema_paths_of(path).collect::<Vec<String>>();
    assert_eq!(of("a/b/c.parquet"), ["a/b/_schema.json", "a/_schema.json", "_schema.json"]);
    // Only a pattern such as `**/_schema.json` names the `_schema.json` of the whole bundle.
    assert_eq!(of("c.parquet"), ["_schema.json"]);
    assert_eq!(of("a/c.json"), [""; 0]);
}
