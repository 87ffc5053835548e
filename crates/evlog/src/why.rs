//! Which events made a value of a run's projected files.
//!
//! Does: find the event at which the value last changed, and those earlier events without which it would not have changed so.
//! They are found by folding: the run is folded again without some of its events, as if these had never been recorded. Does
//! not: ask a contract whether it would have accepted the commands that remain; only whether it can fold their events.
//!
//! Invariants:
//! - The events that are found suffice: if only they are folded, the last of them sets the value.
//! - Each of them is needed: without it the others cannot be folded, or give another value, or the last one no longer changes
//!   the value.

mod folding;
mod search;

use crate::error::LogError;
use crate::history::LOG_STREAM;
use crate::view::View;
use evlog_format::Seq;
use evlog_projection::serde_json::Value;
use folding::Folding;
use search::{Search, held};
use std::ops::ControlFlow;

/// A value in a projected file of a run.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The run.
    pub run: &'a str,
    /// The file within its bundle.
    pub file: &'a str,
    /// JSON pointer into the file. For JSON Lines, into the list of the file's lines.
    pub pointer: &'a str,
}

/// The events that made a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// The value; `None` if there was a value and there is none any more.
    pub value: Option<Value>,
    /// The events, in order, each with the value after it if only these events are folded. The last of them changed the value
    /// last.
    pub events: Vec<(Seq, Option<Value>)>,
    /// The number of events of the run.
    pub of: u64,
}

/// The value after an event; `None` if the contract has no files at this point, because an event must still follow.
type ValueAfter = Option<Option<Value>>;

/// The most work that is done to find what made a value.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many events the run may have up to the last change of the value. They are held in memory.
    pub events: u64,
    /// How many bytes the streams' names and payloads of these events may have.
    pub event_bytes: u64,
    /// How many events may be folded, in all attempts together. If a value needs n events, each attempt to leave some of them
    /// out folds nearly n.
    pub folds: u64,
    /// How many bytes the values after the events that are found may have as JSON.
    pub bytes: u64,
}

/// The limits of [`View::why`].
pub const LIMITS: Limits =
    Limits { events: 100_000, event_bytes: 64 * 1024 * 1024, folds: 10_000_000, bytes: 64 * 1024 * 1024 };

const EVENTS: &str = "events of the run up to the last change of the value";
const EVENT_BYTES: &str = "bytes of events of the run up to the last change of the value";
const FOLDS: &str = "folded events";
const BYTES: &str = "bytes of values";

fn within(found: u64, limit: u64, unit: &'static str) -> Result<(), LogError> {
    if found > limit { Err(LogError::WhyLimit { limit, unit }) } else { Ok(()) }
}

/// Whether a string is a JSON pointer (RFC 6901).
pub fn is_pointer(text: &str) -> bool {
    let is_escape = |rest: &str| rest.starts_with(['0', '1']);
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(is_escape)
}

/// The last change of a value.
struct Change {
    /// How many events the run had then.
    events: u64,
    /// The value since then.
    value: Option<Value>,
    /// The number of events of the run.
    of: u64,
    /// How many events are needed at least.
    least: usize,
}

impl View {
    /// What made a value; `None` if there is no such run, or there never was a value at this place. If it takes more than
    /// [`LIMITS`], the error is [`LogError::WhyLimit`]. If the pointer is not a JSON pointer, it is [`LogError::Pointer`].
    pub fn why(&self, place: Place<'_>) -> Result<Option<Why>, LogError> {
        self.why_with_progress(place, &|_| ())
    }

    /// Like [`why`](Self::why), but reports how many events were folded so far, at most [`LIMITS`]`.folds`.
    pub fn why_with_progress(&self, place: Place<'_>, progress: &dyn Fn(u64)) -> Result<Option<Why>, LogError> {
        self.why_within(place, LIMITS, progress)
    }

    /// Like [`why_with_progress`](Self::why_with_progress), with other limits.
    pub(crate) fn why_within(
        &self,
        place: Place<'_>,
        limits: Limits,
        progress: &dyn Fn(u64),
    ) -> Result<Option<Why>, LogError> {
        if !is_pointer(place.pointer) {
            return Err(LogError::Pointer { found: place.pointer.to_owned() });
        }
        if place.run == LOG_STREAM {
            return Ok(None);
        }
        let Some(Change { events, value, of, least }) = self.last_change(place, limits)? else { return Ok(None) };
        let events = held(self, place.run, events, limits.event_bytes)?;
        let contracts = self.contracts();
        let mut search = Search { contracts, place, value, events, folds: 0, folds_max: limits.folds, progress };
        let found = search.minimal(least)?;
        let events = search.values(&found, limits.bytes)?;
        Ok(Some(Why { value: search.value, events, of }))
    }

    /// Folds the whole run once.
    fn last_change(&self, place: Place<'_>, limits: Limits) -> Result<Option<Change>, LogError> {
        let mut fold = Folding::new(self.contracts(), place);
        let (mut of, mut events, mut value) = (0, None, None);
        self.stream::<LogError>(place.run, &mut |fact| {
            of += 1;
            fold.push(fact)?;
            within(fold.bytes_min(), limits.bytes, BYTES)?;
            if let Some(after) = fold.value(place)
                && after != value
            {
                (events, value) = (Some(of), after);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let Some(events) = events else { return Ok(None) };
        within(events, limits.events, EVENTS)?;
        Ok(Some(Change { events, value, of, least: fold.events_min() }))
    }
}
