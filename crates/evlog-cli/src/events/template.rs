//! What a user asks to see of each event: a list of fields, or a template with fields in braces.
//!
//! A field is named as in `--json` and `--where`; besides, `run` is the stream, and `status` the status of the run after the
//! event.

use super::statuses::NONE;
use super::times::Shown;
use super::words::{Extent, word};
use evlog_audit::{Field, Reading, field::Found};
use serde_json::Value;

/// One field of a line.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Status,
    Field(Field),
}

/// Fields, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Items(pub(super) Vec<Item>);

/// A line with fields in it.
#[derive(Clone, Debug)]
pub(crate) struct Template(pub(super) Vec<Part>);

/// A part of a template.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Text(String),
    Tab,
    Item(Item),
}

impl Item {
    fn parse(name: &str) -> Result<Item, String> {
        match name {
            "status" => Ok(Item::Status),
            "run" => Field::parse("stream").map(Item::Field),
            name => Field::parse(name).map(Item::Field).map_err(|why| format!("{why} (or `run`, `status`)")),
        }
    }

    /// The value as it is.
    pub(super) fn text(&self, reading: &Reading<'_>, status: &str, times: &Shown) -> String {
        self.shown(reading, status, times, &|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    /// The value in a column: text that is no plain word is quoted.
    pub(super) fn word(&self, reading: &Reading<'_>, status: &str, times: &Shown) -> String {
        self.shown(reading, status, times, &|value| word(value, Extent::All))
    }

    fn shown(&self, reading: &Reading<'_>, status: &str, times: &Shown, show: &dyn Fn(&Value) -> String) -> String {
        let Item::Field(field) = self else { return status.to_owned() };
        match field.of(reading) {
            Found::Absent | Found::Json(Value::Null) => NONE.to_owned(),
            Found::Text(text) => show(&Value::from(text.into_owned())),
            Found::Number(number) => number.to_string(),
            Found::Time(time_ns) => times.whole(time_ns),
            Found::Json(value) => show(value),
        }
    }
}

impl Items {
    /// Reads names of fields with commas between.
    pub(crate) fn parse(text: &str) -> Result<Items, String> {
        text.split(',').map(|name| Item::parse(name.trim())).collect::<Result<_, _>>().map(Items)
    }

    pub(super) fn has_status(&self) -> bool {
        self.0.iter().any(|item| matches!(item, Item::Status))
    }
}

impl Template {
    /// Reads a template. `{{` and `}}` are braces, `\t` is a tab.
    pub(crate) fn parse(text: &str) -> Result<Template, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(next) = rest.chars().next() {
            let at = |why: String| format!("column {}: {why}", text[..text.len() - rest.len()].chars().count() + 1);
            let (part, len) = match next {
                _ if rest.starts_with("{{") || rest.starts_with("}}") => (Part::Text(next.to_string()), 2),
                _ if rest.starts_with("\\t") => (Part::Tab, 2),
                '\t' => (Part::Tab, 1),
                '{' => {
                    let end =
                        rest.find('}').ok_or_else(|| at("expected `}` after the field, found none".to_owned()))?;
                    (Part::Item(Item::parse(&rest[1..end]).map_err(at)?), end + 1)
                }
                '}' => return Err(at("expected `}}` for a brace, found `}`".to_owned())),
                c if c.is_control() => return Err(at("expected no control character but a tab, found one".to_owned())),
                c => (Part::Text(c.to_string()), c.len_utf8()),
            };
            push(&mut parts, part);
            rest = &rest[len..];
        }
        if parts.iter().any(|part| matches!(part, Part::Item(_))) {
            return Ok(Template(parts));
        }
        Err("column 1: expected a field in braces such as {kind}, found none; --json prints JSON".to_owned())
    }

    pub(super) fn has_status(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Item(Item::Status)))
    }
}

/// Adds a part; texts beside each other become one.
fn push(parts: &mut Vec<Part>, part: Part) {
    match (parts.last_mut(), part) {
        (Some(Part::Text(text)), Part::Text(more)) => text.push_str(&more),
        (_, part) => parts.push(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_a_template_is_refused_with_its_column() {
        for (text, why) in [
            ("", "column 1: expected a field"),
            ("json", "column 1: expected a field"),
            ("{{kind}}", "column 1: expected a field"),
            ("é {knd}", "column 3: expected a field of an event"),
            ("{kind} {payload.to", "column 8: expected `}`"),
            ("{kind} }", "column 8: expected `}}`"),
            ("{kind}\u{1b}", "column 7: expected no control character"),
            ("{}", "column 1: expected a field of an event"),
        ] {
            let found = Template::parse(text).unwrap_err();
            assert!(found.starts_with(why), "{text}: {found}");
        }
        for text in ["{seq} {recorded} {run} {kind} {status} {actor} {payload.x}", "{{{seq}}}\\t{/payload/a.b}"] {
            assert!(Template::parse(text).is_ok(), "{text}");
        }
        assert!(Items::parse("kind,actor, payload.to,status,run").is_ok());
        assert!(Items::parse("kind,,actor").is_err() && Items::parse("knd").is_err());
    }
}
