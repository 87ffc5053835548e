//! TOML text as a JSON value, and where each of its parts is in the text.
//!
//! Does not: know what the parts mean.
//!
//! Invariants:
//! - A part is named by its JSON pointer, so that definitions read from TOML and from JSON are read by the same code.
//! - Text that is not TOML gives findings, each with its place, and no value.

use evlog_projection::members::pointer;
use evlog_projection::number;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Something wrong with a text, such as a contract file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// A document, and the byte offsets of its parts.
#[derive(Debug)]
pub struct Located<'t> {
    text: &'t str,
    /// The document as JSON.
    pub value: Value,
    places: BTreeMap<String, Place>,
}

/// The place where a part begins.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Its key; for an item of a list, the item itself.
    key: usize,
    value: usize,
}

/// Which half of `key = value` a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// Line and column of a byte offset in a text that people write, both from 1, the column in characters. An offset after the
/// end counts as the end.
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The text of a file that people write. The error is a sentence with the place and without the file's name.
pub fn text_of(bytes: &[u8]) -> Result<&str, String> {
    utf8(bytes).map_err(|Finding { line, column, message }| format!("line {line}, column {column}: {message}"))
}

/// The bytes as text. The error is at the first byte that is not UTF-8.
pub fn utf8(bytes: &[u8]) -> Result<&str, Finding> {
    str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        finding(&valid, valid.len(), "expected UTF-8, found other bytes")
    })
}

fn finding(text: &str, offset: usize, message: impl Into<String>) -> Finding {
    let (line, column) = line_and_column(text, offset);
    Finding { line, column, message: message.into() }
}

impl<'t> Located<'t> {
    /// Reads TOML.
    pub fn parse(text: &'t str) -> Result<Located<'t>, Vec<Finding>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut findings: Vec<Finding> = errors
            .iter()
            .map(|error| {
                let offset = error.span().map_or(0, |span| span.start);
                finding(text, offset, error.message().replace('\n', " "))
            })
            .collect();
        if findings.is_empty() {
            let mut reading = Reading { text, places: BTreeMap::new(), findings };
            let value = reading.table(table.get_ref(), "");
            findings = reading.findings;
            if findings.is_empty() {
                return Ok(Located { text, value, places: reading.places });
            }
        }
        // The parser may report one mistake twice at the same place.
        findings.sort();
        findings.dedup();
        Err(findings)
    }

    /// A finding about the part at a JSON pointer. If the part is not there, a finding about the part that would hold it.
    pub fn finding(&self, pointer: &str, half: Half, message: impl Into<String>) -> Finding {
        let mut at = pointer;
        let offset = loop {
            match (self.places.get(at), half) {
                (Some(place), Half::Key) => break place.key,
                (Some(place), Half::Value) => break place.value,
                (None, _) => match at.rsplit_once('/') {
                    Some((parent, _)) => at = parent,
                    None => break 0,
                },
            }
        };
        finding(self.text, offset, message)
    }
}

struct Reading<'t> {
    text: &'t str,
    places: BTreeMap<String, Place>,
    findings: Vec<Finding>,
}

impl Reading<'_> {
    fn table(&mut self, table: &DeTable<'_>, at: &str) -> Value {
        let mut members = Map::new();
        for (key, value) in table {
            let at = pointer(at, key.get_ref());
            self.places.insert(at.clone(), Place { key: key.span().start, value: value.span().start });
            members.insert(key.get_ref().clone().into_owned(), self.value(value, &at));
        }
        Value::Object(members)
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, at: &str) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::String(text.clone().into_owned()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Integer(digits) => {
                let whole = i128::from_str_radix(digits.as_str(), digits.radix());
                let whole = whole.map_err(|_| "expected a number of at most 128 bits, found a larger one".to_owned());
                match whole.and_then(number::integer) {
                    Ok(number) => Value::Number(number),
                    Err(message) => self.refused(value.span(), &message),
                }
            }
            DeValue::Float(_) => self.refused(value.span(), "expected no number with a point, found one"),
            DeValue::Datetime(_) => self.refused(value.span(), "expected no date, found one; write it as text"),
            DeValue::Array(items) => {
                let item = |(index, item): (usize, &Spanned<DeValue<'_>>)| {
                    let at = pointer(at, index.to_string());
                    let start = item.span().start;
                    self.places.insert(at.clone(), Place { key: start, value: start });
                    self.value(item, &at)
                };
                Value::Array(items.iter().enumerate().map(item).collect())
            }
            DeValue::Table(table) => self.table(table, at),
        }
    }

    fn refused(&mut self, span: Range<usize>, message: &str) -> Value {
        self.findings.push(finding(self.text, span.start, message));
        Value::Null
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "ab\nc\u{e9}d\n";
        let cases = [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (4, (2, 2)), (5, (2, 2)), (6, (2, 3)), (99, (3, 1))];
        for (offset, expected) in cases {
            assert_eq!(line_and_column(text, offset), expected, "{offset}");
        }
    }

    #[test]
    fn a_document_is_its_json_value_and_every_part_has_its_place() {
        let text = "name = \"a\"\n\n[required]\nb\u{e9} = 3\nlist = [\n  true,\n  { x = \"y\" },\n]\n";
        let error = Located::parse(text).expect_err("a bare key is ASCII");
        assert_eq!((error[0].line, error[0].column), (4, 2));
        let text = text.replace("b\u{e9}", "\"b\u{e9}\"");
        let located = Located::parse(&text).expect("TOML");
        assert_eq!(located.value, json!({"name": "a", "required": {"b\u{e9}": 3, "list": [true, {"x": "y"}]}}));
        let cases = [
            ("/name", Half::Key, (1, 1)),
            ("/name", Half::Value, (1, 8)),
            ("/required/b\u{e9}", Half::Value, (4, 8)),
            ("/required/list/0", Half::Key, (6, 3)),
            ("/required/list/1/x", Half::Value, (7, 9)),
            ("/required/list/1/gone", Half::Value, (7, 3)),
            ("/gone", Half::Value, (1, 1)),
        ];
        for (pointer, half, expected) in cases {
            let found = located.finding(pointer, half, "");
            assert_eq!((found.line, found.column), expected, "{pointer}");
        }
    }

    #[test]
    fn what_json_does_not_have_or_a_contract_does_not_need_is_a_finding_with_its_place() {
        let cases = [
            ("a = 1\nb = 1.5\n", (2, 5)),
            ("a = 2026-01-01\n", (1, 5)),
            ("a = 99999999999999999999\n", (1, 5)),
            ("a = 9007199254740993\n", (1, 5)),
            ("a = 0x1ffffffffffffffffffffffffffffffff\n", (1, 5)),
            ("a = 1\na = 2\n", (2, 1)),
            ("a = [1,\n\"x]\n", (2, 4)),
        ];
        for (text, expected) in cases {
            let findings = Located::parse(text).expect_err(text);
            let places: Vec<(usize, usize)> = findings.iter().map(|found| (found.line, found.column)).collect();
            assert!(places.contains(&expected), "{text}: {findings:?}");
        }
    }
}
