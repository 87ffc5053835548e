//! The terminal that moving lines are drawn on. One that has gone, or takes nothing, is no failure of what is drawn: the
//! command goes on, and ends as it would without lines.

use console::Term;
use indicatif::{ProgressDrawTarget, TermLike};
use std::io;

/// How often lines are drawn at most, in a second.
const DRAWINGS: u8 = 20;

/// Standard error as a terminal whose errors are of no interest: the library that draws would panic at one.
#[derive(Debug)]
struct Screen(Term);

/// Where lines are drawn.
pub(super) fn screen() -> ProgressDrawTarget {
    ProgressDrawTarget::term_like_with_hz(Box::new(Screen(Term::buffered_stderr())), DRAWINGS)
}

fn ignore(_written: io::Result<()>) {}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        TermLike::width(&self.0)
    }

    fn height(&self) -> u16 {
        TermLike::height(&self.0)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        ignore(self.0.move_cursor_up(n));
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        ignore(self.0.move_cursor_down(n));
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        ignore(self.0.move_cursor_right(n));
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        ignore(self.0.move_cursor_left(n));
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        ignore(self.0.write_line(text));
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        ignore(self.0.write_str(text));
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        ignore(self.0.clear_line());
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        ignore(self.0.flush());
        Ok(())
    }
}
