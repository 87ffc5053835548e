//! Event streams of process mining (XES, IEEE 1849): one trace for each run.
//!
//! A trace is written in one piece, so the events must come run by run, and in order within a run. So only the name of the
//! run is held in memory. The time of an event is when it happened according to its command, or else when it was recorded.

use crate::event::{Cell, EventLine};
use crate::sink::Sink;
use crate::xml::exact;
use std::io::{self, Write};

/// The text before the first trace: what the attributes mean, and which attributes every event has.
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
        // XML has no form at all for these two characters. JSON has an escape for them, so the text stays JSON.
        let payload = event.payload.text().replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff");
        let (resource, happened) = (event.head.actor.map(Cell::Text), event.head.times.happened().map(Cell::Time));
        let named =
            [("concept:name", Some(Cell::Text(&event.kind))), ("time:timestamp", happened), ("org:resource", resource)];
        // The trace has the run's name. Kind and actor are written above, under the names that the XES extensions define.
        let others = event.members().into_iter().filter(|(name, _)| !matches!(*name, "stream" | "kind" | "actor"));
        let all = named.into_iter().chain(others).chain([("payload", Some(Cell::Text(&payload)))]);
        let attributes: String = all.filter_map(|(name, cell)| Some(of_cell(name, &cell?))).collect();
        writeln!(self.out, "<event>{attributes}</event>")
    }

    fn finish(mut self: Box<Self>) -> io::Result<W> {
        self.end_trace()?;
        self.out.write_all(b"</log>\n")?;
        Ok(self.out)
    }
}

fn of_cell(key: &str, cell: &Cell<'_>) -> String {
    match cell {
        Cell::Text(text) => attribute("string", key, text),
        Cell::Time(time) => attribute("date", key, time),
        Cell::Number(number) => attribute("int", key, &number.to_string()),
    }
}

fn attribute(of: &str, key: &str, value: &str) -> String {
    format!("<{of} key=\"{key}\" value=\"{}\"/>", exact(value))
}
