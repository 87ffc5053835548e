//! One position of a log: a frame, field by field, with its events and its bytes; or whatever is there instead.

use super::frames::flaw_words;
use super::{HELP, Inspected, empty, within};
use crate::error::{CommandError, Verdict};
use crate::events::Events;
use crate::formats::Format;
use crate::json::{PlaceLine, event_line, hex};
use crate::marks;
use crate::reports::{Answer, Rule};
use crate::table::{counted, facts};
use crate::ui::{Text, Tone, Ui};
use evlog::{APART_NS, LogError, Times};
use evlog_format::{Commit, CommitHead, Corruption, FRAME_HEADER_LEN, Position, SegmentHeader, Seq};
use evlog_projection::{Fact, time};
use evlog_store::OpenError;
use evlog_store::inspect::{Place, Segment, What};
use evlog_verify::audit::Judge;
use std::path::Path;

/// The number of bytes shown to people at once; programs get all of them.
const DUMP_MAX: usize = 4096;
const DUMP_ROW: usize = 16;

type Facts = Vec<(&'static str, String, Tone)>;

pub(super) fn show(
    ui: &mut Ui,
    inspected: &Inspected<'_>,
    segment: &Segment,
    position: Position,
) -> Result<Verdict, CommandError> {
    let found = inspected.inspection.place(position).map_err(|failure| LogError::from(OpenError::Io(failure)))?;
    let Some(place) = found else {
        return Err(CommandError::user(format!("`{}` has no byte at position {position}", segment.path.display())));
    };
    let commit = commit_of(&place);
    let wrong = match (&place.what, &commit) {
        (What::Other(reason), _) => Some(reason.clone()),
        (What::Frame, Err(error)) => Some(format!("its checksum matches, but it is not a commit: {error}")),
        (What::Frame, Ok(Some(commit))) => {
            let mut judge = Judge::new(commit.head);
            facts_of(commit).find_map(|fact| judge.flaws(&fact.event).next().map(|flaw| flaw_words(fact.seq, &flaw)))
        }
        (What::SegmentHeader, _) if place.within.is_none() => {
            SegmentHeader::decode(&place.bytes).err().map(|error| error.to_string())
        }
        _ => None,
    };
    let events: Vec<Fact<'_>> = commit.iter().flatten().flat_map(facts_of).collect();
    match inspected.format {
        Format::Text => print(ui, inspected.log, &place, wrong.as_deref(), &events),
        Format::Json => ui.json(&line(inspected.log, &place, wrong.as_deref(), &events)),
        Format::Own(kind) => {
            let mut report = empty(inspected.log);
            let found = wrong.iter().map(|wrong| inspected.bytes(segment, position.0, place.bytes.len() as u64, wrong));
            let rule = Rule::new("place", "the bytes at this position are a part of the log that can be read", HELP);
            report.asked(rule, Answer::found(found));
            report.print(ui, kind);
        }
    }
    Ok(Verdict::of(wrong.is_none()))
}

/// The commit at the position, if there is one.
fn commit_of(place: &Place) -> Result<Option<Commit<'_>>, Corruption> {
    let body = place.bytes.get(FRAME_HEADER_LEN..).filter(|_| place.what == What::Frame);
    body.map(|body| Commit::decode(body, place.position.0 + FRAME_HEADER_LEN as u64)).transpose()
}

fn facts_of<'c>(commit: &'c Commit<'c>) -> impl Iterator<Item = Fact<'c>> {
    let seqs = (commit.head.first_seq.0..).map(Seq);
    seqs.zip(&commit.events).map(|(seq, event)| Fact { seq, head: commit.head, event: *event })
}

fn line<'a>(log: &Path, place: &'a Place, wrong: Option<&'a str>, events: &[Fact<'a>]) -> PlaceLine<'a> {
    PlaceLine {
        what: match place.what {
            What::Frame => "frame",
            What::SegmentHeader => "segment_header",
            What::Other(_) => "bytes",
        },
        path: within(log, &place.path),
        position: place.position.0,
        bytes: place.bytes.len() as u64,
        body_len: place.fields.map(|fields| fields.len),
        checksum: place.fields.map(|fields| format!("{:08x}", fields.checksum)),
        durable_before: place.fields.map(|fields| fields.durable_before),
        within: place.within.map(|position| position.0),
        wrong,
        contents: events.iter().map(|fact| event_line(fact, APART_NS)).collect(),
        hex: hex(&place.bytes),
    }
}

fn print(ui: &mut Ui, log: &Path, place: &Place, wrong: Option<&str>, events: &[Fact<'_>]) {
    facts(ui, &rows(log, place, wrong, events));
    if !events.is_empty() {
        ui.line(format_args!(""));
        let mut lines = Events::apart(ui);
        let _stopped = events.iter().try_for_each(|fact| lines.show_apart(fact));
    }
    ui.line(format_args!(""));
    dump(ui, place);
}

fn rows(log: &Path, place: &Place, wrong: Option<&str>, events: &[Fact<'_>]) -> Facts {
    let path = within(log, &place.path);
    let word = match place.what {
        What::Frame => "frame",
        What::SegmentHeader => "header",
        What::Other(_) => "bytes",
    };
    let mut rows = vec![(word, format!("at position {} in {path}", place.position), Tone::Strong)];
    if let Some(wrong) = wrong {
        rows.push(("wrong", wrong.to_owned(), Tone::Bad));
    }
    if let Some(begin) = place.within {
        rows.push(("within", format!("what begins at position {begin}"), Tone::Warning));
    }
    if let Some(fields) = place.fields {
        let len = u64::from(fields.len);
        let end = place.position.0.saturating_add(len + FRAME_HEADER_LEN as u64);
        let matches = if place.what == What::Frame { "matches" } else { "as stored" };
        rows.push(("body", format!("{}, so the frame ends at {end}", counted(len, "byte")), Tone::Plain));
        rows.push(("checksum", format!("{:08x}, {matches}", fields.checksum), Tone::Plain));
        rows.push(("durable before", fields.durable_before.to_string(), Tone::Plain));
    }
    if place.what == What::SegmentHeader
        && let Ok(header) = SegmentHeader::decode(&place.bytes)
    {
        rows.extend(header_rows(&header));
    }
    if let Some(first) = events.first() {
        let count = counted(events.len() as u64, "event");
        rows.push(("commit", format!("{count} from seq {} on", first.seq), Tone::Plain));
        rows.extend(head_rows(&first.head));
    }
    rows
}

fn head_rows(head: &CommitHead<'_>) -> Facts {
    let mut rows = vec![("recorded", time::to_rfc3339(head.recorded_ns), Tone::Plain)];
    let mark =
        Times::of(head).mark(APART_NS).map(|mark| format!(", {} {}", mark.word, marks::distance(mark.distance_ns)));
    let occurred = head.occurred_ns.map(|time_ns| time::to_rfc3339(time_ns) + &mark.unwrap_or_default());
    let given = [
        ("occurred", occurred),
        ("actor", Some(head.actor.to_owned())),
        ("principal", head.principal.map(str::to_owned)),
        ("correlation", head.correlation.map(str::to_owned)),
        ("key", head.idempotency.map(|given| given.key.to_owned())),
        ("class", Some(head.class.name().to_owned())),
    ];
    rows.extend(given.into_iter().filter_map(|(name, text)| Some((name, text?, Tone::Plain))));
    rows
}

fn header_rows(header: &SegmentHeader) -> Facts {
    let rows = [
        ("format", format!("version {}", evlog_format::FORMAT_VERSION)),
        ("log id", header.log_id.to_string()),
        ("limit", counted(header.segment_limit, "byte")),
        ("position", header.position.to_string()),
        ("first seq", header.first_seq.to_string()),
        ("root before", header.root_before.to_string()),
    ];
    rows.into_iter().map(|(label, text)| (label, text, Tone::Plain)).collect()
}

fn dump(ui: &mut Ui, place: &Place) {
    let shown = &place.bytes[..place.bytes.len().min(DUMP_MAX)];
    for (row, bytes) in shown.chunks(DUMP_ROW).enumerate() {
        let at = place.position.0 + (row * DUMP_ROW) as u64;
        let spaced =
            bytes.chunks(DUMP_ROW / 2).map(|half| half.iter().map(|byte| hex(&[*byte])).collect::<Vec<_>>().join(" "));
        let spaced = spaced.collect::<Vec<_>>().join("  ");
        let printable = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        let text: String = bytes.iter().map(printable).collect();
        let at = Text::default().toned(Tone::Faint, format_args!("{at:>12}"));
        ui.line(at.plain(format_args!("  {spaced:<48}  {text}")));
    }
    let rest = place.bytes.len() - shown.len();
    if rest > 0 {
        ui.line(format_args!("and {}; `--json` has all", counted(rest as u64, "more byte")));
    }
}
