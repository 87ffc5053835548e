//! Claims about canonical JSON and strict reading.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn check(text: &str, expected: &str) {
    let value = parse(text.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(canonical(&value)).unwrap(), expected);
}

#[test]
fn canonical_json_is_rfc_8785() {
    // RFC 8785 section 3.2.2: literals, numbers and strings.
    check(
        r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
           "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#,
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
         \"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
    );
    // Section 3.2.3: members are ordered by UTF-16 code units, so a surrogate pair comes before U+FB33.
    check(
        r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
           "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#,
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
         \"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\"\u{20ac}\":\"Euro Sign\",\
         \"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
    );
    check("56.0", "56");
    check("-0.0", "0");
    check("[]", "[]");
}

#[test]
fn known_digests_of_canonical_bytes_hold() {
    // status.md 6.2 form C, as lengths and bytes rather than another hash function.
    check(r#"{"b":1,"a":2}"#, r#"{"a":2,"b":1}"#);
    check("{ }", "{}");
}

#[test]
fn what_has_no_single_meaning_is_refused_with_its_place() {
    let cases = [
        (r#"{"a":1,"a":1}"#, "duplicate key `a`"),
        ("9007199254740992", "beyond 2^53"),
        ("-9007199254740992", "beyond 2^53"),
        ("18446744073709551615", "beyond 2^53"),
        (r#"{"a":{"b":1,"b":2}}"#, "duplicate key `b`"),
        ("{} {}", "trailing characters"),
        ("1e999", "number out of range"),
        (r#""\ud800""#, "unexpected end of hex escape"),
        ("{\"a\":\n  tru}", "expected ident"),
    ];
    for (text, message) in cases {
        let error = parse(text.as_bytes()).expect_err(text);
        assert!(error.message.contains(message), "{text}: expected {message:?} in {error}");
        assert!(error.line >= 1, "{text}: {error}");
    }
    let error = parse(b"{\"a\":\n  tru}").unwrap_err();
    assert_eq!((error.line, error.column > 1), (2, true), "{error}");
}

#[test]
fn the_largest_integers_that_a_double_carries_are_taken() {
    check("9007199254740991", "9007199254740991");
    check("-9007199254740991", "-9007199254740991");
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-9_007_199_254_740_991i64..=9_007_199_254_740_991).prop_map(Value::from),
        any::<f64>().prop_filter("finite", |n| n.is_finite() && n.abs() < 1e15).prop_map(|n| json!(n)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_bytes_read_back_and_write_the_same_bytes(value in values()) {
        let bytes = canonical(&value);
        let again = parse(&bytes).unwrap();
        prop_assert_eq!(canonical(&again), bytes);
    }

    #[test]
    fn canonical_bytes_are_those_of_the_library_whichever_writer_wrote_them(value in values(), key in "[\\x00-\\x7f]{0,9}") {
        let plain = json!({key: value.to_string(), "\u{7f}\u{0}": [null, {"n": -1}]});
        for value in [&value, &plain] {
            prop_assert_eq!(canonical(value), serde_json_canonicalizer::to_vec(value).unwrap());
        }
        prop_assert!(is_plain(&plain));
    }
}

#[test]
fn what_the_plain_writer_would_write_otherwise_goes_to_the_library() {
    for value in [json!(1.0), json!([1e20]), json!(u64::MAX), json!({"\u{fb33}": 1, "\u{1f600}": 2})] {
        assert!(!is_plain(&value), "{value}");
        assert_ne!(serde_json::to_vec(&value).unwrap(), canonical(&value), "{value}: the check above can fail");
    }
}
