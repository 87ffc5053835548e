//! The frames of a segment, and the bytes between them.

use super::{HELP, Inspected};
use crate::error::{CommandError, Verdict};
use crate::formats::Format;
use crate::json::{BytesLine, FrameLine, HeadMembers};
use crate::marks;
use crate::reports::{Answer, Rule};
use crate::table::counted;
use crate::ui::{Text, Tone, Ui, Unit};
use evlog::{APART_NS, LogError, Times};
use evlog_format::{CommitReader, Corruption, Frame, Seq};
use evlog_projection::time;
use evlog_store::OpenError;
use evlog_store::inspect::{Segment, Stretch};
use evlog_verify::audit::{EventFlaw, Judge};
use std::ops::ControlFlow;

pub(super) fn show(ui: &mut Ui, inspected: &Inspected<'_>, segment: &Segment) -> Result<Verdict, CommandError> {
    let format = inspected.format;
    if format == Format::Text {
        let heading = format!(
            "{:>12}  {:>8}  {:>12}  {:>8}  {:>6}  {:5}  {:24}  ACTOR",
            "POSITION", "BYTES", "DURABLE", "SEQ", "EVENTS", "CLASS", "RECORDED"
        );
        ui.line(Text::default().toned(Tone::Faint, heading));
    }
    let progress = ui.progress_beside_answer("inspect", segment.len, Unit::Bytes);
    let mut wrong = 0u64;
    let mut answer = Answer::passed();
    let walked = inspected.inspection.stretches(segment, &mut |stretch| {
        match &stretch {
            Stretch::Frame(frame, commit) => {
                let why = wrong_with(commit);
                wrong += u64::from(why.is_some());
                progress.at(frame.end() - segment.position.0);
                match (format, why) {
                    (Format::Text, why) => frame_row(ui, frame, commit, why),
                    (Format::Json, why) => ui.json(&frame_line(frame, commit, why)),
                    (Format::Own(_), Some(why)) => {
                        answer.add(inspected.bytes(segment, frame.position, frame.len() as u64, &why));
                    }
                    (Format::Own(_), None) => {}
                }
            }
            Stretch::Other { position, len, reason } => {
                // Zeros after the last frame of the last segment are preallocated space.
                let is_room = !segment.sealed && reason.starts_with("only zeros");
                wrong += u64::from(!is_room);
                let line = BytesLine { what: "bytes", position: position.0, bytes: *len, wrong: reason };
                match format {
                    Format::Text => bytes_row(ui, &line),
                    Format::Json => ui.json(&line),
                    Format::Own(_) if is_room => {}
                    Format::Own(_) => answer.add(inspected.bytes(segment, position.0, *len, reason)),
                }
            }
        }
        ControlFlow::Continue(())
    });
    drop(progress);
    walked.map_err(|failure| CommandError::from(LogError::from(OpenError::Io(failure))))?;
    let verdict = Verdict::of(wrong == 0 && segment.wrong.is_empty());
    if let Format::Own(kind) = format {
        let mut report = inspected.report_of(std::slice::from_ref(segment));
        report.asked(
            Rule::new("frames", "the bytes of the segment are commits, without a gap between them", HELP),
            answer,
        );
        report.print(ui, kind);
        return Ok(verdict);
    }
    for flaw in &segment.wrong {
        ui.finding(format_args!("{flaw}"));
    }
    if wrong > 0 && format == Format::Text {
        let stretches = counted(wrong, "stretch").replace("stretchs", "stretches");
        ui.finding(format_args!("{stretches} of bytes that are not a commit"));
        ui.advise("`evlog inspect --frame POSITION` shows the bytes; `evlog verify` prints the verdict");
    }
    Ok(verdict)
}

/// Checks a commit by itself, up to its last event.
fn wrong_with(commit: &Read<'_>) -> Option<String> {
    let mut commit = match commit {
        Ok(commit) => CommitReader::clone(commit),
        Err(error) => return Some(error.to_string()),
    };
    let mut judge = Judge::new(commit.head);
    loop {
        match commit.next_event() {
            Ok(None) => return None,
            Ok(Some((seq, event))) => {
                if let Some(flaw) = judge.flaws(&event).next() {
                    return Some(flaw_words(seq, &flaw));
                }
            }
            Err(error) => return Some(error.to_string()),
        }
    }
}

/// The finding about an event that breaks a rule by itself.
pub(super) fn flaw_words(seq: Seq, flaw: &EventFlaw) -> String {
    let EventFlaw { rule, message, expected, found } = flaw;
    format!("seq {seq}: {message} ({rule}): expected {expected}, found {found}")
}

/// A commit, or why a frame holds none.
type Read<'a> = Result<Box<CommitReader<'a>>, Corruption>;

fn frame_line<'a>(frame: &Frame<'_>, commit: &'a Read<'_>, wrong: Option<String>) -> FrameLine<'a> {
    let read = commit.as_ref().ok();
    FrameLine {
        what: "frame",
        position: frame.position,
        bytes: frame.len() as u64,
        durable_before: frame.durable_before,
        first_seq: read.map(|commit| commit.head.first_seq.0),
        events: read.map(|commit| commit.left()),
        class: read.map(|commit| commit.head.class.name()),
        head: read.map_or_else(HeadMembers::default, |commit| HeadMembers::new(&commit.head, APART_NS)),
        wrong,
    }
}

fn frame_row(ui: &mut Ui, frame: &Frame<'_>, commit: &Read<'_>, wrong: Option<String>) {
    let (position, bytes, durable_before) = (frame.position, frame.len() as u64, frame.durable_before);
    match (commit.as_ref().ok(), wrong) {
        (Some(commit), None) => {
            let (head, events) = (commit.head, commit.left());
            let time = time::to_rfc3339(head.recorded_ns);
            let (seq, class, actor) = (head.first_seq.0, head.class.name(), head.actor);
            let mark =
                Times::of(&head).mark(APART_NS).map_or_else(String::new, |mark| format!("  {}", marks::text(mark)));
            let row = format!(
                "{position:>12}  {bytes:>8}  {durable_before:>12}  {seq:>8}  {events:>6}  {class:5}  {time:24}  {actor}"
            );
            ui.line(Text::default().plain(row).toned(Tone::Warning, mark));
        }
        (_, wrong) => {
            let place = format!("{position:>12}  {bytes:>8}  {durable_before:>12}  ");
            let wrong = format!("its checksum matches, but it is not a commit: {}", wrong.unwrap_or_default());
            ui.line(Text::default().plain(place).toned(Tone::Bad, wrong));
        }
    }
}

fn bytes_row(ui: &mut Ui, line: &BytesLine<'_>) {
    let (position, bytes) = (line.position, line.bytes);
    let place = format!("{position:>12}  {bytes:>8}  ");
    ui.line(Text::default().plain(place).toned(Tone::Bad, format_args!("no frame: {}", line.wrong)));
}
