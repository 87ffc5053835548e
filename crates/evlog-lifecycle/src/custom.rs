//! The contract `custom`: events of the user's own kinds, recorded in order and nothing more.
//!
//! Does: take a kind that begins with `custom/` and any JSON, count the events, and project the counts.
//! Does not: judge what the events mean. A run of this contract never ends.
//!
//! Invariants:
//! - A payload is JSON text in RFC 8785 form.
//! - A run has events of custom kinds only.

use crate::members::{Members, malformed, quoted, unknown_command};
use crate::projected::{self, file};
use evlog_format::json::check_canonical;
use evlog_format::limits::{KIND_NAME_LEN_MAX, PAYLOAD_LEN_MAX};
use evlog_format::{Kind, KindBuf};
use evlog_projection::described::{CommandForm, ValueForm, optional, required};
use evlog_projection::time::to_rfc3339;
use evlog_projection::{
    Asked, Cause, Contract, ContractError, Decision, Fact, File, FoldError, Given, Malformed, NewEvent, Outcome,
    Projection, Request, RequestBuilder, RunHead, Target, canonical, parse,
};
use serde_json::{Map, Value, json};

/// The kind version that evlog writes for every custom event. It says nothing about the payload. Users who change the meaning
/// of their payloads put a version of their own into `data`.
const PAYLOAD_VERSION: u16 = 1;

const RUN: Projection = Projection::new("custom.run", 1);
const MANIFEST: Projection = Projection::new("custom.manifest", 1);
const HEALTH: Projection = Projection::new("custom.health", 1);
const PROJECTIONS: [Projection; 3] = [RUN, MANIFEST, HEALTH];

/// The most characters of a kind that are read. Its syntax has a stricter bound.
const KIND_CHARS_MAX: usize = 200;

/// The only status.
const OPEN: &str = "open";

/// The contract `custom`: it records events of the user's own kinds, and has no rules about them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Custom;

/// A run of contract `custom`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    events: u64,
    created_ns: i128,
    first_kind: Box<str>,
    last_kind: Box<str>,
}

/// A command of contract `custom`: record this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    kind: String,
    /// RFC 8785 text.
    data: Vec<u8>,
}

/// What is wrong with a custom kind's name, if anything.
fn flaw(kind: &str) -> Option<String> {
    let name = kind.strip_prefix("custom/").unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
    if !name.is_empty() && name.bytes().all(plain) && kind.len() as u64 <= KIND_NAME_LEN_MAX {
        return None;
    }
    let found = quoted(kind);
    Some(format!(
        "expected `custom/` and letters, digits, `.`, `_`, `-` or `/`, at most {KIND_NAME_LEN_MAX} bytes, found `{found}`"
    ))
}

/// The command, described.
pub(crate) fn commands() -> Vec<CommandForm> {
    let kind = format!("`custom/` and letters, digits, `.`, `_`, `-` or `/`; at most {KIND_NAME_LEN_MAX} bytes");
    let data = format!("any JSON of at most {PAYLOAD_LEN_MAX} bytes");
    let members = vec![
        required("kind", ValueForm::Other(kind, r#""custom/paid""#), "what happened"),
        optional("data", ValueForm::Other(data, "{}"), "more about it [default: null]"),
    ];
    vec![CommandForm { word: "record", meaning: "Record an event.", members }]
}

impl Custom {
    /// The command that records an event. Its kind begins with `custom/`.
    pub fn record(run: impl Into<String>, kind: impl Into<String>, data: impl Into<Given>) -> RequestBuilder {
        Request::json("custom", run, "record").member("kind", kind.into()).member("data", data)
    }
}

impl Contract for Custom {
    type State = State;
    type Command = Command;

    fn name(&self) -> &'static str {
        "custom"
    }

    fn begins_with(&self, kind: Kind<'_>) -> bool {
        matches!(kind, Kind::Custom(_))
    }

    fn parse(&self, action: &str, members: Map<String, Value>) -> Result<Command, Malformed> {
        if action != "record" {
            return Err(unknown_command(action, &commands()));
        }
        let mut members = Members::new(members);
        let kind = members.needed("kind", 1, KIND_CHARS_MAX)?;
        if let Some(message) = flaw(&kind) {
            return Err(malformed("/kind", message));
        }
        let data = canonical(&members.take("data").unwrap_or(Value::Null));
        members.end(action)?;
        if data.len() as u64 > PAYLOAD_LEN_MAX {
            let message = format!("expected at most {PAYLOAD_LEN_MAX} bytes, found {}", data.len());
            return Err(malformed("/data", message));
        }
        Ok(Command { kind, data })
    }

    fn decide(&self, _: &Asked<'_, State>, command: &Command) -> Decision {
        Decision::accepted(vec![NewEvent {
            target: Target::Run,
            kind: KindBuf::Custom(command.kind.clone()),
            kind_version: PAYLOAD_VERSION,
            cause: Cause::Command,
            payload: command.data.clone(),
        }])
    }

    fn start(&self, fact: &Fact<'_>) -> Result<State, FoldError> {
        let kind = check(fact)?;
        Ok(State { events: 1, created_ns: fact.head.time_ns(), first_kind: kind.into(), last_kind: kind.into() })
    }

    // The state does not depend on the payload. The payload is still checked, because what is folded must be possible to show.
    fn evolve(&self, state: &mut State, fact: &Fact<'_>) -> Result<(), FoldError> {
        let kind = check(fact)?;
        state.events += 1;
        if *state.last_kind != *kind {
            state.last_kind = kind.into();
        }
        Ok(())
    }

    fn answer(&self, _: &Fact<'_>) -> Option<(Outcome, ContractError)> {
        None
    }

    fn status<'a>(&self, _: &'a State) -> &'a str {
        OPEN
    }

    fn is_terminal(&self, _: &State) -> bool {
        false
    }

    fn audit_line(&self, _: Option<&State>, fact: &Fact<'_>, _: &State) -> Result<Value, FoldError> {
        check(fact)?;
        Ok(projected::audit_line(fact, json!({"data": data(fact)?})))
    }

    fn projections(&self) -> &'static [Projection] {
        &PROJECTIONS
    }

    fn project(&self, state: &State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
        let health = json!({
            "contract": "custom",
            "run_id": head.run,
            "status": OPEN,
            "terminal": false,
            "events": state.events,
            "last_kind": state.last_kind,
            "last_seq": head.last_seq.0,
            "updated_at_utc": to_rfc3339(head.last_time_ns),
        });
        let manifest = json!({
            "contract": "custom",
            "run_id": head.run,
            "status": OPEN,
            "created_at_utc": to_rfc3339(state.created_ns),
            "first_kind": state.first_kind,
        });
        let mut run = health.clone();
        run["created_at_utc"] = to_rfc3339(state.created_ns).into();
        run["first_kind"] = (&*state.first_kind).into();
        run["first_seq"] = head.first_seq.0.into();
        Ok(vec![
            file("run.json", RUN, &run),
            file("manifest.json", MANIFEST, &manifest),
            file("logs/health.json", HEALTH, &health),
        ])
    }
}

/// The kind of a committed event, if the event is one of this contract.
fn check<'a>(fact: &Fact<'a>) -> Result<&'a str, FoldError> {
    let Kind::Custom(kind) = fact.event.kind else {
        let found = fact.event.kind;
        return Err(FoldError::new(fact, format!("expected an event of a custom kind, found `{found}`")));
    };
    if let Some(message) = flaw(kind) {
        return Err(FoldError::new(fact, message));
    }
    if fact.event.kind_version != PAYLOAD_VERSION {
        let found = fact.event.kind_version;
        return Err(FoldError::new(fact, format!("`{kind}`: expected version {PAYLOAD_VERSION}, found {found}")));
    }
    check_canonical(fact.event.payload).map_err(|flaw| {
        let found = String::from_utf8_lossy(fact.event.payload);
        FoldError::new(fact, format!("expected a payload in RFC 8785 form, found `{}`: {flaw}", quoted(&found)))
    })?;
    Ok(kind)
}

/// The payload as JSON. It was checked before.
fn data(fact: &Fact<'_>) -> Result<Value, FoldError> {
    parse(fact.event.payload)
        .map_err(|error| FoldError::new(fact, format!("expected JSON as payload, found otherwise: {error}")))
}

#[cfg(test)]
mod tests;
