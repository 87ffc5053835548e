//! A command, as `submit` takes it: one JSON object a line.
//!
//! The members that every contract shares are read here, strictly; the rest is handed to the contract.

use evlog_format::Seq;
use evlog_format::limits::{ACTOR_LEN_MAX, IDEMPOTENCY_KEY_LEN_MAX};
use evlog_projection::{Malformed, canonical, parse, time};
use serde_json::{Map, Value};

/// The longest run id, in bytes. Run ids become directory names.
pub const RUN_ID_LEN_MAX: usize = 128;

/// A command before its contract has read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Name of the contract.
    pub contract: String,
    /// The run it is about.
    pub run: String,
    /// What to do (`do`).
    pub action: String,
    /// Idempotency key (`id`).
    pub id: Option<String>,
    /// Time of the commit, Unix nanoseconds (`at`); stamped by the engine when absent.
    pub at_ns: Option<i64>,
    /// Who asks; the session's default when absent.
    pub actor: Option<String>,
    /// Seq of the earlier event that caused this command.
    pub causation: Option<Seq>,
    /// How many events the run's stream must have now, or the command is refused.
    pub expect: Option<u64>,
    /// The contract's own members.
    pub members: Map<String, Value>,
    /// BLAKE3 of the command in canonical form, without `id`.
    pub content: [u8; 32],
}

fn malformed(pointer: &str, message: impl Into<String>) -> Malformed {
    Malformed { pointer: pointer.to_owned(), message: message.into() }
}

impl Request {
    /// A command made within the program: the contract's own `members`, and defaults for the rest.
    pub fn new(contract: &str, run: &str, action: &str, members: Map<String, Value>) -> Result<Request, Malformed> {
        let mut whole = members;
        for (key, value) in [("contract", contract), ("run", run), ("do", action)] {
            whole.insert(key.to_owned(), value.into());
        }
        Request::from_members(whole)
    }

    /// Reads a line of JSON.
    pub fn parse_line(line: &[u8]) -> Result<Request, Malformed> {
        let value = parse(line).map_err(|error| malformed("", format!("not JSON: {error}")))?;
        match value {
            Value::Object(members) => Request::from_members(members),
            other => Err(malformed("", format!("expected an object, found {}", name_of(&other)))),
        }
    }

    /// Reads a command from its members.
    pub fn from_members(mut members: Map<String, Value>) -> Result<Request, Malformed> {
        let id = optional(&mut members, "id", text)?;
        let content = *blake3::hash(&canonical(&Value::Object(members.clone()))).as_bytes();
        let request = Request {
            contract: required(&mut members, "contract")?,
            run: required(&mut members, "run")?,
            action: required(&mut members, "do")?,
            id,
            at_ns: optional(&mut members, "at", instant)?,
            actor: optional(&mut members, "actor", text)?,
            causation: optional(&mut members, "causation", count)?.map(Seq),
            expect: optional(&mut members, "expect", count)?,
            members,
            content,
        };
        check_run_id(&request.run).map_err(|message| malformed("/run", message))?;
        check_len("/id", request.id.as_deref(), IDEMPOTENCY_KEY_LEN_MAX)?;
        check_len("/actor", request.actor.as_deref(), ACTOR_LEN_MAX)?;
        Ok(request)
    }
}

/// Whether text can name a run: it becomes a directory name, so letters, digits, `.`, `_` and `-`, the first a letter
/// or a digit.
pub fn check_run_id(run: &str) -> Result<(), String> {
    let first = run.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = run.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if first && rest && run.len() <= RUN_ID_LEN_MAX {
        return Ok(());
    }
    let shown: String = run.chars().take(60).collect();
    Err(format!(
        "expected a run id of 1 to {RUN_ID_LEN_MAX} letters, digits, `.`, `_` or `-`, the first a letter or a digit, \
         found {shown:?}"
    ))
}

fn check_len(pointer: &str, given: Option<&str>, max: u64) -> Result<(), Malformed> {
    match given {
        Some("") => Err(malformed(pointer, "expected text, found an empty string")),
        Some(text) if text.len() as u64 > max => {
            Err(malformed(pointer, format!("expected at most {max} bytes, found {}", text.len())))
        }
        Some(text) if text.chars().any(char::is_control) => {
            Err(malformed(pointer, "expected text without control characters"))
        }
        _ => Ok(()),
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn required(members: &mut Map<String, Value>, key: &str) -> Result<String, Malformed> {
    optional(members, key, text)?.ok_or_else(|| malformed("", format!("expected the key `{key}`, found none")))
}

fn optional<T>(
    members: &mut Map<String, Value>,
    key: &str,
    read: fn(Value) -> Result<T, String>,
) -> Result<Option<T>, Malformed> {
    let Some(value) = members.remove(key) else {
        return Ok(None);
    };
    read(value).map(Some).map_err(|message| malformed(&format!("/{key}"), message))
}

fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(format!("expected a string, found {}", name_of(&other))),
    }
}

fn count(value: Value) -> Result<u64, String> {
    match value {
        Value::Number(number) if number.is_u64() => Ok(number.as_u64().unwrap_or_default()),
        other => Err(format!("expected a whole number from 0, found {other}")),
    }
}

fn instant(value: Value) -> Result<i64, String> {
    time::from_rfc3339(&text(value)?)
}

#[cfg(test)]
mod tests;
