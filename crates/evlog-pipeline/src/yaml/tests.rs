//! What is accepted and what it means; what is refused and why.

use super::*;
use serde_json::json;

#[test]
fn g18_documents_mean_what_the_core_schema_says() {
    let cases = [
        ("a", json!("a")),
        ("---\n", json!(null)),
        ("%YAML 1.2\n---\na: 1\n...\n", json!({"a": 1})),
        ("\u{feff}a: 1", json!({"a": 1})),
        ("# first\na: 1 # last\n", json!({"a": 1})),
        ("- null\n- Null\n- NULL\n- ~\n-\n- nULL", json!([null, null, null, null, null, "nULL"])),
        ("[true, True, TRUE, false, False, FALSE]", json!([true, true, true, false, false, false])),
        ("[yes, no, on, off, y, n, Yes, tRue]", json!(["yes", "no", "on", "off", "y", "n", "Yes", "tRue"])),
        ("[0, -0, 7, +7, -7, 007, 0o17, 0x1F, 0xa]", json!([0, 0, 7, 7, -7, 7, 15, 31, 10])),
        ("[9007199254740991, -9007199254740991]", json!([9_007_199_254_740_991_i64, -9_007_199_254_740_991_i64])),
        ("[1.5, -1.5, .5, 1., 1e3, 1.5E-3, +0.1, 12e+2]", json!([1.5, -1.5, 0.5, 1, 1000, 0.0015, 0.1, 1200])),
        ("[9007199254740992, 0x20000000000000, 1e16, 10000000000000000]", {
            json!([9_007_199_254_740_992.0, 9_007_199_254_740_992.0, 1e16, 1e16])
        }),
        ("[0o8, 0xg, -0x1, 0b1, 1_000, 1:30, 1e, e1, ., +, -.e1, 0.1.2]", {
            json!(["0o8", "0xg", "-0x1", "0b1", "1_000", "1:30", "1e", "e1", ".", "+", "-.e1", "0.1.2"])
        }),
        ("[2001-12-14, 1.0.0, inf, nan, =]", json!(["2001-12-14", "1.0.0", "inf", "nan", "="])),
        ("['true', \"1\", 'null', '~']", json!(["true", "1", "null", "~"])),
        ("a: |\n  1\n  2\nb: >-\n  1\n  2\n", json!({"a": "1\n2\n", "b": "1 2"})),
        (r#"{"a": "\u00e9\x41\n", 'b': 'it''s'}"#, json!({"a": "\u{e9}A\n", "b": "it's"})),
        ("a:\n- 1\n- b: 2\n  c: [3, {d: 4}]\n", json!({"a": [1, {"b": 2, "c": [3, {"d": 4}]}]})),
        ("? a\n: 1\n? b\n", json!({"a": 1, "b": null})),
        ("[a: 1, b]", json!([{"a": 1}, "b"])),
        ("{}", json!({})),
        ("[]", json!([])),
        ("'1': a\n'true': b\n'': c\n'<<': d\nyes: e", json!({"1": "a", "true": "b", "": "c", "<<": "d", "yes": "e"})),
        ("- !!str 1\n- !!str\n- !!int \"12\"\n- !!float 1\n- !!bool 'true'\n- !!null ''", {
            json!(["1", "", 12, 1, true, null])
        }),
        ("!!map {a: !!seq [1]}", json!({"a": [1]})),
        ("%TAG !y! tag:yaml.org,2002:\n---\n- !y!str 1\n- !<tag:yaml.org,2002:str> 2", json!(["1", "2"])),
        ("a\u{2028}b: \u{1f980}", json!({"a\u{2028}b": "\u{1f980}"})),
        ("a: 1\r\nb: 2\r\n", json!({"a": 1, "b": 2})),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text.as_bytes()), Ok(expected), "{text:?}");
    }
}

#[test]
fn g18_ambiguous_text_and_aliases_are_refused_with_their_place() {
    let deep = "- ".repeat(YAML_DEPTH_MAX + 1);
    let rounded = "would read back as";
    let cases: [(&str, (usize, usize), &str); 50] = [
        ("", (1, 1), "expected one document, found none"),
        ("# only words\n", (2, 1), "expected one document, found none"),
        ("a: 1\n---\nb: 2\n", (2, 1), "expected one document, found another"),
        ("a\n...\nb", (3, 1), "expected one document, found another"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", (4, 3), "duplicate key `c`"),
        ("{a: 1, \"a\": 2}", (1, 8), "duplicate key `a`"),
        ("'<<': d\n!!str <<: e", (2, 1), "duplicate key `<<`"),
        ("a: &x 1\nb: *x", (1, 4), "found an anchor"),
        ("&x a: 1", (1, 1), "found an anchor"),
        ("a: &x [1]", (1, 4), "found an anchor"),
        ("a: *x", (1, 4), "unknown anchor"),
        ("<<: {a: 1}", (1, 1), "found a merge key (`<<`)"),
        ("a: !local 1", (1, 4), "found `!local`"),
        ("a: ! 1", (1, 4), "found `!`"),
        ("a: !!binary aGk=", (1, 4), "found `tag:yaml.org,2002:binary`"),
        ("a: !!timestamp 2001-12-14", (1, 4), "found `tag:yaml.org,2002:timestamp`"),
        ("!!set {a}", (1, 1), "found `tag:yaml.org,2002:set`"),
        ("%TAG !! tag:example.com,2000:\n---\n!!str a", (3, 1), "found `tag:example.com,2000:str`"),
        ("!!int 1.5", (1, 1), "the text is not what its tag `!!int` says"),
        ("!!int a", (1, 1), "the text is not what its tag `!!int` says"),
        ("!!float a", (1, 1), "the text is not what its tag `!!float` says"),
        ("!!bool yes", (1, 1), "the text is not what its tag `!!bool` says"),
        ("!!null a", (1, 1), "the text is not what its tag `!!null` says"),
        ("!!seq a", (1, 1), "the text is not what its tag `!!seq` says"),
        ("!!str [a]", (1, 1), "the tag `!!str` is not that of a collection"),
        ("!!map [a]", (1, 1), "the tag `!!map` is not that of a collection"),
        ("a: .inf", (1, 4), "not finite"),
        ("a: -.INF", (1, 4), "not finite"),
        ("a: .NaN", (1, 4), "not finite"),
        ("a: 1e999", (1, 4), "not finite"),
        ("!!float .inf", (1, 1), "not finite"),
        ("a: 9007199254740993", (1, 4), rounded),
        ("a: -9007199254740993", (1, 4), rounded),
        ("a: 0x20000000000001", (1, 4), rounded),
        ("a: 0x1ffffffffffffffffffffffffffffffff", (1, 4), "more than 128 bits"),
        ("a: 99999999999999999999999", (1, 4), rounded),
        ("a: 0.10000000000000001", (1, 4), rounded),
        ("a: 1.8446744073709551616e19", (1, 4), rounded),
        ("!!float 18446744073709551616", (1, 1), rounded),
        ("1: a", (1, 1), "expected a string as key, found a number"),
        ("true: a", (1, 1), "expected a string as key, found a boolean"),
        ("a: 1\n~: 2", (2, 1), "expected a string as key, found null"),
        (": a", (1, 1), "expected a string as key, found null"),
        ("? [a]\n: 1", (1, 3), "expected a string as key, found a collection"),
        ("? {a: 1}\n: 1", (1, 3), "expected a string as key, found a collection"),
        ("%YAML 1.1\n---\na: yes", (1, 1), "found a directive for another version"),
        ("# x\n%YAML 1.3\n---\na", (2, 1), "found a directive for another version"),
        ("a: \"\u{1}\"", (1, 5), "control character"),
        ("a: 1\nb: \u{0}", (2, 4), "control character"),
        (&deep, (1, 2 * YAML_DEPTH_MAX + 1), "expected at most 127 collections within each other"),
    ];
    for (text, place, expected) in cases {
        let error = parse(text.as_bytes()).expect_err(text);
        assert!(error.message.contains(expected), "{text:?}: {error:?}");
        assert_eq!((error.line, error.column), place, "{text:?}: {error:?}");
    }
    // What the reader of events refuses, with messages of its own.
    for text in
        ["a: [1", "a: b: c", "a:\n\tb: 1", "a: 'x", "- a\nb", "{a: 1}}", "@a", "%YAML 1.2\n%YAML 1.2\n---\n", "a: |9x"]
    {
        assert!(parse(text.as_bytes()).is_err(), "{text:?}");
    }
    let error = parse(b"a: 1\n\xc3\xa9b: \xff").unwrap_err();
    assert_eq!((error.line, error.column, error.message.as_str()), (2, 5, "expected UTF-8, found other bytes"));
}

#[test]
fn g18_json_is_yaml_of_the_same_value_and_of_the_same_depth() {
    for text in ["{\"a\": [1, 2.5, -0.5e3, true, null, \"x\\u00e9\\/\"], \"\": {}}", "[]", "\"x\"", " [ 1 , 2 ] "] {
        let json = evlog_projection::parse(text.as_bytes()).unwrap();
        assert_eq!(parse(text.as_bytes()).unwrap(), json, "{text}");
    }
    for depth in [YAML_DEPTH_MAX, YAML_DEPTH_MAX + 1] {
        let text = "[".repeat(depth) + &"]".repeat(depth);
        let json = evlog_projection::parse(text.as_bytes());
        assert_eq!(json.is_ok(), parse(text.as_bytes()).is_ok(), "{depth}");
    }
    // Nested far deeper than the reader of events counts.
    for open in ["[", "{a: ", "- ", "? ", "[a: "] {
        assert!(parse(open.repeat(100_000).as_bytes()).is_err(), "{open}");
    }
}

/// Bytes that have a meaning in YAML, or no meaning anywhere.
const MEANT: &[u8] = b"-?:,[]{}#&*!|>'\"%@` \n\r\t.~<=\\a0\x85\xef\xbb\xbf";

#[test]
fn no_bytes_make_the_reader_panic() {
    let seeds: [&[u8]; 5] = [
        b"%YAML 1.2\n%TAG !y! tag:yaml.org,2002:\n---\na: &x [1, 'b', {c: !y!str d}]\n? |-\n  e\n: *x\n...\n",
        b"- >2\n    folded\n   text\n- \"\\x41\\u00e9\\\n  b\"\n- {? a, b: , : c}\n- [a: 1, , b]\n",
        b"a:\n  - b: c\n    d:\n    - e\n\n  # words\n  - ~\n'f': \"g\"\n",
        b"\xef\xbb\xbf--- !!map\n<<: 1\n\r\n\t\nx: -\n--- # y\n%\n",
        b"{\"a\":[true,false,null,1e5,\"\\ud83e\"],\"b\":{\"c\":\"\xf0\x9f\xa6\x80\"}}",
    ];
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for seed in seeds {
        for _ in 0..4_000 {
            let mut text = seed.to_vec();
            for _ in 0..=next(4) {
                let at = next(text.len());
                match next(3) {
                    0 => text[at] = MEANT[next(MEANT.len())],
                    1 => text.insert(at, MEANT[next(MEANT.len())]),
                    _ => text.truncate(at.max(1)),
                }
            }
            // Any answer will do.
            drop(parse(&text));
        }
    }
}
