//! Expressions of `if`, `until` and conditions, and templates in arguments and outputs.
//!
//! This is a small language, total and without side effects: JSON literals, paths into `inputs`, `steps.<name>.output` and
//! `output`, `!`, `==`, `!=`, `<`, `<=`, `>`, `>=`, `&&`, `||`, parentheses. What it cannot express is answered from outside,
//! by the command `evaluate`. The answer is recorded in the event that follows from it; replay never evaluates again.
//!
//! Invariant: "not in the language" and "has no value" are two different errors, and only the second one is an answer.

use evlog_projection::{canonical, parse};
use serde_json::Value;
use std::cmp::Ordering;

/// How deep parentheses and negations may nest.
const DEPTH_MAX: usize = 32;

/// The reason why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A path leads to nothing yet.
    Missing(String),
    /// It has a value of a type that does not fit here.
    Unfit(String),
    /// It is not an expression of this language; an evaluator elsewhere may understand it.
    Unknown(String),
}

impl Trouble {
    /// The trouble as a sentence.
    pub fn message(&self) -> String {
        match self {
            Trouble::Missing(path) => format!("`{path}` has no value"),
            Trouble::Unfit(what) | Trouble::Unknown(what) => what.clone(),
        }
    }
}

/// The values that paths lead to.
pub trait Scope {
    /// The value that a path's first segments name, and how many segments these are: `inputs`, `output` or
    /// `steps.<name>.output`.
    fn root(&self, path: &[String]) -> Option<(Value, usize)>;
}

/// The names of steps that a string refers to: `steps.<name>` and `.steps.<name>`, `steps['<name>']`, and `index .steps
/// "<name>"`. Text between quotes refers to nothing.
pub fn references(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        if matches!(byte, b'"' | b'\'' | b'`') {
            let len = quoted_len(&text[at + 1..], char::from(*byte));
            at += len.map_or(text.len(), |len| len + 2);
        } else if text.as_bytes()[at..].starts_with(b"steps") && is_root(&text[..at]) {
            at += "steps".len();
            names.extend(named_after(&text[at..]));
        } else {
            at += 1;
        }
    }
    names
}

/// How long the text after an opening quote is. Between double quotes, as in JSON, a quote after a backslash is part of the
/// text.
fn quoted_len(rest: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    rest.find(|char| {
        let ends = char == quote && !is_escaped;
        is_escaped = quote == '"' && char == '\\' && !is_escaped;
        ends
    })
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Whether a path begins after this text, and not in the middle of another one. There may be a dot before the path's first
/// name.
fn is_root(before: &str) -> bool {
    let outer = before.strip_suffix('.').unwrap_or(before);
    !outer.bytes().last().is_some_and(|byte| is_name(byte) || matches!(byte, b'.' | b')' | b']'))
}

/// The name that follows `steps`, as a member, in brackets, or as the next argument of `index`.
fn named_after(rest: &str) -> Option<String> {
    if let Some(member) = rest.strip_prefix('.') {
        let len = member.bytes().take_while(|byte| is_name(*byte)).count();
        return Some(member[..len].to_owned()).filter(|name| !name.is_empty());
    }
    let quoted = match rest.strip_prefix('[') {
        Some(inner) => inner.trim_start(),
        None => Some(rest.trim_start()).filter(|trimmed| trimmed.len() < rest.len())?,
    };
    let quote = quoted.chars().next().filter(|char| matches!(char, '"' | '\'' | '`'))?;
    let name = quoted[1..].split_once(quote)?.0;
    Some(name.to_owned()).filter(|name| !name.is_empty() && name.bytes().all(is_name))
}

/// Whether a condition holds. The condition is a string that means true or false, with or without templates.
pub fn holds(text: &str, scope: &dyn Scope) -> Result<bool, Trouble> {
    let found = match said(text) {
        Some(flag) if !text.trim().is_empty() => return Ok(flag),
        _ if text.contains("{{") => resolve_text(text, scope)?,
        // As in the contract's source, text without braces is text. evlog does not guess whether it is code.
        _ => {
            return Err(Trouble::Unknown("expected a condition in `{{ }}`, or one that says true or false".to_owned()));
        }
    };
    let answer = match &found {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => said(text),
        _ => None,
    };
    answer.ok_or_else(|| {
        let found = crate::members::kind(&found);
        let message = format!("expected a condition to be true or false, found {found}");
        // Text around templates may be an expression of another language.
        let is_mixed = text.contains("{{") && !is_one_template(text.trim());
        if is_mixed { Trouble::Unknown(message) } else { Trouble::Unfit(message) }
    })
}

/// Whether a string is one template and nothing else.
fn is_one_template(text: &str) -> bool {
    text.starts_with("{{") && text.find("}}").is_some_and(|at| at + 2 == text.len())
}

/// The truth value of text, in the words that the contract's source knows.
fn said(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "1" => Some(true),
        "false" | "no" | "n" | "0" | "" => Some(false),
        _ => None,
    }
}

/// The value of an expression. Braces around the whole expression are removed.
pub fn value(text: &str, scope: &dyn Scope) -> Result<Value, Trouble> {
    let text = text.trim();
    let inner = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(text);
    let mut reader = Reader { text: inner, at: 0, depth: 0, missing: None, scope };
    let value = reader.any()?;
    reader.space();
    if reader.at < inner.len() {
        return Err(reader.unknown("the end of the expression"));
    }
    // An expression is in the language only if all of it could be read. Only then can it lack a value.
    reader.missing.map_or(Ok(value), |path| Err(Trouble::Missing(path)))
}

/// A template with every `{{ }}` replaced by its value. If the template is only one `{{ }}`, the value keeps its type.
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
    if is_one_template(trimmed) {
        return value(trimmed, scope);
    }
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inner, after)) = after.split_once("}}") else {
            return Err(Trouble::Unknown("expected `}}` after `{{`, found the end of the text".to_owned()));
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
    /// The first path that leads to nothing.
    missing: Option<String>,
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

    fn unknown(&self, expected: &str) -> Trouble {
        let rest: String = self.rest().chars().take(20).collect();
        let found = if rest.is_empty() { "the end".to_owned() } else { format!("`{}`", crate::members::quoted(&rest)) };
        Trouble::Unknown(format!("expected {expected} in an expression, found {found}"))
    }

    fn flag(&self, value: &Value) -> Result<bool, Trouble> {
        // If a value is missing, the operand counts as false until the whole expression was read.
        let found = value.as_bool().or(self.missing.as_ref().map(|_| false));
        found.ok_or_else(|| self.unknown("true or false on both sides of `&&` and `||`"))
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
                    _ if self.missing.is_some() => Ordering::Equal,
                    _ => ordered(&left, &right)
                        .ok_or_else(|| self.unknown("two whole numbers or two strings to compare"))?,
                };
                return Ok(Value::Bool(holds(order)));
            }
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Value, Trouble> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Trouble::Unknown(format!("expected at most {DEPTH_MAX} levels in an expression")));
        }
        let value = self.operand_at_depth();
        self.depth -= 1;
        value
    }

    fn operand_at_depth(&mut self) -> Result<Value, Trouble> {
        if self.takes("(") {
            let value = self.any()?;
            return if self.takes(")") { Ok(value) } else { Err(self.unknown("`)`")) };
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
            _ => Err(self.unknown("a value")),
        }
    }

    fn quoted(&mut self) -> Result<Value, Trouble> {
        let is_json = self.rest().starts_with('"');
        let Some(len) = quoted_len(&self.rest()[1..], if is_json { '"' } else { '\'' }) else {
            return Err(self.unknown("a closing quote"));
        };
        let text = &self.rest()[1..=len];
        let value = match (text.contains('\\'), is_json) {
            (false, _) => Value::String(text.to_owned()),
            (true, true) => {
                let read = parse(&self.rest().as_bytes()[..len + 2]);
                read.map_err(|_| self.unknown("the escapes of JSON between double quotes"))?
            }
            // JSON has no such quotes, and what a backslash means between them depends on the language.
            (true, false) => return Err(self.unknown("no backslash between single quotes")),
        };
        self.at += len + 2;
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, Trouble> {
        let part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'e' | b'E' | b'+');
        let len = self.rest().bytes().take_while(|byte| part(*byte)).count();
        let number = parse(&self.rest().as_bytes()[..len]).map_err(|_| self.unknown("a number"))?;
        self.at += len;
        Ok(number)
    }

    fn path(&mut self) -> Result<Value, Trouble> {
        let part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'[' | b']');
        let len = self.rest().bytes().take_while(|byte| part(*byte)).count();
        let text = self.rest()[..len].to_owned();
        self.at += len;
        match text.as_str() {
            "true" => return Ok(Value::Bool(true)),
            "false" => return Ok(Value::Bool(false)),
            "null" | "nil" => return Ok(Value::Null),
            _ => {}
        }
        let segments = segments_of(&text).ok_or_else(|| unknown_path(&text))?;
        let found = self.lookup(&segments);
        if found.is_none() {
            self.missing.get_or_insert(text);
        }
        Ok(found.unwrap_or_default())
    }

    fn lookup(&self, segments: &[String]) -> Option<Value> {
        let (mut value, taken) = self.scope.root(segments)?;
        for segment in &segments[taken..] {
            value = member(&value, segment)?.clone();
        }
        Some(value)
    }
}

fn unknown_path(text: &str) -> Trouble {
    let shown = crate::members::quoted(text);
    Trouble::Unknown(format!("expected a path into `inputs`, `steps` or `output`, found `{shown}`"))
}

/// The names that a path can begin with, apart from a leading dot. Any other name may be the name of a function.
const ROOTS: [&str; 3] = ["inputs", "steps", "output"];

/// First names of paths with a leading dot that only an evaluator elsewhere knows. A path with any other name that evlog does
/// not know leads to nothing.
const ELSEWHERE: [&str; 24] = [
    "Values", "config", "context", "env", "error", "event", "impulse", "index", "item", "items", "key", "metadata",
    "now", "packet", "params", "payload", "result", "run", "secrets", "signals", "step", "story", "storyRun",
    "trigger",
];

/// What evlog knows of a step.
const OF_STEPS: [&str; 3] = ["output", "outputs", "phase"];

/// The names and places of a path; `None` if it is not a path in the language.
fn segments_of(path: &str) -> Option<Vec<String>> {
    let is_field = path.starts_with('.');
    let path = path.strip_prefix('.').unwrap_or(path);
    let mut segments = Vec::new();
    for (nth, part) in path.split('.').enumerate() {
        let (name, places) = part.split_once('[').map_or((part, None), |(name, rest)| (name, Some(rest)));
        let is_known = ROOTS.contains(&name) || is_field && !ELSEWHERE.contains(&name);
        if name.is_empty() || name.contains(']') || nth == 0 && !is_known {
            return None;
        }
        segments.push(name.to_owned());
        for place in places.into_iter().flat_map(|places| places.split('[')) {
            let index = place.strip_suffix(']').filter(|index| index.bytes().all(|byte| byte.is_ascii_digit()))?;
            segments.push(Some(index).filter(|index| !index.is_empty())?.to_owned());
        }
    }
    let is_of_step = segments.get(2).is_some_and(|member| OF_STEPS.contains(&member.as_str()));
    (segments[0] != "steps" || is_of_step).then_some(segments)
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
