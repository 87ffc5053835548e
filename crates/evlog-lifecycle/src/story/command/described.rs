//! What the commands of contract `story` take, as data. `command.rs` reads what is described here.

use super::{ID_CHARS_MAX, NOTE_CHARS_MAX, OUTPUT_LEN_MAX, STOP_OUTCOMES, STORY_LEN_MAX, TOKEN_CHARS_MAX};
use crate::story::definition::STEP_NAME_LEN_MAX;
use crate::story::failure::{CODE_LEN_MAX, ErrorType, MESSAGE_LEN_MAX};
use crate::story::payload::{Action, CancelMode, GateState, Mode};
use crate::story::reasons::REASON_CHARS_MAX;
use crate::story::retry::ExitClass;
use evlog_projection::described::{COUNT_MAX, CommandForm, MemberForm, Need, ValueForm, optional, required};

/// The commands, in the order in which an error lists their words.
pub(crate) fn commands() -> Vec<CommandForm> {
    Action::ALL
        .map(|action| CommandForm { word: action.word(), meaning: meaning(action), members: members(action) })
        .into()
}

fn meaning(action: Action) -> &'static str {
    match action {
        Action::Create => "Begin a run, in phase `Pending`.",
        Action::Start => "Start the run.",
        Action::Step => "Report the phase or the result of a step.",
        Action::Transition => {
            "In an observed run: report a phase of the run. In a decided run: pause it (`Paused`, `Blocked`, `Scheduling`) or \
             continue it (`Running`)."
        }
        Action::Tick => "State the current time, in `at`, so that timers and deadlines take effect.",
        Action::Gate => "Decide a gate.",
        Action::Evaluate => "Give the answer to an expression that evlog cannot evaluate.",
        Action::Cancel => "End the run before its work is done.",
        Action::Stop => "End the run with an outcome.",
        Action::Terminate => "Report that the stream of a realtime story has ended.",
        Action::Redrive => "Begin another epoch: run the whole story again, or a part of it.",
        Action::Child => "Copy the phase of the run that a step executes to the step.",
    }
}

fn members(action: Action) -> Vec<MemberForm> {
    let step = |meaning| required("step", ValueForm::Text(1, STEP_NAME_LEN_MAX), meaning);
    let note = || optional("message", ValueForm::Text(0, NOTE_CHARS_MAX), "a remark, for people");
    match action {
        Action::Create => create(),
        Action::Start | Action::Tick => Vec::new(),
        Action::Step => report(),
        Action::Transition => vec![
            required("to", phase(), "the phase"),
            optional(
                "close_steps",
                ValueForm::Flag,
                "whether steps whose end was not reported end, too [default: false]",
            ),
            optional("output", output(), "the output of the run"),
            optional("reason", reason(), "why, for programs"),
            note(),
        ],
        Action::Gate => {
            let states = ValueForm::Word(GateState::ALL.map(GateState::word).into());
            vec![step("the gate"), required("state", states, "the decision"), note()]
        }
        Action::Evaluate => {
            let result = ValueForm::other("true, false or, for an output, an object", "true");
            vec![
                step("the step whose expression is answered; `$output` for the output of the story"),
                required("result", result, "the answer"),
                note(),
            ]
        }
        Action::Cancel => {
            let modes = ValueForm::Word(CancelMode::ALL.map(CancelMode::word).into());
            vec![optional("how", modes, "whether running steps may end first (`drain`) [default: `drain`]"), note()]
        }
        Action::Stop => {
            let outcomes = ValueForm::Word(STOP_OUTCOMES.map(|(word, _)| word).into());
            vec![optional("outcome", outcomes, "how the run ends [default: `success`]"), note()]
        }
        Action::Terminate => vec![note()],
        Action::Redrive => vec![
            optional(
                "token",
                ValueForm::Text(1, ID_CHARS_MAX),
                "a name of the redrive; the same token again does nothing",
            ),
            optional(
                "from",
                ValueForm::Text(1, STEP_NAME_LEN_MAX),
                "the step that runs again, with the steps that depend on it [default: all steps]",
            ),
        ],
        Action::Child => vec![
            step("the step that executes a story"),
            required("child", ValueForm::Text(1, ID_CHARS_MAX), "the run of that story"),
        ],
    }
}

fn create() -> Vec<MemberForm> {
    let story = ValueForm::Other(
        format!("an object, as [story.md](lifecycle/story.md#the-story) says; at most {STORY_LEN_MAX} bytes"),
        r#"{"steps":[{"name":"fetch"}]}"#,
    );
    let inputs = ValueForm::Other(format!("an object of at most {OUTPUT_LEN_MAX} bytes"), "{}");
    vec![
        optional(
            "mode",
            ValueForm::Word(Mode::ALL.map(Mode::word).into()),
            "who decides how the run goes on: evlog, or a controller that reports phases [default: `decided`]",
        ),
        MemberForm {
            name: "story",
            need: Need::Depends("required unless `mode` is `observed`"),
            value: story,
            meaning: "the steps and their policy",
        },
        optional("inputs", inputs, "the inputs of the run"),
        optional("impulse", ValueForm::Text(1, ID_CHARS_MAX), "what triggered the run"),
    ]
}

fn report() -> Vec<MemberForm> {
    let one_of_three = |name, value, meaning| MemberForm {
        name,
        need: Need::Depends("one of `to`, `exit_code`, `exit_class` is required"),
        value,
        meaning,
    };
    let class = || ValueForm::Word(ExitClass::ALL.map(ExitClass::word).into());
    vec![
        required("step", ValueForm::Text(1, STEP_NAME_LEN_MAX), "the step"),
        one_of_three("to", phase(), "the phase of the step"),
        optional("reason", reason(), "why, for programs"),
        optional("message", ValueForm::Text(0, MESSAGE_LEN_MAX), "what happened, for people"),
        one_of_three(
            "exit_code",
            ValueForm::Whole(-i128::from(COUNT_MAX), COUNT_MAX.into()),
            "the exit code of the step's process",
        ),
        one_of_three("exit_class", class(), "what the end means for the next attempt [default: by `exit_code`]"),
        optional("output", output(), "the output of the step"),
        optional("error", error(), "what went wrong, for programs"),
        optional("worker", ValueForm::Text(1, ID_CHARS_MAX), "who did the work"),
        optional("child", ValueForm::Text(1, ID_CHARS_MAX), "the run that the step executes"),
        optional("cached", ValueForm::Flag, "whether the result was kept from before [default: false]"),
        optional(
            "retries",
            ValueForm::Whole(0, u32::MAX.into()),
            "how many attempts came before; has an effect only in an observed run",
        ),
        optional(
            "next_retry_at",
            ValueForm::Time,
            "when the next attempt begins; has an effect only in an observed run",
        ),
    ]
}

/// The error of a step. Its members are named as in the source of the contract.
fn error() -> ValueForm {
    let class = ValueForm::Word(ExitClass::ALL.map(ExitClass::word).into());
    ValueForm::Object(vec![
        required("version", ValueForm::Word(vec!["v1"]), "the version of this object"),
        required("type", ValueForm::Word(ErrorType::ALL.map(ErrorType::word).into()), "the kind of error"),
        required("message", ValueForm::other("text that is not empty", r#""no route to host""#), "what happened"),
        optional("retryable", ValueForm::Flag, "whether another attempt may help"),
        optional("exitCode", ValueForm::Whole(0, u32::MAX.into()), "the exit code"),
        optional("exitClass", class, "what the end means for the next attempt"),
        optional(
            "code",
            ValueForm::Other(format!("text of at most {CODE_LEN_MAX} bytes"), r#""E17""#),
            "a code of the step's own",
        ),
        optional("details", ValueForm::other("an object", "{}"), "more, for programs"),
    ])
}

fn phase() -> ValueForm {
    let words = format!("a phase, such as `Running`; text of at most {TOKEN_CHARS_MAX} characters");
    ValueForm::Other(words, r#""Running""#)
}

fn reason() -> ValueForm {
    let words = format!("1 to {REASON_CHARS_MAX} letters, digits, `_` or `-`");
    ValueForm::Other(words, r#""ExecutionFailed""#)
}

fn output() -> ValueForm {
    ValueForm::Other(format!("any JSON of at most {OUTPUT_LEN_MAX} bytes"), "{}")
}
