//! The events that all contenders append: real ones, of contract `status` or of several contracts, so that every command can
//! read the log.
//!
//! Payloads are made before any clock runs. They are the same in every run, and do not compress well.

mod mixed;

pub use mixed::RULES;

use crate::Done;
use evlog_format::{Kind, kind, payload};
use evlog_lifecycle::status::RunStatus;
use evlog_lifecycle::status::payload::{Action, Created, RefusalReason, Refused, Retry, TransitionCause, Transitioned};
use evlog_store::{AppendEvent, Causation};

/// The most different payloads of each kind. Events use them in turn.
const POOL: usize = 10_000;

/// The run that all others repeat. A run with a parent need not name itself in its payload.
const PARENT: &str = "RUN_ROOT";

/// The lengths of the payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// 208 to 271 bytes, all lengths equally often.
    Audit,
    /// 200 bytes.
    Short,
    /// The sizes of real events of the contract: created, started, succeeded.
    Natural,
}

/// How events are distributed to streams: this many streams take turns until each has all its events, then the next ones do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Events of one stream.
    pub len: usize,
    /// Streams that grow at the same time.
    pub at_once: usize,
}

impl Layout {
    /// The stream of an event, and its number within the stream.
    pub fn place(self, number: usize) -> (usize, usize) {
        let wave = self.len * self.at_once;
        let (before, within) = (number / wave * self.at_once, number % wave);
        (before + within % self.at_once, within / self.at_once)
    }

    /// How many streams `events` events need.
    pub fn streams(self, events: usize) -> usize {
        events.div_ceil(self.len * self.at_once) * self.at_once
    }
}

/// A run that begins and ends in order: the layout of [`Sizes::Natural`].
pub const NATURAL: Layout = Layout { len: 3, at_once: 1 };

/// An event of a run: its kind, and payloads that events use in turn.
#[derive(Debug)]
struct Step {
    kind: Kind<'static>,
    payloads: Vec<Vec<u8>>,
}

/// Events and the names of their streams.
#[derive(Debug)]
pub struct Events {
    /// The shapes of runs, which take turns: the events of a run in order. The last event is used for all further ones.
    shapes: Vec<Vec<Step>>,
    names: Vec<String>,
    layout: Layout,
}

impl Events {
    /// Events of contract `status`, for workloads that take up to `count` events.
    pub fn new(sizes: Sizes, layout: Layout, count: usize) -> Done<Events> {
        let mut random = Random(SEED);
        let mut pool = |make: fn(&mut Random, Sizes) -> Done<Vec<u8>>| {
            (0..POOL.min(count)).map(|_| make(&mut random, sizes)).collect::<Done<Vec<_>>>()
        };
        let mut shape = vec![Step { kind: kind::STATUS_CREATED, payloads: pool(created)? }];
        match sizes {
            Sizes::Natural => shape.extend([STARTED, SUCCEEDED].map(moved).into_iter().collect::<Done<Vec<_>>>()?),
            Sizes::Audit | Sizes::Short => {
                shape.push(Step { kind: kind::STATUS_REFUSED, payloads: pool(refused)? });
            }
        }
        Ok(Events::of(vec![shape], layout, count))
    }

    /// Events of contracts `custom`, `status` and `pipeline` in turns: ten events for each run, and up to 1,000 runs at a
    /// time. The rules of [`RULES`] apply to them.
    pub fn mixed(count: usize) -> Done<Events> {
        let layout = Layout { len: mixed::LEN, at_once: mixed::AT_ONCE.min(count.div_ceil(mixed::LEN)) };
        Ok(Events::of(mixed::shapes(layout.at_once)?, layout, count))
    }

    fn of(shapes: Vec<Vec<Step>>, layout: Layout, count: usize) -> Events {
        Events { shapes, names: (0..layout.streams(count)).map(name).collect(), layout }
    }

    fn step(&self, (stream, within): (usize, usize)) -> &Step {
        let shape = &self.shapes[stream % self.shapes.len()];
        &shape[within.min(shape.len() - 1)]
    }

    /// The payload of an event.
    pub fn payload(&self, number: usize) -> &[u8] {
        let payloads = &self.step(self.layout.place(number)).payloads;
        &payloads[number % payloads.len()]
    }

    /// An event as the store takes it.
    pub fn event(&self, number: usize) -> AppendEvent<'_> {
        let (stream, within) = self.layout.place(number);
        let (kind, payload) = (self.step((stream, within)).kind, self.payload(number));
        let stream = self.names[stream].as_str();
        AppendEvent { stream, kind, kind_version: 1, causation: Causation::None, payload }
    }

    /// The name of a stream.
    pub fn name(&self, stream: usize) -> &str {
        &self.names[stream]
    }

    /// The most events that fit into the streams.
    pub fn count(&self) -> usize {
        self.names.len() * self.layout.len
    }
}

/// The start value of the random numbers.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// The name of a stream.
fn name(stream: usize) -> String {
    format!("RUN_{stream:08}")
}

/// Marsaglia's xorshift: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn len(&mut self, sizes: Sizes) -> u64 {
        match sizes {
            Sizes::Audit => 208 + (self.next() >> 32) % 64,
            Sizes::Short => 200,
            Sizes::Natural => 0,
        }
    }

    /// Letters that carry six bits each.
    fn text(&mut self, len: usize) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        (0..len).map(|_| char::from(LETTERS[usize::try_from(self.next() >> 58).unwrap_or(0)])).collect()
    }
}

/// A payload that is extended with text to the wanted length. If it has that length without text, it gets none.
fn filled(random: &mut Random, sizes: Sizes, make: impl Fn(String) -> Done<Vec<u8>>) -> Done<Vec<u8>> {
    let len = usize::try_from(random.len(sizes))?;
    let bare = make(String::new())?.len();
    make(random.text(len.saturating_sub(bare)))
}

fn created(random: &mut Random, sizes: Sizes) -> Done<Vec<u8>> {
    filled(random, sizes, |text| {
        let retry = Retry { count: 1, reason: format!("operator: {text}"), approval: None };
        Ok(payload::encode(&creation(PARENT.to_owned(), Some(retry)))?)
    })
}

/// A run below [`PARENT`].
fn creation(parent: String, retry: Option<Retry>) -> Created {
    Created {
        parent_run_id: Some(parent),
        root_run_id: PARENT.to_owned(),
        retry,
        max_retries: 1,
        pins_required: false,
        case_id: None,
        contract_version: None,
        policy_versions: None,
        error_codes: Vec::new(),
        details: None,
    }
}

fn refused(random: &mut Random, sizes: Sizes) -> Done<Vec<u8>> {
    filled(random, sizes, |text| {
        let table = Refused {
            current: Some(RunStatus::Created),
            action: Action::Transition,
            reason: RefusalReason::StalePrecondition,
            message: "expected status `running`".to_owned(),
            claimed_run_id: None,
            requested: None,
            note: Some(text),
            offered: None,
            request: [0x5a; 32],
        };
        Ok(payload::encode(&table)?)
    })
}

/// The transitions of a run that ends as it should.
const STARTED: (RunStatus, RunStatus) = (RunStatus::Created, RunStatus::Running);
const SUCCEEDED: (RunStatus, RunStatus) = (RunStatus::Running, RunStatus::Success);

fn moved((from, to): (RunStatus, RunStatus)) -> Done<Step> {
    let table = Transitioned { from, to, cause: TransitionCause::Requested, reason: None, diagnostic: None };
    Ok(Step { kind: kind::STATUS_TRANSITIONED, payloads: vec![payload::encode(&table)?] })
}

/// The events of the works that append: ten of a run, one run after the other.
pub fn audit_events(count: usize) -> Done<Events> {
    Events::new(Sizes::Audit, Layout { len: 10, at_once: 1 }, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { len: 10, at_once: 3 };

    #[test]
    fn every_stream_gets_its_events_in_order_and_streams_take_turns() {
        assert_eq!(
            (0..5).map(|number| LAYOUT.place(number)).collect::<Vec<_>>(),
            [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]
        );
        assert_eq!(LAYOUT.place(30), (3, 0), "the fourth stream begins when the first three have ended");
        assert_eq!((LAYOUT.streams(30), LAYOUT.streams(31)), (3, 6));
    }

    #[test]
    fn payloads_have_the_lengths_that_were_asked_for() {
        let lengths = |sizes| {
            let events = Events::new(sizes, LAYOUT, 1000).unwrap();
            let mut lengths: Vec<usize> = (0..1000).map(|number| events.payload(number).len()).collect();
            lengths.sort_unstable();
            lengths.dedup();
            lengths
        };
        assert_eq!(lengths(Sizes::Audit), (208..272).collect::<Vec<_>>());
        assert_eq!(lengths(Sizes::Short), [200]);
    }
}
