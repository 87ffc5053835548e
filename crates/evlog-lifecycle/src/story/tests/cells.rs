//! Plays every cell of both relations as a report. The expectation is written here, and is not read from the tables.

use super::{Phase, RUN, accept, command, play, status_bytes, watched};
use crate::story::Story;
use crate::story::phases::{Entity, Guard, Verdict};
use crate::testing::Harness;
use evlog_projection::{Contract, Outcome};
use serde_json::{Value, json};

/// Rows from no phase to `Paused`, columns in the order of the phases; `.` no, `Y` yes, `=` the same, letters guards.
const RUN_CELLS: [(&str, &str); 6] = [
    ("", "YY.YY.Y.YYYY."),
    ("Pending", "=Y.YYhYhYYYYh"),
    ("Running", ".=YY.YYYYYY.c"),
    ("Paused", ".Y=Y.hYYYYY.h"),
    ("Blocked", "YY.=YhYaYYYbh"),
    ("Scheduling", "YY.Y=hYaYYYbh"),
];
const STEP_CELLS: [(&str, &str); 6] = [
    ("", "YYYYYYYYYYYYY"),
    ("Pending", "=YYYYdYYYYYY."),
    ("Running", "e=YY.YYYYYYfg"),
    ("Paused", ".Y=Y.YYYYYYY."),
    ("Blocked", "YYY=YhYYYYYY."),
    ("Scheduling", "YY.Y=hYYYYYY."),
];

/// The expected letter of a cell. Terminal phases have no row: only `=` on the diagonal.
fn expected(cells: &[(&str, &str)], from: Option<Phase>, to: Phase) -> char {
    let word = from.map_or("", Phase::word);
    match cells.iter().find(|(row, _)| *row == word) {
        Some((_, row)) => row.chars().nth(to as usize).expect("13 columns"),
        None if from == Some(to) => '=',
        None => '.',
    }
}

fn letter(verdict: Verdict) -> char {
    match verdict {
        Verdict::Yes => 'Y',
        Verdict::No => '.',
        Verdict::Same => '=',
        Verdict::If(guard) => guard.letter(),
    }
}

fn rows() -> impl Iterator<Item = (Option<Phase>, Phase)> {
    let froms = [None].into_iter().chain(Phase::ALL.iter().copied().map(Some));
    froms.flat_map(|from| Phase::ALL.iter().map(move |to| (from, *to)))
}

#[test]
fn the_tables_are_these_182_cells_each() {
    // S-04, S-05.
    for (entity, cells) in [(Entity::Run, &RUN_CELLS), (Entity::Step, &STEP_CELLS)] {
        for (from, to) in rows() {
            let found = letter(entity.verdict(from, to));
            assert_eq!(found, expected(cells, from, to), "{entity:?}: {from:?} to {to}");
        }
    }
}

fn to(phase: Phase) -> Value {
    json!({"to": phase.word()})
}

/// Reports that lead a run to a phase: without having run if that is possible, or after it has run.
fn path(from: Option<Phase>, after_running: bool) -> Vec<Phase> {
    use Phase::{Blocked, Failed, Running, Scheduling};
    match from {
        None => vec![Running, Failed],
        Some(Phase::Pending) if after_running => vec![Running, Blocked, Phase::Pending],
        Some(Phase::Pending) => Vec::new(),
        Some(phase @ (Blocked | Scheduling)) if after_running => vec![Running, Blocked, phase],
        Some(phase @ (Running | Phase::Skipped | Blocked | Scheduling)) => vec![phase],
        Some(phase) => vec![Running, phase],
    }
}

/// An observed run in a phase. Its main step has failed, so that it may be `Compensated`, unless the case says otherwise.
fn run_at(from: Option<Phase>, after_running: bool, compensable: bool) -> Harness<Story> {
    let mut harness = watched(json!({"steps": [{"name": "main"}], "compensations": [{"name": "undo"}]}));
    if compensable || from == Some(Phase::Compensated) {
        accept(&mut harness, "step", json!({"step": "main", "to": "Failed"}));
    }
    for phase in path(from, after_running) {
        if harness.states[RUN].phase() != Some(phase) {
            accept(&mut harness, "transition", to(phase));
        }
    }
    if from.is_none() {
        accept(&mut harness, "redrive", json!({}));
        if compensable {
            accept(&mut harness, "step", json!({"step": "main", "to": "Failed"}));
        }
    }
    assert_eq!(harness.states[RUN].phase(), from);
    harness
}

/// Whether a guard of the run holds in the circumstances.
fn run_guard(cell: char, after_running: bool, compensable: bool) -> bool {
    match cell {
        // These runs are observed.
        'Y' | '=' | 'h' => true,
        'a' => after_running,
        'b' => !after_running,
        'c' => compensable,
        _ => false,
    }
}

#[test]
fn every_cell_of_the_relation_of_runs_is_obeyed() {
    // S-04, S-06.
    let circumstances = [(false, false), (true, false), (false, true)];
    for ((from, to), (after_running, compensable)) in
        rows().flat_map(|cell| circumstances.map(|circumstance| (cell, circumstance)))
    {
        let harness = run_at(from, after_running, compensable);
        let cell = expected(&RUN_CELLS, from, to);
        check(harness, "transition", self::to(to), run_guard(cell, after_running, compensable), cell);
    }
}

/// Plays a report and looks at what became of it.
fn check(mut harness: Harness<Story>, action: &str, members: Value, allowed: bool, cell: char) {
    let before = (status_bytes(&harness), harness.states[RUN].clone());
    let asked = members["to"].as_str().expect("a phase").to_owned();
    let shown = format!("{} (cell {cell})", command(action, members.clone()));
    let phase_of = |harness: &Harness<Story>| {
        let state = &harness.states[RUN];
        if action == "step" { state.steps().get(0).phase } else { state.phase() }
    };
    let from = phase_of(&harness);
    let answered = play(&mut harness, action, members);
    if !allowed {
        assert_eq!(answered.outcome, Outcome::Rejected, "{from:?} {shown}");
        assert_eq!(answered.kinds, ["story.rejected"], "{shown}");
        let terminal = from.is_some_and(Phase::is_terminal);
        let code = match (cell, terminal) {
            ('.', true) => "ALREADY_TERMINAL",
            ('.', false) => "INVALID_STATE_TRANSITION",
            _ => "GUARD_UNMET",
        };
        assert_eq!(answered.code(), code, "{from:?} {shown}");
        assert_eq!(status_bytes(&harness), before.0, "{from:?} {shown}");
        let line = harness.audit(RUN).pop().expect("a line");
        let event = &line["event"];
        assert_eq!(line["actor"], crate::testing::ACTOR);
        assert_eq!((&event["from"], &event["requested"]), (&json!(from.map(Phase::word)), &json!(asked)));
        return;
    }
    assert_eq!(answered.outcome, Outcome::Accepted, "{from:?} {shown}: {:?}", answered.error);
    if cell == '=' {
        assert!(answered.kinds.is_empty(), "{shown}: the same again is no event");
        assert_eq!(harness.states[RUN], before.1, "{shown}");
    } else {
        assert_eq!(phase_of(&harness).map(Phase::word), Some(asked.as_str()), "{from:?} {shown}");
    }
}

/// A step of each kind that a guard asks for, and one for which the guard does not hold.
fn step_for(cell: char, holds: bool) -> Value {
    match (cell, holds) {
        ('d', true) => json!({"name": "x", "type": "condition"}),
        ('f', true) => json!({"name": "x", "type": "wait", "with": {"until": "false", "onTimeout": "skip"}}),
        ('g', true) => json!({"name": "x", "type": "executeStory"}),
        ('e', false) => json!({"name": "x", "execution": {"retry": {"maxRetries": 0}}}),
        _ => json!({"name": "x"}),
    }
}

#[test]
fn every_cell_of_the_relation_of_steps_is_obeyed() {
    // S-05, S-06.
    for ((from, to), holds) in rows().flat_map(|cell| [true, false].map(|holds| (cell, holds))) {
        let cell = expected(&STEP_CELLS, from, to);
        let mut harness = watched(json!({"steps": [step_for(cell, holds)]}));
        accept(&mut harness, "transition", json!({"to": "Running"}));
        if let Some(from) = from {
            accept(&mut harness, "step", json!({"step": "x", "to": from.word()}));
        }
        let mut report = json!({"step": "x", "to": to.word()});
        if cell == 'e' {
            report["reason"] = "RetryScheduled".into();
        }
        // `d` and `h` hold in every run that is observed.
        let allowed = matches!(cell, 'Y' | '=' | 'd' | 'h') || (cell != '.' && holds);
        check(harness, "step", report, allowed, cell);
    }
}

#[test]
fn a_step_goes_back_to_pending_only_with_a_counted_retry() {
    // S-05, guard e.
    let running = || {
        let mut harness = watched(json!({"steps": [{"name": "x", "execution": {"retry": {"maxRetries": 1}}}]}));
        accept(&mut harness, "step", json!({"step": "x", "to": "Running"}));
        harness
    };
    let again = |retries: u32| json!({"step": "x", "to": "Pending", "reason": "RetryScheduled", "retries": retries});
    super::reject(&mut running(), "step", json!({"step": "x", "to": "Pending"}), "GUARD_UNMET");
    super::reject(&mut running(), "step", again(0), "GUARD_UNMET");
    super::reject(&mut running(), "step", again(2), "GUARD_UNMET");
    let mut harness = running();
    accept(&mut harness, "step", again(1));
    accept(&mut harness, "step", json!({"step": "x", "to": "Running"}));
    super::reject(&mut harness, "step", again(2), "GUARD_UNMET");
}

#[test]
fn an_unknown_phase_is_rejected_on_record() {
    // S-06.
    let mut harness = watched(json!({"steps": [{"name": "x"}]}));
    super::reject(&mut harness, "transition", json!({"to": "running"}), "INVALID_STATE_TRANSITION");
    super::reject(&mut harness, "step", json!({"step": "x", "to": "Completed"}), "INVALID_STATE_TRANSITION");
    let line = harness.audit(RUN).pop().expect("a line");
    assert_eq!((&line["event"]["requested"], &line["event"]["reason"]), (&json!("Completed"), &json!("unknown_phase")));
}

#[test]
fn phases_have_these_numbers_and_ends() {
    // S-01.
    let words: Vec<&str> = Phase::ALL.iter().map(|phase| phase.word()).collect();
    let expected = "Pending Running Paused Blocked Scheduling Succeeded Failed Timeout Canceled Finished Aborted Skipped \
                    Compensated";
    assert_eq!(words, expected.split_whitespace().collect::<Vec<_>>());
    for (number, phase) in Phase::ALL.iter().enumerate() {
        assert_eq!(*phase as usize, number);
        assert_eq!(phase.is_terminal(), number > 4, "{phase}");
        assert_eq!(phase.is_failure(), number > 5 && *phase != Phase::Skipped, "{phase}");
    }
    assert_eq!(Guard::ALL.map(Guard::letter), ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
    assert!(!Story::default().begins_with(evlog_format::kind::STORY_MOVED));
}
