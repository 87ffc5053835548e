//! `evlog inspect`: the log's raw files, damaged or not.

mod frames;
mod overview;
mod place;
mod sidecars;

use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::json::VerdictLine;
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
inspect writes nothing and takes no lock. It does not stop at damage: it reports each problem at its
position, and continues.

Exit codes:
  0   no problem found
  1   a problem was found

Examples:
  evlog inspect                      segments, HEAD, LOCK, quarantine
  evlog inspect --segment 0          the frames of the segment that holds position 0
  evlog inspect --frame 96           one frame: its header, its commit, its bytes
  evlog inspect --sidecars           every derived file, compared with the log
  evlog inspect --segment 0 --json | jq 'select(.wrong)'";

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
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &InspectArgs) -> Result<Verdict, CommandError> {
    let could_not = |failure| CommandError::from(LogError::from(OpenError::Io(failure)));
    let inspection = Inspection::open(Arc::new(StdFs), &context.log).map_err(could_not)?;
    if inspection.segments().is_empty() {
        match find_log(Arc::new(StdFs), &context.log) {
            Err(OpenError::Refused(refusal)) => return Ok(nothing_left(ui, context, &refusal)),
            found => found.map_err(LogError::from)?,
        }
        return Err(LogError::from(OpenError::NoLog { path: context.log.clone() }).into());
    }
    if let Some(position) = args.segment {
        let segment = segment_of(&inspection, Position(position))?;
        return frames::show(ui, context, &inspection, segment);
    }
    if let Some(position) = args.frame {
        let segment = segment_of(&inspection, Position(position))?;
        return place::show(ui, context, &inspection, segment, Position(position));
    }
    if args.sidecars { sidecars::show(ui, context, &inspection) } else { Ok(overview::show(ui, context, &inspection)) }
}

/// The verdict if parts of a log are left, but no segment.
fn nothing_left(ui: &mut Ui, context: &Context, refusal: &Refusal) -> Verdict {
    let word = refusal.verdict.word();
    if context.json {
        let (what, position) = ("verdict", refusal.position.0);
        let (path, wrong) = (within(context, &refusal.file), refusal.to_string());
        ui.json(&VerdictLine { what, verdict: word, path, position, wrong });
    } else {
        facts(ui, &[("verdict", word.to_owned(), Tone::of(word))]);
    }
    ui.finding(refusal);
    ui.advise(&refusal.hint);
    Verdict::No
}

fn segment_of(inspection: &Inspection, position: Position) -> Result<&Segment, CommandError> {
    let holding = inspection.segment_of(position);
    holding.filter(|segment| position.0 < segment.position.0 + segment.len.max(1)).ok_or_else(|| {
        let end = inspection.segments().last().map_or(0, |last| last.position.0 + last.len);
        let message = format!("no byte at position {position}: expected one before {end}, in a segment that is there");
        CommandError::user(message).hint("`evlog inspect` lists the segments")
    })
}

/// A path relative to the log's directory.
fn within(context: &Context, path: &Path) -> String {
    path.strip_prefix(&context.log).unwrap_or(path).display().to_string()
}
