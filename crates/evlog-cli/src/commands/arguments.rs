//! The list of commands. The doc comments are the help texts, and `docs/cli.md` is made from it.

use super::{
    audit, backup, bench, cat, check_evidence, check_proof, checkpoint, conform, contract, evidence, explain, init,
    inspect, key, policy, project, prove, repair, replay, run, runs, show, submit, tail, verify, witness,
};
use crate::args::Global;
use crate::ui::visible;
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser, Subcommand};

/// Shown under the help of `evlog` itself.
const EXAMPLES: &str = "\
Exit codes:
  0   yes: done, with nothing to report
  1   no: findings, differences, rejected commands, no such run
  2   could not: wrong usage, input or output error, malformed lines, out of memory
  `evlog run` exits with the outcome of its run: 0 success, 10 partial, 20 failed

Examples:
  evlog run docs/examples/supply-chain/plan.toml   run a pipeline, recorded in ./evlog
  evlog tail -f                                    watch it from another terminal
  evlog verify                                     check bytes, checksums, order, roots, contracts
  evlog project --check .                          compare ./runs with the log, byte for byte";

/// Record every step of a run as an event in an append-only log, and prove it later
///
/// evlog keeps runs in an append-only log of checksummed segments. Run states, manifests and health files are
/// projections: evlog computes them from the log, and gets the same bytes every time.
#[derive(Debug, Parser)]
#[command(name = "evlog", version, after_help = EXAMPLES, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Parses the arguments. An error shows them with control characters escaped.
pub(crate) fn parse() -> Result<Arguments, clap::Error> {
    Arguments::try_parse().map_err(|error| {
        let shown = std::env::args_os().map(|typed| visible(&typed.to_string_lossy()));
        // If escaping makes the arguments valid, the hidden characters are the error.
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
    if is_visible { error } else { Arguments::command().error(error.kind(), "an argument contains hidden characters") }
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
    Audit(audit::AuditArgs),
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
