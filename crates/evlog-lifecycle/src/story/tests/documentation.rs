//! `docs/lifecycle/story.md` agrees with the code: its generated sections are compared with the tables.
//!
//! `EVLOG_BLESS=1` writes the sections again.

use crate::story::definition::{Group, Kind, Pattern};
use crate::story::derive::{Dependency, dependency};
use crate::story::payload::RejectionReason;
use crate::story::phases::{Entity, Guard, Verdict};
use crate::story::retry::EXIT_CLASSES;
use crate::story::{Phase, rules};
use crate::testing::written::{check_sections, code, table};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lifecycle/story.md");

fn phases() -> String {
    let truth = |holds: bool| if holds { "True" } else { "False" }.to_owned();
    let row = |phase: &Phase| {
        let [ready, progressing, degraded] = phase.conditions().map(truth);
        let terminal = if phase.is_terminal() { "yes" } else { "no" };
        let number = (*phase as u8).to_string();
        vec![
            number,
            code(phase.word()),
            terminal.to_owned(),
            code(phase.default_reason()),
            ready,
            progressing,
            degraded,
        ]
    };
    table(
        &["number", "phase", "terminal", "usual reason", "Ready", "Progressing", "Degraded"],
        Phase::ALL.iter().map(row),
    )
}

fn relation(entity: Entity) -> String {
    let head: Vec<_> = ["from \\ to"].into_iter().chain(Phase::ALL.iter().map(|phase| phase.word())).collect();
    let cell = |from, to| match entity.verdict(from, to) {
        Verdict::Yes => "**Y**".to_owned(),
        Verdict::No => String::new(),
        Verdict::Same => "=".to_owned(),
        Verdict::If(guard) => guard.letter().to_string(),
    };
    let row = |from: Option<Phase>| {
        let name = from.map_or("\u{2205}".to_owned(), |from| code(from.word()));
        [name].into_iter().chain(Phase::ALL.iter().map(|to| cell(from, *to))).collect()
    };
    let froms = [None].into_iter().chain(Phase::ALL.iter().copied().map(Some));
    table(&head, froms.map(row))
}

fn guards() -> String {
    let line = |guard: &Guard| format!("- {}: {}\n", guard.letter(), guard.in_words());
    Guard::ALL.iter().map(line).collect()
}

fn kinds() -> String {
    let meaning = |kind: Kind| match kind {
        Kind::Engram => "work that somebody else does and reports; what a step is without `type`",
        Kind::ExecuteStory => {
            "another story; `child` follows its run, or its phase is reported. `with.waitForCompletion`"
        }
        Kind::Condition => "nothing: it succeeds, or is skipped by its `if`",
        Kind::Gate => "holds until `gate` decides it; `with.timeout`, `with.onTimeout`",
        Kind::Wait => "holds until `with.until` is true; `with.timeout`, `with.onTimeout`",
        Kind::Sleep => "holds for `with.duration`",
        Kind::Stop => "ends the run: `with.outcome`, `with.message`",
        Kind::Parallel => "executes its branches together: `with.steps`",
    };
    table(&["type", "what it is"], Kind::ALL.map(|kind| vec![code(kind.word()), meaning(kind).to_owned()]))
}

fn dependencies() -> String {
    let word = |verdict| match verdict {
        Dependency::Met => "met",
        Dependency::Unmet => "not met",
        Dependency::Failed => "**skips**",
    };
    let row = |phase: Option<Phase>| {
        let judge = |pattern, group, go_on, allowed| word(dependency(pattern, group, go_on, phase, allowed)).to_owned();
        let name = phase.map_or("\u{2205}".to_owned(), |phase| code(phase.word()));
        let main = |go_on, allowed| judge(Pattern::Batch, Group::Main, go_on, allowed);
        vec![
            name,
            main(false, false),
            main(true, false),
            main(false, true),
            judge(Pattern::Batch, Group::Finally, false, false),
            judge(Pattern::Realtime, Group::Main, false, false),
        ]
    };
    let head = ["dependency is", "main", "main, going on", "it may fail", "compensations, finally", "realtime main"];
    table(&head, [None].into_iter().chain(Phase::ALL.iter().copied().map(Some)).map(row))
}

fn exit_classes() -> String {
    let row = |(from, to, class): &(i64, i64, crate::story::retry::ExitClass)| {
        let range = match (*from, *to) {
            (i64::MIN, _) => "any other".to_owned(),
            (from, to) if from == to => from.to_string(),
            (from, to) => format!("{from} to {to}"),
        };
        let again = if class.is_retryable() { "yes" } else { "no" };
        vec![range, code(class.word()), again.to_owned()]
    };
    table(&["exit code", "class", "another attempt"], EXIT_CLASSES.iter().map(row))
}

fn rejections() -> String {
    let row = |known: &RejectionReason| vec![(*known as u8).to_string(), code(known.word()), code(rules::code(*known))];
    table(&["number", "reason", "error code"], RejectionReason::ALL.iter().map(row))
}

#[test]
fn the_page_has_the_tables_that_the_code_has() {
    let sections = [
        ("phases", phases()),
        ("runs", relation(Entity::Run)),
        ("steps", relation(Entity::Step)),
        ("guards", guards()),
        ("kinds", kinds()),
        ("dependencies", dependencies()),
        ("exit classes", exit_classes()),
        ("rejections", rejections()),
    ];
    check_sections(PAGE, &sections);
}
