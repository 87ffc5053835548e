//! `evlog version`: which program this is, and which versions of formats it knows.

use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::json::{FormatVersions, ProjectionVersion, VersionObject};
use crate::table::facts;
use crate::ui::{Tone, Ui};
use clap::Args;
use evlog_export::Format;
use evlog_format::FORMAT_VERSION;

const EXAMPLES: &str = "\
Examples:
  evlog version
  evlog version --json | jq -r .commit
  evlog --version                            one line

The commit is known if the variable EVLOG_COMMIT named it when evlog was built.";

/// Show the version of evlog, and the versions of formats and projections that it knows
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VersionArgs {}

#[expect(clippy::unnecessary_wraps, reason = "the list of commands wants one type of all of them")]
pub(crate) fn run(ui: &mut Ui, context: &Context, _: &VersionArgs) -> Result<Verdict, CommandError> {
    let commit = option_env!("EVLOG_COMMIT").filter(|commit| !commit.is_empty());
    let projections = contracts().projections().into_iter();
    let answer = VersionObject {
        version: env!("CARGO_PKG_VERSION"),
        commit,
        format: FormatVersions { reads: [FORMAT_VERSION], writes: FORMAT_VERSION },
        json: [1],
        projections: projections.map(|(name, version)| ProjectionVersion { name, version }).collect(),
        features: features(),
    };
    if context.json {
        ui.json(&answer);
    } else {
        print(ui, &answer);
    }
    Ok(Verdict::Yes)
}

/// What was built in besides.
fn features() -> Vec<&'static str> {
    let built_in = [
        ("bucket", cfg!(feature = "bucket")),
        ("parquet", Format::Parquet.is_built_in()),
        ("top", cfg!(feature = "top")),
    ];
    built_in.into_iter().filter(|(_, is_built_in)| *is_built_in).map(|(name, _)| name).collect()
}

fn print(ui: &mut Ui, answer: &VersionObject) {
    let plain = |label: &'static str, text: String| (label, text, Tone::Plain);
    let projections = answer.projections.iter().map(|made| format!("{} {}", made.name, made.version));
    let or_none = |texts: &[&str]| if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
    let [reads] = answer.format.reads;
    facts(
        ui,
        &[
            ("evlog", answer.version.to_owned(), Tone::Strong),
            plain("commit", answer.commit.unwrap_or("unknown").to_owned()),
            plain("log format", format!("reads version {reads}, writes version {}", answer.format.writes)),
            plain("JSON", format!("version {}", answer.json[0])),
            plain("projections", projections.collect::<Vec<_>>().join(", ")),
            plain("features", or_none(&answer.features)),
        ],
    );
}
