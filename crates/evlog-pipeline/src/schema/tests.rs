//! What schemas report about values: messages, budgets, and what is refused. Does not: read files (`files/tests.rs`).

use super::*;
use serde_json::json;
use std::time::Instant;

fn findings(schema: &Value, instance: &Value) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    Schema::compile(schema).unwrap().each_error(instance, &mut |finding| {
        found.push((finding.instance_path, finding.schema_path, finding.message));
    });
    found.sort();
    found
}

#[test]
fn messages_are_made_from_the_schema_and_not_from_the_values() {
    let schema = json!({"type": "object", "required": ["a", "b"], "additionalProperties": false,
        "properties": {"a": {"type": ["string", "null"], "pattern": "^x"}, "n": {"minimum": 3}, "e": {"enum": ["p", 1]},
                       "never": false, "r": {"$ref": "#/$defs/short"}},
        "$defs": {"short": {"maxLength": 2}}});
    let cases = [
        (json!({"a": "x", "b": 1}), "/additionalProperties", "unknown member \"b\" (schema /additionalProperties)"),
        (json!({"a": "x"}), "/required", "required member \"b\" is missing (schema /required)"),
        (json!("secret"), "/type", "expected type object (schema /type)"),
        (
            json!({"a": "secret"}),
            "/properties/a/pattern",
            "expected text that matches `^x` (schema /properties/a/pattern)",
        ),
        (json!({"n": 1}), "/properties/n/minimum", "expected at least 3 (schema /properties/n/minimum)"),
        (json!({"e": "secret"}), "/properties/e/enum", "expected one of [\"p\",1] (schema /properties/e/enum)"),
        (
            json!({"r": "secret"}),
            "/properties/r/$ref/maxLength",
            "expected at most 2 characters (schema /properties/r/$ref/maxLength)",
        ),
    ];
    for (instance, path, message) in cases {
        let found = findings(&schema, &instance);
        let one = found.iter().find(|(_, at, _)| at == path);
        assert_eq!(one.map(|(_, _, text)| text.as_str()), Some(message), "{instance}: {found:?}");
        assert!(found.iter().all(|(_, _, text)| !text.contains("secret")), "{found:?}");
    }
}

#[test]
fn findings_in_artifacts_say_what_kind_of_value_was_found_and_nothing_of_it() {
    let schema = json!({"properties": {"n": {"type": "integer"}, "t": {"maxLength": 2}, "l": {"minItems": 2}}, "required": ["r"]});
    let found = |instance: Value| {
        let mut found = Vec::new();
        let schema = Schema::compile(&schema).unwrap();
        schema.each_finding(&instance, &mut |finding| found.push(finding.message));
        found.into_iter().filter(|message| !message.starts_with("required")).collect::<Vec<String>>()
    };
    let cases = [
        (json!({"n": "secret"}), "expected type integer, found text of 6 characters (schema /properties/n/type)"),
        (json!({"n": 1.5}), "expected type integer, found a number (schema /properties/n/type)"),
        (json!({"n": null}), "expected type integer, found null (schema /properties/n/type)"),
        (json!({"n": true}), "expected type integer, found a boolean (schema /properties/n/type)"),
        (json!({"n": {"a": 1}}), "expected type integer, found an object of 1 member (schema /properties/n/type)"),
        (
            json!({"t": "abc"}),
            "expected at most 2 characters, found text of 3 characters (schema /properties/t/maxLength)",
        ),
        (json!({"l": [7]}), "expected at least 2 items, found a list of 1 item (schema /properties/l/minItems)"),
    ];
    for (instance, message) in cases {
        assert_eq!(found(instance), [message]);
    }
}

#[test]
fn several_allowed_types_are_listed_in_a_fixed_order() {
    let message = |schema: Value| findings(&schema, &json!([])).remove(0).2;
    assert_eq!(message(json!({"type": ["string", "null"]})), message(json!({"type": ["null", "string"]})));
}

#[test]
fn g68_long_names_take_no_memory_for_each_finding_and_are_reported_by_their_length() {
    let schema = json!({"additionalProperties": {"additionalProperties": {"type": "string"}}});
    let inner = |count: usize| -> Value {
        (0..count).map(|index| (format!("k{index}"), json!(1))).collect::<serde_json::Map<_, _>>().into()
    };
    let few = findings(&schema, &json!({"k".repeat(100_000): inner(2)}));
    assert_eq!(few.len(), 2);
    assert_eq!(few[0].0, "/(100000 bytes)/k0");
    let many = findings(&schema, &json!({"k".repeat(100_000): inner(5000)}));
    assert_eq!(many.len(), 1, "the places of five thousand findings would take a gigabyte");
    assert!(many[0].2.contains("too long for the places to be reported"), "{many:?}");
    let closed = json!({"properties": {"a": true}, "additionalProperties": false});
    let unknown = &findings(&closed, &json!({"k".repeat(1000): 1}))[0].2;
    assert!(unknown.starts_with("unknown member \"(1000 bytes)\""), "{unknown}");
    let deep = format!("/{}", vec!["n".repeat(200); 100].join("/"));
    let short = short_pointer(&deep);
    assert!(short.len() < POINTER_LEN_MAX + 100 && short.ends_with(" more)"), "{short}");
}

#[test]
fn every_missing_member_is_an_error_of_its_own() {
    assert_eq!(findings(&json!({"required": ["a", "b", "c"]}), &json!({})).len(), 3);
}

#[test]
fn schemas_that_cannot_be_used_are_refused() {
    let cases = [
        (json!({"type": "objekt"}), "at /type"),
        (json!({"$ref": "#/$defs/none"}), "none"),
        (json!({"$ref": "other.json"}), "other.json"),
        (json!({"$ref": "https://example.com/other.json"}), "example.com"),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
            "found `http://json-schema.org/draft-07/schema`",
        ),
        (json!({"$schema": 7}), "not text"),
        (json!({"pattern": "("}), "pattern"),
        (json!([]), ""),
    ];
    for (schema, expected) in cases {
        let error = Schema::compile(&schema).map(|_| ()).expect_err(&schema.to_string());
        assert!(error.contains(expected), "{schema}: {error}");
    }
    Schema::compile(&json!({"$schema": "https://json-schema.org/draft/2020-12/schema"})).unwrap();
    Schema::compile(&json!(true)).unwrap();
}

fn listed(schema: &Value, instance: &Value) -> Vec<(Option<String>, String)> {
    let mut found = Vec::new();
    Schema::compile(schema).unwrap().each_finding(instance, &mut |finding| {
        found.push((finding.error_code, finding.instance_path));
    });
    found
}

#[test]
fn g65_what_a_schema_would_make_of_a_document_is_bounded_before_it_is_checked() {
    let code = Some(BUDGET.to_owned());
    let part = |n: usize| {
        let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
        (format!("d{n}"), json!({"allOf": [next, next]}))
    };
    let mut parts: serde_json::Map<String, Value> = (0..40).map(part).collect();
    parts.insert("d40".to_owned(), json!({"type": "object"}));
    let doubling = json!({"$defs": parts, "$ref": "#/$defs/d0"});
    assert_eq!(listed(&doubling, &json!({})), [(code.clone(), String::new())]);
    // In every level of the document the schema is applied twice as often as in the level before.
    let twice = json!({"properties": {"a": {"$ref": "#"}}});
    let nested = (0..60).fold(json!(1), |inner, _| json!({"a": inner}));
    assert_eq!(listed(&json!({"allOf": [twice, twice]}), &nested), [(code, String::new())]);
    let shallow = (0..10).fold(json!(1), |inner, _| json!({"a": inner}));
    assert_eq!(listed(&json!({"allOf": [twice, twice]}), &shallow), []);
}

#[test]
fn g65_every_name_that_is_required_counts_as_an_error_that_there_could_be() {
    let code = Some(BUDGET.to_owned());
    let names: Vec<String> = (0..2000).map(|n| format!("member-{n}")).collect();
    let objects = vec![json!({"a": 1}); 20_000];
    for items in [json!({"required": names}), json!({"dependentRequired": {"a": names}})] {
        let found = listed(&json!({"items": items}), &json!(objects));
        assert_eq!((found.len(), &found[1].0), (2, &code), "the first, and that there may be more");
        assert!(matches!(check_schema(&json!({"items": items}), &json!(objects)), Checked::Unusable(_)));
        assert_eq!(listed(&items, &json!({"a": 1})).len(), 2000);
    }
}

#[test]
fn g65_errors_that_repeat_a_long_constant_are_not_all_named() {
    let long = "x".repeat(1_000_000);
    let zeros = vec![json!(0); 100_000];
    for items in [json!({"const": long}), json!({"enum": [1, long]})] {
        let found = listed(&json!({"items": items}), &json!(zeros));
        assert_eq!((found.len(), found[1].0.as_deref()), (2, Some(BUDGET)));
        let Checked::Invalid(said) = check_schema(&json!({"items": items}), &json!(zeros)) else { panic!() };
        assert!(said.len() < 70_000, "{}", said.len());
    }
}

#[test]
fn g65_a_large_document_with_errors_gets_its_first_error_and_a_note_that_there_may_be_more() {
    let schema = json!({"items": {"type": "object", "required": ["a"]}});
    let rows = |good: usize, bad: usize| -> Value {
        let good = std::iter::repeat_n(json!({"a": 1}), good);
        good.chain(std::iter::repeat_n(json!({}), bad)).collect()
    };
    assert_eq!(listed(&schema, &rows(200_000, 0)), []);
    assert_eq!(listed(&schema, &rows(10, 90)).len(), 90);
    let found = listed(&schema, &rows(100_000, 600_000));
    assert_eq!(found, [(None, "/100000".to_owned()), (Some(BUDGET.to_owned()), String::new())]);
}

#[test]
fn a_schema_that_doubles_itself_is_refused_for_what_it_would_cost() {
    let part = |n: usize| {
        let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
        (format!("d{n}"), json!({"allOf": [next, next]}))
    };
    let doubling = |levels: usize| {
        let mut parts: serde_json::Map<String, Value> = (0..levels).map(part).collect();
        parts.insert(format!("d{levels}"), json!({"type": "object"}));
        json!({"$defs": parts, "$ref": "#/$defs/d0"})
    };
    for instance in [json!(null), json!({"a": 1})] {
        let Checked::Unusable(why) = check_schema(&doubling(40), &instance) else { panic!("{instance}") };
        assert!(why.contains("takes more than 10000000 steps"), "{why}");
    }
    // The steps are within the limit. An error is reported with its place only if that takes little memory.
    assert_eq!(check_schema(&doubling(18), &json!({})), Checked::Valid);
    let Checked::Invalid(why) = check_schema(&doubling(2), &json!(1)) else { panic!("it is no object") };
    assert!(why.starts_with("expected type object (schema /$ref/allOf/0/"), "{why}");
    let Checked::Invalid(why) = check_schema(&doubling(18), &json!(1)) else { panic!("it is no object") };
    assert!(why.contains("the place is not reported"), "{why}");
}

/// Patterns that take far more time than the length of a string suggests, with texts that they do not match.
fn hostile(len: usize) -> Vec<(Value, Value)> {
    let (long, short) = ("a".repeat(len), "a".repeat(30));
    let text = |pattern: &str, text: &str| (json!({"pattern": pattern}), json!(text));
    let name = |pattern: &str, name: &str| (json!({"patternProperties": {pattern: false}}), json!({name: 1}));
    vec![
        text("(?<=a.*)b", &long),
        text("(?=.*b)a", &long),
        text("^(?:(?=[^x]*x)a)*$", &(long.clone() + "x")),
        text(r"(a*)\1b", &long),
        text("^(?=a)(?:(?:a*)*)*b", &long),
        text("(?:[ab]?){1000}(?=.*c)c", &long),
        text(r"^(a|a)*\1b", &(short + "!")),
        name("(?<=a.*)b", &long),
        (json!({"propertyNames": {"pattern": "(?<=a.*)b"}}), json!({long.clone(): 1})),
        (json!({"items": {"not": {"pattern": "(?<=a.*)b"}}}), json!([long.clone()])),
        (json!({"pattern": "(?<=a.*)b", "anyOf": [{"pattern": r"(a*)\1b"}, {"pattern": "(?=.*b)a"}]}), json!(long)),
    ]
}

#[test]
fn g65_what_a_pattern_makes_of_a_long_text_is_bounded_and_what_is_given_up_is_never_valid() {
    for (schema, instance) in hostile(300_000) {
        let began = Instant::now();
        let found = listed(&schema, &instance);
        assert_eq!(found.len(), 1, "{schema}: {found:?}");
        assert_eq!(found[0].0.as_deref(), Some(BUDGET), "{schema}");
        let said = check_schema(&schema, &instance);
        assert!(matches!(said, Checked::Unusable(_)), "{schema}: {said:?}");
        assert!(began.elapsed().as_secs() < 60, "{schema} took {:?}", began.elapsed());
    }
}

#[test]
fn g65_patterns_that_are_matched_in_one_pass_are_matched_against_long_texts() {
    let long = "word ".repeat(200_000);
    for (pattern, expected) in [("^[a-z ]+$", 0), ("^[a-z]+$", 1), (r"^(?!\s*$)[\s\S]+", 0), (r"(?:\w{1,9} )*$", 0)] {
        assert_eq!(listed(&json!({"pattern": pattern}), &json!(long)).len(), expected, "{pattern}");
        let is_valid = check_schema(&json!({"pattern": pattern}), &json!(long)) == Checked::Valid;
        assert_eq!(is_valid, expected == 0, "{pattern}");
    }
    // A string beside it may have any length.
    let schema = json!({"properties": {"id": {"pattern": r"^(?:(?!--)[a-z-])+$"}}});
    let document = json!({"id": "a-b-c", "text": long});
    assert_eq!(listed(&schema, &document), []);
    let rows: Vec<Value> = (0..20_000).map(|row| json!({"id": format!("row-{}", "x".repeat(row % 60))})).collect();
    assert_eq!(listed(&json!({"items": schema}), &json!(rows)), []);
}

#[test]
fn multiples_of_integers_beyond_2_to_the_53_are_judged_by_what_is_written() {
    let judge = |divisor: &str, value: &str| {
        let [divisor, value] = [divisor, value].map(|text| evlog_projection::parse(text.as_bytes()).unwrap());
        let schema = json!({"properties": {"n": {"multipleOf": divisor}}});
        let (found, said) = (findings(&schema, &json!({"n": value})), check_schema(&schema, &json!({"n": value})));
        assert_eq!(found.is_empty(), said == Checked::Valid, "{schema} {value}");
        found
    };
    for (divisor, value) in [
        ("1000", "1152921504606847000"),
        ("10", "1e23"),
        ("1152921504606847000", "2305843009213694000"),
        ("0.01", "19.99"),
        ("3", "9007199254740990"),
        ("0.5", "1e22"),
    ] {
        assert_eq!(judge(divisor, value), [], "{value} is a multiple of {divisor}");
    }
    for (divisor, value) in [
        ("1024", "1152921504606847000"),
        ("3", "9007199254740992"),
        ("18446744073709552000", "9223372036854776000"),
        ("0.01", "19.995"),
    ] {
        let found = judge(divisor, value);
        assert_eq!(found.len(), 1, "{value} is no multiple of {divisor}");
        assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("/n", "/properties/n/multipleOf"));
        assert_eq!(found[0].2, format!("expected a multiple of {divisor} (schema /properties/n/multipleOf)"));
    }
}

/// A schema with `count` patterns, each expensive to compile.
fn with_large_patterns(count: usize) -> Value {
    let properties: serde_json::Map<String, Value> =
        (0..count).map(|n| (format!("p{n}"), json!({"pattern": format!(r"^\p{{L}}{{100}}x{n}$")}))).collect();
    json!({"properties": properties})
}

#[test]
fn g69_a_schema_whose_patterns_take_too_much_to_compile_is_refused_before_they_are() {
    assert!(Schema::compile(&with_large_patterns(3)).is_ok());
    let error = Schema::compile(&with_large_patterns(40)).expect_err("too much");
    assert!(error.contains("patterns take more than 2000000 steps to compile"), "{error}");
    // Patterns for the names of members count too, and a pattern that cannot be read counts as large.
    let names: serde_json::Map<String, Value> = (0..3).map(|n| (format!("(?i)a{{{n}}}"), json!(true))).collect();
    assert!(Schema::compile(&json!({"patternProperties": names})).is_err());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("large.json");
    std::fs::write(&file, with_large_patterns(40).to_string()).unwrap();
    let error = Schema::load(&file).unwrap_err();
    assert!(error.starts_with("its patterns take more than"), "{error}");
    std::fs::write(directory.path().join("small.json"), r#"{"$ref":"large.json"}"#).unwrap();
    let error = Schema::load(&directory.path().join("small.json")).unwrap_err();
    assert!(error.starts_with("its patterns take more than"), "{error}");
}

#[test]
fn g69_a_command_is_refused_where_the_patterns_of_its_schema_take_too_much_to_compile() {
    let said = check_schema(&with_large_patterns(5), &json!({}));
    assert!(matches!(&said, Checked::Unusable(why) if why.contains("more than 200000 steps to compile")), "{said:?}");
    assert_eq!(check_schema(&with_large_patterns(2), &json!({})), Checked::Valid);
}
