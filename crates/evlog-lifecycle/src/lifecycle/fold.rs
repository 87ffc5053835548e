//! How one more event changes the state of a run.
//!
//! Does: fold events, and refuse those that the definition forbids. Does not: react. A forced transition is folded because it
//! was committed, never because it should have been.
//!
//! Invariants:
//! - The fold refuses an event by the same [`rules`](super::rules) that refuse a command.
//! - A status changes only by an event that names the status before and after it. A terminal status never changes.

use super::definition::{Definition, Undefined};
use super::payload::{Created, Forced, Payload, Rejected, Transitioned};
use super::rules::{self, Entry};
use super::state::{Counts, Owed, Pinned, State};
use crate::fields::{Flaws, Origin};
use evlog_format::ids::hex;
use evlog_projection::{Fact, FoldError, canonical};
use evlog_rules::rules::Enforced;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The definition that a run was created with, read from its first event.
fn pinned(created: &Created) -> Result<Definition, String> {
    let value =
        evlog_projection::parse(created.definition_text.as_bytes()).map_err(|error| format!("definition: {error}"))?;
    let flaws = Flaws::default();
    let Some(definition) = super::read(value, "", Origin::BuiltIn, &flaws) else {
        let flaw = flaws.into_first().map_or_else(String::new, |flaw| format!("{}: {}", flaw.pointer, flaw.message));
        return Err(format!("definition: {flaw}"));
    };
    if definition.text() != created.definition_text || definition.name() != created.machine {
        return Err(format!("definition: expected the canonical text of `{}`, found another", created.machine));
    }
    if definition.digest() != created.definition {
        let (expected, found) = (hex(&created.definition), hex(&definition.digest()));
        return Err(format!("definition: expected the one with BLAKE3 {expected}, found {found}"));
    }
    Ok(definition)
}

/// `data` of an event: canonical JSON text of an object.
fn data(text: &str) -> Result<Map<String, Value>, String> {
    match evlog_projection::parse(text.as_bytes()) {
        Ok(value @ Value::Object(_)) if canonical(&value) == text.as_bytes() => Ok(crate::members::object(value)),
        Ok(_) => Err("data: expected an object in canonical JSON, found something else".to_owned()),
        Err(error) => Err(format!("data: {error}")),
    }
}

/// The state after a run's first event.
pub(super) fn start(fact: &Fact<'_>) -> Result<State, FoldError> {
    let wrong = |message: String| FoldError::new(fact, message);
    let Payload::Created(created) = Payload::decode(&fact.event).map_err(wrong)? else {
        return Err(wrong(format!("expected `machine.created`, found `{}`", fact.event.kind)));
    };
    let definition = Arc::new(pinned(&created).map_err(wrong)?);
    let data = data(&created.data).map_err(wrong)?;
    let initial = definition.initial();
    rules::data(&definition, initial, &data).map_err(|refusal| wrong(refusal.message))?;
    let mut state = State {
        entered: vec![None; definition.statuses().len()],
        pinned: Arc::new(Pinned { definition, time_ns: fact.head.time_ns() }),
        status: initial,
        counts: Counts::default(),
        owed: None,
        ended_ns: None,
        enforced: Enforced::default(),
    };
    state.enforced = crate::enforce(&state.enforced, state.definition().rules(), fact)?;
    state.enter(initial, fact, None, data);
    Ok(state)
}

/// The state after one more event. On an error the state is as it was.
pub(super) fn evolve(state: &mut State, fact: &Fact<'_>) -> Result<(), FoldError> {
    let payload = Payload::decode(&fact.event).map_err(|message| FoldError::new(fact, message))?;
    let enforced = crate::enforce(&state.enforced, state.definition().rules(), fact)?;
    apply(state, fact, payload).map_err(|message| FoldError::new(fact, message))?;
    state.enforced = enforced;
    Ok(())
}

fn apply(state: &mut State, fact: &Fact<'_>, payload: Payload) -> Result<(), String> {
    if let Some(owed) = &state.owed {
        check_owed(owed, fact, &payload)?;
    }
    match payload {
        Payload::Created(_) => Err("expected an event of a run that exists, found `machine.created`".to_owned()),
        Payload::Refused(_) => {
            state.counts.refusals += 1;
            Ok(())
        }
        Payload::Transitioned(event) => transitioned(state, fact, event),
        Payload::Rejected(event) => rejected(state, fact, &event),
        Payload::Forced(event) => forced(state, fact, event),
    }
}

/// An owed event must be the very next one, in the same commit, and must name its cause.
fn check_owed(owed: &Owed, fact: &Fact<'_>, payload: &Payload) -> Result<(), String> {
    let as_owed = matches!(payload, Payload::Forced(event) if *event == owed.event);
    if as_owed && fact.head.first_seq == owed.commit && fact.event.causation == Some(owed.cause) {
        return Ok(());
    }
    let Owed { cause, commit, event } = owed;
    let causation = fact.event.causation.map_or_else(|| "none".to_owned(), |seq| seq.to_string());
    Err(format!(
        "expected the run to be forced to `{}` in commit {commit}, caused by {cause}; found `{}` in commit {}, caused by \
         {causation}",
        event.to, fact.event.kind, fact.head.first_seq
    ))
}

fn check_from(state: &State, from: &str) -> Result<(), String> {
    if state.status() == from {
        return Ok(());
    }
    Err(format!("expected status `{}` before this event, found `{from}`", state.status()))
}

fn transitioned(state: &mut State, fact: &Fact<'_>, event: Transitioned) -> Result<(), String> {
    check_from(state, &event.from)?;
    let Some(to) = rules::listed(state, &event.to) else {
        return Err(format!("expected a transition that is listed, found `{}` to `{}`", event.from, event.to));
    };
    let data = data(&event.data)?;
    let entry = Entry { to, reason_code: event.reason_code.as_deref(), data: &data };
    rules::entry(state.definition(), &entry).map_err(|refusal| refusal.message)?;
    state.counts.transitions += 1;
    state.enter(to, fact, event.reason_code, data);
    Ok(())
}

fn rejected(state: &mut State, fact: &Fact<'_>, event: &Rejected) -> Result<(), String> {
    check_from(state, &event.from)?;
    if rules::listed(state, &event.requested).is_some() {
        return Err(format!("expected a request that is not listed, found `{}` to `{}`", event.from, event.requested));
    }
    if event.requested.len() > rules::TOKEN_LEN_MAX {
        let (max, found) = (rules::TOKEN_LEN_MAX, event.requested.len());
        return Err(format!("expected a requested status of at most {max} bytes, found {found}"));
    }
    state.counts.rejections += 1;
    state.owed = rules::reaction(state, &event.requested)
        .map(|event| Box::new(Owed { cause: fact.seq, commit: fact.head.first_seq, event }));
    Ok(())
}

fn forced(state: &mut State, fact: &Fact<'_>, event: Forced) -> Result<(), String> {
    let Undefined::Force { to, .. } = *state.definition().undefined() else {
        return Err("expected no forced transition in a lifecycle that forces none, found one".to_owned());
    };
    if state.owed.is_none() {
        return Err("expected a rejection right before, found none".to_owned());
    }
    state.owed = None;
    state.counts.forced += 1;
    state.enter(to, fact, event.reason_code, Map::new());
    Ok(())
}
