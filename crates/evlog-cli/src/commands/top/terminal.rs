//! The terminal of `evlog top`: taken over, and given back as it was.
//!
//! Invariant: it is given back however the command ends: by a key, a signal, an error or a panic.

use crate::signals;
use crate::streams::{self, Waiting};
use evlog_top::{Key, Palette, Screen, draw};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag::register_usize;
use std::io::{self, Stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What a person pressed.
pub(super) enum Pressed {
    Key(Key),
    /// Ctrl-C, which the terminal passes on as a key.
    Interrupt,
}

/// The terminal, until it is dropped.
pub(super) struct Taken {
    terminal: Terminal<CrosstermBackend<Waiting<Stdout>>>,
    signal: Arc<AtomicUsize>,
}

impl Taken {
    pub(super) fn new() -> io::Result<Taken> {
        let signal = Arc::new(AtomicUsize::new(0));
        let ignored = signals::ignored();
        for number in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            if ignored & (1 << (number - 1)) == 0 {
                register_usize(number, Arc::clone(&signal), usize::try_from(number).unwrap_or_default())?;
            }
        }
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // Its message belongs on the screen that stays.
            give_back();
            before(panic);
        }));
        enable_raw_mode()?;
        let taken = execute!(streams::stdout(), EnterAlternateScreen)
            .and_then(|()| Terminal::new(CrosstermBackend::new(streams::stdout())));
        match taken {
            Ok(terminal) => Ok(Taken { terminal, signal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// The number of a signal that asks to end, if one came.
    pub(super) fn signal(&self) -> Option<u8> {
        u8::try_from(self.signal.load(Ordering::Relaxed)).ok().filter(|number| *number > 0)
    }

    pub(super) fn draw(&mut self, screen: &Screen, palette: Palette) -> io::Result<()> {
        self.terminal.draw(|frame| draw(screen, frame, palette)).map(drop)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

/// Waits for a key, at most this long.
pub(super) fn next_key(patience: Duration) -> io::Result<Option<Pressed>> {
    if !event::poll(patience)? {
        return Ok(None);
    }
    Ok(match event::read()? {
        Event::Key(pressed) if pressed.kind != KeyEventKind::Release => key(pressed),
        _ => None,
    })
}

/// If the terminal was closed, there is nothing to restore.
fn give_back() {
    execute!(streams::stdout(), LeaveAlternateScreen, Show).ok();
    disable_raw_mode().ok();
}

fn key(pressed: KeyEvent) -> Option<Pressed> {
    let is_control = pressed.modifiers.contains(KeyModifiers::CONTROL);
    let key = match pressed.code {
        KeyCode::Char('c') if is_control => return Some(Pressed::Interrupt),
        KeyCode::Char(_) if is_control => return None,
        KeyCode::Char(typed) => Key::Char(typed),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Tab => Key::Tab,
        KeyCode::Backspace => Key::Backspace,
        _ => return None,
    };
    Some(Pressed::Key(key))
}
