//! What the screen holds, and what a person has chosen to see.

use crate::model::{Event, Header, Opened, Run, Stage};
use crate::runs::{Runs, Sort};
use std::collections::VecDeque;

/// How many events are kept of all runs, and how many of the run that is opened.
pub const EVENTS_MAX: usize = 1_000;

/// A part of the screen that keys move in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pane {
    /// The runs, or the stages of the opened run.
    #[default]
    Upper,
    /// The events.
    Lower,
}

/// What a person has chosen to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) pane: Pane,
    /// The run that is marked; the first one if none is.
    pub(crate) run: Option<String>,
    pub(crate) filter: String,
    pub(crate) is_typing: bool,
    pub(crate) status: Option<String>,
    pub(crate) sort: Sort,
    pub(crate) is_paused: bool,
    pub(crate) has_help: bool,
    /// How many stages are above those that are shown.
    pub(crate) stages_above: usize,
    /// How many events are below those that are shown.
    pub(crate) events_below: usize,
}

/// The screen.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    /// What is known of the log as a whole.
    pub header: Header,
    pub(crate) runs: Runs,
    pub(crate) events: VecDeque<Event>,
    pub(crate) opened: Option<Opened>,
    pub(crate) choice: Choice,
}

impl Screen {
    /// Whether the person wants the screen to stay as it is: then the caller passes no events.
    pub fn is_paused(&self) -> bool {
        self.choice.is_paused
    }

    /// The run that is opened.
    pub fn opened(&self) -> Option<&str> {
        self.opened.as_ref().map(|opened| opened.name.as_str())
    }

    /// Shows one run.
    pub fn open(&mut self, opened: Opened) {
        self.choice.events_below = 0;
        self.choice.stages_above = 0;
        self.opened = Some(opened);
    }

    /// The stages of the opened run as they are now.
    pub fn restage(&mut self, stages: Vec<Stage>) {
        if let Some(opened) = &mut self.opened {
            opened.stages = stages;
        }
    }

    /// Takes an event that is of no run.
    pub fn take(&mut self, event: Event) {
        let is_of_opened = self.opened.as_ref().is_some_and(|opened| opened.name == event.run);
        if self.choice.events_below > 0 && (self.opened.is_none() || is_of_opened) && self.is_meant(&event) {
            // What a person looks at stays where it is.
            self.choice.events_below = (self.choice.events_below + 1).min(EVENTS_MAX);
        }
        if let Some(opened) = self.opened.as_mut().filter(|_| is_of_opened) {
            push(&mut opened.events, event.clone());
        }
        push(&mut self.events, event);
    }

    /// Takes an event of a run, and the run after it. Returns the name of a run that is forgotten for it.
    pub fn take_of(&mut self, run: Run, event: Event) -> Option<String> {
        self.take(event);
        self.runs.take(run)
    }

    /// The selected runs, in the order that was chosen.
    pub(crate) fn listed(&self) -> Vec<&Run> {
        let filter = self.choice.filter.to_lowercase();
        let is_meant = |run: &&Run| {
            let has_status = self.choice.status.as_ref().is_none_or(|status| run.status.text == *status);
            let texts = [&run.name, &run.contract, &run.status.text, &run.actor];
            has_status && holds(&filter, texts)
        };
        let mut runs: Vec<&Run> = self.runs.iter().filter(is_meant).collect();
        self.choice.sort.sort(&mut runs);
        runs
    }

    /// Where the marked run is in the list.
    pub(crate) fn marked(&self, runs: &[&Run]) -> usize {
        let marked = self.choice.run.as_ref();
        marked.and_then(|name| runs.iter().position(|run| run.name == *name)).unwrap_or(0)
    }

    /// The selected events, in order.
    pub(crate) fn stream(&self) -> Vec<&Event> {
        let events = self.opened.as_ref().map_or(&self.events, |opened| &opened.events);
        events.iter().filter(|event| self.is_meant(event)).collect()
    }

    fn is_meant(&self, event: &Event) -> bool {
        let filter = self.choice.filter.to_lowercase();
        let has_status = self.choice.status.as_ref().is_none_or(|status| event.status.text == *status);
        has_status && holds(&filter, [&event.run, &event.kind.text, &event.actor, &event.text])
    }
}

fn holds<const COUNT: usize>(filter: &str, texts: [&String; COUNT]) -> bool {
    filter.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(filter))
}

fn push(events: &mut VecDeque<Event>, event: Event) {
    if events.len() >= EVENTS_MAX {
        events.pop_front();
    }
    events.push_back(event);
}
