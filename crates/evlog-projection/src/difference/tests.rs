//! Claims about finding where two files differ.

use super::*;

fn check(path: &str, expected: &str, found: &str, line: Option<usize>, pointer: &str, values: (&str, &str)) {
    let difference = first_difference(path, expected.as_bytes(), found.as_bytes()).expect("they differ");
    assert_eq!(difference.line, line, "{difference:?}");
    assert_eq!(difference.pointer, pointer, "{difference:?}");
    assert_eq!((difference.expected.as_str(), difference.found.as_str()), values);
}

#[test]
fn equal_bytes_do_not_differ() {
    assert_eq!(first_difference("a.json", b"{}", b"{}"), None);
}

#[test]
fn the_first_differing_value_is_named_by_its_pointer() {
    check("a.json", r#"{"a":{"b":[1,2]}}"#, r#"{"a":{"b":[1,3]}}"#, None, "/a/b/1", ("2", "3"));
    check("a.json", r#"{"a/b":{"~":1}}"#, r#"{"a/b":{"~":2}}"#, None, "/a~1b/~0", ("1", "2"));
    check("a.json", r#"{"a":1,"z":1}"#, r#"{"a":1}"#, None, "/z", ("1", "nothing"));
    check("a.json", r#"{"a":1}"#, r#"{"a":1,"b":null}"#, None, "/b", ("nothing", "null"));
    check("a.json", r#"{"a":[1]}"#, r#"{"a":{"0":1}}"#, None, "/a", ("[1]", r#"{"0":1}"#));
    check("a.json", "[1,2]", "[1]", None, "/1", ("2", "nothing"));
}

#[test]
fn equal_values_in_other_bytes_are_reported_by_offset() {
    let found = first_difference("a.json", b"{\"a\":1}", b"{\"a\": 1}").unwrap();
    assert_eq!((found.expected.as_str(), found.found.as_str()), ("byte 0x31 at offset 5", "byte 0x20 at offset 5"));
    let found = first_difference("a.json", b"{}", b"{}\n").unwrap();
    assert_eq!(found.expected, "the end of the file at offset 2");
}

#[test]
fn a_broken_document_is_reported_as_such() {
    let found = first_difference("a.json", br#"{"a":1}"#, br#"{"a":1"#).unwrap();
    assert!(found.found.starts_with("not JSON"), "{found:?}");
}

#[test]
fn json_lines_are_reported_by_line_and_pointer() {
    check("e.jsonl", "{\"a\":1}\n{\"a\":2}\n", "{\"a\":1}\n{\"a\":3}\n", Some(2), "/a", ("2", "3"));
    check("e.jsonl", "{\"a\":1}\n{\"a\":2}\n", "{\"a\":1}\n", Some(2), "", (r#"{"a":2}"#, "nothing"));
    check("e.jsonl", "{\"a\":1}\n", "{\"a\":1}\n{\"a\":2}\n", Some(2), "", ("nothing", r#"{"a":2}"#));
    assert!(first_difference("e.jsonl", b"{}\n", b"{}").is_some(), "a missing last newline is a difference");
}

#[test]
fn every_changed_byte_of_a_file_is_found() {
    let good = br#"{"a":[1,"x",{"k":null}],"b":true}"#;
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.to_vec();
            bad[at] ^= 1 << bit;
            assert!(first_difference("a.json", good, &bad).is_some(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn a_long_value_is_quoted_in_part_with_its_length() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1000));
    let found = first_difference("a.json", long.as_bytes(), br#"{"a":1}"#).unwrap();
    assert!(found.expected.len() < 260 && found.expected.contains("1002 bytes"), "{found:?}");
}
