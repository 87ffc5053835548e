//! Comma-separated values, as RFC 4180 has them: one line of names, then one line for each event.
//!
//! Invariant: no cell is what a spreadsheet would run. A cell that begins like a formula has a `'` before it, and so has one that
//! begins with `'`: without one leading `'`, every cell is the text of the event.

use crate::event::EventLine;
use crate::sink::Sink;
use std::borrow::Cow;
use std::io::{self, Write};

/// The columns, in their order: members of the event, as `cat --json` names them.
const COLUMNS: &str = "seq,commit,recorded,occurred,mark,stream,number,kind,kind_version,actor,principal,correlation,\
causation,id,protection,payload";

/// What a formula begins with, in the widths that spreadsheets read; and what may stand before one unseen.
const GUARDED: [char; 12] =
    ['=', '+', '-', '@', '\t', '\r', '\n', '\'', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Writes CSV.
pub(crate) struct Csv<W> {
    out: W,
    line: String,
}

impl<W: Write> Csv<W> {
    pub(crate) fn new(mut out: W) -> io::Result<Csv<W>> {
        write!(out, "{COLUMNS}\r\n")?;
        Ok(Csv { out, line: String::new() })
    }
}

impl<W: Write> Sink<W> for Csv<W> {
    fn event(&mut self, event: &EventLine<'_>) -> io::Result<()> {
        let head = &event.head;
        let cells: [Cow<'_, str>; 16] = [
            number(event.seq),
            number(event.commit),
            text(head.times.recorded.as_deref()),
            text(head.times.occurred.as_deref()),
            text(head.times.mark),
            text(Some(event.stream)),
            number(event.number),
            text(Some(&event.kind)),
            number(event.kind_version.into()),
            text(head.actor),
            text(head.principal),
            text(head.correlation),
            event.causation.map_or_else(Cow::default, number),
            text(head.id),
            number(event.protection.into()),
            event.payload.text().into(),
        ];
        self.line.clear();
        for (nth, cell) in cells.iter().enumerate() {
            if nth > 0 {
                self.line.push(',');
            }
            push(&mut self.line, cell);
        }
        self.line.push_str("\r\n");
        self.out.write_all(self.line.as_bytes())
    }

    fn finish(self: Box<Self>) -> io::Result<W> {
        Ok(self.out)
    }
}

/// A text; what is absent is an empty cell.
fn text(text: Option<&str>) -> Cow<'_, str> {
    text.unwrap_or_default().into()
}

fn number<'a>(number: u64) -> Cow<'a, str> {
    number.to_string().into()
}

/// Adds a cell: guarded, and in quotes where RFC 4180 demands them.
fn push(line: &mut String, cell: &str) {
    let guard = if cell.starts_with(GUARDED) { "'" } else { "" };
    if cell.contains(['"', ',', '\r', '\n']) {
        line.extend(["\"", guard, &cell.replace('"', "\"\""), "\""]);
    } else {
        line.extend([guard, cell]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_a_spreadsheet_would_run_is_guarded_and_can_be_read_back() {
        for (text, cell) in [
            ("plain", "plain"),
            ("", ""),
            ("=1+1", "'=1+1"),
            ("-5", "'-5"),
            ("+1", "'+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("'x", "''x"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("=a,\"b\"", "\"'=a,\"\"b\"\"\""),
            ("{\"a\":1}", "\"{\"\"a\"\":1}\""),
            ("a\nb", "\"a\nb\""),
        ] {
            let mut line = String::new();
            push(&mut line, text);
            assert_eq!(line, cell, "{text:?}");
        }
    }
}
