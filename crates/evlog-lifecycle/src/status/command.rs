//! What a caller may ask of a run, and how that is read from a command's members.
//!
//! A command that cannot be read is malformed. It is not an attempt, and nothing is recorded (status.md 1.3 step 1).
//! An invalid diagnostic is the exception: it is kept as offered, because its refusal is audited (H10).

mod described;

pub(crate) use described::commands;

use super::diagnostic::Diagnostic;
use super::payload::{Action, OFFERED_LEN_MAX};
use super::record::Data;
use super::transitions::RunStatus;
use crate::members::{Members, malformed, pointer, quoted, unknown_command};
use evlog_projection::nearest::one_of;
use evlog_projection::{Malformed, canonical};
use serde_json::{Map, Value};

/// The longest reason, in characters (status.md 4.1, `outcome_reason`).
pub(crate) const REASON_CHARS_MAX: usize = 200;
/// The longest ticket or approval, in characters.
pub(crate) const TICKET_CHARS_MAX: usize = 120;
/// The longest status token that is accepted, in characters. Only its beginning is recorded (H5).
pub(crate) const TOKEN_CHARS_MAX: usize = 4096;

/// A command of contract `status`.
#[derive(Clone, Debug)]
pub enum Command {
    /// Begin a run.
    Create(Box<Create>),
    /// Begin a run that repeats another.
    Retry(Box<Again>),
    /// Go to another status: by `transition`, `override` or `cancel`.
    Move(Move),
}

/// The members of `create`.
#[derive(Clone, Debug)]
pub struct Create {
    pub(crate) data: Data,
    /// The parent that `data` names.
    pub(crate) parent: Option<String>,
}

/// The members of `retry`.
#[derive(Clone, Debug)]
pub struct Again {
    /// The run to repeat.
    pub(crate) of: String,
    pub(crate) reason: Option<String>,
    pub(crate) approval: Option<String>,
    pub(crate) data: Data,
}

/// What a request for a transition gives.
#[derive(Clone, Debug)]
pub struct Move {
    pub(crate) action: Action,
    /// The status token, as given.
    pub(crate) to: String,
    pub(crate) offered: Offered,
    pub(crate) reason: Option<String>,
    pub(crate) ticket: Option<String>,
    pub(crate) expect_status: Option<RunStatus>,
}

/// A diagnostic as the caller gave it.
#[derive(Clone, Debug)]
pub(crate) enum Offered {
    Nothing,
    /// It has the form of a diagnostic. Whether its code is known depends on the run.
    Shaped(Box<Diagnostic>),
    /// Not a diagnostic: its text in RFC 8785 form, and the reason.
    Misshapen {
        text: String,
        why: String,
    },
}

impl Offered {
    fn read(value: Option<Value>) -> Result<Offered, Malformed> {
        let Some(value) = value else {
            return Ok(Offered::Nothing);
        };
        match Diagnostic::shaped(&value) {
            Ok(diagnostic) => Ok(Offered::Shaped(Box::new(diagnostic))),
            Err(why) => match text(&value) {
                text if text.len() <= OFFERED_LEN_MAX => Ok(Offered::Misshapen { text, why }),
                text => {
                    let found = text.len();
                    let message = format!("expected at most {OFFERED_LEN_MAX} bytes, found {found}");
                    Err(malformed("/diagnostic", message))
                }
            },
        }
    }

    /// The text that is recorded with a rejection or a refusal.
    pub(crate) fn recorded(&self) -> Option<String> {
        match self {
            Offered::Nothing => None,
            Offered::Shaped(diagnostic) => Some(text(&diagnostic.to_json())),
            Offered::Misshapen { text, .. } => Some(text.clone()),
        }
    }
}

fn text(value: &Value) -> String {
    String::from_utf8(canonical(value)).unwrap_or_else(|error| unreachable!("canonical JSON is UTF-8: {error}"))
}

impl Command {
    /// Reads the members of the action.
    pub(crate) fn parse(action: &str, members: Map<String, Value>) -> Result<Command, Malformed> {
        let mut members = Members::new(members);
        let command = match Action::from_word(action) {
            Some(Action::Create) => Command::create(&mut members)?,
            Some(Action::Retry) => Command::retry(&mut members)?,
            Some(Action::Transition) => Command::transition(&mut members)?,
            Some(Action::Override) => Command::overriding(&mut members)?,
            Some(Action::Cancel) => Command::cancel(&mut members)?,
            None => return Err(unknown_command(action, &commands())),
        };
        members.end(action)?;
        Ok(command)
    }

    /// Another run whose state the decision needs: the parent, or the run to repeat.
    pub(crate) fn reads(&self) -> Option<&str> {
        match self {
            Command::Create(create) => create.parent.as_deref(),
            Command::Retry(again) => Some(&again.of),
            Command::Move(_) => None,
        }
    }

    fn create(members: &mut Members) -> Result<Command, Malformed> {
        let data = Data::of_create(members.object("data")?.unwrap_or_default())?;
        let parent = data.text("parent_run_id");
        Ok(Command::Create(Box::new(Create { data, parent })))
    }

    fn retry(members: &mut Members) -> Result<Command, Malformed> {
        Ok(Command::Retry(Box::new(Again {
            of: members.run_id("of")?,
            reason: members.text("reason", 1, REASON_CHARS_MAX)?,
            approval: members.text("approval", 1, TICKET_CHARS_MAX)?,
            data: Data::of_retry(members.object("data")?.unwrap_or_default())?,
        })))
    }

    fn transition(members: &mut Members) -> Result<Command, Malformed> {
        Ok(Command::Move(Move {
            action: Action::Transition,
            to: target(members)?,
            offered: Offered::read(members.take("diagnostic"))?,
            reason: members.text("reason", 1, REASON_CHARS_MAX)?,
            ticket: None,
            expect_status: expect_status(members)?,
        }))
    }

    fn overriding(members: &mut Members) -> Result<Command, Malformed> {
        Ok(Command::Move(Move {
            action: Action::Override,
            to: target(members)?,
            ticket: Some(members.needed("ticket", 1, TICKET_CHARS_MAX)?),
            reason: Some(members.needed("reason", 1, REASON_CHARS_MAX)?),
            offered: Offered::read(members.take("diagnostic"))?,
            expect_status: expect_status(members)?,
        }))
    }

    fn cancel(members: &mut Members) -> Result<Command, Malformed> {
        Ok(Command::Move(Move {
            action: Action::Cancel,
            to: RunStatus::Canceled.word().to_owned(),
            offered: Offered::read(members.take("diagnostic"))?,
            reason: members.text("reason", 1, REASON_CHARS_MAX)?,
            ticket: None,
            expect_status: expect_status(members)?,
        }))
    }
}

/// The status token. A token that differs from a status only in upper and lower case is a typing error. It is refused as
/// malformed, so that it does not force a run to `failed` (H5).
fn target(members: &mut Members) -> Result<String, Malformed> {
    let token: String = members.needed("to", 0, TOKEN_CHARS_MAX)?;
    let same = |status: &RunStatus| status.word().eq_ignore_ascii_case(&token) && status.word() != token;
    match RunStatus::ALL.into_iter().find(same) {
        None => Ok(token),
        Some(status) => {
            let message =
                format!("expected `{}`, found `{}`: statuses have no capitals", status.word(), quoted(&token));
            Err(malformed(pointer("", "to"), message))
        }
    }
}

fn expect_status(members: &mut Members) -> Result<Option<RunStatus>, Malformed> {
    let name = "expect_status";
    let Some(token) = members.text(name, 0, TOKEN_CHARS_MAX)? else {
        return Ok(None);
    };
    RunStatus::from_word(&token)
        .map(Some)
        .ok_or_else(|| malformed(pointer("", name), one_of(&RunStatus::ALL.map(RunStatus::word), &token)))
}
