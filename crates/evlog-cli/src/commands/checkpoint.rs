//! `evlog checkpoint`: signs the log's current size and root.

use crate::caller::Actor;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::json::CheckpointObject;
use crate::keys;
use crate::outputs::{self, Made};
use crate::signing::{Publish, Said, Signing};
use crate::table::facts;
use crate::turn::Turn;
use crate::ui::{Tone, Ui};
use clap::Args;
use evlog_proof::{Algorithm, Signed};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  evlog checkpoint --key builds.key
  evlog checkpoint --key builds.key --out /srv/www/builds.checkpoint
  evlog checkpoint --key builds.key --out -
      print it, for a pipe
  evlog checkpoint --key builds.key \\
      --exec 'curl -fsS -T - https://example.com/builds'
  EVLOG_KEY=builds.key evlog submit --checkpoint-every 5m
      sign while the log is written";

/// Sign the log's current size and root
///
/// evlog reads back the bytes added since the last checkpoint and hashes them again; if they differ, it does not sign.
/// The checkpoint is stored in the log's directory, below `checkpoints/`, and recorded in `$log`. If nothing was added
/// since the last checkpoint, no new one is signed.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckpointArgs {
    /// The private key of the log
    #[arg(long, env = "EVLOG_KEY", value_name = "FILE", hide_env_values = true)]
    key: PathBuf,
    /// Also write the checkpoint to this file; with `-`, print only the checkpoint on stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Sign although the last checkpoint has a later time, because the clock was wrong then. The log records this
    #[arg(long)]
    clock_was_wrong: bool,
    /// Change the log's name to the name of this key. The log records this, and never signs under its old name again
    #[arg(long)]
    new_name: bool,
    /// Who signs, recorded in the log [env: `EVLOG_ACTOR`] [default: the user, `os:NAME`]
    #[arg(long, value_name = "NAME", value_parser = Actor::parse)]
    actor: Option<Actor>,
    /// Run this shell command, with the checkpoint on its stdin
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    #[command(flatten)]
    turn: Turn,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &CheckpointArgs) -> Result<Verdict, CommandError> {
    if let Some(out) = &args.out {
        outputs::check_made("--out", out, &context.log, Some(&args.key), Made::Note)?;
    }
    let key = keys::signer(&args.key, Algorithm::Note)?;
    let to_stdout = args.out.as_deref() == Some(Path::new("-"));
    let publish = Publish { out: args.out.clone().filter(|_| !to_stdout), exec: args.exec.clone() };
    let log = context.writer("checkpoint", &args.turn)?;
    let said =
        Said { clock_was_wrong: args.clock_was_wrong, new_name: args.new_name, by: Actor::name(args.actor.as_ref())? };
    let signed = Signing::begin(ui, &log, key, publish, said).and_then(|mut signing| signing.checkpoint(ui));
    let checkpoints = log.checkpoints();
    let closed = log.close().map_err(CommandError::from);
    let (signed, is_new) = CommandError::followed_by(signed, closed)?;
    if to_stdout {
        ui.file(signed.to_string().as_bytes());
    } else {
        let path = checkpoints.path(signed.checkpoint().size);
        print(ui, context, &signed, is_new, &path);
    }
    Ok(Verdict::Yes)
}

fn print(ui: &mut Ui, context: &Context, signed: &Signed, is_new: bool, path: &Path) {
    let checkpoint = signed.checkpoint();
    let (path, log_id, root) = (path.display().to_string(), checkpoint.log_id.to_string(), checkpoint.root.to_string());
    let (size, next_seq) = (checkpoint.size.0, checkpoint.next_seq.0);
    if context.json {
        let origin = &checkpoint.origin;
        return ui.json(&CheckpointObject { origin, log_id, size, root, next_seq, new: is_new, path: &path });
    }
    let covers = format!("{size} bytes, the events before seq {next_seq}");
    let signed = if is_new { "now" } else { "before; nothing was added since" };
    facts(
        ui,
        &[
            ("log", format!("{} ({log_id})", checkpoint.origin), Tone::Strong),
            ("signed", signed.to_owned(), Tone::Plain),
            ("covers", covers, Tone::Plain),
            ("root", root, Tone::Plain),
            ("kept as", path, Tone::Plain),
        ],
    );
}
