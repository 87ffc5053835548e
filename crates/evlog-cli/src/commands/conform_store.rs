//! `evlog conform-store`: tries whether an object store does what a log in a bucket relies on.
//!
//! Built in with the feature `bucket`, because reaching object stores needs far more packages than everything else.

use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::ui::Ui;
use clap::Args;

const EXAMPLES: &str = "\
Exit codes:
  0   the store keeps every rule
  1   it breaks a rule: do not keep a log in it
  2   the URL cannot be used, or the command line is wrong

Examples:
  evlog conform-store s3://bucket/probes
  evlog conform-store file:///srv/probes
  evlog conform-store --rounds 100 --writers 8 s3://bucket/probes

Credentials, region and endpoint come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, \
AWS_ENDPOINT_URL and others. AWS_PROFILE is not read.";

/// Try whether an object store does what a log in a bucket relies on
///
/// Objects are made below a folder of their own, read, raced for, and removed. What could not be removed is named. docs/bucket.md
/// explains each trial.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConformStoreArgs {
    /// The place: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or `file:///directory`
    #[arg(value_name = "URL")]
    url: String,
    /// How many names writers race for
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// How many writers race for each name
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..=64))]
    writers: u32,
}

#[cfg(not(feature = "bucket"))]
pub(crate) fn run(_: &mut Ui, _: &Context, args: &ConformStoreArgs) -> Result<Verdict, CommandError> {
    let ConformStoreArgs { url, rounds: _, writers: _ } = args;
    Err(CommandError::user(format!("`{url}`: this evlog was built without object stores"))
        .hint("build it with `cargo build --release -p evlog-cli --features bucket`"))
}

#[cfg(feature = "bucket")]
pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ConformStoreArgs) -> Result<Verdict, CommandError> {
    let options = evlog_bucket::probe::ProbeOptions { rounds: args.rounds, writers: args.writers };
    let report = crate::place::probe(&args.url, options)?;
    if context.json {
        ui.json(&answer::object(&args.url, &report));
    } else {
        answer::print(ui, &args.url, &report);
    }
    Ok(Verdict::of(report.passed()))
}

#[cfg(feature = "bucket")]
mod answer {
    use crate::json::{StoreObject, StoreTrial};
    use crate::table::facts;
    use crate::ui::{Tone, Ui};
    use evlog_bucket::probe::{Report, Verdict};

    fn word(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Passed => "passed",
            Verdict::Failed => "failed",
            Verdict::Noted => "noted",
        }
    }

    pub(super) fn object<'a>(url: &'a str, report: &'a Report) -> StoreObject<'a> {
        let trials = report.trials.iter();
        let trials =
            trials.map(|trial| StoreTrial { trial: trial.name, result: word(trial.verdict), found: &trial.found });
        StoreObject { url, conforms: report.passed(), trials: trials.collect(), left: &report.left }
    }

    pub(super) fn print(ui: &mut Ui, url: &str, report: &Report) {
        let verdict = if report.passed() { ("conforms", Tone::Good) } else { ("does not conform", Tone::Bad) };
        let mut rows = vec![("verdict", verdict.0.to_owned(), verdict.1), ("store", url.to_owned(), Tone::Plain)];
        for trial in &report.trials {
            let tone = if trial.verdict == Verdict::Failed { Tone::Bad } else { Tone::Plain };
            rows.push((trial.name, format!("{}: {}", word(trial.verdict), trial.found), tone));
        }
        let left = if report.left.is_empty() { "nothing".to_owned() } else { report.left.join(", ") };
        rows.push(("left behind", left, Tone::Plain));
        facts(ui, &rows);
    }
}
