//! Footers that another implementation writes, and invalid footers.

use super::*;
use crate::artifact::part;
use parquet::file::reader::{FileReader, SerializedFileReader};
use polars_parquet_format::FileMetaData;
use polars_parquet_format::thrift::protocol::TCompactOutputProtocol;
use std::io::Cursor;

/// Every physical type, every logical type that the format has for it, and groups.
const WHOLE: &str = "message whole {
    REQUIRED BOOLEAN boolean;
    REQUIRED INT32 int32;
    REQUIRED INT64 int64;
    OPTIONAL INT96 int96;
    REQUIRED FLOAT float;
    OPTIONAL DOUBLE double;
    REQUIRED BYTE_ARRAY bytes;
    REQUIRED FIXED_LEN_BYTE_ARRAY(3) fixed;
    OPTIONAL BYTE_ARRAY text (STRING);
    REQUIRED BYTE_ARRAY choice (ENUM);
    REQUIRED BYTE_ARRAY json (JSON);
    REQUIRED BYTE_ARRAY bson (BSON);
    REQUIRED FIXED_LEN_BYTE_ARRAY(16) uuid (UUID);
    REQUIRED FIXED_LEN_BYTE_ARRAY(2) half (FLOAT16);
    REQUIRED INT32 day (DATE);
    REQUIRED INT32 time_milli (TIME(MILLIS,true));
    REQUIRED INT64 time_micro (TIME(MICROS,true));
    REQUIRED INT64 time_nano (TIME(NANOS,false));
    REQUIRED INT64 at_milli (TIMESTAMP(MILLIS,true));
    REQUIRED INT64 at_micro (TIMESTAMP(MICROS,true));
    REQUIRED INT64 at_nano (TIMESTAMP(NANOS,false));
    REQUIRED INT32 i8 (INTEGER(8,true));
    REQUIRED INT32 i16 (INTEGER(16,true));
    REQUIRED INT32 i32 (INTEGER(32,true));
    REQUIRED INT64 i64 (INTEGER(64,true));
    REQUIRED INT32 u8 (INTEGER(8,false));
    REQUIRED INT32 u16 (INTEGER(16,false));
    REQUIRED INT32 u32 (INTEGER(32,false));
    REQUIRED INT64 u64 (INTEGER(64,false));
    REQUIRED INT32 price (DECIMAL(9,2));
    REQUIRED group inner { OPTIONAL INT32 deep; REQUIRED INT32 flat; }
    OPTIONAL group list (LIST) { REPEATED group list { OPTIONAL BYTE_ARRAY element (STRING); } }
    REPEATED INT64 many;
}";

/// Name, physical type, logical type, whether it is nullable; as `WHOLE` says.
const WHOLE_LEAVES: [(&str, &str, Option<&str>, bool); 34] = [
    ("boolean", "BOOLEAN", None, false),
    ("int32", "INT32", None, false),
    ("int64", "INT64", None, false),
    ("int96", "INT96", None, true),
    ("float", "FLOAT", None, false),
    ("double", "DOUBLE", None, true),
    ("bytes", "BYTE_ARRAY", None, false),
    ("fixed", "FIXED_LEN_BYTE_ARRAY", None, false),
    ("text", "BYTE_ARRAY", Some("STRING"), true),
    ("choice", "BYTE_ARRAY", Some("ENUM"), false),
    ("json", "BYTE_ARRAY", Some("JSON"), false),
    ("bson", "BYTE_ARRAY", Some("BSON"), false),
    ("uuid", "FIXED_LEN_BYTE_ARRAY", Some("UUID"), false),
    ("half", "FIXED_LEN_BYTE_ARRAY", Some("FLOAT16"), false),
    ("day", "INT32", Some("DATE"), false),
    ("time_milli", "INT32", Some("TIME(MILLIS,true)"), false),
    ("time_micro", "INT64", Some("TIME(MICROS,true)"), false),
    ("time_nano", "INT64", Some("TIME(NANOS,false)"), false),
    ("at_milli", "INT64", Some("TIMESTAMP(MILLIS,true)"), false),
    ("at_micro", "INT64", Some("TIMESTAMP(MICROS,true)"), false),
    ("at_nano", "INT64", Some("TIMESTAMP(NANOS,false)"), false),
    ("i8", "INT32", Some("INTEGER(8,true)"), false),
    ("i16", "INT32", Some("INTEGER(16,true)"), false),
    ("i32", "INT32", Some("INTEGER(32,true)"), false),
    ("i64", "INT64", Some("INTEGER(64,true)"), false),
    ("u8", "INT32", Some("INTEGER(8,false)"), false),
    ("u16", "INT32", Some("INTEGER(16,false)"), false),
    ("u32", "INT32", Some("INTEGER(32,false)"), false),
    ("u64", "INT64", Some("INTEGER(64,false)"), false),
    ("price", "INT32", Some("DECIMAL(9,2)"), false),
    ("inner.deep", "INT32", None, true),
    ("inner.flat", "INT32", None, false),
    ("list.list.element", "BYTE_ARRAY", Some("STRING"), true),
    ("many", "INT64", None, false),
];

fn read_bytes(bytes: &[u8]) -> Result<Vec<Leaf>, String> {
    match read(&mut Cursor::new(bytes)).unwrap() {
        Footer::Read(leaves) => Ok(leaves),
        Footer::Unreadable(why) => Err(why),
    }
}

/// A file that consists of this footer and nothing else.
fn file_of(footer: &[u8]) -> Vec<u8> {
    let len = u32::try_from(footer.len()).unwrap().to_le_bytes();
    [&MAGIC[..], footer, &len, &MAGIC].concat()
}

fn footer_of(elements: Vec<SchemaElement>) -> Vec<u8> {
    let footer = FileMetaData {
        version: 1,
        schema: elements,
        num_rows: 0,
        row_groups: Vec::new(),
        key_value_metadata: None,
        created_by: None,
        column_orders: None,
        encryption_algorithm: None,
        footer_signing_key_metadata: None,
    };
    let mut bytes = Vec::new();
    footer.write_to_out_protocol(&mut TCompactOutputProtocol::new(&mut bytes)).unwrap();
    bytes
}

fn group(name: &str, children: i32) -> SchemaElement {
    let repetition = FieldRepetitionType::REQUIRED;
    SchemaElement::new(None, None, repetition, name.to_owned(), children, None, None, None, None, None)
}

fn column(name: &str) -> SchemaElement {
    let repetition = FieldRepetitionType::REQUIRED;
    SchemaElement::new(Type::INT32, None, repetition, name.to_owned(), None, None, None, None, None, None)
}

#[test]
fn g21_the_columns_are_those_that_another_writer_wrote_and_another_reader_reads() {
    let file = part(WHOLE);
    let leaves = read_bytes(&file).unwrap();
    let found: Vec<(&str, &str, Option<&str>, bool)> = leaves
        .iter()
        .map(|leaf| (leaf.name.as_str(), leaf.physical_type, leaf.logical_type.as_deref(), leaf.is_nullable()))
        .collect();
    assert_eq!(found, WHOLE_LEAVES);
    let room = tempfile::tempdir().unwrap();
    std::fs::write(room.path().join("a"), file).unwrap();
    let theirs = SerializedFileReader::new(std::fs::File::open(room.path().join("a")).unwrap()).unwrap();
    let theirs = theirs.metadata().file_metadata().schema_descr_ptr();
    assert_eq!(theirs.num_columns(), leaves.len());
    for (theirs, ours) in theirs.columns().iter().zip(&leaves) {
        assert_eq!(theirs.path().string(), ours.name);
        assert_eq!(theirs.physical_type().to_string(), ours.physical_type);
        let Shape { length, optional, repeated } = ours.shape;
        assert_eq!(usize::try_from(theirs.max_rep_level()).unwrap(), repeated, "{}", ours.name);
        assert_eq!(usize::try_from(theirs.max_def_level()).unwrap(), optional + repeated, "{}", ours.name);
        assert_eq!(theirs.type_length().max(0), length.unwrap_or(0), "{}", ours.name);
    }
}

#[test]
fn g21_what_older_writers_say_means_the_same_logical_type() {
    let bytes = part(WHOLE);
    let footer_len = usize::try_from(u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap())).unwrap();
    let mut older = elements(&bytes[bytes.len() - 8 - footer_len..bytes.len() - 8]).unwrap();
    let mut compared = 0;
    for element in older.iter_mut().filter(|element| element.converted_type.is_some()) {
        compared += usize::from(element.logical_type.take().is_some());
    }
    let newer = read_bytes(&bytes).unwrap();
    assert_eq!(leaves(older).unwrap(), newer);
    assert_eq!(compared, 20);
}

#[test]
fn g21_a_file_that_was_cut_anywhere_is_not_readable_and_no_flipped_byte_is_a_panic() {
    let bytes = part(WHOLE);
    assert_eq!(read_bytes(&bytes).unwrap().len(), WHOLE_LEAVES.len());
    for len in 0..bytes.len() {
        assert!(read_bytes(&bytes[..len]).is_err(), "cut to {len}");
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << bit;
            if let Err(why) = read_bytes(&broken) {
                assert!(why.starts_with("expected ") || why.starts_with("the footer cannot be read: "), "{why}");
            }
        }
    }
}

#[test]
fn g21_each_way_not_to_be_a_parquet_file_has_its_own_message() {
    let whole = file_of(&footer_of(vec![group("m", 0)]));
    assert_eq!(read_bytes(&whole), Ok(Vec::new()));
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        edit(&mut bytes);
        read_bytes(&bytes).unwrap_err()
    };
    let len = whole.len();
    assert_eq!(edited(&|bytes| bytes.truncate(11)), "expected at least 12 bytes, found 11");
    let other = "expected `PAR1` at the beginning and at the end, found other bytes";
    assert_eq!(edited(&|bytes| bytes[0] = b'p'), other);
    assert_eq!(edited(&|bytes| bytes[len - 1] = b'2'), other);
    let encrypted = "expected a footer that anyone can read, found an encrypted one";
    assert_eq!(edited(&|bytes| bytes[len - 1] = b'E'), encrypted);
    assert_eq!(
        edited(&|bytes| bytes[len - 8] += 1),
        format!("expected a footer within {len} bytes, found one of {}", len - 11)
    );
}

#[test]
fn g21_footers_that_claim_more_than_there_is_or_nest_without_end_are_refused() {
    let of = |elements: Vec<SchemaElement>| read_bytes(&file_of(&footer_of(elements))).map(|leaves| leaves.len());
    let refused = |elements: Vec<SchemaElement>, why: &str| {
        assert_eq!(of(elements), Err(format!("the footer cannot be read: {why}")));
    };
    let nested = |depth: usize| {
        let mut elements = vec![group("g", 1); depth];
        elements.push(column("a"));
        elements
    };
    assert_eq!(of(nested(COLUMN_DEPTH_MAX + 1)), Ok(1));
    refused(nested(COLUMN_DEPTH_MAX + 2), "its columns stand too deep within each other");
    refused(nested(60_000), "its columns stand too deep within each other");
    refused(nested(COLUMNS_MAX as usize), "its schema has too many columns");
    refused(vec![group("m", i32::MAX); 20], "a group has fewer columns than it says");
    refused(vec![group("m", i32::MAX), column("a")], "a group has fewer columns than it says");
    refused(vec![group("m", -1), column("a")], "its schema has more than one root");
    refused(vec![group("m", 1), column("a"), column("b")], "its schema has more than one root");
    refused(Vec::new(), "its schema is empty");
    let long = |len: usize| vec![group("m", 1), column(&"x".repeat(len))];
    assert_eq!(of(long(COLUMN_NAME_LEN_MAX - 1)), Ok(1));
    refused(long(COLUMN_NAME_LEN_MAX), "the name of a column is too long");
    let edited = |edit: &dyn Fn(&mut SchemaElement)| {
        let mut elements = vec![group("m", 1), column("a")];
        edit(&mut elements[1]);
        elements
    };
    let plain = read_bytes(&file_of(&footer_of(edited(&|_| ()))));
    // Some writers state a length even for a type whose length is fixed.
    assert_eq!(read_bytes(&file_of(&footer_of(edited(&|column| column.type_length = Some(32))))), plain);
    refused(edited(&|column| column.num_children = Some(1)), "a column that has a type has columns within");
    refused(edited(&|column| column.type_ = Some(Type(8))), "a column has a type that is not known");
    let repetition = "a column is neither required nor optional nor repeated";
    refused(edited(&|column| column.repetition_type = None), repetition);
    refused(edited(&|column| column.repetition_type = Some(FieldRepetitionType(3))), repetition);
}

#[test]
fn g21_a_footer_without_a_schema_that_can_be_read_is_refused() {
    let whole = footer_of(vec![group("m", 1), column("a")]);
    let refused = |footer: &[u8], why: &str| {
        assert_eq!(read_bytes(&file_of(footer)).unwrap_err(), format!("the footer cannot be read: {why}"));
    };
    let bytes = "its bytes are not those of the Parquet format, or of a newer one";
    refused(b"", bytes);
    refused(&[0], "it has no schema");
    // After the schema follow rows, row groups and the end.
    assert!(read_bytes(&file_of(&whole[..whole.len() - 5])).is_ok());
    refused(&whole[..whole.len() - 6], bytes);
    // A string is in the place of the schema.
    refused(&[0x15, 2, 0x18, 1, b'x', 0x16, 0, 0x19, 0x0c, 0], "it has no schema");
    // A list of numbers is in the place of the schema; then a list that claims a billion columns.
    refused(&[0x15, 2, 0x19, 0x15, 2], "its schema is no list of columns");
    refused(&[0x15, 2, 0x19, 0xfc, 0x80, 0x94, 0xeb, 0xdc, 0x03], bytes);
    // A name that claims two gigabytes.
    refused(&[0x15, 2, 0x19, 0x1c, 0x48, 0xff, 0xff, 0xff, 0xff, 0x07, b'x'], bytes);
    // Lists within lists, in a field that is skipped.
    let mut deep = vec![0x15, 2, 0xb9];
    deep.resize(100_000, 0x19);
    refused(&deep, bytes);
}

#[test]
fn g21_files_of_other_writers_are_read() {
    let list = |bytes: &[u8]| {
        let spelled = |leaf: Leaf| {
            let logical_type = leaf.logical_type.clone().unwrap_or_default();
            format!("{} {} {logical_type} {}", leaf.name, leaf.physical_type, leaf.is_nullable())
        };
        read_bytes(bytes).unwrap().into_iter().map(spelled).collect::<Vec<String>>()
    };
    // data/parquet/README.md says how they were made.
    let arrow = [
        "id INT64  true",
        "name BYTE_ARRAY STRING true",
        "at INT64 TIMESTAMP(MICROS,true) true",
        "price FIXED_LEN_BYTE_ARRAY DECIMAL(9,2) true",
        "tags.list.element BYTE_ARRAY STRING true",
        "s.u INT32 INTEGER(8,false) true",
        "s.v DOUBLE  true",
        "m.key_value.key BYTE_ARRAY STRING true",
        "m.key_value.value INT32  true",
        "h FIXED_LEN_BYTE_ARRAY FLOAT16 true",
        "d INT32 DATE true",
        "b FIXED_LEN_BYTE_ARRAY  true",
        "n INT32 UNKNOWN true",
    ];
    assert_eq!(list(include_bytes!("../../../../data/parquet/pyarrow.parquet")), arrow);
    let polars =
        ["id INT64  true", "name BYTE_ARRAY STRING true", "at INT64 TIMESTAMP(MICROS,true) true", "d INT32 DATE true"];
    assert_eq!(list(include_bytes!("../../../../data/parquet/polars.parquet")), polars);
    let duckdb = [
        "id INT64 INTEGER(64,true) false",
        "name BYTE_ARRAY STRING false",
        "at INT64 TIMESTAMP(MICROS,true) false",
        "price INT32 DECIMAL(9,2) false",
        "l.list.element INT32 INTEGER(32,true) true",
        "s.a INT32 INTEGER(32,true) true",
        "u FIXED_LEN_BYTE_ARRAY UUID true",
        "d INT32 DATE false",
        "i FIXED_LEN_BYTE_ARRAY INTERVAL false",
        "t INT32 INTEGER(8,false) false",
    ];
    assert_eq!(list(include_bytes!("../../../../data/parquet/duckdb.parquet")), duckdb);
}

#[test]
fn g21_a_logical_type_that_is_newer_than_the_reader_is_not_taken_for_none() {
    let mut footer = footer_of(vec![group("m", 1), column("a")]);
    // After the column's last field follow the ends of column, rows, groups and footer. Field 10 is a union. Here it holds
    // member 16, which is an empty struct.
    let end = footer.len() - 6;
    assert_eq!(footer[end..], [0, 0x16, 0, 0x19, 0x0c, 0]);
    footer.splice(end..end, [0x6c, 0x0c, 32, 0, 0]);
    let why = read_bytes(&file_of(&footer)).unwrap_err();
    assert!(why.ends_with("or of a newer one"), "{why}");
}
