//! The state of a run: what was recorded of it. [`fold`](super::fold) changes it.

use super::definition::{Definition, StatusId};
use super::payload::Forced;
use evlog_format::Seq;
use evlog_projection::Fact;
use evlog_rules::rules::Enforced;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A run's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub(super) pinned: Arc<Pinned>,
    pub(super) status: StatusId,
    /// How each status was entered last, by the status's index.
    pub(super) entered: Vec<Option<Arc<Entered>>>,
    pub(super) counts: Counts,
    pub(super) owed: Option<Box<Owed>>,
    pub(super) ended_ns: Option<i128>,
    /// The state of the enforced rules of the definition.
    pub(super) enforced: Enforced,
}

/// What the run's first event fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pinned {
    pub definition: Arc<Definition>,
    pub time_ns: i128,
}

/// The latest entry to a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entered {
    pub seq: Seq,
    pub time_ns: i128,
    /// The number of times that it was entered, including this time.
    pub times: u64,
    pub reason_code: Option<String>,
    pub data: Map<String, Value>,
}

/// How many events there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub transitions: u64,
    pub rejections: u64,
    pub forced: u64,
    pub refusals: u64,
}

/// The forced transition that must follow a rejection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    /// The rejection.
    pub cause: Seq,
    /// First seq of the commit that it must be in.
    pub commit: Seq,
    pub event: Forced,
}

impl State {
    /// The lifecycle that the run is judged by.
    pub fn definition(&self) -> &Definition {
        &self.pinned.definition
    }

    /// The status, by name.
    pub fn status(&self) -> &str {
        &self.definition().status(self.status).name
    }

    /// Whether the run has ended for good.
    pub fn is_terminal(&self) -> bool {
        self.definition().status(self.status).terminal
    }

    /// Whether a status was ever entered.
    pub(super) fn has_been(&self, id: StatusId) -> bool {
        self.entered[id.0].is_some()
    }

    /// Notes that a status was entered.
    pub(super) fn enter(
        &mut self,
        to: StatusId,
        fact: &Fact<'_>,
        reason_code: Option<String>,
        data: Map<String, Value>,
    ) {
        let times = self.entered[to.0].as_ref().map_or(0, |earlier| earlier.times) + 1;
        let entered = Entered { seq: fact.seq, time_ns: fact.head.time_ns(), times, reason_code, data };
        self.entered[to.0] = Some(Arc::new(entered));
        self.status = to;
        if self.is_terminal() {
            self.ended_ns = Some(fact.head.time_ns());
        }
    }
}
