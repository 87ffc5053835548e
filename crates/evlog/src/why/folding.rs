//! A run that is folded for one value of one of its files.
//!
//! Invariant: the value is the one in the bundle of the same events. While there is no bundle, there is no value.

use super::{Place, ValueAfter};
use evlog_projection::contracts::AUDIT_PATH;
use evlog_projection::digests::DigestFold;
use evlog_projection::patch::document;
use evlog_projection::serde_json::{self, Value};
use evlog_projection::{Contracts, Fact, FoldError, RunFold};

/// The fold, which depends on the file.
pub(super) enum Folding<'c> {
    /// A file that the contract projects from the state of the run.
    Projected(&'c Contracts, Option<RunFold>),
    /// The audit file. All its lines together are long, so only those are kept that the pointer shows.
    Audit(AuditLines<'c>),
}

pub(super) struct AuditLines<'c> {
    fold: DigestFold<'c>,
    /// The line that the pointer shows; `None` if it shows all lines.
    wanted: Option<usize>,
    /// The lines that the pointer shows and that exist already.
    shown: Vec<Value>,
    /// How many lines there are, and how many bytes they have.
    count: usize,
    len: u64,
    /// The sum over all events so far of the bytes that were shown after each.
    all_len: u64,
}

impl<'c> Folding<'c> {
    pub(super) fn new(contracts: &'c Contracts, place: Place<'_>) -> Folding<'c> {
        if place.file != AUDIT_PATH {
            return Folding::Projected(contracts, None);
        }
        let number = |text: &str| text.parse().ok().filter(|line: &usize| line.to_string() == text);
        // A string that is not a number shows no line.
        let wanted = place.pointer.split('/').nth(1).map(|text| number(text).unwrap_or(usize::MAX));
        let fold = DigestFold::new(contracts);
        Folding::Audit(AuditLines { fold, wanted, shown: Vec::new(), count: 0, len: 0, all_len: 0 })
    }

    pub(super) fn push(&mut self, fact: &Fact<'_>) -> Result<(), FoldError> {
        match self {
            Folding::Projected(_, Some(run)) => run.evolve(fact),
            Folding::Projected(contracts, run) => contracts.start(fact).map(|begun| *run = Some(begun)),
            Folding::Audit(lines) => lines.push(fact),
        }
    }

    /// The value as of the events folded so far.
    pub(super) fn value(&self, place: Place<'_>) -> ValueAfter {
        match self {
            Folding::Projected(_, run) => {
                let files = run.as_ref()?.project().ok()?;
                let file = files.iter().find(|file| file.path == place.file);
                let document = file.and_then(|file| document(place.file, &file.bytes));
                Some(document.and_then(|document| document.pointer(place.pointer).cloned()))
            }
            Folding::Audit(lines) => {
                lines.fold.run()?.project().ok()?;
                Some(lines.value(place.pointer))
            }
        }
    }

    /// How many events a run needs at least to have the value: a line of the audit file belongs to one event.
    pub(super) fn events_min(&self) -> usize {
        match self {
            Folding::Projected(..) => 1,
            Folding::Audit(lines) => lines.wanted.map_or(lines.count, |line| line.saturating_add(1)),
        }
    }

    /// A lower bound of the bytes of values in the answer, as known while the run is folded.
    pub(super) fn bytes_min(&self) -> u64 {
        match self {
            Folding::Projected(..) => 0,
            Folding::Audit(lines) => lines.all_len,
        }
    }
}

impl AuditLines<'_> {
    fn push(&mut self, fact: &Fact<'_>) -> Result<(), FoldError> {
        let line = self.fold.push(fact)?;
        if self.wanted.is_none() {
            self.len += line.len() as u64;
            self.all_len += self.len;
        }
        if self.wanted.is_none_or(|wanted| wanted == self.count) {
            self.shown.push(serde_json::from_slice(&line).unwrap_or_default());
        }
        self.count += 1;
        Ok(())
    }

    fn value(&self, pointer: &str) -> Option<Value> {
        if self.wanted.is_none() {
            return Some(Value::Array(self.shown.clone()));
        }
        let within = pointer.match_indices('/').nth(1).map_or("", |(at, _)| &pointer[at..]);
        self.shown.first()?.pointer(within).cloned()
    }
}
