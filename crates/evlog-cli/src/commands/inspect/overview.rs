//! The files of a log, one line each.

use super::{HELP, Inspected, within};
use crate::error::Verdict;
use crate::formats::Format;
use crate::json::{HeadLine, LockLine, LogLine, QuarantineLine, SegmentLine, StrangerLine};
use crate::reports::{Answer, Finding, Rule};
use crate::table::{self, Cell, counted, facts};
use crate::ui::{Tone, Ui};
use evlog_format::FORMAT_VERSION;
use evlog_store::inspect::{Inspection, LockState, Segment};
use std::path::Path;

/// The number of digits shown of a root.
const ROOT_SHOWN: usize = 12;

pub(super) fn show(ui: &mut Ui, inspected: &Inspected<'_>) -> Verdict {
    let Inspected { log, format, inspection } = *inspected;
    let wrong = head_wrong(inspection);
    let verdict = Verdict::of(is_sound(inspection) && wrong.is_none());
    match format {
        Format::Text => print(ui, log, inspection),
        Format::Json => lines(ui, log, inspection),
        Format::Own(kind) => {
            let mut report = inspected.report();
            let of_head = |wrong| Finding {
                file: "HEAD".to_owned(),
                sentence: format!("`HEAD`: {wrong}"),
                found: wrong,
                ..Finding::default()
            };
            let rule = Rule::new("head", "HEAD is there, whole, and of this log", HELP).warning();
            report.asked(rule, Answer::found(wrong.map(of_head)));
            report.print(ui, kind);
        }
    }
    verdict
}

fn print(ui: &mut Ui, log: &Path, inspection: &Inspection) {
    let (segments, bytes) = (inspection.segments(), total(inspection));
    let header = segments.iter().find_map(|segment| segment.header);
    let plain = |text: String| (text, Tone::Plain);
    let log_id = inspection
        .log_id()
        .map_or("unknown: no segment header and no HEAD can be read".to_owned(), |id| id.to_string());
    let format = header.map_or("no header can be read".to_owned(), |header| {
        format!("version {FORMAT_VERSION}, segments of {} bytes", header.segment_limit)
    });
    let bytes = format!("{bytes} bytes in {}", counted(segments.len() as u64, "segment"));
    let head = match (inspection.head(), head_wrong(inspection)) {
        (_, Some(wrong)) => (wrong, Tone::Warning),
        (Some(head), None) => {
            let how = match (head.closed, head.sync_failed) {
                (true, _) => "; closed cleanly",
                (false, true) => "; a sync failed",
                (false, false) => "",
            };
            let (durable, committed, next) = (head.durable, head.committed, head.next_seq);
            plain(format!("durable to {durable}, committed to {committed}, next seq {next}{how}"))
        }
        (None, None) => plain("none".to_owned()),
    };
    let mut rows = vec![
        ("log id", log_id, Tone::Plain),
        ("format", format, Tone::Plain),
        ("bytes", bytes, Tone::Plain),
        ("HEAD", head.0, head.1),
        ("LOCK", lock_words(inspection.lock()), Tone::Plain),
    ];
    for (path, len) in inspection.quarantine() {
        rows.push((
            "kept",
            format!("{path}, {}", len.map_or("unreadable".into(), |len| counted(len, "byte"))),
            Tone::Plain,
        ));
    }
    for name in inspection.strangers() {
        rows.push(("not ours", format!("segments/{name}"), Tone::Warning));
    }
    facts(ui, &rows);
    ui.line(format_args!(""));
    let rows: Vec<Vec<Cell>> = segments.iter().map(row).collect();
    table::print(ui, &["POSITION", "BYTES", "STATE", "FIRST SEQ", "ROOT BEFORE"], &rows);
    findings(ui, log, inspection);
}

/// Contradictions between the headers and the lengths of segments.
pub(super) fn findings(ui: &mut Ui, log: &Path, inspection: &Inspection) {
    for segment in inspection.segments() {
        for wrong in &segment.wrong {
            ui.finding(format_args!("`{}`: {wrong}", within(log, &segment.path)));
        }
    }
}

pub(super) fn is_sound(inspection: &Inspection) -> bool {
    inspection.segments().iter().all(|segment| segment.wrong.is_empty())
}

/// What is wrong with `HEAD`, judged by the segment headers. A missing `HEAD` is wrong, because every log gets one when it
/// is created.
fn head_wrong(inspection: &Inspection) -> Option<String> {
    if let Some(failure) = inspection.head_failure() {
        return Some(failure.to_owned());
    }
    let Some(head) = inspection.head() else {
        return Some("none, or not whole; the next writer makes it again".into());
    };
    inspection.log_id().filter(|id| *id != head.log_id).map(|_| format!("of another log: {}", head.log_id))
}

fn total(inspection: &Inspection) -> u64 {
    inspection.segments().iter().map(|segment| segment.len).sum()
}

fn lock_words(lock: Option<LockState>) -> String {
    let Some(LockState { held, pid, program }) = lock else { return "none".to_owned() };
    let who = match (pid, program) {
        (Some(pid), Some(program)) => format!("process {pid} ({program})"),
        (Some(pid), None) => format!("process {pid}"),
        _ => "an unknown process".to_owned(),
    };
    match held {
        Some(true) => format!("held by {who}"),
        Some(false) => format!("free; last taken by {who}"),
        None => format!("not known to be held or free; last taken by {who}"),
    }
}

fn row(segment: &Segment) -> Vec<Cell> {
    let plain = |text: String| (text, Tone::Plain);
    let header = segment.header.as_ref();
    let state = match (segment.wrong.is_empty(), segment.sealed) {
        (false, _) => ("wrong".to_owned(), Tone::Bad),
        (true, true) => ("sealed".to_owned(), Tone::Plain),
        (true, false) => ("last".to_owned(), Tone::Plain),
    };
    let root = |root: String| format!("{}…", root.get(..ROOT_SHOWN).unwrap_or(&root));
    vec![
        (segment.position.to_string(), Tone::Strong),
        plain(segment.len.to_string()),
        state,
        plain(header.map_or("?".into(), |header| header.first_seq.to_string())),
        plain(header.map_or("?".into(), |header| root(header.root_before.to_string()))),
    ]
}

fn lines(ui: &mut Ui, log: &Path, inspection: &Inspection) {
    let (segments, bytes) = (inspection.segments().len() as u64, total(inspection));
    let log_id = inspection.log_id().map(|id| id.to_string());
    ui.json(&LogLine { what: "log", log_id, segments, bytes });
    for segment in inspection.segments() {
        let header = segment.header.as_ref();
        ui.json(&SegmentLine {
            what: "segment",
            path: within(log, &segment.path),
            position: segment.position.0,
            bytes: segment.len,
            sealed: segment.sealed,
            format_version: header.map(|_| FORMAT_VERSION),
            log_id: header.map(|header| header.log_id.to_string()),
            segment_limit: header.map(|header| header.segment_limit),
            header_position: header.map(|header| header.position.0),
            first_seq: header.map(|header| header.first_seq.0),
            root_before: header.map(|header| header.root_before.to_string()),
            wrong: &segment.wrong,
        });
    }
    let head = inspection.head();
    ui.json(&HeadLine {
        what: "head",
        readable: head.is_some(),
        log_id: head.map(|head| head.log_id.to_string()),
        durable: head.map(|head| head.durable.0),
        committed: head.map(|head| head.committed.0),
        next_seq: head.map(|head| head.next_seq.0),
        closed: head.map(|head| head.closed),
        sync_failed: head.map(|head| head.sync_failed),
    });
    if let Some(LockState { held, pid, program }) = &inspection.lock() {
        ui.json(&LockLine { what: "lock", held: *held, pid: *pid, program: program.as_deref() });
    }
    for (path, bytes) in &inspection.quarantine() {
        ui.json(&QuarantineLine { what: "quarantine", path, bytes: *bytes });
    }
    let stranger = |name: &String| StrangerLine { what: "stranger", path: format!("segments/{name}") };
    inspection.strangers().iter().for_each(|name| ui.json(&stranger(name)));
}
