//! What every format can do.

use crate::event::EventLine;
use crate::json::write_line;
use std::io::{self, Write};

/// Writes events in one format, in the order in which they come.
pub trait Sink<W> {
    /// Writes an event.
    fn event(&mut self, event: &EventLine<'_>) -> io::Result<()>;

    /// Writes what follows the last event, and returns the writer.
    fn finish(self: Box<Self>) -> io::Result<W>;
}

/// Writes JSON Lines: the events as `cat --json` shows them.
pub(crate) struct Jsonl<W> {
    pub(crate) out: W,
}

impl<W: Write> Sink<W> for Jsonl<W> {
    fn event(&mut self, event: &EventLine<'_>) -> io::Result<()> {
        write_line(&mut self.out, event)
    }

    fn finish(self: Box<Self>) -> io::Result<W> {
        Ok(self.out)
    }
}
