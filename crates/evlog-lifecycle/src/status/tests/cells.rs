//! All 64 cells of the table, through `decide` and the fold. The expectation is written here a second time.

use super::{RUN, at, play, request};
use crate::status::RunStatus;
use evlog_projection::Outcome;

/// status.md 1.2, row by row: Y applied, F rejected and forced to fail, R rejected only.
const EXPECTED: [&str; 8] = [
    "FYFFFFFF", // created
    "FFYYYYYY", // running
    "FYFFFFFY", // waiting
    "RRRRRRRR", // success
    "RRRRRRRR", // failed
    "RRRRRRRR", // denied
    "RRRRRRRR", // timeout
    "RRRRRRRR", // canceled
];

/// The meaning of each letter: outcome, kinds of the events.
fn meaning(letter: char) -> (Outcome, &'static [&'static str]) {
    match letter {
        'Y' => (Outcome::Accepted, &["status.transitioned"]),
        'F' => (Outcome::Rejected, &["status.rejected", "status.forced_failed"]),
        'R' => (Outcome::Rejected, &["status.rejected"]),
        _ => unreachable!("a letter of the table"),
    }
}

fn check(from: RunStatus, to: RunStatus, letter: char) {
    let mut harness = at(from);
    let before = harness.json(RUN, "run.json");
    let answered = play(&mut harness, request(RUN, to.word()));
    let (outcome, kinds) = meaning(letter);
    let cell = format!("{from} -> {to}");
    assert_eq!(answered.outcome, outcome, "{cell}");
    assert_eq!(answered.kinds, kinds, "{cell}");
    assert_eq!(answered.code(), if letter == 'Y' { "" } else { "INVALID_STATE_TRANSITION" }, "{cell}");
    let after = harness.json(RUN, "run.json");
    match letter {
        'Y' => {
            assert_eq!(after["status"], to.word(), "{cell}");
            let code = super::diagnostic_for(to).map(|diagnostic| diagnostic["error_code"].clone());
            assert_eq!(after["error_code"], code.unwrap_or_default(), "{cell}");
        }
        'F' => {
            assert_eq!(after["status"], "failed", "{cell}");
            assert_eq!(after["error_code"], "INVALID_STATE_TRANSITION", "{cell}");
            assert_eq!(after["retryable"], false, "{cell}");
        }
        _ => {
            for member in ["status", "error_code", "retryable", "diagnostic", "completed_at_utc", "duration_ms"] {
                assert_eq!(after[member], before[member], "{cell}: {member}");
            }
        }
    }
}

#[test]
fn every_cell_is_applied_forced_or_rejected_as_the_table_says() {
    let mut counts = [0; 3];
    for (from, row) in RunStatus::ALL.into_iter().zip(EXPECTED) {
        for (to, letter) in RunStatus::ALL.into_iter().zip(row.chars()) {
            check(from, to, letter);
            counts["YFR".find(letter).expect("a letter of the table")] += 1;
        }
    }
    assert_eq!(counts, [9, 15, 40]);
}

/// The table as it was given to us.
const GIVEN: &str = include_str!("given/transitions.tsv");

#[test]
fn the_given_table_has_64_cells_and_allows_nine() {
    let cells: Vec<_> = GIVEN.lines().skip(1).collect();
    assert_eq!(cells.len(), 64);
    assert_eq!(cells.iter().filter(|cell| cell.ends_with("\tyes")).count(), 9);
    for cell in cells {
        let [from, to, allowed] = cell.split('\t').collect::<Vec<_>>()[..] else { panic!("three columns: {cell}") };
        let status = |word| RunStatus::from_word(word).expect("a status");
        assert_eq!(status(from).may_become(status(to)), allowed == "yes", "{cell}");
    }
}

/// Every log holds these numbers. Changing one would change the meaning of history.
#[test]
fn the_numbers_of_statuses_never_change() {
    let numbers: Vec<_> = RunStatus::ALL.map(|status| (u8::from(status), status.word())).to_vec();
    let expected = [
        (0, "created"),
        (1, "running"),
        (2, "waiting"),
        (3, "success"),
        (4, "failed"),
        (5, "denied"),
        (6, "timeout"),
        (7, "canceled"),
    ];
    assert_eq!(numbers, expected);
    for (number, word) in expected {
        assert_eq!(RunStatus::try_from(number).map(RunStatus::word), Ok(word));
    }
    assert!(RunStatus::try_from(8).is_err());
}

#[test]
fn terminal_and_failure_statuses_are_those_of_the_given_document() {
    let words = |keep: fn(RunStatus) -> bool| {
        RunStatus::ALL.into_iter().filter(|status| keep(*status)).map(RunStatus::word).collect::<Vec<_>>()
    };
    assert_eq!(words(RunStatus::is_terminal), ["success", "failed", "denied", "timeout", "canceled"]);
    assert_eq!(words(RunStatus::is_failure), ["failed", "denied", "timeout"]);
}
