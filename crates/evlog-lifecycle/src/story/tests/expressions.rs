//! Expressions and templates: what they answer, and what they leave to others.

use crate::story::expression::{Scope, Trouble, holds, references, resolve, value};
use serde_json::{Value, json};

struct Fixed(Value);

impl Scope for Fixed {
    fn root(&self, path: &[String]) -> Option<(Value, usize)> {
        Some((self.0.get(path.first()?)?.clone(), 1))
    }
}

fn scope() -> Fixed {
    Fixed(
        json!({"inputs": {"ready": true, "n": 3, "name": "x", "list": [1, {"k": "v"}], "a-b": 1, "yes": "Yes", "blank": ""}}),
    )
}

#[test]
fn conditions_are_answered() {
    // S-31.
    let table = [
        ("true", Ok(true)),
        ("{{ inputs.ready }}", Ok(true)),
        ("{{ !inputs.ready }}", Ok(false)),
        ("{{ inputs.n == 3 }}", Ok(true)),
        ("{{ inputs.n != 3 }}", Ok(false)),
        ("{{ inputs.n > 2 && inputs.n <= 3 }}", Ok(true)),
        ("{{ inputs.n < 3 || inputs.name == 'x' }}", Ok(true)),
        ("{{ inputs.name < \"y\" }}", Ok(true)),
        ("{{ (1 == 2) || !(1 == 2) }}", Ok(true)),
        ("{{ inputs.list[1].k == \"v\" }}", Ok(true)),
        ("{{ inputs.list.0 >= 1 }}", Ok(true)),
        ("{{ inputs.a-b == 1 }}", Ok(true)),
        ("{{ 'false' }}", Ok(false)),
        ("{{ null == nil }}", Ok(true)),
        ("inputs.ready", Err("expected a condition in `{{ }}`")),
        ("inputs.n == 3", Err("expected a condition in `{{ }}`")),
        ("{{ inputs.name }}{{ inputs.n }}", Err("found text")),
        ("{{ inputs.yes }}", Ok(true)),
        ("no", Ok(false)),
        (" TRUE ", Ok(true)),
        ("{{ inputs.blank }}", Ok(false)),
        ("{{ inputs.none }}", Err("`inputs.none` has no value")),
        ("{{ .nonexistent.deep.path }}", Err("`.nonexistent.deep.path` has no value")),
        ("{{ inputs.none && inputs.n < 'x' }}", Err("`inputs.none` has no value")),
        ("{{ inputs.n }}", Err("found a number")),
        ("{{ 1 == }}", Err("expected a value")),
        ("{{ (true }}", Err("expected `)`")),
        ("{{ true true }}", Err("the end of the expression")),
        ("{{ 'open }}", Err("a closing quote")),
        ("{{ other.x }}", Err("expected a path into `inputs`")),
        ("{{ f(x) }}", Err("expected a path into `inputs`")),
        ("{{ now }}", Err("expected a path into `inputs`")),
        ("{{ eq (index .steps \"a\" \"output\" \"ok\") true }}", Err("expected a path into `inputs`")),
        ("{{ inputs.none | upper }}", Err("the end of the expression")),
        ("{{ steps['a'].output.ok }}", Err("expected a path into `inputs`")),
        ("{{ inputs.list[x] }}", Err("expected a path into `inputs`")),
        ("{{ not inputs.ready }}", Err("expected a path into `inputs`")),
        ("{{ inputs.n < 'x' }}", Err("two whole numbers or two strings")),
        ("{{ 1 && true }}", Err("true or false on both sides")),
        ("{{  }}", Err("expected a value")),
    ];
    for (text, expected) in table {
        match (holds(text, &scope()), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(trouble), Err(words)) => assert!(trouble.message().contains(words), "{text}: {}", trouble.message()),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }
    let deep = "!".repeat(40) + "true";
    assert!(matches!(value(&deep, &scope()), Err(Trouble::Unknown(_))), "depth is bounded");
}

#[test]
fn an_expression_of_another_language_and_a_missing_value_are_different_errors() {
    // Only what was read to its end has, or has not, a value.
    let unknown = [
        "{{ f(inputs.none) }}",
        "{{ inputs.none | upper }}",
        "{{ inputs.none eq 1 }}",
        "{{ inputs.none",
        "{{ steps['a'].x }}",
        "{{ now }}",
        "{{ 1 < 1.5 }}",
        "{{ .item.x }}",
        "{{ .run.id }}",
        "{{ .env.HOME }}",
        "{{ . }}",
        "{{ $.inputs.n }}",
        "{{ steps.x.exitCode }}",
        "{{ steps.x.signals.s }}",
        "{{ steps.x }}",
        "{{ inputs.n }} == 3",
        "prefix {{ inputs.n }}",
        "!{{ inputs.ready }}",
    ];
    for text in unknown {
        assert!(matches!(holds(text, &scope()), Err(Trouble::Unknown(_))), "{text}: {:?}", holds(text, &scope()));
    }
    for text in [
        "{{ inputs.none }}",
        "{{ .other.x }}",
        "{{ !inputs.none }}",
        "{{ inputs.none == 1 || inputs.none > 2 }}",
        "{{ (inputs.none) }}",
    ] {
        assert!(matches!(holds(text, &scope()), Err(Trouble::Missing(_))), "{text}: {:?}", holds(text, &scope()));
    }
    for text in ["{{ inputs.n }}", "{{ inputs.list }}", "{{ inputs.name }}"] {
        assert!(matches!(holds(text, &scope()), Err(Trouble::Unfit(_))), "{text}: {:?}", holds(text, &scope()));
    }
}

#[test]
fn s31_a_text_between_double_quotes_is_read_as_json_reads_it() {
    let scope = Fixed(json!({"inputs": {"s": "é", "lines": "a\nb", "quote": "\"", "slash": "/", "back": "\\"}}));
    for text in [
        r#"inputs.s == "\u00e9""#,
        r#"inputs.s == "é""#,
        r#"inputs.lines == "a\nb""#,
        r#"inputs.quote == "\"""#,
        r#"inputs.slash == "\/""#,
        r#"inputs.back == "\\""#,
        r#""\ud83d\ude00" == "😀""#,
        r#""\"" < "a" && "}" == "\u007d""#,
    ] {
        assert_eq!(value(text, &scope), Ok(json!(true)), "{text}");
    }
    assert_eq!(resolve(&json!("{{ \"a\\tb\" }}, {{ \"\\\"\" }}"), &scope), Ok(json!("a\tb, \"")));
    // A text that is not JSON, or is between quotes that JSON does not have, is left to other evaluators.
    for text in
        [r#""\x41" == "A""#, r#""\d" == "d""#, r#""\ud800" == "x""#, r#""\u00" == "x""#, r#""a\" == 1"#, r"'\n' == 'n'"]
    {
        assert!(matches!(value(text, &scope), Err(Trouble::Unknown(_))), "{text}: {:?}", value(text, &scope));
    }
}

#[test]
fn templates_keep_types_by_themselves_and_are_text_within_text() {
    // S-20.
    let template = json!({"a": "{{ inputs.n }}", "b": "n={{ inputs.n }}, {{ inputs.name }}!", "c": ["{{inputs.list}}", 7], "d": "plain"});
    let expected = json!({"a": 3, "b": "n=3, x!", "c": [[1, {"k": "v"}], 7], "d": "plain"});
    assert_eq!(resolve(&template, &scope()), Ok(expected));
    assert!(resolve(&json!("{{ inputs.n"), &scope()).is_err());
    assert!(resolve(&json!(["x {{ inputs.none }}"]), &scope()).is_err());
}

#[test]
fn references_are_names_of_steps() {
    // S-12.
    assert_eq!(references("steps.fetch-feed.output.x == steps.b_2.phase"), ["fetch-feed", "b_2"]);
    assert_eq!(references("{{ .steps.fetch_feed.output.ok }}"), ["fetch_feed"]);
    assert_eq!(references("{{ steps['a-b'].output.x }}{{ steps[ \"c\" ].phase }}"), ["a-b", "c"]);
    assert_eq!(references("{{ (index .steps \"a-b\").output.body | toJson }}"), ["a-b"]);
    assert_eq!(references("{{ or (index steps \"a\").output.x (index .steps `b` \"output\") }}"), ["a", "b"]);
    assert!(references("mysteps.a, x.steps.b and steps. and inputs.steps['c'] and steps [x]").is_empty());
    assert!(references("{{ eq inputs.a \"steps.b\" }} {{ 'steps.c' }}").is_empty());
    assert_eq!(references(r#"{{ "\"" == steps.b.output.x && "\" steps.c" != "\\" }}"#), ["b"]);
}
