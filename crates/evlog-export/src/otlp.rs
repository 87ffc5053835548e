//! Logs of `OpenTelemetry` in the JSON form of OTLP: each line is one message with at most [`BATCH`] records, as the file exporter of
//! the `OpenTelemetry` Collector writes them.
//!
//! The time of occurrence is in `timeUnixNano`, the recorded time in `observedTimeUnixNano`. These cannot hold times before
//! 1970 or after the year 2554. Such a time is left out there; like every time, it is also among the attributes as text.

use crate::event::{Cell, EventLine};
use crate::json;
use crate::sink::Sink;
use serde::Serialize;
use std::io::{self, Write};

/// The most records of a message.
const BATCH: usize = 512;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time_unix_nano: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_time_unix_nano: Option<String>,
    event_name: &'a str,
    body: Value,
    attributes: Vec<Attribute>,
}

#[derive(Serialize)]
struct Attribute {
    key: String,
    value: Value,
}

/// Integers are texts in this form, because they have 64 bits.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Value {
    StringValue(String),
    IntValue(String),
}

/// Writes OTLP.
pub(crate) struct Otlp<W> {
    out: W,
    /// The bytes before the records of a message.
    before: String,
    records: Vec<String>,
}

impl<W: Write> Otlp<W> {
    pub(crate) fn new(log_id: &str, out: W) -> Otlp<W> {
        let attribute =
            |key: &str, value: &str| Attribute { key: key.to_owned(), value: Value::StringValue(value.to_owned()) };
        let resource = json::text(&[attribute("service.name", "evlog"), attribute("evlog.log_id", log_id)]);
        let before = format!(
            "{{\"resourceLogs\":[{{\"resource\":{{\"attributes\":{resource}}},\"scopeLogs\":[{{\"scope\":{{\"name\":\"evlog\"}},\
             \"logRecords\":["
        );
        Otlp { out, before, records: Vec::with_capacity(BATCH) }
    }

    fn end_batch(&mut self) -> io::Result<()> {
        if !self.records.is_empty() {
            writeln!(self.out, "{}{}]}}]}}]}}", self.before, self.records.join(","))?;
            self.records.clear();
        }
        Ok(())
    }
}

impl<W: Write> Sink<W> for Otlp<W> {
    fn event(&mut self, event: &EventLine<'_>) -> io::Result<()> {
        self.records.push(json::text(&record(event)));
        if self.records.len() == BATCH { self.end_batch() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> io::Result<W> {
        self.end_batch()?;
        Ok(self.out)
    }
}

fn record<'a>(event: &'a EventLine<'_>) -> Record<'a> {
    let nanoseconds = |time_ns: i128| u64::try_from(time_ns).ok().map(|time_ns| time_ns.to_string());
    let mut members = event.members();
    // The stream comes first; the sort is stable.
    members.sort_by_key(|(name, _)| *name != "stream");
    let attribute = |(name, cell): (&'static str, Option<Cell<'_>>)| {
        // The kind is the record's event name.
        let value = match cell.filter(|_| name != "kind")? {
            Cell::Text(text) | Cell::Time(text) => Value::StringValue(text.to_owned()),
            Cell::Number(number) => Value::IntValue(number.to_string()),
        };
        Some(Attribute { key: format!("evlog.{name}"), value })
    };
    Record {
        time_unix_nano: nanoseconds(event.times.happened_ns()),
        observed_time_unix_nano: nanoseconds(event.times.recorded_ns.into()),
        event_name: &event.kind,
        body: Value::StringValue(event.payload.text()),
        attributes: members.into_iter().filter_map(attribute).collect(),
    }
}
