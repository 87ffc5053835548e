//! `evlog top`: a screen of the runs of a live log.
//!
//! Does: check that there is a terminal. The screen itself is built in with the feature `top`, because it needs far more
//! packages than everything else.

#[cfg(feature = "top")]
mod feed;
#[cfg(feature = "top")]
mod session;
#[cfg(feature = "top")]
mod stages;
#[cfg(feature = "top")]
mod terminal;

use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::ui::Ui;
use clap::Args;
use std::io::{self, IsTerminal};

const EXAMPLES: &str = "\
Examples:
  evlog top  the runs of ./evlog, those with the newest events first
  evlog --log builds top
  evlog --color never top

Keys: j, k and the arrows move; Enter opens a run, Esc goes back; / filters by text, f by status; s sorts; p \
pauses; Tab changes the part of the screen; ? shows all keys; q and Ctrl-C end.

If the log is removed, replaced or cut, the screen says so and stays until q, with exit code 2. The screen needs \
60 columns and 16 lines, and shows more on a wider terminal.";

/// Watch runs on a screen: their states, their stages and their events, as they are committed
///
/// Nothing is written. The bytes of the log are verified as they are read, only once, and every run is folded by its contract;
/// the verdict is that of what was read so far. At most 10,000 runs are kept, those with the newest events.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TopArgs {}

pub(crate) fn run(ui: &mut Ui, context: &Context, _: &TopArgs) -> Result<Verdict, CommandError> {
    let other = "`evlog tail -f` prints events to a pipe or a file, and `evlog tail -f --json` for programs";
    if context.json {
        return Err(CommandError::user("--json: `top` is a screen for people, and has no JSON").hint(other));
    }
    for (name, is_terminal) in [("stdout", io::stdout().is_terminal()), ("stdin", io::stdin().is_terminal())] {
        if !is_terminal {
            let message = format!("{name}: `top` expected a terminal, found a pipe, a file or nothing");
            return Err(CommandError::user(message).hint(other));
        }
    }
    watch(ui, context)
}

#[cfg(feature = "top")]
fn watch(ui: &mut Ui, context: &Context) -> Result<Verdict, CommandError> {
    let (view, damage) = context.up_to_damage()?.before_damage();
    damage?;
    session::run(ui, context, view)
}

#[cfg(not(feature = "top"))]
fn watch(_: &mut Ui, _: &Context) -> Result<Verdict, CommandError> {
    Err(CommandError::user("`top`: this evlog was built without it")
        .hint("build it with `cargo build --release -p evlog-cli --features top`; `evlog tail -f --fold` shows one line a run"))
}
