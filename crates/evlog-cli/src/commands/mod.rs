//! The commands, one file each: the arguments and the work.

pub(crate) mod arguments;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod cat;
pub(crate) mod check_evidence;
pub(crate) mod check_proof;
pub(crate) mod checkpoint;
pub(crate) mod conform;
pub(crate) mod contract;
pub(crate) mod evidence;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod policy;
pub(crate) mod project;
pub(crate) mod prove;
pub(crate) mod repair;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod show;
pub(crate) mod submit;
pub(crate) mod tail;
pub(crate) mod verify;
pub(crate) mod witness;

use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::ui::Ui;
use arguments::{Arguments, Command};

/// Runs the chosen command.
pub(crate) fn run(ui: &mut Ui, arguments: &Arguments) -> Result<Verdict, CommandError> {
    let context = Context::new(&arguments.global);
    match &arguments.command {
        Command::Init(args) => init::run(ui, &context, args),
        Command::Run(args) => run::run(ui, &context, args),
        Command::Submit(args) => submit::run(ui, &context, args),
        Command::Tail(args) => tail::run(ui, &context, args),
        Command::Cat(args) => cat::run(ui, &context, args),
        Command::Runs(args) => runs::run(ui, &context, args),
        Command::Show(args) => show::run(ui, &context, args),
        Command::Explain(args) => explain::run(ui, &context, args),
        Command::Project(args) => project::run(ui, &context, args),
        Command::Replay(args) => replay::run(ui, &context, args),
        Command::Contract(args) => contract::run(ui, &context, args),
        Command::Verify(args) => verify::run(ui, &context, args),
        Command::Audit(args) => audit::run(ui, &context, args),
        Command::Conform(args) => conform::run(ui, &context, args),
        Command::Inspect(args) => inspect::run(ui, &context, args),
        Command::Repair(args) => repair::run(ui, &context, args),
        Command::Backup(args) => backup::run(ui, &context, args),
        Command::Bench(args) => bench::run(ui, &context, args),
        Command::Policy(args) => policy::run(ui, &context, args),
        Command::Key(args) => key::run(ui, &context, args),
        Command::Checkpoint(args) => checkpoint::run(ui, &context, args),
        Command::Prove(args) => prove::run(ui, &context, args),
        Command::CheckProof(args) => check_proof::run(ui, &context, args),
        Command::Witness(args) => witness::run(ui, &context, args),
        Command::Evidence(args) => evidence::run(ui, &context, args),
        Command::CheckEvidence(args) => check_evidence::run(ui, &context, args),
    }
}
