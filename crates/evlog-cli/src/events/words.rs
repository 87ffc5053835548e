//! A payload in words: `key=value` for what has a value, the members first that people look for first.

use crate::ui::Tone;
use serde_json::Value;

/// The longest value and the longest payload that is shown whole in short, in characters.
const VALUE_LEN_MAX: usize = 60;
const PAYLOAD_LEN_MAX: usize = 160;
/// The members that people look for first, in this order; the others follow in their own order.
const FIRST: [&str; 8] = ["stage", "state", "from", "to", "status", "requested", "reason_code", "action"];
/// Members that are left out unless the whole payload is shown.
const LEFT_OUT: [&str; 3] = ["request", "definition", "definition_text"];
/// Members whose value is the name of a state.
const STATES: [&str; 4] = ["state", "to", "status", "phase"];
/// The number of digits shown of a digest.
const DIGEST_SHOWN: usize = 12;

/// How much of a payload is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The members that have a value. Longer values are cut at this number of characters, and nested lists are counted.
    Short(usize),
    /// Every value in its full length.
    Whole,
    /// Every member as it is.
    All,
}

/// A payload in one short line.
pub(crate) fn words(payload: &Value) -> String {
    let pairs: Vec<String> = pairs(payload, Extent::Short(VALUE_LEN_MAX)).into_iter().map(|(_, pair)| pair).collect();
    cut(pairs.join(" "), PAYLOAD_LEN_MAX)
}

/// A payload in one line, with each value in its full length.
pub(crate) fn whole_words(payload: &Value) -> String {
    pairs(payload, Extent::Whole).into_iter().map(|(_, pair)| pair).collect::<Vec<_>>().join(" ")
}

/// The members of a payload, each with its tone.
pub(super) fn pairs(payload: &Value, extent: Extent) -> Vec<(Tone, String)> {
    let Value::Object(members) = payload else { return vec![(Tone::Plain, word(payload, extent))] };
    let is_shown = |(key, value): &(&String, &Value)| {
        extent == Extent::All || !is_empty(value) && !LEFT_OUT.contains(&key.as_str())
    };
    let mut pairs: Vec<(&String, &Value)> = members.iter().filter(is_shown).collect();
    let rank = |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
    // Sorting is stable: what has no rank stays in order, and what is nested comes last.
    pairs.sort_by_key(|(key, value)| (value.is_object() || value.is_array(), rank(key)));
    let pair = |(key, value): (&String, &Value)| (tone(key, value), format!("{}={}", name(key), word(value, extent)));
    pairs.into_iter().map(pair).collect()
}

/// A state that needs attention stands out.
fn tone(key: &str, value: &Value) -> Tone {
    let tone = value.as_str().filter(|_| STATES.contains(&key)).map_or(Tone::Plain, Tone::of);
    if matches!(tone, Tone::Bad | Tone::Warning) { tone } else { Tone::Plain }
}

/// A name that is not a plain word is quoted like a value, so that it cannot look like `key=value`.
fn name(key: &str) -> String {
    let is_word = !key.is_empty() && key.chars().all(is_plain);
    if is_word { key.to_owned() } else { Value::from(key).to_string() }
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "-_.:/@+".contains(c)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// A value: text that is a plain word as it is, everything else as JSON.
pub(super) fn word(value: &Value, extent: Extent) -> String {
    let text = match value {
        Value::String(text) if matches!(extent, Extent::Short(_)) && is_digest(text) => {
            return cut(text.clone(), DIGEST_SHOWN);
        }
        Value::Array(items)
            if extent != Extent::All && items.iter().any(|item| item.is_object() || item.is_array()) =>
        {
            return format!("({} items)", items.len());
        }
        Value::String(text) if !text.is_empty() && text.chars().all(is_plain) => text.clone(),
        other => other.to_string(),
    };
    if let Extent::Short(most) = extent { cut(text, most) } else { text }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(crate) fn cut(text: String, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
