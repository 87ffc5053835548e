//! JSON, one object on each line, with every character kept. Control and invisible characters are escaped.

use crate::hidden::marked;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::io::{self, Write};

/// Writes an object, and ends its line.
pub fn write_line(out: &mut impl Write, object: &impl Serialize) -> io::Result<()> {
    // Serializing our own structs cannot fail, so any error comes from the stream.
    object.serialize(&mut Serializer::with_formatter(&mut *out, Visible))?;
    out.write_all(b"\n")
}

/// A value as compact JSON.
pub(crate) fn text(value: &impl Serialize) -> String {
    let mut text = Vec::new();
    match value.serialize(&mut Serializer::with_formatter(&mut text, Visible)) {
        Ok(()) => String::from_utf8(text).unwrap_or_else(|_| unreachable!("JSON is UTF-8")),
        Err(_) => unreachable!("memory takes everything, and a value of JSON is JSON"),
    }
}

/// Compact JSON whose texts hold no hidden character.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        // Fast path: nearly all text in `cat --json` is plain.
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return out.write_all(fragment.as_bytes());
        }
        let mut written = 0;
        for (at, c, _) in marked(fragment).filter(|(.., is_hidden)| *is_hidden) {
            out.write_all(&fragment.as_bytes()[written..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            written = at + c.len_utf8();
        }
        out.write_all(&fragment.as_bytes()[written..])
    }

    /// JSON that is written as it was recorded. Hidden characters occur only in its strings, where an escape has the same
    /// meaning.
    fn write_raw_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        self.write_string_fragment(out, fragment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn every_character_is_kept_and_none_is_hidden() {
        let value =
            json!({"a\u{9b}\u{202e}": "\u{1b}[2J\u{7f}\u{e0041}\u{feff}\n\"\\ \u{e9}\u{1f600}", "n": [1, 1.5, null]});
        let mut line = Vec::new();
        write_line(&mut line, &value).unwrap();
        let line = String::from_utf8(line).unwrap();
        assert!(marked(line.trim_end()).all(|(.., is_hidden)| !is_hidden), "{line}");
        assert!(
            line.contains("\"a\\u009b\\u202e\":\"\\u001b[2J\\u007f\\udb40\\udc41\\ufeff\\n\\\"\\\\ \u{e9}"),
            "{line}"
        );
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }

    #[test]
    fn what_has_no_shape_and_what_would_join_a_quote_is_escaped() {
        for (text, shown) in [
            ("\u{13430}\u{e000}\u{378}\u{10ffff}", "\\ud80d\\udc30\\ue000\\u0378\\udbff\\udfff"),
            ("\u{300}a\u{300}", "\\u0300a\u{300}"),
            ("a\n\u{300}", "a\\n\\u0300"),
            ("a\u{7}\u{300}", "a\\u0007\\u0300"),
            ("a\u{16fe4}", "a\\ud81b\\udfe4"),
        ] {
            assert_eq!(super::text(&text), format!("\"{shown}\""));
        }
        for c in '\0'..=char::MAX {
            let value = Value::from(format!("a{c}{c}b"));
            assert_eq!(serde_json::from_str::<Value>(&text(&value)).unwrap(), value);
        }
    }
}
