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
    assert_eq!((request.contract(), request.run(), request.actor()), ("status", "RUN_1", Some("agent:x")));
    assert_eq!(request.id(), Some("c1"));
    assert_eq!(request.at().map(|at| at.time_ns), Some(1_771_869_600_000_000_000));
    assert_eq!((request.causation(), request.expect()), (Some(Seq(3)), Some(2)));
    let (action, members) = request.asked();
    assert_eq!((action, Value::Object(members.clone())), ("transition", json!({"to": "running"})));
    let built = Request::json("status", "RUN_1", "transition").member("to", "running").id("c1").actor("agent:x");
    let built = built.at("2026-02-23T18:00:00Z").causation(Seq(3)).expect(2).build().unwrap();
    assert_eq!(built.content(), request.content(), "both doors say the same");
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
fn an_invalid_command_is_reported_with_its_place() {
    let cases = [
        ("[1]", "expected an object, found an array"),
        ("{", "not JSON"),
        (r#"{"run":"r","do":"x"}"#, "expected the member `contract`, found none"),
        (r#"{"contract":"c","run":"r","do":1}"#, "/do: expected text, found a number"),
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
fn a_command_made_within_the_program_follows_the_same_rule_of_numbers() {
    let made = |data: Value| Request::json("c", "r", "x").member("data", data).build();
    let read =
        |data: &str| Request::parse_line(format!(r#"{{"contract":"c","run":"r","do":"x","data":{data}}}"#).as_bytes());
    assert_eq!(made(json!([1.0, 1e16])).unwrap().content(), read("[1,10000000000000000]").unwrap().content());
    assert!(made(json!([u64::MAX])).unwrap_err().to_string().starts_with("/data: number 18446744073709551615 would"));
}

#[test]
fn a_request_cannot_have_contents_that_no_line_may_have() {
    let json = |run: &str| Request::json("c", run, "x");
    let refused = |builder: RequestBuilder| builder.build().unwrap_err().to_string();
    assert!(refused(json("../x")).starts_with("/run: expected a run id"));
    assert!(refused(json("")).starts_with("/run: expected a run id"));
    for (name, builder) in [
        ("id", json("r").id("")),
        ("actor", json("r").actor("a\nb")),
        ("correlation", json("r").correlation("x".repeat(1000))),
        ("at", json("r").at("yesterday")),
    ] {
        assert!(refused(builder).starts_with(&format!("/{name}: expected")), "{name}");
    }
    for shared in SHARED {
        assert!(refused(json("r").member(shared, 1)).starts_with(&format!("/{shared}: expected a member of the")));
    }
}

#[test]
fn a_member_is_given_once() {
    let json = || Request::json("c", "r", "x").member("a/b", 1);
    let refused = |builder: RequestBuilder| builder.build().unwrap_err().to_string();
    assert!(json().member("b", 1).build().is_ok());
    let expected = "/a~1b: expected a member to be given once, found it given again";
    assert_eq!(refused(json().member("a/b", 1)), expected, "also with the same value");
    assert_eq!(refused(json().members([("b".to_owned(), json!(2)), ("a/b".to_owned(), json!(2))])), expected);
}

#[test]
fn a_float_that_json_cannot_state_is_refused_and_not_given_as_null() {
    let refused = |builder: RequestBuilder| builder.build().unwrap_err().to_string();
    let json = || Request::json("c", "r", "x");
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let expected = format!("/n: expected a number that JSON can state, found {float}");
        assert_eq!(refused(json().member("n", float)), expected);
        assert_eq!(refused(json().member("n", vec![1.0, float]).member("m", f32::NAN)), expected);
        assert_eq!(refused(json().member("n", Some([float]))), expected);
    }
    let built = json().member("n", 0.5).member("list", ["a", "b"]).member("none", None::<f64>).build().unwrap();
    assert_eq!(json!(built.asked().1), json!({"n": 0.5, "list": ["a", "b"], "none": null}));
}

#[test]
fn a_member_is_nested_as_deep_as_a_line_can_be_and_no_deeper() {
    for levels in [1, DEPTH_MAX - 1, DEPTH_MAX, DEPTH_MAX + 1, 10_000] {
        let text = ["[".repeat(levels), "]".repeat(levels)].concat();
        let line = format!(r#"{{"contract":"c","run":"r","do":"x","deep":{text}}}"#);
        let value = (1..levels).fold(json!([]), |within, _| Value::Array(vec![within]));
        let built = Request::json("c", "r", "x").member("deep", value).build();
        assert_eq!(Request::parse_line(line.as_bytes()).is_ok(), levels < DEPTH_MAX, "{levels}");
        let sentence = format!("/deep: expected at most {DEPTH_MAX} levels of nesting, found more");
        let expected = if levels < DEPTH_MAX { Ok(()) } else { Err(sentence) };
        assert_eq!(built.map(drop).map_err(|error| error.to_string()), expected, "{levels}");
    }
}

#[test]
fn every_member_that_contracts_share_is_described_in_its_order() {
    let described: Vec<_> = shared_members().into_iter().map(|member| member.name).collect();
    assert_eq!(described, SHARED);
}
