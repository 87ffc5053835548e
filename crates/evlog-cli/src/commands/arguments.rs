//! The list of commands, the only one. The doc comments are the help texts, and `docs/cli.md` is made from it.

use crate::args::Global;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::ui::{Ui, visible};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};
use evlog_export::marked;
use std::error::Error;
use std::ffi::OsString;
use std::num::{IntErrorKind, ParseIntError};

/// Shown under the help of `evlog` itself.
const EXAMPLES: &str = "\
Exit codes:
  0   yes: done, with nothing to report
  1   no: findings, differences, rejected commands, no such run
  2   could not: wrong usage, input or output error, malformed lines, out of
      memory
  `evlog run` exits as its run ended: 0 success, 10 partial, 20 failed

Environment:
  EVLOG_LOG         the log's directory, as --log
  EVLOG_LOG_LEVEL   lines on stderr about what evlog does: off, error, warn,
                    info, debug or trace [default: off]

Examples:
  evlog run docs/examples/supply-chain/plan.toml
      run a pipeline, recorded in ./evlog
  evlog tail -f            watch it from another terminal
  evlog verify             check bytes, checksums, order, roots, contracts
  evlog project --check .  compare ./runs with the log, byte for byte";

/// Record every step of a run as an event in an append-only log, and prove it later
///
/// evlog keeps runs in an append-only log of checksummed segments. Run states, manifests and health files are
/// projections: evlog computes them from the log, and gets the same bytes every time.
#[derive(Debug, Parser)]
#[command(name = "evlog", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Parses the arguments. An error shows them with control characters escaped, and comes with the command that shows the help.
pub(crate) fn parse() -> Result<Arguments, (clap::Error, String)> {
    Arguments::try_parse().map_err(|error| {
        let shown = std::env::args_os().map(|typed| visible(&typed.to_string_lossy()));
        // If escaping makes the arguments valid, the hidden characters are the error.
        let error = Arguments::try_parse_from(shown).err().unwrap_or_else(|| made_visible(error));
        (in_words(with_others(error)), help_of(std::env::args_os().skip(1)))
    })
}

/// The command that shows the help of what was typed: of the deepest command in it.
fn help_of(typed: impl Iterator<Item = OsString>) -> String {
    let (mut command, mut name) = (Arguments::command(), "evlog".to_owned());
    let mut is_value = false;
    for word in typed.map(|word| word.to_string_lossy().into_owned()) {
        if word.starts_with('-') {
            let takes_one = |known: &&clap::Arg| known.get_long().is_some_and(|long| word == format!("--{long}"));
            let option = command.get_arguments().find(takes_one);
            is_value = option.is_some_and(|option| {
                option.get_action().takes_values() && option.get_num_args().is_none_or(|range| range.min_values() > 0)
            });
        } else if !std::mem::take(&mut is_value) {
            let Some(inner) = command.find_subcommand(&word).cloned() else { break };
            name = format!("{name} {}", inner.get_name());
            command = inner;
        }
    }
    format!("{name} --help")
}

/// Says which commands have an option that this one does not have, if none of its own is near to it.
fn with_others(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg) else { return error };
    if error.kind() != ErrorKind::UnknownArgument || error.get(ContextKind::SuggestedArg).is_some() {
        return error;
    }
    let root = Arguments::command();
    let has = |command: &&clap::Command| {
        command.get_arguments().any(|known| known.get_long().is_some_and(|long| typed.strip_prefix("--") == Some(long)))
    };
    let having: Vec<String> =
        root.get_subcommands().filter(has).map(|command| format!("`evlog {}`", command.get_name())).collect();
    if !typed.starts_with('-') {
        let tip = "the command takes fewer arguments; an argument with spaces needs quotes".to_owned();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    } else if !having.is_empty() {
        let tip = format!("{typed} is an option of {}", having.join(", "));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// A number that cannot be read is reported as other errors are: with what was expected.
fn in_words(error: clap::Error) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let (argument, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
    let Some(source) = error.source() else { return error };
    let said = source.to_string();
    let bounds = said.split_once(" is not in ").and_then(|(_, bounds)| bounds.split_once(".."));
    let expected = match (source.downcast_ref::<ParseIntError>().map(ParseIntError::kind), bounds) {
        // The widest numbers that evlog takes have 64 bits; a narrower one does not say its limit.
        (Some(IntErrorKind::PosOverflow), _) if value.parse::<u64>().is_err() => {
            format!("a whole number of at most {}", u64::MAX)
        }
        (Some(IntErrorKind::PosOverflow | IntErrorKind::NegOverflow), _) => "a smaller whole number".to_owned(),
        (Some(_), _) => "a whole number, such as 12".to_owned(),
        (None, Some((least, most))) => format!("a whole number from {least} to {}", most.trim_start_matches('=')),
        (None, None) => return error,
    };
    let message = format!(
        "invalid value '{value}' for '{argument}': expected {expected}\n\nFor more information, try '--help'.\n"
    );
    let mut worded = clap::Error::raw(error.kind(), message);
    worded.insert(ContextKind::InvalidArg, ContextValue::String(argument));
    worded.insert(ContextKind::InvalidValue, ContextValue::String(value));
    worded
}

fn made_visible(mut error: clap::Error) -> clap::Error {
    let texts: Vec<(ContextKind, String)> = error
        .context()
        .filter_map(
            |(kind, value)| if let ContextValue::String(text) = value { Some((kind, visible(text))) } else { None },
        )
        .collect();
    for (kind, text) in texts {
        error.insert(kind, ContextValue::String(text));
    }
    let is_visible = error.to_string().lines().all(|line| marked(line).all(|(.., is_hidden)| !is_hidden));
    if is_visible { error } else { Arguments::command().error(error.kind(), "an argument contains hidden characters") }
}

/// What a command leaves behind: what is said if memory runs out depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    Nothing,
    /// Files, and nothing to the log.
    Files,
    Log,
    /// Commands, each of which it answers.
    Commands,
    /// The steps of a run.
    Run,
}

impl Writes {
    /// What a command that may write leaves behind.
    fn only_if(self, writes: bool) -> Writes {
        if writes { self } else { Writes::Nothing }
    }
}

/// Makes the parser, the dispatch and what each command writes out of one list.
macro_rules! commands {
    ($($command:ident($module:ident::$args:ident) $writes:expr;)*) => {
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $($command(super::$module::$args),)*
        }

        impl Command {
            /// Carries it out.
            pub(crate) fn run(&self, ui: &mut Ui, context: &Context) -> Result<Verdict, CommandError> {
                match self {
                    $(Command::$command(args) => super::$module::run(ui, context, args),)*
                }
            }

            /// What it writes, with these options.
            pub(crate) fn writes(&self) -> Writes {
                match self {
                    $(Command::$command(args) => {
                        let writes: fn(&super::$module::$args) -> Writes = $writes;
                        writes(args)
                    })*
                }
            }
        }
    };
}

commands! {
    Init(init::InitArgs) |_| Writes::Log;
    Run(run::RunArgs) |args| if args.is_starter() { Writes::Files } else { Writes::Run };
    Submit(submit::SubmitArgs) |_| Writes::Commands;
    Tail(tail::TailArgs) |_| Writes::Nothing;
    Cat(cat::CatArgs) |_| Writes::Nothing;
    Top(top::TopArgs) |_| Writes::Nothing;
    Runs(runs::RunsArgs) |_| Writes::Nothing;
    Show(show::ShowArgs) |_| Writes::Nothing;
    Explain(explain::ExplainArgs) |_| Writes::Nothing;
    Export(export::ExportArgs) |_| Writes::Files;
    // The new log gets its name when it is complete; no log that exists is written to.
    Import(import::ImportArgs) |_| Writes::Files;
    Diff(diff::DiffArgs) |_| Writes::Nothing;
    Project(project::ProjectArgs) |args| Writes::Log.only_if(args.writes());
    Replay(replay::ReplayArgs) |args| Writes::Files.only_if(args.writes());
    Verify(verify::VerifyArgs) |args| Writes::Log.only_if(args.writes());
    Audit(audit::AuditArgs) |args| Writes::Log.only_if(args.writes());
    Report(report::ReportArgs) |_| Writes::Files;
    Conform(conform::ConformArgs) |_| Writes::Nothing;
    // It makes and removes objects of its own.
    ConformStore(conform_store::ConformStoreArgs) |_| Writes::Nothing;
    Inspect(inspect::InspectArgs) |_| Writes::Nothing;
    Repair(repair::RepairArgs) |args| Writes::Log.only_if(args.writes());
    Backup(backup::BackupArgs) |_| Writes::Files;
    // As with `import`, no log that exists is written to.
    Restore(restore::RestoreArgs) |_| Writes::Files;
    Bench(bench::BenchArgs) |_| Writes::Nothing;
    Contract(contract::ContractArgs) |_| Writes::Nothing;
    Policy(policy::PolicyArgs) |args| Writes::Log.only_if(args.writes());
    Key(key::KeyArgs) |args| Writes::Files.only_if(args.writes());
    Checkpoint(checkpoint::CheckpointArgs) |_| Writes::Log;
    Prove(prove::ProveArgs) |args| Writes::Files.only_if(args.writes());
    CheckProof(check_proof::CheckProofArgs) |_| Writes::Nothing;
    Witness(witness::WitnessArgs) |_| Writes::Files;
    Evidence(evidence::EvidenceArgs) |args| Writes::Files.only_if(args.writes());
    CheckEvidence(check_evidence::CheckEvidenceArgs) |_| Writes::Nothing;
    Demo(demo::DemoArgs) |_| Writes::Nothing;
    Completions(completions::CompletionsArgs) |_| Writes::Nothing;
    Man(man::ManArgs) |args| Writes::Files.only_if(args.writes());
    Version(version::VersionArgs) |_| Writes::Nothing;
}
