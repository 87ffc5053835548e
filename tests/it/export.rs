//! Every format takes the events of every contract. The tests of the workspace are built with Parquet.

use crate::workload::{commands, open, submit, view};
use evlog::{LogError, View, history};
use evlog_export::{EventLine, Flat, Format};
use evlog_format::{Event, Kind, Seq};
use evlog_projection::{Fact, parse};
use evlog_store::fs::sim::SimFs;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;
use std::io::Write;
use std::ops::ControlFlow;

fn payload_json(event: &Event<'_>) -> Value {
    match event.kind {
        Kind::Custom(_) => parse(event.payload).unwrap(),
        Kind::BuiltIn(_) => history::payload_json(event).or_else(|| evlog_lifecycle::payload_json(event)).unwrap(),
    }
}

/// The bytes of an export, and the number of its events. A format that needs its events run by run gets them in that order.
fn exported(view: &View, format: Format, flat: &Flat) -> (Vec<u8>, usize) {
    let mut sink = format.begin("log", flat, Vec::new()).unwrap().unwrap();
    let mut events = 0;
    let mut visit = |fact: &Fact<'_>| {
        events += 1;
        sink.event(&EventLine::new(fact, 0, payload_json)).unwrap();
        Ok::<_, LogError>(ControlFlow::Continue(()))
    };
    if format.is_by_run() {
        for run in view.run_names().unwrap() {
            view.stream(&run, &mut visit).unwrap();
        }
    } else {
        view.each(Seq(0), &mut visit).unwrap();
    }
    (sink.finish().unwrap(), events)
}

/// The number of rows, as the footer of a Parquet file says.
fn rows(bytes: &[u8]) -> usize {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    usize::try_from(reader.metadata().file_metadata().num_rows()).unwrap()
}

#[test]
fn every_format_is_there_and_takes_the_events_of_every_contract() {
    let fs = SimFs::new();
    let log = open(&fs, 4096).unwrap();
    submit(&log, &commands(3));
    log.close().unwrap();
    let view = view(&fs);
    let mut flat = Flat::default();
    view.each::<LogError>(Seq(0), &mut |fact| {
        assert!(flat.learn(&fact.event.kind.to_string(), &payload_json(&fact.event)));
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    for format in Format::ALL {
        let (bytes, events) = exported(&view, format, &flat);
        assert_eq!((bytes.clone(), events), exported(&view, format, &flat), "{}", format.name());
        let text = String::from_utf8_lossy(&bytes);
        let found = match format {
            Format::Jsonl | Format::CloudEvents => text.lines().count(),
            Format::Csv => text.lines().count() - 1,
            Format::Xes => text.matches("<event>").count(),
            Format::OtlpJson => text.matches("\"eventName\"").count(),
            Format::Parquet => rows(&bytes),
        };
        assert!(found == events && events > 20, "{}: {found} of {events}", format.name());
    }
}
