//! How much work it is to check a value against a schema, counted before any checking is done.
//!
//! A schema of a few lines can refer to itself several times, so that the number of applications doubles at each level and a
//! validator runs out of time or memory. The number of applications is counted here without carrying them out: the cost of a
//! schema on one value is computed once, however often the schema is applied there.
//!
//! Does: compute an upper bound, from the keywords that apply schemas. Does not: judge the value, or follow references out of
//! the document, which are refused elsewhere.
//!
//! Invariant: the counting itself is bounded, in places and in depth. What exceeds these bounds counts as endless.

use super::document::{anchors_of, items, members, names, target};
use super::patterns::{Effort, Lengths, Matching};
use super::weight::Spread;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The most pairs of a schema and a value that are looked at.
const PAIRS_MAX: usize = 1_000_000;

/// How deep schemas may apply one another.
const DEPTH_MAX: usize = 400;

/// The work to check a value against a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    /// The most times that schemas are applied; `u64::MAX` if that cannot be known.
    pub(super) steps: u64,
    /// The work to match its texts.
    pub(super) effort: Effort,
}

impl Work {
    pub(super) const ENDLESS: Work = Work { steps: u64::MAX, effort: Effort::ENDLESS };

    /// `steps` steps, and no matching.
    fn steps(steps: u64) -> Work {
        Work { steps, effort: Effort::default() }
    }

    fn and(self, other: Work) -> Work {
        Work { steps: self.steps.saturating_add(other.steps), effort: self.effort.and(other.effort) }
    }

    fn times(self, count: u64) -> Work {
        Work { steps: self.steps.saturating_mul(count), effort: self.effort.times(count) }
    }
}

/// The work to check this value against this schema.
pub(super) fn work(schema: &Value, instance: &Value) -> Work {
    let anchors = anchors_of(schema);
    let matching = Spread::of([schema]).matching;
    let mut counting = Counting { root: schema, anchors, matching, known: BTreeMap::new(), depth: 0 };
    counting.of(schema, instance)
}

struct Counting<'v> {
    root: &'v Value,
    anchors: BTreeMap<&'v str, &'v Value>,
    /// The most work that the schema's patterns can cause for one string.
    matching: Matching,
    /// The work that is known already, by the addresses of schema and value, which do not move meanwhile.
    known: BTreeMap<(*const Value, *const Value), Work>,
    depth: usize,
}

/// What a keyword's schemas are applied to.
enum Applies {
    /// The value itself.
    Here,
    /// Every member or item of the value.
    Within,
}

impl<'v> Counting<'v> {
    fn of(&mut self, schema: &'v Value, instance: &'v Value) -> Work {
        let Value::Object(keywords) = schema else { return Work::steps(1) };
        let pair = (std::ptr::from_ref(schema), std::ptr::from_ref(instance));
        if let Some(known) = self.known.get(&pair) {
            return *known;
        }
        if self.depth == DEPTH_MAX || self.known.len() == PAIRS_MAX {
            return Work::ENDLESS;
        }
        // If a schema applies itself to the same value, directly or through others, the work has no end.
        self.known.insert(pair, Work::ENDLESS);
        self.depth += 1;
        let total = keywords
            .iter()
            .fold(Work::steps(1), |total, (name, value)| total.and(self.of_keyword(keywords, name, value, instance)));
        self.depth -= 1;
        // To find what was not evaluated, the other keywords are evaluated once more.
        let total = if keywords.keys().any(|name| name.starts_with("unevaluated")) { total.times(2) } else { total };
        self.known.insert(pair, total);
        total
    }

    fn of_keyword(
        &mut self,
        keywords: &'v Map<String, Value>,
        name: &str,
        value: &'v Value,
        instance: &'v Value,
    ) -> Work {
        match name {
            "$ref" | "$dynamicRef" => self.target(value).map_or(Work::steps(1), |target| self.of(target, instance)),
            "allOf" | "anyOf" | "oneOf" => self.of_each(items(value), instance, &Applies::Here),
            "not" | "if" | "then" | "else" => self.of(value, instance),
            "dependentSchemas" => self.of_each(members(value), instance, &Applies::Here),
            "properties" => members_with(value, instance)
                .fold(Work::steps(0), |total, (schema, inner)| total.and(self.of(schema, inner))),
            "pattern" => {
                let lengths = instance.as_str().map(Lengths::of).unwrap_or_default();
                Work { steps: u64::from(keywords.len() > 1), effort: Matching::of_text(keywords).on(lengths) }
            }
            "patternProperties" => {
                let lengths = instance.as_object().map(Lengths::of_names).unwrap_or_default();
                let names = Work { steps: 0, effort: Matching::of_names(keywords).on(lengths) };
                self.of_each(members(value), instance, &Applies::Within).and(names)
            }
            "additionalProperties" | "unevaluatedProperties" if instance.is_object() => {
                self.of_each([value], instance, &Applies::Within)
            }
            "propertyNames" => {
                let count = instance.as_object().map_or(0, Map::len) as u64;
                let lengths = instance.as_object().map(Lengths::of_names).unwrap_or_default();
                let names = Work { steps: 0, effort: self.matching.on(lengths) };
                self.of(value, &Value::Null).times(count).and(names)
            }
            "prefixItems" => items(value)
                .zip(items(instance))
                .fold(Work::steps(0), |total, (schema, item)| total.and(self.of(schema, item))),
            "items" | "unevaluatedItems" | "contains" if instance.is_array() => {
                self.of_each([value], instance, &Applies::Within)
            }
            "enum" => Work::steps(items(value).count() as u64),
            // Each required name counts as a step, because each missing name makes an error.
            "required" | "dependentRequired" if instance.is_object() => Work::steps(names(value)),
            "uniqueItems" => Work::steps(items(instance).count() as u64),
            // All other keywords apply no schema by themselves (`$defs` only holds schemas for references). Each counts as one
            // step, unless it is the only keyword.
            _ => Work::steps(u64::from(keywords.len() > 1)),
        }
    }

    fn of_each(
        &mut self,
        schemas: impl IntoIterator<Item = &'v Value>,
        instance: &'v Value,
        applies: &Applies,
    ) -> Work {
        let mut total = Work::steps(0);
        for schema in schemas {
            match applies {
                Applies::Here => total = total.and(self.of(schema, instance)),
                Applies::Within => {
                    for inner in items(instance).chain(members(instance)) {
                        total = total.and(self.of(schema, inner));
                    }
                }
            }
        }
        total
    }

    /// What a reference within the document leads to.
    fn target(&self, reference: &'v Value) -> Option<&'v Value> {
        target(self.root, &self.anchors, reference.as_str()?)
    }
}

/// The schemas of members that exist, each with the member.
fn members_with<'v>(schemas: &'v Value, instance: &'v Value) -> impl Iterator<Item = (&'v Value, &'v Value)> {
    let schemas = schemas.as_object().into_iter().flatten();
    schemas.filter_map(|(name, schema)| Some((schema, instance.as_object()?.get(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn steps(schema: &Value, instance: &Value) -> u64 {
        work(schema, instance).steps
    }

    /// A schema that applies each of its parts twice, `levels` times over.
    fn doubling(levels: usize) -> Value {
        let part = |level: usize| {
            let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
            (format!("d{level}"), json!({"allOf": [next, next]}))
        };
        let mut parts: Map<String, Value> = (0..levels).map(part).collect();
        parts.insert(format!("d{levels}"), json!({"type": "object"}));
        json!({"$defs": parts, "$ref": "#/$defs/d0"})
    }

    #[test]
    fn a_schema_that_doubles_is_counted_without_being_applied() {
        let counted = |levels| steps(&doubling(levels), &json!({}));
        assert!(counted(10) > 1 << 10 && counted(10) < 1 << 14, "{}", counted(10));
        assert!(counted(40) > 1 << 40);
        assert_eq!(counted(100), u64::MAX);
        // Applied once for each level of the value.
        let tree = json!({"properties": {"c": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}});
        let deep = (0..60).fold(json!({}), |value, _| json!({"c": value}));
        assert!(steps(&tree, &deep) > 1 << 60);
        assert!(steps(&tree, &json!({"c": {"c": {}}})) < 100);
    }

    #[test]
    fn a_schema_that_applies_itself_to_the_same_value_is_endless() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"anyOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#/anyOf/0"}}}}),
            json!({"$dynamicAnchor": "n", "allOf": [{"$dynamicRef": "#n"}]}),
            json!({"$defs": {"a b": {"$ref": "#/$defs/a%20b"}}, "$ref": "#/$defs/a%20b"}),
        ] {
            assert_eq!(steps(&schema, &json!({})), u64::MAX, "{schema}");
        }
    }

    #[test]
    fn ordinary_schemas_cost_about_as_much_as_the_value_is_long() {
        let schema = json!({
            "type": "object", "required": ["rows"], "additionalProperties": false, "unevaluatedProperties": false,
            "properties": {"rows": {"items": {"$ref": "#row"}}, "tree": {"$ref": "#/$defs/tree"}},
            "$defs": {
                "row": {"$anchor": "row", "prefixItems": [{"type": "integer"}], "items": {"enum": [1, 2]}, "uniqueItems": true},
                "tree": {"patternProperties": {"^x": {"$ref": "#/$defs/tree"}}, "propertyNames": {"maxLength": 3}},
            },
        });
        let rows: Vec<Value> = (0..1000).map(|n| json!([n, 1, 2])).collect();
        let tree = (0..100).fold(json!({}), |value, _| json!({"x": value}));
        let counted = steps(&schema, &json!({"rows": rows, "tree": tree}));
        assert!(counted > 3000 && counted < 60_000, "{counted}");
    }
}
