//! `evlog run`: runs a pipeline of stages, or resumes one that was interrupted.

mod claim;
mod counting;
mod desk;
mod junit;
mod starter;
mod watch;

use crate::args::{At, Writing};
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::json::{OutcomeObject, RunObject};
use crate::metrics::{self, Metrics, Target};
use crate::outputs::{self, Made};
use crate::signals::Caught;
use crate::signing::{self, SigningArgs};
use crate::table::facts;
use crate::turn::Attempt;
use crate::ui::{Tone, Ui};
use clap::Args;
use desk::Desk;
use evlog::Log;
use evlog_lifecycle::pipeline::RunStatus;
use evlog_pipeline::{
    Claim, Interrupts, Options, Plan, Retry, RunError, RunReport, Secrets, Session, check_descriptors, may_retry,
};
use junit::{Ended, Junit};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use watch::{Form, Watch};

pub(super) use claim::{next_step, resuming, retried_by_hand};

const EXAMPLES: &str = "\
Exit codes:
  0    success
  10   partial
  20   failed; also when the run is locked or exists, when the run to resume
       has ended, or when the run to retry has not ended or has succeeded
  2    one of these:
       - the plan is refused, the policy of the log refuses the run, or too
         few files can be opened: nothing was written;
       - the plan differs from that of the run to resume;
       - the run could not be recorded (full disk, a file in the way, out of
         memory): it may not have ended. `evlog runs` shows what the log
         holds;
       - the run has ended in the log, but its bundle is incomplete: the
         message gives its outcome, and `--resume` completes the bundle
  130  interrupted: the run stays in progress in the log, and `--resume`
       continues it
  A checkpoint that could not be signed is only a warning. It does not change
  the exit code.

Examples:
  evlog run --init first
      write a starter plan, first/plan.toml
  evlog run first/plan.toml
  evlog run docs/examples/supply-chain/plan.toml
  evlog run plan.toml --out /srv/builds
      bundle in /srv/builds/runs/<run id>/
  evlog run plan.toml --run-id build-1047 --json
  evlog run plan.toml --show-output
      print the output of stages, for a CI job
  evlog run plan.toml --junit run.xml
      a test case for each stage, for a CI job
  evlog run --resume build-1047
      continue a run that was stopped
  evlog run --resume build-1047 --force-run-lock
      continue a run that was killed and left its lock
  evlog run plan.toml --retry build-1047
      after a fix: run only what did not succeed
  evlog run plan.toml --retry build-1047 --from link
      run `link` again: a script changed that no input names";

/// Run a pipeline of stages, record it in the log, and write its bundle
///
/// Each stage is a process that writes to its own staging directory. evlog checks the files, moves them into the bundle
/// DIR/runs/<run id>/ in one step, and records the outcome in the log. `evlog tail -f` shows the same from another
/// terminal. After Ctrl-C the running stage finishes and no other stage starts. A second Ctrl-C ends the stage with all
/// its processes.
///
/// --resume continues a run that was interrupted by Ctrl-C or a crash. evlog first uses the log to settle the stage
/// that was running. Stages that have an outcome do not run again. The others run.
///
/// A run that has ended does not change. After the fix, --retry starts a new run that reuses the stages that succeeded
/// and have not changed. It copies their files from the old bundle, and the publish gate checks them again. The first
/// stage that cannot be reused runs, and so do all stages after it.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArgs {
    /// The plan. With --resume it must be the plan of that run; leave it out if the file is still in the same place
    #[arg(value_name = "PLAN.toml", required_unless_present_any = ["init", "resume"])]
    plan: Option<PathBuf>,
    /// Write a starter plan into DIR [default: .] and run nothing; existing files are not overwritten
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        default_missing_value = ".",
        conflicts_with_all = ["plan", "out", "run_id", "show_output", "junit", "metrics", "resume", "force_run_lock", "retry", "from"]
    )]
    init: Option<PathBuf>,
    /// Write the bundle to DIR/runs/<run id>/
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// The run's id [default: a random id]
    #[arg(long, value_name = "ID", value_parser = run_id)]
    run_id: Option<String>,
    /// Continue a run that is still in progress
    #[arg(long, value_name = "RUN", value_parser = run_id, conflicts_with = "run_id")]
    resume: Option<String>,
    /// Start a new run: reuse the stages that succeeded in RUN, and run the rest. RUN must have ended as failed or partial
    #[arg(long, value_name = "RUN", value_parser = run_id, requires = "plan", conflicts_with = "resume")]
    retry: Option<String>,
    /// Run this stage and all stages after it, even if they could be reused. RUN can then have ended as success
    #[arg(long, value_name = "STAGE", requires = "retry")]
    from: Option<String>,
    /// Set aside a run lock that a crash left, and record that. Refused while another process writes the log
    #[arg(long)]
    force_run_lock: bool,
    /// Print the output of stages line by line; with --json as events
    #[arg(long)]
    show_output: bool,
    /// Write a `JUnit` report to FILE: a test case for each stage. Until the run has ended, the report says that it has not
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Show figures about this command, for Prometheus: in FILE, written anew every 15 seconds and at the end; or at
    /// `http://ADDR/metrics`. ADDR is `:9464`, which is this machine only, or an IP address with a port
    #[arg(long, value_name = "FILE|ADDR", value_parser = Target::parse)]
    metrics: Option<Target>,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    signing: SigningArgs,
}

impl RunArgs {
    /// Whether the command writes a starter plan, and runs nothing.
    pub(crate) fn is_starter(&self) -> bool {
        self.init.is_some()
    }
}

fn run_id(text: &str) -> Result<String, String> {
    evlog::check_run_id(text).map(|()| text.to_owned())
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &RunArgs) -> Result<Verdict, CommandError> {
    if let Some(directory) = &args.init {
        outputs::check("--init", directory, &context.log, None)?;
        return starter::write(ui, context.json, directory);
    }
    check_outputs(context, args)?;
    // If metrics cannot begin, nothing else is written.
    let metered = metrics::begin(ui, "run", context, args.metrics.as_ref(), args.signing.key.as_deref())?;
    let junit = Junit::begin(args)?;
    let done = bring_to_its_end(ui, context, args, &metered.metrics());
    let written = junit.map_or(Ok(()), |junit| junit.end(&done));
    let Ended { report, .. } = CommandError::followed_by(done, written)?;
    Ok(Verdict::Run(report.exit_code))
}

/// Refuses outputs before anything is written to any of them.
fn check_outputs(context: &Context, args: &RunArgs) -> Result<(), CommandError> {
    let (junit, metrics) = (args.junit.as_deref(), args.metrics.as_ref().and_then(Target::file));
    let checkpoints = args.signing.checkpoint_out.as_deref();
    outputs::check_apart(&[("--junit", junit), ("--checkpoint-out", checkpoints), ("--metrics", metrics)])?;
    let Some(junit) = junit else { return Ok(()) };
    outputs::check("--junit", junit, &context.log, args.signing.key.as_deref())?;
    outputs::check_replaceable("--junit", junit, Made::Junit)
}

fn bring_to_its_end(ui: &mut Ui, context: &Context, args: &RunArgs, metrics: &Metrics) -> Result<Ended, CommandError> {
    check_descriptors().map_err(|few| claim::failed(context, args, RunError::Descriptors(few)))?;
    let plan_path = claim::plan(context, args)?;
    let plan = load(&plan_path)?;
    Secrets::of(&plan, claim::id(args)).map_err(|error| refused(error.problems))?;
    if let Some(retry) = retry(args) {
        let known = may_retry(&mut context.view(&At::default())?, &plan, &retry);
        known.map_err(|error| claim::failed(context, args, error))?;
    }
    let signer = args.signing.signer(&context.log)?;
    // The run's lock comes first: of two processes for one run, the second reports that the run is locked, not that the log is (5.1).
    // While the command waits for the log it holds neither: a signal would leave the run's lock behind.
    let (mut claim, log) = args.writing.turn.take(|| {
        let claim = claim::take(context, args)?;
        let create = args.resume.is_none() && args.retry.is_none();
        let log = context.writer_with(&[], "run", &args.writing, create, metrics.observer());
        match log.map_err(|error| claim::not_taken(error, claim.as_ref()))? {
            Attempt::Done(log) => Ok(Attempt::Done((claim, log))),
            Attempt::Locked(error) => Ok(Attempt::Locked(claim::not_taken(error, claim.as_ref()))),
        }
    })?;
    if let Some(Err(refused)) = signer.as_ref().map(|signer| signer.check(&log)) {
        return CommandError::followed_by(Err(refused), log.close().map_err(CommandError::from));
    }
    let watch = Watch::new(ui, Form { json: context.json, output: args.show_output });
    let (done, closed) = desk::beside(watch, |desk| {
        let interrupts = Arc::new(Interrupts::default());
        let caught = Caught::raising(interrupts.clone());
        let caught = caught.map_err(|error| CommandError::user(format!("could not catch signals: {error}")))?;
        // A failed signing is reported at once, and does not change the exit code.
        let (done, _signed) = signing::during(signer, metrics, &|| Some(&log), || {
            run_plan((desk, metrics), context, args, interrupts, &plan, &log, &mut claim)
        });
        let closed = log.close();
        // Close the log before the lock is released: the next holder of the lock finds the log free.
        drop(claim);
        // From here on the process only waits for its reader, and a signal ends it.
        caught.end_with(code(&done, closed.is_ok()));
        Ok::<_, CommandError>((done, closed))
    })??;
    let closed = closed.map_err(|error| match &done {
        Ok(report) => claim::not_closed(context, error, report),
        Err(_) => error.into(),
    });
    let report = CommandError::followed_by(done, closed)?;
    print(ui, context, &report);
    if report.status != RunStatus::Success {
        ui.advise(&claim::way_on(context, args, &plan_path, &report.run_id));
    }
    Ok(Ended { report, pipeline: plan.definition.name().to_owned() })
}

/// The exit code of the process, after all output.
fn code(done: &Result<RunReport, CommandError>, is_closed: bool) -> u8 {
    match done {
        Ok(report) if is_closed => report.exit_code,
        Ok(_) => Verdict::CouldNot.code(),
        Err(error) => error.code,
    }
}

fn refused(problems: impl IntoIterator<Item = String>) -> CommandError {
    CommandError::listed(problems)
        .during("the plan is refused, nothing was started")
        .hint("docs/plan.md describes plans; `evlog run --init DIR` writes a first one")
}

/// Reads the plan. A path with no file is probably mistyped, and says nothing about plans.
fn load(path: &Path) -> Result<Plan, CommandError> {
    if fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        let message = format!("there is no plan `{}`; nothing was started", path.display());
        return Err(CommandError::user(message).hint("check the path; `evlog run --init DIR` writes a first plan"));
    }
    Plan::load(path).map_err(|error| refused(error.sentences()))
}

fn retry(args: &RunArgs) -> Option<Retry> {
    Some(Retry { of: args.retry.clone()?, from: args.from.clone() })
}

fn run_plan(
    (desk, metrics): (&Desk, &Metrics),
    context: &Context,
    args: &RunArgs,
    interrupts: Arc<Interrupts>,
    plan: &Plan,
    log: &Log,
    claim: &mut Option<Claim>,
) -> Result<RunReport, CommandError> {
    // A new log gets its first commit before the view opens it. Without a run, none can have failed.
    log.begin().map_err(|error| {
        CommandError::from(error).hint("nothing was recorded; after the fix, run the same command again")
    })?;
    let mut view = context.quiet_view()?;
    let failed = |error| claim::failed(context, args, error);
    let claim = claim::force(claim, &mut view, args).map_err(failed)?;
    let options = Options { interrupts, retry: retry(args), ..Options::default() };
    let begin = if args.resume.is_some() { evlog_pipeline::resume } else { evlog_pipeline::run };
    begin(plan, Session { log, view: &mut view }, claim, &options, &mut |progress| {
        counting::count(metrics, &progress);
        desk.hand_on(&progress);
    })
    .map_err(failed)
}

fn print(ui: &mut Ui, context: &Context, report: &RunReport) {
    let status = report.status.word();
    let bundle = shown(&report.bundle);
    if context.json {
        let outcomes = report.outcomes.iter().map(|outcome| OutcomeObject {
            stage: &outcome.stage,
            status: outcome.status.word(),
            fail_mode: outcome.fail_mode.word(),
            reason_code: outcome.reason_code.as_deref(),
        });
        let outcomes = outcomes.collect();
        return ui.json(&RunObject {
            event: "run_finished",
            run: &report.run_id,
            status,
            exit_code: report.exit_code,
            bundle: &bundle,
            outcomes,
        });
    }
    facts(
        ui,
        &[
            ("run", report.run_id.clone(), Tone::Strong),
            ("status", format!("{status} (exit code {})", report.exit_code), Tone::of(status)),
            ("bundle", bundle, Tone::Plain),
        ],
    );
}

/// A path as a person would type it: relative to the working directory when it is below it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok().and_then(|here| here.canonicalize().ok());
    let short = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    short.as_deref().unwrap_or(path).display().to_string()
}
