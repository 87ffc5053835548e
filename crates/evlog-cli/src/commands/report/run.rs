//! The page about one run.

use super::gathered::{Gathered, Newest, Troubled};
use super::timeline::{Happened, lasted};
use crate::commands::explain::{Lineage, NOT_DUE, TimesBySeq, explanation, json, sentence, since, times};
use crate::error::CommandError;
use crate::files::RUN_FILE;
use crate::json::hex;
use crate::marks::{text, to_second};
use crate::pages::{column, labelled, reasons};
use crate::table::counted;
use evlog::view::RunSummary;
use evlog_lifecycle::explain::{Explanation, Waiting};
use evlog_projection::Bundle;
use evlog_report::{Banner, Cell, Chapter, Column, Fact, Form, Part, Section, Table, Tone};

/// The id of the chapter about a run, which no other chapter has.
pub(super) fn id(run: &str) -> String {
    format!("run-{run}")
}

pub(super) fn chapter(gathered: &Gathered, troubled: &Troubled) -> Result<Chapter, CommandError> {
    let (view, run) = (&gathered.view, troubled.run.as_str());
    let happened = Happened::of(view, run)?;
    let (mut banner, mut sections) = (unfolded(), vec![about(gathered, troubled)]);
    sections.push(Section {
        heading: "Timeline".to_owned(),
        note: "From the first event that names a stage or step to the last one, by the times when they were recorded."
            .to_owned(),
        parts: vec![Part::Timeline(happened.timeline())],
    });
    if troubled.summary.is_some()
        && let Some(bundle) = view.bundle(run)?
    {
        let run_json = json(&bundle, RUN_FILE);
        let retried_by = gathered.retried_by.get(run).cloned().unwrap_or_default();
        let found = explanation(&bundle, &run_json, &Lineage::of(view, &bundle, &run_json, retried_by)?);
        banner = labelled(&found.status, &found.summary);
        sections.push(why(&found, &times(view, run)?));
        sections.push(digests(&bundle));
    }
    sections.insert(sections.len().min(3), who(&happened));
    sections.push(proof(gathered, troubled));
    Ok(Chapter {
        id: id(run),
        heading: "Run".to_owned(),
        name: run.to_owned(),
        banner: Some(banner),
        lead: Vec::new(),
        sections,
    })
}

/// The verdict on a run whose state nobody can compute.
fn unfolded() -> Banner {
    let sentence =
        "Its contract does not allow one of its events, so it has no status, and no files can be computed.".to_owned();
    Banner { tone: Tone::Bad, word: "unknown".to_owned(), sentence }
}

fn about(gathered: &Gathered, troubled: &Troubled) -> Section {
    let mut facts: Vec<Fact> = Vec::new();
    if let Some(run) = &troubled.summary {
        facts.extend(of_summary(gathered, run));
    }
    let why = |(tone, why): &(Tone, String)| Fact::new("attention", Cell::from(why.as_str()).toned(*tone));
    facts.extend(troubled.why.iter().map(why));
    Section { heading: "What it is".to_owned(), parts: vec![Part::Facts(facts)], ..Section::default() }
}

fn of_summary(gathered: &Gathered, run: &RunSummary) -> Vec<Fact> {
    let end = |times: evlog::Times, seq| {
        let cell = Cell::new(Form::Time, to_second(times.recorded_ns));
        match times.mark(gathered.policies.apart_ns(seq)) {
            Some(mark) => cell.marked(text(mark)),
            None => cell,
        }
    };
    let contract = match &run.definition {
        Some(definition) => format!("{} {definition}", run.contract),
        None => run.contract.to_owned(),
    };
    vec![
        Fact::new("contract", contract),
        Fact::new("begun by", Cell::new(Form::Code, &run.begun_by)),
        Fact::new("first event", end(run.first, run.first_seq)),
        Fact::new("last event", end(run.last, run.last_seq)),
        Fact::new("duration", lasted(i128::from(run.last.recorded_ns) - i128::from(run.first.recorded_ns))),
        Fact::new("events", format!("{}, seq {} to {}", counted(run.events, "event"), run.first_seq, run.last_seq)),
        Fact::new("ended", if run.terminal { "yes" } else { "no: it can still go on" }),
    ]
}

fn why(found: &Explanation, times: &TimesBySeq) -> Section {
    let mut parts = vec![Part::Table(reasons(found, |reason| sentence(reason, times)))];
    let row = |waiting: &Waiting| {
        vec![
            Cell::new(Form::Code, &waiting.subject),
            Cell::from(waiting.text.as_str()),
            Cell::from(since(waiting, times)),
            Cell::from(waiting.due.as_deref().unwrap_or(NOT_DUE)),
        ]
    };
    if !found.waiting.is_empty() {
        parts.push(Part::Table(Table {
            caption: "What it waits for".to_owned(),
            columns: vec![Column::new("what", Form::Code), column("waits for"), column("since"), column("due")],
            rows: found.waiting.iter().map(row).collect(),
            left_out: String::new(),
        }));
    }
    Section { heading: "Why".to_owned(), note: String::new(), parts }
}

fn who(happened: &Happened) -> Section {
    let time = |heading| Column::new(heading, Form::Time);
    let rows = happened.actors.iter().map(|((actor, principal), acted)| {
        vec![
            Cell::new(Form::Code, actor),
            Cell::new(Form::Code, principal),
            Cell::new(Form::Number, acted.events.to_string()),
            Cell::new(Form::Time, to_second(acted.first_ns)),
            Cell::new(Form::Time, to_second(acted.last_ns)),
        ]
    });
    let left_out = match happened.left_actors {
        0 => String::new(),
        left => format!("{} of other actors are not listed.", counted(left, "event")),
    };
    let table = Table {
        caption: "Actors and principals".to_owned(),
        columns: vec![
            Column::new("actor", Form::Code),
            Column::new("principal", Form::Code),
            Column::new("events", Form::Number),
            time("first"),
            time("last"),
        ],
        rows: rows.collect(),
        left_out,
    };
    Section {
        heading: "Who".to_owned(),
        note: "The actor is the name that the caller gave itself; the principal is the user of the operating system."
            .to_owned(),
        parts: vec![Part::Table(table)],
    }
}

fn digests(bundle: &Bundle) -> Section {
    let rows = bundle.files.values().map(|file| {
        vec![
            Cell::new(Form::Code, &file.path),
            Cell::from(format!("{} {}", file.projection, file.version)),
            Cell::new(Form::Code, hex(&file.digest())),
        ]
    });
    let table = Table {
        caption: "BLAKE3 of the files that evlog computes from the events".to_owned(),
        columns: vec![Column::new("file", Form::Code), column("projection"), Column::new("blake3", Form::Code)],
        rows: rows.collect(),
        left_out: String::new(),
    };
    Section { heading: "Digests".to_owned(), note: String::new(), parts: vec![Part::Table(table)] }
}

fn proof(gathered: &Gathered, troubled: &Troubled) -> Section {
    let last = troubled.summary.as_ref().map(|run| run.last_seq);
    let covered = match (&gathered.newest, last) {
        (Some(Newest { next_seq, origin, size }), Some(last)) if last < *next_seq => Cell::from(format!(
            "The checkpoint of `{origin}` over {size} bytes covers all events of this run that this report shows."
        ))
        .toned(Tone::Good),
        (Some(Newest { next_seq, .. }), Some(last)) => Cell::from(format!(
            "The newest checkpoint covers the events before seq {next_seq}; the last event of this run is {last}."
        ))
        .toned(Tone::Warning),
        _ => Cell::from("No checkpoint that the log keeps is known to cover this run.").toned(Tone::Warning),
    };
    let how =
        format!("`evlog evidence {} --out FILE.html` writes its events with a proof for each commit.", troubled.run);
    let facts = vec![Fact::new("covered", covered), Fact::new("proofs", how)];
    Section { heading: "Proof".to_owned(), note: String::new(), parts: vec![Part::Facts(facts)] }
}
