//! Columns for people: padded to the widest cell, two spaces apart, no trailing spaces. The last column is broken at
//! words if the terminal is too narrow.
//!
//! Invariant: on a terminal no cell but the last is broken. A row that is too long goes on below, with the columns that were left
//! over, so nothing is left out.

use crate::ui::{Text, Tone, Ui, answer_columns, width};
use std::ops::Range;

/// The last column is broken at its words, so this much of a terminal is enough for it, or as much as its longest word needs. But
/// a word that is longer than the second number is broken by the terminal.
const LAST: Range<usize> = 24..48;

/// Indent of the columns that a row goes on with.
const INDENT: usize = 2;

/// A cell: its words and its tone.
pub(crate) type Cell = (String, Tone);

/// Prints rows under faint headings. The last column is not padded.
pub(crate) fn print(ui: &mut Ui, headings: &[&str], rows: &[Vec<Cell>]) {
    let heading: Vec<Cell> = headings.iter().map(|text| ((*text).to_owned(), Tone::Faint)).collect();
    let all = || std::iter::once(&heading).chain(rows);
    let width = |column: usize| all().filter_map(|row| row.get(column)).map(|(text, _)| width(text)).max();
    let widths: Vec<usize> = (0..headings.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut needed = widths.clone();
    if let Some(last) = needed.last_mut() {
        let cells = all().filter_map(|row| row.get(widths.len() - 1));
        let longest = cells.flat_map(|(text, _)| text.split(' ')).map(self::width).max().unwrap_or(0);
        *last = (*last).min(longest.clamp(LAST.start, LAST.end));
    }
    let bands = bands(&needed, answer_columns());
    for row in all() {
        for (index, band) in bands.iter().enumerate() {
            let indent = if index == 0 { 0 } else { INDENT };
            let cells = &row[band.start.min(row.len())..band.end.min(row.len())];
            if index == 0 || cells.iter().any(|(text, _)| !text.is_empty()) {
                ui.line(row_line(cells, &widths[band.clone()], indent));
            }
        }
    }
}

/// The columns of each band: all columns in one band. If they do not fit on a terminal, there are as few bands as possible,
/// of about the same width.
fn bands(widths: &[usize], columns: Option<usize>) -> Vec<Range<usize>> {
    // Some terminals wrap when the last column is written.
    let Some(room) = columns.map(|columns| columns.saturating_sub(1)) else { return split(widths, usize::MAX) };
    let fewest = split(widths, room);
    let even = (1..room).map(|room| split(widths, room)).find(|bands| bands.len() == fewest.len());
    even.unwrap_or(fewest)
}

/// As many columns in each line as fit.
fn split(widths: &[usize], room: usize) -> Vec<Range<usize>> {
    let mut bands = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (column, width) in widths.iter().enumerate() {
        if column > start && used + width > room {
            bands.push(start..column);
            (start, used) = (column, INDENT);
        }
        used += width + 2;
    }
    bands.push(start..widths.len());
    bands
}

fn row_line(row: &[Cell], widths: &[usize], indent: usize) -> Text {
    let mut line = Text::default().plain(" ".repeat(indent));
    for (index, ((text, tone), column)) in row.iter().zip(widths).enumerate() {
        // Padding is outside of the colour, so that it can be trimmed at the end.
        let last = row[index + 1..].iter().all(|(later, _)| later.is_empty());
        if last {
            let before = widths[..index].iter().map(|width| width + 2).sum::<usize>() + indent;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_does_not_fit_a_terminal_goes_on_below_and_a_file_has_no_width() {
        let widths = [5, 21, 7, 6, 20, 8, 7];
        let starts = |columns| bands(&widths, columns).into_iter().map(|band| band.start).collect::<Vec<_>>();
        for columns in [None, Some(200), Some(88)] {
            assert_eq!(starts(columns), [0], "{columns:?}");
        }
        assert_eq!(starts(Some(80)), [0, 4]);
        assert_eq!(starts(Some(60)), [0, 4]);
        assert_eq!(starts(Some(31)), [0, 2, 4, 5]);
        assert_eq!(starts(Some(1)), [0, 1, 2, 3, 4, 5, 6]);
        let covered: Vec<usize> = bands(&widths, Some(31)).into_iter().flatten().collect();
        assert_eq!(covered, [0, 1, 2, 3, 4, 5, 6], "each column stands once, in its order");
    }
}
