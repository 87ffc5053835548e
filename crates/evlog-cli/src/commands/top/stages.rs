//! The stages or steps of one run, as its events say.
//!
//! Does: take what any event says that names a `stage` or `step`, and its state. Does not: ask its contract. An attempt is counted
//! where no event numbers it.

use super::feed::tone;
use crate::json::payload_json;
use crate::ui;
use evlog_format::kind;
use evlog_projection::Fact;
use evlog_top::{Stage, Word};

const SECOND_NS: i64 = 1_000_000_000;
/// The state of a stage that has begun.
const RUNNING: &str = "running";

/// The stages so far, in the order in which events name them.
#[derive(Default)]
pub(super) struct Stages(Vec<Known>);

struct Known {
    name: String,
    state: String,
    attempt: u64,
    begun_ns: Option<i64>,
    ended_ns: Option<i64>,
}

impl Stages {
    /// Takes an event of the run.
    pub(super) fn take(&mut self, fact: &Fact<'_>) {
        let payload = payload_json(&fact.event);
        for (list, name) in [("stages", "stage"), ("steps", "step")] {
            for stage in payload[list].as_array().into_iter().flatten() {
                if let Some(name) = stage[name].as_str() {
                    self.of(name, if stage["enabled"] == false { "disabled" } else { "pending" });
                }
            }
        }
        let text = |names: [&str; 3]| names.iter().find_map(|name| payload[*name].as_str()).map(str::to_owned);
        let begins = fact.event.kind == kind::PIPELINE_STAGE_BEGUN;
        let Some(name) = text(["substage", "stage", "step"]) else { return };
        let Some(state) = text(["to", "state", "status"]).or(begins.then(|| RUNNING.to_owned())) else { return };
        let known = self.of(&name, &state);
        let recorded_ns = fact.head.recorded_ns;
        if state == RUNNING {
            known.attempt = payload["attempt"].as_u64().unwrap_or(known.attempt + 1);
            (known.begun_ns, known.ended_ns) = (Some(recorded_ns), None);
        } else if known.begun_ns.is_some() {
            known.ended_ns = Some(recorded_ns);
        }
        known.state = state;
    }

    /// What the screen shows of them at a time.
    pub(super) fn shown(&self, now_ns: i64) -> Vec<Stage> {
        let stage = |known: &Known| Stage {
            name: known.name.clone(),
            status: Word::new(known.state.as_str(), tone(ui::Tone::of(&known.state))),
            attempts: if known.attempt > 0 { known.attempt.to_string() } else { String::new() },
            took: known.begun_ns.map(|begun_ns| took(known.ended_ns.unwrap_or(now_ns), begun_ns)).unwrap_or_default(),
        };
        self.0.iter().map(stage).collect()
    }

    fn of(&mut self, name: &str, state: &str) -> &mut Known {
        let at = self.0.iter().position(|known| known.name == name).unwrap_or_else(|| {
            let known =
                Known { name: name.to_owned(), state: state.to_owned(), attempt: 0, begun_ns: None, ended_ns: None };
            self.0.push(known);
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

/// Between two times: to a tenth of a second below a minute. A clock that went back says nothing.
fn took(end_ns: i64, begun_ns: i64) -> String {
    let Ok(took_ns) = u64::try_from(end_ns.saturating_sub(begun_ns)) else { return String::new() };
    if took_ns < 60 * SECOND_NS.unsigned_abs() {
        return format!("{}.{} s", took_ns / 1_000_000_000, took_ns / 100_000_000 % 10);
    }
    crate::marks::distance(took_ns.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_tenths_below_a_minute_and_none_where_the_clock_went_back() {
        let cases = [(0, "0.0 s"), (640_000_000, "0.6 s"), (59_990_000_000, "59.9 s"), (61_000_000_000, "1 min 1 s")];
        for (len_ns, words) in cases {
            assert_eq!(took(len_ns, 0), words);
        }
        assert_eq!(took(0, 1), "");
    }
}
