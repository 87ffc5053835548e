//! Comma-separated values, in the form of RFC 4180: one line of names, then one line for each event.
//!
//! Invariant: a spreadsheet that reads the comma as the separator runs no cell as a formula. A cell that begins like a formula
//! gets a `'` before it, and so does a cell that begins with `'`. If one leading `'` is removed, every cell is the text of the
//! event.

use crate::event::{Cell, EventLine};
use crate::sink::Sink;
use std::io::{self, Write};

/// The columns, in their order: members of the event, as `cat --json` names them.
const COLUMNS: &str = "seq,commit,recorded,occurred,mark,stream,number,kind,kind_version,actor,principal,correlation,\
causation,id,protection,payload";

/// The characters with which a formula begins, in all widths that spreadsheets read, and those that may stand before it
/// unseen.
const ESCAPED: [char; 12] =
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
        self.line.clear();
        for (_, cell) in event.members() {
            match cell {
                Some(Cell::Text(text) | Cell::Time(text)) => push(&mut self.line, text),
                Some(Cell::Number(number)) => push(&mut self.line, &number.to_string()),
                None => {}
            }
            self.line.push(',');
        }
        push(&mut self.line, &event.payload.text());
        self.line.push_str("\r\n");
        self.out.write_all(self.line.as_bytes())
    }

    fn finish(self: Box<Self>) -> io::Result<W> {
        Ok(self.out)
    }
}

/// Adds a cell: escaped for spreadsheets, and in quotes where RFC 4180 demands them.
fn push(line: &mut String, cell: &str) {
    let escape = if cell.starts_with(ESCAPED) { "'" } else { "" };
    if cell.contains(['"', ',', '\r', '\n']) {
        line.extend(["\"", escape, &cell.replace('"', "\"\""), "\""]);
    } else {
        line.extend([escape, cell]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_a_spreadsheet_would_run_is_escaped_and_can_be_read_back() {
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
