//! A command, as `submit` takes it: one JSON object a line.
//!
//! The members that every contract shares are read here, strictly; the rest is handed to the contract.

use evlog_format::Seq;
pub use evlog_format::ids::RUN_ID_LEN_MAX;
use evlog_format::ids::is_run_id;
use evlog_format::limits::{ACTOR_LEN_MAX, CORRELATION_LEN_MAX, IDEMPOTENCY_KEY_LEN_MAX};
use evlog_projection::{Malformed, canonical, number, parse, time};
use serde_json::{Map, Value};
use std::sync::OnceLock;

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
    /// When it happened (`at`); when it is recorded, if absent.
    pub at: Option<Instant>,
    /// Who asks; the session's default when absent.
    pub actor: Option<String>,
    /// What ties it to others, of other runs too; the session's default when absent.
    pub correlation: Option<String>,
    /// Seq of the earlier event that caused this command.
    pub causation: Option<Seq>,
    /// How many events the run's stream must have now, or the command is refused.
    pub expect: Option<u64>,
    /// The contract's own members.
    pub members: Map<String, Value>,
    content: OnceLock<[u8; 32]>,
}

/// A time as a command gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instant {
    /// As written, RFC 3339: the text is part of the command's content.
    pub text: String,
    /// Unix nanoseconds.
    pub time_ns: i128,
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
        for (key, value) in &mut whole {
            number::settle(value).map_err(|message| malformed(&format!("/{key}"), message))?;
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
    pub fn from_members(whole: Map<String, Value>) -> Result<Request, Malformed> {
        let (mut contract, mut run, mut action) = (None, None, None);
        let (mut id, mut at, mut actor, mut causation, mut expect) = (None, None, None, None, None);
        let mut correlation = None;
        let mut members = Map::new();
        for (key, value) in whole {
            match key.as_str() {
                "contract" => contract = Some(read(&key, value, text)?),
                "run" => run = Some(read(&key, value, text)?),
                "do" => action = Some(read(&key, value, text)?),
                // As in the contracts: null says nothing.
                "id" | "at" | "actor" | "correlation" | "causation" | "expect" if value.is_null() => {}
                "id" => id = Some(read(&key, value, text)?),
                "at" => at = Some(read(&key, value, instant)?),
                "actor" => actor = Some(read(&key, value, text)?),
                "correlation" => correlation = Some(read(&key, value, text)?),
                "causation" => causation = Some(Seq(read(&key, value, count)?)),
                "expect" => expect = Some(read(&key, value, count)?),
                _ => {
                    members.insert(key, value);
                }
            }
        }
        let request = Request {
            contract: required("contract", contract)?,
            run: required("run", run)?,
            action: required("do", action)?,
            id,
            at,
            actor,
            correlation,
            causation,
            expect,
            members,
            content: OnceLock::new(),
        };
        check_run_id(&request.run).map_err(|message| malformed("/run", message))?;
        check_len("/id", request.id.as_deref(), IDEMPOTENCY_KEY_LEN_MAX)?;
        check_len("/actor", request.actor.as_deref(), ACTOR_LEN_MAX)?;
        check_len("/correlation", request.correlation.as_deref(), CORRELATION_LEN_MAX)?;
        if request.id.is_some() {
            // It will be asked for; whoever reads commands is not the one who holds up all others.
            request.content();
        }
        Ok(request)
    }

    /// BLAKE3 of the command in canonical form, without `id` and `correlation`: what a second delivery of it must equal,
    /// which may belong to another request.
    /// Computed when first asked for.
    pub fn content(&self) -> [u8; 32] {
        *self.content.get_or_init(|| self.digest())
    }

    fn digest(&self) -> [u8; 32] {
        let mut whole = self.members.clone();
        let mut put = |key: &str, value: Option<Value>| value.map(|value| whole.insert(key.to_owned(), value));
        put("contract", Some(self.contract.as_str().into()));
        put("run", Some(self.run.as_str().into()));
        put("do", Some(self.action.as_str().into()));
        put("at", self.at.as_ref().map(|at| at.text.as_str().into()));
        put("actor", self.actor.as_deref().map(Value::from));
        put("causation", self.causation.map(|cause| cause.0.into()));
        put("expect", self.expect.map(Value::from));
        *blake3::hash(&canonical(&Value::Object(whole))).as_bytes()
    }
}

/// Whether text can name a run: it becomes a directory name, so letters, digits, `.`, `_` and `-`, the first a letter
/// or a digit.
pub fn check_run_id(run: &str) -> Result<(), String> {
    if is_run_id(run) {
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

fn required(key: &str, found: Option<String>) -> Result<String, Malformed> {
    found.ok_or_else(|| malformed("", format!("expected the key `{key}`, found none")))
}

fn read<T>(key: &str, value: Value, read: fn(Value) -> Result<T, String>) -> Result<T, Malformed> {
    read(value).map_err(|message| malformed(&format!("/{key}"), message))
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

fn instant(value: Value) -> Result<Instant, String> {
    let text = text(value)?;
    Ok(Instant { time_ns: time::from_rfc3339(&text)?, text })
}

#[cfg(test)]
mod tests;
