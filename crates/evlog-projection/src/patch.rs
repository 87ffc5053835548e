//! How one JSON document becomes another: a JSON Patch (RFC 6902), which also holds the earlier values, for people.
//!
//! Does not: find the shortest patch. In two lists, the common beginning and the common end are left out, and the items between
//! them are compared by their place.
//!
//! Invariant: the patch of two documents, applied to the first, gives the second.

use crate::difference::{is_json_lines, member, quote};
use serde_json::{Value, json};

/// One operation of a patch.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// JSON pointer to the place that changes.
    pub pointer: String,
    /// What was there; `None` if nothing was.
    pub before: Option<Value>,
    /// What is there afterwards; `None` if nothing is.
    pub after: Option<Value>,
}

impl Operation {
    /// The operation in the form of RFC 6902.
    pub fn to_json(&self) -> Value {
        match (&self.before, &self.after) {
            (_, None) => json!({"op": "remove", "path": self.pointer}),
            (None, Some(value)) => json!({"op": "add", "path": self.pointer, "value": value}),
            (Some(_), Some(value)) => json!({"op": "replace", "path": self.pointer, "value": value}),
        }
    }

    /// The operation in words: the sign `+`, `-` or `~`, and the rest of the line. Long values are cut.
    pub fn words(&self) -> (char, String) {
        let pointer = if self.pointer.is_empty() { "the whole file" } else { &self.pointer };
        match (&self.before, &self.after) {
            (before @ Some(_), None) => ('-', format!("{pointer}: {}", quote(before.as_ref()))),
            (None, after) => ('+', format!("{pointer}: {}", quote(after.as_ref()))),
            (before, after) => ('~', format!("{pointer}: {} → {}", quote(before.as_ref()), quote(after.as_ref()))),
        }
    }
}

/// A projected file as one document; a JSON Lines file becomes the list of its lines. `None` if it is not JSON.
pub fn document(path: &str, bytes: &[u8]) -> Option<Value> {
    if is_json_lines(path) {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        return lines.map(|line| serde_json::from_slice(line).ok()).collect::<Option<Vec<Value>>>().map(Value::Array);
    }
    serde_json::from_slice(bytes).ok()
}

/// The operations that turn `from` into `to`, in order; empty if they are equal.
pub fn patch(from: &Value, to: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    values(String::new(), from, to, &mut operations);
    operations
}

fn values(pointer: String, from: &Value, to: &Value, operations: &mut Vec<Operation>) {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            for (name, before) in from {
                match to.get(name) {
                    Some(after) => values(member(&pointer, name), before, after, operations),
                    None => operations.push(Operation {
                        pointer: member(&pointer, name),
                        before: Some(before.clone()),
                        after: None,
                    }),
                }
            }
            for (name, after) in to.iter().filter(|(name, _)| !from.contains_key(*name)) {
                let pointer = member(&pointer, name);
                operations.push(Operation { pointer, before: None, after: Some(after.clone()) });
            }
        }
        (Value::Array(from), Value::Array(to)) => lists(&pointer, from, to, operations),
        (from, to) if from == to => {}
        (from, to) => {
            operations.push(Operation { pointer, before: Some(from.clone()), after: Some(to.clone()) });
        }
    }
}

fn lists(pointer: &str, from: &[Value], to: &[Value], operations: &mut Vec<Operation>) {
    let start = from.iter().zip(to).take_while(|(before, after)| before == after).count();
    let (from, to) = (&from[start..], &to[start..]);
    let end = from.iter().rev().zip(to.iter().rev()).take_while(|(before, after)| before == after).count();
    let (from, to) = (&from[..from.len() - end], &to[..to.len() - end]);
    let place = |index: usize| format!("{pointer}/{}", start + index);
    for (index, (before, after)) in from.iter().zip(to).enumerate() {
        values(place(index), before, after, operations);
    }
    // It goes backwards, so that each place is still the place of its item.
    for (index, before) in from.iter().enumerate().skip(to.len()).rev() {
        operations.push(Operation { pointer: place(index), before: Some(before.clone()), after: None });
    }
    for (index, after) in to.iter().enumerate().skip(from.len()) {
        operations.push(Operation { pointer: place(index), before: None, after: Some(after.clone()) });
    }
}

#[cfg(test)]
mod tests;
