//! What the commands of contract `status` take, as data. `command.rs` reads what is described here.

use super::{REASON_CHARS_MAX, TICKET_CHARS_MAX, TOKEN_CHARS_MAX};
use crate::status::diagnostic::{CODE_SYNTAX, Category, Severity, TEXT_CHARS_MAX};
use crate::status::payload::Action;
use crate::status::record::{Member, RECORD, Shape, in_words};
use crate::status::transitions::RunStatus;
use evlog_projection::described::{CommandForm, MemberForm, Need, ValueForm, optional, required};

/// The commands, in the order in which an error lists their words.
pub(crate) fn commands() -> Vec<CommandForm> {
    Action::ALL
        .map(|action| CommandForm { word: action.word(), meaning: meaning(action), members: members(action) })
        .into()
}

fn meaning(action: Action) -> &'static str {
    match action {
        Action::Create => "Begin a run. Its status is `created`.",
        Action::Transition => "Go to another status.",
        Action::Retry => "Begin this run as a retry of another run.",
        Action::Override => "Go to another status by break-glass.",
        Action::Cancel => "End the run on purpose, from any live status.",
    }
}

fn members(action: Action) -> Vec<MemberForm> {
    let reason = || ValueForm::Text(1, REASON_CHARS_MAX);
    let ticket = || ValueForm::Text(1, TICKET_CHARS_MAX);
    let target = || {
        let words = format!("a status, such as `running`; text of at most {TOKEN_CHARS_MAX} characters");
        required("to", ValueForm::Other(words, r#""running""#), "the status that the run goes to")
    };
    let mut members = match action {
        Action::Create => {
            let data = RECORD.decisive.iter().chain(&RECORD.descriptive).map(of_record).collect();
            return vec![optional("data", ValueForm::Object(data), "the record of the run")];
        }
        Action::Retry => {
            let data = RECORD.descriptive.iter().filter(|member| !member.pinned).map(of_record).collect();
            return vec![
                required("of", ValueForm::RunId, "the run that is retried; it failed, was denied or timed out"),
                optional("reason", reason(), "why it is retried"),
                optional("approval", ticket(), "who or what allows the retry, if the failure needs an approval"),
                optional("data", ValueForm::Object(data), "members that replace those of the other run's record"),
            ];
        }
        Action::Transition => vec![target(), optional("reason", reason(), "why the status changes")],
        Action::Override => vec![
            target(),
            required("ticket", ticket(), "the ticket that allows the break-glass"),
            required("reason", reason(), "why the status is overridden"),
        ],
        Action::Cancel => vec![optional("reason", reason(), "why the run is cancelled")],
    };
    let expected = ValueForm::Word(RunStatus::ALL.map(RunStatus::word).into());
    members.push(optional("diagnostic", diagnostic(), "the cause; needed for `failed`, `denied` and `timeout`"));
    members.push(optional("expect_status", expected, "the status that the run must have, else the command is refused"));
    members
}

/// A diagnostic. One that lacks a member is not malformed but refused, and its refusal is recorded (H10).
fn diagnostic() -> ValueForm {
    let text = || ValueForm::Text(1, TEXT_CHARS_MAX);
    ValueForm::Object(vec![
        required("error_code", ValueForm::other(CODE_SYNTAX, r#""TOOL_TIMEOUT""#), "the failure, for programs"),
        required("category", ValueForm::Word(Category::ALL.map(Category::word).into()), "the kind of failure"),
        required("message", text(), "what happened"),
        required("likely_cause", text(), "why it probably happened"),
        required("suggested_fix", text(), "what to do"),
        required("retryable", ValueForm::Flag, "whether a new run may succeed"),
        required("severity", ValueForm::Word(Severity::ALL.map(Severity::word).into()), "how serious it is"),
    ])
}

fn of_record(member: &'static Member) -> MemberForm {
    let need = if member.needed { Need::Required } else { Need::Optional };
    MemberForm { name: &member.name, need, value: of_shape(&member.shape), meaning: &member.meaning }
}

fn of_shape(shape: &'static Shape) -> ValueForm {
    match shape {
        Shape::Text(min, max) => ValueForm::Text(*min, *max),
        Shape::Word(words) => ValueForm::Word(words.iter().map(String::as_str).collect()),
        Shape::Flag => ValueForm::Flag,
        Shape::Count(max) => ValueForm::Whole(0, i128::from(*max)),
        Shape::Sha256 => ValueForm::Digest,
        Shape::RunId => ValueForm::RunId,
        Shape::ErrorCode => ValueForm::Other(in_words(shape), r#""TOOL_TIMEOUT""#),
        Shape::List(item, max) => ValueForm::List(Box::new(of_shape(item)), Some(*max)),
        Shape::Texts(max) => ValueForm::Named(Box::new(ValueForm::Text(1, 200)), Some(*max)),
        Shape::Object(members) => ValueForm::Object(members.iter().map(of_record).collect()),
    }
}
