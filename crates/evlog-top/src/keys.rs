//! What keys do.

use crate::screen::{Pane, Screen};

/// The number of rows that a page key moves.
const PAGE: usize = 10;

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the keys are named as they are")]
pub enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Tab,
    Backspace,
    Char(char),
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    Nothing,
    /// To read this run, and show it.
    Open(String),
    /// To end.
    End,
}

/// A direction, and how far.
#[derive(Clone, Copy)]
enum Step {
    Up(usize),
    Down(usize),
}

impl Step {
    fn from(self, place: usize, last: usize) -> usize {
        match self {
            Step::Up(by) => place.saturating_sub(by),
            Step::Down(by) => place.saturating_add(by).min(last),
        }
    }
}

impl Screen {
    /// Takes a key.
    pub fn press(&mut self, key: Key) -> Wish {
        if self.choice.is_typing {
            self.type_key(key);
            return Wish::Nothing;
        }
        if self.choice.has_help {
            self.choice.has_help = false;
            return if key == Key::Char('q') { Wish::End } else { Wish::Nothing };
        }
        match key {
            Key::Char('q') => return Wish::End,
            Key::Enter => return self.wish_to_open(),
            Key::Escape => self.back(),
            Key::Tab => self.choice.pane = if self.choice.pane == Pane::Upper { Pane::Lower } else { Pane::Upper },
            Key::Up | Key::Char('k') => self.step(Step::Up(1)),
            Key::Down | Key::Char('j') => self.step(Step::Down(1)),
            Key::PageUp => self.step(Step::Up(PAGE)),
            Key::PageDown => self.step(Step::Down(PAGE)),
            Key::Home => self.step(Step::Up(usize::MAX)),
            Key::End => self.step(Step::Down(usize::MAX)),
            Key::Char('/') => self.choice.is_typing = true,
            Key::Char('f') => self.next_status(),
            Key::Char('s') => self.choice.sort = self.choice.sort.next(),
            Key::Char('p') => self.choice.is_paused = !self.choice.is_paused,
            Key::Char('?') => self.choice.has_help = true,
            Key::Char(_) | Key::Backspace => {}
        }
        Wish::Nothing
    }

    fn type_key(&mut self, key: Key) {
        let choice = &mut self.choice;
        match key {
            Key::Char(typed) => choice.filter.push(typed),
            Key::Backspace => drop(choice.filter.pop()),
            Key::Enter => choice.is_typing = false,
            Key::Escape => {
                choice.filter.clear();
                choice.is_typing = false;
            }
            _ => {}
        }
        choice.events_below = 0;
    }

    fn wish_to_open(&self) -> Wish {
        if self.opened.is_some() {
            return Wish::Nothing;
        }
        let runs = self.listed();
        runs.get(self.marked(&runs)).map_or(Wish::Nothing, |run| Wish::Open(run.name.clone()))
    }

    /// Goes back by one step: from the run to all runs, from the chosen ones to all.
    fn back(&mut self) {
        self.choice.events_below = 0;
        if self.opened.take().is_none() {
            self.choice.filter.clear();
            self.choice.status = None;
        }
    }

    fn next_status(&mut self) {
        let statuses = self.runs.statuses();
        let next = match &self.choice.status {
            None => statuses.first(),
            Some(status) => statuses.iter().find(|other| **other > status.as_str()),
        };
        self.choice.status = next.map(|status| (*status).to_owned());
        self.choice.events_below = 0;
    }

    fn step(&mut self, step: Step) {
        match (self.choice.pane, &self.opened) {
            (Pane::Lower, _) => {
                // Older events are above, and the place is counted from the newest.
                let back = match step {
                    Step::Up(by) => Step::Down(by),
                    Step::Down(by) => Step::Up(by),
                };
                let last = self.stream().len().saturating_sub(1);
                self.choice.events_below = back.from(self.choice.events_below, last);
            }
            (Pane::Upper, Some(opened)) => {
                self.choice.stages_above = step.from(self.choice.stages_above, opened.stages.len().saturating_sub(1));
            }
            (Pane::Upper, None) => {
                let runs = self.listed();
                let place = step.from(self.marked(&runs), runs.len().saturating_sub(1));
                self.choice.run = runs.get(place).map(|run| run.name.clone());
            }
        }
    }
}
