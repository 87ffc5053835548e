//! Searches the events without which a value would be different.

use super::folding::Folding;
use super::{BYTES, EVENT_BYTES, FOLDS, Place, ValueAfter, within};
use crate::error::LogError;
use crate::view::View;
use crate::view::events::{CommitInfo, RecordedEvent, info, recorded};
use evlog_format::{CommitHead, Event, Idempotency, Seq};
use evlog_projection::serde_json::{self, Value};
use evlog_projection::{Contracts, Fact};
use std::ops::ControlFlow;
use std::sync::Arc;

/// An event of the run, and the digest of its command if the command had a key.
pub(super) struct Held {
    event: RecordedEvent,
    content: Option<[u8; 32]>,
}

/// The first events of a run, if they have no more than these bytes.
pub(super) fn held(view: &View, run: &str, count: u64, bytes_max: u64) -> Result<Vec<Held>, LogError> {
    let (mut held, mut bytes) = (Vec::<Held>::new(), 0);
    view.stream::<LogError>(run, &mut |fact| {
        if held.len() as u64 == count {
            return Ok(ControlFlow::Break(()));
        }
        bytes += (fact.event.stream.len() + fact.event.payload.len()) as u64;
        within(bytes, bytes_max, EVENT_BYTES)?;
        let before = held.last().map(|last| &last.event.commit);
        let commit = before.filter(|commit| commit.first_seq == fact.head.first_seq);
        let commit = commit.cloned().unwrap_or_else(|| Arc::new(info(&fact.head)));
        let content = fact.head.idempotency.map(|given| given.content);
        held.push(Held { event: recorded(&commit, fact.seq, &fact.event), content });
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(held)
}

impl Held {
    /// The event as if it had this number in its run.
    fn fact(&self, number: u64) -> Fact<'_> {
        let RecordedEvent { seq, commit, stream, kind, kind_version, causation, protection, payload, .. } = &self.event;
        let CommitInfo { first_seq, times, class, actor, principal, correlation, id } = commit.as_ref();
        let idempotency = id.as_ref().zip(self.content).map(|(key, content)| Idempotency { key, content });
        let head = CommitHead {
            first_seq: *first_seq,
            recorded_ns: times.recorded_ns,
            occurred_ns: times.occurred_ns,
            class: *class,
            actor,
            principal: principal.as_deref(),
            correlation: correlation.as_deref(),
            idempotency,
        };
        let (kind_version, causation, protection) = (*kind_version, *causation, *protection);
        let event = Event { stream, number, kind: kind.as_kind(), kind_version, causation, protection, payload };
        Fact { seq: *seq, head, event }
    }
}

/// The events up to the one at which the value last changed, and how much work is still allowed.
pub(super) struct Search<'s> {
    pub(super) contracts: &'s Contracts,
    pub(super) place: Place<'s>,
    pub(super) value: Option<Value>,
    pub(super) events: Vec<Held>,
    /// The number of events that were folded.
    pub(super) folds: u64,
    /// How many may be folded.
    pub(super) folds_max: u64,
    /// Receives how many were folded.
    pub(super) progress: &'s dyn Fn(u64),
}

impl Search<'_> {
    /// Leaves out what can be left out: first large pieces, then smaller ones, at last single events, until none can be left
    /// out. The last event stays. With fewer than `least` events there cannot be such a value.
    pub(super) fn minimal(&mut self, least: usize) -> Result<Vec<usize>, LogError> {
        let mut kept: Vec<usize> = (0..self.events.len()).collect();
        let mut size = kept.len().div_ceil(2);
        while kept.len() > least {
            let (mut end, before) = (kept.len() - 1, kept.len());
            while end > 0 {
                let start = end.saturating_sub(size);
                let rest: Vec<usize> = kept[..start].iter().chain(&kept[end..]).copied().collect();
                if self.makes(&rest)? {
                    kept = rest;
                }
                end = start;
            }
            if size == 1 && kept.len() == before {
                break;
            }
            size = size.div_ceil(2);
        }
        Ok(kept)
    }

    /// Whether the last of these events would set the value if there were no other events.
    fn makes(&mut self, kept: &[usize]) -> Result<bool, LogError> {
        let (place, mut last_two) = (self.place, Vec::new());
        let is_folded = self.folded(kept, &mut |number, fold| {
            if number + 2 >= kept.len() {
                last_two.push(fold.value(place));
            }
            Ok(())
        })?;
        let is_set = |after: ValueAfter| after.as_ref() == Some(&self.value);
        let mut backwards = last_two.into_iter().rev();
        let is_made = is_folded && backwards.next().is_some_and(is_set);
        // Before the first event there is no value.
        Ok(is_made && !backwards.next().map_or(self.value.is_none(), is_set))
    }

    /// The value after each of these events, if only they are folded. While an event must still follow, there are no files,
    /// and the value is the previous one.
    pub(super) fn values(&mut self, kept: &[usize], bytes_max: u64) -> Result<Vec<(Seq, Option<Value>)>, LogError> {
        let (place, mut values, mut bytes) = (self.place, Vec::<Option<Value>>::new(), 0);
        self.folded(kept, &mut |_, fold| {
            let value = fold.value(place).unwrap_or_else(|| values.last().cloned().flatten());
            bytes += serde_json::to_vec(&value).map_or(0, |text| text.len() as u64);
            values.push(value);
            within(bytes, bytes_max, BYTES)
        })?;
        Ok(kept.iter().map(|index| self.events[*index].event.seq).zip(values).collect())
    }

    /// Folds only these events, numbered as if there were no others, and visits the run after each. Returns false if the
    /// contract cannot fold them.
    fn folded(
        &mut self,
        kept: &[usize],
        visit: &mut dyn FnMut(usize, &Folding<'_>) -> Result<(), LogError>,
    ) -> Result<bool, LogError> {
        let mut fold = Folding::new(self.contracts, self.place);
        for (number, index) in kept.iter().enumerate() {
            self.folds += 1;
            within(self.folds, self.folds_max, FOLDS)?;
            (self.progress)(self.folds);
            if fold.push(&self.events[*index].fact(number as u64)).is_err() {
                return Ok(false);
            }
            visit(number, &fold)?;
        }
        Ok(true)
    }
}
