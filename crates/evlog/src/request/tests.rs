//! Claims about reading commands.

use super::*;
use serde_json::json;

fn refused(line: &str) -> String {
    Request::parse_line(line.as_bytes()).expect_err("must be malformed").to_string()
}

#[test]
fn a_command_keeps_what_every_contract_shares_and_hands_on_the_rest() {
    let line = br#"{"contract":"status","run":"RUN_1","do":"transition","id":"c1","at":"2026-02-23T18:00:00Z",
        "actor":"agent:x","causation":3,"expect":2,"to":"running"}"#;
    let request = Request::parse_line(line).unwrap();
    assert_eq!(
        (request.contract.as_str(), request.run.as_str(), request.action.as_str()),
        ("status", "RUN_1", "transition")
    );
    assert_eq!(request.id.as_deref(), Some("c1"));
    assert_eq!(request.at.map(|at| at.time_ns), Some(1_771_869_600_000_000_000));
    assert_eq!((request.causation, request.expect), (Some(Seq(3)), Some(2)));
    assert_eq!(Value::Object(request.members), serde_json::json!({"to": "running"}));
}

#[test]
fn the_content_digest_ignores_the_key_and_the_order_of_members_and_nothing_else() {
    let digest = |line: &str| Request::parse_line(line.as_bytes()).unwrap().content();
    let base = digest(r#"{"contract":"c","run":"r","do":"x","a":1,"id":"1"}"#);
    assert_eq!(base, digest(r#"{"id":"2","a":1,"do":"x","run":"r","contract":"c"}"#));
    assert_ne!(base, digest(r#"{"contract":"c","run":"r","do":"x","a":2,"id":"1"}"#));
    let shared = [
        r#""at":"2026-02-23T18:00:00Z""#,
        r#""at":"2026-02-23T18:00:00.000Z""#,
        r#""actor":"y""#,
        r#""causation":0"#,
        r#""expect":0"#,
    ];
    let digests: std::collections::BTreeSet<_> =
        shared.iter().map(|more| digest(&format!(r#"{{"contract":"c","run":"r","do":"x","a":1,{more}}}"#))).collect();
    assert_eq!((digests.len(), digests.contains(&base)), (shared.len(), false), "every shared member is content");
}

#[test]
fn what_is_not_a_command_is_named_by_its_place() {
    let cases = [
        ("[1]", "expected an object, found an array"),
        ("{", "not JSON"),
        (r#"{"run":"r","do":"x"}"#, "expected the key `contract`, found none"),
        (r#"{"contract":"c","run":"r","do":1}"#, "/do: expected a string, found a number"),
        (r#"{"contract":"c","run":"../r","do":"x"}"#, "/run: expected a run id"),
        (r#"{"contract":"c","run":".","do":"x"}"#, "/run: expected a run id"),
        (r#"{"contract":"c","run":"r","do":"x","at":"yesterday"}"#, "/at: expected a UTC time"),
        (r#"{"contract":"c","run":"r","do":"x","at":"2026-02-23T18:00:00+01:00"}"#, "/at: expected a UTC time"),
        (r#"{"contract":"c","run":"r","do":"x","expect":-1}"#, "/expect: expected a whole number"),
        (r#"{"contract":"c","run":"r","do":"x","id":""}"#, "/id: expected text"),
        (r#"{"contract":"c","run":"r","do":"x","do":"y"}"#, "duplicate key `do`"),
        (r#"{"contract":"c","run":"r","do":"x","n":9007199254740993}"#, "would read back as 9007199254740992"),
    ];
    for (line, message) in cases {
        let found = refused(line);
        assert!(found.contains(message), "{line}: expected {message:?} in {found:?}");
    }
}

#[test]
fn a_command_made_within_the_program_is_held_to_the_same_numbers() {
    let made = |data: Value| Request::new("c", "r", "x", Map::from_iter([("data".to_owned(), data)]));
    let read =
        |data: &str| Request::parse_line(format!(r#"{{"contract":"c","run":"r","do":"x","data":{data}}}"#).as_bytes());
    assert_eq!(made(json!([1.0, 1e16])), read("[1,10000000000000000]"));
    assert!(made(json!([u64::MAX])).unwrap_err().to_string().starts_with("/data: number 18446744073709551615 would"));
}
