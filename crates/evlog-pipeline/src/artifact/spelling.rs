//! How JSON artifacts are spelled: in any way, or canonically, so that equal values are equal bytes (pipeline.md 3.6).
//!
//! Does: say where bytes differ from the canonical bytes of their value. Does not: read the value. A text with two meanings has
//! no canonical bytes, and was refused before.
//!
//! Invariant: a document or a line has one finding at most, at the first byte that differs.

use evlog_lifecycle::pipeline::report::Finding;
use evlog_projection::canonical;
use serde_json::Value;

const RULES: &str = "no space between tokens, members in order of their names, the shortest numbers and escapes";

/// How JSON must be spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Any spelling.
    Any,
    /// In the bytes of RFC 8785: a document ends without a line feed, and every line of JSON Lines with one.
    Canonical,
}

/// What a line ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    LineFeed,
    OfFile,
}

impl Spelling {
    /// Checks the text of a document against its value.
    pub(super) fn of_document(self, text: &[u8], instance: &Value) -> Option<Finding> {
        let at = self.difference(text, instance)?;
        let rules = format!("{RULES}, no newline at the end");
        Some(finding(&rules, &format!("found a difference at byte {at}, counted from 0")))
    }

    /// Checks the text of a line, without its line feed, against its value.
    pub(super) fn of_line(self, text: &[u8], end: End, instance: &Value) -> Option<Finding> {
        let rules = format!("{RULES}, a line feed after every line");
        match self.difference(text, instance) {
            Some(at) => Some(finding(&rules, &format!("found a difference at column {}", at + 1))),
            None if self == Spelling::Canonical && end == End::OfFile => {
                Some(finding(&rules, "found no line feed after this one"))
            }
            None => None,
        }
    }

    fn difference(self, text: &[u8], instance: &Value) -> Option<usize> {
        if self == Spelling::Any {
            return None;
        }
        let expected = canonical(instance);
        let differs = text.iter().zip(&expected).position(|(found, expected)| found != expected);
        differs.or_else(|| (text.len() != expected.len()).then(|| text.len().min(expected.len())))
    }
}

fn finding(rules: &str, found: &str) -> Finding {
    let message = format!("expected canonical JSON ({rules}), {found}; write it with a serializer for RFC 8785");
    Finding::coded("not_canonical", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evlog_projection::parse;

    fn of_document(text: &str) -> Option<String> {
        Spelling::Canonical.of_document(text.as_bytes(), &parse(text.as_bytes()).unwrap()).map(|found| found.message)
    }

    #[test]
    fn g20_a_document_differs_from_its_first_byte_that_is_not_canonical() {
        let canonical = [
            "{}",
            "null",
            "[1,-0.5,1e+30,\"\u{20ac}\"]",
            "{\"a\":1,\"b\":[true]}",
            // Names are sorted by UTF-16, so the one beyond U+FFFF is first. Short escapes are used where they exist.
            "{\"\u{1f980}\":1,\"\u{ff0c}\":2}",
            "\"\\b\\n\\u001f/\"",
        ];
        for text in canonical {
            assert_eq!(of_document(text), None, "{text}");
        }
        let others = [
            ("{}\n", 2),
            (" {}", 0),
            ("{\"a\": 1}", 5),
            ("{\"b\":1,\"a\":2}", 2),
            ("[1.0]", 2),
            ("[1e30]", 3),
            ("[1E+30]", 2),
            ("-0", 0),
            ("[0.50]", 4),
            ("\"\\u20ac\"", 1),
            ("\"\\u001F\"", 6),
            ("\"\\/\"", 1),
            ("\"\\u000a\"", 2),
            ("{\"\u{ff0c}\":2,\"\u{1f980}\":1}", 2),
        ];
        for (text, at) in others {
            let found = of_document(text).unwrap_or_else(|| panic!("{text:?}"));
            assert!(found.contains(&format!("found a difference at byte {at}, counted")), "{text:?}: {found}");
            assert_eq!(Spelling::Any.of_document(text.as_bytes(), &parse(text.as_bytes()).unwrap()), None);
        }
    }

    #[test]
    fn g20_a_line_is_canonical_with_the_line_feed_after_it() {
        let of_line = |text: &str, end| {
            let instance = parse(text.as_bytes()).unwrap();
            Spelling::Canonical.of_line(text.as_bytes(), end, &instance).map(|found| found.message)
        };
        assert_eq!(of_line("{\"a\":1}", End::LineFeed), None);
        assert!(of_line("{\"a\":1}", End::OfFile).unwrap().contains("found no line feed after this one"));
        assert!(of_line("{\"a\":1}\r", End::LineFeed).unwrap().contains("at column 8;"));
        assert!(of_line("{ \"a\":1}", End::OfFile).unwrap().contains("at column 2;"));
        let instance = parse(b"{ }").unwrap();
        assert_eq!(Spelling::Any.of_line(b"{ }", End::OfFile, &instance), None);
    }
}
