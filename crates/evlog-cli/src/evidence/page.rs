//! The page for people. The same data gives the same bytes.

use super::{Evidence, Judged};
use crate::events::whole_words;
use crate::marks::{distance, to_second};
use crate::pages::{labelled, reasons};
use crate::table::counted;
use evlog::{APART_NS, Times};
use evlog_report::{
    Banner, Cell, Chapter, Column, Data, Fact, Form, Page, Part, Section, Table, Tone, render as written,
};
use serde_json::Value;

/// The text at the end of each page.
const FOOTER: &str = "This page does not check itself, and anybody can write a page. `evlog check-evidence FILE --key LOG.pub` checks all of it, \
    without a network and without the log: the signature by the log's public key, which you get from elsewhere; that each event stands in the \
    signed log; that the files follow from these events; and that this page shows what its data says. Nothing in it proves that the run has \
    no later events: only the log shows that.";

/// The whole page.
pub(super) fn render(evidence: &Evidence, judged: &Judged, data: Data) -> String {
    let sections = vec![
        head(judged),
        why(judged),
        events(judged),
        projections(evidence, judged),
        checkpoint(evidence, judged),
        proofs(judged),
    ];
    let chapter = Chapter {
        id: "run".to_owned(),
        heading: "Evidence of run".to_owned(),
        name: evidence.run.clone(),
        banner: Some(banner(judged)),
        lead: Vec::new(),
        sections,
    };
    let title = format!("Evidence: {}", evidence.run);
    written(&Page { title, chapters: vec![chapter], footer: FOOTER.to_owned(), data: Some(data), ..Page::default() })
}

fn banner(judged: &Judged) -> Banner {
    let status = judged.status.as_deref().unwrap_or("unknown");
    match (&judged.contract_finding, &judged.explanation) {
        (Some(finding), _) => Banner {
            tone: Tone::Bad,
            word: status.to_owned(),
            sentence: format!("The contract does not allow these events: {finding}"),
        },
        (None, Some(explanation)) => labelled(status, &explanation.summary),
        (None, None) => labelled(status, ""),
    }
}

fn head(judged: &Judged) -> Section {
    let checkpoint = &judged.checkpoint;
    let findings = match &judged.contract_finding {
        Some(finding) => Cell::from(finding.as_str()).toned(Tone::Bad),
        None => Cell::from("none: the contract allows every event"),
    };
    let facts = vec![
        Fact::new("limit", judged.limit()),
        Fact::new("contract", judged.contract.as_deref().unwrap_or("unknown")),
        Fact::new("log", Cell::new(Form::Code, &checkpoint.origin)),
        Fact::new("log id", Cell::new(Form::Code, checkpoint.log_id.to_string())),
        Fact::new("findings", findings),
    ];
    Section { heading: "What this page shows".to_owned(), parts: vec![Part::Facts(facts)], ..Section::default() }
}

fn why(judged: &Judged) -> Section {
    let parts =
        judged.explanation.iter().map(|explanation| Part::Table(reasons(explanation, |reason| reason.text.clone())));
    Section { heading: "Why".to_owned(), parts: parts.collect(), ..Section::default() }
}

fn events(judged: &Judged) -> Section {
    let is_tied = !judged.correlations().is_empty();
    let has_occurred = judged.times.iter().any(|(_, times)| times.occurred_ns.is_some());
    let mut columns = vec![Column::new("seq", Form::Number), Column::new("recorded", Form::Time)];
    columns.extend(has_occurred.then(|| Column::new("occurred", Form::Time)));
    columns.extend([Column::new("what", Form::Code), Column::new("who", Form::Code)]);
    columns.extend(is_tied.then(|| Column::new("correlation", Form::Code)));
    columns.push(Column::new("details", Form::Code));
    let mut before_ns = i128::MIN;
    let row = |(event, (_, times)): (&Value, &(_, Times))| {
        let text = |key: &str| event[key].as_str().unwrap_or_default();
        let recorded_ns = i128::from(times.recorded_ns);
        let recorded = Cell::new(Form::Time, shorter(text("recorded")));
        let is_late = std::mem::replace(&mut before_ns, recorded_ns) > recorded_ns;
        let mut row = vec![
            Cell::new(Form::Number, event["seq"].to_string()),
            if is_late { recorded.marked("out of order") } else { recorded },
        ];
        row.extend(has_occurred.then(|| occurred(text("occurred"), times)));
        row.extend([Cell::new(Form::Code, text("kind")), Cell::new(Form::Code, who(event))]);
        row.extend(is_tied.then(|| Cell::new(Form::Code, text("correlation"))));
        row.push(Cell::new(Form::Code, whole_words(event.get("payload").unwrap_or(&Value::Null))));
        row
    };
    let rows = judged.events.iter().zip(&judged.times).map(row).collect();
    let caption = counted(judged.events.len() as u64, "event");
    Section {
        heading: "Events".to_owned(),
        note: "In order, without a gap, from the run's first event to the last one here; later ones may be left out. Times are in UTC. The \
               payloads with every member are in the proofs."
            .to_owned(),
        parts: vec![Part::Table(Table { caption, columns, rows, left_out: String::new() })],
    }
}

/// When it occurred, by its command; with a mark if that differs from when it was recorded.
fn occurred(text: &str, times: &Times) -> Cell {
    let cell = Cell::new(Form::Time, shorter(text));
    match times.mark(APART_NS) {
        Some(mark) => cell.marked(format!("{} {}", mark.word, distance(mark.distance_ns))),
        None => cell,
    }
}

/// The actor, as the command says, and the authenticated principal.
fn who(event: &Value) -> String {
    let actor = event["actor"].as_str().unwrap_or_default();
    match event["principal"].as_str() {
        Some(principal) if principal != actor => format!("{actor} ({principal})"),
        _ => actor.to_owned(),
    }
}

/// A time without fractions of a second that readers do not need; the data has all digits.
fn shorter(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, rest)) => format!("{seconds}.{}Z", rest.get(..3).unwrap_or(rest.trim_end_matches('Z'))),
        None => time.to_owned(),
    }
}

fn projections(evidence: &Evidence, judged: &Judged) -> Section {
    let folded = evidence.projections.iter().map(|file| Part::Folded {
        name: file.path.clone(),
        about: format!("{} version {}, BLAKE3 {}", file.projection, file.version, file.blake3),
        text: judged.text(file).to_owned(),
    });
    Section {
        heading: "Projections".to_owned(),
        note: "Files that follow from these events, byte for byte.".to_owned(),
        parts: folded.collect(),
    }
}

fn checkpoint(evidence: &Evidence, judged: &Judged) -> Section {
    let checkpoint = &judged.checkpoint;
    let signed = match &evidence.signed {
        Some(time) => format!(
            "The log recorded at {} that it was signed. No proof shows this time.",
            shorter(time).replace('T', " ")
        ),
        None => "The log does not record when it was signed.".to_owned(),
    };
    let mut facts = vec![
        Fact::new("covers", format!("{} bytes, the events before seq {}", checkpoint.size, checkpoint.next_seq)),
        Fact::new("root", Cell::new(Form::Code, judged.root().to_string())),
        Fact::new("time", signed),
    ];
    facts.extend(judged.signatures.iter().map(|(name, time)| match time {
        Some(seconds) => {
            let time = to_second(i128::from(*seconds) * 1_000_000_000).replace('T', " ");
            Fact::new("cosigned", format!("`{name}`, at {time} by its own clock"))
        }
        None => Fact::new("signed", Cell::new(Form::Code, name)),
    }));
    let parts = vec![Part::Facts(facts), Part::Text(evidence.checkpoint.clone())];
    Section { heading: "Checkpoint".to_owned(), note: String::new(), parts }
}

fn proofs(judged: &Judged) -> Section {
    let number = |heading| Column::new(heading, Form::Number);
    let columns = vec![number("proof"), number("first seq"), number("events"), number("position"), number("bytes")];
    let row = |(nth, (frame, first_seq, events)): (u64, &(std::ops::Range<u64>, _, u64))| {
        let cells = [
            nth.to_string(),
            format!("{first_seq}"),
            events.to_string(),
            frame.start.to_string(),
            (frame.end - frame.start).to_string(),
        ];
        cells.map(|text| Cell::new(Form::Number, text)).to_vec()
    };
    let rows = (1..).zip(&judged.commits).map(row).collect();
    let caption = counted(judged.commits.len() as u64, "proof");
    Section {
        heading: "Proofs".to_owned(),
        note: "One for each commit: its bytes, and the way from them to the root. They are in the data of this page, where \
               `evlog check-evidence` reads them."
            .to_owned(),
        parts: vec![Part::Table(Table { caption, columns, rows, left_out: String::new() })],
    }
}
