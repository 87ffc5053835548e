//! The commands, one file each: the arguments and the work.

pub(crate) mod arguments;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod cat;
pub(crate) mod check_evidence;
pub(crate) mod check_proof;
pub(crate) mod checkpoint;
pub(crate) mod completions;
pub(crate) mod conform;
pub(crate) mod conform_store;
pub(crate) mod contract;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod evidence;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod man;
pub(crate) mod policy;
pub(crate) mod project;
pub(crate) mod prove;
pub(crate) mod repair;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod show;
pub(crate) mod submit;
pub(crate) mod tail;
pub(crate) mod top;
pub(crate) mod verify;
pub(crate) mod version;
pub(crate) mod witness;

use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::ui::Ui;
use arguments::Arguments;

/// Runs the chosen command.
pub(crate) fn run(ui: &mut Ui, arguments: &Arguments) -> Result<Verdict, CommandError> {
    let context = Context::new(&arguments.global);
    let (version, log) = (env!("CARGO_PKG_VERSION"), context.log.display());
    tracing::info!(target: "evlog", version, pid = std::process::id(), %log, "the command begins");
    let done = arguments.command.run(ui, &context);
    match &done {
        Ok(verdict) => tracing::info!(target: "evlog", exit_code = verdict.code(), "the command has ended"),
        Err(error) => {
            tracing::error!(target: "evlog", exit_code = error.code, error = error.message, "the command has failed");
        }
    }
    done
}
