//! `evlog replay`: rebuild every projection, and compare with the digests in the log.

mod report;
mod statement;
mod trail;

use super::project;
use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::formats::{Answered, Format};
use crate::json::{Digested, ProjectionObject, ReplayErrorObject, ReplayObject, ReplayedDifference, Versions, hex};
use crate::keys;
use crate::outputs;
use crate::reports::{self, Kind};
use crate::table::{counted, facts};
use crate::ui::{Tone, Ui, Unit};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use evlog::View;
use evlog::replay::{Replay, ReplayDifference, THREADS_MAX, replay};
use evlog::trail::Header;
use evlog_proof::Algorithm;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use trail::{Compared, Examined, Written};

const EXAMPLES: &str = "\
Examples:
  evlog replay
      list each difference
  evlog replay --json | jq -r .digest
      one value for all projections: the same on every machine
  evlog replay --at 1000
      replay the log up to seq 1000
  evlog replay --bundles .
      compare the files in ./runs, too
  evlog replay --trail build-1.trail
      write what this program projects after each event
  evlog replay --against build-1.trail
      name the first event after which this program projects something else
  evlog replay --format in-toto --key log.key > replay.json
      a signed statement
  evlog replay --format junit > replay.xml
      a test case for each file that was compared";

/// Rebuild all projections, and compare them with the recorded digests
///
/// When evlog writes projected files, it records their digests in the log. A replay computes the files again from the
/// events alone, and compares the digests. A trail holds two programs or two machines against each other: it has a short digest of
/// the run's files after each event.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    at: At,
    /// Write a trail: a line for each event of a run, with a short digest of the run's files after it. FILE must not exist
    #[arg(long, value_name = "FILE", conflicts_with = "against")]
    trail: Option<PathBuf>,
    /// With --trail: a line for every Nth event of each run, and for its last one
    #[arg(long, value_name = "N", requires = "trail", value_parser = RangedU64ValueParser::<NonZeroU64>::new().range(1..))]
    every: Option<NonZeroU64>,
    /// Compare with this trail of the same log, and name the first event after which the files differ
    #[arg(long, value_name = "FILE", conflicts_with = "at")]
    against: Option<PathBuf>,
    /// Also compare the bundles below this directory, as `evlog project --check` does
    #[arg(long, value_name = "DIR")]
    bundles: Option<PathBuf>,
    /// How many threads replay, at most 1024; the answer is the same with any number [default: one for each core]
    #[arg(long, value_name = "N", value_parser = jobs())]
    jobs: Option<NonZeroU64>,
    /// With --format in-toto: sign the statement with this private key of a log, in a DSSE envelope
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    answered: Answered<Document>,
}

/// The formats of a replay besides text and JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Document {
    /// `JUnit` XML, for the test results of a CI job.
    Junit,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// An in-toto statement about the recorded digests, for those who are to rely on the replay.
    InToto,
}

/// The format of the report, if one is asked for.
fn kind(format: Format<Document>) -> Format<Kind> {
    match format {
        Format::Own(Document::Junit) => Format::Own(Kind::Junit),
        Format::Own(Document::Sarif) => Format::Own(Kind::Sarif),
        Format::Text => Format::Text,
        Format::Json | Format::Own(Document::InToto) => Format::Json,
    }
}

fn jobs() -> RangedU64ValueParser<NonZeroU64> {
    RangedU64ValueParser::new().range(1..=THREADS_MAX.get() as u64)
}

impl ReplayArgs {
    /// Whether the command writes a trail.
    pub(crate) fn writes(&self) -> bool {
        self.trail.is_some()
    }
}

/// What a replay found.
struct Replayed {
    found: Replay,
    bundles: Option<project::report::Report>,
    trail: Option<Written>,
    against: Option<Compared>,
}

impl Replayed {
    /// How many files and steps were compared.
    fn compared(&self) -> u64 {
        let bundles = self.bundles.as_ref().map_or(0, project::report::Report::compared);
        let steps = self.against.as_ref().map_or(0, |against| against.steps);
        self.found.compared + bundles + steps
    }

    fn agrees(&self) -> bool {
        let is_same = self.found.differences.is_empty() && self.found.errors.is_empty();
        is_same
            && self.bundles.as_ref().is_none_or(project::report::Report::is_same)
            && self.against.as_ref().is_none_or(Compared::agrees)
    }
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ReplayArgs) -> Result<Verdict, CommandError> {
    let format = args.answered.format(context);
    let done = answer(ui, context, args, format);
    reports::settled(ui, kind(format), || report::empty(&context.log), done)
}

fn answer(
    ui: &mut Ui,
    context: &Context,
    args: &ReplayArgs,
    format: Format<Document>,
) -> Result<Verdict, CommandError> {
    let is_statement = format == Format::Own(Document::InToto);
    if args.key.is_some() && !is_statement {
        return Err(CommandError::user("--key: expected it with --format in-toto, found another format"));
    }
    if is_statement && (args.bundles.is_some() || args.against.is_some()) {
        let message =
            "--format in-toto: expected it without --bundles and --against, because the statement says nothing of them";
        return Err(CommandError::user(message));
    }
    let key = args.key.as_deref().map(|key| keys::signer(key, Algorithm::Note)).transpose()?;
    if let Some(path) = &args.trail {
        trail::check_free(path)?;
        outputs::check("--trail", path, &context.log, args.key.as_deref())?;
    }
    let examined = args.against.as_deref().map(Examined::open).transpose()?;
    let mut view = context.view_up_to_damage(&args.at)?;
    if let Some(examined) = &examined {
        view = examined.view(view)?;
    }
    // Read before the replay, so that a log that grows meanwhile does not count.
    let every = args.every.unwrap_or(NonZeroU64::MIN);
    let header =
        (is_statement || args.trail.is_some()).then(|| Header::of(&view, every, trail::PROGRAM)).transpose()?;
    let mut replayed = replayed(ui, args, &view, header.as_ref(), examined)?;
    replayed.bundles = args.bundles.as_deref().map(|dir| project::check::all(ui, &view, dir)).transpose()?;
    match (header.filter(|_| is_statement), kind(format)) {
        (Some(header), _) => statement::print(ui, &header, &replayed, key.as_ref()),
        (None, Format::Text) => print(ui, &replayed),
        (None, Format::Json) => ui.json(&object(&replayed)),
        (None, Format::Own(kind)) => report::report(&context.log, &view, &replayed)?.print(ui, kind),
    }
    Ok(Verdict::of(replayed.agrees()))
}

fn replayed(
    ui: &Ui,
    args: &ReplayArgs,
    view: &View,
    header: Option<&Header>,
    examined: Option<Examined<'_>>,
) -> Result<Replayed, CommandError> {
    let asked = args.jobs.and_then(|jobs| NonZeroUsize::try_from(jobs).ok());
    let threads = asked.or(std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let progress = ui.progress("replay", view.next_seq().0, Unit::Events);
    let progress = &mut |done| progress.at(done);
    let none = |found| Replayed { found, bundles: None, trail: None, against: None };
    Ok(match (args.trail.as_ref().zip(header), examined) {
        (Some((path, header)), _) => {
            let (found, written) = trail::write(path, view, threads, header, progress)?;
            Replayed { trail: Some(written), ..none(found) }
        }
        (None, Some(examined)) => {
            let (found, compared) = examined.compare(view, threads, progress)?;
            Replayed { against: Some(compared), ..none(found) }
        }
        (None, None) => none(replay(view, threads, progress)?),
    })
}

fn print(ui: &mut Ui, replayed: &Replayed) {
    let report = &replayed.found;
    for error in &report.errors {
        ui.finding(format_args!("{error}"));
    }
    for difference in &report.differences {
        ui.finding(format_args!("{}", sentence(difference)));
    }
    if let Some(bundles) = &replayed.bundles {
        project::report::text(ui, bundles);
    }
    if let Some(against) = &replayed.against {
        against.print(ui);
    }
    let (word, tone) = match verdict(replayed) {
        AGREES => (AGREES, Tone::Good),
        DIFFERS => (DIFFERS, Tone::Bad),
        _ => ("nothing to compare: no digest of a projected file is recorded", Tone::Warning),
    };
    let Replay { runs, events, files, compared, .. } = report;
    let mut lines = vec![
        ("verdict", word.to_owned(), tone),
        (
            "rebuilt",
            format!("{} of {}, from {}", counted(*files, "file"), counted(*runs, "run"), counted(*events, "event")),
            Tone::Plain,
        ),
        ("compared", counted(*compared, "recorded digest"), Tone::Plain),
        ("digest", hex(&report.digest), Tone::Plain),
    ];
    let trail = replayed.trail.as_ref().map(Written::fact).or(replayed.against.as_ref().map(Compared::fact));
    lines.extend(trail.map(|trail| ("trail", trail, Tone::Plain)));
    facts(ui, &lines);
}

const AGREES: &str = "agrees";
const DIFFERS: &str = "differs";

/// The result of the comparison. If nothing was compared, the result is not agreement.
fn verdict(replayed: &Replayed) -> &'static str {
    match (replayed.agrees(), replayed.compared()) {
        (false, _) => DIFFERS,
        (true, 0) => "nothing_compared",
        (true, _) => AGREES,
    }
}

fn described(file: Option<([u8; 32], u64)>) -> String {
    file.map_or("no such file".to_owned(), |(digest, len)| format!("{} ({len} bytes)", hex(&digest)))
}

fn sentence(difference: &ReplayDifference) -> String {
    let ReplayDifference { run, path, seq, expected, found, version, projection } = difference;
    let (expected, found) = (described(*expected), described(*found));
    let versions = version.map(|(recorded, ours)| {
        format!("; it was made by version {recorded} of its projection, this program has version {ours}")
    });
    let versions = versions.unwrap_or_default();
    let projection = projection.as_ref().map(|(name, version)| format!(" ({name} version {version})"));
    let projection = projection.unwrap_or_default();
    format!("run `{run}`, `{path}`{projection} as published at seq {seq}: expected {expected}, found {found}{versions}")
}

fn object(replayed: &Replayed) -> ReplayObject<'_> {
    let report = &replayed.found;
    let digested = |file: Option<([u8; 32], u64)>| file.map(|(digest, bytes)| Digested { blake3: hex(&digest), bytes });
    let differences = report.differences.iter().map(|difference| ReplayedDifference {
        run: &difference.run,
        path: &difference.path,
        seq: difference.seq,
        expected: digested(difference.expected),
        found: digested(difference.found),
        version: difference.version.map(|(expected, found)| Versions { expected, found }),
        projection: difference.projection.as_ref().map(|(name, version)| ProjectionObject { name, version: *version }),
    });
    let errors = report.errors.iter().map(|error| ReplayErrorObject {
        seq: error.seq.0,
        run: &error.run,
        message: &error.message,
    });
    ReplayObject {
        agrees: replayed.agrees(),
        verdict: verdict(replayed),
        runs: report.runs,
        events: report.events,
        files: report.files,
        compared: report.compared,
        digest: hex(&report.digest),
        differences: differences.collect(),
        errors: errors.collect(),
        bundles: replayed.bundles.as_ref().map(project::report::Report::object),
        trail: replayed.trail.as_ref().map(Written::object),
        against: replayed.against.as_ref().map(Compared::object),
    }
}
