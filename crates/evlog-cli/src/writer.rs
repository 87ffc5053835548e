//! What those who follow a log say about its writer: that it closed the log, that one came back, that it is gone.
//!
//! Invariant: something is said once, and only while nothing is committed: what changes in between is in the events.

use crate::json::payload_json;
use evlog::history::LOG_STREAM;
use evlog::{LogError, View};
use evlog_format::{Seq, kind};
use evlog_projection::Fact;
use std::ops::ControlFlow;

/// How many looks in a row have to find no writer. It can end between two of them and still be about to show its last events.
const LOOKS: usize = 2;

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// A writer has the log open, or at least no writer was seen to close it.
    Open,
    Closed,
    /// The last writer did not close the log, and no writer has it open.
    Gone,
}

/// The writer, as far as it is known.
#[derive(Debug)]
pub(crate) struct Writer {
    state: State,
    said: State,
    program: String,
    looks: usize,
}

impl Writer {
    /// As of the last event of a log. If it cannot be read, the command's own reading reports why.
    pub(crate) fn of(view: &View) -> Writer {
        let mut state = State::Open;
        let _reported = view.each::<LogError>(Seq(view.next_seq().0.saturating_sub(1)), &mut |fact| {
            state = if fact.event.kind == kind::LOG_CLOSED { State::Closed } else { State::Open };
            Ok(ControlFlow::Continue(()))
        });
        Writer { said: state.clone(), state, program: "a writer".to_owned(), looks: 0 }
    }

    /// Takes an event.
    pub(crate) fn see(&mut self, fact: &Fact<'_>) {
        self.looks = 0;
        if fact.event.stream == LOG_STREAM && fact.event.kind == kind::LOG_CLOSED {
            self.state = State::Closed;
            return;
        }
        if fact.event.stream == LOG_STREAM && fact.event.kind == kind::LOG_OPENED {
            let payload = payload_json(&fact.event);
            payload["program"].as_str().unwrap_or("a writer").clone_into(&mut self.program);
        }
        self.state = State::Open;
    }

    /// What is known of it, in words, and whether it is gone without having closed the log.
    #[cfg(feature = "top")]
    pub(crate) fn word(&self) -> (&'static str, bool) {
        match self.state {
            State::Open => ("has the log open", false),
            State::Closed => ("closed the log", false),
            State::Gone => ("is gone", true),
        }
    }

    /// Looks for the writer while nothing is committed. Returns what has changed, if it was not said yet.
    pub(crate) fn look(&mut self, view: &View) -> Option<String> {
        if self.state == State::Open {
            // Whether there is one cannot always be found out; then nothing is said.
            let is_there = view.has_writer().unwrap_or(true);
            self.looks = if is_there { 0 } else { self.looks + 1 };
            if self.looks >= LOOKS {
                self.state = State::Gone;
            }
        }
        if self.state == self.said {
            return None;
        }
        self.said = self.state.clone();
        Some(match self.state {
            State::Open => format!("the log has a writer again: {}", self.program),
            State::Closed => "the writer closed the log; new events come when another one opens it".to_owned(),
            State::Gone => {
                "the writer is gone and did not close the log; new events come when another one opens it".to_owned()
            }
        })
    }
}
