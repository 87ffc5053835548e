//! The command `evlog`.
//!
//! Does: parse arguments, run one command, and exit with its exit code. Or guard a stage of a run, if the process was
//! started for that.
//! Does not: decide anything that the library decides.
//!
//! Invariants:
//! - The answer goes to stdout, messages go to stderr, and the exit code is the verdict: 0 yes, 1 no, 2 could not. Only
//!   `run` exits with the outcome of its run: 0, 10 or 20.
//! - Only this function ends the program, and only [`ui`] prints.
#![forbid(unsafe_code)]

mod args;
mod caller;
mod commands;
mod context;
mod error;
mod events;
mod evidence;
mod files;
mod formats;
mod json;
mod keys;
mod last_words;
mod listener;
mod logging;
mod marks;
mod metrics;
mod notes;
mod outputs;
mod pages;
mod place;
#[cfg(test)]
mod reference;
mod reports;
mod selecting;
mod shell;
mod signals;
mod signing;
mod streams;
mod table;
mod turn;
mod ui;
mod usage;
mod when;
mod writer;

use evlog_pipeline::supervisor;
use std::process::ExitCode;
use ui::{Colour, Errors};

fn main() -> ExitCode {
    if supervisor::is_asked() {
        return supervisor::serve();
    }
    // If this fails, exceeding the file size limit ends the process, which is the default.
    signals::outlive_size_limit().ok();
    let errors = Errors::typed(std::env::args_os());
    let arguments = match commands::arguments::parse() {
        Ok(arguments) => arguments,
        Err((error, help)) => return ui::usage(&error, &help, Colour::typed(std::env::args_os()), errors),
    };
    if arguments.global.quiet {
        ui::silence_alerts();
    }
    let mut ui = ui::Ui::new(arguments.global.quiet, arguments.global.color, errors);
    // If this fails, Rust's library prints its own message when memory runs out.
    last_words::prepare(arguments.command.writes(), errors).ok();
    // If this fails, running out of memory ends the process by a signal, which is the default.
    signals::end_where_memory_ends().ok();
    let done = match logging::begin(arguments.global.quiet, errors) {
        // Its last line comes before the error, which is the last line of all.
        Ok(_logging) => commands::run(&mut ui, &arguments),
        Err(error) => Err(error),
    };
    ui.end(done)
}
