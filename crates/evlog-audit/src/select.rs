//! Which events are selected. Every command that shows, exports or checks events uses the same selection.
//!
//! All conditions of different kinds must hold. If an option has several values (runs, kinds, statuses, contracts, actors),
//! one of them must match. If there are several conditions on fields, all must hold.

use crate::states::After;
use evlog_projection::Contracts;
use evlog_rules::{Condition, Field, Kinds, Pattern, Reading};
use std::collections::BTreeSet;

/// The range of times that is selected, and which time of a commit counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The start of the range, inclusive, in Unix nanoseconds.
    pub since_ns: Option<i128>,
    /// The end of the range, exclusive, in Unix nanoseconds.
    pub until_ns: Option<i128>,
    /// If true, the time when an event occurred counts, if its command gave one. Otherwise the recorded time counts.
    pub occurred: bool,
}

impl Times {
    /// Whether a time, in Unix nanoseconds, is selected.
    pub fn holds(&self, time_ns: i128) -> bool {
        self.since_ns.is_none_or(|since_ns| time_ns >= since_ns)
            && self.until_ns.is_none_or(|until_ns| time_ns < until_ns)
    }
}

/// The events that are selected. Without any condition, all are.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Their times.
    pub times: Times,
    /// Names of runs.
    pub runs: Vec<Pattern>,
    /// Kinds of events.
    pub kinds: Vec<Kinds>,
    /// Patterns for actors.
    pub actors: Vec<Pattern>,
    /// Contracts of runs.
    pub contracts: Vec<String>,
    /// The status that the run has after the event, in any case.
    pub statuses: Vec<String>,
    /// The correlation.
    pub correlation: Option<String>,
    /// Conditions on fields.
    pub conditions: Vec<Condition>,
}

impl Selection {
    /// Whether the selection has no condition.
    pub fn is_all(&self) -> bool {
        let Selection { times, runs, kinds, actors, contracts, statuses, correlation, conditions } = self;
        times.since_ns.is_none()
            && times.until_ns.is_none()
            && runs.is_empty()
            && kinds.is_empty()
            && actors.is_empty()
            && contracts.is_empty()
            && statuses.is_empty()
            && correlation.is_none()
            && conditions.is_empty()
    }

    /// Whether the selection needs the state of runs. If so, [`holds`](Selection::holds) needs that state, and all events
    /// from the start of the log must be folded.
    pub fn needs_states(&self) -> bool {
        !self.contracts.is_empty() || !self.statuses.is_empty()
    }

    /// Whether an event is selected by the options that do not need the state of its run.
    pub fn holds_event(&self, reading: &Reading<'_>) -> bool {
        self.holds_envelope(reading) && self.conditions.iter().all(|condition| condition.holds(reading))
    }

    /// Like [`holds_event`](Selection::holds_event), but without the conditions on fields.
    pub fn holds_envelope(&self, reading: &Reading<'_>) -> bool {
        let (head, event) = (&reading.fact.head, &reading.fact.event);
        let time_ns = if self.times.occurred { head.time_ns() } else { head.recorded_ns.into() };
        self.times.holds(time_ns)
            && self.correlation.as_deref().is_none_or(|wanted| head.correlation == Some(wanted))
            && any(&self.kinds, |kinds| kinds.holds(event.kind))
            && self.holds_name(event.stream)
            && self.holds_actor(head.actor)
    }

    /// Whether an event is selected. `after` is the state of its run after the event; `None` if it belongs to no run.
    pub fn holds(&self, reading: &Reading<'_>, after: Option<&After<'_>>) -> bool {
        self.holds_event(reading) && self.holds_run(after)
    }

    /// Whether a run of this name is selected.
    pub fn holds_name(&self, run: &str) -> bool {
        any(&self.runs, |wanted| wanted.matches(run))
    }

    /// Whether a command of this actor is selected.
    pub fn holds_actor(&self, actor: &str) -> bool {
        any(&self.actors, |wanted| wanted.matches(actor))
    }

    /// Whether a run in this state is selected; `None` for no run.
    pub fn holds_run(&self, after: Option<&After<'_>>) -> bool {
        let status = after.and_then(|after| after.status);
        let is_status = |wanted: &String| status.is_some_and(|status| is_same_status(status, wanted));
        self.holds_contract(after) && any(&self.statuses, is_status)
    }

    /// Whether a run of this contract is selected, whatever its status.
    pub fn holds_contract(&self, after: Option<&After<'_>>) -> bool {
        any(&self.contracts, |wanted| after.is_some_and(|after| after.is_of(wanted)))
    }
}

/// Payload fields that conditions name, but that no event had so far. Events that the other options do not select are ignored.
/// Such a field is probably misspelled.
#[derive(Clone, Debug, Default)]
pub struct Missing {
    fields: Vec<Field>,
    looked_at: u64,
}

impl Missing {
    /// The state before any event was read.
    pub fn of(selection: &Selection) -> Missing {
        let fields = selection.conditions.iter().map(Condition::field);
        Missing { fields: fields.filter(|field| field.payload_path().is_some()).cloned().collect(), looked_at: 0 }
    }

    /// Looks at the next event. `after` is the state of its run after the event.
    pub fn see(&mut self, selection: &Selection, reading: &Reading<'_>, after: Option<&After<'_>>) {
        if !self.fields.is_empty() && selection.holds_envelope(reading) && selection.holds_run(after) {
            self.looked_at += 1;
            self.fields.retain(|field| !field.is_in(reading));
        }
    }

    /// The first of these fields, and how many events lack it; `None` if there is none, or no event was looked at.
    pub fn first(&self) -> Option<(&Field, u64)> {
        self.fields.first().filter(|_| self.looked_at > 0).map(|field| (field, self.looked_at))
    }
}

/// Names that match no known contract. They may still be the names of contracts that runs define themselves.
#[derive(Clone, Debug, Default)]
pub struct Unknown(Vec<String>);

impl Unknown {
    /// Replaces aliases by their names, and keeps the names that are not known.
    pub fn of<'n>(contracts: &Contracts, names: impl IntoIterator<Item = &'n mut String>) -> Unknown {
        let mut unknown = Vec::new();
        for name in names {
            match contracts.named(name) {
                Some(known) => known.name().clone_into(name),
                None => unknown.push(name.clone()),
            }
        }
        Unknown(unknown)
    }

    /// Looks at a run.
    pub fn see(&mut self, after: &After<'_>) {
        self.0.retain(|name| !after.is_of(name));
    }

    /// The first name that no run had.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }
}

/// Whether two statuses are equal if case is ignored. Contracts write statuses in different cases.
fn is_same_status(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    one.to_lowercase() == other.to_lowercase()
}

/// The statuses that were asked for, and that no run had so far. They are probably misspelled.
#[derive(Clone, Debug, Default)]
pub struct UnknownStatuses {
    unknown: Vec<String>,
    known: BTreeSet<String>,
}

impl UnknownStatuses {
    /// Those of a selection.
    pub fn of(selection: &Selection) -> UnknownStatuses {
        UnknownStatuses { unknown: selection.statuses.clone(), known: BTreeSet::new() }
    }

    /// Looks at the status of a run.
    pub fn see(&mut self, status: &str) {
        if !self.unknown.is_empty() && !self.known.contains(status) {
            self.unknown.retain(|wanted| !is_same_status(status, wanted));
            self.known.insert(status.to_owned());
        }
    }

    /// The statuses that no run had, and those that runs had.
    pub fn rest(&self) -> (&[String], &BTreeSet<String>) {
        (&self.unknown, &self.known)
    }
}

/// Whether one of the wanted values matches; true if none is wanted.
fn any<T>(wanted: &[T], holds: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(holds)
}

#[cfg(test)]
mod tests;
