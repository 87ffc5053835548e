//! `evlog replay`: rebuild every projection, and compare with the digests in the log.

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::json::{Digested, ReplayErrorObject, ReplayObject, ReplayedDifference, Versions, hex};
use crate::table::{counted, facts};
use crate::ui::{Tone, Ui, Unit};
use clap::Args;
use evlog::replay::{Replay, ReplayDifference, replay};
use std::num::NonZeroUsize;

const EXAMPLES: &str = "\
Examples:
  evlog replay                          list each difference
  evlog replay --json | jq -r .digest   one value for all projections: the same on every machine
  evlog replay --at 1000                replay the log up to seq 1000";

/// Rebuild all projections, and compare them with the recorded digests
///
/// When evlog writes projected files, it records their digests in the log. A replay computes the files again from the
/// events alone, and compares the digests.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    at: At,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ReplayArgs) -> Result<Verdict, CommandError> {
    let view = context.view_up_to_damage(args.at.at)?;
    let progress = ui.progress("replay", view.next_seq().0, Unit::Events);
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let report = replay(&view, threads, &mut |done| progress.at(done))?;
    drop(progress);
    let agrees = report.differences.is_empty() && report.errors.is_empty();
    if context.json {
        ui.json(&object(&report, agrees));
    } else {
        print(ui, &report, agrees);
    }
    Ok(Verdict::of(agrees))
}

fn print(ui: &mut Ui, report: &Replay, agrees: bool) {
    for error in &report.errors {
        ui.finding(format_args!("{error}"));
    }
    for difference in &report.differences {
        ui.finding(format_args!("{}", sentence(difference)));
    }
    let (word, tone) = match verdict(report, agrees) {
        AGREES => (AGREES, Tone::Good),
        DIFFERS => (DIFFERS, Tone::Bad),
        _ => ("nothing to compare: no digest of a projected file is recorded", Tone::Warning),
    };
    let Replay { runs, events, files, compared, .. } = report;
    facts(
        ui,
        &[
            ("verdict", word.to_owned(), tone),
            (
                "rebuilt",
                format!("{} of {}, from {}", counted(*files, "file"), counted(*runs, "run"), counted(*events, "event")),
                Tone::Plain,
            ),
            ("compared", counted(*compared, "recorded digest"), Tone::Plain),
            ("digest", hex(&report.digest), Tone::Plain),
        ],
    );
}

const AGREES: &str = "agrees";
const DIFFERS: &str = "differs";

/// The result of the comparison. If no file was compared, the result is not agreement.
fn verdict(report: &Replay, agrees: bool) -> &'static str {
    match (agrees, report.compared) {
        (false, _) => DIFFERS,
        (true, 0) => "nothing_compared",
        (true, _) => AGREES,
    }
}

fn sentence(difference: &ReplayDifference) -> String {
    let described = |file: Option<([u8; 32], u64)>| match file {
        Some((digest, len)) => format!("{} ({len} bytes)", hex(&digest)),
        None => "no such file".to_owned(),
    };
    let ReplayDifference { run, path, seq, expected, found, version } = difference;
    let (expected, found) = (described(*expected), described(*found));
    let versions = version.map(|(recorded, ours)| {
        format!("; it was made by version {recorded} of its projection, this program has version {ours}")
    });
    let versions = versions.unwrap_or_default();
    format!("run `{run}`, `{path}` as published at seq {seq}: expected {expected}, found {found}{versions}")
}

fn object(report: &Replay, agrees: bool) -> ReplayObject<'_> {
    let digested = |file: Option<([u8; 32], u64)>| file.map(|(digest, bytes)| Digested { blake3: hex(&digest), bytes });
    let differences = report.differences.iter().map(|difference| ReplayedDifference {
        run: &difference.run,
        path: &difference.path,
        seq: difference.seq,
        expected: digested(difference.expected),
        found: digested(difference.found),
        version: difference.version.map(|(expected, found)| Versions { expected, found }),
    });
    let errors = report.errors.iter().map(|error| ReplayErrorObject {
        seq: error.seq.0,
        run: &error.run,
        message: &error.message,
    });
    ReplayObject {
        agrees,
        verdict: verdict(report, agrees),
        runs: report.runs,
        events: report.events,
        files: report.files,
        compared: report.compared,
        digest: hex(&report.digest),
        differences: differences.collect(),
        errors: errors.collect(),
    }
}
