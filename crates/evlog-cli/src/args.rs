//! What can be typed: the options that every command takes, and the list of commands. The text here is the help, and
//! `docs/cli.md` is made from it.

use crate::commands::{
    backup, bench, cat, check_evidence, check_proof, checkpoint, conform, contract, evidence, explain, init, inspect,
    key, policy, project, prove, repair, replay, run, runs, show, submit, tail, verify, witness,
};
use crate::error::CommandError;
use crate::ui::visible;
use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory, Parser, Subcommand};
use evlog_format::limits::ACTOR_LEN_MAX;
use std::path::PathBuf;

/// Shown under the help of `evlog` itself.
const EXAMPLES: &str = "\
Exit codes:
  0   yes: done, and the answer is good
  1   no: findings, differences, rejected commands, no such run
  2   could not: usage, input or output, malformed lines, no memory
  `evlog run` ends by its run: 0 success, 10 partial, 20 failed

Examples:
  evlog run docs/examples/supply-chain/plan.toml   run a pipeline, recorded in ./evlog
  evlog tail -f                                    watch it from another terminal
  evlog verify                                     bytes, checksums, order, roots, contracts
  evlog project --check .                          compare ./runs with the log, byte for byte";

/// Records every transition of a run as an event, and proves it
///
/// evlog keeps runs in an append-only log of checksummed segments. Run states, manifests and health files are
/// projections of that log: made from its events, the same byte for byte every time.
#[derive(Debug, Parser)]
#[command(name = "evlog", version, after_help = EXAMPLES, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What was typed. An error shows it in a form that a terminal does not obey.
pub(crate) fn parse() -> Result<Arguments, clap::Error> {
    Arguments::try_parse().map_err(|error| {
        let shown = std::env::args_os().map(|typed| visible(&typed.to_string_lossy()));
        // Where hidden characters are what is wrong, their visible form is accepted.
        Arguments::try_parse_from(shown).err().unwrap_or_else(|| made_visible(error))
    })
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
    let is_visible = error.to_string().lines().all(|line| visible(line) == line);
    if is_visible { error } else { Arguments::command().error(error.kind(), "an argument holds hidden characters") }
}

/// Options of every command.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// The log's directory
    #[arg(
        long,
        global = true,
        env = "EVLOG_LOG",
        default_value = "./evlog",
        value_name = "PATH",
        hide_env_values = true
    )]
    pub(crate) log: PathBuf,
    /// Answer in JSON, of the given version of its shapes [default: 1]
    #[arg(
        long,
        global = true,
        value_name = "VERSION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1",
        value_parser = ["1"],
        hide_possible_values = true
    )]
    pub(crate) json: Option<String>,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// For commands that read.
#[derive(Args, Debug)]
pub(crate) struct At {
    /// Show the log as it was when this event was its last
    #[arg(long, value_name = "SEQ")]
    pub(crate) at: Option<u64>,
}

/// For commands that write.
#[derive(Args, Debug)]
pub(crate) struct Writing {
    /// Refuse to make a log where there is none
    #[arg(long)]
    pub(crate) no_create: bool,
    /// The actor of commands that name none [env: `EVLOG_ACTOR`] [default: `operator`]
    #[arg(long, value_name = "NAME", value_parser = Actor::parse)]
    pub(crate) actor: Option<Actor>,
}

/// Who acts: a name that the log takes.
#[derive(Clone, Debug)]
pub(crate) struct Actor(String);

impl Actor {
    pub(crate) fn parse(text: &str) -> Result<Actor, String> {
        let is_good = !text.is_empty() && text.len() as u64 <= ACTOR_LEN_MAX && !text.chars().any(char::is_control);
        let expected = || format!("expected 1 to {ACTOR_LEN_MAX} bytes of text without control characters");
        if is_good { Ok(Actor(text.to_owned())) } else { Err(expected()) }
    }

    /// What was typed, or what the environment says.
    pub(crate) fn name(typed: Option<&Actor>) -> Result<String, CommandError> {
        if let Some(Actor(actor)) = typed {
            return Ok(actor.clone());
        }
        let Some(given) = std::env::var_os("EVLOG_ACTOR").filter(|text| !text.is_empty()) else {
            return Ok("operator".to_owned());
        };
        let text = given.to_str().ok_or_else(|| "expected text in UTF-8".to_owned());
        let Actor(name) =
            text.and_then(Actor::parse).map_err(|why| CommandError::user(format!("EVLOG_ACTOR: {why}")))?;
        Ok(name)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(init::InitArgs),
    Run(run::RunArgs),
    Submit(submit::SubmitArgs),
    Tail(tail::TailArgs),
    Cat(cat::CatArgs),
    Runs(runs::RunsArgs),
    Show(show::ShowArgs),
    Explain(explain::ExplainArgs),
    Project(project::ProjectArgs),
    Replay(replay::ReplayArgs),
    Verify(verify::VerifyArgs),
    Conform(conform::ConformArgs),
    Inspect(inspect::InspectArgs),
    Repair(repair::RepairArgs),
    Backup(backup::BackupArgs),
    Bench(bench::BenchArgs),
    Contract(contract::ContractArgs),
    Policy(policy::PolicyArgs),
    Key(key::KeyArgs),
    Checkpoint(checkpoint::CheckpointArgs),
    Prove(prove::ProveArgs),
    CheckProof(check_proof::CheckProofArgs),
    Witness(witness::WitnessArgs),
    Evidence(evidence::EvidenceArgs),
    CheckEvidence(check_evidence::CheckEvidenceArgs),
}
