//! `evlog replay`: rebuild every projection, and compare with the digests in the log.

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::formats::{Answered, Format};
use crate::json::{Digested, ReplayErrorObject, ReplayObject, ReplayedDifference, Versions, hex};
use crate::reports::{self, Answer, Base, Finding, Kind, Place, Report, Rule};
use crate::table::{counted, facts};
use crate::ui::{Tone, Ui, Unit};
use clap::Args;
use evlog::replay::{Replay, ReplayDifference, replay};
use evlog::{LogError, View};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  evlog replay                          list each difference
  evlog replay --json | jq -r .digest   one value for all projections: the same on every machine
  evlog replay --at 1000                replay the log up to seq 1000
  evlog replay --format junit > replay.xml   a test case for each file that was compared";

/// Rebuild all projections, and compare them with the recorded digests
///
/// When evlog writes projected files, it records their digests in the log. A replay computes the files again from the
/// events alone, and compares the digests.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    answered: Answered<Kind>,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ReplayArgs) -> Result<Verdict, CommandError> {
    let format = args.answered.format(context);
    let done = replayed(ui, context, args, format);
    reports::settled(ui, format, || empty(&context.log), done)
}

fn replayed(ui: &mut Ui, context: &Context, args: &ReplayArgs, format: Format<Kind>) -> Result<Verdict, CommandError> {
    let view = context.view_up_to_damage(&args.at)?;
    let progress = ui.progress("replay", view.next_seq().0, Unit::Events);
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let found = replay(&view, threads, &mut |done| progress.at(done))?;
    drop(progress);
    let agrees = found.differences.is_empty() && found.errors.is_empty();
    match format {
        Format::Text => print(ui, &found, agrees),
        Format::Json => ui.json(&object(&found, agrees)),
        Format::Own(kind) => report(&context.log, &view, &found)?.print(ui, kind),
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

fn described(file: Option<([u8; 32], u64)>) -> String {
    file.map_or("no such file".to_owned(), |(digest, len)| format!("{} ({len} bytes)", hex(&digest)))
}

fn sentence(difference: &ReplayDifference) -> String {
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

fn empty(log: &Path) -> Report {
    Report::new("evlog replay", log.display().to_string(), Base::log(log))
}

/// A test case for each file that was compared, as far as a report takes them: those that differ first.
fn report(log: &Path, view: &View, found: &Replay) -> Result<Report, LogError> {
    let mut report = empty(log);
    report.says("verdict", verdict(found, found.differences.is_empty() && found.errors.is_empty()));
    report.says("digest", hex(&found.digest));
    let help = "docs/lifecycle explains the files of each contract.";
    let errors = found.errors.iter().map(Finding::from);
    report.asked(Rule::new("contracts", "every run follows its contract", help), Answer::found(errors));
    let same = report.rule(Rule::new("file", "a file has the bytes whose digest the log records", help));
    for difference in &found.differences {
        let ReplayDifference { run, path, seq, .. } = difference;
        report.case(same, class(run), name(path, *seq), Answer::found([difference.into()]));
    }
    let recorded = found.differences.iter().filter(|difference| difference.expected.is_some()).count();
    let passed = found.compared - recorded as u64;
    let listed = if view.is_whole() { passed_files(&mut report, same, view, found)? } else { 0 };
    report.left_out(passed - listed, 0);
    Ok(report)
}

/// Adds the recorded files that the replay reproduces. The files of runs that cannot be folded are left out. Returns how many there are.
fn passed_files(report: &mut Report, rule: usize, view: &View, found: &Replay) -> Result<u64, LogError> {
    let broken: BTreeSet<&str> = found.errors.iter().map(|error| error.run.as_str()).collect();
    let differ = found.differences.iter();
    let differ: BTreeSet<(&str, u64, &str)> =
        differ.map(|difference| (difference.run.as_str(), difference.seq, difference.path.as_str())).collect();
    let mut count = 0;
    for published in view.published()?.iter().filter(|published| !broken.contains(published.run.as_str())) {
        let is_same = |path: &str| !differ.contains(&(published.run.as_str(), published.seq, path));
        for file in published.files.iter().filter(|file| is_same(&file.path)) {
            count += 1;
            report.case(rule, class(&published.run), name(&file.path, published.seq), Answer::passed());
        }
    }
    Ok(count)
}

fn class(run: &str) -> String {
    format!("replay.{run}")
}

fn name(path: &str, seq: u64) -> String {
    format!("{path} as published at seq {seq}")
}

impl From<&ReplayDifference> for Finding {
    fn from(difference: &ReplayDifference) -> Finding {
        let ReplayDifference { run, path, seq, expected, found, .. } = difference;
        Finding {
            place: Some(Place { kind: "file", name: format!("{run}/{path}, as published at seq {seq}") }),
            expected: described(*expected),
            found: described(*found),
            sentence: sentence(difference),
            ..Finding::default()
        }
    }
}
