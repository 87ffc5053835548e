//! What the commands of contract `machine` take, as data. `command.rs` reads what is described here.

use super::TOKEN_CHARS_MAX;
use evlog_projection::described::{CommandForm, MemberForm, Need, ValueForm, optional, required};

/// The commands.
pub(crate) fn commands() -> Vec<CommandForm> {
    let lifecycle = || {
        ValueForm::other(
            "the name of a lifecycle from `--contract`, or a definition ([contract files](contracts.md))",
            r#""order""#,
        )
    };
    let data = |meaning| optional("data", ValueForm::other("an object", "{}"), meaning);
    let other_name = MemberForm {
        name: "machine",
        need: Need::OtherNameOf("lifecycle"),
        value: lifecycle(),
        meaning: "the lifecycle of the run",
    };
    let to = ValueForm::Other(
        format!("a status of the lifecycle; text of at most {TOKEN_CHARS_MAX} characters"),
        r#""paid""#,
    );
    let transition = vec![
        required("to", to, "the status that the run goes to"),
        optional("reason_code", ValueForm::Text(1, TOKEN_CHARS_MAX), "why; required if the lifecycle says so"),
        data("what the status requires, and more"),
    ];
    vec![
        CommandForm {
            word: "create",
            meaning: "Begin a run.",
            members: vec![
                required("lifecycle", lifecycle(), "the lifecycle of the run"),
                other_name,
                data("what the initial status requires, and more"),
            ],
        },
        CommandForm { word: "transition", meaning: "Go to another status.", members: transition },
    ]
}
