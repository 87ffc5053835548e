//! The command `evlog`.
//!
//! Does: parse arguments, run one command, end with the exit code that says how it went; or guard a stage of a run, where
//! that is what this process was started for.
//! Does not: decide anything that the library decides.
//!
//! Invariants:
//! - stdout carries the answer, stderr the talk, the exit code the verdict: 0 yes, 1 no, 2 could not. `run` alone ends
//!   by its run: 0, 10 or 20.
//! - Only this function ends the program, and only [`ui`] prints.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod context;
mod error;
mod events;
mod evidence;
mod files;
mod json;
mod keys;
mod last_words;
mod listener;
mod marks;
mod notes;
mod outputs;
#[cfg(test)]
mod reference;
mod shell;
mod signals;
mod signing;
mod span;
mod table;
mod ui;

use evlog_pipeline::guard;
use std::process::ExitCode;

fn main() -> ExitCode {
    if guard::is_asked() {
        return guard::serve();
    }
    // Where this cannot be had, a limit on the size of files ends the process, as it ends others.
    signals::outlive_size_limit().ok();
    let arguments = match commands::arguments::parse() {
        Ok(arguments) => arguments,
        Err(error) => return ui::usage(&error),
    };
    if arguments.global.quiet {
        ui::silence_alerts();
    }
    let mut ui = ui::Ui::new(arguments.global.quiet);
    // Where this cannot be had, Rust's library says in its own words that memory has ended.
    last_words::prepare(&arguments.command).ok();
    // Where this cannot be had, a process without memory ends by a signal, as others do.
    signals::end_where_memory_ends().ok();
    let done = commands::run(&mut ui, &arguments);
    ui.end(done)
}
