//! A field of an event, named as in `--json`: `kind`, `actor`, `payload.to`, `payload.files.0.path`, or a JSON pointer such as
//! `/payload/a.b`.

use crate::reading::Reading;
use evlog_format::Kind;
use evlog_format::kind::BUILT_IN;
use evlog_projection::members::quoted;
use serde_json::{Number, Value};
use std::borrow::Cow;

/// The members of an event in `--json` that a condition can name, other than those of the payload.
const ENVELOPE: [(&str, Member); 14] = [
    ("seq", Member::Seq),
    ("commit", Member::Commit),
    ("stream", Member::Stream),
    ("number", Member::Number),
    ("kind", Member::Kind),
    ("kind_version", Member::KindVersion),
    ("causation", Member::Causation),
    ("recorded", Member::Recorded),
    ("occurred", Member::Occurred),
    ("actor", Member::Actor),
    ("principal", Member::Principal),
    ("correlation", Member::Correlation),
    ("id", Member::Id),
    ("protection", Member::Protection),
];

/// The members of the payloads of built-in kinds, one on each line: `kind/path`, with `-` for an index of a list.
pub const PAYLOAD_MEMBERS: &str = include_str!("payload_members.txt");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Seq,
    Commit,
    Stream,
    Number,
    Kind,
    KindVersion,
    Causation,
    Recorded,
    Occurred,
    Actor,
    Principal,
    Correlation,
    Id,
    Protection,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Envelope(Member),
    /// Names and indexes below the payload.
    Payload(Vec<String>),
}

/// The built-in kinds whose payloads can have a field.
#[derive(Clone, Debug)]
enum Having {
    All,
    /// Their numbers.
    These(Vec<u16>),
}

impl Having {
    /// Any payload can be shown as `hex`, if it cannot be read.
    fn of(path: &[String]) -> Having {
        if path.first().is_none_or(|first| first == "hex") {
            return Having::All;
        }
        let mut names: Vec<&str> = members().filter(|(_, member)| is_at(path, member)).map(|(kind, _)| kind).collect();
        names.dedup();
        Having::These(BUILT_IN.iter().filter(|(_, name)| names.contains(name)).map(|(number, _)| *number).collect())
    }

    fn has(&self, kind: Kind<'_>) -> bool {
        match (self, kind) {
            (Having::These(numbers), Kind::BuiltIn(number)) => numbers.contains(&number),
            _ => true,
        }
    }
}

/// The members of payloads, each with its kind.
fn members() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAYLOAD_MEMBERS.lines().filter_map(|line| line.split_once('/'))
}

/// Whether a path is a member's path, is above it, or is below it. Below a member that holds any JSON, every name is possible.
fn is_at(path: &[String], member: &str) -> bool {
    let is_step = |(member, name): (&str, &String)| member == name || (member == "-" && name.parse::<usize>().is_ok());
    member.split('/').zip(path).all(is_step)
}

/// A field of an event.
#[derive(Clone, Debug)]
pub struct Field {
    text: String,
    place: Place,
    /// A payload of another built-in kind need not be decoded.
    having: Having,
}

impl PartialEq for Field {
    fn eq(&self, other: &Field) -> bool {
        self.place == other.place
    }
}

/// The value of a field.
#[derive(Clone, Debug)]
pub enum Found<'r> {
    /// The event does not have it.
    Absent,
    /// Text of the envelope.
    Text(Cow<'r, str>),
    /// A number of the envelope.
    Number(u64),
    /// A time of the envelope, Unix nanoseconds.
    Time(i128),
    /// A part of the payload.
    Json(&'r Value),
}

impl Field {
    /// Reads the name of a field.
    pub fn parse(text: &str) -> Result<Field, String> {
        let parts: Vec<String> = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect(),
            None => text.split('.').map(str::to_owned).collect(),
        };
        let place = match parts.split_first() {
            Some((first, rest)) if first == "payload" => Some(Place::Payload(rest.to_vec())),
            Some((first, [])) => {
                ENVELOPE.iter().find(|(name, _)| name == first).map(|(_, member)| Place::Envelope(*member))
            }
            _ => None,
        };
        match place {
            Some(place) if parts.iter().all(|part| !part.is_empty()) => {
                Ok(Field { text: text.to_owned(), place, having: Having::of(&parts[1..]) })
            }
            _ => Err(unknown(text)),
        }
    }

    /// The field as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names below the payload; `None` for a member of the envelope.
    pub fn payload_path(&self) -> Option<&[String]> {
        match &self.place {
            Place::Payload(path) => Some(path),
            Place::Envelope(_) => None,
        }
    }

    /// Whether events of a built-in kind can have it. Below a member that holds any JSON, every name is possible.
    pub fn can_be_in(&self, kind: &str) -> bool {
        let Place::Payload(path) = &self.place else { return true };
        path.is_empty() || members().any(|(of, member)| of == kind && is_at(path, member))
    }

    /// Whether it is a time of the envelope.
    pub fn is_time(&self) -> bool {
        matches!(self.place, Place::Envelope(Member::Recorded | Member::Occurred))
    }

    /// Its value in an event.
    pub fn of<'r>(&self, reading: &'r Reading<'_>) -> Found<'r> {
        let member = match &self.place {
            Place::Envelope(member) => *member,
            Place::Payload(path) if self.having.has(reading.fact.event.kind) => return below(reading.payload(), path),
            Place::Payload(_) => return Found::Absent,
        };
        let (head, event) = (&reading.fact.head, &reading.fact.event);
        let optional = |text: Option<&'r str>| text.map_or(Found::Absent, |text| Found::Text(text.into()));
        match member {
            Member::Seq => Found::Number(reading.fact.seq.0),
            Member::Commit => Found::Number(head.first_seq.0),
            Member::Stream => Found::Text(event.stream.into()),
            Member::Number => Found::Number(event.number),
            Member::Kind => Found::Text(reading.kind_name()),
            Member::KindVersion => Found::Number(event.kind_version.into()),
            Member::Causation => event.causation.map_or(Found::Absent, |seq| Found::Number(seq.0)),
            Member::Recorded => Found::Time(head.recorded_ns.into()),
            Member::Occurred => head.occurred_ns.map_or(Found::Absent, Found::Time),
            Member::Actor => Found::Text(head.actor.into()),
            Member::Principal => optional(head.principal),
            Member::Correlation => optional(head.correlation),
            Member::Protection => Found::Number(event.protection.into()),
            Member::Id => optional(head.idempotency.map(|given| given.key)),
        }
    }

    /// Whether an event has it, even if it is null.
    pub fn is_in(&self, reading: &Reading<'_>) -> bool {
        !matches!(self.of(reading), Found::Absent)
    }

    /// Its value as text. Equal values have equal text, and values of different types have different text; `None` if it is
    /// absent or null.
    pub fn key(&self, reading: &Reading<'_>) -> Option<String> {
        match self.of(reading) {
            Found::Absent | Found::Json(Value::Null) => None,
            Found::Text(text) => Some(Value::from(text.into_owned()).to_string()),
            Found::Number(number) => Some(number.to_string()),
            Found::Time(time_ns) => Some(time_ns.to_string()),
            Found::Json(value) => Some(by_value(value).to_string()),
        }
    }
}

/// The value of a number, if it is whole.
pub(crate) fn whole(number: &Number) -> Option<i128> {
    #[expect(clippy::cast_possible_truncation, reason = "a whole double of this size fits")]
    let of_double = |double: f64| (double.fract() == 0.0 && double.abs() < 1e30).then_some(double as i128);
    number.as_i128().or_else(|| number.as_f64().and_then(of_double))
}

/// The value with every whole number written as an integer (`1` for `1.0`), so that equal values have equal text.
fn by_value(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::Number(number) => match whole(number).and_then(Number::from_i128) {
            Some(whole) => Cow::Owned(Value::Number(whole)),
            None => Cow::Borrowed(value),
        },
        Value::Array(items) => Cow::Owned(items.iter().map(|item| by_value(item).into_owned()).collect()),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| (name.clone(), by_value(value).into_owned());
            Cow::Owned(Value::Object(members.iter().map(member).collect()))
        }
        other => Cow::Borrowed(other),
    }
}

fn below<'r>(payload: &'r Value, path: &[String]) -> Found<'r> {
    let step = |value: &'r Value, name: &String| match value {
        Value::Object(members) => members.get(name),
        Value::Array(items) => name.parse::<usize>().ok().and_then(|index| items.get(index)),
        _ => None,
    };
    path.iter().try_fold(payload, step).map_or(Found::Absent, Found::Json)
}

fn unknown(text: &str) -> String {
    let names: Vec<&str> = ENVELOPE.iter().map(|(name, _)| *name).collect();
    let is_name = text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let member = if is_name && !text.is_empty() { text } else { "to" };
    format!(
        "expected a field of an event, found `{}`; a member of the payload is written `payload.{member}`, and the other fields are {}",
        quoted(text),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{Made, of_kind, read};
    use evlog_format::kind;

    fn is_found(field: &str, event: &Made) -> bool {
        let field = Field::parse(field).expect("a field");
        read(event, 1, |reading| field.is_in(reading))
    }

    #[test]
    fn a_payload_of_a_kind_that_cannot_have_the_field_is_not_decoded() {
        // Decoding this payload would fail the test.
        let event = Made { payload: "no JSON", ..of_kind(kind::STATUS_CREATED) };
        assert!(!is_found("payload.stage", &event) && !is_found("payload.retry.why", &event));
    }

    #[test]
    fn a_field_is_found_in_every_payload_that_can_have_it() {
        let payload = r#"{"hex":"00","retry":{"count":1},"details":{"a":[1]},"error_codes":["x"]}"#;
        let event = Made { payload, ..of_kind(kind::STATUS_CREATED) };
        for field in ["payload", "payload.hex", "payload.retry", "payload.retry.count", "payload.error_codes.0"] {
            assert!(is_found(field, &event), "{field}");
        }
        assert!(is_found("payload.details.a.0", &event), "below a member that holds any JSON");
        assert!(is_found("payload.x", &Made { payload: r#"{"x":1}"#, ..of_kind(Kind::Custom("custom/x")) }));
    }
}
