//! The rules by which commands and events are both judged (`docs/lifecycle/machine.md`).
//!
//! Does: say whether a status may be entered, with which data and reason code, and what the reaction to any other request is.
//! Does not: change anything, or make events.
//!
//! Invariant: each function is a pure question. `decide` and `evolve` ask the same questions.

use super::definition::{Definition, StatusId, Undefined};
use super::payload::Forced;
use super::state::State;
use crate::members::quoted;
use serde_json::{Map, Value};

/// How much of a requested status is recorded, in bytes.
pub(super) const TOKEN_LEN_MAX: usize = 120;

/// The reason why a command or an event is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: &'static str,
    pub message: String,
}

/// The values with which a status is entered.
pub(super) struct Entry<'a> {
    pub to: StatusId,
    pub reason_code: Option<&'a str>,
    pub data: &'a Map<String, Value>,
}

/// The status of this name, if the run may enter it now: the transition is listed and no order rule forbids it (rules M-02,
/// M-03).
pub(super) fn listed(state: &State, name: &str) -> Option<StatusId> {
    let definition = state.definition();
    let to = definition.find(name).filter(|to| definition.may_become(state.status, *to))?;
    let waits = definition.order().iter().any(|rule| rule.after == to && !state.has_been(rule.before));
    (!waits).then_some(to)
}

/// The status whose name differs only in upper and lower case. `None` if the name is itself a status (rule M-12).
pub(super) fn misspelt<'d>(definition: &'d Definition, name: &str) -> Option<&'d str> {
    if definition.find(name).is_some() {
        return None;
    }
    let mut names = definition.statuses().iter().map(|status| status.name.as_str());
    names.find(|known| known.eq_ignore_ascii_case(name))
}

/// The status that an undefined request forces the run to, if any (rules M-04 to M-06).
pub(super) fn reaction(state: &State, requested: &str) -> Option<Forced> {
    let definition = state.definition();
    let Undefined::Force { to, reason_code } = definition.undefined() else { return None };
    if state.is_terminal() || state.status == *to {
        return None;
    }
    Some(Forced {
        from: state.status().to_owned(),
        to: definition.status(*to).name.clone(),
        reason_code: reason_code.clone(),
        requested: requested.to_owned(),
    })
}

/// Whether a status may be entered with this data and reason code (rules M-07 and M-08).
pub(super) fn entry(definition: &Definition, entry: &Entry<'_>) -> Result<(), Refusal> {
    data(definition, entry.to, entry.data)?;
    let status = definition.status(entry.to);
    let name = &status.name;
    let refuse = |code, message| Err(Refusal { code, message });
    match entry.reason_code {
        None if !status.reason_codes.is_empty() => {
            let known: Vec<&str> = status.reason_codes.keys().map(String::as_str).collect();
            let message =
                format!("`{name}` is entered with a reason code: expected one of {}, found none", known.join(", "));
            refuse("REASON_CODE_REQUIRED", message)
        }
        Some(code) if !status.reason_codes.contains_key(code) && !definition.reason_codes().contains_key(code) => {
            refuse("REASON_CODE_NOT_CATALOGUED", format!("`{}` is not a reason code of `{name}`", quoted(code)))
        }
        _ => Ok(()),
    }
}

/// Whether `data` has what a status requires on entry (rule M-07).
pub(super) fn data(definition: &Definition, to: StatusId, data: &Map<String, Value>) -> Result<(), Refusal> {
    let status = definition.status(to);
    for (member, kind) in &status.required {
        let (name, kind_word) = (&status.name, kind.word());
        match data.get(member) {
            None => {
                let message = format!("`{name}` requires the member `{member}` of data ({kind_word}), found none");
                return Err(Refusal { code: "DATA_REQUIRED", message });
            }
            Some(value) if !kind.takes(value) => {
                let found = quoted(&value.to_string());
                let message = format!("`{name}` requires `{member}` of data as {kind_word}, found {found}");
                return Err(Refusal { code: "DATA_REQUIRED", message });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The sentence about a request that is not listed.
pub(super) fn undefined_message(from: &str, requested: &str) -> String {
    format!("expected a status that `{from}` may become now, found `{}`", quoted(requested))
}
