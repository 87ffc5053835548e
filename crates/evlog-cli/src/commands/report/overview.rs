//! The first page of a report.

use super::figures::figures;
use super::gathered::{Gathered, Newest, Troubled};
use crate::marks::to_second;
use crate::pages::{column, tone};
use crate::table::counted;
use evlog::history::LOG_STREAM;
use evlog_audit::{Severity, order};
use evlog_report::{Banner, Cell, Chapter, Column, Fact, Form, Part, Section, Table, Tone};
use evlog_store::Verdict;

/// The most rows about runs, and about findings, on the first page.
const RUNS_MAX: usize = 10_000;
const FINDINGS_MAX: usize = 200;

/// `page` says where the page about a run is; the first `shown` of the runs that need attention have one.
pub(super) fn chapter(gathered: &Gathered, shown: usize, page: impl Fn(&str) -> String) -> Chapter {
    let mut sections = vec![about(gathered), attention(gathered, shown, page)];
    sections.extend(findings(gathered));
    sections.extend([
        Section {
            heading: "Figures".to_owned(),
            note: figures_note(gathered),
            parts: vec![Part::Figures(figures(gathered))],
        },
        examined(gathered),
    ]);
    Chapter {
        id: "report".to_owned(),
        heading: "Report".to_owned(),
        name: String::new(),
        banner: Some(banner(gathered)),
        lead: Vec::new(),
        sections,
    }
}

fn banner(gathered: &Gathered) -> Banner {
    let verdict = gathered.check.report.verdict();
    let bytes = match verdict {
        Verdict::Clean => "The log is intact",
        _ => "The log is not as it was written",
    };
    let runs = gathered.check.contract_findings.iter().filter(|finding| finding.run != LOG_STREAM).count();
    let contracts = match runs {
        0 => "each run follows its contract".to_owned(),
        some => format!("{} broke a contract or the policy", counted(some as u64, "run")),
    };
    let order = match gathered.audit.findings.count() {
        0 => "no rule on order is broken".to_owned(),
        some => format!("the rules on order have {}", counted(some as u64, "finding")),
    };
    let need = match (gathered.troubled.len(), gathered.runs.len()) {
        (_, 0) => "No run was selected.".to_owned(),
        (0, all) => format!("None of {} needs attention.", counted(all as u64, "run")),
        (1, all) => format!("1 of {} needs attention.", counted(all as u64, "run")),
        (some, all) => format!("{some} of {} need attention.", counted(all as u64, "run")),
    };
    Banner {
        tone: gathered.tone(),
        word: verdict.word().to_owned(),
        sentence: format!("{bytes}; {contracts}; {order}. {need}"),
    }
}

fn about(gathered: &Gathered) -> Section {
    let (period, view) = (&gathered.period, &gathered.view);
    let end = |time: Option<i128>, none: &str| time.map_or(none.to_owned(), |ns| to_second(ns).replace('T', " "));
    let when = if period.occurred { "occurred" } else { "was recorded" };
    let which = match (period.since_ns, period.until_ns) {
        (None, None) => "all runs of the log".to_owned(),
        (since, until) => format!(
            "runs whose first event {when} from {} to {}",
            end(since, "the start of the log"),
            end(until, "its end")
        ),
    };
    let first = gathered.runs.iter().map(|run| run.first.recorded_ns).min();
    let last = gathered.runs.iter().map(|run| run.last.recorded_ns).max();
    let span = match (first, last) {
        (Some(first), Some(last)) => format!("{} to {}", to_second(first), to_second(last)).replace('T', " "),
        _ => "no events".to_owned(),
    };
    let mut facts = vec![
        Fact::new("log", Cell::new(Form::Code, view.log_id().to_string())),
        Fact::new("read up to", format!("the event before seq {}", view.next_seq())),
        Fact::new("period", which),
        Fact::new("events", span),
        Fact::new("runs", format!("{} of {} in the log", gathered.runs.len(), gathered.all)),
    ];
    if !gathered.selection.is_empty() {
        facts.insert(3, Fact::new("selected by", Cell::new(Form::Code, &gathered.selection)));
    }
    let unread = |damage: &String| Fact::new("not read", Cell::from(damage.as_str()).toned(Tone::Bad));
    facts.extend(gathered.damage.as_ref().map(unread));
    Section { heading: "What this report is about".to_owned(), parts: vec![Part::Facts(facts)], ..Section::default() }
}

fn attention(gathered: &Gathered, shown: usize, page: impl Fn(&str) -> String) -> Section {
    let all = &gathered.troubled;
    let row = |(at, troubled): (usize, &Troubled)| {
        let to = (at < shown).then(|| page(&troubled.run));
        let summary = troubled.summary.as_ref();
        let status = summary.map_or("unknown", |run| run.status.as_str());
        let why: Vec<&str> = troubled.why.iter().map(|(_, why)| why.as_str()).collect();
        vec![
            Cell { to, ..Cell::new(Form::Code, &troubled.run) },
            Cell::from(status).toned(if summary.is_none() { Tone::Bad } else { tone(status) }),
            Cell::new(Form::Time, summary.map_or(String::new(), |run| to_second(run.first.recorded_ns))),
            Cell::new(Form::Code, summary.map_or("", |run| run.begun_by.as_str())),
            Cell::from(why.join("; ")),
        ]
    };
    let rows: Vec<_> = all.iter().take(RUNS_MAX).enumerate().map(row).collect();
    let mut left_out = Vec::new();
    if all.len() > rows.len() {
        left_out.push(format!("{} more are not listed.", counted((all.len() - rows.len()) as u64, "run")));
    }
    if shown < all.len() {
        left_out.push(format!(
            "The first {shown} of {} runs have a page. `evlog report --out DIR` makes more pages, and `evlog explain RUN` explains one run.",
            all.len()
        ));
    }
    let table = Table {
        caption: "Runs that failed, were forced, were refused a request, or broke a rule".to_owned(),
        columns: vec![
            Column::new("run", Form::Code),
            column("status"),
            Column::new("began", Form::Time),
            Column::new("actor", Form::Code),
            column("what else"),
        ],
        rows,
        left_out: left_out.join(" "),
    };
    let (note, parts) = match all.len() {
        0 => (
            "No run that was selected failed, was forced, was refused a request, or broke a rule.".to_owned(),
            Vec::new(),
        ),
        _ => (String::new(), vec![Part::Table(table)]),
    };
    Section { heading: "What needs attention".to_owned(), note, parts }
}

/// What is wrong with the log itself, and what the rules on order found anywhere in it.
fn findings(gathered: &Gathered) -> Option<Section> {
    let bytes = gathered.check.report.findings.kept().iter().map(|finding| {
        vec![
            Cell::from("error").toned(Tone::Bad),
            Cell::new(Form::Code, finding.rule),
            format!("position {}", finding.position).into(),
            finding.to_string().into(),
        ]
    });
    let own = gathered.check.contract_findings.iter().map(|finding| {
        vec![
            Cell::from("error").toned(Tone::Bad),
            Cell::from("contract"),
            Cell::new(Form::Code, &finding.run),
            Cell::from(format!("{} (seq {})", finding.message, finding.seq)),
        ]
    });
    let order = gathered.audit.findings.kept().iter().map(|finding| {
        let seqs: Vec<String> = finding.seqs.iter().map(|seq| seq.0.to_string()).collect();
        let tone = match finding.severity {
            Severity::Error => Tone::Bad,
            Severity::Warning => Tone::Warning,
            Severity::Note => Tone::Plain,
        };
        let said = format!("{}; expected: {} (seq {})", finding.found, finding.expected, seqs.join(", "));
        vec![
            Cell::from(finding.severity.word()).toned(tone),
            Cell::new(Form::Code, &finding.rule),
            Cell::new(Form::Code, finding.subject.text().unwrap_or("the log")),
            said.into(),
        ]
    });
    let all = gathered.check.report.findings.count()
        + gathered.check.contract_findings.len() as u64
        + gathered.audit.findings.count() as u64;
    let rows: Vec<Vec<Cell>> = bytes.chain(own).chain(order).take(FINDINGS_MAX).collect();
    let left = all.saturating_sub(rows.len() as u64);
    let left_out = match left {
        0 => String::new(),
        left => format!(
            "{} not listed; `evlog verify` and `evlog audit` show more.",
            if left == 1 { "1 more is".to_owned() } else { format!("{left} more are") }
        ),
    };
    let columns =
        vec![column("severity"), Column::new("rule", Form::Code), Column::new("where", Form::Code), column("found")];
    let table = Table { caption: counted(all, "finding"), columns, rows, left_out };
    (all > 0).then(|| Section {
        heading: "Findings".to_owned(),
        note: "Of the whole log, whatever was selected.".to_owned(),
        parts: vec![Part::Table(table)],
    })
}

fn figures_note(gathered: &Gathered) -> String {
    let all = gathered.audit.findings.count();
    format!("Runs are those that were selected. The {} are of the whole log.", counted(all as u64, "finding"))
}

/// What was checked, and what was not.
fn examined(gathered: &Gathered) -> Section {
    let report = &gathered.check.report;
    let yes =
        |what: &str, how: String| vec![Cell::from(what), Cell::from("checked").toned(Tone::Good), Cell::from(how)];
    let no =
        |what: &str, how: &str| vec![Cell::from(what), Cell::from("not checked").toned(Tone::Warning), Cell::from(how)];
    let own = &gathered.own;
    let notes = format!(
        "kept in the log: {}, of which {} compared with it; recorded in it: {}, of which {} not kept",
        counted(own.kept, "checkpoint"),
        own.compared,
        own.recorded,
        own.not_kept
    );
    let signatures = match &gathered.newest {
        Some(Newest { size, next_seq, origin }) => yes(
            "signatures",
            format!(
                "by keys that the log itself records; the newest checkpoint that holds is of `{origin}`, over {size} bytes, the events before seq {next_seq}"
            ),
        ),
        None => no("signatures", "the log keeps no checkpoint that is signed by a key that it records"),
    };
    let rows = vec![
        yes("segments", format!("{}, {} bytes: each byte, each checksum, the root", report.segments, report.size)),
        yes("commits", format!("{}: whether one is missing or out of order", report.commits)),
        yes(
            "events",
            format!("{} in {}: whether their numbers have a gap", report.events, counted(report.streams, "stream")),
        ),
        yes(
            "contracts",
            format!(
                "{}, each event by the contract of its run, and by the policy in force at its time",
                counted(gathered.check.runs, "run")
            ),
        ),
        yes(
            "order",
            format!("{} built-in rules over {}", order::BUILT_IN.len(), counted(gathered.audit.events, "event")),
        ),
        if own.compared > 0 { yes("checkpoints", notes) } else { no("checkpoints", &notes) },
        signatures,
        no(
            "keys from elsewhere",
            "a log that was rewritten together with its keys and checkpoints looks the same: `evlog verify --checkpoint FILE --key FILE` compares it with what you kept",
        ),
        no("witnesses", "who cosigned the checkpoints: `evlog verify --checkpoint FILE --policy FILE`"),
        no("files of runs", "what stands in bundles: `evlog project --check DIR`"),
    ];
    let table = Table {
        caption: format!("Verified up to position {}; root {}", report.end, report.root),
        columns: vec![column("what"), column("is"), column("how")],
        rows,
        left_out: String::new(),
    };
    Section { heading: "What was examined".to_owned(), note: String::new(), parts: vec![Part::Table(table)] }
}
