//! Event streams of process mining (XES, IEEE 1849): one trace for each run.
//!
//! A trace stands in one piece, so the events must come run by run, those of a run in their order. Then nothing is held in memory
//! besides the name of the run. The time of an event is when it happened: as its command says, or else when it was recorded.

use crate::event::EventLine;
use crate::sink::Sink;
use crate::xml::exact;
use std::io::{self, Write};

/// What stands before the first trace: what the attributes mean, and which every event has.
const BEGINNING: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849-2016" xes.features="" xmlns="http://www.xes-standard.org/">
<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
<extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
<global scope="trace"><string key="concept:name" value=""/></global>
<global scope="event"><string key="concept:name" value=""/><date key="time:timestamp" value="1970-01-01T00:00:00.000Z"/><string key="org:resource" value=""/></global>
<classifier name="Kind" keys="concept:name"/>
"#;

/// Writes XES.
pub(crate) struct Xes<W> {
    out: W,
    /// The run whose trace is open.
    run: Option<String>,
}

impl<W: Write> Xes<W> {
    pub(crate) fn new(log_id: &str, mut out: W) -> io::Result<Xes<W>> {
        write!(out, "{BEGINNING}{}", attribute("string", "concept:name", log_id))?;
        out.write_all(b"\n")?;
        Ok(Xes { out, run: None })
    }

    fn end_trace(&mut self) -> io::Result<()> {
        if self.run.take().is_some() { self.out.write_all(b"</trace>\n") } else { Ok(()) }
    }
}

impl<W: Write> Sink<W> for Xes<W> {
    fn event(&mut self, event: &EventLine<'_>) -> io::Result<()> {
        if self.run.as_deref() != Some(event.stream) {
            self.end_trace()?;
            writeln!(self.out, "<trace>{}", attribute("string", "concept:name", event.stream))?;
            self.run = Some(event.stream.to_owned());
        }
        let (head, times) = (&event.head, &event.head.times);
        let text = |key, value: Option<&str>| value.map(|value| attribute("string", key, value));
        let date = |key, value: Option<&str>| value.map(|value| attribute("date", key, value));
        let number = |key, value: u64| Some(attribute("int", key, &value.to_string()));
        let attributes = [
            text("concept:name", Some(&event.kind)),
            date("time:timestamp", times.happened()),
            text("org:resource", head.actor),
            number("seq", event.seq),
            number("commit", event.commit),
            date("recorded", times.recorded.as_deref()),
            date("occurred", times.occurred.as_deref()),
            text("mark", times.mark),
            number("number", event.number),
            number("kind_version", event.kind_version.into()),
            text("principal", head.principal),
            text("correlation", head.correlation),
            event.causation.and_then(|seq| number("causation", seq)),
            text("id", head.id),
            number("protection", event.protection.into()),
            text("payload", Some(&event.payload.text())),
        ];
        let attributes: String = attributes.into_iter().flatten().collect();
        writeln!(self.out, "<event>{attributes}</event>")
    }

    fn finish(mut self: Box<Self>) -> io::Result<W> {
        self.end_trace()?;
        self.out.write_all(b"</log>\n")?;
        Ok(self.out)
    }
}

fn attribute(of: &str, key: &str, value: &str) -> String {
    format!("<{of} key=\"{key}\" value=\"{}\"/>", exact(value))
}
