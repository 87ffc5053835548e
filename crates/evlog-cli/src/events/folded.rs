//! `tail --fold`: one line a run. On a terminal the line is drawn over; elsewhere each change of a run's status is a line.
//!
//! Invariant: the memory is bounded. For a terminal, the rows on the screen are kept. Otherwise, the last statuses of a
//! fixed number of runs are kept, and the status of any other run may be printed again.

use super::columns::{Columns, Fit, Row};
use crate::ui::Ui;
use std::collections::{BTreeMap, VecDeque};

/// The number of runs whose last status is remembered.
const REMEMBERED_MAX: usize = 100_000;

/// The runs so far.
pub(super) enum Folded {
    /// Their rows, the newest last, and how many lines are drawn of them. There is room for a number of lines.
    Drawn { rows: VecDeque<(String, Row)>, lines: usize, room: usize },
    /// Their last statuses.
    Printed(BTreeMap<Box<str>, String>),
}

impl Folded {
    /// Rows that are drawn in at most this many lines.
    pub(super) fn drawn(room: usize) -> Folded {
        Folded::Drawn { rows: VecDeque::new(), lines: 0, room }
    }

    /// Takes the status of a run after an event. Returns whether the event is to be shown.
    pub(super) fn shows(&mut self, run: &str, status: &str) -> bool {
        let Folded::Printed(last) = self else { return true };
        if last.get(run).is_some_and(|last| last == status) {
            return false;
        }
        if last.len() >= REMEMBERED_MAX {
            last.clear();
        }
        last.insert(run.into(), status.to_owned());
        true
    }

    /// Takes the row of a run, to draw it later. Gives it back if rows are printed instead.
    pub(super) fn put(&mut self, run: &str, row: Row) -> Option<Row> {
        let Folded::Drawn { rows, room, .. } = self else { return Some(row) };
        rows.retain(|(name, _)| name != run);
        rows.push_back((run.to_owned(), row));
        while rows.len() > 1 && height(rows) > *room {
            rows.pop_front();
        }
        None
    }

    /// Draws the rows over those that were drawn before.
    pub(super) fn draw(&mut self, ui: &mut Ui) {
        let Folded::Drawn { rows, lines, .. } = self else { return };
        ui.back_over(*lines);
        let mut columns = Columns::new(Fit::Cut);
        for (_, row) in rows.iter() {
            columns.push(ui, row.clone());
        }
        columns.print(ui);
        *lines = columns.lines();
    }

    /// Something else was printed: what was drawn stays, and the rows are drawn again below it.
    pub(super) fn leave(&mut self) {
        if let Folded::Drawn { lines, .. } = self {
            *lines = 0;
        }
    }
}

/// How many lines rows need: one each, and one where a day begins.
fn height(rows: &VecDeque<(String, Row)>) -> usize {
    let (mut lines, mut day) = (0, &None);
    for (_, row) in rows {
        lines += 1 + usize::from(row.day.is_some() && row.day != *day);
        day = &row.day;
    }
    lines
}
