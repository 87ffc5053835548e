//! Events for people and for programs: what `cat` and `tail` have in common.

use crate::error::CommandError;
use crate::json::{event_line, payload_json};
use crate::marks;
use crate::ui::{Text, Tone, Ui};
use evlog::Times;
use evlog::policy::{Noted, Policies};
use evlog_format::{Event, PLAIN, Seq};
use evlog_projection::{Fact, time};
use evlog_proof::ProvenCommit;
use serde_json::Value;
use std::ops::ControlFlow;

/// The longest value and the longest payload that is shown whole, in characters.
const VALUE_LEN_MAX: usize = 60;
const PAYLOAD_LEN_MAX: usize = 160;
/// Columns grow to the widest stream and kind seen: from here, streams up to there, in characters.
const STREAM_WIDTH_MIN: usize = 12;
const STREAM_WIDTH_MAX: usize = 36;
const KIND_WIDTH_MIN: usize = 20;
/// The members that people look for first, in this order; the others follow in their own order.
const FIRST: [&str; 8] = ["stage", "state", "from", "to", "status", "requested", "reason_code", "action"];
/// Members that are left out of the short line.
const LEFT_OUT: [&str; 2] = ["request", "definition"];
/// The number of digits shown of a digest.
const DIGEST_SHOWN: usize = 12;

/// Prints events, one a line.
pub(crate) struct Events<'u> {
    pub(crate) ui: &'u mut Ui,
    json: bool,
    policies: Policies,
    stream_width: usize,
    kind_width: usize,
}

impl<'u> Events<'u> {
    /// The policies define when two times differ enough to get a mark.
    pub(crate) fn new(ui: &'u mut Ui, json: bool, policies: Policies) -> Events<'u> {
        Events { ui, json, policies, stream_width: STREAM_WIDTH_MIN, kind_width: KIND_WIDTH_MIN }
    }

    /// Prints an event; returns `Break` if the answer has no reader any more.
    pub(crate) fn show(&mut self, fact: &Fact<'_>) -> ControlFlow<()> {
        // A policy can be set while events are followed.
        if let Some(Ok(noted)) = Noted::read(fact) {
            self.policies.take(noted).ok();
        }
        if self.json {
            self.ui.json(&event_line(fact, self.policies.apart_ns(fact.seq)));
        } else {
            self.show_line(fact, &payload_json(&fact.event));
        }
        if self.ui.is_read() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn show_line(&mut self, fact: &Fact<'_>, payload: &Value) {
        let (stream, kind) = (fact.event.stream, fact.event.kind.to_string());
        self.stream_width = self.stream_width.max(stream.chars().count().min(STREAM_WIDTH_MAX));
        self.kind_width = self.kind_width.max(kind.chars().count());
        let (stream_width, kind_width) = (self.stream_width, self.kind_width);
        let mark = Times::of(&fact.head).mark(self.policies.apart_ns(fact.seq));
        let mark = mark.map_or_else(String::new, |mark| marks::text(mark) + "  ");
        let line = Text::default()
            .plain(format_args!("{:>6}  ", fact.seq.0))
            .toned(Tone::Faint, time::to_rfc3339(fact.head.recorded_ns))
            .plain(format_args!("  {stream:stream_width$}  "))
            .toned(tone_of_kind(&kind), format_args!("{kind:kind_width$}"))
            .plain("  ")
            .toned(Tone::Warning, mark)
            .plain(if fact.event.protection == PLAIN { words(payload) } else { hidden(&fact.event) });
        self.ui.line(line);
    }
}

/// A payload that this program cannot show.
fn hidden(event: &Event<'_>) -> String {
    let (len, protection) = (event.payload.len(), event.protection);
    format!("(payload of {len} bytes, with a protection that this version does not know: {protection})")
}

fn tone_of_kind(kind: &str) -> Tone {
    match kind.rsplit_once('.') {
        Some(("log", "loss_accepted")) => Tone::Bad,
        Some(("log", "tail_cut" | "recovered" | "clock_stepped")) => Tone::Warning,
        Some(("log", _)) => Tone::Faint,
        Some((_, "rejected" | "forced_failed")) => Tone::Bad,
        Some((_, "refused" | "overridden" | "validation_reported")) => Tone::Warning,
        _ => Tone::Plain,
    }
}

/// A payload in one short line: `key=value` for what has a value.
pub(crate) fn words(payload: &Value) -> String {
    let text = match payload {
        Value::Object(members) => {
            let is_shown = |(key, value): &(&String, &Value)| !is_empty(value) && !LEFT_OUT.contains(&key.as_str());
            let mut pairs: Vec<(&String, &Value)> = members.iter().filter(is_shown).collect();
            let rank = |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
            // Sorting is stable: what has no rank stays in order, and what is nested comes last.
            pairs.sort_by_key(|(key, value)| (value.is_object() || value.is_array(), rank(key)));
            let pairs: Vec<String> =
                pairs.iter().map(|(key, value)| format!("{}={}", name(key), word(value))).collect();
            pairs.join(" ")
        }
        other => word(other),
    };
    cut(text, PAYLOAD_LEN_MAX)
}

/// A name that is not a plain word is quoted like a value, so that it cannot look like `key=value`.
fn name(key: &str) -> String {
    let is_word = !key.is_empty() && key.chars().all(is_plain);
    if is_word { key.to_owned() } else { cut(Value::from(key).to_string(), VALUE_LEN_MAX) }
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "-_.:/@+".contains(c)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn word(value: &Value) -> String {
    let text = match value {
        Value::String(text) if is_digest(text) => return cut(text.clone(), DIGEST_SHOWN),
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            return format!("({} items)", items.len());
        }
        Value::String(text) if !text.is_empty() && text.chars().all(is_plain) => text.clone(),
        other => other.to_string(),
    };
    cut(text, VALUE_LEN_MAX)
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(crate) fn cut(text: String, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Visits the events of a proven commit.
pub(crate) fn each_fact(
    commit: &ProvenCommit,
    visit: &mut dyn FnMut(&Fact<'_>) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let read = commit.commit().map_err(|error| CommandError::user(format!("the proven commit: {error}")))?;
    for (seq, event) in (read.head.first_seq.0..).zip(&read.events) {
        visit(&Fact { seq: Seq(seq), head: read.head, event: *event })?;
    }
    Ok(())
}
