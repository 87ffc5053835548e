//! Expressions of `if`, `until` and conditions, and templates in arguments and outputs.
//!
//! A small language, total and without side effects: JSON literals, paths into `inputs`, `steps.<name>.output` and
//! `output`, `!`, `==`, `!=`, `<`, `<=`, `>`, `>=`, `&&`, `||`, parentheses. What it cannot say is answered from outside,
//! by the command `evaluate`. Whatever it answers is recorded as the event that follows from it; replay never asks again.

use evlog_projection::{canonical, parse};
use serde_json::Value;
use std::cmp::Ordering;

/// How deep parentheses and negations may nest.
const DEPTH_MAX: usize = 32;

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A path leads nowhere yet.
    Missing(String),
    /// It is not an expression of the language, or its parts do not fit.
    Invalid(String),
}

impl Trouble {
    /// The sentence.
    pub fn message(&self) -> String {
        match self {
            Trouble::Missing(path) => format!("`{path}` has no value"),
            Trouble::Invalid(what) => what.clone(),
        }
    }
}

/// Where paths lead.
pub trait Scope {
    /// The value that a path's first segments name, and how many they are: `inputs`, `output` or `steps.<name>.output`.
    fn root(&self, path: &[String]) -> Option<(Value, usize)>;
}

/// The names of steps that a text refers to as `steps.<name>`.
pub fn references(text: &str) -> Vec<String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut names = Vec::new();
    for (at, _) in text.match_indices("steps.") {
        let before = text[..at].bytes().last();
        let rest = &text[at + "steps.".len()..];
        let len = rest.bytes().take_while(|byte| is_name(*byte)).count();
        if len > 0 && !before.is_some_and(|byte| is_name(byte) || byte == b'.') {
            names.push(rest[..len].to_owned());
        }
    }
    names
}

/// Whether an expression holds.
pub fn holds(text: &str, scope: &dyn Scope) -> Result<bool, Trouble> {
    match value(text, scope)? {
        Value::Bool(flag) => Ok(flag),
        Value::String(text) if text == "true" => Ok(true),
        Value::String(text) if text == "false" => Ok(false),
        other => {
            let found = crate::members::kind(&other);
            Err(Trouble::Invalid(format!("expected a condition to be true or false, found {found}")))
        }
    }
}

/// The value of an expression; braces around the whole are taken off.
pub fn value(text: &str, scope: &dyn Scope) -> Result<Value, Trouble> {
    let text = text.trim();
    let inner = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(text);
    let mut reader = Reader { text: inner, at: 0, depth: 0, scope };
    let value = reader.any()?;
    reader.space();
    if reader.at == inner.len() { Ok(value) } else { Err(reader.invalid("the end of the expression")) }
}

/// A template with every `{{ }}` replaced by its value: by itself, a value keeps its type.
pub fn resolve(template: &Value, scope: &dyn Scope) -> Result<Value, Trouble> {
    match template {
        Value::String(text) => resolve_text(text, scope),
        Value::Array(items) => {
            items.iter().map(|item| resolve(item, scope)).collect::<Result<_, _>>().map(Value::Array)
        }
        Value::Object(members) => {
            let resolved = members.iter().map(|(name, value)| Ok((name.clone(), resolve(value, scope)?)));
            resolved.collect::<Result<_, _>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

fn resolve_text(text: &str, scope: &dyn Scope) -> Result<Value, Trouble> {
    if !text.contains("{{") {
        return Ok(Value::String(text.to_owned()));
    }
    let trimmed = text.trim();
    if trimmed.starts_with("{{") && trimmed.find("}}").is_some_and(|at| at + 2 == trimmed.len()) {
        return value(trimmed, scope);
    }
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inner, after)) = after.split_once("}}") else {
            return Err(Trouble::Invalid("expected `}}` after `{{`, found the end of the text".to_owned()));
        };
        whole.push_str(before);
        match value(inner, scope)? {
            Value::String(text) => whole.push_str(&text),
            other => whole.push_str(&String::from_utf8_lossy(&canonical(&other))),
        }
        rest = after;
    }
    whole.push_str(rest);
    Ok(Value::String(whole))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    scope: &'a dyn Scope,
}

/// A comparison: its token, and which orders it holds for.
type Comparison = (&'static str, fn(Ordering) -> bool);

/// Comparisons, longer spellings first.
const COMPARISONS: [Comparison; 6] = [
    ("==", Ordering::is_eq),
    ("!=", Ordering::is_ne),
    ("<=", Ordering::is_le),
    (">=", Ordering::is_ge),
    ("<", Ordering::is_lt),
    (">", Ordering::is_gt),
];

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().bytes().take_while(u8::is_ascii_whitespace).count();
    }

    fn takes(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn invalid(&self, expected: &str) -> Trouble {
        let rest: String = self.rest().chars().take(20).collect();
        let found = if rest.is_empty() { "the end".to_owned() } else { format!("`{}`", crate::members::quoted(&rest)) };
        Trouble::Invalid(format!("expected {expected} in an expression, found {found}"))
    }

    fn flag(&self, value: &Value) -> Result<bool, Trouble> {
        value.as_bool().ok_or_else(|| self.invalid("true or false on both sides of `&&` and `||`"))
    }

    fn any(&mut self) -> Result<Value, Trouble> {
        let mut left = self.all()?;
        while self.takes("||") {
            let right = self.all()?;
            left = Value::Bool(self.flag(&left)? | self.flag(&right)?);
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Value, Trouble> {
        let mut left = self.comparison()?;
        while self.takes("&&") {
            let right = self.comparison()?;
            left = Value::Bool(self.flag(&left)? & self.flag(&right)?);
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Value, Trouble> {
        let left = self.operand()?;
        for (token, holds) in COMPARISONS {
            if self.takes(token) {
                let right = self.operand()?;
                let order = match token {
                    "==" | "!=" if left == right => Ordering::Equal,
                    "==" | "!=" => Ordering::Less,
                    _ => ordered(&left, &right)
                        .ok_or_else(|| self.invalid("two whole numbers or two texts to compare"))?,
                };
                return Ok(Value::Bool(holds(order)));
            }
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Value, Trouble> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Trouble::Invalid(format!("expected at most {DEPTH_MAX} levels in an expression")));
        }
        let value = self.operand_at_depth();
        self.depth -= 1;
        value
    }

    fn operand_at_depth(&mut self) -> Result<Value, Trouble> {
        if self.takes("(") {
            let value = self.any()?;
            return if self.takes(")") { Ok(value) } else { Err(self.invalid("`)`")) };
        }
        self.space();
        if self.rest().starts_with('!') && !self.rest().starts_with("!=") {
            self.at += 1;
            let value = self.operand()?;
            return Ok(Value::Bool(!self.flag(&value)?));
        }
        match self.rest().bytes().next() {
            Some(b'"' | b'\'') => self.quoted(),
            Some(byte) if byte.is_ascii_digit() || byte == b'-' => self.number(),
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' || byte == b'.' => self.path(),
            _ => Err(self.invalid("a value")),
        }
    }

    fn quoted(&mut self) -> Result<Value, Trouble> {
        let quote = &self.rest()[..1].to_owned();
        let Some(len) = self.rest()[1..].find(quote.as_str()) else {
            return Err(self.invalid("a closing quote"));
        };
        let text = self.rest()[1..=len].to_owned();
        self.at += len + 2;
        Ok(Value::String(text))
    }

    fn number(&mut self) -> Result<Value, Trouble> {
        let part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'e' | b'E' | b'+');
        let len = self.rest().bytes().take_while(|byte| part(*byte)).count();
        let number = parse(&self.rest().as_bytes()[..len]).map_err(|_| self.invalid("a number"))?;
        self.at += len;
        Ok(number)
    }

    fn path(&mut self) -> Result<Value, Trouble> {
        let part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'[' | b']');
        let len = self.rest().bytes().take_while(|byte| part(*byte)).count();
        let text = self.rest()[..len].trim_start_matches('.').to_owned();
        self.at += len;
        match text.as_str() {
            "true" => return Ok(Value::Bool(true)),
            "false" => return Ok(Value::Bool(false)),
            "null" | "nil" => return Ok(Value::Null),
            _ => {}
        }
        let segments: Vec<String> =
            text.split(['.', '[', ']']).filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
        let missing = || Trouble::Missing(text.clone());
        let (mut value, taken) = self.scope.root(&segments).ok_or_else(missing)?;
        for segment in &segments[taken..] {
            value = member(&value, segment).cloned().ok_or_else(missing)?;
        }
        Ok(value)
    }
}

fn member<'a>(value: &'a Value, segment: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members.get(segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    }
}

fn ordered(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => Some(left.as_i64()?.cmp(&right.as_i64()?)),
    }
}
