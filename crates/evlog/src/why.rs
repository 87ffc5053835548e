//! Which events made a value of a run's projected files.
//!
//! Does: find the event at which the value last changed, and of the events before it those without which it would not have. They are
//! found by folding: the run is folded again without some of its events, as if these had never been recorded.
//! Does not: ask a contract whether it would have taken the commands that remain; only whether it can fold their events.
//!
//! Invariants:
//! - The events that are found suffice: folded alone, the last of them gives the value.
//! - Each is needed: without it the others cannot be folded, or give another value, or the last one no longer changes it.

use crate::error::LogError;
use crate::view::View;
use evlog_format::{Event, Seq};
use evlog_projection::contracts::BundleFold;
use evlog_projection::patch::document;
use evlog_projection::serde_json::Value;
use evlog_projection::{Fact, FoldError};
use std::ops::ControlFlow;

/// A value in a projected file of a run.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The run.
    pub run: &'a str,
    /// The file within its bundle.
    pub file: &'a str,
    /// JSON pointer into the file; of JSON Lines, into the list of its lines.
    pub pointer: &'a str,
}

/// What made a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// The value; `None` if there was one, and is none any more.
    pub value: Option<Value>,
    /// The events, in order, and the value after each, if only these are folded. The value last changed at the last of them.
    pub events: Vec<(Seq, Option<Value>)>,
    /// How many events the run has.
    pub of: u64,
}

/// The value at some moment; `None` where the contract has no files then, because an event must still follow.
type Moment = Option<Option<Value>>;

impl View {
    /// What made a value; `None` if there is no such run, or never was a value at this place.
    pub fn why(&self, place: Place<'_>) -> Result<Option<Why>, LogError> {
        let mut history: Vec<(Seq, Option<Value>)> = Vec::new();
        let mut fold = BundleFold::new(self.contracts());
        self.stream::<LogError>(place.run, &mut |fact| {
            fold.push(fact)?;
            let before = history.last().and_then(|(_, value)| value.clone());
            history.push((fact.seq, value(&fold, place).unwrap_or(before)));
            Ok(ControlFlow::Continue(()))
        })?;
        let Some(last) = last_change(&history) else { return Ok(None) };
        let (value, of) = (history[last].1.clone(), history.len() as u64);
        let all: Vec<Seq> = history[..=last].iter().map(|(seq, _)| *seq).collect();
        let mut makes = |kept: &[Seq]| self.makes(place, kept, value.as_ref());
        let events = minimal(all, &mut makes)?;
        let events = self.folded(place, &events, events.len())?.unwrap_or_default().into_iter();
        // While an event must still follow, there are no files: the value is the one before.
        let mut before = None;
        let events = events.map(|(seq, moment)| {
            before = moment.unwrap_or(before.take());
            (seq, before.clone())
        });
        Ok(Some(Why { value: value.clone(), events: events.collect(), of }))
    }

    /// Whether the last of these events, if there were no others, would set the value.
    fn makes(&self, place: Place<'_>, kept: &[Seq], value: Option<&Value>) -> Result<bool, LogError> {
        let Some(moments) = self.folded(place, kept, 2)? else { return Ok(false) };
        let mut backwards = moments.iter().rev().map(|(_, moment)| moment.as_ref().map(Option::as_ref));
        let is_set = |moment: Option<Option<&Value>>| moment == Some(value);
        let is_made = backwards.next().is_some_and(is_set);
        // Before the first event there is no value.
        Ok(is_made && !backwards.next().map_or(value.is_none(), is_set))
    }

    /// Folds only these events of a run, numbered as if there were no others, and returns the value after each of the last ones. `None`
    /// if the contract cannot fold them.
    fn folded(&self, place: Place<'_>, kept: &[Seq], shown: usize) -> Result<Option<Vec<(Seq, Moment)>>, LogError> {
        let (mut fold, mut moments, mut number) = (BundleFold::new(self.contracts()), Vec::new(), 0);
        let mut refused: Option<FoldError> = None;
        self.stream::<LogError>(place.run, &mut |fact| {
            if kept.binary_search(&fact.seq).is_err() {
                return Ok(ControlFlow::Continue(()));
            }
            let event = Event { number: number as u64, ..fact.event };
            if let Err(error) = fold.push(&Fact { event, ..*fact }) {
                refused = Some(error);
                return Ok(ControlFlow::Break(()));
            }
            number += 1;
            if number + shown > kept.len() {
                moments.push((fact.seq, value(&fold, place)));
            }
            Ok(if number == kept.len() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(refused.is_none().then_some(moments))
    }
}

/// The value as of the events folded so far.
fn value(fold: &BundleFold<'_>, place: Place<'_>) -> Moment {
    let bundle = fold.bundle().ok()??;
    let file = bundle.files.get(place.file);
    let document = file.and_then(|file| document(place.file, &file.bytes));
    Some(document.and_then(|document| document.pointer(place.pointer).cloned()))
}

/// Where the value last changed; before the first event there is none.
fn last_change(history: &[(Seq, Option<Value>)]) -> Option<usize> {
    let before = |at: usize| at.checked_sub(1).and_then(|at| history[at].1.as_ref());
    (0..history.len()).rev().find(|at| before(*at) != history[*at].1.as_ref())
}

/// Leaves out what can be left out, in pieces that become smaller, and at last one by one until none can. The last one stays.
fn minimal(mut kept: Vec<Seq>, makes: &mut dyn FnMut(&[Seq]) -> Result<bool, LogError>) -> Result<Vec<Seq>, LogError> {
    let mut size = kept.len().div_ceil(2);
    loop {
        let (mut end, before) = (kept.len() - 1, kept.len());
        while end > 0 {
            let start = end.saturating_sub(size);
            let rest: Vec<Seq> = kept[..start].iter().chain(&kept[end..]).copied().collect();
            if makes(&rest)? {
                kept = rest;
            }
            end = start;
        }
        if size == 1 && kept.len() == before {
            return Ok(kept);
        }
        size = size.div_ceil(2);
    }
}
