//! Claims about canonical JSON and strict reading.

use super::*;
use crate::parse;
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
        r#"{"numbers":[333333333.3333333,1E30,4.50,2e-3,0.000000000000000000000000001],
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
        ("9007199254740993", "would read back as 9007199254740992;"),
        ("18446744073709551615", "would read back as 18446744073709552000;"),
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

/// Number tokens, and the canonical form of those that are taken.
const NUMBERS: [(&str, Option<&str>); 44] = [
    ("0", Some("0")),
    ("-0", Some("0")),
    ("-0.0e5", Some("0")),
    ("0e99999999999999999999", Some("0")),
    ("1", Some("1")),
    ("1.0", Some("1")),
    ("1e0", Some("1")),
    ("100e-2", Some("1")),
    ("0.1", Some("0.1")),
    ("0.10", Some("0.1")),
    ("1E-1", Some("0.1")),
    ("0.30000000000000004", Some("0.30000000000000004")),
    ("333333333.3333333", Some("333333333.3333333")),
    ("9007199254740991", Some("9007199254740991")),
    ("-9007199254740991", Some("-9007199254740991")),
    ("9007199254740992", Some("9007199254740992")),
    ("-9007199254740992", Some("-9007199254740992")),
    ("9007199254740994", Some("9007199254740994")),
    ("1e16", Some("10000000000000000")),
    ("10000000000000000", Some("10000000000000000")),
    ("1152921504606847000", Some("1152921504606847000")),
    ("-9223372036854776000", Some("-9223372036854776000")),
    ("18446744073709552000", Some("18446744073709552000")),
    ("100000000000000000000", Some("100000000000000000000")),
    ("1000000000000000000000", Some("1e+21")),
    ("1e21", Some("1e+21")),
    ("1.7976931348623157e308", Some("1.7976931348623157e+308")),
    ("2.2250738585072014e-308", Some("2.2250738585072014e-308")),
    ("5e-324", Some("5e-324")),
    ("4.9e-324", None),
    ("1e-400", None),
    ("0.10000000000000001", None),
    ("0.1000000000000000055511151231257827", None),
    ("333333333.33333329", None),
    ("1.00000000000000001", None),
    ("9007199254740993", None),
    ("-9007199254740993", None),
    ("9007199254740993.0", None),
    ("1152921504606846976", None),
    ("18446744073709551615", None),
    ("18446744073709551616", None),
    ("-9223372036854775809", None),
    ("123456789012345678901234567890", None),
    ("1.2345678901234567890123456789e29", None),
];

#[test]
fn a_number_is_taken_if_it_reads_back_as_the_same_number() {
    for (token, expected) in NUMBERS {
        let found = parse(format!("{{\"a\\\"1e999\":[\n {token} ]}}").as_bytes());
        match expected {
            None => {
                let error = found.expect_err(token);
                assert_eq!((error.line, error.column), (2, 2), "{token}: {error}");
                assert!(error.message.contains("would read back as"), "{token}: {error}");
            }
            Some(form) => {
                let value = found.unwrap_or_else(|error| panic!("{token}: {error}"));
                let bytes = canonical(&value);
                assert_eq!(String::from_utf8_lossy(&bytes), format!("{{\"a\\\"1e999\":[{form}]}}"), "{token}");
                // What is recorded is read again, as the very same value.
                assert_eq!(parse(&bytes), Ok(value), "{token}");
            }
        }
    }
}

/// Sign, significant digits, and the power of ten of the last one: computed otherwise than the reader does.
fn digits(token: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{}{fraction}", whole.trim_start_matches('-'));
    let significant = all.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return (false, String::new(), 0);
    }
    let zeros = i64::try_from(all.len() - all.trim_end_matches('0').len()).unwrap();
    let power = exponent.parse::<i64>().unwrap() - i64::try_from(fraction.len()).unwrap() + zeros;
    (token.starts_with('-'), significant.to_owned(), power)
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-9_007_199_254_740_991i64..=9_007_199_254_740_991).prop_map(Value::from),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| json!(n)),
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

/// Numbers as people and programs write them: more digits than a double has, zeros at both ends, exponents.
fn tokens() -> impl Strategy<Value = String> {
    let spelt = ("-?", "0|[1-9][0-9]{0,25}", "(\\.[0-9]{1,25})?", "([eE][-+]?[0-9]{1,3})?");
    let spelt = spelt.prop_map(|(sign, whole, fraction, exponent)| sign + &whole + &fraction + &exponent);
    let whole = any::<u64>().prop_map(|whole| whole.to_string());
    let double = any::<f64>().prop_filter("finite", |double| double.is_finite());
    prop_oneof![spelt, whole, double.clone().prop_map(|n| format!("{n}")), double.prop_map(|n| format!("{n:e}"))]
}

proptest! {
    #[test]
    fn every_number_that_is_taken_reads_back_as_the_same_value_and_the_same_digits(token in tokens()) {
        if let Ok(value) = parse(token.as_bytes()) {
            let form = String::from_utf8(canonical(&value)).unwrap();
            prop_assert_eq!(parse(form.as_bytes()), Ok(value));
            prop_assert_eq!(digits(&token), digits(&form), "{} is recorded as {}", token, form);
        }
    }

    #[test]
    fn the_canonical_form_of_every_double_is_taken(double in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
        let form = canonical(&json!(double));
        let value = parse(&form).unwrap();
        prop_assert_eq!(value.as_f64(), Some(double));
        prop_assert_eq!(canonical(&value), form);
    }

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

/// Texts that are canonical, nearly so, or not at all.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let canonical_text = values().prop_map(|value| canonical(&value));
    let spoilt = (values(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(value, at, byte)| {
        let mut bytes = canonical(&value);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes
    });
    let wider = values().prop_map(|value| serde_json::to_vec_pretty(&value).unwrap());
    prop_oneof![canonical_text, spoilt, wider, tokens().prop_map(String::into_bytes)]
}

proptest! {
    // F-39: the format's own check, which makes no value, agrees with reading and writing again.
    #[test]
    fn the_format_takes_exactly_the_texts_that_are_read_and_written_the_same(text in texts()) {
        let is_same = parse(&text).is_ok_and(|value| canonical(&value) == text);
        prop_assert_eq!(evlog_format::json::check_canonical(&text).is_ok(), is_same, "{}", String::from_utf8_lossy(&text));
    }
}
