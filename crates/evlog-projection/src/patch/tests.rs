//! Claims about patches, with an own reading of RFC 6902 as the oracle.

use super::*;
use crate::canonical;
use proptest::prelude::*;

/// Applies a patch as RFC 6902 says: a place that is not there is an error.
fn apply(document: &mut Value, operation: &Value) -> Result<(), String> {
    let text = |name: &str| operation[name].as_str().ok_or_else(|| format!("no `{name}`: {operation}"));
    let (op, path) = (text("op")?, text("path")?);
    let Some((above, last)) = path.rsplit_once('/') else {
        *document = operation["value"].clone();
        return Ok(());
    };
    let last = last.replace("~1", "/").replace("~0", "~");
    let place = document.pointer_mut(above).ok_or_else(|| format!("nothing at `{above}`"))?;
    match (op, place) {
        ("add", Value::Object(members)) => {
            members.insert(last, operation["value"].clone());
        }
        ("remove", Value::Object(members)) => {
            members.remove(&last).ok_or("nothing to remove")?;
        }
        ("replace", Value::Object(members)) => {
            *members.get_mut(&last).ok_or("nothing to replace")? = operation["value"].clone();
        }
        (op, Value::Array(items)) => {
            let index: usize = last.parse().map_err(|_| format!("no index: `{last}`"))?;
            match op {
                "add" if index <= items.len() => items.insert(index, operation["value"].clone()),
                "remove" if index < items.len() => drop(items.remove(index)),
                "replace" if index < items.len() => items[index] = operation["value"].clone(),
                _ => return Err(format!("{op} at {index} of {}", items.len())),
            }
        }
        (op, place) => return Err(format!("{op} in {place}")),
    }
    Ok(())
}

fn document_of() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_u8..4).prop_map(Value::from),
        "[a/~é]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a/~é]{0,2}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_patch_applied_to_the_first_document_gives_the_second_byte_for_byte(from in document_of(), to in document_of()) {
        let mut made = from.clone();
        for operation in patch(&from, &to) {
            let json = operation.to_json();
            prop_assert_eq!(operation.before.as_ref(), made.pointer(&operation.pointer).filter(|_| json["op"] != "add"));
            apply(&mut made, &json).map_err(TestCaseError::fail)?;
        }
        prop_assert_eq!(canonical(&made), canonical(&to));
        prop_assert!(patch(&to, &made).is_empty());
    }
}

#[test]
fn a_patch_names_only_what_changed() {
    let check = |from: Value, to: Value, expected: Value| {
        let found: Vec<Value> = patch(&from, &to).iter().map(Operation::to_json).collect();
        assert_eq!(Value::from(found), expected, "{from} {to}");
    };
    check(json!({"a": 1}), json!({"a": 1}), json!([]));
    check(
        json!({"a": 1, "b": 2}),
        json!({"a": 3}),
        json!([
        {"op": "replace", "path": "/a", "value": 3}, {"op": "remove", "path": "/b"}]),
    );
    check(json!([1, 2, 4]), json!([1, 2, 3, 4]), json!([{"op": "add", "path": "/2", "value": 3}]));
    check(json!([1, 2, 3, 4]), json!([1, 4]), json!([{"op": "remove", "path": "/2"}, {"op": "remove", "path": "/1"}]));
    check(json!({"a/b": {"~": 1}}), json!({"a/b": {}}), json!([{"op": "remove", "path": "/a~1b/~0"}]));
    check(json!({"a": null}), json!({}), json!([{"op": "remove", "path": "/a"}]));
    check(json!(1), json!([]), json!([{"op": "replace", "path": "", "value": []}]));
}

#[test]
fn an_operation_in_words_has_what_was_there_before() {
    let words = |from: Value, to: Value| patch(&from, &to)[0].words();
    assert_eq!(words(json!({"a": "x"}), json!({"a": "y"})), ('~', r#"/a: "x" → "y""#.to_owned()));
    assert_eq!(words(json!({"a": "x"}), json!({})), ('-', r#"/a: "x""#.to_owned()));
    assert_eq!(words(json!([]), json!([null])), ('+', "/0: null".to_owned()));
    assert_eq!(words(json!(1), json!(2)), ('~', "the whole file: 1 → 2".to_owned()));
}

#[test]
fn json_lines_are_a_list_of_their_lines() {
    assert_eq!(document("a.jsonl", b"{\"a\":1}\n2\n"), Some(json!([{"a": 1}, 2])));
    assert_eq!(document("a.json", b"2"), Some(json!(2)));
    assert_eq!((document("a.jsonl", b"1\nx\n"), document("a.json", b"1\n2\n")), (None, None));
}
