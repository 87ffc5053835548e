//! Rows whose columns are aligned. The first rows are gathered, so that the widest cell of them is known before the first one is
//! printed; later a column can only grow.

use crate::ui::{self, Side, Text, Tone, Ui};

/// How many rows are gathered at most.
const GATHERED_MAX: usize = 64;
/// If fewer columns than this are left beside the cells, the rest of a row that is broken at words goes below them.
const ROOM_MIN: usize = 24;

/// A cell of a row.
#[derive(Clone)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
    pub(super) side: Side,
    /// The least and the greatest width of its column.
    pub(super) widths: (usize, usize),
    /// Longer text is cut to this width.
    pub(super) cut: Option<usize>,
}

/// A row: its cells, and what follows them, piece by piece.
#[derive(Clone)]
pub(super) struct Row {
    /// A line to print before the row, if it differs from the one before the row above.
    pub(super) day: Option<String>,
    pub(super) cells: Vec<Cell>,
    pub(super) rest: Vec<(Tone, String)>,
}

/// How a row is printed that is longer than the terminal is wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is cut.
    Cut,
    /// The part after the cells is broken at words, and each new line begins below its start.
    Wrap,
    /// It goes on in the next line.
    Flow,
}

/// Prints rows.
pub(super) struct Columns {
    fit: Fit,
    gathered: Vec<Row>,
    has_begun: bool,
    widths: Vec<usize>,
    day: Option<String>,
    /// How many lines were printed, if each row is one.
    lines: usize,
}

impl Columns {
    pub(super) fn new(fit: Fit) -> Columns {
        Columns { fit, gathered: Vec::new(), has_begun: false, widths: Vec::new(), day: None, lines: 0 }
    }

    pub(super) fn push(&mut self, ui: &mut Ui, row: Row) {
        for (index, cell) in row.cells.iter().enumerate() {
            let (least, most) = cell.widths;
            let width = ui::width(&cell.text).min(most).max(least);
            match self.widths.get_mut(index) {
                Some(widest) => *widest = width.max(*widest),
                None => self.widths.push(width),
            }
        }
        self.gathered.push(row);
        if self.has_begun || self.gathered.len() >= GATHERED_MAX {
            self.print(ui);
        }
    }

    /// Prints the rows that were gathered.
    pub(super) fn print(&mut self, ui: &mut Ui) {
        for row in std::mem::take(&mut self.gathered) {
            self.has_begun = true;
            if row.day.is_some() && row.day != self.day {
                self.day.clone_from(&row.day);
                self.lines += 1;
                ui.line(Text::default().toned(Tone::Faint, row.day.as_deref().unwrap_or_default()));
            }
            self.print_row(ui, &row);
            self.lines += 1;
        }
    }

    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    fn print_row(&self, ui: &mut Ui, row: &Row) {
        let mut text = Text::default();
        let mut before = 0;
        for (cell, width) in row.cells.iter().zip(&self.widths) {
            text = text.cell(cell.tone, &cell.text, cell.side, *width, cell.cut).plain("  ");
            before += width.max(&ui::width(&cell.text).min(cell.cut.unwrap_or(usize::MAX))) + 2;
        }
        match self.fit {
            Fit::Cut => ui.fitted(&with(text, &row.rest)),
            Fit::Flow => ui.line(with(text, &row.rest)),
            Fit::Wrap if ui::answer_columns().is_some_and(|columns| before + ROOM_MIN > columns) => {
                let below: usize = self.widths.iter().take(2).map(|width| width + 2).sum();
                if row.cells.iter().any(|cell| cell.cut.is_some()) {
                    ui.fitted(&text);
                } else {
                    ui.line(text);
                }
                if !row.rest.is_empty() {
                    ui.line(with(Text::indented(below), &row.rest));
                }
            }
            Fit::Wrap => ui.line(with(text.going_on_at(before), &row.rest)),
        }
    }
}

/// The pieces of a rest, with spaces between. A space belongs to the piece after it: a line can be broken there.
fn with(text: Text, rest: &[(Tone, String)]) -> Text {
    rest.iter().enumerate().fold(text, |text, (index, (tone, piece))| {
        let space = if index == 0 { "" } else { " " };
        text.whole(*tone, format_args!("{space}{piece}"))
    })
}
