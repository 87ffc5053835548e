//! `CloudEvents` 1.0 in structured mode: one JSON object a line.
//!
//! Invariant: `source` and `id` identify an event worldwide: they are the log, and the event's seq in it.

use crate::event::{EventLine, Payload};
use crate::json::write_line;
use crate::sink::Sink;
use serde::Serialize;
use std::io::{self, Write};

/// An event. Members without a value are left out: no attribute is null. Names of extensions are lowercase letters and digits.
/// Whole numbers are texts, because an integer of this format has 32 bits.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: &'a str,
    r#type: &'a str,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    datacontenttype: &'static str,
    sequence: String,
    commit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<&'static str>,
    number: String,
    kindversion: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commandid: Option<&'a str>,
    protection: u8,
    data: &'a Payload<'a>,
}

/// Writes `CloudEvents`.
pub(crate) struct CloudEvents<W> {
    out: W,
    source: String,
}

impl<W: Write> CloudEvents<W> {
    pub(crate) fn new(log_id: &str, out: W) -> CloudEvents<W> {
        CloudEvents { out, source: format!("urn:evlog:{log_id}") }
    }
}

impl<W: Write> Sink<W> for CloudEvents<W> {
    fn event(&mut self, event: &EventLine<'_>) -> io::Result<()> {
        let head = &event.head;
        let times = &head.times;
        let object = CloudEvent {
            specversion: "1.0",
            id: event.seq.to_string(),
            source: &self.source,
            r#type: &event.kind,
            subject: event.stream,
            time: times.happened(),
            datacontenttype: "application/json",
            sequence: event.seq.to_string(),
            commit: event.commit.to_string(),
            recorded: times.recorded.as_deref(),
            occurred: times.occurred.as_deref(),
            mark: times.mark,
            number: event.number.to_string(),
            kindversion: event.kind_version,
            actor: head.actor,
            principal: head.principal,
            correlation: head.correlation,
            causation: event.causation.map(|seq| seq.to_string()),
            commandid: head.id,
            protection: event.protection,
            data: &event.payload,
        };
        write_line(&mut self.out, &object)
    }

    fn finish(self: Box<Self>) -> io::Result<W> {
        Ok(self.out)
    }
}
