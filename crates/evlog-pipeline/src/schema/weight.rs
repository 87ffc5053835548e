//! How much work a schema can cause for a value, estimated before any checking is done.
//!
//! Does: compute a cheap upper bound of how often schemas are applied. From the schema it takes how many of its parts are
//! applied to one value, and how many of these go on into the value. From the value it takes how many values it holds and how
//! deep they are nested. Does not: count exactly; `steps.rs` does that, if this bound is not good enough.
//!
//! Invariant: a bound is never too low for a schema that is in one file. If there are several files, each has a bound of its
//! own.

use super::document::{anchors_of, names, target};
use super::multiples::is_large;
use super::patterns::{Effort, Lengths, Matching};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How much work a schema can cause for one value, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    /// An upper bound of how many parts of the schema are applied to one value, plus how many names they require of the value;
    /// `u64::MAX` if a part applies itself.
    parts: u64,
    /// How many of these parts go on into the members and items of the value.
    descents: u64,
    /// The work of matching the patterns of these parts against a string and against the names of members.
    pub(super) matching: Matching,
}

impl Spread {
    /// The largest values over all schemas in these documents.
    pub(super) fn of<'d>(documents: impl IntoIterator<Item = &'d Value>) -> Spread {
        let mut most = Spread { parts: 1, descents: 1, matching: Matching::default() };
        for document in documents {
            let mut survey = Survey { root: document, anchors: anchors_of(document), known: BTreeMap::new() };
            survey.each(document, &mut most);
        }
        most
    }

    /// The most times that schemas are applied when a value is checked against them.
    pub(super) fn steps(self, size: Size) -> u64 {
        size.values.saturating_mul(self.parts).saturating_mul(self.ways(size))
    }

    /// The most work to match the texts and names of a value.
    pub(super) fn effort(self, size: Size) -> Effort {
        if self.matching.is_none() { Effort::default() } else { self.matching.times(self.ways(size)).on(size.lengths) }
    }

    /// An upper bound of the number of paths on which schemas reach one value: `descents` to the power of the depth.
    fn ways(self, size: Size) -> u64 {
        self.descents.saturating_pow(u32::try_from(size.depth).unwrap_or(u32::MAX))
    }
}

/// The length of the longest constant, or choice of constants, of a schema, in bytes of JSON: an error holds a copy of it.
pub(super) fn longest_constant(schema: &Value) -> u64 {
    let inner = |value: &Value| match value {
        Value::Array(items) => items.iter().map(longest_constant).max().unwrap_or(0),
        Value::Object(members) => members.values().map(longest_constant).max().unwrap_or(0),
        _ => 0,
    };
    let constants = ["const", "enum"].iter().filter_map(|name| schema.get(*name));
    constants.map(|constant| constant.to_string().len() as u64).max().unwrap_or(0).max(inner(schema))
}

/// The length of the longest pointer to anything in a value, in bytes, without counting escapes.
pub(super) fn longest_pointer(value: &Value) -> u64 {
    const INDEX_LEN: u64 = 10;
    match value {
        Value::Array(items) => items.iter().map(|item| INDEX_LEN + longest_pointer(item)).max().unwrap_or(0),
        Value::Object(members) => {
            members.iter().map(|(name, member)| name.len() as u64 + 1 + longest_pointer(member)).max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// The size of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// The number of values: the value itself, and all that it holds.
    pub(super) values: u64,
    /// The depth of their nesting.
    depth: u64,
    /// How long its texts and the names of its members are.
    lengths: Lengths,
    /// Whether it has a number that a double cannot represent exactly.
    pub(super) has_large: bool,
}

impl Size {
    pub(super) fn of(value: &Value) -> Size {
        let alone = |lengths| Size { values: 1, depth: 0, lengths, has_large: false };
        match value {
            Value::Number(number) => Size { has_large: is_large(number), ..alone(Lengths::default()) },
            Value::String(text) => alone(Lengths::of(text)),
            Value::Array(items) => items.iter().fold(alone(Lengths::default()), Size::around),
            Value::Object(members) => {
                // Patterns look at the names of members, and `propertyNames` does too.
                let names = Lengths::of_names(members);
                members.values().fold(alone(names.and(names)), Size::around)
            }
            _ => alone(Lengths::default()),
        }
    }

    fn around(self, inner: &Value) -> Size {
        let inner = Size::of(inner);
        Size {
            values: self.values + inner.values,
            depth: self.depth.max(inner.depth + 1),
            lengths: self.lengths.and(inner.lengths),
            has_large: self.has_large || inner.has_large,
        }
    }
}

const IN_PLACE: [&str; 3] = ["not", "if", "then"];
const IN_PLACE_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const OTHER_MEMBERS: [&str; 3] = ["additionalProperties", "unevaluatedProperties", "propertyNames"];
const ITEMS: [&str; 3] = ["prefixItems", "items", "unevaluatedItems"];

/// How many of its schemas a schema can apply to one member or item of a value.
fn descents(keywords: &Map<String, Value>) -> u64 {
    let has = |names: &[&str]| u64::from(names.iter().any(|name| keywords.contains_key(*name)));
    let patterns = keywords.get("patternProperties").and_then(Value::as_object).map_or(0, Map::len) as u64;
    let of_members = (has(&["properties"]) + patterns).max(has(&OTHER_MEMBERS));
    of_members.max(has(&ITEMS) + has(&["contains"]))
}

struct Survey<'v> {
    root: &'v Value,
    anchors: BTreeMap<&'v str, &'v Value>,
    /// By the address of a part, which does not move during the computation; `None` while the part's value is computed.
    known: BTreeMap<*const Value, Option<Spread>>,
}

impl<'v> Survey<'v> {
    /// Looks at everything that could be a schema.
    fn each(&mut self, value: &'v Value, most: &mut Spread) {
        if let Value::Object(members) = value {
            let spread = self.of(value);
            most.parts = most.parts.max(spread.parts);
            most.descents = most.descents.max(spread.descents);
            most.matching = most.matching.or(spread.matching);
            members.values().for_each(|inner| self.each(inner, most));
        } else if let Value::Array(items) = value {
            for inner in items {
                self.each(inner, most);
            }
        }
    }

    fn of(&mut self, schema: &'v Value) -> Spread {
        let nothing = Spread { parts: 1, descents: 0, matching: Matching::default() };
        let Value::Object(keywords) = schema else { return nothing };
        let address = std::ptr::from_ref(schema);
        match self.known.get(&address) {
            Some(Some(known)) => return *known,
            // The schema applies itself to the same value, so the work has no end.
            Some(None) => return Spread { parts: u64::MAX, descents: u64::MAX, ..nothing },
            None => {}
        }
        self.known.insert(address, None);
        let required = ["required", "dependentRequired"].iter().filter_map(|name| keywords.get(*name)).map(names);
        let matching = Matching::of_text(keywords).and(Matching::of_names(keywords));
        let mut spread = Spread { parts: 1 + required.sum::<u64>(), descents: descents(keywords), matching };
        for part in self.in_place(keywords) {
            let inner = self.of(part);
            spread.parts = spread.parts.saturating_add(inner.parts);
            spread.descents = spread.descents.saturating_add(inner.descents);
            spread.matching = spread.matching.and(inner.matching);
        }
        // To find what was not evaluated, the other keywords are evaluated once more.
        if keywords.keys().any(|name| name.starts_with("unevaluated")) {
            let Spread { parts, descents, matching } = spread;
            let (parts, descents) = (parts.saturating_mul(2), descents.saturating_mul(2));
            spread = Spread { parts, descents, matching: matching.times(2) };
        }
        self.known.insert(address, Some(spread));
        spread
    }

    /// The parts that are applied to the same value.
    fn in_place(&self, keywords: &'v Map<String, Value>) -> Vec<&'v Value> {
        let single = IN_PLACE.iter().chain(&["else"]).filter_map(|name| keywords.get(*name));
        let listed = IN_PLACE_LISTS.iter().filter_map(|name| keywords.get(*name)?.as_array()).flatten();
        let dependent = keywords.get("dependentSchemas").and_then(Value::as_object);
        let referred = ["$ref", "$dynamicRef"].iter().filter_map(|name| self.target(keywords.get(*name)?.as_str()?));
        single.chain(listed).chain(dependent.into_iter().flat_map(Map::values)).chain(referred).collect()
    }

    fn target(&self, reference: &str) -> Option<&'v Value> {
        target(self.root, &self.anchors, reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spread(schema: &Value) -> (u64, u64) {
        let found = Spread::of([schema]);
        (found.parts, found.descents)
    }

    #[test]
    fn a_schema_spreads_as_far_as_its_parts_apply_one_another_in_place() {
        assert_eq!(spread(&json!({"type": "object"})), (1, 1));
        assert_eq!(
            spread(&json!({"required": ["a", "b"], "dependentRequired": {"a": ["c"], "b": ["d", "e"]}})),
            (6, 1)
        );
        assert_eq!(spread(&json!({"patternProperties": {"a": {}, "b": {}}, "contains": {}, "items": {}})), (1, 2));
        let row = json!({"properties": {"a": {"type": "string"}}, "items": {"$ref": "#"}});
        assert_eq!(spread(&row), (2, 1));
        let both = json!({"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}], "items": {}});
        assert_eq!(spread(&both), (3, 3));
        let doubling = json!({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"}]},
            "b": {"allOf": [{"$ref": "#/$defs/c"}, {"$ref": "#/$defs/c"}]}, "c": {}}, "$ref": "#/$defs/a"});
        assert_eq!(spread(&doubling).0, 14);
        assert_eq!(spread(&json!({"anyOf": [{"type": "null"}, {"$ref": "#"}]})).0, u64::MAX);
    }

    #[test]
    fn a_value_is_as_large_as_what_it_holds_and_as_deep() {
        let size = Size::of(&json!({"a": [1, [2]], "b": {}}));
        assert_eq!((size.values, size.depth), (6, 3));
        let matching = Matching::default();
        assert_eq!(Spread { parts: 2, descents: 3, matching }.steps(size), 6 * 2 * 27);
        assert_eq!(Spread { parts: 2, descents: u64::MAX, matching }.steps(size), u64::MAX);
    }
}
