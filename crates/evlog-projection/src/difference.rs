//! Finds where two files differ, in a form that leads a person to the place: line, JSON pointer, expected, found.

use serde_json::Value;

/// The first difference between what a file should hold and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line, from 1, for JSON Lines files.
    pub line: Option<usize>,
    /// JSON pointer to the first difference in value, in document order; empty for the whole document.
    pub pointer: String,
    /// The expected value, as JSON text, or `nothing`.
    pub expected: String,
    /// The value found, in the same form. If the values agree and only the bytes differ, the first differing byte.
    pub found: String,
}

/// The end of the names of JSON Lines files. Case matters, as everywhere in bundle paths.
const JSON_LINES_SUFFIX: &str = ".jsonl";
/// The longest value that is quoted whole, in bytes.
const QUOTE_LEN_MAX: usize = 200;

/// A value as JSON text, cut if it is long; `nothing` for `None`.
pub fn quote(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    match text.char_indices().nth(QUOTE_LEN_MAX) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

/// Whether a file of this name has a document in each line.
pub(crate) fn is_json_lines(path: &str) -> bool {
    path.ends_with(JSON_LINES_SUFFIX)
}

/// The pointer to a member of what is at a pointer.
pub(crate) fn member(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Compares a file's bytes with the expected ones; `None` if they are equal. Files whose name ends in `.jsonl` are compared
/// line by line.
pub fn first_difference(path: &str, expected: &[u8], found: &[u8]) -> Option<Difference> {
    if expected == found {
        return None;
    }
    if !is_json_lines(path) {
        return Some(document(expected, found));
    }
    let (mut want, mut have) = (expected.split_inclusive(|b| *b == b'\n'), found.split_inclusive(|b| *b == b'\n'));
    for line in 1.. {
        match (want.next(), have.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (Some(a), Some(b)) => return Some(Difference { line: Some(line), ..document(a, b) }),
            (a, b) => {
                let text = |side: Option<&[u8]>| quote(side.and_then(|s| serde_json::from_slice(s).ok()).as_ref());
                return Some(Difference {
                    line: Some(line),
                    pointer: String::new(),
                    expected: text(a),
                    found: text(b),
                });
            }
        }
    }
    Some(bytes(expected, found))
}

fn document(expected: &[u8], found: &[u8]) -> Difference {
    let Ok(want) = serde_json::from_slice::<Value>(expected) else {
        return bytes(expected, found);
    };
    match serde_json::from_slice::<Value>(found) {
        Err(error) => Difference { found: format!("not JSON: {error}"), ..bytes(expected, found) },
        Ok(have) => values("", &want, &have).unwrap_or_else(|| bytes(expected, found)),
    }
}

fn values(pointer: &str, want: &Value, have: &Value) -> Option<Difference> {
    match (want, have) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            keys.into_iter().find_map(|key| optional(&member(pointer, key), a.get(key), b.get(key)))
        }
        (Value::Array(a), Value::Array(b)) => {
            (0..a.len().max(b.len())).find_map(|i| optional(&format!("{pointer}/{i}"), a.get(i), b.get(i)))
        }
        (a, b) if a == b => None,
        (a, b) => optional(pointer, Some(a), Some(b)),
    }
}

fn optional(pointer: &str, want: Option<&Value>, have: Option<&Value>) -> Option<Difference> {
    match (want, have) {
        (Some(a), Some(b)) if a == b => None,
        (Some(a @ (Value::Object(_) | Value::Array(_))), Some(b)) if same_shape(a, b) => values(pointer, a, b),
        (a, b) => Some(Difference { line: None, pointer: pointer.to_owned(), expected: quote(a), found: quote(b) }),
    }
}

fn same_shape(a: &Value, b: &Value) -> bool {
    (a.is_object() && b.is_object()) || (a.is_array() && b.is_array())
}

/// Names the first byte that differs. Used if the values agree, or are not JSON.
fn bytes(expected: &[u8], found: &[u8]) -> Difference {
    let at = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    let byte = |side: &[u8]| side.get(at).map_or("the end of the file".to_owned(), |b| format!("byte 0x{b:02x}"));
    Difference {
        line: None,
        pointer: String::new(),
        expected: format!("{} at offset {at}", byte(expected)),
        found: format!("{} at offset {at}", byte(found)),
    }
}

#[cfg(test)]
mod tests;
