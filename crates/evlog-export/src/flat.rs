//! Members of payloads as columns of their own.
//!
//! The columns must be known before the first event is written, so the payloads are read once before that. A column has the
//! type that all its values share. Whole numbers beside doubles become doubles. If the types differ otherwise, or are objects
//! or lists, the column holds the values as JSON text.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The most columns. If the payloads of a kind have different names for each event, they do not fit into a table.
pub const COLUMNS_MAX: usize = 1000;

/// The largest whole number up to which a double represents every whole number.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Whole numbers that doubles hold.
    Integer,
    /// Whole numbers of 64 bits.
    Long,
    /// Doubles.
    Real,
    /// True and false.
    Flag,
    /// Text.
    Text,
    /// JSON, as text.
    Json,
}

/// The columns of payloads: the members of objects, by their names.
#[derive(Clone, Debug, Default)]
pub struct Flat {
    /// The type of each column; `None` means only nulls so far.
    columns: BTreeMap<String, Option<Type>>,
    kinds: BTreeSet<String>,
}

impl Flat {
    /// Looks at a payload of a kind. Returns false if there are more columns than a table can have.
    pub fn learn(&mut self, kind: &str, payload: &Value) -> bool {
        if !self.kinds.contains(kind) {
            self.kinds.insert(kind.to_owned());
        }
        for (name, value) in payload.as_object().into_iter().flatten() {
            let column = self.columns.entry(name.clone()).or_default();
            *column = match (*column, type_of(value)) {
                (known, None) => known,
                (None, found) => found,
                (Some(known), Some(found)) => Some(joined(known, found)),
            };
        }
        self.columns.len() <= COLUMNS_MAX
    }

    /// Whether payloads of this kind were looked at. Payloads of other kinds have no columns, whatever the names of their
    /// members.
    pub fn knows(&self, kind: &str) -> bool {
        self.kinds.contains(kind)
    }

    /// Names and types, in the order of the names. A column of nulls is text.
    pub fn columns(&self) -> impl Iterator<Item = (&str, Type)> {
        self.columns.iter().map(|(name, found)| (name.as_str(), found.unwrap_or(Type::Text)))
    }
}

/// The type of a value; `None` of null.
fn type_of(value: &Value) -> Option<Type> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some(Type::Flag),
        Value::Number(number) if number.is_i64() => {
            let is_exact = number.as_i64().is_some_and(|number| number.unsigned_abs() <= EXACT_MAX);
            Some(if is_exact { Type::Integer } else { Type::Long })
        }
        Value::Number(number) if number.is_f64() => Some(Type::Real),
        Value::String(_) => Some(Type::Text),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(Type::Json),
    }
}

/// The type that can hold values of both types. JSON has one type of numbers, and a recorded `2.0` is `2`.
fn joined(one: Type, other: Type) -> Type {
    match (one, other) {
        _ if one == other => one,
        (Type::Integer, Type::Long) | (Type::Long, Type::Integer) => Type::Long,
        (Type::Integer, Type::Real) | (Type::Real, Type::Integer) => Type::Real,
        _ => Type::Json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_column_has_the_type_of_all_its_values_or_is_json() {
        let mut flat = Flat::default();
        for payload in [
            json!({"n": 1, "x": 1.5, "t": "a", "f": true, "l": [1], "mixed": 1, "late": null, "none": null, "far": 1}),
            json!({"n": -2, "x": 2.5, "mixed": 1.5, "late": "x", "big": u64::MAX, "far": i64::MAX, "wide": 1_u64 << 53}),
            json!({"mixed": 9_007_199_254_740_991_i64, "wide": 0.5, "t": 1, "x": 2}),
            json!([1]),
            json!(null),
        ] {
            assert!(flat.learn("a", &payload));
        }
        let found: Vec<(&str, Type)> = flat.columns().collect();
        let expected = [
            ("big", Type::Json),
            ("f", Type::Flag),
            ("far", Type::Long),
            ("l", Type::Json),
            ("late", Type::Text),
            ("mixed", Type::Real),
            ("n", Type::Integer),
            ("none", Type::Text),
            ("t", Type::Json),
            ("wide", Type::Json),
            ("x", Type::Real),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn payloads_with_more_names_than_a_table_has_columns_do_not_fit() {
        let mut flat = Flat::default();
        let fits: Vec<bool> = (0..=COLUMNS_MAX).map(|nth| flat.learn("a", &json!({format!("m{nth}"): 1}))).collect();
        assert_eq!(fits.iter().filter(|fits| !**fits).count(), 1);
    }
}
