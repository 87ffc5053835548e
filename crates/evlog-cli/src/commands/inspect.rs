//! `evlog inspect`: the log's raw files, damaged or not.

mod frames;
mod overview;
mod place;
mod sidecars;

use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::formats::{Answered, Format};
use crate::json::VerdictLine;
use crate::reports::{self, Answer, Base, Finding, Kind, Region, Report, Rule, within};
use crate::table::facts;
use crate::ui::{Tone, Ui};
use clap::Args;
use evlog::LogError;
use evlog_format::Position;
use evlog_store::inspect::{Inspection, Segment};
use evlog_store::{OpenError, Refusal, StdFs, find_log};
use std::path::Path;
use std::sync::Arc;

const EXAMPLES: &str = "\
inspect writes nothing and takes no lock. It does not stop at damage: it reports each problem at its position, \
and continues.

Exit codes:
  0   no problem found
  1   a problem was found

Examples:
  evlog inspect              segments, HEAD, LOCK, quarantine
  evlog inspect --segment 0  the frames of the segment that holds position 0
  evlog inspect --frame 96   one frame: its header, its commit, its bytes
  evlog inspect --sidecars   every derived file, compared with the log
  evlog inspect --segment 0 --json | jq 'select(.wrong)'
  evlog inspect --sidecars --format sarif > inspect.sarif";

/// Show the raw contents of the log: segments, frames, headers, sidecars
///
/// Positions count bytes from the beginning of the log. The name of a segment file is the position of its first byte.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    /// Show the frames of the segment that contains this position
    #[arg(long, value_name = "POSITION", group = "of")]
    segment: Option<u64>,
    /// Show the frame at this position, field by field and byte by byte
    #[arg(long, value_name = "POSITION", group = "of")]
    frame: Option<u64>,
    /// Compare every derived file (.tree, .idx, .end, HEAD) with the log; reads the whole log
    #[arg(long, group = "of")]
    sidecars: bool,
    #[command(flatten)]
    answered: Answered<Kind>,
}

/// What every part of the command is given.
struct Inspected<'a> {
    log: &'a Path,
    format: Format<Kind>,
    inspection: &'a Inspection,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &InspectArgs) -> Result<Verdict, CommandError> {
    context.check_on_disk("inspect")?;
    let format = args.answered.format(context);
    let done = inspect(ui, context, args, format);
    reports::settled(ui, format, || empty(&context.log), done)
}

fn inspect(ui: &mut Ui, context: &Context, args: &InspectArgs, format: Format<Kind>) -> Result<Verdict, CommandError> {
    let could_not = |failure| CommandError::from(LogError::from(OpenError::Io(failure)));
    let inspection = Inspection::open(Arc::new(StdFs), &context.log).map_err(could_not)?;
    if inspection.segments().is_empty() {
        match find_log(Arc::new(StdFs), &context.log) {
            Err(OpenError::Refused(refusal)) => return Ok(nothing_left(ui, &context.log, format, &refusal)),
            found => found.map_err(LogError::from)?,
        }
        return Err(LogError::from(OpenError::NoLog { path: context.log.clone() }).into());
    }
    let inspected = Inspected { log: &context.log, format, inspection: &inspection };
    if let Some(position) = args.segment {
        return frames::show(ui, &inspected, segment_of(&inspection, Position(position))?);
    }
    if let Some(position) = args.frame {
        return place::show(ui, &inspected, segment_of(&inspection, Position(position))?, Position(position));
    }
    if args.sidecars { sidecars::show(ui, &inspected) } else { Ok(overview::show(ui, &inspected)) }
}

/// The verdict if parts of a log are left, but no segment.
fn nothing_left(ui: &mut Ui, log: &Path, format: Format<Kind>, refusal: &Refusal) -> Verdict {
    let word = refusal.verdict.word();
    let (path, wrong) = (within(log, &refusal.file), refusal.to_string());
    match format {
        Format::Text => facts(ui, &[("verdict", word.to_owned(), Tone::of(word))]),
        Format::Json => {
            let (what, position) = ("verdict", refusal.position.0);
            ui.json(&VerdictLine { what, verdict: word, path, position, wrong });
        }
        Format::Own(kind) => {
            let (expected, found) = (refusal.expected.clone(), refusal.found.clone());
            let finding = Finding { file: path, expected, found, sentence: wrong, ..Finding::default() };
            let mut report = empty(log);
            report.asked(segments_rule(), Answer::found([finding]));
            report.print(ui, kind);
            return Verdict::No;
        }
    }
    ui.finding(refusal);
    ui.advise(&refusal.hint);
    Verdict::No
}

fn segment_of(inspection: &Inspection, position: Position) -> Result<&Segment, CommandError> {
    let holding = inspection.segment_of(position);
    holding.filter(|segment| position.0 < segment.position.0 + segment.len.max(1)).ok_or_else(|| {
        let end = inspection.segments().last().map_or(0, |last| last.position.0 + last.len);
        let message = format!("no byte at position {position}: expected a position before {end} that a segment holds");
        CommandError::user(message).hint("`evlog inspect` lists the segments")
    })
}

/// A report on a log, before anything was looked at.
fn empty(log: &Path) -> Report {
    Report::new("evlog inspect", log.display().to_string(), Base::log(log))
}

const HELP: &str = "docs/repair.md explains what to look at, and what can be done.";

fn segments_rule() -> Rule {
    Rule::new("segments", "headers and lengths of the segments agree with each other and with HEAD", HELP)
}

impl Inspected<'_> {
    /// A report with what the headers and lengths of all segments show.
    fn report(&self) -> Report {
        self.report_of(self.inspection.segments())
    }

    /// Like [`report`](Self::report), for some of the segments.
    fn report_of(&self, segments: &[Segment]) -> Report {
        let mut report = empty(self.log);
        let of = |segment: &Segment| {
            let file = within(self.log, &segment.path);
            segment
                .wrong
                .iter()
                .map(move |wrong| {
                    let sentence = format!("`{file}`: {wrong}");
                    Finding { file: file.clone(), found: wrong.clone(), sentence, ..Finding::default() }
                })
                .collect::<Vec<_>>()
        };
        report.asked(segments_rule(), Answer::found(segments.iter().flat_map(of)));
        report
    }

    /// What is wrong with bytes of a segment.
    fn bytes(&self, segment: &Segment, position: u64, len: u64, wrong: &str) -> Finding {
        let file = within(self.log, &segment.path);
        Finding {
            sentence: format!("`{file}`, {len} bytes from position {position} on: {wrong}"),
            file,
            region: Region::Bytes { offset: position - segment.position.0, len: Some(len) },
            found: wrong.to_owned(),
            ..Finding::default()
        }
    }
}
