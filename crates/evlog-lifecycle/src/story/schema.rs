//! Checks values against JSON Schemas, with a checker that the program provides.
//!
//! The validator is a large library, and this crate is light. So the contract is given a function. The function is called when
//! something is decided, and never on replay: its result is recorded as the event that followed.

use serde_json::{Map, Value};

/// What a checker says of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It satisfies the schema.
    Valid,
    /// It does not; the sentence says where and why.
    Invalid(String),
    /// The schema cannot be used; the sentence says why.
    Unusable(String),
}

/// Checks a value (second) against a schema (first).
pub type Check = fn(&Value, &Value) -> Checked;

/// The checker of a program that has none.
pub(crate) fn none(_: &Value, _: &Value) -> Checked {
    Checked::Unusable("this program has no validator for JSON Schemas".to_owned())
}

/// A value with the defaults of its schema for the members that it does not have.
pub fn with_defaults(schema: Option<&Value>, value: Value) -> Value {
    let Some(Value::Object(properties)) = schema.and_then(|schema| schema.get("properties")) else {
        return value;
    };
    let Value::Object(mut members) = value else { return value };
    for (name, schema) in properties {
        let given = members.remove(name);
        let nested = schema.get("properties").is_some();
        let filled = match given {
            Some(given) => Some(with_defaults(Some(schema), given)),
            None if schema.get("default").is_some() => schema.get("default").cloned(),
            None if nested => Some(with_defaults(Some(schema), Value::Object(Map::new())))
                .filter(|filled| filled.as_object().is_some_and(|members| !members.is_empty())),
            None => None,
        };
        if let Some(filled) = filled {
            members.insert(name.clone(), filled);
        }
    }
    Value::Object(members)
}
