//! A schema as a JSON document: its items and members, and where its references lead.
//!
//! Does not: follow references out of the document.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a reference within a document leads to.
pub(super) fn target<'v>(
    root: &'v Value,
    anchors: &BTreeMap<&'v str, &'v Value>,
    reference: &str,
) -> Option<&'v Value> {
    let (resource, fragment) = reference.split_once('#').unwrap_or((reference, ""));
    // A schema within the document that has a name of its own. A schema in another file is not found.
    let base = if resource.is_empty() { root } else { anchors.get(resource).copied()? };
    if fragment.is_empty() || fragment.starts_with('/') {
        return base.pointer(&decoded(fragment));
    }
    anchors.get(fragment).copied()
}

/// Schemas by the names that references may use for them.
pub(super) fn anchors_of(schema: &Value) -> BTreeMap<&str, &Value> {
    let (mut anchors, mut open) = (BTreeMap::new(), vec![schema]);
    while let Some(value) = open.pop() {
        for name in ["$anchor", "$dynamicAnchor", "$id"] {
            if let Some(anchor) = value.get(name).and_then(Value::as_str) {
                anchors.insert(anchor, value);
            }
        }
        open.extend(items(value).chain(members(value)));
    }
    anchors
}

/// The items of an array; empty for any other value.
pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map_or(&[][..], Vec::as_slice).iter()
}

/// The values of an object's members; empty for any other value.
pub(super) fn members(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_object().into_iter().flat_map(Map::values)
}

/// How many names `required` or `dependentRequired` has.
pub(super) fn names(value: &Value) -> u64 {
    items(value).count() as u64 + members(value).map(|names| items(names).count() as u64).sum::<u64>()
}

/// A fragment with its percent signs decoded.
fn decoded(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        let byte_of_hex = hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *byte == b'%');
        bytes.push(byte_of_hex.unwrap_or(*byte));
        rest = if byte_of_hex.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
