//! What happened in a run, when, and who did it: gathered in one pass over its events, within bounds.

use crate::json::payload_json;
use crate::marks::{distance, to_second};
use crate::pages::tone;
use crate::table::counted;
use evlog::{LogError, View};
use evlog_projection::Fact;
use evlog_report::{Lane, Span, Timeline, Tone};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// The most lanes and actors that are shown of a run.
const LANES_MAX: usize = 40;
pub(super) const ACTORS_MAX: usize = 50;
/// Members of payloads that name a part of a run, and its lane.
const NAMES: [&str; 3] = ["substage", "stage", "step"];
/// Members of payloads that name a state.
const STATES: [&str; 3] = ["status", "state", "to"];

/// What one part of a run did.
struct Part {
    first_ns: i128,
    last_ns: i128,
    events: u64,
    tone: Tone,
}

/// The events of one actor.
pub(super) struct Acted {
    pub(super) events: u64,
    pub(super) first_ns: i128,
    pub(super) last_ns: i128,
}

/// Gathered from the events of a run.
#[derive(Default)]
pub(super) struct Happened {
    /// In the order in which they first happened.
    parts: Vec<(String, Part)>,
    left_out: u64,
    /// By actor and principal.
    pub(super) actors: BTreeMap<(String, String), Acted>,
    pub(super) left_actors: u64,
}

impl Happened {
    pub(super) fn of(view: &View, run: &str) -> Result<Happened, LogError> {
        let mut happened = Happened::default();
        view.stream::<LogError>(run, &mut |fact| {
            happened.take(fact);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(happened)
    }

    fn take(&mut self, fact: &Fact<'_>) {
        let (payload, at_ns) = (payload_json(&fact.event), i128::from(fact.head.recorded_ns));
        let name = NAMES.iter().find_map(|name| payload[name].as_str()).unwrap_or("the run");
        let tone = tone_of(&fact.event.kind.to_string(), &payload);
        match self.parts.iter().position(|(known, _)| known == name) {
            Some(at) => {
                let part = &mut self.parts[at].1;
                (part.first_ns, part.last_ns) = (part.first_ns.min(at_ns), part.last_ns.max(at_ns));
                part.events += 1;
                part.tone = part.tone.max(tone);
            }
            None if self.parts.len() < LANES_MAX => {
                self.parts.push((name.to_owned(), Part { first_ns: at_ns, last_ns: at_ns, events: 1, tone }));
            }
            None => self.left_out += 1,
        }
        let who = (fact.head.actor.to_owned(), fact.head.principal.unwrap_or_default().to_owned());
        if self.actors.len() >= ACTORS_MAX && !self.actors.contains_key(&who) {
            self.left_actors += 1;
            return;
        }
        let acted = self.actors.entry(who).or_insert(Acted { events: 0, first_ns: at_ns, last_ns: at_ns });
        acted.events += 1;
        (acted.first_ns, acted.last_ns) = (acted.first_ns.min(at_ns), acted.last_ns.max(at_ns));
    }

    pub(super) fn timeline(&self) -> Timeline {
        let begin_ns = self.parts.iter().map(|(_, part)| part.first_ns).min().unwrap_or_default();
        let end_ns = self.parts.iter().map(|(_, part)| part.last_ns).max().unwrap_or_default();
        let place = |ns: i128| u16::try_from((ns - begin_ns) * 1000 / (end_ns - begin_ns).max(1)).unwrap_or(1000);
        let lane = |(name, part): &(String, Part)| Lane {
            name: name.clone(),
            words: format!("{}, {}", lasted(part.last_ns - part.first_ns), counted(part.events, "event")),
            spans: vec![Span { from: place(part.first_ns), to: place(part.last_ns), tone: part.tone }],
        };
        let left_out = match self.left_out {
            0 => String::new(),
            left => format!("{} of other stages or steps are not drawn.", counted(left, "event")),
        };
        let shown = |ns: i128| to_second(ns).replace('T', " ");
        Timeline { ends: (shown(begin_ns), shown(end_ns)), lanes: self.parts.iter().map(lane).collect(), left_out }
    }
}

/// How good what an event says is.
fn tone_of(kind: &str, payload: &Value) -> Tone {
    let kind = kind.rsplit('.').next().map_or(Tone::Plain, |last| match last {
        "rejected" | "forced_failed" | "forced" | "lock_forced" => Tone::Bad,
        "refused" | "overridden" => Tone::Warning,
        _ => Tone::Plain,
    });
    let state = STATES.iter().filter_map(|state| payload[state].as_str()).map(tone).max();
    kind.max(state.unwrap_or_default())
}

/// A duration: to a tenth of a second below a minute.
pub(super) fn lasted(duration_ns: i128) -> String {
    let tenths = duration_ns / 100_000_000;
    if tenths < 600 { format!("{}.{} s", tenths / 10, tenths % 10) } else { distance(duration_ns.unsigned_abs()) }
}
