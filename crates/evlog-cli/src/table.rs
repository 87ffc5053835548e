//! Columns for people: padded to the widest cell, two spaces apart, no trailing spaces. The last column is broken at
//! words if the terminal is too narrow.

use crate::ui::{Text, Tone, Ui, width};

/// A cell: its words and its tone.
pub(crate) type Cell = (String, Tone);

/// Prints rows under faint headings. The last column is not padded.
pub(crate) fn print(ui: &mut Ui, headings: &[&str], rows: &[Vec<Cell>]) {
    let heading: Vec<Cell> = headings.iter().map(|text| ((*text).to_owned(), Tone::Faint)).collect();
    let all = || std::iter::once(&heading).chain(rows);
    let width = |column: usize| all().filter_map(|row| row.get(column)).map(|(text, _)| width(text)).max();
    let widths: Vec<usize> = (0..headings.len()).map(|column| width(column).unwrap_or(0)).collect();
    for row in all() {
        ui.line(row_line(row, &widths));
    }
}

fn row_line(row: &[Cell], widths: &[usize]) -> Text {
    let mut line = Text::default();
    for (index, ((text, tone), column)) in row.iter().zip(widths).enumerate() {
        // Padding is outside of the colour, so that it can be trimmed at the end.
        let last = row[index + 1..].iter().all(|(later, _)| later.is_empty());
        if last {
            let before = widths[..index].iter().map(|width| width + 2).sum();
            return line.hanging(*tone, text, before);
        }
        line = line.toned(*tone, text).plain(" ".repeat(column - width(text) + 2));
    }
    line
}

/// Prints labelled facts, one a line.
pub(crate) fn facts(ui: &mut Ui, facts: &[(&str, String, Tone)]) {
    let width = facts.iter().map(|(label, ..)| label.len()).max().unwrap_or(0);
    for (label, text, tone) in facts {
        let label = Text::default().toned(Tone::Faint, format_args!("{label:width$}")).plain("  ");
        ui.line(label.hanging(*tone, text, width + 2));
    }
}

/// A count with its noun: `1 segment`, `2 segments`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
