//! The contract's commands, read from the members of a line.
//!
//! Invariant: a command that was read holds values of the right types, and a definition without flaws.

mod described;

pub(crate) use described::commands;

use super::definition::Definition;
use crate::fields::{Flaws, Origin};
use crate::members::{Members, kind, malformed, unknown_command};
use evlog_projection::Malformed;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The longest status that is accepted, in characters. Only its beginning is recorded.
pub(super) const TOKEN_CHARS_MAX: usize = 4096;

/// A command, parsed.
#[derive(Clone, Debug)]
pub enum Command {
    /// Begin a run.
    Create(Create),
    /// Go to another status.
    Transition(Transition),
}

/// The members of `create`.
#[derive(Clone, Debug)]
pub struct Create {
    pub(super) lifecycle: Chosen,
    pub(super) data: Map<String, Value>,
}

/// The members of `transition`.
#[derive(Clone, Debug)]
pub struct Transition {
    pub(super) to: String,
    pub(super) reason_code: Option<String>,
    pub(super) data: Map<String, Value>,
}

/// The lifecycle of a new run.
#[derive(Clone, Debug)]
pub(super) enum Chosen {
    Named(String),
    Brought(Arc<Definition>),
}

pub(super) fn parse(action: &str, members: Map<String, Value>) -> Result<Command, Malformed> {
    let mut members = Members::new(members);
    let command = match action {
        "create" => Command::Create(Create { lifecycle: lifecycle(&mut members)?, data: data(&mut members)? }),
        "transition" => Command::Transition(Transition {
            to: members.needed("to", 0, TOKEN_CHARS_MAX)?,
            reason_code: members.text("reason_code", 1, TOKEN_CHARS_MAX)?,
            data: data(&mut members)?,
        }),
        other => return Err(unknown_command(other, &commands())),
    };
    members.end(action)?;
    Ok(command)
}

fn data(members: &mut Members) -> Result<Map<String, Value>, Malformed> {
    Ok(members.object("data")?.unwrap_or_default())
}

/// A name, or a definition in its place. The member has two names, because the contract has two names.
fn lifecycle(members: &mut Members) -> Result<Chosen, Malformed> {
    let (pointer, given) = match (members.take("lifecycle"), members.take("machine")) {
        (given, None) => ("/lifecycle", given),
        (None, given) => ("/machine", given),
        (Some(_), Some(_)) => {
            return Err(malformed(
                "/machine",
                "expected either `lifecycle` or `machine`, which mean the same, found both",
            ));
        }
    };
    match given {
        Some(Value::String(name)) => Ok(Chosen::Named(name)),
        Some(value @ Value::Object(_)) => {
            let flaws = Flaws::default();
            match super::read(value, pointer, Origin::Brought, &flaws) {
                Some(definition) => Ok(Chosen::Brought(Arc::new(definition))),
                None => Err(flaws.into_first().map_or_else(
                    || unreachable!("what is not made has a flaw"),
                    |flaw| malformed(flaw.pointer, flaw.message),
                )),
            }
        }
        Some(other) => Err(malformed(pointer, format!("expected a name or a definition, found {}", kind(&other)))),
        None => Err(malformed("", "`lifecycle` is missing: the name of a lifecycle, or its definition")),
    }
}
