//! `evlog completions`: the completion script of a shell, made from what the argument parser knows.

use super::arguments::Arguments;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::json::CompletionsObject;
use crate::ui::Ui;
use clap::{Args, CommandFactory};
use clap_complete::{Generator, Shell};
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  evlog completions bash > ~/.local/share/bash-completion/completions/evlog
  evlog completions zsh > ~/.zfunc/_evlog           ~/.zfunc must be in $fpath
  evlog completions fish > ~/.config/fish/completions/evlog.fish";

/// Print the completion script of a shell
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell that completes commands and options
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &CompletionsArgs) -> Result<Verdict, CommandError> {
    let mut root = Arguments::command();
    root.set_bin_name("evlog");
    root.build();
    let mut script = Vec::new();
    let made = args.shell.try_generate(&root, &mut script);
    made.map_err(|error| CommandError::file("write", "the script", &error))?;
    if context.json {
        ui.json(&CompletionsObject { shell: &args.shell.to_string(), script: &String::from_utf8_lossy(&script) });
    } else {
        // `Ui` keeps an error, and reports it at the end.
        let _kept = ui.bytes().write_all(&script);
    }
    Ok(Verdict::Yes)
}
