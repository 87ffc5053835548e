//! `evlog key`: makes keys, and shows their public parts.

use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::json::KeyObject;
use crate::keys;
use crate::outputs;
use crate::table::facts;
use crate::ui::{Tone, Ui};
use clap::{Args, Subcommand};
use evlog_proof::{Algorithm, VerifierKey};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  evlog key new example.com/builds
      builds.key (keep it secret) and builds.pub (publish it)
  evlog key new ci.example.com/witness --witness
      the key of a witness
  evlog key show builds.pub";

/// Create or show the keys that sign checkpoints
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

impl KeyArgs {
    /// Whether the command writes files.
    pub(crate) fn writes(&self) -> bool {
        matches!(self.command, KeyCommand::New(_))
    }
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Create a key pair: a private key file that only its owner can read, and a public key file
    New(NewArgs),
    /// Show the name and the kind of a public key
    Show {
        /// The public key file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
struct NewArgs {
    /// The name of the log or of the witness. Use an address that you own, without a scheme: example.com/builds
    #[arg(value_name = "NAME")]
    name: String,
    /// Create the key of a witness, which cosigns checkpoints
    #[arg(long)]
    witness: bool,
    /// File for the private key; the public key gets the same name with `.pub` [default: last part of NAME, with `.key`]
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
    outputs::check("--out", &private, &context.log, None)?;
    outputs::check("--out", &public, &context.log, None)?;
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
    rows.extend(private.map(|path| ("private", format!("{path}: keep it secret"), Tone::Plain)));
    rows.push(("public", public, Tone::Plain));
    rows.push(("key", text, Tone::Plain));
    facts(ui, &rows);
}
