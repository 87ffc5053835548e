//! The terminal that moving lines are drawn on. If it was closed or does not accept output, this is not an error: the
//! command continues without moving lines.

use super::talk;
use indicatif::{ProgressDrawTarget, TermLike};
use std::io;
use std::mem::take;
use std::sync::{Mutex, PoisonError};

/// The most drawings per second.
const DRAWINGS: u8 = 20;

/// Standard error as a terminal whose errors are ignored: the drawing library would panic at an error. A drawing is
/// collected here, and then written with one call.
#[derive(Debug, Default)]
struct Screen(Mutex<String>);

/// Where lines are drawn.
pub(super) fn screen() -> ProgressDrawTarget {
    ProgressDrawTarget::term_like_with_hz(Box::<Screen>::default(), DRAWINGS)
}

impl Screen {
    fn draw(&self, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
    }

    /// Moves by this many places. Zero is skipped, because terminals treat it as one.
    fn go(&self, count: usize, direction: char) {
        if count > 0 {
            self.draw(&format!("\x1b[{count}{direction}"));
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        talk::term().size().1
    }

    fn height(&self) -> u16 {
        talk::term().size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.go(n, 'A');
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.go(n, 'B');
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.go(n, 'C');
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.go(n, 'D');
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.draw(text);
        self.draw("\n");
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw("\r\x1b[2K");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        talk::write(&take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)));
        Ok(())
    }
}
