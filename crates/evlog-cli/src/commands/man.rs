//! `evlog man`: the man pages, made from what the argument parser knows.
//!
//! Invariant: equal programs make equal pages: no date, and no width of a terminal.

use super::arguments::Arguments;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::files;
use crate::json::ManObject;
use crate::outputs;
use crate::ui::{Text, Tone, Ui};
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  evlog man | man -l -
      read the page of evlog itself
  evlog man ~/.local/share/man/man1
      then `man evlog-verify` shows the page of `evlog verify`";

/// Write the man pages: one for each command into DIR, or that of evlog itself to stdout
///
/// Pages that are in DIR already are replaced.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ManArgs {
    /// The directory for the pages; it is created if needed
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl ManArgs {
    /// Whether the command writes files.
    pub(crate) fn writes(&self) -> bool {
        self.dir.is_some()
    }
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ManArgs) -> Result<Verdict, CommandError> {
    let mut root = Arguments::command().disable_help_subcommand(true);
    root.build();
    if let Some(dir) = &args.dir {
        write(ui, context, &root, dir)?;
        return Ok(Verdict::Yes);
    }
    let (_, page) = page(&root)?;
    if context.json {
        ui.json(&ManObject { page: Some(&String::from_utf8_lossy(&page)), files: &[] });
    } else {
        ui.file(&page);
    }
    Ok(Verdict::Yes)
}

fn write(ui: &mut Ui, context: &Context, root: &Command, dir: &Path) -> Result<(), CommandError> {
    outputs::check("DIR", dir, &context.log, None)?;
    files::make_dir(dir)?;
    let mut written = Vec::new();
    let mut open = vec![root];
    while let Some(command) = open.pop() {
        let (name, page) = page(command)?;
        let path = dir.join(name);
        files::replace(&path, &page)?;
        written.push(path.display().to_string());
        open.extend(command.get_subcommands());
    }
    written.sort_unstable();
    if context.json {
        ui.json(&ManObject { page: None, files: &written });
    } else {
        for path in &written {
            ui.line(Text::default().toned(Tone::Faint, "wrote").plain("  ").plain(path));
        }
    }
    Ok(())
}

/// The page of a command, and the name of its file.
fn page(command: &Command) -> Result<(String, Vec<u8>), CommandError> {
    let man = Man::new(command.clone()).source(concat!("evlog ", env!("CARGO_PKG_VERSION"))).manual("evlog");
    let mut page = Vec::new();
    match sections(&man, command, &mut page) {
        Ok(()) => Ok((man.get_filename(), page)),
        Err(error) => Err(CommandError::file("write", man.get_filename(), &error)),
    }
}

fn sections(man: &Man, command: &Command, page: &mut dyn Write) -> io::Result<()> {
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(page)?;
    }
    let Some(after) = command.get_after_help() else { return Ok(()) };
    // Not as the library does it, which would join the lines of examples.
    let mut notes = Roff::new();
    notes.control("SH", ["NOTES"]);
    for block in after.to_string().split("\n\n") {
        let is_paragraph = block.lines().count() == 1;
        notes.control("PP", []);
        if !is_paragraph {
            notes.control("nf", []);
        }
        for line in block.lines() {
            notes.text([roman(line)]);
        }
        if !is_paragraph {
            notes.control("fi", []);
        }
    }
    notes.to_writer(page)
}
