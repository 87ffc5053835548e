//! `evlog project`: write the bundles, or compare them with the log.

pub(super) mod check;
pub(super) mod report;

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::files;
use crate::formats::Answered;
use crate::json::{ProjectedFile, ProjectedLine, UnwrittenLine, hex};
use crate::outputs;
use crate::reports::Kind;
use crate::table::counted;
use crate::turn::Turn;
use crate::ui::{Text, Tone, Ui, Unit};
use clap::{Arg, Args};
use evlog::bundles::bundles;
use evlog::publish::Publisher;
use evlog::{Log, LogError, View};
use evlog_pipeline::bundles::{Below, BundleWriters, Obstacle, Settled, Written};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  evlog project --out .
      write ./runs/<run id>/ for every run, record digests
  evlog project --out copy --no-record
      write them to ./copy, record nothing
  evlog project --check .
      compare ./runs with the log, byte for byte
  evlog project --check . --run RUN_0001
      compare one run
  evlog project --check . --format junit > bundles.xml
      a test case for each file";

/// Write the bundles of runs, or compare them with the log byte for byte
///
/// A bundle is the directory of one run's projected files, DIR/runs/<run id>/. With --out, each file is written
/// completely or not at all, and its digest is recorded in the log, so that `evlog replay` can compare it later. With
/// --check, nothing is written: every projected file is compared, and so is every artifact and captured output that
/// `run.json` lists.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, mut_arg("format", of_a_check))]
pub(crate) struct ProjectArgs {
    /// Write the bundles below this directory
    #[arg(long, value_name = "DIR", required_unless_present = "check", conflicts_with = "check")]
    out: Option<PathBuf>,
    /// Compare the bundles below this directory
    #[arg(long, value_name = "DIR")]
    check: Option<PathBuf>,
    /// Write or compare only this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// With --out: do not record digests in the log
    #[arg(long, conflicts_with = "check")]
    no_record: bool,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    answered: Answered<Kind>,
    #[command(flatten)]
    turn: Turn,
}

fn of_a_check(format: Arg) -> Arg {
    format.conflicts_with("out").help("Format of the answer of --check [default: text]")
}

impl ProjectArgs {
    /// Whether the command writes bundles, and not only compares them.
    pub(crate) fn writes(&self) -> bool {
        self.check.is_none()
    }
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ProjectArgs) -> Result<Verdict, CommandError> {
    match (&args.check, &args.out) {
        (Some(dir), _) => check::run(ui, context, args, dir),
        (None, Some(dir)) => write(ui, context, args, dir),
        (None, None) => unreachable!("the argument parser asks for one of them"),
    }
}

/// How many times runs that continued meanwhile are written again. After that, the process that runs them writes their files.
const AGAIN_MAX: usize = 100;

/// The requested runs; `None` if the requested run does not exist.
fn runs_of(view: &View, args: &ProjectArgs) -> Result<Option<Vec<String>>, CommandError> {
    let mut names = view.run_names()?;
    let Some(run) = &args.run else { return Ok(Some(names)) };
    names.retain(|name| name == run);
    Ok(Some(names).filter(|names| !names.is_empty()))
}

fn write(ui: &mut Ui, context: &Context, args: &ProjectArgs, dir: &Path) -> Result<Verdict, CommandError> {
    outputs::check("--out", dir, &context.log, None)?;
    let mut view = context.view(&args.at)?;
    let Some(names) = runs_of(&view, args)? else {
        return Err(CommandError::no_run(&view, args.run.as_deref().unwrap_or_default()));
    };
    if args.no_record {
        return write_beside(ui, context, args, dir, &mut view, names);
    }
    // Opened before the first file is written: if another process holds the log, the directory stays unchanged.
    let log = recording(context, args)?;
    let verdict = write_recorded(ui, context, args, dir, &log);
    CommandError::followed_by(verdict, log.close().map_err(CommandError::from))
}

/// A run may continue meanwhile, and write newer files into the same directory. Files written here could replace them
/// with older ones, and the older ones would stay. So runs that continued are written again.
fn write_beside(
    ui: &mut Ui,
    context: &Context,
    args: &ProjectArgs,
    dir: &Path,
    view: &mut View,
    mut names: Vec<String>,
) -> Result<Verdict, CommandError> {
    let mut verdict = write_runs(ui, context, view, &names, dir, None)?;
    for _ in 0..AGAIN_MAX {
        let from = view.next_seq();
        // Without `HEAD` it is unknown whether they do.
        if args.at.is_given() || !view.warnings().is_empty() || !view.refresh()? {
            break;
        }
        let mut went_on = BTreeSet::new();
        view.each::<LogError>(from, &mut |fact| {
            went_on.insert(fact.event.stream.to_owned());
            Ok(ControlFlow::Continue(()))
        })?;
        names = runs_of(view, args)?.unwrap_or_default();
        names.retain(|name| went_on.contains(name));
        let again = write_runs(ui, context, view, &names, dir, None)?;
        verdict = Verdict::of(verdict == Verdict::Yes && again == Verdict::Yes);
    }
    Ok(verdict)
}

/// Files and digests must be of the same log, so both use this one access.
fn write_recorded(
    ui: &mut Ui,
    context: &Context,
    args: &ProjectArgs,
    dir: &Path,
    log: &Log,
) -> Result<Verdict, CommandError> {
    let view = args.at.of(log.view()?)?;
    let names = runs_of(&view, args)?.unwrap_or_default();
    write_runs(ui, context, &view, &names, dir, Some(log))
}

fn recording(context: &Context, args: &ProjectArgs) -> Result<Log, CommandError> {
    context
        .writer("project", &args.turn)
        .map_err(|error| error.hint("with --no-record, files are written and nothing is recorded in the log"))
}

fn write_runs(
    ui: &mut Ui,
    context: &Context,
    view: &View,
    names: &[String],
    dir: &Path,
    log: Option<&Log>,
) -> Result<Verdict, CommandError> {
    let publisher = log.map(Publisher::new).transpose()?;
    files::make_dir(dir)?;
    let mut writers = writers(dir)?;
    let progress = ui.progress_beside_answer("project", names.len() as u64, Unit::Runs);
    let mut shown = Shown { ui, context, publisher, broken: 0, blocked: 0 };
    bundles(view, names, &mut |name, bundle| {
        match bundle {
            Ok(Some(bundle)) => shown.settled(writers.add(bundle)?)?,
            // The run begins after the requested seq.
            Ok(None) => return Ok(()),
            Err(error) => shown.broken(name, &error.to_string()),
        }
        progress.step();
        Ok::<_, CommandError>(())
    })?;
    shown.settled(writers.finish()?)?;
    drop(progress);
    shown.end(names.len())
}

/// Some writers write drafts while the others wait for a sync. With four, about a tenth less time passes than with two.
const WRITERS: usize = 4;

fn writers(dir: &Path) -> Result<BundleWriters, CommandError> {
    let disks = (0..WRITERS).map(|_| Below::open(dir)).collect::<Result<_, _>>()?;
    BundleWriters::new(disks).map_err(|error| CommandError::user(format!("could not start a thread: {error}")))
}

/// What was done so far, as it is shown and recorded.
struct Shown<'s> {
    ui: &'s mut Ui,
    context: &'s Context,
    publisher: Option<Publisher<'s>>,
    /// Runs that cannot be folded.
    broken: u64,
    /// Runs of which a file cannot take its place.
    blocked: u64,
}

impl Shown<'_> {
    /// Digests are recorded only of files that are synced.
    fn settled(&mut self, settled: Vec<Settled>) -> Result<(), CommandError> {
        for settled in settled {
            match settled {
                Ok(written) => {
                    let recorded = match &mut self.publisher {
                        Some(publisher) => publisher.publish(written.published.clone())?,
                        None => false,
                    };
                    print(self.ui, self.context, &written, recorded);
                }
                Err(Obstacle { run, error }) => {
                    self.blocked += 1;
                    self.not_written(&run, &format!("run `{run}`: {error}"));
                }
            }
        }
        Ok(())
    }

    fn broken(&mut self, run: &str, message: &str) {
        self.broken += 1;
        self.not_written(run, message);
    }

    fn not_written(&mut self, run: &str, message: &str) {
        if self.context.json {
            self.ui.json(&UnwrittenLine { run, error: message });
        } else {
            self.ui.finding(message);
        }
    }

    fn end(self, runs: usize) -> Result<Verdict, CommandError> {
        self.publisher.map_or(Ok(()), Publisher::finish)?;
        if self.blocked > 0 {
            let (blocked, runs) = (self.blocked, counted(runs as u64, "run"));
            let message = format!("could not write the files of {blocked} of {runs}, named above");
            return Err(CommandError::user(message).hint(
                "after it is moved away, the same command writes these runs, and leaves the others as they are",
            ));
        }
        Ok(Verdict::of(self.broken == 0))
    }
}

fn print(ui: &mut Ui, context: &Context, written: &Written, recorded: bool) {
    let Written { published, contract, new } = written;
    if context.json {
        let files = published.files.iter().zip(new).map(|(file, new)| ProjectedFile {
            path: &file.path,
            projection: &file.projection,
            version: file.version,
            bytes: file.len,
            blake3: hex(&file.blake3),
            written: *new,
        });
        let (run, seq) = (published.run.as_str(), published.seq);
        return ui.json(&ProjectedLine { run, contract, seq, recorded, files: files.collect() });
    }
    let (count, new) = (new.len(), new.iter().filter(|new| **new).count());
    let recorded = if recorded { ", digests recorded" } else { "" };
    let count = counted(count as u64, "file");
    let new = if new == 0 { "unchanged".to_owned() } else { format!("{new} written") };
    ui.line(Text::default().toned(Tone::Strong, &published.run).plain(format_args!("  {count}, {new}{recorded}")));
}
