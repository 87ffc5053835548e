//! `docs/lifecycle/status.md` agrees with the code: its generated sections are compared with the tables.
//!
//! `EVLOG_BLESS=1` writes the sections again.

use crate::status::diagnostic::{Category, Severity};
use crate::status::payload::{Action, RefusalReason, RejectionReason, TransitionCause};
use crate::status::record::{Member, RECORD, in_words};
use crate::status::transitions::Reaction;
use crate::status::{INVALID_STATE_TRANSITION, RunStatus, next_action};
use crate::testing::written::{check_sections, code, table, yes};
use std::path::Path;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lifecycle/status.md");

fn statuses() -> String {
    let list = |holds: &dyn Fn(RunStatus) -> bool| {
        let words = RunStatus::ALL.into_iter().filter(|status| holds(*status)).map(RunStatus::word);
        words.map(code).collect::<Vec<_>>().join(" ")
    };
    let row = |status: RunStatus| {
        vec![
            (status as u8).to_string(),
            code(status.word()),
            yes(status.is_terminal()),
            yes(status.is_failure()),
            list(&|from| from.may_become(status)),
            list(&|to| status.may_become(to)),
        ]
    };
    table(&["number", "token", "terminal", "needs a diagnostic", "from", "to"], RunStatus::ALL.map(row))
}

fn transitions() -> String {
    let words = RunStatus::ALL.map(RunStatus::word);
    let head: Vec<_> = ["from \\ to"].into_iter().chain(words).collect();
    let cell = |from: RunStatus, to: RunStatus| match from.reaction(Some(to)) {
        Reaction::Apply => "**Y**",
        Reaction::Force => "F",
        Reaction::Reject => "R",
    };
    let row = |from: RunStatus| {
        let cells = RunStatus::ALL.map(|to| cell(from, to).to_owned());
        [format!("`{from}`")].into_iter().chain(cells).collect()
    };
    table(&head, RunStatus::ALL.map(row))
}

fn set<T: Copy + Into<u8>>(name: &str, all: &[T], word: impl Fn(T) -> &'static str) -> String {
    let members = all.iter().map(|known| format!("{} `{}`", (*known).into(), word(*known)));
    format!("- {name}: {}\n", members.collect::<Vec<_>>().join(", "))
}

fn sets() -> String {
    [
        set("cause of a transition", &TransitionCause::ALL, TransitionCause::word),
        set("reason of a rejection", &RejectionReason::ALL, RejectionReason::word),
        set("action", &Action::ALL, Action::word),
        set("category", &Category::ALL, Category::word),
        set("severity", &Severity::ALL, Severity::word),
    ]
    .concat()
}

fn refusals() -> String {
    let row = |known: &RefusalReason| vec![u8::from(*known).to_string(), code(known.word()), code(known.code())];
    table(&["number", "reason", "error code"], RefusalReason::ALL.iter().map(row))
}

fn members() -> String {
    let row = |member: &Member| {
        let retry = if member.pinned { "inherited, may not be given" } else { "inherited, may be replaced" };
        vec![code(&member.name), in_words(&member.shape), retry.to_owned()]
    };
    table(&["member", "value", "in a retry"], RECORD.decisive.iter().chain(&RECORD.descriptive).map(row))
}

fn next_actions() -> String {
    let inputs = [
        ("null", None, None),
        ("any other", Some("TOOL_TIMEOUT"), Some(false)),
        ("any other", Some("TOOL_TIMEOUT"), Some(true)),
        (INVALID_STATE_TRANSITION, Some(INVALID_STATE_TRANSITION), Some(false)),
    ];
    let rows = RunStatus::ALL.into_iter().flat_map(|status| {
        inputs.map(|(shown, error_code, retryable)| {
            let retryable_shown = retryable.map_or("null", |given| if given { "true" } else { "false" });
            let action = next_action(status, error_code, retryable).word();
            vec![code(status.word()), shown.to_owned(), retryable_shown.to_owned(), code(action)]
        })
    });
    table(&["status", "error code", "retryable", "next action"], rows)
}

#[test]
fn the_page_has_the_tables_that_the_code_has() {
    let sections = [
        ("statuses", statuses()),
        ("transitions", transitions()),
        ("sets", sets()),
        ("refusals", refusals()),
        ("members", members()),
        ("next actions", next_actions()),
    ];
    check_sections(PAGE, &sections);
}

/// Each numbered rule of the contract has its place on the page.
#[test]
fn the_page_says_what_became_of_every_hard_case() {
    let page = std::fs::read_to_string(Path::new(PAGE)).expect("the page");
    for number in 1..=19 {
        assert!(page.contains(&format!("| H{number} |")), "H{number}");
    }
}
