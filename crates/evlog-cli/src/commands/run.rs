//! `evlog run`: runs a staged pipeline.

use crate::args::Create;
use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::json::{OutcomeObject, RunObject};
use crate::signals::Caught;
use crate::signing::{self, SigningArgs};
use crate::table::facts;
use crate::ui::{Tone, Ui};
use clap::Args;
use evlog::{Log, View};
use evlog_lifecycle::pipeline::report::Report;
use evlog_pipeline::{Interrupts, Options, Plan, Progress, RunError, RunReport, Secrets, Session};
use evlog_store::StdFs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const EXAMPLES: &str = "\
Exit codes:
  0 success, 10 partial, 20 failed; 2 when the plan is refused, before anything is written;
  130 when it was interrupted: it stays in progress in the log

Examples:
  evlog run docs/examples/supply-chain/plan.toml
  evlog run plan.toml --out /srv/builds          bundle in /srv/builds/runs/<run id>/
  evlog run plan.toml --run-id build-1047 --json";

/// Run a staged pipeline: stages, staging, publish gate, outcomes; log and bundle
///
/// Each stage is a process that writes to a directory of its own. What it wrote is checked, moved into the bundle
/// DIR/runs/<run id>/ in one step, and recorded in the log. `evlog tail -f` shows the same from another terminal. Ctrl-C lets the running
/// stage end, and begins no other; a second one ends the stage with all its processes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArgs {
    /// The plan
    #[arg(value_name = "PLAN.toml")]
    plan: PathBuf,
    /// Where the bundle is written, below `runs/<run id>/`
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// The run's id; drawn at random unless given
    #[arg(long, value_name = "ID", value_parser = run_id)]
    run_id: Option<String>,
    #[command(flatten)]
    create: Create,
    #[command(flatten)]
    signing: SigningArgs,
}

/// Names of stages are padded to the longest, and to this many characters, since substages are not known before.
const STAGE_WIDTH_MIN: usize = 18;

fn run_id(text: &str) -> Result<String, String> {
    evlog::request::check_run_id(text).map(|()| text.to_owned())
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &RunArgs) -> Result<Verdict, CommandError> {
    let plan = Plan::load(&args.plan).map_err(|error| {
        let refused = CommandError::user(error.to_string());
        refused.during("the plan is refused, nothing was started")
    })?;
    Secrets::of(&plan)
        .map_err(|error| CommandError::user(error.to_string()).during("the plan is refused, nothing was started"))?;
    let signer = args.signing.signer()?;
    let log = context.writer("run", !args.create.no_create)?;
    let interrupts = Arc::new(Interrupts::default());
    let caught = Caught::raising(interrupts.clone());
    let _caught = caught.map_err(|error| CommandError::user(format!("could not catch signals: {error}")))?;
    // A checkpoint that cannot be signed is told when that happens; the exit code is the run's.
    let (done, _told) =
        signing::during(signer, &|| Some(&log), || run_plan(ui, context, args, interrupts, &plan, &log));
    let closed = log.close();
    let report = match done {
        Ok(report) => report,
        Err(error) => {
            let code = error.exit_code();
            return Err(CommandError::from(error).with_code(code));
        }
    };
    closed?;
    let verdict = Verdict::Run(report.exit_code);
    tell(ui, context, &report).map(|()| verdict).or_else(|error| error.unless_run(verdict))
}

fn run_plan(
    ui: &Ui,
    context: &Context,
    args: &RunArgs,
    interrupts: Arc<Interrupts>,
    plan: &Plan,
    log: &Log,
) -> Result<RunReport, RunError> {
    // A new log has its first commit before the view opens it.
    log.begin()?;
    let mut view = View::open(Arc::new(StdFs), &context.log, contracts())?;
    let options = Options { out_dir: args.out.clone(), run_id: args.run_id.clone(), interrupts };
    let mut width = 0;
    evlog_pipeline::run(plan, Session { log, view: &mut view }, &options, &mut |progress| {
        watch(ui, &progress, &mut width);
    })
}

/// What happens, line by line, on stderr. Names of stages are padded to `width`.
fn watch(ui: &Ui, progress: &Progress<'_>, width: &mut usize) {
    let faint = |text: &str| ui.paint_talk(Tone::Faint, text);
    let line = |stage: &str, what: &str| ui.talk(format_args!("  {stage:width$}  {what}", width = *width));
    match progress {
        Progress::RunCreated { run, stages, .. } => {
            ui.talk(format_args!("{} {}", faint("run"), ui.paint_talk(Tone::Strong, run)));
            *width = stages.iter().map(|stage| stage.chars().count()).max().unwrap_or(0).max(STAGE_WIDTH_MIN);
        }
        Progress::StageStarted { stage, .. } => line(stage, &faint("running")),
        Progress::StageNote { stage, message } => {
            line(stage, &format!("{} {message}", ui.paint_talk(Tone::Warning, "note:")));
        }
        Progress::GateFailed { stage, reason_code, report } => {
            line(stage, &format!("{}  {reason_code}", ui.paint_talk(Tone::Bad, "publish gate failed")));
            gate_findings(ui, report);
        }
        Progress::OutcomeRecorded { outcome, elapsed } => {
            let word = outcome.status.word();
            let word = ui.paint_talk(Tone::of(word), &format!("{word:8}"));
            let took = if elapsed.is_zero() { String::new() } else { format!("{:.1} s", elapsed.as_secs_f64()) };
            let why = outcome.reason_code.as_deref().unwrap_or_default();
            line(&outcome.stage, format!("{word} {}  {why}", faint(&format!("{took:>7}"))).trim_end());
        }
        _ => {}
    }
}

/// The first findings of a failed publish gate; the bundle has all of them.
fn gate_findings(ui: &Ui, report: &Report) {
    const SHOWN_MAX: usize = 5;
    let findings =
        report.artifacts().iter().flat_map(|artifact| artifact.errors().iter().map(move |one| (artifact.path(), one)));
    for (path, finding) in findings.clone().take(SHOWN_MAX) {
        let line = finding.line_number.map(|line| format!(", line {line}")).unwrap_or_default();
        let at =
            if finding.instance_path.is_empty() { String::new() } else { format!(", at {}", finding.instance_path) };
        ui.talk(format_args!("    {path}{line}{at}: {}", finding.message));
    }
    let more = findings.count().saturating_sub(SHOWN_MAX);
    if more > 0 {
        ui.talk(format_args!("    and {more} more"));
    }
}

fn tell(ui: &mut Ui, context: &Context, report: &RunReport) -> Result<(), CommandError> {
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
    )
}

/// A path as a person would type it: relative to the working directory when it is below it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok().and_then(|here| here.canonicalize().ok());
    let short = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    short.as_deref().unwrap_or(path).display().to_string()
}
