//! `evlog conform`: checks a bundle made by any program.

mod junit;
mod sarif;
mod text;

use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::json::{ConformCheck, ConformFinding, ConformObject};
use crate::ui::Ui;
use clap::{Args, ValueEnum};
use evlog_conform::{Bundle, Checked, Conformance, Known, Yardstick};
use evlog_pipeline::Plan;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Exit codes:
  0 no findings; 1 findings; 2 the bundle, the plan or the pipeline cannot be read

Examples:
  evlog conform runs/11111111-1111-4111-8111-111111111111
  evlog conform runs/build-1047 --plan plan.toml --exit-code 10
  evlog conform runs/build-1047 --plan plan.toml --format junit > conform.xml
  evlog conform runs/build-1047 --plan plan.toml --format sarif > conform.sarif
  evlog conform runs/b --against runs/a --pipeline pipeline.toml";

/// Check a pipeline bundle, made by any program, against the pipeline contract
///
/// No log is needed, and nothing is written. Checks have the numbers of the rules in the pipeline contract;
/// docs/conform.md explains each. Some checks need more than the bundle: the plan (enabled stages, configured fail
/// modes, outputs), the captured exit code, or the bundle of another execution. Without it, they are reported as not
/// run.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConformArgs {
    /// The bundle: the directory of one run
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// The pipeline: `purple-axiom`, or a contract file [default: the plan's pipeline, else purple-axiom]
    #[arg(long, value_name = "NAME-OR-FILE")]
    pipeline: Option<String>,
    /// The plan of the run; its commands are not executed
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// The exit code of the program that ran the pipeline
    #[arg(long, value_name = "N")]
    exit_code: Option<u8>,
    /// The bundle of another execution of the same pipeline; it must not differ
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Format of the answer [default: text]
    #[arg(long, value_name = "FORMAT", value_enum, conflicts_with = "json")]
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One object, as with --json.
    Json,
    /// `JUnit` XML: one test case per check.
    Junit,
    /// SARIF 2.1.0: one rule per check.
    Sarif,
}

/// The pipeline when neither an option nor a plan names one.
const DEFAULT_PIPELINE: &str = "purple-axiom";

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ConformArgs) -> Result<Verdict, CommandError> {
    let plan = args.plan.as_deref().map(Plan::load).transpose();
    let plan = plan.map_err(|error| CommandError::listed(error.sentences()).during("the plan cannot be used"))?;
    let yardstick = yardstick(args, plan.as_ref())?;
    let open = |path: &PathBuf| Bundle::open(path).map_err(|error| CommandError::user(error.to_string()));
    let bundle = open(&args.bundle)?;
    let against = args.against.as_ref().map(open).transpose()?;
    let known = Known { plan: plan.as_ref(), exit_code: args.exit_code, against: against.as_ref() };
    let found = evlog_conform::conform(&bundle, &yardstick, &known);
    let found = found.map_err(|error| CommandError::user(error.to_string()))?;
    match args.format.unwrap_or(if context.json { Format::Json } else { Format::Text }) {
        Format::Text => text::print(ui, &args.bundle, yardstick.pipeline(), &found),
        Format::Json => ui.json(&object(&args.bundle, yardstick.pipeline(), &found)),
        Format::Junit => ui.file(junit::document(yardstick.pipeline(), &found).as_bytes()),
        Format::Sarif => ui.json(&sarif::document(bundle.root(), &found)),
    }
    Ok(Verdict::of(found.conforms()))
}

fn yardstick(args: &ConformArgs, plan: Option<&Plan>) -> Result<Yardstick, CommandError> {
    let made = match (&args.pipeline, plan) {
        (Some(pipeline), Some(plan)) => Yardstick::named(pipeline).and_then(|made| made.with_plan(plan)),
        (Some(pipeline), None) => Yardstick::named(pipeline),
        (None, Some(plan)) => Ok(Yardstick::of_plan(plan)),
        (None, None) => Yardstick::named(DEFAULT_PIPELINE),
    };
    made.map_err(|error| CommandError::user(error.to_string()))
}

/// `passed`, `failed` or `not_run`.
fn result(checked: &Checked) -> &'static str {
    match &checked.answer {
        Err(_) => "not_run",
        Ok(_) if checked.count == 0 => "passed",
        Ok(_) => "failed",
    }
}

fn object<'a>(bundle: &std::path::Path, pipeline: &'a str, found: &'a Conformance) -> ConformObject<'a> {
    let check = |checked: &Checked| ConformCheck {
        check: checked.check.number,
        code: checked.check.code,
        title: checked.check.title,
        result: result(checked),
        findings: checked.count,
        reason: checked.answer.as_ref().err().map(ToString::to_string),
    };
    let finding = |(check, finding): (&evlog_conform::Check, &'a evlog_conform::Finding)| ConformFinding {
        check: check.number,
        code: check.code,
        file: &finding.file,
        pointer: &finding.pointer,
        expected: &finding.expected,
        found: &finding.found,
    };
    ConformObject {
        bundle: bundle.display().to_string(),
        run: found.run.as_deref(),
        status: found.status.as_deref(),
        pipeline,
        conforms: found.conforms(),
        findings_count: found.count(),
        findings: found.findings().map(finding).collect(),
        checks: found.checks.iter().map(check).collect(),
    }
}
