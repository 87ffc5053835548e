//! Columns for people: padded to the widest cell, two spaces apart, no trailing spaces. What ends a line is broken at words
//! where a terminal is too narrow for it.

use crate::error::CommandError;
use crate::ui::{Tone, Ui, hanging};

/// A cell: its words and its tone.
pub(crate) type Cell = (String, Tone);

/// Prints rows under faint headings. The last column is not padded.
pub(crate) fn print(ui: &mut Ui, headings: &[&str], rows: &[Vec<Cell>]) -> Result<(), CommandError> {
    let heading: Vec<Cell> = headings.iter().map(|text| ((*text).to_owned(), Tone::Faint)).collect();
    let all = || std::iter::once(&heading).chain(rows);
    let width = |column: usize| all().filter_map(|row| row.get(column)).map(|(text, _)| text.chars().count()).max();
    let widths: Vec<usize> = (0..headings.len()).map(|column| width(column).unwrap_or(0)).collect();
    for row in all() {
        let line = row_line(ui, row, &widths);
        ui.line(format_args!("{line}"))?;
    }
    Ok(())
}

fn row_line(ui: &Ui, row: &[Cell], widths: &[usize]) -> String {
    let mut line = String::new();
    for (index, ((text, tone), width)) in row.iter().zip(widths).enumerate() {
        // Padding stands outside of the colour, so that it can be left away at the end.
        let last = row[index + 1..].iter().all(|(later, _)| later.is_empty());
        if last {
            let before = widths[..index].iter().map(|width| width + 2).sum();
            line.push_str(&ui.paint(*tone, &hanging(text, before)));
            break;
        }
        line.push_str(&ui.paint(*tone, text));
        line.extend(std::iter::repeat_n(' ', width - text.chars().count() + 2));
    }
    line
}

/// Prints labelled facts, one a line.
pub(crate) fn facts(ui: &mut Ui, facts: &[(&str, String, Tone)]) -> Result<(), CommandError> {
    let width = facts.iter().map(|(label, ..)| label.len()).max().unwrap_or(0);
    for (label, text, tone) in facts {
        let label = ui.paint(Tone::Faint, &format!("{label:width$}"));
        let text = ui.paint(*tone, &hanging(text, width + 2));
        ui.line(format_args!("{label}  {text}"))?;
    }
    Ok(())
}

/// So many of something: `1 segment`, `2 segments`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
