//! `evlog key`: makes keys, and shows their public parts.

use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::json::KeyObject;
use crate::keys;
use crate::table::facts;
use crate::ui::{Tone, Ui};
use clap::{Args, Subcommand};
use evlog_proof::{Algorithm, VerifierKey};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  evlog key new example.com/builds                     builds.key (yours alone) and builds.pub (for everybody)
  evlog key new ci.example.com/witness --witness       the key of a witness
  evlog key show builds.pub";

/// Make the key that signs checkpoints, or that of a witness
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key: a file for its private part, which nobody else may read, and one for its public part
    New(NewArgs),
    /// Say whose key a file holds
    Show {
        /// The file of a public key
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
struct NewArgs {
    /// The log's name, or the witness's: an address without a scheme collides with nobody's
    #[arg(value_name = "NAME")]
    name: String,
    /// Make the key of a witness, which cosigns
    #[arg(long)]
    witness: bool,
    /// Where the private part goes; the public one goes beside it, as `.pub` [default: last part of NAME, and `.key`]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &KeyArgs) -> Result<Verdict, CommandError> {
    match &args.command {
        KeyCommand::New(args) => new(ui, context, args)?,
        KeyCommand::Show { file } => {
            let key = keys::verifier(file)?;
            print(ui, context, &key, None, file);
        }
    }
    Ok(Verdict::Yes)
}

fn new(ui: &mut Ui, context: &Context, args: &NewArgs) -> Result<(), CommandError> {
    let algorithm = if args.witness { Algorithm::Cosignature } else { Algorithm::Note };
    let key = keys::draw(&args.name, algorithm)?;
    let last = args.name.rsplit('/').next().filter(|last| !last.is_empty()).unwrap_or("evlog");
    let private = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{last}.key")));
    let public = keys::public_path(&private);
    keys::write(&key, &private, &public)?;
    print(ui, context, key.verifier(), Some(&private), &public);
    Ok(())
}

fn print(ui: &mut Ui, context: &Context, key: &VerifierKey, private: Option<&Path>, public: &Path) {
    let text = key.to_string();
    let role = match key.algorithm() {
        Algorithm::Note => "log",
        Algorithm::Cosignature => "witness",
    };
    let (private, public) = (private.map(|path| path.display().to_string()), public.display().to_string());
    if context.json {
        let (name, id, private, public) = (key.name(), &key.id(), private.as_deref(), &public);
        ui.json(&KeyObject { name, id, role, key: &text, private, public });
        return;
    }
    let mut rows = vec![("name", key.name().to_owned(), Tone::Strong), ("signs as", role.to_owned(), Tone::Plain)];
    rows.extend(private.map(|path| ("private", format!("{path}: keep it to yourself"), Tone::Plain)));
    rows.push(("public", public, Tone::Plain));
    rows.push(("key", text, Tone::Plain));
    facts(ui, &rows);
}
