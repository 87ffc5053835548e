//! `evlog conform`: checks a bundle made by any program.

mod pipeline;
mod text;

use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::formats::{Answered, Format};
use crate::json::{ConformCheck, ConformFinding, ConformObject};
use crate::reports::{Answer, Base, Finding, Kind, Place, Report, Rule, stages};
use crate::ui::Ui;
use clap::Args;
use evlog_audit::Severity;
use evlog_conform::{Bundle, Check, Checked, Conformance, Known};
use evlog_pipeline::{Plan, in_words};
use pipeline::Origin;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Exit codes:
  0   no findings
  1   findings
  2   the bundle, the plan or the pipeline cannot be read

Examples:
  evlog conform runs/11111111-1111-4111-8111-111111111111
  evlog conform runs/build-1047 --plan plan.toml --exit-code 10
  evlog conform runs/build-1047 --plan plan.toml --format junit > conform.xml
  evlog conform runs/build-1047 --plan plan.toml --format sarif \\
      > conform.sarif
  evlog conform runs/b --against runs/a --pipeline pipeline.toml";

/// Check a pipeline bundle, made by any program, against the pipeline contract
///
/// Nothing is written. The log is read only if neither --plan nor --pipeline is given, and the manifest names a pipeline that is not
/// built in: the log has the definition that the run was created with. Checks have the numbers of the rules in the pipeline contract;
/// docs/conform.md explains each. Some checks need more than the bundle: the plan (enabled stages, configured fail
/// modes, outputs), the captured exit code, or the bundle of another execution. Without it, they are reported as not
/// run.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConformArgs {
    /// The bundle: the directory of one run
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// The pipeline: `purple-axiom`, or a contract file [default: the plan's, else the one that the manifest names, else
    /// purple-axiom]
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
    #[command(flatten)]
    answered: Answered<Kind>,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ConformArgs) -> Result<Verdict, CommandError> {
    let plan = args.plan.as_deref().map(Plan::load).transpose();
    let plan = plan.map_err(|error| {
        CommandError::listed(error.sentences())
            .during("the plan is refused, nothing was checked")
            .hint("docs/plan.md describes plans")
    })?;
    let open = |path: &PathBuf| {
        Bundle::open(path).map_err(|error| {
            let why = in_words(error.action, &error.source);
            let failed = CommandError::user(format!("no bundle at `{}`: {why}", path.display()));
            failed.hint("a bundle is the directory of one run, such as `runs/RUN`")
        })
    };
    let bundle = open(&args.bundle)?;
    let (yardstick, origin) = pipeline::yardstick(context, args, plan.as_ref(), &bundle)?;
    let against = args.against.as_ref().map(open).transpose()?;
    let known = Known { plan: plan.as_ref(), exit_code: args.exit_code, against: against.as_ref() };
    let found = evlog_conform::conform(&bundle, &yardstick, &known);
    let found = found.map_err(|error| CommandError::user(error.to_string()))?;
    match args.answered.format(context) {
        Format::Text => text::print(ui, &args.bundle, &format!("{}{}", yardstick.pipeline(), origin.words()), &found),
        Format::Json => ui.json(&object(&args.bundle, (yardstick.pipeline(), origin), &found)),
        Format::Own(kind) => {
            let mut report = report(bundle.root(), yardstick.pipeline(), &found);
            if kind == Kind::Junit {
                add_stages(&mut report, &bundle, yardstick.pipeline(), &found);
            }
            report.print(ui, kind);
        }
    }
    Ok(Verdict::of(found.conforms()))
}

/// `passed`, `failed` or `not_run`.
fn result(checked: &Checked) -> &'static str {
    match &checked.answer {
        Err(_) => "not_run",
        Ok(_) if checked.count == 0 => "passed",
        Ok(_) => "failed",
    }
}

fn object<'a>(bundle: &Path, (pipeline, origin): (&'a str, Origin), found: &'a Conformance) -> ConformObject<'a> {
    let check = |checked: &Checked| ConformCheck {
        check: checked.check.number,
        code: checked.check.code,
        title: checked.check.title,
        result: result(checked),
        findings: checked.count,
        reason: checked.answer.as_ref().err().map(ToString::to_string),
    };
    let finding = |(check, finding): (&Check, &'a evlog_conform::Finding)| ConformFinding {
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
        pipeline_from: origin.word(),
        conforms: found.conforms(),
        findings_count: found.count(),
        findings: found.findings().map(finding).collect(),
        checks: found.checks.iter().map(check).collect(),
    }
}

fn report(bundle: &Path, pipeline: &str, found: &Conformance) -> Report {
    let base = Base::new("BUNDLE", bundle, "manifest.json");
    let mut report = Report::new("evlog conform", found.run.as_deref().unwrap_or("unknown run"), base);
    report.says("run status", found.status.as_deref().unwrap_or("unknown"));
    for checked in &found.checks {
        let answer = match &checked.answer {
            Err(why) => Answer::NotRun(why.to_string()),
            Ok(kept) => Answer::first(kept.iter().map(reported).collect(), checked.count as u64),
        };
        let rule = rule(checked.check);
        let (class, name) =
            (format!("conform.{pipeline}.{}", rule.id), format!("{:02} {}", checked.check.number, rule.title));
        let at = report.rule(rule);
        report.case(at, class, name, answer);
    }
    report
}

/// Adds how the stages ended, because the bundle of a failed run can conform. It has no place in SARIF, which is for
/// findings in files.
fn add_stages(report: &mut Report, bundle: &Bundle, pipeline: &str, found: &Conformance) {
    let (run, status) = (found.run.as_deref().unwrap_or("unknown run"), found.status.as_deref());
    let ended = stages::Ended { run, pipeline, status, outcomes: &found.outcomes };
    stages::add(report, &ended, &|path| bundle.has_file(path));
}

fn rule(check: &Check) -> Rule {
    let title = check.title.replace('`', "");
    Rule {
        id: check.code.to_owned(),
        label: format!("check {}", check.number),
        about: format!("A bundle conforms where {title}."),
        title,
        help: format!(
            "Each finding names a file of the bundle, the place in it, what is expected there and what was found. docs/conform.md \
             says more about check {}.",
            check.number
        ),
        severity: Severity::Error,
        number: Some(check.number),
    }
}

/// Canonical JSON is one line, so a finding has no other line than the first.
fn reported(finding: &evlog_conform::Finding) -> Finding {
    let evlog_conform::Finding { file, pointer, expected, found } = finding;
    Finding {
        file: file.clone(),
        place: Some(Place { kind: "value", name: pointer.clone() }).filter(|place| !place.name.is_empty()),
        expected: expected.clone(),
        found: found.clone(),
        sentence: finding.to_string(),
        ..Finding::default()
    }
}
