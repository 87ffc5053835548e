//! A command as a caller gives it: one JSON object, as `submit` takes it, or made by a builder.
//!
//! The members that every contract shares are read here, strictly. All other members belong to the contract.
//!
//! Invariant: a request was checked when it was made, and does not change. Its content digest covers its contents.

use crate::canonical::canonical;
use crate::contract::Malformed;
use crate::described::{MemberForm, ValueForm, optional, required};
use crate::given::Given;
use crate::members::{Members, check_run_id, kind, malformed, pointer};
use crate::strict::parse;
use crate::{number, time};
use evlog_format::Seq;
use evlog_format::json::DEPTH_MAX;
use evlog_format::limits::{ACTOR_LEN_MAX, CORRELATION_LEN_MAX, IDEMPOTENCY_KEY_LEN_MAX};
use serde_json::{Map, Value};
use std::sync::OnceLock;

/// The members that every contract shares.
const SHARED: [&str; 9] = ["contract", "run", "do", "id", "at", "actor", "correlation", "causation", "expect"];

/// The members that every contract shares, described. `contract` and `do` are words of the contracts.
pub fn shared_members() -> Vec<MemberForm> {
    vec![
        required("contract", ValueForm::AnyText, "the contract of the run"),
        required("run", ValueForm::RunId, "the run"),
        required("do", ValueForm::AnyText, "the command"),
        optional(
            "id",
            ValueForm::Bytes(IDEMPOTENCY_KEY_LEN_MAX),
            "a key: the same command sent again gets the first answer",
        ),
        optional(
            "at",
            ValueForm::Time,
            "when it occurred; from 1970 to 5 minutes ahead of the clock, unless a policy sets other bounds",
        ),
        optional("actor", ValueForm::Bytes(ACTOR_LEN_MAX), "who acts [default: the principal]"),
        optional(
            "correlation",
            ValueForm::Bytes(CORRELATION_LEN_MAX),
            "ties events of several runs together [default: EVLOG_CORRELATION, else TRACEPARENT]",
        ),
        optional("causation", ValueForm::count(), "the seq of the event that caused it"),
        optional(
            "expect",
            ValueForm::count(),
            "the number of events that the run has; the command is refused if it has another number",
        ),
    ]
}

/// A command that has passed all checks that do not need its contract.
///
/// ```
/// use evlog_projection::Request;
///
/// let begin = Request::json("status", "RUN_1", "transition").member("to", "running").id("k-1").build()?;
/// assert_eq!(begin.run(), "RUN_1");
/// assert!(Request::json("status", "../RUN_1", "transition").build().is_err());
/// # Ok::<(), evlog_projection::Malformed>(())
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    contract: String,
    run: String,
    /// The word of `do`.
    action: String,
    /// The contract's own members.
    members: Map<String, Value>,
    id: Option<String>,
    at: Option<Instant>,
    actor: Option<String>,
    correlation: Option<String>,
    causation: Option<Seq>,
    expect: Option<u64>,
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

/// Makes a [`Request`]. [`build`](RequestBuilder::build) checks what is given.
#[derive(Debug)]
#[must_use = "a builder is no request until `build`"]
pub struct RequestBuilder {
    request: Request,
    at: Option<String>,
    /// The first member that was given more than once.
    twice: Option<String>,
    /// The first member that is a float that JSON cannot represent.
    endless: Option<(String, f64)>,
}

impl Request {
    /// A command in JSON; its members are given to the builder.
    pub fn json(contract: impl Into<String>, run: impl Into<String>, action: impl Into<String>) -> RequestBuilder {
        RequestBuilder::new(contract.into(), run.into(), action.into(), Map::new())
    }

    /// Reads a line of JSON.
    pub fn parse_line(line: &[u8]) -> Result<Request, Malformed> {
        // The line's own number comes with the answer, so only the column is said here.
        let value = parse(line).map_err(|error| {
            // The words of the JSON library for a word that is none of JSON's.
            let said = match error.message.as_str() {
                "expected ident" | "expected value" => "expected a value, and text needs quotes",
                other => other,
            };
            malformed("", format!("not JSON: column {}: {said}", error.column))
        })?;
        match value {
            Value::Object(members) => Request::from_members(members),
            other => Err(malformed("", format!("expected an object, found {}", kind(&other)))),
        }
    }

    /// Reads a command from its members, whose numbers are those that [`number`] takes.
    fn from_members(mut whole: Map<String, Value>) -> Result<Request, Malformed> {
        // A member that is null counts as absent, as in the contracts.
        let shared = SHARED.into_iter().filter_map(|name| whole.remove_entry(name)).collect();
        let mut shared = Members::new(shared);
        let (contract, run, action) = (shared.string("contract")?, shared.string("run")?, shared.string("do")?);
        let mut builder = RequestBuilder::new(contract, run, action, whole);
        let request = &mut builder.request;
        request.id = shared.optional_string("id")?;
        request.actor = shared.optional_string("actor")?;
        request.correlation = shared.optional_string("correlation")?;
        request.causation = shared.optional_count("causation")?.map(Seq);
        request.expect = shared.optional_count("expect")?;
        builder.at = shared.optional_string("at")?;
        builder.checked()
    }

    /// The contract's name.
    pub fn contract(&self) -> &str {
        &self.contract
    }

    /// The run that it is about.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Its idempotency key.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// When it happened; if absent, when it is recorded.
    pub fn at(&self) -> Option<&Instant> {
        self.at.as_ref()
    }

    /// Who asks; if absent, the session's default.
    pub fn actor(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    /// What ties it to other commands, even of other runs; if absent, the session's default.
    pub fn correlation(&self) -> Option<&str> {
        self.correlation.as_deref()
    }

    /// Seq of the earlier event that caused it.
    pub fn causation(&self) -> Option<Seq> {
        self.causation
    }

    /// How many events the run must have now; if it has another number, the command is refused.
    pub fn expect(&self) -> Option<u64> {
        self.expect
    }

    /// The word of `do`, and the contract's own members.
    pub(crate) fn asked(&self) -> (&str, &Map<String, Value>) {
        (&self.action, &self.members)
    }

    /// BLAKE3 of the command in canonical form, without `id` and `correlation`. A second delivery must have the same digest.
    /// It may belong to another request, so the correlation is left out. Computed when it is first needed.
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

impl RequestBuilder {
    fn new(contract: String, run: String, action: String, members: Map<String, Value>) -> RequestBuilder {
        let request = Request {
            contract,
            run,
            action,
            members,
            id: None,
            at: None,
            actor: None,
            correlation: None,
            causation: None,
            expect: None,
            content: OnceLock::new(),
        };
        RequestBuilder { request, at: None, twice: None, endless: None }
    }

    /// Gives a member. Each can be given only once, even if a contract's function gave it. A float that is not finite is
    /// refused.
    pub fn member(mut self, name: impl Into<String>, value: impl Into<Given>) -> RequestBuilder {
        match (name.into(), value.into()) {
            (name, Given(Ok(value))) => self.members([(name, value)]),
            (name, Given(Err(float))) => {
                self.endless.get_or_insert((name, float));
                self
            }
        }
    }

    /// Gives several members.
    pub fn members(mut self, given: impl IntoIterator<Item = (String, Value)>) -> RequestBuilder {
        for (name, value) in given {
            if self.request.members.insert(name.clone(), value).is_some() {
                self.twice.get_or_insert(name);
            }
        }
        self
    }

    /// The idempotency key. A command that is given again under the same key is recorded once, and gets the first answer
    /// again.
    pub fn id(mut self, id: impl Into<String>) -> RequestBuilder {
        self.request.id = Some(id.into());
        self
    }

    /// When it happened: UTC, RFC 3339, such as `2026-02-23T18:00:00Z`.
    pub fn at(mut self, at: impl Into<String>) -> RequestBuilder {
        self.at = Some(at.into());
        self
    }

    /// The actor.
    pub fn actor(mut self, actor: impl Into<String>) -> RequestBuilder {
        self.request.actor = Some(actor.into());
        self
    }

    /// The string that ties it to other commands.
    pub fn correlation(mut self, correlation: impl Into<String>) -> RequestBuilder {
        self.request.correlation = Some(correlation.into());
        self
    }

    /// The earlier event that caused it.
    pub fn causation(mut self, cause: Seq) -> RequestBuilder {
        self.request.causation = Some(cause);
        self
    }

    /// How many events the run must have now; if it has another number, the command is refused.
    pub fn expect(mut self, events: u64) -> RequestBuilder {
        self.request.expect = Some(events);
        self
    }

    /// Checks what was given.
    pub fn build(mut self) -> Result<Request, Malformed> {
        if let Some(twice) = self.twice.take() {
            return Err(malformed(pointer("", twice), "expected a member to be given once, found it given again"));
        }
        if let Some((name, float)) = self.endless.take() {
            return Err(malformed(pointer("", name), format!("expected a number that JSON can state, found {float}")));
        }
        let members = &mut self.request.members;
        if let Some(shared) = SHARED.into_iter().find(|name| members.contains_key(*name)) {
            return Err(malformed(
                pointer("", shared),
                "expected a member of the contract itself, found one that every contract has",
            ));
        }
        for (key, value) in members {
            if !is_within(value, DEPTH_MAX - 1) {
                return Err(malformed(
                    pointer("", key),
                    format!("expected at most {DEPTH_MAX} levels of nesting, found more"),
                ));
            }
            number::settle(value).map_err(|message| malformed(pointer("", key), message))?;
        }
        self.checked()
    }

    fn checked(self) -> Result<Request, Malformed> {
        let mut request = self.request;
        check_run_id(&request.run).map_err(|message| malformed("/run", message))?;
        check_text("/id", request.id(), IDEMPOTENCY_KEY_LEN_MAX)?;
        check_text("/actor", request.actor(), ACTOR_LEN_MAX)?;
        check_text("/correlation", request.correlation(), CORRELATION_LEN_MAX)?;
        request.at = self.at.map(instant).transpose()?;
        if request.id.is_some() {
            // It is needed later, under the lock of the session. Computing it here delays no other thread.
            request.content();
        }
        Ok(request)
    }
}

/// Whether lists and objects are nested in at most `levels` levels. It is not recursive, because a value that a program made
/// can be too deep for the stack.
fn is_within(value: &Value, levels: usize) -> bool {
    let is_container = |value: &&Value| value.is_array() || value.is_object();
    let mut level: Vec<&Value> = Some(value).into_iter().filter(is_container).collect();
    for _ in 0..levels {
        let below = level.iter().flat_map(|value| match value {
            Value::Object(members) => members.values().filter(is_container).collect::<Vec<_>>(),
            other => other.as_array().into_iter().flatten().filter(is_container).collect(),
        });
        level = below.collect();
        if level.is_empty() {
            return true;
        }
    }
    level.is_empty()
}

fn instant(text: String) -> Result<Instant, Malformed> {
    let time_ns = time::from_rfc3339(&text).map_err(|message| malformed("/at", message))?;
    Ok(Instant { text, time_ns })
}

/// Checks a string of a commit's head, if it is given: not empty, of at most `max` bytes, without control characters.
pub fn check_text(pointer: &str, given: Option<&str>, max: u64) -> Result<(), Malformed> {
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

#[cfg(test)]
mod tests;
