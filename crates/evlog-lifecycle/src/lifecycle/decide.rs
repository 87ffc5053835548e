//! Which events a command leads to. Nothing here changes a state; only the fold does.
//!
//! Invariant: a decision's events are one commit. A forced transition is caused by the rejection before it.

use super::Lifecycle;
use super::command::{Chosen, Command, Create, Transition};
use super::definition::Definition;
use super::payload::{Created, Payload, Refused, Rejected, Transitioned};
use super::rules::{self, Entry, Refusal, TOKEN_LEN_MAX, undefined_message};
use super::state::State;
use crate::members::{cut, quoted};
use evlog_projection::{Asked, Cause, Decision, NewEvent, Target, canonical};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The code of requests for a transition that is not listed.
pub(super) const UNDEFINED_TRANSITION: &str = "UNDEFINED_TRANSITION";

/// The longest message of a refusal, in bytes: callers' text is quoted in it.
const MESSAGE_LEN_MAX: usize = 2000;

fn refusal<T>(code: &'static str, message: String) -> Result<T, Refusal> {
    Err(Refusal { code, message })
}

/// Decides a command.
pub(super) fn decide(lifecycle: &Lifecycle, asked: &Asked<'_, State>, command: &Command) -> Decision {
    let (action, decided) = match command {
        Command::Create(create) => ("create", created(lifecycle, asked, create)),
        Command::Transition(request) => ("transition", transition(asked, request)),
    };
    decided.unwrap_or_else(|refusal| refused(asked, action, &refusal))
}

fn event(payload: &Payload, cause: Cause) -> Result<NewEvent, Refusal> {
    match payload.encode() {
        Ok(bytes) => Ok(NewEvent { cause, ..NewEvent::new(payload.kind(), bytes) }),
        Err(error) => refusal("TOO_LARGE", error.to_string()),
    }
}

/// A refusal is an event of the run, or of `$log` if there is no such run.
fn refused(asked: &Asked<'_, State>, action: &str, refusal: &Refusal) -> Decision {
    let message = cut(&refusal.message, MESSAGE_LEN_MAX).to_owned();
    let (action, code) = (action.to_owned(), refusal.code.to_owned());
    let record = Payload::Refused(Refused { action, code, message: message.clone() });
    let target = if asked.state.is_some() { Target::Run } else { Target::Log };
    let bytes = record.encode().unwrap_or_else(|error| unreachable!("its texts are short: {error}"));
    Decision::refused(vec![NewEvent { target, ..NewEvent::new(record.kind(), bytes) }], refusal.code, message)
}

fn text(data: &Map<String, Value>) -> String {
    let bytes = canonical(&Value::Object(data.clone()));
    String::from_utf8(bytes).unwrap_or_else(|_| unreachable!("JSON is UTF-8"))
}

fn created(lifecycle: &Lifecycle, asked: &Asked<'_, State>, create: &Create) -> Result<Decision, Refusal> {
    if let Some(state) = asked.state {
        return refusal("RUN_EXISTS", format!("expected a new run, found run `{}` as `{}`", asked.run, state.status()));
    }
    let definition = chosen(lifecycle, &create.lifecycle)?;
    rules::data(&definition, definition.initial(), &create.data)?;
    let payload = Payload::Created(Created {
        machine: definition.name().to_owned(),
        definition: definition.digest(),
        definition_text: definition.text().to_owned(),
        data: text(&create.data),
    });
    Ok(Decision::accepted(vec![event(&payload, Cause::Command)?]))
}

fn chosen(lifecycle: &Lifecycle, chosen: &Chosen) -> Result<Arc<Definition>, Refusal> {
    let name = match chosen {
        Chosen::Brought(definition) => return Ok(Arc::clone(definition)),
        Chosen::Named(name) => name,
    };
    lifecycle.known.get(name).cloned().map_or_else(
        || {
            let known: Vec<&str> = lifecycle.known.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none is".to_owned() } else { format!("known: {}", known.join(", ")) };
            let message = format!(
                "expected the name of a lifecycle that was brought (`submit --contract FILE`; {known}), or a definition, \
                 found `{}`",
                quoted(name)
            );
            refusal("UNKNOWN_MACHINE", message)
        },
        Ok,
    )
}

fn transition(asked: &Asked<'_, State>, request: &Transition) -> Result<Decision, Refusal> {
    let Some(state) = asked.state else {
        return refusal("UNKNOWN_RUN", format!("there is no run `{}`; create it first", asked.run));
    };
    if let Some(known) = rules::misspelt(state.definition(), &request.to) {
        let message = format!("expected `{known}`, found `{}`: capitals count", quoted(&request.to));
        return refusal("STATUS_MISSPELT", message);
    }
    let Some(to) = rules::listed(state, &request.to) else {
        return reject(state, &request.to);
    };
    let entry = Entry { to, reason_code: request.reason_code.as_deref(), data: &request.data };
    rules::entry(state.definition(), &entry)?;
    let payload = Payload::Transitioned(Transitioned {
        from: state.status().to_owned(),
        to: request.to.clone(),
        reason_code: request.reason_code.clone(),
        data: text(&request.data),
    });
    Ok(Decision::accepted(vec![event(&payload, Cause::Command)?]))
}

/// A request that is not listed is recorded, together with the reaction of the definition (rules M-04 to M-06).
fn reject(state: &State, to: &str) -> Result<Decision, Refusal> {
    let requested = cut(to, TOKEN_LEN_MAX).to_owned();
    let forced = rules::reaction(state, &requested);
    let from = state.status().to_owned();
    let message = undefined_message(&from, &requested);
    let mut events = vec![event(&Payload::Rejected(Rejected { from, requested }), Cause::Command)?];
    if let Some(forced) = forced {
        events.push(event(&Payload::Forced(forced), Cause::Decided(0))?);
    }
    Ok(Decision::rejected(events, UNDEFINED_TRANSITION, message))
}
